/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who grew: programs that know it tell it, and /proc. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"
#include "pyplay.h"
#include "summary.h"

#define PAGE 4096

static int64_t pages(const json_t *place, const char *which, const char *kind)
{
	json_t *j = json_object_get(place, which);

	return row_int(kind ? json_object_get(j, kind) : j, "anon") / PAGE;
}

/* Places, mappings, threads and stacks each add up to what the account says; nothing is missing but what
 * came while the stack could not be read, where that is allowed. */
static void check_account(const json_t *p, const char *name, int64_t unread)
{
	static const char *const lists[] = {"mappings", "threads", "stacks"};
	json_t *identity = json_object_get(p, "identity"), *one;
	int64_t attributed = row_int(identity, "attributed"), sum = 0;
	int64_t remainder = row_int(identity, "remainder");
	size_t i;

	cr_expect_eq(row_int(identity, "end") - row_int(identity, "start"),
		attributed + row_int(identity, "foreign") + row_int(identity, "footprint") +
			row_int(identity, "remainder"), "%s: %s", name, json_dumps(identity, 0));
	cr_expect_eq(remainder, row_int(json_object_get(identity, "causes"), "unread_stack"), "%s: %s", name,
		json_dumps(identity, 0));
	cr_expect_leq(llabs(remainder), unread, "%s: %s", name, json_dumps(identity, 0));
	cr_expect_gt(attributed, 0);
	json_array_foreach(json_object_get(p, "functions"), i, one)
		sum += summary_rss(json_object_get(one, "self"));
	cr_expect_eq(sum, attributed, "%s: functions: %" PRId64 " of %" PRId64, name, sum, attributed);
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
		sum = 0;
		json_array_foreach(json_object_get(p, lists[l]), i, one)
			sum += summary_rss(one);
		cr_expect_eq(sum, attributed + remainder, "%s: %s: %" PRId64 " of %" PRId64, name, lists[l], sum,
			attributed + remainder);
	}
}

/* --- Python -------------------------------------------------------------------------------------------- */

static const json_t *find_place(const json_t *list, const char *name, const char *file, int64_t line)
{
	json_t *one;
	size_t i;

	json_array_foreach(list, i, one)
		if (!strcmp(row_str(one, "name"), name) && strstr(row_str(one, "file"), file) &&
			(!line || row_int(one, "line") == line))
			return one;
	return NULL;
}

/* What the program did before it began to count (begin(1), twice) and what the interpreter takes within
 * a function for itself: some pages of its heap. */
static const struct {
	const char *name;
	int64_t self, inclusive, returned; /* by two times begin(1) */
} before[] = {
	{"touch", 2 * 465, 2 * 465, 0},
	{"fill", 2 * 200, 2 * 200, 0},
	{"release", 0, 0, 2 * 200},
	{"one", 0, 2 * 60, 0},
	{"other", 0, 2 * 90, 0},
	{"deep", 0, 2 * 30, 0},
	{"some", 0, 2 * 35, 0},
	{"Engine.__init__", 0, 2 * 100, 0},
	{"Engine.load", 0, 2 * 150, 0},
	{"Engine.part", 0, 2 * 100, 0},
	{"work", 0, 2 * 665, 0},
};

static void near(const struct python *py, const char *name, const char *what, int64_t have, int64_t want,
	bool threads)
{
	int64_t slack = 12 + (threads ? want / 100 : 0);

	/* the stacks of new threads, and what their allocators give back */
	if (threads && (!strcmp(name, "deep") || !strcmp(what, "returned")))
		slack += 64;

	cr_expect(llabs(have - want) <= slack, "%s: %s of %s: %" PRId64 " pages, told %" PRId64, py->name, what,
		name, have, want);
}

static void check_functions(const struct python *py, const json_t *p, const json_t *told, bool threads)
{
	for (size_t i = 0; i < sizeof(before) / sizeof(*before); i++) {
		const char *name = before[i].name;
		const json_t *f = find_place(json_object_get(p, "functions"), name, "py_who.py", 0);
		const json_t *t = json_object_get(json_object_get(told, "functions"), name);

		cr_assert(f && t, "%s: no %s", py->name, name);
		near(py, name, "self", pages(f, "self", "grown"), row_int(t, "self") + before[i].self, threads);
		near(py, name, "inclusive", pages(f, "inclusive", "grown"),
			row_int(t, "inclusive") + before[i].inclusive, threads);
		near(py, name, "returned", pages(f, "self", "returned"),
			row_int(t, "returned") + before[i].returned, threads);
	}
}

/* Each line is where most of its function's growth is. */
static void check_lines(const struct python *py, const json_t *p, json_t *told)
{
	const char *name;
	json_t *number;

	json_object_foreach(json_object_get(told, "lines"), name, number) {
		const json_t *f = find_place(json_object_get(p, "functions"), name, "py_who.py", 0);
		const json_t *l = find_place(json_object_get(p, "lines"), name, "py_who.py", json_integer_value(number));

		cr_assert(f && l, "%s: no line %" JSON_INTEGER_FORMAT " of %s", py->name,
			json_integer_value(number), name);
		cr_expect_geq(pages(l, "self", "grown"), pages(f, "self", "grown") - 8, "%s: line of %s", py->name, name);
	}
}

/* The program begins when its interpreter is looked at. */
static void play(const struct python *py, bool threads)
{
	const char *told = harness_path("who.told"), *summary = harness_path("who.json"), *go = harness_path("go");
	struct child c;
	json_t *s, *t, *p;
	FILE *f;

	remove(go);
	c = tool_start("who", (const char *const[]){"-v", "--growth", "--profile", "none", "--summary-json", summary,
		"--", py->path, py_script("py_who.py"), told, go, threads ? "threads" : NULL, NULL});
	child_await(&c, c.err, "is looked at", 60);
	f = fopen(go, "w");
	cr_assert(f && !fclose(f));
	cr_expect_eq(child_wait(&c, 120), 0, "%s: %s", py->name, file_text(c.err));
	s = summary_load(summary);
	t = summary_load(told);
	p = json_array_get(json_object_get(s, "processes"), 0);
	check_functions(py, p, t, threads);
	check_lines(py, p, t);
	check_account(p, py->name, threads ? 64 * PAGE : 0);
	json_decref(s);
	json_decref(t);
}

Test(growth, python_functions_and_lines, .timeout = 600)
{
	harness_need_kernel();
	for (const struct python *py = pythons(); py->path; py++)
		if (python_has(py, "ctypes"))
			play(py, false);
}

Test(growth, python_functions_of_four_threads, .timeout = 600)
{
	harness_need_kernel();
	for (const struct python *py = pythons(); py->path; py++)
		if (python_has(py, "ctypes"))
			play(py, true);
}

/* --- threads of C ------------------------------------------------------------------------------------- */

static void check_thread(const json_t *thread, int64_t grown, int64_t returned)
{
	int64_t more = row_int(json_object_get(thread, "grown"), "anon") / PAGE - grown;
	int64_t back = row_int(json_object_get(thread, "returned"), "anon") / PAGE - returned;

	cr_expect(more >= -grown / 4000 && more <= grown / 4000, "grown %" PRId64 " and %" PRId64, grown, more);
	cr_expect(back >= -returned / 500 && back <= returned / 500, "returned %" PRId64 " and %" PRId64, returned,
		back);
}

/* Each its own, though all are at it at the same time: what a thread brings is not charged to another. */
static void play_threads(int threads, int rounds, int64_t slack)
{
	const char *summary = harness_path("own.json");
	char n[16], r[16], *line, *save, *text;
	long tid, grown, returned;
	int64_t all = 0, told = 0;
	struct child c;
	json_t *s, *p, *one;
	size_t i, found = 0;

	snprintf(n, sizeof(n), "%d", threads);
	snprintf(r, sizeof(r), "%d", rounds);
	c = tool_start("own", (const char *const[]){"--growth", "--profile", "none", "--summary-json", summary, "--",
		harness_target("own"), n, r, NULL});
	cr_assert_eq(child_wait(&c, 100), 0, "%s", file_text(c.err));
	s = summary_load(summary);
	p = json_array_get(json_object_get(s, "processes"), 0);
	check_account(p, "own", 0);
	text = file_text(c.out);
	for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%ld\t%ld\t%ld", &tid, &grown, &returned) != 3)
			continue;
		told += grown;
		json_array_foreach(json_object_get(p, "threads"), i, one) {
			if (row_int(one, "tid") != tid)
				continue;
			check_thread(one, grown, returned);
			all += row_int(json_object_get(one, "grown"), "anon") / PAGE;
			found++;
		}
	}
	cr_expect_eq(found, (size_t)threads);
	cr_expect(all - told >= 0 && all - told <= slack, "%" PRId64 " of %" PRId64 " pages", all, told);
	json_decref(s);
}

Test(growth, threads_at_the_same_time, .timeout = 120)
{
	harness_need_kernel();
	play_threads(4, 1000, 4 * 64);
}

Test(growth, one_thread_to_the_page, .timeout = 120)
{
	harness_need_kernel();
	play_threads(1, 1000, 2); /* of its stack */
}

/* --- mappings ------------------------------------------------------------------------------------------ */

struct sums {
	int64_t grown, returned;
};

/* All that was told of one name and kind. */
static struct sums told_of(const char *text, const char *name, const char *kind)
{
	char *copy = strdup(text), *save, *line, n[512], k[16];
	struct sums all = {0}, one;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%511[^\t]\t%15[^\t]\t%" SCNd64 "\t%" SCNd64, n, k, &one.grown, &one.returned) != 4 ||
			strcmp(n, name) || strcmp(k, kind))
			continue;
		all.grown += one.grown;
		all.returned += one.returned;
	}
	free(copy);
	return all;
}

/* A page of a stack or the heap is there before, and the kernel may bring its neighbours. */
static void check_mappings(const json_t *p, const char *text)
{
	char *copy = strdup(text), *save, *line, name[512], kind[16];
	struct sums want, have;
	json_t *one;
	size_t i, n = 0;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (sscanf(line, "%511[^\t]\t%15[^\t]", name, kind) != 2)
			continue;
		want = told_of(text, name, kind);
		have = (struct sums){-1, -1};
		json_array_foreach(json_object_get(p, "mappings"), i, one) {
			if (strcmp(row_str(one, "name"), name))
				continue;
			have.grown = row_int(json_object_get(one, "grown"), kind) / PAGE;
			have.returned = row_int(json_object_get(one, "returned"), kind) / PAGE;
		}
		cr_expect(have.grown >= want.grown && have.grown <= want.grown + 8,
			"%s: %s grown by %" PRId64 " pages, told %" PRId64, name, kind, have.grown, want.grown);
		cr_expect(have.returned >= want.returned && have.returned <= want.returned + 2,
			"%s: %s returned %" PRId64 " pages, told %" PRId64, name, kind, have.returned, want.returned);
		n++;
	}
	cr_expect_geq(n, 11);
	free(copy);
}

static int64_t smaps_rss(pid_t pid)
{
	char path[64], *text, *at;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	text = file_text(path);
	at = strstr(text, "Rss:");
	cr_assert(at);
	return strtoll(at + 4, NULL, 10) * 1024;
}

/* The program waits at its end, and is attached to in the middle by nobody: it begins under trace. */
Test(growth, mappings_of_every_kind, .timeout = 120)
{
	const char *summary = harness_path("maps.json"), *file = harness_path("grower.data");
	const char *fifo = harness_path("go");
	struct child c;
	char command[512], *out;
	int64_t pid, rss_at_end;
	json_t *s, *p;
	FILE *f;

	harness_need_kernel();
	snprintf(command, sizeof(command), "mkfifo %s", fifo);
	cr_assert_eq(shell(command, &out), 0);
	snprintf(command, sizeof(command), "exec %s %s <%s", harness_target("grower"), file, fifo);
	c = tool_start("maps", (const char *const[]){"--growth", "--profile", "none", "--summary-json", summary, "--",
		"/bin/sh", "-c", command, NULL});
	f = fopen(fifo, "w"); /* it waits for its reader */
	cr_assert(f);
	child_await(&c, c.out, "done", 60);
	snprintf(command, sizeof(command), "pgrep -n -P %d", c.pid);
	cr_assert_eq(shell(command, &out), 0);
	pid = atoi(out);
	rss_at_end = smaps_rss(pid);
	fputs("\n", f);
	fclose(f);
	cr_expect_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	s = summary_load(summary);
	/* the last program of that process: after the shell */
	p = json_array_get(json_object_get(s, "processes"), json_array_size(json_object_get(s, "processes")) - 1);
	cr_assert_eq(row_int(p, "pid"), pid);
	check_mappings(p, file_text(c.out));
	check_account(p, "grower", 0);
	/* what it touches to end: some pages of libc */
	cr_expect_leq(llabs(row_int(json_object_get(p, "identity"), "end") - rss_at_end), 32 * PAGE);
	json_decref(s);
}

/* --- by others ----------------------------------------------------------------------------------------- */

static int64_t told_number(const char *text, const char *word)
{
	const char *at = strstr(text, word);

	cr_assert(at, "%s: %s", word, text);
	return strtoll(at + strlen(word), NULL, 10);
}

/* Pages that another process brings and takes are not its own doing. */
Test(growth, what_others_bring_and_take_is_foreign, .timeout = 120)
{
	const char *summary = harness_path("others.json");
	struct child c;
	int64_t written, reclaimed, touched;
	json_t *s, *p, *one, *identity;
	char *text;
	size_t i;

	harness_need_kernel();
	c = tool_start("others", (const char *const[]){"--growth", "--profile", "none", "--summary-json", summary, "--",
		harness_target("byothers"), harness_path("others.data"), NULL});
	cr_assert_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	text = file_text(c.out);
	written = told_number(text, "written ");
	reclaimed = told_number(text, "reclaimed ");
	touched = told_number(text, "touched ");
	cr_assert_eq(written, 300);
	s = summary_load(summary);
	p = NULL;
	json_array_foreach(json_object_get(s, "processes"), i, one) /* its child ends first */
		p = one;
	cr_assert(p);
	identity = json_object_get(p, "identity");
	cr_expect_eq(row_int(identity, "foreign"), (written - reclaimed) * PAGE, "%s: %" PRId64 " reclaimed",
		json_dumps(identity, 0), reclaimed);
	check_account(p, "byothers", 0);
	json_array_foreach(json_object_get(p, "mappings"), i, one) {
		if (!strcmp(row_str(one, "name"), "[anonymous 16M to 256M]"))
			touched -= row_int(json_object_get(one, "grown"), "anon") / PAGE;
		if (strstr(row_str(one, "name"), "others.data"))
			cr_expect_eq(row_int(json_object_get(one, "returned"), "file"), 0, "%s", json_dumps(one, 0));
	}
	cr_expect_eq(touched, 0, "of its own there: %" PRId64 " pages less than told", touched);
	json_decref(s);
}

/* --- tapes --------------------------------------------------------------------------------------------- */

/* The summary and the report are the same, live and of the tape. */
Test(growth, is_the_same_from_a_tape, .timeout = 120)
{
	const char *live = harness_path("live.json"), *replayed = harness_path("replayed.json");
	const char *tape = harness_path("tape"), *log = harness_path("live.text"), *again = harness_path("again.text");
	struct child c;
	char *text;

	harness_need_kernel();
	c = tool_start("record", (const char *const[]){"--growth", "--profile", "none", "--summary-json", live,
		"--format", "text", "--lang", "en", "-o", log, "--record", tape, "--",
		harness_target("byothers"), harness_path("others.data"), NULL});
	cr_assert_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	c = child_start("replay", (const char *const[]){harness_tool(), "--replay", tape, "--summary-json", replayed,
		"--format", "text", "--lang", "en", "-o", again, NULL});
	cr_assert_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	text = file_text(live);
	cr_assert(strstr(text, "[anonymous 16M to 256M]"), "%s", text);
	cr_expect_str_eq(file_text(replayed), text);
	text = file_text(log);
	cr_assert(strstr(text, "foreign"), "%s", text);
	cr_expect_str_eq(file_text(again), text);
}

/* --- attaching ----------------------------------------------------------------------------------------- */

/* A living process at detach: the end of the account is what smaps_rollup says. */
Test(growth, a_living_process_at_detach, .timeout = 120)
{
	const char *summary = harness_path("live.json"), *script = harness_path("live.py");
	struct child c, tool;
	char pid[16], command[512];
	json_t *s, *p;
	FILE *f = fopen(script, "w");
	int64_t rss_now, grown;

	harness_need_kernel();
	fputs("import sys, mmap\n"
	      "def grow(n):\n"
	      "    m = mmap.mmap(-1, n << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
	      "    for i in range(0, n << 20, 4096):\n"
	      "        m[i] = 1\n"
	      "    return m\n"
	      "a = grow(3)\n"
	      "print('ready', flush=True)\n"
	      "sys.stdin.readline()\n"
	      "b = grow(20)\n"
	      "print('grown', flush=True)\n"
	      "sys.stdin.readline()\n", f);
	fclose(f);
	snprintf(command, sizeof(command), "mkfifo %s", harness_path("in"));
	cr_assert_eq(shell(command, NULL), 0);
	snprintf(command, sizeof(command), "exec python3 %s <%s", script, harness_path("in"));
	c = child_start("target", (const char *[]){"/bin/sh", "-c", command, NULL});
	f = fopen(harness_path("in"), "w");
	child_await(&c, c.out, "ready", 30);
	snprintf(pid, sizeof(pid), "%d", c.pid);
	tool = tool_attach("live", (const char *const[]){"--growth", "--profile", "none", "--summary-json", summary,
		"--pid", pid, NULL});
	fputs("\n", f);
	fflush(f);
	child_await(&c, c.out, "grown", 30);
	do { /* until it waits for its next line */
		rss_now = smaps_rss(c.pid);
		usleep(200000);
	} while (smaps_rss(c.pid) != rss_now);
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 30), 0, "%s", file_text(tool.err));
	/* it still waits; a page that a probe was in may have gone with the probe, which is footprint */
	s = summary_load(summary);
	p = summary_of(s, c.pid);
	cr_expect_leq(llabs(smaps_rss(c.pid) - rss_now), 8 * PAGE);
	rss_now = smaps_rss(c.pid);
	check_account(p, "live", 0);
	cr_expect(json_is_true(json_object_get(json_object_get(p, "identity"), "start_measured")));
	cr_expect(json_is_true(json_object_get(json_object_get(p, "identity"), "end_measured")));
	cr_expect_eq(row_int(json_object_get(p, "identity"), "end"), rss_now, "%s, smaps_rollup %" PRId64,
		json_dumps(json_object_get(p, "identity"), 0), rss_now);
	grown = pages(find_place(json_object_get(p, "functions"), "grow", "live.py", 0), "self", "grown");
	cr_expect_leq(llabs(grown - 20 * 256), 4, "%" PRId64 " pages", grown);
	fputs("\n", f);
	fclose(f);
	cr_expect_eq(child_wait(&c, 30), 0);
	json_decref(s);
}

static bool is_on(const char *spec)
{
	const char *log = harness_path("log.text");
	struct child c = child_start("busy", (const char *[]){harness_target("own"), "1", "200000000", NULL}), tool;
	char pid[16];
	bool on;

	snprintf(pid, sizeof(pid), "%d", c.pid);
	tool = tool_attach("on", (const char *const[]){"--format", "text", "--lang", "en", "--no-smaps", "-f", spec,
		"--profile", "none", "-o", log, "--pid", pid, NULL});
	usleep(300000);
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 30), 0, "%s", file_text(tool.err));
	child_signal(&c, SIGKILL);
	child_wait(&c, 30);
	on = strstr(file_text(log), "Growth of own");
	return on;
}

Test(growth, is_on_where_no_spec_means_anything, .timeout = 120)
{
	harness_need_kernel();
	cr_expect(is_on("libnowhere.so.9:nothing"));
	cr_expect_not(is_on("libc.so.6:munmap"));
}

/* What a process brings while it is left has a cause: nothing is charged that is in no total. */
static void leave_busy(pid_t target)
{
	const char *summary = harness_path("busy.json");
	struct child tool;
	json_t *s, *identity, *causes;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", target);
	tool = tool_attach("busy", (const char *const[]){"--growth", "--profile", "none", "--no-smaps",
		"--summary-json", summary, "--pid", pid, NULL});
	usleep(300000);
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 30), 0, "%s", file_text(tool.err));
	s = summary_load(summary);
	identity = json_object_get(summary_of(s, target), "identity");
	causes = json_object_get(identity, "causes");
	cr_expect_eq(row_int(identity, "remainder"), row_int(causes, "uncounted") + row_int(causes, "unread_stack"),
		"%s", json_dumps(identity, 0));
	cr_expect_eq(row_int(causes, "dropped"), 0, "%s", json_dumps(identity, 0));
	json_decref(s);
}

/* It goes on from one place to another, so that something is put down all the time. */
Test(growth, a_process_that_grows_at_detach, .timeout = 120)
{
	static const char busy[] = "import mmap\n"
				   "def one(m):\n"
				   "    m[0] = 1\n"
				   "def other(m):\n"
				   "    m[8192] = 1\n"
				   "print('ready', flush=True)\n"
				   "while True:\n"
				   "    m = mmap.mmap(-1, 16384, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)\n"
				   "    one(m)\n"
				   "    other(m)\n"
				   "    m.close()\n";
	struct child c;

	harness_need_kernel();
	c = child_start("target", (const char *[]){pythons()->path, "-c", busy, NULL});
	child_await(&c, c.out, "ready", 30);
	for (int i = 0; i < 5; i++)
		leave_busy(c.pid);
	child_signal(&c, SIGKILL);
	child_wait(&c, 30);
}

/* --- native stacks ------------------------------------------------------------------------------------- */

/* A Redis that is filled: its dictionaries and strings, found in a program without frame pointers. */
Test(growth, native_stacks_of_redis, .timeout = 120)
{
	const char *summary = harness_path("redis.json");
	int64_t strings = 0, attributed, all;
	struct child server, tool;
	char pid[16], command[512];
	json_t *s, *p, *one;
	size_t i;

	harness_need_kernel();
	server = child_start("redis", (const char *[]){"redis-server", "--port", "0", "--unixsocket",
		harness_path("sock"), "--save", "", "--enable-debug-command", "yes", NULL});
	child_await(&server, server.out, "ready to accept", 30);
	snprintf(pid, sizeof(pid), "%d", server.pid);
	tool = tool_attach("tool", (const char *const[]){"--growth", "--profile", "none", "--summary-json", summary,
		"--pid", pid, NULL});
	snprintf(command, sizeof(command), "redis-cli -s %s debug populate 300000 key 100", harness_path("sock"));
	cr_assert_eq(shell(command, NULL), 0);
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 30), 0, "%s", file_text(tool.err));
	child_signal(&server, SIGTERM);
	child_wait(&server, 30);
	s = summary_load(summary);
	p = summary_of(s, server.pid);
	attributed = row_int(json_object_get(p, "identity"), "attributed");
	all = 0;
	json_array_foreach(json_object_get(p, "stacks"), i, one) {
		json_t *frames = json_object_get(one, "frames"), *frame;
		bool by_debug = false;
		size_t k;

		json_array_foreach(frames, k, frame)
			by_debug |= !strcmp(row_str(frame, "name"), "debugCommand");
		all += summary_rss(one);
		if (by_debug)
			strings += summary_rss(one);
	}
	cr_expect_eq(all, attributed);
	/* 300,000 strings of 100 bytes, their keys and objects */
	cr_expect_gt(strings, 30 << 20);
	cr_expect_leq(attributed - strings, 2 << 20, "%" PRId64 " of %" PRId64, strings, attributed);
	json_decref(s);
}
