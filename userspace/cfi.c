/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libdw interprets call frame information, but wants the whole of .eh_frame in memory for it and
 * keeps each record that it has looked at: 2.7 MB for node, far more for libtorch. So it is given a
 * file in which there is nothing but the one record that matters (elf__cfi finds it by a few reads
 * of the file) at the address where it belongs:
 *
 *	ELF header | CIE, FDE: .eh_frame | names of sections | headers of 3 sections
 *
 * What it says is kept as a row of simple rules, and everything else given back.
 */
#include "cfi_internal.h"

#include <dwarf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"
#include "elf_internal.h"

enum how {
	HOW_UNKNOWN,
	HOW_UNDEFINED, /* it has no value in the caller */
	HOW_SAME,
	HOW_AT_CFA, /* saved in memory at CFA + offset */
	HOW_CFA,    /* is CFA + offset */
	HOW_REG,    /* is register + offset */
	HOW_EXPR,   /* ops[offset ... offset + reg) */
};

struct rule {
	uint8_t how, reg;
	int32_t offset;
};

struct cfi_row {
	uint64_t start, end;
	uint8_t ra; /* the register whose rule is the return address */
	bool signal;
	uint16_t n_ops;
	struct rule cfa, rules[CFI_REGS];
	Dwarf_Op ops[];
};

#if defined(__x86_64__)
#define MACHINE EM_X86_64
#define SAVED (1ull << 3 | 1ull << 6 | 0xfull << 12) /* rbx, rbp, r12 to r15 */
/* User space ends here; nothing is put into the upper bits of a return address. */
#define CODE_BITS UINT64_MAX
#else
#define MACHINE EM_AARCH64
#define SAVED (0x7ffull << 19) /* x19 to x29 */
/* A signature may lie above. */
#define CODE_BITS ((1ull << 48) - 1)
#endif

enum {
	MAX_OPS = 512,
	CUT_ALIGN = 8,
};

static const char section_names[] = "\0.eh_frame\0.shstrtab";

static void put_record(char *to, const uint8_t *rec, uint32_t len)
{
	memcpy(to, &len, sizeof(len));
	memcpy(to + sizeof(len), rec, len);
}

/* To be freed. */
static char *cut_out(const struct elf_cfi *cfi, size_t *size)
{
	size_t cie = 4 + cfi->cie_len, fde = 4 + cfi->fde_len;
	size_t names = sizeof(Elf64_Ehdr) + cie + fde;
	size_t at = (names + sizeof(section_names) + CUT_ALIGN - 1) & -(size_t)CUT_ALIGN;
	uint32_t back = cie + 4; /* from where it stands, to the CIE */
	Elf64_Ehdr eh = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			EV_CURRENT },
		.e_type = ET_DYN, .e_machine = MACHINE, .e_version = EV_CURRENT, .e_shoff = at,
		.e_ehsize = sizeof(eh), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = 3,
		.e_shstrndx = 2,
	};
	Elf64_Shdr sh[3] = {
		[1] = { .sh_name = 1, .sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC,
			.sh_addr = cfi->addr - cie, .sh_offset = sizeof(eh), .sh_size = cie + fde,
			.sh_addralign = 1 },
		[2] = { .sh_name = 11, .sh_type = SHT_STRTAB, .sh_offset = names,
			.sh_size = sizeof(section_names), .sh_addralign = 1 },
	};
	char *buf;

	*size = at + sizeof(sh);
	buf = calloc(1, *size);
	if (!buf)
		return NULL;
	memcpy(buf, &eh, sizeof(eh));
	put_record(buf + sizeof(eh), cfi->cie, cfi->cie_len);
	put_record(buf + sizeof(eh) + cie, cfi->fde, cfi->fde_len);
	memcpy(buf + sizeof(eh) + cie + 4, &back, sizeof(back));
	memcpy(buf + names, section_names, sizeof(section_names));
	memcpy(buf + at, sh, sizeof(sh));
	return buf;
}

static bool fits(int64_t offset)
{
	return offset == (int32_t)offset;
}

/* `d` is a row under construction, with room for MAX_OPS. */
static struct rule as_expression(struct cfi_row *d, const Dwarf_Op *ops, size_t n)
{
	struct rule rule = { .how = HOW_EXPR, .reg = n, .offset = d->n_ops };

	if (n > UINT8_MAX || n > (size_t)(MAX_OPS - d->n_ops))
		return (struct rule){ .how = HOW_UNKNOWN };
	memcpy(d->ops + d->n_ops, ops, n * sizeof(*ops));
	d->n_ops += n;
	return rule;
}

/* A CFA is nearly always a register and an offset. */
static struct rule cfa_rule(struct cfi_row *d, const Dwarf_Op *ops, size_t n)
{
	if (!n)
		return (struct rule){ .how = HOW_UNKNOWN };
	if (n == 1 && ops->atom == DW_OP_bregx && ops->number < CFI_REGS && fits(ops->number2))
		return (struct rule){ HOW_REG, ops->number, ops->number2 };
	return as_expression(d, ops, n);
}

/* And a register nearly always lies in memory at a distance from it. */
static struct rule reg_rule(struct cfi_row *d, const Dwarf_Op *ops, size_t n,
	const Dwarf_Op *undefined)
{
	int64_t offset = 0;
	bool value;

	if (!n)
		return (struct rule){ .how = ops == undefined ? HOW_UNDEFINED : HOW_SAME };
	if (n == 1 && ops->atom == DW_OP_regx && ops->number < CFI_REGS)
		return (struct rule){ HOW_REG, ops->number, 0 };
	if (n == 1 && ops->atom >= DW_OP_reg0 && ops->atom <= DW_OP_reg31)
		return (struct rule){ HOW_REG, ops->atom - DW_OP_reg0, 0 };
	value = n > 1 && ops[n - 1].atom == DW_OP_stack_value;
	if (n - value > 1 && ops[1].atom == DW_OP_plus_uconst)
		offset = ops[1].number;
	if (ops->atom == DW_OP_call_frame_cfa && fits(offset) &&
		n - value == 1 + (size_t)(n - value > 1 && ops[1].atom == DW_OP_plus_uconst))
		return (struct rule){ value ? HOW_CFA : HOW_AT_CFA, 0, offset };
	return as_expression(d, ops, n);
}

static int make_draft(struct cfi_row *d, Dwarf_Frame *frame)
{
	Dwarf_Op mem[3], *ops;
	bool signal;
	size_t n;
	int ra;

	ra = dwarf_frame_info(frame, &d->start, &d->end, &signal);
	if (ra < 0 || ra >= CFI_REGS || dwarf_frame_cfa(frame, &ops, &n))
		return -ENOENT;
	d->ra = ra;
	d->signal = signal;
	d->cfa = cfa_rule(d, ops, n);
	if (d->cfa.how == HOW_UNKNOWN)
		return -ENOENT;
	for (int i = 0; i < CFI_REGS; i++) {
		if (dwarf_frame_register(frame, i, mem, &ops, &n))
			continue;
		d->rules[i] = reg_rule(d, ops, n, mem);
	}
	return 0;
}

static int ask_libdw(const struct elf_cfi *cfi, uint64_t addr, struct cfi_row **out)
{
	struct cfi_row *d = calloc(1, sizeof(*d) + MAX_OPS * sizeof(*d->ops)), *small;
	Dwarf_Frame *frame = NULL;
	Dwarf_CFI *libdw = NULL;
	Elf *elf = NULL;
	size_t size;
	int err = -ENOMEM;
	char *file;

	file = cut_out(cfi, &size);
	if (!file || !d)
		goto out;
	err = -ENOENT;
	elf = elf_memory(file, size);
	libdw = elf ? dwarf_getcfi_elf(elf) : NULL;
	if (!libdw || dwarf_cfi_addrframe(libdw, addr, &frame))
		goto out;
	err = make_draft(d, frame);
	if (err)
		goto out;
	small = realloc(d, cfi_row__size(d));
	*out = small ? small : d;
	d = NULL;
out:
	free(frame);
	if (libdw)
		dwarf_cfi_end(libdw);
	elf_end(elf);
	free(file);
	free(d);
	return err;
}

int cfi_row__find(struct elf_file *elf, uint64_t addr, struct cfi_row **out)
{
	struct elf_cfi cfi;
	int err;

	*out = NULL;
	err = elf__cfi(elf, addr, &cfi);
	if (!err) {
		err = ask_libdw(&cfi, addr, out);
		elf_cfi__clear(&cfi);
	}
	if (err != -ENOENT)
		return err;
	err = elf__debug_cfi(elf, addr, &cfi);
	if (!err) {
		err = ask_libdw(&cfi, addr, out);
		elf_cfi__clear(&cfi);
	}
	return err;
}

static int evaluate(const struct cfi_row *row, const struct rule *rule, const struct cfi_regs *regs,
	const uint64_t *cfa, cfi_read_fn *read, void *ctx, uint64_t *out)
{
	bool is_value;
	int err;

	switch (rule->how) {
	case HOW_CFA:
		*out = *cfa + rule->offset;
		return 0;
	case HOW_AT_CFA:
		return read(ctx, *cfa + rule->offset, out);
	case HOW_REG:
		*out = regs->v[rule->reg] + rule->offset;
		return cfi_known(regs, rule->reg) ? 0 : -ENOENT;
	case HOW_EXPR:
		err = cfi_expr(row->ops + rule->offset, rule->reg, regs, cfa, read, ctx, out,
			&is_value);
		return err || is_value || !cfa ? err : read(ctx, *out, out);
	default:
		return -ENOENT;
	}
}

int cfi_row__cfa(const struct cfi_row *row, const struct cfi_regs *regs, cfi_read_fn *read,
	void *ctx, uint64_t *cfa)
{
	return evaluate(row, &row->cfa, regs, NULL, read, ctx, cfa);
}

/* What the registers of the caller are, but for its program counter. */
static int restore(const struct cfi_row *row, const struct cfi_regs *regs, uint64_t cfa,
	cfi_read_fn *read, void *ctx, struct cfi_regs *out)
{
	const struct rule *rule;
	uint64_t value;
	int err;

	for (unsigned int i = 0; i < CFI_REGS; i++) {
		rule = &row->rules[i];
		if (i == CFI_PC || rule->how == HOW_UNKNOWN || rule->how == HOW_UNDEFINED)
			continue;
		if (rule->how == HOW_SAME) {
			/* Nobody says so of the others: it is only that nobody says anything. */
			if ((SAVED >> i & 1) && cfi_known(regs, i))
				cfi_set(out, i, regs->v[i]);
			continue;
		}
		err = evaluate(row, rule, regs, &cfa, read, ctx, &value);
		if (!err)
			cfi_set(out, i, value);
		else if (i == CFI_SP)
			return err;
	}
	if (!cfi_known(out, CFI_SP))
		cfi_set(out, CFI_SP, cfa);
	return 0;
}

int cfi_row__apply(const struct cfi_row *row, struct cfi_regs *regs, cfi_read_fn *read, void *ctx)
{
	const struct rule *ra = &row->rules[row->ra];
	struct cfi_regs caller = { .known = 0 };
	uint64_t cfa, pc;
	int err;

	if (ra->how == HOW_UNDEFINED)
		return CFI_OUTERMOST;
	err = cfi_row__cfa(row, regs, read, ctx, &cfa);
	if (err)
		return err;
	if (ra->how != HOW_SAME)
		err = evaluate(row, ra, regs, &cfa, read, ctx, &pc);
	else if (row->ra != CFI_PC && cfi_known(regs, row->ra))
		pc = regs->v[row->ra];
	else
		err = -ENOENT;
	if (err)
		return err;
	err = restore(row, regs, cfa, read, ctx, &caller);
	if (err)
		return err;
	cfi_set(&caller, CFI_PC, pc & CODE_BITS);
	*regs = caller;
	return CFI_CALLER;
}

bool cfi_row__is_signal(const struct cfi_row *row)
{
	return row->signal;
}

void cfi_row__range(const struct cfi_row *row, uint64_t *start, uint64_t *end)
{
	*start = row->start;
	*end = row->end;
}

size_t cfi_row__size(const struct cfi_row *row)
{
	return sizeof(*row) + row->n_ops * sizeof(*row->ops);
}
