/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What readings of /proc say of a program, and of all of them together: memory by PSS, what is its
 * own, and by mapping. Of many readings the first and the last are kept; a mapping's growth is
 * between these two.
 */
#ifndef HOLDINGS_H
#define HOLDINGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "fact.h"

/* The figures of one reading. */
struct held {
	uint64_t time_ns;
	uint32_t number;
	enum reading_when when;
	bool counted, steady; /* as in struct fact_reading */
	struct rt_snapshot counters;
	struct smaps_sums sums;
};

/* The same by mapping: what the list of groups adds up to, and what it should. */
struct held_maps {
	uint64_t time_ns;
	uint32_t number;
	bool partial;
	uint64_t mappings, upto;
	struct smaps_sums sums;
	uint64_t rss; /* of smaps_rollup, just before, or as the kernel's side has it */
};

/* A group of mappings at both ends. Of one that was not there the sums are 0. */
struct held_group {
	enum smaps_kind kind;
	char *name; /* clean */
	uint64_t mappings[2];
	struct smaps_sums sums[2]; /* first, last */
};

/* How far /proc and the kernel's side differ, where both are of the same instant. */
struct held_check {
	uint64_t compared;
	uint64_t moved; /* not compared: something changed meanwhile */
	int64_t worst;	/* /proc less ours, in bytes of rss: the one that is the farthest from 0 */
	int64_t worst_anon; /* the same of anonymous memory alone */
	uint64_t rows;	    /* checkpoints since which nothing had moved, compared as well */
	int64_t worst_row;
};

struct holdings {
	uint64_t readings, failed; /* of which nothing is known but why */
	struct held first, last;
	uint64_t most_private; /* Private_Dirty, of all readings */
	uint64_t maps; /* readings by mapping */
	struct held_maps map_first, map_last;
	struct held_group *groups;
	size_t n_groups;
	struct held_check check;
};

struct holdings *holdings__new(void); /* NULL: no memory */
void holdings__free(struct holdings *h);
/* Is it a further part of the one that was taken last? */
bool holdings__continues(const struct holdings *h, const struct fact_reading *f);
/* Adds a reading, or a further part of it. 0 or -ENOMEM. */
int holdings__take(struct holdings *h, const struct fact_reading *f, uint64_t time_ns);
/* Brings the groups in the order in which they are shown: by what they grew, then by size. Nothing
 * can be taken any more. */
void holdings__sort(struct holdings *h);
/* RSS where the account of a program begins and ends. Measured: by smaps_rollup at an instant nearby, for
 * which the kernel's side says what came in between. A program that has ended is beyond measuring, one
 * that never rests was: then both are what the kernel's side says. */
struct held_ends {
	uint64_t start, end;
	bool start_measured, end_measured;
};
/* h may be NULL: /proc was not read. */
void held_ends(const struct holdings *h, const struct rt_totals *totals, struct held_ends *out);
void held_check__add(struct held_check *to, const struct held_check *c);

/* All processes of one reading. */
struct tree_reading {
	uint32_t number;
	unsigned int run; /* of several runs in one log: which; 0 where there is one */
	enum reading_when when;
	uint64_t time_ns;
	uint64_t processes, failed;
	struct smaps_sums sums; /* rss counts shared pages in each process, pss once */
};

enum { TREE_READINGS_MAX = 64 };

struct tree_readings {
	struct tree_reading list[TREE_READINGS_MAX]; /* the first, those that were asked for, the last */
	size_t n;
	struct tree_reading most; /* the one of the highest pss; processes 0: none */
};

void tree_readings__add(struct tree_readings *t, const struct fact_reading *f, uint64_t time_ns);
/* No reading goes on: the last one is as whole as it gets. */
void tree_readings__end(struct tree_readings *t);

#endif
