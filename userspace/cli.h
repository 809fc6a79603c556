/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line. Everything the rest wants to know of it is in one const struct. */
#ifndef CLI_H
#define CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "lang.h"
#include "limit.h"
#include "quantity.h"
#include "sink.h"

struct condition;

enum {
	EXIT_TOOL_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_FAILS_IF = 3, /* a condition of --fail-if holds, or can never hold */
	RUN_ID_MAX = 129, /* with the NUL */
};

enum command {
	CMD_TRACE,
	CMD_LIST,
	CMD_REPLAY,
	CMD_SCHEMA,
	CMD_DIFF,
};

/* How a function's return is seen. */
enum return_way {
	RETURN_AUTO,	  /* a probe on every ret where they are known, else noticed */
	RETURN_NOTICED,	  /* at the thread's next look */
	RETURN_URETPROBE, /* --uretprobe: for those who know their program */
};

/* What is made beside the log. */
struct export {
	const struct sink *sink;
	const char *where;
};

/* What diff has of its own. */
struct diff_options {
	size_t n_a;	  /* tapes of the first side, which come first */
	bool log, jsonl;  /* is it told in words or lines, and in which */
	bool min_delta_set;
	const char *html; /* the page, or NULL */
};

struct options {
	enum command command;
	pid_t *pids;
	size_t n_pids;
	char **argv; /* the command under "--", or NULL */
	const char *user;
	bool follow_children;
	uint64_t duration_ns; /* 0: no limit */
	const char **specs;   /* -f, as written */
	size_t n_specs;
	const char *profile; /* NULL: by the processes; "none": none */
	enum return_way returns;
	bool force; /* globs over the limit */
	bool markers; /* see markers.h */
	bool growth; /* full attribution; also where nothing else is wanted */
	double max_overhead; /* percent of the CPU time of the traced processes; 0: no samples, no limit */
	uint64_t step;
	bool step_set;
	uint64_t min_delta;
	const struct sink *format; /* of the log; NULL: there is none, see log_wanted in cli.c */
	bool format_set;
	enum lang lang;
	const char *output; /* -o, NULL: stdout */
	struct export *exports; /* in the order of the command line */
	size_t n_exports;
	const char *record; /* --record, or NULL */
	const char **tapes; /* --replay, or those of both sides of diff */
	size_t n_tapes;
	struct condition **conditions; /* --fail-if */
	size_t n_conditions;
	const char *schema; /* file name of the one that is asked for */
	struct diff_options diff;
	bool quiet;
	bool smaps; /* with growth, read what is mapped */
	uint64_t pss_every_ns; /* 0: no timer of its own */
	bool pss_every_set;
	bool verify;
	uint64_t sample_every_ns; /* figures between rows; 0: none */
	bool sample_every_set;
	const char *run_id;	  /* --run-id or RAMTRACE_RUN_ID; NULL: one is made up */
	uint32_t ring_bytes;
	struct limits limits; /* for tests */
};

/*
 * Fills *opt, whose arrays are freed by options__clear; strings point into argv. Returns -1 to go
 * on, or the exit status to end with: 0 after --help and --version, EXIT_USAGE after a message.
 */
int options__parse(int argc, char **argv, struct options *opt);
void options__clear(struct options *opt);

#endif
