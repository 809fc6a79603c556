/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Names of functions: demangling, the parts that a person leaves out, and patterns over them. */
#ifndef ELF_NAME_H
#define ELF_NAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	NAME_LIMIT = 16384, /* longer names are not looked at */
};

/* Buffers that are used again for each name. */
struct demangler {
	char *out; /* grown by the demangler */
	size_t out_len;
	uint64_t spent; /* bytes it has produced so far */
	char in[NAME_LIMIT];
};

struct demangler *demangler__new(void);
void demangler__free(struct demangler *d);

/* Demangles the first `len` bytes. The result lies in d->out until the next call and may be cut
 * up there; NULL: it is not a mangled name, or one that nobody should try to expand. */
char *demangler__run(struct demangler *d, const char *mangled, size_t len);

/* Length of a symbol's name without @VERSION. */
size_t name_len(const char *symbol);
/* Length without the suffixes of copies that are as good as the function itself (.lto_priv.0). */
size_t name_base_len(const char *name, size_t len);
/* A piece of a function (.cold, .part.0), not the whole. */
bool name_is_piece(const char *name, size_t len);
bool name_is_cold(const char *name);

/* "void ns::f<int>(int) const" -> "ns::f<int>", by moving *start and cutting the end off; returns
 * the byte that was overwritten there at *end, for putting it back. `special` names (thunks, TLS
 * functions) have blanks that do not follow a type. */
char name_bare(char *demangled, bool special, char **start, char **end);
bool name_is_special(const char *mangled);

struct name_pattern {
	const char *text; /* not owned */
	size_t len;
	bool plain;  /* no glob characters */
	bool pieces; /* asks for .cold or .part itself */
	const char *needle; /* what each mangled name must contain if its demangled form matches */
	size_t needle_len;
};

void name_pattern__init(struct name_pattern *p, const char *text);
/* As elf__functions says, over the name as it stands in the symbol table. */
bool name_pattern__matches_plain(const struct name_pattern *p, const char *symbol);
bool name_pattern__matches(const struct name_pattern *p, struct demangler *d, const char *symbol);

/* Edit distance, or limit + 1 where it is more than limit or a string is over 255 bytes. */
unsigned int name_distance(const char *a, const char *b, unsigned int limit);

#endif
