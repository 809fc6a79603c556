/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open spans of a thread, and how their end is seen without a uretprobe.
 *
 * An entry pushes {stack pointer, function}. On x86 the stack pointer at a function's first
 * instruction is that at its ret, so a probe on the ret finds its span by it. What leaves in another
 * way (exception, longjmp, thread exit) and what has no probe on its ret is noticed at the thread's
 * next look: any probe, any change of its RSS, any scheduler switch. The value is still exact,
 * because RSS has not changed since; only the time is bounded.
 *
 *	high  | caller's frames     |
 *	      | return address      | <- span.sp: the span is open while sp <= span.sp
 *	      | the function's frame|
 *	low   | its callees         | <- sp of a look inside
 *
 * "Above" only means something on one stack. A thread that switches stacks (swapcontext, fibers,
 * sigaltstack) has its sp anywhere, so the comparison alone is believed only when both pointers lie
 * on the thread's own stack. Otherwise it takes proof: the slot of the return address, saved at the
 * entry, was overwritten. Where stacks are copied in and out (greenlets) not even that is proof; the
 * loader lists such processes in `stack_copiers`, and their spans end by ret or with the thread.
 */
#ifndef SPAN_BPF_H
#define SPAN_BPF_H

#include "rss.bpf.h"

#define NATIVE_STACK_BYTES (8ULL << 20) /* default RLIMIT_STACK, which sizes thread stacks too */
#define CLOSE_AT_ONCE_MAX  32		/* spans closed by one look where bpf_loop is missing */

enum span_flags {
	SPAN_INHERITED = 1 << 0,
	SPAN_COMPLETE = 1 << 1, /* RT_FN_COMPLETE */
	SPAN_TAIL = 1 << 2,	/* left by a tail jump: its callee returns in its stead */
	SPAN_CLOSED = 1 << 3,	/* reported; waits until it is on top */
};

struct span {
	u64 sp;
	u64 ret; /* return address, where a look may need it as proof; else 0 */
	u32 func;
	u32 flags;
};

struct thread_state {
	u64 mm; /* 0: not set up */
	u64 start_ns;
	u64 stack_lo, stack_hi; /* the thread's own stack lies within */
	u64 look_ns;		/* when the open spans were last known to be open, */
	u64 look_changes;	/* and mm_state.changes then */
	u32 tgid, tid;
	u32 depth;
	u32 borrowed;
	struct span spans[RT_CHUNK_SPANS];
};

struct span_chunk {
	struct span spans[RT_CHUNK_SPANS];
};

struct span_chunk_key {
	u32 tid;
	u32 chunk; /* from 1 */
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct thread_state);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct span_chunk_key);
	__type(value, struct span_chunk);
} span_chunks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct span_chunk);
} zero_chunk SEC(".maps");

/* Processes whose stacks are copied in and out; by tgid, filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u32);
} stack_copiers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4 << 20);
} ring SEC(".maps");

/* Knob: pending bytes at which the reader is woken; below it reads by its own clock. */
const volatile __u64 ring_wake = 1 << 20;

/* Waking costs more than an event, so it is done in a narrow band only: the reader looks every few
 * milliseconds anyway. */
static __always_inline u64 ring_flags(void)
{
	u64 pending = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);

	return pending >= ring_wake && pending < ring_wake + 16384 ? BPF_RB_FORCE_WAKEUP
								   : BPF_RB_NO_WAKEUP;
}

/* Room for an event, or NULL: then the loss is counted, for the whole and for the process, and the
 * process's next event tells of it. */
static __always_inline void *event_reserve(u64 size, struct mm_state *st)
{
	void *ev = bpf_ringbuf_reserve(&ring, size, 0);

	if (!ev) {
		count_loss(RT_LOSS_RING);
		if (st)
			__sync_fetch_and_add(&st->lost, 1);
	}
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

static __always_inline struct span *span_at(struct thread_state *ts, u32 level)
{
	struct span_chunk_key key = {.tid = ts->tid, .chunk = level / RT_CHUNK_SPANS};
	struct span_chunk *c;
	u32 i = level % RT_CHUNK_SPANS;

	if (level < RT_CHUNK_SPANS)
		return &ts->spans[i];
	c = bpf_map_lookup_elem(&span_chunks, &key);
	if (!c)
		return NULL;
	/* keeps the compiler from adding the index before the test, which the verifier refuses */
	barrier_var(c);
	return &c->spans[i];
}

/* As span_at, making room. NULL: none (counted). */
static __always_inline struct span *span_make(struct thread_state *ts, u32 level)
{
	struct span_chunk_key key = {.tid = ts->tid, .chunk = level / RT_CHUNK_SPANS};
	struct span_chunk *zero;
	struct span *s;
	u32 i = 0;

	if (level >= RT_CHUNK_SPANS * RT_MAX_CHUNKS) {
		count_loss(RT_LOSS_SPAN_DEPTH);
		return NULL;
	}
	s = span_at(ts, level);
	if (s)
		return s;
	zero = bpf_map_lookup_elem(&zero_chunk, &i);
	if (!zero || bpf_map_update_elem(&span_chunks, &key, zero, BPF_ANY)) {
		count_loss(RT_LOSS_SPAN_MAP);
		return NULL;
	}
	return span_at(ts, level);
}

static __always_inline bool on_own_stack(const struct thread_state *ts, u64 sp)
{
	return sp >= ts->stack_lo && sp < ts->stack_hi;
}

/* One look: what the closing of spans needs to know. */
struct look {
	struct thread_state *ts;
	struct mm_state *st;
	u64 sp;
	u64 now;
	u64 late_ns;
	u32 func;  /* a ret of this function is being handled, or RT_NO_FUNC */
	u32 flags; /* enum rt_flags for the rows of this look */
	u32 all;   /* every span goes: the thread or the program ends */
	u32 equal; /* a span at this very sp is over too: its slot was reused */
	u32 found; /* level + 1 of the span that the ret belongs to */
	struct rt_snapshot rss;
};

static __always_inline bool span_gone(const struct look *lk, const struct span *s)
{
	u64 slot = 0;

	if (lk->all || (s->flags & SPAN_CLOSED))
		return true;
	if (s->sp > lk->sp || (s->sp == lk->sp && (!lk->equal || (s->flags & SPAN_TAIL))))
		return false;
	if (bpf_map_lookup_elem(&stack_copiers, &lk->ts->tgid))
		return false;
	if (s->sp == lk->sp)
		return true;
	if (on_own_stack(lk->ts, s->sp) && on_own_stack(lk->ts, lk->sp))
		return true;
	return s->ret && (bpf_probe_read_user(&slot, sizeof(slot), (void *)s->sp) || slot != s->ret);
}

/* The row of a span's end. */
static __always_inline void span_report(const struct look *lk, const struct span *s, u64 late_ns, u32 flags)
{
	struct rt_checkpoint *ev = event_reserve(sizeof(*ev), lk->st);

	if (!ev)
		return;
	event_header(&ev->h, RT_EV_CHECKPOINT, sizeof(*ev), lk->st);
	ev->h.pid = lk->ts->tgid;
	ev->h.tid = lk->ts->tid;
	ev->h.start_ns = lk->ts->start_ns;
	ev->h.time_ns = lk->now;
	ev->late_ns = late_ns;
	ev->rss = lk->rss;
	ev->func = s->func;
	ev->when = RT_RETURN;
	if (s->flags & SPAN_INHERITED)
		flags |= RT_F_INHERITED;
	if (lk->ts->borrowed)
		flags |= RT_F_BORROWED;
	ev->flags = lk->flags | flags;
	bpf_ringbuf_submit(ev, ring_flags());
}

/* A span that a look found gone: late by the time since the last look, inexact if others changed
 * the mm in that time, and unwound if it passed none of the ways out that are probed. */
static __always_inline void span_close_late(const struct look *lk, const struct span *s)
{
	u32 flags = 0;

	if (lk->all || ((s->flags & SPAN_COMPLETE) && !(s->flags & SPAN_TAIL)))
		flags |= RT_F_UNWOUND;
	if (lk->st->changes != lk->ts->look_changes)
		flags |= RT_F_SHARED;
	span_report(lk, s, lk->late_ns, flags);
}

/* bpf_loop callback: takes the top span off if it is gone. */
static long close_top(u32 i, struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s;

	if (!ts->depth)
		return 1;
	s = span_at(ts, ts->depth - 1);
	if (s) {
		if (!span_gone(lk, s))
			return 1;
		if (!(s->flags & SPAN_CLOSED))
			span_close_late(lk, s);
		s->flags = 0;
	}
	ts->depth--;
	return 0;
}

static __always_inline void close_gone(struct look *lk)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RT_CHUNK_SPANS * RT_MAX_CHUNKS, close_top, lk, 0);
		return;
	}
	for (int i = 0; i < CLOSE_AT_ONCE_MAX; i++)
		if (close_top(i, lk))
			return;
}

/* bpf_loop callback: looks for the span of a ret from the top down; more than one step only where
 * stacks are switched. */
static long find_span(u32 i, struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s;

	if (i >= ts->depth)
		return 1;
	s = span_at(ts, ts->depth - 1 - i);
	if (s && s->sp == lk->sp && s->func == lk->func && !(s->flags & SPAN_CLOSED)) {
		lk->found = ts->depth - i;
		return 1;
	}
	return 0;
}

static __always_inline void find_for_ret(struct look *lk)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RT_CHUNK_SPANS * RT_MAX_CHUNKS, find_span, lk, 0);
		return;
	}
	for (int i = 0; i < CLOSE_AT_ONCE_MAX; i++)
		if (find_span(i, lk))
			return;
}

/* bpf_loop callback: after a ret, whoever tail-jumped into the function that returned now has
 * returned too. */
static long close_tail_callers(u32 i, struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s;

	if (!ts->depth)
		return 1;
	s = span_at(ts, ts->depth - 1);
	if (s) {
		if (!(s->flags & SPAN_CLOSED)) {
			if (s->sp != lk->sp || !(s->flags & SPAN_TAIL))
				return 1;
			span_report(lk, s, 0, 0);
		}
		s->flags = 0;
	}
	ts->depth--;
	return 0;
}

static __always_inline void close_tails(struct look *lk)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RT_CHUNK_SPANS * RT_MAX_CHUNKS, close_tail_callers, lk, 0);
		return;
	}
	for (int i = 0; i < CLOSE_AT_ONCE_MAX; i++)
		if (close_tail_callers(i, lk))
			return;
}

static __always_inline void span_push(struct thread_state *ts, u64 sp, u32 func, u32 func_flags)
{
	struct span *s = span_make(ts, ts->depth);
	u64 slot = 0;

	if (!s)
		return;
	if (!on_own_stack(ts, sp))
		bpf_probe_read_user(&slot, sizeof(slot), (void *)sp);
	s->sp = sp;
	s->ret = slot;
	s->func = func;
	s->flags = func_flags & RT_FN_COMPLETE ? SPAN_COMPLETE : 0;
	if (func_flags & RT_FN_TAIL_AT_ENTRY)
		s->flags |= SPAN_TAIL;
	ts->depth++;
}

/* The open spans are known to be open at this instant. */
static __always_inline void look_done(struct thread_state *ts, const struct mm_state *st, u64 now)
{
	ts->look_ns = now;
	if (st)
		ts->look_changes = st->changes;
}

static __always_inline bool top_gone(struct look *lk)
{
	struct span *s;

	if (!lk->ts->depth)
		return false;
	s = span_at(lk->ts, lk->ts->depth - 1);
	return !s || span_gone(lk, s);
}

#endif
