/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How a clock's error is read, and what several of them are worth together. */
#include "clocks.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <time.h>
#include "clock.h"
#include "prng.h"
#include "report.h"
#include "schema.h"
#include "tapes.h"

#define MS 1000000ull

/* --- reading ---------------------------------------------------------------------------------- */

Test(clock, the_tightest_of_several_readings_counts)
{
	static const struct clock_try tries[] = { { 100, 5000, 900 }, { 1000, 6105, 1201 },
		{ 2000, 9999, 4000 } };
	uint64_t read_ns;

	cr_expect_eq(clock_offset(tries, 3, &read_ns), 6105 - 1100);
	cr_expect_eq(read_ns, 101, "half of 201, and not less");
	cr_expect_eq(clock_offset(&(struct clock_try){ 7, 3, 7 }, 1, &read_ns), -4);
	cr_expect_eq(read_ns, 1, "0 says that nothing is known");
}

static int64_t now(clockid_t clock)
{
	struct timespec ts;

	cr_assert_eq(clock_gettime(clock, &ts), 0);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

Test(clock, what_is_read_here_lies_between_two_other_readings)
{
	int64_t before = now(CLOCK_MONOTONIC), real = now(CLOCK_REALTIME);
	int64_t after = now(CLOCK_MONOTONIC), offset;
	struct timex tx = { 0 };
	struct fact_clock clock;

	clock_read(&offset, &clock);
	cr_expect_gt(clock.read_ns, 0);
	cr_expect_lt(clock.read_ns, 10 * MS);
	cr_expect_geq(offset, real - after - (int64_t)clock.read_ns);
	cr_expect_leq(offset, real - before + (int64_t)clock.read_ns);
	cr_assert_geq(adjtimex(&tx), 0);
	cr_expect_eq(clock.synced, !(tx.status & (STA_UNSYNC | STA_CLOCKERR)));
	cr_expect_eq(clock.tai_s, tx.tai);
}

Test(clock, what_the_kernel_says_is_taken_as_it_is_meant)
{
	static const struct {
		int returned, status;
		long estimate_us, most_us;
		struct fact_clock want;
	} cases[] = {
		{ TIME_OK, STA_PLL, 180, 2500, { 0, true, 180000, 2500000, 37 } },
		{ TIME_INS, 0, 180, 2500, { 0, true, 180000, 2500000, 37 } },
		{ TIME_OK, 0, 0, 2500, { 0, true, 2500000, 2500000, 37 } }, /* no estimate */
		{ TIME_OK, 0, 16000000, 2500, { 0, true, 2500000, 2500000, 37 } }, /* as booted */
		{ TIME_OK, 0, -1, -1, { 0, true, 0, 0, 37 } },
		{ TIME_ERROR, STA_UNSYNC, 16000000, 16000000, { 0, false, 0, 0, 37 } },
		{ TIME_ERROR, STA_CLOCKERR, 180, 2500, { 0, false, 0, 0, 37 } },
		{ -1, 0, 180, 2500, { 0, false, 0, 0, 0 } }, /* not allowed to ask */
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct timex tx = { .status = cases[i].status, .esterror = cases[i].estimate_us,
			.maxerror = cases[i].most_us, .tai = 37 };
		const struct fact_clock *want = &cases[i].want;
		struct fact_clock clock = { 0 };

		clock_judge(cases[i].returned, &tx, &clock);
		cr_expect_eq(clock.synced, want->synced, "case %zu", i);
		cr_expect_eq(clock.estimate_ns, want->estimate_ns, "case %zu", i);
		cr_expect_eq(clock.most_ns, want->most_ns, "case %zu", i);
		cr_expect_eq(clock.tai_s, want->tai_s, "case %zu", i);
	}
}

/* --- several, in a merged log ----------------------------------------------------------------- */

#define SYNCED(estimate, most) { .read_ns = 100, .synced = true, .estimate_ns = estimate, .most_ns = most }

static const struct fact_clock good = SYNCED(500000, 2 * MS), unsynced = { .read_ns = 100 }, none;

struct machine {
	char *name, *boot_id;
	int64_t offset_ns, end_offset_ns; /* the latter 0: the same */
	struct fact_clock start, end;
};

/* Rows at these times, up to 0, of the machine's own clock. */
static void put_machine(struct tapes *t, const struct machine *m, const uint64_t *times)
{
	struct tape_writer *w = add_tape(t);

	put_fact(w, REC_HOST, host, .host = m->name, .kernel = "", .version = "", .boot_id = m->boot_id,
		.realtime_offset_ns = m->offset_ns, .clock = m->start);
	put_spec(w, 0, "bin:x", "x", NULL);
	put_func(w, 7, "x", 0);
	for (; *times; times++)
		put_event(w, cp, .pid = 5, .time_ns = *times, .func = 7, .when = RT_ENTRY);
	put_release(w, UINT64_MAX);
	put_fact(w, REC_END, end, .time_ns = SEC, .reason = "exit",
		.realtime_offset_ns = m->end_offset_ns ? m->end_offset_ns : m->offset_ns,
		.clock = m->end);
}

#define TIMES(...) (const uint64_t[]){ __VA_ARGS__, 0 }

static char *report_of_two(const struct machine *a, const uint64_t *times_a, const struct machine *b,
	const uint64_t *times_b, enum lang lang)
{
	struct tapes t = { .dir = scratch__new() };
	char *text;

	put_machine(&t, a, times_a);
	put_machine(&t, b, times_b);
	close_writers(&t);
	text = in_format(&t, "text", lang);
	tapes__free(&t);
	return text;
}

static void expect_in(char *text, const char *part)
{
	cr_expect(strstr(text, part), "no \"%s\" in %s", part, text);
}

static void expect_not_in(char *text, const char *part)
{
	cr_expect_null(strstr(text, part), "\"%s\" in %s", part, text);
}

Test(clocks, hosts_that_are_synchronised_agree_within_both_errors)
{
	struct machine a = { "hosta", "1", BOOT, 0, good, good };
	struct machine b = { "hostb", "2", BOOT + (int64_t)SEC, 0, SYNCED(200000, MS), SYNCED(200000, MS) };
	/* on the clock of a at 1001.5, 1012 and 1020 ms: one of them within 3 ms of a row of a */
	const uint64_t *of_a = TIMES(1000 * MS, 1008 * MS, 1016 * MS);
	const uint64_t *of_b = TIMES(3 * MS / 2, 12 * MS, 20 * MS);
	char *text = report_of_two(&a, of_a, &b, of_b, LANG_EN);

	expect_in(text, "\nClocks:\n  times agree within 700.2 µs (estimated; at most 3.1 ms): hosta, hostb\n"
		"  rows so soon after one of another host that their order is not certain, at most: 1\n\n");
	free(text);
	text = report_of_two(&a, of_a, &b, of_b, LANG_ZH);
	expect_in(text, "\n各主机的时钟:\n  时间相差不超过 700.2 µs (估计; 最多 3.1 ms): hosta, hostb\n"
		"  与其他主机的行过近而先后不确定的行, 最多: 1\n\n");
	free(text);
}

Test(clocks, the_worse_end_of_a_run_counts)
{
	struct machine a = { "hosta", "1", BOOT, 0, good, SYNCED(500000, 9 * MS) };
	struct machine b = { "hostb", "2", BOOT, 0, good, good };
	char *text = report_of_two(&a, TIMES(10 * MS), &b, TIMES(20 * MS), LANG_EN);

	expect_in(text, "(estimated; at most 11.1 ms): hosta, hostb\n");
	expect_in(text, "at most: 1\n");
	free(text);
}

Test(clocks, one_that_nothing_synchronises_is_named_and_no_order_claimed)
{
	struct machine a = { "hosta", "1", BOOT, 0, good, good };
	struct machine at_start = { "hostb", "2", BOOT, 0, unsynced, good };
	struct machine at_end = { "hostb", "2", BOOT, 0, good, unsynced };
	const struct machine *const bs[] = { &at_start, &at_end };

	for (int i = 0; i < 2; i++) {
		char *text = report_of_two(&a, TIMES(10), bs[i], TIMES(11), LANG_EN);

		expect_in(text, "Clocks:\n  not synchronised, so the order against the others is not "
			"known: hostb\n\n");
		expect_not_in(text, "agree");
		free(text);
	}
}

Test(clocks, a_tape_of_an_old_version_says_nothing_of_its_clock)
{
	struct machine a = { "hosta", NULL, BOOT, 0, none, none }, b = { "hostb", NULL, BOOT, 0, none, none };
	char *text = report_of_two(&a, TIMES(10), &b, TIMES(11), LANG_EN);

	expect_in(text, "Clocks:\n  no word of its error in the recording, so the order is not known: "
		"hosta, hostb\n\n");
	free(text);
}

Test(clocks, one_that_was_set_during_the_run_is_told_with_by_how_much)
{
	struct machine a = { "hosta", "1", BOOT, BOOT + 3214000000, good, good };
	struct machine b = { "hostb", "2", BOOT, BOOT - 2000, good, good };
	char *text = report_of_two(&a, TIMES(10), &b, TIMES(11), LANG_EN);

	expect_in(text, "set while it was traced (or the machine slept), so the order is not known: "
		"hosta (+3.214000 s), hostb (-0.000002 s)\n");
	expect_not_in(text, "agree");
	free(text);
	b.end_offset_ns = BOOT + 199; /* two readings of 100 ns each */
	text = report_of_two(&a, TIMES(10), &b, TIMES(11), LANG_EN);
	expect_in(text, "so the order is not known: hosta (+3.214000 s)\n");
	free(text);
}

/* The times of day of the second would put its row before the first's. */
Test(clocks, runs_of_one_boot_have_one_clock_and_an_exact_order)
{
	struct machine a = { "box", "same", BOOT, 0, unsynced, unsynced };
	struct machine b = { "box", "same", BOOT - 150, 0, unsynced, unsynced };
	struct tapes t = { .dir = scratch__new() };
	char *text;

	put_machine(&t, &a, TIMES(1000, 1100));
	put_machine(&t, &b, TIMES(1050));
	close_writers(&t);
	text = in_format(&t, "jsonl", LANG_EN);
	expect_in(text, "\"seq\":2,\"time_ns\":1050,");
	expect_in(text, "\"clocks\":{\"distinct\":1,\"synchronised\":0,\"estimate_ns\":null,");
	expect_in(text, "{\"run\":2,\"state\":\"unsynchronised\",\"same_as\":1,");
	free(text);
	text = in_format(&t, "text", LANG_EN);
	expect_not_in(text, "Clocks:");
	free(text);
	tapes__free(&t);
}

Test(clocks, a_clock_that_was_set_between_two_runs_is_another)
{
	struct machine a = { "box", "same", BOOT, 0, good, good };
	struct machine b = { "box", "same", BOOT + (int64_t)SEC, 0, good, good };
	char *text = report_of_two(&a, TIMES(10), &b, TIMES(11), LANG_EN);

	expect_in(text, "times agree within");
	free(text);
}

Test(clocks, jsonl_of_several_hosts_is_valid_by_the_schema)
{
	const struct machine all[] = { { "hosta", "1", BOOT, 0, good, good },
		{ "hostb", "2", BOOT, BOOT - (int64_t)SEC, good, good },
		{ "hostc", "3", BOOT, 0, unsynced, unsynced }, { "hostd", NULL, BOOT, 0, none, none } };
	struct tapes t = { .dir = scratch__new() };
	json_t *line, *clocks = NULL;
	char *text;

	for (size_t i = 0; i < 4; i++)
		put_machine(&t, &all[i], TIMES(100 + i));
	close_writers(&t);
	text = in_format(&t, "jsonl", LANG_EN);
	schema_root = json_loads(sink_jsonl_schema(), 0, NULL);
	for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
		line = json_loads(s, 0, NULL);
		cr_assert(valid(schema_root, line), "%s", s);
		if (json_object_get(line, "clocks"))
			clocks = json_incref(json_object_get(line, "clocks"));
		json_decref(line);
	}
	cr_assert_not_null(clocks);
	cr_expect_eq(json_integer_value(json_object_get(clocks, "distinct")), 4);
	cr_expect_eq(json_integer_value(json_object_get(clocks, "synchronised")), 1);
	for (size_t i = 0; i < 4; i++) {
		static const char *const states[] = { "synchronised", "set", "unsynchronised", "unknown" };
		json_t *run = json_array_get(json_object_get(clocks, "runs"), i);

		cr_expect_str_eq(json_string_value(json_object_get(run, "state")), states[i]);
		cr_expect_eq(json_integer_value(json_object_get(run, "moved_ns")), i == 1 ? -(int)SEC : 0);
	}
	json_decref(clocks);
	json_decref(schema_root);
	free(text);
	tapes__free(&t);
}

/* --- by themselves ---------------------------------------------------------------------------- */

/* Random rows of three clocks; each is held against all that came before. */
static void count_by_hand(struct prng *rng, uint64_t error_ns)
{
	struct fact_host host[3];
	const struct fact_host *hosts[3];
	uint64_t times[3] = { 0 }, t = 1000, close = 0, well_off = 0;
	const struct run_clocks *j;
	struct clocks *c;

	for (int i = 0; i < 3; i++) {
		host[i] = (struct fact_host){ .host = "h", .realtime_offset_ns = BOOT,
			.clock = { .read_ns = 1, .synced = true, .estimate_ns = error_ns, .most_ns = error_ns } };
		hosts[i] = &host[i];
	}
	c = clocks__new(hosts, 3);
	for (int n = 0; n < 1000; n++) {
		size_t k = prng__below(rng, 3);
		uint64_t other = 0, bound = 2 * error_ns + 2;

		t += prng__below(rng, 2 * error_ns + 9);
		for (size_t i = 0; i < 3; i++)
			if (i != k && times[i] > other)
				other = times[i];
		close += other && t - other <= bound;
		well_off += other && t - other > bound + bound / 8;
		times[k] = t;
		clocks__row(c, k, t);
	}
	j = clocks__judge(c);
	cr_expect_eq(j->most_ns, 2 * error_ns + 2);
	cr_expect_geq(j->close, close, "error %lu", (unsigned long)error_ns);
	cr_expect_leq(j->close, 999 - well_off, "error %lu", (unsigned long)error_ns);
	cr_expect_gt(close, 100);
	clocks__free(c);
}

Test(clocks, no_row_whose_order_is_uncertain_is_left_out_and_few_others_counted)
{
	struct prng rng = { 7 };

	for (uint64_t error_ns = 1; error_ns < 20 * SEC; error_ns = error_ns * 3 + prng__below(&rng, 5))
		count_by_hand(&rng, error_ns);
}

Test(clocks, errors_that_no_clock_has_do_no_harm)
{
	struct fact_host host[2];
	const struct fact_host *hosts[] = { &host[0], &host[1] };
	struct fact_end end = { .realtime_offset_ns = INT64_MAX, .clock = { .read_ns = 1 } };
	const struct run_clocks *j;
	struct clocks *c;

	for (int i = 0; i < 2; i++)
		host[i] = (struct fact_host){ .boot_id = "same", .realtime_offset_ns = i ? INT64_MAX : INT64_MIN,
			.clock = { .read_ns = INT64_MAX, .synced = true, .estimate_ns = INT64_MAX,
				.most_ns = INT64_MAX } };
	c = clocks__new(hosts, 2);
	clocks__row(c, 0, 5);
	clocks__row(c, 1, UINT64_MAX);
	clocks__end(c, 0, &end);
	clocks__end(c, 1, NULL);
	j = clocks__judge(c);
	cr_expect_eq(j->n, 2);
	clocks__free(c);
}

static char *report_of(const struct run_clocks *c)
{
	struct run_summary sum = { .clocks = c };
	FILE *file = tmpfile();
	struct out *out = out__new(dup(fileno(file)));
	char *text = calloc(1, 4096);

	report_clocks(LANG_EN, &sum, out);
	cr_assert_eq(out__close(out), 0);
	rewind(file);
	cr_assert_gt(fread(text, 1, 4095, file), 0);
	fclose(file);
	return text;
}

Test(clocks, a_thousand_hosts_take_a_few_lines)
{
	struct run_clock runs[1000] = { { .host = "n" } };
	struct run_clocks c = { .runs = runs, .n = 1000, .clocks = 1000, .synced = 500 };
	char *text;

	for (size_t i = 0; i < 1000; i++)
		runs[i] = (struct run_clock){ .host = "n", .same_as = i,
			.state = i % 2 ? CLOCK_UNSYNCED : CLOCK_SYNCED };
	text = report_of(&c);
	expect_in(text, ": n, n, n, n, n, n, n, n, more: 492\n");
	expect_in(text, "not synchronised, so the order against the others is not known: n, n, n, n, n, n, n, "
		"n, more: 492\n");
	free(text);
}

Test(clocks, a_bound_is_never_rounded_down)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} cases[] = { { 0, "within 0 ns (" }, { 999, "within 999 ns (" }, { 1000, "within 1.0 µs (" },
		{ 1001, "within 1.1 µs (" }, { 999901, "within 1000.0 µs (" }, { 1200000, "within 1.2 ms (" },
		{ 1200001, "within 1.3 ms (" }, { 32 * SEC, "within 32.0 s (" },
		{ UINT64_MAX, "within 18446744073.8 s (" } };
	struct run_clock runs[2] = { { .host = "a" }, { .host = "b", .same_as = 1 } };

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct run_clocks c = { .runs = runs, .n = 2, .clocks = 2, .synced = 2,
			.estimate_ns = cases[i].ns };
		char *text = report_of(&c);

		expect_in(text, cases[i].text);
		free(text);
	}
}
