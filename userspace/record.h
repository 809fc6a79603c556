/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A run is a stream of records: what the kernel saw (events) and what the loader learned (facts),
 * in the order in which it became known. The live session makes them, a tape keeps them, and
 * everything to the right of here sees nothing else; so a replay repeats the live output.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdint.h>

/* On tape: only append, never renumber. */
enum record_kind {
	REC_EVENT = 1,	  /* one event of bpf/ramtrace.h, raw */
	REC_RELEASE = 2,  /* uint64_t: events up to this time were printed now */
	REC_HOST = 3,	  /* facts, as JSON: see fact.h */
	REC_SPEC = 4,
	REC_FUNC = 5,
	REC_PROC = 6,
	REC_MAPS = 7,
	REC_COUNTERS = 8,
	REC_END = 9,
	REC_PYTHON = 10,
	REC_READING = 20,
};

/* The data belongs to the giver and is valid during the call only. */
struct record {
	enum record_kind kind;
	uint32_t len;
	const void *data;
};

/* 0 to go on, or -errno, which ends the stream and is passed up. */
typedef int record_fn(void *ctx, const struct record *rec);

#endif
