/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a uprobe on an instruction costs, and where a function ends. By capstone. */
#ifndef DISASM_H
#define DISASM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "elf.h"

/* How the kernel runs a probed instruction, cheapest first (arch/x86/kernel/uprobes.c). */
enum cost_class {
	COST_NOP5,     /* 5-byte nop: optimised to a call on 6.18 and later */
	COST_EMULATED, /* nop, push of a register, call, jmp, jcc: no second trap */
	COST_STEPPED,  /* anything else is single-stepped: two traps */
	COST_INVALID,  /* cannot be probed (not an instruction, or one the kernel refuses) */
};
const char *cost_class_name(enum cost_class c);

/* The instruction at a virtual address, as text ("push rbp") into buf, and its class. */
enum cost_class disasm_cost(struct elf_file *elf, uint64_t addr, char *buf, size_t len);

/* Does an instruction begin at this virtual address? A breakpoint in the middle of one, or in data,
 * would destroy the program. Outside of known functions only what is no code is told apart. */
bool disasm_is_start(struct elf_file *elf, uint64_t addr);

struct func_exit {
	uint64_t addr, offset;
	uint64_t target; /* where a direct jump without a condition leads; 0: none, or not known */
	bool tail;	 /* a jump to another function, not a ret */
	bool stepped;	 /* the kernel has to single-step it; set by who asks disasm_cost */
};

struct func_exits {
	struct func_exit *exits;
	size_t n;
	bool complete;	  /* every way out that the code shows is in the list */
	bool tables;	  /* some jump leads by a table to places within that are not known */
	const char *why;  /* when not complete: a constant string */
};

/*
 * Finds each ret and each jump out of the function (direct, or through memory or a register where
 * it is not a jump table). An indirect jump that may be a jump table within the function makes the
 * result incomplete. 0 and *out (freed by func_exits__clear), -ENOENT: size unknown, -errno.
 */
int disasm_exits(struct elf_file *elf, const struct elf_func *func, struct func_exits *out);
void func_exits__clear(struct func_exits *e);

/* A function's entry. */
struct entry_site {
	uint64_t addr, size; /* of the function; size 0: unknown */
	unsigned int skip;   /* bytes that the probe goes past the first instruction */
};

/*
 * Finds for each function of one file the cheapest instruction that is as good as its first: see
 * disasm_entry.c. All bytes of code of the file are looked through, once for all. 0 or -errno.
 */
int disasm_entries(struct elf_file *elf, struct entry_site *sites, size_t n);

#endif
