/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Spans of Python functions. No probe tells when one begins or ends: at each look the thread's Python
 * stack is compared with what it was at the look before. A wanted frame that is new was entered in
 * between, one that is gone has returned. Since looks are made before each change of RSS, the RSS
 * of both is the one at this look; only the time is not known better than "since the last look".
 *
 * They lie on the same stack as the spans of native functions, in the order of their beginnings.
 */
#ifndef PYSPAN_BPF_H
#define PYSPAN_BPF_H

#include "proc.bpf.h"
#include "pycode.bpf.h"
#include "pyquick.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct py_thread);
} py_threads SEC(".maps");

/* Processes with an entry in pys, ever: as long as there is none, nobody asks. */
__u32 py_processes;

/* Knob: nobody wants Python functions, so the verifier need not look at all of this. */
const volatile bool py_enabled = true;

static __always_inline bool py_possible(void)
{
	return py_enabled && bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop);
}

static __always_inline u64 thread_pointer(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return BPF_CORE_READ(task, thread.fsbase);
#else
	return BPF_CORE_READ(task, thread.uw.tp_value);
#endif
}

/* The Python side of the current thread. NULL: no memory (counted). */
static __always_inline struct py_thread *py_thread_get(struct look *lk, struct task_struct *task)
{
	struct py_thread *pt;

	pt = bpf_task_storage_get(&py_threads, task, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!pt) {
		count_loss(RT_LOSS_THREAD);
		return NULL;
	}
	if (pt->mm != lk->ts->mm) {
		pt->mm = lk->ts->mm;
		pt->tstate = pt->vain_head = pt->sure_ns = 0;
		pt->depth = pt->floor = pt->n_refs = pt->looks = pt->vain = pt->stale = 0;
		lk->ts->py.left = lk->ts->py.foreign = 0;
		lk->ts->py.look_ns = BPF_CORE_READ(task, start_time);
		lk->ts->py.others = changes_by_others(lk->ts, lk->st);
		lk->ts->py.own = 0;
	}
	return pt;
}

/* --- what has changed ------------------------------------------------------------------------------- */

/* bpf_loop callback: the spans whose frames are known to be as they were are the lowest ones. */
static long py_drop_ref(u32 i, struct look *lk)
{
	struct py_thread *pt = lk->pt;

	if (!lk->py_kept || pt->refs[(lk->py_kept - 1) & (PY_SPANS - 1)].depth <= pt->known)
		return 1;
	lk->py_kept--;
	return 0;
}

static __always_inline bool py_is_frame_of(struct look *lk, const struct py_ref *ref, const struct py_frame *f)
{
	struct span *s = span_at(lk->ts, ref->level);

	if (!s || s->ret != f->code)
		return false;
	if (!s->sp) /* seen by its entry, before it had a frame */
		s->sp = f->frame;
	else if (lk->pt->broken && ref->depth != PY_SOMEWHERE)
		return false;
	return s->sp == f->frame;
}

/* Frames and code are used again at once, so that a function that is called from elsewhere looks as if
 * it was still open: unless all that called it is as it was. Afterwards pt->broken is for this frame;
 * true: so it is for those that it calls. */
static __always_inline bool py_compare_callers(struct py_thread *pt, u32 depth, const struct py_frame *f)
{
	struct py_frame *r = py_record(pt, depth);

	if (!pt->depth || depth <= pt->floor)
		return false;
	if (depth > pt->depth || r->frame != f->frame || r->code != f->code)
		pt->broken = 1;
	return r->instr != f->instr;
}

/* bpf_loop callback: a fresh frame of a span that is open already. Its instruction has moved, or the
 * record had lost it. (That nobody wants its function any more ends no span.) */
static long py_match_ref(u32 i, struct look *lk)
{
	struct py_thread *pt = lk->pt;
	struct py_frame *f;
	struct py_ref *ref;
	bool moved;

	if (i >= py_fresh_count(pt))
		return 1;
	f = py_fresh(pt, i);
	moved = py_compare_callers(pt, pt->known + 1 + i, f);
	ref = &pt->refs[lk->py_kept & (PY_SPANS - 1)];
	if (lk->py_kept < pt->n_refs && py_is_frame_of(lk, ref, f)) {
		ref->depth = pt->known + 1 + i;
		lk->py_kept++;
	} else if (f->func) {
		return 1;
	}
	pt->broken |= moved;
	pt->push_from = i + 1;
	return 0;
}

/*
 * Is that the entry of a function whose frame was made by a call that was seen, too? Both were called
 * by the same function, in C.
 */
#define PY_SAME_CALL 512

static __always_inline bool py_is_same_call(const struct look *lk, const struct span *s)
{
	return (s->flags & SPAN_PUSHED) && s->ret == lk->py_runs && lk->sp - s->own < PY_SAME_CALL;
}

/*
 * A span that was seen by its entry and has no frame yet. It has returned unless the thread is still
 * where it entered: below the stack pointer of then, or back in the interpreter that is about to
 * use the frame, and the caller's instruction is the same.
 */
static __always_inline bool py_entering(struct look *lk, const struct py_ref *ref)
{
	struct span *s = span_at(lk->ts, ref->level);

	if (!s || s->sp || !lk->pt->top_still)
		return false;
	if (lk->py_entry)
		return lk->sp < s->own || py_is_same_call(lk, s);
	return lk->sp <= s->own + sizeof(long);
}

/* bpf_loop callback: spans whose frames may lie inside of those that could be taken in. */
static long py_loosen_ref(u32 i, struct look *lk)
{
	if (lk->py_kept >= lk->pt->n_refs)
		return 1;
	lk->pt->refs[lk->py_kept & (PY_SPANS - 1)].depth = PY_SOMEWHERE;
	lk->py_kept++;
	return 0;
}

static long py_keep_step(u32 i, struct look *lk)
{
	if (i >= py_fresh_count(lk->pt))
		return 1;
	py_keep(lk->pt, i);
	return 0;
}

/* Compares the stack with what it was. Afterwards lk->walked says whether that is known. */
static __always_inline int py_look(struct look *lk, struct task_struct *task, struct rt_py *py)
{
	struct py_thread *pt = lk->pt;
	bool full = !lk->ts->py.left || (s64)(bpf_jiffies64() - lk->ts->py.until) >= 0;

	lk->walked = 0;
	if (py_walk(pt, py, thread_pointer(task), lk->now, full)) {
		lk->ts->py.left = 0;
		count_loss(RT_LOSS_PY_WALK);
		return -1;
	}
	lk->walked = 1;
	lk->py_kept = pt->n_refs;
	pt->push_from = 0;
	pt->broken = pt->cut != 0;
	if (lk->py_kept)
		bpf_loop(PY_SPANS, py_drop_ref, lk, 0);
	if (pt->n_fresh && (pt->wanted || lk->py_kept < pt->n_refs))
		bpf_loop(PY_FRESH, py_match_ref, lk, 0);
	/* a wanted frame that is new has only new ones inside */
	if (py_is_partial(pt) && pt->push_from >= PY_FRESH)
		bpf_loop(PY_SPANS, py_loosen_ref, lk, 0);
	for (int i = 0; i < 2 && lk->py_kept < pt->n_refs; i++) {
		if (!py_entering(lk, &pt->refs[lk->py_kept & (PY_SPANS - 1)]))
			break;
		lk->py_kept++;
	}
	if (pt->n_fresh || pt->known != pt->depth) {
		py_settle(pt);
		bpf_loop(PY_FRESH, py_keep_step, lk, 0);
	}
	return 0;
}

/* Is something to be reported of the Python stack? */
static __always_inline bool py_news(const struct look *lk)
{
	return lk->pt && lk->walked && (lk->py_kept < lk->pt->n_refs ||
			      (lk->pt->wanted && lk->pt->push_from < py_fresh_count(lk->pt)));
}

/* --- rows -------------------------------------------------------------------------------------------- */

/* Collections so far, + 1; 0: not known. */
static __noinline u64 py_collections(const struct py_thread *pt, const struct rt_py *py)
{
	u64 at = (py->flags & RT_PY_GC_IN_RUNTIME ? py->interpreters : pt->interp) + (s64)py->gc_stats;
	u64 sum = 0, n;

	if (!py->gc_stride || !pt->interp)
		return 0;
	for (u32 i = 0; i < 3 && i < py->gc_generations; i++, at += py->gc_stride) {
		if (bpf_probe_read_user(&n, sizeof(n), (void *)at))
			return 0;
		sum += n;
	}
	return sum + 1;
}

/* Since when it is not known what the stack was. */
static __always_inline u64 py_late(const struct look *lk)
{
	u64 since = lk->pt->unsure ? lk->pt->sure_ns : lk->ts->py.look_ns;

	return lk->now > since ? lk->now - since : 0;
}

/* Has the mm changed in that time? */
static __always_inline u32 py_shared(const struct look *lk)
{
	const struct py_thread *pt = lk->pt;

	u64 others = changes_by_others(lk->ts, lk->st), own = lk->ts->own_changes;

	if (lk->in_flight || others != lk->ts->py.others || own != lk->ts->py.own)
		return RT_F_SHARED;
	return pt->unsure && (others != pt->sure_others || own != pt->sure_own) ? RT_F_SHARED : 0;
}

static void py_close_late(const struct look *lk, const struct span *s)
{
	u32 flags = lk->all ? RT_F_UNWOUND : 0;
	u64 late = lk->now - s->open_ns;

	if (lk->pt) {
		late = py_late(lk);
		flags |= py_shared(lk);
		if (lk->pt->n_refs > s->ordinal) /* a sweep goes upwards */
			lk->pt->n_refs = s->ordinal;
	}
	span_report(lk, s, late, flags);
}

static void py_span_moved(const struct look *lk, u32 ordinal, u32 level)
{
	if (lk->pt)
		lk->pt->refs[ordinal & (PY_SPANS - 1)].level = level;
}

static __noinline int py_send_entry(struct look *lk, const struct span *s, u32 flags)
{
	struct rt_checkpoint *ev = NULL;
	u64 wake, late = flags & RT_F_ATTACH ? 0 : py_late(lk);

	if (ring_has_room(lk->ts, &wake))
		ev = bpf_ringbuf_reserve(&ring, RT_PY_ENTRY_LEN, 0);
	if (!ev) {
		checkpoint_missed(lk, s->func, RT_ENTRY);
		return 0;
	}
	fill_checkpoint(ev, RT_PY_ENTRY_LEN, lk, s->func, RT_ENTRY, late, flags, s->id);
	ev->caller = lk->caller;
	ev->gc = lk->gc;
	bpf_ringbuf_submit(ev, wake);
	return 0;
}

/* The code of the frame that called a fresh one; 0: none. */
static __always_inline u64 py_caller_code(struct py_thread *pt, u32 i)
{
	if (i)
		return py_fresh(pt, i - 1)->code;
	return pt->known > pt->floor ? py_record(pt, pt->known)->code : 0;
}

/* A span that begins, with the frame that it has, or will have, at `depth`. */
struct py_opening {
	u64 frame, code, caller;
	u32 func, depth;
};

static __noinline int py_open(struct look *lk, struct rt_py *py, const struct py_opening *o)
{
	struct py_thread *pt = lk->pt;
	struct thread_state *ts = lk->ts;
	struct py_ref *ref;
	struct span *s;

	if (pt->n_refs >= PY_SPANS) {
		count_loss(RT_LOSS_SPAN_DEPTH);
		return 0;
	}
	s = span_make(ts, ts->depth);
	if (!s)
		return 0;
	s->sp = o->frame;
	s->ret = o->code;
	s->func = o->func & PY_FN_ID;
	s->flags = SPAN_PYTHON | (lk->py_entry && !lk->py_runs ? SPAN_PUSHED : 0);
	s->ordinal = pt->n_refs;
	s->id = ++ts->made;
	s->pages = ts->pages;
	s->open_ns = lk->now;
	s->own = lk->sp;
	ref = &pt->refs[pt->n_refs & (PY_SPANS - 1)];
	ref->depth = o->depth;
	ref->level = ts->depth;
	pt->n_refs++;
	ts->depth++;
	lk->caller = RT_NO_FUNC;
	if ((o->func & PY_FN_CALLER) && o->caller)
		lk->caller = py_name_of(pt, py, o->caller);
	return py_send_entry(lk, s, lk->py_flags);
}

struct py_pushing {
	struct look *lk;
	struct rt_py *py;
};

static long py_push_step(u32 i, struct py_pushing *p)
{
	struct py_thread *pt = p->lk->pt;
	struct py_opening o;
	struct py_frame *f;

	i += pt->push_from;
	if (i >= py_fresh_count(pt))
		return 1;
	f = py_fresh(pt, i);
	if (!f->func)
		return 0;
	o.frame = f->frame;
	o.code = f->code;
	o.func = f->func;
	o.caller = py_caller_code(pt, i);
	o.depth = pt->known + 1 + i;
	py_open(p->lk, p->py, &o);
	return 0;
}

/* A quick look has just found that such a one is open. */
static __always_inline bool top_is_python(struct thread_state *ts)
{
	struct span *s = span_at(ts, ts->depth - 1);

	return s && (s->flags & SPAN_PYTHON);
}

/* --- one look ---------------------------------------------------------------------------------------- */

/* The Python side of a look, before anything is closed. NULL: there is nothing new, or nothing is
 * known: lk->walked tells which. */
static __always_inline struct rt_py *look_python(struct look *lk, struct task_struct *task, bool at_switch)
{
	struct rt_py *py;

	lk->walked = 0;
	if (!py_possible() || !lk->st->py || lk->ts->borrowed)
		return NULL;
	/* one that only lost the processor goes on, and was looked at just now */
	if (lk->ts->py.looked == bpf_jiffies64() && lk->ts->py.left && at_switch && !kcompat_sleeps(task))
		return NULL;
	if (lk->ts->py.foreign && (s64)(bpf_jiffies64() - lk->ts->py.foreign_until) < 0)
		return NULL;
	if (py_unchanged(lk->ts)) {
		lk->walked = 1;
		lk->py_kept = PY_SPANS;
		return NULL;
	}
	py = bpf_map_lookup_elem(&pys, &lk->ts->tgid);
	if (!py)
		return NULL;
	look_now(lk);
	look_sp(lk, task);
	lk->pt = py_thread_get(lk, task);
	if (!lk->pt || py_look(lk, task, py))
		return NULL;
	if (py->flags & RT_PY_ARMED)
		lk->st->py = 2;
	return py;
}

/* bpf_loop callback: the span of a function that has returned, below one that is open. */
static long py_end_hidden(u32 i, struct look *lk)
{
	struct py_thread *pt = lk->pt;
	u32 last = pt->n_refs - 1;
	struct span *s;

	if (lk->py_kept >= pt->n_refs)
		return 1;
	s = span_at(lk->ts, pt->refs[last & (PY_SPANS - 1)].level);
	if (s && (s->flags & (SPAN_PYTHON | SPAN_CLOSED)) == SPAN_PYTHON && s->ordinal == last) {
		py_close_late(lk, s);
		s->flags |= SPAN_CLOSED;
	}
	pt->n_refs = last;
	return 0;
}

/* Reports what has gone and what is new. */
static __noinline int report_spans(struct look *lk, struct task_struct *task, struct rt_py *py)
{
	struct py_pushing p = {.lk = lk, .py = py};
	bool attached;

	if (py && py_news(lk))
		lk->gc = py_collections(lk->pt, py);
	close_gone(lk);
	if (!py)
		return 0;
	if (lk->py_kept < lk->pt->n_refs)
		bpf_loop(PY_SPANS, py_end_hidden, lk, 0);
	if (!lk->pt->wanted)
		return 0;
	attached = !lk->pt->looks && py->since_ns && BPF_CORE_READ(task, start_time) < py->since_ns;
	lk->py_flags = attached ? RT_F_ATTACH : py_shared(lk);
	bpf_loop(PY_FRESH, py_push_step, &p, 0);
	lk->py_kept = lk->pt->n_refs;
	return 0;
}

/* The look is over, and the stack is what it was found to be. `change`: it was at a change of the
 * thread's own, which is about to be counted. */
static __always_inline void look_done(struct look *lk, u32 change)
{
	struct thread_state *ts = lk->ts;

	if (!lk->walked)
		return;
	if (lk->now) /* else it was a quick one, and the time of the last walk is true enough */
		ts->py.look_ns = lk->now;
	ts->py.looked = bpf_jiffies64();
	ts->py.others = changes_by_others(ts, lk->st);
	ts->py.own = ts->own_changes + change;
}

/* After a walk and what came of it: the next looks may be quick. */
static __noinline int look_settle(struct look *lk, struct task_struct *task, const struct rt_py *py, u32 change)
{
	struct py_thread *pt = lk->pt;
	u32 n = pt->n_refs, wanted = n ? pt->refs[(n - 1) & (PY_SPANS - 1)].depth : 0;

	pt->looks = 1;
	lk->ts->moved = 1;
	if (py_is_partial(pt)) { /* not over: the next looks go on with it */
		lk->walked = 0;
		lk->ts->py.left = 0;
		return 0;
	}
	pt->wanted = pt->n_fresh = 0;
	lk->ts->py.foreign = !pt->tstate && !n && pt->vain >= PY_VAIN_TRIES;
	lk->ts->py.foreign_until = bpf_jiffies64() + 1;
	if (pt->full) {
		pt->sure_ns = lk->now;
		pt->sure_others = changes_by_others(lk->ts, lk->st);
		pt->sure_own = lk->ts->own_changes + change;
	}
	if (wanted <= pt->depth)
		py_quicken(lk->ts, pt, py, wanted, task);
	else
		lk->ts->py.left = 0; /* one is being entered: how far that is takes a walk */
	return 0;
}

/* A forked child has its parent's frames, and the spans that are open in them. */
static __always_inline void inherit_python(struct task_struct *parent, struct task_struct *child,
	struct mm_state *st, u32 ptgid)
{
	struct rt_py *from = bpf_map_lookup_elem(&pys, &ptgid), py;
	struct py_thread *p, *c;
	u32 tgid = BPF_CORE_READ(child, tgid);

	if (!py_possible() || !from)
		return;
	bpf_probe_read_kernel(&py, sizeof(py), from);
	py.since_ns = 0;
	py.space = py_mix(from->space, BPF_CORE_READ(child, start_time));
	if (bpf_map_update_elem(&pys, &tgid, &py, BPF_ANY))
		return;
	st->py = py.flags & RT_PY_ARMED ? 2 : 1;
	p = bpf_task_storage_get(&py_threads, parent, 0, 0);
	if (!p || p->mm != (u64)parent->mm)
		return;
	c = bpf_task_storage_get(&py_threads, child, 0, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!c) {
		count_loss(RT_LOSS_THREAD);
		return;
	}
	c->mm = (u64)child->mm;
	c->tstate = p->tstate;
	c->interp = p->interp;
	c->n_refs = p->n_refs;
	c->looks = 1;
	bpf_probe_read_kernel(c->refs, sizeof(c->refs), p->refs);
}

static void growth_end(struct thread_state *ts, struct task_struct *task, u64 serial);

/* Ends all spans of a thread, with the RSS that its program had last. `sp` is where it was when it
 * ended, for what was over before; 0: not known any more. */
static __always_inline void end_spans(struct task_struct *task, struct mm_struct *mm,
	struct mm_state *st, u64 now, u64 sp)
{
	struct look lk = {.st = st, .now = now, .func = RT_NO_FUNC, .sp = sp};
	struct rt_py *py = NULL;
	s64 pages[MM_KINDS];

	lk.ts = bpf_task_storage_get(&threads, task, 0, 0);
	if (!lk.ts || !lk.ts->mm)
		return;
	if (lk.ts->depth && st) {
		if (mm)
			look_snapshot(&lk, mm, task, pages);
		else
			rss_to_wire(&lk.rss, st->cur);
		if (mm)
			py = look_python(&lk, task, false);
		else if (py_possible())
			lk.pt = bpf_task_storage_get(&py_threads, task, 0, 0);
		lk.all = !sp;
		report_spans(&lk, task, py);
		lk.all = 1;
		close_gone(&lk);
	}
	for (u32 c = 1; c < RT_MAX_CHUNKS; c++) {
		struct span_chunk_key key = {.tid = lk.ts->tid, .chunk = c};

		if (bpf_map_delete_elem(&span_chunks, &key))
			break;
	}
	if (py_possible())
		lk.pt = bpf_task_storage_get(&py_threads, task, 0, 0);
	if (lk.pt)
		lk.pt->mm = 0;
	if (st)
		growth_end(lk.ts, task, st->serial);
	lk.ts->mm = 0;
	lk.ts->depth = 0;
}

#endif
