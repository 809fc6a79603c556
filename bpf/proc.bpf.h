/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who is traced: processes by tgid, the set-up of their threads, what they hand on and leave. */
#ifndef PROC_BPF_H
#define PROC_BPF_H

#include "span.bpf.h"

#define STACK_TRIES 16

enum proc_flags {
	PROC_WAITS_FOR_EXEC = 1 << 0, /* our own fork that has not become the command yet */
	PROC_BORROWED = 1 << 1,	      /* on its parent's mm */
};

struct proc_state {
	u64 mm; /* 0: wanted, not set up yet */
	u64 start_ns;
	u32 flags;
	u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32); /* tgid */
	__type(value, struct proc_state);
} procs SEC(".maps");

static __always_inline struct mm_state *mm_of(struct mm_struct *mm)
{
	u64 key = (u64)mm;

	return bpf_map_lookup_elem(&mms, &key);
}

/* Adds a process that has an mm to the traced ones. NULL: no room (counted). */
static __noinline struct mm_state *process_track(struct task_struct *task, u32 flags)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct mm_struct *mm = task->mm;
	struct proc_state ps = {.mm = (u64)mm,
		.start_ns = BPF_CORE_READ(task, group_leader, start_time),
		.flags = flags};
	struct mm_state *st;

	if (bpf_map_update_elem(&procs, &tgid, &ps, BPF_ANY)) {
		count_loss(RT_LOSS_PROC_MAP);
		return NULL;
	}
	if (flags & PROC_BORROWED)
		return mm_of(mm);
	st = mm_track(mm, task);
	if (!st) {
		bpf_map_delete_elem(&procs, &tgid);
		return NULL;
	}
	st->tgid = tgid;
	st->start_ns = ps.start_ns;
	if (!mm_baseline(st, mm, task))
		tree_add_process(st, 1);
	return st;
}

static long note_vma_start(struct task_struct *task, struct vm_area_struct *vma, u64 *start)
{
	*start = vma->vm_start;
	return 0;
}

/*
 * Where the thread's own stack lies: below start_stack in the main thread, below the thread
 * descriptor, which the thread pointer points to, in others (glibc and musl). That of the main
 * thread is far from every mapping. Others have their neighbours close by, stacks of coroutines
 * perhaps, but a guard page in between. As long as another thread holds the lock that a look at the
 * mappings takes, it is only known that no thread's stack is smaller than PTHREAD_STACK_MIN.
 */
static __always_inline void thread_set_stack(struct thread_state *ts, struct task_struct *task,
	struct mm_struct *mm)
{
	u64 top, lo = 0;

	ts->stack_lo = ts->stack_hi = 0;
	ts->stack_known = 1;
	if (ts->tid == ts->tgid) {
		top = BPF_CORE_READ(mm, start_stack);
	} else {
#if defined(__TARGET_ARCH_x86)
		u64 self = 0;

		top = BPF_CORE_READ(task, thread.fsbase);
		/* The ABI has a descriptor begin with its own address. Go's is something else. */
		if (bpf_probe_read_user(&self, sizeof(self), (void *)top) || self != top)
			return;
#else
		top = BPF_CORE_READ(task, thread.uw.tp_value);
#endif
		if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma) &&
			bpf_find_vma(task, top, note_vma_start, &lo, 0)) {
			ts->stack_known = 0;
			lo = top - LEAST_STACK_BYTES;
		}
	}
	if (!lo)
		lo = top > NATIVE_STACK_BYTES ? top - NATIVE_STACK_BYTES : 0;
	ts->stack_lo = lo;
	ts->stack_hi = top;
}

static __noinline bool thread_set_up(struct thread_state *ts, struct task_struct *task,
	struct mm_struct *mm)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);

	ts->mm = 0;
	ts->depth = 0;
	ts->own_changes = ts->own_begun = 0;
	if (!ps || (ps->flags & PROC_WAITS_FOR_EXEC) || ps->mm != (u64)mm)
		return false;
	ts->tgid = tgid;
	ts->tid = (u32)id;
	ts->start_ns = ps->start_ns;
	ts->borrowed = ps->flags & PROC_BORROWED;
	thread_set_stack(ts, task, mm);
	ts->mm = (u64)mm;
	return true;
}

/* The current thread's state if its process is traced, else NULL. */
static __always_inline struct thread_state *thread_get(struct task_struct *task, struct mm_struct *mm)
{
	struct thread_state *ts = bpf_task_storage_get(&threads, task, 0, 0);
	u32 tgid;

	if (ts) {
		if (ts->mm == (u64)mm) {
			/* another thread held the lock of the mm when it was tried */
			if (!ts->stack_known)
				thread_set_stack(ts, task, mm);
			return ts;
		}
		return thread_set_up(ts, task, mm) ? ts : NULL;
	}
	tgid = bpf_get_current_pid_tgid() >> 32;
	if (!bpf_map_lookup_elem(&procs, &tgid))
		return NULL;
	ts = bpf_task_storage_get(&threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!ts) {
		count_loss(RT_LOSS_THREAD);
		return NULL;
	}
	return thread_set_up(ts, task, mm) ? ts : NULL;
}

/* Takes what was read into the look; false: it was unreadable (counted, no rows can be made). */
static __always_inline bool look_take(struct look *lk, int ret, const s64 *pages)
{
	if (ret < 0) {
		count_loss(RT_LOSS_READ);
		return false;
	}
	if (ret > 0)
		lk->flags |= RT_F_UNSTABLE;
	lk->in_flight = rss_in_flight(lk->st, pages);
	rss_to_wire(&lk->rss, pages);
	return true;
}

static __always_inline bool look_snapshot(struct look *lk, struct mm_struct *mm, struct task_struct *task,
	s64 *pages)
{
	return look_take(lk, rss_read(mm, task, lk->st, pages), pages);
}

static __always_inline void totals_to_wire(struct rt_totals *t, const struct mm_state *st)
{
	rss_to_wire(&t->first, st->first);
	rss_to_wire(&t->last, st->cur);
	rss_to_wire(&t->peak, st->peak);
	rss_to_wire(&t->kind_peak, st->kind_peak);
	t->peak_ns = st->peak_ns;
	rss_change_to_wire(&t->grown, st->grown);
	rss_change_to_wire(&t->returned, st->returned);
	rss_change_to_wire(&t->foreign, st->foreign);
	rss_change_to_wire(&t->footprint, st->footprint);
}

/* Faults of a process: of the threads that are gone, and of those that are not. */
static __noinline int count_faults(struct task_struct *task, u64 *min_flt, u64 *maj_flt)
{
	struct signal_struct *sig = BPF_CORE_READ(task, signal);
	u32 node = bpf_core_field_offset(struct task_struct, thread_node);
	u64 head = (u64)sig + bpf_core_field_offset(struct signal_struct, thread_head);
	u64 at = (u64)BPF_CORE_READ(sig, thread_head.next);

	*min_flt = BPF_CORE_READ(sig, min_flt);
	*maj_flt = BPF_CORE_READ(sig, maj_flt);
	for (int i = 0; i < MAX_THREADS_SPLIT && at && at != head; i++) {
		struct task_struct *t = (void *)(at - node);

		*min_flt += BPF_CORE_READ(t, min_flt);
		*maj_flt += BPF_CORE_READ(t, maj_flt);
		if (bpf_probe_read_kernel(&at, sizeof(at), (void *)at))
			break;
	}
	return 0;
}

/* The arguments; and what lies behind them if a title was written over them and the environment: the
 * environment itself is nobody's business. Returns the length of the arguments. */
static __always_inline u32 read_title(char *title, struct mm_struct *mm)
{
	u64 at, end;
	char last = 0;
	u32 n;

	__builtin_memset(title, 0, RT_TITLE_LEN);
	if (!mm)
		return 0;
	at = BPF_CORE_READ(mm, arg_start);
	end = BPF_CORE_READ(mm, arg_end);
	if (end <= at)
		return 0;
	bpf_probe_read_user(&last, 1, (void *)end - 1);
	n = last || end - at >= RT_TITLE_LEN ? RT_TITLE_LEN - 1 : end - at;
	barrier_var(n);
	n &= RT_TITLE_LEN - 1;
	if (bpf_probe_read_user(title, n, (void *)at))
		bpf_probe_read_user_str(title, RT_TITLE_LEN, (void *)at);
	return end - at;
}

/* A process is over, or, as far as it is traced, a program is. */
struct ending {
	u64 start_ns, now;
	u32 flags;
	struct mm_state *st;
	struct mm_struct *mm; /* NULL: it is gone */
};

static __noinline int send_exit(struct task_struct *task, struct ending *e)
{
	bool borrowed = e->flags & RT_P_BORROWED;
	struct mm_state *st = e->st;
	struct rt_exit *ev = event_reserve(sizeof(*ev), st);
	s64 pages[MM_KINDS];

	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_EXIT, sizeof(*ev), st);
	ev->h.pid = BPF_CORE_READ(task, tgid);
	ev->h.tid = BPF_CORE_READ(task, pid);
	ev->h.start_ns = e->start_ns;
	ev->h.time_ns = e->now;
	ev->exit_code = BPF_CORE_READ(task, signal, group_exit_code);
	if (!ev->exit_code)
		ev->exit_code = BPF_CORE_READ(task, group_leader, exit_code);
	ev->flags = e->flags | (e->mm ? 0 : RT_P_STALE);
	count_faults(task, &ev->min_flt, &ev->maj_flt);
	if (st && !borrowed)
		totals_to_wire(&ev->totals, st);
	else
		__builtin_memset(&ev->totals, 0, sizeof(ev->totals));
	if (st && e->mm && rss_read(e->mm, task, st, pages) >= 0)
		rss_to_wire(&ev->totals.last, pages);
	ev->title_args = read_title(ev->title, e->mm);
	ev->pad = 0;
	ev->serial = st && !borrowed ? st->serial : 0;
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

/* bpf_loop callback: what the child has inherited begins anew with the child's own memory. */
static long inherit_span(u32 i, struct look *lk)
{
	struct span *s;

	if (i >= lk->ts->depth)
		return 1;
	s = span_at(lk->ts, i);
	if (!s)
		return 0;
	s->flags |= SPAN_INHERITED;
	s->others = s->own = 0;
	s->pages = lk->ts->pages;
	return 0;
}

static __always_inline void inherit_chunks(struct thread_state *to, const struct thread_state *from)
{
	for (u32 c = 1; c < RT_MAX_CHUNKS && c * RT_CHUNK_SPANS < from->depth; c++) {
		struct span_chunk_key key = {.tid = from->tid, .chunk = c};
		struct span_chunk *chunk = bpf_map_lookup_elem(&span_chunks, &key);

		key.tid = to->tid;
		if (!chunk || bpf_map_update_elem(&span_chunks, &key, chunk, BPF_ANY)) {
			count_loss(RT_LOSS_SPAN_MAP);
			to->depth = c * RT_CHUNK_SPANS;
			break;
		}
	}
}

/* The spans that are open in a thread that forks are open in the child too, on its copy of the
 * stack. */
static __always_inline void inherit_spans(struct task_struct *parent, struct task_struct *child)
{
	struct thread_state *from = bpf_task_storage_get(&threads, parent, 0, 0);
	struct thread_state *to;
	struct look lk = {};

	if (!from || !from->depth || !from->mm)
		return;
	to = bpf_task_storage_get(&threads, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!to) {
		count_loss(RT_LOSS_THREAD);
		return;
	}
	to->tgid = to->tid = BPF_CORE_READ(child, pid);
	to->start_ns = BPF_CORE_READ(child, start_time);
	to->borrowed = 0;
	to->stack_lo = from->stack_lo;
	to->stack_hi = from->stack_hi;
	to->stack_known = from->stack_known;
	to->own_changes = to->own_begun = 0;
	to->made = from->made;
	to->mixed = from->mixed;
	to->depth = from->depth;
	for (u32 i = 0; i < RT_CHUNK_SPANS; i++)
		to->spans[i] = from->spans[i];
	inherit_chunks(to, from);
	lk.ts = to;
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)) {
		bpf_loop(RT_CHUNK_SPANS * RT_MAX_CHUNKS, inherit_span, &lk, 0);
	} else {
		for (u32 i = 0; i < RT_CHUNK_SPANS; i++)
			inherit_span(i, &lk);
	}
	to->mm = (u64)child->mm;
}

#endif
