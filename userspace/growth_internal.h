/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between growth.c, which has what was told, and growth_sum.c, which adds it up. */
#ifndef GROWTH_INTERNAL_H
#define GROWTH_INTERNAL_H

#include "growth.h"
#include "hash.h"

enum {
	GROWTH_MAX_DEPTH = 1024, /* frames of a stack that are gone through: a tape may have loops */
};

struct node {
	uint64_t number;
	uint64_t parent;
	uint32_t func;
	int32_t line; /* of native ones */
	char comm[RT_COMM_LEN];
	UT_hash_handle hh;
};

struct mapping {
	struct rt_mapping m;
	UT_hash_handle hh;
};

struct cell {
	struct rt_cell_key key;
	int32_t line;
	struct rt_change grown, returned;
	UT_hash_handle hh;
	struct cell *next; /* of the same program */
};

struct program {
	uint64_t serial;
	struct cell *cells;
	UT_hash_handle hh;
};

struct growth {
	struct node *nodes;
	struct mapping *mappings;
	struct cell *cells;
	struct program *programs;
	struct growth_program *ended;
	size_t n_ended;
	uint64_t left_out;
};

/* NULL: it was not told. */
struct node *growth_find_node(const struct growth *g, uint64_t number);
struct mapping *growth_find_mapping(const struct growth *g, uint32_t map);

#endif
