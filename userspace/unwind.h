/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The native stack of a thread, from a copy of its registers and of the upper end of its stack.
 * Nothing is asked of the thread itself: which code lies where is in /proc/PID/maps, and how frames
 * follow from each other in the files that are mapped (.eh_frame, .debug_frame; frame pointers
 * where these say nothing).
 *
 *	unwinder__learn     when a process is first seen, while it lives
 *	unwinder__unwind    for each sample: ids of frames, cheap
 *	unwinder__symbol    what an id stands for, when somebody wants to read it
 *	unwinder__forget    after exec and exit
 */
#ifndef UNWIND_H
#define UNWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "procfs.h"

struct unwinder;

/* What must be known beside the stack: the registers that functions leave as they found them. */
struct unwind_regs {
	uint64_t ip, sp, fp; /* fp: rbp, x29 */
#if defined(__x86_64__)
	uint64_t saved[5]; /* rbx, r12 to r15 */
#else
	uint64_t saved[11]; /* x19 to x28, x30 */
#endif
};

/* A uretprobe that is pending: where its breakpoint stands on the stack in place of a return
 * address, and what that was. (struct return_instance of the kernel: stack, orig_ret_vaddr) */
struct unwind_return {
	uint64_t slot, addr;
};

struct unwind_sample {
	pid_t pid;
	uint64_t start; /* of the process: tells a pid that is used again; 0: not known */
	struct unwind_regs regs;
	const void *stack; /* from regs.sp upwards, as far as it was copied */
	size_t len;
	const struct unwind_return *returns; /* may be NULL: then they are guessed */
	size_t n_returns;
};

enum unwind_end {
	UNWIND_COMPLETE,  /* down to the function that nobody called */
	UNWIND_TRUNCATED, /* the copy does not reach further */
	UNWIND_FULL,	  /* more frames than there was room for */
	UNWIND_ANON,	  /* in code that is not of a file */
	UNWIND_LOST,	  /* the next frame cannot be found */
};
const char *unwind_end_name(enum unwind_end end);

enum unwind_flag {
	UNWIND_GUESSED = 1 << 0,     /* by a plausible return address: the function is probable, the
				      * line is not known */
	UNWIND_BY_POINTER = 1 << 1,  /* found by the callee's frame pointer */
	UNWIND_INTERRUPTED = 1 << 2, /* not in a call: the innermost, or a signal came here */
};

/* Equal ids: the same place in the same file, in whatever process. */
struct unwind_frame {
	uint32_t id;
	uint32_t flags;
	uint64_t pc; /* in the process: the instruction, or of a call, where it returns to */
};

/* Ids of what is no place in a file. */
enum {
	UNWIND_ID_ANON,	    /* [anon]: generated code */
	UNWIND_ID_UNKNOWN,  /* [unknown]: nothing executable is known at that address */
	UNWIND_ID_RETPROBE, /* [uretprobe]: a function whose place is hidden by one */
	UNWIND_ID_OTHER,    /* [other]: there are too many different ones */
	UNWIND_ID_FIRST,    /* of those in files */
};

enum {
	UNWIND_MAX_FRAMES = 128, /* a good number to ask for */
};

struct unwind_place {
	const char *name; /* of the function, demangled; NULL: not known */
	const char *file; /* NULL: not known */
	uint32_t line;
};

/* Strings live as long as the unwinder. */
struct unwind_symbol {
	const char *module; /* path of the file as the process sees it, "[vdso]"; NULL: none */
	const char *name;   /* the function, demangled, or "[anon]" and the like; NULL: not known */
	uint64_t addr;	    /* virtual address in the file, of an instruction (not behind a call) */
	uint64_t offset;    /* the same as an offset in the file */
	uint64_t into;	    /* bytes from the beginning of the function */
	/* Where debug information is found: the functions that were inlined here, innermost first,
	 * each with the line it has reached, and the function itself as the last. */
	const struct unwind_place *places;
	size_t n_places;
};

struct unwinder_stats {
	uint64_t samples, frames, guessed;
	uint64_t maps_read, maps_failed;
	uint64_t rows_made;	/* questions to libdw */
	uint64_t files_open, places, others; /* now; places in files; [other] given out */
	uint64_t names_refused; /* "?" in place of a string */
};

/* `maps` reads a process's mappings: procfs_maps, or another for tests. NULL: no memory. */
typedef int unwind_maps_fn(pid_t pid, procfs_map_fn *fn, void *ctx);
struct unwinder *unwinder__new(unwind_maps_fn *maps);
void unwinder__free(struct unwinder *u);

/* Reads the maps of a process now, rather than at its first sample. 0 or -errno (-ESRCH: gone). */
int unwinder__learn(struct unwinder *u, pid_t pid, uint64_t start);
/* It may have mapped code since: read its maps again at its next sample. They are read again, too,
 * when an address lies outside of what is known, but not if another file has taken its place. */
void unwinder__changed(struct unwinder *u, pid_t pid);
/* After exec or exit. Frames that were found keep their ids. */
void unwinder__forget(struct unwinder *u, pid_t pid);

/* The frames, innermost first, into frames[max]; how many, at least 1, and why there are no more.
 * -ESRCH: the process is gone and nothing was known of it; -ENOMEM; -EINVAL. */
int unwinder__unwind(struct unwinder *u, const struct unwind_sample *sample,
	struct unwind_frame *frames, size_t max, enum unwind_end *end);

/* What an id stands for. Names and lines of all ids so far are looked up at the first call that
 * needs them, in a process that is forked for it, so that no file, however large or damaged, takes
 * this process's memory or ends it. Never NULL. */
const struct unwind_symbol *unwinder__symbol(struct unwinder *u, uint32_t id);

struct unwinder_stats unwinder__stats(const struct unwinder *u);

#endif
