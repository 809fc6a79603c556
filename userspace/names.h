/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Strings that are kept once each, until the end, up to so many bytes of them. */
#ifndef NAMES_H
#define NAMES_H

#include <stddef.h>
#include <stdint.h>

struct names;

struct names *names__new(size_t max_bytes);
void names__free(struct names *names);
/* The one copy, valid as long as `names`; "?" when it is full or out of memory. */
const char *names__keep(struct names *names, const char *s, size_t len);
/* How often it was "?". */
uint64_t names__refused(const struct names *names);

#endif
