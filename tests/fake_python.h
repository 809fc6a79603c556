/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPythons in fake memory, laid out by the project's own table: each version is tested as soon as
 * it is in there.
 */
#ifndef FAKE_PYTHON_H
#define FAKE_PYTHON_H

#include <criterion/criterion.h>
#include "fake_memory.h"
#include "python_layout.c" /* its tables */

#define N_LAYOUTS (COUNT(known) + COUNT(published))

/* What a published description says of them; where it says so is in the table. Of CPython 3.15. */
static inline void describe(u8 *runtime, const struct published *p)
{
	const struct {
		uint16_t at;
		u64 value;
	} says[] = {
		{ DBG_VERSION, (u64)p->version << 16 | 0x00f0 }, { DBG_INTERPRETERS, 936 },
		{ p->interp_next, 7264 }, { p->interp_threads, 7336 }, { p->interp_gc, 128 },
		{ p->gc_collecting, 200 }, { p->thread_next, 8 }, { p->thread_frame, 72 },
		{ p->thread_id, 176 }, { p->frame_back, 8 }, { p->frame_code, 0 },
		{ p->frame_instr, 56 }, { p->frame_owner, 74 }, { p->code_filename, 112 },
		{ p->code_name, 120 }, { p->code_qualname, 128 }, { p->code_firstlineno, 68 },
		{ p->ascii_size, 40 },
	};

	memset(runtime, 0, PYTHON_OFFSETS_LEN);
	memcpy(runtime, "xdebugpy", 8);
	for (size_t i = 0; i < COUNT(says); i++)
		if (says[i].at)
			memcpy(runtime + says[i].at, &says[i].value, sizeof(u64));
}

/* A new one is the first of the list, as new threads are. */
static inline u64 fake_interpreter(const struct rt_py *py)
{
	u64 interp = fake_alloc(8192);

	fake_put64(interp + py->interp_next, fake_get64(py->interpreters));
	fake_put64(interp + py->interp_threads, 0);
	fake_put64(py->interpreters, interp);
	return interp;
}

/* Empties the memory and puts an interpreter without threads there. */
static inline void fake_python(struct rt_py *py, size_t layout)
{
	u8 runtime[PYTHON_OFFSETS_LEN];
	const char *why = "";
	bool unsure;
	int err;

	memset(&memory, 0, sizeof(memory));
	fake_alloc(4096); /* not all begins at the first byte */
	if (layout < COUNT(known)) {
		err = python_layout__known(known[layout].version, py);
	} else {
		describe(runtime, &published[layout - COUNT(known)]);
		err = python_layout__published(runtime, py, &unsure, &why);
	}
	cr_assert_eq(err, 0, "layout %zu: %s", layout, why);
	py->interpreters += fake_alloc(4096);
	fake_interpreter(py);
}

static inline u64 fake_thread(const struct rt_py *py, u64 interp, u64 self)
{
	u64 tstate = fake_alloc(256), cframe;

	fake_put64(tstate + py->thread_next, fake_get64(interp + py->interp_threads));
	fake_put64(tstate + py->thread_id, self);
	fake_put64(interp + py->interp_threads, tstate);
	if (py->cframe_frame != RT_PY_NONE) { /* there from the beginning */
		cframe = fake_alloc(32);
		fake_put64(tstate + py->thread_frame, cframe);
		fake_put64(cframe + py->cframe_frame, 0);
	}
	return tstate;
}

/* Takes a thread out of its list, and leaves its memory as it is: that is what free() does. */
static inline void fake_thread_ends(const struct rt_py *py, u64 interp, u64 tstate)
{
	u64 at = interp + py->interp_threads;

	while (fake_get64(at) != tstate)
		at = fake_get64(at) + py->thread_next;
	fake_put64(at, fake_get64(tstate + py->thread_next));
}

/* Where the address of the innermost frame lies. */
static inline u64 fake_innermost(const struct rt_py *py, u64 tstate)
{
	u64 at = tstate + py->thread_frame;

	return py->cframe_frame == RT_PY_NONE ? at : fake_get64(at) + py->cframe_frame;
}

struct fake_frame {
	u64 at, code, globals, instr;
};

static inline void fake_frame(const struct rt_py *py, const struct fake_frame *f, u64 back,
	u8 owner)
{
	u64 code = py->flags & RT_PY_TAGGED ? f->code | 1 : f->code;

	fake_put64(f->at + py->frame_code, code);
	fake_put64(f->at + py->frame_back, back);
	fake_put64(f->at + py->frame_globals, f->globals);
	if (py->flags & RT_PY_LASTI)
		fake_put32(f->at + py->frame_instr, f->instr);
	else
		fake_put64(f->at + py->frame_instr, f->instr);
	if (py->frame_owner != RT_PY_NONE)
		fake_put(f->at + py->frame_owner, &owner, 1);
}

#endif
