/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "scene.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the program's own truth ----------------------------------------------------------------- */

static size_t load_told(const char *path, struct told **out)
{
	struct told *all = NULL, t = {0};
	FILE *f = fopen(path, "r");
	size_t n = 0;

	cr_assert(f, "%s", path);
	while (fscanf(f, "%ld %39s %7s %7s %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &t.tid,
		       t.function, t.when, t.marks, &t.rss, &t.anon, &t.file, &t.shmem) == 8) {
		all = realloc(all, (n + 1) * sizeof(*all));
		all[n++] = t;
	}
	cr_assert(feof(f), "%s: line %zu", path, n + 1);
	fclose(f);
	*out = all;
	return n;
}

bool same_values(const json_t *row, const struct told *t)
{
	return row_int(row, "rss") == t->rss && row_int(row, "anon") == t->anon &&
	       row_int(row, "file") == t->file && row_int(row, "shmem") == t->shmem;
}

static void expect_marks(const json_t *row, const struct told *t, bool probed)
{
	bool unwound = strpbrk(t->marks, probed ? "xye" : "e") != NULL;

	if (probed || !strchr(t->marks, 'y'))
		cr_expect_eq(row_true(row, "unwound"), unwound, "unwound: %s", json_dumps(row, 0));
	cr_expect_eq(row_true(row, "inherited"), strchr(t->marks, 'i') != NULL, "inherited: %s",
		json_dumps(row, 0));
	cr_expect_eq(row_true(row, "borrowed"), strchr(t->marks, 'b') != NULL, "borrowed: %s",
		json_dumps(row, 0));
}

bool is_row(const json_t *row)
{
	return !strcmp(row_str(row, "type"), "checkpoint") &&
	       strcmp(row_str(row, "function"), "p_settle");
}

/* What was told that this row should be; NULL: nothing is left. */
static struct told *told_of(struct result *r, const json_t *row, enum match match)
{
	for (size_t i = 0; i < r->n_told; i++) {
		struct told *t = &r->told[i];

		if (t->used || t->tid != row_int(row, "tid"))
			continue;
		if (match == STRICT || (!strcmp(t->function, row_str(row, "function")) &&
					       !strcmp(t->when, row_str(row, "when"))))
			return t;
	}
	return NULL;
}

static void compare(struct result *r, enum match match, bool probed)
{
	size_t i, n = 0;
	json_t *row;

	json_array_foreach(r->rows, i, row) {
		struct told *t;

		if (!is_row(row))
			continue;
		t = told_of(r, row, match);
		cr_assert(t, "not told of: %s", json_dumps(row, 0));
		t->used = true;
		n++;
		cr_assert(!strcmp(t->function, row_str(row, "function")) &&
				  !strcmp(t->when, row_str(row, "when")),
			"row %zu is not %s %s: %s", n, t->function, t->when, json_dumps(row, 0));
		expect_marks(row, t, probed);
		if (strchr(t->marks, '?'))
			continue;
		r->inexact += !row_true(row, "exact");
		cr_expect(match == LOOSE || row_true(row, "exact") ||
				  (!probed && strchr(t->marks, 'o')),
			"not exact: %s", json_dumps(row, 0));
		if (row_true(row, "exact"))
			cr_expect(same_values(row, t),
				"told rss %" PRId64 " anon %" PRId64 " file %" PRId64 ": %s",
				t->rss, t->anon, t->file, json_dumps(row, 0));
	}
	cr_expect_eq(n, r->n_told, "%zu rows, %zu told", n, r->n_told);
}

/* --- running --------------------------------------------------------------------------------- */

static void make_argv(const char **argv, const struct scene *s, const char *path, const char *truth,
	const char *mode)
{
	size_t n = 0;

	if (s->script) {
		argv[n++] = "/usr/bin/python3";
		argv[n++] = s->script;
	}
	argv[n++] = path;
	argv[n++] = truth;
	argv[n++] = mode;
	for (size_t i = 0; i < SCENE_ARGS && s->args[i]; i++)
		argv[n++] = s->args[i];
	argv[n] = NULL;
}

static void run_command(const struct scene *s, const char *path, const char *const *options,
	const char *truth, struct child *c, int *status)
{
	const char *argv[32];
	size_t n = 0;

	while (*options)
		argv[n++] = *options++;
	argv[n++] = "--";
	make_argv(argv + n, s, path, truth, "run");
	*c = tool_start("tool", argv);
	*status = child_wait(c, 120);
}

static void run_attached(const struct scene *s, const char *path, const char *const *options,
	const char *truth, struct child *c, int *status)
{
	const char *argv[16];
	struct child tool;
	char pid[16];
	size_t n = 2;

	make_argv(argv, s, path, truth, "wait");
	*c = child_start("target", argv);
	child_await(c, c->err, "ready", 20);
	snprintf(pid, sizeof(pid), "%d", c->pid);
	argv[0] = "--pid";
	argv[1] = pid;
	while (*options)
		argv[n++] = *options++;
	argv[n] = NULL;
	tool = tool_attach("tool", argv);
	child_signal(c, SIGUSR1);
	*status = child_wait(c, 120);
	cr_assert_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
}

/* An unstable snapshot is no loss: it was sent, and says so. A crowd of threads on two processors
 * makes a few, where one is preempted within the kernel's counter. */
static void no_losses(json_t *rows)
{
	json_t *losses = json_object_get(rows_find(rows, 0, "type", "summary", NULL), "loss"), *n;
	size_t checkpoints = rows_count(rows, "type", "checkpoint", NULL);
	const char *name;

	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
	cr_assert(json_is_object(losses));
	json_object_foreach(losses, name, n) {
		size_t bound = strcmp(name, "unstable") ? 0 : checkpoints / 100;

		cr_expect_leq((size_t)json_integer_value(n), bound, "lost: %s", name);
	}
}

struct result play(const struct scene *s, const char *returns, bool attach)
{
	const char *path = strdup(harness_target(s->target)), *argv[16];
	const char *truth = harness_path("truth"), *untraced = harness_path("truth.untraced");
	struct child alone, c;
	int status, want;
	struct result r = {0};
	char spec[512], also[512];
	const char *options[] = {
		"--returns", returns, "-f", spec, s->also ? "-f" : NULL, also, NULL};

	remove(truth);
	remove(untraced);
	make_argv(argv, s, path, untraced, "run");
	alone = child_start("alone", argv);
	want = child_wait(&alone, 120);
	snprintf(spec, sizeof(spec), "%s:p_*", path);
	if (s->also)
		snprintf(also, sizeof(also), s->also, harness_target(""));
	(attach ? run_attached : run_command)(s, path, options, truth, &c, &status);
	r.err = file_text(c.err);
	cr_expect_eq(status, want, "status %d, untraced %d: %s", status, want, r.err);
	cr_expect_str_eq(file_text(c.out), file_text(alone.out));
	r.rows = rows_load(harness_path("tool.jsonl"));
	r.n_told = load_told(truth, &r.told);
	if (s->match != NONE)
		compare(&r, s->match, !strcmp(returns, "auto"));
	no_losses(r.rows);
	return r;
}

size_t count_rows(const struct result *r, const char *function, const char *when, const char *mark)
{
	size_t i, n = 0;
	json_t *row;

	json_array_foreach(r->rows, i, row)
		n += !strcmp(row_str(row, "function"), function) &&
		     !strcmp(row_str(row, "when"), when) && (!mark || row_true(row, mark));
	return n;
}
