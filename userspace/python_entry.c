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
 * The compiler may have made more of it, for some of the places that call it (gcc: constprop).
 * These begin like it, with the function in the same register, call in part what it calls, and are
 * called by _PyEval_EvalFrameDefault as well.
 *
 * Where _PyEval_Vector was inlined together with what it calls, a function that is called from C
 * never passes any of them: then _PyEval_EvalFrameDefault, which from 3.11 on runs for these only,
 * is another place. _PyFunction_Vectorcall shows it. That is not exported in 3.13 and 3.14: there
 * it is the function whose address PyFunction_NewWithQualName, which is, puts into each function
 * object, as the only one that it knows. Where the call is not seen, the place is taken too: to see
 * an entry twice does no harm (bpf/pyentry.bpf.h), not to see it would. So it is where the compiler
 * made more of one function, since it will have inlined that in others than these two. Where only
 * PyEval_EvalCode shows it, that is the other place: it is hit by modules and exec() alone.
 */
#include <capstone/capstone.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "python_internal.h"

#define EVAL   "_PyEval_EvalFrameDefault"
#define PUSH   "_PyEvalFramePushAndInit"
#define VECTOR "_PyFunction_Vectorcall"
#define MAKER  "PyFunction_NewWithQualName"
#define CODE   "PyEval_EvalCode"

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

enum {
	MAX_CALLS = 4096,
};

struct calls {
	uint64_t to[MAX_CALLS];
	size_t n;
};

#if defined(__x86_64__)

enum {
	MAX_BODY = 256 << 10, /* bytes of a function */
	MAX_DEEPER = 64, /* functions that an exported one calls */
	LOOK_AHEAD = 3,	 /* instructions from a call to the test of its result */
	LOOK_IN = 40,	 /* instructions at the beginning of a candidate */
	ALIKE = 2,	 /* functions that two call which are made of one */
	FUNC_CODE = 0x30,
	CODE_SIZE = 0x4c,
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

/* Where a direct call, or a jump out of [start, end), leads, also by a stub; 0: nowhere. */
static uint64_t target_of(const struct elf_file *elf, const cs_insn *insn, uint64_t start,
	uint64_t end)
{
	const uint8_t *code = insn->bytes;
	uint64_t to;
	int32_t rel;

	if (!(insn->size == 5 && (code[0] == 0xe8 || code[0] == 0xe9)) &&
		!(insn->size == 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80))
		return 0;
	memcpy(&rel, code + insn->size - 4, sizeof(rel));
	to = insn->address + insn->size + rel;
	if (to >= start && to < end)
		return 0;
	return elf__plt_target(elf, to) ?: to;
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
		to = target_of(elf, insn, start, end);
		if (!to)
			continue;
		if (!pointers || insn->bytes[0] != 0xe8)
			add_call(out, to);
		called = to;
		since = 0;
	}
	free(code);
	if (insn)
		cs_free(insn, 1);
	cs_close(&cs);
}

/* All calls of a function, also those in pieces of it that lie elsewhere, as what is seldom run
 * does: there a jump leads into the midst. */
static void find_all_calls(const struct elf_file *elf, uint64_t start, uint64_t end,
	struct calls *out)
{
	size_t first = out->n, last;
	struct elf_frame frame;
	uint64_t done = 0;

	find_calls(elf, start, end, false, out);
	last = out->n;
	for (size_t i = first; i < last; i++) {
		if (elf__frame(elf, out->to[i], &frame) || frame.start == out->to[i] ||
			frame.start == start || frame.start == done)
			continue;
		done = frame.start;
		find_calls(elf, frame.start, frame.end, false, out);
	}
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

/* The registers that hold an argument. */
struct holders {
	unsigned int reg[8];
	size_t n;
};

static bool holds(const struct holders *h, unsigned int reg)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->reg[i] == reg)
			return true;
	return false;
}

static void forget(struct holders *h, unsigned int reg)
{
	for (size_t i = 0; i < h->n; i++)
		if (h->reg[i] == reg)
			h->reg[i--] = h->reg[--h->n];
}

/* Copies of it are made; from 3.14 on its low bits may be a tag, which is masked off. */
static void follow(struct holders *h, const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	const cs_x86_op *to = &x->operands[0], *from = &x->operands[1];

	if (!x->op_count || to->type != X86_OP_REG || !(to->access & CS_AC_WRITE))
		return;
	if (insn->id == X86_INS_AND && from->type == X86_OP_IMM && from->imm < 0 && from->imm >= -8)
		return;
	if (holds(h, to->reg))
		forget(h, to->reg);
	if (insn->id == X86_INS_MOV && from->type == X86_OP_REG && holds(h, from->reg) &&
		h->n < sizeof(h->reg) / sizeof(*h->reg))
		h->reg[h->n++] = to->reg;
}

static bool loads_code(const struct holders *h, const cs_insn *insn, unsigned int *code)
{
	for (size_t i = 0; i < h->n; i++)
		if (is_load(insn, h->reg[i], FUNC_CODE, code))
			return true;
	return false;
}

/* Does the function begin with a load of func_code from its second argument, and of the size from
 * that? */
static bool takes_function(const struct elf_file *elf, uint64_t start)
{
	struct holders arg = {.reg = {X86_REG_RSI}, .n = 1};
	unsigned int code = X86_REG_INVALID, any;
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
		else if (!loads_code(&arg, &insn[i], &code))
			follow(&arg, &insn[i]);
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
	static const char *const roots[] = { CODE, VECTOR };
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
	find_all_calls(elf, eval->addr, eval->addr + eval->size, by_eval);
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

/* What the instruction puts down as a constant or an address; 0: nothing. */
static uint64_t constant_of(const cs_insn *insn)
{
	const cs_x86 *x = &insn->detail->x86;
	const cs_x86_op *from = &x->operands[1];

	if (x->op_count != 2)
		return 0;
	if (insn->id == X86_INS_LEA && from->mem.base == X86_REG_RIP)
		return insn->address + insn->size + from->mem.disp;
	return insn->id == X86_INS_MOV && from->type == X86_OP_IMM ? from->imm : 0;
}

/* The one function whose address the code of another takes. False: none, or several. */
static bool find_taken(const struct elf_file *elf, const struct elf_func *by, struct elf_frame *out)
{
	uint8_t *code = by->size <= MAX_BODY ? malloc(by->size) : NULL;
	struct elf_frame frame;
	cs_insn *insn = NULL;
	size_t n = 0, found = 0;
	ssize_t len;
	csh cs;

	len = code ? elf__code(elf, by->addr, code, by->size) : 0;
	if (len > 0 && cs_open(CS_ARCH_X86, CS_MODE_64, &cs) == CS_ERR_OK) {
		cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
		n = cs_disasm(cs, code, len, by->addr, 0, &insn);
		for (size_t i = 0; i < n; i++) {
			uint64_t to = constant_of(&insn[i]);

			if (!to || elf__frame(elf, to, &frame) || frame.start != to ||
				(found && out->start == to))
				continue;
			*out = frame;
			found++;
		}
		if (n)
			cs_free(insn, n);
		cs_close(&cs);
	}
	free(code);
	return found == 1;
}

static size_t count_common(const struct elf_file *elf, const struct calls *a, const struct calls *b)
{
	size_t n = 0;

	for (size_t i = 0; i < a->n; i++)
		n += calls_it(b, a->to[i]) && !elf__in_plt(elf, a->to[i]);
	return n;
}

/* What was made of the first, for some of those who call it. */
static void add_clones(struct elf_file *elf, const struct elf_func *eval, struct calls *makers)
{
	struct calls *calls = calloc(1, sizeof(*calls)), *own = calloc(1, sizeof(*own));
	struct calls *other = calloc(1, sizeof(*other));
	struct elf_frame f;

	if (!calls || !own || !other)
		goto out;
	find_all_calls(elf, eval->addr, eval->addr + eval->size, calls);
	if (!elf__frame(elf, makers->to[0], &f))
		find_calls(elf, f.start, f.end, false, own);
	for (size_t i = 0; i < calls->n && makers->n < PYTHON_SITES - 1; i++) {
		if (elf__frame(elf, calls->to[i], &f) || f.start != calls->to[i] ||
			!takes_function(elf, f.start))
			continue;
		other->n = 0;
		find_calls(elf, f.start, f.end, false, other);
		if (count_common(elf, own, other) >= ALIKE)
			add_call(makers, f.start);
	}
out:
	free(other);
	free(own);
	free(calls);
}

static bool calls_any(const struct calls *calls, const struct calls *makers)
{
	for (size_t i = 0; i < makers->n; i++)
		if (calls_it(calls, makers->to[i]))
			return true;
	return false;
}

/* Does the function pass one of them on its way to what runs the frame, or what it calls? */
static bool passes(struct elf_file *elf, struct elf_frame f, uint64_t eval,
	const struct calls *makers)
{
	struct calls *calls = calloc(1, sizeof(*calls)), *deeper = calloc(1, sizeof(*deeper));
	bool found = false;

	if (calls && deeper) {
		find_calls(elf, f.start, f.end, false, calls);
		found = calls_any(calls, makers);
	}
	for (size_t i = 0; deeper && calls && i < calls->n && i < MAX_DEEPER && !found; i++) {
		if (calls->to[i] == eval || elf__frame(elf, calls->to[i], &f) ||
			f.start != calls->to[i])
			continue;
		deeper->n = 0;
		find_calls(elf, f.start, f.end, false, deeper);
		found = calls_any(deeper, makers);
	}
	free(deeper);
	free(calls);
	return found;
}

/* Was all of the way from C to a frame inlined, or is that not known? */
static bool is_inlined(struct elf_file *elf, uint64_t eval, const struct calls *makers)
{
	struct elf_func func;
	struct elf_frame f;

	if (lookup(elf, VECTOR, &func))
		f = (struct elf_frame){.start = func.addr, .end = func.addr + func.size};
	else if (!lookup(elf, MAKER, &func) || !find_taken(elf, &func, &f))
		return true;
	return !passes(elf, f, eval, makers);
}

/* The same of code that is executed and is no function's. */
static bool is_code_inlined(struct elf_file *elf, const struct elf_func *func, uint64_t eval,
	const struct calls *makers)
{
	return !passes(elf, (struct elf_frame){.start = func->addr, .end = func->addr + func->size},
		eval, makers);
}

#else

static uint64_t deduce(struct elf_file *elf, const struct elf_func *eval)
{
	return 0;
}

static void add_clones(struct elf_file *elf, const struct elf_func *eval, struct calls *makers)
{
}

static bool is_inlined(struct elf_file *elf, uint64_t eval, const struct calls *makers)
{
	return true; /* not known */
}

static bool is_code_inlined(struct elf_file *elf, const struct elf_func *func, uint64_t eval,
	const struct calls *makers)
{
	return false;
}

#endif

/* All but the last, once the first is known. */
static int add_makers(struct elf_file *elf, const struct elf_func *eval, uint64_t first,
	struct python_sites *out)
{
	struct calls *makers = calloc(1, sizeof(*makers));
	struct elf_func code;
	int64_t offset;

	if (!makers)
		return -ENOMEM;
	makers->to[makers->n++] = first;
	add_clones(elf, eval, makers);
	for (size_t i = 0; i < makers->n; i++) {
		offset = elf__offset(elf, makers->to[i]);
		if (offset >= 0)
			add_site(out, offset, PUSH);
	}
	if (makers->n > 1 || is_inlined(elf, eval->addr, makers))
		add_site(out, eval->offset, EVAL);
	else if (lookup(elf, CODE, &code) && is_code_inlined(elf, &code, eval->addr, makers))
		add_site(out, code.offset, CODE);
	free(makers);
	return out->n ? 0 : -ENOENT;
}

int python_entry__find(struct elf_file *elf, uint32_t version, struct python_sites *out,
	const char **why)
{
	struct elf_func eval, push;
	uint64_t addr = 0;

	out->n = 0;
	*why = "it has no symbol " EVAL;
	if (!lookup(elf, EVAL, &eval))
		return -ENOENT;
	if (version < PYTHON_VERSION(3, 11)) {
		add_site(out, eval.offset, EVAL);
		return 0;
	}
	*why = "it is stripped, and its code does not show where " PUSH " is";
	if (lookup(elf, PUSH, &push))
		addr = push.addr;
	else if (version < PYTHON_VERSION(3, 13))
		addr = deduce(elf, &eval);
	return addr ? add_makers(elf, &eval, addr, out) : -ENOENT;
}
