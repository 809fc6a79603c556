/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The files with code that processes have mapped, each once however many processes have it, and the
 * places in them that were met. Files are open as long as they are among the last that were used;
 * what is known of a place is kept.
 */
#ifndef MODULES_H
#define MODULES_H

#include "cfi.h"
#include "hash.h"
#include "names.h"
#include "unwind.h"

struct elf_file;
struct modules;

enum code_kind {
	CODE_FILE,
	CODE_VDSO,
	CODE_UPROBES, /* of the kernel, for probes: return breakpoints and single steps */
	CODE_ANON,
};

/* A stretch of executable memory of a process. */
struct code_map {
	uint64_t start, end, offset;
	uint64_t inode;
	dev_t dev;
	const char *path; /* of modules' names */
	struct module *module; /* NULL: not looked for */
	enum code_kind kind;
};

/* Which file, in which state: one that was replaced or written to is another. */
struct module_key {
	uint64_t dev, inode, size, ctime_ns;
};

struct module {
	struct module_key key;
	const char *path;
	char *build_id; /* NULL: none */
	int64_t mtime_ns;
	struct elf_file *elf; /* NULL: could not be opened, or is not open now */
	bool failed;	      /* could not be opened: not to be tried again */
	bool no_lines, no_names; /* it has ended the process that looked for them */
	uint64_t used;
	struct place *places; /* by address */
	UT_hash_handle hh;
};

struct place {
	struct module *module;
	uint64_t addr;
	struct cfi_row *row;
	bool has_row;	/* row was looked for; NULL then: there is none */
	bool has_names; /* symbol is complete */
	uint32_t id;
	struct unwind_symbol symbol;
	UT_hash_handle hh;
};

struct modules *modules__new(void);
void modules__free(struct modules *ms);
struct names *modules__names(struct modules *ms);

/* The module of a mapping of that process, with its file open if it can be. NULL: no memory, or too
 * many. */
struct module *modules__of(struct modules *ms, pid_t pid, struct code_map *map);
/* Virtual address in the file of an offset in it. */
bool module__addr(const struct module *m, uint64_t offset, uint64_t *addr);
/* Code at a virtual address; bytes or -errno. */
ssize_t module__code(const struct module *m, uint64_t addr, void *buf, size_t len);
/* The row at a virtual address, to be freed; NULL: there is none. */
struct cfi_row *modules__row(struct modules *ms, struct module *m, uint64_t addr);

/* The place that has this virtual address; NULL: there are too many, or no memory. */
struct place *modules__place(struct modules *ms, struct module *m, uint64_t addr, uint64_t offset);
/* Its row, valid until the next call; NULL: there is none. */
const struct cfi_row *modules__place_row(struct modules *ms, struct place *place);
const struct unwind_symbol *modules__symbol(struct modules *ms, uint32_t id);
void modules__stats(const struct modules *ms, struct unwinder_stats *stats);

#endif
