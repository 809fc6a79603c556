/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native stacks of growth. Nothing in the kernel can walk a stack that has no frame pointers, so a copy
 * of its upper end is sent, with the registers that lead on from there, and the loader unwinds it. A
 * sample stands for all that its thread brought and took since the one before it; if the ring has no
 * room for one, nothing does. There is at most
 * one in sample_ns of each thread, and none before RT_SAMPLE_PAGES have come: what a sample costs, some
 * ten microseconds, is then bounded, however fast a program grows.
 */
#ifndef SAMPLE_BPF_H
#define SAMPLE_BPF_H

#include "cost.bpf.h"
#include "growth.bpf.h"

/* At least so many between two samples of a thread; 0: none are taken. Set by the loader at any time. */
__u64 sample_ns;
/* --max-overhead is exceeded: what a sample would stand for goes to where no sample is. */
__u32 samples_off;

static __always_inline s64 sample_pages(const struct own_pages *now, const struct own_pages *then)
{
	u32 pages = 0;

	for (int i = 0; i < MM_KINDS; i++)
		if (i != MM_SWAP)
			pages += now->grown[i] - then->grown[i];
	return pages;
}

/* Addresses that pending uretprobes have taken off the stack: struct return_instance. */
static __always_inline void sample_returns(struct rt_stack *ev, struct task_struct *task)
{
	struct uprobe_task *utask = BPF_CORE_READ(task, utask);
	struct return_instance *ri = utask ? BPF_CORE_READ(utask, return_instances) : NULL;

	for (u32 i = 0; i < RT_STACK_RETURNS; i++) {
		ev->returns[i].slot = ri ? BPF_CORE_READ(ri, stack) : 0;
		ev->returns[i].addr = ri ? BPF_CORE_READ(ri, orig_ret_vaddr) : 0;
		ri = ri ? BPF_CORE_READ(ri, next) : NULL;
	}
}

#if defined(__TARGET_ARCH_x86)
static __always_inline u64 sample_regs(struct rt_stack *ev, struct task_struct *task)
{
	struct pt_regs *regs = kcompat_user_regs(task);

	ev->regs[0] = BPF_CORE_READ(regs, ip);
	ev->regs[1] = BPF_CORE_READ(regs, sp);
	ev->regs[2] = BPF_CORE_READ(regs, bp);
	ev->regs[3] = BPF_CORE_READ(regs, bx);
	ev->regs[4] = BPF_CORE_READ(regs, r12);
	ev->regs[5] = BPF_CORE_READ(regs, r13);
	ev->regs[6] = BPF_CORE_READ(regs, r14);
	ev->regs[7] = BPF_CORE_READ(regs, r15);
	return ev->regs[1];
}
#else
static __always_inline u64 sample_regs(struct rt_stack *ev, struct task_struct *task)
{
	return 0;
}
#endif

/* Up to the end of the page and the next one: a read that comes to where nothing is fails wholly. */
static __always_inline u32 sample_copy(struct rt_stack *ev, u64 sp)
{
	u32 n = RT_STACK_PAGE - (sp & (RT_STACK_PAGE - 1));

	barrier_var(n);
	n &= 2 * RT_STACK_PAGE - 1;
	if (n > RT_STACK_PAGE || bpf_probe_read_user(ev->data, n, (void *)sp))
		return 0;
	if (bpf_probe_read_user(ev->data + n, RT_STACK_PAGE, (void *)sp + n))
		return n;
	return n + RT_STACK_PAGE;
}

static __always_inline void sample_changes(struct rt_stack *ev, const struct own_pages *now,
	struct own_pages *then)
{
	pages_to_wire(&ev->grown, now->grown, then->grown);
	pages_to_wire(&ev->returned, now->returned, then->returned);
	*then = *now;
}

static __always_inline void sample_left_out(struct thread_state *ts, const struct mm_state *st,
	struct own_pages *now)
{
	struct rt_cell_key key = {.serial = st->serial, .kind = RT_CELL_STACK, .at = RT_NODE_REST};

	cell_add(now, &ts->sampled, &key);
	count_loss(RT_LOSS_LIMIT);
}

/* After a change of the current thread's own. (Not static: see py_look_up.) */
__noinline int sample_at_change(struct thread_state *ts, struct mm_state *st)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct own_pages now;
	struct rt_stack *ev;
	u64 ns, sp, pending;

	if (!ts || !st)
		return 0;
	now = ts->pages;
	if (!sample_ns || sample_pages(&now, &ts->sampled) < RT_SAMPLE_PAGES)
		return 0;
	ns = bpf_ktime_get_ns();
	if (ns - ts->sample_ns < sample_ns)
		return 0;
	ts->sample_ns = ns;
	if (samples_off) {
		sample_left_out(ts, st, &now);
		return 0;
	}
	pending = bpf_ringbuf_query(&ring, BPF_RB_AVAIL_DATA);
	ev = pending + sizeof(*ev) < ring_limit ? bpf_ringbuf_reserve(&ring, sizeof(*ev), 0) : NULL;
	if (!ev) {
		count_loss(RT_LOSS_SAMPLE);
		sample_settle(ts, st->serial);
		return 0;
	}
	event_header(&ev->h, RT_EV_STACK, sizeof(*ev), NULL);
	ev->h.pid = ts->tgid;
	ev->h.tid = ts->tid;
	ev->h.start_ns = ts->start_ns;
	ev->h.time_ns = ns;
	ev->serial = st->serial;
	ev->node = ts->place.node & ~NODE_INSIDE;
	ev->flags = node_flags(ts->place.node);
	sp = sample_regs(ev, task);
	sample_returns(ev, task);
	sample_changes(ev, &now, &ts->sampled);
	ev->bytes = sample_copy(ev, sp);
	bpf_ringbuf_submit(ev, pending >= ring_wake && pending < ring_wake + sizeof(*ev) ?
				       BPF_RB_FORCE_WAKEUP : BPF_RB_NO_WAKEUP);
	cost_add(RT_COST_SAMPLE, bpf_ktime_get_ns() - ns);
	return 0;
}

#endif
