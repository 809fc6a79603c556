/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The specs and functions of several runs as one list. Each run counts its own from 0; here they
 * get ids that all runs share, in the order in which they were first seen, and what two runs
 * describe in the same words (the same profile on two hosts) is one.
 */
#ifndef POOL_H
#define POOL_H

#include "correlate.h"

struct pool;

struct pool *pool__new(void);
void pool__free(struct pool *pool);

/* The common one of what that run calls by the fact's id; valid as long as the pool. A run's
 * first fact of an id decides. NULL: no memory. */
struct spec_stat *pool__spec(struct pool *pool, unsigned int run, const struct fact_spec *spec);
struct func_stat *pool__func(struct pool *pool, unsigned int run, const struct fact_func *func);
/* All specs of that run, and what it says of them: one matched nothing if it matched in no run.
 * -ENOMEM */
int pool__judge(struct pool *pool, unsigned int run, const struct spec_stat *specs, size_t n);

/* In the order of ids; valid until the next call. -ENOMEM. */
int pool__spec_stats(struct pool *pool, const struct spec_stat **stats, size_t *n);
int pool__func_stats(struct pool *pool, const struct func_stat **stats, size_t *n);

#endif
