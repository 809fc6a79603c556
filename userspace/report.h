/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The report at the end of a run, for people. Programs are told one by one as they end; a run may
 * have a hundred thousand, so only the most interesting are kept (those with rows, then those of
 * the highest peak), and the rest become one line for each role: sums, and the highest peak of
 * any of them.
 */
#ifndef REPORT_H
#define REPORT_H

#include "correlate.h"
#include "lang.h"
#include "out.h"

struct report;

struct report *report__new(enum lang lang);
void report__free(struct report *r);
int report__add(struct report *r, const struct proc *p); /* copies; -ENOMEM */
int report__print(struct report *r, const struct run_summary *sum, struct out *o); /* -ENOMEM */

/* The part about labels that were not seen; nothing when all were. -ENOMEM. */
int report_labels(enum lang lang, const struct run_summary *sum, struct out *o);

/* --- what tracing took: report_cost.c --------------------------------------------------------- */

/* Traps and programs of a probed function. */
double func_took_ns(const struct run_costs *costs, const struct func_stat *f);
/* Nothing where nothing was measured. -ENOMEM. */
int report_costs(enum lang lang, const struct run_summary *sum, struct out *o);

/* --- several runs in one log: report_clock.c -------------------------------------------------- */

/* How far their times can be compared; nothing where there is one clock. */
void report_clocks(enum lang lang, const struct run_summary *sum, struct out *o);

/* --- readings of /proc: report_memory.c ------------------------------------------------------- */

struct report_memory;

struct report_memory *report_memory__new(void);
void report_memory__free(struct report_memory *m);
/* Copies what was read of a program; `name` is how lines call it. -ENOMEM. */
int report_memory__add(struct report_memory *m, const char *name, const struct proc *p);
/* Nothing where nothing was read. -ENOMEM. */
int report_memory__print(struct report_memory *m, enum lang lang, const struct run_summary *sum,
	struct out *o);

#endif
