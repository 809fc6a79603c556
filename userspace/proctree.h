/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who the processes of a run are: identity (pid and start time, since pids are reused), family,
 * role, title, first, last and peak memory. Fed in the order of time by the events of process
 * life, and at any time by REC_PROC facts. A program is one life of a process between two execs:
 * exec ends one `struct proc` and begins the next.
 */
#ifndef PROCTREE_H
#define PROCTREE_H

#include <stdbool.h>
#include <stdint.h>
#include "../bpf/ramtrace.h"
#include "fact.h"

struct holdings;
struct spans;
struct spantree;
struct peaks;

struct proc {
	uint32_t pid, ppid;
	uint64_t start_ns, parent_start_ns;
	uint64_t born_ns; /* when this program began here: attach, fork or exec */
	uint64_t end_ns;  /* 0 while it lives */
	char *role;	  /* never NULL: "" while unknown */
	char *cmdline;	  /* never NULL, "" while unknown; valid UTF-8, no control characters */
	char comm[RT_COMM_LEN];
	bool borrowed, attached, ended, execed, oom, stale;
	int exit_code; /* as wait(2), valid once ended and not execed; -1 before */
	/* Ours is the higher of the kernel's peak and of any snapshot that passed by here. Until
	 * the kernel's totals come (have_totals), only first, last and the peaks are known, and
	 * they from have_rss on. */
	struct rt_totals totals;
	bool have_rss, have_totals;
	uint64_t min_flt, maj_flt;
	uint64_t serial; /* of its mm: see struct rt_cell_key; 0: not known */
	/* what correlate keeps here: rows, baseline and the row before */
	uint64_t rows;
	uint64_t baseline; /* rss at its first row */
	uint64_t last_rss; /* rss at its last row */
	uint64_t last_row_ns;
	uint64_t last_exact_ns; /* what that row says was so from here on, up to last_row_ns; 0: it is
				 * not exact */
	uint64_t lost;	   /* events of it that were lost */
	uint64_t last_gc;  /* rt_checkpoint.gc of its last Python row; 0: none */
	struct spans *spans; /* owned by rows.c; NULL: none were open yet */
	struct spantree *tree; /* likewise: of full attribution, */
	struct peaks *peaks;   /* and of it, what was open at the peak */
	struct holdings *holdings; /* the same; NULL: /proc was not read */
	/* of several runs in one log: which of them, counted from 1; 0 and NULL where there is one */
	unsigned int run;
	const char *host;
};

struct proctree;

struct proctree *proctree__new(void);
void proctree__free(struct proctree *pt);

static inline uint64_t rt_rss(const struct rt_snapshot *s)
{
	return s->file + s->anon + s->shmem;
}

/* The running program of that process; made up, born at time_ns, if no birth was seen. NULL only
 * without memory. */
struct proc *proctree__get(struct proctree *pt, uint32_t pid, uint64_t start_ns, uint64_t time_ns);
/* As get, but NULL when it is not known. */
struct proc *proctree__find(const struct proctree *pt, uint32_t pid, uint64_t start_ns);

/* Each applies one event and returns the program that it concerns, or NULL without memory. */
struct proc *proctree__fork(struct proctree *pt, const struct rt_fork *ev, uint64_t time_ns);
struct proc *proctree__totals(struct proctree *pt, const struct rt_totals_event *ev,
	uint64_t time_ns);
struct proc *proctree__exit(struct proctree *pt, const struct rt_exit *ev, uint64_t time_ns);
/* *old is the program that ended (caller releases it with proctree__forget), the result the new
 * one. */
struct proc *proctree__exec(struct proctree *pt, const struct rt_exec *ev, uint64_t time_ns,
	struct proc **old);
/* A snapshot of the program at that time: keeps first, last and peak. */
void proctree__snapshot(struct proc *p, const struct rt_snapshot *rss, uint64_t time_ns);

/*
 * Facts overtake events: they are known as soon as they are read, while events wait for their
 * turn. A fact of a process that is not born yet is kept until it is, and one that was read after
 * an exec was announced is kept for the program that the exec begins.
 */
void proctree__learn(struct proctree *pt, const struct fact_proc *fact);
/* This process will exec: the event is waiting for its turn. */
void proctree__announce_exec(struct proctree *pt, uint32_t pid, uint64_t start_ns);
void proctree__rename(struct proctree *pt, const struct rt_rename *ev);
/* Drops a program and its memory. */
void proctree__forget(struct proctree *pt, struct proc *p);

/* All that have not been forgotten, in the order of birth. fn may forget the one it is given. */
typedef int proc_fn(void *ctx, struct proc *p);
int proctree__each(struct proctree *pt, proc_fn *fn, void *ctx);

#endif
