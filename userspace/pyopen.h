/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which wanted Python functions are open in threads that sleep when tracing begins. The kernel's side
 * looks at a thread when it runs, which for these may be in an hour.
 */
#ifndef PYOPEN_H
#define PYOPEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include "python.h"
#include "record.h"
#include "session.h"
#include "spec.h"

struct pyopen;

/* To be read before the kernel's side begins to look. 0, also where nothing is found, or -ENOMEM. */
int pyopen__read(struct pyopen **out, pid_t pid, const struct rt_py *py,
	const struct checkpoint_spec *const *specs, size_t n);
void pyopen__free(struct pyopen *o); /* NULL is fine */

/* Is something wanted open, or a sign, in any thread? */
bool pyopen__worth(const struct pyopen *o);

/* Right after it has begun: entries of what is open in threads that slept all the time. -ENOMEM, or
 * what emit returned. */
int pyopen__tell(struct pyopen *o, struct session *session, const struct rt_py_install *done,
	record_fn *emit, void *ctx);

#endif
