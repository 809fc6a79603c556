/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --fail-if on runs that are fed: what holds, what is said of it, and that nothing slips through. */
#include "gate.h"

#include <criterion/criterion.h>
#include <string.h>

#include "feed.h"
#include "log.h"
#include "said.h"

#define M      (1ULL << 20)
#define SEC    1000000000ULL
#define PYTHON RT_PY_FUNC_BASE

static struct condition *conditions[4];
static size_t n_conditions;
static struct gate *g;
static struct run *run;

static void tear_down(void)
{
	run__free(run);
	gate__free(g);
	for (size_t i = 0; i < n_conditions; i++)
		condition__free(conditions[i]);
}

TestSuite(gate, .fini = tear_down, .timeout = 30);

/* A run in one language, with conditions up to a NULL. */
static void begin(bool live, enum lang lang, const char *const *texts)
{
	struct condition_error err;

	for (; *texts; texts++)
		cr_assert_eq(condition__parse(*texts, false, &conditions[n_conditions++], &err), 0,
			"%s", err.why);
	g = gate__new(conditions, n_conditions, live);
	cr_assert(g);
	run = run__new(&(struct correlate_options){.lang = lang}, &sink_gate.ops, g);
	cr_assert(run);
	said__begin(2);
}

#define BEGIN(live, lang, ...) begin(live, lang, (const char *const[]){__VA_ARGS__, NULL})

/* A worker goes from 100 MiB to 300 in `load`, has 250 at its end, and had 400 in between. */
static void feed_worker(bool growth)
{
	struct rt_totals t = {.first = {.anon = 100 * M},
		.last = {.anon = 240 * M, .shmem = 10 * M},
		.peak = {.anon = 380 * M, .shmem = 20 * M},
		.peak_ns = 4 * SEC,
		.kind_peak = {.anon = 390 * M, .shmem = 20 * M, .swap = 3 * M}};

	feed_host(run, .start_ns = SEC, .growth = growth);
	feed_spec(run, .id = 0, .text = "bin:load", .entry = {"加载之前", "before load"},
		.leave = {"加载之后", "after load"});
	feed_spec(run, .id = 1, .text = "bin:rare", .entry = {"罕见", "rare"});
	feed_spec(run, .id = 2, .text = "py:a.py:gone", .entry = {"旧的", "old"},
		.unmatched = "a.py has no gone", .absent = true);
	feed_func(run, 0, "load", 0);
	feed_func(run, 1, "rare", 1);
	feed_totals(run, .pid = 50, .time_ns = SEC, .comm = "python3",
		.totals = {.last = {.anon = 100 * M}});
	feed_proc(run, .pid = 50, .start_ns = 50, .role = "Worker_TP0");
	feed_cp(run, .pid = 50, .time_ns = 2 * SEC, .func = 0, .when = RT_ENTRY, .anon = 100 * M);
	feed_cp(run, .pid = 50, .time_ns = 3 * SEC, .func = 0, .when = RT_RETURN, .anon = 300 * M);
	feed_cp(run, .pid = 50, .time_ns = 5 * SEC, .func = 0, .when = RT_ENTRY, .anon = 240 * M,
		.shmem = 10 * M);
	feed_cp(run, .pid = 50, .time_ns = 6 * SEC, .func = 0, .when = RT_RETURN, .anon = 240 * M,
		.shmem = 10 * M);
	feed_exit(run, .pid = 50, .time_ns = 9 * SEC, .totals = t);
}

static bool finish(void)
{
	feed_end(run, .time_ns = 10 * SEC, .reason = "exit");
	cr_assert_eq(run__finish(run), 0);
	return gate__report(g);
}

/* --- rows ------------------------------------------------------------------------------------- */

Test(gate, a_row_that_moved_too_much_is_shown_with_its_process_and_time)
{
	BEGIN(false, LANG_EN, "after load>+100M");
	feed_worker(false);
	cr_expect(finish());
	cr_assert_said(2, "--fail-if 'after load>+100M' holds (1):",
		"[    2.000s] (Worker_TP0 pid=50) after load: +200.00 M\n");
}

Test(gate, a_row_within_bounds_is_passed_in_silence)
{
	BEGIN(true, LANG_EN, "after load>+200M", "total(after *)>200M", "*<-60M");
	feed_worker(false);
	cr_expect(!finish());
	cr_expect_str_empty(said(2));
}

Test(gate, labels_of_both_languages_are_the_same_label)
{
	BEGIN(false, LANG_ZH, "after load>100M", "加载之后>100M", "total(after load)>149M",
		"before*<-49M");
	feed_worker(false);
	cr_expect(finish());
	cr_assert_said(2, "'after load>100M' holds (1)", "'加载之后>100M' holds (1)",
		"'total(after load)>149M' holds (2)", "加载之后: +150.00 M",
		"'before*<-49M' holds (1)");
}

Test(gate, of_many_rows_the_first_are_shown_and_all_are_counted)
{
	BEGIN(false, LANG_EN, "*>=1M");
	feed_host(run, .start_ns = 0);
	for (uint64_t i = 0; i < 12; i++)
		feed_mark(run, .pid = 7, .time_ns = SEC * (i + 1), .mark = "tick", .anon = i * M);
	cr_expect(finish());
	cr_assert_said(2, "holds (11):", "[    2.000s] (pid=7) tick: +1.00 M", "[    6.000s]",
		"... and 6 more\n");
}

Test(gate, live_the_first_is_told_at_once)
{
	BEGIN(true, LANG_EN, "after load>100M");
	feed_worker(false);
	cr_expect_str_empty(said(2));
	feed_release(run, 4 * SEC);
	cr_assert_said(2, "warning: --fail-if 'after load>100M' holds: [    2.000s]");
	cr_expect(finish());
	cr_assert_said(2, "error: --fail-if 'after load>100M' holds (1):");
}

Test(gate, what_a_label_holds_does_not_reach_the_terminal_as_it_is)
{
	BEGIN(true, LANG_EN, "evil*>=0");
	feed_host(run, .start_ns = 0);
	feed_mark(run, .pid = 7, .time_ns = SEC, .mark = "evil \033[31m\n</script>");
	cr_expect(finish());
	cr_assert_said(2, "evil \\x1b[31m\\x0a</script>: +0.00 M");
}

/* --- processes -------------------------------------------------------------------------------- */

Test(gate, what_a_process_had_is_seen_at_rows_and_at_its_peak)
{
	BEGIN(false, LANG_EN, "rss(Worker_*)>399M", "peak(Worker_*)>=400M", "anon(*)>385M",
		"swap(*)>0");
	feed_worker(false);
	cr_expect(finish());
	cr_assert_said(2, "'rss(Worker_*)>399M' holds (1)", "(Worker_TP0 pid=50) rss: 400.00 M",
		"'peak(Worker_*)>=400M' holds (1)", "anon: 390.00 M", "swap: 3.00 M");
}

Test(gate, a_process_without_rows_has_a_peak_too)
{
	BEGIN(false, LANG_EN, "rss(silent)>4G", "shmem(silent)>5G");
	feed_host(run, .start_ns = 0);
	feed_totals(
		run, .pid = 9, .time_ns = SEC, .comm = "silent", .totals = {.last = {.anon = M}});
	feed_exit(run, .pid = 9, .time_ns = 2 * SEC,
		.totals = {.peak = {.anon = 5000 * M}, .peak_ns = SEC});
	cr_expect(finish());
	cr_assert_said(2, "'rss(silent)>4G' holds (1)", "(pid=9) rss: 5000.00 M");
}

Test(gate, a_sample_between_rows_counts)
{
	BEGIN(true, LANG_EN, "rss(w)>1G");
	feed_host(run, .start_ns = 0);
	feed_totals(run, .pid = 9, .time_ns = SEC, .comm = "w", .totals = {.last = {.anon = M}});
	feed_totals(run, .pid = 9, .time_ns = 2 * SEC, .comm = "w",
		.totals = {.last = {.anon = 2000 * M}});
	feed_release(run, 3 * SEC);
	cr_assert_said(2, "holds: [    2.000s] (pid=9) rss: 2000.00 M");
	cr_expect(finish());
}

Test(gate, borrowed_memory_is_its_owners)
{
	BEGIN(false, LANG_EN, "rss(*)>1G", "peak(*)<1M");
	feed_host(run, .start_ns = 0);
	feed_totals(run, .pid = 8, .time_ns = SEC, .comm = "owner",
		.totals = {.last = {.anon = 2 * M}, .peak = {.anon = 2 * M}});
	feed_fork(
		run, .pid = 9, .ppid = 8, .time_ns = SEC, .flags = RT_P_BORROWED, .anon = 2000 * M);
	feed_exit(run, .pid = 9, .time_ns = 2 * SEC, .flags = RT_P_BORROWED,
		.totals = {.peak = {.anon = 2000 * M}, .last = {.anon = 2000 * M}});
	cr_expect(!finish());
	cr_expect_str_empty(said(2));
}

Test(gate, of_a_level_each_process_is_shown_once)
{
	BEGIN(false, LANG_EN, "rss(w)>1M");
	feed_host(run, .start_ns = 0);
	for (unsigned int i = 0; i < 6; i++)
		feed_totals(run, .pid = 9 + i % 2, .time_ns = SEC + i, .comm = "w",
			.totals = {.last = {.anon = 2 * M}});
	cr_expect(finish());
	{
		const char *text = said(2), *first = strstr(text, "(pid=9)");

		cr_expect(first && !strstr(first + 1, "(pid=9)") && strstr(text, "(pid=10)"), "%s",
			text);
	}
}

/* --- the end ---------------------------------------------------------------------------------- */

static void tell(const void *ev)
{
	cr_assert_eq(feed__raw(run, REC_EVENT, ev, ((const struct rt_hdr *)ev)->len), 0);
}

/* main calls load, which brings 50 MiB. */
static void feed_growth(void)
{
	struct rt_node main = {
		.h = {.kind = RT_EV_NODE, .len = sizeof(main)}, .node = 100, .func = PYTHON + 1};
	struct rt_node load = {.h = {.kind = RT_EV_NODE, .len = sizeof(load)},
		.node = 101,
		.parent = 100,
		.func = PYTHON + 2};
	struct rt_growth cell = {.h = {.kind = RT_EV_GROWTH, .len = sizeof(cell)},
		.key = {.kind = RT_CELL_PLACE, .at = 101, .serial = 7},
		.grown = {.anon = 50 * M}};
	struct feed_event e = {.pid = 50,
		.time_ns = 9 * SEC,
		.totals = {.last = {.anon = 53 * M}, .grown = {.anon = 50 * M}}};
	struct rt_exit exit = feed__make_exit(&e);

	feed__fact(run, REC_FUNC, func, .id = PYTHON + 1, .name = "f", .file = "/a.py", .cost = "",
		.returns = "", .qualname = "main", .specs = &(unsigned int){0});
	feed__fact(run, REC_FUNC, func, .id = PYTHON + 2, .name = "f", .file = "/a.py", .cost = "",
		.returns = "", .qualname = "Model.load", .specs = &(unsigned int){0});
	feed_totals(run, .pid = 50, .time_ns = SEC, .comm = "python3");
	tell(&main);
	tell(&load);
	tell(&cell);
	exit.serial = 7;
	tell(&exit);
}

Test(gate, growth_is_of_a_function_with_all_that_it_called)
{
	BEGIN(false, LANG_EN, "growth(main)>=50M", "growth(Model.*)>50M", "remainder(python3)>1M");
	feed_host(run, .start_ns = 0, .growth = true);
	feed_growth();
	cr_expect(finish());
	cr_assert_said(2, "'growth(main)>=50M' holds (1)", "(python3 pid=50) main: +50.00 M",
		"'remainder(python3)>1M' holds (1)", "remainder: +3.00 M");
}

Test(gate, losses_and_the_peak_of_all_are_known_at_the_end)
{
	BEGIN(false, LANG_EN, "lost()>4", "tree()>1G", "lost()>5");
	feed_host(run, .start_ns = 0);
	feed_counters(run, .loss = {[RT_LOSS_RING] = 5, [RT_LOSS_UNSTABLE] = 9},
		.tree_peak = {.anon = 1500 * M}, .tree_peak_ns = SEC);
	cr_expect(finish());
	cr_assert_said(2, "'lost()>4' holds (1)", "ring: 5", "'tree()>1G' holds (1)", "1500.00 M");
}

/* --- what cannot be judged fails -------------------------------------------------------------- */

Test(gate, a_name_that_is_nowhere_in_the_run_fails_with_the_reason)
{
	BEGIN(false, LANG_EN, "aftr load>1M", "rss(Wroker_*)>4G", "old>1M");
	feed_worker(false);
	cr_expect(finish());
	cr_assert_said(2,
		"'aftr load>1M' can never hold: in this run no row has a label that matches \"aftr "
		"load\"",
		"'rss(Wroker_*)>4G' can never hold: in this run no process has a role",
		"'old>1M' could not be judged", "a.py has no gone");
}

Test(gate, a_label_that_was_not_reached_is_told_and_passes)
{
	BEGIN(false, LANG_EN, "罕见>1M");
	feed_worker(false);
	cr_expect(!finish());
	cr_assert_said(2, "warning: --fail-if '罕见>1M' was not put to the test: this run did not "
			  "get to that label");
}

Test(gate, without_attribution_who_grew_is_not_known)
{
	BEGIN(false, LANG_EN, "growth(load)>1M", "remainder(*)>1M", "tree()>1G");
	feed_worker(false);
	cr_expect(finish());
	cr_assert_said(2, "'growth(load)>1M' could not be judged: it is not known who grew",
		"--growth", "'remainder(*)>1M' could not", "'tree()>1G' could not");
}

Test(gate, a_function_that_never_grew_is_named_as_such)
{
	BEGIN(false, LANG_EN, "growth(mian)>1M");
	feed_host(run, .start_ns = 0, .growth = true);
	feed_growth();
	cr_expect(finish());
	cr_assert_said(2, "can never hold: in this run no function grew that matches \"mian\"");
}

Test(gate, of_a_run_that_never_ended_nothing_is_said)
{
	BEGIN(false, LANG_EN, "nothing>1M");
	feed_worker(false);
	cr_expect(!gate__report(g));
	cr_expect_str_empty(said(2));
}
