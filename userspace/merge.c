/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Several tapes, one log. Each tape is rendered by a run of its own, exactly as if it were alone;
 * only, its events do not go out by themselves. A tape is read up to where the live run let go of
 * some events, and then waits until all of these have gone:
 *
 *	tape 1 --> run 1: 12:00:01 12:00:04 |    (| read up to here)
 *	tape 2 --> run 2: 12:00:02 |
 *	                  ^^^^^^^^ of the earliest that are due, the earliest goes out
 *
 * What a run lets go never goes back in time, so no tape can still hold anything earlier than the
 * earliest that is due, and the log is in order.
 *
 * Between the runs and the sink stand the ops of this file. They give rows one count, and times
 * one clock: CLOCK_MONOTONIC of the first tape's host. A time of another host is moved by the
 * difference of the two offsets to CLOCK_REALTIME. If a run began before that host was booted, its
 * times would be negative, so then the host that has been up for longest gives the clock. How far
 * that can be trusted is the business of clocks.h.
 */
#include "merge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "clocks.h"
#include "labels.h"
#include "pool.h"

struct source {
	struct merge *merge;
	struct merge_tape *tape;
	struct run *run;
	unsigned int number; /* from 1 */
	int64_t shift_ns;    /* from its own clock to the common one */
	bool ended;
	struct holdings holdings; /* of a program on its way out, in the common time */
};

struct merge {
	const struct row_ops *ops;
	void *ctx;
	struct source *sources;
	size_t n;
	const struct fact_host **hosts; /* of the runs, in their order */
	struct fact_host host;		/* the common one; its strings are ours */
	struct pool *pool;
	struct labels *labels;
	struct clocks *clocks;
	uint64_t seq;
	struct run_summary sum; /* of the runs that are over */
	struct fact_end end;	/* of the run that ended last */
	size_t broken;		/* runs without an end */
	struct tree_reading *readings; /* of all runs, one after the other */
	struct tree_reading most;      /* the highest of any */
};

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* --- the common clock ---------------------------------------------------------------------- */

static int64_t sub_sat(int64_t a, int64_t b)
{
	int64_t v;

	return __builtin_sub_overflow(a, b, &v) ? a < 0 ? INT64_MIN : INT64_MAX : v;
}

/* Keeps the order of any two times, whatever a damaged tape claims. */
static uint64_t shift(const struct source *s, uint64_t time_ns)
{
	int64_t t = time_ns > INT64_MAX ? INT64_MAX : (int64_t)time_ns, v;

	if (__builtin_add_overflow(t, s->shift_ns, &v))
		return s->shift_ns < 0 ? 0 : INT64_MAX;
	return v < 0 ? 0 : (uint64_t)v;
}

/* A tape that broke off before it named its host has no offset: its times stay as they are. */
static int64_t choose_clock(const struct merge *m)
{
	int64_t first = 0, longest_up = 0, offset;
	bool negative = false;

	for (size_t i = 0; i < m->n; i++) {
		offset = clocks__offset(m->clocks, i);
		if (!first)
			first = offset;
		if (offset && (!longest_up || offset < longest_up))
			longest_up = offset;
	}
	for (size_t i = 0; i < m->n; i++) {
		struct source s;

		offset = clocks__offset(m->clocks, i);
		s.shift_ns = sub_sat(offset, first);
		negative |= offset && !shift(&s, m->hosts[i]->start_ns);
	}
	return negative ? longest_up : first;
}

/* --- the common host ----------------------------------------------------------------------- */

/* One of its strings; "" where it is NULL. */
static const char *text_of(const struct fact_host *host, size_t member)
{
	const char *text = *(char *const *)((const char *)host + member);

	return text ? text : "";
}

/* The distinct ones of a string that every host has: "hosta, hostb". */
static char *join(const struct merge *m, size_t member)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	const char *s, *sep = "";

	if (!f)
		return NULL;
	for (size_t i = 0; i < m->n; i++) {
		bool seen = false;

		s = text_of(m->hosts[i], member);
		for (size_t j = 0; j < i && !seen; j++)
			seen = !strcmp(s, text_of(m->hosts[j], member));
		if (seen || !*s)
			continue;
		fprintf(f, "%s%s", sep, s);
		sep = ", ";
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int make_host(struct merge *m)
{
	struct fact_host *all = &m->host;
	int64_t clock = choose_clock(m);

	all->realtime_offset_ns = clock;
	all->start_ns = UINT64_MAX;
	for (size_t i = 0; i < m->n; i++) {
		const struct fact_host *h = m->hosts[i];
		struct source *s = &m->sources[i];
		int64_t offset = clocks__offset(m->clocks, i);
		uint64_t start_ns;

		s->shift_ns = offset ? sub_sat(offset, clock) : 0;
		start_ns = shift(s, h->start_ns);
		all->start_ns = start_ns < all->start_ns ? start_ns : all->start_ns;
		all->window_ns = h->window_ns > all->window_ns ? h->window_ns : all->window_ns;
		all->step = h->step > all->step ? h->step : all->step;
		all->cpus = h->cpus > all->cpus ? h->cpus : all->cpus;
	}
	all->host = join(m, offsetof(struct fact_host, host));
	all->kernel = join(m, offsetof(struct fact_host, kernel));
	all->version = join(m, offsetof(struct fact_host, version));
	all->run_id = join(m, offsetof(struct fact_host, run_id));
	return all->host && all->kernel && all->version && all->run_id ? 0 : -ENOMEM;
}

/* --- from a run to the sink ---------------------------------------------------------------- */

static int on_header(void *ctx, const struct fact_host *host, const struct spec_stat *specs,
	size_t n_specs)
{
	struct source *s = ctx;
	struct merge *m = s->merge;

	m->hosts[s->number - 1] = host;
	return pool__judge(m->pool, s->number, specs, n_specs);
}

static struct holdings *translate_holdings(struct source *s, const struct holdings *h)
{
	struct holdings *copy = &s->holdings;

	if (!h)
		return NULL;
	*copy = *h;
	copy->first.time_ns = shift(s, h->first.time_ns);
	copy->last.time_ns = shift(s, h->last.time_ns);
	copy->map_first.time_ns = shift(s, h->map_first.time_ns);
	copy->map_last.time_ns = shift(s, h->map_last.time_ns);
	return copy;
}

/* The program as the common log tells of it. Its start stays: with pid it is a name, not a time. */
static struct proc translate(struct source *s, const struct proc *p)
{
	struct proc copy = *p;

	copy.run = s->number;
	copy.host = s->merge->hosts[s->number - 1]->host;
	copy.born_ns = shift(s, p->born_ns);
	copy.holdings = translate_holdings(s, p->holdings);
	if (p->ended)
		copy.end_ns = shift(s, p->end_ns);
	if (p->totals.peak_ns)
		copy.totals.peak_ns = shift(s, p->totals.peak_ns);
	return copy;
}

static int on_row(void *ctx, const struct row *row)
{
	struct source *s = ctx;
	struct merge *m = s->merge;
	struct proc p = translate(s, row->proc);
	struct row copy = *row;
	struct spec_stat *spec;

	if (row->spec) {
		spec = pool__spec(m->pool, s->number, row->spec);
		if (!spec)
			return -ENOMEM;
		copy.spec = spec->spec;
	}
	copy.proc = &p;
	copy.seq = ++m->seq;
	copy.time_ns = shift(s, row->time_ns);
	clocks__row(m->clocks, s->number - 1, copy.time_ns);
	return m->ops->row ? m->ops->row(m->ctx, &copy) : 0;
}

static int on_loss(void *ctx, const struct loss *loss)
{
	struct source *s = ctx;
	struct merge *m = s->merge;
	struct proc p = translate(s, loss->proc);
	struct loss copy = *loss;

	copy.proc = &p;
	copy.time_ns = shift(s, loss->time_ns);
	if (loss->since_ns)
		copy.since_ns = shift(s, loss->since_ns);
	return m->ops->loss ? m->ops->loss(m->ctx, &copy) : 0;
}

static int on_reading(void *ctx, const struct reading *reading)
{
	struct source *s = ctx;
	struct merge *m = s->merge;
	struct proc p = translate(s, reading->proc);
	struct reading copy = { .proc = &p, .time_ns = shift(s, reading->time_ns),
		.fact = reading->fact };

	return m->ops->reading ? m->ops->reading(m->ctx, &copy) : 0;
}

static int on_sample(void *ctx, const struct sample *sample)
{
	struct source *s = ctx;
	struct merge *m = s->merge;
	struct proc p = translate(s, sample->proc);
	struct sample copy = { .proc = &p, .time_ns = shift(s, sample->time_ns), .rss = sample->rss };

	return m->ops->sample ? m->ops->sample(m->ctx, &copy) : 0;
}

static int on_process(void *ctx, const struct proc *proc)
{
	struct source *s = ctx;
	struct merge *m = s->merge;
	struct proc p = translate(s, proc);

	return m->ops->process ? m->ops->process(m->ctx, &p) : 0;
}

static int add_specs(struct source *s, const struct run_summary *sum)
{
	struct pool *pool = s->merge->pool;
	struct spec_stat *spec;
	int err = pool__judge(pool, s->number, sum->specs, sum->n_specs);

	for (size_t i = 0; i < sum->n_specs && !err; i++) {
		spec = pool__spec(pool, s->number, sum->specs[i].spec);
		if (!spec)
			return -ENOMEM;
		spec->rows = add_sat(spec->rows, sum->specs[i].rows);
	}
	for (size_t i = 0; i < sum->n_labels && !err; i++)
		err = labels__merge(s->merge->labels, &sum->labels[i]);
	return err;
}

static int add_funcs(struct source *s, const struct run_summary *sum)
{
	struct func_stat *func;

	for (size_t i = 0; i < sum->n_funcs; i++) {
		func = pool__func(s->merge->pool, s->number, sum->funcs[i].func);
		if (!func)
			return -ENOMEM;
		func->entries = add_sat(func->entries, sum->funcs[i].entries);
		func->returns = add_sat(func->returns, sum->funcs[i].returns);
	}
	return 0;
}

static int add_readings(struct source *s, const struct run_summary *sum)
{
	struct merge *m = s->merge;
	size_t n = m->sum.n_readings + sum->n_readings;
	struct tree_reading *all = reallocarray(m->readings, n + 1, sizeof(*all));

	if (!all)
		return -ENOMEM;
	m->readings = all;
	m->sum.readings = all;
	for (size_t i = 0; i < sum->n_readings; i++) {
		struct tree_reading *r = &all[m->sum.n_readings++];

		*r = sum->readings[i];
		r->run = s->number;
		r->time_ns = shift(s, r->time_ns);
	}
	if (sum->most && (!m->sum.most || sum->most->sums.pss > m->most.sums.pss)) {
		m->most = *sum->most;
		m->most.run = s->number;
		m->most.time_ns = shift(s, m->most.time_ns);
		m->sum.most = &m->most;
	}
	held_check__add(&m->sum.check, &sum->check);
	return 0;
}

static void add_end(struct source *s, const struct fact_end *end)
{
	struct merge *m = s->merge;
	uint64_t time_ns;

	if (!end) {
		m->broken++;
		return;
	}
	time_ns = shift(s, end->time_ns);
	if (m->end.reason && time_ns < m->end.time_ns)
		return;
	m->end.time_ns = time_ns;
	m->end.reason = end->reason; /* the runs live for as long as the merge */
}

static int on_summary(void *ctx, const struct run_summary *sum)
{
	struct source *s = ctx;
	struct run_summary *all = &s->merge->sum;
	int err = add_specs(s, sum);

	if (!err)
		err = add_funcs(s, sum);
	if (!err)
		err = add_readings(s, sum);
	all->rows += sum->rows;
	all->rows_inexact += sum->rows_inexact;
	all->rows_unstable += sum->rows_unstable;
	all->orphans += sum->orphans;
	all->processes += sum->processes;
	for (int i = 0; i < RT_LOSS_MAX; i++)
		all->loss[i] = add_sat(all->loss[i], sum->loss[i]);
	all->tree_end.file += sum->tree_end.file;
	all->tree_end.anon += sum->tree_end.anon;
	all->tree_end.shmem += sum->tree_end.shmem;
	all->tree_end.swap += sum->tree_end.swap;
	add_end(s, sum->end);
	clocks__end(s->merge->clocks, s->number - 1, sum->end);
	return err;
}

static const struct row_ops source_ops = {
	.header = on_header,
	.row = on_row,
	.loss = on_loss,
	.reading = on_reading,
	.sample = on_sample,
	.process = on_process,
	.summary = on_summary,
};

/* --- the merge ----------------------------------------------------------------------------- */

/* One record more of a tape whose run has nothing due; behind the last all that is held is due. */
static int source__read(struct source *s)
{
	uint64_t until_ns = UINT64_MAX;
	struct record rec = { .kind = REC_RELEASE, .len = sizeof(until_ns), .data = &until_ns };
	int n = tape_reader__next(s->tape->reader, &rec), err;

	if (n <= 0) {
		s->tape->err = n;
		s->ended = true;
	}
	err = run__feed(s->run, &rec);
	if (err != -EBADMSG)
		return err;
	s->tape->undecoded++;
	return 0;
}

/* False: it has nothing left. */
static bool source__due(struct source *s, uint64_t *time_ns, int *err)
{
	while (!run__due(s->run, time_ns)) {
		if (s->ended)
			return false;
		*err = source__read(s);
		if (*err)
			return false;
	}
	*time_ns = shift(s, *time_ns);
	return true;
}

/* Of the same time, the first tape's. NULL: all is out, or *err. */
static struct source *merge__earliest(struct merge *m, int *err)
{
	struct source *first = NULL;
	uint64_t time_ns, first_ns = 0;

	for (size_t i = 0; i < m->n && !*err; i++) {
		if (!source__due(&m->sources[i], &time_ns, err))
			continue;
		if (first && time_ns >= first_ns)
			continue;
		first = &m->sources[i];
		first_ns = time_ns;
	}
	return *err ? NULL : first;
}

/* A tape up to its first event, so that its host and specs are known. */
static int source__begin(struct source *s)
{
	uint64_t time_ns;
	const char *id;
	int err = 0;

	source__due(s, &time_ns, &err);
	if (!err)
		err = run__begin(s->run);
	if (err)
		return err;
	id = s->merge->hosts[s->number - 1]->run_id;
	s->tape->run_id = id ? strdup(id) : NULL;
	return id && !s->tape->run_id ? -ENOMEM : 0;
}

static int merge__begin(struct merge *m)
{
	const struct spec_stat *specs;
	size_t n;
	int err = 0;

	for (size_t i = 0; i < m->n && !err; i++)
		err = source__begin(&m->sources[i]);
	if (!err)
		m->clocks = clocks__new(m->hosts, m->n);
	if (!err)
		err = m->clocks ? make_host(m) : -ENOMEM;
	if (!err)
		err = pool__spec_stats(m->pool, &specs, &n);
	if (!err && m->ops->runs)
		err = m->ops->runs(m->ctx, m->hosts, m->n);
	if (!err && m->ops->header)
		err = m->ops->header(m->ctx, &m->host, specs, n);
	return err;
}

/* What still lives, run after run, and the sums. */
static int merge__finish(struct merge *m)
{
	struct run_summary *sum = &m->sum;
	int err = 0;

	for (size_t i = 0; i < m->n && !err; i++)
		err = run__finish(m->sources[i].run);
	if (!err)
		err = pool__spec_stats(m->pool, &sum->specs, &sum->n_specs);
	if (!err)
		err = pool__func_stats(m->pool, &sum->funcs, &sum->n_funcs);
	if (!err)
		err = labels__list(m->labels, &sum->labels, &sum->n_labels);
	sum->host = &m->host;
	sum->end = m->broken ? NULL : &m->end;
	sum->clocks = clocks__judge(m->clocks);
	if (!err && m->ops->summary)
		err = m->ops->summary(m->ctx, sum);
	if (!err && m->ops->flush)
		err = m->ops->flush(m->ctx);
	return err;
}

static int merge__open(struct merge *m, struct merge_tape *tapes, size_t n,
	const struct correlate_options *opt)
{
	struct correlate_options how = *opt;

	how.stepwise = true;
	m->pool = pool__new();
	m->labels = labels__new(opt->lang);
	m->sources = calloc(n, sizeof(*m->sources));
	m->hosts = calloc(n, sizeof(*m->hosts));
	if (!m->pool || !m->labels || !m->sources || !m->hosts)
		return -ENOMEM;
	for (; m->n < n; m->n++) {
		struct source *s = &m->sources[m->n];

		*s = (struct source){ .merge = m, .tape = &tapes[m->n],
			.number = (unsigned int)m->n + 1 };
		s->run = run__new(&how, &source_ops, s);
		if (!s->run)
			return -ENOMEM;
	}
	return 0;
}

static void merge__close(struct merge *m)
{
	for (size_t i = 0; i < m->n; i++)
		run__free(m->sources[i].run);
	pool__free(m->pool);
	labels__free(m->labels);
	clocks__free(m->clocks);
	free(m->sources);
	free(m->hosts);
	free(m->readings);
	free(m->host.host);
	free(m->host.kernel);
	free(m->host.version);
	free(m->host.run_id);
}

int merge_tapes(struct merge_tape *tapes, size_t n, const struct correlate_options *opt,
	const struct row_ops *ops, void *ctx)
{
	struct merge m = { .ops = ops, .ctx = ctx };
	struct source *s;
	int err = merge__open(&m, tapes, n, opt);

	if (!err)
		err = merge__begin(&m);
	while (!err && (s = merge__earliest(&m, &err)))
		err = run__step(s->run);
	if (!err)
		err = merge__finish(&m);
	merge__close(&m);
	return err;
}
