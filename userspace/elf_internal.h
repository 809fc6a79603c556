/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the elf_*.c files share behind elf.h. */
#ifndef ELF_INTERNAL_H_
#define ELF_INTERNAL_H_

#include <gelf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One ELF image: a file, or (fd < 0) a decompressed one in memory, which it owns. */
struct elf_image {
	int fd;
	char *mem;
	uint64_t size;
	Elf *elf;
};

struct elf_segment {
	uint64_t vaddr, offset, filesz;
	bool exec;
};

enum elf_limits {
	ELF_MAX_SEGMENTS = 256,
	ELF_MAX_SECTIONS = 65536,
	ELF_MAX_NOTES = 16 << 20, /* bytes */
	ELF_PLTS = 3,
};

struct elf_symbols;
struct elf_debug_frame;

struct elf_file {
	struct elf_image image;
	struct elf_segment seg[ELF_MAX_SEGMENTS]; /* of PT_LOAD */
	size_t n_segs;
	uint64_t eh_frame_hdr; /* virtual address, 0: none */
	struct elf_stubs {
		uint64_t addr, size;
	} plt[ELF_PLTS];
	char *build_id;
	char *soname;
	char *debug_root;
	struct elf_symbols *symbols; /* NULL: nobody has asked */
	struct elf_debug_frame *debug_frame; /* the same */
};

/* Takes fd or mem even on failure: the caller closes the image in any case. */
int elf_image__init(struct elf_image *img, int fd, char *mem, uint64_t size, const char **why);
void elf_image__close(struct elf_image *img);
/* All of len or nothing. */
int elf_image__read(const struct elf_image *img, uint64_t off, void *buf, size_t len);
/* The section after `after` (NULL: the first) that has this type (0: any) and name (NULL: any). */
Elf_Scn *elf_image__section(const struct elf_image *img, Elf_Scn *after, uint32_t type,
	const char *name, GElf_Shdr *shdr);
/* Lower-case hex, to be freed; NULL: none. */
char *elf_image__build_id(const struct elf_image *img);

/* The segment that has this address in the file. */
const struct elf_segment *elf__segment(const struct elf_file *elf, uint64_t addr);
/* Opens a path below a directory that may belong to a container: no link leads out of it. */
int elf__open_below(const char *root, const char *path);

void elf_symbols__free(struct elf_symbols *syms);

/* What .eh_frame knows of the code at an address. */
struct elf_frame {
	uint64_t start, end; /* of the piece of code that is described together */
	bool at_entry_depth; /* the stack at the address is that of a function that was just called */
};

/* What there is about the stack around an address, as two records of .eh_frame without their
 * lengths: what belongs to this code, and what it has in common with others. */
struct elf_cfi {
	uint64_t addr; /* of the FDE, to which its addresses are relative */
	uint8_t *fde, *cie;
	size_t fde_len, cie_len;
};

/* The record of the highest code that begins at or below addr: it may end before addr. -ENOENT */
int elf__cfi(const struct elf_file *elf, uint64_t addr, struct elf_cfi *out);
/* The same out of .debug_frame, of this file or its debug file, which is read once. */
int elf__debug_cfi(struct elf_file *elf, uint64_t addr, struct elf_cfi *out);
void elf_cfi__clear(struct elf_cfi *cfi);
void elf_debug_frame__free(struct elf_debug_frame *frames);

/* <root>/usr/lib/debug/.build-id/xx/yyyy.debug, if it says that it belongs to this very file; its
 * path is to be freed. -errno: there is none. */
int elf__debug_file(const struct elf_file *elf, struct elf_image *img, char **path);

/* A stub that jumps on to another file's function. */
bool elf__in_plt(const struct elf_file *elf, uint64_t addr);
/* The function of this file that a stub of x86-64 leads to, unless another file's takes its place;
 * 0: none. */
uint64_t elf__plt_target(const struct elf_file *elf, uint64_t addr);

/* -ENOENT: nothing is known (or it is damaged, or beyond what is understood). */
int elf__frame(const struct elf_file *elf, uint64_t addr, struct elf_frame *out);

#endif
