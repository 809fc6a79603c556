/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events in their order -> rows, losses and ended programs. The inner room of correlate.h. */
#ifndef ROWS_H
#define ROWS_H

#include "catalog.h"
#include "correlate.h"
#include "labels.h"

struct rows {
	struct correlate_options opt;
	const struct row_ops *ops;
	void *ctx;
	struct proctree *pt;
	const struct catalog *cat;
	struct labels *labels;
	struct growth *growth; /* of programs that end; not owned */
	bool attributes;       /* full attribution was on */
	uint64_t seq; /* of the last row */
	uint64_t inexact, unstable, orphans, processes;
	struct rt_snapshot tree_end;
	struct tree_readings readings;
	struct held_check check;
};

/* A checked event at its place in the log. 0, -ENOMEM, or what an op returned. */
int rows__event(struct rows *r, const struct rt_hdr *ev, uint64_t time_ns, uint64_t moved_ns);
/* A reading at its place in the log. The same. */
int rows__reading(struct rows *r, const struct fact_reading *f, uint64_t time_ns);
/* The run is over: all that still live are handed on, in the order of birth. */
int rows__end(struct rows *r);
/* Frees the proctree, the labels and what hangs on them. */
void rows__clear(struct rows *r);

#endif
