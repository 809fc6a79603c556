/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * .debug_frame, which is what programs built without unwind tables have, if anything. It is like
 * .eh_frame, with absolute addresses, other marks and no index:
 *
 *	CIE:	length, ~0, version, ...
 *	FDE:	length, where its CIE is, code from (8), code length (8), instructions
 *
 * So the section is read once, an index made, and records are given out in the form of .eh_frame.
 */
#include "elf_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_SECTION = 4 << 20,
	IS_CIE = 0xffffffff,
};

struct debug_fde {
	uint64_t start;
	uint32_t fde, cie; /* offsets */
};

struct elf_debug_frame {
	uint8_t *data;
	size_t size;
	struct debug_fde *v;
	size_t n;
};

void elf_debug_frame__free(struct elf_debug_frame *frames)
{
	if (!frames)
		return;
	free(frames->data);
	free(frames->v);
	free(frames);
}

/* A copy, decompressed, so that the image can be closed. */
static int read_section(struct elf_debug_frame *frames, const struct elf_image *img)
{
	GElf_Shdr sh;
	GElf_Chdr ch;
	Elf_Data *data;
	Elf_Scn *scn;

	scn = elf_image__section(img, NULL, SHT_PROGBITS, ".debug_frame", &sh);
	if (!scn || sh.sh_size > MAX_SECTION)
		return -ENOENT;
	if (sh.sh_flags & SHF_COMPRESSED &&
		(!gelf_getchdr(scn, &ch) || ch.ch_size > MAX_SECTION ||
			elf_compress(scn, 0, 0) < 0))
		return -ENOENT;
	data = elf_rawdata(scn, NULL);
	if (!data || !data->d_buf || data->d_size > MAX_SECTION)
		return -ENOENT;
	frames->data = malloc(data->d_size);
	if (!frames->data)
		return -ENOMEM;
	frames->size = data->d_size;
	memcpy(frames->data, data->d_buf, data->d_size);
	return 0;
}

static int compare(const void *va, const void *vb)
{
	const struct debug_fde *a = va, *b = vb;

	return a->start < b->start ? -1 : a->start > b->start;
}

/* The length and the first word behind it of the record at an offset; false: the end. */
static bool record_at(const struct elf_debug_frame *frames, size_t at, uint32_t *len,
	uint32_t *word)
{
	if (at > frames->size || frames->size - at < 8)
		return false;
	memcpy(len, frames->data + at, 4);
	memcpy(word, frames->data + at + 4, 4);
	return *len >= 4 && *len <= frames->size - at - 4;
}

static int make_index(struct elf_debug_frame *frames)
{
	uint32_t len, cie, cie_len, mark;
	struct debug_fde *f;
	size_t at, n = 0;

	for (at = 0; record_at(frames, at, &len, &cie); at += 4 + (size_t)len)
		n += cie != IS_CIE;
	frames->v = calloc(n + 1, sizeof(*frames->v));
	if (!frames->v)
		return -ENOMEM;
	for (at = 0; record_at(frames, at, &len, &cie); at += 4 + (size_t)len) {
		if (cie == IS_CIE || len < 20 || !record_at(frames, cie, &cie_len, &mark) ||
			mark != IS_CIE)
			continue;
		f = &frames->v[frames->n++];
		*f = (struct debug_fde){ .fde = at, .cie = cie };
		memcpy(&f->start, frames->data + at + 8, sizeof(f->start));
	}
	qsort(frames->v, frames->n, sizeof(*frames->v), compare);
	return 0;
}

static int load(struct elf_file *elf)
{
	struct elf_debug_frame *frames = calloc(1, sizeof(*frames));
	struct elf_image img;
	char *path;
	int err;

	if (!frames)
		return -ENOMEM;
	err = read_section(frames, &elf->image);
	if (err == -ENOENT && !elf__debug_file(elf, &img, &path)) {
		err = read_section(frames, &img);
		elf_image__close(&img);
		free(path);
	}
	if (!err)
		err = make_index(frames);
	if (err == -ENOMEM) {
		elf_debug_frame__free(frames);
		return err;
	}
	elf->debug_frame = frames; /* also if it is empty: it is not to be looked for again */
	return 0;
}

static uint8_t *copy_record(const struct elf_debug_frame *frames, size_t at, uint32_t id,
	size_t *len)
{
	uint32_t n, word;
	uint8_t *rec;

	if (!record_at(frames, at, &n, &word))
		return NULL;
	rec = malloc(n);
	if (!rec)
		return NULL;
	memcpy(rec, frames->data + at + 4, n);
	memcpy(rec, &id, sizeof(id));
	*len = n;
	return rec;
}

int elf__debug_cfi(struct elf_file *elf, uint64_t addr, struct elf_cfi *out)
{
	const struct elf_debug_frame *frames;
	size_t lo = 0, hi, mid;

	*out = (struct elf_cfi){ 0 };
	if (!elf->debug_frame && load(elf))
		return -ENOMEM;
	frames = elf->debug_frame;
	hi = frames->n;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (frames->v[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	if (!lo)
		return -ENOENT;
	out->addr = addr; /* whatever: nothing in it is relative */
	out->fde = copy_record(frames, frames->v[lo - 1].fde, 1, &out->fde_len);
	out->cie = copy_record(frames, frames->v[lo - 1].cie, 0, &out->cie_len);
	if (out->fde && out->cie)
		return 0;
	elf_cfi__clear(out);
	return -ENOENT;
}
