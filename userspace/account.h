/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who grew: what full attribution found, for people and for programs; and the account of each
 * program, which proves that nothing is missing:
 *
 *	end - start = attributed + foreign + footprint + remainder
 *
 * `attributed` is what its own threads were seen to bring and take, place by place; start and end
 * are measured by smaps_rollup where that can be (see held_ends), else snapshots.
 */
#ifndef ACCOUNT_H
#define ACCOUNT_H

#include "correlate.h"
#include "growth.h"
#include "lang.h"
#include "out.h"

struct account {
	struct held_ends ends; /* RSS */
	int64_t attributed, foreign, footprint, remainder;
	/* of the remainder: */
	int64_t unread; /* came while the stack could not be read */
	int64_t rest;	/* came when there was no room to tell places apart */
	int64_t uncounted; /* is in snapshots, and was not seen to come: while tracing ended */
	int64_t unlike;	   /* smaps_rollup says otherwise than the kernel's counters */
	int64_t dropped;   /* all the rest: there was no room to count it at all */
};

void account_of(const struct growth_program *p, const struct growth_sums *sums, struct account *out);

/* The name of a function or a thread without Python, its file ("" where there is none) and first
 * line. `buf` holds what has to be made up. */
struct place_name {
	const char *name, *file;
	unsigned int line;
	char buf[64];
};
void account_name(const struct catalog *cat, const struct growth_place *place, struct place_name *out);

/* The part of the report; nothing where nothing was attributed. -ENOMEM. */
int report_growth(enum lang lang, const struct run_summary *sum, struct out *o);
/* The part about spans, by role; nothing where none were. -ENOMEM. */
int report_spans(enum lang lang, const struct run_summary *sum, struct out *o);
/* Those that were open, a line for each thread. */
void report_open(const struct catalog *cat, const struct open_spans *open, struct out *o);
/* What was open in each program when all together were at their peak; nothing where nothing was. -ENOMEM. */
int report_tree_peak(enum lang lang, const struct run_summary *sum, struct out *o);
/* Was it under trace at that time? */
bool growth_program__at(const struct growth_program *p, uint64_t time_ns);

#endif
