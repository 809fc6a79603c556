/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The look that finds nothing new. A program that fills memory faults in page after page within one
 * call, and each fault is a look. What is asked then, by small reads into the stack (other memory of
 * the kernel is checked at length before it is written):
 *  - is the program at the very place in its machine code where it was at the last look, with the same
 *    in all registers, but for those by which one instruction fills or copies memory? Then it has
 *    not been anywhere else: so a system call looks that copies to memory, and memset. Else:
 *  - is the thread's innermost frame the one it was, at the instruction it was, and its caller's, and
 *    the innermost one that is wanted and its caller, with their variables? Else one of them has been
 *    run, and the function may have returned, or was called anew.
 * Another call from the same place can look alike for some time, so only so many looks of the second
 * kind are made in a row, and none for long.
 */
#ifndef PYQUICK_BPF_H
#define PYQUICK_BPF_H

#include "span.bpf.h"
#include "pyframe.bpf.h"

#define PY_QUICK_LOOKS	 32
#define PY_QUICK_JIFFIES 1
#define PY_ADDRESS	 ((1ULL << PY_INSTR_BITS) - 1)

/* The instruction is a pointer into the code object, up to 3.10 an index. */
static __noinline bool py_is_still(const struct py_quick *q, const struct py_still *s)
{
	u64 words[16] = {};

	if (q->wide) {
		if (bpf_probe_read_user(words, PY_WIDE, (void *)s->frame))
			return false;
		return words[q->code & 15] == s->code && words[q->globals & 15] == s->globals &&
		       (words[q->instr & 15] & q->instr_mask) == s->instr;
	}
	if (s->room) {
		if (bpf_probe_read_user(words, PY_SLOTS_END, (void *)s->frame))
			return false;
		return (words[q->instr & 15] ^ py_slots(words, q->owner, s->room)) == s->instr;
	}
	if (bpf_probe_read_user(words, sizeof(*words), (void *)(s->frame + q->instr * 8)))
		return false;
	return words[0] == (s->instr & PY_ADDRESS);
}

static __always_inline bool py_top_is_still(const struct py_quick *q)
{
	u64 at = 0;

	if (bpf_probe_read_user(&at, sizeof(at), (void *)(q->tstate + q->thread_frame)))
		return false;
	if (q->cframe_frame != RT_PY_NONE &&
		bpf_probe_read_user(&at, sizeof(at), (void *)(at + q->cframe_frame)))
		return false;
	return at == q->still[0].frame && py_is_still(q, &q->still[0]) &&
	       (q->n < 2 || py_is_still(q, &q->still[1])) && (q->n < 3 || py_is_still(q, &q->still[2]));
}

/* The same instruction with the same in all registers; or a repeated string instruction (rep stos, rep
 * movs) that has come further. */
static __always_inline bool py_is_here(const struct user_place *now, const struct user_place *then)
{
	u64 done = then->count - now->count, moved = now->to - then->to;

	if (now->ip != then->ip || now->sp != then->sp || now->others != then->others)
		return false;
	if (!done)
		return !moved && now->from == then->from;
	return done == moved || done << 3 == moved;
}

/* Is the current thread's stack as it was at the last look? 0: that takes a walk. (Not static: see
 * py_look_up.) */
__noinline int py_unchanged(struct thread_state *ts)
{
	struct py_quick *q;
	struct user_place at;

	if (!ts)
		return 0;
	q = &ts->py;
	if (!q->left || (s64)(bpf_jiffies64() - q->until) >= 0)
		return 0;
	at = kcompat_user_place(bpf_get_current_task_btf());
	if (py_is_here(&at, &q->at)) {
		q->at = at;
		return 1;
	}
	q->at = at;
	if (!py_top_is_still(q) || (q->caller && !py_is_still(q, &q->still[3])))
		return 0;
	q->left--;
	return 1;
}

/* The frame at this depth; with its variables if the walk has a hash of them. */
static __always_inline void py_note_still(struct py_quick *q, u32 i, struct py_thread *pt, u32 depth,
	const struct rt_py *py)
{
	const struct py_frame *f = py_record(pt, depth), *callee = py_record(pt, depth + 1);
	struct py_still *s = &q->still[i & 3];

	s->frame = f->frame;
	s->code = f->code;
	s->globals = f->globals;
	s->instr = py->flags & RT_PY_LASTI && py->frame_instr & 4 ? f->instr << 32 : f->instr;
	s->room = 0;
	if (!q->wide && depth < pt->depth && f->instr != (f->instr & PY_ADDRESS) &&
		callee->frame > f->frame && callee->frame - f->frame <= PY_SLOTS_NEAR)
		s->room = callee->frame - f->frame;
}

/* After a walk: what the next looks compare. `wanted`: depth of the innermost wanted frame, or 0. */
static __always_inline void py_quicken(struct thread_state *ts, struct py_thread *pt, const struct rt_py *py,
	u32 wanted, struct task_struct *task)
{
	struct py_quick *q = &ts->py;

	q->left = 0;
	if (pt->depth <= pt->floor || !pt->tstate)
		return;
	q->tstate = pt->tstate;
	q->thread_frame = py->thread_frame;
	q->cframe_frame = py->cframe_frame;
	q->code = py->frame_code / 8;
	q->globals = py->frame_globals / 8;
	q->instr = py->frame_instr / 8;
	q->wide = py->frame_bytes > PY_NARROW;
	q->instr_mask = !(py->flags & RT_PY_LASTI) ? ~0ULL : py->frame_instr & 4 ? ~0ULL << 32 : 0xffffffff;
	py_note_still(q, 0, pt, pt->depth, py);
	q->n = 1;
	if (pt->depth - 1 > pt->floor) {
		py_note_still(q, 1, pt, pt->depth - 1, py);
		q->n = 2;
	}
	if (wanted && wanted + 1 < pt->depth && wanted > pt->floor) {
		py_note_still(q, 2, pt, wanted, py);
		q->n = 3;
	}
	q->owner = py->frame_owner;
	q->caller = wanted && wanted - 1 > pt->floor;
	if (q->caller)
		py_note_still(q, 3, pt, wanted - 1, py);
	q->left = PY_QUICK_LOOKS;
	q->until = bpf_jiffies64() + PY_QUICK_JIFFIES;
	q->at = kcompat_user_place(task);
}

#endif
