/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Symbols, USDT notes and code of one ELF file. Where a symbol is looked for, in this order:
 * .dynsym, .symtab, the compressed table of .gnu_debugdata, and the debug file named by the build
 * id. Everything in a file is taken as hostile: offsets and sizes are checked, loops are bounded.
 */
/* With -Iuserspace the <elf.h> of libelf's own headers is this file: hand the real one on. */
#include <linux/../elf.h>

#ifndef ELF_H_
#define ELF_H_

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct elf_file;

/* A function. `offset` is where it lies in the file, which is what a uprobe wants. */
struct elf_func {
	const char *name;      /* as in the symbol table, without @VERSION */
	const char *demangled; /* equals name where it is not mangled */
	uint64_t addr;	       /* virtual address in the file */
	uint64_t offset;       /* in the file */
	uint64_t size;	       /* 0: unknown even after looking for the next symbol */
	const char *source;    /* ".dynsym", ".symtab", ".gnu_debugdata", or the debug file's path */
};

struct elf_usdt {
	const char *provider, *name;
	uint64_t addr, offset; /* of the nop */
	uint64_t semaphore;    /* offset in the file of the counter, 0: none */
	const char *args;      /* where its arguments are, as the compiler wrote it: "8@%rdi -4@$7" */
};

/* Opens what `path` names ("/proc/P/map_files/A-B" for a mapped file). `debug_root` is put before
 * "/usr/lib/debug" ("" normally, "/proc/P/root" for a container). On failure -errno and *why says
 * in a constant string what is wrong; -ENOEXEC: not ELF or damaged; -ENOTSUP: another machine's. */
int elf__open(const char *path, const char *debug_root, struct elf_file **out, const char **why);
void elf__close(struct elf_file *elf);

/* Lower-case hex of the build id, or NULL. */
const char *elf__build_id(const struct elf_file *elf);
const char *elf__soname(const struct elf_file *elf); /* or NULL */
bool elf__has_symtab(struct elf_file *elf); /* more than .dynsym was found; loads them */

typedef int elf_func_fn(void *ctx, const struct elf_func *func);
typedef int elf_usdt_fn(void *ctx, const struct elf_usdt *usdt);

/*
 * Calls fn for each defined function whose name or demangled name matches `pattern` (fnmatch glob;
 * a C++ pattern without parentheses matches any overload: "ns::f" finds "ns::f(int)"; suffixes
 * such as .lto_priv.0, .constprop.0, .isra.0 are allowed after the last character, .cold and .part
 * are not), in the order of addresses, one call per address: aliases are merged under the name
 * that matched first. IFUNC resolvers are not functions. Returns the number of calls, or what fn
 * returned if negative, or -errno.
 */
int elf__functions(struct elf_file *elf, const char *pattern, elf_func_fn *fn, void *ctx);
/* The same for USDT probes; globs in both. */
int elf__usdts(struct elf_file *elf, const char *provider, const char *name, elf_usdt_fn *fn,
	void *ctx);

/* The up to `max` names nearest to `name` by edit distance, best first, demangled where they were
 * mangled, into out[] (owned by elf). Returns how many. */
size_t elf__nearest(struct elf_file *elf, const char *name, const char **out, size_t max);

/* The function that holds a virtual address; false: none. */
bool elf__at(struct elf_file *elf, uint64_t addr, struct elf_func *func);

/* A variable by its exact name: virtual address and size, from .dynsym, with `symtab` from .symtab
 * too (which is read to its end for each name that is not there). 0, or -ENOENT. */
int elf__variable(const struct elf_file *elf, const char *name, bool symtab, uint64_t *addr,
	uint64_t *size);
/* A section that is loaded. 0, or -ENOENT. */
int elf__section(const struct elf_file *elf, const char *name, uint64_t *addr, uint64_t *size);

/* File offset of a virtual address in a loaded segment, or -ENOENT. */
int64_t elf__offset(const struct elf_file *elf, uint64_t addr);

/* Reads code at a virtual address. Bytes read (at most len, to the end of the segment), -errno. */
ssize_t elf__code(const struct elf_file *elf, uint64_t addr, void *buf, size_t len);

#endif
