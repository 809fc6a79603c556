/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is kept of the Python side of a thread (pyframe.bpf.h says why), and how it is found: by its
 * pthread, in the lists of the interpreters. */
#ifndef PYTHREAD_BPF_H
#define PYTHREAD_BPF_H

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
	u32 name; /* id of the function, wanted or not; 0: not asked for yet */
	u64 node; /* of the call tree, where growth is charged: see growth.bpf.h */
};

#define PY_SOMEWHERE 0xffffffff

#define PY_SLOTS      6   /* variables of a frame that are looked at, */
#define PY_SLOTS_END  120 /* where they end, */
#define PY_SLOTS_NEAR 4096 /* and how far the next frame may be */
#define PY_INSTR_BITS 48  /* of an address */

#define PY_OWNED_BY_THREAD 0 /* _PyInterpreterFrame.owner, 3.11 to 3.15 */
#define PY_CODE_FLAGS 48 /* PyCodeObject.co_flags, 3.11 to 3.15, and those of generators, coroutines */
#define PY_CO_RESUMED (0x20 | 0x80 | 0x200)

#define PY_FN_ID     (RT_PY_FUNC_END - 1)
#define PY_FN_CALLER (1U << 30) /* RT_PY_CALLER */

/* An open span: where its frame lies in the record, and where it lies among the thread's spans. */
struct py_ref {
	u32 depth; /* PY_SOMEWHERE: inside what could be taken in so far */
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
	u32 top_still;	/* the innermost frame is the one it was, at the same instruction */
	u32 wanted;	/* some fresh frame is */
	u32 done, failed, changed;
	u32 full;	/* the whole stack was compared, or taken anew */
	u32 cut;	/* depth of the outermost frame that has been run since the record, though what
			 * it calls looks the same: that was called anew; 0: none */
	u32 broken;	/* what is fresh from here inwards was called since */
	u64 inner;	/* the frame that was read last, if it lies on the thread's stack of frames */
	u32 unsure;	/* a change was found that quick looks may have passed over */
	u32 stale;	/* depth from which on nodes are those of an earlier stack, or none; 0: nowhere */
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

/* The same; within a row of matches without the index, in which two frames may want one place. */
static __always_inline u32 py_known_here(struct py_thread *pt, u64 frame)
{
	u32 next = pt->match - 1;

	if (pt->match && next > pt->floor && py_record(pt, next)->frame == frame)
		return next;
	return py_known(pt, frame);
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
	/* not there: it has not been written yet, or, where frames were seen, it is swapped out */
	if (bpf_probe_read_user(&pt->seek, sizeof(pt->seek), (void *)w->py->interpreters))
		return pt->depth ? -1 : 0;
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

#endif
