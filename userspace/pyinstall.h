/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which of the wanted Python functions an installed version has, told by its files, before anything
 * of it runs. A function counts as missing only where the package that it names is installed and
 * nothing in it can be meant; whatever is not certain tells nothing.
 */
#ifndef PYINSTALL_H
#define PYINSTALL_H

#include <stddef.h>
#include <sys/types.h>
#include "spec.h"

struct pyinstall;

/* specs: borrowed, of all types. NULL: no memory. */
struct pyinstall *pyinstall__new(const struct checkpoint_spec *const *specs, size_t n);
void pyinstall__free(struct pyinstall *in); /* NULL is fine */

/*
 * Looks at what the Python of a process, or of a command that is about to be run, would import. Of
 * several that are looked at, it takes one that has a function for it to be there.
 */
void pyinstall__process(struct pyinstall *in, pid_t pid);
void pyinstall__command(struct pyinstall *in, char *const *argv);

/* Why there can be no function of spec i: "a/b.py of vllm 0.28.0 has no A.f"; NULL: there can, or
 * nothing is known. Also of specs of other types that are to be inside of one that cannot be. */
const char *pyinstall__why(const struct pyinstall *in, size_t i);
/* The file in which it was found, as the process sees it; NULL: in none. */
const char *pyinstall__file(const struct pyinstall *in, size_t i);
/* The package that it names, "vllm 0.28.0"; NULL: not known. */
const char *pyinstall__package(const struct pyinstall *in, size_t i);

#endif
