/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a stack goes on although no table says so.
 *
 * A pending uretprobe is the usual case: in place of the address that a function returns to, there
 * stands that of a breakpoint. The registers at the return are known; only in which function they
 * are, is not. It is one that left a frame of its own on the stack, above which is the address that
 * it returns to itself:
 *
 *	sp -> | frame of F | return address: behind "call F" | ...
 *
 * So the addresses on the stack that stand behind a call are tried one after the other. If it is a
 * call of a known function F, and F somewhere calls, at the depth that would put its return address
 * just there (.eh_frame says so), then it is F that hides behind the breakpoint, and the walk goes
 * on from there as from any other function. If none fits (F was called by a pointer), the frame
 * pointer may lead on, or the first such address is believed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "elf_internal.h"
#include "unwind_internal.h"

enum {
	MAX_SCAN = 64 << 10, /* bytes of stack */
	MAX_CANDIDATES = 64,
	MAX_FUNCTION = 64 << 10, /* bytes of code */
	MAX_ROWS = 32,
	MAX_CALL = 7, /* bytes of its instruction */
};

struct call {
	bool is;
	uint64_t target; /* of a direct one; 0: not known */
};

#if defined(__x86_64__)

/* How many bytes an indirect call with this ModRM and SIB has behind its opcode; 0: none. */
static size_t indirect_len(uint8_t modrm, uint8_t sib)
{
	uint8_t mod = modrm >> 6, rm = modrm & 7;
	bool has_sib = mod != 3 && rm == 4;
	size_t len = 1 + has_sib;

	if ((modrm >> 3 & 7) != 2)
		return 0;
	if (mod == 1)
		return len + 1;
	if (mod == 2 || (mod == 0 && (rm == 5 || (has_sib && (sib & 7) == 5))))
		return len + 4;
	return len;
}

/* The call whose last byte is code[MAX_CALL - 1], so that it returns to addr. */
static struct call call_before(const uint8_t *code, uint64_t addr)
{
	const uint8_t *end = code + MAX_CALL;
	int32_t distance;

	if (end[-5] == 0xe8) {
		memcpy(&distance, end - 4, sizeof(distance));
		return (struct call){ true, addr + distance };
	}
	for (int n = 2; n <= MAX_CALL; n++)
		if (end[-n] == 0xff &&
			indirect_len(end[1 - n], n > 2 ? end[2 - n] : 0) == (size_t)n - 1)
			return (struct call){ .is = true };
	return (struct call){ .is = false };
}

#else

static struct call call_before(const uint8_t *code, uint64_t addr)
{
	uint32_t insn;

	memcpy(&insn, code + MAX_CALL - 4, sizeof(insn));
	if (insn >> 26 == 0x25) /* bl */
		return (struct call){ true, addr - 4 + ((int64_t)(int32_t)(insn << 6) >> 4) };
	return (struct call){ .is = (insn & 0xfffffc1f) == 0xd63f0000 }; /* blr */
}

#endif

/* A return address that may be: where it would be in which file, and the call before it. */
struct candidate {
	struct code_map *map;
	struct module *module;
	uint64_t addr;
	struct call call;
};

static bool is_candidate(struct walk *w, uint64_t pc, struct candidate *c)
{
	uint8_t code[MAX_CALL];

	if (pc < MAX_CALL)
		return false;
	c->map = code_process__at(w->u->maps, w->process, pc - 1, false);
	if (!c->map || (c->map->kind != CODE_FILE && c->map->kind != CODE_VDSO))
		return false;
	c->module = modules__of(w->u->modules, code_process__pid(w->process), c->map);
	if (!c->module)
		return false;
	if (!module__addr(c->module, pc - 1 - c->map->start + c->map->offset, &c->addr))
		return false;
	c->addr++;
	if (module__code(c->module, c->addr - MAX_CALL, code, MAX_CALL) != MAX_CALL)
		return false;
	c->call = call_before(code, c->addr);
	return c->call.is;
}

bool walk__is_after_call(struct walk *w, uint64_t pc)
{
	struct candidate c;

	return is_candidate(w, pc, &c);
}

static bool is_retprobe(struct walk *w, uint64_t pc)
{
	struct code_map *map = code_process__at(w->u->maps, w->process, pc, false);

	return map && map->kind == CODE_UPROBES;
}

bool walk__by_pointer(struct walk *w)
{
	uint64_t fp = w->regs.v[CFI_FP], sp = w->regs.v[CFI_SP], next, pc;
	int err;

	if (!cfi_known(&w->regs, CFI_FP) || fp < sp || fp % WORD)
		return false;
	err = walk__read(w, fp, &next);
	if (!err)
		err = walk__read(w, fp + WORD, &pc);
	if (err == -ENODATA)
		w->end = UNWIND_TRUNCATED;
	if (err || (!walk__is_after_call(w, pc) && !is_retprobe(w, pc)))
		return false;
	w->regs.known = 0;
	cfi_set(&w->regs, CFI_PC, pc);
	cfi_set(&w->regs, CFI_SP, fp + 2 * WORD);
	cfi_set(&w->regs, CFI_FP, next);
	w->flags = UNWIND_BY_POINTER;
	return true;
}

/* Only of a function that has not put anything on the stack yet: nothing called from it is seen. */
bool walk__by_guess(struct walk *w)
{
	uint64_t sp = w->regs.v[CFI_SP], pc;

	if (!w->exact)
		return false;
	if (!RETURN_SLOT)
		pc = cfi_known(&w->regs, CFI_PC - 2) ? w->regs.v[CFI_PC - 2] : 0;
	else if (walk__read(w, sp, &pc))
		return false;
	if (!walk__is_after_call(w, pc) && !is_retprobe(w, pc))
		return false;
	cfi_set(&w->regs, CFI_PC, pc);
	cfi_set(&w->regs, CFI_SP, sp + RETURN_SLOT);
	w->flags = UNWIND_GUESSED;
	return true;
}

/* A function and the calls in it, one of which may be the one that was probed. */
struct suspect {
	const struct candidate *c;
	uint64_t slot;	   /* where its own return address lies */
	uint64_t callee;   /* the probed function, in the same file; 0: not known */
	uint64_t found;	   /* where its call returns to; 0: none fits */
	unsigned int rows; /* that were looked at */
};

static bool has_depth(struct walk *w, struct suspect *s, uint64_t addr)
{
	struct module *m = s->c->module;
	struct cfi_row *row = NULL;
	uint64_t cfa = 0;
	bool fits;

	if (s->rows++ >= MAX_ROWS)
		return false;
	row = modules__row(w->u->modules, m, addr - 1);
	fits = row && !cfi_row__cfa(row, &w->regs, walk__read, w, &cfa) &&
	       cfa == s->slot + RETURN_SLOT;
	free(row);
	return fits;
}

/* Calls of the probed function first; then any other whose target is not known. */
static void try_calls(struct walk *w, struct suspect *s, const uint8_t *code, size_t len,
	uint64_t start, bool direct)
{
	struct call call;

	for (size_t end = MAX_CALL; end <= len && !s->found; end++) {
		call = call_before(code + end - MAX_CALL, start + end);
		if (!call.is || direct != (call.target && call.target == s->callee))
			continue;
		if (has_depth(w, s, start + end))
			s->found = start + end;
	}
}

static bool is_behind(struct walk *w, struct suspect *s)
{
	struct elf_file *elf = s->c->module->elf;
	struct elf_frame f;
	uint8_t *code;
	ssize_t len;

	if (!s->c->call.target || elf__frame(elf, s->c->call.target, &f) ||
		f.start != s->c->call.target || f.end - f.start > MAX_FUNCTION)
		return false;
	len = f.end - f.start;
	code = malloc(len + 1);
	if (code && elf__code(elf, f.start, code, len) == len) {
		if (s->callee)
			try_calls(w, s, code, len, f.start, true);
		try_calls(w, s, code, len, f.start, false);
	}
	free(code);
	return s->found;
}

/* Where the function begins from which the walk has just come. */
static uint64_t start_of(const struct place *place)
{
	struct elf_frame f;

	if (!place || !place->module->elf || elf__frame(place->module->elf, place->addr, &f))
		return 0;
	return f.start;
}

static bool go_to(struct walk *w, const struct suspect *s)
{
	const struct code_map *map = s->c->map;
	int64_t offset = elf__offset(s->c->module->elf, s->found);

	if (offset < 0 || (uint64_t)offset < map->offset ||
		offset - map->offset > map->end - map->start)
		return false;
	cfi_set(&w->regs, CFI_PC, offset - map->offset + map->start);
	w->flags = UNWIND_GUESSED;
	return true;
}

/* Tries the words of the stack; *first is the first that may be a return address, with the place
 * where it lies. */
static bool scan(struct walk *w, uint64_t *first, uint64_t *first_at)
{
	uint64_t at = w->regs.v[CFI_SP], end = at + MAX_SCAN, pc;
	struct place *from = w->place;
	unsigned int tried = 0;
	struct candidate c;
	struct suspect s;

	for (*first = 0; at < end && !walk__read(w, at, &pc); at += WORD) {
		if (!is_candidate(w, pc, &c))
			continue;
		if (!*first) {
			*first = pc;
			*first_at = at;
		}
		s = (struct suspect){ .c = &c, .slot = at };
		if (from && from->module == c.module)
			s.callee = start_of(from);
		if (is_behind(w, &s) && go_to(w, &s))
			return true;
		if (++tried == MAX_CANDIDATES)
			break;
	}
	return false;
}

static bool told(struct walk *w)
{
	const struct unwind_sample *s = w->sample;

	for (size_t i = 0; i < s->n_returns; i++)
		if (s->returns[i].slot == w->regs.v[CFI_SP] - RETURN_SLOT) {
			cfi_set(&w->regs, CFI_PC, s->returns[i].addr);
			return !is_retprobe(w, s->returns[i].addr);
		}
	return false;
}

bool walk__past_retprobe(struct walk *w)
{
	uint64_t first, at = 0;

	if (told(w) || scan(w, &first, &at))
		return true;
	walk__add(w, UNWIND_ID_RETPROBE, UNWIND_GUESSED);
	w->place = NULL;
	if (walk__by_pointer(w)) {
		w->flags |= UNWIND_GUESSED;
		return true;
	}
	if (!first)
		return false;
	w->regs.known = 0;
	cfi_set(&w->regs, CFI_PC, first);
	cfi_set(&w->regs, CFI_SP, at + RETURN_SLOT);
	w->flags = UNWIND_GUESSED;
	return true;
}
