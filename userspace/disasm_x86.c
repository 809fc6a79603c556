/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What arch/x86/kernel/uprobes.c of Linux 6.18 does with an instruction: uprobe_init_insn()
 * refuses some, can_optimize(), branch_setup_xol_ops() and push_setup_xol_ops() take some, the
 * rest is single-stepped. Like the kernel's, the tables here look at opcode bytes; that the bytes
 * are an instruction at all is capstone's word.
 */
#include "disasm_internal.h"

#include <string.h>

#define PAGE 4096

struct x86_opcode {
	bool bad_prefix;     /* is_prefix_bad() */
	bool operand16;	     /* 66 */
	bool vex;	     /* VEX or EVEX */
	uint8_t rex;	     /* 0: none */
	uint8_t byte[3];     /* opcode, and what follows it, as far as there is */
};

/* good_insns_64: 1 may be probed. 0f has 1, so that good_2byte_insns is never asked. */
static const char good[16][17] = {
	/* 0123456789abcdef */
	"1111110011111101", /* 00 */
	"1111110011111100", /* 10 */
	"1111111011111110", /* 20 */
	"1111111011111110", /* 30 */
	"1111111111111111", /* 40 */
	"1111111111111111", /* 50 */
	"0001111111110000", /* 60 */
	"1111111111111111", /* 70 */
	"1101111111111111", /* 80 */
	"1111111111011111", /* 90 */
	"1111111111111111", /* a0 */
	"1111111111111111", /* b0 */
	"1111111111110000", /* c0 */
	"1111000111111111", /* d0 */
	"1111000011010000", /* e0 */
	"1011011111001111", /* f0 */
};

/* x86_nops[] of asm/nops.h; the longer ones begin with a CS prefix, which is refused. */
static const uint8_t nops[][8] = {
	{ 0 },
	{ 0x90 },
	{ 0x66, 0x90 },
	{ 0x0f, 0x1f, 0x00 },
	{ 0x0f, 0x1f, 0x40, 0x00 },
	{ 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x66, 0x0f, 0x1f, 0x44, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x80, 0x00, 0x00, 0x00, 0x00 },
	{ 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00 },
};

static void parse(const uint8_t *p, size_t len, struct x86_opcode *op)
{
	const uint8_t *end = p + len;
	size_t skip = 0;

	*op = (struct x86_opcode){ 0 };
	for (; p < end; p++) {
		if (*p == 0x26 || *p == 0x2e || *p == 0x36 || *p == 0x3e || *p == 0xf0)
			op->bad_prefix = true;
		else if (*p == 0x66)
			op->operand16 = true;
		else if (*p != 0x67 && *p != 0x64 && *p != 0x65 && *p != 0xf2 && *p != 0xf3)
			break;
	}
	if (p < end && *p >= 0x40 && *p <= 0x4f)
		op->rex = *p++;
	else if (p < end)
		skip = *p == 0xc5 ? 2 : *p == 0xc4 ? 3 : *p == 0x62 ? 4 : 0;
	op->vex = skip;
	p += skip < (size_t)(end - p) ? skip : (size_t)(end - p);
	memcpy(op->byte, p, end - p < 3 ? end - p : 3);
}

static bool is_cond_jump(uint8_t opcode)
{
	return opcode >= 0x70 && opcode <= 0x7f;
}

static bool is_branch(const struct x86_opcode *op)
{
	return op->byte[0] == 0xe8 || op->byte[0] == 0xe9 || op->byte[0] == 0xeb ||
	       is_cond_jump(op->byte[0]) ||
	       (op->byte[0] == 0x0f && op->byte[1] >= 0x80 && op->byte[1] <= 0x8f);
}

enum cost_class x86_uprobe_class(const uint8_t *insn, size_t len, uint64_t addr)
{
	struct x86_opcode op;

	parse(insn, len, &op);
	if (op.bad_prefix || good[op.byte[0] >> 4][op.byte[0] & 15] == '0')
		return COST_INVALID;
	/* mov to ss: insn_masking_exception() */
	if (!op.vex && op.byte[0] == 0x8e && (op.byte[1] >> 3 & 7) == 2)
		return COST_INVALID;
	/* The kernel forgets the prefix and would run vpor (eb) as a jump. Not on our account. */
	if (op.vex)
		return is_branch(&op) || op.byte[0] == 0x90 ? COST_INVALID : COST_STEPPED;
	if (len < sizeof(nops) / sizeof(*nops) && !memcmp(insn, nops[len], len))
		return len == 5 && addr % PAGE <= PAGE - 5 ? COST_NOP5 : COST_EMULATED;
	/* "prefix* + nop", where 41 90 is an exchange of r8 with rax and would be lost. */
	if (op.byte[0] == 0x90)
		return op.rex & 1 ? COST_INVALID : COST_EMULATED;
	if (is_branch(&op))
		return op.operand16 ? COST_INVALID : COST_EMULATED;
	if (op.byte[0] >= 0x50 && op.byte[0] <= 0x57 && (len == 1 || (len == 2 && op.rex == 0x41)))
		return COST_EMULATED;
	return COST_STEPPED;
}
