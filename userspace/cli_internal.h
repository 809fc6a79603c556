/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the command line: cli.c, the table of its options, and diff's own. */
#ifndef CLI_INTERNAL_H
#define CLI_INTERNAL_H

#include <argp.h>

#include "cli.h"

#define SCHEMA_ROWS    "ramtrace-rows.schema.json"
#define SCHEMA_SUMMARY "ramtrace-summary.schema.json"
#define SCHEMA_DIFF    "ramtrace-diff.schema.json"

enum option_key {
	KEY_PID = 'p',
	KEY_FUNCTION = 'f',
	KEY_OUTPUT = 'o',
	KEY_QUIET = 'q',
	KEY_VERBOSE = 'v',
	KEY_NO_CHILDREN = 256,
	KEY_DURATION,
	KEY_USER,
	KEY_PROFILE,
	KEY_LIST,
	KEY_URETPROBE,
	KEY_RETURNS,
	KEY_FORCE,
	KEY_NO_MARKERS,
	KEY_GROWTH,
	KEY_OVERHEAD,
	KEY_STEP,
	KEY_MIN_DELTA,
	KEY_FORMAT,
	KEY_LANG,
	KEY_RECORD,
	KEY_REPLAY,
	KEY_SCHEMA,
	KEY_RING,
	KEY_LIMITS,
	KEY_NO_SMAPS,
	KEY_PSS_EVERY,
	KEY_VERIFY,
	KEY_SAMPLE_EVERY,
	KEY_RUN_ID,
	KEY_FAIL_IF,
	KEY_HTML,
	KEY_EXPORT, /* the first of sink_exports(), and so on */
};

/* The table of options, with a row for each export. The caller frees it. NULL: no memory. */
struct argp_option *cli_make_table(void);

/* Takes the bytes of `elem` as one more of an array. 0 or -ENOMEM. */
int cli_append(void *array, size_t *n, size_t size, const void *elem);

/* Options that tracing and diff share. A wrong value ends the program, after a message. */
void cli_lang(struct options *opt, const char *arg, struct argp_state *state);
void cli_min_delta(struct options *opt, const char *arg, struct argp_state *state);
void cli_fail_if(struct options *opt, const char *arg, struct argp_state *state);

/* "ramtrace-bpf diff ...": as options__parse, into options that have their defaults. */
int cli_diff(int argc, char **argv, struct options *opt);

#endif
