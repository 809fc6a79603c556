/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tracing costs, and when that is too much. Arithmetic only: meter.c asks the kernel.
 *
 * The cost is what the traced programs pay: runs of the tool's programs in them, times what the timed
 * ones took in the mean, and the traps that led there, as they were calibrated. It is a share of the CPU
 * time of the traced processes, in which it is contained. What processes that are not traced pay, mostly
 * for being passed over, is not in it.
 */
#ifndef OVERHEAD_H
#define OVERHEAD_H

#include <stdbool.h>
#include <stdint.h>
#include "../bpf/ramtrace.h"
#include "disasm.h"

/* "rss_stat", ...: as jsonl names a class. */
const char *overhead_class_name(enum rt_cost_class class);
/* Runs in traced processes. */
uint64_t overhead_runs(const struct rt_cost *c);
/* What one of these took; 0: none was timed. */
double overhead_run_ns(const struct rt_cost *c);
/* What the others took, all together. */
double overhead_others_ns(const struct rt_cost *c);
/* The trap before each run of the class; 0: there is none, or it is not known. trap_ns: by cost_class. */
uint64_t overhead_trap_ns(enum rt_cost_class class, const uint64_t trap_ns[COST_INVALID]);
/* Does a trap lead to it? */
bool overhead_is_probe(enum rt_cost_class class);
/* All runs of a class, with their traps; of all classes. */
double overhead_class_ns(enum rt_cost_class class, const struct rt_cost *c,
	const uint64_t trap_ns[COST_INVALID]);
double overhead_total_ns(const struct rt_cost costs[RT_COST_MAX], const uint64_t trap_ns[COST_INVALID]);
/* One hit of a probed function, on an instruction of this class. */
double overhead_hit_ns(enum cost_class at, const struct rt_cost costs[RT_COST_MAX],
	const uint64_t trap_ns[COST_INVALID]);

/* --- the limit ---------------------------------------------------------------------------------- */

struct overhead;

/* Since the beginning. */
struct overhead_reading {
	uint64_t time_ns;
	uint64_t cpu_ns; /* of the traced processes */
	double class_ns[RT_COST_MAX];
};

enum overhead_change {
	OVERHEAD_SAME,
	OVERHEAD_ABOVE, /* has been above the limit for some seconds */
	OVERHEAD_BELOW, /* has been well below it again, for as long */
};

struct overhead *overhead__new(double limit_percent); /* NULL: no memory */
void overhead__free(struct overhead *o);
/* To be called about once a second. A second in which the processes hardly ran is not judged by itself,
 * but with those that follow. */
enum overhead_change overhead__look(struct overhead *o, const struct overhead_reading *now);
/* The share in the seconds that the last change was judged by, and the class that took most of it. */
double overhead__percent(const struct overhead *o);
double overhead__percent_of(const struct overhead *o, enum rt_cost_class class);
enum rt_cost_class overhead__most(const struct overhead *o, double *percent);

#endif
