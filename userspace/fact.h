/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Facts: what user space learned during a run, in a form that a tape can keep. On the wire each is
 * a JSON object, so that fields can be added and old tapes still be read; strings from a target
 * go through out_clean, on the way in and (a tape is a stranger's file) on the way out.
 *
 * Strings are NULL where this page says so, or in a fact that was made that way: "" is written.
 */
#ifndef FACT_H
#define FACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/ramtrace.h"
#include "record.h"
#include "smaps.h"

/* How far CLOCK_REALTIME may be off, as the kernel was told by what synchronises it. */
struct fact_clock {
	uint64_t read_ns; /* to within this its offset was read; 0: old tapes say nothing of all this */
	bool synced;	  /* then its error is, and if nothing is synchronised, 0: */
	uint64_t estimate_ns, most_ns; /* so large by estimate, and at most */
	int64_t tai_s;		       /* TAI - UTC; 0: not set */
};

struct fact_host {
	char *host, *kernel, *version; /* host name, uname -r, version of this tool */
	char *run_id;		       /* joins the runs of several machines; NULL: old tapes have none */
	char *boot_id;		       /* hosts that have it in common have one clock; NULL: not known */
	uint64_t start_ns;	       /* CLOCK_MONOTONIC when tracing began: 0.000s of the log */
	int64_t realtime_offset_ns;    /* CLOCK_REALTIME - CLOCK_MONOTONIC */
	struct fact_clock clock;       /* then */
	uint64_t window_ns;	       /* by how much the live log is delayed */
	uint64_t step;		       /* bytes; 0: no points */
	bool growth;		       /* full attribution is on */
	unsigned int cpus;	       /* possible CPUs */
};

/* A checkpoint spec as it was resolved. Ids count from 0 in profile order. */
struct fact_spec {
	unsigned int id;
	char *text;	    /* as written: "postgres:tuplesort_*" */
	char *profile;	    /* name of the profile it is from, or NULL */
	char *entry[2];	    /* label at entry, [LANG_ZH], [LANG_EN]; NULL: no row at entry */
	char *leave[2];	    /* label at return; NULL: no row at return */
	bool extra;	    /* not one of the seed's labels */
	/* conditions: see struct spec_condition */
	unsigned int inside; /* id + 1 of the spec that must be open; 0: none */
	char *caller;	     /* or NULL */
	bool outermost;
	unsigned int nth;
	char *unmatched;    /* why nothing matched, or NULL */
	bool absent;	    /* unmatched, and the package that it names was there: this version does not
			     * have it */
};

struct fact_func {
	unsigned int id;
	char *name;	     /* demangled where it was mangled; "PROVIDER:NAME" of a USDT probe */
	char *file;	     /* path of the probed file as its processes see it */
	uint64_t offset;     /* in the file, of the probed instruction */
	char *cost;	     /* cost class of the entry's instruction */
	char *returns;	     /* how its return is seen: see enum return_way */
	char *qualname;	     /* of a Python function, or NULL */
	unsigned int line;   /* its first; 0: not known */
	unsigned int *specs; /* ids, in profile order */
	size_t n_specs;
};

struct fact_proc {
	uint32_t pid;
	uint64_t start_ns;
	char *role;    /* NULL: not known */
	char *cmdline; /* arguments joined by spaces; NULL: not known */
	char *comm;    /* NULL: not known */
};

/* A program that runs CPython, or may: told once of each. */
struct fact_python {
	uint32_t pid;
	bool watched; /* entries of its functions were watched from before its first one on */
};

/* A long list comes in several records of the same process, which add up. */
struct fact_maps {
	uint32_t pid;
	uint64_t start_ns;
	char **files; /* distinct mapped files */
	size_t n_files;
};

/* Named totals: losses since the beginning, and hits per function. Sent at the end; many
 * functions in several records, each with all the losses. */
struct fact_counters {
	uint64_t loss[16]; /* by enum rt_loss; unknown ones are ignored */
	struct rt_cost costs[16]; /* by enum rt_cost_class; all 0: not measured */
	uint64_t trap_ns[4]; /* by enum cost_class; 0: not measured */
	struct rt_snapshot tree_peak; /* all processes together, when rss was highest */
	uint64_t tree_peak_ns;	      /* 0: not known */
	uint64_t cpu_ns;     /* CPU time of the traced processes; 0: not measured */
	struct fact_limit {
		uint64_t ppm;	   /* --max-overhead; 0: there was none */
		uint64_t over_ns;  /* when it was first exceeded for some time; 0: never, */
		uint64_t over_ppm; /* and by what */
		uint64_t off_ns;   /* for how long native stacks were not sampled because of it */
	} limit;
	struct fact_hits {
		unsigned int func;
		uint64_t entries, returns;
	} *hits;
	size_t n_hits;
};

struct fact_end {
	uint64_t time_ns;
	char *reason; /* "exit", "interrupt", "duration", ... */
	int64_t realtime_offset_ns; /* another than the host's: the clock was set, or the machine slept */
	struct fact_clock clock;    /* read_ns 0: neither is known */
};

enum reading_when {
	READING_START, /* at attach */
	READING_TIMER,
	READING_ASKED,
	READING_END,
	READING_WHENS,
};

/* "start", "timer", "asked", "end". */
const char *reading_when_name(enum reading_when when);

/* What /proc said of a process at one moment. The groups of a long list come in several records that
 * have all else in common; they add up. */
struct fact_reading {
	uint32_t pid;
	uint64_t start_ns;
	uint64_t time_ns; /* when it was begun */
	uint32_t number;  /* of the reading of all processes that it is a part of, from 1 */
	enum reading_when when;
	char *failed;	  /* why there are no sums; NULL: there are */
	struct smaps_sums sums; /* of smaps_rollup */
	/* What the kernel's side had just before. `steady`: also just after, and nothing had moved in
	 * between; then both are of one instant. */
	bool counted, steady;
	struct rt_snapshot counters;
	uint64_t still_ns; /* since then nothing had moved; 0: not known */
	/* by mapping */
	bool mapped;	   /* smaps was read: */
	bool partial;	   /* not to its end, since it took too long */
	uint64_t mappings; /* how many, up to this address */
	uint64_t upto;
	struct smaps_sums mapped_sums;
	struct smaps_group *groups; /* the largest first */
	size_t n_groups;
};

/* One of the above, by kind. */
struct fact {
	enum record_kind kind;
	union {
		struct fact_host host;
		struct fact_spec spec;
		struct fact_func func;
		struct fact_proc proc;
		struct fact_maps maps;
		struct fact_counters counters;
		struct fact_end end;
		struct fact_python python;
		struct fact_reading reading;
	};
};

/* Encodes and hands the record, or records, to `emit`. A string is cut at 16 KiB. 0, -ENOMEM,
 * -EOVERFLOW (a number over INT64_MAX, which JSON libraries do not agree on), -EINVAL (not a
 * fact's kind), or what emit returned. */
int fact__emit(const struct fact *fact, record_fn *emit, void *ctx);

/* Fills *fact with copies that fact__clear frees. -EBADMSG: not JSON or a field is missing or of
 * the wrong type; -ENOMEM. After an error there is nothing to clear. */
int fact__decode(const struct record *rec, struct fact *fact);
void fact__clear(struct fact *fact);

#endif
