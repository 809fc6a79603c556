/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Python functions, in each CPython that is there (pyplay.h): the rows are those that the programs
 * have told of, with the values that they saw, and the programs do what they do untraced.
 */
#include <criterion/criterion.h>
#include <glob.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "pyplay.h"

#define SLACK (100 << 10)

#define for_each_python(py) for (const struct python *py = pythons(); (py)->path; (py)++)

static const char *const *no_args = (const char *const[]){NULL};

/* --- one thread ------------------------------------------------------------------------------------- */

Test(python, functions_of_every_kind, .timeout = 600)
{
	const char *script = py_script("py_exact.py");
	const char *const *options =
		py_options(script, (const char *const[]){"-f", "py:größe_名.py:fern", NULL});

	harness_need_kernel();
	for_each_python(py) {
		struct py_run r = py_play(py, script, options, no_args);
		size_t inexact = py_compare(&r, SLACK);

		/* what quick walks may have passed over is marked, and right all the same */
		cr_expect_leq(inexact * 10, r.n_told, "%s: %zu of %zu inexact", py->name, inexact, r.n_told);
		fprintf(stderr, "%s: %zu rows, %zu inexact\n", py->name, r.n_told - 1, inexact);
		py_compare_growth(&r, NULL, 50); /* deep stacks grow themselves */
		py_no_losses(&r);
		py_free(&r);
	}
}

/* --- threads ------------------------------------------------------------------------------------------ */

/* Whose memory it is: values of the whole process are between what the threads do, growth is their own. */
Test(python, threads_that_grow_at_the_same_time, .timeout = 600)
{
	const char *script = py_script("py_threads.py");

	harness_need_kernel();
	for_each_python(py) {
		struct py_run r = py_play(py, script, py_options(script, NULL), no_args);
		size_t inexact = py_compare(&r, 256 << 20);

		fprintf(stderr, "%s: %zu rows, %zu inexact\n", py->name, r.n_told - 1, inexact);
		py_compare_growth(&r, NULL, 10);
		cr_expect_eq(py_count(&r, "load", "return", NULL), 4);
		cr_expect_eq(py_count(&r, "part", "return", NULL), 8);
		cr_expect_eq(py_count(&r, "short", "return", NULL), 210);
		py_no_losses(&r);
		py_free(&r);
	}
}

/* --- processes ---------------------------------------------------------------------------------------- */

struct ends {
	size_t entries, returns, inherited;
};

static struct ends ends_of_rows(const struct py_run *r, int64_t pid, const char *name)
{
	struct ends e = {0};
	json_t *row;
	size_t i;

	json_array_foreach(r->rows, i, row) {
		if (!py_is_row(row) || row_int(row, "pid") != pid || strcmp(py_name(row), name))
			continue;
		e.entries += !strcmp(row_str(row, "when"), "entry");
		e.returns += !strcmp(row_str(row, "when"), "return") && !row_true(row, "inherited");
		e.inherited += row_true(row, "inherited");
	}
	return e;
}

static struct ends ends_of_told(const struct py_run *r, int64_t pid, const char *name)
{
	struct ends e = {0};

	for (size_t i = 0; i < r->n_told; i++) {
		const struct py_told *t = &r->told[i];

		if (t->pid != pid || strcmp(t->name, name))
			continue;
		e.entries += !strcmp(t->when, "entry");
		/* it returns from what its parent has entered */
		e.returns += !strcmp(t->when, "return") && e.returns < e.entries;
		e.inherited += !strcmp(t->when, "inherit");
	}
	return e;
}

static bool has_told(const struct py_run *r, int64_t pid)
{
	for (size_t i = 0; i < r->n_told; i++)
		if (r->told[i].pid == pid && !strcmp(r->told[i].when, "inherit"))
			return true;
	return false;
}

/* Every process has the rows it has told of, and closes what it has inherited, once. Of those that
 * become another program, or are ended, nobody tells. */
static void compare_processes(const struct py_run *r)
{
	json_t *row;
	size_t i;

	for (i = 0; i < r->n_told; i++) {
		const struct py_told *t = &r->told[i];
		struct ends have = ends_of_rows(r, t->pid, t->name), want = ends_of_told(r, t->pid, t->name);

		if (!strcmp(t->when, "point"))
			continue;
		cr_expect(have.entries == want.entries && have.returns == want.returns &&
				(have.inherited == want.inherited || !has_told(r, t->pid)),
			"%s: %s of %ld: %zu entries, %zu returns, %zu inherited; told %zu, %zu, %zu",
			r->py->name, t->name, t->pid, have.entries, have.returns, have.inherited,
			want.entries, want.returns, want.inherited);
	}
	json_array_foreach(r->rows, i, row) {
		struct ends want;

		if (!py_is_row(row))
			continue;
		want = ends_of_told(r, row_int(row, "pid"), py_name(row));
		cr_expect(want.entries + want.inherited ||
				(row_true(row, "inherited") && !has_told(r, row_int(row, "pid"))),
			"%s: not told of: %s", r->py->name, json_dumps(row, 0));
	}
}

static void family(const char *how)
{
	const char *script = py_script("py_family.py");

	harness_need_kernel();
	for_each_python(py) {
		struct py_run r;

		if (!python_has(py, "multiprocessing.synchronize"))
			continue;
		r = py_play(py, script, py_options(script, NULL), (const char *const[]){how, NULL});
		compare_processes(&r);
		py_compare_growth(&r, strstr(how, "pool") ? "work" : NULL, 10);
		py_no_losses(&r);
		py_free(&r);
	}
}

Test(python, forked_children_go_on_in_functions_of_their_parents, .timeout = 600)
{
	family("fork");
}

Test(python, programs_started_within_a_function, .timeout = 600)
{
	family("programs");
}

Test(python, workers_of_a_forking_pool, .timeout = 600)
{
	family("pool-fork");
}

Test(python, workers_of_a_spawning_pool, .timeout = 600)
{
	family("pool-spawn");
}

Test(python, workers_of_a_fork_server, .timeout = 600)
{
	family("pool-forkserver");
}

/* --- attaching ---------------------------------------------------------------------------------------- */

/* What was open is told of first, outermost first, with what there was when tracing began. */
static void expect_open(const struct py_run *r, int64_t tid, const char *const *names)
{
	json_t *row;
	size_t i;

	json_array_foreach(r->rows, i, row) {
		if (!py_is_row(row) || row_int(row, "tid") != tid || !*names)
			continue;
		cr_expect(!strcmp(py_name(row), *names) && !strcmp(row_str(row, "when"), "entry") &&
				row_true(row, "open"),
			"%s: not the open %s: %s", r->py->name, *names, json_dumps(row, 0));
		names++;
	}
	cr_expect_null(*names, "%s: no row of %s", r->py->name, *names);
}

/* What was told before tracing began is not to be compared; returns and later calls are. */
static void skip_told(struct py_run *r, size_t before)
{
	size_t at = 0, i;

	for (i = 0; i < r->n_told; i++)
		if (i >= before)
			r->told[at++] = r->told[i];
	r->n_told = at;
}

static void drop_open_rows(struct py_run *r)
{
	for (size_t i = json_array_size(r->rows); i--;)
		if (row_true(json_array_get(r->rows, i), "open") &&
			!strcmp(row_str(json_array_get(r->rows, i), "when"), "entry"))
			json_array_remove(r->rows, i);
}

static size_t lines(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == '\n';
	return n;
}

static void attach(const struct python *py)
{
	static const char *const sleeper[] = {"outermost", "middle", "innermost", NULL};
	static const char *const computer[] = {"busy", "spin", NULL};
	const char *script = py_script("py_attach.py");
	struct py_run r = {.py = py};
	struct child c, tool;
	size_t before;
	char pid[16];

	remove(harness_path("told"));
	setenv("TOLD", harness_path("told"), 1);
	c = child_start("target", (const char *[]){py->path, script, NULL});
	child_await(&c, c.err, "ready", 60);
	before = lines(file_text(harness_path("told")));
	snprintf(pid, sizeof(pid), "%d", c.pid);
	tool = tool_attach("tool", py_options(script, (const char *const[]){"--pid", pid, NULL}));
	child_signal(&c, SIGUSR1);
	cr_expect_eq(child_wait(&c, 120), 9, "%s: %s", py->name, file_text(c.err));
	cr_assert_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
	r.err = file_text(tool.err);
	py_load(&r);
	cr_assert_gt(r.n_told, before);
	for (size_t i = 0; i < before; i++) {
		if (!strcmp(r.told[i].name, "innermost"))
			expect_open(&r, r.told[i].tid, sleeper);
		if (!strcmp(r.told[i].name, "spin"))
			expect_open(&r, r.told[i].tid, computer);
	}
	skip_told(&r, before);
	drop_open_rows(&r);
	py_compare(&r, 4 << 20); /* two threads grow */
	py_no_losses(&r);
	py_free(&r);
}

Test(python, attached_to_amid_deep_calls, .timeout = 600)
{
	harness_need_kernel();
	for_each_python(py)
		attach(py);
}

/* --- once probes tell of entries ------------------------------------------------------------------------ */

/* The program waits until they are on. */
static struct py_run play_probed(const struct python *py, const char *name)
{
	const char *script = py_script(name), *go = harness_path("go"), *argv[64];
	const char *const *options = py_options(script, (const char *const[]){"-v", NULL});
	struct py_run r = {.py = py};
	struct child c;
	size_t n = 0;
	FILE *f;

	remove(harness_path("told"));
	remove(go);
	setenv("TOLD", harness_path("told"), 1);
	while (options[n]) {
		argv[n] = options[n];
		n++;
	}
	argv[n++] = "--";
	argv[n++] = py->path;
	argv[n++] = script;
	argv[n++] = go;
	argv[n] = NULL;
	c = tool_start("tool", argv);
	child_await(&c, c.err, "probes on entries of Python functions are on", 60);
	f = fopen(go, "w");
	cr_assert(f && !fclose(f));
	cr_expect_eq(child_wait(&c, 120), 0, "%s: %s", py->name, file_text(c.err));
	r.err = file_text(c.err);
	py_load(&r);
	return r;
}

Test(python, functions_that_are_over_at_once, .timeout = 600)
{
	harness_need_kernel();
	for_each_python(py) {
		struct py_run r = play_probed(py, "py_short.py");
		json_t *row;
		size_t i;

		cr_expect_eq(py_count(&r, "first", "entry", NULL), 2, "%s", py->name);
		cr_expect_eq(py_count(&r, "tiny", "entry", NULL), 10, "%s: %zu", py->name,
			py_count(&r, "tiny", "entry", NULL));
		cr_expect_eq(py_count(&r, "tiny", "return", NULL), 10, "%s", py->name);
		cr_expect_eq(py_count(&r, "pair", "return", NULL), 1, "%s", py->name);
		cr_expect_eq(py_count(&r, "plain", "entry", NULL), 3, "%s: %zu", py->name,
			py_count(&r, "plain", "entry", NULL));
		cr_expect_eq(py_count(&r, "plain", "return", NULL), 3, "%s", py->name);
		json_array_foreach(r.rows, i, row)
			if (py_is_row(row) && strcmp(py_name(row), "first"))
				cr_expect(row_int(row, "delta") <= 16384 && row_true(row, "exact"), "%s: %s",
					py->name, json_dumps(row, 0));
		py_no_losses(&r);
		py_free(&r);
	}
}

Test(python, code_that_is_freed_and_used_again, .timeout = 600)
{
	harness_need_kernel();
	for_each_python(py) {
		struct py_run r = play_probed(py, "py_freed.py");

		py_compare(&r, SLACK);
		py_compare_growth(&r, NULL, 0);
		py_no_losses(&r);
		py_free(&r);
	}
}

/* --- conditions ----------------------------------------------------------------------------------------- */

static const char *label_of(const json_t *row)
{
	const char *label = row_str(row, "label"), *blank = strrchr(label, ' ');

	return blank ? blank + 1 : label;
}

/* Rows of one label, in order, are what was told of it. */
static void compare_label(const struct py_run *r, const char *label)
{
	size_t at = 0, i;
	json_t *row;

	json_array_foreach(r->rows, i, row) {
		if (!py_is_row(row) || strcmp(label_of(row), label))
			continue;
		while (at < r->n_told && strcmp(r->told[at].name, label))
			at++;
		cr_assert_lt(at, r->n_told, "%s: not told of: %s", r->py->name, json_dumps(row, 0));
		cr_expect(!strcmp(r->told[at].when, row_str(row, "when")) &&
				llabs(r->told[at].rss - row_int(row, "rss")) <= SLACK,
			"%s: told %s %" PRId64 ": %s", r->py->name, r->told[at].when, r->told[at].rss,
			json_dumps(row, 0));
		at++;
	}
	while (at < r->n_told && strcmp(r->told[at].name, label))
		at++;
	cr_expect_eq(at, r->n_told, "%s: no more rows of %s, but it was told of", r->py->name, label);
}

Test(python, conditions_on_calls, .timeout = 600)
{
	static const char *const labels[] = {"in_a", "by_b", "third", "second_in_b", "top", "sorts",
		"compares", NULL};

	harness_need_kernel();
	for_each_python(py) {
		struct py_run r = play_probed(py, "py_when.py");

		for (const char *const *l = labels; *l; l++)
			compare_label(&r, *l);
		py_no_losses(&r);
		py_free(&r);
	}
}

/* --- too much ------------------------------------------------------------------------------------------- */

static char *long_text(const char *text, size_t times)
{
	char *out = calloc(times, strlen(text) + 1);

	while (times--)
		strcat(out, text);
	return out;
}

/* Twenty thousand functions, all of them wanted, and 900 frames: what is too much is counted. */
Test(python, more_functions_and_frames_than_fit, .timeout = 900)
{
	const char *script = py_script("py_many.py");

	harness_need_kernel();
	for_each_python(py) {
		struct py_run r = py_play(py, script, (const char *const[]){"-f", "py:*:*", NULL},
			(const char *const[]){"20000", NULL});
		json_t *losses = json_object_get(rows_find(r.rows, 0, "type", "summary", NULL), "loss");
		size_t i, n = 0;
		json_t *row;

		json_array_foreach(r.rows, i, row)
			n += py_is_row(row) && !strncmp(py_name(row), "f_", 2) &&
			     !strcmp(row_str(row, "when"), "entry");
		cr_expect(n == 20000 || row_int(losses, "py_code") || row_int(losses, "ring"),
			"%s: %zu rows and no loss", py->name, n);
		cr_expect_gt(row_int(losses, "span_depth"), 0, "%s: 900 frames fit", py->name);
		py_free(&r);
	}
}

Test(python, names_and_labels_of_ten_thousand_characters, .timeout = 600)
{
	const char *script = py_script("py_many.py");
	char *name = long_text("x", 10000), *label = long_text("Marke ", 1700), *spec;
	size_t n;

	harness_need_kernel();
	cr_assert_gt(asprintf(&spec, "%send=py:many.py:%s", label, name), 0);
	for_each_python(py) {
		struct py_run r = py_play(py, script,
			py_options(script, (const char *const[]){"-f", spec, NULL}),
			(const char *const[]){"1", NULL});
		json_t *row;

		/* deep within 900 frames it may take looks to come to the innermost: values are near */
		cr_expect_eq(py_count(&r, "top", "return", NULL), 1, "%s", py->name);
		cr_expect_eq(py_count(&r, "bottom", "return", NULL), 1, "%s", py->name);
		n = rows_count(r.rows, "when", "entry", NULL);
		cr_expect_leq(n, 3, "%s: %zu", py->name, n);
		row = rows_find(r.rows, 0, "function", "py_many.py:bottom", "when", "return", NULL);
		for (size_t i = 0; row && i < r.n_told; i++)
			if (!strcmp(r.told[i].name, "bottom") && !strcmp(r.told[i].when, "return"))
				cr_expect_leq(llabs(r.told[i].rss - row_int(row, "rss")), SLACK, "%s: %s",
					py->name, json_dumps(row, 0));
		py_free(&r);
	}
}

/* --- in another program ----------------------------------------------------------------------------------- */

static void embed(const char *lib, const char *home, const struct python *py)
{
	const char *script = py_script("py_threads.py"), *argv[64];
	const char *const *options = py_options(script, NULL);
	struct py_run r = {.py = py};
	struct child c;
	size_t n = 0;

	remove(harness_path("told"));
	setenv("TOLD", harness_path("told"), 1);
	setenv("PYTHONHOME", home, 1);
	while (options[n]) {
		argv[n] = options[n];
		n++;
	}
	argv[n++] = "--";
	argv[n++] = harness_target("embed");
	argv[n++] = lib;
	argv[n++] = script;
	argv[n] = NULL;
	c = tool_start("tool", argv);
	cr_expect_eq(child_wait(&c, 120), 3, "%s: %s", lib, file_text(c.err));
	unsetenv("PYTHONHOME");
	r.err = file_text(c.err);
	py_load(&r);
	py_compare(&r, 256 << 20);
	py_compare_growth(&r, NULL, 10);
	fprintf(stderr, "embedded: %s\n", lib);
	py_free(&r);
}

/* The library of a Python that lies in HOME/bin; NULL: it has none. Debian has a directory of its own
 * for it, and uwsgi-plugin-python3 brings it. */
static char *find_libpython(const char *home, int minor)
{
	char pattern[PATH_MAX], *found = NULL;
	glob_t g = {0};

	snprintf(pattern, sizeof(pattern), "%s/lib{,/*-linux-gnu}/libpython3.%d.so.1.0", home, minor);
	if (!glob(pattern, GLOB_BRACE, NULL, &g))
		found = strdup(g.gl_pathv[0]);
	globfree(&g);
	return found;
}

Test(python, a_program_that_opens_libpython, .timeout = 600)
{
	size_t ran = 0;

	harness_need_kernel();
	for_each_python(py) {
		char *home, *lib, *end;

		home = strdup(py->path);
		end = strstr(home, "/bin/");
		if (!end)
			continue;
		*end = '\0';
		lib = find_libpython(home, py->version % 100);
		if (!lib)
			continue;
		embed(lib, home, py);
		ran++;
	}
	if (!ran)
		cr_skip_test("no libpython beside any Python");
}
