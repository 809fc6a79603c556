/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching to a Python whose threads sleep deep in wanted functions: what is open is told at once,
 * each once, and each has its return in the end.
 */
#include <criterion/criterion.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "harness.h"

enum { THREADS = 4 };

/* Threads sleep until the file "go" is there; one looks for it, and lets the others go. */
static const char script[] =
	"import os, threading, time\n"
	"go = threading.Event()\n"
	"def outer(i):\n"
	"    inner(2)\n"
	"    block = bytearray(2 << 20)\n"
	"    after(len(block))\n"
	"def inner(n):\n"
	"    return inner(n - 1) if n else go.wait()\n"
	"def after(n):\n"
	"    time.sleep(0.05)\n"
	"def look():\n"
	"    while not os.path.exists('go'):\n"
	"        time.sleep(0.02)\n"
	"    go.set()\n"
	"threads = [threading.Thread(target=outer, args=(i,)) for i in range(3)]\n"
	"for t in threads: t.start()\n"
	"threading.Thread(target=look).start()\n"
	"print('ready', flush=True)\n"
	"outer(9)\n"
	"for t in threads: t.join()\n";

static struct child start_python(void)
{
	const char *argv[] = {"/usr/bin/python3", harness_path("deep.py"), NULL};
	FILE *f = fopen(argv[1], "w");
	struct child python;

	cr_assert(f);
	fputs(script, f);
	fclose(f);
	cr_assert_eq(chdir(harness_dir()), 0);
	python = child_start("python", argv);
	child_await(&python, python.out, "ready", 20);
	usleep(200000); /* all are where they wait */
	return python;
}

static size_t labelled(json_t *rows, const char *label)
{
	return rows_count(rows, "label", label, NULL);
}

static void expect_pairs(json_t *rows, const char *label, size_t n)
{
	char text[64];

	snprintf(text, sizeof(text), "before %s", label);
	cr_expect_eq(labelled(rows, text), n, "%zu times %s", labelled(rows, text), text);
	snprintf(text, sizeof(text), "after %s", label);
	cr_expect_eq(labelled(rows, text), n, "%zu times %s", labelled(rows, text), text);
}

/* Those that were open: outermost first in each thread, all with what the process had at attach. */
static void expect_open(json_t *rows)
{
	size_t open = 0, outer = 0, i;
	int64_t rss = 0;
	json_t *row;

	json_array_foreach(rows, i, row) {
		if (!row_true(row, "open"))
			continue;
		rss = open ? rss : row_int(row, "rss");
		cr_expect_eq(row_int(row, "rss"), rss);
		cr_expect_eq(row_int(row, "late_ns"), 0);
		if (!strcmp(row_str(row, "label"), "before outer"))
			outer++;
		else
			cr_expect_leq(open + 1, outer * 4, "a caller comes first");
		open++;
	}
	cr_expect_eq(open, THREADS * 4);
	cr_expect_eq(outer, THREADS);
}

static void attach(const char *name, bool let_go, json_t **rows)
{
	struct child python, tool;
	char pid[16], file[64];

	harness_need_kernel();
	python = start_python();
	snprintf(pid, sizeof(pid), "%d", python.pid);
	tool = tool_attach(name, (const char *[]){"--lang", "en", "--pid", pid, "-f",
		"outer=py:deep.py:outer", "-f", "inner=py:deep.py:inner inside py:deep.py:outer", "-f",
		"after=py:deep.py:after", NULL});
	usleep(300000);
	if (let_go) {
		fclose(fopen(harness_path("go"), "w"));
		cr_assert_eq(child_wait(&python, 30), 0);
	} else {
		child_signal(&tool, SIGINT);
	}
	cr_assert_eq(child_wait(&tool, 30), 0);
	if (!let_go)
		child_signal(&python, SIGKILL);
	snprintf(file, sizeof(file), "%s.jsonl", name);
	*rows = rows_load(harness_path(file));
	expect_open(*rows);
}

Test(attach, threads_that_go_on_sleeping_are_told_of_at_once, .timeout = 120)
{
	json_t *rows;

	attach("asleep", false, &rows);
	cr_expect_eq(labelled(rows, "before inner"), THREADS * 3);
	cr_expect_eq(labelled(rows, "after inner"), 0);
	cr_expect_eq(labelled(rows, "before after"), 0);
	json_decref(rows);
}

Test(attach, what_was_told_once_is_not_told_again, .timeout = 120)
{
	json_t *rows;

	attach("awake", true, &rows);
	expect_pairs(rows, "outer", THREADS);
	expect_pairs(rows, "inner", THREADS * 3);
	expect_pairs(rows, "after", THREADS);
	json_decref(rows);
}
