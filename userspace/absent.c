/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "absent.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "labels.h"
#include "log.h"

enum {
	MAX_SAID = 4, /* labels, unless all are wanted */
	MAX_WHY = 2048,
};

int absent_judge(const struct selection *sel, const struct probes *p)
{
	size_t missing = 0;
	char why[2048];
	bool seen;

	for (size_t i = 0; i < sel->n; i++) {
		if (!probes__unmatched(p, i, &seen, why, sizeof(why)))
			continue;
		missing += sel->specs[i]->type != SPEC_PYTHON; /* of those absent_say tells */
		if (i < sel->first_own) {
			log_debug("%s: %s", sel->specs[i]->text, why);
		} else if (sel->specs[i]->type == SPEC_PYTHON) {
			/* code may come from elsewhere yet */
			log_warn("-f %s: %s", sel->specs[i]->text, why);
		} else if (seen) {
			log_error("-f %s: %s", sel->specs[i]->text, why);
			return -ENOENT;
		} else if (strchr(sel->specs[i]->binary, '/') && access(sel->specs[i]->binary, F_OK)) {
			log_error("-f %s: %s: %s", sel->specs[i]->text, sel->specs[i]->binary,
				strerror(errno));
			return -ENOENT;
		} else {
			log_warn("-f %s: %s; it will be attached when one loads it", sel->specs[i]->text,
				why);
		}
	}
	if (missing && missing > sel->n - sel->first_own)
		log_info("%zu of %zu checkpoints match nothing now (--list says which and why)", missing,
			sel->n);
	return 0;
}

/* The specs as the report at the end gets them: what it will say of a label is said now. */
struct facts {
	struct fact *facts;
	struct spec_stat *stats;
	char (*whys)[MAX_WHY];
	struct labels *labels;
};

static void facts__clear(struct facts *f)
{
	labels__free(f->labels);
	free(f->whys);
	free(f->stats);
	free(f->facts);
}

static int facts__judge(struct facts *f, const struct selection *sel, const struct probes *p,
	enum lang lang)
{
	f->facts = calloc(sel->n + 1, sizeof(*f->facts));
	f->stats = calloc(sel->n + 1, sizeof(*f->stats));
	f->whys = calloc(sel->n + 1, sizeof(*f->whys));
	f->labels = labels__new(lang);
	if (!f->facts || !f->stats || !f->whys || !f->labels)
		return -ENOMEM;
	for (size_t i = 0; i < sel->n; i++) {
		probes__describe(p, i, &f->facts[i], f->whys[i], sizeof(f->whys[i]));
		f->stats[i].spec = &f->facts[i].spec;
	}
	return labels__judge(f->labels, f->stats, sel->n, false);
}

static bool is_wanted(const struct label_stat *l)
{
	return l->state == LABEL_ABSENT && l->profile && l->why;
}

/* Each reason once, behind all labels that have it. How many labels were said. */
static size_t say(FILE *out, const struct label_stat *list, size_t n, size_t max)
{
	size_t said = 0;

	for (size_t i = 0; i < n && said < max; i++) {
		size_t first = said, k;

		for (k = 0; k < i && is_wanted(&list[i]); k++)
			if (is_wanted(&list[k]) && !strcmp(list[k].why, list[i].why))
				break;
		if (k < i || !is_wanted(&list[i]))
			continue;
		for (k = i; k < n && said < max; k++) {
			if (!is_wanted(&list[k]) || strcmp(list[k].why, list[i].why))
				continue;
			fprintf(out, "%s%s", said == first ? (first ? "; " : "") : ", ", list[k].label);
			said++;
		}
		fprintf(out, " (%s)", list[i].why);
	}
	return said;
}

/* What they are not in: the package of the first of them. */
static const char *package_of(const struct selection *sel, const struct pyinstall *install)
{
	for (size_t i = 0; i < sel->n; i++)
		if (pyinstall__why(install, i) && pyinstall__package(install, i))
			return pyinstall__package(install, i);
	return "the installed version";
}

size_t absent_say(const struct selection *sel, const struct probes *p,
	const struct pyinstall *install, enum lang lang, bool all, size_t known)
{
	const struct label_stat *list = NULL;
	size_t n = 0, absent = 0, said, len;
	struct facts f = {0};
	char *text = NULL;
	FILE *out;

	if (facts__judge(&f, sel, p, lang) || labels__list(f.labels, &list, &n))
		n = 0;
	for (size_t i = 0; i < n; i++)
		absent += is_wanted(&list[i]);
	out = absent && absent != known ? open_memstream(&text, &len) : NULL;
	if (out) {
		said = say(out, list, n, all ? SIZE_MAX : MAX_SAID);
		fclose(out);
		log_info("%zu labels of the profile %s are not in %s: %s%s", absent,
			sel->profile ? profile__name(sel->profile) : "", package_of(sel, install),
			text ? text : "", said < absent ? ", ... (-v says all)" : "");
		free(text);
	}
	facts__clear(&f);
	return absent;
}
