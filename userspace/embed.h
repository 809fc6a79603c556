/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Data files of the repository that are part of the binary; the Makefile makes the table. */
#ifndef EMBED_H
#define EMBED_H

#include <stddef.h>

struct embedded {
	const char *name; /* base name: "postgres.yaml" */
	const char *data; /* followed by a NUL that size does not count */
	const char *end;
};

/* Ends with a NULL name. */
extern const struct embedded embedded_files[];

/* NULL: no file of that name. */
const struct embedded *embedded_find(const char *name);

#endif
