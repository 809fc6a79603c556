/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a function ends, from its code.
 *
 * Compilers for x86-64 put nothing but instructions into a function, so its bytes are decoded from
 * the first to the last. Each direct jump must then lead to the beginning of one of them; if one
 * does not, the decoding went astray and nothing of it is used: a breakpoint in the middle of an
 * instruction would destroy the program.
 *
 * A jump out of the bytes of the symbol goes
 *	to a piece of the same function, which the compiler put far away because it is seldom
 *	needed: "f.cold", or, where the symbols were stripped, code that is entered with something
 *	still on the stack (.eh_frame says so). It is decoded as part of the function.
 *	to another function, which returns in its stead: an exit, marked as a tail.
 *
 * An indirect jump is one or the other, too: a jump table (`notrack`, or an index in a table, or
 * something on the stack) stays inside; a jump through the GOT, or with an empty stack and no
 * index, leaves. What cannot be told is not an exit, but makes the answer incomplete.
 */
#include "disasm.h"

#include <capstone/capstone.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "disasm_internal.h"
#include "elf_internal.h"
#include "elf_name.h"

enum {
	MAX_INSN = 15,
	MAX_CODE = 8 << 20, /* bytes of one piece */
	MAX_PIECES = 32,
	HISTORY = 8,
};

const char *cost_class_name(enum cost_class c)
{
	static const char *const names[] = { "nop5", "emulated", "stepped", "invalid" };

	return (unsigned int)c < sizeof(names) / sizeof(*names) ? names[c] : "?";
}

static int open_capstone(csh *cs)
{
#if defined(__x86_64__)
	return cs_open(CS_ARCH_X86, CS_MODE_64, cs) == CS_ERR_OK ? 0 : -ENOMEM;
#else
	return cs_open(CS_ARCH_ARM64, CS_MODE_LITTLE_ENDIAN, cs) == CS_ERR_OK ? 0 : -ENOMEM;
#endif
}

enum cost_class disasm_cost(struct elf_file *elf, uint64_t addr, char *buf, size_t len)
{
	enum cost_class class = COST_INVALID;
	const struct elf_segment *seg = elf__segment(elf, addr);
	uint8_t code[MAX_INSN];
	cs_insn *insn;
	ssize_t n;
	csh cs;

	if (len)
		*buf = '\0';
	n = seg && seg->exec ? elf__code(elf, addr, code, sizeof(code)) : -ENOENT;
	if (n <= 0 || open_capstone(&cs))
		return COST_INVALID;
	if (cs_disasm(cs, code, n, addr, 1, &insn)) {
		snprintf(buf, len, "%s%s%s", insn->mnemonic, *insn->op_str ? " " : "",
			insn->op_str);
#if defined(__x86_64__)
		class = x86_uprobe_class(code, insn->size, addr);
#else
		class = COST_STEPPED;
#endif
		cs_free(insn, 1);
	}
	cs_close(&cs);
	return class;
}

bool disasm_is_start(struct elf_file *elf, uint64_t addr)
{
	uint8_t *code = NULL;
	struct elf_func func;
	char text[64];
	cs_insn *insn;
	bool found;
	uint64_t at;
	size_t left;
	ssize_t n;
	csh cs;

	if (disasm_cost(elf, addr, text, sizeof(text)) == COST_INVALID)
		return false;
	if (!elf__at(elf, addr, &func) || addr == func.addr)
		return true;
	at = func.addr;
	left = addr - at; /* of the function, which was read */
	if (left > MAX_CODE || open_capstone(&cs))
		return false;
	code = malloc(left + MAX_INSN);
	insn = code ? cs_malloc(cs) : NULL;
	n = insn ? elf__code(elf, at, code, left + MAX_INSN) : -ENOMEM;
	left = n > 0 ? (size_t)n : 0;
	for (const uint8_t *p = code; at < addr;)
		if (!cs_disasm_iter(cs, &p, &left, &at, insn))
			break;
	found = at == addr;
	if (insn)
		cs_free(insn, 1);
	cs_close(&cs);
	free(code);
	return found;
}

void func_exits__clear(struct func_exits *e)
{
	free(e->exits);
	*e = (struct func_exits){ 0 };
}

#if defined(__x86_64__)

/* One stretch of code of the function: its symbol, or a part that lies elsewhere. */
struct piece {
	uint64_t start, size;
	uint8_t *code;
	uint8_t *marks; /* a byte for each of code: enum mark */
};

enum mark {
	MARK_INSN = 1 << 0,   /* an instruction begins here */
	MARK_TARGET = 1 << 1, /* a direct jump leads here */
};

/* What preceded an indirect jump. */
struct past {
	unsigned int id;
	x86_reg to;
	bool indexed; /* it read from memory by an index, as from a table of addresses */
};

struct sweep {
	struct elf_file *elf;
	csh cs;
	cs_insn *insn;
	struct piece pieces[MAX_PIECES];
	size_t n_pieces;
	bool cet; /* indirect jumps go to endbr64, unless they are notrack */
	struct past past[HISTORY];
	size_t n_past;
	struct func_exits *out;
	size_t room;
};

static void incomplete(struct sweep *sw, const char *why)
{
	if (sw->out->complete)
		sw->out->why = why;
	sw->out->complete = false;
}

static int add_exit(struct sweep *sw, uint64_t addr, bool tail)
{
	struct func_exits *out = sw->out;
	struct func_exit *exits;

	if (out->n == sw->room) {
		sw->room = sw->room ? sw->room * 2 : 8;
		exits = realloc(out->exits, sw->room * sizeof(*exits));
		if (!exits)
			return -ENOMEM;
		out->exits = exits;
	}
	out->exits[out->n++] = (struct func_exit){
		.addr = addr,
		.offset = elf__offset(sw->elf, addr),
		.tail = tail,
	};
	return 0;
}

/* A direct jump to another function. */
static int add_tail(struct sweep *sw, uint64_t from, uint64_t to)
{
	int err = add_exit(sw, from, true);

	if (!err && sw->insn->id == X86_INS_JMP)
		sw->out->exits[sw->out->n - 1].target = to;
	return err;
}

static struct piece *piece_at(struct sweep *sw, uint64_t addr)
{
	for (size_t i = 0; i < sw->n_pieces; i++)
		if (addr - sw->pieces[i].start < sw->pieces[i].size)
			return &sw->pieces[i];
	return NULL;
}

static int add_piece(struct sweep *sw, uint64_t start, uint64_t size)
{
	struct piece *p = &sw->pieces[sw->n_pieces];
	size_t i;

	for (i = 0; i < sw->n_pieces; i++)
		if (start < sw->pieces[i].start + sw->pieces[i].size &&
			sw->pieces[i].start < start + size)
			size = 0;
	if (!size || size > MAX_CODE || sw->n_pieces == MAX_PIECES) {
		incomplete(sw, "it has parts that overlap or are too large or too many");
		return 0;
	}
	*p = (struct piece){ .start = start, .size = size };
	p->code = malloc(size);
	p->marks = calloc(1, size);
	sw->n_pieces++;
	if (!p->code || !p->marks)
		return -ENOMEM;
	if (elf__code(sw->elf, start, p->code, size) != (ssize_t)size)
		return -EIO;
	return 0;
}

/* A direct jump out of every known piece. */
static int leave(struct sweep *sw, uint64_t from, uint64_t to)
{
	const struct elf_segment *seg = elf__segment(sw->elf, to);
	struct elf_frame frame;
	struct elf_func other;
	struct piece *p;
	int err;

	if (!seg || !seg->exec) {
		incomplete(sw, "a jump leads out of the code");
		return 0;
	}
	if (elf__in_plt(sw->elf, to))
		return add_exit(sw, from, true);
	if (elf__at(sw->elf, to, &other)) {
		if (!name_is_cold(other.name))
			return add_tail(sw, from, to);
		err = add_piece(sw, other.addr, other.size);
	} else {
		if (elf__frame(sw->elf, to, &frame)) {
			incomplete(sw, "a jump leads to code without a symbol");
			return 0;
		}
		/* Empty stack: another function's beginning, or as good as that. */
		if (frame.at_entry_depth)
			return add_tail(sw, from, to);
		err = add_piece(sw, frame.start, frame.end - frame.start);
	}
	p = piece_at(sw, to);
	if (!err && p && p->marks)
		p->marks[to - p->start] |= MARK_TARGET;
	return err;
}

static int direct_jump(struct sweep *sw, uint64_t to)
{
	struct piece *p = piece_at(sw, to);

	if (!p)
		return leave(sw, sw->insn->address, to);
	p->marks[to - p->start] |= MARK_TARGET;
	return 0;
}

static bool has_notrack(const cs_insn *insn)
{
	for (size_t i = 0; i < insn->size && insn->bytes[i] != 0xff; i++)
		if (insn->bytes[i] == 0x3e)
			return true;
	return false;
}

/* GCC's and clang's "movslq (table,index,4), r; add table, r; jmp *r". */
static bool adds_table_entry(const struct sweep *sw)
{
	size_t i, n = sw->n_past < HISTORY ? sw->n_past : HISTORY;

	for (i = 0; i < n; i++)
		if (sw->past[i].id == X86_INS_MOVSXD && sw->past[i].indexed)
			return true;
	return false;
}

static bool loaded_by_index(const struct sweep *sw, x86_reg reg)
{
	size_t i, n = sw->n_past < HISTORY ? sw->n_past : HISTORY;
	const struct past *p;

	for (i = 1; i <= n; i++) {
		p = &sw->past[(sw->n_past - i) % HISTORY];
		if (p->to == reg)
			return p->indexed;
	}
	return false;
}

/* "jmp *table(,index,8)" of a program that is not relocated: the addresses stand in the file. */
static bool table_leads_inside(struct sweep *sw, const x86_op_mem *mem)
{
	uint64_t first;

	return mem->base == X86_REG_INVALID && mem->index != X86_REG_INVALID && mem->scale == 8 &&
	       elf__code(sw->elf, mem->disp, &first, sizeof(first)) == sizeof(first) &&
	       piece_at(sw, first);
}

/* To a place within, which is not known. */
static int by_table(struct sweep *sw)
{
	sw->out->tables = true;
	return 0;
}

static int indirect_jump(struct sweep *sw, const cs_x86_op *op)
{
	uint64_t addr = sw->insn->address;
	struct elf_frame frame;
	bool indexed, empty;

	if (has_notrack(sw->insn))
		return by_table(sw);
	if (op->type == X86_OP_MEM && op->mem.base == X86_REG_RIP)
		return add_exit(sw, addr, true); /* a slot of the GOT */
	indexed = op->type == X86_OP_MEM ? op->mem.index != X86_REG_INVALID && op->mem.scale == 8 :
					   loaded_by_index(sw, op->reg);
	if (op->type == X86_OP_REG ? adds_table_entry(sw) : table_leads_inside(sw, &op->mem))
		return by_table(sw);
	empty = !elf__frame(sw->elf, addr, &frame);
	if (empty && !frame.at_entry_depth)
		return by_table(sw);
	if ((empty && !indexed) || sw->cet)
		return add_exit(sw, addr, true);
	incomplete(sw, "an indirect jump may be a jump table");
	return 0;
}

static int jump(struct sweep *sw)
{
	const cs_x86 *x86 = &sw->insn->detail->x86;

	if (x86->op_count != 1) {
		incomplete(sw, "a jump is not understood");
		return 0;
	}
	if (x86->operands[0].type == X86_OP_IMM)
		return direct_jump(sw, x86->operands[0].imm);
	return indirect_jump(sw, &x86->operands[0]);
}

static void remember(struct sweep *sw)
{
	const cs_x86 *x86 = &sw->insn->detail->x86;
	struct past *p = &sw->past[sw->n_past++ % HISTORY];

	*p = (struct past){ .id = sw->insn->id };
	if (x86->op_count != 2 || x86->operands[0].type != X86_OP_REG)
		return;
	p->to = x86->operands[0].reg;
	if (x86->operands[1].type != X86_OP_MEM ||
		x86->operands[1].mem.index == X86_REG_INVALID)
		return;
	/* With a scale of 1 it is an offset in an object: a virtual call by member pointer. */
	p->indexed = x86->operands[1].mem.scale == 8 || sw->insn->id == X86_INS_MOVSXD;
}

enum flow {
	FLOW_ON,   /* to the next instruction */
	FLOW_CALL, /* and perhaps never back */
	FLOW_END,
	FLOW_NOP,
};

static int one_insn(struct sweep *sw, enum flow *flow)
{
	const cs_insn *insn = sw->insn;

	*flow = FLOW_ON;
	switch (insn->id) {
	case X86_INS_RET:
	case X86_INS_RETF:
	case X86_INS_RETFQ:
		*flow = FLOW_END;
		return add_exit(sw, insn->address, false);
	case X86_INS_JMP:
		*flow = FLOW_END;
		return jump(sw);
	case X86_INS_LJMP:
	case X86_INS_IRETQ:
	case X86_INS_IRETD:
	case X86_INS_IRET:
	case X86_INS_SYSRET:
		*flow = FLOW_END;
		incomplete(sw, "it is left in an unusual way");
		return 0;
	case X86_INS_UD2:
	case X86_INS_UD0:
	case X86_INS_HLT:
	case X86_INS_INT3:
		*flow = FLOW_END;
		return 0;
	case X86_INS_CALL:
		*flow = FLOW_CALL;
		return 0;
	case X86_INS_SYSCALL:
		*flow = FLOW_CALL; /* exit, sigreturn */
		return 0;
	case X86_INS_NOP:
	case X86_INS_ENDBR64:
		*flow = FLOW_NOP;
		return 0;
	case X86_INS_LOOP:
	case X86_INS_LOOPE:
	case X86_INS_LOOPNE:
	case X86_INS_JCXZ:
	case X86_INS_JECXZ:
	case X86_INS_JRCXZ:
	case X86_INS_XBEGIN:
		return jump(sw);
	default:
		if (cs_insn_group(sw->cs, insn, CS_GRP_JUMP))
			return jump(sw);
		remember(sw);
		return 0;
	}
}

/* rdssp and incssp of CET, which capstone 4 does not know: f3 [rex] 0f 1e|ae, a register. */
static size_t shadow_stack_insn(const uint8_t *p, size_t left)
{
	size_t i = 1;

	if (left < 5 || p[0] != 0xf3)
		return 0;
	i += p[1] >= 0x40 && p[1] <= 0x4f;
	if (p[i] != 0x0f || (p[i + 1] != 0x1e && p[i + 1] != 0xae) || p[i + 2] < 0xc0)
		return 0;
	return i + 3;
}

/* What is certainly an instruction again after something that was not understood. */
static uint64_t next_target(const struct piece *p, uint64_t at)
{
	while (at < p->size && !(p->marks[at] & MARK_TARGET))
		at++;
	return at;
}

static int sweep_piece(struct sweep *sw, size_t i)
{
	struct piece *p = &sw->pieces[i];
	enum flow flow, last = FLOW_ON;
	uint64_t addr, at = 0;
	const uint8_t *code;
	size_t left, skip;
	int err;

	sw->n_past = 0;
	while (at < p->size) {
		code = p->code + at;
		left = p->size - at;
		addr = p->start + at;
		p->marks[at] |= MARK_INSN;
		skip = shadow_stack_insn(code, left);
		if (skip) {
			at += skip;
			last = FLOW_ON;
			continue;
		}
		if (!cs_disasm_iter(sw->cs, &code, &left, &addr, sw->insn)) {
			p->marks[at] &= ~MARK_INSN;
			incomplete(sw, "it has bytes that are no known instruction");
			at = next_target(p, at + 1);
			last = FLOW_END;
			continue;
		}
		err = one_insn(sw, &flow);
		if (err)
			return err;
		if (flow == FLOW_END)
			sw->n_past = 0;
		if (flow != FLOW_NOP)
			last = flow;
		at += sw->insn->size;
	}
	if (last == FLOW_ON)
		incomplete(sw, "it runs on into what follows it");
	return 0;
}

/* "je 1f; lock; 1: cmpxchg ..." jumps behind a prefix, on purpose. */
static bool after_lock(const struct piece *p, uint64_t at)
{
	return at && (p->marks[at - 1] & MARK_INSN) && p->code[at - 1] == 0xf0;
}

static bool targets_are_insns(const struct sweep *sw)
{
	const struct piece *p;
	uint64_t at;
	size_t i;

	for (i = 0; i < sw->n_pieces; i++) {
		p = &sw->pieces[i];
		for (at = 0; at < p->size; at++)
			if (p->marks[at] == MARK_TARGET && !after_lock(p, at))
				return false;
	}
	return true;
}

static int compare_exits(const void *va, const void *vb)
{
	const struct func_exit *a = va, *b = vb;

	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

static int sweep_all(struct sweep *sw, const struct elf_func *func)
{
	static const uint8_t endbr64[4] = { 0xf3, 0x0f, 0x1e, 0xfa };
	size_t i;
	int err;

	err = add_piece(sw, func->addr, func->size);
	if (err)
		return err;
	sw->cet = sw->n_pieces && func->size >= 4 && !memcmp(sw->pieces[0].code, endbr64, 4);
	for (i = 0; i < sw->n_pieces; i++) { /* it grows on the way */
		err = sweep_piece(sw, i);
		if (err)
			return err;
	}
	if (!targets_are_insns(sw)) {
		sw->out->n = 0;
		incomplete(sw, "");
		sw->out->why = "a jump leads into the middle of an instruction";
	}
	if (sw->out->n)
		qsort(sw->out->exits, sw->out->n, sizeof(*sw->out->exits), compare_exits);
	return 0;
}

int disasm_exits(struct elf_file *elf, const struct elf_func *func, struct func_exits *out)
{
	struct sweep sw = { .elf = elf, .out = out };
	int err;

	*out = (struct func_exits){ .complete = true };
	if (!func->size)
		return -ENOENT;
	err = open_capstone(&sw.cs);
	if (err)
		return err;
	cs_option(sw.cs, CS_OPT_DETAIL, CS_OPT_ON);
	sw.insn = cs_malloc(sw.cs);
	err = sw.insn ? sweep_all(&sw, func) : -ENOMEM;
	if (sw.insn)
		cs_free(sw.insn, 1);
	cs_close(&sw.cs);
	for (size_t i = 0; i < sw.n_pieces; i++) {
		free(sw.pieces[i].code);
		free(sw.pieces[i].marks);
	}
	if (err)
		func_exits__clear(out);
	return err;
}

#else

int disasm_exits(struct elf_file *elf, const struct elf_func *func, struct func_exits *out)
{
	*out = (struct func_exits){ 0 };
	return func->size ? -ENOTSUP : -ENOENT;
}

#endif
