/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "labels.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

enum { MAX_WHY = 1000 };

struct label {
	struct label_stat stat; /* its strings and list are below */
	char *why;
	uint32_t *pids;
	uint32_t last_pid;
	bool seen, judged, matched;
	bool missable; /* it may have been called without being seen, or it was called and its conditions
			* did not hold */
	size_t order;
	UT_hash_handle hh;
	size_t len;
	char key[]; /* profile NUL label NUL */
};

struct labels {
	enum lang lang;
	struct label *all;
	struct label_stat *list;
};

struct labels *labels__new(enum lang lang)
{
	struct labels *ls = calloc(1, sizeof(*ls));

	if (ls)
		ls->lang = lang;
	return ls;
}

void labels__free(struct labels *ls)
{
	struct label *l, *tmp;

	if (!ls)
		return;
	HASH_ITER(hh, ls->all, l, tmp) {
		HASH_DELETE(hh, ls->all, l);
		free(l->why);
		free(l->pids);
		free(l);
	}
	free(ls->list);
	free(ls);
}

static struct label *find_or_add(struct labels *ls, const char *profile, const char *text)
{
	size_t n = profile ? strlen(profile) : 0, len = n + strlen(text) + 2;
	struct label *l = calloc(1, sizeof(*l) + len), *known;

	if (!l)
		return NULL;
	if (profile)
		memcpy(l->key, profile, n);
	strcpy(l->key + n + 1, text);
	l->len = len;
	HASH_FIND(hh, ls->all, l->key, len, known);
	if (known) {
		free(l);
		return known;
	}
	l->stat.label = l->key + n + 1;
	l->stat.profile = profile ? l->key : NULL;
	l->stat.state = LABEL_NOT_SEEN;
	HASH_ADD_KEYPTR(hh, ls->all, l->key, len, l);
	if (!hash_added(l)) {
		free(l);
		return NULL;
	}
	return l;
}

struct label *labels__get(struct labels *ls, const struct fact_spec *spec, enum rt_when when)
{
	const char *text = (when == RT_ENTRY ? spec->entry : spec->leave)[ls->lang];

	return text ? find_or_add(ls, spec->profile, text) : NULL;
}

static void add_pid(struct label *l, uint32_t pid)
{
	if (l->stat.n_pids >= LABEL_PIDS_MAX)
		return;
	if (!l->pids)
		l->pids = calloc(LABEL_PIDS_MAX, sizeof(*l->pids));
	if (l->pids)
		l->pids[l->stat.n_pids++] = pid;
}

void label__seen(struct label *l, uint32_t pid, bool printed)
{
	l->stat.rows += printed;
	if (l->seen && l->last_pid == pid)
		return;
	l->seen = true;
	l->last_pid = pid;
	for (size_t i = 0; i < l->stat.n_pids; i++)
		if (l->pids[i] == pid)
			return;
	add_pid(l, pid);
}

/* Each reason once, one behind the other. */
static int add_why(struct label *l, const char *why)
{
	char *all;

	if (l->why && (strstr(l->why, why) || strlen(l->why) > MAX_WHY))
		return 0;
	if (asprintf(&all, "%s%s%s", l->why ? l->why : "", l->why ? "; " : "", why) < 0)
		return -ENOMEM;
	free(l->why);
	l->why = all;
	return 0;
}

static int judge_by(struct label *l, const struct spec_stat *stat, size_t *order)
{
	const struct fact_spec *spec = stat->spec;
	bool absent = spec->unmatched && spec->absent;

	if (!l->judged) {
		l->judged = true;
		l->order = (*order)++;
		l->stat.extra = spec->extra;
		l->stat.state = absent ? LABEL_ABSENT : LABEL_NOT_SEEN;
	}
	l->stat.extra &= spec->extra;
	l->missable |= stat->funcs || strncmp(spec->text, "py:", 3);
	if (!absent)
		l->stat.state = LABEL_NOT_SEEN;
	l->matched |= !spec->unmatched;
	return spec->unmatched ? add_why(l, spec->unmatched) : 0;
}

static int by_order(const struct label *a, const struct label *b)
{
	return (a->order > b->order) - (a->order < b->order);
}

int labels__judge(struct labels *ls, const struct spec_stat *specs, size_t n, bool watched)
{
	size_t order = 0;
	struct label *l;
	int err = 0;

	for (size_t i = 0; i < 2 * n && !err; i++) {
		const struct fact_spec *spec = specs[i / 2].spec;
		enum rt_when when = i % 2 ? RT_RETURN : RT_ENTRY;

		if (!(when == RT_ENTRY ? spec->entry : spec->leave)[ls->lang])
			continue;
		l = labels__get(ls, spec, when);
		err = l ? judge_by(l, &specs[i / 2], &order) : -ENOMEM;
	}
	for (l = ls->all; l && watched; l = l->hh.next)
		if (l->stat.state == LABEL_NOT_SEEN && !l->missable)
			l->stat.state = LABEL_NOT_CALLED;
	HASH_SORT(ls->all, by_order);
	return err;
}

int labels__merge(struct labels *ls, const struct label_stat *stat)
{
	struct label *l = find_or_add(ls, stat->profile, stat->label);
	bool absent = stat->state == LABEL_ABSENT;

	if (!l)
		return -ENOMEM;
	if (!l->judged) {
		l->judged = true;
		l->stat.extra = stat->extra;
		l->stat.state = stat->state;
	}
	l->stat.extra &= stat->extra;
	if (!absent && (l->stat.state == LABEL_ABSENT || stat->state == LABEL_NOT_SEEN))
		l->stat.state = stat->state;
	l->seen |= stat->state == LABEL_SEEN;
	l->stat.rows += stat->rows;
	for (size_t i = 0; i < stat->n_pids; i++)
		add_pid(l, stat->pids[i]);
	l->matched |= !stat->why;
	return stat->why ? add_why(l, stat->why) : 0;
}

int labels__list(struct labels *ls, const struct label_stat **list, size_t *n)
{
	struct label_stat *stats = calloc(HASH_COUNT(ls->all) + 1, sizeof(*stats));
	size_t i = 0;

	if (!stats)
		return -ENOMEM;
	for (struct label *l = ls->all; l; l = l->hh.next) {
		stats[i] = l->stat;
		stats[i].pids = l->pids;
		if (l->seen)
			stats[i].state = LABEL_SEEN;
		stats[i].why = l->seen || l->matched ? NULL : l->why;
		i++;
	}
	free(ls->list);
	*list = ls->list = stats;
	*n = i;
	return 0;
}

const char *label_state_name(enum label_state state)
{
	static const char *const names[] = {
		[LABEL_SEEN] = "seen",
		[LABEL_NOT_SEEN] = "not seen",
		[LABEL_NOT_CALLED] = "not called",
		[LABEL_ABSENT] = "not in this version",
	};

	return names[state];
}
