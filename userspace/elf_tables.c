/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Reads symbol tables into one sorted array. */
#include "elf_symbols.h"

#include <errno.h>
#include <lzma.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	MAX_FUNCS = 4 << 20,
	MAX_STRINGS = 256 << 20,
	MAX_DEBUGDATA = 64 << 20, /* decompressed */
	MAX_LZMA_MEMORY = 128 << 20,
	SYMS_AT_ONCE = 1024,
};

static int add_sym(struct elf_symbols *syms, const Elf64_Sym *s)
{
	struct sym *v;
	size_t room;

	if (syms->n == syms->room) {
		room = syms->room ? syms->room * 2 : 256;
		if (room > MAX_FUNCS)
			return -EFBIG;
		v = realloc(syms->v, room * sizeof(*v));
		if (!v)
			return -ENOMEM;
		syms->v = v;
		syms->room = room;
	}
	syms->v[syms->n++] = (struct sym){
		.addr = s->st_value,
		.size = s->st_size,
		.name = s->st_name,
		.table = syms->n_tables,
		.ifunc = ELF64_ST_TYPE(s->st_info) == STT_GNU_IFUNC,
	};
	return 0;
}

static bool is_function(const struct elf_file *elf, const struct table *t, const Elf64_Sym *s)
{
	const struct elf_segment *seg;
	int type = ELF64_ST_TYPE(s->st_info);

	if ((type != STT_FUNC && type != STT_GNU_IFUNC) || s->st_shndx == SHN_UNDEF ||
		s->st_shndx == SHN_ABS || s->st_name >= t->len || !t->strings[s->st_name] ||
		strnlen(t->strings + s->st_name, NAME_LIMIT) == NAME_LIMIT)
		return false;
	seg = elf__segment(elf, s->st_value);
	return seg && seg->exec;
}

static int read_syms(const struct elf_file *elf, struct elf_symbols *syms, struct elf_image *img,
	const GElf_Shdr *sh)
{
	uint64_t left = sh->sh_size / sizeof(Elf64_Sym), off = sh->sh_offset;
	struct table *t = &syms->tables[syms->n_tables];
	Elf64_Sym *buf;
	size_t n, i;
	int err = 0;

	buf = malloc(SYMS_AT_ONCE * sizeof(*buf));
	if (!buf)
		return -ENOMEM;
	while (!err && left) {
		n = left < SYMS_AT_ONCE ? left : SYMS_AT_ONCE;
		err = elf_image__read(img, off, buf, n * sizeof(*buf));
		for (i = 0; !err && i < n; i++)
			if (is_function(elf, t, &buf[i]))
				err = add_sym(syms, &buf[i]);
		off += n * sizeof(*buf);
		left -= n;
	}
	free(buf);
	return err;
}

/* 0 also where there is no such table. -ENOEXEC: it is damaged; syms is as before. */
static int read_table(const struct elf_file *elf, struct elf_symbols *syms, struct elf_image *img,
	uint32_t type, const char *source)
{
	struct table *t = &syms->tables[syms->n_tables];
	size_t n = syms->n;
	GElf_Shdr sh, str;
	int err;

	if (!elf_image__section(img, NULL, type, NULL, &sh))
		return 0;
	if (sh.sh_entsize != sizeof(Elf64_Sym) || sh.sh_offset > img->size ||
		sh.sh_size > img->size - sh.sh_offset ||
		!gelf_getshdr(elf_getscn(img->elf, sh.sh_link), &str) ||
		str.sh_type != SHT_STRTAB || (str.sh_flags & SHF_COMPRESSED) ||
		str.sh_size > img->size)
		return -ENOEXEC;
	if (str.sh_size > MAX_STRINGS)
		return -EFBIG;
	t->len = str.sh_size;
	t->strings = malloc(t->len + 1);
	t->source = strdup(source);
	if (!t->strings || !t->source) {
		err = -ENOMEM;
		goto out;
	}
	t->strings[t->len] = '\0';
	err = elf_image__read(img, str.sh_offset, t->strings, t->len);
	if (!err)
		err = read_syms(elf, syms, img, &sh);
	if (err || syms->n == n)
		goto out;
	syms->n_tables++;
	syms->more_than_dynsym |= type == SHT_SYMTAB;
	return 0;
out:
	syms->n = n;
	free(t->strings);
	free(t->source);
	*t = (struct table){ 0 };
	return err;
}

static int decompress(const char *in, size_t in_len, char **out, size_t *out_len)
{
	lzma_stream s = LZMA_STREAM_INIT;
	size_t room = 1 << 20;
	lzma_ret ret;
	char *grown;
	int err = -ENOMEM;

	*out = malloc(room);
	if (!*out || lzma_stream_decoder(&s, MAX_LZMA_MEMORY, 0) != LZMA_OK)
		goto out;
	s.next_in = (const uint8_t *)in;
	s.avail_in = in_len;
	for (;;) {
		s.next_out = (uint8_t *)*out + s.total_out;
		s.avail_out = room - s.total_out;
		ret = lzma_code(&s, LZMA_FINISH);
		if (ret == LZMA_STREAM_END)
			break;
		err = -ENOEXEC;
		if (ret != LZMA_OK || s.avail_out || room >= MAX_DEBUGDATA)
			goto out;
		err = -ENOMEM;
		room *= 2;
		grown = realloc(*out, room);
		if (!grown)
			goto out;
		*out = grown;
	}
	*out_len = s.total_out;
	err = 0;
out:
	lzma_end(&s);
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}

/* Damage in what is only a help is as if it were absent; no memory is an error. */
static int read_gnu_debugdata(const struct elf_file *elf, struct elf_symbols *syms)
{
	struct elf_image img = { .fd = -1 };
	char *packed, *mem = NULL;
	size_t size = 0;
	const char *why;
	GElf_Shdr sh;
	int err;

	if (!elf_image__section(&elf->image, NULL, SHT_PROGBITS, ".gnu_debugdata", &sh) ||
		sh.sh_size > elf->image.size || sh.sh_size > MAX_DEBUGDATA)
		return 0;
	packed = malloc(sh.sh_size + 1);
	if (!packed)
		return -ENOMEM;
	err = elf_image__read(&elf->image, sh.sh_offset, packed, sh.sh_size);
	if (!err)
		err = decompress(packed, sh.sh_size, &mem, &size);
	free(packed);
	if (!err)
		err = elf_image__init(&img, -1, mem, size, &why);
	if (!err)
		err = read_table(elf, syms, &img, SHT_SYMTAB, ".gnu_debugdata");
	elf_image__close(&img);
	return err == -ENOMEM ? err : 0;
}

int elf__debug_file(const struct elf_file *elf, struct elf_image *img, char **path)
{
	const char *id = elf->build_id, *why;
	char name[256], *its_id = NULL;
	struct stat st;
	int fd, err;

	*img = (struct elf_image){ .fd = -1 };
	*path = NULL;
	if (!id || strlen(id) < 3)
		return -ENOENT;
	snprintf(name, sizeof(name), "/usr/lib/debug/.build-id/%.2s/%s.debug", id, id + 2);
	fd = elf__open_below(elf->debug_root, name);
	if (fd < 0)
		return fd;
	img->fd = fd;
	if (fstat(fd, &st) || !S_ISREG(st.st_mode)) {
		err = -ENOEXEC;
		goto out;
	}
	err = elf_image__init(img, fd, NULL, st.st_size, &why);
	if (err)
		goto out;
	its_id = elf_image__build_id(img);
	err = its_id && !strcmp(its_id, id) ? 0 : -ENOENT;
	if (!err && asprintf(path, "%s%s", elf->debug_root, name) < 0) {
		*path = NULL;
		err = -ENOMEM;
	}
out:
	free(its_id);
	if (err)
		elf_image__close(img);
	return err;
}

static int read_debug_file(const struct elf_file *elf, struct elf_symbols *syms)
{
	struct elf_image img;
	char *path;
	int err;

	err = elf__debug_file(elf, &img, &path);
	if (!err) {
		err = read_table(elf, syms, &img, SHT_SYMTAB, path);
		elf_image__close(&img);
		free(path);
	}
	return err == -ENOMEM ? err : 0;
}

static int compare_syms(const void *va, const void *vb)
{
	const struct sym *a = va, *b = vb;

	if (a->addr != b->addr)
		return a->addr < b->addr ? -1 : 1;
	if (a->table != b->table)
		return a->table < b->table ? -1 : 1;
	return a->name < b->name ? -1 : a->name > b->name;
}

/* A program that was not stripped has each exported function in two tables. */
static void drop_repeated(struct elf_symbols *syms)
{
	size_t i, j, n = 0;
	const char *name;
	bool known;

	for (i = 0; i < syms->n; i++) {
		name = sym_name(syms, &syms->v[i]);
		known = false;
		for (j = n; !known && j && n - j < 8 && syms->v[j - 1].addr == syms->v[i].addr; j--)
			known = !strcmp(sym_name(syms, &syms->v[j - 1]), name);
		if (!known)
			syms->v[n++] = syms->v[i];
	}
	syms->n = n;
}

/* Most names of .symtab may have gone with the repeated entries: keep those that are used. */
static void shrink_strings(struct elf_symbols *syms, uint16_t table)
{
	struct table *t = &syms->tables[table];
	size_t i, len, total = 0;
	char *strings;

	for (i = 0; i < syms->n; i++)
		if (syms->v[i].table == table)
			total += strlen(sym_name(syms, &syms->v[i])) + 1;
	strings = total < t->len / 2 ? malloc(total + 1) : NULL;
	if (!strings)
		return;
	for (i = 0, total = 0; i < syms->n; i++) {
		if (syms->v[i].table != table)
			continue;
		len = strlen(sym_name(syms, &syms->v[i])) + 1;
		memcpy(strings + total, sym_name(syms, &syms->v[i]), len);
		syms->v[i].name = total;
		total += len;
	}
	free(t->strings);
	t->strings = strings;
	t->len = total;
}

static void sort_syms(struct elf_symbols *syms)
{
	struct sym *v;
	size_t i;

	if (!syms->n)
		return;
	qsort(syms->v, syms->n, sizeof(*syms->v), compare_syms);
	drop_repeated(syms);
	v = realloc(syms->v, syms->n * sizeof(*v));
	if (v) {
		syms->v = v;
		syms->room = syms->n;
	}
	for (i = 0; i < syms->n_tables; i++)
		shrink_strings(syms, i);
}

int elf_symbols__load(struct elf_file *elf)
{
	struct elf_symbols *syms;
	int err = -ENOMEM;

	if (elf->symbols)
		return 0;
	syms = calloc(1, sizeof(*syms));
	if (!syms)
		return -ENOMEM;
	syms->demangler = demangler__new();
	if (!syms->demangler)
		goto out;
	err = read_table(elf, syms, &elf->image, SHT_DYNSYM, ".dynsym");
	if (!err)
		err = read_table(elf, syms, &elf->image, SHT_SYMTAB, ".symtab");
	if (!err)
		err = read_gnu_debugdata(elf, syms);
	if (!err)
		err = read_debug_file(elf, syms);
	if (err)
		goto out;
	sort_syms(syms);
	elf->symbols = syms;
	return 0;
out:
	elf_symbols__free(syms);
	return err;
}

void elf_symbols__free(struct elf_symbols *syms)
{
	struct named *n, *tmp;
	struct kept *k;
	size_t i;

	if (!syms)
		return;
	HASH_ITER(hh, syms->named, n, tmp) {
		HASH_DEL(syms->named, n);
		if (n->demangled != n->name)
			free(n->demangled);
		free(n);
	}
	while ((k = syms->kept)) {
		syms->kept = k->next;
		free(k);
	}
	for (i = 0; i < MAX_TABLES; i++) {
		free(syms->tables[i].strings);
		free(syms->tables[i].source);
	}
	demangler__free(syms->demangler);
	free(syms->v);
	free(syms);
}

bool elf__has_symtab(struct elf_file *elf)
{
	return !elf_symbols__load(elf) && elf->symbols->more_than_dynsym;
}
