/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the spans of one program grew, as a tree: a function below another is a span that was open
 * within one of the other's. What a span's thread brought and took while it was open is `all`; less
 * what it did in spans within, `own`.
 */
#ifndef SPANTREE_H
#define SPANTREE_H

#include <stddef.h>
#include <stdint.h>

#include "../bpf/ramtrace.h"

struct spantree;

struct span_node {
	size_t parent; /* its place + 1; 0: none. Parents come before their children */
	uint32_t func;
	uint64_t count; /* of spans that have ended */
	struct rt_change all_grown, all_returned, own_grown, own_returned;
};

/* Ends of spans in the order of time. `tree` is made when it is first needed. -ENOMEM. */
int spantree__enter(struct spantree **tree, const struct rt_checkpoint *cp);
int spantree__leave(struct spantree **tree, const struct rt_checkpoint *cp);
void spantree__free(struct spantree *tree);

/* Those that are open, thread by thread, the outermost first, until fn returns other than 0. NULL is fine
 * and has none. */
void spantree__each_open(const struct spantree *tree, int (*fn)(void *ctx, uint32_t tid, uint32_t func),
	void *ctx);

/* Its nodes; NULL is fine and has none. */
const struct span_node *spantree__nodes(const struct spantree *tree, size_t *n);
/* Adds the nodes of another, which stays as it is. -ENOMEM. */
int spantree__merge(struct spantree **to, const struct spantree *from);

#endif
