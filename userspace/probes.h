/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions of which files the specs mean, and probes on them. A file is looked at once, when
 * it is first seen mapped (or before, where a spec names it so that it can be found): a probe
 * belongs to the file, so processes that map it later have it from their first instruction.
 */
#ifndef PROBES_H
#define PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "cli.h"
#include "fact.h"
#include "pyinstall.h"
#include "record.h"
#include "session.h"
#include "spec.h"

struct probes;

struct probes_config {
	const struct checkpoint_spec *const *specs; /* borrowed */
	size_t n_specs;
	enum return_way returns;
	bool multi; /* the kernel has uprobe_multi */
	bool force;
	bool markers; /* look for them in every file */
	struct session *session; /* NULL: find only, for --list */
	const struct pyinstall *install; /* what Python specs cannot match; NULL: not known */
	record_fn *emit;	 /* REC_FUNC and REC_SPEC facts; may be NULL */
	void *ctx;
};

struct probes *probes__new(const struct probes_config *config);
void probes__free(struct probes *p);

/*
 * Looks at all files that a process has mapped, and attaches what is new. `root`: its executable is
 * what a spec without BINARY means. 0; -ESRCH if it is gone; other -errno with a message in err:
 * a spec cannot be served as it was asked for (too many functions, kernel refused all).
 */
int probes__scan(struct probes *p, pid_t pid, bool root, char *err, size_t len);
/* The same for files that can be found without a process: paths, the command about to be run, and
 * libraries in the usual directories. command may be NULL. */
int probes__find_files(struct probes *p, const char *command, char *err, size_t len);

/* Sends a REC_SPEC fact for every spec whose state is new since the last call. */
int probes__tell(struct probes *p);

size_t probes__matched(const struct probes *p);	 /* specs that matched something */
size_t probes__waiting(const struct probes *p);	 /* specs whose file was not seen yet */
size_t probes__functions(const struct probes *p); /* functions probed; ids are below it */

/* Why spec `i` matched nothing, into buf; false: it matched, or may. *seen: its file was there, or
 * for Python the package. */
bool probes__unmatched(const struct probes *p, size_t i, bool *seen, char *buf, size_t len);
/* The fact of spec `i`, borrowed from it and from why, where what it lacks goes. */
void probes__describe(const struct probes *p, size_t i, struct fact *fact, char *why, size_t len);

/* One probed function, for --list. */
struct probe_info {
	unsigned int id, spec;
	const char *file, *name, *source, *returns;
	const char *instruction, *first_cost; /* the first of the function, */
	const char *probed, *cost;	      /* and the one that is probed, */
	unsigned int skip;		      /* this many bytes further on */
	uint64_t addr, offset;
};
typedef int probe_fn(void *ctx, const struct probe_info *info);
/* Each function of spec i. */
int probes__each(const struct probes *p, size_t spec, probe_fn *fn, void *ctx);

#endif
