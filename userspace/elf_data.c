/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Variables and sections of a file, one at a time and without loading its tables of functions:
 * whether a library with 300,000 symbols defines one of a name is asked of .gnu.hash, in five small
 * reads.
 */
#include "elf.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "elf_internal.h"

enum {
	MAX_CHAIN = 4096,
	AT_ONCE = 512,
	MAX_SYMS = 16 << 20,
};

/* A table of symbols and its strings. */
struct where {
	const struct elf_image *img;
	GElf_Shdr syms, strings;
	const char *name;
	size_t len; /* with its NUL */
};

static bool is_named(const struct where *w, const Elf64_Sym *s)
{
	char buf[64];

	if (s->st_shndx == SHN_UNDEF || s->st_shndx == SHN_ABS ||
		ELF64_ST_TYPE(s->st_info) != STT_OBJECT || w->len > sizeof(buf) ||
		s->st_name > w->strings.sh_size || w->len > w->strings.sh_size - s->st_name)
		return false;
	return !elf_image__read(w->img, w->strings.sh_offset + s->st_name, buf, w->len) &&
	       !memcmp(buf, w->name, w->len);
}

static int read_sym(const struct where *w, uint64_t i, Elf64_Sym *s)
{
	if (i >= w->syms.sh_size / sizeof(*s) || w->syms.sh_offset > w->img->size)
		return -ENOEXEC;
	return elf_image__read(w->img, w->syms.sh_offset + i * sizeof(*s), s, sizeof(*s));
}

static bool with_strings(struct where *w, GElf_Word link)
{
	Elf_Scn *scn = elf_getscn(w->img->elf, link);

	return scn && gelf_getshdr(scn, &w->strings) && w->strings.sh_type == SHT_STRTAB &&
	       w->strings.sh_offset <= w->img->size;
}

/* 1: found, 0: it is not there, -errno: there is no such table, or it is damaged. */
static int by_hash(struct where *w, Elf64_Sym *s)
{
	struct {
		uint32_t buckets, first, bloom_words, bloom_shift;
	} head;
	uint32_t h = 5381, i, value;
	uint64_t at, word;
	GElf_Shdr sh;
	Elf_Scn *scn;

	scn = elf_image__section(w->img, NULL, SHT_GNU_HASH, NULL, &sh);
	if (!scn || sh.sh_offset > w->img->size || !(scn = elf_getscn(w->img->elf, sh.sh_link)) ||
		!gelf_getshdr(scn, &w->syms) || !with_strings(w, w->syms.sh_link))
		return -ENOENT;
	for (const char *p = w->name; *p; p++)
		h = h * 33 + (uint8_t)*p;
	at = sh.sh_offset;
	if (elf_image__read(w->img, at, &head, sizeof(head)) || !head.buckets || !head.bloom_words)
		return -ENOEXEC;
	at += sizeof(head);
	if (elf_image__read(w->img, at + h / 64 % head.bloom_words * 8, &word, sizeof(word)))
		return -ENOEXEC;
	if (!(word >> h % 64 & word >> (h >> (head.bloom_shift & 31)) % 64 & 1))
		return 0;
	at += (uint64_t)head.bloom_words * 8;
	if (elf_image__read(w->img, at + h % head.buckets * 4, &i, sizeof(i)))
		return -ENOEXEC;
	at += (uint64_t)head.buckets * 4;
	for (unsigned int n = 0; i >= head.first && n < MAX_CHAIN; i++, n++) {
		if (elf_image__read(w->img, at + (uint64_t)(i - head.first) * 4, &value, 4))
			return -ENOEXEC;
		if ((value | 1) == (h | 1) && !read_sym(w, i, s) && is_named(w, s))
			return 1;
		if (value & 1)
			break;
	}
	return 0;
}

/* Names are compared in a file only if there are few: reading them one by one would take for ever. */
static int by_reading(struct where *w, uint32_t type, Elf64_Sym *out)
{
	uint64_t i, n, total;
	char *names = NULL;
	Elf64_Sym *v;
	int found = 0;

	if (!elf_image__section(w->img, NULL, type, NULL, &w->syms) ||
		!with_strings(w, w->syms.sh_link))
		return -ENOENT;
	total = w->syms.sh_size / sizeof(*v);
	if (total > MAX_SYMS || w->syms.sh_offset > w->img->size ||
		w->strings.sh_size > w->img->size)
		return -ENOEXEC;
	v = malloc(AT_ONCE * sizeof(*v));
	names = malloc(w->strings.sh_size + 1);
	if (!v || !names ||
		elf_image__read(w->img, w->strings.sh_offset, names, w->strings.sh_size))
		goto out;
	names[w->strings.sh_size] = '\0';
	for (i = 0; i < total && !found; i += n) {
		n = total - i < AT_ONCE ? total - i : AT_ONCE;
		if (elf_image__read(w->img, w->syms.sh_offset + i * sizeof(*v), v, n * sizeof(*v)))
			break;
		for (uint64_t j = 0; j < n && !found; j++) {
			if (v[j].st_name >= w->strings.sh_size || v[j].st_shndx == SHN_UNDEF ||
				v[j].st_shndx == SHN_ABS ||
				ELF64_ST_TYPE(v[j].st_info) != STT_OBJECT ||
				strcmp(names + v[j].st_name, w->name))
				continue;
			*out = v[j];
			found = 1;
		}
	}
out:
	free(names);
	free(v);
	return found;
}

int elf__variable(const struct elf_file *elf, const char *name, bool symtab, uint64_t *addr,
	uint64_t *size)
{
	struct where w = { .img = &elf->image, .name = name, .len = strlen(name) + 1 };
	Elf64_Sym s;
	int found;

	found = by_hash(&w, &s);
	if (found < 0)
		found = by_reading(&w, SHT_DYNSYM, &s);
	if (found != 1 && symtab)
		found = by_reading(&w, SHT_SYMTAB, &s);
	if (found != 1)
		return -ENOENT;
	*addr = s.st_value;
	*size = s.st_size;
	return 0;
}

int elf__section(const struct elf_file *elf, const char *name, uint64_t *addr, uint64_t *size)
{
	GElf_Shdr sh;

	if (!elf_image__section(&elf->image, NULL, 0, name, &sh) || !(sh.sh_flags & SHF_ALLOC))
		return -ENOENT;
	*addr = sh.sh_addr;
	*size = sh.sh_size;
	return 0;
}
