/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A target that writes down what its probed functions did (targets/unharmed.h), run untraced and
 * under trace: the same output, the same end, and the rows that it has told of.
 */
#ifndef SCENE_H
#define SCENE_H

#include "harness.h"

#define SCENE_ARGS 6

enum match {
	STRICT, /* each thread's rows in its order, every value known and exact */
	LOOSE,	/* the nth beginning or end of each function; values where the row says exact */
	NONE,	/* the test looks at the rows itself */
};

struct scene {
	const char *target;
	const char *script; /* the target is a library that this Python program loads */
	const char *args[SCENE_ARGS];
	const char *also; /* another spec; %s: the directory of the targets */
	enum match match;
};

struct told {
	long tid;
	char function[40], when[8], marks[8];
	int64_t rss, anon, file, shmem;
	bool used;
};

struct result {
	json_t *rows;
	struct told *told;
	size_t n_told;
	size_t inexact;
	char *err; /* what the traced program (and the tool that started it) said */
};

/*
 * Runs the scene untraced, then started by the tool (or attached to), with --returns as given.
 * Asserts equal output and status, no losses, and what s->match says of rows.
 */
struct result play(const struct scene *s, const char *returns, bool attach);

/* A row that was told of: a checkpoint of another function than p_settle. */
bool is_row(const json_t *row);
bool same_values(const json_t *row, const struct told *t);
/* Rows of this function by kind of end, all threads; of returns, those with the mark. */
size_t count_rows(const struct result *r, const char *function, const char *when, const char *mark);

#endif
