/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is told of places, added up: by function, line, mapping, thread and stack. */
#include "growth.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "proctree.h"

#define PAGE 4096

static struct growth *g;

static void set_up(void)
{
	g = growth__new();
	cr_assert(g);
}

static void tear_down(void)
{
	growth__free(g);
}

TestSuite(growth, .init = set_up, .fini = tear_down, .timeout = 30);

static void node(uint64_t number, uint64_t parent, uint32_t func)
{
	cr_assert_eq(growth__node(g, &(struct rt_node){.node = number, .parent = parent, .func = func}), 0);
}

static void thread_node(uint64_t number, const char *comm)
{
	struct rt_node ev = {.node = number, .func = RT_NO_FUNC};

	strcpy(ev.comm, comm);
	cr_assert_eq(growth__node(g, &ev), 0);
}

struct came {
	enum rt_cell_kind kind; /* 0: to a place */
	uint64_t at, serial;	/* serial 0: 1 */
	uint32_t func;
	int instr, line;
	uint32_t flags;
	int64_t anon, file, shmem, swap; /* pages */
	int64_t gone;			 /* anon */
};

static void came_(const struct came *c)
{
	struct rt_growth ev = {
		.key = {.kind = c->kind ? c->kind : RT_CELL_PLACE, .at = c->at, .func = c->func, .instr = c->instr,
			.serial = c->serial ? c->serial : 1, .flags = c->flags},
		.line = c->line,
		.grown = {.anon = c->anon * PAGE, .file = c->file * PAGE, .shmem = c->shmem * PAGE,
			.swap = c->swap * PAGE},
		.returned = {.anon = c->gone * PAGE}};

	cr_assert_eq(growth__add(g, &ev), 0);
}
#define came(...) came_(&(struct came){__VA_ARGS__})

static struct growth_sums sum(uint64_t serial)
{
	struct growth_sums s;

	cr_assert_eq(growth__sum(g, serial, &s), 0);
	return s;
}

static const struct growth_place *find(const struct growth_place *p, size_t n, uint32_t func, int line)
{
	for (size_t i = 0; i < n; i++)
		if (p[i].func == func && p[i].line == line && !p[i].comm)
			return &p[i];
	cr_assert_fail("no function %u, line %d", func, line);
	return NULL;
}

/* Pages of anon that a function brought itself, with all it called, and what those gave back. */
static void is(const struct growth_sums *s, uint32_t func, int64_t self, int64_t all, int64_t gone)
{
	const struct growth_place *p = find(s->funcs, s->n_funcs, func, 0);

	cr_expect_eq(p->self_grown.anon, self * PAGE, "self of %u: %ld", func, (long)p->self_grown.anon / PAGE);
	cr_expect_eq(p->all_grown.anon, all * PAGE, "inclusive of %u: %ld", func, (long)p->all_grown.anon / PAGE);
	cr_expect_eq(p->all_returned.anon, gone * PAGE, "of %u: %ld", func, (long)p->all_returned.anon / PAGE);
}

/* --- functions and lines ------------------------------------------------------------------------ */

/* main 10 calls f 20, which calls g 30; main calls g itself, too. */
static void three(void)
{
	node(100, 0, 10);
	node(101, 100, 20);
	node(102, 101, 30);
	node(103, 100, 30);
}

Test(growth, of_a_function_is_its_own_and_that_of_all_it_called)
{
	struct growth_sums s;

	three();
	came(.at = 100, .func = 10, .anon = 1);
	came(.at = 101, .func = 20, .anon = 2, .gone = 1);
	came(.at = 102, .func = 30, .anon = 4, .gone = 4);
	came(.at = 103, .func = 30, .anon = 8);
	s = sum(1);
	cr_expect_eq(s.n_funcs, 3);
	is(&s, 10, 1, 15, 5);
	is(&s, 20, 2, 6, 5);
	is(&s, 30, 12, 12, 4);
	cr_expect_eq(s.grown.anon, 15 * PAGE);
	cr_expect_eq(s.returned.anon, 5 * PAGE);
	growth_sums__clear(&s);
}

Test(growth, of_a_recursive_function_is_counted_once)
{
	struct growth_sums s;

	node(100, 0, 10);
	for (int i = 1; i <= 40; i++)
		node(100 + i, 99 + i, 20 + i % 2); /* two that call each other */
	came(.at = 140, .func = 20, .anon = 7);
	came(.at = 139, .func = 21, .anon = 5);
	came(.at = 101, .func = 21, .anon = 3);
	s = sum(1);
	is(&s, 10, 0, 15, 0);
	is(&s, 20, 7, 12, 0);
	is(&s, 21, 8, 15, 0);
	growth_sums__clear(&s);
}

Test(growth, is_of_the_line_that_it_happened_in)
{
	struct growth_sums s;

	three();
	came(.at = 102, .func = 30, .instr = 4, .line = 7, .anon = 1);
	came(.at = 102, .func = 30, .instr = 8, .line = 7, .anon = 2);
	came(.at = 103, .func = 30, .instr = 8, .line = 7, .anon = 4);
	came(.at = 103, .func = 30, .instr = 12, .line = 9, .anon = 8);
	came(.at = 103, .func = 30, .instr = 16, .anon = 16);
	came(.at = 100, .func = 10, .instr = 8, .line = 7, .anon = 32);
	s = sum(1);
	cr_expect_eq(s.n_lines, 4);
	cr_expect_eq(find(s.lines, s.n_lines, 30, 7)->self_grown.anon, 7 * PAGE);
	cr_expect_eq(find(s.lines, s.n_lines, 30, 9)->self_grown.anon, 8 * PAGE);
	cr_expect_eq(find(s.lines, s.n_lines, 30, 0)->self_grown.anon, 16 * PAGE, "no line is known");
	cr_expect_eq(find(s.lines, s.n_lines, 10, 7)->self_grown.anon, 32 * PAGE);
	is(&s, 30, 31, 31, 0);
	growth_sums__clear(&s);
}

Test(growth, of_threads_without_python_is_by_their_names)
{
	size_t threads = 0;
	struct growth_sums s;

	thread_node(50, "worker");
	thread_node(51, "io");
	three();
	came(.at = 50, .func = RT_NO_FUNC, .anon = 5);
	came(.at = 51, .func = RT_NO_FUNC, .anon = 6);
	came(.at = 103, .func = 30, .line = 3, .anon = 1);
	s = sum(1);
	for (size_t i = 0; i < s.n_funcs; i++) {
		const struct growth_place *p = &s.funcs[i];

		if (!p->comm)
			continue;
		threads++;
		cr_expect_eq(p->self_grown.anon, (strcmp(p->comm, "io") ? 5 : 6) * PAGE);
		cr_expect_eq(p->all_grown.anon, p->self_grown.anon);
	}
	cr_expect_eq(threads, 2);
	cr_expect_eq(s.n_lines, 1, "they have no lines");
	growth_sums__clear(&s);
}

Test(growth, keeps_kinds_apart_and_leaves_swap_out_of_rss)
{
	const struct growth_place *p;
	struct growth_sums s;

	node(100, 0, 10);
	came(.at = 100, .func = 10, .anon = 1, .file = 2, .shmem = 4, .swap = 8, .gone = 3);
	s = sum(1);
	p = find(s.funcs, s.n_funcs, 10, 0);
	cr_expect_eq(p->self_grown.anon, PAGE);
	cr_expect_eq(p->self_grown.file, 2 * PAGE);
	cr_expect_eq(p->self_grown.shmem, 4 * PAGE);
	cr_expect_eq(p->self_grown.swap, 8 * PAGE);
	cr_expect_eq(rt_change_rss(&p->self_grown, &p->self_returned), 4 * PAGE);
	cr_expect_eq(growth_place__moved(p), 7 * PAGE);
	cr_expect_eq(growth_place__moved_self(p), 7 * PAGE);
	growth_sums__clear(&s);
}

Test(growth, told_again_adds_up_and_nodes_told_again_are_passed_over)
{
	struct growth_sums s;

	three();
	node(101, 103, 99); /* what it is stays what it was */
	three();
	came(.at = 101, .func = 20, .instr = 6, .line = 2, .anon = 1);
	came(.at = 101, .func = 20, .instr = 6, .line = 2, .anon = 2, .gone = 1);
	s = sum(1);
	cr_expect_eq(s.n_funcs, 2);
	is(&s, 20, 3, 3, 1);
	is(&s, 10, 0, 3, 1);
	growth_sums__clear(&s);
}

Test(growth, of_programs_is_kept_apart)
{
	struct growth_sums s;

	three();
	came(.at = 101, .func = 20, .anon = 1);
	came(.at = 101, .func = 20, .anon = 2, .serial = 2);
	s = sum(1);
	is(&s, 20, 1, 1, 0);
	growth_sums__clear(&s);
	s = sum(2);
	is(&s, 20, 2, 2, 0);
	growth_sums__clear(&s);
	s = sum(3);
	cr_expect_eq(s.n_funcs + s.n_lines + s.n_mappings + s.n_threads + s.n_stacks + s.n_natives, 0);
	cr_expect_eq(rt_change_rss(&s.grown, &s.returned), 0);
	growth_sums__clear(&s);
}

Test(growth, has_what_moved_most_first)
{
	struct growth_sums s;

	for (unsigned int i = 0; i < 20; i++) {
		node(100 + i, 0, 10 + i);
		came(.at = 100 + i, .func = 10 + i, .line = 1, .anon = i * 7 % 20, .gone = i == 5 ? 30 : 0);
		came(.kind = RT_CELL_THREAD, .at = 500 + i, .anon = i * 7 % 20);
		came(.kind = RT_CELL_STACK, .at = 100 + i, .anon = i * 7 % 20);
		cr_assert_eq(growth__mapping(g, &(struct rt_mapping){.map = 1 + i, .map_kind = RT_MAP_NAMED}), 0);
		came(.kind = RT_CELL_MAPPING, .at = 1 + i, .anon = i * 7 % 20);
	}
	s = sum(1);
	cr_assert_eq(s.n_funcs, 20);
	cr_assert_eq(s.n_threads, 20);
	cr_assert_eq(s.n_stacks, 20);
	cr_assert_eq(s.n_mappings, 20);
	cr_expect_eq(s.funcs[0].func, 15, "what went counts as well");
	for (size_t i = 2; i < 20; i++) {
		cr_expect_geq(growth_place__moved(&s.funcs[i - 1]), growth_place__moved(&s.funcs[i]));
		cr_expect_geq(growth_place__moved(&s.lines[i - 1]), growth_place__moved(&s.lines[i]));
		cr_expect_geq(s.threads[i - 1].grown.anon, s.threads[i].grown.anon);
		cr_expect_geq(s.stacks[i - 1].grown.anon, s.stacks[i].grown.anon);
		cr_expect_geq(s.mappings[i - 1].grown.anon, s.mappings[i].grown.anon);
	}
	growth_sums__clear(&s);
}

/* --- what is missing ---------------------------------------------------------------------------- */

Test(growth, of_places_that_are_not_known_is_set_apart)
{
	struct growth_sums s;

	three();
	came(.at = RT_NODE_UNKNOWN, .anon = 1, .gone = 5);
	came(.at = 999, .func = 30, .anon = 2); /* the node was lost */
	came(.at = RT_NODE_REST, .anon = 4, .file = 8);
	came(.at = 100, .func = 10, .anon = 16);
	s = sum(1);
	cr_expect_eq(s.unread.anon, -2 * PAGE);
	cr_expect_eq(s.rest.anon, 4 * PAGE);
	cr_expect_eq(s.rest.file, 8 * PAGE);
	cr_expect_eq(s.grown.anon, 16 * PAGE);
	cr_expect_eq(s.returned.anon, 0);
	cr_expect_eq(s.n_funcs, 1);
	growth_sums__clear(&s);
}

Test(growth, below_a_node_that_was_lost_is_as_far_as_it_is_known)
{
	struct growth_sums s;

	node(101, 100, 20); /* 100 is not told */
	node(102, 101, 30);
	came(.at = 102, .func = 30, .anon = 2);
	s = sum(1);
	is(&s, 30, 2, 2, 0);
	is(&s, 20, 0, 2, 0);
	cr_expect_eq(s.n_funcs, 2);
	cr_expect_eq(s.unread.anon, 0);
	growth_sums__clear(&s);
}

static void unclear(const struct growth_sums *s, enum growth_unclear what, int64_t grown, int64_t returned)
{
	cr_expect_eq(s->unclear[what].grown.anon, grown * PAGE, "%s: %ld", growth_unclear_name(what),
		(long)s->unclear[what].grown.anon / PAGE);
	cr_expect_eq(s->unclear[what].returned.anon, returned * PAGE, "%s", growth_unclear_name(what));
}

/* Where it was is known for all that: to the line. */
Test(growth, inside_of_a_node_is_of_its_own_function_and_of_the_callers_that_are_known)
{
	struct growth_sums s;

	three();
	came(.at = 101, .func = 40, .line = 7, .flags = RT_CELL_INSIDE, .anon = 4, .gone = 1);
	came(.at = 101, .func = 20, .line = 2, .flags = RT_CELL_INSIDE, .anon = 2); /* it recurs */
	came(.at = RT_NODE_REST, .func = 50, .line = 9, .flags = RT_CELL_INSIDE, .anon = 8);
	came(.at = 101, .func = 20, .line = 2, .anon = 16);
	s = sum(1);
	is(&s, 40, 4, 4, 1);
	is(&s, 20, 18, 22, 1);
	is(&s, 10, 0, 22, 1);
	is(&s, 50, 8, 8, 0);
	cr_expect_eq(find(s.lines, s.n_lines, 40, 7)->self_grown.anon, 4 * PAGE);
	cr_expect_eq(find(s.lines, s.n_lines, 20, 2)->self_grown.anon, 18 * PAGE);
	cr_expect_eq(s.grown.anon, 30 * PAGE);
	cr_expect_eq(s.rest.anon, 0);
	unclear(&s, UNCLEAR_CALLERS, 14, 1);
	unclear(&s, UNCLEAR_NAMES, 0, 0);
	growth_sums__clear(&s);
}

Test(growth, of_which_not_all_callers_are_known_is_counted)
{
	struct growth_sums s;

	three();
	node(200, RT_NODE_UNKNOWN, 20);
	node(201, 200, 30);
	node(300, 999, 30); /* 999 was lost */
	came(.at = 201, .func = 30, .anon = 1);
	came(.at = 300, .func = 30, .anon = 2, .gone = 8);
	came(.at = 102, .func = 30, .anon = 4);
	came(.kind = RT_CELL_STACK, .at = 201, .anon = 1);
	came(.kind = RT_CELL_STACK, .at = 102, .anon = 2);
	came(.kind = RT_CELL_STACK, .at = 102, .anon = 4, .flags = RT_CELL_CUT);
	came(.kind = RT_CELL_STACK, .at = RT_NODE_REST, .anon = 8);
	s = sum(1);
	unclear(&s, UNCLEAR_CALLERS, 3, 8);
	unclear(&s, UNCLEAR_STACKS, 5, 0);
	cr_assert_eq(s.n_stacks, 4);
	for (size_t i = 0; i < 4; i++)
		cr_expect_eq(s.stacks[i].cut, s.stacks[i].grown.anon == PAGE || s.stacks[i].grown.anon == 4 * PAGE);
	growth_sums__clear(&s);
}

Test(growth, of_functions_mappings_and_threads_without_a_name_is_counted)
{
	struct growth_sums s;

	node(100, 0, RT_NO_FUNC);
	thread_node(101, "worker");
	cr_assert_eq(growth__mapping(g, &(struct rt_mapping){.map = 7, .map_kind = RT_MAP_HEAP}), 0);
	came(.at = 100, .func = RT_NO_FUNC, .anon = 1);
	came(.at = 101, .func = RT_NO_FUNC, .anon = 2);
	came(.kind = RT_CELL_MAPPING, .at = RT_NODE_REST, .anon = 4);
	came(.kind = RT_CELL_MAPPING, .at = 8, .anon = 8);
	came(.kind = RT_CELL_MAPPING, .at = 7, .anon = 16);
	came(.kind = RT_CELL_MAPPING, .at = 0, .anon = 32);
	came(.kind = RT_CELL_THREAD, .at = 0, .anon = 64);
	came(.kind = RT_CELL_THREAD, .at = 9, .anon = 1);
	s = sum(1);
	unclear(&s, UNCLEAR_CALLERS, 0, 0);
	unclear(&s, UNCLEAR_NAMES, 1, 0);
	unclear(&s, UNCLEAR_MAPPINGS, 12, 0);
	unclear(&s, UNCLEAR_THREADS, 64, 0);
	cr_assert_eq(s.n_mappings, 3);
	cr_expect_null(s.mappings[0].what);
	cr_expect_eq(s.mappings[2].what->map_kind, RT_MAP_REST);
	growth_sums__clear(&s);
}

/* Nobody has recorded these: a tape is a stranger's file. */
Test(growth, of_callers_in_a_circle_ends_and_is_counted_once)
{
	struct growth_sums s;

	node(100, 102, 10);
	node(101, 100, 20);
	node(102, 101, 30);
	node(103, 103, 40); /* its own caller: none */
	node(RT_NODE_REST, 0, 50);
	came(.at = 101, .func = 20, .anon = 2);
	came(.at = 103, .func = 40, .anon = 4);
	came(.at = RT_NODE_REST, .func = 50, .anon = 8);
	came(.kind = RT_CELL_STACK, .at = 101, .anon = 2);
	s = sum(1);
	is(&s, 10, 0, 2, 0);
	is(&s, 20, 2, 2, 0);
	is(&s, 30, 0, 2, 0);
	cr_expect_eq(s.n_funcs, 3);
	cr_expect_eq(s.unread.anon, 4 * PAGE);
	cr_expect_eq(s.rest.anon, 8 * PAGE);
	growth_sums__clear(&s);
}

Test(growth, of_more_than_there_are_numbers_does_no_harm)
{
	struct rt_growth ev = {.key = {.kind = RT_CELL_PLACE, .at = 100, .serial = 1},
		.grown = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX}, .returned = {INT64_MIN, INT64_MIN, -1, 1}};
	static const uint64_t places[] = {100, RT_NODE_UNKNOWN, RT_NODE_REST};
	struct growth_sums s;

	node(100, 0, 10);
	for (size_t i = 0; i < 12; i++) {
		ev.key.at = places[i % 3];
		ev.key.instr = (int32_t)i;
		cr_assert_eq(growth__add(g, &ev), 0);
		cr_assert_eq(growth__add(g, &ev), 0);
	}
	for (ev.key.kind = 0; ev.key.kind < 9; ev.key.kind++)
		cr_assert_eq(growth__add(g, &ev), 0);
	s = sum(1);
	cr_expect_eq(s.n_funcs, 1);
	growth_sums__clear(&s);
}

/* --- mappings, threads and stacks --------------------------------------------------------------- */

Test(growth, by_mapping_adds_up_what_is_known_and_what_is_not)
{
	struct rt_mapping heap = {.map = 7, .map_kind = RT_MAP_HEAP}, again = {.map = 7, .map_kind = RT_MAP_FILE};
	struct growth_sums s;

	cr_assert_eq(growth__mapping(g, &heap), 0);
	cr_assert_eq(growth__mapping(g, &again), 0);
	cr_assert_eq(growth__mapping(g, &(struct rt_mapping){.map = 0, .map_kind = RT_MAP_FILE}), 0);
	came(.kind = RT_CELL_MAPPING, .at = 7, .anon = 5, .gone = 1);
	came(.kind = RT_CELL_MAPPING, .at = 0, .anon = 2);
	came(.kind = RT_CELL_MAPPING, .at = 8, .anon = 1); /* told, and lost */
	s = sum(1);
	cr_assert_eq(s.n_mappings, 3);
	cr_expect_eq(s.mappings[0].what->map_kind, RT_MAP_HEAP);
	cr_expect_eq(s.mappings[0].grown.anon, 5 * PAGE);
	cr_expect_eq(s.mappings[0].returned.anon, PAGE);
	cr_expect_null(s.mappings[1].what);
	cr_expect_eq(s.mappings[1].grown.anon, 2 * PAGE);
	cr_expect_eq(s.mappings[2].what->map_kind, RT_MAP_REST);
	cr_expect_eq(s.mappings[2].grown.anon, PAGE);
	cr_expect_eq(s.grown.anon, 0, "places are counted apart");
	growth_sums__clear(&s);
}

static int collect(void *ctx, const struct growth_place *frame)
{
	uint32_t **at = ctx;

	*(*at)++ = frame->func;
	return frame->func == 20 ? 5 : 0;
}

Test(growth, a_path_goes_outwards_until_it_is_told_to_end)
{
	uint32_t funcs[8] = {0}, *at = funcs;

	three();
	cr_expect_eq(growth__path(g, 102, collect, &at), 5);
	cr_expect_eq(at - funcs, 2);
	cr_expect_eq(funcs[0], 30);
	cr_expect_eq(funcs[1], 20);
	at = funcs;
	cr_expect_eq(growth__path(g, 103, collect, &at), 0);
	cr_expect_eq(at - funcs, 2);
	cr_expect_eq(growth__path(g, 4711, collect, &at), 0);
	cr_expect_eq(at - funcs, 2);
}

static int count(void *ctx, const struct growth_place *frame)
{
	++*(size_t *)ctx;
	return 0;
}

Test(growth, a_path_in_a_circle_ends)
{
	size_t n = 0;

	node(100, 101, 10);
	node(101, 100, 20);
	cr_expect_eq(growth__path(g, 100, count, &n), 0);
	cr_expect_geq(n, 2);
	cr_expect_leq(n, 4096);
}

Test(growth, by_stack_is_of_native_functions_alone)
{
	struct growth_sums s;

	node(100, 0, 10);		      /* of Python */
	node(101, 100, RT_PY_FUNC_END + 1);   /* that calls C, */
	node(102, 101, RT_PY_FUNC_END + 2);
	node(103, 102, RT_PY_FUNC_END + 1);   /* which recurs */
	came(.kind = RT_CELL_STACK, .at = 103, .anon = 4);
	came(.kind = RT_CELL_STACK, .at = 102, .anon = 2);
	came(.kind = RT_CELL_STACK, .at = RT_NODE_REST, .anon = 1);
	s = sum(1);
	cr_assert_eq(s.n_stacks, 3);
	cr_expect_eq(s.stacks[0].node, 103);
	cr_expect_eq(s.stacks[2].node, 0, "not sampled");
	cr_expect_eq(s.stacks[2].grown.anon, PAGE);
	cr_assert_eq(s.n_natives, 2);
	cr_expect_eq(find(s.natives, 2, RT_PY_FUNC_END + 1, 0)->self_grown.anon, 4 * PAGE);
	cr_expect_eq(find(s.natives, 2, RT_PY_FUNC_END + 1, 0)->all_grown.anon, 6 * PAGE);
	cr_expect_eq(find(s.natives, 2, RT_PY_FUNC_END + 2, 0)->self_grown.anon, 2 * PAGE);
	cr_expect_eq(find(s.natives, 2, RT_PY_FUNC_END + 2, 0)->all_grown.anon, 6 * PAGE);
	growth_sums__clear(&s);
}

Test(growth, by_native_function_in_a_circle_is_counted_once)
{
	struct growth_sums s;

	node(100, 101, RT_PY_FUNC_END + 1);
	node(101, 100, RT_PY_FUNC_END + 2);
	came(.kind = RT_CELL_STACK, .at = 100, .anon = 4);
	s = sum(1);
	cr_expect_eq(find(s.natives, s.n_natives, RT_PY_FUNC_END + 1, 0)->self_grown.anon, 4 * PAGE);
	cr_expect_eq(find(s.natives, s.n_natives, RT_PY_FUNC_END + 1, 0)->all_grown.anon, 4 * PAGE);
	growth_sums__clear(&s);
}

/* --- programs ----------------------------------------------------------------------------------- */

Test(growth, keeps_programs_with_an_account_in_the_order_of_their_ends)
{
	struct proc a = {.pid = 5, .serial = 9, .role = "server", .start_ns = 77, .lost = 3};
	struct proc b = {.pid = 6, .serial = 4, .role = "", .comm = "worker"};
	struct proc none = {.pid = 7, .role = "x"}, borrowed = {.pid = 8, .serial = 5, .role = "x", .borrowed = true};
	const struct growth_program *p;
	size_t n;

	a.totals.first.anon = 4096;
	cr_assert_eq(growth__program(g, &a), 0);
	cr_assert_eq(growth__program(g, &none), 0);
	cr_assert_eq(growth__program(g, &borrowed), 0);
	cr_assert_eq(growth__program(g, &b), 0);
	p = growth__programs(g, &n);
	cr_assert_eq(n, 2);
	cr_expect_eq(p[0].pid, 5);
	cr_expect_eq(p[0].serial, 9);
	cr_expect_eq(p[0].start_ns, 77);
	cr_expect_eq(p[0].lost, 3);
	cr_expect_eq(p[0].totals.first.anon, 4096);
	cr_expect_str_eq(p[0].role, "server");
	cr_expect_str_eq(p[1].role, "worker", "without a role it goes by its name");
}

Test(growth, of_nothing_is_nothing)
{
	cr_expect_not(growth__any(g));
	node(100, 0, 10);
	cr_expect_not(growth__any(g));
	came(.at = 100, .func = 10, .anon = 1);
	cr_expect(growth__any(g));
	growth__free(NULL);
}
