/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The functions of a file, from up to four tables, as one array in the order of addresses. An
 * entry is 24 bytes and points into the string table it came from; names are demangled one at a
 * time while they are compared, and kept only for what was asked for. node has 106,598 functions:
 * 2.5 MB of entries and 13 MB of names.
 */
#ifndef ELF_SYMBOLS_H
#define ELF_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "elf.h"
#include "elf_internal.h"
#include "elf_name.h"
#include "hash.h"

enum {
	MAX_TABLES = 4,
};

struct sym {
	uint64_t addr, size;
	uint32_t name; /* in strings of its table */
	uint16_t table;
	uint16_t ifunc; /* only marks where its neighbour ends */
};

struct table {
	char *strings;
	size_t len;
	char *source;
};

/* What was given out; lives until the file is closed. */
struct named {
	uint32_t sym;
	char *demangled;
	UT_hash_handle hh;
	char name[];
};

struct kept {
	struct kept *next;
	char text[];
};

struct elf_symbols {
	struct sym *v;
	size_t n, room;
	struct table tables[MAX_TABLES];
	size_t n_tables;
	bool more_than_dynsym;
	struct named *named;
	struct kept *kept;
	struct demangler *demangler;
};

static inline const char *sym_name(const struct elf_symbols *syms, const struct sym *s)
{
	return syms->tables[s->table].strings + s->name;
}

/* Fills elf->symbols, once. */
int elf_symbols__load(struct elf_file *elf);

#endif
