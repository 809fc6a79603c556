/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RSS of all traced processes together, and its peak. Each CPU gathers what changes on it until it is
 * worth to be told, so that processes on many CPUs do not wait for one another: the sum is off by less
 * than PEAK_NEAR pages per CPU.
 */
#ifndef TREE_BPF_H
#define TREE_BPF_H

#include "delta.bpf.h"

struct rt_tree tree;
__u32 tree_peaks; /* how often there was a new one */

struct tree_part {
	s64 pages[MM_KINDS];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct tree_part);
} tree_parts SEC(".maps");

static __always_inline void tree_note_peak(void)
{
	s64 total = rss_total(tree.cur);

	if (total <= tree.peak_total)
		return;
	tree.peak_total = total;
	rss_copy(tree.peak, tree.cur);
	tree.peak_ns = bpf_ktime_get_ns();
	tree_peaks++;
}

/* A whole process comes (1) or goes (-1). */
static __noinline int tree_add_process(const struct mm_state *st, s64 sign)
{
	if (!st)
		return 0;
	for (int i = 0; i < MM_KINDS; i++)
		__sync_fetch_and_add(&tree.cur[i], sign * st->cur[i]);
	if (sign > 0)
		tree_note_peak();
	return 0;
}

static __noinline int tree_tell(struct tree_part *part)
{
	for (int i = 0; i < MM_KINDS; i++) {
		__sync_fetch_and_add(&tree.cur[i], part->pages[i]);
		part->pages[i] = 0;
	}
	tree_note_peak();
	return 0;
}

/* A change of one kind, in the program of its event. */
static __always_inline void tree_add(u32 kind, s64 delta)
{
	u32 zero = 0;
	struct tree_part *part = bpf_map_lookup_elem(&tree_parts, &zero);
	s64 pages;

	if (!part)
		return;
	part->pages[kind & 3] += delta;
	pages = part->pages[kind & 3];
	if (pages >= PEAK_NEAR || -pages >= PEAK_NEAR)
		tree_tell(part);
}

/* The mm is torn down. */
static __noinline int mm_forget(u64 mm)
{
	tree_add_process(bpf_map_lookup_elem(&mms, &mm), -1);
	bpf_map_delete_elem(&mms, &mm);
	if (nr_cpus > FEW_CPUS)
		bpf_map_delete_elem(&mm_cpus, &mm);
	return 0;
}

#endif
