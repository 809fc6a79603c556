/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proctree.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include "feed.h"

static struct proc *fork_of(struct proctree *pt, uint32_t pid, uint32_t ppid, uint64_t time_ns)
{
	struct feed_event e = { .pid = pid, .ppid = ppid, .anon = 4096 };
	struct rt_fork ev = feed__make_fork(&e);

	return proctree__fork(pt, &ev, time_ns);
}

static struct proc *exec_of(struct proctree *pt, uint32_t pid, const char *title, uint64_t min_flt,
	uint64_t time_ns, struct proc **old)
{
	struct feed_event e = { .pid = pid, .title = title, .min_flt = min_flt, .anon = 8192 };
	struct rt_exec ev = feed__make_exec(&e);

	return proctree__exec(pt, &ev, time_ns, old);
}

static struct proc *exit_of(struct proctree *pt, const struct feed_event *e, uint64_t time_ns)
{
	struct rt_exit ev = feed__make_exit(e);

	return proctree__exit(pt, &ev, time_ns);
}

static void learn(struct proctree *pt, uint32_t pid, char *role, char *cmdline)
{
	proctree__learn(pt, &(struct fact_proc){ .pid = pid, .start_ns = pid, .role = role,
		.cmdline = cmdline });
}

Test(proctree, a_reused_pid_is_another_process)
{
	struct proctree *pt = proctree__new();
	struct proc *a = proctree__get(pt, 5, 100, 1), *b = proctree__get(pt, 5, 200, 2);

	cr_assert_neq(a, b);
	cr_assert_eq(proctree__find(pt, 5, 100), a);
	cr_assert_eq(proctree__find(pt, 5, 200), b);
	cr_assert_eq(proctree__get(pt, 5, 100, 3), a);
	cr_assert_eq(a->born_ns, 1);
	cr_assert_null(proctree__find(pt, 5, 300));
	cr_assert_null(proctree__find(pt, 6, 100));
	proctree__free(pt);
}

Test(proctree, a_child_carries_the_title_of_its_parent_until_told_otherwise)
{
	struct proctree *pt = proctree__new();
	struct proc *child;

	proctree__get(pt, 1, 1, 1);
	learn(pt, 1, "server", "server --all");
	child = fork_of(pt, 2, 1, 2);
	cr_assert_str_eq(child->cmdline, "server --all");
	cr_assert_str_empty(child->role, "a title is inherited, a role is not");
	cr_assert_eq(child->ppid, 1);
	cr_assert(child->have_rss);
	cr_assert_eq(child->totals.first.anon, 4096);
	learn(pt, 2, "worker", "server: worker");
	cr_assert_str_eq(child->cmdline, "server: worker");
	cr_assert_str_eq(child->role, "worker");
	proctree__free(pt);
}

Test(proctree, what_is_learned_before_the_birth_is_kept_for_it)
{
	struct proctree *pt = proctree__new();
	struct proc *p;

	learn(pt, 2, "worker", "w");
	cr_assert_null(proctree__find(pt, 2, 2), "a fact does not give birth");
	p = fork_of(pt, 2, 1, 5);
	cr_assert_str_eq(p->role, "worker");
	cr_assert_str_eq(p->cmdline, "w");
	proctree__free(pt);
}

Test(proctree, what_is_learned_after_an_exec_was_announced_is_of_the_new_program)
{
	struct proctree *pt = proctree__new();
	struct proc *p = fork_of(pt, 2, 1, 1), *old;

	learn(pt, 2, "shell", "sh");
	proctree__announce_exec(pt, 2, 2);
	proctree__announce_exec(pt, 2, 2);
	learn(pt, 2, "worker", "w");
	cr_assert_str_eq(p->role, "shell");
	p = exec_of(pt, 2, "env\nw", 0, 2, &old);
	cr_assert_str_eq(old->role, "shell");
	cr_assert_str_empty(p->role, "one exec is still to come");
	cr_assert_str_eq(p->cmdline, "env w");
	p = exec_of(pt, 2, "w", 0, 3, &old);
	cr_assert_str_eq(p->role, "worker");
	learn(pt, 2, "late", NULL);
	cr_assert_str_eq(p->role, "late");
	proctree__free(pt);
}

Test(proctree, fork_and_exec_in_one_breath_find_their_facts)
{
	struct proctree *pt = proctree__new();
	struct proc *p, *old;

	proctree__announce_exec(pt, 2, 2);
	learn(pt, 2, "worker", "w");
	p = fork_of(pt, 2, 1, 1);
	cr_assert_str_empty(p->role);
	p = exec_of(pt, 2, "w", 0, 2, &old);
	cr_assert_str_eq(p->role, "worker");
	proctree__free(pt);
}

Test(proctree, a_command_that_no_fork_told_of_has_the_parent_that_its_exec_tells)
{
	struct feed_event e = { .pid = 2, .ppid = 7, .parent_start_ns = 70, .title = "cmd\n" };
	struct rt_exec ev = feed__make_exec(&e);
	struct proctree *pt = proctree__new();
	struct proc *p, *old;

	p = proctree__exec(pt, &ev, 10, &old);
	cr_assert_eq(p->ppid, 7);
	cr_assert_eq(p->parent_start_ns, 70);
	/* a fork knew better: who called exec may be an orphan by then */
	fork_of(pt, 3, 2, 11);
	ev.h.pid = 3;
	ev.h.start_ns = 3;
	cr_assert_eq(proctree__exec(pt, &ev, 12, &old)->ppid, 2);
	/* of an old tape, which ends before these fields */
	ev.h.pid = 4;
	ev.h.len = offsetof(struct rt_exec, ppid);
	cr_assert_eq(proctree__exec(pt, &ev, 13, &old)->ppid, 0);
	proctree__free(pt);
}

Test(proctree, exec_ends_a_program_and_begins_one_with_faults_of_its_own)
{
	struct proctree *pt = proctree__new();
	struct feed_event e = { .pid = 2, .min_flt = 100, .maj_flt = 3, .exit_code = 0x100 };
	struct proc *first = fork_of(pt, 2, 1, 1), *old, *p;

	proctree__snapshot(first, &(struct rt_snapshot){ .anon = 1 << 20 }, 5);
	p = exec_of(pt, 2, "x\ny z\n", 70, 10, &old);
	cr_assert_eq(old, first);
	cr_assert(old->ended && old->execed);
	cr_assert_eq(old->end_ns, 10);
	cr_assert_eq(old->min_flt, 70);
	cr_assert_eq(old->totals.peak.anon, 1 << 20, "ours is higher than the kernel's");
	cr_assert_eq(old->totals.peak_ns, 5);
	cr_assert_eq(p->born_ns, 10);
	cr_assert_eq(p->ppid, 1);
	cr_assert_eq(p->totals.peak.anon, 8192);
	cr_assert_str_eq(p->cmdline, "x y z");
	cr_assert_eq(proctree__find(pt, 2, 2), p);
	proctree__forget(pt, old);
	p = exit_of(pt, &e, 20);
	cr_assert_eq(p->min_flt, 30);
	cr_assert_eq(p->exit_code, 0x100);
	cr_assert_null(proctree__find(pt, 2, 2));
	proctree__free(pt);
}

Test(proctree, the_kernel_peak_counts_where_it_is_the_higher)
{
	struct proctree *pt = proctree__new();
	struct feed_event e = { .pid = 2, .totals = { .peak = { .anon = 100, .file = 50 },
		.peak_ns = 7, .kind_peak = { .anon = 120, .file = 50 } } };
	struct proc *p = proctree__get(pt, 2, 2, 1);

	proctree__snapshot(p, &(struct rt_snapshot){ .anon = 90, .shmem = 30 }, 3);
	p = exit_of(pt, &e, 20);
	cr_assert_eq(p->totals.peak.anon, 100);
	cr_assert_eq(p->totals.peak_ns, 7);
	cr_assert_eq(p->totals.kind_peak.anon, 120);
	cr_assert_eq(p->totals.kind_peak.shmem, 30);
	proctree__free(pt);
}

Test(proctree, a_title_at_exit_replaces_another_but_not_the_whole_of_itself)
{
	struct feed_event same = { .pid = 2, .title = "python\nserve" };
	struct feed_event other = { .pid = 3, .title = "worker: idle   " };
	struct feed_event none = { .pid = 4 };
	struct proctree *pt = proctree__new();

	for (uint32_t pid = 2; pid <= 4; pid++) {
		proctree__get(pt, pid, pid, 1);
		learn(pt, pid, NULL, "python serve --model x");
	}
	cr_assert_str_eq(exit_of(pt, &same, 2)->cmdline, "python serve --model x");
	cr_assert_str_eq(exit_of(pt, &other, 2)->cmdline, "worker: idle");
	cr_assert_str_eq(exit_of(pt, &none, 2)->cmdline, "python serve --model x");
	proctree__free(pt);
}

Test(proctree, a_title_cut_inside_a_character_loses_only_that)
{
	char title[RT_TITLE_LEN + 1];
	struct feed_event e = { .pid = 2, .title = title };
	struct proctree *pt = proctree__new();
	struct proc *p;

	memset(title, 'a', sizeof(title) - 1);
	memcpy(title + RT_TITLE_LEN - 2, "\xe5\x8d", 3);
	p = exit_of(pt, &e, 2);
	cr_assert_eq(strlen(p->cmdline), RT_TITLE_LEN - 2);
	cr_assert_eq(p->cmdline[RT_TITLE_LEN - 3], 'a');
	memcpy(title + RT_TITLE_LEN - 3, "\xe5\x8d\xa0", 4);
	e.pid = 3;
	p = exit_of(pt, &e, 2);
	cr_assert_eq(strlen(p->cmdline), RT_TITLE_LEN, "a whole one at the very end stays");
	proctree__free(pt);
}

Test(proctree, a_fact_that_knows_less_takes_nothing_away)
{
	struct proctree *pt = proctree__new();
	struct proc *p = proctree__get(pt, 2, 2, 1);

	learn(pt, 2, "worker", "w --all");
	learn(pt, 2, NULL, "");
	cr_assert_str_eq(p->role, "worker");
	cr_assert_str_eq(p->cmdline, "w --all");
	learn(pt, 2, "", "w");
	cr_assert_str_eq(p->role, "worker");
	cr_assert_str_eq(p->cmdline, "w");
	proctree__free(pt);
}

Test(proctree, control_characters_of_a_target_do_not_get_in)
{
	struct proctree *pt = proctree__new();
	struct proc *p = proctree__get(pt, 2, 2, 1);

	learn(pt, 2, "a\x1b[31m", "b\nc\xff");
	cr_assert_str_eq(p->role, "a\\x1b[31m");
	cr_assert_str_eq(p->cmdline, "b\\x0ac\\xff");
	proctree__free(pt);
}

Test(proctree, only_what_ran_before_was_attached)
{
	struct feed_event e = { .pid = 2, .comm = "main", .totals = { .last = { .anon = 7 } } };
	struct rt_totals_event ev = feed__make_totals(&e);
	struct proctree *pt = proctree__new();
	struct proc *p = proctree__totals(pt, &ev, 5);

	cr_assert(p->attached);
	cr_assert_str_eq(p->comm, "main");
	cr_assert(p->have_totals && p->have_rss);
	fork_of(pt, 3, 2, 6);
	e.pid = 3;
	ev = feed__make_totals(&e);
	cr_assert_not(proctree__totals(pt, &ev, 7)->attached);
	proctree__free(pt);
}

Test(proctree, a_thread_has_a_name_of_its_own)
{
	struct feed_event e = { .pid = 2, .tid = 3, .comm = "pool" };
	struct rt_rename ev = feed__make_rename(&e);
	struct proctree *pt = proctree__new();
	struct proc *p = proctree__get(pt, 2, 2, 1);

	proctree__rename(pt, &ev);
	cr_assert_str_empty(p->comm);
	e.tid = 2;
	ev = feed__make_rename(&e);
	proctree__rename(pt, &ev);
	cr_assert_str_eq(p->comm, "pool");
	proctree__free(pt);
}

static int note_and_forget(void *ctx, struct proc *p)
{
	struct {
		struct proctree *pt;
		uint32_t pids[4];
		size_t n;
	} *seen = ctx;

	seen->pids[seen->n++] = p->pid;
	if (p->pid == 8)
		proctree__forget(seen->pt, p);
	return 0;
}

Test(proctree, all_are_visited_in_the_order_of_birth)
{
	struct {
		struct proctree *pt;
		uint32_t pids[4];
		size_t n;
	} seen = { .pt = proctree__new() };

	proctree__get(seen.pt, 9, 1, 1);
	proctree__get(seen.pt, 8, 2, 2);
	proctree__get(seen.pt, 7, 3, 3);
	cr_assert_eq(proctree__each(seen.pt, note_and_forget, &seen), 0);
	cr_assert_eq(seen.n, 3);
	cr_assert_eq(seen.pids[0], 9);
	cr_assert_eq(seen.pids[1], 8);
	cr_assert_eq(seen.pids[2], 7);
	cr_assert_null(proctree__find(seen.pt, 8, 2));
	proctree__free(seen.pt);
}

Test(proctree, facts_of_processes_that_never_come_do_not_pile_up)
{
	struct proctree *pt = proctree__new();
	struct proc *p;

	for (uint32_t pid = 1; pid <= 20000; pid++)
		learn(pt, pid, "r", "c");
	p = proctree__get(pt, 1, 1, 1);
	cr_assert_str_empty(p->role, "the oldest has been dropped");
	p = proctree__get(pt, 15000, 15000, 1);
	cr_assert_str_eq(p->role, "r", "a whole tree that is attached at once is not too many");
	proctree__free(pt);
}
