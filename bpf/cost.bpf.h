/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs themselves cost: one run in RT_COST_EVERY of each class, on each CPU, is timed.
 * The trap that leads to a probe is not in it. Runs in processes that are not traced are kept apart:
 * they are at the cost of others and mostly end early, so that a mean of both would be true of neither.
 */
#ifndef COST_BPF_H
#define COST_BPF_H

#include "kcompat.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RT_COST_MAX);
	__type(key, u32); /* enum rt_cost_class */
	__type(value, struct rt_cost);
} costs SEC(".maps");

/* At the beginning of a run: when it was, if it is to be timed, else 0. */
static __always_inline u64 cost_begin(u32 class)
{
	struct rt_cost *c = bpf_map_lookup_elem(&costs, &class);

	if (!c || ++c->runs % RT_COST_EVERY)
		return 0;
	return bpf_ktime_get_ns();
}

/* At its end. */
static __always_inline void cost_end(u32 class, u64 since)
{
	struct rt_cost *c;

	if (!since)
		return;
	c = bpf_map_lookup_elem(&costs, &class);
	if (!c)
		return;
	c->ns += bpf_ktime_get_ns() - since;
	c->sampled++;
}

/* At the end of a run in a process that is not traced, or on the memory of another. */
static __always_inline void cost_end_other(u32 class, u64 since)
{
	struct rt_cost *c = bpf_map_lookup_elem(&costs, &class);

	if (!c)
		return;
	c->others++;
	if (!since)
		return;
	c->others_ns += bpf_ktime_get_ns() - since;
	c->others_sampled++;
}

/* A run that is rare and dear, timed in any case. */
static __always_inline void cost_add(u32 class, u64 ns)
{
	struct rt_cost *c = bpf_map_lookup_elem(&costs, &class);

	if (!c)
		return;
	c->runs++;
	c->sampled++;
	c->ns += ns;
}

#endif
