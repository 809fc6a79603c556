/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reader of a BPF ring buffer. Unlike libbpf's it looks at where the writers are, and tells them
 * what was read, once a batch, and can be polled for wake-ups alone: reader and writers run on
 * different CPUs, and each line that both touch is paid for by the program that is traced.
 */
#ifndef RING_H
#define RING_H

#include <stddef.h>
#include <stdint.h>

struct ring;

/* Where it lies in memory; see kernel/bpf/ringbuf.c. */
struct ring_view {
	unsigned long *consumer;       /* position of the reader, in bytes since the beginning */
	const unsigned long *producer; /* and of the writers */
	const void *data;	       /* twice in a row, so that no record is ever split */
	size_t bytes;		       /* of data, once: a power of two */
};

/* One record; valid during the call. Non-zero ends the read and is passed up. */
typedef int ring_record_fn(void *ctx, const void *data, size_t len);

/* Maps the ring of a map. 0 or -errno. */
int ring__map(int map_fd, size_t bytes, struct ring **out);
/* A reader of memory that belongs to somebody else. NULL: no memory. */
struct ring *ring__over(const struct ring_view *view);
void ring__free(struct ring *r);

/* Readable when the writers have asked for a wake-up since the last read, whatever is in the ring;
 * -1 for one that was not mapped. */
int ring__fd(const struct ring *r);

/* Hands over what is in the ring, at most `max` records, up to the first that is still being
 * written. It ends when less than a batch has come meanwhile, so that writers who ask for a wake-up
 * when enough is pending begin to count anew. How many, or what fn returned; the record at which it
 * did is taken too. */
int ring__read(struct ring *r, ring_record_fn *fn, void *ctx, size_t max);

#endif
