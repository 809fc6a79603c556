/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The tape: a run's records in a file. Layout, all little-endian:
 *
 *	"RAMTAPE\n" u32 version, u32 flags (bit 0: finished, set last)
 *	blocks: u32 magic, u32 bytes, u32 crc32 of the payload, u32 records
 *		payload: per record u32 kind, u32 len, data, padded to 8
 *	end mark: a block of another magic, without payload
 *
 * A block is written whole at each flush, so what a killed or full-disk run left is readable up to
 * its last block. The flag of the header is for those who look at the file from outside; through a
 * pipe it cannot be set, and a reader goes by the end mark.
 */
#ifndef TAPE_H
#define TAPE_H

#include "record.h"

#define TAPE_VERSION 1
#define TAPE_MAX_BLOCK	(1 << 20) /* bytes of payload: what a reader must be ready to hold */
#define TAPE_MAX_RECORD (TAPE_MAX_BLOCK - 8)

struct tape_writer;

/* Creates FILE (0600, not through a symlink, truncating a regular file). *out on 0; -errno. */
int tape_writer__open(const char *path, struct tape_writer **out);
/* A record_fn: buffers. -ENOSPC and the like come from here or from flush, once; afterwards the
 * tape is closed to further records, stays readable, and the same error is returned again.
 * -EMSGSIZE: a record of more than TAPE_MAX_RECORD bytes; it alone is left out. */
int tape_writer__put(void *writer, const struct record *rec);
int tape_writer__flush(struct tape_writer *w);
/* Writes the end mark. NULL is fine. Returns the first error of the tape's life. */
int tape_writer__close(struct tape_writer *w);

struct tape_reader;

enum tape_state {
	TAPE_OK,	/* more records may follow */
	TAPE_FINISHED,	/* the end mark was reached */
	TAPE_TRUNCATED, /* the file ends without one */
	TAPE_CORRUPT,	/* a block failed its check; what came before was good */
};

/* -errno; -EBADMSG: not a tape; -EPROTONOSUPPORT: made by a newer version. */
int tape_reader__open(const char *path, struct tape_reader **out);
/* 1 and *rec (valid until the next call), 0 at the end (see state), or -errno of a failed read. */
int tape_reader__next(struct tape_reader *r, struct record *rec);
enum tape_state tape_reader__state(const struct tape_reader *r);
uint64_t tape_reader__offset(const struct tape_reader *r); /* bytes of the file understood */
void tape_reader__close(struct tape_reader *r);

#endif
