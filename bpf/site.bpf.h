/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What happens at a probed instruction: the entry of a function, a ret, a jump out of it. */
#ifndef SITE_BPF_H
#define SITE_BPF_H

#include "cost.bpf.h"
#include "pyspan.bpf.h"

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
	struct span now = {.sp = lk->sp, .func = lk->func, .pages = lk->ts->pages};

	/* the one that is about to be opened, if any */
	if (func_flags & (RT_FN_RET_AT_ENTRY | RT_FN_RETURNS))
		now.id = ++lk->ts->made;
	send_entry(lk, lk->func, now.id);
	if (func_flags & RT_FN_RET_AT_ENTRY) {
		span_report(lk, &now, 0, 0);
		close_tails(lk, lk->ts->depth);
	} else if (func_flags & RT_FN_RETURNS) {
		span_push(lk, func_flags);
	}
}

/* All probes of functions come here. `sp` is the stack pointer as it is at the function's entry;
 * `direct`: this is loaded only where kernel memory can be read without a helper. Is the process
 * traced? */
static __always_inline bool on_site(u64 cookie, u64 sp, bool direct)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	u32 site = RT_COOKIE_SITE(cookie), func_flags = RT_COOKIE_FLAGS(cookie);
	struct look lk = {.sp = sp, .func = RT_COOKIE_FUNC(cookie)};
	struct rt_py *py;
	s64 pages[MM_KINDS];
	int ret;

	lk.ts = thread_get(task, mm);
	if (!lk.ts)
		return false;
	lk.st = mm_of(mm);
	if (!lk.st)
		return false;
	lk.now = bpf_ktime_get_ns();
	lk.equal = site == RT_SITE_ENTRY;
	if (direct)
		ret = rss_read_direct(mm, lk.st, pages);
	else
		ret = rss_read(mm, task, lk.st, pages);
	if (!look_take(&lk, ret, pages))
		return true;
	lk.ts->busy = 1;
	lk.flags = forget_value(lk.flags);
	lk.equal = forget_value(lk.equal);
	py = look_python(&lk, task, false);
	if (py || lk.ts->depth)
		report_spans(&lk, task, py);
	if (py)
		look_settle(&lk, task, py, 0);
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
	look_done(&lk, 0);
	lk.ts->busy = 0;
	return true;
}

static __always_inline void function_hit(u64 cookie, u64 sp, bool direct)
{
	u32 flags = RT_COOKIE_FLAGS(cookie), class = RT_COST_FUNCTION;
	u64 since;

	if (flags & RT_FN_STEPPED)
		class = RT_COST_FUNCTION_STEPPED;
	else if (flags & RT_FN_NOP5)
		class = RT_COST_FUNCTION_NOP5;
	since = forget_value(cost_begin(class));
	if (on_site(cookie, sp, direct))
		cost_end(class, since);
	else
		cost_end_other(class, since);
}

#endif
