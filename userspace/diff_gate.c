/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --fail-if on two sides. What is on one side only is compared with nothing: 0. */
#include "diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "verdict.h"

static double mib(int64_t bytes)
{
	return (double)bytes / 1048576.0;
}

/* "(Worker_TP0) WHAT: 240.23 -> 340.23 M (+100.00)" */
static void judge(struct verdict *v, const struct diff_value *value, const struct diff_process *p,
	const char *what)
{
	const struct condition *c = v->condition;
	char *process;

	v->named = true;
	if (!condition__holds_between(
		    c, value->a.median, value->b.median, value->differs ? value->by : 0))
		return;
	verdict__count(v);
	process = p ? diff_process_name(p) : NULL;
	if (c->what == COND_LOST)
		verdict__show(
			v, "%s: %" PRId64 " -> %" PRId64, what, value->a.median, value->b.median);
	else
		verdict__show(v, "%s%s%s%s: %.2f -> %.2f M (%+.2f)", process ? "(" : "",
			process ? process : "", process ? ") " : "", what, mib(value->a.median),
			mib(value->b.median), mib(value->by));
	free(process);
}

static void judge_rows(struct verdict *v, const struct diff *d, const struct diff_entry *e)
{
	size_t n = diff_entry__occurrences(d, e), room = strlen(e->name) + 32;
	struct diff_value values[2];
	char *what = malloc(room);

	for (size_t i = 0; i < n; i++) {
		diff__occurrence(d, e, i, values);
		if (what && n > 1)
			snprintf(what, room, "%s #%zu", e->name, i + 1);
		judge(v, &values[0], e->process, what && n > 1 ? what : e->name);
	}
	free(what);
}

/* What no row has may be in a spec. */
static void look_for_label(struct verdict *v, const struct diff *d)
{
	const char *why = NULL;

	for (size_t i = 0; i < d->n; i++) {
		for (size_t k = 0; k < d->runs[i].n_labels; k++) {
			const struct seen_label *l = &d->runs[i].labels[k];

			if (!condition__names(v->condition, l->text) &&
				!condition__names(v->condition, l->other))
				continue;
			v->asleep |= !l->unmatched;
			why = l->unmatched ? l->unmatched : why;
		}
	}
	if (!v->asleep && why)
		verdict__blind(v, "nothing has that label there: %s", why);
}

static void judge_labels(struct verdict *v, const struct diff *d)
{
	const struct diff_list *all = &d->entries[SEEN_LABEL];

	for (size_t i = 0; i < all->n; i++) {
		const struct diff_entry *e = all->list[i];

		if (!condition__names(v->condition, e->name) &&
			!(*e->file && condition__names(v->condition, e->file)))
			continue;
		v->named = true;
		if (v->condition->what == COND_TOTAL)
			judge(v, &e->values[1], e->process, e->name);
		else
			judge_rows(v, d, e);
	}
	if (!v->named)
		look_for_label(v, d);
}

/* What a program has at its end, and is not in its own entry. */
static int64_t figure(const struct condition *c, const struct seen_program *p)
{
	if (!p || (c->what != COND_REMAINDER && !p->self.n))
		return 0;
	switch (c->what) {
	case COND_REMAINDER:
		return p->remainder;
	case COND_ANON:
		return (int64_t)p->last.anon;
	case COND_FILE:
		return (int64_t)p->last.file;
	case COND_SHMEM:
		return (int64_t)p->last.shmem;
	case COND_SWAP:
		return (int64_t)p->last.swap;
	case COND_PEAK:
		return p->self.figures[2];
	default:
		return p->self.figures[1];
	}
}

static void judge_processes(struct verdict *v, const struct diff *d)
{
	struct diff_value value;

	if (v->condition->what == COND_REMAINDER && !d->growth) {
		verdict__blind(
			v, "it is not known who grew: not all tapes were recorded with --growth");
		return;
	}
	for (const struct diff_process *p = d->processes; p; p = p->hh.next) {
		if (!condition__names(v->condition, p->name))
			continue;
		for (size_t i = 0; i < d->n; i++)
			d->scratch[i] = figure(v->condition, p->of[i]);
		value = diff__judge(d, d->scratch);
		judge(v, &value, p, condition_name(v->condition));
	}
}

static void judge_growth(struct verdict *v, const struct diff *d)
{
	static const enum seen_kind kinds[] = {SEEN_FUNCTION, SEEN_NATIVE};

	if (!d->growth)
		verdict__blind(
			v, "it is not known who grew: not all tapes were recorded with --growth");
	for (size_t k = 0; k < 2; k++) {
		const struct diff_list *all = &d->entries[kinds[k]];

		for (size_t i = 0; i < all->n; i++)
			if (condition__names(v->condition, all->list[i]->name))
				judge(v, &all->list[i]->values[1], all->list[i]->process,
					all->list[i]->name);
	}
}

static void judge_tree(struct verdict *v, const struct diff *d)
{
	const struct diff_entry *e = d->entries[SEEN_TREE].list[0];

	if (e->runs_a < d->n_a || e->runs_b < d->n - d->n_a)
		verdict__blind(v, "what all processes had together is not known of all tapes");
	else
		judge(v, &e->values[0], NULL, "all processes together at their peak");
}

static void judge_lost(struct verdict *v, const struct diff *d)
{
	struct diff_value value;

	for (size_t i = 0; i < d->n; i++)
		d->scratch[i] = d->runs[i].lost;
	value = diff__judge(d, d->scratch);
	judge(v, &value, NULL, "lost events");
}

static void judge_one(struct verdict *v, const struct diff *d)
{
	switch (v->condition->what) {
	case COND_LABEL:
	case COND_TOTAL:
		judge_labels(v, d);
		break;
	case COND_GROWTH:
		judge_growth(v, d);
		break;
	case COND_TREE:
		judge_tree(v, d);
		break;
	case COND_LOST:
		judge_lost(v, d);
		break;
	default:
		judge_processes(v, d);
	}
}

int diff_gate(const struct diff *d, struct condition *const *conditions, size_t n)
{
	struct verdicts *v = verdicts__new(conditions, n);
	int fails;

	if (!v)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		judge_one(&v->list[i], d);
	fails = verdicts__report(v, "these runs");
	verdicts__free(v);
	return fails;
}
