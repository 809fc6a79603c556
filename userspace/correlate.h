/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Ordered events + processes + specs -> rows of the log. Nothing here knows how a row is printed,
 * and nothing to the right of here knows what an event is.
 */
#ifndef CORRELATE_H
#define CORRELATE_H

#include <stdbool.h>
#include <stdint.h>
#include "fact.h"
#include "holdings.h"
#include "lang.h"
#include "proctree.h"
#include "record.h"

/* One row of the log. Pointers are valid during the call that hands it over. */
struct row {
	uint64_t seq; /* counts from 1, over all processes (and hosts of a merged replay) */
	uint64_t time_ns, late_ns;
	const struct proc *proc;
	uint32_t pid, tid;
	uint64_t start_ns;
	const char *role;     /* "" while unknown */
	const char *label;    /* in the chosen language, with 之前/之后; of a marker its own */
	const char *function; /* "" for a point, unless it is a marker's: see mark_function */
	const struct fact_spec *spec; /* NULL for a point */
	enum rt_when when;
	struct rt_snapshot rss;
	int64_t delta; /* to the row before it of the same program, 0 for the first */
	int64_t total; /* to the program's first row */
	bool exact, baseline /* first row of its program */, extra, inherited, unwound, borrowed;
	bool unstable;
	bool open;	  /* at entry: it was open already when tracing began */
	bool has_changes; /* of a return: what its own thread did while it was open */
	struct rt_change grown, returned;
	int64_t gc; /* garbage collections since the Python row before it of the same program; -1: not
		     * a Python row, or not known */
};

/* Events of a process that were lost before `time_ns`, after its row at `since_ns` (0: none). */
struct loss {
	const struct proc *proc;
	uint64_t count, since_ns, time_ns;
};

/* A reading of /proc at its place in the log; its groups go to proc->holdings alone. */
struct reading {
	const struct proc *proc;
	uint64_t time_ns;
	const struct fact_reading *fact;
};

/* What a living program has at one moment between its rows. It moves no delta. */
struct sample {
	const struct proc *proc;
	uint64_t time_ns;
	const struct rt_snapshot *rss;
};

/* What happened to whole runs, for the report at the end. */
struct spec_stat {
	const struct fact_spec *spec;
	uint64_t rows;
	size_t funcs; /* that it was found to mean */
};
enum { LABEL_PIDS_MAX = 100 };

enum label_state {
	LABEL_SEEN,
	LABEL_NOT_SEEN,
	LABEL_NOT_CALLED, /* its functions were watched all along: see told_of in pytrace.c */
	LABEL_ABSENT,	  /* this version of the program does not have it */
};

/* Specs of one profile with the same label are alternatives: it is seen when one of them is. */
struct label_stat {
	const char *label, *profile; /* profile NULL: from -f */
	bool extra;
	uint64_t rows;
	const uint32_t *pids; /* of the processes that it was seen in: the first LABEL_PIDS_MAX */
	size_t n_pids;
	enum label_state state;
	const char *why; /* nothing matched any of them; NULL: not so */
};
struct func_stat {
	const struct fact_func *func;
	uint64_t entries, returns; /* hits in traced processes */
};
/* As in struct fact_counters. Of several runs in one log nothing: machines differ. */
struct run_costs {
	struct rt_cost programs[RT_COST_MAX];
	uint64_t trap_ns[4];
	uint64_t cpu_ns;
	struct fact_limit limit;
};
enum clock_state {
	CLOCK_SYNCED,
	CLOCK_UNSYNCED, /* as far as its kernel knows, nothing synchronises it */
	CLOCK_MOVED,	/* it was set while it was traced, or the machine slept */
	CLOCK_UNKNOWN,	/* the recording does not say */
};
struct run_clock {
	const char *host;
	enum clock_state state;
	size_t same_as; /* the first run on the same clock, counted from 0; of most it is this one */
	uint64_t estimate_ns, most_ns; /* of a synchronised one: its error, at the worse end of the run */
	int64_t moved_ns;
};
/* Of several runs in one log: how far their times can be compared. */
struct run_clocks {
	const struct run_clock *runs; /* in their order */
	size_t n;
	size_t clocks, synced;		/* distinct ones, and those that are synchronised */
	uint64_t estimate_ns, most_ns; /* so much any two of the latter differ; 0: there are no two */
	uint64_t close; /* rows not farther than that from one of another clock before them, or more */
};
struct run_summary {
	const struct fact_host *host;
	const struct fact_end *end; /* NULL when the tape broke off */
	uint64_t rows, rows_inexact, rows_unstable;
	uint64_t orphans; /* checkpoints of functions that no fact describes: they gave no row */
	uint64_t loss[RT_LOSS_MAX];
	struct run_costs costs;
	const struct spec_stat *specs;
	size_t n_specs;
	const struct label_stat *labels; /* of both ends, in profile order */
	size_t n_labels;
	const struct func_stat *funcs;
	size_t n_funcs;
	struct rt_snapshot tree_end; /* sum of what living programs have, borrowed ones left out */
	struct rt_snapshot tree_peak; /* all together, when rss was highest */
	uint64_t tree_peak_ns;	      /* 0: not known, or of several runs in one log */
	uint64_t processes; /* each once, however often it called exec */
	const struct growth *growth; /* NULL: full attribution was off, or of several runs in one log */
	const struct catalog *catalog; /* whose functions it names; NULL with it */
	/* of all processes by PSS, and how far /proc and the kernel's side differ */
	const struct tree_reading *readings;
	size_t n_readings;
	const struct tree_reading *most; /* NULL: there was none */
	struct held_check check;
	const struct run_clocks *clocks; /* NULL: of one run */
};

struct catalog;
struct growth;

/* "synchronised", "unsynchronised", "set", "unknown". */
const char *clock_state_name(enum clock_state state);

/* "ring", "proc_map", ...: as jsonl names a loss. */
const char *loss_name(enum rt_loss loss);

/* Where rows go. Any may return -errno, which ends the run. */
struct row_ops {
	/* only of several runs in one log, before the header: their hosts, whose own clocks their
	 * times are of. Run 1 is the first; valid as long as rows come */
	int (*runs)(void *ctx, const struct fact_host *const *hosts, size_t n);
	/* once, before all else, when the host and all specs of the start are known */
	int (*header)(void *ctx, const struct fact_host *host, const struct spec_stat *specs,
		size_t n_specs);
	int (*row)(void *ctx, const struct row *row);
	int (*loss)(void *ctx, const struct loss *loss);
	int (*reading)(void *ctx, const struct reading *reading);
	int (*sample)(void *ctx, const struct sample *sample);
	/* a program has ended (exit, exec, or the end of the run), with all that is known of it */
	int (*process)(void *ctx, const struct proc *p);
	int (*summary)(void *ctx, const struct run_summary *sum);
	/* everything up to here may be flushed to the reader */
	int (*flush)(void *ctx);
};

struct correlate_options {
	enum lang lang;
	bool skip_extra;    /* the seed's format: extra labels neither print nor move a delta */
	uint64_t min_delta; /* rows that moved less are not printed and move no delta */
	bool stepwise;	    /* no event goes out but by run__step */
};

struct run;

/* One run being rendered: timeline, proctree and correlation behind one record_fn. */
struct run *run__new(const struct correlate_options *opt, const struct row_ops *ops, void *ctx);
/* A record_fn. -EBADMSG for an event or fact that does not decode (nothing is changed by it);
 * kinds of records that this version does not know are passed over. */
int run__feed(void *run, const struct record *rec);
/* The header, if it has not been given: later rows do it by themselves. */
int run__begin(struct run *run);
/*
 * Stepwise: is there an event that would have gone out by now, and at which time in the log? It
 * has to go before the next record is fed, or the log is not the one that was live.
 */
bool run__due(const struct run *run, uint64_t *time_ns);
int run__step(struct run *run);
/* Releases what is held, ends all programs, and gives the summary. Once. */
int run__finish(struct run *run);
/* What the summary was given; valid as long as the run. */
const struct run_summary *run__result(const struct run *run);
void run__free(struct run *run);

#endif
