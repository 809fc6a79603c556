/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much the kernel's side can tell apart. What is built in takes a very large program to reach, so
 * tests make it small. */
#ifndef LIMIT_H
#define LIMIT_H

#include <stddef.h>
#include <stdint.h>

enum limit {
	LIMIT_PROCESSES, /* at a time */
	LIMIT_FUNCTIONS, /* of Python */
	LIMIT_NODES,	 /* functions, each by all that called it */
	LIMIT_CELLS,	 /* places, mappings and threads that growth is counted at, */
	LIMIT_RESTS,	 /* and counts of what found no room among those: some for each program */
	LIMIT_MAPPINGS,	 /* groups of them */
	LIMIT_CPUS,	 /* possible ones, more than there are: to see that it loads and what it costs. The
			  * figures are wrong then */
	LIMIT_COUNT_,
};

struct limits {
	uint32_t n[LIMIT_COUNT_]; /* 0: as it is built in */
};

/* "nodes=8,cells=100". -EINVAL, and what is wrong with it in err. */
int limits_parse(const char *text, struct limits *limits, char *err, size_t len);

#endif
