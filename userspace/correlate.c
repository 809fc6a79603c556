/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One run being rendered. Events and facts come in the order in which they became known:
 *
 *	facts ----------------------------> catalog, proctree (at once)
 *	events --> timeline (held) -------> rows --> row_ops
 *	releases ----^
 *
 * So a fact may be ahead of events that were recorded before it, and never behind those that need
 * it. Everything that decides what is printed is in the stream itself; there are no clocks here,
 * and the same stream gives the same rows.
 */
#include "correlate.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "catalog.h"
#include "event.h"
#include "growth.h"
#include "hash.h"
#include "rows.h"
#include "timeline.h"

/* Some 10 MiB of checkpoints: a tenth of a second at a million a second. */
#define MAX_HELD (1 << 17)

/*
 * A reading has a time of its own and waits for its turn among the events: it is held as one, of a
 * kind that no sender has.
 */
#define EV_READING 0xffff

struct waiting {
	struct fact fact;
	struct waiting *prev, *next;
};

struct reading_event {
	struct rt_hdr h;
	struct waiting *waiting;
};

struct run {
	struct timeline *timeline;
	struct waiting *readings;
	struct catalog *catalog;
	struct growth *growth;
	struct rows rows;
	struct fact host, end; /* kind 0 until they are known */
	uint64_t loss[RT_LOSS_MAX];
	struct run_costs costs;
	struct rt_snapshot tree_peak;
	uint64_t tree_peak_ns;
	uint64_t until_ns; /* stepwise: what the last record releases, */
	bool releasing;	   /* if it was a release */
	bool headed, finished;
	size_t pythons, watched; /* see struct fact_python */
	struct run_summary sum;	 /* once it is finished */
};

const char *loss_name(enum rt_loss loss)
{
	static const char *const names[RT_LOSS_MAX] = {
		[RT_LOSS_RING] = "ring",
		[RT_LOSS_PROC_MAP] = "proc_map",
		[RT_LOSS_THREAD] = "thread",
		[RT_LOSS_SPAN_DEPTH] = "span_depth",
		[RT_LOSS_SPAN_MAP] = "span_map",
		[RT_LOSS_READ] = "read",
		[RT_LOSS_UNSTABLE] = "unstable",
		[RT_LOSS_UNMATCHED] = "unmatched",
		[RT_LOSS_PY_WALK] = "py_walk",
		[RT_LOSS_PY_CODE] = "py_code",
		[RT_LOSS_NODE] = "node",
		[RT_LOSS_CELL] = "cell",
		[RT_LOSS_SAMPLE] = "sample",
		[RT_LOSS_LIMIT] = "limit",
	};

	return names[loss];
}

/* A tape that broke off early may have no host: sinks still get one, of empty strings. */
static const struct fact_host *run__host(const struct run *run)
{
	static const struct fact_host nobody = { .host = "", .kernel = "", .version = "" };

	return run->host.kind == REC_HOST ? &run->host.host : &nobody;
}

int run__begin(struct run *run)
{
	const struct spec_stat *specs;
	size_t n;
	int err;

	if (run->headed)
		return 0;
	run->headed = true;
	if (!run->rows.ops->header)
		return 0;
	err = catalog__spec_stats(run->catalog, &specs, &n);
	if (err)
		return err;
	return run->rows.ops->header(run->rows.ctx, run__host(run), specs, n);
}

static void waiting__free(struct run *run, struct waiting *w)
{
	DL_DELETE(run->readings, w);
	fact__clear(&w->fact);
	free(w);
}

static int on_reading(struct run *run, const struct rt_hdr *ev, uint64_t time_ns)
{
	struct waiting *w = ((const struct reading_event *)ev)->waiting;
	int err = rows__reading(&run->rows, &w->fact.reading, time_ns);

	waiting__free(run, w);
	return err;
}

static int on_event(void *ctx, const struct rt_hdr *ev, uint64_t time_ns, uint64_t moved_ns)
{
	struct run *run = ctx;
	int err = run__begin(run);

	if (!err && ev->kind == EV_READING)
		return on_reading(run, ev, time_ns);
	return err ? err : rows__event(&run->rows, ev, time_ns, moved_ns);
}

struct run *run__new(const struct correlate_options *opt, const struct row_ops *ops, void *ctx)
{
	struct run *run = calloc(1, sizeof(*run));

	if (!run)
		return NULL;
	run->timeline = timeline__new(opt->stepwise ? SIZE_MAX : MAX_HELD, on_event, run);
	run->catalog = catalog__new();
	run->growth = growth__new();
	run->rows = (struct rows){ .opt = *opt, .ops = ops, .ctx = ctx, .pt = proctree__new(),
		.cat = run->catalog, .labels = labels__new(opt->lang), .growth = run->growth };
	if (!run->timeline || !run->catalog || !run->growth || !run->rows.pt || !run->rows.labels) {
		run__free(run);
		return NULL;
	}
	return run;
}

void run__free(struct run *run)
{
	struct waiting *w, *next;

	if (!run)
		return;
	timeline__free(run->timeline);
	DL_FOREACH_SAFE(run->readings, w, next)
		waiting__free(run, w);
	rows__clear(&run->rows);
	catalog__free(run->catalog);
	growth__free(run->growth);
	if (run->host.kind)
		fact__clear(&run->host);
	if (run->end.kind)
		fact__clear(&run->end);
	free(run);
}

/* --- the stream ------------------------------------------------------------------------------- */

static int feed_event(struct run *run, const struct record *rec)
{
	const char *why;
	const struct rt_hdr *ev = event_check(rec->data, rec->len, &why);

	if (!ev)
		return -EBADMSG;
	/* sums have no place in the order of time */
	if (ev->kind == RT_EV_NODE)
		return growth__node(run->growth, (const struct rt_node *)ev);
	if (ev->kind == RT_EV_STACK)
		return 0;
	if (ev->kind == RT_EV_MAPPING)
		return growth__mapping(run->growth, (const struct rt_mapping *)ev);
	if (ev->kind == RT_EV_GROWTH)
		return growth__add(run->growth, (const struct rt_growth *)ev);
	if (ev->kind == RT_EV_EXEC)
		proctree__announce_exec(run->rows.pt, ev->pid, ev->start_ns);
	return timeline__push(run->timeline, ev);
}

static int feed_release(struct run *run, const struct record *rec)
{
	const struct row_ops *ops = run->rows.ops;
	uint64_t until_ns;
	int err;

	if (rec->len != sizeof(until_ns))
		return -EBADMSG;
	memcpy(&until_ns, rec->data, sizeof(until_ns));
	if (run->rows.opt.stepwise) {
		run->until_ns = until_ns;
		run->releasing = true;
		return 0;
	}
	err = timeline__release(run->timeline, until_ns);
	if (err || !ops->flush)
		return err;
	return ops->flush(run->rows.ctx);
}

static void keep(struct fact *place, struct fact *fact)
{
	if (place->kind)
		fact__clear(place);
	*place = *fact;
	*fact = (struct fact){ .kind = REC_EVENT };
}

static void take_counters(struct run *run, const struct fact_counters *counters)
{
	run->costs.cpu_ns = counters->cpu_ns;
	run->costs.limit = counters->limit;
	memcpy(run->costs.programs, counters->costs, sizeof(run->costs.programs));
	memcpy(run->costs.trap_ns, counters->trap_ns, sizeof(run->costs.trap_ns));
	run->tree_peak = counters->tree_peak;
	run->tree_peak_ns = counters->tree_peak_ns;
}

/* Takes the fact. */
static int feed_reading(struct run *run, struct fact *fact)
{
	struct reading_event ev = { .h = { .kind = EV_READING, .len = sizeof(ev),
		.pid = fact->reading.pid, .tid = fact->reading.pid,
		.time_ns = fact->reading.time_ns, .start_ns = fact->reading.start_ns } };

	ev.waiting = calloc(1, sizeof(*ev.waiting));
	if (!ev.waiting)
		return -ENOMEM;
	keep(&ev.waiting->fact, fact);
	DL_APPEND(run->readings, ev.waiting);
	return timeline__push(run->timeline, &ev.h);
}

static int feed_fact(struct run *run, const struct record *rec)
{
	struct fact fact;
	int err = fact__decode(rec, &fact);

	if (err)
		return err;
	switch (fact.kind) {
	case REC_HOST:
		run->rows.attributes = fact.host.growth;
		if (!run->headed) /* what the header said stays true */
			keep(&run->host, &fact);
		break;
	case REC_SPEC:
	case REC_FUNC:
		err = catalog__take(run->catalog, &fact);
		break;
	case REC_PROC:
		proctree__learn(run->rows.pt, &fact.proc);
		break;
	case REC_COUNTERS:
		memcpy(run->loss, fact.counters.loss, sizeof(run->loss));
		take_counters(run, &fact.counters);
		catalog__hits(run->catalog, &fact.counters);
		break;
	case REC_END:
		keep(&run->end, &fact);
		break;
	case REC_PYTHON:
		run->pythons++;
		run->watched += fact.python.watched;
		break;
	case REC_READING:
		err = feed_reading(run, &fact);
		break;
	default: /* REC_MAPS: for later stages */
		break;
	}
	if (fact.kind != REC_EVENT)
		fact__clear(&fact);
	return err;
}

int run__feed(void *ctx, const struct record *rec)
{
	struct run *run = ctx;

	run->releasing = false;
	switch (rec->kind) {
	case REC_EVENT:
		return feed_event(run, rec);
	case REC_RELEASE:
		return feed_release(run, rec);
	case REC_HOST:
	case REC_SPEC:
	case REC_FUNC:
	case REC_PROC:
	case REC_MAPS:
	case REC_COUNTERS:
	case REC_END:
	case REC_PYTHON:
	case REC_READING:
		return feed_fact(run, rec);
	}
	return 0; /* of a newer version */
}

/* --- step by step ----------------------------------------------------------------------------- */

bool run__due(const struct run *run, uint64_t *time_ns)
{
	if (timeline__pending(run->timeline) > MAX_HELD)
		return timeline__next(run->timeline, UINT64_MAX, time_ns);
	return run->releasing && timeline__next(run->timeline, run->until_ns, time_ns);
}

int run__step(struct run *run)
{
	return timeline__step(run->timeline);
}

/* --- the end ---------------------------------------------------------------------------------- */

/* Was every entry of a Python function seen, in all programs and to the end? */
static bool run__saw_entries(const struct run *run)
{
	bool saw = run->end.kind && run->pythons && run->watched == run->pythons;

	for (int i = 0; i < RT_LOSS_MAX && saw; i++)
		saw = !run->loss[i] || i == RT_LOSS_UNSTABLE || i == RT_LOSS_UNMATCHED || i == RT_LOSS_LIMIT;
	return saw;
}

static int run__summary(struct run *run)
{
	const struct rows *rows = &run->rows;
	struct run_summary *sum = &run->sum;
	int err;

	*sum = (struct run_summary){
		.host = run__host(run),
		.end = run->end.kind ? &run->end.end : NULL,
		.rows = rows->seq,
		.rows_inexact = rows->inexact,
		.rows_unstable = rows->unstable,
		.orphans = rows->orphans,
		.tree_end = rows->tree_end,
		.tree_peak = run->tree_peak,
		.tree_peak_ns = run->tree_peak_ns,
		.processes = rows->processes,
		.growth = run->rows.attributes ? run->growth : NULL,
		.catalog = run->catalog,
		.readings = rows->readings.list,
		.n_readings = rows->readings.n,
		.most = rows->readings.most.processes ? &rows->readings.most : NULL,
		.check = rows->check,
		.costs = run->costs,
	};
	memcpy(sum->loss, run->loss, sizeof(sum->loss));
	err = catalog__spec_stats(run->catalog, &sum->specs, &sum->n_specs);
	if (!err)
		err = labels__judge(rows->labels, sum->specs, sum->n_specs, run__saw_entries(run));
	if (!err)
		err = labels__list(rows->labels, &sum->labels, &sum->n_labels);
	if (!err)
		err = catalog__func_stats(run->catalog, &sum->funcs, &sum->n_funcs);
	return err || !rows->ops->summary ? err : rows->ops->summary(rows->ctx, sum);
}

int run__finish(struct run *run)
{
	const struct row_ops *ops = run->rows.ops;
	int err;

	if (run->finished)
		return 0;
	run->finished = true;
	err = timeline__release(run->timeline, UINT64_MAX);
	if (!err)
		err = run__begin(run);
	if (!err)
		err = rows__end(&run->rows);
	if (!err)
		err = run__summary(run);
	if (!err && ops->flush)
		err = ops->flush(run->rows.ctx);
	return err;
}

const struct run_summary *run__result(const struct run *run)
{
	return &run->sum;
}
