/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Each format of one made-up run, against tests/data/rows.*; REGENERATE=1 writes them anew, to be
 * read as a diff.
 */
#include "sink.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <regex.h>
#include <stdio.h>
#include <unistd.h>
#include "feed.h"
#include "render.h"
#include "report.h"
#include "schema.h"
#include "strcache.h"
#include "table.h"

#define KIB 1024ull
#define MIB (1024 * KIB)
#define SEC 1000000000ull
#define T0  (5000 * SEC)

/* --- the run ---------------------------------------------------------------------------------- */

static void tell_specs(struct run *run)
{
	feed_host(run, .boot_id = "3f1c", .start_ns = T0, .realtime_offset_ns = -7,
		.clock = { .read_ns = 42, .synced = true, .estimate_ns = 180000, .most_ns = 2500000,
		.tai_s = 37 }, .window_ns = 100000000, .step = 16 * MIB);
	feed_spec(run, .id = 0, .text = "libtorch.so:load", .profile = "torch",
		.entry = { "ModelRunner.load_model:调用model_loader.load_model之前",
			"before ModelRunner.load_model: model_loader.load_model" },
		.leave = { "ModelRunner.load_model:调用model_loader.load_model之后",
			"after ModelRunner.load_model: model_loader.load_model" });
	feed_spec(run, .id = 1, .text = "libtorch.so:load", .profile = "torch",
		.leave = { "权重转移到GPU后", "after the weights moved" }, .extra = true);
	feed_spec(run, .id = 2, .text = "libtorch.so:gone", .profile = "torch",
		.entry = { "消失之前", "before gone" }, .unmatched = "no such symbol");
	feed_spec(run, .id = 3, .text = "x\ny\"z",
		.entry = { "a\nb \"c\" \\d\t", "a\nb \"c\" \\d\t" });
	feed_spec(run, .id = 4, .text = "py:engine/core.py:EngineCore.__init__ outermost",
		.profile = "vllm", .entry = { "EngineCore初始化之前", "before EngineCore" },
		.leave = { "EngineCore初始化之后", "after EngineCore" }, .outermost = true);
	feed_spec(run, .id = 5, .text = "libtorch.so:never", .profile = "torch",
		.entry = { "从未之前", "before never" }, .leave = { "从未之后", "after never" });
	feed_spec(run, .id = 6, .text = "py:a.py:f", .profile = "vllm",
		.entry = { "旧版之前", "before old" }, .leave = { "旧版之后", "after old" },
		.unmatched = "a.py has no function f", .absent = true);
	feed_func(run, RT_PY_FUNC_BASE, "engine/core.py:EngineCore.__init__", 4);
	feed_func(run, 0, "load<float>(char const*)", 0, 1);
	feed_func(run, 1, "odd", 3);
	feed_func(run, 2, "never", 2);
}

static void worker(struct run *run)
{
	struct rt_totals t = {
		.first = { .anon = 400 * MIB, .file = 112 * MIB },
		.last = { .anon = 401 * MIB, .file = 255 * MIB, .shmem = 92 * KIB },
		.peak = { .anon = 1700 * MIB, .file = 256 * MIB, .shmem = 92 * KIB },
		.kind_peak = { .anon = 1700 * MIB, .file = 260 * MIB, .shmem = 92 * KIB },
		.peak_ns = T0 + 13 * SEC,
		.grown = { .anon = 1300 * MIB, .file = 148 * MIB, .shmem = 92 * KIB },
		.returned = { .anon = 1299 * MIB, .file = 5 * MIB },
		.foreign = { .anon = -64 * (int64_t)KIB, .swap = 64 * KIB },
		.footprint = { .anon = 8 * KIB },
	};

	feed_totals(run, .pid = 4188, .ppid = 4100, .time_ns = T0 + SEC / 10, .comm = "python3",
		.min_flt = 10, .totals = { .first = t.first, .last = t.first, .peak = t.first,
		.kind_peak = t.first });
	feed_proc(run, .pid = 4188, .start_ns = 4188, .role = "Worker_TP0",
		.cmdline = "python3 -m vllm 服务");
	feed_cp(run, .pid = 4188, .time_ns = T0 + SEC * 12345 / 1000, .func = 0, .when = RT_ENTRY,
		.anon = 400 * MIB, .file = 112 * MIB);
	feed_cp(run, .pid = 4188, .tid = 4190, .time_ns = T0 + 13 * SEC, .func = 0,
		.when = RT_RETURN, .anon = 1634 * MIB + 572 * KIB, .file = 112 * MIB,
		.shmem = 92 * KIB, .late_ns = 12340000, .flags = RT_F_SHARED);
	feed_cp(run, .pid = 4188, .time_ns = T0 + 14 * SEC, .lost = 3, .func = 1, .when = RT_ENTRY,
		.anon = 401 * MIB, .file = 255 * MIB, .shmem = 92 * KIB, .swap = 12 * MIB,
		.late_ns = 1000000, .flags = RT_F_UNSTABLE | RT_F_UNWOUND | RT_F_INHERITED);
	feed_exit(run, .pid = 4188, .time_ns = T0 + 20 * SEC, .exit_code = 0, .min_flt = 350000,
		.maj_flt = 12, .totals = t);
}

/* Attached to amid its start. */
static void engine(struct run *run)
{
	feed_cp(run, .pid = 4250, .time_ns = T0 + 10 * SEC, .func = RT_PY_FUNC_BASE, .when = RT_ENTRY,
		.flags = RT_F_ATTACH, .span = 1, .gc = 8, .anon = 100 * MIB, .file = 20 * MIB);
	feed_cp(run, .pid = 4250, .time_ns = T0 + 11 * SEC, .func = RT_PY_FUNC_BASE, .when = RT_ENTRY,
		.span = 2, .gc = 9, .anon = 101 * MIB, .file = 20 * MIB);
	feed_cp(run, .pid = 4250, .time_ns = T0 + 12 * SEC, .func = RT_PY_FUNC_BASE,
		.when = RT_RETURN, .span = 2, .gc = 10, .anon = 120 * MIB, .file = 20 * MIB,
		.grown = { .anon = 20 * MIB });
	feed_cp(run, .pid = 4250, .time_ns = T0 + 13 * SEC, .func = RT_PY_FUNC_BASE,
		.when = RT_RETURN, .span = 1, .gc = 11, .anon = 118 * MIB, .file = 21 * MIB,
		.grown = { .anon = 25 * MIB, .file = MIB }, .returned = { .anon = 7 * MIB,
		.swap = 4096 });
}

static void others(struct run *run)
{
	struct rt_totals small = { .first = { .anon = MIB }, .last = { .anon = MIB },
		.peak = { .anon = 2 * MIB }, .kind_peak = { .anon = 2 * MIB } };

	/* a shell that starts something by vfork and is killed for want of memory */
	feed_fork(run, .pid = 4200, .ppid = 4188, .time_ns = T0 + 15 * SEC, .anon = MIB);
	feed_exec(run, .pid = 4200, .time_ns = T0 + 15 * SEC + 1, .title = "sh\n-c\nls",
		.totals = small, .anon = 300 * KIB, .min_flt = 7);
	feed_rename(run, .pid = 4200, .time_ns = T0 + 15 * SEC + 2, .comm = "sh");
	feed_cp(run, .pid = 4200, .time_ns = T0 + 15 * SEC + 999500000, .func = RT_NO_FUNC,
		.when = RT_POINT, .flags = RT_F_ATTACH, .anon = 300 * KIB, .file = 4 * KIB);
	feed_cp(run, .pid = 4200, .time_ns = T0 + 16 * SEC, .func = RT_NO_FUNC, .when = RT_POINT,
		.anon = 296 * KIB, .file = 4 * KIB);
	feed_fork(run, .pid = 4201, .ppid = 4200, .time_ns = T0 + 17 * SEC,
		.flags = RT_P_BORROWED, .anon = 300 * KIB);
	feed_cp(run, .pid = 4201, .time_ns = T0 + 17 * SEC + 5, .func = RT_NO_FUNC,
		.when = RT_POINT, .flags = RT_F_BORROWED, .anon = 300 * KIB);
	feed_oom(run, .pid = 4200, .time_ns = T0 + 18 * SEC);
	feed_exit(run, .pid = 4200, .time_ns = T0 + 18 * SEC + 1, .exit_code = 9,
		.totals = small, .flags = RT_P_STALE);
	/* one of which nothing but its end is seen, and one that lives on */
	feed_exit(run, .pid = 4300, .time_ns = T0 + 19 * SEC, .exit_code = 0x700, .lost = 1,
		.title = "late\xff", .totals = small);
	feed_fork(run, .pid = 4301, .ppid = 1, .time_ns = T0 + 19 * SEC, .anon = 5 * MIB,
		.shmem = 4 * KIB, .swap = MIB);
}

static void whole_run(struct run *run)
{
	struct fact_hits hits[] = { { 0, 1, 1 }, { 1, 1, 0 }, { 2, 0, 0 } };

	tell_specs(run);
	engine(run);
	worker(run);
	feed_release(run, T0 + 14 * SEC);
	others(run);
	feed_counters(run, .loss = { [RT_LOSS_RING] = 4, [RT_LOSS_UNSTABLE] = 1, [RT_LOSS_LIMIT] = 70 },
		.hits = hits, .n_hits = 3, .trap_ns = { 300, 700, 9000 }, .cpu_ns = 2 * SEC,
		.limit = { .ppm = 30000, .over_ns = T0 + 9 * SEC, .over_ppm = 61234, .off_ns = 3 * SEC },
		.costs = { [RT_COST_RSS_STAT] = { .runs = 460800, .sampled = 7200, .ns = 1800000 }, [RT_COST_FUNCTION] = { .runs = 3 },
			[RT_COST_SWITCH] = { 6400, 1, 200, 6336, 99, 4950 },
			[RT_COST_SAMPLE] = { .runs = 100, .sampled = 100, .ns = 3000000 } });
	feed_end(run, .time_ns = T0 + 21 * SEC, .reason = "interrupt", .realtime_offset_ns = -9,
		.clock = { .read_ns = 40 });
}

/* --- goldens ---------------------------------------------------------------------------------- */

static char *slurp(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = calloc(1, 1 << 20);

	cr_assert_not_null(f, "cannot open %s", path);
	cr_assert_gt(fread(text, 1, (1 << 20) - 1, f), 0);
	fclose(f);
	return text;
}

static void same_as_golden(const char *text, const char *path)
{
	char *golden;
	FILE *f;

	if (getenv("REGENERATE")) {
		f = fopen(path, "we");
		cr_assert_not_null(f);
		fputs(text, f);
		fclose(f);
	}
	golden = slurp(path);
	cr_assert_str_eq(text, golden, "%s differs; REGENERATE=1 writes it anew", path);
	free(golden);
}

static char *whole(const char *format, enum lang lang)
{
	struct render r = render_begin(format, lang);

	whole_run(r.run);
	return render_end(&r);
}

static void check_golden(const char *format, enum lang lang, const char *path)
{
	char *text = whole(format, lang);

	same_as_golden(text, path);
	free(text);
}

Test(sinks, seed_is_as_it_was)
{
	check_golden("seed", LANG_EN, "tests/data/rows.seed");
}

Test(sinks, text_is_as_it_was_in_both_languages)
{
	check_golden("text", LANG_ZH, "tests/data/rows.zh.text");
	check_golden("text", LANG_EN, "tests/data/rows.en.text");
}

Test(sinks, jsonl_is_as_it_was_in_both_languages)
{
	check_golden("jsonl", LANG_ZH, "tests/data/rows.zh.jsonl");
	check_golden("jsonl", LANG_EN, "tests/data/rows.en.jsonl");
}

/* --- what is promised of each ----------------------------------------------------------------- */

Test(sinks, each_line_of_the_seed_format_is_of_its_form)
{
	char *text = whole("seed", LANG_EN);
	size_t lines = 0;
	regex_t re;

	cr_assert_eq(regcomp(&re, "^INFO: .+ 占用 -?[0-9]+\\.[0-9][0-9] M RAM内存 "
		"\\(累计: -?[0-9]+\\.[0-9][0-9] M\\)$", REG_EXTENDED | REG_NOSUB), 0);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), lines++)
		cr_assert_eq(regexec(&re, line, 0, NULL, 0), 0, "%s", line);
	cr_assert_eq(lines, 8, "an extra label gives no line");
	regfree(&re);
	free(text);
}

Test(sinks, the_seed_format_is_the_seed_line_byte_for_byte)
{
	struct render r = render_begin("seed", LANG_EN);
	char *text;

	feed_spec(r.run, .id = 0, .entry = { "EngineCore初始化开始", "x" },
		.leave = { "创建ModelExecutor之前", "y" });
	feed_func(r.run, 0, "f", 0);
	feed_cp(r.run, .pid = 5, .time_ns = 1, .when = RT_ENTRY, .anon = 100 * MIB);
	feed_cp(r.run, .pid = 5, .time_ns = 2, .when = RT_RETURN, .anon = 115 * MIB + 236 * KIB);
	feed_cp(r.run, .pid = 5, .time_ns = 3, .when = RT_ENTRY, .anon = 100 * MIB);
	text = render_end(&r);
	cr_assert_str_eq(text,
		"INFO: EngineCore初始化开始 占用 0.00 M RAM内存 (累计: 0.00 M)\n"
		"INFO: 创建ModelExecutor之前 占用 15.23 M RAM内存 (累计: 15.23 M)\n"
		"INFO: EngineCore初始化开始 占用 -15.23 M RAM内存 (累计: 0.00 M)\n");
	free(text);
}

Test(sinks, a_text_line_says_all_that_it_should)
{
	static const char expected[] =
		"INFO: [   -0.002s] (pid=5) 内存跟踪基线: 1.00 M "
		"rss 1.00 = anon 1.00 + file 0.00 + shmem 0.00\n"
		"INFO: [   -0.002s] (pid=5) 甲 占用 +0.00 M RAM内存 (累计: 0.00 M) "
		"rss 1.00 = anon 1.00 + file 0.00 + shmem 0.00\n"
		"INFO: [1000000.000s] (pid=5) 甲 占用 +2.50 M RAM内存 (累计: 2.50 M) "
		"rss 3.50 = anon 3.00 + file 0.50 + shmem 0.00 [延迟 1.0ms]\n\n";
	struct render r = render_begin("text", LANG_ZH);
	char *text;

	feed_host(r.run, .start_ns = T0);
	feed_spec(r.run, .id = 0, .entry = { "甲", "A" });
	feed_func(r.run, 0, "f", 0);
	feed_cp(r.run, .pid = 5, .time_ns = T0 - 1500000, .when = RT_ENTRY, .anon = MIB);
	feed_cp(r.run, .pid = 5, .time_ns = T0 + 999999 * SEC + 999600000, .when = RT_ENTRY,
		.anon = 3 * MIB, .file = 512 * KIB, .late_ns = 1000001);
	text = render_end(&r);
	cr_assert_eq(strncmp(text, expected, strlen(expected)), 0, "%s", text);
	free(text);
}

Test(sinks, a_report_keeps_to_a_hundred_columns)
{
	for (enum lang lang = LANG_ZH; lang <= LANG_EN; lang++) {
		char *text = whole("text", lang), *report = strstr(text, "\n\n");

		cr_assert_not_null(report);
		for (char *line = strtok(report, "\n"); line; line = strtok(NULL, "\n")) {
			cr_assert_leq(out_width(line), 100, "%s", line);
			cr_assert_neq(line[strlen(line) - 1], ' ', "%s", line);
		}
		free(text);
	}
}

Test(sinks, a_report_of_many_processes_stays_short)
{
	struct report *report = report__new(LANG_EN);
	FILE *file = tmpfile();
	struct out *out = out__new(dup(fileno(file)));
	struct run_summary sum = { .host = &(struct fact_host){ .host = "" } };
	char role[16], line[512], first[512] = "";
	size_t lines = 0, rest = 0;

	for (uint32_t i = 0; i < 5000; i++) {
		struct proc p = { .pid = i + 1, .role = role, .cmdline = "", .ended = true,
			.have_rss = true, .rows = i == 17, .born_ns = i,
			.totals.peak.anon = i * MIB };

		snprintf(role, sizeof(role), "role%u", i < 4000 ? i % 4 : i);
		cr_assert_eq(report__add(report, &p), 0);
	}
	cr_assert_eq(report__print(report, &sum, out), 0);
	cr_assert_eq(out__close(out), 0);
	rewind(file);
	while (fgets(line, sizeof(line), file)) {
		lines++;
		if (strstr(line, "pid=") && !*first)
			strcpy(first, line);
		if (strstr(line, "  other role1 (1000)  "))
			rest++;
	}
	cr_assert_not_null(strstr(first, "pid=18 "), "one with rows is kept: %s", first);
	cr_assert_eq(rest, 0, "role1 lost one of its thousand to the table");
	cr_assert_gt(lines, 2 * 100);
	cr_assert_lt(lines, 2 * (100 + 65) + 20);
	report__free(report);
	fclose(file);
}

/* What a report says of `n` backends, each with a title of its own, that came around a checkpointer. */
static char *report_of_backends(uint32_t n)
{
	struct report *report = report__new(LANG_EN);
	struct run_summary sum = { .host = &(struct fact_host){ .host = "" } };
	FILE *file = tmpfile();
	struct out *out = out__new(dup(fileno(file)));
	char role[64], *text = calloc(1, 1 << 16);

	for (uint32_t i = 0; i < n; i++) {
		struct proc p = { .pid = i + 1, .role = role, .cmdline = "", .ended = true,
			.have_rss = true, .rows = i != n / 2, .born_ns = i,
			.totals.peak.anon = (i == n / 2 ? 1 : 7 + i % 2) * MIB };

		if (i == n / 2)
			strcpy(role, "postgres: checkpointer");
		else
			snprintf(role, sizeof(role), "postgres: app shop 10.0.0.%u(%u)", i % 5, 40000 + i);
		cr_assert_eq(report__add(report, &p), 0);
	}
	cr_assert_eq(report__print(report, &sum, out), 0);
	cr_assert_eq(out__close(out), 0);
	rewind(file);
	cr_assert_gt(fread(text, 1, (1 << 16) - 1, file), 0);
	report__free(report);
	fclose(file);
	return text;
}

Test(sinks, a_crowd_does_not_push_a_lone_role_out_of_the_report)
{
	char *text = report_of_backends(3000);

	cr_expect_not_null(strstr(text, "  postgres: checkpointer pid=1501 "), "%s", text);
	cr_expect_null(strstr(text, "other postgres: checkpointer"));
	/* a kind is named without what differs in it: the ports of its clients */
	cr_expect_not_null(strstr(text, "  other postgres: app shop *.*.*.*(*) (2900) "), "%s", text);
	free(text);
	text = report_of_backends(100);
	cr_expect_null(strstr(text, "other"), "a hundred have a line each");
	cr_expect_not_null(strstr(text, "10.0.0.4(40099) pid=100 "));
	free(text);
}

Test(sinks, a_table_is_aligned_by_what_a_terminal_shows)
{
	FILE *file = tmpfile();
	struct out *out = out__new(dup(fileno(file)));
	struct table *t = table__new();
	char text[256] = "";

	table__column(t, "进程", false);
	table__column(t, "M", true);
	table__column(t, "end", false);
	table__cell(t, "a");
	table__cell(t, "%d", 10);
	table__cell(t, "x");
	cr_assert_eq(table__print(t, out), 0);
	cr_assert_eq(out__close(out), 0);
	rewind(file);
	cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	cr_assert_str_eq(text, "  进程   M  end\n  a     10  x\n");
	table__free(t);
	fclose(file);
}

static unsigned int renders;

static char *counting_render(const char *s)
{
	renders++;
	return render_json(s);
}

Test(sinks, a_string_is_escaped_once_and_bytes_that_are_no_utf8_are_shown)
{
	struct strcache *c = strcache__new(counting_render);
	FILE *file = tmpfile();
	struct out *out = out__new(dup(fileno(file)));
	char text[256] = "", other[] = "x";

	for (int i = 0; i < 3; i++)
		cr_assert_eq(strcache__print(c, out, "a\n\"b\" 甲"), 0);
	cr_assert_eq(renders, 1);
	cr_assert_eq(strcache__print(c, out, "\xff\xc3("), 0);
	cr_assert_eq(strcache__print(c, out, other), 0);
	other[0] = 'y'; /* the same memory may hold another string by now */
	cr_assert_eq(strcache__print(c, out, other), 0);
	cr_assert_eq(out__close(out), 0);
	rewind(file);
	cr_assert_gt(fread(text, 1, sizeof(text) - 1, file), 0);
	cr_assert_str_eq(text, "\"a\\n\\\"b\\\" 甲\"\"a\\n\\\"b\\\" 甲\"\"a\\n\\\"b\\\" 甲\""
		"\"\\\\xff\\\\xc3(\"\"x\"\"y\"");
	strcache__free(c);
	fclose(file);
}

Test(sinks, there_is_one_of_each_name_and_no_other)
{
	cr_assert_eq(sink_find("seed"), &sink_seed);
	cr_assert_eq(sink_find("text"), &sink_text);
	cr_assert_eq(sink_find("jsonl"), &sink_jsonl);
	cr_assert_null(sink_find("json"));
	cr_assert_eq(sink_logs()[0], &sink_text, "the default");
	cr_assert_null(sink_logs()[3]);
}

Test(sinks, language_is_chosen_as_other_programs_choose_it)
{
	unsetenv("LC_ALL");
	unsetenv("LC_MESSAGES");
	unsetenv("LANG");
	cr_assert_eq(lang_from_env(), LANG_EN);
	setenv("LANG", "zh_CN.UTF-8", 1);
	cr_assert_eq(lang_from_env(), LANG_ZH);
	setenv("LC_MESSAGES", "C", 1);
	cr_assert_eq(lang_from_env(), LANG_EN);
	setenv("LC_ALL", "", 1);
	cr_assert_eq(lang_from_env(), LANG_EN, "empty is unset");
	setenv("LC_ALL", "zh_TW", 1);
	cr_assert_eq(lang_from_env(), LANG_ZH);
}

Test(sinks, every_text_is_there_in_both_languages)
{
	for (int id = 0; id < TEXT_COUNT_; id++) {
		cr_assert_not_null(lang_text(LANG_ZH, id), "%d", id);
		cr_assert_not_null(lang_text(LANG_EN, id), "%d", id);
		cr_assert_str_not_empty(lang_text(LANG_EN, id));
	}
}

/* --- jsonl against its schema ----------------------------------------------------------------- */

Test(sinks, each_line_of_jsonl_is_valid_by_the_schema_and_not_by_less)
{
	static const char *const types[] = { "header", "process", "checkpoint", "loss", "summary" };
	char *text = whole("jsonl", LANG_ZH);
	size_t seen[5] = { 0 };
	json_t *line;

	schema_root = json_loads(sink_jsonl_schema(), 0, NULL);
	cr_assert_not_null(schema_root);
	for (char *s = strtok(text, "\n"); s; s = strtok(NULL, "\n")) {
		line = json_loads(s, JSON_REJECT_DUPLICATES, NULL);
		cr_assert_not_null(line, "%s", s);
		cr_assert(valid(schema_root, line), "%s", s);
		for (size_t i = 0; i < 5; i++)
			seen[i] += !strcmp(types[i],
				json_string_value(json_object_get(line, "type")));
		json_object_set_new(line, "unheard", json_true());
		cr_assert_not(valid(schema_root, line));
		json_object_del(line, "unheard");
		json_object_set_new(line, "type", json_string("other"));
		cr_assert_not(valid(schema_root, line));
		json_decref(line);
	}
	cr_assert_eq(seen[0], 1);
	cr_assert_eq(seen[1], 7);
	cr_assert_eq(seen[2], 9);
	cr_assert_eq(seen[3], 2);
	cr_assert_eq(seen[4], 1);
	json_decref(schema_root);
	free(text);
}
