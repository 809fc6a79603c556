/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a uprobe sees that a Python function begins.
 *
 * Up to 3.10 each of them is a call of _PyEval_EvalFrameDefault, which is exported. From 3.11 on
 * (Python/ceval.c) a call from Python to Python stays within that function and only makes a frame,
 * by _PyEvalFramePushAndInit, until the call site is specialised. That one is exported from 3.13 on
 * and local before, so that a stripped program (Debian's python3.11) has no name for it. What is
 * known of it then:
 *	_PyEval_EvalFrameDefault calls it
 *	so does _PyEval_Vector, and looks whether a pointer came back. That is inlined into, or
 *	called from, PyEval_EvalCode and _PyFunction_Vectorcall, which are exported
 *	it reads func_code from its second argument, and co_framesize (3.12) or co_nlocalsplus
 *	(3.11) from that: 0x30 and 0x4c in both
 * One function must fit all of it, and no other.
 *
 * Where _PyEval_Vector was inlined together with what it calls, a function that is called from C
 * never passes _PyEvalFramePushAndInit: then _PyEval_EvalFrameDefault, which from 3.11 on runs for
 * these only, is a second place.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python_internal.h"

#define EVAL   "_PyEval_EvalFrameDefault"
#define PUSH   "_PyEvalFramePushAndInit"
#define VECTOR "_PyFunction_Vectorcall"

static int on_function(void *ctx, const struct elf_func *func)
{
	*(struct elf_func *)ctx = *func;
	return -ECANCELED; /* the first will do */
}

static bool lookup(struct elf_file *elf, const char *name, struct elf_func *func)
{
	*func = (struct elf_func){ 0 };
	elf__functions(elf, name, on_function, func);
	return func->name != NULL;
}

static void add_site(struct python_sites *s, uint64_t offset, const char *symbol)
{
	s->offset[s->n] = offset;
	s->symbol[s->n++] = symbol;
}

#if defined(__x86_64__)

enum {
	MAX_BODY = 256 << 10, /* bytes of a function */
	MAX_CALLS = 4096,
	MAX_DEEPER = 64, /* functions that an exported one calls */
	LOOK_AHEAD = 3,	 /* instructions from a call to the test of its result */
	LOOK_IN = 40,	 /* instructions at the beginning of a candidate */
	FUNC_CODE = 0x30,
	CODE_SIZE = 0x4c,
};

struct calls {
	uint64_t to[MAX_CALLS];
	size_t n;
};

static void add_call(struct calls *c, uint64_t to)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->to[i] == to)
			return;
	if (c->n < MAX_CALLS)
		c->to[c->n++] = to;
}

static bool calls_it(const struct calls *c, uint64_t to)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->to[i] == to)
			return true;
	return false;
}

/* Where a direct call, or a jump out of [start, end), leads; 0: nowhere. */
static uint64_t target_of(const cs_insn *insn, uint64_t start, uint64_t end)
{
	uint64_t to;
	int32_t rel;

	if (insn->size != 5 || (insn->bytes[0] != 0xe8 && insn->bytes[0] != 0xe9))
		return 0;
	memcpy(&rel, insn->bytes + 1, sizeof(rel));
	to = insn->address + 5 + rel;
	return to >= start && to < end ? 0 : to;
}

/* Adds what the code in [start, end) calls; with `pointers`, only that whose result is soon
 * compared with NULL ("test rax, rax"), and what it jumps to. */
static void find_calls(const struct elf_file *elf, uint64_t start, uint64_t end, bool pointers,
	struct calls *out)
{
	uint64_t at = start, called = 0, to;
	unsigned int since = 0;
	uint8_t *code = NULL;
	const uint8_t *p;
	cs_insn *insn;
	size_t left;
	ssize_t n;
	csh cs;

	if (end - start > MAX_BODY || cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return;
	insn = cs_malloc(cs);
	code = malloc(end - start);
	n = insn && code ? elf__code(elf, start, code, end - start) : -ENOMEM;
	left = n > 0 ? n : 0;
	for (p = code; cs_disasm_iter(cs, &p, &left, &at, insn); since++) {
		if (called && since <= LOOK_AHEAD && insn->size == 3 &&
			!memcmp(insn->bytes, "\x48\x85\xc0", 3))
			add_call(out, called);
		to = target_of(insn, start, end);
		if (!to)
			continue;
		if (!pointers || insn->bytes[0] == 0xe9)
			add_call(out, to);
		called = to;
		since = 0;
	}
	free(code);
	if (insn)
		cs_free(insn, 1);
	cs_close(&cs);
}

static bool is_load(const cs_insn *insn, unsigned int base, int64_t disp, unsigned int *into)
{
	const cs_x86 *x = &insn->detail->x86;

	if (x->op_count != 2 || x->operands[0].type != X86_OP_REG ||
		x->operands[1].type != X86_OP_MEM || x->operands[1].mem.base != base ||
		x->operands[1].mem.index != X86_REG_INVALID || x->operands[1].mem.disp != disp)
		return false;
	*into = x->operands[0].reg;
	return true;
}

static bool is_copy(const cs_insn *insn, unsigned int from, unsigned int *into)
{
	const cs_x86 *x = &insn->detail->x86;

	if (insn->id != X86_INS_MOV || x->op_count != 2 || x->operands[0].type != X86_OP_REG ||
		x->operands[1].type != X86_OP_REG || x->operands[1].reg != from)
		return false;
	*into = x->operands[0].reg;
	return true;
}

/* Does the function begin with a load of func_code from its second argument, and of the size from
 * that? */
static bool takes_function(const struct elf_file *elf, uint64_t start)
{
	unsigned int arg = X86_REG_RSI, copy = X86_REG_RSI, code = X86_REG_INVALID, any;
	uint8_t raw[LOOK_IN * 15];
	cs_insn *insn = NULL;
	bool found = false;
	ssize_t n;
	size_t count, i;
	csh cs;

	n = elf__code(elf, start, raw, sizeof(raw));
	if (n <= 0 || cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
		return false;
	cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
	count = cs_disasm(cs, raw, n, start, LOOK_IN, &insn);
	for (i = 0; i < count && !found; i++) {
		if (code != X86_REG_INVALID)
			found = is_load(&insn[i], code, CODE_SIZE, &any);
		else if (!is_load(&insn[i], arg, FUNC_CODE, &code) &&
			 !is_load(&insn[i], copy, FUNC_CODE, &code) && copy == arg)
			is_copy(&insn[i], arg, &copy);
		if (insn[i].id == X86_INS_RET)
			break;
	}
	if (count)
		cs_free(insn, count);
	cs_close(&cs);
	return found;
}

/* What the exported functions call, and what these do. */
static void find_callees(struct elf_file *elf, const struct elf_func *eval, struct calls *out)
{
	static const char *const roots[] = { "PyEval_EvalCode", VECTOR };
	struct elf_frame frame;
	struct elf_func root;
	size_t first;

	for (size_t i = 0; i < sizeof(roots) / sizeof(*roots); i++) {
		if (!lookup(elf, roots[i], &root))
			continue;
		first = out->n;
		find_calls(elf, root.addr, root.addr + root.size, true, out);
		for (size_t j = first, end = out->n; j < end && j < first + MAX_DEEPER; j++)
			if (out->to[j] != eval->addr && !elf__frame(elf, out->to[j], &frame) &&
				frame.start == out->to[j])
				find_calls(elf, frame.start, frame.end, true, out);
	}
}

static uint64_t deduce(struct elf_file *elf, const struct elf_func *eval)
{
	struct calls *by_eval = calloc(1, sizeof(*by_eval));
	struct calls *by_others = calloc(1, sizeof(*by_others));
	uint64_t found = 0;
	size_t fits = 0;

	if (!by_eval || !by_others)
		goto out;
	find_calls(elf, eval->addr, eval->addr + eval->size, false, by_eval);
	find_callees(elf, eval, by_others);
	for (size_t i = 0; i < by_others->n; i++) {
		if (!calls_it(by_eval, by_others->to[i]) || !takes_function(elf, by_others->to[i]))
			continue;
		found = by_others->to[i];
		fits++;
	}
out:
	free(by_eval);
	free(by_others);
	return fits == 1 ? found : 0;
}

/* Was all of the way from C to a frame inlined? */
static bool is_inlined(struct elf_file *elf, const struct elf_func *eval)
{
	struct calls *calls = calloc(1, sizeof(*calls));
	struct elf_func vector;
	bool found = false;

	if (calls && lookup(elf, VECTOR, &vector)) {
		find_calls(elf, vector.addr, vector.addr + vector.size, false, calls);
		found = calls_it(calls, eval->addr);
	}
	free(calls);
	return found;
}

#else

static uint64_t deduce(struct elf_file *elf, const struct elf_func *eval)
{
	return 0;
}

static bool is_inlined(struct elf_file *elf, const struct elf_func *eval)
{
	return false;
}

#endif

int python_entry__find(struct elf_file *elf, uint32_t version, struct python_sites *out,
	const char **why)
{
	struct elf_func eval, push;
	int64_t offset;
	uint64_t addr;

	out->n = 0;
	*why = "it has no symbol " EVAL;
	if (!lookup(elf, EVAL, &eval))
		return -ENOENT;
	if (version < PYTHON_VERSION(3, 11)) {
		add_site(out, eval.offset, EVAL);
		return 0;
	}
	if (lookup(elf, PUSH, &push)) {
		add_site(out, push.offset, PUSH);
	} else {
		*why = "it is stripped, and its code does not show where " PUSH " is";
		addr = version < PYTHON_VERSION(3, 13) ? deduce(elf, &eval) : 0;
		offset = addr ? elf__offset(elf, addr) : -ENOENT;
		if (offset < 0)
			return -ENOENT;
		add_site(out, offset, PUSH);
	}
	if (is_inlined(elf, &eval))
		add_site(out, eval.offset, EVAL);
	return 0;
}
