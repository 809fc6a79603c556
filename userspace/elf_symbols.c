/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_symbols.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
	MAX_NEAREST = 16,
	LOOK_BACK = 64, /* addresses of symbols that may lie inside another one */
};

static struct named *name_of(struct elf_symbols *syms, uint32_t i)
{
	const char *symbol = sym_name(syms, &syms->v[i]);
	size_t len = name_len(symbol);
	struct named *n;
	char *out;

	HASH_FIND(hh, syms->named, &i, sizeof(i), n);
	if (n)
		return n;
	n = calloc(1, sizeof(*n) + len + 1);
	if (!n)
		return NULL;
	n->sym = i;
	memcpy(n->name, symbol, len);
	n->demangled = n->name;
	out = demangler__run(syms->demangler, symbol, name_base_len(symbol, len));
	if (out && !(n->demangled = strdup(out)))
		goto out;
	HASH_ADD(hh, syms->named, sym, sizeof(n->sym), n);
	if (hash_added(n))
		return n;
out:
	if (n->demangled != n->name)
		free(n->demangled);
	free(n);
	return NULL;
}

/* The end of what an address can belong to, apart from the next symbol. */
static uint64_t section_end(const struct elf_file *elf, uint64_t addr)
{
	const struct elf_segment *seg = elf__segment(elf, addr);
	uint64_t end = seg->vaddr + seg->filesz;
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;

	while ((scn = elf_image__section(&elf->image, scn, SHT_PROGBITS, NULL, &sh)))
		if ((sh.sh_flags & SHF_EXECINSTR) && addr >= sh.sh_addr &&
			addr - sh.sh_addr < sh.sh_size && sh.sh_size <= end - sh.sh_addr)
			return sh.sh_addr + sh.sh_size;
	return end;
}

/* [*first, return value) have the address of syms->v[i]. */
static size_t aliases(const struct elf_symbols *syms, size_t i, size_t *first)
{
	size_t end = i + 1;

	while (i && syms->v[i - 1].addr == syms->v[i].addr)
		i--;
	while (end < syms->n && syms->v[end].addr == syms->v[i].addr)
		end++;
	*first = i;
	return end;
}

static uint64_t size_of(const struct elf_file *elf, size_t i)
{
	const struct elf_symbols *syms = elf->symbols;
	uint64_t addr = syms->v[i].addr, size = syms->v[i].size, end;
	const struct elf_segment *seg = elf__segment(elf, addr);
	size_t first, last, j;

	last = aliases(syms, i, &first);
	for (j = first; !size && j < last; j++)
		size = syms->v[j].size;
	if (!size) {
		end = section_end(elf, addr);
		if (last < syms->n && syms->v[last].addr < end)
			end = syms->v[last].addr;
		size = end - addr;
	}
	return size < seg->filesz - (addr - seg->vaddr) ? size : seg->filesz - (addr - seg->vaddr);
}

static int describe(struct elf_file *elf, size_t i, struct elf_func *func)
{
	struct elf_symbols *syms = elf->symbols;
	struct named *n = name_of(syms, i);

	if (!n)
		return -ENOMEM;
	*func = (struct elf_func){
		.name = n->name,
		.demangled = n->demangled,
		.addr = syms->v[i].addr,
		.offset = elf__offset(elf, syms->v[i].addr),
		.size = size_of(elf, i),
		.source = syms->tables[syms->v[i].table].source,
	};
	return 0;
}

static int match(struct elf_file *elf, const struct name_pattern *p, bool only_plain,
	elf_func_fn *fn, void *ctx)
{
	struct elf_symbols *syms = elf->symbols;
	uint64_t last = 0;
	struct elf_func func;
	int count = 0, err;
	const char *name;
	size_t i;

	for (i = 0; i < syms->n; i++) {
		if (syms->v[i].ifunc || (count && syms->v[i].addr == last))
			continue;
		name = sym_name(syms, &syms->v[i]);
		if (only_plain ? !name_pattern__matches_plain(p, name) :
				 !name_pattern__matches(p, syms->demangler, name))
			continue;
		err = describe(elf, i, &func);
		if (!err)
			err = fn(ctx, &func);
		if (err < 0)
			return err;
		last = func.addr;
		count++;
	}
	return count;
}

int elf__functions(struct elf_file *elf, const char *pattern, elf_func_fn *fn, void *ctx)
{
	struct name_pattern p;
	int n;

	n = elf_symbols__load(elf);
	if (n)
		return n;
	name_pattern__init(&p, pattern);
	if (p.plain) {
		/* A C name that is there is not also looked for among thousands of C++ names. */
		n = match(elf, &p, true, fn, ctx);
		if (n)
			return n;
	}
	return match(elf, &p, false, fn, ctx);
}

bool elf__at(struct elf_file *elf, uint64_t addr, struct elf_func *func)
{
	struct elf_symbols *syms;
	size_t lo = 0, hi, mid, i, first, last, back = 0;

	if (elf_symbols__load(elf))
		return false;
	syms = elf->symbols;
	hi = syms->n;
	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (syms->v[mid].addr <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (i = lo; i && back < LOOK_BACK; i = first, back++) {
		last = aliases(syms, i - 1, &first);
		if (addr - syms->v[first].addr >= size_of(elf, first))
			continue;
		for (mid = first; mid < last; mid++)
			if (!syms->v[mid].ifunc)
				return !describe(elf, mid, func);
	}
	return false;
}

struct near {
	unsigned int distance;
	char *text;
};

static unsigned int how_far(const char *wanted, const char *name, unsigned int limit)
{
	size_t n = strlen(name), w = strlen(wanted);

	/* the namespace was left out */
	if (n > w + 2 && !strcmp(name + n - w, wanted) && !strncmp(name + n - w - 2, "::", 2))
		return 1;
	return name_distance(wanted, name, limit);
}

/* Keeps best[] sorted, without repetition: overloads have the same name here. */
static int consider(struct near *best, size_t *n, size_t max, unsigned int distance,
	const char *text)
{
	size_t i;
	char *copy;

	for (i = 0; i < *n; i++)
		if (!strcmp(best[i].text, text))
			return 0;
	if (*n == max && distance >= best[max - 1].distance)
		return 0;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	if (*n == max)
		free(best[--*n].text);
	for (i = (*n)++; i && best[i - 1].distance > distance; i--)
		best[i] = best[i - 1];
	best[i] = (struct near){ distance, copy };
	return 0;
}

static void look_for_nearest(struct elf_symbols *syms, const char *name, struct near *best,
	size_t *n, size_t max)
{
	unsigned int limit = strlen(name) / 3 + 2, distance;
	char *out, *start, *end;
	const char *symbol;
	size_t i, len;

	for (i = 0; i < syms->n; i++) {
		symbol = sym_name(syms, &syms->v[i]);
		len = name_len(symbol);
		if (syms->v[i].ifunc || len >= NAME_LIMIT || name_is_piece(symbol, len))
			continue;
		len = name_base_len(symbol, len);
		out = demangler__run(syms->demangler, symbol, len);
		if (out) {
			name_bare(out, name_is_special(symbol), &start, &end);
		} else {
			start = syms->demangler->in;
			memcpy(start, symbol, len);
			start[len] = '\0';
		}
		distance = how_far(name, start, limit);
		if (distance <= limit && consider(best, n, max, distance, start))
			return;
	}
}

size_t elf__nearest(struct elf_file *elf, const char *name, const char **out, size_t max)
{
	struct near best[MAX_NEAREST];
	struct elf_symbols *syms;
	struct kept *k;
	size_t n = 0, i, kept = 0;

	if (max > MAX_NEAREST)
		max = MAX_NEAREST;
	if (!max || elf_symbols__load(elf))
		return 0;
	syms = elf->symbols;
	look_for_nearest(syms, name, best, &n, max);
	for (i = 0; i < n; i++) {
		k = malloc(sizeof(*k) + strlen(best[i].text) + 1);
		if (k) {
			strcpy(k->text, best[i].text);
			LL_PREPEND(syms->kept, k);
			out[kept++] = k->text;
		}
		free(best[i].text);
	}
	return kept;
}
