/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Nearly all events come in order, and those that do not are a few places off. So what is held is
 * a sorted queue to whose tail events are added:
 *
 *	           head                 tail
 *	queue:      | 10 11 11 12 14 15 17 |  <- 16: stepped in before 17
 *	heap:       ( 11, 13 )                <- 13: more than MAX_STEPS places from the tail
 *
 * An event that would have to pass too many others goes to a binary heap instead, which bounds
 * the cost of a stream in any order by a logarithm. The earliest of both heads goes out first.
 *
 * The events themselves lie in chunks in the order of their coming. As they go out in nearly the
 * same order, chunks become empty one after the other and are filled again. A few that stay
 * behind (times far in the future) could keep a chunk each; when the chunks are mostly holes, the
 * held events move together. Chunks are mapped, so what is given back is given back.
 */
#include "timeline.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
	CHUNK_BYTES = 256 << 10, /* holds the longest event, and thousands of the usual ones */
	FEW_CHUNKS = 4,		 /* not worth moving or giving back */
	MAX_STEPS = 64,
	FIRST_ENTRIES = 1024,
};

struct chunk {
	struct chunk *next; /* in the list of spares */
	size_t used, live;
	unsigned char bytes[];
};

struct held {
	struct chunk *home;
	uint64_t seq; /* in the order of coming */
	struct rt_hdr ev; /* and what follows it */
};

struct entry {
	uint64_t time_ns;
	struct held *held;
};

/* The queue's entries lie at [first, first + n), the heap's at [0, n). */
struct entries {
	struct entry *e;
	size_t first, n, size;
};

struct timeline {
	timeline_fn *fn;
	void *ctx;
	size_t max_events;
	uint64_t seq;
	uint64_t last_ns; /* of what went out last */
	struct entries queue, heap;
	struct chunk *filling, *spare;
	size_t n_chunks, n_spare; /* spares are not among n_chunks */
	size_t live_bytes;
};

/* --- chunks ----------------------------------------------------------------------------------- */

static struct chunk *chunk__get(struct timeline *tl)
{
	struct chunk *c = tl->spare;

	if (c) {
		tl->spare = c->next;
		tl->n_spare--;
	} else {
		c = mmap(NULL, CHUNK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			-1, 0);
		if (c == MAP_FAILED)
			return NULL;
	}
	c->used = c->live = 0;
	tl->n_chunks++;
	return c;
}

static void chunk__put(struct timeline *tl, struct chunk *c)
{
	tl->n_chunks--;
	c->next = tl->spare;
	tl->spare = c;
	tl->n_spare++;
	while (tl->n_spare > tl->n_chunks + FEW_CHUNKS) {
		c = tl->spare;
		tl->spare = c->next;
		tl->n_spare--;
		munmap(c, CHUNK_BYTES);
	}
}

static size_t held_size(const struct rt_hdr *ev)
{
	return (offsetof(struct held, ev) + ev->len + 7) & ~(size_t)7;
}

static struct held *held__new(struct timeline *tl, const struct rt_hdr *ev, uint64_t seq)
{
	size_t size = held_size(ev);
	struct chunk *c = tl->filling;
	struct held *h;

	if (!c || CHUNK_BYTES - sizeof(*c) - c->used < size) {
		c = chunk__get(tl);
		if (!c)
			return NULL;
		tl->filling = c; /* the old one goes with the last of its events */
	}
	h = (struct held *)(c->bytes + c->used);
	c->used += size;
	c->live++;
	tl->live_bytes += size;
	h->home = c;
	h->seq = seq;
	memcpy(&h->ev, ev, ev->len);
	return h;
}

static void held__free(struct timeline *tl, struct held *h)
{
	struct chunk *c = h->home;

	tl->live_bytes -= held_size(&h->ev);
	if (--c->live)
		return;
	if (c == tl->filling)
		c->used = 0; /* so that one without events always has room */
	else
		chunk__put(tl, c);
}

/* --- entries ---------------------------------------------------------------------------------- */

static bool is_before(const struct entry *a, const struct entry *b)
{
	if (a->time_ns != b->time_ns)
		return a->time_ns < b->time_ns;
	return a->held->seq < b->held->seq;
}

static int entries__resize(struct entries *s, size_t size)
{
	struct entry *e = reallocarray(s->e, size, sizeof(*e));

	if (!e)
		return -ENOMEM;
	s->e = e;
	s->size = size;
	return 0;
}

/* Room for one more behind the last. */
static int entries__reserve(struct entries *s)
{
	if (s->first + s->n < s->size)
		return 0;
	if (s->size && s->first >= s->size / 2) {
		memmove(s->e, s->e + s->first, s->n * sizeof(*s->e));
		s->first = 0;
		return 0;
	}
	return entries__resize(s, s->size ? 2 * s->size : FIRST_ENTRIES);
}

/* Gives back what a flood took. */
static void entries__shrink(struct entries *s)
{
	if (s->size <= FIRST_ENTRIES || s->n > s->size / 8)
		return;
	if (s->first)
		memmove(s->e, s->e + s->first, s->n * sizeof(*s->e));
	s->first = 0;
	entries__resize(s, s->size / 2); /* that it stays larger does no harm */
}

/* Puts an entry in its place in the queue. False: it is too far from the tail. The tail is not
 * later at equal times, so these keep their order. */
static bool queue__insert(struct entries *q, struct entry new)
{
	struct entry *head = q->e + q->first, *at = head + q->n;
	size_t steps = 0;

	while (at > head && at[-1].time_ns > new.time_ns) {
		if (++steps > MAX_STEPS)
			return false;
		at--;
	}
	memmove(at + 1, at, steps * sizeof(*at));
	*at = new;
	q->n++;
	return true;
}

static void heap__insert(struct entries *heap, struct entry new)
{
	size_t at = heap->n++, up;

	for (; at; at = up) {
		up = (at - 1) / 2;
		if (!is_before(&new, &heap->e[up]))
			break;
		heap->e[at] = heap->e[up];
	}
	heap->e[at] = new;
}

static void heap__drop_first(struct entries *heap)
{
	struct entry last = heap->e[--heap->n];
	size_t at = 0, down;

	for (;; at = down) {
		down = 2 * at + 1;
		if (down >= heap->n)
			break;
		if (down + 1 < heap->n && is_before(&heap->e[down + 1], &heap->e[down]))
			down++;
		if (!is_before(&heap->e[down], &last))
			break;
		heap->e[at] = heap->e[down];
	}
	heap->e[at] = last;
	entries__shrink(heap);
}

/* --- the timeline ----------------------------------------------------------------------------- */

struct timeline *timeline__new(size_t max_events, timeline_fn *fn, void *ctx)
{
	struct timeline *tl = calloc(1, sizeof(*tl));

	if (!tl)
		return NULL;
	tl->max_events = max_events;
	tl->fn = fn;
	tl->ctx = ctx;
	return tl;
}

static bool move_together(struct timeline *tl, struct entries *s)
{
	for (size_t i = s->first; i < s->first + s->n; i++) {
		struct held *old = s->e[i].held, *new = held__new(tl, &old->ev, old->seq);

		if (!new)
			return false;
		held__free(tl, old);
		s->e[i].held = new;
	}
	return true;
}

/* When most of the chunks' bytes belong to events that have gone. What is moved is less than what
 * had to be pushed to get here, so it costs a push no more than another copy. */
static void timeline__compact(struct timeline *tl)
{
	if (tl->n_chunks <= 4 * (tl->live_bytes / CHUNK_BYTES + FEW_CHUNKS))
		return;
	if (tl->filling && tl->filling->live)
		tl->filling = NULL;
	if (move_together(tl, &tl->queue))
		move_together(tl, &tl->heap);
}

/* Of the queue's and the heap's first; NULL: nothing is held. */
static const struct entry *timeline__first(const struct timeline *tl)
{
	const struct entry *q = tl->queue.n ? tl->queue.e + tl->queue.first : NULL;
	const struct entry *h = tl->heap.n ? tl->heap.e : NULL;

	if (!q || !h)
		return q ? q : h;
	return is_before(h, q) ? h : q;
}

static int timeline__hand_on(struct timeline *tl, const struct entry *first)
{
	struct entry e = *first;
	uint64_t moved_ns;
	int ret;

	if (first == tl->heap.e) {
		heap__drop_first(&tl->heap);
	} else {
		tl->queue.n--;
		tl->queue.first = tl->queue.n ? tl->queue.first + 1 : 0;
		if (tl->queue.n <= tl->queue.size / 8)
			entries__shrink(&tl->queue);
	}
	if (e.time_ns > tl->last_ns)
		tl->last_ns = e.time_ns;
	moved_ns = tl->last_ns - e.time_ns;
	ret = tl->fn(tl->ctx, &e.held->ev, tl->last_ns, moved_ns);
	held__free(tl, e.held);
	return ret;
}

int timeline__push(struct timeline *tl, const struct rt_hdr *ev)
{
	struct entry new = { .time_ns = ev->time_ns };
	int err = entries__reserve(&tl->queue);

	if (!err)
		err = entries__reserve(&tl->heap);
	if (err)
		return err;
	timeline__compact(tl);
	new.held = held__new(tl, ev, tl->seq++);
	if (!new.held)
		return -ENOMEM;
	if (!queue__insert(&tl->queue, new))
		heap__insert(&tl->heap, new);
	if (timeline__pending(tl) <= tl->max_events)
		return 0;
	return timeline__hand_on(tl, timeline__first(tl));
}

int timeline__release(struct timeline *tl, uint64_t until_ns)
{
	const struct entry *e;
	int ret;

	while ((e = timeline__first(tl)) && e->time_ns <= until_ns) {
		ret = timeline__hand_on(tl, e);
		if (ret)
			return ret;
	}
	return 0;
}

bool timeline__next(const struct timeline *tl, uint64_t until_ns, uint64_t *time_ns)
{
	const struct entry *e = timeline__first(tl);

	if (!e || e->time_ns > until_ns)
		return false;
	*time_ns = e->time_ns > tl->last_ns ? e->time_ns : tl->last_ns;
	return true;
}

int timeline__step(struct timeline *tl)
{
	const struct entry *e = timeline__first(tl);

	return e ? timeline__hand_on(tl, e) : 0;
}

size_t timeline__pending(const struct timeline *tl)
{
	return tl->queue.n + tl->heap.n;
}

void timeline__free(struct timeline *tl)
{
	struct chunk *c;

	if (!tl)
		return;
	for (size_t i = 0; i < tl->queue.n; i++)
		held__free(tl, tl->queue.e[tl->queue.first + i].held);
	for (size_t i = 0; i < tl->heap.n; i++)
		held__free(tl, tl->heap.e[i].held);
	if (tl->filling)
		munmap(tl->filling, CHUNK_BYTES);
	while ((c = tl->spare)) {
		tl->spare = c->next;
		munmap(c, CHUNK_BYTES);
	}
	free(tl->queue.e);
	free(tl->heap.e);
	free(tl);
}
