/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the command line: cli.c and the table of its options. */
#ifndef CLI_INTERNAL_H
#define CLI_INTERNAL_H

#include <argp.h>

#include "cli.h"

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
	KEY_EXPORT, /* the first of sink_exports(), and so on */
};

/* The table of options, with a row for each export. The caller frees it. NULL: no memory. */
struct argp_option *cli_make_table(void);

#endif
