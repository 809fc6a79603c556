/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where in its first instructions a function's entry is probed most cheaply.
 *
 *	endbr64			<- single-stepped: two traps
 *	mov    %rsp,%rax
 *	push   %rbp		<- emulated: one
 *
 * The probe may go past instructions that change nothing but registers: nothing can fault there, no
 * memory is touched, the stack pointer is still that of the function's beginning, and so are the
 * registers that carry arguments. It stays on the page of the first instruction, so that even the
 * fetch of it brings no page in.
 *
 * Whoever comes to the probe must have come by the first instruction. So nothing may lead to what
 * lies between: no loop of the function, none of its jump tables (where it has one at all, it is
 * left alone), and no other function, as in libraries written by hand (mempcpy jumps behind the
 * first instructions of memmove). All bytes of the file's code are looked at for this: each that
 * reads as a direct jump, a call or the taking of an address there counts, unless decoding of the
 * function around it proves that it is no instruction.
 */
#include "disasm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "disasm_internal.h"
#include "elf_internal.h"

#if defined(__x86_64__)
#include <capstone/capstone.h>

enum {
	MAX_SKIP = 32,  /* bytes, */
	MAX_INSNS = 8,  /* and instructions passed over */
	MAX_INSN = 15,
	CHUNK = 1 << 20,
	TAIL = 8,	/* of one chunk, looked at with the next */
	PAGE = 4096,
	MAX_FILE = 1 << 30, /* bytes of code that are looked through */
	NEAR = 130,	/* how far a short jump leads, and its length */
};

static bool carries_argument(x86_reg reg)
{
	static const x86_reg kept[] = {
		X86_REG_RSP, X86_REG_ESP, X86_REG_SP, X86_REG_SPL,
		X86_REG_RDI, X86_REG_EDI, X86_REG_DI, X86_REG_DIL,
		X86_REG_RSI, X86_REG_ESI, X86_REG_SI, X86_REG_SIL,
		X86_REG_RDX, X86_REG_EDX, X86_REG_DX, X86_REG_DL, X86_REG_DH,
		X86_REG_RCX, X86_REG_ECX, X86_REG_CX, X86_REG_CL, X86_REG_CH,
		X86_REG_R8, X86_REG_R8D, X86_REG_R8W, X86_REG_R8B,
		X86_REG_R9, X86_REG_R9D, X86_REG_R9W, X86_REG_R9B,
	};

	for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++)
		if (kept[i] == reg)
			return true;
	return false;
}

static bool general_register(csh cs, x86_reg reg)
{
	const char *name = cs_reg_name(cs, reg);

	if (!name || !name[1])
		return false;
	/* r8b, esi, dil, bp ..., not es, cr0, dr7, mm0 or xmm0 */
	return name[0] == 'r' || (name[0] == 'e' && name[2]) ||
	       (strchr("abcds", name[0]) && strchr("xlhip", name[1]));
}

/* Writes its first operand and the flags, and nothing else. */
static bool computes(unsigned int id)
{
	static const unsigned int ids[] = {
		X86_INS_MOV, X86_INS_MOVABS, X86_INS_MOVZX, X86_INS_MOVSX, X86_INS_MOVSXD,
		X86_INS_LEA, X86_INS_XOR, X86_INS_OR, X86_INS_AND, X86_INS_ADD, X86_INS_SUB,
		X86_INS_INC, X86_INS_DEC, X86_INS_NEG, X86_INS_NOT, X86_INS_SHL, X86_INS_SHR,
		X86_INS_SAR, X86_INS_CMP, X86_INS_TEST,
	};

	for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++)
		if (ids[i] == id)
			return true;
	return false;
}

/* Does it leave all but free registers as it was, whatever they hold? */
static bool is_harmless(csh cs, const cs_insn *insn)
{
	const cs_x86 *x86 = &insn->detail->x86;

	if (insn->id == X86_INS_ENDBR64 || insn->id == X86_INS_NOP)
		return true;
	if (!computes(insn->id) || x86->prefix[0] || !x86->op_count)
		return false;
	for (size_t i = 0; i < x86->op_count; i++) {
		const cs_x86_op *op = &x86->operands[i];

		if (op->type == X86_OP_MEM ? insn->id != X86_INS_LEA :
			op->type == X86_OP_REG ? !general_register(cs, op->reg) : op->type != X86_OP_IMM)
			return false;
	}
	if (insn->id == X86_INS_CMP || insn->id == X86_INS_TEST)
		return true;
	return x86->operands[0].type == X86_OP_REG && !carries_argument(x86->operands[0].reg);
}

static bool is_cheap(enum cost_class class)
{
	return class == COST_NOP5 || class == COST_EMULATED;
}

/* The first cheap instruction to which all from the first on are harmless: bytes passed over. */
static unsigned int cheap_after(csh cs, cs_insn *insn, struct elf_file *elf, const struct entry_site *s)
{
	uint8_t code[MAX_SKIP + MAX_INSN];
	const uint8_t *p = code;
	uint64_t at = s->addr, from;
	size_t left;
	ssize_t n;

	n = elf__code(elf, s->addr, code, s->size < sizeof(code) ? s->size : sizeof(code));
	left = n > 0 ? n : 0;
	for (int i = 0; i <= MAX_INSNS; i++) {
		from = at;
		if (!cs_disasm_iter(cs, &p, &left, &at, insn) || from - s->addr > MAX_SKIP ||
			from / PAGE != s->addr / PAGE)
			return 0;
		if (is_cheap(x86_uprobe_class(insn->bytes, insn->size, from)))
			return from - s->addr;
		if (!is_harmless(cs, insn))
			return 0;
	}
	return 0;
}

/* --- who else leads there ------------------------------------------------------------------------- */

struct scan {
	struct elf_file *elf;
	csh cs;
	cs_insn *insn;
	struct entry_site **sites; /* with a skip, by address */
	size_t n;
};

/* Decodes what lies around `at` from its beginning. False: certainly no instruction begins there. */
static bool may_begin(const struct scan *sc, uint64_t at)
{
	struct elf_frame frame;
	struct elf_func func;
	const uint8_t *p;
	uint64_t start;
	uint8_t *code;
	bool ok = true;
	size_t left;
	ssize_t n;

	if (elf__at(sc->elf, at, &func))
		start = func.addr;
	else if (!elf__frame(sc->elf, at, &frame))
		start = frame.start;
	else
		return true;
	left = at - start + MAX_INSN;
	code = start < at && left <= CHUNK ? malloc(left) : NULL;
	if (!code)
		return true;
	n = elf__code(sc->elf, start, code, left);
	left = n > 0 ? n : 0;
	for (p = code; ok && start < at;)
		ok = cs_disasm_iter(sc->cs, &p, &left, &start, sc->insn);
	free(code);
	return !ok || start == at;
}

static bool is_prefix(uint8_t byte)
{
	return (byte & 0xf0) == 0x40 || (byte & 0xe7) == 0x26 || (byte & 0xfc) == 0x64 ||
	       byte == 0xf0 || byte == 0xf2 || byte == 0xf3;
}

/* Is the opcode at `at` perhaps that of an instruction, which begins there or with a prefix? */
static bool may_be_opcode(const struct scan *sc, uint64_t at)
{
	uint8_t before;

	for (int i = 0; i < MAX_INSN; i++, at--) {
		if (may_begin(sc, at))
			return true;
		if (elf__code(sc->elf, at - 1, &before, 1) != 1 || !is_prefix(before))
			return false;
	}
	return true;
}

/* Something at `from` that reads as an instruction leads to `to`. */
static void leads(struct scan *sc, uint64_t from, uint64_t to)
{
	size_t lo = 0, hi = sc->n, mid;
	struct entry_site *s;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (sc->sites[mid]->addr < to)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return;
	s = sc->sites[lo - 1];
	if (to - s->addr <= s->skip && may_be_opcode(sc, from))
		s->skip = 0;
}

/* The displacement of 4 bytes that begins after this many bytes; 0: none. */
static size_t long_displacement(const uint8_t *p)
{
	if (p[0] == 0xe8 || p[0] == 0xe9)
		return 1; /* call, jmp */
	if (p[0] == 0x0f && (p[1] & 0xf0) == 0x80)
		return 2; /* jcc */
	if (p[0] == 0x8d && (p[1] & 0xc7) == 0x05)
		return 2; /* lea of what is relative to rip */
	return p[0] == 0xc7 && p[1] == 0xf8 ? 2 : 0; /* xbegin */
}

static bool is_short_jump(uint8_t opcode)
{
	return opcode == 0xeb || (opcode & 0xf0) == 0x70 || (opcode & 0xfc) == 0xe0;
}

static void scan_chunk(struct scan *sc, const uint8_t *code, size_t n, uint64_t addr)
{
	int32_t rel;
	size_t k;

	for (size_t i = 0; i + TAIL <= n; i++) {
		k = long_displacement(code + i);
		if (!k)
			continue;
		memcpy(&rel, code + i + k, sizeof(rel));
		leads(sc, addr + i, addr + i + k + sizeof(rel) + rel);
	}
}

static int scan_segment(struct scan *sc, const struct elf_segment *seg)
{
	uint8_t *code = calloc(1, CHUNK + TAIL);
	int err = code ? 0 : -ENOMEM;
	uint64_t at;
	ssize_t n;

	for (at = 0; !err && at < seg->filesz; at += CHUNK) {
		n = elf__code(sc->elf, seg->vaddr + at, code, CHUNK + TAIL - 1);
		if (n < 0) {
			err = n;
			break;
		}
		/* so that what ends the segment is looked at, too */
		memset(code + n, 0, CHUNK + TAIL - n);
		scan_chunk(sc, code, n + TAIL < CHUNK + TAIL ? n + TAIL : CHUNK + TAIL,
			seg->vaddr + at);
	}
	free(code);
	return err;
}

static int scan_file(struct scan *sc)
{
	uint64_t total = 0;
	int err = 0;

	for (size_t i = 0; i < sc->elf->n_segs; i++)
		total += sc->elf->seg[i].exec ? sc->elf->seg[i].filesz : 0;
	if (total > MAX_FILE)
		return -E2BIG;
	for (size_t i = 0; !err && i < sc->elf->n_segs; i++)
		if (sc->elf->seg[i].exec)
			err = scan_segment(sc, &sc->elf->seg[i]);
	return err;
}

/* Short jumps, from near by. */
static void scan_near(struct scan *sc, const struct entry_site *s)
{
	const struct elf_segment *seg = elf__segment(sc->elf, s->addr);
	uint64_t from = s->addr - seg->vaddr > NEAR ? s->addr - NEAR : seg->vaddr;
	uint8_t code[2 * NEAR + MAX_SKIP];
	ssize_t n = elf__code(sc->elf, from, code, sizeof(code));

	for (ssize_t i = 0; i + 2 <= n; i++)
		if (is_short_jump(code[i]))
			leads(sc, from + i, from + i + 2 + (int8_t)code[i + 1]);
}

/* Nothing but what was decoded leads through the function, and no symbol begins in between. */
static bool is_plain(struct elf_file *elf, const struct entry_site *s)
{
	struct elf_func func = {.addr = s->addr, .size = s->size}, other;
	struct func_exits e;
	bool plain;

	if (elf__at(elf, s->addr + s->skip, &other) && other.addr != s->addr)
		return false;
	plain = !disasm_exits(elf, &func, &e) && e.complete && !e.tables;
	func_exits__clear(&e);
	return plain;
}

static int by_address(const void *va, const void *vb)
{
	const struct entry_site *const *a = va, *const *b = vb;

	return (*a)->addr < (*b)->addr ? -1 : (*a)->addr > (*b)->addr;
}

static int look_through(struct scan *sc, struct entry_site *sites, size_t n)
{
	int err;

	for (size_t i = 0; i < n; i++) {
		if (sites[i].size)
			sites[i].skip = cheap_after(sc->cs, sc->insn, sc->elf, &sites[i]);
		if (sites[i].skip && !is_plain(sc->elf, &sites[i]))
			sites[i].skip = 0;
		if (sites[i].skip)
			sc->sites[sc->n++] = &sites[i];
	}
	if (!sc->n)
		return 0;
	qsort(sc->sites, sc->n, sizeof(*sc->sites), by_address);
	for (size_t i = 0; i < sc->n; i++)
		scan_near(sc, sc->sites[i]);
	err = scan_file(sc);
	for (size_t i = 0; err && i < n; i++)
		sites[i].skip = 0;
	return err == -ENOMEM ? err : 0;
}

int disasm_entries(struct elf_file *elf, struct entry_site *sites, size_t n)
{
	struct scan sc = {.elf = elf};
	int err;

	for (size_t i = 0; i < n; i++)
		sites[i].skip = 0;
	err = cs_open(CS_ARCH_X86, CS_MODE_64, &sc.cs) == CS_ERR_OK ? 0 : -ENOMEM;
	if (err)
		return err;
	cs_option(sc.cs, CS_OPT_DETAIL, CS_OPT_ON);
	sc.insn = cs_malloc(sc.cs);
	sc.sites = calloc(n + 1, sizeof(*sc.sites));
	err = sc.insn && sc.sites ? look_through(&sc, sites, n) : -ENOMEM;
	free(sc.sites);
	if (sc.insn)
		cs_free(sc.insn, 1);
	cs_close(&sc.cs);
	return err;
}

#else

int disasm_entries(struct elf_file *elf, struct entry_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++)
		sites[i].skip = 0;
	return 0;
}

#endif
