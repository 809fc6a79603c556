/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Values and order of rows, against what the traced program says of itself at the same instant. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

/* --- one thread: to the byte ----------------------------------------------------------------------- */

struct step {
	int pid, step;
	int64_t rss, anon, file, shmem, swap;
};

static size_t load_steps(const char *path, struct step **out)
{
	struct step *steps = NULL, s;
	FILE *f = fopen(path, "r");
	size_t n = 0;

	cr_assert(f, "%s", path);
	while (fscanf(f, "%d %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &s.pid,
		       &s.step, &s.rss, &s.anon, &s.file, &s.shmem, &s.swap) == 7) {
		steps = realloc(steps, (n + 1) * sizeof(*steps));
		steps[n++] = s;
	}
	fclose(f);
	*out = steps;
	return n;
}

/* The next row of that process and kind of end, from *at on. */
static json_t *next_row(json_t *rows, size_t *at, int pid, const char *when)
{
	for (; *at < json_array_size(rows); ++*at) {
		json_t *row = json_array_get(rows, *at);

		if (strcmp(row_str(row, "type"), "checkpoint") || strcmp(row_str(row, "when"), when) ||
			row_int(row, "pid") != pid)
			continue;
		++*at;
		return row;
	}
	return NULL;
}

static void expect_value(const json_t *row, const char *key, int64_t want, const struct step *s)
{
	cr_expect_eq(row_int(row, key), want, "pid %d step %d %s: row says %s %" PRId64
		", the process %" PRId64, s->pid, s->step, row_str(row, "when"), key,
		row_int(row, key), want);
}

static void compare(json_t *rows, const struct step *steps, size_t n, const char *when)
{
	size_t parent_at = 0, child_at;

	for (size_t i = 0; i < n; i++) {
		/* children live for one step, and their rows lie between two of the parent's */
		size_t *at = steps[i].pid == steps[0].pid ? &parent_at : &child_at;
		json_t *row;

		child_at = 0;
		row = next_row(rows, at, steps[i].pid, when);
		cr_assert(row, "no %s row for pid %d step %d", when, steps[i].pid, steps[i].step);
		expect_value(row, "rss", steps[i].rss, &steps[i]);
		expect_value(row, "anon", steps[i].anon, &steps[i]);
		expect_value(row, "file", steps[i].file, &steps[i]);
		expect_value(row, "shmem", steps[i].shmem, &steps[i]);
		expect_value(row, "swap", steps[i].swap, &steps[i]);
		cr_expect(row_true(row, "exact"));
	}
}

static void steps_are_exact(const char *seed, const char *returns)
{
	char spec[512];
	const char *truth = harness_path("truth");
	struct step *steps;
	struct child c;
	json_t *rows;
	size_t n;

	snprintf(spec, sizeof(spec), "step=%s:checkpoint", harness_target("steps"));
	c = tool_start("tool", (const char *[]){"-f", spec, "--returns", returns, "--",
		harness_target("steps"), seed, "2500", truth, NULL});
	cr_assert_eq(child_wait(&c, 120), 0, "%s", file_text(c.err));
	n = load_steps(truth, &steps);
	rows = rows_load(harness_path("tool.jsonl"));
	cr_assert_geq(n, 2500);
	cr_expect_eq(rows_count(rows, "type", "checkpoint", "when", "entry", NULL), n);
	cr_expect_eq(rows_count(rows, "type", "checkpoint", "when", "return", NULL), n);
	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
	compare(rows, steps, n, "entry");
	compare(rows, steps, n, "return");
}

Test(exact, random_steps_of_every_kind_equal_what_the_process_reads)
{
	harness_need_kernel();
	steps_are_exact("1", "auto");
}

Test(exact, returns_that_are_noticed_later_have_the_exact_value)
{
	harness_need_kernel();
	steps_are_exact("2", "noticed");
}

/* The totals of a process are those of its rows and of the account of its growth. */
Test(exact, growth_and_return_add_up_to_the_change)
{
	static const char *const kinds[] = {"anon", "file", "shmem", "swap"};
	char spec[512];
	struct child c;
	json_t *rows, *p;
	size_t i, seen = 0;

	harness_need_kernel();
	snprintf(spec, sizeof(spec), "step=%s:checkpoint", harness_target("steps"));
	c = tool_start("tool", (const char *[]){"-f", spec, "--", harness_target("steps"), "3", "1500",
		harness_path("truth"), NULL});
	cr_assert_eq(child_wait(&c, 120), 0, "%s", file_text(c.err));
	rows = rows_load(harness_path("tool.jsonl"));
	json_array_foreach(rows, i, p)
	{
		if (strcmp(row_str(p, "type"), "process"))
			continue;
		for (size_t k = 0; k < 4; k++) {
			int64_t first = row_int(json_object_get(p, "first"), kinds[k]);
			int64_t last = row_int(json_object_get(p, "last"), kinds[k]);
			int64_t moved = row_int(json_object_get(p, "grown"), kinds[k]) -
					row_int(json_object_get(p, "returned"), kinds[k]) +
					row_int(json_object_get(p, "foreign"), kinds[k]) +
					row_int(json_object_get(p, "footprint"), kinds[k]);

			cr_expect_eq(last - first, moved, "%s of pid %" PRId64, kinds[k],
				row_int(p, "pid"));
		}
		cr_expect_geq(row_int(json_object_get(p, "peak"), "rss"),
			row_int(json_object_get(p, "last"), "rss"));
		seen++;
	}
	cr_expect_gt(seen, 1);
}

/* --- four threads: within what the process reads around it, or marked -------------------------------- */

struct bounds {
	long tid;
	int64_t anon[3], shmem[3]; /* before, inside, after */
};

static size_t load_bounds(const char *path, struct bounds **out)
{
	struct bounds *all = NULL, b;
	FILE *f = fopen(path, "r");
	size_t n = 0;

	cr_assert(f, "%s", path);
	while (fscanf(f, "%ld %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &b.tid,
		       &b.anon[0], &b.shmem[0], &b.anon[1], &b.shmem[1], &b.anon[2],
		       &b.shmem[2]) == 7) {
		all = realloc(all, (n + 1) * sizeof(*all));
		all[n++] = b;
	}
	fclose(f);
	*out = all;
	return n;
}

/* Rows of one thread and kind of end, in order. */
static json_t *rows_of(json_t *rows, long tid, const char *when)
{
	json_t *own = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "type"), "checkpoint") && !strcmp(row_str(row, "when"), when) &&
			row_int(row, "tid") == tid)
			json_array_append(own, row);
	}
	return own;
}

static void within(const json_t *row, const char *key, int64_t lo, int64_t hi)
{
	int64_t have = row_int(row, key);

	cr_expect(have >= lo && have <= hi, "%s row %" PRId64 ": %s %" PRId64 " not in [%" PRId64
		", %" PRId64 "]", row_str(row, "when"), row_int(row, "seq"), key, have, lo, hi);
}

static void threads_agree(const char *returns)
{
	size_t n, inexact = 0, unstable = 0, total = 0;
	struct bounds *all;
	char spec[512];
	struct child c;
	json_t *rows;

	snprintf(spec, sizeof(spec), "step=%s:checkpoint", harness_target("threads"));
	c = tool_start("tool", (const char *[]){"-f", spec, "--returns", returns, "--",
		harness_target("threads"), "20", harness_path("truth"), NULL});
	cr_assert_eq(child_wait(&c, 120), 0, "%s", file_text(c.err));
	n = load_bounds(harness_path("truth"), &all);
	rows = rows_load(harness_path("tool.jsonl"));
	cr_assert_geq(n, 2000);
	for (size_t i = 0; i < n; i++) {
		json_t *entries, *leaves;
		size_t at = 0;
		long tid = all[i].tid;

		if (!tid)
			continue;
		entries = rows_of(rows, tid, "entry");
		leaves = rows_of(rows, tid, "return");
		for (size_t k = i; k < n; k++) {
			struct bounds *b = &all[k];
			json_t *in, *out;

			if (b->tid != tid)
				continue;
			in = json_array_get(entries, at);
			out = json_array_get(leaves, at++);
			cr_assert(in && out, "a row of thread %ld is missing", tid);
			total += 2;
			inexact += !row_true(in, "exact") + !row_true(out, "exact");
			unstable += row_true(in, "unstable") + row_true(out, "unstable");
			if (row_true(in, "exact")) {
				within(in, "anon", b->anon[0], b->anon[1]);
				within(in, "shmem", b->shmem[0], b->shmem[1]);
			}
			if (row_true(out, "exact")) {
				within(out, "anon", b->anon[1], b->anon[2]);
				within(out, "shmem", b->shmem[1], b->shmem[2]);
			}
			b->tid = 0;
		}
		cr_expect_eq(json_array_size(entries), at);
		cr_expect_eq(json_array_size(leaves), at);
	}
	cr_expect_leq(unstable * 100, total, "%zu of %zu rows unstable", unstable, total);
	if (!strcmp(returns, "auto"))
		cr_expect_eq(inexact, unstable, "a probed instant is inexact only if unstable");
	else
		cr_expect_lt(inexact, total, "%zu of %zu rows inexact", inexact, total);
	fprintf(stderr, "%s: %zu rows, %zu inexact, %zu unstable\n", returns, total, inexact, unstable);
}

Test(exact, four_busy_threads_are_right_or_marked)
{
	harness_need_kernel();
	threads_agree("auto");
}

Test(exact, four_busy_threads_with_returns_noticed_later_are_right_or_marked)
{
	harness_need_kernel();
	threads_agree("noticed");
}

/* --- order ------------------------------------------------------------------------------------------ */

Test(order, a_token_appears_in_the_order_in_which_it_was_handed_on)
{
	int64_t pids[4], seq = 0, time = 0;
	size_t n = 0, i;
	char spec[512];
	struct child c;
	json_t *rows, *row;
	FILE *f;

	harness_need_kernel();
	snprintf(spec, sizeof(spec), "token=%s:hand_on", harness_target("token"));
	c = tool_start("tool", (const char *[]){"-f", spec, "--", harness_target("token"), "100000", NULL});
	cr_assert_eq(child_wait(&c, 240), 0, "%s", file_text(c.err));
	f = fopen(c.out, "r");
	cr_assert_eq(fscanf(f, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &pids[0], &pids[1],
			     &pids[2], &pids[3]), 4);
	fclose(f);
	rows = rows_load(harness_path("tool.jsonl"));
	json_array_foreach(rows, i, row)
	{
		if (strcmp(row_str(row, "type"), "checkpoint"))
			continue;
		cr_assert_gt(row_int(row, "seq"), seq);
		cr_assert_geq(row_int(row, "time_ns"), time);
		seq = row_int(row, "seq");
		time = row_int(row, "time_ns");
		if (strcmp(row_str(row, "when"), "entry"))
			continue;
		cr_assert_eq(row_int(row, "pid"), pids[n % 4], "hand-over %zu", n);
		n++;
	}
	cr_expect_eq(n, 100000);
	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
}
