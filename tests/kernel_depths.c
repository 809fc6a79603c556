/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions that know how many pages they have brought, from stacks of different depth, in one thread and
 * in several: what sampled stacks, threads and spans say of them.
 *
 * A sample is taken at most once in so much time, and stands for all since the one before it. Here a page
 * comes so seldom that each sixteenth is sampled: at either end of a run of a function up to fifteen pages
 * are charged to its neighbour.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "summary.h"

#define PAGE	TRUTH_PAGE
#define STEP	16   /* RT_SAMPLE_PAGES */
#define PACE	"80" /* microseconds: 16 take longer than what is between two samples at 3 % */
#define GROUP	"[anonymous 256M to 4G]"
#define THREADS 8

struct function {
	char name[32];
	int64_t pages, runs;
};

struct thread {
	char name[32];
	int64_t tid, pages;
};

struct depths {
	struct truth t;
	struct function functions[3];
	struct thread threads[THREADS];
	size_t n_functions, n_threads;
	int64_t all; /* pages */
	json_t *process;
};

static void read_told(struct depths *d)
{
	char *copy = strdup(d->t.told), *save, *line;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		struct function *f = &d->functions[d->n_functions];
		struct thread *th = &d->threads[d->n_threads];

		if (d->n_functions < 3 && sscanf(line, "function %31s %" SCNd64 " %" SCNd64, f->name, &f->pages, &f->runs) == 3)
			d->n_functions++;
		if (d->n_threads < THREADS && sscanf(line, "thread %31s %" SCNd64 " %" SCNd64, th->name, &th->tid, &th->pages) == 3)
			d->all += d->threads[d->n_threads++].pages;
	}
	free(copy);
	cr_assert_eq(d->n_functions, 3, "%s", d->t.told);
}

/* Both ends are read while it waits; it moves by nothing but what it is about. */
static void play(struct depths *d, const char *threads, const char *pace, const char *const *options)
{
	struct reading before, after;
	struct truth *t = &d->t;

	harness_need_kernel();
	*d = (struct depths){0};
	truth_start(t, "depths", (const char *[]){harness_target("depths"), threads, pace, harness_dir(), NULL});
	truth_attach(t, options);
	before = reading_at_rest(t->target.pid);
	truth_say("go");
	truth_await(t, "done");
	truth_finish(t);
	after = reading_at_rest(t->target.pid);
	read_told(d);
	cr_assert_eq(d->n_threads, (size_t)atoi(threads));
	d->process = summary_process(t, t->target.pid);
	expect_account(d->process, "depths");
	expect_ends(d->process, "depths", before.rss, after.rss);
	expect_foreign(d->process, "depths", 0);
}

/* --- sampled stacks ------------------------------------------------------------------------------------ */

static bool has_frame(const json_t *stack, const char *name)
{
	json_t *frame;
	size_t i;

	json_array_foreach(json_object_get(stack, "frames"), i, frame)
		if (!strcmp(row_str(frame, "name"), name))
			return true;
	return false;
}

static int64_t calls_of(const json_t *stack, const char *name)
{
	json_t *frame;
	int64_t n = 0;
	size_t i;

	json_array_foreach(json_object_get(stack, "frames"), i, frame)
		n += !strcmp(row_str(frame, "name"), name);
	return n;
}

static void expect_function(const struct depths *d, const struct function *f)
{
	const json_t *place = summary_find(d->process, "native_functions", f->name), *inclusive, *one;
	int64_t in_stacks = 0, have;
	size_t i;

	cr_assert(place, "no %s", f->name);
	inclusive = json_object_get(place, "inclusive");
	have = summary_pages(inclusive, "grown", "anon");
	cr_expect_leq(llabs(have - f->pages), STEP * f->runs, "%s: %" PRId64 " pages, told %" PRId64 " in %" PRId64
		" runs", f->name, have, f->pages, f->runs);
	json_array_foreach(json_object_get(d->process, "stacks"), i, one)
		if (has_frame(one, f->name))
			in_stacks += summary_pages(one, "grown", "anon");
	cr_expect_eq(in_stacks, have, "%s: %" PRId64 " in stacks, %" PRId64 " in all", f->name, in_stacks, have);
	fprintf(stderr, "%s: %" PRId64 " pages of %" PRId64 ", %" PRId64 " runs\n", f->name, have, f->pages, f->runs);
}

/* The deepest is the one below 41 calls of the same function. */
static void expect_depths(const struct depths *d)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(d->process, "stacks"), i, one) {
		int64_t calls = calls_of(one, "deeper");

		if (has_frame(one, "alloc_b"))
			cr_expect_eq(calls, 4, "%s", json_dumps(one, 0));
		if (has_frame(one, "alloc_c"))
			cr_expect_eq(calls, 41, "%s", json_dumps(one, 0));
		if (has_frame(one, "alloc_a"))
			cr_expect(calls == 0 || calls == 12, "%s", json_dumps(one, 0));
		if (has_frame(one, "deeper") || has_frame(one, "alloc_a"))
			cr_expect(has_frame(one, "all_of_it"), "%s", json_dumps(one, 0));
	}
}

/* What came after the last sample of each thread has no stack. */
static void expect_unsampled(const struct depths *d)
{
	int64_t rest = 0;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(d->process, "stacks"), i, one)
		if (json_is_false(json_object_get(one, "sampled")))
			rest += summary_pages(one, "grown", "anon") + summary_pages(one, "grown", "file");
	cr_expect_leq(rest, STEP * (int64_t)d->n_threads + 64, "%" PRId64 " pages have no stack", rest);
}

static void play_stacks(const char *threads)
{
	struct depths d;

	play(&d, threads, PACE, (const char *[]){NULL});
	for (size_t i = 0; i < d.n_functions; i++)
		expect_function(&d, &d.functions[i]);
	expect_depths(&d);
	expect_unsampled(&d);
	truth_end(&d.t);
}

Test(depths, stacks_of_one_thread, .timeout = 120)
{
	play_stacks("1");
}

Test(depths, stacks_of_four_threads, .timeout = 120)
{
	play_stacks("4");
}

/* --- threads ----------------------------------------------------------------------------------------------- */

static const json_t *thread_of(const struct depths *d, int64_t tid)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(d->process, "threads"), i, one)
		if (row_int(one, "tid") == tid)
			return one;
	return NULL;
}

/* Each by its name and by its number: to the page if it is alone, else within 1 %. */
static void play_threads(const char *threads)
{
	int64_t have, sum = 0;
	struct depths d;
	char name[64];

	play(&d, threads, "0", (const char *[]){NULL});
	for (size_t i = 0; i < d.n_threads; i++) {
		const struct thread *th = &d.threads[i];
		int64_t slack = d.n_threads > 1 ? th->pages / 100 : 0;
		const json_t *place;

		have = summary_pages(thread_of(&d, th->tid), "grown", "anon");
		cr_expect_leq(llabs(have - th->pages), slack, "thread %" PRId64 ": %" PRId64 " pages, told %" PRId64,
			th->tid, have, th->pages);
		snprintf(name, sizeof(name), "[native thread %s]", th->name);
		place = summary_find(d.process, "functions", name);
		cr_assert(place, "no %s", name);
		have = summary_pages(json_object_get(place, "self"), "grown", "anon");
		cr_expect_leq(llabs(have - th->pages), slack, "%s: %" PRId64 " pages, told %" PRId64, name, have,
			th->pages);
		sum += have;
	}
	cr_expect_eq(sum, d.all);
	have = summary_pages(summary_find(d.process, "mappings", GROUP), "grown", "anon");
	cr_expect_eq(have, d.all, "%" PRId64 " of %" PRId64, have, d.all);
	truth_end(&d.t);
}

Test(depths, one_native_thread, .timeout = 120)
{
	play_threads("1");
}

Test(depths, four_native_threads_by_their_names, .timeout = 120)
{
	play_threads("4");
}

/* --- spans ------------------------------------------------------------------------------------------------- */

struct sums {
	int64_t own, inclusive, count;
};

/* Over all places of the tree where spans of the function are. */
static struct sums spans_of(const struct depths *d, const char *name)
{
	struct sums s = {0};
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(d->process, "spans"), i, one) {
		if (strcmp(row_str(one, "name"), name))
			continue;
		s.own += summary_pages(json_object_get(one, "own"), "grown", "anon");
		s.inclusive += summary_pages(json_object_get(one, "inclusive"), "grown", "anon");
		s.count += row_int(one, "count");
	}
	return s;
}

static void play_spans(const char *threads)
{
	char options[4][512];
	const char *argv[9] = {NULL};
	struct depths d;
	struct sums s;

	for (int i = 0; i < 4; i++) {
		snprintf(options[i], sizeof(options[i]), "%s:%s", harness_target("depths"),
			i < 3 ? (const char *[]){"alloc_a", "alloc_b", "alloc_c"}[i] : "all_of_it");
		argv[2 * i] = "-f";
		argv[2 * i + 1] = options[i];
	}
	play(&d, threads, "0", argv);
	for (size_t i = 0; i < d.n_functions; i++) {
		const struct function *f = &d.functions[i];
		int64_t slack = d.n_threads > 1 ? f->pages / 100 : 0;

		s = spans_of(&d, f->name);
		cr_expect_eq(s.count, f->runs, "%s: %" PRId64 " of %" PRId64, f->name, s.count, f->runs);
		cr_expect_leq(llabs(s.own - f->pages), slack, "%s: own %" PRId64 " pages, told %" PRId64, f->name, s.own,
			f->pages);
		cr_expect_eq(s.inclusive, s.own);
	}
	s = spans_of(&d, "all_of_it");
	cr_expect_eq(s.count, (int64_t)d.n_threads);
	cr_expect_leq(llabs(s.inclusive - d.all), d.n_threads > 1 ? d.all / 100 : 0, "%" PRId64 " of %" PRId64, s.inclusive,
		d.all);
	cr_expect_leq(llabs(s.own), d.n_threads > 1 ? d.all / 100 : 0, "own %" PRId64, s.own);
	truth_end(&d.t);
}

Test(depths, spans_of_one_thread, .timeout = 120)
{
	play_spans("1");
}

Test(depths, spans_of_four_threads, .timeout = 120)
{
	play_spans("4");
}
