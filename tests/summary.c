/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "summary.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- smaps --------------------------------------------------------------------------------------------- */

static int64_t smaps_sum(const char *text, const char *field)
{
	int64_t sum = 0;

	for (const char *at = text; (at = strstr(at, field)); at++)
		if (at == text || at[-1] == '\n')
			sum += strtoll(at + strlen(field), NULL, 10) * 1024;
	return sum;
}

struct reading reading_take(pid_t pid)
{
	struct reading r = {0};
	char path[64], *text;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	text = file_text(path);
	r.rss = smaps_sum(text, "Rss:");
	r.pss = smaps_sum(text, "Pss:");
	r.private_dirty = smaps_sum(text, "Private_Dirty:");
	free(text);
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	text = file_text(path);
	r.anon = smaps_sum(text, "RssAnon:");
	r.file = smaps_sum(text, "RssFile:");
	r.shmem = smaps_sum(text, "RssShmem:");
	free(text);
	return r;
}

struct reading reading_at_rest(pid_t pid)
{
	struct reading before, now = reading_take(pid);

	for (int i = 0; i < 100; i++) {
		before = now;
		usleep(50000);
		now = reading_take(pid);
		if (now.rss == before.rss)
			return now;
	}
	cr_assert_fail("%d does not come to rest", pid);
	return now;
}

/* --- a run --------------------------------------------------------------------------------------------- */

void truth_begin(struct truth *t, const char *name, const char *const *argv)
{
	*t = (struct truth){.name = name};
	t->target = child_start(name, argv);
}

void truth_start(struct truth *t, const char *name, const char *const *argv)
{
	truth_begin(t, name, argv);
	truth_await(t, "ready");
}

void truth_attach(struct truth *t, const char *const *more)
{
	const char *args[32] = {"--growth", "--profile", "none", "--lang", "en", "--summary-json", NULL, "--pid"};
	char file[64], pid[16];
	int n = 9;

	snprintf(file, sizeof(file), "%s.json", t->name);
	snprintf(pid, sizeof(pid), "%d", t->target.pid);
	args[6] = harness_path(file);
	args[8] = pid;
	while (*more && n < 31)
		args[n++] = *more++;
	snprintf(file, sizeof(file), "%s-tool", t->name);
	t->tool = tool_attach(file, args);
}

void truth_say(const char *step)
{
	FILE *f = fopen(harness_path(step), "w");

	cr_assert(f && !fclose(f));
}

void truth_await(struct truth *t, const char *line)
{
	char text[128];

	snprintf(text, sizeof(text), "%s\n", line);
	child_await(&t->target, t->target.out, text, 60);
}

static void load(struct truth *t)
{
	json_error_t why;
	char file[64];

	snprintf(file, sizeof(file), "%s.json", t->name);
	t->summary = json_load_file(harness_path(file), 0, &why);
	cr_assert(t->summary, "%s: %s", file, why.text);
	t->told = file_text(t->target.out);
}

void truth_finish(struct truth *t)
{
	char file[64];
	json_t *rows;

	child_signal(&t->tool, SIGINT);
	cr_assert_eq(child_wait(&t->tool, 60), 0, "%s", file_text(t->tool.err));
	load(t);
	snprintf(file, sizeof(file), "%s-tool.jsonl", t->name);
	rows = rows_load(harness_path(file));
	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0, "%s", file_text(harness_path(file)));
	json_decref(rows);
}

void truth_end(struct truth *t)
{
	truth_say("end");
	cr_expect_eq(child_wait(&t->target, 30), 0, "%s", file_text(t->target.err));
	json_decref(t->summary);
	free(t->told);
}

int64_t truth_number(const struct truth *t, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = t->told; (at = strstr(at, word)); at++)
		if ((at == t->told || at[-1] == '\n') && at[len] == ' ')
			return strtoll(at + len, NULL, 10);
	cr_assert_fail("nothing told of %s: %s", word, t->told);
	return 0;
}

/* --- what it says -------------------------------------------------------------------------------------- */

json_t *summary_load(const char *path)
{
	json_error_t why;
	json_t *summary = json_load_file(path, 0, &why);

	cr_assert(summary, "%s: %s", path, why.text);
	return summary;
}

json_t *summary_of(const json_t *summary, int64_t pid)
{
	json_t *p;
	size_t i;

	json_array_foreach(json_object_get(summary, "processes"), i, p)
		if (row_int(p, "pid") == pid)
			return p;
	cr_assert_fail("no process %" PRId64, pid);
	return NULL;
}

json_t *summary_process(const struct truth *t, int64_t pid)
{
	return summary_of(t->summary, pid);
}

json_t *summary_find(const json_t *process, const char *list, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(process, list), i, one)
		if (!strcmp(row_str(one, "name"), name))
			return one;
	return NULL;
}

int64_t summary_pages(const json_t *changes, const char *which, const char *kind)
{
	return changes ? row_int(json_object_get(changes, which), kind) / TRUTH_PAGE : 0;
}

int64_t summary_rss(const json_t *changes)
{
	return row_int(changes, "anon") + row_int(changes, "file") + row_int(changes, "shmem");
}

void expect_account(const json_t *process, const char *what)
{
	static const char *const lists[] = {"mappings", "threads", "stacks", "functions"};
	json_t *identity = json_object_get(process, "identity"), *one;
	int64_t attributed = row_int(identity, "attributed"), sum;
	char *text = json_dumps(identity, 0);
	size_t i;

	cr_expect_eq(row_int(identity, "end") - row_int(identity, "start"),
		attributed + row_int(identity, "foreign") + row_int(identity, "footprint"), "%s: %s", what, text);
	cr_expect_eq(row_int(identity, "remainder"), 0, "%s: %s", what, text);
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
		sum = 0;
		json_array_foreach(json_object_get(process, lists[l]), i, one)
			sum += summary_rss(l < 3 ? one : json_object_get(one, "self"));
		cr_expect_eq(sum, attributed, "%s: %s: %" PRId64 " of %" PRId64, what, lists[l], sum, attributed);
	}
	free(text);
}

static void expect_part(const json_t *process, const char *what, const char *part, int64_t pages)
{
	int64_t have = row_int(json_object_get(process, "identity"), part) / TRUTH_PAGE;

	cr_expect_leq(llabs(have - pages), TRUTH_TRACERS, "%s: %s: %" PRId64 " pages, not %" PRId64, what, part,
		have, pages);
}

void expect_ends(const json_t *process, const char *what, int64_t start, int64_t end)
{
	if (start >= 0)
		expect_part(process, what, "start", start / TRUTH_PAGE);
	expect_part(process, what, "end", end / TRUTH_PAGE);
}

void expect_foreign(const json_t *process, const char *what, int64_t pages)
{
	expect_part(process, what, "foreign", pages);
}

static void expect_group(const json_t *process, const char *name, const char *kind, int64_t grown,
	int64_t returned)
{
	const json_t *m = summary_find(process, "mappings", name);
	int64_t more = summary_pages(m, "grown", kind), less = summary_pages(m, "returned", kind);

	cr_expect_eq(more, grown, "%s: %s grown by %" PRId64 " pages, told %" PRId64, name, kind, more, grown);
	cr_expect_eq(less, returned, "%s: %s returned %" PRId64 " pages, told %" PRId64, name, kind, less, returned);
}

size_t expect_mappings(const struct truth *t, const json_t *process, const char *who)
{
	char *copy = strdup(t->told), *save, *line, name[512], kind[16];
	size_t len = who ? strlen(who) : 0, n = 0;
	int64_t grown, returned;

	for (line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		if (who && (strncmp(line, who, len) || line[len] != '\t'))
			continue;
		if (sscanf(line + (who ? len + 1 : 0), "%511[^\t]\t%15[^\t]\t%" SCNd64 "\t%" SCNd64, name, kind, &grown,
			    &returned) != 4 || !strcmp(name, "warm"))
			continue;
		expect_group(process, name, kind, grown, returned);
		n++;
	}
	free(copy);
	return n;
}
