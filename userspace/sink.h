/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A sink turns rows into one output format: one format, one file, one line in the table. */
#ifndef SINK_H
#define SINK_H

#include "correlate.h"
#include "lang.h"
#include "out.h"

struct sink_config {
	struct out *out; /* where to; not owned */
	enum lang lang;
	bool quiet; /* the log only: no report at its end */
};

struct sink {
	const char *name; /* as --format has it */
	const char *help;
	bool skip_extra;  /* see struct correlate_options */
	bool chinese;	  /* --lang does not apply: labels are Chinese */
	void *(*open)(const struct sink_config *config); /* NULL: no memory */
	struct row_ops ops; /* their ctx is what open returned; members may be NULL */
	void (*close)(void *ctx);
};

extern const struct sink sink_seed, sink_text, sink_jsonl;

const struct sink *sink_find(const char *name); /* NULL: no such format */
const struct sink *const *sink_all(void);	 /* NULL-terminated */

/* The schema of jsonl, as the repository has it: a NUL-terminated JSON Schema document. */
const char *sink_jsonl_schema(void);

#endif
