/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a test reads from /proc around a statement of a server, and rows held against it. */
#ifndef READINGS_H
#define READINGS_H

#include "harness.h"

struct mem {
	int64_t rss, anon, file, shmem;
};

/* The total from smaps_rollup, the kinds from status; exact of a process that does nothing. */
struct mem mem_read(pid_t pid);
/* The highest total that the kernel knows of (VmHWM), and by how much it may be wrong: it adds up
 * what the CPUs have folded, without the parts that they still hold. */
int64_t mem_highest(pid_t pid, int64_t *error);

/* A reading of a process that was busy meanwhile: kinds at some instant in [from_ns, to_ns]. */
struct sample {
	pid_t pid;
	int64_t from_ns, to_ns;
	struct mem mem;
};

struct samples {
	struct sample *all;
	size_t n;
};

/* Reads every child of `parent` but those in `except` (ended by 0), once. */
void samples_take(struct samples *s, pid_t parent, const pid_t *except);

/* Children that there are now, up to max; how many. */
size_t children_of(pid_t pid, pid_t *out, size_t max);
/* The one whose title begins so; fails the test if there is none. */
pid_t child_titled(pid_t parent, const char *title);

/* The nth (from 0) row of a function in a process; fails the test if there is none. So too the row of
 * a process. */
json_t *row_of(json_t *rows, pid_t pid, const char *function, const char *when, size_t nth);
json_t *process_of(json_t *rows, pid_t pid);

/* The expectations below allow 1 MiB or 3 %, whichever is more, in each kind and in the total. */

/* A row, or a snapshot of a process row, is what was read. */
void expect_is(const char *what, const json_t *row, struct mem m);
/* Between two rows it grew by as much as between two readings. */
void expect_grew(const char *what, const json_t *from, const json_t *to, struct mem before,
	struct mem after);
/* Both ends, and the growth between them. */
void expect_step(const char *what, const json_t *from, const json_t *to, struct mem before,
	struct mem after);
void expect_peak(const json_t *process, int64_t highest, int64_t error);
/* Each reading of a busy process lies between the rows around it: for processes that move in one
 * direction from row to row. How many could be compared. */
size_t samples_lie_between_rows(json_t *rows, const struct samples *s, pid_t pid);
/* The summary counts as many entries and returns of each function as there are rows. */
void expect_hits(json_t *rows);

#endif
