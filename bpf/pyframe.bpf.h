/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a thread to its Python frames.
 *
 * CPython keeps a list of interpreters, each with a list of its threads (PyThreadState), which name
 * the pthread that they belong to and lead to their innermost frame, which leads to its caller's,
 * and so on. That list holds with and without the GIL, in every build, in every pid namespace. The
 * way costs a read a frame, and programs run a hundred frames deep, so a walk is not made anew: the
 * thread's last stack is kept, and a walk goes only as far as it has to.
 *
 *	innermost                                             outermost
 *	  live    F9'  F8'  F5  F4  F3  F2  F1
 *	  record            F6  F5  F4  F3  F2  F1     (by depth: F1 is 1)
 *	          \ fresh /  ^ known
 *
 * A frame matches the record if its address, code and globals do, and its caller matches in turn.
 * That nothing has changed beyond is certain only once the whole stack was compared. But a frame
 * whose instruction has not moved has not been run, and its callers neither; a new call from the
 * same place looks alike, so two such frames in a row are asked for, the innermost wanted one
 * beyond is looked at too, and from time to time a walk compares all.
 *
 * Everything here reads the traced process by bpf_probe_read_user and nothing else, and is compiled
 * into tests that give it a memory of their own.
 */
#ifndef PYFRAME_BPF_H
#define PYFRAME_BPF_H

#include "pythread.bpf.h"

/* A frame as it is read, in the order in which it is needed. */
struct py_view {
	u64 code, globals, back, instr;
	bool shim, plain; /* the interpreter's own; on the thread's stack of frames (3.11 and later) */
};

/*
 * A loop calls from the same place again and again: what has moved then is a variable. From 3.11 on they
 * follow the frame's head, up to the frame that it has called, and only the frame's own code writes
 * there. A hash of the first of them, in the upper bits of the instruction's address. `room`: bytes
 * from this frame to the one that it has called.
 */
static __always_inline u64 py_slots(const u64 *words, u32 owner, u64 room)
{
	u32 offset = (owner & ~7) + 8;
	u64 h = 0;

	for (int i = 0; i < PY_SLOTS; i++, offset += 8)
		if (offset + 8 <= room && offset + 8 <= PY_SLOTS_END)
			h = (h ^ words[(offset >> 3) & 15]) * 0x9e3779b97f4a7c15ULL;
	return h >> PY_INSTR_BITS << PY_INSTR_BITS;
}

static __always_inline void py_add_slots(struct py_thread *pt, const struct rt_py *py, const u64 *words,
	u64 at, struct py_view *v)
{
	u64 room = pt->inner - at;

	if (v->shim)
		return;
	if (v->plain && pt->inner > at && room <= PY_SLOTS_NEAR)
		v->instr ^= py_slots(words, py->frame_owner, room);
	pt->inner = v->plain ? at : 0;
}

/* Onto the stack: what is copied to other memory of the kernel is checked at length. */
static __always_inline int py_read_frame(struct py_thread *pt, const struct rt_py *py, u64 at,
	struct py_view *v, bool slots)
{
	u64 words[RT_PY_FRAME_LEN / 8] = {};
	long err;

	/* with its variables, unless memory ends there */
	if (py->frame_owner == RT_PY_NONE)
		err = bpf_probe_read_user(words, PY_WIDE, (void *)at);
	else if ((err = bpf_probe_read_user(words, PY_SLOTS_END, (void *)at)))
		err = bpf_probe_read_user(words, PY_NARROW, (void *)at);
	if (err)
		return -1;
	v->code = words[(py->frame_code >> 3) & 15];
	v->back = words[(py->frame_back >> 3) & 15];
	v->globals = words[(py->frame_globals >> 3) & 15];
	v->instr = words[(py->frame_instr >> 3) & 15];
	if (py->flags & RT_PY_TAGGED)
		v->code &= ~7ULL;
	if (py->flags & RT_PY_LASTI)
		v->instr = (u32)(v->instr >> (py->frame_instr & 4 ? 32 : 0));
	v->shim = v->plain = false;
	if (py->frame_owner != RT_PY_NONE) {
		u8 owner = words[(py->frame_owner >> 3) & 15] >> (py->frame_owner & 7) * 8;

		v->shim = owner >= py->shim_owner;
		v->plain = owner == PY_OWNED_BY_THREAD;
	}
	if (slots)
		py_add_slots(pt, py, words, at, v);
	return 0;
}

/* A generator's or coroutine's function that is called makes one, and that is all. The frame in which
 * it runs is owned by what was made. */
static __always_inline bool py_only_makes(const struct py_view *v)
{
	u32 flags = 0;

	return v->plain &&
	       !bpf_probe_read_user(&flags, sizeof(flags), (void *)(v->code + PY_CODE_FLAGS)) &&
	       (flags & PY_CO_RESUMED);
}

static __always_inline void py_stop(struct py_thread *pt)
{
	pt->known = pt->match_top;
	pt->n_fresh = pt->match_fresh;
	pt->done = 1;
}

static __always_inline void py_take_fresh(struct py_thread *pt, u64 at, const struct py_view *v, u32 func,
	u32 name)
{
	struct py_frame *f = &pt->fresh[pt->n_fresh & (PY_FRESH - 1)];

	f->frame = at;
	f->code = v->code;
	f->instr = v->instr;
	f->globals = v->globals;
	f->func = func;
	f->name = name;
	if (func)
		pt->wanted = 1;
	pt->n_fresh++;
}

static __always_inline void py_node_stale(struct py_thread *pt, u32 depth)
{
	if (!pt->stale || depth < pt->stale)
		pt->stale = depth;
}

/* A frame that is where the record has one of the same function. 1: the walk ends here. */
static __always_inline long py_matched(struct py_thread *pt, struct py_frame *r, u32 depth, u64 instr)
{
	if (!pt->match) {
		pt->match_top = depth;
		pt->match_fresh = pt->n_fresh;
		if (depth == pt->depth && !pt->n_fresh && pt->mode == PY_QUICK)
			pt->top_still = r->instr == instr;
	} else if (r->instr != instr) {
		pt->cut = depth;
	}
	if ((r->instr ^ instr) << (64 - PY_INSTR_BITS))
		py_node_stale(pt, depth);
	pt->match = depth;
	pt->still = r->instr == instr ? pt->still + 1 : 0;
	r->instr = instr;
	/* Beyond the floor nothing is known; but depth 1 has to be the end, which is still to come. */
	if (depth == 1 || ((pt->mode != PY_QUICK || pt->still < 2) && depth != pt->floor + 1))
		return 0;
	py_stop(pt);
	return 1;
}

/* The depth that a frame has in the record, 0: none. That of the caller of one that matched has to be
 * the next: the index may have lost it, where several share a slot. */
static __always_inline u32 py_depth_of(struct py_thread *pt, u64 at)
{
	u32 next = pt->match - 1;

	if (!pt->match)
		return py_known(pt, at);
	return py_record(pt, next)->frame == at ? next : 0;
}

/* bpf_loop callback: one frame, from the innermost outwards. */
static long py_step(u32 i, struct py_walk *w)
{
	struct py_thread *pt = w->pt;
	struct py_frame *r;
	struct py_view v;
	u64 at = pt->at;
	u32 depth, func;
	bool same;

	if (!at) {
		if (pt->match > 1)
			pt->changed = 1;
		else if (pt->match)
			py_stop(pt);
		pt->done = 1;
		return 1;
	}
	depth = py_depth_of(pt, at);
	if (py_read_frame(pt, w->py, at, &v, true)) {
		/* Swapped out perhaps. What the record has of it stands, if it has it. */
		if (!pt->match && depth) {
			pt->match_top = depth;
			pt->match_fresh = pt->n_fresh;
			pt->match = depth;
		}
		if (pt->match)
			py_stop(pt);
		else
			pt->failed = 1;
		return 1;
	}
	pt->at = v.back;
	if (v.shim)
		return 0;
	r = py_record(pt, depth);
	same = depth && r->code == v.code && r->globals == v.globals;
	if (pt->mode != PY_REWRITE) {
		if (same)
			return py_matched(pt, r, depth, v.instr);
		if (pt->match) {
			pt->changed = 1;
			return 1;
		}
	}
	func = same ? r->func : py_func_of(pt, w->py, v.code, v.globals);
	if (func && !same && py_only_makes(&v))
		func = 0;
	py_take_fresh(pt, at, &v, func, same ? r->name : 0);
	return 0;
}

static __always_inline void py_run(struct py_walk *w, u64 innermost, u32 mode)
{
	struct py_thread *pt = w->pt;

	pt->at = innermost;
	pt->mode = mode;
	pt->n_fresh = pt->known = pt->match = pt->match_top = pt->match_fresh = pt->still = 0;
	pt->wanted = pt->done = pt->failed = pt->changed = 0;
	pt->inner = 0;
	bpf_loop(PY_WALK_MAX, py_step, w, 0);
	if (pt->changed)
		pt->done = 0;
}

/* The innermost wanted frame that a quick walk did not come to: is it as it was? */
static __always_inline bool py_wanted_changed(struct py_walk *w)
{
	struct py_thread *pt = w->pt;
	struct py_frame *r;
	struct py_view v;
	u32 n = pt->n_refs, depth;

	for (int i = 0; i < 4 && n; i++, n--)
		if (pt->refs[(n - 1) & (PY_SPANS - 1)].depth < pt->match)
			break;
	if (!n)
		return false;
	depth = pt->refs[(n - 1) & (PY_SPANS - 1)].depth;
	if (depth >= pt->match || depth <= pt->floor)
		return false;
	r = py_record(pt, depth);
	if (py_read_frame(pt, w->py, r->frame, &v, false))
		return false;
	return r->code != v.code || r->globals != v.globals ||
	       (r->instr ^ v.instr) << (64 - PY_INSTR_BITS);
}

/* bpf_loop callback: frames that look as they were, and were called anew, are fresh. */
static long py_unknow_step(u32 i, struct py_walk *w)
{
	struct py_thread *pt = w->pt;
	struct py_frame *r;

	if (pt->known <= pt->cut)
		return 1;
	r = py_record(pt, pt->known);
	pt->fresh[pt->n_fresh & (PY_FRESH - 1)] = *r;
	if (r->func)
		pt->wanted = 1;
	pt->n_fresh++;
	pt->known--;
	return 0;
}

/*
 * Walks the current thread's stack; `full`: to its end in any case. Afterwards pt->fresh has the frames that are new, innermost
 * first, and pt->known says on which depth they lie. Negative: it could not be read to its end, and
 * nothing has changed. (Not static: see py_look_up.)
 */
__noinline int py_walk(struct py_thread *pt, struct rt_py *py, u64 self, u64 now, u32 full)
{
	struct py_walk walk = {.pt = pt, .py = py, .self = self}, *w = &walk;
	u64 first;

	if (!pt || !py)
		return -1;
	pt->full = full;
	pt->n_fresh = pt->known = pt->wanted = pt->top_still = pt->unsure = pt->cut = 0;
	if (py_innermost(w, now))
		return -1;
	first = pt->at;
	if (!first) {
		pt->match = 0;
		pt->top_still = !pt->depth;
		return 0;
	}
	py_run(w, first, PY_QUICK);
	if (pt->done && pt->known && (full || py_wanted_changed(w))) {
		py_run(w, first, PY_FULL);
		/* quick walks may have passed over it, since the last full one */
		pt->unsure = (pt->changed || pt->cut) && full && pt->sure_ns;
		pt->full = 1;
	}
	if (pt->changed) {
		pt->full = 1;
		pt->cut = 0;
		py_run(w, first, PY_REWRITE);
	} else if (pt->cut && pt->done) {
		bpf_loop(PY_RECORD, py_unknow_step, w, 0);
	}
	return pt->done ? 0 : -1;
}

/* There are more: the next looks take them in, from the outermost inwards. */
static __always_inline bool py_is_partial(const struct py_thread *pt)
{
	return pt->n_fresh > PY_FRESH;
}

/* How many fresh frames there are: of a longer walk only the outermost. */
static __always_inline u32 py_fresh_count(const struct py_thread *pt)
{
	return pt->n_fresh < PY_FRESH ? pt->n_fresh : PY_FRESH;
}

/* The i-th fresh frame from the outermost inwards. */
static __always_inline struct py_frame *py_fresh(struct py_thread *pt, u32 i)
{
	return &pt->fresh[(pt->n_fresh - 1 - i) & (PY_FRESH - 1)];
}

/* Takes a fresh frame into the record, above the known ones. */
static __always_inline void py_keep(struct py_thread *pt, u32 i)
{
	struct py_frame *f = py_fresh(pt, i);
	u32 depth = pt->known + 1 + i;

	*py_record(pt, depth) = *f;
	pt->index[py_slot(f->frame)] = depth;
	if (depth > PY_RECORD && pt->floor < depth - PY_RECORD)
		pt->floor = depth - PY_RECORD;
}

/* Where the record ends once the fresh frames are in it. To be called before they are kept. */
static __always_inline void py_settle(struct py_thread *pt)
{
	pt->depth = pt->known + py_fresh_count(pt);
	py_node_stale(pt, pt->known + 1);
	if (!pt->known)
		pt->floor = 0;
}

#endif
