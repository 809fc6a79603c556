/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Labels that programs give themselves: all of them, in order, with the value of that instant. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"
#include "pythons.h"

#define MARKS 1000

/* Reads itself before and after each marker, into buffers that are there. */
static const char script[] =
	"import os, sys\n"
	"truth, marker, imports = sys.argv[1:4]\n"
	"sys.path.insert(0, marker)\n"
	"from ramtrace_marker import log_ram_memory\n"
	"log_ram_memory('the first thing it does')\n"
	"fd = os.open('/proc/self/smaps_rollup', os.O_RDONLY)\n"
	"before, after = bytearray(4096), bytearray(4096)\n"
	"def read(buf):\n"
	"    os.lseek(fd, 0, 0)\n"
	"    return os.readv(fd, [buf])\n"
	"def rss(buf):\n"
	"    return int(buf.split(b'Rss:')[1].split()[0]) * 1024\n"
	"if imports == 'imports':\n"
	"    import argparse, asyncio, ctypes, decimal, email, http.client, json, logging.config\n"
	"    import multiprocessing, pickle, sqlite3, ssl, unittest, urllib.request, xml.dom.minidom\n"
	"    repr(dir()), ascii(dir()), ascii('ramtrace'), ascii('ramtrac:x'), '%a' % ('x\\xe9',)\n"
	"    sys.stdout.write('ready\\n'), sys.stdout.flush(), sys.stdin.readline()\n"
	"kept, lines = [], [0] * 2000\n"
	"for n in range(1000):\n"
	"    if n % 10 == 0: kept.append(bytearray(b'x') * (n * 997 % 300000))\n"
	"    if n % 100 == 0: del kept[:]\n"
	"    label = 'mark %d %s' % (n, u'a\\xe9\\u6743\\U0001f600'[n % 4])\n"
	"    read(before), read(after), read(before)\n"
	"    log_ram_memory(label)\n"
	"    read(after)\n"
	"    lines[2 * n], lines[2 * n + 1] = rss(before), rss(after)\n"
	"for bad in ('q\"\\'\\n\\x1b\\udc80\\0', 'x' * 10000, u'\\u6743' * 10000, '', 12, None, b'b', []):\n"
	"    log_ram_memory(bad)\n"
	"open(truth, 'w').writelines('%d\\n' % n for n in lines)\n"
	"log_ram_memory('the last')\n";

static json_t *marks_of(json_t *rows, const char *function)
{
	json_t *own = json_array(), *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "type"), "checkpoint") &&
			!strcmp(row_str(row, "function"), function))
			json_array_append(own, row);
	}
	return own;
}

static const char *label_at(json_t *marks, size_t i)
{
	return i < json_array_size(marks) ? row_str(json_array_get(marks, i), "label") : "(none)";
}

static void expect_lossless(json_t *rows)
{
	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
	cr_expect_eq(row_int(rows_find(rows, 0, "type", "summary", NULL), "orphans"), 0);
}

/* A tape gives the same again, and what a log must be. */
static void expect_formats(const char *name, const char *tape)
{
	char command[2048], *out;

	snprintf(command, sizeof(command),
		"cd %s && T=%s && $T --json-schema > schema && for f in jsonl seed text; do "
		"$T --replay %s --lang en --format $f -o again.$f || exit 1; done && "
		"cmp again.jsonl %s.jsonl && /usr/bin/python3 $OLDPWD/tests/check_log.py schema again.jsonl "
		"again.seed again.text 2>&1", harness_dir(), harness_tool(), tape, name);
	cr_expect_eq(shell(command, &out), 0, "%s", out);
	free(out);
}

/* --- Python ------------------------------------------------------------------------------------------- */

static void expect_values(json_t *marks, const char *python)
{
	static const char *const last[] = { "a", "é", "权", "😀" };
	FILE *f = fopen(harness_path("truth"), "r");
	size_t still = 0, n = 0;
	int64_t before, after;
	char label[64];

	cr_assert(f);
	for (; fscanf(f, "%" SCNd64 " %" SCNd64, &before, &after) == 2; n++) {
		json_t *row = json_array_get(marks, n + 1);

		snprintf(label, sizeof(label), "mark %zu %s", n, last[n % 4]);
		cr_assert_str_eq(label_at(marks, n + 1), label, "%s", python);
		still += before == after;
		cr_expect(row_int(row, "rss") >= before && row_int(row, "rss") <= after,
			"%s: %s: %" PRId64 " is not in [%" PRId64 ", %" PRId64 "]", python, label,
			row_int(row, "rss"), before, after);
		cr_expect(row_true(row, "exact"));
		cr_expect_str_eq(row_str(row, "when"), "point");
		cr_expect(json_is_null(json_object_get(row, "spec")));
	}
	fclose(f);
	cr_expect_eq(n, MARKS);
	cr_expect_gt(still, MARKS * 95 / 100, "%s: only %zu readings in which nothing moved", python, still);
}

static void expect_odd_labels(json_t *marks)
{
	static const char *const short_ones[] = { "log_ram_memory", "12", "None", "b'b'", "[]", "the last" };
	char x[300] = "", han[900] = "";
	size_t at = MARKS + 1;

	for (int i = 0; i < 256; i++) {
		strcat(x, "x");
		strcat(han, "权");
	}
	cr_expect_str_eq(label_at(marks, at++), "q\"'\\x0a\\x1b\xef\xbf\xbd\xef\xbf\xbd");
	cr_expect_str_eq(label_at(marks, at++), strcat(x, "…"));
	cr_expect_str_eq(label_at(marks, at++), strcat(han, "…"));
	for (size_t i = 0; i < sizeof(short_ones) / sizeof(*short_ones); i++)
		cr_expect_str_eq(label_at(marks, at++), short_ones[i]);
	cr_expect_eq(json_array_size(marks), at);
}

static void check_python(const char *python)
{
	json_t *rows = rows_load(harness_path("tool.jsonl")), *marks = marks_of(rows, "log_ram_memory");

	cr_expect_str_eq(label_at(marks, 0), "the first thing it does", "%s", python);
	expect_values(marks, python);
	expect_odd_labels(marks);
	expect_lossless(rows);
	expect_formats("tool", "tape");
	json_decref(marks);
	json_decref(rows);
}

static const char *write_script(void)
{
	const char *path = harness_path("script.py");
	FILE *f = fopen(path, "w");

	cr_assert(f && fputs(script, f) >= 0 && !fclose(f));
	return path;
}

static const char *marker_dir(void)
{
	static char path[PATH_MAX];

	cr_assert(realpath("userspace/marker", path));
	return path;
}

static void on_each_python(void (*fn)(const char *python))
{
	struct pythons all = { 0 };
	char command[PATH_MAX + 64];

	/* Python's own gives memory back with the last object of an arena, so any small one can grow a
	 * process for as long as it lives. */
	setenv("PYTHONMALLOC", "malloc", 1);
	find_pythons(&all);
	cr_assert(all.n, "this machine has no python3");
	for (size_t i = 0; i < all.n; i++) {
		snprintf(command, sizeof(command), "'%s' -c 'import sys; sys.exit(sys.version_info < (3, 8) "
			"or hasattr(sys, \"pypy_version_info\"))'", all.path[i]);
		if (!shell(command, NULL))
			fn(all.path[i]);
		free(all.path[i]);
	}
}

static void launched(const char *python)
{
	struct child c = tool_start("tool", (const char *[]){ "--record", harness_path("tape"), "--lang",
		"en", "--", python, write_script(), harness_path("truth"), marker_dir(), "none", NULL });

	cr_assert_eq(child_wait(&c, 120), 0, "%s: %s", python, file_text(c.err));
	check_python(python);
}

Test(marker, every_python_tells_from_its_first_line_on)
{
	harness_need_kernel();
	on_each_python(launched);
}

/* Attached when all of it is imported: what it said first is past. */
static void attached(const char *python)
{
	char fifo[PATH_MAX], pid[32];
	struct child c, tool;
	json_t *rows, *marks;
	FILE *in;

	snprintf(fifo, sizeof(fifo), "%s", harness_path("fifo"));
	cr_assert(!access(fifo, F_OK) || !mkfifo(fifo, 0600));
	c = child_start("python", (const char *[]){ "/bin/sh", "-c", "exec \"$@\" < \"$0\"", fifo, python,
		write_script(), harness_path("truth"), marker_dir(), "imports", NULL });
	in = fopen(fifo, "w");
	child_await(&c, c.out, "ready", 60);
	snprintf(pid, sizeof(pid), "%d", c.pid);
	tool = tool_attach("tool", (const char *[]){ "--pid", pid, NULL });
	fputs("go\n", in);
	fclose(in);
	cr_assert_eq(child_wait(&c, 120), 0, "%s: %s", python, file_text(c.err));
	cr_assert_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
	rows = rows_load(harness_path("tool.jsonl"));
	marks = marks_of(rows, "log_ram_memory");
	json_array_insert_new(marks, 0, json_object());
	expect_values(marks, python);
	expect_odd_labels(marks);
	expect_lossless(rows);
	json_decref(marks);
	json_decref(rows);
}

Test(marker, an_attached_python_tells_what_comes)
{
	harness_need_kernel();
	on_each_python(attached);
}

/* The whole of the standard library, and nothing is taken for a marker. */
static void imports(const char *python)
{
	struct child c = tool_start("tool", (const char *[]){ "--step", "1M", "--", python, "-c",
		"import pkgutil, sys, warnings\n"
		"warnings.simplefilter('ignore')\n"
		"for m in pkgutil.iter_modules([p for p in sys.path if p.endswith('python3.%d' % "
		"sys.version_info[1])]):\n"
		"    if m[1] in ('antigravity', 'this', 'idlelib', '__phello__', 'tkinter', 'turtle', 'test'): "
		"continue\n"
		"    try: __import__(m[1])\n"
		"    except Exception: pass\n"
		"sys.exit(len(sys.modules) < 300)\n", NULL });
	json_t *rows;

	cr_assert_eq(child_wait(&c, 120), 0, "%s: %s", python, file_text(c.err));
	rows = rows_load(harness_path("tool.jsonl"));
	cr_expect_eq(rows_count(rows, "function", "log_ram_memory", NULL), 0, "%s", python);
	cr_expect_gt(rows_count(rows, "type", "checkpoint", NULL), 5);
	json_decref(rows);
}

Test(marker, the_standard_library_says_nothing)
{
	harness_need_kernel();
	on_each_python(imports);
}

/* --- native code -------------------------------------------------------------------------------------- */

Test(marker, native_code_tells_to_the_byte)
{
	static const char *const kinds[] = { "rss", "anon", "file", "shmem", "swap" };
	int64_t v[5], pid;
	struct child c;
	json_t *rows, *marks, *row;
	char label[64];
	int n = 0, number;
	FILE *f;

	harness_need_kernel();
	c = tool_start("tool", (const char *[]){ "--record", harness_path("tape"), "--lang", "en", "--",
		harness_target("marks"), "1000", harness_path("truth"), NULL });
	cr_assert_eq(child_wait(&c, 120), 0, "%s", file_text(c.err));
	rows = rows_load(harness_path("tool.jsonl"));
	marks = marks_of(rows, "ramtrace:mark");
	cr_expect_str_eq(label_at(marks, 0), "the first thing it does");
	f = fopen(harness_path("truth"), "r");
	cr_assert(f);
	for (; fscanf(f, "%" SCNd64 " %d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &pid,
		       &number, &v[0], &v[1], &v[2], &v[3], &v[4]) == 7; n++) {
		row = json_array_get(marks, n + 1);
		snprintf(label, sizeof(label), "mark %d", n);
		cr_assert_str_eq(label_at(marks, n + 1), label);
		cr_expect_eq(row_int(row, "pid"), pid);
		for (int k = 0; k < 5; k++)
			cr_expect_eq(row_int(row, kinds[k]), v[k], "%s: %s %" PRId64 ", not %" PRId64, label,
				kinds[k], row_int(row, kinds[k]), v[k]);
	}
	fclose(f);
	cr_expect_eq(n, MARKS);
	cr_expect_str_eq(label_at(marks, MARKS + 1), "the last");
	cr_expect_eq(json_array_size(marks), MARKS + 2);
	expect_lossless(rows);
	expect_formats("tool", "tape");
}

Test(marker, nothing_is_watched_where_it_is_not_wanted)
{
	struct child c;
	json_t *rows;

	harness_need_kernel();
	c = tool_start("tool", (const char *[]){ "--no-markers", "--", harness_target("marks"), "100",
		harness_path("truth"), NULL });
	cr_assert_eq(child_wait(&c, 120), 0, "%s", file_text(c.err));
	rows = rows_load(harness_path("tool.jsonl"));
	cr_expect_eq(rows_count(rows, "function", "ramtrace:mark", NULL), 0);
	cr_expect_geq(rows_count(rows, "type", "checkpoint", NULL), 1);
}
