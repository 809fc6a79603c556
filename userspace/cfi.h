/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How the frame of the caller follows from that of the callee, at one address of code: a row of
 * call frame information, as libdw finds it, small enough to be kept for each address.
 */
#ifndef CFI_H
#define CFI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_file;
struct cfi_row;

/* By their numbers in DWARF. CFI_PC is what the code at hand goes on with. */
enum {
#if defined(__x86_64__)
	CFI_FP = 6,
	CFI_SP = 7,
	CFI_PC = 16,
	CFI_REGS = 17,
#else
	CFI_FP = 29,
	CFI_LR = 30,
	CFI_SP = 31,
	CFI_PC = 32,
	CFI_REGS = 33,
#endif
};

struct cfi_regs {
	uint64_t v[CFI_REGS];
	uint64_t known; /* a bit for each; others have no value */
};

static inline bool cfi_known(const struct cfi_regs *regs, unsigned int reg)
{
	return reg < CFI_REGS && regs->known >> reg & 1;
}

static inline void cfi_set(struct cfi_regs *regs, unsigned int reg, uint64_t value)
{
	regs->v[reg] = value;
	regs->known |= 1ull << reg;
}

/* Reads 8 bytes of the thread's memory. 0 or -errno, which then is what cfi_row__apply returns. */
typedef int cfi_read_fn(void *ctx, uint64_t addr, uint64_t *value);

/* The row for a virtual address of the file, to be freed with free(). -ENOENT: there is none. */
int cfi_row__find(struct elf_file *elf, uint64_t addr, struct cfi_row **out);

enum {
	CFI_CALLER = 0,
	CFI_OUTERMOST = 1, /* nobody called this function */
};

/* Turns a function's registers into its caller's. CFI_CALLER, CFI_OUTERMOST, or -errno and regs is
 * as before: -ENOENT: they do not follow from what is known. */
int cfi_row__apply(const struct cfi_row *row, struct cfi_regs *regs, cfi_read_fn *read, void *ctx);
/* Only where the caller's frame begins, which is the stack pointer after return. */
int cfi_row__cfa(const struct cfi_row *row, const struct cfi_regs *regs, cfi_read_fn *read,
	void *ctx, uint64_t *cfa);
/* The caller was not called from here, but interrupted. */
bool cfi_row__is_signal(const struct cfi_row *row);
/* Where the code described together with the address begins and ends. */
void cfi_row__range(const struct cfi_row *row, uint64_t *start, uint64_t *end);
size_t cfi_row__size(const struct cfi_row *row);

#endif
