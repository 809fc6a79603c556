/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the programs themselves cost: one run in RT_COST_EVERY of each class, on each CPU, is timed.
 * The trap that leads to a probe is not in it.
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

#endif
