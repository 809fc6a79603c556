/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How CLOCK_REALTIME stands to CLOCK_MONOTONIC, and how far off it may be. */
#ifndef CLOCK_H
#define CLOCK_H

#include <stddef.h>
#include <stdint.h>
#include <sys/timex.h>

#include "fact.h"

/* CLOCK_REALTIME - CLOCK_MONOTONIC, and all that the kernel knows of the former's error. */
void clock_read(int64_t *offset_ns, struct fact_clock *clock);

/* --- what it is put together from ------------------------------------------------------------- */

/* CLOCK_REALTIME, read between two readings of CLOCK_MONOTONIC. */
struct clock_try {
	int64_t before_ns, real_ns, after_ns;
};

/* The offset by the tightest of them, which is right to within *read_ns (never 0). */
int64_t clock_offset(const struct clock_try *tries, size_t n, uint64_t *read_ns);
/* What adjtimex(2) returned, and filled unless that was negative. */
void clock_judge(int returned, const struct timex *tx, struct fact_clock *clock);

#endif
