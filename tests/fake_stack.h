/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The stack of a thread in a fake Python, and bpf/pyframe.bpf.h, which follows it. */
#ifndef FAKE_STACK_H
#define FAKE_STACK_H

#include <criterion/criterion.h>
#include "fake_memory.h"
#include "fake_python.h"
#include "../bpf/pyframe.bpf.h"

enum {
	MAX_DEPTH = 1600,
	FRAME = 192, /* bytes of room; RT_PY_FRAME_LEN are read at most */
	SHIFT = FRAME - RT_PY_FRAME_LEN, /* by which frames may be shifted in it */
	HEAP = 64,
};

#define SELF	   0x7f1122334480ULL
#define CODE(n)	   (0x559900000000ULL + (u64)(n) * 64)
#define WANTED	   1000 /* codes from this one on */
#define GLOBALS	   0x7f5500000000ULL

/* A thread of a fake Python, the frames that it truly has, and what was kept of them. */
/* Looks after which one is told to compare all. */
#define FULL_EVERY 16

struct live {
	u32 quick, full;
	struct rt_py py;
	u64 interp, tstate, stack, heap, shims;
	struct fake_frame frames[MAX_DEPTH]; /* the outermost first */
	u32 n;
	u64 now;
	u64 instr; /* the last one that was made */
	struct py_thread *pt;
	struct py_walk w;
};

static inline u32 wanted_id(u64 code)
{
	return code >= CODE(WANTED) ? RT_PY_FUNC_BASE + (code - CODE(0)) / 64 : 0;
}

static u32 py_func_of(struct py_thread *pt, struct rt_py *py, u64 code, u64 globals)
{
	return wanted_id(code);
}

static inline struct live *live_new(size_t layout)
{
	struct live *l = calloc(1, sizeof(*l));

	fake_python(&l->py, layout);
	l->interp = fake_get64(l->py.interpreters);
	l->tstate = fake_thread(&l->py, l->interp, SELF);
	l->stack = fake_alloc(MAX_DEPTH * FRAME);
	l->heap = fake_alloc(HEAP * FRAME);
	l->shims = fake_alloc(MAX_DEPTH * FRAME);
	l->now = 1000000000;
	l->pt = calloc(1, sizeof(*l->pt));
	l->w = (struct py_walk){.pt = l->pt, .py = &l->py, .self = SELF};
	return l;
}

static inline void live_free(struct live *l)
{
	free(l->pt);
	free(l);
}

#define FOR_EACH_LAYOUT(l)                                                                   \
	for (size_t layout_ = 0; layout_ < N_LAYOUTS; layout_++)                             \
		for (struct live *l = live_new(layout_); l; live_free(l), l = NULL)

/* Writes a frame as it is, and what leads to it. */
static inline void write_frame(struct live *l, u32 i)
{
	fake_frame(&l->py, &l->frames[i], i ? l->frames[i - 1].at : 0, 0);
	if (i + 1 == l->n)
		fake_put64(fake_innermost(&l->py, l->tstate), l->frames[i].at);
}

static inline u64 new_instr(struct live *l)
{
	return l->instr += 2;
}

static inline void push_at(struct live *l, u64 at, u64 code, u64 instr)
{
	l->frames[l->n++] = (struct fake_frame){.at = at, .code = code, .globals = GLOBALS,
		.instr = instr};
	write_frame(l, l->n - 1);
}

static inline void push(struct live *l, u64 code)
{
	push_at(l, l->stack + l->n * FRAME, code, new_instr(l));
}

static inline void push_many(struct live *l, u32 n)
{
	for (u32 i = 0; i < n; i++)
		push(l, CODE(i % 7));
}

static inline void pop(struct live *l)
{
	l->n--;
	fake_put64(fake_innermost(&l->py, l->tstate), l->n ? l->frames[l->n - 1].at : 0);
}

static inline void move_to(struct live *l, u64 instr)
{
	l->frames[l->n - 1].instr = instr;
	write_frame(l, l->n - 1);
}

/* Another caller at this place: those above it are as they were. */
static inline void replace(struct live *l, u32 i, u64 code)
{
	l->frames[i].code = code;
	l->frames[i].instr = new_instr(l);
	write_frame(l, i);
}

static inline int look(struct live *l)
{
	struct py_thread *pt = l->pt;

	l->now += 1000;
	l->full = ++l->quick >= FULL_EVERY;
	if (l->full)
		l->quick = 0;
	if (py_walk(pt, l->w.py, l->w.self, l->now, l->full)) {
		l->quick = FULL_EVERY; /* as pyspan.bpf.h */
		return -1;
	}
	if (pt->n_fresh || pt->known != pt->depth) {
		py_settle(pt);
		for (u32 i = 0; i < py_fresh_count(pt); i++)
			py_keep(pt, i);
	}
	return 0;
}

static inline int look_at_all(struct live *l)
{
	l->quick = FULL_EVERY;
	return look(l);
}

static inline bool compared_all(const struct live *l)
{
	/* a walk that stops at an open span's frame does not come to what lies beyond */
	return (l->pt->full && l->pt->match <= 1) || !l->pt->known;
}

/* Is this frame kept as it is? */
static inline bool is_kept(const struct live *l, u32 depth)
{
	const struct py_frame *r = py_record(l->pt, depth);
	const struct fake_frame *f = &l->frames[depth - 1];

	return r->frame == f->at && r->code == f->code && r->globals == f->globals &&
	       r->func == wanted_id(f->code);
}

static inline u32 first_wrong(const struct live *l, u32 from)
{
	for (u32 depth = from + 1; depth <= l->pt->depth; depth++)
		if (depth > l->pt->floor && !is_kept(l, depth))
			return depth;
	return 0;
}

#define assert_kept(l)                                                                       \
	do {                                                                                 \
		cr_assert_eq((l)->pt->depth, (l)->n, "%x: depth %u of %u", (l)->py.version,  \
			(l)->pt->depth, (l)->n);                                             \
		cr_assert_eq(first_wrong(l, 0), 0, "%x: depth %u of %u", (l)->py.version,    \
			first_wrong(l, 0), (l)->n);                                          \
	} while (0)

#endif
