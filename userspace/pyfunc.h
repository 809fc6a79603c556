/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A Python function that was found in a process: its names, and the specs that mean it. */
#ifndef PYFUNC_H
#define PYFUNC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "python.h"
#include "record.h"
#include "spec.h"

struct pyfunc {
	char qualname[4 * RT_PY_NAME_LEN + 8], file[4 * RT_PY_FILE_LEN + 8];
	unsigned int line; /* its first; 0: not known */
	const char *tail; /* the part of the file's path that says which one it is; may be borrowed from a
			   * spec */
	unsigned int *specs; /* ids; without signs */
	size_t n_specs;
	bool sign;
	uint32_t want; /* enum rt_py_want, by all of these */
};

/* What the kernel's side told of. -ENOMEM: nothing to clear. */
int pyfunc__of_event(struct pyfunc *f, const struct rt_pycode *ev,
	const struct checkpoint_spec *const *specs, size_t n);
/* What was found by python__threads in a Python of that version (as in rt_py). -ENOMEM likewise. */
int pyfunc__of_frame(struct pyfunc *f, pid_t pid, uint32_t version, const struct python_frame *frame,
	const struct checkpoint_spec *const *specs, size_t n);
/* Can one of that name be meant by any spec? Cheap, and without a look at its source. */
bool pyfunc_may_be_meant(const struct checkpoint_spec *const *specs, size_t n, uint32_t version,
	const char *qualname);
void pyfunc__clear(struct pyfunc *f);

/* Its REC_FUNC fact. */
int pyfunc__emit(const struct pyfunc *f, uint32_t id, record_fn *emit, void *ctx);

/* What the kernel's side is to do with functions that a spec means: enum rt_py_want. */
uint32_t pyfunc_want(const struct checkpoint_spec *spec);

#endif
