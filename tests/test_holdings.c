/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readings of /proc from the stream of records to the log: which program, when, and what is kept. */
#include "holdings.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "feed.h"
#include "out.h"
#include "render.h"
#include "schema.h"

#define KIB 1024ul
#define MIB (1024 * KIB)
#define SEC 1000000000ul

/* --- what comes out ------------------------------------------------------------------------------- */

/* What ops were given, as text. */
struct seen {
	FILE *f;
	char *text;
	size_t len;
	struct run *run;
	struct run_summary sum;
	struct tree_reading most;
};

static int see_row(void *ctx, const struct row *row)
{
	fprintf(((struct seen *)ctx)->f, "row %lu pid %u\n", row->time_ns, row->pid);
	return 0;
}

static int see_reading(void *ctx, const struct reading *r)
{
	fprintf(((struct seen *)ctx)->f, "reading %u %s %lu pid %u rss %lu\n", r->fact->number,
		reading_when_name(r->fact->when), r->time_ns, r->proc->pid,
		(unsigned long)(r->fact->sums.rss / KIB));
	return 0;
}

static int see_process(void *ctx, const struct proc *p)
{
	const struct holdings *h = p->holdings;
	FILE *f = ((struct seen *)ctx)->f;

	fprintf(f, "process %u", p->pid);
	if (!h) {
		fprintf(f, "\n");
		return 0;
	}
	fprintf(f, " readings %lu-%lu %lu..%lu most %lu check %lu %lu %ld %ld maps %lu\n", h->readings,
		h->failed, h->first.time_ns, h->last.time_ns, h->most_private / KIB, h->check.compared,
		h->check.moved, h->check.worst, h->check.worst_anon, h->maps);
	for (size_t i = 0; i < h->n_groups; i++)
		fprintf(f, "  %s %s %lu->%lu\n", smaps_kind_name(h->groups[i].kind), h->groups[i].name,
			h->groups[i].sums[0].rss / KIB, h->groups[i].sums[1].rss / KIB);
	return 0;
}

static int see_summary(void *ctx, const struct run_summary *sum)
{
	struct seen *s = ctx;

	for (size_t i = 0; i < sum->n_readings; i++)
		fprintf(s->f, "tree %u %s %lu n %lu-%lu pss %lu\n", sum->readings[i].number,
			reading_when_name(sum->readings[i].when), sum->readings[i].time_ns,
			sum->readings[i].processes, sum->readings[i].failed,
			sum->readings[i].sums.pss / KIB);
	if (sum->most)
		fprintf(s->f, "most %u pss %lu\n", sum->most->number, sum->most->sums.pss / KIB);
	if (sum->check.compared || sum->check.moved)
		fprintf(s->f, "check %lu %lu %ld rows %lu %ld\n", sum->check.compared, sum->check.moved,
			sum->check.worst, sum->check.rows, sum->check.worst_row);
	return 0;
}

static const struct row_ops see = { .row = see_row, .reading = see_reading, .process = see_process,
	.summary = see_summary };

static void seen__begin(struct seen *s)
{
	static const struct correlate_options english = { .lang = LANG_EN };

	*s = (struct seen){ 0 };
	s->f = open_memstream(&s->text, &s->len);
	s->run = run__new(&english, &see, s);
	feed_host(s->run, .start_ns = 0);
}

static const char *seen__end(struct seen *s)
{
	cr_assert_eq(run__finish(s->run), 0);
	run__free(s->run);
	fclose(s->f);
	return s->text;
}

#define POINT(run, p, t) feed_cp(run, .pid = p, .time_ns = t, .func = RT_NO_FUNC, .when = RT_POINT)

/* --- order and identity --------------------------------------------------------------------------- */

Test(holdings, a_reading_waits_for_its_turn_among_the_rows)
{
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 30, .number = 1, .sums.rss = 4 * KIB);
	POINT(s.run, 5, 20);
	POINT(s.run, 5, 40);
	cr_assert_str_eq(seen__end(&s),
		"row 10 pid 5\nrow 20 pid 5\nreading 1 start 30 pid 5 rss 4\nrow 40 pid 5\n"
		"process 5 readings 1-0 30..30 most 0 check 0 0 0 0 maps 0\n"
		"tree 1 start 30 n 1-0 pss 0\nmost 1 pss 0\n");
	free(s.text);
}

Test(holdings, a_reading_is_of_the_program_that_ran_then)
{
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	feed_exec(s.run, .pid = 5, .time_ns = 50, .title = "new\n");
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 30, .number = 1, .sums.rss = 4 * KIB);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 60, .number = 2, .sums.rss = 8 * KIB);
	feed_exit(s.run, .pid = 5, .time_ns = 90);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 95, .number = 3, .sums.rss = 9 * KIB);
	feed_reading(s.run, .pid = 5, .start_ns = 6, .time_ns = 55, .number = 3, .sums.rss = 9 * KIB);
	cr_assert_str_eq(seen__end(&s),
		"row 10 pid 5\nreading 1 start 30 pid 5 rss 4\n"
		"process 5 readings 1-0 30..30 most 0 check 0 0 0 0 maps 0\n"
		"reading 2 start 60 pid 5 rss 8\n"
		"process 5 readings 1-0 60..60 most 0 check 0 0 0 0 maps 0\n"
		"tree 1 start 30 n 1-0 pss 0\ntree 2 start 60 n 1-0 pss 0\nmost 1 pss 0\n");
	free(s.text);
}

Test(holdings, readings_that_still_wait_are_dropped_with_the_run)
{
	struct smaps_group group = { SMAPS_HEAP, "[heap]", 1, { 0 } };
	struct seen s;

	seen__begin(&s);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 30, .number = 1, .mapped = true,
		.groups = &group, .n_groups = 1);
	run__free(s.run);
	fclose(s.f);
	free(s.text);
}

/* --- what is kept --------------------------------------------------------------------------------- */

static void feed_maps(struct run *run, uint32_t number, uint64_t time_ns, uint64_t rss,
	struct smaps_group *groups, size_t n)
{
	cr_assert_eq(feed_reading(run, .pid = 5, .start_ns = 5, .time_ns = time_ns, .number = number,
		.when = number == 1 ? READING_START : READING_END, .sums.rss = rss,
		.sums.private_dirty = rss / number, .mapped = true, .mappings = n, .mapped_sums.rss = rss,
		.groups = groups, .n_groups = n), 0);
}

Test(holdings, a_mapping_grows_from_the_first_reading_to_the_last)
{
	struct smaps_group one[] = {
		{ SMAPS_HEAP, "[heap]", 1, { .rss = 8 * KIB } },
		{ SMAPS_FILE, "/lib/gone", 1, { .rss = 64 * KIB } },
		{ SMAPS_FILE, "/lib/same", 1, { .rss = 512 * KIB } },
		{ SMAPS_FILE, "/lib/cow", 1, { .rss = 256 * KIB, .private_dirty = 4 * KIB } },
	};
	struct smaps_group two[] = {
		{ SMAPS_HEAP, "[heap]", 1, { .rss = 4 * KIB } },
		{ SMAPS_ANON, "/lib/same", 1, { .rss = 1 * KIB } },
	};
	struct smaps_group three[] = {
		{ SMAPS_ANON, "anon 1..16 MiB", 1, { .rss = 4096 * KIB } },
		{ SMAPS_FILE, "/lib/same", 1, { .rss = 512 * KIB } },
		{ SMAPS_HEAP, "[heap]", 1, { .rss = 108 * KIB } },
		{ SMAPS_FILE, "/lib/cow", 1, { .rss = 256 * KIB, .private_dirty = 256 * KIB } },
	};
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	feed_maps(s.run, 1, 20, 100 * KIB, one, 4);
	feed_maps(s.run, 2, 30, 600 * KIB, two, 2);
	feed_maps(s.run, 3, 40, 600 * KIB, three, 4);
	cr_assert(strstr(seen__end(&s),
		"process 5 readings 3-0 20..40 most 300 check 0 0 0 0 maps 3\n"
		"  anon anon 1..16 MiB 0->4096\n"
		"  file /lib/cow 256->256\n"
		"  heap [heap] 8->108\n"
		"  file /lib/gone 64->0\n"
		"  file /lib/same 512->512\n"
		"  anon /lib/same 0->0\n"), "%s", s.text);
	free(s.text);
}

Test(holdings, a_long_list_in_several_records_is_one_reading)
{
	enum { N = 3000 };
	struct smaps_group *groups = calloc(N, sizeof(*groups));
	struct seen s;
	char want[64];
	size_t n = 0;

	for (int i = 0; i < N; i++) {
		groups[i] = (struct smaps_group){ SMAPS_FILE, malloc(100), 1, { .rss = 4 * KIB } };
		snprintf(groups[i].name, 100, "/usr/lib/python3/dist-packages/some/package/%d.so", i);
	}
	seen__begin(&s);
	POINT(s.run, 5, 10);
	for (uint32_t number = 1; number <= 2; number++)
		feed_maps(s.run, number, 20 * number, N * 4 * KIB, groups, N);
	seen__end(&s);
	cr_assert(strstr(s.text, "process 5 readings 2-0 20..40 most 12000 check 0 0 0 0 maps 2\n"));
	for (char *at = s.text; (at = strstr(at, ".so 4->4\n")); at++)
		n++;
	cr_assert_eq(n, N);
	for (int i = 0; i < N; i += 999) {
		snprintf(want, sizeof(want), "/%d.so 4->4\n", i);
		cr_assert(strstr(s.text, want));
	}
	cr_assert(strstr(s.text, "tree 2 end 40 n 1-0"), "one reading, one process");
	for (int i = 0; i < N; i++)
		free(groups[i].name);
	free(groups);
	free(s.text);
}

Test(holdings, what_could_not_be_read_is_counted_and_changes_nothing)
{
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 20, .number = 1, .failed = "too large");
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 30, .number = 2, .sums.rss = 4 * KIB,
		.sums.pss = 2 * KIB);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 40, .number = 3, .failed = "too large");
	cr_assert(strstr(seen__end(&s),
		"process 5 readings 3-1 30..30 most 0 check 0 0 0 0 maps 0\n") == NULL);
	cr_assert(strstr(s.text, "process 5 readings 3-2 30..30 most 0 check 0 0 0 0 maps 0\n"
		"tree 1 start 20 n 0-1 pss 0\ntree 2 start 30 n 1-0 pss 2\n"
		"tree 3 start 40 n 0-1 pss 0\nmost 2 pss 2\n"), "%s", s.text);
	free(s.text);
}

/* Its mappings were read up to the deadline: what the kernel's side has says what is missing. */
Test(holdings, a_process_that_is_too_large_is_explained_as_far_as_it_was_read)
{
	struct smaps_group group = { SMAPS_HEAP, "[heap]", 1, { .rss = 2 * MIB } };
	struct render r = render_begin("text", LANG_EN);
	char *text;

	feed_host(r.run, .start_ns = 0);
	feed_totals(r.run, .pid = 5, .time_ns = 5, .comm = "giant");
	feed_reading(r.run, .pid = 5, .start_ns = 5, .time_ns = 20, .number = 1, .failed = "too large",
		.counted = true, .counters = { .anon = 900 * MIB, .file = 100 * MIB }, .mapped = true,
		.partial = true, .mappings = 1, .upto = 0x7000, .mapped_sums = { .rss = 2 * MIB },
		.groups = &group, .n_groups = 1);
	text = render_end(&r);
	cr_assert(strstr(text, "Memory by mapping (M), giant pid=5:\n"), "%s", text);
	cr_assert(strstr(text, "  [heap]                        2.00    -       - "), "%s", text);
	cr_assert(strstr(text, "  not explained by mappings   998.00    -       - "), "%s", text);
	cr_assert(strstr(text, "  = RSS                      1000.00    -       - "), "%s", text);
	cr_assert(strstr(text, "mappings read: 1, 0x7000)"), "%s", text);
	cr_assert(strstr(text, "could not be read: 1"), "%s", text);
	free(text);
}

Test(holdings, of_many_readings_of_all_the_first_the_asked_and_the_last_stay)
{
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	POINT(s.run, 6, 10);
	for (uint32_t number = 1; number <= 100; number++)
		for (uint32_t pid = 5; pid <= 6; pid++)
			feed_reading(s.run, .pid = pid, .start_ns = pid, .time_ns = 100 * number + pid,
				.number = number, .when = number == 50 ? READING_ASKED : number == 100
					? READING_END : READING_TIMER,
				.sums.pss = (number == 70 ? 500 : number) * KIB);
	cr_assert(strstr(seen__end(&s),
		"tree 1 timer 105 n 2-0 pss 2\ntree 50 asked 5005 n 2-0 pss 100\n"
		"tree 100 end 10005 n 2-0 pss 200\nmost 70 pss 1000\n"), "%s", s.text);
	free(s.text);
}

Test(holdings, the_list_of_all_has_an_end_and_the_last_stays_in_it)
{
	size_t n = 0;
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	for (uint32_t number = 1; number <= 1000; number++)
		feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 100 * number, .number = number,
			.when = READING_ASKED, .sums.pss = number * KIB);
	seen__end(&s);
	for (char *at = s.text; (at = strstr(at, "tree ")); at++)
		n++;
	cr_assert_eq(n, TREE_READINGS_MAX);
	cr_assert(strstr(s.text, "tree 1 asked") && strstr(s.text, "tree 1000 asked"));
	free(s.text);
}

Test(holdings, only_what_did_not_move_is_compared)
{
	struct seen s;

	seen__begin(&s);
	POINT(s.run, 5, 10);
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 20, .number = 1, .sums.rss = 12 * KIB,
		.sums.anonymous = 4 * KIB, .counted = true, .steady = true,
		.counters = { .file = 8 * KIB, .anon = 4 * KIB });
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 30, .number = 2, .sums.rss = 99 * KIB,
		.counted = true, .counters = { .file = 1 });
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 40, .number = 3, .sums.rss = 4 * KIB,
		.sums.anonymous = 4 * KIB, .counted = true, .steady = true,
		.counters = { .file = 4 * KIB, .anon = 8 * KIB, .shmem = 4 * KIB });
	feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 50, .number = 4, .sums.rss = 99 * KIB);
	cr_assert(strstr(seen__end(&s), "check 2 1 -12288 -4096 maps 0\n"), "%s", s.text);
	cr_assert(strstr(s.text, "\ncheck 2 1 -12288 rows 0 0\n"), "%s", s.text);
	free(s.text);
}

/* A row that lies where nothing moved, of which it is known when it was true. */
Test(holdings, a_row_is_compared_where_nothing_has_moved_since)
{
	static const struct {
		uint64_t row_ns, late_ns, still_ns;
		unsigned int flags;
		bool steady, compared;
	} cases[] = {
		{ 50, 0, 40, 0, true, true },
		{ 50, 10, 40, 0, true, true },
		{ 50, 11, 40, 0, true, false },
		{ 39, 0, 40, 0, true, false },
		{ 50, 0, 0, 0, true, false },
		{ 50, 0, 40, 0, false, false },
		{ 50, 0, 40, RT_F_UNSTABLE, true, false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char want[64];
		struct seen s;

		seen__begin(&s);
		feed_cp(s.run, .pid = 5, .time_ns = cases[i].row_ns, .late_ns = cases[i].late_ns,
			.func = RT_NO_FUNC, .when = RT_POINT, .flags = cases[i].flags, .anon = 8 * KIB);
		for (uint32_t number = 1; number <= 2; number++)
			feed_reading(s.run, .pid = 5, .start_ns = 5, .time_ns = 60, .number = number,
				.sums.rss = 12 * KIB, .counted = true, .steady = cases[i].steady,
				.still_ns = cases[i].still_ns, .counters.anon = 12 * KIB);
		snprintf(want, sizeof(want), "rows %d %d\n", cases[i].compared,
			cases[i].compared ? 4096 : 0);
		cr_assert(strstr(seen__end(&s), want), "case %zu: %s", i, s.text);
		free(s.text);
	}
}

static struct held_ends ends_of(enum reading_when when, bool steady)
{
	struct holdings *h = holdings__new();
	struct rt_totals totals = {.first = {.anon = 10 * MIB}, .last = {.anon = 20 * MIB, .file = MIB}};
	struct fact_reading f = {.when = when, .number = 1, .counted = true, .steady = steady,
		.counters = {.anon = 12 * MIB}, .sums = {.rss = 12 * MIB + 8 * KIB}};
	struct held_ends ends;

	cr_assert(h);
	cr_assert_eq(holdings__take(h, &f, 1), 0);
	held_ends(h, &totals, &ends);
	holdings__free(h);
	return ends;
}

Test(holdings, an_account_begins_and_ends_with_what_proc_says_where_nothing_moved)
{
	struct held_ends e = ends_of(READING_START, true);

	cr_expect(e.start_measured && !e.end_measured);
	cr_expect_eq(e.start, 10 * MIB + 8 * KIB);
	cr_expect_eq(e.end, 21 * MIB);
	e = ends_of(READING_END, true);
	cr_expect(!e.start_measured && e.end_measured);
	cr_expect_eq(e.start, 10 * MIB);
	cr_expect_eq(e.end, 21 * MIB + 8 * KIB);
	e = ends_of(READING_END, false);
	cr_expect(!e.start_measured && !e.end_measured);
	cr_expect_eq(e.end, 21 * MIB);
	e = ends_of(READING_TIMER, true);
	cr_expect(!e.start_measured && !e.end_measured);
}

/* --- formats -------------------------------------------------------------------------------------- */

static void worker(struct run *run, uint32_t pid, uint32_t number, enum reading_when when,
	uint64_t private_dirty)
{
	struct smaps_group groups[] = {
		{ SMAPS_ANON, "anon 16..256 MiB", 3, { .size = 64 * MIB, .rss = 50 * MIB,
			.private_dirty = private_dirty, .anon_huge = 2 * MIB } },
		{ SMAPS_FILE, "/x/\x1b[2J\n" "a path of which both its ends tell more/y.so (deleted)", 1,
			{ .rss = number * MIB } },
		{ SMAPS_SHMEM, "memfd:\xe6\x9d\x83\xe9\x87\x8d", 1, { .rss = 1 * MIB } },
		{ SMAPS_HUGETLB, "[hugetlb]", 1, { .hugetlb = 4 * MIB } },
	};

	cr_assert_eq(feed_reading(run, .pid = pid, .start_ns = pid, .time_ns = number * SEC,
		.number = number, .when = when, .counted = true, .steady = true,
		.counters = { .anon = 50 * MIB, .file = (number + 2) * MIB },
		.sums = { .rss = (52 + number) * MIB, .pss = private_dirty + MIB, .anonymous = 50 * MIB,
			.private_dirty = private_dirty, .swap_pss = 4096, .anon_huge = 2 * MIB },
		.mapped = true, .mappings = 6, .partial = number == 2, .upto = number == 2 ? 0x7f00 : 0,
		.mapped_sums = { .rss = (51 + number) * MIB, .anon_huge = 2 * MIB }, .groups = groups,
		.n_groups = 4), 0);
}

static char *rendered(const char *format, enum lang lang)
{
	struct render r = render_begin(format, lang);

	feed_host(r.run, .start_ns = 0);
	for (uint32_t pid = 5; pid < 8; pid++) {
		feed_totals(r.run, .pid = pid, .time_ns = pid, .comm = "worker");
		worker(r.run, pid, 1, READING_START, 1 * MIB);
	}
	feed_reading(r.run, .pid = 5, .start_ns = 5, .time_ns = SEC + 5, .number = 2,
		.when = READING_TIMER, .failed = "too \x1b large");
	for (uint32_t pid = 5; pid < 8; pid++)
		worker(r.run, pid, 3, READING_END, 40 * MIB);
	feed_release(r.run, UINT64_MAX);
	feed_end(r.run, .time_ns = 4 * SEC, .reason = "interrupt");
	return render_end(&r);
}

Test(holdings, jsonl_with_readings_is_valid_by_the_schema)
{
	char *text = rendered("jsonl", LANG_EN);
	size_t pss = 0, memory = 0, summary = 0;
	json_t *line, *part;

	schema_root = json_loads(sink_jsonl_schema(), 0, NULL);
	for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
		line = json_loads(s, JSON_REJECT_DUPLICATES, NULL);
		cr_assert_not_null(line, "%s", s);
		cr_assert(valid(schema_root, line), "%s", s);
		pss += !strcmp(json_string_value(json_object_get(line, "type")), "pss");
		summary += json_array_size(json_object_get(line, "pss"));
		part = json_object_get(line, "memory");
		memory += part != NULL;
		if (part) {
			json_t *group = json_array_get(json_object_get(json_object_get(part, "maps"),
				"groups"), 0);

			cr_assert_str_eq(json_string_value(json_object_get(group, "name")),
				"anon 16..256 MiB");
			cr_assert_eq(json_integer_value(json_object_get(json_object_get(group, "last"),
				"private_dirty")), 40 * MIB);
			json_object_set_new(part, "unheard", json_true());
			cr_assert_not(valid(schema_root, line));
		}
		json_decref(line);
	}
	cr_assert_eq(pss, 7);
	cr_assert_eq(memory, 3);
	cr_assert_eq(summary, 2, "of those by the timer only the last stays");
	json_decref(schema_root);
	free(text);
}

static void assert_has(const char *text, const char *what)
{
	cr_assert(strstr(text, what), "no \"%s\" in:\n%s", what, text);
}

Test(holdings, the_report_has_all_by_pss_each_by_what_is_private_and_by_mapping)
{
	char *text = rendered("text", LANG_EN);

	assert_has(text, "Memory of all processes (M):\n"
		"    time  when   processes  sum of RSS     PSS  private dirty  huge  swap\n"
		"  1.000s  start          3      159.00    6.00           3.00  6.00  0.01\n");
	assert_has(text, "\n  3.000s  end            3      165.00  123.00         120.00  6.00  0.01\n");
	assert_has(text, "\n  worker pid=5  53.00  55.00  2.00  41.00           1.00  40.00    "
		"40.00         2\n");
	assert_has(text, "\n  could not be read: 1\n");
	assert_has(text, "\nMemory by mapping (M), worker pid=6:\n");
	assert_has(text, "\n  anon 16..256 MiB                        50.00  50.00   +0.00          "
		"40.00  +39.00  2.00\n");
	assert_has(text, "\n  memfd:权重                               1.00   1.00   +0.00           "
		"0.00   +0.00  0.00\n");
	assert_has(text, "\n  /x/\\x1b[2J");
	assert_has(text, "/y.so (deleted)   1.00   3.00   +2.00 ");
	assert_has(text, "\n  not explained by mappings                1.00   1.00   +0.00 ");
	assert_has(text, "\n  = RSS                                   53.00  55.00   +2.00 ");
	assert_has(text, "\n  (hugetlb: not in RSS)\n");
	assert_has(text, "\nReadings compared with /proc: 6, worst difference (bytes): 0 (anon 0)\n");
	cr_assert_not(strchr(text, '\x1b'));
	free(text);
}

Test(holdings, the_report_is_no_wider_than_a_terminal)
{
	for (int lang = 0; lang < 2; lang++) {
		char *text = rendered("text", (enum lang)lang);

		for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n"))
			cr_assert_leq(out_width(s), 100, "%s", s);
		free(text);
	}
}

Test(holdings, without_readings_nothing_is_said_of_them)
{
	struct render r = render_begin("text", LANG_EN);
	char *text;

	feed_host(r.run, .start_ns = 0);
	feed_totals(r.run, .pid = 5, .time_ns = 5, .comm = "worker");
	text = render_end(&r);
	cr_assert_not(strstr(text, "PSS") || strstr(text, "mapping") || strstr(text, "/proc"));
	free(text);
}
