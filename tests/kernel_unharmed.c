/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that do what a careless tracer breaks. Each runs untraced first: under trace, started by
 * the tool or attached to, it must print the same and end in the same way; and the rows must be
 * those that it has written down itself (targets/unharmed.h).
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"

#define MAX_ARGS 6

enum match {
	STRICT, /* each thread's rows in its order, every value known and exact */
	LOOSE,	/* the nth beginning or end of each function; values where the row says exact */
	NONE,	/* the test looks at the rows itself */
};

struct scene {
	const char *target;
	const char *args[MAX_ARGS];
	const char *also; /* another spec; %s: the directory of the targets */
	enum match match;
};

struct told {
	long tid;
	char function[40], when[8], marks[8];
	int64_t rss, anon, file, shmem;
	bool used;
};

struct result {
	json_t *rows;
	struct told *told;
	size_t n_told;
	size_t inexact;
	char *err; /* what the traced program (and the tool that started it) said */
};

/* --- the program's own truth -------------------------------------------------------------------------- */

static size_t load_told(const char *path, struct told **out)
{
	struct told *all = NULL, t = {0};
	FILE *f = fopen(path, "r");
	size_t n = 0;

	cr_assert(f, "%s", path);
	while (fscanf(f, "%ld %39s %7s %7s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &t.tid, t.function,
		       t.when, t.marks, &t.rss, &t.anon, &t.file, &t.shmem) == 8) {
		all = realloc(all, (n + 1) * sizeof(*all));
		all[n++] = t;
	}
	cr_assert(feof(f), "%s: line %zu", path, n + 1);
	fclose(f);
	*out = all;
	return n;
}

static bool same_values(const json_t *row, const struct told *t)
{
	return row_int(row, "rss") == t->rss && row_int(row, "anon") == t->anon &&
	       row_int(row, "file") == t->file && row_int(row, "shmem") == t->shmem;
}

static void expect_marks(const json_t *row, const struct told *t, bool probed)
{
	bool unwound = strpbrk(t->marks, probed ? "xye" : "e") != NULL;

	if (probed || !strchr(t->marks, 'y'))
		cr_expect_eq(row_true(row, "unwound"), unwound, "unwound: %s", json_dumps(row, 0));
	cr_expect_eq(row_true(row, "inherited"), strchr(t->marks, 'i') != NULL, "inherited: %s",
		json_dumps(row, 0));
	cr_expect_eq(row_true(row, "borrowed"), strchr(t->marks, 'b') != NULL, "borrowed: %s",
		json_dumps(row, 0));
}

static bool is_row(const json_t *row)
{
	return !strcmp(row_str(row, "type"), "checkpoint") && strcmp(row_str(row, "function"), "p_settle");
}

/* What was told that this row should be; NULL: nothing is left. */
static struct told *told_of(struct result *r, const json_t *row, enum match match)
{
	for (size_t i = 0; i < r->n_told; i++) {
		struct told *t = &r->told[i];

		if (t->used || t->tid != row_int(row, "tid"))
			continue;
		if (match == STRICT ||
			(!strcmp(t->function, row_str(row, "function")) && !strcmp(t->when, row_str(row, "when"))))
			return t;
	}
	return NULL;
}

static void compare(struct result *r, enum match match, bool probed)
{
	size_t i, n = 0;
	json_t *row;

	json_array_foreach(r->rows, i, row)
	{
		struct told *t;

		if (!is_row(row))
			continue;
		t = told_of(r, row, match);
		cr_assert(t, "not told of: %s", json_dumps(row, 0));
		t->used = true;
		n++;
		cr_assert(!strcmp(t->function, row_str(row, "function")) && !strcmp(t->when, row_str(row, "when")),
			"row %zu is not %s %s: %s", n, t->function, t->when, json_dumps(row, 0));
		expect_marks(row, t, probed);
		if (strchr(t->marks, '?'))
			continue;
		r->inexact += !row_true(row, "exact");
		cr_expect(match == LOOSE || row_true(row, "exact") || (!probed && strchr(t->marks, 'o')),
			"not exact: %s", json_dumps(row, 0));
		if (row_true(row, "exact"))
			cr_expect(same_values(row, t), "told rss %" PRId64 " anon %" PRId64 " file %" PRId64
				": %s", t->rss, t->anon, t->file, json_dumps(row, 0));
	}
	cr_expect_eq(n, r->n_told, "%zu rows, %zu told", n, r->n_told);
}

/* --- running -------------------------------------------------------------------------------------------- */

static void make_argv(const char **argv, const struct scene *s, const char *path, const char *truth,
	const char *mode)
{
	size_t n = 0;

	argv[n++] = path;
	argv[n++] = truth;
	argv[n++] = mode;
	for (size_t i = 0; i < MAX_ARGS && s->args[i]; i++)
		argv[n++] = s->args[i];
	argv[n] = NULL;
}

static void run_command(const struct scene *s, const char *path, const char *const *options,
	const char *truth, struct child *c, int *status)
{
	const char *argv[32];
	size_t n = 0;

	while (*options)
		argv[n++] = *options++;
	argv[n++] = "--";
	make_argv(argv + n, s, path, truth, "run");
	*c = tool_start("tool", argv);
	*status = child_wait(c, 120);
}

static void run_attached(const struct scene *s, const char *path, const char *const *options,
	const char *truth, struct child *c, int *status)
{
	const char *argv[16];
	struct child tool;
	char pid[16];
	size_t n = 2;

	make_argv(argv, s, path, truth, "wait");
	*c = child_start("target", argv);
	child_await(c, c->err, "ready", 20);
	snprintf(pid, sizeof(pid), "%d", c->pid);
	argv[0] = "--pid";
	argv[1] = pid;
	while (*options)
		argv[n++] = *options++;
	argv[n] = NULL;
	tool = tool_attach("tool", argv);
	child_signal(c, SIGUSR1);
	*status = child_wait(c, 120);
	cr_assert_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
}

static void no_losses(json_t *rows)
{
	json_t *losses = json_object_get(rows_find(rows, 0, "type", "summary", NULL), "loss"), *n;
	const char *name;

	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
	cr_assert(json_is_object(losses));
	json_object_foreach(losses, name, n)
		cr_expect_eq(json_integer_value(n), 0, "lost: %s", name);
}

static struct result play(const struct scene *s, const char *returns, bool attach)
{
	const char *path = strdup(harness_target(s->target)), *argv[16];
	const char *truth = harness_path("truth"), *untraced = harness_path("truth.untraced");
	struct child alone, c;
	int status, want;
	struct result r = {0};
	char spec[512], also[512];
	const char *options[] = {"--returns", returns, "-f", spec, s->also ? "-f" : NULL, also, NULL};

	remove(truth);
	remove(untraced);
	make_argv(argv, s, path, untraced, "run");
	alone = child_start("alone", argv);
	want = child_wait(&alone, 120);
	snprintf(spec, sizeof(spec), "%s:p_*", path);
	if (s->also)
		snprintf(also, sizeof(also), s->also, harness_target(""));
	(attach ? run_attached : run_command)(s, path, options, truth, &c, &status);
	r.err = file_text(c.err);
	cr_expect_eq(status, want, "status %d, untraced %d: %s", status, want, r.err);
	cr_expect_str_eq(file_text(c.out), file_text(alone.out));
	r.rows = rows_load(harness_path("tool.jsonl"));
	r.n_told = load_told(truth, &r.told);
	if (s->match != NONE)
		compare(&r, s->match, !strcmp(returns, "auto"));
	no_losses(r.rows);
	return r;
}

/* Both ways to begin and both ways to see a return. */
static void play_all(const struct scene *s)
{
	harness_need_kernel();
	play(s, "auto", false);
	play(s, "auto", true);
	play(s, "noticed", false);
	play(s, "noticed", true);
}

#define SCENE(name, ...)                                                                           \
	Test(unharmed, name, .timeout = 300)                                                       \
	{                                                                                          \
		play_all(&(struct scene){__VA_ARGS__});                                            \
	}

/* --- control flow ------------------------------------------------------------------------------------------ */

SCENE(exceptions_are_caught_and_thrown_again, .target = "throws")
SCENE(an_exception_that_nobody_catches_ends_the_program, .target = "throws", .args = {"terminate"})
SCENE(longjmp_leaves_functions, .target = "jumps", .args = {"longjmp"})
SCENE(recursion_goes_a_thousand_deep_and_out_at_once, .target = "jumps", .args = {"recursion"})
SCENE(signals_are_handled_on_their_own_stack, .target = "jumps", .args = {"signals"})

/* The same call instruction calls a function after one that has jumped away: not to be told from
 * one that was jumped to, so the end of the first may be late and marked, but is never wrong. */
SCENE(handlers_of_an_event_loop, .target = "jumps", .args = {"dispatch"}, .match = LOOSE)

/* Rows of this function by kind of end, all threads; of returns, those with the mark. */
static size_t count_rows(const struct result *r, const char *function, const char *when, const char *mark)
{
	size_t i, n = 0;
	json_t *row;

	json_array_foreach(r->rows, i, row)
		n += !strcmp(row_str(row, "function"), function) && !strcmp(row_str(row, "when"), when) &&
		     (!mark || row_true(row, mark));
	return n;
}

/* What jumps to another function is open until that returns. Where no jump is probed this cannot be
 * seen: then it ends when the other begins. */
static void tails(const char *which, const char *const *functions)
{
	struct scene s = {.target = "jumps", .args = {which}};

	harness_need_kernel();
	play(&s, "auto", false);
	play(&s, "auto", true);
	s.match = NONE;
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "noticed", attach);

		for (const char *const *f = functions; *f; f++) {
			size_t n = 0;

			for (size_t i = 0; i < r.n_told; i++)
				n += !strcmp(r.told[i].function, *f) && !strcmp(r.told[i].when, "entry");
			cr_expect_eq(count_rows(&r, *f, "entry", NULL), n, "%s", *f);
			cr_expect_eq(count_rows(&r, *f, "return", NULL), n, "%s", *f);
			cr_expect_eq(count_rows(&r, *f, "return", "unwound"), 0, "%s", *f);
		}
	}
}

Test(unharmed, functions_end_by_tail_calls, .timeout = 300)
{
	tails("tails", (const char *const[]){"p_tail", "p_tail_middle", "p_tail_end", "p_tail_out",
			       "p_tail_or_not", "p_after", NULL});
}

Test(unharmed, functions_of_one_instruction, .timeout = 300)
{
	tails("smallest", (const char *const[]){"p_one_ret", "p_one_jmp", "p_jmp_to_ret", "p_jmp_out",
				  "p_jmp_got", "p_tail_end", NULL});
}

Test(unharmed, exceptions_in_a_tight_loop, .timeout = 300)
{
	const struct scene s = {.target = "throws", .args = {"loop"}, .match = NONE};

	harness_need_kernel();
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "auto", attach);

		cr_expect_eq(count_rows(&r, "p_bottom", "entry", NULL), 2000);
		cr_expect_eq(count_rows(&r, "p_bottom", "return", NULL), 2000);
		cr_expect_eq(count_rows(&r, "p_bottom", "return", "unwound"), 2000);
		r = play(&s, "noticed", attach);
		cr_expect_eq(count_rows(&r, "p_bottom", "entry", NULL), 2000);
		cr_expect_eq(count_rows(&r, "p_bottom", "return", NULL), 2000);
		cr_expect_eq(count_rows(&r, "p_bottom", "return", "unwound"), 0);
	}
}

/* What handlers do on their own stack belongs to nothing that was over before. */
Test(unharmed, a_signal_after_the_end_of_a_function, .timeout = 300)
{
	const struct scene s = {.target = "jumps", .args = {"quiet-signals"}, .match = NONE};

	harness_need_kernel();
	for (int i = 0; i < 4; i++) {
		struct result r = play(&s, i & 1 ? "noticed" : "auto", i & 2);

		for (size_t n = 0; n < 20; n++) {
			json_t *in = rows_find(r.rows, n, "function", "p_after", "when", "entry", NULL);
			json_t *out = rows_find(r.rows, n, "function", "p_after", "when", "return", NULL);

			cr_assert(in && out, "call %zu", n);
			cr_expect(row_true(out, "exact"));
			cr_expect_eq(row_int(out, "anon") - row_int(in, "anon"), 4096, "%s: %s",
				i & 1 ? "noticed" : "auto", json_dumps(out, 0));
		}
	}
}

/* --- threads --------------------------------------------------------------------------------------------- */

SCENE(threads_exit_and_are_cancelled_in_functions, .target = "leaves")

#define MAX_TIDS 1024
#define MAX_OPEN 64

struct open_calls {
	int64_t tid;
	size_t n;
	const char *names[MAX_OPEN];
};

/* Each return ends the last call of its thread that is open. */
static size_t expect_pairs(json_t *rows)
{
	struct open_calls *threads = calloc(MAX_TIDS, sizeof(*threads)), *t;
	size_t i, n = 0, open = 0;
	json_t *row;

	json_array_foreach(rows, i, row)
	{
		if (!is_row(row))
			continue;
		for (t = threads; t->tid && t->tid != row_int(row, "tid"); t++)
			cr_assert_lt(t - threads, MAX_TIDS - 1);
		t->tid = row_int(row, "tid");
		n++;
		if (!strcmp(row_str(row, "when"), "entry")) {
			cr_assert_lt(t->n, MAX_OPEN);
			t->names[t->n++] = row_str(row, "function");
			continue;
		}
		cr_assert(t->n && !strcmp(t->names[t->n - 1], row_str(row, "function")), "unpaired: %s",
			json_dumps(row, 0));
		t->n--;
	}
	for (t = threads; t->tid; t++)
		open += t->n;
	cr_expect_eq(open, 0);
	free(threads);
	return n;
}

Test(unharmed, threads_come_and_go_by_the_hundred, .timeout = 300)
{
	const struct scene s = {.target = "leaves", .args = {"crowd"}, .match = NONE};

	harness_need_kernel();
	for (int i = 0; i < 4; i++) {
		struct result r = play(&s, i & 1 ? "noticed" : "auto", i & 2);

		/* 300 threads, in each twice a visit and a descent of 41 */
		cr_expect_eq(count_rows(&r, "p_visits", "entry", NULL), 600);
		cr_expect_eq(count_rows(&r, "p_visits", "return", NULL), 600);
		cr_expect_eq(count_rows(&r, "p_descends", "entry", NULL), 600 * 41);
		cr_expect_eq(expect_pairs(r.rows), 2 * 600 * 42);
		json_decref(r.rows);
	}
}

/* The elements of a map of the tool's, by bpftool. */
static size_t map_elements(const struct child *tool, const char *name)
{
	char *text = NULL, *ids = NULL, command[128], id[32];
	json_t *maps, *map;
	size_t i, n = 0;
	bool found = false;

	snprintf(command, sizeof(command), "grep -h map_id: /proc/%d/fdinfo/*", tool->pid);
	cr_assert_eq(shell(command, &ids), 0);
	cr_assert_eq(shell("bpftool -j map show", &text), 0);
	maps = json_loads(text, 0, NULL);
	json_array_foreach(maps, i, map)
	{
		snprintf(id, sizeof(id), "map_id:\t%d\n", (int)row_int(map, "id"));
		if (strcmp(row_str(map, "name"), name) || !strstr(ids, id))
			continue;
		found = true;
		snprintf(command, sizeof(command), "bpftool -j map dump id %d", (int)row_int(map, "id"));
		cr_assert_eq(shell(command, &text), 0);
		n += json_array_size(json_loads(text, 0, NULL));
	}
	cr_assert(found, "the tool has no map %s", name);
	return n;
}

Test(unharmed, nothing_is_kept_of_threads_that_are_gone, .timeout = 300)
{
	char spec[512], pid[16];
	struct child c, tool;

	harness_need_kernel();
	if (shell("bpftool version", NULL))
		cr_skip_test("needs bpftool");
	snprintf(spec, sizeof(spec), "%s:p_*", harness_target("leaves"));
	c = child_start("target", (const char *[]){harness_target("leaves"), harness_path("truth"), "wait",
					  "crowd", "stay", NULL});
	child_await(&c, c.err, "ready", 20);
	snprintf(pid, sizeof(pid), "%d", c.pid);
	tool = tool_attach("tool", (const char *[]){"--pid", pid, "-f", spec, NULL});
	child_signal(&c, SIGUSR1);
	child_await(&c, c.err, "ready\nready", 60);
	cr_expect_eq(map_elements(&tool, "span_chunks"), 0);
	child_signal(&c, SIGUSR1);
	cr_expect_eq(child_wait(&c, 60), 7);
	cr_expect_eq(child_wait(&tool, 60), 0);
}

/* --- processes ------------------------------------------------------------------------------------------- */

SCENE(fork_at_the_bottom_of_a_hundred_calls, .target = "births", .args = {"dive"})
SCENE(fork_within_functions, .target = "births", .args = {"fork"})
SCENE(fork_within_functions_of_a_thread, .target = "births", .args = {"thread-fork"})
SCENE(forks_in_forks_in_forks, .target = "births", .args = {"descend"})
SCENE(vfork_and_spawn_within_functions, .target = "births", .args = {"borrow"}, .also = "%sleaf:p_*")
SCENE(a_chain_of_execs, .target = "births", .args = {"chain", "6"}, .also = "%sleaf:p_*")
SCENE(a_function_that_calls__exit, .target = "births", .args = {"end", "_exit"})
SCENE(a_function_that_calls_exit, .target = "births", .args = {"end", "exit"})
SCENE(a_function_that_is_killed, .target = "births", .args = {"end", "kill"})
SCENE(a_function_that_crashes_in_a_thread, .target = "births", .args = {"thread-end", "segv"})
SCENE(a_function_that_aborts_in_a_thread, .target = "births", .args = {"thread-end", "abort"})

Test(unharmed, a_thousand_short_lives, .timeout = 300)
{
	const struct scene s = {.target = "births", .args = {"thousand"}, .match = NONE};

	harness_need_kernel();
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "auto", attach);
		size_t i, children = 0;
		int64_t sum = 0;
		json_t *row;

		cr_expect_eq(count_rows(&r, "p_of_child", "entry", NULL), 1000);
		cr_expect_eq(count_rows(&r, "p_of_child", "return", NULL), 1000);
		cr_expect_eq(count_rows(&r, "p_of_child", "return", "unwound"), 0);
		cr_expect_eq(expect_pairs(r.rows), 2000);
		json_array_foreach(r.rows, i, row)
		{
			if (strcmp(row_str(row, "type"), "process") || row_int(row, "rows") != 2)
				continue;
			children++;
			sum += row_int(row, "exit");
			cr_expect_str_eq(row_str(row, "state"), "ended");
		}
		cr_expect_eq(children, 1000);
		cr_expect_eq(sum, 12500, "it says that itself");
	}
}

/* --- coroutines ------------------------------------------------------------------------------------------ */

/* An end that only a look can see may be hidden by a later beginning on another stack: then it is
 * late, and its value may be marked. */
static void coroutines(const char *where, const char *turns)
{
	struct scene s = {.target = "switches", .args = {where, turns}};

	harness_need_kernel();
	s.match = atoi(turns) < 100 ? LOOSE : STRICT;
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "auto", attach);

		cr_expect_eq(r.inexact, 0);
	}
	s.match = LOOSE;
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "noticed", attach);

		cr_expect_lt(r.inexact, r.n_told / 2, "%zu of %zu inexact", r.inexact, r.n_told);
	}
}

Test(unharmed, coroutines_of_the_main_thread, .timeout = 300)
{
	coroutines("main", "100000");
}

Test(unharmed, coroutines_of_a_thread, .timeout = 300)
{
	coroutines("thread", "100000");
}

Test(unharmed, coroutines_that_are_abandoned, .timeout = 300)
{
	coroutines("main", "20");
	coroutines("thread", "20");
}

/* Ends come in another order than beginnings, and at no time is nothing open: nothing must pile up. */
Test(unharmed, coroutines_that_always_overlap, .timeout = 300)
{
	const struct scene s = {.target = "switches", .args = {"main", "100000", "overlap"}, .match = NONE};

	harness_need_kernel();
	for (int i = 0; i < 4; i++) {
		struct result r = play(&s, i & 1 ? "noticed" : "auto", i & 2);

		cr_expect_eq(count_rows(&r, "p_overlaps", "entry", NULL), 12000);
		cr_expect_eq(count_rows(&r, "p_overlaps", "return", NULL), 12000);
		cr_expect_leq(count_rows(&r, "p_overlaps", "return", "unwound"), i & 1 ? 2 : 0);
		json_decref(r.rows);
	}
}
