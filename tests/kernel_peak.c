/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was open at the peak, of each process and of both together. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness.h"
#include "pyplay.h"
#include "summary.h"

#define MIB (1L << 20)

/* "Model.load Model.part grow", of one thread. */
static const char *names_of(const json_t *peak, char *buf, size_t len)
{
	json_t *open = json_object_get(peak, "open"), *one;
	size_t i, at = 0;

	buf[0] = '\0';
	json_array_foreach(open, i, one)
		at += (size_t)snprintf(buf + at, len - at, "%s%s", i ? " " : "", row_str(one, "name"));
	return buf;
}

static void check_process(const json_t *p, const char *names, int64_t least)
{
	const json_t *peak = json_object_get(p, "peak");
	char buf[1024];

	cr_expect_str_eq(names_of(peak, buf, sizeof(buf)), names);
	cr_expect(row_int(peak, "anon") >= least && row_int(peak, "anon") <= least + 12 * MIB, "%s: %" PRId64, names,
		row_int(peak, "anon"));
	cr_expect_eq(row_int(peak, "rss"), row_int(peak, "anon") + row_int(peak, "file") + row_int(peak, "shmem"));
}

Test(peak, spans_that_were_open, .timeout = 120)
{
	const char *summary = harness_path("peak.json"), *log = harness_path("peak.text"), *go = harness_path("go");
	const char *python = pythons()->path;
	struct child c;
	json_t *s, *peak, *list;
	char buf[1024];
	int64_t told;
	FILE *f;

	harness_need_kernel();
	c = tool_start("peak", (const char *const[]){"-v", "--growth", "--format", "text", "--lang", "en", "--profile", "none", "-f",
		"py:py_peak.py:Model.*", "-f", "py:py_peak.py:grow", "--summary-json", summary, "-o", log, "--", python,
		py_script("py_peak.py"), go, NULL});
	child_await(&c, c.err, "is looked at", 60);
	f = fopen(go, "w");
	cr_assert(f && !fclose(f));
	cr_expect_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	s = summary_load(summary);
	list = json_object_get(s, "processes");
	cr_assert_eq(json_array_size(list), 2);
	check_process(json_array_get(list, 0), "Model.load Model.part grow", 24 * MIB);
	check_process(json_array_get(list, 1), "grow", 40 * MIB);
	peak = json_object_get(s, "tree_peak");
	told = strtoll(file_text(c.out), NULL, 10);
	cr_expect_str_eq(names_of(peak, buf, sizeof(buf)), "grow");
	cr_expect(llabs(row_int(peak, "rss") - told) <= MIB, "%" PRId64 ", told %" PRId64, row_int(peak, "rss"), told);
	cr_expect_eq(row_int(json_array_get(json_object_get(peak, "open"), 0), "pid"),
		row_int(json_array_get(list, 1), "pid"));
	cr_expect(strstr(file_text(log), "Model.load > Model.part > grow"), "%s", file_text(log));
	cr_expect(strstr(file_text(log), "Peak of all processes together"), "%s", file_text(log));
	json_decref(s);
}
