/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Native stacks, each kept once: samples of a program that grows are mostly of a few places. */
#ifndef STACKS_H
#define STACKS_H

#include "unwind.h"

struct stacks;

enum {
	STACKS_OTHER, /* the stack of all those that there was no room for */
	STACKS_FIRST,
};

struct stacks_frame {
	uint32_t id, flags; /* as in struct unwind_frame */
};

/* Up to so many bytes are taken. NULL: no memory. */
struct stacks *stacks__new(size_t max_bytes);
void stacks__free(struct stacks *stacks);
/* The number of an equal stack with the same end, or a new one; STACKS_OTHER: no room. */
uint32_t stacks__add(struct stacks *stacks, const struct unwind_frame *frames, size_t n,
	enum unwind_end end);
/* The frames of a stack, valid as long as `stacks`; 0 of STACKS_OTHER and of an unknown number. */
size_t stacks__get(const struct stacks *stacks, uint32_t stack, const struct stacks_frame **frames,
	enum unwind_end *end);
size_t stacks__count(const struct stacks *stacks);
/* How often stacks__add gave STACKS_OTHER. */
uint64_t stacks__refused(const struct stacks *stacks);

#endif
