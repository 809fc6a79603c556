/* SPDX-License-Identifier: GPL-2.0-or-later */
/* xorshift64*: the same numbers on every run, so that a failure can be repeated. */
#ifndef PRNG_H
#define PRNG_H

#include <stdint.h>

struct prng {
	uint64_t state; /* not 0 */
};

static inline uint64_t prng__next(struct prng *p)
{
	p->state ^= p->state >> 12;
	p->state ^= p->state << 25;
	p->state ^= p->state >> 27;
	return p->state * 0x2545f4914f6cdd1dULL;
}

/* 0 .. n - 1 */
static inline uint64_t prng__below(struct prng *p, uint64_t n)
{
	return prng__next(p) % n;
}

#endif
