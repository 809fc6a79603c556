/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From an instruction of a Python function to its line, by the table that its code object has. */
#ifndef PYLINES_H
#define PYLINES_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../bpf/ramtrace.h"

/*
 * Where the line of an instruction is asked for: `offset` in bytes of bytecode, as f_lasti up to
 * 3.9 and twice that in 3.10. The table is co_lnotab up to 3.9, co_linetable later. 0: it has no
 * line, or the table ends before it.
 */
int pylines_line(uint32_t version, const void *table, size_t len, int firstlineno, uint32_t offset);

/* Where a version of CPython has them: struct rt_py. */
struct pylines_layout {
	uint32_t version;
	uint16_t linetable, start;
};

/* Tables of functions that were seen, by their ids. */
struct pylines;

struct pylines *pylines__new(void); /* NULL: no memory */
void pylines__free(struct pylines *l);

/* Reads the table of a function out of the process that runs it; without one, nothing is kept. */
void pylines__learn(struct pylines *l, const struct rt_pycode *ev, const struct pylines_layout *where);
/* The line of rt_cell_key.func and .instr; 0: not known. */
int pylines__line(const struct pylines *l, uint32_t func, int32_t instr);

#endif
