/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ring.h"

#include <errno.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

/* Writers learn what was read this often in a ring's length: seldom enough for them not to miss the
 * line each time, and so often that a ring is not full of what was read long ago. */
#define BATCHES 16

struct ring {
	struct ring_view view;
	bool ours;     /* the memory */
	size_t mapped; /* bytes from `producer` on */
	int epoll;
};

struct ring *ring__over(const struct ring_view *view)
{
	struct ring *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->view = *view;
	r->epoll = -1;
	return r;
}

static int map_pages(struct ring *r, int map_fd, size_t bytes)
{
	size_t page = sysconf(_SC_PAGESIZE);
	void *at;

	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (at == MAP_FAILED)
		return -errno;
	r->view.consumer = at;
	r->ours = true;
	at = mmap(NULL, page + 2 * bytes, PROT_READ, MAP_SHARED, map_fd, page);
	if (at == MAP_FAILED)
		return -errno;
	r->view.producer = at;
	r->mapped = page + 2 * bytes;
	r->view.data = (const char *)at + page;
	r->view.bytes = bytes;
	return 0;
}

/* The map itself is readable as long as anything is in the ring. An edge-triggered epoll on it
 * turns that into what is wanted: one readiness for each wake-up. */
static int watch_wakeups(struct ring *r, int map_fd)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLET};

	r->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (r->epoll < 0 || epoll_ctl(r->epoll, EPOLL_CTL_ADD, map_fd, &ev))
		return -errno;
	return 0;
}

int ring__map(int map_fd, size_t bytes, struct ring **out)
{
	struct ring *r = ring__over(&(struct ring_view){.bytes = bytes});
	int err;

	if (!r)
		return -ENOMEM;
	err = map_pages(r, map_fd, bytes);
	if (!err)
		err = watch_wakeups(r, map_fd);
	if (err) {
		ring__free(r);
		return err;
	}
	*out = r;
	return 0;
}

void ring__free(struct ring *r)
{
	if (!r)
		return;
	if (r->epoll >= 0)
		close(r->epoll);
	if (r->mapped)
		munmap((void *)r->view.producer, r->mapped);
	if (r->ours)
		munmap(r->view.consumer, sysconf(_SC_PAGESIZE));
	free(r);
}

int ring__fd(const struct ring *r)
{
	return r->epoll;
}

/* Before the read: a wake-up that comes during it may be for what it does not see. */
static void forget_wakeup(struct ring *r)
{
	struct epoll_event ev;

	if (r->epoll >= 0)
		epoll_wait(r->epoll, &ev, 1, 0);
}

/* A record is its header, whose first word is its length and its state, the data, and what is
 * missing to a multiple of eight. */
static size_t record_bytes(size_t len)
{
	return (len + BPF_RINGBUF_HDR_SZ + 7) / 8 * 8;
}

int ring__read(struct ring *r, ring_record_fn *fn, void *ctx, size_t max)
{
	const struct ring_view *v = &r->view;
	const size_t batch = v->bytes / BATCHES;
	unsigned long at = *v->consumer, told = at, end = at;
	size_t n = 0, least = 1;
	int err = 0;

	forget_wakeup(r);
	while (n < max && !err) {
		const char *record = (const char *)v->data + (at & (v->bytes - 1));
		uint32_t word, len;

		if (at == end) {
			/* the first time all there is, later what is worth it */
			end = __atomic_load_n(v->producer, __ATOMIC_ACQUIRE);
			if (end - at < least)
				break;
			least = batch;
		}
		/* what was written is there when the busy bit is not */
		word = __atomic_load_n((const uint32_t *)record, __ATOMIC_ACQUIRE);
		if (word & BPF_RINGBUF_BUSY_BIT)
			break;
		len = word & ~BPF_RINGBUF_DISCARD_BIT;
		at += record_bytes(len);
		if (!(word & BPF_RINGBUF_DISCARD_BIT)) {
			err = fn(ctx, record + BPF_RINGBUF_HDR_SZ, len);
			n++;
		}
		if (at - told >= batch) {
			__atomic_store_n(v->consumer, at, __ATOMIC_RELEASE);
			told = at;
		}
	}
	if (at != told)
		__atomic_store_n(v->consumer, at, __ATOMIC_RELEASE);
	return err ? err : (int)n;
}
