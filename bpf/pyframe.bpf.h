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

#define PY_RECORD	256 /* frames of a stack that are kept, the innermost; a power of two */
#define PY_FRESH	128 /* new frames of one walk, the outermost; a power of two */
#define PY_INDEX	512
#define PY_SPANS	128 /* open spans of Python functions in one thread */
#define PY_WALK_MAX	1024
#define PY_THREADS_MAX	4096
#define PY_THREAD_BYTES 192 /* of a PyThreadState that are read: what rt_py names lies within */
#define PY_NARROW	80 /* bytes of a frame that hold all of it in 3.11 and later, */
#define PY_WIDE		112 /* and before */
#define PY_WORDS	32  /* room for that, or for a frame; a power of two */
#define PY_VAIN_NS	1000000ULL
#define PY_VAIN_TRIES	64 /* new threads fault in pages before their PyThreadState knows them */

struct py_frame {
	u64 frame, code, instr, globals;
	u32 func; /* id and PY_FN flags if it is wanted, else 0 */
	u32 pad;
};

#define PY_FN_ID     (RT_PY_FUNC_END - 1)
#define PY_FN_CALLER (1U << 30) /* RT_PY_CALLER */

/* An open span: where its frame lies in the record, and where it lies among the thread's spans. */
struct py_ref {
	u32 depth;
	u32 level;
};

enum py_mode {
	PY_QUICK,   /* stops where it is as good as certain that nothing has changed beyond */
	PY_FULL,    /* compares all */
	PY_REWRITE, /* takes all anew */
};

struct py_thread {
	u64 mm; /* of which all of this is; 0: nothing yet */
	u64 tstate, interp;
	u64 vain_head, vain_ns; /* of the list that the thread was last sought in, in vain */
	u64 sure_ns;		/* when the whole stack was compared last, */
	u64 sure_others, sure_own; /* and how often other tasks, and this one, had changed the mm by then */
	u32 vain;
	u32 depth; /* frames of the stack, */
	u32 floor; /* of which the record holds those above this one */
	u32 n_refs;
	u32 looks;
	/* the walk that is under way */
	u64 at;
	u32 mode;
	u32 n_fresh;
	u32 known;	/* depth of the innermost frame that is as it was; 0: none */
	u32 match;	/* depth of the last frame that matched in a row, 0: none, */
	u32 match_top;	/* of the first, */
	u32 match_fresh; /* and how many were fresh by then */
	u32 still;	/* frames in a row whose instruction has not moved */
	u32 anchor;	/* depth of the innermost frame of an open span; 0: none is open */
	u32 top_still;	/* the innermost frame is the one it was, at the same instruction */
	u32 wanted;	/* some fresh frame is */
	u32 done, failed, changed;
	u32 full;	/* the whole stack was compared, or taken anew */
	u32 unsure;	/* a change was found that quick looks may have passed over */
	u32 push_from;	/* fresh frames below this one, outermost first, have their spans */
	u64 seek;	/* the interpreter whose threads are looked through, */
	u64 found;	/* and what was found */
	u64 words[PY_WORDS];
	struct py_ref refs[PY_SPANS];
	u16 index[PY_INDEX]; /* hash of a frame's address -> its depth, modulo 65536 */
	struct py_frame record[PY_RECORD], fresh[PY_FRESH];
};

struct py_walk {
	struct py_thread *pt;
	struct rt_py *py;
	u64 self; /* the thread pointer, which is pthread_self() */
};

/* Id and flags of a code object's function if it is wanted, else 0. By whoever includes this. */
static u32 py_func_of(struct py_thread *pt, struct rt_py *py, u64 code, u64 globals);

static __always_inline u64 py_word(const struct py_thread *pt, u32 offset)
{
	return pt->words[(offset >> 3) & (PY_WORDS - 1)];
}

static __always_inline u32 py_slot(u64 frame)
{
	return (u32)((frame * 0x9e3779b97f4a7c15ULL) >> 40) & (PY_INDEX - 1);
}

static __always_inline struct py_frame *py_record(struct py_thread *pt, u32 depth)
{
	return &pt->record[depth & (PY_RECORD - 1)];
}

/* The depth at which the record has the frame at this address; 0: nowhere. */
static __always_inline u32 py_known(struct py_thread *pt, u64 frame)
{
	u16 back = (u16)pt->depth - pt->index[py_slot(frame)];
	u32 depth = pt->depth - back;

	if (back >= PY_RECORD || depth > pt->depth || depth <= pt->floor)
		return 0;
	return py_record(pt, depth)->frame == frame ? depth : 0;
}

/* --- the thread ----------------------------------------------------------------------------------- */

/* The innermost frame of the PyThreadState that was read last becomes *frame, 0 if it has none. */
static __always_inline int py_first(struct py_thread *pt, const struct rt_py *py, u64 *frame)
{
	u64 at = py_word(pt, py->thread_frame);

	if (at && py->cframe_frame != RT_PY_NONE &&
		bpf_probe_read_user(&at, sizeof(at), (void *)(at + py->cframe_frame)))
		return -1;
	*frame = at;
	return 0;
}

/* bpf_loop callback: one PyThreadState, or the step to the next interpreter. */
static long py_seek_step(u32 i, struct py_walk *w)
{
	struct py_thread *pt = w->pt;
	struct rt_py *py = w->py;
	u64 frame;

	if (!pt->at) {
		if (i && bpf_probe_read_user(&pt->seek, sizeof(pt->seek), (void *)(pt->seek + py->interp_next))) {
			pt->failed = 1;
			return 1;
		}
		if (!pt->seek) {
			pt->done = 1;
			return 1;
		}
		if (bpf_probe_read_user(&pt->at, sizeof(pt->at), (void *)(pt->seek + py->interp_threads))) {
			pt->failed = 1;
			return 1;
		}
		return 0;
	}
	if (bpf_probe_read_user(pt->words, PY_THREAD_BYTES, (void *)pt->at)) {
		pt->failed = 1;
		return 1;
	}
	/* Up to 3.11 a thread to be has its parent's id until it runs, and no frame yet. */
	if (py_word(pt, py->thread_id) == w->self) {
		pt->found = pt->at;
		pt->interp = pt->seek;
		if (py_first(pt, py, &frame)) {
			pt->failed = 1;
			return 1;
		}
		if (frame) {
			pt->vain = 0;
			pt->done = 1;
			return 1;
		}
	}
	pt->at = py_word(pt, py->thread_next);
	return 0;
}

/* Was this thread sought in this very list, and not found with frames, not long ago? */
static __always_inline bool py_in_vain(struct py_thread *pt, u64 head, u64 now)
{
	if (head == pt->vain_head && pt->vain >= PY_VAIN_TRIES && now - pt->vain_ns < PY_VAIN_NS)
		return true;
	if (head != pt->vain_head)
		pt->vain = 0;
	pt->vain++;
	pt->vain_head = head;
	pt->vain_ns = now;
	return false;
}

/* Finds the thread's PyThreadState, 0 if it has none; or leaves the one that is known, if it was
 * sought in vain not long ago. Negative: unreadable. */
static __noinline int py_seek(struct py_walk *w, u64 now)
{
	struct py_thread *pt = w->pt;
	u64 head = 0;

	pt->found = pt->at = pt->seek = 0;
	pt->done = pt->failed = 0;
	if (bpf_probe_read_user(&pt->seek, sizeof(pt->seek), (void *)w->py->interpreters))
		return -1;
	if (!pt->seek) {
		pt->tstate = 0;
		return 0;
	}
	if (bpf_probe_read_user(&head, sizeof(head), (void *)(pt->seek + w->py->interp_threads)))
		return -1;
	if (py_in_vain(pt, head, now))
		return 0;
	bpf_loop(PY_THREADS_MAX, py_seek_step, w, 0);
	if (!pt->done)
		return -1;
	pt->tstate = pt->found;
	return 0;
}

/* Is what is known of the thread right? One read tells whose a PyThreadState is and where its frames
 * begin: pt->at, 0 if there are none. */
static __always_inline bool py_is_ours(struct py_walk *w)
{
	struct py_thread *pt = w->pt;

	pt->at = 0;
	return pt->tstate && !bpf_probe_read_user(pt->words, PY_THREAD_BYTES, (void *)pt->tstate) &&
	       py_word(pt, w->py->thread_id) == w->self && !py_first(pt, w->py, &pt->at);
}

/* pt->at becomes the innermost frame, or 0 if there is none. */
static __noinline int py_innermost(struct py_walk *w, u64 now)
{
	struct py_thread *pt = w->pt;

	if (!py_is_ours(w))
		pt->tstate = 0;
	else if (pt->at)
		return 0;
	/* One without frames may be freed memory: a native thread gets a new one for each time that it
	 * calls Python. */
	if (py_seek(w, now))
		return -1;
	if (!pt->tstate) {
		pt->at = 0;
		return 0;
	}
	return py_is_ours(w) ? 0 : -1;
}

/* --- the frames ------------------------------------------------------------------------------------- */

/* A frame as it is read, in the order in which it is needed. */
struct py_view {
	u64 code, globals, back, instr;
	bool shim;
};

/* Onto the stack: what is copied to other memory of the kernel is checked at length. */
static __always_inline int py_read_frame(const struct rt_py *py, u64 at, struct py_view *v)
{
	u64 words[RT_PY_FRAME_LEN / 8] = {};
	long err;

	if (py->frame_bytes > PY_NARROW)
		err = bpf_probe_read_user(words, PY_WIDE, (void *)at);
	else
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
	v->shim = false;
	if (py->frame_owner != RT_PY_NONE)
		v->shim = (u8)(words[(py->frame_owner >> 3) & 15] >> (py->frame_owner & 7) * 8) >=
			  py->shim_owner;
	return 0;
}

static __always_inline void py_stop(struct py_thread *pt)
{
	pt->known = pt->match_top;
	pt->n_fresh = pt->match_fresh;
	pt->done = 1;
}

static __always_inline void py_take_fresh(struct py_thread *pt, u64 at, const struct py_view *v, u32 func)
{
	struct py_frame *f = &pt->fresh[pt->n_fresh & (PY_FRESH - 1)];

	f->frame = at;
	f->code = v->code;
	f->instr = v->instr;
	f->globals = v->globals;
	f->func = func;
	if (func)
		pt->wanted = 1;
	pt->n_fresh++;
}

/* A frame that is where the record has one of the same function. 1: the walk ends here. */
static __always_inline long py_matched(struct py_thread *pt, struct py_frame *r, u32 depth, u64 instr)
{
	if (!pt->match) {
		pt->match_top = depth;
		pt->match_fresh = pt->n_fresh;
		if (depth == pt->depth && !pt->n_fresh && pt->mode == PY_QUICK)
			pt->top_still = r->instr == instr;
	}
	pt->match = depth;
	pt->still = r->instr == instr ? pt->still + 1 : 0;
	r->instr = instr;
	/* Beyond the floor nothing is known; but depth 1 has to be the end, which is still to come. An open
	 * span's frame that has not moved is amid a call, and so is all that called it. */
	if (depth == 1 || ((pt->mode != PY_QUICK || pt->still < 2) && depth != pt->floor + 1 &&
				  (depth != pt->anchor || !pt->still)))
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
	if (py_read_frame(w->py, at, &v)) {
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
	py_take_fresh(pt, at, &v, func);
	return 0;
}

static __always_inline void py_run(struct py_walk *w, u64 innermost, u32 mode)
{
	struct py_thread *pt = w->pt;

	pt->at = innermost;
	pt->mode = mode;
	pt->n_fresh = pt->known = pt->match = pt->match_top = pt->match_fresh = pt->still = 0;
	pt->wanted = pt->done = pt->failed = pt->changed = 0;
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
	if (py_read_frame(w->py, r->frame, &v))
		return false;
	return r->code != v.code || r->globals != v.globals || r->instr != v.instr;
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
	pt->anchor = pt->n_refs ? pt->refs[(pt->n_refs - 1) & (PY_SPANS - 1)].depth : 0;
	pt->n_fresh = pt->known = pt->wanted = pt->top_still = pt->unsure = 0;
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
		pt->unsure = pt->changed && full && pt->sure_ns;
		pt->full = 1;
	}
	if (pt->changed) {
		pt->full = 1;
		py_run(w, first, PY_REWRITE);
	}
	return pt->done ? 0 : -1;
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
	if (!pt->known)
		pt->floor = 0;
}

#endif
