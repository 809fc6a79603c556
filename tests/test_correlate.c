/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "correlate.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include "feed.h"

#define MIB (1 << 20)

/* A sink that remembers. */
struct seen {
	struct row rows[64];
	char labels[64][64], roles[64][64];
	size_t n_rows;
	struct loss losses[8];
	uint32_t loss_pids[8];
	uint64_t loss_before[8]; /* rows that had been seen */
	size_t n_losses;
	struct proc procs[16]; /* their strings are gone */
	char proc_roles[16][64];
	size_t n_procs;
	size_t headers, header_specs, flushes;
	uint64_t start_ns;
	struct run_summary sum;
	size_t summaries;
	int row_err;
};

static int on_header(void *ctx, const struct fact_host *host, const struct spec_stat *specs,
	size_t n_specs)
{
	struct seen *s = ctx;

	cr_assert_eq(s->n_rows + s->n_losses + s->n_procs, 0);
	s->headers++;
	s->header_specs = n_specs;
	s->start_ns = host->start_ns;
	return 0;
}

static int on_row(void *ctx, const struct row *row)
{
	struct seen *s = ctx;

	cr_assert_eq(s->headers, 1);
	cr_assert_lt(s->n_rows, 64);
	snprintf(s->labels[s->n_rows], 64, "%s", row->label);
	snprintf(s->roles[s->n_rows], 64, "%s", row->role);
	s->rows[s->n_rows++] = *row;
	return s->row_err;
}

static int on_loss(void *ctx, const struct loss *loss)
{
	struct seen *s = ctx;

	s->loss_pids[s->n_losses] = loss->proc->pid;
	s->loss_before[s->n_losses] = s->n_rows;
	s->losses[s->n_losses++] = *loss;
	return 0;
}

static int on_process(void *ctx, const struct proc *p)
{
	struct seen *s = ctx;

	cr_assert_lt(s->n_procs, 16);
	snprintf(s->proc_roles[s->n_procs], 64, "%s", p->role);
	s->procs[s->n_procs++] = *p;
	return 0;
}

static int on_summary(void *ctx, const struct run_summary *sum)
{
	struct seen *s = ctx;

	s->summaries++;
	s->sum = *sum;
	return 0;
}

static int on_flush(void *ctx)
{
	((struct seen *)ctx)->flushes++;
	return 0;
}

static const struct row_ops ops = {
	.header = on_header,
	.row = on_row,
	.loss = on_loss,
	.process = on_process,
	.summary = on_summary,
	.flush = on_flush,
};

static struct seen seen;

static struct run *start(const struct correlate_options *opt)
{
	struct run *run = run__new(opt, &ops, &seen);

	memset(&seen, 0, sizeof(seen));
	cr_assert_not_null(run);
	feed_host(run, .start_ns = 1000);
	feed_spec(run, .id = 0, .entry = { "甲之前", "before A" }, .leave = { "甲之后", "after A" });
	feed_spec(run, .id = 1, .entry = { "乙之前", "before B" }, .extra = true);
	feed_spec(run, .id = 2, .leave = { "丙之后", "after C" });
	feed_func(run, 7, "a", 2, 0, 1); /* every spec, out of order */
	feed_func(run, 8, "c", 2);
	return run;
}

static struct run *plain(void)
{
	return start(&(struct correlate_options){ .lang = LANG_EN });
}

static void finish(struct run *run)
{
	cr_assert_eq(run__finish(run), 0);
}

Test(correlate, several_specs_give_a_row_each_in_profile_order)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 7, .when = RT_ENTRY, .anon = MIB);
	feed_cp(run, .pid = 5, .time_ns = 20, .func = 7, .when = RT_RETURN, .anon = 3 * MIB);
	finish(run);
	cr_assert_eq(seen.n_rows, 4);
	cr_assert_str_eq(seen.labels[0], "before A");
	cr_assert_str_eq(seen.labels[1], "before B");
	cr_assert_str_eq(seen.labels[2], "after A");
	cr_assert_str_eq(seen.labels[3], "after C");
	for (size_t i = 0; i < 4; i++) {
		cr_assert_eq(seen.rows[i].seq, i + 1);
		cr_assert_eq(seen.rows[i].baseline, i == 0);
		cr_assert_eq(seen.rows[i].extra, i == 1);
		cr_assert_eq(seen.rows[i].delta, i == 2 ? 2 * MIB : 0);
		cr_assert_eq(seen.rows[i].total, i < 2 ? 0 : 2 * MIB);
		cr_assert(seen.rows[i].exact);
	}
	cr_assert_eq(seen.rows[3].spec->id, 2);
	cr_assert_eq(seen.sum.specs[0].rows, 2);
	cr_assert_eq(seen.sum.specs[2].rows, 1);
	run__free(run);
}

Test(correlate, labels_are_in_the_language_that_was_chosen)
{
	struct run *run = start(&(struct correlate_options){ .lang = LANG_ZH });

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 7, .when = RT_ENTRY);
	feed_cp(run, .pid = 5, .time_ns = 11, .func = RT_NO_FUNC, .when = RT_POINT);
	finish(run);
	cr_assert_str_eq(seen.labels[0], "甲之前");
	cr_assert_str_eq(seen.labels[2], lang_text(LANG_ZH, TEXT_STEP));
	run__free(run);
}

Test(correlate, points_have_no_function)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = RT_NO_FUNC, .when = RT_POINT,
		.flags = RT_F_ATTACH);
	feed_cp(run, .pid = 5, .time_ns = 20, .func = RT_NO_FUNC, .when = RT_POINT);
	finish(run);
	cr_assert_eq(seen.n_rows, 2);
	cr_assert_str_eq(seen.labels[0], lang_text(LANG_EN, TEXT_ATTACH));
	cr_assert_str_eq(seen.labels[1], lang_text(LANG_EN, TEXT_STEP));
	cr_assert_str_empty(seen.rows[1].function);
	cr_assert_null(seen.rows[1].spec);
	run__free(run);
}

Test(correlate, an_end_that_no_spec_wants_gives_no_row_but_counts_in_the_peak)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 8, .when = RT_ENTRY, .anon = 9 * MIB);
	feed_cp(run, .pid = 5, .time_ns = 20, .func = 8, .when = RT_RETURN, .anon = MIB);
	finish(run);
	cr_assert_eq(seen.n_rows, 1);
	cr_assert(seen.rows[0].baseline);
	cr_assert_eq(seen.procs[0].totals.peak.anon, 9 * MIB);
	cr_assert_eq(seen.procs[0].totals.peak_ns, 10);
	cr_assert_eq(seen.sum.funcs[1].entries, 1);
	cr_assert_eq(seen.sum.funcs[1].returns, 1);
	run__free(run);
}

Test(correlate, an_event_of_an_unknown_function_is_counted)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 99, .when = RT_ENTRY);
	finish(run);
	cr_assert_eq(seen.n_rows, 0);
	cr_assert_eq(seen.sum.orphans, 1);
	run__free(run);
}

Test(correlate, deltas_are_of_the_same_process_and_a_reused_pid_is_another)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .start_ns = 1, .time_ns = 10, .func = 8, .when = RT_RETURN,
		.anon = 10 * MIB);
	feed_cp(run, .pid = 6, .start_ns = 1, .time_ns = 11, .func = 8, .when = RT_RETURN,
		.anon = 3 * MIB);
	feed_cp(run, .pid = 5, .start_ns = 1, .time_ns = 12, .func = 8, .when = RT_RETURN,
		.anon = 9 * MIB);
	feed_exit(run, .pid = 5, .start_ns = 1, .time_ns = 13);
	feed_cp(run, .pid = 5, .start_ns = 14, .time_ns = 15, .func = 8, .when = RT_RETURN,
		.anon = 2 * MIB);
	finish(run);
	cr_assert_eq(seen.n_rows, 4);
	cr_assert_eq(seen.rows[1].delta, 0);
	cr_assert_eq(seen.rows[2].delta, -MIB);
	cr_assert(seen.rows[3].baseline);
	cr_assert_eq(seen.rows[3].delta, 0);
	cr_assert_eq(seen.rows[3].start_ns, 14);
	cr_assert_eq(seen.n_procs, 3);
	cr_assert_eq(seen.procs[0].rows, 2);
	cr_assert_eq(seen.procs[2].rows, 1);
	cr_assert_eq(seen.sum.processes, 3);
	run__free(run);
}

Test(correlate, rows_come_in_the_order_of_time)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 30, .func = 8, .when = RT_RETURN);
	feed_cp(run, .pid = 6, .time_ns = 10, .func = 8, .when = RT_RETURN);
	feed_cp(run, .pid = 7, .time_ns = 20, .func = 8, .when = RT_RETURN);
	cr_assert_eq(seen.n_rows, 0, "held until they are released");
	feed_release(run, 20);
	cr_assert_eq(seen.n_rows, 2);
	cr_assert_eq(seen.flushes, 1);
	finish(run);
	cr_assert_eq(seen.rows[0].pid, 6);
	cr_assert_eq(seen.rows[1].pid, 7);
	cr_assert_eq(seen.rows[2].pid, 5);
	run__free(run);
}

Test(correlate, what_comes_too_late_is_placed_at_its_release_and_says_so)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 100, .func = 8, .when = RT_RETURN);
	feed_release(run, 100);
	feed_cp(run, .pid = 6, .time_ns = 60, .late_ns = 5, .func = 8, .when = RT_RETURN);
	feed_release(run, 100);
	cr_assert_eq(seen.n_rows, 2);
	cr_assert_eq(seen.rows[1].time_ns, 100);
	cr_assert_eq(seen.rows[1].late_ns, 45, "the true instant is still within its bounds");
	run__free(run);
}

Test(correlate, unstable_and_shared_are_not_exact)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 1, .func = 8, .when = RT_RETURN, .flags = RT_F_UNSTABLE);
	feed_cp(run, .pid = 5, .time_ns = 2, .func = 8, .when = RT_RETURN, .flags = RT_F_SHARED);
	feed_cp(run, .pid = 5, .time_ns = 3, .func = 8, .when = RT_RETURN,
		.flags = RT_F_UNWOUND | RT_F_INHERITED);
	finish(run);
	cr_assert(!seen.rows[0].exact && seen.rows[0].unstable);
	cr_assert(!seen.rows[1].exact && !seen.rows[1].unstable);
	cr_assert(seen.rows[2].exact && seen.rows[2].unwound && seen.rows[2].inherited);
	cr_assert_eq(seen.sum.rows_inexact, 2);
	cr_assert_eq(seen.sum.rows_unstable, 1);
	run__free(run);
}

Test(correlate, exec_begins_a_program_with_a_baseline_of_its_own)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 8, .when = RT_RETURN, .anon = 50 * MIB);
	feed_proc(run, .pid = 5, .start_ns = 5, .role = "old");
	feed_exec(run, .pid = 5, .time_ns = 20, .title = "new\n-x", .anon = MIB);
	feed_proc(run, .pid = 5, .start_ns = 5, .role = "new");
	feed_cp(run, .pid = 5, .time_ns = 30, .func = 8, .when = RT_RETURN, .anon = 4 * MIB);
	feed_exit(run, .pid = 5, .time_ns = 40, .exit_code = 0x300);
	finish(run);
	cr_assert_eq(seen.n_rows, 2);
	cr_assert(seen.rows[1].baseline);
	cr_assert_eq(seen.rows[1].delta, 0);
	cr_assert_eq(seen.rows[1].total, 0);
	cr_assert_str_eq(seen.roles[1], "new");
	cr_assert_eq(seen.n_procs, 2);
	cr_assert(seen.procs[0].execed && seen.procs[0].ended);
	cr_assert_eq(seen.procs[0].baseline, 50 * MIB);
	cr_assert_eq(seen.procs[1].exit_code, 0x300);
	cr_assert_eq(seen.procs[1].baseline, 4 * MIB);
	cr_assert_eq(seen.sum.processes, 1, "one process, two programs");
	run__free(run);
}

Test(correlate, a_vfork_child_shows_its_own_pid_and_is_summed_once)
{
	struct rt_totals t = { .last = { .anon = 10 * MIB } };
	struct run *run = plain();

	feed_totals(run, .pid = 5, .time_ns = 1, .totals = t);
	feed_fork(run, .pid = 6, .ppid = 5, .time_ns = 2, .flags = RT_P_BORROWED,
		.anon = 10 * MIB);
	feed_cp(run, .pid = 6, .time_ns = 3, .func = 8, .when = RT_RETURN,
		.flags = RT_F_BORROWED, .anon = 10 * MIB);
	finish(run);
	cr_assert_eq(seen.rows[0].pid, 6);
	cr_assert(seen.rows[0].borrowed);
	cr_assert_eq(seen.sum.tree_end.anon, 10 * MIB);
	cr_assert(seen.procs[0].attached && !seen.procs[0].borrowed);
	cr_assert(seen.procs[1].borrowed);
	run__free(run);
}

Test(correlate, a_program_on_its_own_memory_again_is_no_longer_borrowed)
{
	struct run *run = plain();

	feed_fork(run, .pid = 6, .ppid = 5, .time_ns = 2, .flags = RT_P_BORROWED);
	feed_exec(run, .pid = 6, .time_ns = 3, .anon = MIB);
	feed_cp(run, .pid = 6, .time_ns = 4, .func = 8, .when = RT_RETURN, .anon = MIB);
	finish(run);
	cr_assert_not(seen.rows[0].borrowed);
	cr_assert(seen.procs[0].borrowed && !seen.procs[1].borrowed);
	cr_assert_eq(seen.sum.tree_end.anon, MIB);
	run__free(run);
}

Test(correlate, a_loss_is_told_before_the_row_and_says_since_when)
{
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 8, .when = RT_RETURN);
	feed_cp(run, .pid = 5, .time_ns = 20, .lost = 3, .func = 8, .when = RT_RETURN);
	feed_exit(run, .pid = 5, .time_ns = 30, .lost = 2);
	feed_cp(run, .pid = 6, .time_ns = 40, .lost = 1, .func = 8, .when = RT_RETURN);
	finish(run);
	cr_assert_eq(seen.n_losses, 3);
	cr_assert_eq(seen.losses[0].count, 3);
	cr_assert_eq(seen.losses[0].since_ns, 10);
	cr_assert_eq(seen.losses[0].time_ns, 20);
	cr_assert_eq(seen.loss_before[0], 1);
	cr_assert_eq(seen.loss_pids[1], 5);
	cr_assert_eq(seen.procs[0].lost, 5);
	cr_assert_eq(seen.losses[2].since_ns, 0, "no row before it");
	run__free(run);
}

Test(correlate, small_moves_are_neither_printed_nor_counted)
{
	struct run *run = start(&(struct correlate_options){ .lang = LANG_EN, .min_delta = MIB });

	feed_cp(run, .pid = 5, .time_ns = 1, .func = 8, .when = RT_RETURN, .anon = 10 * MIB);
	feed_cp(run, .pid = 5, .time_ns = 2, .func = 8, .when = RT_RETURN, .anon = 11 * MIB - 1);
	feed_cp(run, .pid = 5, .time_ns = 3, .func = 8, .when = RT_RETURN, .anon = 11 * MIB);
	feed_cp(run, .pid = 5, .time_ns = 4, .func = 8, .when = RT_RETURN, .anon = 10 * MIB + 1);
	feed_cp(run, .pid = 5, .time_ns = 5, .func = 8, .when = RT_RETURN, .anon = 10 * MIB);
	finish(run);
	cr_assert_eq(seen.n_rows, 3);
	cr_assert(seen.rows[0].baseline);
	cr_assert_eq(seen.rows[1].time_ns, 3);
	cr_assert_eq(seen.rows[1].delta, MIB);
	cr_assert_eq(seen.rows[2].time_ns, 5);
	cr_assert_eq(seen.rows[2].delta, -MIB);
	cr_assert_eq(seen.rows[2].seq, 3);
	cr_assert_eq(seen.sum.specs[2].rows, 3);
	run__free(run);
}

Test(correlate, skipped_extras_move_neither_baseline_nor_delta)
{
	struct run *run = start(&(struct correlate_options){ .lang = LANG_EN, .skip_extra = true });

	feed_func(run, 9, "b", 1);
	feed_cp(run, .pid = 5, .time_ns = 1, .func = 9, .when = RT_ENTRY, .anon = MIB);
	feed_cp(run, .pid = 5, .time_ns = 2, .func = 7, .when = RT_ENTRY, .anon = 2 * MIB);
	feed_cp(run, .pid = 5, .time_ns = 3, .func = 9, .when = RT_ENTRY, .anon = 3 * MIB);
	feed_cp(run, .pid = 5, .time_ns = 4, .func = 8, .when = RT_RETURN, .anon = 4 * MIB);
	finish(run);
	cr_assert_eq(seen.n_rows, 2);
	cr_assert_str_eq(seen.labels[0], "before A");
	cr_assert(seen.rows[0].baseline);
	cr_assert_eq(seen.rows[1].delta, 2 * MIB);
	cr_assert_eq(seen.rows[1].total, 2 * MIB);
	run__free(run);
}

Test(correlate, the_header_comes_once_with_the_specs_of_the_start)
{
	struct run *run = plain();

	cr_assert_eq(seen.headers, 0);
	feed_cp(run, .pid = 5, .time_ns = 10, .func = 8, .when = RT_RETURN);
	feed_release(run, 10);
	cr_assert_eq(seen.headers, 1);
	cr_assert_eq(seen.header_specs, 3);
	cr_assert_eq(seen.start_ns, 1000);
	feed_spec(run, .id = 3, .entry = { "丁", "D" });
	feed_func(run, 10, "d", 3);
	feed_cp(run, .pid = 5, .time_ns = 20, .func = 10, .when = RT_ENTRY);
	finish(run);
	cr_assert_eq(seen.headers, 1);
	cr_assert_str_eq(seen.labels[1], "D", "a library that came late");
	cr_assert_eq(seen.sum.n_specs, 4);
	run__free(run);
}

Test(correlate, a_run_without_events_still_has_its_header_and_summary)
{
	struct run *run = run__new(&(struct correlate_options){ .lang = LANG_EN }, &ops, &seen);

	finish(run);
	cr_assert_eq(seen.headers, 1);
	cr_assert_eq(seen.summaries, 1);
	cr_assert_null(seen.sum.end);
	cr_assert_not_null(seen.sum.host->host);
	finish(run);
	cr_assert_eq(seen.summaries, 1);
	run__free(run);
}

Test(correlate, all_that_still_run_are_handed_on_in_the_order_of_birth)
{
	struct run *run = plain();

	feed_fork(run, .pid = 9, .ppid = 1, .time_ns = 1, .anon = MIB);
	feed_fork(run, .pid = 3, .ppid = 9, .time_ns = 2, .anon = 2 * MIB);
	feed_fork(run, .pid = 6, .ppid = 9, .time_ns = 3, .anon = 4 * MIB);
	feed_exit(run, .pid = 3, .time_ns = 4, .exit_code = 9);
	feed_oom(run, .pid = 6, .time_ns = 5);
	feed_end(run, .time_ns = 6, .reason = "interrupt");
	finish(run);
	cr_assert_eq(seen.n_procs, 3);
	cr_assert_eq(seen.procs[0].pid, 3);
	cr_assert_eq(seen.procs[0].exit_code, 9);
	cr_assert_eq(seen.procs[1].pid, 9);
	cr_assert_not(seen.procs[1].ended);
	cr_assert_eq(seen.procs[2].pid, 6);
	cr_assert(seen.procs[2].oom);
	cr_assert_eq(seen.sum.tree_end.anon, 5 * MIB);
	cr_assert_str_eq(seen.sum.end->reason, "interrupt");
	run__free(run);
}

Test(correlate, the_count_of_the_kernel_takes_the_place_of_ours)
{
	struct fact_hits hits[] = { { 7, 100, 90 }, { 77, 1, 1 } };
	struct run *run = plain();

	feed_cp(run, .pid = 5, .time_ns = 10, .func = 7, .when = RT_ENTRY);
	feed_counters(run, .loss = { [RT_LOSS_RING] = 4 }, .hits = hits, .n_hits = 2);
	finish(run);
	cr_assert_eq(seen.sum.loss[RT_LOSS_RING], 4);
	cr_assert_eq(seen.sum.funcs[0].entries, 100, "held events are in it already");
	cr_assert_eq(seen.sum.funcs[0].returns, 90);
	cr_assert_eq(seen.sum.funcs[1].entries, 0);
	run__free(run);
}

Test(correlate, what_does_not_decode_changes_nothing)
{
	struct feed_event e = { .pid = 5, .time_ns = 10, .func = 8, .when = RT_RETURN };
	struct rt_checkpoint cp = feed__make_cp(&e);
	struct run *run = plain();

	cr_assert_eq(feed__raw(run, REC_EVENT, &cp, cp.h.len - 1), -EBADMSG);
	cr_assert_eq(feed__raw(run, REC_EVENT, &cp, 3), -EBADMSG);
	cr_assert_eq(feed__raw(run, REC_EVENT, NULL, 0), -EBADMSG);
	cr_assert_eq(feed__raw(run, REC_RELEASE, &cp, 4), -EBADMSG);
	cr_assert_eq(feed__raw(run, REC_SPEC, "{\"id\":", 6), -EBADMSG);
	cr_assert_eq(feed__raw(run, (enum record_kind)77, "?", 1), 0, "of a newer version");
	finish(run);
	cr_assert_eq(seen.n_rows, 0);
	cr_assert_eq(seen.n_procs, 0);
	cr_assert_eq(seen.sum.n_specs, 3);
	run__free(run);
}

Test(correlate, the_error_of_a_sink_ends_the_run)
{
	struct run *run = plain();

	seen.row_err = -EPIPE;
	feed_cp(run, .pid = 5, .time_ns = 10, .func = 8, .when = RT_RETURN);
	cr_assert_eq(feed_release(run, 10), -EPIPE);
	run__free(run);
}

static int count_process(void *ctx, const struct proc *p)
{
	++*(size_t *)ctx;
	return 0;
}

Test(correlate, a_hundred_thousand_short_processes_leave_nothing_behind)
{
	static const struct row_ops counting = { .process = count_process };
	size_t count = 0;
	struct run *run = run__new(&(struct correlate_options){ .lang = LANG_EN }, &counting,
		&count);

	for (uint32_t i = 1; i <= 100000; i++) {
		feed_fork(run, .pid = i, .ppid = i - 1, .time_ns = 10 * i);
		feed_exit(run, .pid = i, .time_ns = 10 * i + 5);
		if (i % 100 == 0) {
			feed_release(run, 10 * i + 5);
			cr_assert_eq(count, i, "all that ended have been handed on");
		}
	}
	cr_assert_eq(run__finish(run), 0);
	cr_assert_eq(count, 100000, "none was left for the end");
	run__free(run);
}
