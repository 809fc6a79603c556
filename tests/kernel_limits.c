/* SPDX-License-Identifier: GPL-2.0-or-later */
/* More than there is room for: nothing is lost silently, and no sum is wrong for it. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "pyplay.h"
#include "summary.h"

#define PAGE 4096
#define MIB  (1 << 20)

/* One program that was traced with small limits; recorded, and shown from the tape. */
struct limited {
	json_t *summary, *rows, *process, *loss, *identity, *causes;
	char *report;
	int64_t own; /* what its own threads did, net, as far as it was counted */
};

static int64_t grown(const json_t *change)
{
	return summary_rss(json_object_get(change, "grown"));
}

static int64_t sum_of(const json_t *process, const char *list)
{
	int64_t sum = 0;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(process, list), i, one)
		sum += summary_rss(one);
	return sum;
}

/* The account closes to the byte, and each way of adding up comes to the same. */
static void check_sums(struct limited *l)
{
	const char *text = json_dumps(l->identity, 0);
	int64_t attributed = row_int(l->identity, "attributed"), sum = 0;
	json_t *one;
	size_t i;

	cr_expect_eq(row_int(l->identity, "end") - row_int(l->identity, "start"),
		attributed + row_int(l->identity, "foreign") + row_int(l->identity, "footprint") +
			row_int(l->identity, "remainder"), "%s", text);
	l->own = attributed + row_int(l->causes, "unread_stack") + row_int(l->causes, "too_many_places");
	cr_expect_eq(row_int(l->identity, "remainder"),
		l->own - attributed + row_int(l->causes, "uncounted") + row_int(l->causes, "unlike_proc") +
			row_int(l->causes, "dropped"), "%s", text);
	json_array_foreach(json_object_get(l->process, "functions"), i, one)
		sum += summary_rss(json_object_get(one, "self"));
	cr_expect_eq(sum, attributed, "functions: %" PRId64 " of %s", sum, text);
}

static void check_lists(const struct limited *l)
{
	static const char *const lists[] = {"mappings", "threads", "stacks"};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++)
		cr_expect_eq(sum_of(l->process, lists[i]), l->own, "%s: %" PRId64 " of %" PRId64, lists[i],
			sum_of(l->process, lists[i]), l->own);
}

static void check_replay(const char *tape, const char *live, struct limited *l)
{
	const char *again = harness_path("again.json"), *report = harness_path("report.text");
	struct child c;

	c = child_start("replay", (const char *const[]){harness_tool(), "--replay", tape, "--summary-json", again,
		"--format", "text", "--lang", "en", "-o", report, NULL});
	cr_assert_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	cr_expect_str_eq(file_text(again), file_text(live));
	l->report = file_text(report);
}

static void let_go(const char *go)
{
	FILE *f = fopen(go, "w");

	cr_assert(f && !fclose(f));
}

/* Of all programs the account is checked; the last is the one that is looked at further. */
static struct limited finish(struct child *tool)
{
	const char *live = harness_path("live.json");
	struct limited l = {0};
	json_t *last = NULL;
	size_t i;

	cr_assert_eq(child_wait(tool, 120), 0, "%s", file_text(tool->err));
	l.summary = summary_load(live);
	l.rows = rows_load(harness_path("limited.jsonl"));
	l.loss = json_object_get(rows_find(l.rows, 0, "type", "summary", NULL), "loss");
	cr_assert(l.loss);
	json_array_foreach(json_object_get(l.summary, "processes"), i, l.process) {
		l.identity = json_object_get(l.process, "identity");
		l.causes = json_object_get(l.identity, "causes");
		check_sums(&l);
		last = l.process;
	}
	l.process = last;
	cr_assert(l.process);
	check_replay(harness_path("tape"), live, &l);
	return l;
}

/* The options of the tool, and what follows them, which may be NULL. */
static struct child start(const char *const *options, const char *const *argv)
{
	const char *args[64] = {"-v", "--growth", "--profile", "none", "--no-smaps", "--summary-json",
		harness_path("live.json"), "--record", harness_path("tape")};
	size_t n = 9;

	while (*options)
		args[n++] = *options++;
	while (argv && *argv)
		args[n++] = *argv++;
	return tool_start("limited", args);
}

#define OPTIONS(...) ((const char *const[]){__VA_ARGS__, NULL})

static struct limited play(const char *const *options, const char *const *argv)
{
	struct child tool = start(options, argv);

	return finish(&tool);
}

/* Begins when its interpreter is looked at. */
static struct limited play_many(const char *const *options)
{
	const char *go = harness_path("go");
	struct child tool = start(options,
		OPTIONS("--", pythons()->path, py_script("py_limits.py"), go, "many", "300", "20"));

	child_await(&tool, tool.err, "is looked at", 60);
	let_go(go);
	return finish(&tool);
}

/* Attached to while it is that deep in its functions. */
static struct limited play_deep(const char *frames)
{
	const char *go = harness_path("go");
	struct child python, tool;
	struct limited l;
	char pid[16];

	python = child_start("python", (const char *const[]){pythons()->path, py_script("py_limits.py"), go, "deep",
		frames, "5000", NULL});
	child_await(&python, python.out, "waits", 30);
	snprintf(pid, sizeof(pid), "%d", python.pid);
	tool = start(OPTIONS("--pid", pid), NULL);
	child_await(&tool, tool.err, "Ctrl-C ends it", 60);
	let_go(go);
	l = finish(&tool);
	cr_assert_eq(child_wait(&python, 30), 0, "%s", file_text(python.err));
	return l;
}

static void over(struct limited *l)
{
	json_decref(l->summary);
	json_decref(l->rows);
	free(l->report);
}

/* It is there, is no more than all, and the report has a name for it. */
static void unclear(const struct limited *l, const char *what, int64_t least, const char *words)
{
	int64_t bytes = grown(json_object_get(json_object_get(l->process, "unclear"), what));
	int64_t all = 0;
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(l->process, "mappings"), i, one)
		all += grown(one);
	cr_expect(bytes >= least && bytes <= all, "%s: %" PRId64 " of %" PRId64, what, bytes, all);
	cr_expect(strstr(l->report, words), "\"%s\" is not in: %s", words, l->report);
}

static void nothing_unclear(const struct limited *l, const char *what)
{
	const json_t *change = json_object_get(json_object_get(l->process, "unclear"), what);

	cr_expect_eq(grown(change), 0, "%s: %s", what, json_dumps(change, 0));
}

static void lost(const struct limited *l, const char *what, int64_t most, const char *words)
{
	int64_t n = row_int(l->loss, what);

	cr_expect(n > 0 && n <= most, "%s: %" PRId64, what, n);
	cr_expect(strstr(l->report, words), "\"%s\" is not in: %s", words, l->report);
}

static int64_t cause(const struct limited *l, const char *what)
{
	return row_int(l->causes, what);
}

/* --- tables that are full ------------------------------------------------------------------------------ */

/* Pages that the functions f_0, f_1, ... brought themselves, or the one without a name. */
static int64_t pages_of(const struct limited *l, const char *prefix, int64_t *n)
{
	int64_t sum = 0;
	json_t *one;
	size_t i;

	*n = 0;
	json_array_foreach(json_object_get(l->process, "functions"), i, one) {
		if (strncmp(row_str(one, "name"), prefix, strlen(prefix)))
			continue;
		sum += grown(json_object_get(one, "self"));
		++*n;
	}
	return sum / PAGE;
}

/* A function is known by itself, also when there is no room for who called it. */
Test(limits, too_many_nodes, .timeout = 120)
{
	struct limited l;
	int64_t n, pages;

	harness_need_kernel();
	l = play_many(OPTIONS("--limits", "nodes=40"));
	check_lists(&l);
	lost(&l, "node", 100000, "too many places of growth: ");
	unclear(&l, "callers", 200 * 20 * PAGE, "grown where not all callers are known: ");
	nothing_unclear(&l, "names");
	pages = pages_of(&l, "f_", &n);
	cr_expect_eq(n, 300);
	cr_expect(pages >= 300 * 20 && pages <= 300 * 22, "%" PRId64 " pages", pages);
	cr_expect_eq(cause(&l, "dropped"), 0);
	cr_expect_eq(cause(&l, "too_many_places"), 0);
	over(&l);
}

/* Threads that run no Python have nothing but their node: of theirs it is not known where they were. */
Test(limits, too_many_nodes_of_threads, .timeout = 120)
{
	char command[512];
	struct limited l;

	harness_need_kernel();
	/* the shell has the one that there is */
	snprintf(command, sizeof(command), "exec %s 2 50", harness_target("own"));
	l = play(OPTIONS("--limits", "nodes=1"), OPTIONS("--", "/bin/sh", "-c", command));
	check_lists(&l);
	lost(&l, "node", 100000, "too many places of growth: ");
	cr_expect_eq(row_int(l.identity, "attributed"), 0);
	cr_expect_eq(cause(&l, "too_many_places"), l.own);
	cr_expect_gt(l.own, MIB);
	cr_expect(strstr(l.report, "in more places than can be told apart: +"), "%s", l.report);
	over(&l);
}

Test(limits, too_many_cells, .timeout = 120)
{
	struct limited l;

	harness_need_kernel();
	l = play_many(OPTIONS("--limits", "cells=8"));
	check_lists(&l);
	lost(&l, "cell", 100000, "too many counts of growth: ");
	cr_expect_geq(cause(&l, "too_many_places"), 290 * 20 * PAGE);
	cr_expect_leq(cause(&l, "too_many_places"), l.own);
	cr_expect_eq(cause(&l, "dropped"), 0);
	cr_expect(strstr(l.report, "in more places than can be told apart: +"), "%s", l.report);
	over(&l);
}

/* Each thread and each mapping takes a cell, too. */
Test(limits, too_many_cells_of_threads_and_mappings, .timeout = 120)
{
	struct limited l;

	harness_need_kernel();
	l = play(OPTIONS("--limits", "cells=3"), OPTIONS("--", harness_target("own"), "8", "40"));
	check_lists(&l);
	lost(&l, "cell", 1000000, "too many counts of growth: ");
	unclear(&l, "threads", 5 * MIB, "grown in more threads than can be told apart: ");
	unclear(&l, "mappings", 5 * MIB, "grown in more mappings than can be told apart: ");
	cr_expect(strstr(l.report, "[too many to tell apart]"), "%s", l.report);
	cr_expect_eq(cause(&l, "dropped"), 0);
	over(&l);
}

/* Not even the rest is counted: the account says so. */
Test(limits, too_many_cells_of_the_rest, .timeout = 120)
{
	struct limited l;

	harness_need_kernel();
	l = play(OPTIONS("--limits", "cells=1,rests=1"), OPTIONS("--", harness_target("own"), "8", "40"));
	lost(&l, "cell", 1000000, "too many counts of growth: ");
	cr_expect_gt(cause(&l, "dropped"), 0, "%s", json_dumps(l.identity, 0));
	cr_expect_leq(cause(&l, "dropped"), row_int(l.identity, "remainder"));
	cr_expect(strstr(l.report, "not counted for want of room: +"), "%s", l.report);
	over(&l);
}

Test(limits, too_many_mappings, .timeout = 120)
{
	struct limited l;

	harness_need_kernel();
	l = play(OPTIONS("--limits", "mappings=1"), OPTIONS("--", harness_target("own"), "4", "100"));
	check_lists(&l);
	lost(&l, "node", 1000000, "too many places of growth: ");
	unclear(&l, "mappings", 10 * MIB, "grown in more mappings than can be told apart: ");
	cr_expect(strstr(l.report, "[too many to tell apart]"), "%s", l.report);
	cr_expect_eq(row_int(l.identity, "attributed"), l.own, "of places all is known");
	over(&l);
}

Test(limits, too_many_python_functions, .timeout = 120)
{
	struct limited l;
	int64_t n, pages;

	harness_need_kernel();
	l = play_many(OPTIONS("--limits", "functions=20"));
	check_lists(&l);
	lost(&l, "py_code", 100000, "too many Python functions: ");
	unclear(&l, "names", 250 * 20 * PAGE, "grown in functions without a name: ");
	pages = pages_of(&l, "[unnamed function]", &n);
	cr_expect_eq(n, 1);
	cr_expect_eq(pages * PAGE, grown(json_object_get(json_object_get(l.process, "unclear"), "names")));
	over(&l);
}

/* What is not traced is in no account, and no other is wrong for it. */
Test(limits, too_many_processes, .timeout = 120)
{
	char command[512];
	struct limited l;

	harness_need_kernel();
	snprintf(command, sizeof(command), "%s 1 20; %s 1 20; exit 0", harness_target("own"), harness_target("own"));
	l = play(OPTIONS("--limits", "processes=1"), OPTIONS("--", "/bin/sh", "-c", command));
	check_lists(&l);
	cr_expect_eq(json_array_size(json_object_get(l.summary, "processes")), 1);
	cr_expect_eq(row_int(l.loss, "proc_map"), 2);
	lost(&l, "proc_map", 2, "too many processes: 2");
	/* but for what a child does between vfork and exec, on the memory of its parent */
	cr_expect_leq(llabs(cause(&l, "dropped")), 8 * PAGE);
	over(&l);
}

/* The verifier goes through a loop over all CPUs in each state that leads there: too many of either, and nobody
 * with a large machine can load the programs. */
Test(limits, many_cpus, .timeout = 120)
{
	static const char *const cpus[] = {"cpus=9", "cpus=64", "cpus=256", "cpus=1024", NULL};
	struct child c;

	harness_need_kernel();
	for (const char *const *n = cpus; *n; n++) {
		c = tool_start(*n, (const char *const[]){"--growth", "--no-smaps", "-f", "py:json:loads", "--limits", *n,
			"--", "/bin/true", NULL});
		cr_expect_eq(child_wait(&c, 60), 0, "%s: %s", *n, file_text(c.err));
	}
	c = tool_start("cpus=1025", (const char *const[]){"--growth", "--limits", "cpus=1025", "--", "/bin/true", NULL});
	cr_expect_eq(child_wait(&c, 60), 1);
	cr_expect(strstr(file_text(c.err), "1024 possible CPUs"), "%s", file_text(c.err));
}

/* For a moment an exec takes room for two. If there is none, what was counted is told all the same. */
Test(limits, too_many_processes_for_an_exec, .timeout = 120)
{
	char command[512];
	struct limited l;

	harness_need_kernel();
	snprintf(command, sizeof(command), "exec %s 1 20", harness_target("own"));
	l = play(OPTIONS("--limits", "processes=1"), OPTIONS("--", "/bin/sh", "-c", command));
	check_lists(&l);
	lost(&l, "proc_map", 1, "too many processes: 1");
	cr_expect_eq(json_array_size(json_object_get(l.summary, "processes")), 1);
	cr_expect_gt(row_int(l.identity, "attributed"), MIB);
	cr_expect_eq(row_int(l.identity, "remainder"), 0);
	cr_expect_eq(row_int(rows_find(l.rows, 0, "type", "summary", NULL), "processes"), 1);
	cr_expect(strstr(l.report, "  exec\n"), "%s", l.report);
	over(&l);
}

/* Of some thousands there is a line each, and of the others their number. */
Test(limits, more_programs_than_are_told_of, .timeout = 300)
{
	struct limited l;
	int64_t told;
	char words[64];

	harness_need_kernel();
	l = play(OPTIONS("--max-overhead", "0"), OPTIONS("--", "/bin/sh", "-c",
		"i=0; while [ $i -lt 4200 ]; do (:); i=$((i + 1)); done"));
	told = json_array_size(json_object_get(l.summary, "processes"));
	cr_expect_eq(told, 4096);
	cr_expect_eq(told + row_int(l.summary, "left_out"), 4201);
	snprintf(words, sizeof(words), "Growth of more programs, not listed: %d\n", 4201 - 20);
	cr_expect(strstr(l.report, words), "%.2000s", l.report);
	over(&l);
}

/* --- the ring ------------------------------------------------------------------------------------------ */

/* Nothing stands for a sample that was dropped; and what must not be lost is not, for all the samples. */
Test(limits, samples_that_find_no_room, .timeout = 120)
{
	struct limited l;
	int64_t unsampled = 0;
	json_t *one;
	size_t i;

	harness_need_kernel();
	l = play(OPTIONS("--ring-size", "64K", "--max-overhead", "100"),
		OPTIONS("--", harness_target("own"), "8", "400"));
	check_lists(&l);
	lost(&l, "sample", 1000000, "stacks that were not sampled: ");
	cr_expect_eq(row_int(l.loss, "ring"), 0);
	cr_expect_eq(row_int(l.loss, "node"), 0);
	json_array_foreach(json_object_get(l.process, "stacks"), i, one)
		if (!row_true(one, "sampled"))
			unsampled += grown(one);
	/* none is taken before 16 pages have come */
	cr_expect_geq(unsampled, row_int(l.loss, "sample") * 16 * PAGE);
	cr_expect(strstr(l.report, "(not sampled)"), "%s", l.report);
	over(&l);
}

/* --- stacks -------------------------------------------------------------------------------------------- */

/* All that came in bring() has stacks of that many frames, which lead to no main(). */
static void cut_off(const char *frames, const char *bytes, size_t least, size_t most)
{
	struct limited l;
	int64_t cut = 0;
	json_t *one, *inner;
	size_t i, n;

	l = play(OPTIONS("--max-overhead", "100"), OPTIONS("--", harness_target("deep"), frames, bytes, "20000"));
	check_lists(&l);
	unclear(&l, "stacks", 19000 * PAGE, "grown at native stacks that are cut off: ");
	json_array_foreach(json_object_get(l.process, "stacks"), i, one) {
		n = json_array_size(json_object_get(one, "frames"));
		inner = json_array_get(json_object_get(one, "frames"), 0);
		if (!n || strcmp(row_str(inner, "name"), "bring"))
			continue;
		cr_expect(row_true(one, "cut"), "%s", json_dumps(one, 0));
		cr_expect(n >= least && n <= most, "%zu frames", n);
		cut += grown(one);
	}
	cr_expect_geq(cut, 19000 * PAGE);
	over(&l);
}

Test(limits, native_stacks_of_more_bytes_than_are_copied, .timeout = 120)
{
	harness_need_kernel();
	cut_off("2000", "1000", 2, 9);
}

Test(limits, native_stacks_of_more_frames_than_are_unwound, .timeout = 120)
{
	harness_need_kernel();
	cut_off("2000", "16", 50, 128);
}

Test(limits, native_stacks_that_fit_are_not_cut_off, .timeout = 120)
{
	struct limited l;

	harness_need_kernel();
	l = play(OPTIONS("--max-overhead", "100"), OPTIONS("--", harness_target("deep"), "20", "16", "20000"));
	check_lists(&l);
	nothing_unclear(&l, "callers");
	/* those of its start are not wholly known */
	cr_expect_leq(grown(json_object_get(json_object_get(l.process, "unclear"), "stacks")), 2 * MIB);
	over(&l);
}

/* Some looks at a time of a stack that is new, until all of it is known that is kept. */
Test(limits, python_stacks_of_more_frames_than_are_kept, .timeout = 120)
{
	struct limited l;
	int64_t n;

	harness_need_kernel();
	l = play_deep("800");
	check_lists(&l);
	unclear(&l, "callers", 4900 * PAGE, "grown where not all callers are known: ");
	cr_expect_geq(pages_of(&l, "bring", &n), 4900);
	cr_expect_leq(cause(&l, "unread_stack"), 100 * PAGE);
	over(&l);
}

Test(limits, python_stacks_of_more_frames_than_are_walked, .timeout = 120)
{
	struct limited l;

	harness_need_kernel();
	l = play_deep("3000");
	check_lists(&l);
	lost(&l, "py_walk", 100000, "Python stacks not read to their end: ");
	cr_expect_geq(cause(&l, "unread_stack") + grown(json_object_get(json_object_get(l.process, "unclear"),
		"callers")), 4900 * PAGE);
	cr_expect(strstr(l.report, "while the stack could not be read: +"), "%s", l.report);
	over(&l);
}
