/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pyplay.h"

#include <criterion/criterion.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_PYTHONS 32
#define MAX_OPTIONS 128

/* --- which there are ------------------------------------------------------------------------------ */

static struct python all[MAX_PYTHONS + 1];
static size_t n_all;

static void add(const char *path)
{
	char real[PATH_MAX], command[PATH_MAX + 256], *said;
	int major, minor, micro, odd;

	if (n_all == MAX_PYTHONS || access(path, X_OK))
		return;
	/* what lies in PATH may be a script that chooses one */
	snprintf(command, sizeof(command), "'%s' -c 'import os, sys; print(*sys.version_info[:3], "
		"int(hasattr(sys, \"pypy_version_info\") or \"t\" in sys.abiflags), "
		"os.path.realpath(sys.executable))'", path);
	if (shell(command, &said) ||
		sscanf(said, "%d %d %d %d %4095[^\n]", &major, &minor, &micro, &odd, real) != 5)
		return;
	if (major != 3 || minor < 8 || odd)
		return;
	for (size_t i = 0; i < n_all; i++)
		if (!strcmp(all[i].path, real))
			return;
	all[n_all].path = strdup(real);
	all[n_all].version = major * 100 + minor;
	snprintf(all[n_all].name, sizeof(all[n_all].name), "%d.%d.%d %.48s", major, minor, micro, real);
	n_all++;
}

static void add_words(const char *text)
{
	char *words = strdup(text ? text : ""), *save, *word;

	for (word = strtok_r(words, ":", &save); word; word = strtok_r(NULL, ":", &save))
		add(word);
	free(words);
}

static void add_matches(const char *dir, const char *tail)
{
	char pattern[PATH_MAX];
	glob_t g = {0};

	snprintf(pattern, sizeof(pattern), "%s/%s", dir, tail);
	if (!glob(pattern, 0, NULL, &g))
		for (size_t i = 0; i < g.gl_pathc; i++)
			add(g.gl_pathv[i]);
	globfree(&g);
}

const struct python *pythons(void)
{
	char *dirs, *save, *dir;
	const char *home = getenv("HOME"), *path = getenv("PATH");

	if (n_all)
		return all;
	/* what is run is not to leave anything beside the sources */
	setenv("PYTHONDONTWRITEBYTECODE", "1", 1);
	add("/usr/bin/python3");
	cr_assert_eq(n_all, 1, "these tests need /usr/bin/python3");
	dirs = strdup(path ? path : "");
	for (dir = strtok_r(dirs, ":", &save); dir; dir = strtok_r(NULL, ":", &save)) {
		add_matches(dir, "python3.[0-9]");
		add_matches(dir, "python3.[0-9][0-9]");
	}
	free(dirs);
	add_matches(home ? home : "/root", ".pyenv/versions/*/bin/python3");
	add_words(getenv("RAMTRACE_PYTHONS"));
	for (size_t i = 0; i < n_all; i++)
		fprintf(stderr, "python: %s\n", all[i].name);
	return all;
}

bool python_has(const struct python *py, const char *modules)
{
	char command[PATH_MAX + 256];

	snprintf(command, sizeof(command), "'%s' -c 'import %s'", py->path, modules);
	if (!shell(command, NULL))
		return true;
	fprintf(stderr, "python: %s has not all of: %s\n", py->name, modules);
	return false;
}

/* --- running ---------------------------------------------------------------------------------------- */

const char *py_script(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "tests/targets/%s", name);
	return strdup(path);
}

const char *const *py_options(const char *script, const char *const *first)
{
	const char **options = calloc(MAX_OPTIONS + 1, sizeof(*options)), *base = strrchr(script, '/') + 1;
	char line[1024], *at, *spec;
	FILE *f = fopen(script, "r");
	size_t n = 0;

	cr_assert(f, "%s", script);
	while (first && *first)
		options[n++] = *first++;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "# trace: ", 9))
			continue;
		at = line + 9;
		at[strcspn(at, "\n")] = '\0';
		if (strstr(at, "py:") || strstr(at, ".so"))
			spec = strdup(at);
		else
			cr_assert_gt(asprintf(&spec, "py:%s:%s", base, at), 0);
		cr_assert_lt(n, MAX_OPTIONS - 2);
		options[n++] = "-f";
		options[n++] = spec;
	}
	fclose(f);
	return options;
}

static size_t append(const char **argv, size_t n, const char *const *more)
{
	while (more && *more)
		argv[n++] = *more++;
	argv[n] = NULL;
	return n;
}

struct py_run py_play(const struct python *py, const char *script, const char *const *options,
	const char *const *args)
{
	const char *argv[2 * MAX_OPTIONS] = {py->path, script};
	struct py_run r = {.py = py};
	struct child alone, c;
	int status, want;
	size_t n;

	append(argv, 2, args);
	setenv("TOLD", harness_path("told.untraced"), 1);
	alone = child_start("alone", argv);
	want = child_wait(&alone, 120);
	cr_assert_lt(want, 126, "%s: %s", py->name, file_text(alone.err));
	remove(harness_path("told"));
	setenv("TOLD", harness_path("told"), 1);
	n = append(argv, 0, options);
	argv[n++] = "--";
	argv[n++] = py->path;
	argv[n++] = script;
	append(argv, n, args);
	c = tool_start("tool", argv);
	status = child_wait(&c, 180);
	r.err = file_text(c.err);
	cr_expect_eq(status, want, "%s: status %d, untraced %d: %s", py->name, status, want, r.err);
	cr_expect_str_eq(file_text(c.out), file_text(alone.out), "%s", py->name);
	py_load(&r);
	return r;
}

static void load_told(struct py_run *r)
{
	struct py_told t = {0};
	FILE *f = fopen(harness_path("told"), "r");

	cr_assert(f, "%s has told nothing: %s", r->py->name, r->err);
	while (fscanf(f, "%ld %ld %7s %" SCNd64 " %" SCNd64 " %" SCNd64 " %511[^\n]", &t.pid, &t.tid, t.when,
		       &t.rss, &t.touched, &t.freed, t.name) == 7) {
		r->told = realloc(r->told, (r->n_told + 1) * sizeof(*r->told));
		r->told[r->n_told++] = t;
	}
	cr_assert(feof(f), "line %zu", r->n_told + 1);
	fclose(f);
}

void py_load(struct py_run *r)
{
	load_told(r);
	r->rows = rows_load(harness_path("tool.jsonl"));
}

void py_free(struct py_run *r)
{
	json_decref(r->rows);
	free(r->told);
	free(r->err);
}

/* --- comparing ---------------------------------------------------------------------------------------- */

const char *py_name(const json_t *row)
{
	const char *function = row_str(row, "function"), *file = strstr(function, ".py:");

	if (file)
		return file + 4;
	return *function == '<' && strstr(function, ">:") ? strstr(function, ">:") + 2 : function;
}

bool py_is_row(const json_t *row)
{
	return !strcmp(row_str(row, "type"), "checkpoint") && *row_str(row, "function");
}

static struct py_told *next_told(struct py_run *r, int64_t tid)
{
	for (size_t i = 0; i < r->n_told; i++)
		if (!r->told[i].used && r->told[i].tid == tid && strcmp(r->told[i].when, "point"))
			return &r->told[i];
	return NULL;
}

size_t py_compare(struct py_run *r, int64_t slack)
{
	size_t i, n = 0, want = 0, inexact = 0;
	struct py_told *t;
	json_t *row;

	json_array_foreach(r->rows, i, row) {
		if (!py_is_row(row))
			continue;
		t = next_told(r, row_int(row, "tid"));
		cr_assert(t, "%s: not told of: %s", r->py->name, json_dumps(row, 0));
		t->used = true;
		n++;
		cr_assert(!strcmp(t->name, py_name(row)) && !strcmp(t->when, row_str(row, "when")),
			"%s: row %zu is not the %s of %s: %s", r->py->name, n, t->when, t->name,
			json_dumps(row, 0));
		inexact += !row_true(row, "exact");
		cr_expect_leq(llabs(row_int(row, "rss") - t->rss), slack,
			"%s: %s of %s: told rss %" PRId64 ": %s", r->py->name, t->when, t->name, t->rss,
			json_dumps(row, 0));
	}
	for (i = 0; i < r->n_told; i++)
		want += strcmp(r->told[i].when, "point") != 0;
	t = r->n_told ? &r->told[0] : NULL;
	for (i = 0; n != want && i < r->n_told; i++)
		if (!r->told[i].used && strcmp(r->told[i].when, "point"))
			t = &r->told[i];
	cr_expect_eq(n, want, "%s: %zu rows, %zu told, as the %s of %s", r->py->name, n, want, t->when,
		t->name);
	return inexact;
}

/* What the programs touch is anonymous; a child also faults in its files. */
static int64_t net_anon(const json_t *row)
{
	return row_int(json_object_get(row, "grown"), "anon") -
	       row_int(json_object_get(row, "returned"), "anon");
}

/* The entry that this return belongs to: spans of a thread nest, in rows as in what is told. */
static const struct py_told *entry_of(const struct py_run *r, size_t leave)
{
	const struct py_told *end = &r->told[leave], *t;
	size_t open = 0;

	for (t = end - 1; t >= r->told; t--) {
		if (t->tid != end->tid || strcmp(t->name, end->name))
			continue;
		if (!strcmp(t->when, "return"))
			open++;
		else if (!open--)
			return t;
	}
	return NULL;
}

/* Up to 3.10 every call passes a probe, and a thread that loses the processor between the probe and
 * its frame may be found in neither: then one span has what another is missing. */
static bool may_mix_up_threads(const struct python *py, int permille)
{
	return permille && py->version <= 310;
}

void py_compare_growth(struct py_run *r, const char *name, int permille)
{
	size_t at = 0, i, n = 0, off = 0;
	json_t *row;

	for (i = 0; i < r->n_told; i++)
		r->told[i].used = false;
	json_array_foreach(r->rows, at, row) {
		const struct py_told *end = NULL, *begin = NULL;
		int64_t want, have;

		if (!py_is_row(row) || strcmp(row_str(row, "when"), "return") ||
			row_true(row, "inherited") || (name && strcmp(py_name(row), name)))
			continue;
		for (i = 0; i < r->n_told && !end; i++) {
			if (r->told[i].used || strcmp(r->told[i].when, "return") ||
				r->told[i].tid != row_int(row, "tid") ||
				strcmp(r->told[i].name, py_name(row)))
				continue;
			end = &r->told[i];
			r->told[i].used = true;
			begin = entry_of(r, i);
		}
		cr_assert(end, "%s: a return that was not told of: %s", r->py->name, json_dumps(row, 0));
		if (!begin)
			continue;
		want = end->touched - begin->touched - (end->freed - begin->freed);
		have = net_anon(row);
		n++;
		if (llabs(have - want) <= (100 << 10) + llabs(want) * permille / 1000)
			continue;
		off++;
		cr_expect(may_mix_up_threads(r->py, permille), "%s: %s has grown by %" PRId64 ", told %" PRId64 ": %s",
			r->py->name, end->name, have, want, json_dumps(row, 0));
	}
	cr_expect_leq(off * 100, n, "%s: %zu of %zu spans have grown by something else", r->py->name, off, n);
}

void py_no_losses(const struct py_run *r)
{
	json_t *losses = json_object_get(rows_find(r->rows, 0, "type", "summary", NULL), "loss"), *n;
	const char *name;

	cr_expect_eq(rows_count(r->rows, "type", "loss", NULL), 0, "%s", r->py->name);
	cr_assert(json_is_object(losses));
	json_object_foreach(losses, name, n) {
		json_int_t bound = !strcmp(name, "unstable") ? INT_MAX : strcmp(name, "py_walk") ? 0 : 8;

		cr_expect_leq(json_integer_value(n), bound, "%s: lost: %s %lld", r->py->name, name,
			json_integer_value(n));
	}
}

size_t py_count(const struct py_run *r, const char *name, const char *when, const char *mark)
{
	size_t i, n = 0;
	json_t *row;

	json_array_foreach(r->rows, i, row)
		n += py_is_row(row) && !strcmp(py_name(row), name) && !strcmp(row_str(row, "when"), when) &&
		     (!mark || row_true(row, mark));
	return n;
}

size_t py_count_told(const struct py_run *r, const char *name, const char *when)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_told; i++)
		n += !strcmp(r->told[i].name, name) && !strcmp(r->told[i].when, when);
	return n;
}
