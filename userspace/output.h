/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where a run goes: the log and what is made beside it, and a tape if one is kept. */
#ifndef OUTPUT_H
#define OUTPUT_H

#include <stdbool.h>

#include "cli.h"
#include "io.h"
#include "merge.h"
#include "record.h"

struct output;

/* Opens what the options name. 0, or -errno after a message. */
int output__open(const struct options *opt, struct output **out);
/* Whom to ask when the log cannot be written because nobody reads it: with a non-zero answer it is
 * given up, as after any error. Files are not asked about: they do not block for ever. */
void output__on_stuck(struct output *o, io_stuck_fn *stuck, void *ctx);
/* A record_fn: to the tape, then to the sinks. An error of one is told once, in a message; the
 * others go on being served. Returns -errno when none is left. A record that does not decode
 * is left out of the log and counted. */
int output__put(void *output, const struct record *rec);
/* In place of put: several tapes to the log. -errno after a message. */
int output__merge(struct output *o, struct merge_tape *tapes, size_t n);
uint64_t output__undecoded(const struct output *o);
/* Puts what is buffered where others can see it. */
int output__flush(struct output *out);
/* The descriptor that the log goes to, for poll(2): an error there says, before the next line has
 * to be written, that its reader has gone. -1: none. */
int output__fd(const struct output *o);
/* To be called then. As output__put. */
int output__reader_gone(struct output *o);
/* Was there an error of the tape or of a sink? It has been told. */
bool output__failed(const struct output *o);
/* The run never began: close will make no report of it. NULL is fine. */
void output__abandon(struct output *o);
enum { OUTPUT_FAILS = 1 };
/* Ends the run: the report, the tape's end mark, what --fail-if found. 0, the first error, or, if there
 * was none, OUTPUT_FAILS: a condition of --fail-if holds, which has been told. NULL is fine. */
int output__close(struct output *out);

#endif
