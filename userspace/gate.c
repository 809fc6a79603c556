/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "gate.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "growth.h"
#include "log.h"
#include "proctree.h"
#include "verdict.h"

enum { MAX_LINE = 512 };

/* Of a level only one row of a process is shown: it may hold for ten thousand. */
struct listed {
	uint64_t serials[VERDICT_LINES]; /* pid and start */
	uint64_t starts[VERDICT_LINES];
	size_t n;
};

struct gate {
	struct verdicts *verdicts;
	struct listed *listed; /* of each of them */
	bool live, ended;
	uint64_t start_ns;
};

struct gate *gate__new(struct condition *const *conditions, size_t n, bool live)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->live = live;
	g->verdicts = verdicts__new(conditions, n);
	g->listed = calloc(n + 1, sizeof(*g->listed));
	if (!g->verdicts || !g->listed) {
		gate__free(g);
		return NULL;
	}
	return g;
}

void gate__free(struct gate *g)
{
	if (!g)
		return;
	verdicts__free(g->verdicts);
	free(g->listed);
	free(g);
}

bool gate__report(const struct gate *g)
{
	return g->ended && verdicts__report(g->verdicts, "this run");
}

static double mib(int64_t bytes)
{
	return (double)bytes / 1048576.0;
}

/* Its role, or else the name of its main thread. */
static bool names_proc(const struct condition *c, const struct proc *p)
{
	char comm[RT_COMM_LEN + 1] = "";

	memcpy(comm, p->comm, RT_COMM_LEN);
	return condition__names(c, p->role[0] ? p->role : comm);
}

/* "[   12.345s] (Worker_TP0 pid=4188) WHAT: +100.00 M" */
static void show(struct gate *g, struct verdict *v, uint64_t time_ns, const struct proc *p,
	const char *what, int64_t bytes, bool sign)
{
	double s = (double)(int64_t)(time_ns - g->start_ns) / 1e9;
	char line[MAX_LINE];

	snprintf(line, sizeof(line), "[%9.3fs] (%s%s%s%spid=%u) %s: %s%.2f M", s,
		p->host ? p->host : "", p->host && p->host[0] ? " " : "", p->role,
		p->role[0] ? " " : "", p->pid, what, sign && bytes >= 0 ? "+" : "", mib(bytes));
	if (g->live && v->hits == 1)
		log_warn("--fail-if '%s' holds: %s", v->condition->text, line);
	verdict__show(v, "%s", line);
}

/* --- rows and samples ------------------------------------------------------------------------- */

/* In the language of this run, and in the other. */
static bool names_row(const struct condition *c, const struct row *row)
{
	char *const *labels;

	if (condition__names(c, row->label))
		return true;
	if (!row->spec)
		return false;
	labels = row->when == RT_ENTRY ? row->spec->entry : row->spec->leave;
	return (labels[LANG_ZH] && condition__names(c, labels[LANG_ZH])) ||
	       (labels[LANG_EN] && condition__names(c, labels[LANG_EN]));
}

static void judge_row(struct gate *g, struct verdict *v, const struct row *row)
{
	const struct condition *c = v->condition;
	int64_t value = c->what == COND_LABEL ? row->delta : row->total;
	bool holds = condition__holds(c, value);

	if ((v->named && !holds) || !names_row(c, row))
		return;
	v->named = true;
	if (!holds)
		return;
	verdict__count(v);
	show(g, v, row->time_ns, row->proc, row->label, value, true);
}

static int64_t level(const struct condition *c, const struct rt_snapshot *s)
{
	switch (c->what) {
	case COND_ANON:
		return (int64_t)s->anon;
	case COND_FILE:
		return (int64_t)s->file;
	case COND_SHMEM:
		return (int64_t)s->shmem;
	case COND_SWAP:
		return (int64_t)s->swap;
	default:
		return (int64_t)rt_rss(s);
	}
}

static bool is_listed(struct listed *l, const struct proc *p)
{
	for (size_t i = 0; i < l->n; i++)
		if (l->serials[i] == p->pid && l->starts[i] == p->start_ns)
			return true;
	if (l->n < VERDICT_LINES) {
		l->serials[l->n] = p->pid;
		l->starts[l->n++] = p->start_ns;
	}
	return false;
}

static void judge_level(
	struct gate *g, struct verdict *v, const struct proc *p, int64_t value, uint64_t time_ns)
{
	const struct condition *c = v->condition;
	bool holds = condition__holds(c, value);

	if ((v->named && !holds) || !names_proc(c, p))
		return;
	v->named = true;
	if (!holds)
		return;
	verdict__count(v);
	if (!is_listed(&g->listed[v - g->verdicts->list], p))
		show(g, v, time_ns, p, condition_name(c), value, false);
}

/* What a borrowed memory holds is its owner's. */
static void judge_snapshot(struct gate *g, struct verdict *v, const struct proc *p,
	const struct rt_snapshot *s, uint64_t time_ns)
{
	if (condition__is_level(v->condition) && v->condition->what != COND_PEAK && !p->borrowed)
		judge_level(g, v, p, level(v->condition, s), time_ns);
}

static int gate__row(void *ctx, const struct row *row)
{
	struct gate *g = ctx;

	for (struct verdict *v = g->verdicts->list; v < g->verdicts->list + g->verdicts->n; v++) {
		if (v->condition->what == COND_LABEL || v->condition->what == COND_TOTAL)
			judge_row(g, v, row);
		else
			judge_snapshot(g, v, row->proc, &row->rss, row->time_ns);
	}
	return 0;
}

static int gate__sample(void *ctx, const struct sample *sample)
{
	struct gate *g = ctx;

	for (struct verdict *v = g->verdicts->list; v < g->verdicts->list + g->verdicts->n; v++)
		judge_snapshot(g, v, sample->proc, sample->rss, sample->time_ns);
	return 0;
}

/* --- processes at their end ------------------------------------------------------------------- */

/* The kernel's side knows the highest of each, between rows and samples, too. */
static int64_t highest(const struct condition *c, const struct rt_totals *t)
{
	return c->what == COND_RSS || c->what == COND_PEAK ? (int64_t)rt_rss(&t->peak)
							   : level(c, &t->kind_peak);
}

static int gate__process(void *ctx, const struct proc *p)
{
	uint64_t end_ns = p->ended ? p->end_ns : p->totals.peak_ns;
	struct gate *g = ctx;

	for (struct verdict *v = g->verdicts->list; v < g->verdicts->list + g->verdicts->n; v++) {
		if (!condition__is_level(v->condition) || p->borrowed || !p->have_rss)
			continue;
		judge_snapshot(g, v, p, &p->totals.last, end_ns);
		judge_level(g, v, p, highest(v->condition, &p->totals), p->totals.peak_ns);
	}
	return 0;
}

/* --- the end of the run ----------------------------------------------------------------------- */

static void judge_sum(
	struct gate *g, struct verdict *v, int64_t value, const char *who, const char *what)
{
	char line[MAX_LINE];

	v->named = true;
	if (!condition__holds(v->condition, value))
		return;
	verdict__count(v);
	snprintf(line, sizeof(line), "%s%s: %+.2f M", who, what, mib(value));
	if (g->live && v->hits == 1)
		log_warn("--fail-if '%s' holds: %s", v->condition->text, line);
	verdict__show(v, "%s", line);
}

static void judge_places(struct gate *g, struct verdict *v, const struct run_summary *sum,
	const char *who, const struct growth_place *places, size_t n)
{
	struct place_name name;

	for (size_t i = 0; i < n; i++) {
		account_name(sum->catalog, &places[i], &name);
		if (condition__names(v->condition, name.name))
			judge_sum(g, v,
				rt_change_rss(&places[i].all_grown, &places[i].all_returned), who,
				name.name);
	}
}

static int judge_growth(struct gate *g, struct verdict *v, const struct run_summary *sum)
{
	const struct growth_program *p;
	struct growth_sums sums;
	struct account account;
	char who[256];
	size_t n;

	if (!sum->growth) {
		verdict__blind(v, "it is not known who grew. Trace one run with --growth");
		return 0;
	}
	p = growth__programs(sum->growth, &n);
	for (; n--; p++) {
		if (growth__sum(sum->growth, p->serial, &sums))
			return -ENOMEM;
		snprintf(who, sizeof(who), "(%s%spid=%u) ", p->role, p->role[0] ? " " : "", p->pid);
		if (v->condition->what == COND_GROWTH) {
			judge_places(g, v, sum, who, sums.funcs, sums.n_funcs);
			judge_places(g, v, sum, who, sums.natives, sums.n_natives);
		} else if (condition__names(v->condition, p->role)) {
			account_of(p, &sums, &account);
			judge_sum(g, v, account.remainder, who, "remainder");
		}
		growth_sums__clear(&sums);
	}
	return 0;
}

static void judge_tree(struct gate *g, struct verdict *v, const struct run_summary *sum)
{
	if (!sum->tree_peak_ns)
		verdict__blind(v, "what all processes had together is not known, as of a recording "
				  "that broke off or of several in one log");
	else
		judge_sum(g, v, (int64_t)rt_rss(&sum->tree_peak), "",
			"all processes together at their peak");
}

int64_t gate_lost(const uint64_t loss[RT_LOSS_MAX])
{
	uint64_t lost = 0;

	for (int i = 0; i < RT_LOSS_MAX; i++)
		if (i != RT_LOSS_UNSTABLE && i != RT_LOSS_UNMATCHED && i != RT_LOSS_LIMIT)
			lost += loss[i];
	return lost > INT64_MAX ? INT64_MAX : (int64_t)lost;
}

static void judge_lost(struct verdict *v, const struct run_summary *sum)
{
	v->named = true;
	if (!condition__holds(v->condition, gate_lost(sum->loss)))
		return;
	verdict__count(v);
	for (int i = 0; i < RT_LOSS_MAX; i++)
		if (sum->loss[i])
			verdict__show(v, "%s: %" PRIu64, loss_name(i), sum->loss[i]);
}

/* No row has the label; does a spec, and could it have come? */
static void look_for_label(struct verdict *v, const struct run_summary *sum)
{
	const char *why = NULL;

	for (size_t i = 0; i < sum->n_specs && !v->asleep; i++) {
		const struct fact_spec *s = sum->specs[i].spec;
		const char *const labels[] = {s->entry[0], s->entry[1], s->leave[0], s->leave[1]};

		for (size_t k = 0; k < 4; k++) {
			if (!labels[k] || !condition__names(v->condition, labels[k]))
				continue;
			v->asleep |= !s->unmatched;
			why = s->unmatched ? s->unmatched : why;
		}
	}
	if (!v->asleep && why)
		verdict__blind(v, "nothing has that label here: %s", why);
}

static int gate__summary(void *ctx, const struct run_summary *sum)
{
	struct gate *g = ctx;
	int err = 0;

	g->ended = true;
	for (struct verdict *v = g->verdicts->list; v < g->verdicts->list + g->verdicts->n && !err;
		v++) {
		if (condition__needs_growth(v->condition))
			err = judge_growth(g, v, sum);
		else if (v->condition->what == COND_TREE)
			judge_tree(g, v, sum);
		else if (v->condition->what == COND_LOST)
			judge_lost(v, sum);
		else if (!condition__is_level(v->condition) && !v->named)
			look_for_label(v, sum);
	}
	return err;
}

static int gate__header(
	void *ctx, const struct fact_host *host, const struct spec_stat *specs, size_t n_specs)
{
	struct gate *g = ctx;

	g->start_ns = host->start_ns;
	return 0;
}

const struct sink sink_gate = {
	.name = "fail-if",
	.noun = "verdict of --fail-if",
	.opens = true,
	.ops =
		{
			.header = gate__header,
			.row = gate__row,
			.sample = gate__sample,
			.process = gate__process,
			.summary = gate__summary,
		},
};
