/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What lies behind cfi.h. */
#ifndef CFI_INTERNAL_H
#define CFI_INTERNAL_H

#include <elfutils/libdw.h>
#include "cfi.h"

/* Runs a DWARF expression. `cfa` may be NULL: not known yet. -ENOENT: it cannot be evaluated.
 * *is_value: the result is what is looked for, not the place where it is. */
int cfi_expr(const Dwarf_Op *ops, size_t n, const struct cfi_regs *regs, const uint64_t *cfa,
	cfi_read_fn *read, void *ctx, uint64_t *out, bool *is_value);

#endif
