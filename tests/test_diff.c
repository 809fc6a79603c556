/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Runs that are fed, compared: what belongs together, what is a difference, and how it is told. */
#include "diff.h"

#include <criterion/criterion.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "feed.h"
#include "said.h"
#include "schema.h"
#include "scratch.h"
#include "verdict.h"

#define M        ((int64_t)1 << 20)
#define SEC      1000000000ULL
#define PYTHON   RT_PY_FUNC_BASE
#define MAX_RUNS 6

static struct diff d;
static struct seen_run runs[MAX_RUNS];
static struct run *run; /* the one that is being fed */

static void set_up(void)
{
	d = (struct diff){.lang = LANG_EN};
}

static void tear_down(void)
{
	diff__clear(&d);
}

TestSuite(diff, .init = set_up, .fini = tear_down, .timeout = 60);

/* --- runs ------------------------------------------------------------------------------------- */

static void begin(const char *path, const char *kernel, bool growth)
{
	cr_assert_lt(d.n, MAX_RUNS);
	runs[d.n] = (struct seen_run){.path = path, .lang = d.lang};
	run = run__new(&(struct correlate_options){.lang = d.lang}, &seen_ops, &runs[d.n]);
	cr_assert(run);
	feed_host(run, .start_ns = SEC, .growth = growth, .host = "box", .kernel = (char *)kernel,
		.version = "1", .cpus = 2);
}

static void end(void)
{
	feed_end(run, .time_ns = 100 * SEC, .reason = "exit");
	cr_assert_eq(run__finish(run), 0);
	run__free(run);
	d.n++;
}

/* The first n_a runs are A. */
static void compare(size_t n_a)
{
	d.n_a = n_a;
	d.runs = calloc(d.n, sizeof(*d.runs));
	memcpy(d.runs, runs, d.n * sizeof(*d.runs));
	cr_assert_eq(diff__align(&d), 0);
	cr_assert_eq(diff__compare(&d), 0);
}

static void process(uint32_t pid, uint64_t born, const char *role, const char *title)
{
	feed_totals(run, .pid = pid, .time_ns = born * SEC, .comm = "server");
	feed_proc(run, .pid = pid, .start_ns = pid, .role = (char *)role, .cmdline = (char *)title);
}

static void mark(uint32_t pid, uint64_t at, const char *label, int64_t mib)
{
	feed_mark(run, .pid = pid, .time_ns = at * SEC, .mark = label, .anon = (uint64_t)(mib * M));
}

static void gone(uint32_t pid, int64_t first, int64_t last, int64_t peak)
{
	feed_exit(run, .pid = pid, .time_ns = 90 * SEC,
		.totals = {.first = {.anon = first * M},
			.last = {.anon = last * M},
			.peak = {.anon = peak * M},
			.peak_ns = 80 * SEC});
}

/* One process that has `mib` more behind "load" than before. */
static void simple(const char *path, uint32_t pid, int64_t mib)
{
	begin(path, "6.1", false);
	process(pid, 2, "w", "server --all");
	mark(pid, 3, "begin", 10);
	mark(pid, 4, "load", 10 + mib);
	gone(pid, 5, 10 + mib, 20 + mib);
	end();
}

/* --- what is found ---------------------------------------------------------------------------- */

static struct diff_entry *find(enum seen_kind kind, const char *process, const char *name)
{
	for (size_t i = 0; i < d.entries[kind].n; i++) {
		struct diff_entry *e = d.entries[kind].list[i];
		char *who = diff_process_name(e->process);
		bool is_it = !strcmp(who, process) && !strcmp(e->name, name);

		free(who);
		if (is_it)
			return e;
	}
	return NULL;
}

static void is(const struct diff_entry *e, unsigned int value, int64_t a, int64_t b, bool differs)
{
	cr_assert(e);
	cr_expect_eq(
		e->values[value].a.median, a, "%s: %ld", e->name, (long)e->values[value].a.median);
	cr_expect_eq(
		e->values[value].b.median, b, "%s: %ld", e->name, (long)e->values[value].b.median);
	cr_expect_eq(e->values[value].by, b - a, "%s: %ld", e->name, (long)e->values[value].by);
	cr_expect_eq(e->values[value].differs, differs, "%s %u", e->name, value);
}

static char *written(int (*fn)(const struct diff *d, struct out *o))
{
	struct scratch s = scratch__new();
	struct out *o;
	size_t len;
	char *text;

	cr_assert_eq(out__open(s.file, &o), 0);
	cr_assert_eq(fn(&d, o), 0);
	cr_assert_eq(out__close(o), 0);
	text = scratch_read(s.file, &len);
	cr_assert_eq(strlen(text), len);
	scratch__free(&s);
	return text;
}

static void expect_text(const char *const *words)
{
	char *text = written(diff_text);

	for (; *words; words++)
		cr_expect(strstr(text, *words), "it does not say \"%s\":\n%s", *words, text);
	free(text);
}

#define SAYS(...) expect_text((const char *const[]){__VA_ARGS__, NULL})

/* --- one run a side --------------------------------------------------------------------------- */

Test(diff, of_two_runs_whatever_is_not_the_same_differs)
{
	simple("a", 50, 100);
	simple("b", 60, 150);
	compare(1);
	cr_expect(d.common);
	is(find(SEEN_PROCESS, "w", "w"), 0, 10 * M, 10 * M, false);
	is(find(SEEN_PROCESS, "w", "w"), 1, 110 * M, 160 * M, true);
	is(find(SEEN_PROCESS, "w", "w"), 2, 120 * M, 170 * M, true);
	is(find(SEEN_LABEL, "w", "load"), 0, 100 * M, 150 * M, true);
	is(find(SEEN_LABEL, "w", "load"), 1, 100 * M, 150 * M, true);
	is(find(SEEN_LABEL, "w", "load"), 2, 1, 1, false);
	is(find(SEEN_LABEL, "w", "begin"), 0, 0, 0, false);
	SAYS("A: a\n", "B: b\n", "so noise is not known", "Labels (M):", "100.00  150.00   +50.00",
		" w        load\n", "Functions and mappings are not compared", "Processes (M):");
}

Test(diff, of_a_run_and_itself_there_is_none)
{
	simple("a", 50, 100);
	simple("a", 50, 100);
	compare(1);
	SAYS("There is no difference.");
}

/* --- which processes -------------------------------------------------------------------------- */

Test(diff, processes_are_those_of_the_same_role_and_rank_whatever_their_pid)
{
	for (int i = 0; i < 2; i++) {
		uint32_t first = i ? 71 : 60, second = i ? 70 : 61;

		begin(i ? "b" : "a", "6.1", false);
		process(first, i ? 3 : 2, "Worker_TP0", "");
		process(second, i ? 2 : 3, "Worker_TP1", "");
		gone(first, 1, i ? 15 : 10, 20);
		gone(second, 1, 30, 30);
		end();
	}
	compare(1);
	cr_expect_eq(d.entries[SEEN_PROCESS].n, 2);
	is(find(SEEN_PROCESS, "Worker_TP0", "Worker_TP0"), 1, 10 * M, 15 * M, true);
	is(find(SEEN_PROCESS, "Worker_TP1", "Worker_TP1"), 1, 30 * M, 30 * M, false);
}

Test(diff, several_of_one_role_are_taken_in_the_order_of_birth)
{
	for (int i = 0; i < 2; i++) {
		begin(i ? "b" : "a", "6.1", false);
		/* told in another order, and with pids in another order */
		process(60, i ? 2 : 4, "", "");
		process(61, 3, "", "");
		gone(61, 1, 20, 20);
		gone(60, 1, i ? 11 : 30, 30);
		end();
	}
	compare(1);
	is(find(SEEN_PROCESS, "server #1", "server"), 1, 20 * M, 11 * M, true);
	is(find(SEEN_PROCESS, "server #2", "server"), 1, 30 * M, 20 * M, true);
}

Test(diff, pids_and_ports_in_a_role_are_chance_and_a_rank_is_not)
{
	static const char *const roles[2][3] = {
		{"parallel worker for PID 418", "u db 127.0.0.1(45678)", "rank12"},
		{"parallel worker for PID 99172", "u db 127.0.0.1(9999)", "rank13"}};

	for (int i = 0; i < 2; i++) {
		begin(i ? "b" : "a", "6.1", false);
		for (uint32_t k = 0; k < 3; k++) {
			process(60 + k, 2 + k, roles[i][k], "");
			gone(60 + k, 1, 2, 2);
		}
		end();
	}
	compare(1);
	is(find(SEEN_PROCESS, "parallel worker for PID *", "parallel worker for PID *"), 1, 2 * M,
		2 * M, false);
	is(find(SEEN_PROCESS, "u db 127.0.0.1(*)", "u db 127.0.0.1(*)"), 1, 2 * M, 2 * M, false);
	cr_expect_eq(diff_entry__only(find(SEEN_PROCESS, "rank12", "rank12")), 'A');
	cr_expect_eq(diff_entry__only(find(SEEN_PROCESS, "rank13", "rank13")), 'B');
	SAYS("Only in A: rank12\n", "Only in B: rank13\n");
}

Test(diff, of_two_programs_nothing_is_in_common)
{
	for (int i = 0; i < 2; i++) {
		begin(i ? "b" : "a", "6.1", false);
		process(60, 2, i ? "redis-server" : "postmaster", "");
		gone(60, 1, 2, 2);
		end();
	}
	compare(1);
	cr_expect(!d.common);
}

/* --- labels ----------------------------------------------------------------------------------- */

Test(diff, rows_of_a_label_are_compared_in_their_order)
{
	static const int64_t has[2][4] = {{0, 10, 20, 30}, {0, 10, 70, 80}};
	struct diff_value values[2];
	const struct diff_entry *e;
	size_t nth;
	int64_t by;

	for (int i = 0; i < 2; i++) {
		begin(i ? "b" : "a", "6.1", false);
		process(60, 2, "w", "");
		for (uint64_t k = 0; k < 4; k++)
			mark(60, 3 + k, "request", has[i][k]);
		if (i)
			mark(60, 8, "request", 81);
		end();
	}
	compare(1);
	e = find(SEEN_LABEL, "w", "request");
	is(e, 0, 30 * M, 81 * M, true);
	is(e, 1, 30 * M, 81 * M, true);
	is(e, 2, 4, 5, true);
	cr_assert_eq(diff_entry__occurrences(&d, e), 5);
	diff__occurrence(&d, e, 2, values);
	cr_expect_eq(values[0].by, 50 * M);
	cr_expect_eq(values[1].b.median, 70 * M);
	diff__occurrence(&d, e, 3, values);
	cr_expect(!values[0].differs && values[1].differs);
	cr_expect(diff__worst(&d, e, &nth, &by));
	cr_expect_eq(nth, 2);
	cr_expect_eq(by, 50 * M);
	SAYS("4 | 5", "#3 +50.00");
}

Test(diff, points_in_between_take_nothing_from_a_label)
{
	simple("a", 50, 100);
	begin("b", "6.1", false);
	process(60, 2, "w", "server --all");
	mark(60, 3, "begin", 10);
	feed_cp(run, .pid = 60, .time_ns = 3 * SEC + 1, .func = RT_NO_FUNC, .when = RT_POINT,
		.anon = 80 * M);
	mark(60, 4, "load", 110);
	gone(60, 5, 110, 120);
	end();
	compare(1);
	is(find(SEEN_LABEL, "w", "load"), 0, 100 * M, 100 * M, false);
	cr_expect_eq(d.entries[SEEN_LABEL].n, 2);
	SAYS("There is no difference.");
}

Test(diff, what_is_on_one_side_only_is_listed_as_that)
{
	simple("a", 50, 1);
	begin("b", "6.1", false);
	process(60, 2, "w", "server --all");
	mark(60, 3, "begin", 10);
	mark(60, 4, "load \033[31m", 11);
	mark(60, 5, "small", 11);
	process(61, 4, "helper", "");
	gone(61, 1, 30, 40);
	gone(60, 5, 11, 21);
	end();
	compare(1);
	cr_expect_eq(diff_entry__only(find(SEEN_LABEL, "w", "load")), 'A');
	cr_expect_eq(diff_entry__only(find(SEEN_LABEL, "w", "small")), 'B');
	cr_expect_eq(diff_entry__only(find(SEEN_PROCESS, "helper", "helper")), 'B');
	is(find(SEEN_LABEL, "w", "load"), 0, M, 0, true);
	SAYS("Only in A: load (w)\n", "load \\x1b[31m (w)", "small (w)", "Only in B: helper\n");
}

/* --- noise ------------------------------------------------------------------------------------ */

static void three_a_side(int64_t b1, int64_t b2, int64_t b3)
{
	simple("a1", 50, 100);
	simple("a2", 51, 104);
	simple("a3", 52, 101);
	simple("b1", 53, b1);
	simple("b2", 54, b2);
	simple("b3", 55, b3);
	compare(3);
}

Test(diff, within_the_spread_of_the_runs_is_noise)
{
	three_a_side(103, 120, 140);
	is(find(SEEN_LABEL, "w", "load"), 0, 101 * M, 120 * M, false);
	SAYS("A: a1 a2 a3 (3 runs)", "ranges of the runs (lowest..highest) do not overlap",
		"There is no difference.");
}

Test(diff, beyond_the_spread_is_a_difference_of_the_medians)
{
	const struct diff_entry *e;

	three_a_side(140, 105, 120);
	e = find(SEEN_LABEL, "w", "load");
	is(e, 0, 101 * M, 120 * M, true);
	cr_expect_eq(e->values[0].a.low, 100 * M);
	cr_expect_eq(e->values[0].a.high, 104 * M);
	cr_expect_eq(e->values[0].b.low, 105 * M);
	cr_expect_eq(e->values[0].b.high, 140 * M);
	SAYS("100.00..104.00  105.00..140.00   +19.00");
}

Test(diff, the_median_of_two_is_between_them)
{
	simple("a", 50, 100);
	simple("b1", 51, 110);
	simple("b2", 52, 121);
	compare(1);
	is(find(SEEN_LABEL, "w", "load"), 0, 100 * M, 115 * M + M / 2, true);
}

Test(diff, what_only_some_runs_have_is_noise_too)
{
	simple("a1", 50, 100);
	simple("a2", 51, 100);
	simple("b1", 52, 100);
	begin("b2", "6.1", false);
	process(53, 2, "w", "");
	mark(53, 3, "begin", 10);
	mark(53, 4, "sometimes", 110);
	gone(53, 5, 110, 120);
	end();
	compare(2);
	is(find(SEEN_LABEL, "w", "sometimes"), 0, 0, 50 * M, false);
	is(find(SEEN_LABEL, "w", "load"), 0, 100 * M, 50 * M, false);
	cr_expect_eq(find(SEEN_LABEL, "w", "load")->runs_b, 1);
}

Test(diff, what_is_smaller_than_asked_for_is_left_out)
{
	simple("a", 50, 100);
	simple("b", 60, 101);
	d.min_delta = 2 * (uint64_t)M;
	compare(1);
	SAYS("Differences of less than this are left out: 2.00 M", "There is no difference.");
}

/* --- growth ----------------------------------------------------------------------------------- */

static void tell(const void *ev)
{
	cr_assert_eq(feed__raw(run, REC_EVENT, ev, ((const struct rt_hdr *)ev)->len), 0);
}

static void function(unsigned int id, const char *qualname, const char *file)
{
	unsigned int none;

	feed__fact(run, REC_FUNC, func, .id = PYTHON + id, .name = "f", .file = (char *)file,
		.cost = "", .returns = "", .qualname = (char *)qualname, .line = 3, .specs = &none);
	tell(&(struct rt_node){.h = {.kind = RT_EV_NODE, .len = sizeof(struct rt_node)},
		.node = 100 + id,
		.parent = id ? 100 : 0,
		.func = PYTHON + id});
}

static void came(enum rt_cell_kind kind, uint64_t at, int64_t mib)
{
	tell(&(struct rt_growth){.h = {.kind = RT_EV_GROWTH, .len = sizeof(struct rt_growth)},
		.key = {.kind = kind, .at = at, .serial = 7},
		.grown = {.anon = mib * M}});
}

static void mapping(uint32_t map, const char *name)
{
	struct rt_mapping ev = {.h = {.kind = RT_EV_MAPPING, .len = sizeof(ev)},
		.map = map,
		.map_kind = RT_MAP_FILE};

	strcpy(ev.name, name);
	tell(&ev);
}

/* A program at `root`, whose load brings so much; `main` calls it. */
static void grown(const char *root, int64_t mib)
{
	char main[64], load[64], package[64], data[64];
	struct feed_event e = {
		.pid = 50, .time_ns = 90 * SEC, .totals = {.last = {.anon = (mib + 2) * M}}};
	struct rt_exit exit = feed__make_exit(&e);

	snprintf(main, sizeof(main), "%s/main.py", root);
	snprintf(load, sizeof(load), "%s/lib/load.py", root);
	snprintf(package, sizeof(package), "%s/lib/__init__.py", root);
	snprintf(data, sizeof(data), "%s/data.bin", root);
	begin(root, "6.1", true);
	process(50, 2, "app", "");
	function(0, "main", main);
	function(1, "Model.load", load);
	function(2, "<module>", package);
	came(RT_CELL_PLACE, 100, 1);
	came(RT_CELL_PLACE, 101, mib);
	came(RT_CELL_PLACE, 102, 1);
	mapping(1, data);
	mapping(2, "/usr/lib/libc.so.6");
	came(RT_CELL_MAPPING, 1, mib);
	came(RT_CELL_MAPPING, 2, 2);
	exit.serial = 7;
	tell(&exit);
	end();
}

Test(diff, functions_and_mappings_are_found_again_where_a_new_version_lies)
{
	grown("/srv/app-1.0", 40);
	grown("/srv/app-1.1", 90);
	compare(1);
	cr_expect(d.growth);
	cr_expect_eq(d.entries[SEEN_FUNCTION].n, 3);
	cr_expect_eq(d.entries[SEEN_MAPPING].n, 2);
	is(find(SEEN_FUNCTION, "app", "Model.load"), 0, 40 * M, 90 * M, true);
	is(find(SEEN_FUNCTION, "app", "main"), 0, M, M, false);
	is(find(SEEN_FUNCTION, "app", "main"), 1, 42 * M, 92 * M, true);
	is(find(SEEN_FUNCTION, "app", "<module>"), 0, M, M, false);
	is(find(SEEN_MAPPING, "app", "/srv/app-1.0/data.bin"), 0, 40 * M, 90 * M, true);
	is(find(SEEN_MAPPING, "app", "/usr/lib/libc.so.6"), 0, 2 * M, 2 * M, false);
	cr_expect_str_eq(
		d.entries[SEEN_FUNCTION].list[0]->name, "Model.load", "where it came is first");
	SAYS("Growth by function (M):", "40.00   90.00   +50.00", "Model.load",
		"Growth by mapping (M):");
}

Test(diff, an_init_of_another_package_is_not_the_same)
{
	for (int i = 0; i < 2; i++) {
		struct feed_event e = {.pid = 50, .time_ns = 90 * SEC};
		struct rt_exit exit = feed__make_exit(&e);

		begin(i ? "b" : "a", "6.1", true);
		process(50, 2, "app", "");
		function(0, "<module>", i ? "/lib/red/__init__.py" : "/lib/blue/__init__.py");
		came(RT_CELL_PLACE, 100, 5);
		exit.serial = 7;
		tell(&exit);
		end();
	}
	compare(1);
	cr_assert_eq(d.entries[SEEN_FUNCTION].n, 2);
	cr_expect(diff_entry__only(d.entries[SEEN_FUNCTION].list[0]));
	cr_expect(diff_entry__only(d.entries[SEEN_FUNCTION].list[1]));
}

Test(diff, where_one_side_was_not_attributed_functions_are_not_compared)
{
	grown("/srv/app-1.0", 40);
	begin("plain", "6.1", false);
	process(50, 2, "app", "");
	gone(50, 1, 10, 10);
	end();
	compare(1);
	cr_expect(!d.growth);
	cr_expect_eq(d.entries[SEEN_FUNCTION].n, 0);
	SAYS("Functions and mappings are not compared, since these were not recorded with "
	     "--growth: plain\n");
}

/* --- what sides are --------------------------------------------------------------------------- */

Test(diff, sides_that_are_not_alike_are_told_at_the_top)
{
	for (int i = 0; i < 2; i++) {
		begin(i ? "b" : "a", i ? "6.12" : "6.1", false);
		feed_spec(run, .id = 0, .entry = {"甲", "one"});
		feed_spec(run, .id = 1, .entry = {"乙", i ? "two" : "three"},
			.leave = {"丙", i ? "four" : "three"});
		process(60, 2, "w", i ? "server --new" : "server --old");
		gone(60, 1, 2, 2);
		end();
	}
	compare(1);
	cr_expect_eq(d.n_facts, 2);
	cr_expect_eq(d.labels_a, 1);
	cr_expect_eq(d.labels_b, 2);
	SAYS("The sides are not alike:\n  kernel: 6.1 | 6.12\n  command: server --old | server "
	     "--new\n"
	     "  labels that only the specs of one side have: 1 | 2\n");
}

/* --- formats ---------------------------------------------------------------------------------- */

#define HOSTILE "q\"uo'te <b>&amp;</script>\n\033[31m"

static void hostile(void)
{
	for (int i = 0; i < 2; i++) {
		begin(i ? "b\n<i>" : "a", "6.1", false);
		process(60, 2, "", "server");
		mark(60, 3, "begin", 10);
		mark(60, 4, HOSTILE, i ? 20 : 60);
		mark(60, 5, HOSTILE, i ? 20 : 60);
		end();
	}
	compare(1);
}

Test(diff, lines_of_json_are_as_their_schema_says)
{
	size_t n = 0, occurrences = 0;
	char *text, *line, *save = NULL;
	json_t *j;

	hostile();
	text = written(diff_jsonl);
	schema_root = json_loads(embedded_find("ramtrace-diff.schema.json")->data, 0, NULL);
	cr_assert(schema_root);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save), n++) {
		j = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
		cr_assert(j, "%s", line);
		cr_expect(valid(schema_root, j), "%s", line);
		occurrences += strstr(line, "\"occurrence\"") != NULL;
		json_decref(j);
	}
	cr_expect_eq(n, 7, "head, tree, process, two labels and their rows, summary: %zu", n);
	cr_expect_eq(occurrences, 2);
	json_decref(schema_root);
	free(text);
}

Test(diff, a_page_shows_what_a_label_holds_as_text)
{
	char *page;

	hostile();
	page = written(diff_html);
	cr_expect(strstr(page, "q&quot;uo'te &lt;b&gt;&amp;amp;&lt;/script&gt;\\x0a\\x1b[31m<"),
		"%s", page);
	cr_expect(!strstr(page, "<b>") && !strchr(page, 033));
	cr_expect(strstr(page, "b\\x0a&lt;i&gt;"));
	cr_expect(strstr(page, "data-v=\"-41943040\""));
	cr_expect(strstr(page, "default-src 'none'"));
	cr_expect(!strstr(page, "http:") && !strstr(page, "https:") && !strstr(page, "src="),
		"nothing is loaded");
	free(page);
}

Test(diff, is_told_in_chinese_as_well)
{
	d.lang = LANG_ZH;
	three_a_side(140, 105, 120);
	SAYS("不重叠才算差异", "各标签 (M):", "占用 A", "load");
}

/* --- conditions ------------------------------------------------------------------------------- */

/* 1: it fails; what it said is kept. */
static int gate(const char *text)
{
	struct condition_error err;
	struct condition *c = NULL;
	int fails;

	cr_assert_eq(condition__parse(text, true, &c, &err), 0, "%s", err.why);
	fails = diff_gate(&d, &c, 1);
	condition__free(c);
	return fails;
}

#define FAILS(text, ...)                                                                           \
	do {                                                                                       \
		cr_expect_eq(gate(text), 1, "%s", text);                                           \
		cr_assert_said(2, __VA_ARGS__);                                                    \
	} while (0)
#define PASSES(text)                                                                               \
	do {                                                                                       \
		cr_expect_eq(gate(text), 0, "%s", text);                                           \
		cr_expect_str_empty(said(2), "%s", text);                                          \
	} while (0)

Test(diff, conditions_are_of_what_b_has_more)
{
	simple("a", 50, 100);
	simple("b", 60, 150);
	compare(1);
	said__begin(2);
	FAILS("load>+49M",
		"--fail-if 'load>+49M' holds (1):", "(w) load: 100.00 -> 150.00 M (+50.00)");
	PASSES("load>+50M");
	FAILS("load>149M", "holds (1)");
	FAILS("l*>+49%", "holds (1)");
	PASSES("load>+50%");
	FAILS("rss(w)>+49M", "(w) rss: 110.00 -> 160.00 M");
	FAILS("peak(w)>=170M", "(w) peak: 120.00 -> 170.00 M");
	FAILS("anon(*)>+1M", "(w) anon: 110.00 -> 160.00 M");
	PASSES("shmem(*)>+0");
	FAILS("total(load)>+49M", "100.00 -> 150.00 M");
	PASSES("lost()>0");
	FAILS("tree()>+1", "could not be judged", "not known of all tapes");
	FAILS("growth(x)>+1", "could not be judged", "--growth");
	FAILS("lod>+1M", "can never hold", "in these runs no row has a label that matches \"lod\"");
	FAILS("rss(x)>+1M", "can never hold", "no process has a role");
}

Test(diff, noise_fails_no_condition_on_a_difference)
{
	three_a_side(103, 120, 140);
	said__begin(2);
	PASSES("load>+1M");
	FAILS("load>119M", "101.00 -> 120.00 M");
}

Test(diff, conditions_are_of_functions_too)
{
	grown("/srv/app-1.0", 40);
	grown("/srv/app-1.1", 90);
	compare(1);
	said__begin(2);
	FAILS("growth(*.load)>+49M", "(app) Model.load: 40.00 -> 90.00 M (+50.00)");
	PASSES("growth(*.load)>+50M");
	PASSES("remainder(app)>+1M");
}

Test(diff, what_only_b_has_is_compared_with_nothing)
{
	simple("a", 50, 100);
	begin("b", "6.1", false);
	feed_spec(run, .id = 0, .entry = {"从未", "never"});
	process(60, 2, "w", "server --all");
	mark(60, 3, "begin", 10);
	mark(60, 4, "new", 90);
	gone(60, 5, 90, 90);
	end();
	compare(1);
	said__begin(2);
	FAILS("new>+79M", "(w) new: 0.00 -> 80.00 M");
	FAILS("load<-99M", "(w) load: 100.00 -> 0.00 M");
	cr_expect_eq(gate("从未>+1M"), 0);
	cr_assert_said(2, "was not put to the test: these runs did not get to that label");
}
