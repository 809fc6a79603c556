/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two questions to .eh_frame, which every program has, stripped or not: from where to where does
 * the code around an address reach, and how deep is the stack there?
 *
 *	.eh_frame_hdr:	version 1, three encodings, where .eh_frame is, n, n * { code, FDE }
 *	FDE:		length, how far back its CIE is, code from, code length, instructions
 *	CIE:		length, 0, version, "zR..", alignments, encodings, initial instructions
 *
 * The initial instructions of a CIE describe the stack of a function that was just called (x86-64:
 * the frame begins at rsp + 8). Code at which the description is any other one has something on
 * the stack, so a jump from there or to there stays within the function.
 *
 * Not by libdw: it wants the whole of .eh_frame in memory (2.7 MB in node) and does not say where
 * an FDE begins and ends. Here a question costs a few reads of some bytes. What is encoded in any
 * other way than compilers for Linux do it is not understood, and -ENOENT.
 */
#include "elf_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf.h"

#define PE_PCREL_SDATA4	  0x1b
#define PE_UDATA4	  0x03
#define PE_DATAREL_SDATA4 0x3b
#define MAX_RECORD	  65536
#define MAX_REMEMBERED	  16

/* A record in memory, read from left to right; `bad` sticks. */
struct cursor {
	const uint8_t *p, *end;
	bool bad;
};

struct cfa {
	bool expression;
	uint64_t reg;
	int64_t offset;
};

struct cie {
	uint64_t code_align;
	int64_t data_align;
	struct cfa initial;
};

static uint64_t get(struct cursor *c, size_t n)
{
	uint64_t v = 0;

	if ((size_t)(c->end - c->p) < n) {
		c->bad = true;
		c->p = c->end;
		return 0;
	}
	memcpy(&v, c->p, n); /* little-endian, as elf_image__init made sure */
	c->p += n;
	return v;
}

static uint64_t get_leb(struct cursor *c, bool is_signed)
{
	unsigned int shift = 0;
	uint64_t v = 0;
	uint8_t b;

	do {
		b = get(c, 1);
		if (shift < 64)
			v |= (uint64_t)(b & 0x7f) << shift;
		shift += 7;
	} while (b & 0x80 && !c->bad);
	if (is_signed && shift < 64 && b & 0x40)
		v |= UINT64_MAX << shift;
	return v;
}

static void skip(struct cursor *c, uint64_t n)
{
	if ((uint64_t)(c->end - c->p) < n) {
		c->bad = true;
		c->p = c->end;
		return;
	}
	c->p += n;
}

/* Instructions that say where a register was saved do not matter here. */
static void skip_saved_register(struct cursor *c, uint8_t op)
{
	switch (op) {
	case 0x06 ... 0x08: /* restore_extended, undefined, same_value */
	case 0x2e:	    /* GNU_args_size */
		get_leb(c, false);
		break;
	case 0x05: /* offset_extended */
	case 0x09: /* register */
	case 0x11: /* offset_extended_sf */
	case 0x14: /* val_offset */
	case 0x15: /* val_offset_sf */
	case 0x2f: /* GNU_negative_offset_extended */
		get_leb(c, false);
		get_leb(c, false);
		break;
	case 0x10: /* expression */
	case 0x16: /* val_expression */
		get_leb(c, false);
		skip(c, get_leb(c, false));
		break;
	case 0x00: /* nop */
	case 0x2d: /* AARCH64_negate_ra_state */
		break;
	default:
		c->bad = true;
	}
}

/* Not a change of the frame's place: bytes of code that go by. -1: it is one. */
static int64_t advance(struct cursor *c, uint8_t op, const struct cie *cie)
{
	if (op >> 6 == 1)
		return (op & 0x3f) * cie->code_align;
	switch (op) {
	case 0x02:
		return get(c, 1) * cie->code_align;
	case 0x03:
		return get(c, 2) * cie->code_align;
	case 0x04:
		return get(c, 4) * cie->code_align;
	default:
		return -1;
	}
}

struct machine {
	struct cfa cfa, remembered[MAX_REMEMBERED];
	unsigned int depth;
};

static void change_cfa(struct cursor *c, uint8_t op, const struct cie *cie, struct machine *m)
{
	struct cfa *cfa = &m->cfa;

	switch (op) {
	case 0x0a: /* remember_state */
		if (m->depth == MAX_REMEMBERED)
			c->bad = true;
		else
			m->remembered[m->depth++] = *cfa;
		break;
	case 0x0b: /* restore_state */
		if (!m->depth)
			c->bad = true;
		else
			*cfa = m->remembered[--m->depth];
		break;
	case 0x0c: /* def_cfa */
		cfa->reg = get_leb(c, false);
		cfa->offset = get_leb(c, false);
		cfa->expression = false;
		break;
	case 0x0d: /* def_cfa_register */
		cfa->reg = get_leb(c, false);
		break;
	case 0x0e: /* def_cfa_offset */
		cfa->offset = get_leb(c, false);
		break;
	case 0x0f: /* def_cfa_expression */
		cfa->expression = true;
		skip(c, get_leb(c, false));
		break;
	case 0x12: /* def_cfa_sf */
		cfa->reg = get_leb(c, false);
		cfa->offset = get_leb(c, true) * (uint64_t)cie->data_align;
		cfa->expression = false;
		break;
	case 0x13: /* def_cfa_offset_sf */
		cfa->offset = get_leb(c, true) * (uint64_t)cie->data_align;
		break;
	default:
		skip_saved_register(c, op);
	}
}

/* Runs the instructions up to `distance` bytes of code behind their beginning. False: bad. */
static bool run(struct cursor c, uint64_t distance, const struct cie *cie, struct cfa *cfa)
{
	struct machine m = { .cfa = *cfa };
	uint64_t at = 0;
	int64_t step;
	uint8_t op;

	while (c.p < c.end && !c.bad) {
		op = get(&c, 1);
		step = advance(&c, op, cie);
		if (step >= 0) {
			at += step;
			if (at > distance)
				break;
		} else if (op >> 6 == 2) { /* offset */
			get_leb(&c, false);
		} else if (op >> 6 != 3) { /* restore */
			change_cfa(&c, op, cie, &m);
		}
	}
	*cfa = m.cfa;
	return !c.bad;
}

/* The record at addr without its length, to be freed. */
static uint8_t *read_record(const struct elf_file *elf, uint64_t addr, size_t *len)
{
	uint32_t n;
	uint8_t *buf;

	if (elf__code(elf, addr, &n, 4) != 4 || n < 4 || n > MAX_RECORD)
		return NULL;
	buf = malloc(n);
	if (buf && elf__code(elf, addr + 4, buf, n) != n) {
		free(buf);
		return NULL;
	}
	*len = n;
	return buf;
}

/* Only "zR" with P, L, S and B besides, and code addresses as all compilers write them. */
static bool read_augmentation(struct cursor *c, const char *letters)
{
	bool known = false;
	uint8_t enc;

	for (; *letters; letters++) {
		switch (*letters) {
		case 'R':
			known = get(c, 1) == PE_PCREL_SDATA4;
			break;
		case 'P':
			enc = get(c, 1) & 0x0f;
			skip(c, enc == 0x03 || enc == 0x0b ? 4 : 8);
			break;
		case 'L':
			skip(c, 1);
			break;
		case 'S':
		case 'B':
			break;
		default:
			return false;
		}
	}
	return known && !c->bad;
}

static int read_cie(const struct elf_file *elf, uint64_t addr, struct cie *cie)
{
	char letters[16];
	struct cursor c, aug;
	uint8_t *rec, version;
	bool bad = true;
	uint64_t n;
	size_t len;

	rec = read_record(elf, addr, &len);
	if (!rec)
		return -ENOENT;
	c = (struct cursor){ .p = rec, .end = rec + len };
	if (get(&c, 4) != 0)
		goto out;
	version = get(&c, 1);
	if (c.p == c.end)
		goto out;
	n = strnlen((const char *)c.p, c.end - c.p);
	if ((version != 1 && version != 3) || n >= sizeof(letters) || *c.p != 'z')
		goto out;
	memcpy(letters, c.p, n);
	letters[n] = '\0';
	skip(&c, n + 1);
	cie->code_align = get_leb(&c, false);
	cie->data_align = get_leb(&c, true);
	if (version == 1)
		get(&c, 1);
	else
		get_leb(&c, false);
	n = get_leb(&c, false);
	aug = c;
	skip(&c, n);
	aug.end = c.p;
	/* the alignments are 1 and -8, or 4 and -8 */
	if (c.bad || !read_augmentation(&aug, letters + 1) || cie->code_align > 16)
		goto out;
	bad = !run(c, 0, cie, &cie->initial);
out:
	free(rec);
	return bad ? -ENOENT : 0;
}

/* Address of the FDE for the highest code address that is not above addr. */
static int find_fde(const struct elf_file *elf, uint64_t addr, uint64_t *fde)
{
	struct {
		uint8_t version, enc_ptr, enc_n, enc_table;
		int32_t ptr;
		uint32_t n;
	} hdr;
	uint64_t base = elf->eh_frame_hdr;
	uint32_t lo = 0, hi, mid;
	int32_t row[2];

	if (!base || elf__code(elf, base, &hdr, sizeof(hdr)) != sizeof(hdr) || hdr.version != 1 ||
		hdr.enc_n != PE_UDATA4 || hdr.enc_table != PE_DATAREL_SDATA4)
		return -ENOENT;
	hi = hdr.n;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (elf__code(elf, base + sizeof(hdr) + mid * 8ull, row, 8) != 8)
			return -ENOENT;
		if (base + row[0] <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo || elf__code(elf, base + sizeof(hdr) + (lo - 1) * 8ull, row, 8) != 8)
		return -ENOENT;
	*fde = base + row[1];
	return 0;
}

int elf__cfi(const struct elf_file *elf, uint64_t addr, struct elf_cfi *out)
{
	uint32_t back;

	*out = (struct elf_cfi){ 0 };
	if (find_fde(elf, addr, &out->addr))
		return -ENOENT;
	out->fde = read_record(elf, out->addr, &out->fde_len);
	if (!out->fde)
		return -ENOENT;
	memcpy(&back, out->fde, sizeof(back));
	out->cie = back ? read_record(elf, out->addr + 4 - back, &out->cie_len) : NULL;
	if (out->cie)
		return 0;
	elf_cfi__clear(out);
	return -ENOENT;
}

void elf_cfi__clear(struct elf_cfi *cfi)
{
	free(cfi->fde);
	free(cfi->cie);
	*cfi = (struct elf_cfi){ 0 };
}

static bool same_cfa(const struct cfa *a, const struct cfa *b)
{
	return !a->expression && !b->expression && a->reg == b->reg && a->offset == b->offset;
}

int elf__frame(const struct elf_file *elf, uint64_t addr, struct elf_frame *out)
{
	struct cie cie = { 0 };
	struct cursor c;
	struct cfa cfa;
	uint64_t fde, back;
	uint8_t *rec;
	bool bad = true;
	size_t len;

	if (find_fde(elf, addr, &fde))
		return -ENOENT;
	rec = read_record(elf, fde, &len);
	if (!rec)
		return -ENOENT;
	c = (struct cursor){ .p = rec, .end = rec + len };
	back = get(&c, 4);
	if (!back || read_cie(elf, fde + 4 - back, &cie))
		goto out;
	out->start = fde + 8 + (int32_t)get(&c, 4);
	out->end = out->start + get(&c, 4);
	skip(&c, get_leb(&c, false));
	if (c.bad || out->end < out->start || addr < out->start || addr >= out->end)
		goto out;
	cfa = cie.initial;
	bad = !run(c, addr - out->start, &cie, &cfa);
	out->at_entry_depth = same_cfa(&cfa, &cie.initial);
out:
	free(rec);
	return bad ? -ENOENT : 0;
}
