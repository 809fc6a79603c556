/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "readings.h"

#include <criterion/criterion.h>
#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define MIB (1 << 20)

/* --- /proc ----------------------------------------------------------------------------------------- */

static int64_t field(const char *text, const char *key)
{
	const char *at = text ? strstr(text, key) : NULL;

	return at ? strtoll(at + strlen(key), NULL, 10) * 1024 : -1;
}

/* NULL: it is gone. */
static char *proc_text(pid_t pid, const char *name)
{
	char path[64];
	size_t len;
	char *text;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	f = fopen(path, "r");
	if (!f)
		return NULL;
	text = calloc(1, 8192);
	len = fread(text, 1, 8191, f);
	fclose(f);
	if (len)
		return text;
	free(text);
	return NULL;
}

static bool read_kinds(pid_t pid, struct mem *m)
{
	char *status = proc_text(pid, "status");

	m->anon = field(status, "\nRssAnon:");
	m->file = field(status, "\nRssFile:");
	m->shmem = field(status, "\nRssShmem:");
	m->rss = m->anon + m->file + m->shmem;
	free(status);
	return m->anon >= 0;
}

struct mem mem_read(pid_t pid)
{
	char *rollup = proc_text(pid, "smaps_rollup");
	struct mem m;

	cr_assert(read_kinds(pid, &m), "pid %d is gone", pid);
	m.rss = field(rollup, "\nRss:");
	cr_assert_gt(m.rss, 0, "pid %d: no smaps_rollup", pid);
	free(rollup);
	return m;
}

int64_t mem_highest(pid_t pid, int64_t *error)
{
	long cpus = sysconf(_SC_NPROCESSORS_CONF), batch = 2 * cpus > 32 ? 2 * cpus : 32;
	char *status = proc_text(pid, "status");
	int64_t highest = field(status, "\nVmHWM:");

	free(status);
	*error = 3 * batch * cpus * sysconf(_SC_PAGESIZE);
	return highest;
}

static int64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static pid_t parent_of(pid_t pid)
{
	char *stat = proc_text(pid, "stat"), *at = stat ? strrchr(stat, ')') : NULL;
	pid_t parent = at && strlen(at) > 4 ? atoi(at + 4) : 0;

	free(stat);
	return parent;
}

size_t children_of(pid_t pid, pid_t *out, size_t max)
{
	DIR *proc = opendir("/proc");
	struct dirent *e;
	size_t n = 0;

	cr_assert(proc);
	while (n < max && (e = readdir(proc))) {
		if (isdigit((unsigned char)e->d_name[0]) && parent_of(atoi(e->d_name)) == pid)
			out[n++] = atoi(e->d_name);
	}
	closedir(proc);
	return n;
}

pid_t child_titled(pid_t parent, const char *title)
{
	pid_t pids[64], found = 0;
	size_t n = children_of(parent, pids, 64);

	for (size_t i = 0; i < n && !found; i++) {
		char *have = proc_text(pids[i], "cmdline");

		if (have && !strncmp(have, title, strlen(title)))
			found = pids[i];
		free(have);
	}
	cr_assert(found, "pid %d has no child \"%s\"", parent, title);
	return found;
}

static bool listed(const pid_t *pids, pid_t pid)
{
	while (*pids && *pids != pid)
		pids++;
	return *pids;
}

void samples_take(struct samples *s, pid_t parent, const pid_t *except)
{
	pid_t pids[64];
	size_t n = children_of(parent, pids, 64);

	for (size_t i = 0; i < n; i++) {
		struct sample one = {.pid = pids[i], .from_ns = now_ns()};

		if (listed(except, pids[i]) || !read_kinds(pids[i], &one.mem))
			continue;
		one.to_ns = now_ns();
		if (!(s->n & (s->n - 1)))
			s->all = realloc(s->all, (s->n ? s->n * 2 : 1) * sizeof(one));
		s->all[s->n++] = one;
	}
}

/* --- rows against readings -------------------------------------------------------------------------- */

static const char *const kinds[] = {"rss", "anon", "file", "shmem"};

static int64_t kind_of(const struct mem *m, size_t k)
{
	return (const int64_t[]){m->rss, m->anon, m->file, m->shmem}[k];
}

static bool is_near(int64_t have, int64_t want)
{
	int64_t slack = llabs(want) * 3 / 100 > MIB ? llabs(want) * 3 / 100 : MIB;

	return llabs(have - want) <= slack;
}

json_t *row_of(json_t *rows, pid_t pid, const char *function, const char *when, size_t nth)
{
	json_t *row;
	size_t i, n = nth;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "type"), "checkpoint") && row_int(row, "pid") == pid &&
			!strcmp(row_str(row, "function"), function) &&
			!strcmp(row_str(row, "when"), when) && !n--)
			return row;
	}
	cr_assert_fail("pid %d has no %s row %zu of %s", pid, when, nth, function);
	return NULL;
}

json_t *process_of(json_t *rows, pid_t pid)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "type"), "process") && row_int(row, "pid") == pid)
			return row;
	}
	cr_assert_fail("pid %d has no process row", pid);
	return NULL;
}

void expect_is(const char *what, const json_t *row, struct mem m)
{
	for (size_t k = 0; k < 4; k++)
		cr_expect(is_near(row_int(row, kinds[k]), kind_of(&m, k)),
			"%s: %s is %" PRId64 ", /proc says %" PRId64, what, kinds[k],
			row_int(row, kinds[k]), kind_of(&m, k));
}

void expect_grew(const char *what, const json_t *from, const json_t *to, struct mem before,
	struct mem after)
{
	for (size_t k = 0; k < 4; k++) {
		int64_t have = row_int(to, kinds[k]) - row_int(from, kinds[k]);
		int64_t want = kind_of(&after, k) - kind_of(&before, k);

		cr_expect(is_near(have, want), "%s: %s grew by %" PRId64 ", by /proc %" PRId64, what,
			kinds[k], have, want);
	}
}

void expect_step(const char *what, const json_t *from, const json_t *to, struct mem before,
	struct mem after)
{
	expect_is(what, from, before);
	expect_is(what, to, after);
	expect_grew(what, from, to, before, after);
}

void expect_peak(const json_t *process, int64_t highest, int64_t error)
{
	int64_t peak = row_int(json_object_get(process, "peak"), "rss");

	cr_expect(is_near(peak, highest) || llabs(peak - highest) <= error,
		"peak of %s: %" PRId64 ", the kernel says %" PRId64, row_str(process, "role"), peak,
		highest);
}

size_t samples_lie_between_rows(json_t *rows, const struct samples *s, pid_t pid)
{
	size_t n = 0, r;
	json_t *row;

	for (size_t i = 0; i < s->n; i++) {
		const struct sample *one = &s->all[i];
		json_t *before = NULL, *after = NULL;

		json_array_foreach(rows, r, row)
		{
			if (strcmp(row_str(row, "type"), "checkpoint") || row_int(row, "pid") != one->pid)
				continue;
			if (row_int(row, "time_ns") < one->from_ns)
				before = row;
			else if (!after)
				after = row;
		}
		if (one->pid != pid || !before || !after || row_int(after, "time_ns") < one->to_ns)
			continue;
		n++;
		for (size_t k = 1; k < 4; k++) {
			int64_t have = kind_of(&one->mem, k);
			int64_t x = row_int(before, kinds[k]), y = row_int(after, kinds[k]);

			cr_expect((have >= x) != (have > y) || is_near(x, have) || is_near(y, have),
				"pid %d between %s and %s: %s %" PRId64 " not in %" PRId64 " .. %" PRId64,
				pid, row_str(before, "label"), row_str(after, "label"), kinds[k], have, x,
				y);
		}
	}
	return n;
}

void expect_hits(json_t *rows)
{
	json_t *summary = rows_find(rows, 0, "type", "summary", NULL), *f;
	size_t i, hit = 0;

	json_array_foreach(json_object_get(summary, "functions"), i, f)
	{
		const char *name = row_str(f, "name");
		/* of one the profiles have the return alone */
		const char *called = strcmp(name, "lazyfreeFreeDatabase") ? "entry" : "return";

		cr_expect_eq(row_int(f, "entries"), (int64_t)rows_count(rows, "type", "checkpoint",
			"function", name, "when", called, NULL), "%s", name);
		cr_expect_eq(row_int(f, "returns"), (int64_t)rows_count(rows, "type", "checkpoint",
			"function", name, "when", "return", NULL), "%s", name);
		hit += row_int(f, "entries") > 0;
	}
	cr_expect_gt(hit, 2);
}
