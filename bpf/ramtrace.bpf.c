/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry points. Each finds out whom it concerns and leaves the rest to rss.bpf.h (how much) and
 * span.bpf.h (which span).
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "ramtrace.h"
#include "span.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Knobs, set before load. */
const volatile __u32 tool_tgid = 0;	  /* whose writes are the probes' footprint */
const volatile bool follow_children = true;

/* --step in pages; 0: no points. Not a knob: it goes off when a late library matches a spec. */
__u64 step_pages;

/* Set by the loader between two runs of the task iterator. */
__u32 report_processes; /* 0: adopt the tree, 1: report every process */
__u32 adopted;	      /* processes that the last run took in */

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

/* --- set-up ------------------------------------------------------------------------------------ */

SEC("syscall")
int init_cpu_offsets(void *ctx)
{
	u32 zero = 0;
	u64 map = (u64)&cpu_anchor, base = 0;
	u64 pptr = bpf_core_field_offset(struct bpf_array, pptrs);
	u64 slot;

	/* Pointers become numbers by way of memory: the verifier allows no arithmetic on them. */
	bpf_probe_read_kernel(&slot, sizeof(slot), &map);
	if (bpf_probe_read_kernel(&base, sizeof(base), (void *)(slot + pptr)))
		return 1;
	for (u32 cpu = 0; cpu < RT_MAX_CPUS && cpu < nr_cpus; cpu++) {
		u64 *elem = bpf_map_lookup_percpu_elem(&cpu_anchor, &zero, cpu);
		u64 addr = (u64)elem, number = 0;

		bpf_probe_read_kernel(&number, sizeof(number), &addr);
		if (!number)
			return 2;
		cpu_offset[cpu] = number - base;
	}
	return 0;
}

/* --- who ---------------------------------------------------------------------------------------- */

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
	mm_baseline(st, mm, task, bpf_ktime_get_ns());
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
 * perhaps, but a guard page in between. While it is not known, nothing is on the own stack.
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
			return;
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
	ts->own_changes = 0;
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

/* --- checkpoints --------------------------------------------------------------------------------- */

/* Reads the RSS into the look; false: unreadable (counted, no rows can be made). */
static __always_inline bool look_snapshot(struct look *lk, struct mm_struct *mm, struct task_struct *task,
	s64 *pages)
{
	int ret = rss_read(mm, task, lk->st, pages);

	if (ret < 0) {
		count_loss(RT_LOSS_READ);
		return false;
	}
	if (ret > 0)
		lk->flags |= RT_F_UNSTABLE;
	rss_to_wire(&lk->rss, pages);
	return true;
}

static __always_inline void handle_ret(struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s;

	find_for_ret(lk);
	if (!lk->found) {
		count_loss(RT_LOSS_UNMATCHED);
		return;
	}
	s = span_at(ts, lk->found - 1);
	if (!s)
		return;
	span_report(lk, s, 0, 0);
	s->flags |= SPAN_CLOSED;
	close_tails(lk, lk->found);
}

static __always_inline void handle_tail(struct look *lk, u32 func_flags)
{
	struct span *s;

	find_for_ret(lk);
	if (!lk->found)
		return;
	s = span_at(lk->ts, lk->found - 1);
	if (s) {
		s->flags = (s->flags & ~SPAN_TAIL_PROBED) | tail_flags(func_flags);
		span_is_open(lk, s);
	}
}

/*
 * To single-step an instruction the kernel maps a page into the process at the first such probe
 * (kernel/events/uprobes.c, xol_get_insn_slot), right after this program has run. The process
 * cannot go on without it, so it belongs to the value at this instant.
 */
static __always_inline void add_step_page(struct look *lk, struct mm_struct *mm, s64 *pages)
{
	if (BPF_CORE_READ(mm, uprobes_state.xol_area))
		return;
	pages[MM_FILE]++;
	rss_to_wire(&lk->rss, pages);
}

static __always_inline void handle_entry(struct look *lk, u32 func_flags)
{
	struct span now = {.sp = lk->sp, .func = lk->func};

	send_checkpoint(lk, lk->func, RT_ENTRY, 0, 0);
	if (func_flags & RT_FN_RET_AT_ENTRY) {
		span_report(lk, &now, 0, 0);
		close_tails(lk, lk->ts->depth);
	} else if (func_flags & RT_FN_RETURNS) {
		span_push(lk, func_flags);
	}
}

/* All probes of functions come here. `sp` is the stack pointer as it is at the function's entry. */
static __always_inline int on_site(u64 cookie, u64 sp)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	u32 site = RT_COOKIE_SITE(cookie), func_flags = RT_COOKIE_FLAGS(cookie);
	struct look lk = {.sp = sp, .func = RT_COOKIE_FUNC(cookie)};
	s64 pages[MM_KINDS];

	lk.ts = thread_get(task, mm);
	if (!lk.ts)
		return 0;
	lk.st = mm_of(mm);
	if (!lk.st)
		return 0;
	lk.now = bpf_ktime_get_ns();
	lk.equal = site == RT_SITE_ENTRY;
	if (!look_snapshot(&lk, mm, task, pages))
		return 0;
	if (lk.ts->depth)
		close_gone(&lk);
	if (func_flags & RT_FN_STEPPED)
		add_step_page(&lk, mm, pages);
	if (site == RT_SITE_ENTRY) {
		handle_entry(&lk, func_flags);
	} else if (site == RT_SITE_RET) {
		handle_ret(&lk);
	} else {
		handle_tail(&lk, func_flags);
	}
	if (site != RT_SITE_TAIL)
		lk.st->row_total = rss_total(pages);
	return 0;
}

SEC("uprobe")
int on_function(struct pt_regs *ctx)
{
	return on_site(bpf_get_attach_cookie(ctx), PT_REGS_SP(ctx));
}

/* --uretprobe: the return address has been popped already. */
SEC("uretprobe")
int on_uretprobe(struct pt_regs *ctx)
{
	return on_site(bpf_get_attach_cookie(ctx), PT_REGS_SP(ctx) - sizeof(long));
}

/* The dynamic linker's list of mapped files has changed: _dl_debug_state of ld.so. */
SEC("uprobe")
int on_mapped(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct rt_mapped *ev;

	if (!ps || (ps->flags & PROC_WAITS_FOR_EXEC))
		return 0;
	ev = event_reserve(sizeof(*ev), NULL);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_MAPPED, sizeof(*ev), NULL);
	ev->h.pid = tgid;
	ev->h.tid = (u32)id;
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* --- accounting ---------------------------------------------------------------------------------- */

static __always_inline void send_point(struct mm_struct *mm, struct task_struct *task,
	struct mm_state *st, u64 now)
{
	s64 pages[MM_KINDS];
	struct rt_checkpoint *ev;
	int ret = rss_read(mm, task, st, pages);

	if (ret < 0) {
		count_loss(RT_LOSS_READ);
		return;
	}
	ev = event_reserve(sizeof(*ev), st);
	if (!ev)
		return;
	event_header(&ev->h, RT_EV_CHECKPOINT, sizeof(*ev), st);
	ev->h.pid = ev->h.tid = st->tgid;
	if (BPF_CORE_READ(task, tgid) == st->tgid)
		ev->h.tid = BPF_CORE_READ(task, pid);
	ev->h.start_ns = st->start_ns;
	ev->h.time_ns = now;
	ev->late_ns = 0;
	rss_to_wire(&ev->rss, pages);
	ev->func = RT_NO_FUNC;
	ev->when = RT_POINT;
	ev->flags = ret > 0 ? RT_F_UNSTABLE : 0;
	bpf_ringbuf_submit(ev, ring_flags());
}

/* Is the current task faulting in the page on which a probed instruction is single-stepped? */
static __always_inline bool maps_step_page(struct task_struct *task)
{
	struct uprobe_task *utask = BPF_CORE_READ(task, utask);

	return utask && BPF_CORE_READ(utask, active_uprobe) &&
	       BPF_CORE_READ(utask, xol_vaddr) == BPF_CORE_READ(kcompat_user_regs(task), ip);
}

static __always_inline void account(struct mm_state *st, u32 kind, s64 delta, bool own,
	bool footprint, u64 now)
{
	s64 cur;

	kind &= 3;
	__sync_fetch_and_add(&st->cur[kind], delta);
	__sync_fetch_and_add(&st->changes, 1);
	if (footprint)
		__sync_fetch_and_add(&st->footprint[kind], delta);
	else if (!own)
		__sync_fetch_and_add(&st->foreign[kind], delta);
	else if (delta > 0)
		__sync_fetch_and_add(&st->grown[kind], delta);
	else
		__sync_fetch_and_add(&st->returned[kind], -delta);
	cur = st->cur[kind];
	if (cur > st->kind_peak[kind])
		st->kind_peak[kind] = cur;
	mm_note_peak(st, st->cur, now);
}

/* Spans of the current thread that ended before this change: their value is the RSS without it. */
static __always_inline void look_before_change(struct task_struct *task, struct mm_struct *mm,
	struct mm_state *st, u32 kind, s64 delta, u64 now)
{
	struct look lk = {.st = st, .now = now, .func = RT_NO_FUNC};
	s64 pages[MM_KINDS];

	lk.ts = bpf_task_storage_get(&threads, task, 0, 0);
	if (!lk.ts || lk.ts->mm != (u64)mm)
		return;
	if (lk.ts->depth) {
		lk.sp = BPF_CORE_READ(kcompat_user_regs(task), sp);
		if (top_gone(&lk)) {
			int ret = rss_read(mm, task, st, pages);

			if (ret < 0)
				return;
			if (ret > 0)
				lk.flags = RT_F_UNSTABLE;
			pages[kind & 3] -= delta;
			rss_to_wire(&lk.rss, pages);
			close_gone(&lk);
		}
	}
	lk.ts->own_changes++;
}

SEC("tp_btf/rss_stat")
int BPF_PROG(on_rss_stat, struct mm_struct *mm, int member)
{
	struct mm_state *st = mm_of(mm);
	struct task_struct *task;
	struct mm_struct *current_mm;
	bool own, kthread, footprint;
	u32 kind = member, tgid;
	u64 now;
	s64 delta, moved;

	if (!st || kind >= MM_KINDS)
		return 0;
	task = bpf_get_current_task_btf();
	current_mm = task->mm;
	kthread = BPF_CORE_READ(task, flags) & PF_KTHREAD;
	own = current_mm == mm && !kthread;
	tgid = bpf_get_current_pid_tgid() >> 32;
	/* A process that has left its mm (exec, or exit before 6.16) tears it down: the last value
	 * is the one before that. */
	if (!own && !kthread && tgid == st->tgid)
		return 0;
	now = bpf_ktime_get_ns();
	delta = mm_event_delta(mm, task, st, kind);
	footprint = tgid == tool_tgid || (own && kind == MM_FILE && maps_step_page(task));
	if (own)
		look_before_change(task, mm, st, kind, delta, now);
	account(st, kind, delta, own, footprint, now);
	if (!step_pages)
		return 0;
	moved = rss_total(st->cur) - st->row_total;
	if (moved >= (s64)step_pages || -moved >= (s64)step_pages) {
		st->row_total += moved;
		send_point(mm, task, st, now);
	}
	return 0;
}

/* A look at the current thread between two changes of its RSS. */
static __noinline int look_between(struct task_struct *task)
{
	struct look lk = {.func = RT_NO_FUNC};
	struct mm_struct *mm;
	s64 pages[MM_KINDS];

	lk.ts = bpf_task_storage_get(&threads, task, 0, 0);
	if (!lk.ts || !lk.ts->depth || !lk.ts->mm)
		return 0;
	mm = task->mm;
	lk.st = mm_of(mm);
	if (!lk.st || lk.ts->mm != (u64)mm)
		return 0;
	lk.now = bpf_ktime_get_ns();
	lk.sp = BPF_CORE_READ(kcompat_user_regs(task), sp);
	if (top_gone(&lk) && look_snapshot(&lk, mm, task, pages))
		close_gone(&lk);
	return 0;
}

/* A switch is a look: it bounds how late the end of a span is noticed. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch)
{
	return look_between(bpf_get_current_task_btf());
}

/* A handler may run on a stack of its own, from where an end on the interrupted one is not seen. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal)
{
	return look_between(bpf_get_current_task_btf());
}

/* --- life of processes --------------------------------------------------------------------------- */

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

/* The arguments, and what lies behind them: a title may have overwritten the environment too.
 * Returns the length of the arguments. */
static __always_inline u32 read_title(char *title, struct mm_struct *mm)
{
	u64 at, end;

	__builtin_memset(title, 0, RT_TITLE_LEN);
	if (!mm)
		return 0;
	at = BPF_CORE_READ(mm, arg_start);
	end = BPF_CORE_READ(mm, arg_end);
	if (end <= at)
		return 0;
	if (bpf_probe_read_user(title, RT_TITLE_LEN - 1, (void *)at))
		bpf_probe_read_user_str(title, RT_TITLE_LEN, (void *)at);
	return end - at;
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
	to->own_changes = 0;
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

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 ptgid = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &ptgid);
	bool borrowed = parent->mm == child->mm;
	struct mm_state *st;
	struct rt_fork *ev;
	u32 one = 1;

	if (!ps || !follow_children || ptgid == tgid || (ps->flags & PROC_WAITS_FOR_EXEC))
		return 0;
	st = process_track(child, borrowed ? PROC_BORROWED : 0);
	if (!st)
		return 0;
	look_between(bpf_get_current_task_btf());
	if (!borrowed)
		inherit_spans(parent, child);
	if (bpf_map_lookup_elem(&stack_copiers, &ptgid))
		bpf_map_update_elem(&stack_copiers, &tgid, &one, BPF_ANY);
	ev = event_reserve(sizeof(*ev), st);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_FORK, sizeof(*ev), st);
	ev->h.pid = ev->h.tid = tgid;
	ev->h.start_ns = BPF_CORE_READ(child, start_time);
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->ppid = ptgid;
	ev->flags = borrowed ? RT_P_BORROWED : 0;
	ev->parent_start_ns = ps->start_ns;
	rss_to_wire(&ev->rss, st->cur);
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

/* Ends all spans of a thread, with the RSS that its program had last. `sp` is where it was when it
 * ended, for what was over before; 0: not known any more. */
static __always_inline void end_spans(struct task_struct *task, struct mm_struct *mm,
	struct mm_state *st, u64 now, u64 sp)
{
	struct look lk = {.st = st, .now = now, .func = RT_NO_FUNC, .sp = sp};
	s64 pages[MM_KINDS];

	lk.ts = bpf_task_storage_get(&threads, task, 0, 0);
	if (!lk.ts || !lk.ts->mm)
		return;
	if (lk.ts->depth && st) {
		if (mm)
			look_snapshot(&lk, mm, task, pages);
		else
			rss_to_wire(&lk.rss, st->cur);
		lk.all = !sp;
		close_gone(&lk);
		lk.all = 1;
		close_gone(&lk);
	}
	for (u32 c = 1; c < RT_MAX_CHUNKS; c++) {
		struct span_chunk_key key = {.tid = lk.ts->tid, .chunk = c};

		if (bpf_map_delete_elem(&span_chunks, &key))
			break;
	}
	lk.ts->mm = 0;
	lk.ts->depth = 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct mm_struct *mm = task->mm;
	struct mm_state *old, *st;
	struct rt_exec *ev;
	u32 flags;
	u64 now, old_mm;

	if (!ps)
		return 0;
	now = bpf_ktime_get_ns();
	flags = ps->flags;
	old_mm = ps->mm;
	old = bpf_map_lookup_elem(&mms, &old_mm);
	end_spans(task, NULL, old, now, 0);
	st = process_track(task, 0);
	if (!st) {
		if (old_mm && !(flags & PROC_BORROWED))
			mm_forget(old_mm);
		return 0;
	}
	ev = event_reserve(sizeof(*ev), st);
	if (ev) {
		/* what was lost belongs to the program that ended */
		event_header(&ev->h, RT_EV_EXEC, sizeof(*ev),
			old && !(flags & PROC_BORROWED) ? old : NULL);
		ev->h.pid = tgid;
		ev->h.tid = BPF_CORE_READ(task, pid);
		ev->h.start_ns = st->start_ns;
		ev->h.time_ns = now;
		count_faults(task, &ev->min_flt, &ev->maj_flt);
		ev->flags = flags & PROC_WAITS_FOR_EXEC ? RT_P_STARTED : RT_P_EXECED;
		if (flags & PROC_BORROWED)
			ev->flags |= RT_P_BORROWED;
		if (old && !(flags & (PROC_BORROWED | PROC_WAITS_FOR_EXEC)))
			totals_to_wire(&ev->old, old);
		else
			__builtin_memset(&ev->old, 0, sizeof(ev->old));
		rss_to_wire(&ev->rss, st->cur);
		ev->title_args = read_title(ev->title, mm);
		bpf_ringbuf_submit(ev, ring_flags());
	}
	if (old_mm && !(flags & PROC_BORROWED))
		mm_forget(old_mm);
	return 0;
}

/* Before 6.16 the mm is gone by now (exit_mm comes first); since 08a7491843c3 it is still there. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct mm_struct *mm = task->mm;
	struct mm_state *st;
	struct rt_exit *ev;
	u64 now, key;
	s64 pages[MM_KINDS];

	if (!ps)
		return 0;
	now = bpf_ktime_get_ns();
	key = ps->mm;
	st = bpf_map_lookup_elem(&mms, &key);
	end_spans(task, mm, st, now, BPF_CORE_READ(kcompat_user_regs(task), sp));
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	ev = ps->flags & PROC_WAITS_FOR_EXEC ? NULL : event_reserve(sizeof(*ev), st);
	if (ev) {
		event_header(&ev->h, RT_EV_EXIT, sizeof(*ev), st);
		ev->h.pid = tgid;
		ev->h.tid = BPF_CORE_READ(task, pid);
		ev->h.start_ns = ps->start_ns;
		ev->h.time_ns = now;
		ev->exit_code = BPF_CORE_READ(task, signal, group_exit_code);
		if (!ev->exit_code)
			ev->exit_code = BPF_CORE_READ(task, group_leader, exit_code);
		ev->flags = mm ? 0 : RT_P_STALE;
		if (ps->flags & PROC_BORROWED)
			ev->flags |= RT_P_BORROWED;
		count_faults(task, &ev->min_flt, &ev->maj_flt);
		if (st && !(ps->flags & PROC_BORROWED))
			totals_to_wire(&ev->totals, st);
		else
			__builtin_memset(&ev->totals, 0, sizeof(ev->totals));
		if (st && mm && rss_read(mm, task, st, pages) >= 0)
			rss_to_wire(&ev->totals.last, pages);
		ev->title_args = read_title(ev->title, mm);
		ev->pad = 0;
		bpf_ringbuf_submit(ev, ring_flags());
	}
	if (key && !(ps->flags & PROC_BORROWED))
		mm_forget(key);
	bpf_map_delete_elem(&procs, &tgid);
	bpf_map_delete_elem(&stack_copiers, &tgid);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *comm)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct rt_rename *ev;

	/* the name of a process is that of its first thread */
	if (!ps || (ps->flags & PROC_WAITS_FOR_EXEC) || BPF_CORE_READ(task, pid) != tgid)
		return 0;
	ev = event_reserve(sizeof(*ev), NULL);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_RENAME, sizeof(*ev), NULL);
	ev->h.pid = ev->h.tid = tgid;
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	__builtin_memset(ev->comm, 0, sizeof(ev->comm));
	bpf_probe_read_kernel_str(ev->comm, sizeof(ev->comm), comm);
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

SEC("raw_tp/mark_victim")
int on_oom_victim(struct bpf_raw_tracepoint_args *ctx)
{
	u64 arg = 0;
	u32 tgid;
	struct proc_state *ps;
	struct rt_oom *ev;

	bpf_probe_read_kernel(&arg, sizeof(arg), ctx);
	tgid = kcompat_victim_tgid(arg);
	ps = bpf_map_lookup_elem(&procs, &tgid);
	if (!ps)
		return 0;
	ev = event_reserve(sizeof(*ev), NULL);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_OOM, sizeof(*ev), NULL);
	ev->h.pid = ev->h.tid = tgid;
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* --- all processes at one time --------------------------------------------------------------------- */

/* 1: there is no room at present. The iterator offers the process again, after its reader, which is
 * the one that reads the ring too, has made some. */
static __noinline int send_totals(struct task_struct *task, struct proc_state *ps)
{
	struct mm_struct *mm = task->mm;
	u64 key = ps->mm;
	struct mm_state *st = bpf_map_lookup_elem(&mms, &key);
	struct rt_totals_event *ev;
	s64 pages[MM_KINDS];

	if (!st)
		return 0;
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev)
		return 1;
	event_header(&ev->h, RT_EV_TOTALS, sizeof(*ev), st);
	ev->h.pid = ev->h.tid = BPF_CORE_READ(task, tgid);
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->ppid = BPF_CORE_READ(task, real_parent, tgid);
	ev->parent_start_ns = BPF_CORE_READ(task, real_parent, group_leader, start_time);
	ev->flags = ps->flags & PROC_BORROWED ? RT_P_BORROWED : 0;
	count_faults(task, &ev->min_flt, &ev->maj_flt);
	totals_to_wire(&ev->totals, st);
	if ((u64)mm == key && rss_read(mm, task, st, pages) >= 0)
		rss_to_wire(&ev->totals.last, pages);
	else
		ev->flags |= RT_P_STALE;
	BPF_CORE_READ_INTO(&ev->comm, task, comm);
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

/* Adopting: a process that the user named, or whose parent is traced, is set up. The loader runs
 * this until nothing new is found, so that no fork falls between the listing and the tracing. */
static __always_inline void adopt(struct task_struct *task, struct proc_state *ps)
{
	u32 ptgid = BPF_CORE_READ(task, real_parent, tgid);
	struct proc_state *parent;
	bool borrowed = false;

	if (ps && (ps->mm || (ps->flags & PROC_WAITS_FOR_EXEC)))
		return;
	parent = bpf_map_lookup_elem(&procs, &ptgid);
	if (parent)
		borrowed = parent->mm && parent->mm == (u64)task->mm;
	if (!ps && (!follow_children || !parent || !parent->mm))
		return;
	if (process_track(task, borrowed ? PROC_BORROWED : 0))
		adopted++;
}

SEC("iter/task")
int on_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct proc_state *ps;
	u32 tgid;

	if (!task)
		return 0;
	tgid = BPF_CORE_READ(task, tgid);
	if (BPF_CORE_READ(task, pid) != tgid || !task->mm)
		return 0;
	ps = bpf_map_lookup_elem(&procs, &tgid);
	if (!report_processes)
		adopt(task, ps);
	else if (ps && ps->mm && !(ps->flags & PROC_WAITS_FOR_EXEC))
		return send_totals(task, ps);
	return 0;
}
