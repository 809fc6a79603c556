/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The dynamic linkers that are watched. glibc and musl call an empty function, for debuggers,
 * whenever their list of files changes: a probe there tells that a process has new files.
 */
#ifndef LINKERS_H
#define LINKERS_H

#include <stddef.h>
#include <stdint.h>
#include "files.h"
#include "session.h"

struct linkers {
	uint64_t *inodes;
	size_t n;
};

/* Watches the file if it is a linker and new. */
void linkers__watch(struct linkers *l, struct session *session, const struct file_id *id);
/* The linkers of this machine, for a command that does not run yet. */
void linkers__watch_host(struct linkers *l, struct session *session);
void linkers__clear(struct linkers *l);

#endif
