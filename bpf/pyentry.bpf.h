/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Python functions that begin: probes on what makes their frames, for those that are over before anything
 * else looks. */
#ifndef PYENTRY_BPF_H
#define PYENTRY_BPF_H

#include "pyspan.bpf.h"

#define PY_FUNC_CODE 48 /* PyFunctionObject.func_code, 3.11 to 3.15: Include/cpython/funcobject.h */

/* The code of the function that is about to run: its function object is at hand, or its frame. */
static __always_inline u64 py_entered(const struct rt_py *py, u64 arg, u64 what)
{
	bool is_frame = what != RT_PY_FUNCTION;
	u64 code = 0;

	if (what == RT_PY_CODE)
		return arg;
	if (!is_frame && (py->flags & RT_PY_TAGGED))
		arg &= ~7ULL;
	if (bpf_probe_read_user(&code, sizeof(code), (void *)(arg + (is_frame ? py->frame_code : PY_FUNC_CODE))))
		return 0;
	return is_frame && (py->flags & RT_PY_TAGGED) ? code & ~7ULL : code;
}

/* Only a generator is made, or a coroutine, which runs when it is resumed. */
static __always_inline bool py_makes(u64 code)
{
	u32 flags = 0;

	return !bpf_probe_read_user(&flags, sizeof(flags), (void *)(code + PY_CODE_FLAGS)) &&
	       (flags & PY_CO_RESUMED);
}

/* Most functions that begin are of those that began just before, and nobody wants them. That is
 * believed of a code object for some jiffies only: its address may come to be another's. */
static __always_inline u64 *py_cold_slot(struct thread_state *ts, u64 code, u64 *mark)
{
	*mark = code ^ bpf_jiffies64() >> 5 << 48;
	return &ts->py_cold[code >> 5 & (PY_COLD - 1)];
}

/* What begins to run was told of when its frame was made. */
static __always_inline bool py_has_begun(const struct look *lk)
{
	struct thread_state *ts = lk->ts;
	struct span *s = lk->py_runs && ts->depth ? span_at(ts, ts->depth - 1) : NULL;

	if (!s || !(s->flags & SPAN_PYTHON) || s->sp || !py_is_same_call(lk, s))
		return false;
	s->flags &= ~SPAN_PUSHED;
	return true;
}

/* The look at such an entry. `o` is what begins, but for where it lies. */
static __always_inline void python_begins(struct look *lk, struct task_struct *task,
	struct mm_struct *mm, struct rt_py *py, struct py_opening *o)
{
	s64 pages[MM_KINDS];

	lk->now = bpf_ktime_get_ns();
	if (!look_snapshot(lk, mm, task, pages))
		return;
	lk->flags = forget_value(lk->flags);
	look_python(lk, task, false);
	if (!lk->walked)
		return;
	report_spans(lk, task, py);
	look_done(lk, 0);
	if (py_has_begun(lk)) {
		look_settle(lk, task, py, 0);
		return;
	}
	o->frame = 0; /* where it will be is known for some; that it is there yet, for none */
	o->depth = lk->pt->depth + 1;
	o->caller = lk->pt->depth > lk->pt->floor ? py_record(lk->pt, lk->pt->depth)->code : 0;
	lk->py_flags = 0;
	py_open(lk, py, o);
	look_settle(lk, task, py, 0);
}

/*
 * A probe on what makes frames: for functions that are over before anything else looks. It may be
 * before the function is on the stack; the next look finds it there, or finds that it has returned.
 */
static __always_inline int on_python_function(u64 sp, u64 arg, u64 what)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct look lk = {.func = RT_NO_FUNC, .sp = sp, .py_entry = 1};
	bool is_frame = what == RT_PY_FRAME || what == RT_PY_FRAME_FIRST;
	struct mm_struct *mm = task->mm;
	struct py_opening o = {};
	struct rt_py *py;
	u64 *cold, mark;

	lk.ts = thread_get(task, mm);
	if (!py_possible() || !lk.ts || lk.ts->borrowed)
		return 0;
	py = bpf_map_lookup_elem(&pys, &lk.ts->tgid);
	if (!py)
		return 0;
	o.code = py_entered(py, arg, what);
	lk.py_runs = is_frame ? o.code : 0;
	cold = py_cold_slot(lk.ts, o.code, &mark);
	if (!o.code || *cold == mark)
		return 0;
	lk.st = mm_of(mm);
	if (!lk.st)
		return 0;
	lk.ts->busy = 1;
	lk.pt = py_thread_get(&lk, task);
	o.func = lk.pt ? py_func_of(lk.pt, py, o.code, 0) : 0;
	if (!o.func)
		*cold = mark;
	else if (is_frame || !py_makes(o.code))
		python_begins(&lk, task, mm, py, &o);
	lk.ts->busy = 0;
	return 0;
}

#endif
