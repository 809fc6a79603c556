/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings as CPython keeps them in memory (PEP 393), and as UTF-8. */
#ifndef PYTEXT_H
#define PYTEXT_H

#include <stddef.h>
#include <stdint.h>

#include "../bpf/ramtrace.h"

/*
 * `bytes` bytes of a string whose characters have `kind` bytes each, as UTF-8 into buf, always ended
 * by NUL. What is not a character (half a surrogate pair, a NUL, beyond U+10FFFF) becomes U+FFFD.
 * Bytes written, not counting the NUL: what does not fit is left out, whole characters at a time.
 * -EINVAL: no such kind.
 */
int pytext_utf8(unsigned int kind, const void *raw, size_t bytes, char *buf, size_t len);

/* The same for what an event carries of a string, which may be one that could not be read: "?". Of
 * a longer one buf says so by "…": at its end, or where `tail` is what was kept, at its beginning. */
void pytext_event(const struct rt_pystr *str, const void *raw, size_t room, int tail, char *buf,
	size_t len);

/*
 * The other way: how CPython would keep a name: with 1, 2 or 4 bytes a character, by its highest
 * one. At most len bytes into raw, their number into *bytes. The kind, or -EILSEQ: not UTF-8.
 */
int pytext_raw(const char *utf8, void *raw, size_t len, size_t *bytes);

/* The hash by which the kernel side looks for a name (see enum rt_py_name). 0: not UTF-8. */
uint64_t py_name_hash(enum rt_py_name seed, const char *utf8);
/* The same from the bytes in memory. */
uint64_t py_name_hash_raw(enum rt_py_name seed, const void *raw, size_t bytes);

#endif
