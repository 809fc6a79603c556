/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The tapes of several runs, or hosts, as one log. */
#ifndef MERGE_H
#define MERGE_H

#include "correlate.h"
#include "tape.h"

struct merge_tape {
	struct tape_reader *reader;
	int err;	     /* out: of a read that failed; the tape ended there */
	uint64_t undecoded;  /* out: records that were passed over */
	char *run_id;	     /* out, to be freed: NULL: it has none */
};

/* Renders them all, in the order of CLOCK_REALTIME: one header, one count of rows, one clock, one
 * summary. What was wrong with a tape stands in it; returned is -ENOMEM or what an op returned. */
int merge_tapes(struct merge_tape *tapes, size_t n, const struct correlate_options *opt,
	const struct row_ops *ops, void *ctx);

#endif
