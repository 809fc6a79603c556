/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The reader of the ring buffer, over memory that a test fills as the kernel would. */
#include "ring.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <linux/bpf.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define RECORD 16 /* data bytes of most records here: 24 with the header */
#define MANY   100

struct fake {
	struct ring *r;
	unsigned long consumer, producer;
	char *data;
	size_t bytes;
	/* what the callback saw */
	unsigned int seen[MANY];
	size_t len[MANY], n;
	unsigned int fail_at; /* the value at which it fails; 0: none */
	unsigned long told[MANY]; /* the position that writers knew then */
};

static int note(void *ctx, const void *data, size_t len)
{
	struct fake *f = ctx;

	cr_assert_lt(f->n, MANY);
	memcpy(&f->seen[f->n], data, sizeof(f->seen[0]));
	f->told[f->n] = f->consumer;
	f->len[f->n++] = len;
	return f->fail_at && f->seen[f->n - 1] == f->fail_at ? -EIO : 0;
}

/* Data that lies in memory once and is seen twice in a row, as the kernel maps it. */
static char *map_twice(size_t bytes)
{
	int fd = memfd_create("ring", MFD_CLOEXEC);
	char *at = mmap(NULL, 2 * bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert(fd >= 0 && at != MAP_FAILED && !ftruncate(fd, bytes));
	for (int i = 0; i < 2; i++)
		cr_assert_neq(mmap(at + i * bytes, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED,
				      fd, 0),
			MAP_FAILED);
	close(fd);
	return at;
}

static void fake_open(struct fake *f, unsigned long start)
{
	struct ring_view view;

	memset(f, 0, sizeof(*f));
	f->bytes = sysconf(_SC_PAGESIZE);
	f->data = map_twice(f->bytes);
	f->consumer = f->producer = start;
	view = (struct ring_view){.consumer = &f->consumer, .producer = &f->producer, .data = f->data,
		.bytes = f->bytes};
	f->r = ring__over(&view);
	cr_assert_not_null(f->r);
	cr_assert_eq(ring__fd(f->r), -1);
}

static void fake_close(struct fake *f)
{
	ring__free(f->r);
	munmap(f->data, 2 * f->bytes);
}

/* Appends a record that begins with a number; returns its first word. */
static uint32_t *put(struct fake *f, unsigned int value, size_t len, uint32_t bits)
{
	char *at = f->data + f->producer % f->bytes;
	uint32_t word = (uint32_t)len | bits;

	memset(at + BPF_RINGBUF_HDR_SZ, 0xee, len);
	memcpy(at + BPF_RINGBUF_HDR_SZ, &value, sizeof(value));
	memcpy(at, &word, sizeof(word));
	f->producer += (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
	cr_assert_leq(f->producer - f->consumer, f->bytes, "the test filled the ring");
	return (uint32_t *)at;
}

static int read_all(struct fake *f)
{
	f->n = 0;
	return ring__read(f->r, note, f, MANY);
}

Test(ring, empty)
{
	struct fake f;

	fake_open(&f, 0);
	cr_expect_eq(read_all(&f), 0);
	cr_expect_eq(f.consumer, 0);
	fake_close(&f);
	ring__free(NULL);
}

Test(ring, records_in_order_and_of_any_length)
{
	struct fake f;

	fake_open(&f, 0);
	for (unsigned int i = 1; i <= 20; i++)
		put(&f, i, 3 + i, 0);
	cr_expect_eq(read_all(&f), 20);
	for (unsigned int i = 1; i <= 20; i++) {
		cr_expect_eq(f.seen[i - 1] & 0xff, i);
		cr_expect_eq(f.len[i - 1], 3 + i);
	}
	cr_expect_eq(f.consumer, f.producer);
	cr_expect_eq(read_all(&f), 0);
	fake_close(&f);
}

/* Records lie across the end of the data, and positions wrap around to zero. */
Test(ring, wraps_around)
{
	const unsigned long starts[] = {4096 - 8, 4096 - 16, 12345 * 4096UL - 8, -8UL, -16UL, -24UL,
		-4096UL};
	struct fake f;

	for (size_t s = 0; s < sizeof(starts) / sizeof(*starts); s++) {
		fake_open(&f, starts[s]);
		for (unsigned int round = 0; round < 10; round++) {
			for (unsigned int i = 0; i < 30; i++)
				put(&f, 100 * round + i, 100, 0);
			cr_assert_eq(read_all(&f), 30);
			for (unsigned int i = 0; i < 30; i++)
				cr_assert_eq(f.seen[i], 100 * round + i);
			cr_assert_eq(f.consumer, f.producer);
		}
		fake_close(&f);
	}
}

Test(ring, full_ring)
{
	struct fake f;

	fake_open(&f, 4096 * 7 + 64);
	for (unsigned int i = 0; i < f.bytes / 64; i++)
		put(&f, i, 56, 0);
	cr_assert_eq(f.producer - f.consumer, f.bytes);
	cr_expect_eq(read_all(&f), (int)(f.bytes / 64));
	cr_expect_eq(f.consumer, f.producer);
	fake_close(&f);
}

/* What is still being written is not overtaken, even by what is ready behind it. */
Test(ring, stops_at_a_busy_record)
{
	uint32_t *busy;
	struct fake f;

	fake_open(&f, 0);
	put(&f, 1, RECORD, 0);
	busy = put(&f, 2, RECORD, BPF_RINGBUF_BUSY_BIT);
	put(&f, 3, RECORD, 0);
	cr_expect_eq(read_all(&f), 1);
	cr_expect_eq(f.seen[0], 1);
	cr_expect_eq(f.consumer, 24);
	cr_expect_eq(read_all(&f), 0);
	*busy &= ~BPF_RINGBUF_BUSY_BIT;
	cr_expect_eq(read_all(&f), 2);
	cr_expect_eq(f.seen[0], 2);
	cr_expect_eq(f.seen[1], 3);
	cr_expect_eq(f.consumer, f.producer);
	fake_close(&f);
}

/* They are taken and told of to nobody, and do not count. */
Test(ring, skips_discarded_records)
{
	struct fake f;

	fake_open(&f, 0);
	put(&f, 1, RECORD, BPF_RINGBUF_DISCARD_BIT);
	put(&f, 2, 100, 0);
	put(&f, 3, 200, BPF_RINGBUF_DISCARD_BIT);
	put(&f, 4, RECORD, 0);
	put(&f, 5, RECORD, BPF_RINGBUF_DISCARD_BIT);
	cr_expect_eq(read_all(&f), 2);
	cr_expect_eq(f.seen[0], 2);
	cr_expect_eq(f.len[0], 100);
	cr_expect_eq(f.seen[1], 4);
	cr_expect_eq(f.consumer, f.producer);
	put(&f, 6, RECORD, BPF_RINGBUF_DISCARD_BIT);
	cr_expect_eq(read_all(&f), 0);
	cr_expect_eq(f.consumer, f.producer);
	fake_close(&f);
}

Test(ring, takes_no_more_than_was_asked_for)
{
	struct fake f;

	fake_open(&f, 0);
	for (unsigned int i = 1; i <= 10; i++)
		put(&f, i, RECORD, i == 4 ? BPF_RINGBUF_DISCARD_BIT : 0);
	cr_expect_eq(ring__read(f.r, note, &f, 0), 0);
	cr_expect_eq(f.consumer, 0);
	cr_expect_eq(ring__read(f.r, note, &f, 3), 3);
	cr_expect_eq(f.consumer, 3 * 24);
	cr_expect_eq(ring__read(f.r, note, &f, 3), 3);
	cr_expect_eq(f.seen[3], 5, "the discarded one is not among the three");
	cr_expect_eq(f.consumer, 7 * 24);
	cr_expect_eq(ring__read(f.r, note, &f, 100), 3);
	cr_expect_eq(f.n, 9);
	fake_close(&f);
}

/* What was handed over is gone, the one that failed too, and nothing else is. */
Test(ring, an_error_ends_the_read)
{
	struct fake f;

	fake_open(&f, 4096 - 24);
	for (unsigned int i = 1; i <= 5; i++)
		put(&f, i, RECORD, 0);
	f.fail_at = 3;
	cr_expect_eq(read_all(&f), -EIO);
	cr_expect_eq(f.n, 3);
	cr_expect_eq(f.consumer, 4096 + 2 * 24);
	cr_expect_eq(read_all(&f), 2);
	cr_expect_eq(f.seen[0], 4);
	fake_close(&f);
}

/* Writers get their room back while a long read is under way, but not at each record. */
Test(ring, tells_writers_in_batches)
{
	size_t steps = 0;
	struct fake f;

	fake_open(&f, 0);
	for (unsigned int i = 0; i < 64; i++)
		put(&f, i, 56, 0);
	cr_expect_eq(read_all(&f), 64);
	for (size_t i = 0; i < 64; i++) {
		cr_expect_leq(i * 64 - f.told[i], f.bytes / 8, "record %zu: %lu", i, f.told[i]);
		steps += i && f.told[i] != f.told[i - 1];
	}
	cr_expect_leq(steps, 16);
	cr_expect_geq(steps, 7);
	fake_close(&f);
}

/* Records that come during a read, `more` at each call. */
struct endless {
	struct fake *f;
	int calls, more, until;
};

static int put_more(void *ctx, const void *data, size_t len)
{
	struct endless *e = ctx;

	if (e->calls++ < e->until)
		for (int i = 0; i < e->more; i++)
			put(e->f, 7, RECORD, 0);
	return 0;
}

/* A few are for the next read, so that the writers are not asked for each record. */
Test(ring, a_read_ends_when_little_has_come_meanwhile)
{
	struct endless e = {.more = 1, .until = 1000};
	struct fake f;

	fake_open(&f, 0);
	e.f = &f;
	put(&f, 1, RECORD, 0);
	put(&f, 2, RECORD, 0);
	cr_expect_eq(ring__read(f.r, put_more, &e, MANY), 2);
	cr_expect_eq(f.consumer, 2 * 24);
	cr_expect_eq(ring__read(f.r, put_more, &e, MANY), 2);
	fake_close(&f);
}

/* What came while a lot was read is read too, and not for ever. */
Test(ring, a_read_goes_on_while_much_comes)
{
	struct endless e = {.more = 11, .until = 5};
	struct fake f;

	fake_open(&f, 0);
	e.f = &f;
	put(&f, 1, RECORD, 0);
	cr_expect_eq(ring__read(f.r, put_more, &e, MANY), 1 + 5 * 11);
	cr_expect_eq(f.consumer, f.producer);
	fake_close(&f);
	fake_open(&f, 0);
	e = (struct endless){.f = &f, .more = 1, .until = 1000};
	for (int i = 0; i < 12; i++)
		put(&f, 1, RECORD, 0);
	cr_expect_eq(ring__read(f.r, put_more, &e, 50), 50, "as many come as are read");
	fake_close(&f);
}

Test(ring, cannot_map_what_is_no_ring)
{
	struct ring *r = NULL;

	cr_expect_eq(ring__map(-1, 4096, &r), -EBADF);
	cr_expect_null(r);
}
