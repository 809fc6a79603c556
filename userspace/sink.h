/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A sink turns rows into one output format: one format, one file, one line in the table. A log is
 * what --format chooses; all others have an option of their own and go beside it.
 */
#ifndef SINK_H
#define SINK_H

#include "correlate.h"
#include "lang.h"
#include "out.h"

struct sink_config {
	struct out *out; /* where to; not owned. NULL: of a sink that opens `where` itself */
	const char *where; /* the argument of its option; NULL: of a log */
	enum lang lang;
	bool quiet; /* the log only: no report at its end */
};

struct sink {
	const char *name; /* as --format has it, or its option */
	const char *help;
	const char *arg;  /* of its option, as --help names it ("FILE"); NULL: a log */
	const char *noun; /* of one with an option: what messages call it ("summary") */
	bool opens;	  /* `where` is not a file to be created, but something the sink opens */
	bool skip_extra;  /* see struct correlate_options */
	bool chinese;	  /* --lang does not apply: labels are Chinese */
	bool growth;	  /* full attribution is wanted for it */
	bool samples;	  /* figures between rows are */
	bool one_run;	  /* it cannot show several tapes at once */
	/* 0, -ENOMEM, or where `opens`, -errno after a message */
	int (*open)(const struct sink_config *config, void **ctx);
	struct row_ops ops; /* their ctx is what open gave; members may be NULL */
	/* the run is over, also where its summary never came. 0 or -errno; NULL: nothing to do */
	int (*close)(void *ctx);
};

extern const struct sink sink_seed, sink_text, sink_jsonl;
extern const struct sink sink_summary;

const struct sink *sink_find(const char *name); /* a log; NULL: no such format */
const struct sink *const *sink_logs(void);	 /* NULL-terminated; the first is the default */
const struct sink *const *sink_exports(void);	 /* the others; NULL-terminated */

/* The schema of jsonl, as the repository has it: a NUL-terminated JSON Schema document. */
const char *sink_jsonl_schema(void);

#endif
