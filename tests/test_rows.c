/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which rows an entry and a return make, by the conditions of their specs. Labels are "x+" at the
 * entry and "x-" at the return, so that a log reads as one string:
 *
 *	start(SPEC(0, "a"), SPEC(1, "b", .inside = 1));
 *	feed_func(run, 7, "m.py:A.f", 0);
 *	in(7, 1); out(7, 1);
 *	is("a+ a-");
 */
#include "rows.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include "feed.h"
#include "spans.h"

enum { PID = 10 };

static struct run *run;
static char log_[1 << 16];
static struct row last;
static struct run_summary sum;
static size_t n_rows;
static uint64_t now;

static int on_row(void *ctx, const struct row *row)
{
	size_t len = strlen(log_);

	if (row->pid == PID)
		snprintf(log_ + len, sizeof(log_) - len, "%s%s", len ? " " : "", row->label);
	else
		snprintf(log_ + len, sizeof(log_) - len, "%s%u:%s", len ? " " : "", row->pid,
			row->label);
	last = *row;
	n_rows++;
	return 0;
}

static int on_summary(void *ctx, const struct run_summary *s)
{
	sum = *s;
	return 0;
}

static const struct row_ops ops = { .row = on_row, .summary = on_summary };

static void begin(void)
{
	run = run__new(&(struct correlate_options){ .lang = LANG_EN }, &ops, NULL);
	cr_assert_not_null(run);
}

static void end(void)
{
	run__free(run);
}

TestSuite(rows, .init = begin, .fini = end);

#define spec(n, name, ...)                                                                         \
	feed_spec(run, .id = n, .entry = { name "+", name "+" }, .leave = { name "-", name "-" },  \
		__VA_ARGS__)
#define hidden(n, ...) feed_spec(run, .id = n, __VA_ARGS__)

static void put(uint32_t func, uint32_t span, enum rt_when when, struct feed_event e)
{
	struct rt_checkpoint cp;

	e.func = func;
	e.span = span;
	e.when = when;
	e.time_ns = ++now;
	e.pid = e.pid ? e.pid : PID;
	cp = feed__make_cp(&e);
	cr_assert_eq(feed__raw(run, REC_EVENT, &cp, cp.h.len), 0);
}

/* An entry and a return of a function, with the number of the span; other fields may follow. */
#define in(f, s, ...)  put(f, s, RT_ENTRY, (struct feed_event){ __VA_ARGS__ })
#define out(f, s, ...) put(f, s, RT_RETURN, (struct feed_event){ __VA_ARGS__ })

/* What has been printed since the last time. */
static void is(const char *want)
{
	feed_release(run, now);
	cr_expect_str_eq(log_, want);
	log_[0] = '\0';
}

static const struct label_stat *label(const char *text)
{
	for (size_t i = 0; i < sum.n_labels; i++)
		if (!strcmp(sum.labels[i].label, text))
			return &sum.labels[i];
	cr_assert_fail("no label %s", text);
	return NULL;
}

/* --- inside ----------------------------------------------------------------------------------- */

static void zeros_inside_init(unsigned int nth)
{
	spec(0, "init");
	spec(1, "zeros", .inside = 1, .nth = nth);
	feed_func(run, 7, "worker/batch.py:InputBatch.__init__", 0);
	feed_func(run, 8, "at::_ops::zeros::call", 1);
}

Test(rows, inside_holds_across_python_and_native)
{
	zeros_inside_init(0);
	in(8, 1), out(8, 1);
	is("");
	in(7, 2), in(8, 3), out(8, 3), in(8, 4), out(8, 4), out(7, 2);
	is("init+ zeros+ zeros- zeros+ zeros- init-");
	in(8, 5), out(8, 5);
	is("");
}

Test(rows, inside_is_of_the_thread)
{
	zeros_inside_init(0);
	in(7, 1), in(8, 1, .tid = 11), out(8, 1, .tid = 11);
	is("init+");
	in(8, 2), in(8, 2, .tid = 11), out(8, 2), out(8, 2, .tid = 11), out(7, 1);
	is("zeros+ zeros- init-");
}

Test(rows, inside_is_of_the_process)
{
	zeros_inside_init(0);
	in(7, 1), in(8, 2, .pid = 20), out(8, 2, .pid = 20), out(7, 1);
	is("init+ init-");
}

Test(rows, inside_reaches_through_what_lies_between)
{
	zeros_inside_init(0);
	spec(2, "mid");
	feed_func(run, 9, "mid", 2);
	in(7, 1), in(9, 2), in(8, 3), out(8, 3), out(9, 2), out(7, 1);
	is("init+ mid+ zeros+ zeros- mid- init-");
}

Test(rows, inside_of_a_spec_counts_only_where_that_one_held)
{
	spec(0, "a", .caller = "A.f");
	spec(1, "b", .inside = 1);
	feed_func(run, 6, "m.py:A.f");
	feed_func(run, 7, "m.py:g", 0);
	feed_func(run, 8, "h", 1);
	in(7, 1), in(8, 2), out(8, 2), out(7, 1);
	is("");
	in(7, 3, .caller = 6), in(8, 4), out(8, 4), out(7, 3);
	is("a+ b+ b- a-");
}

Test(rows, inside_of_a_hidden_spec)
{
	spec(0, "zeros", .inside = 3, .nth = 1);
	spec(1, "init", .caller = "Runner.__init__");
	hidden(2);
	feed_func(run, 6, "w/r.py:Runner.__init__");
	feed_func(run, 7, "w/b.py:Batch.__init__", 1, 2);
	feed_func(run, 8, "zeros", 0);
	in(7, 1, .caller = 6), in(8, 2), out(8, 2), out(7, 1);
	in(7, 3), in(8, 4), out(8, 4), out(7, 3);
	is("init+ zeros+ zeros- init- zeros+ zeros-");
	run__finish(run);
	cr_expect_eq(sum.n_labels, 4, "a hidden spec has no label");
}

Test(rows, the_place_of_specs_does_not_matter)
{
	feed_func(run, 7, "outer", 5);
	feed_func(run, 8, "inner", 1);
	spec(1, "b", .inside = 6);
	spec(5, "a");
	in(7, 1), in(8, 2), out(8, 2), out(7, 1);
	is("a+ b+ b- a-");
}

Test(rows, one_function_is_not_inside_of_itself_by_one_call)
{
	spec(0, "a");
	spec(1, "b", .inside = 1);
	feed_func(run, 7, "f", 0, 1);
	in(7, 1), in(7, 2), out(7, 2), out(7, 1);
	is("a+ a+ b+ a- b- a-");
}

/* --- nth -------------------------------------------------------------------------------------- */

Test(rows, nth_counts_since_the_enclosing_call_began)
{
	zeros_inside_init(2);
	for (unsigned int i = 0; i < 3; i++) {
		in(7, 10 * i + 1);
		for (unsigned int k = 2; k < 6; k++) {
			in(8, 10 * i + k);
			out(8, 10 * i + k);
		}
		out(7, 10 * i + 1);
		is("init+ zeros+ zeros- init-");
	}
}

Test(rows, nth_of_the_innermost_enclosing_call)
{
	zeros_inside_init(2);
	in(7, 1), in(8, 2), out(8, 2);
	in(7, 3), in(8, 4), out(8, 4), in(8, 5), out(8, 5), out(7, 3);
	is("init+ init+ zeros+ zeros- init-");
	in(8, 6), out(8, 6), out(7, 1); /* the second of the outer one */
	is("zeros+ zeros- init-");
}

Test(rows, the_first_and_the_second_are_told_apart)
{
	spec(0, "tokens", .inside = 3, .nth = 1);
	spec(1, "is_tokens", .inside = 3, .nth = 2);
	hidden(2);
	feed_func(run, 7, "b.py:B.__init__", 2);
	feed_func(run, 8, "zeros", 0, 1);
	in(7, 1);
	for (unsigned int k = 2; k < 6; k++)
		in(8, k), out(8, k);
	out(7, 1);
	is("tokens+ tokens- is_tokens+ is_tokens-");
}

Test(rows, nth_without_inside_counts_in_the_program)
{
	spec(0, "a", .nth = 3);
	feed_func(run, 7, "f", 0);
	in(7, 1), out(7, 1), in(7, 1, .tid = 11), out(7, 1, .tid = 11);
	is("");
	in(7, 2), in(7, 2, .tid = 11), out(7, 2, .tid = 11), out(7, 2);
	is("a+ a-");
	in(7, 9, .pid = 20), in(7, 10, .pid = 20), in(7, 11, .pid = 20);
	is("20:a+");
	cr_assert_eq(feed_exec(run, .pid = PID, .time_ns = ++now, .title = "x"), 0);
	in(7, 1), out(7, 1), in(7, 2), out(7, 2);
	is("");
	in(7, 3), out(7, 3);
	is("a+ a-");
}

Test(rows, nth_counts_only_what_would_hold_otherwise)
{
	spec(0, "a", .caller = "g", .nth = 2);
	feed_func(run, 6, "m.py:g");
	feed_func(run, 7, "m.py:f", 0);
	in(7, 1), out(7, 1), in(7, 2, .caller = 6), out(7, 2), in(7, 3), out(7, 3);
	is("");
	in(7, 4, .caller = 6), out(7, 4);
	is("a+ a-");
}

/* --- outermost -------------------------------------------------------------------------------- */

Test(rows, outermost_leaves_out_recursion)
{
	spec(0, "a", .outermost = true);
	feed_func(run, 7, "f", 0);
	in(7, 1), in(7, 2), in(7, 3), out(7, 3), out(7, 2), out(7, 1);
	is("a+ a-");
	in(7, 4), out(7, 4);
	is("a+ a-");
}

Test(rows, outermost_is_of_the_thread)
{
	spec(0, "a", .outermost = true);
	feed_func(run, 7, "f", 0);
	in(7, 1), in(7, 1, .tid = 11), out(7, 1), out(7, 1, .tid = 11);
	is("a+ a+ a- a-");
}

Test(rows, outermost_of_two_functions_of_one_spec)
{
	spec(0, "runner", .outermost = true);
	feed_func(run, 7, "cpu.py:CPURunner.__init__", 0);
	feed_func(run, 8, "gpu.py:GPURunner.__init__", 0);
	in(7, 1), in(8, 2), out(8, 2), out(7, 1), in(8, 3), out(8, 3);
	is("runner+ runner- runner+ runner-");
}

Test(rows, outermost_of_alternatives)
{
	spec(0, "runner", .profile = "p", .outermost = true);
	spec(1, "runner", .profile = "p", .outermost = true);
	spec(2, "runner", .profile = "q", .outermost = true);
	feed_func(run, 7, "cpu.py:CPURunner.__init__", 0);
	feed_func(run, 8, "gpu.py:GPURunner.__init__", 1);
	feed_func(run, 9, "h", 2);
	in(7, 1), in(8, 2), out(8, 2), out(7, 1), in(8, 3), in(7, 4), out(7, 4), out(8, 3);
	is("runner+ runner- runner+ runner-");
	in(7, 5), in(9, 6), out(9, 6), out(7, 5); /* of another profile */
	is("runner+ runner+ runner- runner-");
}

Test(rows, other_specs_of_a_recursive_function_see_all)
{
	spec(0, "outer", .outermost = true);
	spec(1, "every");
	feed_func(run, 7, "f", 0, 1);
	in(7, 1), in(7, 2), out(7, 2), out(7, 1);
	is("outer+ every+ every+ every- outer- every-");
}

/* --- caller ----------------------------------------------------------------------------------- */

Test(rows, caller_is_the_qualname_of_another_function)
{
	spec(0, "a", .caller = "EngineCore.__init__");
	feed_func(run, RT_PY_FUNC_BASE + 1, "v1/engine/core.py:EngineCore.__init__");
	feed_func(run, RT_PY_FUNC_BASE + 2, "v1/engine/core.py:EngineCore.run");
	feed_func(run, RT_PY_FUNC_BASE + 3, "v1/engine/core.py:EngineCore.rpc", 0);
	in(RT_PY_FUNC_BASE + 3, 1, .caller = RT_PY_FUNC_BASE + 1), out(RT_PY_FUNC_BASE + 3, 1);
	is("a+ a-");
	in(RT_PY_FUNC_BASE + 3, 2, .caller = RT_PY_FUNC_BASE + 2), out(RT_PY_FUNC_BASE + 3, 2);
	in(RT_PY_FUNC_BASE + 3, 3), out(RT_PY_FUNC_BASE + 3, 3);
	in(RT_PY_FUNC_BASE + 3, 4, .caller = 999), out(RT_PY_FUNC_BASE + 3, 4);
	is("");
}

Test(rows, caller_may_be_a_glob)
{
	spec(0, "a", .caller = "*Runner.<locals>.*");
	feed_func(run, 6, "<string>:make.Runner.<locals>.f");
	feed_func(run, 7, "m.py:g", 0);
	in(7, 1, .caller = 6), out(7, 1);
	is("a+ a-");
}

Test(rows, an_event_too_short_for_a_caller_has_none)
{
	spec(0, "a", .caller = "*");
	spec(1, "b");
	feed_func(run, 6, "m.py:f");
	feed_func(run, 7, "m.py:g", 0, 1);
	in(7, 1, .caller = 6, .short_ = true), out(7, 1, .short_ = true);
	is("b+ b-");
}

/* --- all together, and in profile order --------------------------------------------------------- */

Test(rows, one_event_with_two_labels_has_both_in_profile_order)
{
	spec(0, "runner", .outermost = true);
	feed_spec(run, .id = 1, .entry = { "begins", "begins" });
	feed_func(run, 7, "gpu.py:Runner.__init__", 1, 0);
	in(7, 1, .gc = 5), out(7, 1, .gc = 5);
	is("runner+ begins runner-");
}

Test(rows, all_conditions_at_once)
{
	spec(0, "a", .inside = 2, .caller = "g", .outermost = true, .nth = 2);
	hidden(1);
	feed_func(run, 5, "o", 1);
	feed_func(run, 6, "m.py:g");
	feed_func(run, 7, "m.py:f", 0);
	in(7, 1, .caller = 6), out(7, 1);
	in(5, 2), in(7, 3, .caller = 6), out(7, 3), in(7, 4), out(7, 4);
	is("");
	in(7, 5, .caller = 6), in(7, 6, .caller = 6), out(7, 6), out(7, 5), out(5, 2);
	is("a+ a-");
}

/* --- what was not seen ------------------------------------------------------------------------ */

Test(rows, a_return_without_its_entry_belongs_to_what_has_no_conditions)
{
	spec(0, "a");
	spec(1, "b", .outermost = true);
	feed_func(run, 7, "f", 0, 1);
	out(7, 3);
	is("a-");
	in(7, 4), out(7, 4);
	is("a+ b+ a- b-");
	out(7, 4); /* a second time */
	is("a-");
}

Test(rows, a_span_that_was_not_opened_encloses_nothing)
{
	zeros_inside_init(0);
	in(7, 0), in(8, 0);
	is("init+");
	in(7, 0), in(8, 1), out(8, 1);
	is("init+");
}

Test(rows, the_return_of_another_function_is_not_taken_for_it)
{
	spec(0, "a", .outermost = true);
	spec(1, "b", .outermost = true);
	feed_func(run, 7, "f", 0);
	feed_func(run, 8, "g", 1);
	in(7, 1), out(8, 1);
	is("a+");
	out(7, 1);
	is("a-");
}

Test(rows, a_lost_return_does_not_stop_outermost_for_good)
{
	spec(0, "a", .outermost = true);
	feed_func(run, 7, "f", 0);
	in(7, 1);
	is("a+");
	for (unsigned int i = 2; i < 5; i++) { /* the first has its return lost */
		in(7, i, .lost = i == 2);
		out(7, i);
	}
	is("a+ a- a+ a- a+ a-");
}

Test(rows, a_lost_return_ends_with_the_call_around_it)
{
	zeros_inside_init(0);
	spec(2, "main", .outermost = true);
	feed_func(run, 9, "main", 2);
	in(9, 1), in(7, 2);
	out(9, 1, .lost = 1); /* that of 7 is the one */
	in(8, 3), out(8, 3);
	is("main+ init+ main-");
}

Test(rows, what_is_open_stays_so_when_others_are_lost)
{
	zeros_inside_init(0);
	in(7, 1), in(8, 2), out(8, 2), in(8, 4, .lost = 3), out(8, 4), out(7, 1);
	is("init+ zeros+ zeros- zeros+ zeros- init-");
}

Test(rows, a_thread_id_that_is_used_again_begins_anew)
{
	zeros_inside_init(0);
	in(7, 40, .tid = 11);
	is("init+");
	in(8, 1, .tid = 11, .lost = 2), out(8, 1, .tid = 11);
	is("");
}

Test(rows, ends_may_come_in_any_order)
{
	spec(0, "a", .outermost = true);
	spec(1, "b", .inside = 1);
	feed_func(run, 7, "f", 0);
	feed_func(run, 8, "g", 1);
	in(7, 1), in(8, 2), out(7, 1), in(8, 3), out(8, 3), out(8, 2);
	is("a+ b+ a- b-");
}

/* --- processes -------------------------------------------------------------------------------- */

Test(rows, exec_closes_all)
{
	zeros_inside_init(0);
	in(7, 1);
	out(7, 1, .flags = RT_F_UNWOUND);
	cr_assert_eq(feed_exec(run, .pid = PID, .time_ns = ++now, .title = "x"), 0);
	in(8, 2), out(8, 2);
	is("init+ init-");
	in(7, 3);
	cr_assert_eq(feed_exec(run, .pid = PID, .time_ns = ++now, .title = "y"), 0);
	in(8, 4), out(8, 4);
	is("init+");
}

Test(rows, a_reused_pid_is_another_process)
{
	zeros_inside_init(0);
	in(7, 1, .start_ns = 1);
	cr_assert_eq(feed_exit(run, .pid = PID, .start_ns = 1, .time_ns = ++now), 0);
	in(8, 2, .start_ns = 2), out(8, 2, .start_ns = 2);
	is("init+");
}

Test(rows, inherited_spans_end_in_the_child)
{
	zeros_inside_init(0);
	in(7, 1), in(8, 2);
	cr_assert_eq(feed_fork(run, .pid = 20, .ppid = PID, .time_ns = ++now), 0);
	out(8, 2, .pid = 20, .flags = RT_F_INHERITED);
	in(8, 1, .pid = 20), out(8, 1, .pid = 20); /* a number of its own */
	out(7, 1, .pid = 20, .flags = RT_F_INHERITED);
	in(8, 3, .pid = 20), out(8, 3, .pid = 20);
	is("init+ zeros+ 20:zeros- 20:zeros+ 20:zeros- 20:init-");
	out(8, 2), in(8, 3), out(8, 3), out(7, 1);
	is("zeros- zeros+ zeros- init-");
}

Test(rows, what_did_not_hold_in_the_parent_does_not_end_in_the_child)
{
	spec(0, "a", .outermost = true);
	feed_func(run, 7, "f", 0);
	in(7, 1), in(7, 2);
	cr_assert_eq(feed_fork(run, .pid = 20, .ppid = PID, .time_ns = ++now), 0);
	out(7, 2, .pid = 20, .flags = RT_F_INHERITED);
	is("a+");
	out(7, 1, .pid = 20, .flags = RT_F_INHERITED);
	in(7, 1, .pid = 20), out(7, 1, .pid = 20);
	is("20:a- 20:a+ 20:a-");
}

Test(rows, a_child_of_any_thread_ends_what_that_thread_opened)
{
	zeros_inside_init(0);
	in(7, 1), in(7, 5, .tid = 11), in(8, 6, .tid = 11);
	cr_assert_eq(feed_fork(run, .pid = 20, .ppid = PID, .time_ns = ++now), 0);
	out(8, 6, .pid = 20, .flags = RT_F_INHERITED);
	out(7, 5, .pid = 20, .flags = RT_F_INHERITED);
	is("init+ init+ zeros+ 20:zeros- 20:init-");
}

Test(rows, grandchildren_inherit_too)
{
	zeros_inside_init(0);
	in(7, 1);
	cr_assert_eq(feed_fork(run, .pid = 20, .ppid = PID, .time_ns = ++now), 0);
	in(8, 1, .pid = 20);
	cr_assert_eq(feed_fork(run, .pid = 30, .ppid = 20, .time_ns = ++now), 0);
	out(8, 1, .pid = 30, .flags = RT_F_INHERITED);
	out(7, 1, .pid = 30, .flags = RT_F_INHERITED);
	is("init+ 20:zeros+ 30:zeros- 30:init-");
}

Test(rows, a_child_on_the_memory_of_its_parent_inherits_nothing)
{
	zeros_inside_init(0);
	in(7, 1);
	cr_assert_eq(feed_fork(run, .pid = 20, .ppid = PID, .time_ns = ++now,
			     .flags = RT_P_BORROWED), 0);
	in(8, 2, .pid = 20), out(8, 2, .pid = 20);
	is("init+");
}

/* --- what a row carries ----------------------------------------------------------------------- */

Test(rows, what_was_open_at_attach_says_so_and_encloses)
{
	zeros_inside_init(0);
	in(7, 1, .flags = RT_F_ATTACH);
	is("init+");
	cr_expect(last.open);
	in(8, 2), out(8, 2);
	is("zeros+ zeros-");
	cr_expect(!last.open);
	out(7, 1, .flags = RT_F_ATTACH);
	is("init-");
	cr_expect(!last.open, "of an entry only");
}

#define TOLD .flags = RT_F_ATTACH | RT_F_TOLD

Test(rows, what_was_told_of_a_sleeping_thread_is_not_told_again)
{
	zeros_inside_init(0);
	spec(2, "plain");
	feed_func(run, 9, "m.py:plain", 2);
	in(7, 0, TOLD), in(9, 0, TOLD);
	is("init+ plain+");
	cr_expect(last.open);
	in(7, 1, .flags = RT_F_ATTACH), in(9, 2, .flags = RT_F_ATTACH);
	is("");
	in(8, 3), out(8, 3), out(9, 2), out(7, 1);
	is("zeros+ zeros- plain- init-");
	cr_expect(last.exact);
}

Test(rows, what_was_told_is_of_its_thread)
{
	zeros_inside_init(0);
	in(7, 0, TOLD), in(7, 0, TOLD, .tid = 11);
	is("init+ init+");
	in(7, 1, .flags = RT_F_ATTACH, .tid = 12);
	is("init+");
	in(7, 1, .flags = RT_F_ATTACH, .tid = 11), in(8, 2, .tid = 11), out(8, 2, .tid = 11);
	is("zeros+ zeros-");
	out(7, 1, .tid = 11);
	is("init-");
}

Test(rows, what_was_told_and_has_returned_before_its_thread_told_anything)
{
	zeros_inside_init(0);
	spec(2, "plain");
	feed_func(run, RT_PY_FUNC_BASE, "m.py:plain", 2);
	in(RT_PY_FUNC_BASE, 0, TOLD), in(7, 0, TOLD), in(RT_PY_FUNC_BASE, 0, TOLD);
	is("plain+ init+ plain+");
	in(RT_PY_FUNC_BASE, 1, .flags = RT_F_ATTACH);
	is("");
	in(8, 2);
	is("plain- init-");
	cr_expect_not(last.exact);
	cr_expect_eq(last.late_ns, 3);
	out(8, 2), out(RT_PY_FUNC_BASE, 1);
	is("plain-");
}

Test(rows, what_was_told_is_in_doubt_when_events_are_lost)
{
	zeros_inside_init(0);
	in(7, 0, TOLD);
	is("init+");
	in(8, 2, .lost = 1);
	is("");
	out(7, 1);
	is("init-");
}

Test(rows, a_return_says_what_its_own_thread_did)
{
	spec(0, "a");
	feed_func(run, 7, "f", 0);
	in(7, 1);
	is("a+");
	cr_expect(!last.has_changes);
	out(7, 1, .grown = { .anon = 8192, .file = 4096 }, .returned = { .anon = 4096 });
	is("a-");
	cr_expect(last.has_changes);
	cr_expect_eq(last.grown.anon, 8192);
	cr_expect_eq(last.grown.file, 4096);
	cr_expect_eq(last.returned.anon, 4096);
	out(7, 2, .short_ = true, .grown = { .anon = 8192 });
	is("a-");
	cr_expect(!last.has_changes);
}

Test(rows, collections_are_counted_between_python_rows)
{
	spec(0, "a");
	spec(1, "b");
	spec(2, "n");
	feed_func(run, 7, "m.py:f", 0, 1);
	feed_func(run, 8, "n", 2);
	in(7, 1, .gc = 6);
	is("a+ b+");
	cr_expect_eq(last.gc, 0, "the first is unknown, the other is of the same instant");
	in(8, 2);
	is("n+");
	cr_expect_eq(last.gc, -1);
	out(8, 2);
	is("n-");
	cr_expect_eq(last.gc, -1);
	out(7, 1, .gc = 9);
	is("a- b-");
	in(7, 3, .gc = 11, .pid = 20);
	in(7, 4);
	is("20:a+ 20:b+ a+ b+");
	cr_expect_eq(last.gc, -1);
	in(7, 5, .gc = 2);
	is("a+ b+");
	cr_expect_eq(last.gc, 0, "a count that went down is another interpreter's");
	n_rows = 0;
}

Test(rows, the_number_of_collections)
{
	spec(0, "a");
	feed_func(run, 7, "m.py:f", 0);
	in(7, 1, .gc = 1);
	is("a+");
	cr_expect_eq(last.gc, -1);
	out(7, 1, .gc = 4);
	is("a-");
	cr_expect_eq(last.gc, 3);
}

/* --- labels ----------------------------------------------------------------------------------- */

Test(rows, labels_say_where_they_were_seen)
{
	spec(0, "a");
	spec(1, "b", .unmatched = "no function b", .absent = true);
	spec(2, "c", .unmatched = "no such file");
	spec(3, "d");
	feed_func(run, 7, "f", 0);
	in(7, 1), out(7, 1), in(7, 1, .pid = 20), in(7, 2, .pid = 20), in(7, 3);
	cr_assert_eq(run__finish(run), 0);
	cr_assert_eq(sum.n_labels, 8);
	cr_expect_str_eq(sum.labels[0].label, "a+");
	cr_expect_str_eq(sum.labels[1].label, "a-");
	cr_expect_str_eq(sum.labels[7].label, "d-");
	cr_expect_eq(label("a+")->rows, 4);
	cr_expect_eq(label("a+")->n_pids, 2);
	cr_expect_eq(label("a+")->pids[0], PID);
	cr_expect_eq(label("a+")->pids[1], 20);
	cr_expect_eq(label("a-")->n_pids, 1);
	cr_expect_eq(label("a-")->state, LABEL_SEEN);
	cr_expect_eq(label("b+")->state, LABEL_ABSENT);
	cr_expect_str_eq(label("b+")->why, "no function b");
	cr_expect_eq(label("c+")->state, LABEL_NOT_SEEN);
	cr_expect_str_eq(label("c+")->why, "no such file");
	cr_expect_eq(label("d+")->state, LABEL_NOT_SEEN);
	cr_expect_null(label("d+")->why);
}

Test(rows, a_label_is_seen_when_one_of_its_places_is)
{
	spec(0, "a", .profile = "p", .unmatched = "no x", .absent = true);
	spec(1, "a", .profile = "p");
	spec(2, "a", .profile = "q", .unmatched = "no y", .absent = true);
	spec(3, "b", .profile = "p", .unmatched = "no x", .absent = true);
	spec(4, "b", .profile = "p", .unmatched = "not mapped");
	spec(5, "c", .profile = "p", .unmatched = "no x", .absent = true);
	spec(6, "c", .profile = "p", .unmatched = "no x", .absent = true);
	spec(7, "d", .profile = "p", .unmatched = "no x", .absent = true);
	spec(8, "d", .profile = "p");
	feed_func(run, 7, "f", 1);
	in(7, 1);
	cr_assert_eq(run__finish(run), 0);
	cr_expect_eq(sum.n_labels, 10);
	cr_expect_eq(label("a+")->state, LABEL_SEEN);
	cr_expect_null(label("a+")->why);
	cr_expect_eq(label("a-")->state, LABEL_NOT_SEEN);
	cr_expect_null(label("a-")->why);
	cr_expect_str_eq(sum.labels[2].profile, "q");
	cr_expect_eq(sum.labels[2].state, LABEL_ABSENT);
	cr_expect_eq(label("b+")->state, LABEL_NOT_SEEN);
	cr_expect_str_eq(label("b+")->why, "no x; not mapped");
	cr_expect_eq(label("c+")->state, LABEL_ABSENT);
	cr_expect_str_eq(label("c+")->why, "no x");
	cr_expect_eq(label("d+")->state, LABEL_NOT_SEEN);
	cr_expect_null(label("d+")->why);
}

Test(rows, a_label_is_seen_though_its_row_is_too_small_to_be_printed)
{
	run__free(run);
	run = run__new(&(struct correlate_options){ .lang = LANG_EN, .min_delta = 100 }, &ops, NULL);
	spec(0, "a");
	feed_func(run, 7, "f", 0);
	in(7, 1), out(7, 1);
	is("a+");
	cr_assert_eq(run__finish(run), 0);
	cr_expect_eq(label("a-")->state, LABEL_SEEN);
	cr_expect_eq(label("a-")->rows, 0);
}

static void finish_watched(bool all, bool lost)
{
	struct fact f = { .kind = REC_COUNTERS };

	spec(0, "a", .text = "py:m.py:f");
	spec(1, "b", .text = "py:m.py:g");
	spec(2, "c", .text = "libm.so:h");
	spec(3, "d", .text = "py:m.py:k", .nth = 2);
	feed_func(run, 7, "m.py:f", 0);
	feed_func(run, 8, "m.py:k", 3);
	in(7, 1), out(7, 1), in(8, 2), out(8, 2);
	feed_python(run, .pid = PID, .watched = true);
	feed_python(run, .pid = 20, .watched = all);
	f.counters.loss[RT_LOSS_UNSTABLE] = 3;
	f.counters.loss[RT_LOSS_PY_WALK] = lost;
	cr_assert_eq(feed__emit(run, &f), 0);
	feed_end(run, .time_ns = 9, .reason = "exit");
	cr_assert_eq(run__finish(run), 0);
	cr_expect_eq(label("a-")->state, LABEL_SEEN);
	cr_expect_eq(label("c+")->state, LABEL_NOT_SEEN, "not of Python");
	cr_expect_eq(label("d+")->state, LABEL_NOT_SEEN, "called once");
}

Test(rows, a_label_that_could_not_be_missed_was_not_called)
{
	finish_watched(true, false);
	cr_expect_eq(label("b+")->state, LABEL_NOT_CALLED);
}

Test(rows, a_label_may_have_been_missed_where_one_program_was_not_watched)
{
	finish_watched(false, false);
	cr_expect_eq(label("b+")->state, LABEL_NOT_SEEN);
}

Test(rows, a_label_may_have_been_missed_where_stacks_were)
{
	finish_watched(true, true);
	cr_expect_eq(label("b+")->state, LABEL_NOT_SEEN);
}

Test(rows, a_label_names_the_first_hundred_processes)
{
	spec(0, "a");
	feed_func(run, 7, "f", 0);
	for (unsigned int pid = 100; pid < 400; pid++)
		in(7, 1, .pid = pid);
	cr_assert_eq(run__finish(run), 0);
	cr_expect_eq(label("a+")->rows, 300);
	cr_expect_eq(label("a+")->n_pids, LABEL_PIDS_MAX);
	cr_expect_eq(label("a+")->pids[99], 199);
}

/* --- how much is kept ------------------------------------------------------------------------- */

static struct spans *spans;
static struct catalog *cat;
static const struct fact_func *func;

static void make_catalog(void)
{
	unsigned int id = 0;
	struct fact s = { .kind = REC_SPEC, .spec = { .outermost = true } };
	struct fact f = { .kind = REC_FUNC, .func = { .specs = calloc(1, sizeof(id)), .n_specs = 1 } };

	cat = catalog__new();
	cr_assert_eq(catalog__take(cat, &s), 0);
	cr_assert_eq(catalog__take(cat, &f), 0);
	func = catalog__func(cat, 0)->fact;
}

static size_t enter(uint32_t tid, uint32_t span, uint64_t lost)
{
	struct span_event ev = { .tid = tid, .span = span, .func = func, .lost = lost };
	struct span_specs held;

	cr_assert_eq(spans__enter(&spans, cat, &ev, &held), 0);
	return held.n;
}

static size_t leave(uint32_t tid, uint32_t span, uint64_t lost)
{
	struct span_event ev = { .tid = tid, .span = span, .func = func, .lost = lost };
	struct span_specs held;

	cr_assert_eq(spans__leave(&spans, cat, &ev, &held), 0);
	return held.n;
}

Test(rows, spans_that_end_leave_nothing)
{
	make_catalog();
	for (uint32_t tid = 1; tid < 1000; tid++)
		for (uint32_t span = 1; span < 10; span++)
			cr_assert_eq(enter(tid, span, 0), span == 1);
	cr_expect_eq(spans__open(spans), 999 * 9);
	for (uint32_t tid = 1; tid < 1000; tid++)
		for (uint32_t span = 9; span; span--)
			cr_assert_eq(leave(tid, span, 0), span == 1);
	cr_expect_eq(spans__open(spans), 0);
	spans__free(spans);
	catalog__free(cat);
}

Test(rows, what_is_kept_has_a_limit_though_no_return_comes)
{
	make_catalog();
	for (uint32_t span = 1; span < 20000; span++)
		enter(1, span, 0);
	cr_expect_leq(spans__open(spans), 8192);
	for (uint32_t tid = 2; tid < 100000; tid++)
		enter(tid, 1, 0);
	cr_expect_leq(spans__open(spans), 65536 + 8192);
	spans__free(spans);
	catalog__free(cat);
}

Test(rows, damaged_specs_do_no_harm)
{
	spec(0, "a", .inside = 2);
	spec(1, "b", .inside = 1);
	spec(2, "c", .inside = 3);
	spec(3, "d", .inside = 4000000000u);
	feed_func(run, 7, "f", 0, 1, 2, 3, 77, 0);
	in(7, 1), in(7, 2), out(7, 2), out(7, 1);
	is("");
}

/* --- markers ---------------------------------------------------------------------------------- */

Test(rows, a_marker_is_a_row_at_its_place)
{
	spec(0, "f");
	feed_func(run, 7, "f", 0);
	in(7, 1, .anon = 4096);
	feed_mark(run, .pid = PID, .tid = 12, .time_ns = ++now, .anon = 8192, .mark = "half way",
		.origin = RT_MARK_ASCII);
	out(7, 1, .anon = 12288);
	is("f+ half way f-");
	feed_mark(run, .pid = PID, .tid = 12, .time_ns = ++now, .anon = 20480, .mark = "all of it",
		.origin = RT_MARK_ASCII, .flags = RT_F_UNSTABLE);
	is("all of it");
	cr_expect_str_eq(last.function, "log_ram_memory");
	cr_expect_eq(last.when, RT_POINT);
	cr_expect_null(last.spec);
	cr_expect_eq(last.tid, 12);
	cr_expect_eq(last.delta, 8192);
	cr_expect_eq(last.total, 16384);
	cr_expect(!last.exact && last.unstable && !last.extra && !last.baseline);
	feed_mark(run, .pid = PID, .time_ns = ++now, .mark = "native", .origin = RT_MARK_USDT);
	is("native");
	cr_expect_str_eq(last.function, "ramtrace:mark");
}
