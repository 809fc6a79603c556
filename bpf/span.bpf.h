/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Open spans of a thread, and how their end is seen without a uretprobe.
 *
 * An entry pushes {stack pointer, return address, function}. On x86 the stack pointer at a
 * function's first instruction is that at its ret, so a probe on the ret finds its span by it. What
 * leaves in another way (exception, longjmp, thread exit) and what has no probe on its ret is
 * noticed at the thread's next look: any probe, any change of its RSS, any scheduler switch.
 *
 *	high  | caller's frames      |
 *	      | return address: slot | <- span.sp
 *	      | the function's frame |
 *	low   | its callees          | <- sp of a look inside
 *
 * A span is over when a look finds either
 *  - the stack pointer above the slot, both on the thread's own stack: it went back to a caller; or
 *  - another value in the slot: the caller (or another, later function) has called something else
 *    since, and its return address or its frame lies there now.
 * So the first change of RSS after the end is a look that sees the end (unless it comes from a call
 * that left a hole over the slot), and the value is that before the change. That a look finds the
 * slot untouched does not prove that the span is open, so the time of the end is only known to lie
 * between the span's entry, or the jump out of its function, and the look; and if another task has
 * changed the mm in that time, the row is marked.
 *
 * "Above" means nothing between two stacks, so threads that switch them (swapcontext, fibers,
 * sigaltstack) are judged by the slot alone. Where stacks are copied in and out (greenlets) not even
 * the slot is proof; the loader lists such processes in `stack_copiers`, and their spans end by ret
 * or with the thread.
 *
 * Spans lie in the order of their beginnings, and a look goes from the last one down to the first
 * that is open. On one stack all below that are open, too. Between stacks they are not: a coroutine
 * may have left a function while a later one of another coroutine is still open above it. Such a
 * span was hidden from looks, and is exact only if nothing has changed since it began.
 */
#ifndef SPAN_BPF_H
#define SPAN_BPF_H

#include "ring.bpf.h"
#include "rss.bpf.h"

struct py_thread;

#define NATIVE_STACK_BYTES (8ULL << 20) /* default RLIMIT_STACK, which sizes thread stacks too */
#define LEAST_STACK_BYTES  16384
#define CLOSE_AT_ONCE_MAX  32		/* spans closed by one look where bpf_loop is missing */

enum span_flags {
	SPAN_INHERITED = 1 << 0,
	SPAN_COMPLETE = 1 << 1, /* RT_FN_COMPLETE */
	SPAN_TAIL = 1 << 2,	/* left by a tail jump: its callee returns in its stead */
	SPAN_CLOSED = 1 << 3,	/* reported; waits until it is on top */
	SPAN_HIDDEN = 1 << 4,	/* the span above it is not known to be one of its callees */
	SPAN_TAIL_PROBED = 1 << 5, /* SPAN_TAIL, and the callee is certain to be probed */
	SPAN_PYTHON = 1 << 6,	/* of a Python function: see pyspan.bpf.h */
	SPAN_PUSHED = 1 << 7,	/* of one whose frame was made, and is not known to run */
};

/* Pages that a thread's own changes brought and took, by kind, modulo 2^32: only differences count. */
struct own_pages {
	u32 grown[MM_KINDS];
	u32 returned[MM_KINDS];
};

struct span {
	u64 sp;	 /* Python: the address of the frame, */
	u64 ret; /* what the slot held at the entry; 0: do not look at it. Python: the code object */
	u32 func;
	u32 flags;
	u64 open_ns; /* when it was last certain that the span was open, */
	u64 others;  /* and how often other tasks had changed the mm then, */
	u64 own;     /* and how often this thread. Python: the stack pointer then */
	struct own_pages pages; /* of the thread when it began */
	u32 id;	     /* rt_checkpoint.span */
	u32 ordinal; /* of Python: its place in py_thread.refs */
};

/* The frames by which most looks at a Python stack see that nothing has changed: see pyquick.bpf.h. */
#define PY_STILL 4

struct py_still {
	u64 frame, code, instr;
	u64 globals;
	u64 room; /* to the frame that it has called, if its variables are to be looked at; else 0 */
};

struct py_quick {
	u64 tstate;
	u64 until;    /* jiffies: then all of the stack is to be compared again, */
	u32 left;     /* or after that many looks; 0: now */
	u32 n;	      /* of still[] */
	u32 caller;   /* still[3] is the caller of the innermost wanted frame */
	u32 owner;    /* rt_py.frame_owner */
	u32 foreign;  /* the thread has no Python side, as far as is known, */
	u64 foreign_until; /* jiffies: and is not asked again before */
	struct user_place at; /* where the program was at the last look */
	u64 looked;	 /* jiffies at the last look, */
	u64 look_ns;	 /* the last look, of whatever sort, */
	u64 others, own; /* and how often other tasks, and this one, had changed the mm by then */
	u64 instr_mask;
	u16 thread_frame, cframe_frame;
	u8 code, globals, instr; /* words of a frame */
	u8 wide;		 /* a frame is of 3.10 or before */
	struct py_still still[PY_STILL];
};

#define PY_COLD 64 /* a power of two */

struct thread_state {
	u64 mm; /* 0: not set up */
	u64 start_ns;
	u64 stack_lo, stack_hi; /* the thread's own stack lies within */
	u64 own_changes;	/* of mm_state.changes, by this thread, */
	u64 own_begun;		/* and of mm_state.begun */
	u32 tgid, tid;
	u32 depth;
	u32 borrowed;
	u32 sent;      /* checkpoints, */
	u32 ring_full; /* and whether they were too many when it was last asked */
	u32 mixed;	 /* some spans are hidden */
	u32 stack_known; /* for good: found, or not to be found */
	u32 made;	 /* spans so far */
	u32 busy;	 /* amid a look: one that comes in between is left out */
	struct own_pages pages;
	struct place_state {
		struct own_pages charged; /* of them, to places: see growth.bpf.h */
		u64 node;		  /* where the rest belongs, */
		u32 func;		  /* in which function */
		s32 instr;		  /* and where in that */
	} place;
	struct own_pages map_charged, thread_charged; /* likewise, to mappings, and to the thread */
	struct own_pages sampled; /* at the last sample of its stack, and when that was */
	u64 sample_ns;
	u32 map_id; /* which the rest is of */
	u32 moved; /* the Python stack is not that of the node any more */
	struct {
		u64 start, end;
		u32 changes; /* to the mappings when it was found */
		u32 id;
	} map; /* the one that was found last: see mapping.bpf.h */
	u64 fault; /* address of the last fault; 0: there was none, */
	u64 fault_ip, fault_sp;
	long fault_nr; /* and the system call amid which it was */
	u64 room; /* an address in the mapping that was made last, where the kernel has chosen it */
	struct py_quick py;
	u64 py_cold[PY_COLD]; /* code objects of functions that nobody wants: see pyspan.bpf.h */
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

/* Checkpoints of each function that were lost; those that were sent are counted by the reader. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32); /* function id */
	__type(value, struct rt_hits);
} missed SEC(".maps");

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
	u64 now;   /* 0: not asked for yet */
	u32 func;  /* whose entry or ret is being handled, or RT_NO_FUNC */
	u32 flags; /* enum rt_flags for the rows of this look */
	u32 all;   /* every span goes: the thread or the program ends */
	u32 equal; /* a span at this very sp is over too: its slot was reused */
	u32 found; /* level + 1 of the span that the ret belongs to */
	u32 kept;  /* levels below this are looked through and stay */
	u32 walked;  /* the Python stack was walked, and */
	u32 py_kept; /* its spans from this one on are gone */
	u64 gc;	     /* as in struct rt_checkpoint */
	u32 caller;
	u32 py_flags; /* of the entries that it finds */
	u64 in_flight; /* not 0: rss has some other task's change that the account does not have yet */
	u32 py_entry; /* a Python function begins: at this very sp no other does, */
	u64 py_runs;  /* unless its frame was made just before. That one's code; 0: it is made now */
	struct py_thread *pt;
	struct rt_snapshot rss;
};

/* The clock is dear, and most looks find nothing to report. */
static __always_inline void look_now(struct look *lk)
{
	if (!lk->now)
		lk->now = bpf_ktime_get_ns();
}

static __always_inline void look_sp(struct look *lk, struct task_struct *task)
{
	if (!lk->sp)
		lk->sp = BPF_CORE_READ(kcompat_user_regs(task), sp);
}

/* Another tool's uretprobe replaces the return address while the function runs. */
static __always_inline bool is_uretprobe_trampoline(u64 addr)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct xol_area *area = BPF_CORE_READ(task, mm, uprobes_state.xol_area);

	return area && addr == BPF_CORE_READ(area, vaddr);
}

static __always_inline bool slot_changed(const struct span *s)
{
	u64 slot = 0;

	if (!s->ret || bpf_probe_read_user(&slot, sizeof(slot), (void *)s->sp))
		return false;
	return slot != s->ret && !is_uretprobe_trampoline(slot);
}

static __always_inline bool on_signal_stack(u64 sp)
{
	struct task_struct *task = bpf_get_current_task_btf();

	return sp - BPF_CORE_READ(task, sas_ss_sp) < BPF_CORE_READ(task, sas_ss_size);
}

/* A handler that ran on a signal stack is over (or was left by longjmp) when the thread runs
 * elsewhere; its slot stays as it was until the next signal. */
static __always_inline bool left_signal_stack(const struct look *lk, const struct span *s)
{
	return on_signal_stack(s->sp) && !on_signal_stack(lk->sp);
}

static __always_inline bool span_gone(const struct look *lk, const struct span *s)
{
	bool gone;

	if (lk->all || (s->flags & SPAN_CLOSED))
		return true;
	if (s->flags & SPAN_PYTHON)
		return lk->walked && s->ordinal >= lk->py_kept;
	if (s->sp == lk->sp && lk->equal)
		/* a tail call enters with the slot of the one that it leaves */
		gone = !(s->flags & SPAN_TAIL) || s->func == lk->func || slot_changed(s);
	else if (s->sp < lk->sp && on_own_stack(lk->ts, s->sp) && on_own_stack(lk->ts, lk->sp))
		gone = true;
	else
		gone = slot_changed(s) ||
		       (!on_own_stack(lk->ts, s->sp) && left_signal_stack(lk, s));
	return gone && !bpf_map_lookup_elem(&stack_copiers, &lk->ts->tgid);
}

static __always_inline void count_missed(u32 func, u32 when)
{
	struct rt_hits *h = bpf_map_lookup_elem(&missed, &func);

	if (!h)
		return;
	if (when == RT_ENTRY)
		h->entries++;
	else
		h->returns++;
}

/* Is there room for a checkpoint? *flags is for its submission. */
static __always_inline bool ring_has_room(struct thread_state *ts, u64 *flags)
{
	u64 pending;

	*flags = BPF_RB_NO_WAKEUP;
	if (!(ts->sent++ % RING_ASK_EVERY)) {
		pending = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
		*flags = wake_flags(pending);
		ts->ring_full = pending >= ring_limit;
	}
	return !ts->ring_full;
}

/* Have the process, and all together, been higher since its last row than ever before? Then it was with
 * what is open now. */
static __always_inline u32 peak_flags(struct mm_state *st)
{
	u32 flags = 0;

	if (!growth_on || !st)
		return 0;
	if (st->peak_total > st->told_peak) {
		st->told_peak = st->peak_total;
		flags |= RT_F_PEAK;
	}
	if (st->told_tree != tree_peaks) {
		st->told_tree = tree_peaks;
		flags |= RT_F_TREE_PEAK;
	}
	return flags;
}

static __always_inline void fill_checkpoint(struct rt_checkpoint *ev, u16 len, const struct look *lk,
	u32 func, u32 when, u64 late_ns, u32 flags, u32 span)
{
	event_header(&ev->h, RT_EV_CHECKPOINT, len, lk->st);
	ev->h.pid = lk->ts->tgid;
	ev->h.tid = lk->ts->tid;
	ev->h.start_ns = lk->ts->start_ns;
	ev->h.time_ns = lk->now;
	ev->late_ns = late_ns;
	ev->rss = lk->rss;
	ev->func = func;
	ev->when = when;
	ev->flags = lk->flags | flags | peak_flags(lk->st) | (lk->ts->borrowed ? RT_F_BORROWED : 0);
	ev->span = span;
	ev->caller = RT_NO_FUNC;
}

static __always_inline void checkpoint_missed(const struct look *lk, u32 func, u32 when)
{
	event_lost(lk->st);
	count_missed(func, when);
}

/* The row of a native function's entry, as the current thread is. */
static __always_inline void send_entry(const struct look *lk, u32 func, u32 span)
{
	struct rt_checkpoint *ev = NULL;
	u64 wake;

	if (ring_has_room(lk->ts, &wake))
		ev = bpf_ringbuf_reserve(&ring, RT_ENTRY_LEN, 0);
	if (!ev)
		return checkpoint_missed(lk, func, RT_ENTRY);
	fill_checkpoint(ev, RT_ENTRY_LEN, lk, func, RT_ENTRY, 0, 0, span);
	bpf_ringbuf_submit(ev, wake);
}

static __always_inline void pages_to_wire(struct rt_change *out, const u32 *now, const u32 *then)
{
	out->file = (s64)(u32)(now[MM_FILE] - then[MM_FILE]) << page_shift;
	out->anon = (s64)(u32)(now[MM_ANON] - then[MM_ANON]) << page_shift;
	out->shmem = (s64)(u32)(now[MM_SHMEM] - then[MM_SHMEM]) << page_shift;
	out->swap = (s64)(u32)(now[MM_SWAP] - then[MM_SWAP]) << page_shift;
}

/* The row of a span's end. */
static __always_inline void span_report(const struct look *lk, const struct span *s, u64 late_ns, u32 flags)
{
	struct rt_checkpoint *ev = NULL;
	u64 wake;

	if (s->flags & SPAN_INHERITED)
		flags |= RT_F_INHERITED;
	if (ring_has_room(lk->ts, &wake))
		ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev)
		return checkpoint_missed(lk, s->func, RT_RETURN);
	fill_checkpoint(ev, sizeof(*ev), lk, s->func, RT_RETURN, late_ns, flags, s->id);
	ev->gc = s->flags & SPAN_PYTHON ? lk->gc : 0;
	pages_to_wire(&ev->grown, lk->ts->pages.grown, s->pages.grown);
	pages_to_wire(&ev->returned, lk->ts->pages.returned, s->pages.returned);
	bpf_ringbuf_submit(ev, wake);
}

static __always_inline u64 changes_by_others(const struct thread_state *ts, const struct mm_state *st)
{
	return *(volatile const u64 *)&st->begun - ts->own_begun;
}

/* Has anybody changed the mm since the span was last certain to be open? */
static __always_inline bool changed_since(const struct look *lk, const struct span *s)
{
	return changes_by_others(lk->ts, lk->st) != s->others || lk->ts->own_changes != s->own;
}

static void py_close_late(const struct look *lk, const struct span *s);

/* A span that a look found gone: unwound if it passed none of the ways out that are probed. */
static __always_inline void span_close_late(const struct look *lk, const struct span *s)
{
	bool unseen = bpf_map_lookup_elem(&stack_copiers, &lk->ts->tgid);
	u32 flags = 0;

	if (s->flags & SPAN_PYTHON)
		return py_close_late(lk, s);
	if ((s->flags & SPAN_COMPLETE) ? lk->all || !(s->flags & SPAN_TAIL) : lk->all && !unseen)
		flags |= RT_F_UNWOUND;
	if (lk->in_flight || changes_by_others(lk->ts, lk->st) != s->others)
		flags |= RT_F_SHARED;
	else if ((unseen || (s->flags & SPAN_HIDDEN)) && changed_since(lk, s))
		flags |= RT_F_SHARED;
	span_report(lk, s, lk->now - s->open_ns, flags);
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

static void py_span_moved(const struct look *lk, u32 ordinal, u32 level);

/* bpf_loop callback: keeps a span that is open, in its new place, and closes any other. */
static long keep_open(u32 i, struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s, *to;
	u32 level = lk->found + i;

	if (level >= ts->depth)
		return 1;
	s = span_at(ts, level);
	if (!s)
		return 0;
	if (span_gone(lk, s)) {
		if (!(s->flags & SPAN_CLOSED))
			span_close_late(lk, s);
		return 0;
	}
	to = span_at(ts, lk->kept);
	if (to && to != s) {
		*to = *s;
		if (s->flags & SPAN_PYTHON)
			py_span_moved(lk, s->ordinal, lk->kept);
	}
	lk->kept++;
	return 0;
}

/* Takes out what is gone from a level on, whatever lies above it. */
static __always_inline void sweep(struct look *lk, u32 from)
{
	lk->found = lk->kept = from;
	bpf_loop(RT_CHUNK_SPANS * RT_MAX_CHUNKS, keep_open, lk, 0);
	lk->ts->depth = lk->kept;
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

/*
 * The end of one that tail-jumped, seen at the ret of the function that was entered in its place.
 * That may have been another: when its own callee returned unseen, and the same call instruction
 * then called this function, everything looks the same.
 */
static __always_inline void span_close_tail(const struct look *lk, const struct span *s)
{
	if (s->flags & SPAN_TAIL_PROBED)
		span_report(lk, s, 0, 0);
	else
		span_report(lk, s, lk->now - s->open_ns, changed_since(lk, s) ? RT_F_SHARED : 0);
}

/* bpf_loop callback: after a ret, whoever tail-jumped into the function that returned now has
 * returned too. */
static long close_tail_callers(u32 i, struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s;

	if (!lk->kept)
		return 1;
	s = span_at(ts, lk->kept - 1);
	if (s && !(s->flags & SPAN_CLOSED)) {
		if (s->sp != lk->sp || !(s->flags & SPAN_TAIL))
			return 1;
		span_close_tail(lk, s);
		s->flags |= SPAN_CLOSED;
	}
	lk->kept--;
	return 0;
}

/* After the span below level `top` has been closed. */
static __always_inline void close_tails(struct look *lk, u32 top)
{
	lk->kept = top;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RT_CHUNK_SPANS * RT_MAX_CHUNKS, close_tail_callers, lk, 0);
	} else {
		for (int i = 0; i < CLOSE_AT_ONCE_MAX; i++)
			if (close_tail_callers(i, lk))
				break;
	}
	if (top == lk->ts->depth)
		lk->ts->depth = lk->kept;
	else if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		sweep(lk, lk->kept);
}

static __always_inline void span_is_open(const struct look *lk, struct span *s)
{
	s->open_ns = lk->now;
	s->others = changes_by_others(lk->ts, lk->st);
	s->own = lk->ts->own_changes;
}

static __always_inline u32 tail_flags(u32 func_flags)
{
	return func_flags & RT_FN_TAIL_PROBED ? SPAN_TAIL | SPAN_TAIL_PROBED : SPAN_TAIL;
}

/* Before a span is pushed on another: is that sure to stay open while this one is? So it is on one
 * stack; and a signal handler keeps what it has interrupted (which was looked at before). */
static __always_inline void note_hidden(struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *below;

	if (!ts->depth) {
		ts->mixed = 0;
		return;
	}
	below = span_at(ts, ts->depth - 1);
	if (!below || (below->flags & SPAN_PYTHON) || (on_own_stack(ts, below->sp) && on_own_stack(ts, lk->sp)) ||
		on_signal_stack(lk->sp))
		return;
	below->flags |= SPAN_HIDDEN;
	ts->mixed = 1;
}

static __always_inline void span_push(struct look *lk, u32 func_flags)
{
	struct thread_state *ts = lk->ts;
	struct span *s;
	u64 slot = 0;

	if (ts->mixed && (ts->depth < RT_CHUNK_SPANS || ts->depth % RT_CHUNK_SPANS == 0) &&
		bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop))
		sweep(lk, 0);
	note_hidden(lk);
	s = span_make(ts, ts->depth);
	if (!s)
		return;
	if (!(func_flags & RT_FN_URETPROBE))
		bpf_probe_read_user(&slot, sizeof(slot), (void *)lk->sp);
	s->sp = lk->sp;
	s->ret = slot;
	s->func = lk->func;
	s->flags = func_flags & RT_FN_COMPLETE ? SPAN_COMPLETE : 0;
	if (func_flags & RT_FN_TAIL_AT_ENTRY)
		s->flags |= tail_flags(func_flags);
	span_is_open(lk, s);
	s->pages = ts->pages;
	s->id = ts->made;
	ts->depth++;
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
