/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Python programs under trace. Each says of itself when its functions begin and end, and how much
 * memory there is then (targets/told.py); that is what the rows are compared with.
 */
#ifndef PYPLAY_H
#define PYPLAY_H

#include "harness.h"

struct python {
	const char *path;
	int version; /* 311 */
	char name[64]; /* "3.11.2 /usr/bin/python3" */
};

/* Each CPython 3.8 or later that this machine has, once; the one with path NULL ends them. Fails the
 * test if Debian's is not among them. */
const struct python *pythons(void);
/* Whether it has these modules ("ctypes, multiprocessing"); says so if not. */
bool python_has(const struct python *py, const char *modules);

struct py_told {
	long pid, tid;
	char when[8]; /* entry, return, point */
	int64_t rss, touched, freed;
	char name[512];
	bool used;
};

struct py_run {
	const struct python *py;
	json_t *rows;
	struct py_told *told;
	size_t n_told;
	char *err;
};

/* A program among the targets. */
const char *py_script(const char *name);
/* The functions that it names itself, in lines "# trace: NAME" or "# trace: [LABEL=]SPEC", as options
 * of the tool; after those in `first`, which may be NULL. NULL ends both. */
const char *const *py_options(const char *script, const char *const *first);
/* "FILE:NAME" without the file, of functions of Python; others as they are. */
const char *py_name(const json_t *row);
/* A row that was told of: of a function. */
bool py_is_row(const json_t *row);

/* Runs it untraced, then under the tool; output and status must be equal. args: of the program. */
struct py_run py_play(const struct python *py, const char *script, const char *const *options,
	const char *const *args);
/* What it has told, and the rows, once all has ended. */
void py_load(struct py_run *r);
void py_free(struct py_run *r);

/* Each thread's rows are those it has told of, in order, and have the value that it saw, within
 * `slack` bytes. Returns how many of them are marked as inexact. */
size_t py_compare(struct py_run *r, int64_t slack);
/* Each span's own growth is what its thread has touched less what it has freed, within `permille` of
 * it and 100 KiB; inherited ones aside. name: only of this function, NULL: all. */
void py_compare_growth(struct py_run *r, const char *name, int permille);
/* No event was lost; walks may fail where a process ends. */
void py_no_losses(const struct py_run *r);
size_t py_count(const struct py_run *r, const char *name, const char *when, const char *mark);
size_t py_count_told(const struct py_run *r, const char *name, const char *when);

#endif
