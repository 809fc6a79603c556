/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Truth and what --summary-json says of it: a target is attached to while it waits, does what it knows
 * of, and waits again, and the test reads smaps of it at both ends.
 */
#ifndef SUMMARY_H
#define SUMMARY_H

#include "harness.h"

enum {
	TRUTH_PAGE = 4096,
	/* Another tracer on this machine, as a test that runs beside this one, brings a page to where it puts
	 * a breakpoint, in libc for example, and takes it when it goes. So many, else there would be none. */
	TRUTH_TRACERS = 8,
};

struct reading {
	int64_t rss, anon, file, shmem, private_dirty, pss;
};

/* Sums of smaps; the test fails if the process is gone. */
struct reading reading_take(pid_t pid);
/* Again until two are the same: it waits. */
struct reading reading_at_rest(pid_t pid);

struct truth {
	struct child target, tool;
	const char *name; /* of files in the test's directory */
	char *told;	  /* what the target has said */
	json_t *summary;
};

/* Starts the target, whose last argument is to be the test's directory; and waits for its "ready". */
void truth_begin(struct truth *t, const char *name, const char *const *argv);
void truth_start(struct truth *t, const char *name, const char *const *argv);
/* Attaches with --growth; more: options, ended by NULL. */
void truth_attach(struct truth *t, const char *const *more);
/* Makes the file that the target waits for. */
void truth_say(const char *step);
/* Waits until the target has said it. */
void truth_await(struct truth *t, const char *line);
/* Ends the tool, which must have lost nothing, and loads what it has written. */
void truth_finish(struct truth *t);
/* Ends the target. */
void truth_end(struct truth *t);

/* "WORD N" as a line of its own in what was told; the test fails if there is none. */
int64_t truth_number(const struct truth *t, const char *word);

/* What one run has said; owned by the caller. The test fails if there is none. */
json_t *summary_load(const char *path);
/* The first program of that pid; the test fails if there is none. */
json_t *summary_of(const json_t *summary, int64_t pid);
json_t *summary_process(const struct truth *t, int64_t pid);
/* What is in one of its lists by this name; NULL: nothing. */
json_t *summary_find(const json_t *process, const char *list, const char *name);
/* Pages; which: grown, returned. 0 of what is NULL. */
int64_t summary_pages(const json_t *changes, const char *which, const char *kind);
int64_t summary_rss(const json_t *changes); /* net, bytes */

/* The identity closes with nothing left, and each list adds up to what is attributed. */
void expect_account(const json_t *process, const char *what);
/* Its ends are what the test has read (start: -1: did not), and so much is foreign: pages. */
void expect_ends(const json_t *process, const char *what, int64_t start, int64_t end);
void expect_foreign(const json_t *process, const char *what, int64_t pages);
/* Lines "NAME\tKIND\tGROWN\tRETURNED", after `who` and a tab where that is not NULL, against groups of
 * mappings: to the page. How many there were. */
size_t expect_mappings(const struct truth *t, const json_t *process, const char *who);

#endif
