/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Probes for markers (see bpf/mark.bpf.h), on each file that is seen mapped in a traced process: on
 * PyObject_ASCII if it holds a CPython, and on its USDT probes ramtrace:mark. They are not specs:
 * nobody has to ask for them, and a file without any costs one look at its tables.
 */
#ifndef MARKERS_H
#define MARKERS_H

#include <stddef.h>
#include <stdint.h>
#include "files.h"
#include "session.h"

struct markers {
	struct files files; /* that were looked at */
};

/* Looks at the file if it is new, and attaches. 0 or -ENOMEM: all else is told and left. */
int markers__watch(struct markers *m, struct session *session, const struct file_id *id);
void markers__clear(struct markers *m);

/*
 * The cookie for a USDT probe by its arguments, of which the first is the address of a C string:
 * "8@%rdi", "8@-16(%rbp)", "8@$4202500" (x86-64). 0; -ENOTSUP: it is somewhere else.
 */
int markers__usdt_cookie(const char *args, uint64_t *cookie);

#endif
