/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One walk down a stack, and the ways on where no table knows one. */
#ifndef UNWIND_INTERNAL_H
#define UNWIND_INTERNAL_H

#include "codemaps.h"
#include "modules.h"
#include "unwind.h"

enum {
	WORD = 8,
#if defined(__x86_64__)
	RETURN_SLOT = WORD, /* what a return takes from the stack */
#else
	RETURN_SLOT = 0,
#endif
};

struct unwinder {
	struct modules *modules;
	struct codemaps *maps;
	uint64_t samples, frames, guessed;
};

struct walk {
	struct unwinder *u;
	const struct unwind_sample *sample;
	struct code_process *process;
	struct cfi_regs regs;
	bool exact;	    /* pc is an instruction, not where a call returns to */
	uint32_t flags;	    /* of the frame that regs belong to */
	unsigned int guesses;
	struct place *place; /* of the last frame that was added; NULL: in no file */
	struct unwind_frame *frames;
	size_t n, max;
	enum unwind_end end;
};

/* 8 bytes of the copied stack. -ENODATA: above its end; -EFAULT: elsewhere. */
int walk__read(void *ctx, uint64_t addr, uint64_t *value);

/* Whether code that a call stands before begins at this address. */
bool walk__is_after_call(struct walk *w, uint64_t pc);
/* To the caller by the frame pointer. */
bool walk__by_pointer(struct walk *w);
/* From a function without tables, by what looks like the return address of a call. */
bool walk__by_guess(struct walk *w);
/* From a return breakpoint, at which regs.pc is, to the function in whose place it stands. */
bool walk__past_retprobe(struct walk *w);
void walk__add(struct walk *w, uint32_t id, uint32_t flags);

#endif
