/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --summary-json and the part of the report about growth, of runs that are fed. */
#include "account.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "embed.h"
#include "feed.h"
#include "schema.h"
#include "scratch.h"
#include "sink.h"

#define PAGE   4096LL
#define MIB    (1LL << 20)
#define PYTHON RT_PY_FUNC_BASE

static char *json_text, *report_text;
static json_t *doc;

/* What a function writes of the run. */
static char *written(const struct run_summary *sum, int lang)
{
	struct scratch dir = scratch__new();
	struct out *o;
	char *text;
	size_t len;

	cr_assert_eq(out__open(dir.file, &o), 0);
	if (lang < 0)
		cr_assert_eq(sink_summary.ops.summary(o, sum), 0);
	else
		cr_assert_eq(report_growth(lang, sum, o), 0);
	cr_assert_eq(out__close(o), 0);
	text = scratch_read(dir.file, &len);
	scratch__free(&dir);
	return text;
}

static void finish(struct run *run)
{
	cr_assert_eq(run__finish(run), 0);
	json_text = written(run__result(run), -1);
	report_text = written(run__result(run), LANG_EN);
	run__free(run);
	doc = json_loads(json_text, JSON_REJECT_DUPLICATES, NULL);
	cr_assert(doc, "%s", json_text);
	schema_root = json_loads(embedded_find("ramtrace-summary.schema.json")->data, 0, NULL);
	cr_assert(schema_root);
}

static void tear_down(void)
{
	json_decref(doc);
	json_decref(schema_root);
	free(json_text);
	free(report_text);
}

TestSuite(summary, .fini = tear_down, .timeout = 30);

static struct run *start(bool growth)
{
	static const struct row_ops none;
	struct run *run = run__new(&(struct correlate_options){.lang = LANG_EN}, &none, NULL);

	cr_assert(run);
	feed_host(run, .start_ns = 1000, .growth = growth, .host = "b\303\266x", .kernel = "6.1", .version = "1",
		.cpus = 2);
	return run;
}

static void python(struct run *run, unsigned int id, const char *qualname, unsigned int line)
{
	unsigned int none;

	feed__fact(run, REC_FUNC, func, .id = id, .name = "f", .file = "/srv/app.py", .cost = "", .returns = "",
		.qualname = (char *)qualname, .line = line, .specs = &none);
}

static void tell(struct run *run, const void *ev)
{
	cr_assert_eq(feed__raw(run, REC_EVENT, ev, ((const struct rt_hdr *)ev)->len), 0);
}

static void node(struct run *run, uint64_t number, uint64_t parent, uint32_t func, const char *comm)
{
	struct rt_node ev = {.h = {.kind = RT_EV_NODE, .len = sizeof(ev)}, .node = number, .parent = parent, .func = func};

	strcpy(ev.comm, comm);
	tell(run, &ev);
}

static void cell(struct run *run, enum rt_cell_kind kind, uint64_t at, int line, struct rt_change grown,
	struct rt_change returned)
{
	struct rt_growth ev = {.h = {.kind = RT_EV_GROWTH, .len = sizeof(ev)}, .key = {.kind = kind, .at = at, .serial = 7,
		.instr = line}, .line = line, .grown = grown, .returned = returned};

	tell(run, &ev);
}

static void mapping(struct run *run, uint32_t map, enum rt_map_kind kind, const char *name, uint32_t flags)
{
	struct rt_mapping ev = {.h = {.kind = RT_EV_MAPPING, .len = sizeof(ev)}, .map = map, .map_kind = kind,
		.flags = flags};

	strcpy(ev.name, name);
	tell(run, &ev);
}

/* It began with 10 MiB and ended with `end`. */
static void end_of(struct run *run, int64_t end, int64_t foreign, int64_t own)
{
	struct feed_event e = {.pid = 50, .time_ns = 9000, .totals = {.first = {.anon = 10 * MIB},
		.last = {.anon = end - 2 * MIB, .file = MIB, .shmem = MIB}, .grown = {.anon = own},
		.foreign = {.anon = foreign}, .footprint = {.anon = PAGE}}};
	struct rt_exit ev = feed__make_exit(&e);

	ev.serial = 7;
	tell(run, &ev);
	feed_end(run, .time_ns = 9999, .reason = "exit");
}

#define ANON(n) ((struct rt_change){.anon = (n)})
#define NONE	((struct rt_change){0})

/* main calls load, in which 4 MiB come in line 12 and 1 MiB goes; a thread of C brings 2 MiB. */
static struct run *a_run(void)
{
	struct run *run = start(true);

	feed_proc(run, .pid = 50, .start_ns = 50, .role = "server");
	feed_totals(run, .pid = 50, .time_ns = 2000, .comm = "python3");
	python(run, PYTHON + 1, "main", 3);
	python(run, PYTHON + 2, "Model.load", 10);
	node(run, 100, 0, PYTHON + 1, "");
	node(run, 101, 100, PYTHON + 2, "");
	node(run, 102, 0, RT_NO_FUNC, "pool\n1");
	cell(run, RT_CELL_PLACE, 101, 12, ANON(4 * MIB), ANON(MIB));
	cell(run, RT_CELL_PLACE, 100, 4, ((struct rt_change){.file = MIB, .shmem = MIB}), NONE);
	cell(run, RT_CELL_PLACE, 102, 0, ANON(2 * MIB), NONE);
	mapping(run, 1, RT_MAP_HEAP, "", 0);
	mapping(run, 2, RT_MAP_FILE, "/srv/\377data", RT_MAP_HUGE);
	cell(run, RT_CELL_MAPPING, 1, 0, ANON(6 * MIB), ANON(MIB));
	cell(run, RT_CELL_MAPPING, 2, 0, ((struct rt_change){.file = MIB}), NONE);
	cell(run, RT_CELL_MAPPING, 0, 0, ((struct rt_change){.shmem = MIB}), NONE);
	cell(run, RT_CELL_THREAD, 50, 0, ((struct rt_change){.anon = 4 * MIB, .file = MIB, .shmem = MIB}), ANON(MIB));
	cell(run, RT_CELL_THREAD, 51, 0, ANON(2 * MIB), NONE);
	cell(run, RT_CELL_STACK, 101, 0, ANON(4 * MIB), NONE);
	return run;
}

static json_t *at(json_t *j, const char *list, size_t i)
{
	return json_array_get(json_object_get(j, list), i);
}

static int64_t number(json_t *j, const char *a, const char *b)
{
	j = json_object_get(j, a);
	j = b ? json_object_get(j, b) : j;
	cr_assert(json_is_integer(j), "%s %s", a, b);
	return json_integer_value(j);
}

static void has_text(json_t *j, const char *key, const char *text)
{
	cr_expect_str_eq(json_string_value(json_object_get(j, key)), text);
}

Test(summary, says_who_grew)
{
	struct run *run = a_run();
	json_t *p, *f;

	end_of(run, 17 * MIB + PAGE - 3 * PAGE, -3 * PAGE, 7 * MIB);
	finish(run);
	cr_expect(valid(schema_root, doc), "%s", json_text);
	has_text(doc, "host", "b\303\266x");
	cr_assert_eq(json_array_size(json_object_get(doc, "processes")), 1);
	p = at(doc, "processes", 0);
	cr_expect_eq(number(p, "pid", NULL), 50);
	cr_expect_eq(number(p, "start_ns", NULL), 50);
	has_text(p, "role", "server");
	f = at(p, "functions", 0);
	has_text(f, "name", "main");
	has_text(f, "file", "/srv/app.py");
	cr_expect_eq(number(f, "line", NULL), 3, "where the function begins");
	cr_expect_eq(number(f, "self", "anon"), 0);
	cr_expect_eq(number(f, "self", "file"), MIB);
	cr_expect_eq(number(f, "inclusive", "anon"), 3 * MIB);
	cr_expect_eq(number(f, "inclusive", "shmem"), MIB);
	f = at(p, "functions", 1);
	has_text(f, "name", "Model.load");
	cr_expect_eq(number(json_object_get(f, "self"), "grown", "anon"), 4 * MIB);
	cr_expect_eq(number(json_object_get(f, "self"), "returned", "anon"), MIB);
	f = at(p, "functions", 2);
	cr_expect(!strncmp(json_string_value(json_object_get(f, "name")), "[native thread pool", 19));
	has_text(f, "file", "");
	cr_expect_eq(number(f, "line", NULL), 0);
	f = at(p, "lines", 0);
	has_text(f, "name", "Model.load");
	cr_expect_eq(number(f, "line", NULL), 12);
	cr_expect_eq(json_array_size(json_object_get(p, "lines")), 2);
}

Test(summary, says_in_which_mappings_and_threads)
{
	struct run *run = a_run();
	json_t *p, *m;

	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	p = at(doc, "processes", 0);
	m = at(p, "mappings", 0);
	has_text(m, "name", "[heap]");
	has_text(m, "kind", "heap");
	cr_expect_eq(number(m, "anon", NULL), 5 * MIB);
	cr_expect_eq(number(m, "grown", "anon"), 6 * MIB);
	cr_expect_eq(number(m, "returned", "anon"), MIB);
	cr_expect_eq(json_array_size(json_object_get(p, "mappings")), 3);
	for (size_t i = 1; i < 3; i++) {
		m = at(p, "mappings", i);
		if (json_is_true(json_object_get(m, "huge"))) {
			has_text(m, "kind", "file");
			cr_expect_eq(number(m, "file", NULL), MIB);
		} else {
			has_text(m, "name", "[not known]");
			cr_expect_eq(number(m, "shmem", NULL), MIB);
		}
	}
	cr_expect_eq(number(at(p, "threads", 0), "tid", NULL), 50);
	cr_expect_eq(number(at(p, "threads", 1), "anon", NULL), 2 * MIB);
	cr_expect_eq(json_array_size(json_object_get(at(p, "stacks", 0), "frames")), 2);
	has_text(at(at(p, "stacks", 0), "frames", 0), "name", "Model.load");
}

static void account(int64_t end, int64_t foreign, int64_t remainder)
{
	json_t *i = json_object_get(at(doc, "processes", 0), "identity");

	cr_expect_eq(number(i, "start", NULL), 10 * MIB);
	cr_expect_eq(number(i, "end", NULL), end);
	cr_expect_eq(number(i, "attributed", NULL), 7 * MIB);
	cr_expect_eq(number(i, "foreign", NULL), foreign);
	cr_expect_eq(number(i, "footprint", NULL), PAGE);
	cr_expect_eq(number(i, "remainder", NULL), remainder);
}

Test(summary, of_an_account_that_closes_leaves_nothing)
{
	struct run *run = a_run();

	end_of(run, 17 * MIB + PAGE - 3 * PAGE, -3 * PAGE, 7 * MIB);
	finish(run);
	account(17 * MIB - 2 * PAGE, -3 * PAGE, 0);
}

Test(summary, of_an_account_that_does_not_close_says_by_how_much_and_why)
{
	struct run *run = a_run();
	json_t *causes;

	cell(run, RT_CELL_PLACE, RT_NODE_UNKNOWN, 0, ANON(5 * PAGE), ANON(PAGE));
	cell(run, RT_CELL_PLACE, RT_NODE_REST, 0, ANON(PAGE), ANON(3 * PAGE));
	/* besides: 3 pages that were counted nowhere, and 5 while tracing ended */
	end_of(run, 17 * MIB + PAGE + 10 * PAGE, 0, 7 * MIB + 5 * PAGE);
	finish(run);
	account(17 * MIB + 11 * PAGE, 0, 10 * PAGE);
	causes = json_object_get(json_object_get(at(doc, "processes", 0), "identity"), "causes");
	cr_expect_eq(number(causes, "unread_stack", NULL), 4 * PAGE);
	cr_expect_eq(number(causes, "too_many_places", NULL), -2 * PAGE);
	cr_expect_eq(number(causes, "dropped", NULL), 3 * PAGE);
	cr_expect_eq(number(causes, "uncounted", NULL), 5 * PAGE);
	cr_expect_eq(number(causes, "unlike_proc", NULL), 0);
	cr_expect(strstr(report_text, "+0.04"), "%s", report_text);
	cr_expect(strstr(report_text, "+0.02"), "%s", report_text);
}

Test(summary, says_what_cannot_be_told_apart)
{
	static const char *const words[] = {"grown where not all callers are known: +3.00",
		"grown in more mappings than can be told apart: +4.00",
		"grown in more threads than can be told apart: +5.00", "[too many to tell apart]"};
	struct run *run = a_run();
	json_t *p, *u;

	node(run, 200, RT_NODE_UNKNOWN, PYTHON + 2, "");
	cell(run, RT_CELL_PLACE, 200, 12, ANON(3 * MIB), ANON(MIB));
	cell(run, RT_CELL_MAPPING, 99, 0, ANON(4 * MIB), NONE);
	cell(run, RT_CELL_THREAD, 0, 0, ANON(5 * MIB), NONE);
	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	cr_expect(valid(schema_root, doc), "%s", json_text);
	p = at(doc, "processes", 0);
	u = json_object_get(p, "unclear");
	cr_expect_eq(number(u, "callers", "anon"), 2 * MIB);
	cr_expect_eq(number(json_object_get(u, "callers"), "grown", "anon"), 3 * MIB);
	cr_expect_eq(number(u, "names", "anon"), 0);
	cr_expect_eq(number(u, "mappings", "anon"), 4 * MIB);
	cr_expect_eq(number(u, "threads", "anon"), 5 * MIB);
	cr_expect_eq(number(u, "stacks", "anon"), 0);
	cr_expect_not(json_is_true(json_object_get(at(p, "stacks", 0), "cut")));
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		cr_expect(strstr(report_text, words[i]), "%s: %s", words[i], report_text);
	cr_expect_null(strstr(report_text, "without a name"), "%s", report_text);
}

Test(summary, has_the_tree_of_spans)
{
	struct run *run = a_run();
	json_t *p, *s;

	feed_spec(run, .id = 0, .entry = {"甲之前", "before A"}, .leave = {"甲之后", "after A"});
	feed_func(run, 7, "outer", 0);
	feed_func(run, 8, "inner", 0);
	feed_cp(run, .pid = 50, .time_ns = 3000, .func = 7, .when = RT_ENTRY, .span = 1);
	feed_cp(run, .pid = 50, .time_ns = 3001, .func = 8, .when = RT_ENTRY, .span = 2);
	feed_cp(run, .pid = 50, .time_ns = 3002, .func = 8, .when = RT_RETURN, .span = 2, .grown = ANON(3 * MIB));
	feed_cp(run, .pid = 50, .time_ns = 3003, .func = 7, .when = RT_RETURN, .span = 1, .grown = ANON(4 * MIB),
		.returned = ANON(MIB));
	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	cr_expect(valid(schema_root, doc), "%s", json_text);
	p = at(doc, "processes", 0);
	cr_assert_eq(json_array_size(json_object_get(p, "spans")), 2);
	s = at(p, "spans", 0);
	has_text(s, "name", "outer");
	cr_expect_eq(number(s, "parent", NULL), 0);
	cr_expect_eq(number(s, "count", NULL), 1);
	cr_expect_eq(number(s, "inclusive", "anon"), 3 * MIB);
	cr_expect_eq(number(json_object_get(s, "own"), "grown", "anon"), MIB);
	s = at(p, "spans", 1);
	has_text(s, "name", "inner");
	cr_expect_eq(number(s, "parent", NULL), number(at(p, "spans", 0), "id", NULL));
	cr_expect_eq(number(s, "own", "anon"), 3 * MIB);
}

/* What the schema says is what is checked: with less, with more or with other things it is not valid. */
Test(summary, is_valid_by_its_schema_and_not_by_less)
{
	static const char *const lists[] = {"functions", "lines", "mappings", "threads", "stacks"};
	struct run *run = a_run();
	json_t *p, *one;

	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	cr_assert(valid(schema_root, doc), "%s", json_text);
	p = at(doc, "processes", 0);
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		one = at(p, lists[i], 0);
		cr_assert(one, "%s", lists[i]);
		json_object_set_new(one, "unheard", json_true());
		cr_expect_not(valid(schema_root, doc), "%s", lists[i]);
		json_object_del(one, "unheard");
		cr_assert(valid(schema_root, doc));
	}
	json_object_set_new(doc, "version", json_integer(2));
	cr_expect_not(valid(schema_root, doc));
	json_object_set_new(doc, "version", json_integer(1));
	json_object_del(json_object_get(p, "identity"), "causes");
	cr_expect_not(valid(schema_root, doc));
}

Test(summary, of_a_run_without_attribution_has_no_processes)
{
	struct run *run = start(false);

	feed_totals(run, .pid = 50, .time_ns = 2000, .comm = "python3");
	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	cr_expect(valid(schema_root, doc), "%s", json_text);
	cr_expect_eq(json_array_size(json_object_get(doc, "processes")), 0);
	cr_expect_str_eq(report_text, "");
}

/* --- the report ---------------------------------------------------------------------------------- */

Test(summary, report_has_places_mappings_and_lines)
{
	static const char *const words[] = {"server pid=50: 10.00 -> 17.00: +7.00", "+7.00", "main", "/srv/app.py:3",
		"Model.load", "/srv/app.py:12", "[native thread pool", "[heap]", "[not known]"};
	struct run *run = a_run();

	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		cr_expect(strstr(report_text, words[i]), "%s: %s", words[i], report_text);
	cr_expect_null(strstr(report_text, "pool\n1"), "%s", report_text);
}

Test(summary, report_is_of_a_hundred_columns_at_most)
{
	struct run *run = a_run();
	char name[400], *line, *save;

	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	python(run, PYTHON + 9, name, 1);
	node(run, 200, 0, PYTHON + 9, "");
	cell(run, RT_CELL_PLACE, 200, 9, ANON(9000 * MIB), NONE);
	end_of(run, 17 * MIB, 0, 7 * MIB);
	finish(run);
	for (line = strtok_r(report_text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
		if (!strstr(line, "pid="))
			cr_expect_leq(out_width(line), 100, "%d: %s", out_width(line), line);
}

Test(summary, of_numbers_that_nobody_counted_is_still_a_document)
{
	struct rt_change most = {INT64_MAX, INT64_MAX, INT64_MAX, INT64_MAX};
	struct rt_change least = {INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
	struct run *run = a_run();

	for (int i = 0; i < 3; i++) {
		cell(run, RT_CELL_PLACE, 101, i, most, least);
		cell(run, RT_CELL_PLACE, RT_NODE_UNKNOWN, i, least, most);
		cell(run, RT_CELL_MAPPING, 1, i, most, least);
		cell(run, RT_CELL_THREAD, 1, i, least, most);
		cell(run, RT_CELL_STACK, 101, i, most, least);
	}
	end_of(run, INT64_MIN + 2 * MIB, INT64_MIN, 0);
	finish(run);
	cr_expect_eq(json_array_size(json_object_get(doc, "processes")), 1);
}
