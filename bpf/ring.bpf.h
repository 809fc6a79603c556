/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The ring buffer: room for events, waking the reader, and the count of what found no room. */
#ifndef RING_BPF_H
#define RING_BPF_H

#include "tree.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

/* Knobs: pending bytes at which the reader is woken (below it reads by its own clock), and up to
 * which checkpoints are taken. What lies above is kept for the life of processes: a flood of
 * checkpoints loses checkpoints, never a process. */
const volatile __u64 ring_wake = 1 << 20;
const volatile __u64 ring_limit = 3 << 20;

/*
 * Waking costs as much as many events, so it is done by the one or two that cross the line. Asking
 * how much is pending costs something too, so a thread asks at every eighth of its checkpoints; the
 * band is as wide as what it sends in between. Should all miss it, because several cross it at
 * once, the reader looks every few milliseconds anyway.
 */
#define RING_ASK_EVERY 8
#define RING_WAKE_BAND (RING_ASK_EVERY * 2 * sizeof(struct rt_checkpoint))

static __always_inline u64 wake_flags(u64 pending)
{
	return pending >= ring_wake && pending < ring_wake + RING_WAKE_BAND ? BPF_RB_FORCE_WAKEUP
									    : BPF_RB_NO_WAKEUP;
}

static __always_inline u64 ring_flags(void)
{
	return wake_flags(bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA));
}

/* Counted for the whole and for the process, whose next event tells of it. */
static __always_inline void event_lost(struct mm_state *st)
{
	count_loss(RT_LOSS_RING);
	if (st)
		__sync_fetch_and_add(&st->lost, 1);
}

/* Room for an event of a process's life, or NULL (counted). */
static __always_inline void *event_reserve(u64 size, struct mm_state *st)
{
	void *ev = bpf_ringbuf_reserve(&ring, size, 0);

	if (!ev)
		event_lost(st);
	return ev;
}

static __always_inline void event_header(struct rt_hdr *h, u16 kind, u16 len, struct mm_state *st)
{
	u32 lost = st ? st->lost : 0;

	h->kind = kind;
	h->len = len;
	h->lost = lost;
	if (lost)
		__sync_fetch_and_add(&st->lost, -lost);
}

#endif
