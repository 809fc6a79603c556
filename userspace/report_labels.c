/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The labels that were not seen. Those of which it is known why share a line with their like; the
 * rest, whose functions were there and were not called (or not while it was traced), are listed.
 */
#include "report.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LABELS = 200, WIDTH = 100 };

/* A list that is broken into lines. */
struct list {
	struct out *o;
	int at; /* columns of the line so far; 0: none was begun */
};

static int list__add(struct list *l, const char *text)
{
	char *clean = out_clean(text, strlen(text));
	int width = clean ? out_width(clean) : 0;

	if (!clean)
		return -ENOMEM;
	if (!l->at) {
		out__str(l->o, "  ");
		l->at = 2;
	} else if (l->at + 2 + width + 1 > WIDTH) { /* the 1: what follows it */
		out__str(l->o, ",\n    ");
		l->at = 4;
	} else {
		out__str(l->o, ", ");
		l->at += 2;
	}
	out__str(l->o, clean);
	l->at += width;
	free(clean);
	return 0;
}

static bool is_alike(const struct label_stat *a, const struct label_stat *b)
{
	if (a->state != b->state)
		return false;
	return a->why && b->why ? !strcmp(a->why, b->why) : a->why == b->why;
}

static int print_why(enum lang lang, const struct label_stat *l, struct out *o)
{
	char *why = l->why ? out_clean(l->why, strlen(l->why)) : NULL;
	bool absent = l->state == LABEL_ABSENT;

	if (l->why && !why)
		return -ENOMEM;
	if (absent)
		out__fmt(o, why ? ": %s (%s)" : ": %s", lang_text(lang, TEXT_ABSENT), why);
	else if (l->state == LABEL_NOT_CALLED)
		out__fmt(o, ": %s", lang_text(lang, TEXT_NOT_CALLED));
	else if (why)
		out__fmt(o, ": %s", why);
	out__str(o, "\n");
	free(why);
	return 0;
}

/* From the i-th on those that are like it, and that no line before had; *left counts down. */
static int print_like(enum lang lang, const struct run_summary *sum, size_t i, size_t *left,
	struct out *o)
{
	const struct label_stat *first = &sum->labels[i];
	struct list list = { .o = o };
	int err = 0;

	for (size_t k = 0; k < i; k++)
		if (is_alike(&sum->labels[k], first))
			return 0;
	for (; i < sum->n_labels && *left && !err; i++) {
		if (!is_alike(&sum->labels[i], first))
			continue;
		err = list__add(&list, sum->labels[i].label);
		--*left;
	}
	return err || !list.at ? err : print_why(lang, first, o);
}

int report_labels(enum lang lang, const struct run_summary *sum, struct out *o)
{
	size_t missing = 0, left = MAX_LABELS;
	int err = 0;

	for (size_t i = 0; i < sum->n_labels; i++)
		missing += sum->labels[i].state != LABEL_SEEN;
	if (!missing)
		return 0;
	out__fmt(o, "\n%s (%zu / %zu):\n", lang_text(lang, TEXT_NOT_SEEN), missing, sum->n_labels);
	for (size_t i = 0; i < sum->n_labels && left && !err; i++)
		if (sum->labels[i].state != LABEL_SEEN)
			err = print_like(lang, sum, i, &left, o);
	if (!err && missing > MAX_LABELS)
		out__fmt(o, "  %s: %zu\n", lang_text(lang, TEXT_MORE), missing - MAX_LABELS);
	return err;
}
