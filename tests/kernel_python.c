/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Python functions, in each CPython that is there (pyplay.h): the rows are those that the programs
 * have told of, with the values that they saw, and the programs do what they do untraced.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
