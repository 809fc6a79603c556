/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where a Python imports from, told from outside and before it runs: the site-packages of its
 * environment, the directory of its script, PYTHONPATH. By the rules of Modules/getpath.py, as far
 * as they can be known without running it; what is not found here is not claimed to be missing.
 */
#ifndef PYDIRS_H
#define PYDIRS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct pydirs {
	int root;    /* descriptor of the process's root directory; -1: none */
	char **dirs; /* absolute below it; some may not exist */
	size_t n;
};

/* What cannot be found out leaves the list shorter, down to nothing. To be cleared in any case. */
void pydirs__of_process(struct pydirs *d, pid_t pid);
void pydirs__of_command(struct pydirs *d, char *const *argv);
void pydirs__clear(struct pydirs *d);

/* As open(2) below the root, whatever symbolic links say: a descriptor, or -errno. */
int pydirs__open(const struct pydirs *d, const char *path, int flags);
bool pydirs__has(const struct pydirs *d, const char *path);

#endif
