/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * DWARF expressions as they occur in call frame information: in the PLT, in the frames of signals,
 * and in functions that align their stack. Without anything that needs types or the debug info.
 */
#include "cfi_internal.h"

#include <dwarf.h>
#include <errno.h>

enum {
	STACK = 64,
	MAX_STEPS = 256,
};

struct machine {
	const struct cfi_regs *regs;
	const uint64_t *cfa;
	cfi_read_fn *read;
	void *ctx;
	uint64_t stack[STACK];
	size_t depth;
	int err;
};

static void push(struct machine *m, uint64_t value)
{
	if (m->depth == STACK)
		m->err = -ENOENT;
	else
		m->stack[m->depth++] = value;
}

static uint64_t pop(struct machine *m)
{
	if (!m->depth) {
		m->err = -ENOENT;
		return 0;
	}
	return m->stack[--m->depth];
}

static void push_reg(struct machine *m, uint64_t reg, uint64_t offset)
{
	if (reg >= CFI_REGS || !cfi_known(m->regs, reg))
		m->err = -ENOENT;
	else
		push(m, m->regs->v[reg] + offset);
}

static void pick(struct machine *m, uint64_t depth)
{
	if (depth >= m->depth)
		m->err = -ENOENT;
	else
		push(m, m->stack[m->depth - 1 - depth]);
}

static void dereference(struct machine *m, uint64_t bytes)
{
	uint64_t value = 0;

	if (!m->err)
		m->err = m->read(m->ctx, pop(m), &value);
	if (bytes < 8)
		value &= (1ull << 8 * bytes) - 1;
	push(m, value);
}

/* b was on top of a. */
static bool binary(struct machine *m, uint8_t op)
{
	uint64_t b = pop(m), a = pop(m);

	switch (op) {
	case DW_OP_plus:
		push(m, a + b);
		return true;
	case DW_OP_minus:
		push(m, a - b);
		return true;
	case DW_OP_mul:
		push(m, a * b);
		return true;
	case DW_OP_and:
		push(m, a & b);
		return true;
	case DW_OP_or:
		push(m, a | b);
		return true;
	case DW_OP_xor:
		push(m, a ^ b);
		return true;
	case DW_OP_shl:
		push(m, b < 64 ? a << b : 0);
		return true;
	case DW_OP_shr:
		push(m, b < 64 ? a >> b : 0);
		return true;
	case DW_OP_eq:
		push(m, a == b);
		return true;
	case DW_OP_ne:
		push(m, a != b);
		return true;
	case DW_OP_lt:
		push(m, (int64_t)a < (int64_t)b);
		return true;
	case DW_OP_le:
		push(m, (int64_t)a <= (int64_t)b);
		return true;
	case DW_OP_gt:
		push(m, (int64_t)a > (int64_t)b);
		return true;
	case DW_OP_ge:
		push(m, (int64_t)a >= (int64_t)b);
		return true;
	default:
		return false;
	}
}

static bool is_constant(uint8_t op)
{
	return op == DW_OP_addr || (op >= DW_OP_const1u && op <= DW_OP_consts);
}

static void one(struct machine *m, const Dwarf_Op *op)
{
	uint8_t atom = op->atom;

	if (atom >= DW_OP_lit0 && atom <= DW_OP_lit31)
		push(m, atom - DW_OP_lit0);
	else if (atom >= DW_OP_breg0 && atom <= DW_OP_breg31)
		push_reg(m, atom - DW_OP_breg0, op->number);
	else if (atom == DW_OP_bregx)
		push_reg(m, op->number, op->number2);
	else if (is_constant(atom))
		push(m, op->number);
	else if (atom == DW_OP_plus_uconst)
		push(m, pop(m) + op->number);
	else if (atom == DW_OP_call_frame_cfa && m->cfa)
		push(m, *m->cfa);
	else if (atom == DW_OP_deref)
		dereference(m, 8);
	else if (atom == DW_OP_deref_size && op->number >= 1 && op->number <= 8)
		dereference(m, op->number);
	else if (atom == DW_OP_dup)
		pick(m, 0);
	else if (atom == DW_OP_over)
		pick(m, 1);
	else if (atom == DW_OP_pick)
		pick(m, op->number);
	else if (atom == DW_OP_drop)
		pop(m);
	else if (atom == DW_OP_neg)
		push(m, -pop(m));
	else if (atom == DW_OP_not)
		push(m, ~pop(m));
	else if (!binary(m, atom))
		m->err = -ENOENT;
}

int cfi_expr(const Dwarf_Op *ops, size_t n, const struct cfi_regs *regs, const uint64_t *cfa,
	cfi_read_fn *read, void *ctx, uint64_t *out, bool *is_value)
{
	struct machine m = { .regs = regs, .cfa = cfa, .read = read, .ctx = ctx };

	*is_value = false;
	if (n > MAX_STEPS) /* there are no jumps: each is run once */
		return -ENOENT;
	for (size_t i = 0; i < n && !m.err; i++) {
		if (ops[i].atom == DW_OP_stack_value && i + 1 == n)
			*is_value = true;
		else if (ops[i].atom != DW_OP_nop)
			one(&m, &ops[i]);
	}
	*out = pop(&m);
	return m.err;
}
