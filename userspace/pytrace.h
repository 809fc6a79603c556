/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Python side of a live run: which processes run CPython, which names the kernel side is to look
 * for, and which functions what it finds belongs to. It learns by the same events as the watch.
 */
#ifndef PYTRACE_H
#define PYTRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "pyinstall.h"
#include "record.h"
#include "session.h"
#include "spec.h"

struct pytrace;

struct pytrace_config {
	const struct checkpoint_spec *const *specs; /* borrowed; all types */
	size_t n_specs;
	bool growth; /* full attribution: all of it is looked at, and lines are asked for */
	struct session *session;
	struct pyinstall *install; /* is told of each program that is looked at */
	record_fn *emit; /* REC_FUNC facts, and entries of what was open */
	void *ctx;
};

/* NULL: no memory. Without Python specs or full attribution it does nothing. */
struct pytrace *pytrace__new(const struct pytrace_config *config);
void pytrace__free(struct pytrace *p);

/* Tells the kernel side what to look for. -errno with a message in err. */
int pytrace__begin(struct pytrace *p, char *err, size_t len);

/* Looks for CPython in a process that is new or has mapped something; since_ns: when tracing began,
 * if the process ran before that, else 0. 0, -ENOMEM or what emit returned: what cannot be walked is
 * told and left. */
int pytrace__scan(struct pytrace *p, pid_t pid, uint64_t since_ns);
/* Processes that have to be looked at again without having mapped anything. */
int pytrace__tick(struct pytrace *p, uint64_t now_ns);

/* To be called with each event, after it went on. 0, -ENOMEM, or what emit returned. */
int pytrace__event(struct pytrace *p, const struct rt_hdr *ev);

/* The line of a place; 0: not known. */
int pytrace__line(const struct pytrace *p, const struct rt_cell_key *place);

/* Processes whose Python is looked at for some spec, now or earlier. */
size_t pytrace__processes(const struct pytrace *p);

#endif
