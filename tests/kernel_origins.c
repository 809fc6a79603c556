/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who brought it, in programs that others have made: functions of Python that know their pages, workers
 * that inherit memory, a native thread in a Python program, and a sort of PostgreSQL.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pyplay.h"
#include "servers.h"
#include "summary.h"

#define PAGE   TRUTH_PAGE
#define KIB    ((int64_t)1024)
#define MIB    (1024 * KIB)
#define OTHERS (512 * KIB) /* what others share with a process changes as they come and go */

/* --- Python -------------------------------------------------------------------------------------------- */

#define OF_ITS_OWN 8 /* pages that the interpreter may take within a function, for itself */

static int64_t nth(const json_t *pair, size_t i)
{
	return json_integer_value(json_array_get(pair, i));
}

static void expect_pages(const struct python *py, const char *name, const json_t *changes, const json_t *told,
	int64_t slack)
{
	static const char *const which[] = {"grown", "returned"};

	for (size_t i = 0; i < 2; i++) {
		int64_t have = summary_pages(changes, which[i], "anon"), want = nth(told, i);

		cr_expect(have >= want && have <= want + slack, "%s: %s: %s %" PRId64 " pages, told %" PRId64, py->name,
			name, which[i], have, want);
	}
}

static const json_t *line_of(const json_t *process, const char *name, int64_t line)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(process, "lines"), i, one)
		if (!strcmp(row_str(one, "name"), name) && row_int(one, "line") == line)
			return one;
	return NULL;
}

/* A function to the page, but for what the interpreter needs; its line, and its mappings, to the page. */
static void expect_told(const struct python *py, const json_t *process, json_t *told, json_t *lines)
{
	const char *name;
	json_t *pair, *place, *line;

	json_object_foreach(json_object_get(told, "functions"), name, pair) {
		place = summary_find(process, "functions", name);
		cr_expect(place || !(nth(pair, 0) + nth(pair, 1)), "%s: no %s", py->name, name);
		expect_pages(py, name, place ? json_object_get(place, "self") : NULL, pair, OF_ITS_OWN);
		line = json_object_get(lines, name);
		if (line && nth(pair, 0))
			expect_pages(py, name, json_object_get(line_of(process, name, json_integer_value(line)), "self"), pair, 0);
	}
	json_object_foreach(json_object_get(told, "mappings"), name, pair)
		expect_pages(py, name, summary_find(process, "mappings", name), pair, 0);
}

static void expect_spans(const struct python *py, const json_t *process, const json_t *told)
{
	static const char *const wanted[] = {"populate", "read_into", "touch_huge"};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++) {
		const json_t *span = summary_find(process, "spans", wanted[i]);

		cr_assert(span, "%s: no span of %s", py->name, wanted[i]);
		cr_expect_eq(row_int(span, "count"), 1);
		expect_pages(py, wanted[i], json_object_get(span, "own"),
			json_object_get(json_object_get(told, "functions"), wanted[i]), OF_ITS_OWN);
	}
}

/* What it inherits and writes to becomes its own, and its RSS stays as it is; what /proc says of that, as
 * the test reads it, is in its row. */
static void expect_worker(const struct python *py, pid_t pid, struct reading before, struct reading after)
{
	json_t *rows = rows_load(harness_path("origins-tool.jsonl")), *row, *found = NULL, *sums;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(row_str(row, "type"), "process") && row_int(row, "pid") == pid)
			found = row;
	cr_assert(found, "%s: no row of %d", py->name, pid);
	sums = json_object_get(json_object_get(json_object_get(found, "memory"), "last"), "sums");
	cr_expect_leq(llabs(row_int(sums, "rss") - after.rss), TRUTH_TRACERS * PAGE);
	cr_expect_leq(llabs(row_int(sums, "private_dirty") - after.private_dirty), OTHERS);
	cr_expect_leq(llabs(row_int(sums, "pss") - after.pss), OTHERS);
	cr_expect_leq(llabs(after.private_dirty - before.private_dirty - 3399 * PAGE), OTHERS);
	cr_expect_leq(llabs(after.rss - before.rss - 399 * PAGE), 64 * PAGE, "%s: %" PRId64 " pages", py->name,
		(after.rss - before.rss) / PAGE);
	cr_expect_gt(rows_count(rows, "type", "pss", "when", "timer", NULL), 0);
	json_decref(rows);
}

static void begin(struct truth *t, const struct python *py)
{
	static const char *const names[] = {"go", "worker", "end", "told"};
	char lib[512];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		remove(harness_path(names[i]));
	snprintf(lib, sizeof(lib), "%s", harness_target("libprefetch.so"));
	truth_start(t, "origins", (const char *[]){py->path, py_script("py_origins.py"), harness_dir(), lib, NULL});
	truth_attach(t, (const char *[]){"-v", "--pss-every", "200ms", "-f", "py:py_origins.py:populate", "-f",
		"py:py_origins.py:read_into", "-f", "py:py_origins.py:touch_huge", NULL});
	child_await(&t->tool, t->tool.err, "is looked at", 60);
}

static void play(const struct python *py)
{
	struct reading first, last, inherits, has;
	json_t *told, *p, *lines;
	json_error_t why;
	struct truth t;
	pid_t worker;

	begin(&t, py);
	first = reading_at_rest(t.target.pid);
	truth_say("go");
	truth_await(&t, "done");
	child_await(&t.target, t.target.out, "worker ", 30);
	t.told = file_text(t.target.out);
	worker = (pid_t)truth_number(&t, "worker");
	inherits = reading_at_rest(worker);
	truth_say("worker");
	truth_await(&t, "worker is done");
	has = reading_at_rest(worker);
	usleep(600000); /* it is read again */
	truth_finish(&t);
	last = reading_at_rest(t.target.pid);
	told = json_load_file(harness_path("told"), 0, &why);
	cr_assert(told, "%s", why.text);
	lines = json_object_get(told, "lines");
	p = summary_process(&t, t.target.pid);
	expect_account(p, py->name);
	expect_ends(p, py->name, first.rss, last.rss);
	expect_foreign(p, py->name, 0);
	expect_told(py, p, told, lines);
	expect_spans(py, p, told);
	p = summary_process(&t, worker);
	expect_account(p, py->name);
	expect_ends(p, py->name, -1, has.rss);
	expect_told(py, p, json_object_get(told, "worker"), lines);
	expect_worker(py, worker, inherits, has);
	json_decref(told);
	truth_end(&t);
}

Test(origins, functions_of_python_and_what_their_worker_inherits, .timeout = 600)
{
	harness_need_kernel();
	for (const struct python *py = pythons(); py->path; py++)
		if (python_has(py, "ctypes, multiprocessing"))
			play(py);
}

/* --- PostgreSQL ------------------------------------------------------------------------------------------ */

#define PG_ROWS "700000"

static bool begins_so(const json_t *stack, const char *name)
{
	json_t *frame;
	size_t i;

	json_array_foreach(json_object_get(stack, "frames"), i, frame)
		if (!strncmp(row_str(frame, "name"), name, strlen(name)))
			return true;
	return false;
}

/* Stacks in which a function is whose name begins so: bytes, net. */
static int64_t in_stacks(const json_t *process, const char *name)
{
	int64_t sum = 0;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(process, "stacks"), i, one)
		if (begins_so(one, name))
			sum += summary_rss(one);
	return sum;
}

/* Where it is anywhere on the stack, as the tool itself adds it up: what came and went by all functions
 * of a name like this is no less than the most that one of them has, and no more than their sum. */
static void expect_functions(const json_t *process, const char *name, int64_t in_all)
{
	int64_t sum = 0, most = 0, one_has;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(process, "native_functions"), i, one) {
		if (strncmp(row_str(one, "name"), name, strlen(name)))
			continue;
		one_has = summary_rss(json_object_get(one, "inclusive"));
		sum += one_has;
		most = one_has > most ? one_has : most;
	}
	cr_expect_leq(most, in_all, "%" PRId64 " of %" PRId64, most, in_all);
	cr_expect_geq(sum, in_all, "%" PRId64 " of %" PRId64, sum, in_all);
}

static void pg_prepare(struct server *s, struct session *ses)
{
	*s = postgres_start();
	*ses = session_open(s, "backend");
	free(session_sql(ses, "create table t as select i id, md5(i::text) v from generate_series(1, " PG_ROWS
		") i; create table small as select * from t limit 9;"));
	free(session_sql(ses, "vacuum analyze t; analyze small;"));
	/* what the statement needs is there, and all of the table has been looked at */
	free(session_sql(ses, "set max_parallel_workers_per_gather = 0; select sum(length(v)) from t;"));
	free(session_sql(ses, "begin; declare c cursor for select v from small order by v; fetch 1 from c; close c; "
		"commit;"));
}

/* An open cursor holds what was sorted. */
Test(origins, a_sort_of_postgresql, .timeout = 300)
{
	struct reading before, after;
	int64_t grown, sorted, slack;
	struct session ses;
	struct server s;
	struct truth t = {.name = "pg"};
	json_t *p;

	harness_need_kernel();
	pg_prepare(&s, &ses);
	t.target = (struct child){.pid = ses.backend, .out = ses.c.out, .err = ses.c.err};
	truth_attach(&t, (const char *[]){NULL});
	before = reading_at_rest(ses.backend);
	free(session_sql(&ses, "begin; declare c cursor for select v from t order by v; fetch 1 from c;"));
	after = reading_at_rest(ses.backend);
	truth_finish(&t);
	p = summary_process(&t, ses.backend);
	expect_account(p, "postgres");
	expect_ends(p, "postgres", before.rss, after.rss);
	grown = after.rss - before.rss;
	sorted = in_stacks(p, "tuplesort_");
	slack = grown * 3 / 100 > MIB ? grown * 3 / 100 : MIB;
	cr_expect_geq(grown, 50 * MIB);
	cr_expect_leq(llabs(sorted - grown), slack, "tuplesort: %" PRId64 " KiB, smaps: %" PRId64 " KiB", sorted / KIB,
		grown / KIB);
	expect_functions(p, "tuplesort_", sorted);
	fprintf(stderr, "tuplesort: %" PRId64 " KiB, smaps: %" PRId64 " KiB\n", sorted / KIB, grown / KIB);
	free(session_sql(&ses, "close c; commit;"));
	session_close(&ses);
	json_decref(t.summary);
	free(t.told);
}
