/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "clock.h"

#include <time.h>

#define TRIES 16 /* some µs in all; one that was not interrupted among them is enough */

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int64_t clock_offset(const struct clock_try *tries, size_t n, uint64_t *read_ns)
{
	const struct clock_try *best = tries;
	int64_t width;

	for (const struct clock_try *t = tries; t < tries + n; t++)
		if (t->after_ns - t->before_ns < best->after_ns - best->before_ns)
			best = t;
	width = best->after_ns - best->before_ns;
	*read_ns = width > 1 ? ((uint64_t)width + 1) / 2 : 1;
	return best->real_ns - (best->before_ns + width / 2);
}

static uint64_t from_us(long us)
{
	return us > 0 ? (uint64_t)us * 1000 : 0;
}

/* Daemons that only say how large the error is at most leave the estimate at 0, or at what it was
 * when the machine was booted. */
void clock_judge(int returned, const struct timex *tx, struct fact_clock *clock)
{
	uint64_t estimate, most;

	clock->synced = returned >= 0 && !(tx->status & (STA_UNSYNC | STA_CLOCKERR));
	clock->tai_s = returned >= 0 ? tx->tai : 0;
	if (!clock->synced)
		return;
	estimate = from_us(tx->esterror);
	most = from_us(tx->maxerror);
	clock->most_ns = most;
	clock->estimate_ns = estimate && estimate < most ? estimate : most;
}

void clock_read(int64_t *offset_ns, struct fact_clock *clock)
{
	struct clock_try tries[TRIES];
	struct timex tx = {0};

	for (int i = 0; i < TRIES; i++) {
		tries[i].before_ns = now_ns(CLOCK_MONOTONIC);
		tries[i].real_ns = now_ns(CLOCK_REALTIME);
		tries[i].after_ns = now_ns(CLOCK_MONOTONIC);
	}
	*clock = (struct fact_clock){0};
	*offset_ns = clock_offset(tries, TRIES, &clock->read_ns);
	clock_judge(adjtimex(&tx), &tx, clock);
}
