/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef DISASM_INTERNAL_H_
#define DISASM_INTERNAL_H_

#include "disasm.h"

/* How the kernel treats a uprobe on the x86-64 instruction of `len` bytes at addr. */
enum cost_class x86_uprobe_class(const uint8_t *insn, size_t len, uint64_t addr);

#endif
