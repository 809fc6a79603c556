/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How far the times of several runs, each of its host's clock, can be compared. */
#ifndef CLOCKS_H
#define CLOCKS_H

#include "correlate.h"

struct clocks;

/* The hosts of the runs, in their order; they have to stay. NULL: no memory. */
struct clocks *clocks__new(const struct fact_host *const *hosts, size_t n);
void clocks__free(struct clocks *c);
/* CLOCK_REALTIME - CLOCK_MONOTONIC for the run. Of runs on one clock the same, so that their order
 * is exact; 0: not known. */
int64_t clocks__offset(const struct clocks *c, size_t run);
/* A row of the run, in the common time. In the order of the log. */
void clocks__row(struct clocks *c, size_t run, uint64_t time_ns);
/* How the run ended; NULL: its tape broke off. Before the judgement. */
void clocks__end(struct clocks *c, size_t run, const struct fact_end *end);
/* Valid as long as `c`. */
const struct run_clocks *clocks__judge(struct clocks *c);

#endif
