/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overhead.h"

#include <criterion/criterion.h>
#include <math.h>

#define SECOND 1000000000ULL

static const uint64_t traps[COST_INVALID] = { [COST_NOP5] = 300, [COST_EMULATED] = 700, [COST_STEPPED] = 9000 };

static void expect_ns(double have, double want)
{
	cr_expect(fabs(have - want) < 0.5, "%f, not %f", have, want);
}

/* --- what it comes to --------------------------------------------------------------------------- */

Test(overhead, a_class_is_its_runs_times_what_the_timed_ones_took)
{
	struct rt_cost c = { .runs = 6400, .sampled = 100, .ns = 25000 };

	cr_expect_eq(overhead_runs(&c), 6400);
	expect_ns(overhead_run_ns(&c), 250);
	expect_ns(overhead_class_ns(RT_COST_RSS_STAT, &c, traps), 6400 * 250);
}

Test(overhead, a_probe_has_the_trap_of_its_class_before_each_run)
{
	struct rt_cost c = { .runs = 6400, .sampled = 100, .ns = 25000 };

	expect_ns(overhead_class_ns(RT_COST_FUNCTION_NOP5, &c, traps), 6400 * (250 + 300));
	expect_ns(overhead_class_ns(RT_COST_FUNCTION, &c, traps), 6400 * (250 + 700));
	expect_ns(overhead_class_ns(RT_COST_FUNCTION_STEPPED, &c, traps), 6400 * (250 + 9000));
	expect_ns(overhead_class_ns(RT_COST_MARK_STEPPED, &c, traps), 6400 * (250 + 9000));
	expect_ns(overhead_class_ns(RT_COST_PYTHON_ENTRY, &c, traps), 6400 * (250 + 700));
}

/* Of a few runs none was timed; their traps are known. */
Test(overhead, what_is_not_known_is_left_out)
{
	struct rt_cost c = { .runs = 63 };
	const uint64_t none[COST_INVALID] = { 0 };

	expect_ns(overhead_class_ns(RT_COST_FUNCTION, &c, traps), 63 * 700);
	expect_ns(overhead_class_ns(RT_COST_FUNCTION, &c, none), 0);
	expect_ns(overhead_class_ns(RT_COST_RSS_STAT, &c, traps), 0);
}

Test(overhead, processes_that_are_not_traced_are_kept_apart)
{
	struct rt_cost c = { .runs = 1000, .sampled = 10, .ns = 2000,
		.others = 900, .others_sampled = 9, .others_ns = 180 };

	cr_expect_eq(overhead_runs(&c), 100);
	expect_ns(overhead_class_ns(RT_COST_SWITCH, &c, traps), 100 * 200);
	expect_ns(overhead_others_ns(&c), 900 * 20);
	c.others = 2000; /* no tool wrote that */
	cr_expect_eq(overhead_runs(&c), 0);
}

Test(overhead, the_total_is_of_all_classes)
{
	struct rt_cost costs[RT_COST_MAX] = { [RT_COST_RSS_STAT] = { .runs = 64, .sampled = 1, .ns = 100 },
		[RT_COST_FUNCTION_STEPPED] = { .runs = 64, .sampled = 1, .ns = 1000 }, [RT_COST_SAMPLE] = { .runs = 2, .sampled = 2, .ns = 60000 } };

	expect_ns(overhead_total_ns(costs, traps), 64 * 100 + 64 * (1000 + 9000) + 60000);
}

Test(overhead, a_hit_is_a_trap_and_a_run)
{
	struct rt_cost costs[RT_COST_MAX] = { [RT_COST_FUNCTION] = { .runs = 64, .sampled = 1, .ns = 400 },
		[RT_COST_FUNCTION_STEPPED] = { .runs = 64, .sampled = 1, .ns = 500 } };

	expect_ns(overhead_hit_ns(COST_EMULATED, costs, traps), 1100);
	expect_ns(overhead_hit_ns(COST_STEPPED, costs, traps), 9500);
	expect_ns(overhead_hit_ns(COST_NOP5, costs, traps), 700); /* of the same program */
	expect_ns(overhead_hit_ns(COST_INVALID, costs, traps), 0);
}

Test(overhead, every_class_has_a_name_of_its_own)
{
	for (int i = 0; i < RT_COST_MAX; i++) {
		cr_assert(overhead_class_name(i));
		for (int k = 0; k < i; k++)
			cr_expect_str_neq(overhead_class_name(i), overhead_class_name(k));
	}
}

/* --- when it is too much ------------------------------------------------------------------------ */

struct course {
	struct overhead *o;
	struct overhead_reading now;
};

static void begin(struct course *c, double limit)
{
	c->o = overhead__new(limit);
	cr_assert(c->o);
	c->now = (struct overhead_reading){ .time_ns = 1000 * SECOND };
	overhead__look(c->o, &c->now);
}

/* A second in which the processes ran for cpu_ms, and tracing took `percent` of that. */
static enum overhead_change second(struct course *c, unsigned int cpu_ms, double percent)
{
	c->now.time_ns += SECOND;
	c->now.cpu_ns += cpu_ms * 1000000ULL;
	c->now.class_ns[RT_COST_FAULT] += cpu_ms * 1e6 * percent / 100 / 4;
	c->now.class_ns[RT_COST_RSS_STAT] += cpu_ms * 1e6 * percent / 100 * 3 / 4;
	return overhead__look(c->o, &c->now);
}

Test(overhead, above_the_limit_for_some_seconds_is_told_once_with_the_figures)
{
	struct course c;
	double most;

	begin(&c, 3);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(second(&c, 1000, 2.9), OVERHEAD_SAME);
	cr_assert_eq(second(&c, 1000, 8), OVERHEAD_SAME);
	cr_assert_eq(second(&c, 1000, 8), OVERHEAD_SAME);
	cr_assert_eq(second(&c, 1000, 5), OVERHEAD_ABOVE);
	expect_ns(overhead__percent(c.o) * 1000, 7000);
	cr_expect_eq(overhead__most(c.o, &most), RT_COST_RSS_STAT);
	expect_ns(most * 1000, 5250);
	for (int i = 0; i < 20; i++)
		cr_assert_eq(second(&c, 1000, 8), OVERHEAD_SAME);
	overhead__free(c.o);
}

Test(overhead, a_peak_is_not_enough)
{
	struct course c;

	begin(&c, 3);
	for (int i = 0; i < 20; i++) {
		cr_assert_eq(second(&c, 1000, 50), OVERHEAD_SAME);
		cr_assert_eq(second(&c, 1000, 50), OVERHEAD_SAME);
		cr_assert_eq(second(&c, 1000, 1), OVERHEAD_SAME);
	}
	overhead__free(c.o);
}

/* What was left out would come back, and be too much again: it has to be well below. */
Test(overhead, it_is_over_when_it_is_half_of_the_limit)
{
	struct course c;

	begin(&c, 3);
	for (int i = 0; i < 2; i++)
		second(&c, 1000, 10);
	cr_assert_eq(second(&c, 1000, 10), OVERHEAD_ABOVE);
	for (int i = 0; i < 9; i++)
		cr_assert_eq(second(&c, 1000, 2), OVERHEAD_SAME);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(second(&c, 1000, 1), OVERHEAD_SAME);
	cr_assert_eq(second(&c, 1000, 1), OVERHEAD_BELOW);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(second(&c, 1000, 10), OVERHEAD_SAME);
	cr_assert_eq(second(&c, 1000, 10), OVERHEAD_ABOVE);
	overhead__free(c.o);
}

/* A few milliseconds of CPU time are too few to judge by; ten such seconds are not. */
Test(overhead, seconds_in_which_little_ran_are_judged_together)
{
	struct course c;
	int told = 0, seconds = 0;

	begin(&c, 3);
	for (; seconds < 100 && !told; seconds++)
		told += second(&c, 10, 20) == OVERHEAD_ABOVE;
	cr_expect_eq(seconds, 30);
	overhead__free(c.o);
}

Test(overhead, nothing_runs_nothing_is_told)
{
	struct course c;

	begin(&c, 3);
	for (int i = 0; i < 100; i++)
		cr_assert_eq(second(&c, 0, 0), OVERHEAD_SAME);
	overhead__free(c.o);
	overhead__free(NULL);
}

/* The loop may turn faster than a second, and its clock be early. */
Test(overhead, looks_that_follow_each_other_closely_are_one)
{
	struct course c;

	begin(&c, 3);
	for (int i = 0; i < 9; i++) {
		c.now.time_ns += SECOND / 10;
		c.now.cpu_ns += SECOND / 10;
		c.now.class_ns[0] += SECOND / 20;
		cr_assert_eq(overhead__look(c.o, &c.now), OVERHEAD_SAME);
	}
	overhead__free(c.o);
}
