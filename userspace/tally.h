/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How often each function was entered and left. The checkpoints that arrive are counted here, and not
 * in the kernel, where it would be paid for at every hit; the kernel counts those that were lost.
 */
#ifndef TALLY_H
#define TALLY_H

#include <stddef.h>
#include "../bpf/ramtrace.h"
#include "fact.h"
#include "record.h"
#include "session.h"

struct tally;

struct tally *tally__new(void); /* NULL: no memory */
void tally__free(struct tally *t);
/* 0 or -ENOMEM. */
int tally__count(struct tally *t, const struct rt_checkpoint *ev);
/* The REC_COUNTERS fact: what `costs` has, losses by name, and hits of functions 0 to n - 1. */
int tally__emit(const struct tally *t, const struct session *s, const struct fact_counters *costs, size_t n,
	record_fn *emit, void *ctx);

#endif
