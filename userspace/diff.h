/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two sides, each of one run or several, compared. An entry is one thing that both or one of them
 * had: a process, or a label, a function or a mapping in a process. It has up to three values, and
 * each is told for A and for B by its lowest, median and highest over the runs:
 *
 *	tree		    peak
 *	process		    baseline, end, peak
 *	label		    delta (of all its rows), total (at its last), times
 *	function, native    self, inclusive
 *	mapping		    net
 *
 * What is not in a run is 0 there. Two values differ if their ranges do not overlap, and then by as
 * much as their medians: with one run a side, whenever they are not the same.
 */
#ifndef DIFF_H
#define DIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "condition.h"
#include "out.h"
#include "seen.h"

enum { DIFF_VALUES = 3 };

struct diff_range {
	int64_t low, median, high;
};

struct diff_value {
	struct diff_range a, b;
	int64_t by; /* b less a, of the medians */
	bool differs;
};

struct diff_process {
	const char *name; /* as in struct seen_program: raw */
	unsigned int nth; /* from 1 */
	bool crowd;	  /* some run has more than one of that name */
	const struct seen_program **of; /* by run; NULL: it is not there */
	struct diff_entry *own;		/* what it has itself, */
	struct diff_entry *entries;	/* and a hash table of all else */
	char *key;			/* name, NUL, nth */
	UT_hash_handle hh;
};

struct diff_entry {
	enum seen_kind kind;
	const char *name, *file; /* of the first run that has it: raw */
	const struct diff_process *process; /* NULL: of all together */
	const struct seen **of;		    /* by run; NULL: it is not there */
	size_t runs_a, runs_b;		    /* that have it */
	struct diff_value values[DIFF_VALUES];
	uint64_t size; /* the largest difference of any value in bytes; 0: none differs */
	UT_hash_handle hh; /* as that of its first struct seen, of which it has the name */
};

/* Something that both sides say of themselves, and not in the same words. */
struct diff_fact {
	const char *what; /* "kernel" */
	char *a, *b;	  /* the distinct ones of all runs, in their order: "6.1, 6.12" */
};

struct diff_list {
	struct diff_entry **list;
	size_t n;
};

struct diff {
	struct seen_run *runs; /* those of A first */
	size_t n, n_a;
	uint64_t min_delta; /* of what is being written */
	enum lang lang;
	struct diff_process *processes;
	struct diff_list entries[SEEN_KINDS]; /* the largest difference first */
	struct diff_fact facts[4];
	size_t n_facts;
	size_t labels_a, labels_b; /* that only the specs of one side have */
	bool growth;		   /* of all runs functions and mappings are known */
	bool common;		   /* some process is on both sides */
	int64_t *scratch;	   /* room for one number of each run */
};

/* --- diff_align.c ----------------------------------------------------------------------------- */

/* Finds what belongs together in all runs: fills in processes and entries. -ENOMEM. */
int diff__align(struct diff *d);

/* --- diff_compare.c --------------------------------------------------------------------------- */

/* How many values an entry of that kind has, and what they are called ("peak"). */
unsigned int diff_values(enum seen_kind kind);
const char *diff_value_name(enum seen_kind kind, unsigned int value);
/* One figure: `v` has it of each run, and is left in another order. */
struct diff_value diff__judge(const struct diff *d, int64_t *v);
/* Compares everything that was aligned, and sorts it. -ENOMEM. */
int diff__compare(struct diff *d);
/* The row of that number, from 0, of a label: delta and total. */
void diff__occurrence(const struct diff *d, const struct diff_entry *e, size_t nth,
	struct diff_value values[2]);
size_t diff_entry__occurrences(const struct diff *d, const struct diff_entry *e);
/* The one that differs by the most; false: there is only one, or none differs. */
bool diff__worst(const struct diff *d, const struct diff_entry *e, size_t *nth, int64_t *by);
/* Only on one side: 'A' or 'B'; else 0. */
char diff_entry__only(const struct diff_entry *e);
/* Does it differ in bytes, and by no less than --min-delta? */
bool diff__tells(const struct diff *d, const struct diff_entry *e);
/* The second alone, of the medians: noise may be as large. */
bool diff__large(const struct diff *d, const struct diff_entry *e);

void diff__clear(struct diff *d);

/* --- what is made of it: 0, or -errno of writing ---------------------------------------------- */

int diff_text(const struct diff *d, struct out *o);
int diff_jsonl(const struct diff *d, struct out *o);
int diff_html(const struct diff *d, struct out *o);

/* "Worker_TP0", "postgres: client #2"; clean, and the caller frees. NULL: no memory. */
char *diff_process_name(const struct diff_process *p);

/* --- diff_gate.c ------------------------------------------------------------------------------ */

/* 1: a condition holds, or can never; all has been said. 0, or -ENOMEM. */
int diff_gate(const struct diff *d, struct condition *const *conditions, size_t n);

#endif
