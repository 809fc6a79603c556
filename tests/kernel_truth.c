/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that know which pages they have brought and given back, and in which ways: what is attributed
 * is that to the page, and the account is what the test reads in smaps itself while they wait.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "memcg.h"
#include "summary.h"

#define PAGE TRUTH_PAGE

static int64_t part(const json_t *process, const char *of_identity)
{
	return row_int(json_object_get(process, "identity"), of_identity);
}

/* --- ways that pages come ------------------------------------------------------------------------------ */

/* Attached to and left while it waits, so both ends are at rest: nothing is left over, and what has come
 * is its own doing. */
static void play_way(const char *way, size_t told)
{
	struct reading before, after;
	struct truth t;
	json_t *p;

	harness_need_kernel();
	truth_start(&t, way, (const char *[]){harness_target("ways"), way, harness_dir(), NULL});
	truth_attach(&t, (const char *[]){NULL});
	before = reading_at_rest(t.target.pid);
	truth_say("go");
	truth_await(&t, "done");
	truth_finish(&t);
	after = reading_at_rest(t.target.pid);
	p = summary_process(&t, t.target.pid);
	expect_account(p, way);
	expect_ends(p, way, before.rss, after.rss);
	expect_foreign(p, way, 0);
	cr_expect_eq(expect_mappings(&t, p, NULL), told, "%s", t.told);
	truth_end(&t);
}

Test(truth, mapped_with_all_that_is_in_it, .timeout = 120)
{
	play_way("populate", 4);
}

Test(truth, read_into_memory_that_is_fresh, .timeout = 120)
{
	play_way("read", 3);
}

Test(truth, huge_pages_and_parts_of_them, .timeout = 120)
{
	play_way("huge", 5);
}

Test(truth, given_back_when_it_last_did_something_else, .timeout = 120)
{
	play_way("back", 4);
}

/* --- relatives ------------------------------------------------------------------------------------------- */

struct relatives {
	struct truth t;
	pid_t child;
	struct reading parent_first, parent_last, child_first, child_last;
	json_t *parent, *child_says;
};

/* The child waits, and does what it does; then the parent. Neither moves while it is read. */
static void play_relatives(struct relatives *r, const char *what)
{
	struct truth *t = &r->t;

	harness_need_kernel();
	truth_start(t, what, (const char *[]){harness_target("relatives"), what, harness_dir(), NULL});
	truth_attach(t, (const char *[]){NULL});
	r->parent_first = reading_at_rest(t->target.pid);
	truth_say("go");
	child_await(&t->target, t->target.out, "child ", 30);
	t->told = file_text(t->target.out);
	r->child = (pid_t)truth_number(t, "child");
	r->child_first = reading_at_rest(r->child);
	truth_say("child");
	truth_await(t, "child is done");
	r->child_last = reading_at_rest(r->child);
	truth_say("parent");
	truth_await(t, "done");
	truth_finish(t);
	r->parent_last = reading_at_rest(t->target.pid);
	r->parent = summary_process(t, t->target.pid);
	r->child_says = summary_process(t, r->child);
	expect_account(r->parent, "parent");
	expect_account(r->child_says, "child");
	expect_ends(r->parent, "parent", r->parent_first.rss, r->parent_last.rss);
}

/* What the child inherits is not its growth, and what it copies is neither: RSS stays. Nothing of it is
 * the parent's doing. */
Test(truth, copies_of_a_fork_are_the_childs, .timeout = 120)
{
	struct relatives r;
	int64_t inherited, moved;

	play_relatives(&r, "copy");
	expect_ends(r.child_says, "child", -1, reading_at_rest(r.child).rss);
	cr_expect_eq(expect_mappings(&r.t, r.child_says, "child"), 4, "%s", r.t.told);
	cr_expect_eq(expect_mappings(&r.t, r.parent, "parent"), 2, "%s", r.t.told);
	expect_foreign(r.parent, "parent", 0);
	expect_foreign(r.child_says, "child", 0);
	inherited = truth_number(&r.t, "inherited");
	cr_expect_eq(inherited, 4000);
	cr_expect_geq(part(r.child_says, "start"), inherited * PAGE);
	cr_expect_leq(part(r.child_says, "start"), r.parent_last.rss);
	/* 300 fresh pages, and 500 given back; 50 of a file became its own, 1000 were copied */
	moved = (r.child_last.anon - r.child_first.anon) / PAGE;
	cr_expect_leq(llabs(moved + 150), TRUTH_TRACERS, "%" PRId64, moved);
	cr_expect_leq(llabs((r.child_last.private_dirty - r.child_first.private_dirty) / PAGE - 1350), 8);
	moved = (r.parent_last.anon - r.parent_first.anon) / PAGE;
	cr_expect_leq(llabs(moved - 70), TRUTH_TRACERS, "%" PRId64, moved);
	truth_end(&r.t);
}

/* Each has as many pages as it has touched; what the parent takes from both is foreign to the child. */
Test(truth, shared_memory_is_of_each_that_touches_it, .timeout = 120)
{
	int64_t parent_has, taken;
	struct reading after;
	struct relatives r;

	play_relatives(&r, "share");
	after = reading_at_rest(r.child);
	expect_ends(r.child_says, "child", -1, after.rss);
	cr_expect_eq(expect_mappings(&r.t, r.child_says, "child"), 1, "%s", r.t.told);
	cr_expect_eq(after.shmem / PAGE, 500);
	expect_foreign(r.child_says, "child", -300);
	parent_has = truth_number(&r.t, "parent has");
	cr_expect_eq(parent_has, 700);
	cr_expect_eq(r.parent_last.shmem / PAGE, parent_has);
	cr_expect_eq(summary_pages(summary_find(r.parent, "mappings", "memfd:relatives"), "grown", "shmem"), 1000);
	taken = summary_pages(summary_find(r.parent, "mappings", "memfd:relatives"), "returned", "shmem");
	cr_expect_eq(taken, 300);
	expect_foreign(r.parent, "parent", 0);
	truth_end(&r.t);
}

/* --- reclaim ------------------------------------------------------------------------------------------------ */

static struct reading await_rss_below(pid_t pid, int64_t rss)
{
	struct reading r = reading_take(pid);

	for (int i = 0; i < 20 && r.rss > rss; i++) {
		memcg_reclaim(4 << 20);
		r = reading_take(pid);
	}
	cr_assert_leq(r.rss, rss, "nothing can be reclaimed here");
	return reading_at_rest(pid);
}

/* Pages that are reclaimed are not given back by the program, whoever it is that reclaims: another, or
 * itself, when it wants memory and there is none. */
Test(truth, reclaim_is_foreign, .timeout = 120)
{
	struct reading first, less, looked, last;
	int64_t by_others, by_itself;
	struct truth t;
	json_t *p, *file, *memory;

	harness_need_kernel();
	memcg_make();
	truth_begin(&t, "reclaim", (const char *[]){harness_target("ways"), "reclaim", harness_dir(), NULL});
	memcg_join(t.target.pid);
	truth_say("joined");
	truth_await(&t, "ready");
	truth_attach(&t, (const char *[]){NULL});
	first = reading_at_rest(t.target.pid);
	less = await_rss_below(t.target.pid, first.rss - (2 << 20));
	truth_say("go");
	truth_await(&t, "looked");
	looked = reading_at_rest(t.target.pid);
	memcg_limit(memcg_usage() + (2 << 20));
	truth_say("more");
	truth_await(&t, "done");
	truth_finish(&t);
	last = reading_at_rest(t.target.pid);
	p = summary_process(&t, t.target.pid);
	expect_account(p, "reclaim");
	expect_ends(p, "reclaim", first.rss, last.rss);
	by_others = (first.rss - less.rss) / PAGE;
	by_itself = truth_number(&t, "taken");
	cr_expect_geq(by_others, 512);
	cr_expect_gt(by_itself, 0);
	cr_expect_gt(truth_number(&t, "given"), 0);
	cr_expect_eq((looked.file - less.file) / PAGE, truth_number(&t, "again"));
	expect_foreign(p, "reclaim", -by_others - by_itself);
	memory = summary_find(p, "mappings", "[anonymous 16M to 256M]");
	cr_expect_eq(summary_pages(memory, "grown", "anon"), truth_number(&t, "brought"));
	cr_expect_eq(summary_pages(memory, "returned", "file"), 0);
	file = summary_find(p, "mappings", harness_path("reclaimed"));
	cr_expect_eq(summary_pages(file, "grown", "file"), truth_number(&t, "again"));
	cr_expect_eq(summary_pages(file, "returned", "file"), truth_number(&t, "given"));
	truth_end(&t);
}
