/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A change of RSS: whose it is, what ended before it, and where it belongs. */
#ifndef ACCOUNT_BPF_H
#define ACCOUNT_BPF_H

#include "sample.bpf.h"

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
	ev = event_reserve(RT_POINT_LEN, st);
	if (!ev)
		return;
	event_header(&ev->h, RT_EV_CHECKPOINT, RT_POINT_LEN, st);
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

/* Memory is short, and the current task takes back some, of whomever: not what its program gives back.
 * (madvise can: that has none of this.) */
static __always_inline bool reclaims(struct task_struct *task)
{
	return task->reclaim_state;
}

static __always_inline void account(struct mm_state *st, u32 kind, s64 delta, bool own,
	bool footprint, u64 now)
{
	s64 cur;

	kind &= 3;
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

/* The Python side of a look before a change of the current thread's own. First of all that is done at
 * a change: the verifier goes through it once for each way that leads to it. */
static __always_inline struct rt_py *look_at_python(struct look *lk, struct mm_struct *mm)
{
	if (!growth_on && (!py_possible() || !lk->st->py))
		return NULL;
	if (!lk->ts || lk->ts->mm != (u64)mm)
		lk->ts = thread_get(bpf_get_current_task_btf(), mm);
	if (!py_possible() || !lk->st->py)
		return NULL;
	if (!lk->ts || lk->ts->busy || lk->st->py != 2)
		return NULL;
	return look_python(lk, bpf_get_current_task_btf(), false);
}

/* Spans of the current thread that ended before this change: their value is the RSS without it. */
static __noinline int look_before_change(struct look *lk, struct rt_py *py, struct mm_struct *mm,
	u32 kind, s64 delta)
{
	struct task_struct *task = bpf_get_current_task_btf();
	s64 pages[MM_KINDS];
	int ret;

	look_sp(lk, task);
	look_now(lk);
	if (!py_news(lk) && !top_gone(lk))
		return 0;
	ret = rss_read(mm, task, lk->st, pages);
	if (ret < 0)
		return 0;
	if (ret > 0)
		lk->flags = RT_F_UNSTABLE;
	lk->in_flight = rss_in_flight(lk->st, pages);
	pages[kind & 3] -= delta;
	rss_to_wire(&lk->rss, pages);
	return report_spans(lk, task, py);
}

/* `delta` is the thread's own share of `change`: none of what the tool's breakpoints have brought. */
static __always_inline void look_at_change(struct look *lk, struct rt_py *py, struct mm_struct *mm,
	u32 kind, s64 delta, s64 change)
{
	struct thread_state *ts = lk->ts;

	if (!ts || ts->mm != (u64)mm)
		return;
	if (py || (ts->depth && !(lk->walked && top_is_python(ts))))
		look_before_change(lk, py, mm, kind, change);
	if (py)
		look_settle(lk, bpf_get_current_task_btf(), py, 1);
	if (growth_on)
		growth_at_change(ts, lk->st, change, lk->walked);
	if (delta > 0)
		ts->pages.grown[kind & 3] += delta;
	else
		ts->pages.returned[kind & 3] -= delta;
	look_done(lk, 1);
	ts->own_changes++;
}

#endif
