/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tally.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "fact.h"

/* --- what the kernel counted: in place of session.c ------------------------------------------- */

struct session {
	unsigned int missed_func; /* this one lost something */
	struct rt_hits missed;
};

void session__losses(const struct session *s, uint64_t loss[RT_LOSS_MAX])
{
	for (unsigned int i = 0; i < RT_LOSS_MAX; i++)
		loss[i] = 10 * i;
}

void session__tree_peak(const struct session *s, struct rt_snapshot *peak, uint64_t *time_ns)
{
	*peak = (struct rt_snapshot){.anon = 5, .file = 7};
	*time_ns = 9;
}

struct rt_hits session__missed(const struct session *s, unsigned int func)
{
	return func == s->missed_func ? s->missed : (struct rt_hits){ 0 };
}

/* --- what comes out --------------------------------------------------------------------------- */

#define MAX 200000

struct sum {
	unsigned int records, functions;
	uint64_t loss[RT_LOSS_MAX], cpu_ns;
	struct rt_hits hits[MAX];
	int answer;
};

static int on_record(void *ctx, const struct record *rec)
{
	struct sum *sum = ctx;
	struct fact fact;

	cr_assert_eq(rec->kind, REC_COUNTERS);
	cr_assert_eq(fact__decode(rec, &fact), 0);
	sum->records++;
	sum->cpu_ns = fact.counters.cpu_ns;
	for (int i = 0; i < RT_LOSS_MAX; i++)
		sum->loss[i] = fact.counters.loss[i];
	for (size_t i = 0; i < fact.counters.n_hits; i++) {
		struct fact_hits h = fact.counters.hits[i];

		cr_assert_lt(h.func, MAX);
		sum->functions++;
		sum->hits[h.func].entries += h.entries;
		sum->hits[h.func].returns += h.returns;
	}
	fact__clear(&fact);
	return sum->answer;
}

static void count(struct tally *t, uint32_t func, enum rt_when when)
{
	cr_assert_eq(tally__count(t, &(struct rt_checkpoint){ .func = func, .when = when }), 0);
}

static struct sum sum; /* too large for a stack */
static const struct fact_counters nothing; /* was measured */

Test(tally, entries_and_returns_are_counted_by_function)
{
	struct session s = { .missed_func = 9 };
	struct tally *t = tally__new();

	for (int i = 0; i < 5; i++)
		count(t, 3, RT_ENTRY);
	for (int i = 0; i < 4; i++)
		count(t, 3, RT_RETURN);
	count(t, 0, RT_ENTRY);
	count(t, 700, RT_RETURN); /* far beyond the others */
	cr_assert_eq(tally__emit(t, &s, &nothing, 701, on_record, &sum), 0);
	cr_assert_eq(sum.functions, 701);
	for (unsigned int i = 0; i < 701; i++) {
		cr_assert_eq(sum.hits[i].entries, i == 3 ? 5 : i == 0, "%u", i);
		cr_assert_eq(sum.hits[i].returns, i == 3 ? 4 : i == 700, "%u", i);
	}
	for (int i = 0; i < RT_LOSS_MAX; i++)
		cr_assert_eq(sum.loss[i], 10U * i);
	tally__free(t);
	tally__free(NULL);
}

Test(tally, what_was_lost_is_added_also_to_functions_that_never_arrived)
{
	struct session s = { .missed_func = 1, .missed = { 100, 50 } };
	struct tally *t = tally__new();

	cr_assert_eq(tally__emit(t, &s, &nothing, 2, on_record, &sum), 0);
	cr_assert_eq(sum.hits[1].entries, 100);
	count(t, 1, RT_ENTRY);
	count(t, 1, RT_RETURN);
	sum = (struct sum){ 0 };
	cr_assert_eq(tally__emit(t, &s, &nothing, 2, on_record, &sum), 0);
	cr_assert_eq(sum.hits[1].entries, 101);
	cr_assert_eq(sum.hits[1].returns, 51);
	cr_assert_eq(sum.hits[0].entries, 0);
	tally__free(t);
}

Test(tally, points_and_ids_of_no_function_take_no_memory)
{
	struct session s = { 0 };
	struct tally *t = tally__new();

	count(t, RT_NO_FUNC, RT_POINT);
	count(t, 1U << 24, RT_ENTRY);
	cr_assert_eq(tally__emit(t, &s, &nothing, 0, on_record, &sum), 0);
	cr_assert_eq(sum.functions, 0);
	cr_assert_eq(sum.records, 1, "losses are told without functions, too");
	tally__free(t);
}

Test(tally, ids_beyond_what_was_probed_are_left_out)
{
	struct session s = { 0 };
	struct tally *t = tally__new();

	count(t, 5, RT_ENTRY);
	cr_assert_eq(tally__emit(t, &s, &(struct fact_counters){ .cpu_ns = 77 }, 3, on_record, &sum), 0);
	cr_assert_eq(sum.functions, 3);
	cr_assert_eq(sum.cpu_ns, 77, "what was measured beside it goes with it");
	tally__free(t);
}

Test(tally, many_functions_come_in_several_records_and_an_error_is_passed_on)
{
	struct session s = { 0 };
	struct tally *t = tally__new();

	for (unsigned int i = 0; i < MAX; i++)
		count(t, i, RT_ENTRY);
	cr_assert_eq(tally__emit(t, &s, &nothing, MAX, on_record, &sum), 0);
	cr_assert_gt(sum.records, 1);
	cr_assert_eq(sum.functions, MAX);
	for (unsigned int i = 0; i < MAX; i++)
		cr_assert_eq(sum.hits[i].entries, 1);
	sum = (struct sum){ .answer = -EIO };
	cr_assert_eq(tally__emit(t, &s, &nothing, MAX, on_record, &sum), -EIO);
	cr_assert_eq(sum.records, 1);
	tally__free(t);
}
