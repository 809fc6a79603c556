/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two events of different hosts are in the order that the log shows if they are farther apart than
 * both clocks together can be off. How far that is, is known at the ends of a run only, and of the
 * end only when all rows have gone by. So the distance of each row to the nearest one before it of
 * another clock is counted by size, eight sizes to each power of two:
 *
 *	a       a b         b    b a
 *	          |-> 2 ms  |-> .. |-> 1 ms
 *
 * and when the bound is known, so is how many are below it, and never too few.
 *
 * Runs of one boot of one machine share a clock: CLOCK_MONOTONIC puts their rows in order exactly.
 * Unless that clock was set between them, which also is what a machine that slept looks like.
 */
#include "clocks.h"

#include <stdlib.h>
#include <string.h>

enum {
	FINE = 8,		/* sizes to a power of two */
	SIZES = 64 * FINE,
};

struct clocks {
	const struct fact_host *const *hosts;
	struct run_clocks judged; /* its runs are ours: `state` of the start until the end comes */
	struct run_clock *runs;
	uint64_t rows[SIZES];
	size_t clock;		    /* of the row before; its first run */
	uint64_t last_ns, other_ns; /* the row before, and the last one of another clock; 0: none */
};

const char *clock_state_name(enum clock_state state)
{
	static const char *const names[] = {
		[CLOCK_SYNCED] = "synchronised",
		[CLOCK_UNSYNCED] = "unsynchronised",
		[CLOCK_MOVED] = "set",
		[CLOCK_UNKNOWN] = "unknown",
	};

	return names[state];
}

/* --- which runs share a clock ----------------------------------------------------------------- */

static uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

/* Would two readings of one clock, which nobody has set, differ as these do? */
static bool alike(int64_t a, const struct fact_clock *x, int64_t b, const struct fact_clock *y)
{
	return x->read_ns && y->read_ns && distance(a, b) <= add_sat(x->read_ns, y->read_ns);
}

static bool same_clock(const struct fact_host *a, const struct fact_host *b)
{
	return a->boot_id && b->boot_id && *a->boot_id && !strcmp(a->boot_id, b->boot_id) &&
	       alike(a->realtime_offset_ns, &a->clock, b->realtime_offset_ns, &b->clock);
}

static size_t first_on_clock(const struct clocks *c, size_t run)
{
	size_t i = 0;

	while (i < run && !(c->runs[i].same_as == i && same_clock(c->hosts[i], c->hosts[run])))
		i++;
	return i;
}

/* --- a run's clock ---------------------------------------------------------------------------- */

/* What can be worse at the end than at the start. */
static void take_error(struct run_clock *r, const struct fact_clock *clock)
{
	uint64_t estimate = add_sat(clock->estimate_ns, clock->read_ns);
	uint64_t most = add_sat(clock->most_ns, clock->read_ns);

	if (!clock->synced)
		r->state = CLOCK_UNSYNCED;
	r->estimate_ns = estimate > r->estimate_ns ? estimate : r->estimate_ns;
	r->most_ns = most > r->most_ns ? most : r->most_ns;
}

static void judge_start(struct clocks *c, size_t run)
{
	const struct fact_host *host = c->hosts[run];
	struct run_clock *r = &c->runs[run];

	r->host = host->host ? host->host : "";
	r->same_as = first_on_clock(c, run);
	r->state = CLOCK_SYNCED;
	if (!host->clock.read_ns || !host->realtime_offset_ns)
		r->state = CLOCK_UNKNOWN;
	else
		take_error(r, &host->clock);
}

void clocks__end(struct clocks *c, size_t run, const struct fact_end *end)
{
	const struct fact_host *host = c->hosts[run];
	struct run_clock *r = &c->runs[run];

	if (r->state == CLOCK_UNKNOWN || !end || !end->clock.read_ns)
		return;
	take_error(r, &end->clock);
	if (alike(host->realtime_offset_ns, &host->clock, end->realtime_offset_ns, &end->clock))
		return;
	r->state = CLOCK_MOVED;
	if (__builtin_sub_overflow(end->realtime_offset_ns, host->realtime_offset_ns, &r->moved_ns))
		r->moved_ns = end->realtime_offset_ns < 0 ? INT64_MIN : INT64_MAX;
}

int64_t clocks__offset(const struct clocks *c, size_t run)
{
	return c->hosts[c->runs[run].same_as]->realtime_offset_ns;
}

/* --- how close rows are ----------------------------------------------------------------------- */

static size_t size_of(uint64_t ns)
{
	unsigned int power = ns ? 63 - (unsigned int)__builtin_clzll(ns) : 0;

	if (ns < FINE)
		return (size_t)ns;
	return (power - 2) * FINE + (size_t)((ns >> (power - 3)) & (FINE - 1));
}

/* A clock that nothing synchronises has no order that could be less than certain. */
void clocks__row(struct clocks *c, size_t run, uint64_t time_ns)
{
	size_t clock = c->runs[run].same_as;

	if (c->runs[run].state != CLOCK_SYNCED)
		return;
	if (clock != c->clock)
		c->other_ns = c->last_ns;
	c->clock = clock;
	c->last_ns = time_ns;
	if (c->other_ns)
		c->rows[size_of(time_ns - c->other_ns)]++;
}

/* --- all together ----------------------------------------------------------------------------- */

/* Of each synchronised clock the worse of its runs; the two largest of these, added. */
static uint64_t worst_pair(const struct clocks *c, bool estimate)
{
	uint64_t a = 0, b = 0;

	for (size_t i = 0; i < c->judged.n; i++) {
		uint64_t ns = 0;

		for (size_t k = i; c->runs[i].same_as == i && k < c->judged.n; k++) {
			const struct run_clock *r = &c->runs[k];
			uint64_t of_run = estimate ? r->estimate_ns : r->most_ns;

			if (r->same_as == i && r->state == CLOCK_SYNCED && of_run > ns)
				ns = of_run;
		}
		if (ns > a) {
			b = a;
			a = ns;
		} else if (ns > b) {
			b = ns;
		}
	}
	return add_sat(a, b);
}

const struct run_clocks *clocks__judge(struct clocks *c)
{
	struct run_clocks *j = &c->judged;

	for (size_t i = 0; i < j->n; i++) {
		if (c->runs[i].same_as != i)
			continue;
		j->clocks++;
		j->synced += c->runs[i].state == CLOCK_SYNCED;
	}
	if (j->synced < 2)
		return j;
	j->estimate_ns = worst_pair(c, true);
	j->most_ns = worst_pair(c, false);
	for (size_t i = 0; i <= size_of(j->most_ns); i++)
		j->close += c->rows[i];
	return j;
}

struct clocks *clocks__new(const struct fact_host *const *hosts, size_t n)
{
	struct clocks *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->hosts = hosts;
	c->runs = calloc(n, sizeof(*c->runs));
	if (!c->runs) {
		clocks__free(c);
		return NULL;
	}
	c->judged.runs = c->runs;
	c->clock = n; /* no row yet */
	for (; c->judged.n < n; c->judged.n++)
		judge_start(c, c->judged.n);
	return c;
}

void clocks__free(struct clocks *c)
{
	if (!c)
		return;
	free(c->runs);
	free(c);
}
