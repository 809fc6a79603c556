/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that do what a careless tracer breaks. Each runs untraced first: under trace, started by
 * the tool or attached to, it must print the same and end in the same way; and the rows must be
 * those that it has written down itself (scene.h).
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scene.h"

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

/* --- control flow ---------------------------------------------------------------------------- */

SCENE(exceptions_are_caught_and_thrown_again, .target = "throws")
SCENE(an_exception_that_nobody_catches_ends_the_program, .target = "throws", .args = {"terminate"})
SCENE(longjmp_leaves_functions, .target = "jumps", .args = {"longjmp"})
SCENE(recursion_goes_a_thousand_deep_and_out_at_once, .target = "jumps", .args = {"recursion"})
SCENE(signals_are_handled_on_their_own_stack, .target = "jumps", .args = {"signals"})

/* The same call instruction calls a function after one that has jumped away: not to be told from
 * one that was jumped to, so the end of the first may be late and marked, but is never wrong. */
SCENE(handlers_of_an_event_loop, .target = "jumps", .args = {"dispatch"}, .match = LOOSE)

/* Probed past the endbr64 where that is the same instant, and there where it is not. */
SCENE(entries_past_endbr64, .target = "endbr")
SCENE(entries_past_endbr64_in_cxx, .target = "endbrxx")

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
				n += !strcmp(r.told[i].function, *f) &&
				     !strcmp(r.told[i].when, "entry");
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
	tails("smallest", (const char *const[]){"p_one_ret", "p_one_jmp", "p_jmp_to_ret",
				  "p_jmp_out", "p_jmp_got", "p_tail_end", NULL});
}

Test(unharmed, a_tail_call_where_the_entry_is_probed, .timeout = 300)
{
	struct scene s = {.target = "endbr", .args = {"jumps"}};

	harness_need_kernel();
	play(&s, "auto", false);
	play(&s, "auto", true);
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
			json_t *in =
				rows_find(r.rows, n, "function", "p_after", "when", "entry", NULL);
			json_t *out =
				rows_find(r.rows, n, "function", "p_after", "when", "return", NULL);

			cr_assert(in && out, "call %zu", n);
			cr_expect(row_true(out, "exact"));
			cr_expect_eq(row_int(out, "anon") - row_int(in, "anon"), 4096, "%s: %s",
				i & 1 ? "noticed" : "auto", json_dumps(out, 0));
		}
	}
}

/* --- threads --------------------------------------------------------------------------------- */

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

	json_array_foreach(rows, i, row) {
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
		cr_assert(t->n && !strcmp(t->names[t->n - 1], row_str(row, "function")),
			"unpaired: %s", json_dumps(row, 0));
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

	snprintf(command, sizeof(command), "grep -hs map_id: /proc/%d/fdinfo/*; :", tool->pid);
	cr_assert_eq(shell(command, &ids), 0);
	cr_assert_eq(shell("bpftool -j map show", &text), 0);
	maps = json_loads(text, 0, NULL);
	json_array_foreach(maps, i, map) {
		snprintf(id, sizeof(id), "map_id:\t%d\n", (int)row_int(map, "id"));
		if (strcmp(row_str(map, "name"), name) || !strstr(ids, id))
			continue;
		found = true;
		snprintf(command, sizeof(command), "bpftool -j map dump id %d",
			(int)row_int(map, "id"));
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
	c = child_start("target", (const char *[]){harness_target("leaves"), harness_path("truth"),
					  "wait", "crowd", "stay", NULL});
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

/* --- processes ------------------------------------------------------------------------------- */

SCENE(fork_at_the_bottom_of_a_hundred_calls, .target = "births", .args = {"dive"})
SCENE(fork_within_functions, .target = "births", .args = {"fork"})
SCENE(fork_within_functions_of_a_thread, .target = "births", .args = {"thread-fork"})
SCENE(forks_in_forks_in_forks, .target = "births", .args = {"descend"})
SCENE(vfork_and_spawn_within_functions, .target = "births", .args = {"borrow"},
	.also = "%sleaf:p_*")
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
		json_array_foreach(r.rows, i, row) {
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

/* --- coroutines ------------------------------------------------------------------------------ */

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

/* Ends come in another order than beginnings, and something is always open: it must not pile up. */
Test(unharmed, coroutines_that_always_overlap, .timeout = 300)
{
	const struct scene s = {
		.target = "switches", .args = {"main", "100000", "overlap"}, .match = NONE};

	harness_need_kernel();
	for (int i = 0; i < 4; i++) {
		struct result r = play(&s, i & 1 ? "noticed" : "auto", i & 2);

		cr_expect_eq(count_rows(&r, "p_overlaps", "entry", NULL), 12000);
		cr_expect_eq(count_rows(&r, "p_overlaps", "return", NULL), 12000);
		cr_expect_leq(count_rows(&r, "p_overlaps", "return", "unwound"), i & 1 ? 2 : 0);
		json_decref(r.rows);
	}
}

#define PAGE 4096

/* --- late libraries -------------------------------------------------------------------------- */

/* Calls of the library that have rows, as a list of their places in the order of all calls. */
static size_t first_traced_call(const struct result *r, size_t from, size_t to, size_t *traced)
{
	size_t first = to;

	*traced = 0;
	for (size_t i = from; i < to; i++) {
		if (strcmp(r->told[i].when, "entry"))
			continue;
		if (r->told[i].used && first == to)
			first = i;
		*traced += r->told[i].used;
	}
	return first;
}

/* The call at whose beginning the probes are placed has told of its entry before they changed the
 * memory: what it has told of its return, less the page that it brings, is what it entered with. */
static void retell_first_entry(struct result *r, const json_t *row)
{
	for (size_t i = 0; i + 1 < r->n_told; i += 2) {
		struct told entry = r->told[i + 1];

		entry.rss -= PAGE;
		entry.anon -= PAGE;
		if (!same_values(row, &entry) || strcmp(r->told[i].when, "entry"))
			continue;
		r->told[i].rss = entry.rss;
		r->told[i].anon = entry.anon;
		r->told[i].file = entry.file;
		return;
	}
}

/* The next that is of the row, from `at` on. */
static size_t told_of_row(const struct result *r, const json_t *row, size_t at)
{
	while (at < r->n_told &&
		(strcmp(r->told[at].when, row_str(row, "when")) || !same_values(row, &r->told[at])))
		at++;
	return at;
}

/* The value tells which call a row belongs to: each makes one more page resident. Probes are placed
 * twice, since the library is loaded twice. */
static void match_by_value(struct result *r)
{
	size_t i, at = 0, next;
	int placed = 0;
	json_t *row;

	json_array_foreach(r->rows, i, row) {
		if (!is_row(row))
			continue;
		next = told_of_row(r, row, at);
		if (next >= r->n_told && placed++ < 2) {
			retell_first_entry(r, row);
			next = told_of_row(r, row, at);
		}
		at = next;
		cr_assert_lt(at, r->n_told, "no call has this value: %s", json_dumps(row, 0));
		r->told[at++].used = true;
	}
}

/* The library is mapped for the first time long after tracing began, is found by its soname, and is
 * still probed when it is loaded again. */
static void load_late(const char *returns, bool attach)
{
	struct scene s = {.target = "loads", .also = "libplugin.so:p_plugin", .match = NONE};
	size_t traced, first, n_first = 2 * 600;
	struct result r;
	int64_t loaded;
	json_t *row;
	char *at;

	s.args[0] = strdup(harness_target("libplugin.so"));
	r = play(&s, returns, attach);
	cr_assert_eq(r.n_told, 2 * 650);
	match_by_value(&r);
	first = first_traced_call(&r, 0, n_first, &traced);
	cr_assert_lt(first, n_first, "the library was never seen");
	cr_expect_eq(traced, (n_first - first + 1) / 2, "rows are missing after the first");
	first_traced_call(&r, n_first, r.n_told, &traced);
	cr_expect_eq(traced, 50, "loaded again, %zu of 50 calls have rows", traced);
	at = strstr(r.err, "loaded ");
	cr_assert(at);
	loaded = strtoll(at + 7, NULL, 10);
	row = rows_find(r.rows, 0, "function", "p_plugin", NULL);
	fprintf(stderr, "first row %.1f ms after dlopen, call %zu\n",
		(row_int(row, "time_ns") - loaded) / 1e6, first / 2);
}

Test(unharmed, a_library_that_is_loaded_late, .timeout = 300)
{
	harness_need_kernel();
	load_late("auto", false);
	load_late("auto", true);
	load_late("noticed", true);
}

/* --- greenlets ------------------------------------------------------------------------------- */

static const char greenlets[] =
	"import ctypes, greenlet, sys, time\n"
	"lib = ctypes.PyDLL(sys.argv[1])\n"
	"lib.plugin_begin(sys.argv[2].encode(), sys.argv[3].encode())\n"
	"callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_int)\n"
	"time.sleep(0.2)\n" /* the loader learns of greenlet a moment after it was imported */
	"main = greenlet.getcurrent()\n"
	"class Odd:\n"
	"    def __repr__(self):\n"
	"        main.switch()\n"
	"        return '\\u00e9'\n"
	"def nested(n, k):\n"
	"    return main.switch() or n + k if k < 3 else lib.plugin_calls_back(inner, n)\n"
	"@callback\n"
	"def inner(n):\n"
	"    main.switch()\n"
	"    return n * 2\n"
	"def work(k):\n"
	"    fn = callback(lambda n: nested(n, k))\n"
	"    total = 0\n"
	"    for i in range(25):\n"
	"        total += lib.plugin_calls_back(fn, i)\n"
	"        total += len(ascii(Odd()))\n"
	"        if i % (k + 2) == 0:\n"
	"            main.switch()\n"
	"    return total\n"
	"workers = [greenlet.greenlet(work) for k in range(4)]\n"
	"totals = {}\n"
	"first = True\n"
	"while len(totals) < len(workers):\n"
	"    for k, w in enumerate(workers):\n"
	"        if k not in totals:\n"
	"            v = w.switch(k) if first else w.switch()\n"
	"            if w.dead:\n"
	"                totals[k] = v\n"
	"    first = False\n"
	"print(sorted(totals.items()))\n"
	"sys.stdout.flush()\n"
	"lib.plugin_end()\n"
	"sys.exit(11)\n";

/* Stacks are copied away and back, to the same addresses: only the rets tell. */
Test(unharmed, greenlets_switch_within_functions, .timeout = 300)
{
	struct scene s = {.target = "libplugin.so", .match = STRICT};
	FILE *f;

	harness_need_kernel();
	if (shell("/usr/bin/python3 -c 'import greenlet'", NULL))
		cr_skip_test("needs python3-greenlet");
	s.script = harness_path("greenlets.py");
	f = fopen(s.script, "w");
	cr_assert(f && fputs(greenlets, f) >= 0 && !fclose(f));
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "auto", attach);

		/* four workers, 25 calls each; those of the last call back within */
		cr_expect_eq(count_rows(&r, "p_calls_back", "return", NULL), 125);
		cr_expect_eq(count_rows(&r, "p_calls_back", "return", "unwound"), 0);
	}
	/* Without rets there is nothing to go by: they end with the thread, and claim nothing. */
	s.match = LOOSE;
	play(&s, "noticed", true);
	/* the same of a function of Python's own */
	s.match = NONE;
	s.also = "/usr/bin/python3:PyObject_ASCII%.0s";
	for (int attach = 0; attach < 2; attach++) {
		struct result r = play(&s, "auto", attach);
		size_t n = count_rows(&r, "PyObject_ASCII", "entry", NULL);

		cr_expect_geq(n, 100);
		cr_expect_eq(count_rows(&r, "PyObject_ASCII", "return", NULL), n);
		cr_expect_eq(count_rows(&r, "PyObject_ASCII", "return", "unwound"), 0);
	}
}
