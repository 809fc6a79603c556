/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Full attribution, added up: from the nodes of the call tree and the pages that came and went at
 * each (RT_EV_NODE, RT_EV_GROWTH) to what each function and line of a program brought.
 *
 *	self       where the innermost frame was
 *	inclusive  where it was anywhere on the stack: once, however often it is there
 */
#ifndef GROWTH_H
#define GROWTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/ramtrace.h"
#include "holdings.h"
#include "peaks.h"

struct growth;

/* A function, or a line of it, in one program. */
struct growth_place {
	uint32_t func;	  /* id of a Python function; RT_NO_FUNC: none, or it has no id */
	int32_t line;	  /* 0: not known, or of the whole function */
	const char *comm; /* of threads that run no Python; NULL: of Python */
	struct rt_change self_grown, self_returned; /* bytes, neither is negative */
	struct rt_change all_grown, all_returned;
};

/* What it brought or what it took, whichever is more; the same of itself alone. Bytes of RSS. */
uint64_t growth_place__moved(const struct growth_place *p);
uint64_t growth_place__moved_self(const struct growth_place *p);

struct growth_mapping {
	const struct rt_mapping *what; /* NULL: it was not known */
	struct rt_change grown, returned;
};

/* A native stack, or what was not sampled. */
struct growth_stack {
	uint64_t node; /* see growth__path; 0: not sampled */
	bool cut;      /* there is more of it, which is not known */
	struct rt_change grown, returned;
};

struct growth_thread {
	uint32_t tid;
	struct rt_change grown, returned;
};

/* What cannot be told apart, though it is known what came and went. */
enum growth_unclear {
	UNCLEAR_CALLERS,  /* of places: which functions called from some depth on is not known */
	UNCLEAR_NAMES,	  /* Python functions that have no id are all one */
	UNCLEAR_MAPPINGS, /* so are groups of mappings, */
	UNCLEAR_THREADS,  /* and threads, that there was no room for */
	UNCLEAR_STACKS,	  /* native stacks that are cut off */
	UNCLEAR_COUNT_,
};
const char *growth_unclear_name(enum growth_unclear what); /* "callers" */

struct growth_change {
	struct rt_change grown, returned;
};

/* What is known of one program: those that moved most first. */
struct growth_sums {
	struct growth_place *funcs, *lines;
	struct growth_mapping *mappings;
	struct growth_thread *threads;
	/* of samples: these add up to all of it, too */
	struct growth_stack *stacks;
	struct growth_place *natives; /* functions of the stacks, Python's left out */
	size_t n_stacks, n_natives;
	size_t n_funcs, n_lines, n_mappings, n_threads;
	struct rt_change grown, returned; /* all that is charged to some place */
	struct rt_change unread;	  /* net: the stack could not be read then; */
	struct rt_change rest;		  /* there was no room to tell places apart */
	struct growth_change unclear[UNCLEAR_COUNT_];
};

/* A program that has ended, or that was alive when tracing did. */
struct growth_program {
	uint64_t serial;
	uint32_t pid;
	uint64_t start_ns;
	const char *role; /* "" where it is not known */
	struct rt_totals totals;
	struct held_ends ends;
	uint64_t lost;
	struct open_spans at_peak;  /* what was open at totals.peak_ns */
	uint64_t born_ns, ended_ns; /* it was under trace from then to then */
	struct peaks *peaks;
	struct spantree *spans; /* NULL: none have ended in it */
};

struct proc;
struct spantree;

struct growth *growth__new(void); /* NULL: no memory */
void growth__free(struct growth *g);

/* 0 or -ENOMEM. A node that is told again, or its own parent, is passed over. */
int growth__node(struct growth *g, const struct rt_node *ev);
int growth__mapping(struct growth *g, const struct rt_mapping *ev);
int growth__add(struct growth *g, const struct rt_growth *ev);
/* Was anything told? */
bool growth__any(const struct growth *g);
/* Copies what is known of a program at its end, and takes its tree of spans; of one without an account,
 * nothing. -ENOMEM. */
int growth__program(struct growth *g, struct proc *p);
/* How many there was no room for. */
uint64_t growth__left_out(const struct growth *g);
/* In the order in which they ended. */
const struct growth_program *growth__programs(const struct growth *g, size_t *n);

/* Adds up what came in the program of that serial number. 0 or -ENOMEM; growth_sums__clear frees. */
int growth__sum(const struct growth *g, uint64_t serial, struct growth_sums *out);
void growth_sums__clear(struct growth_sums *sums);

/* The functions from a node outwards, innermost first; fn ends it by returning non-zero, and what it
 * returned is returned. */
typedef int growth_frame_fn(void *ctx, const struct growth_place *frame);
int growth__path(const struct growth *g, uint64_t node, growth_frame_fn *fn, void *ctx);

void rt_change_add(struct rt_change *to, const struct rt_change *c);
/* By kind; numbers from a stranger's tape may wrap around. */
struct rt_change rt_change_net(const struct rt_change *grown, const struct rt_change *returned);
/* Net, file + anon + shmem. */
int64_t rt_change_rss(const struct rt_change *grown, const struct rt_change *returned);

#endif
