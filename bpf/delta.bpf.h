/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How many pages came or went with an event of kmem:rss_stat, which does not say.
 *
 * A change is added to this CPU's part of the counter. If the part comes to `rss_batch` or more, all of
 * it goes to the counter's count and the part is 0 (percpu_counter_add_batch, lib/percpu_counter.c). So
 * of each CPU's part, and of the count, it is noted how much is accounted for. What is new in the part
 * belongs to the event, and an event costs one read, whatever the number of CPUs.
 *
 * What is new in the count may be of several CPUs, since their events come in any order, and some time
 * after, when the host of a virtual machine takes the processor away amid one. But nearly all folds are
 * of page faults: those bring one page, to a part that was one below the batch. Such a fault takes just
 * that, whatever is there, and what others find they leave to a CPU that must have folded so.
 */
#ifndef DELTA_BPF_H
#define DELTA_BPF_H

#include "rss.bpf.h"

#define BASELINE_TRIES 64
#define NEWS_TRIES     4
#define FAULT_AROUND   16 /* fault_around_bytes: mm/memory.c */
#define HUGE_PAGES     512

const volatile __s32 rss_batch = 32; /* max(32, 2 * online CPUs), as compute_batch_value has it */

static __always_inline s32 *part_of(struct mm_state *st, u32 cpu, u32 kind)
{
	struct mm_cpu *mc;
	u64 mm = st->mm;

	if (nr_cpus <= FEW_CPUS || !kcompat_rss_is_percpu()) /* kernels that split have no such helper */
		return &st->cpus[cpu & (FEW_CPUS - 1)].part[kind & 3];
	mc = bpf_map_lookup_percpu_elem(&mm_cpus, &mm, cpu);
	return mc ? &mc->part[kind & 3] : NULL;
}

static __always_inline long read_part(const struct mm_state *st, u32 cpu, u32 kind, s32 *part)
{
	if (cpu >= RT_MAX_CPUS)
		return -1;
	return bpf_probe_read_kernel(part, sizeof(*part), (void *)(st->counters[kind & 3] + cpu_offset[cpu]));
}

/* Notes the parts of all CPUs, and adds them to *pages. (Not static: see pcpc_add_many.) */
__noinline int parts_note(struct mm_state *st, struct pcpc_pages *pages)
{
	s32 part, *known;

	if (!st || !pages)
		return -1;
	for (u32 cpu = 0; cpu < RT_MAX_CPUS && cpu < nr_cpus; cpu++) {
		for (int kind = 0; kind < MM_KINDS; kind++) {
			known = part_of(st, cpu, kind);
			if (!known || read_part(st, cpu, kind, &part))
				return -1;
			*known = part;
			pages->kind[kind] += part;
		}
	}
	return 0;
}

/* One try. 0: nothing was folded meanwhile, 1: something was, negative: unreadable. Changes may go on:
 * what is not in the parts now, whoever comes next finds there. */
static __noinline int parts_begin(struct mm_state *st, struct mm_struct *mm, struct pcpc_pages *pages)
{
	s64 before[MM_KINDS], after[MM_KINDS];
	u32 locked = pcpc_counts(mm, before);

	rss_copy(pages->kind, before);
	barrier();
	if (parts_note(st, pages))
		return -1;
	barrier();
	locked |= pcpc_counts(mm, after);
	rss_copy(st->folded, after);
	return locked || before[0] != after[0] || before[1] != after[1] || before[2] != after[2] ||
	       before[3] != after[3];
}

/* Where the account begins. 0, or negative if it could not be read (counted). */
static __noinline int mm_baseline(struct mm_state *st, struct mm_struct *mm, struct task_struct *task)
{
	struct pcpc_pages pages = {};
	u64 now = bpf_ktime_get_ns();
	int ret = 0;

	if (!kcompat_rss_is_percpu())
		ret = split_sum(mm, task, pages.kind);
	else
		for (int i = 0; i < BASELINE_TRIES; i++) {
			ret = parts_begin(st, mm, &pages);
			if (ret <= 0)
				break;
		}
	if (ret)
		count_loss(ret < 0 ? RT_LOSS_READ : RT_LOSS_UNSTABLE);
	if (ret < 0)
		return ret;
	rss_copy(st->cur, pages.kind);
	rss_copy(st->first, pages.kind);
	rss_copy(st->kind_peak, pages.kind);
	st->row_total = rss_total(pages.kind);
	mm_note_peak(st, pages.kind, now);
	barrier();
	st->ready = 1;
	return 0;
}

/* Up to 6.1. */
static __always_inline s64 delta_of_split(struct mm_struct *mm, struct task_struct *task,
	const struct mm_state *st, u32 kind)
{
	s64 pages[MM_KINDS] = {};

	return split_sum(mm, task, pages) ? 0 : pages[kind & 3] - st->cur[kind & 3];
}

/* The fold of one page more or less than the part, 0 where it would be none. */
static __always_inline s64 fold_by_one(s64 part)
{
	s64 sum = part < 0 ? part - 1 : part + 1;

	return sum >= rss_batch || -sum >= rss_batch ? sum : 0;
}

/* What other CPUs must have folded by one page, whose events have not come yet: pages. (Not static: see
 * pcpc_add_many.) */
__noinline int folds_of_others(struct mm_state *st, u32 kind)
{
	u32 me = bpf_get_smp_processor_id();
	s32 part, *known;
	int sum = 0;

	if (!st)
		return 0;
	for (u32 cpu = 0; cpu < RT_MAX_CPUS && cpu < nr_cpus; cpu++) {
		if (cpu == me)
			continue;
		known = part_of(st, cpu, kind);
		if (!known || read_part(st, cpu, kind, &part))
			break;
		if (!part)
			sum += fold_by_one(*(volatile s32 *)known);
	}
	return sum;
}

struct count_news {
	s64 all;    /* that is new in the count */
	s64 others; /* of it, what others must have folded */
};

/* 0: of one instant, as far as the account goes. */
static __always_inline int read_news(struct mm_struct *mm, struct mm_state *st, u32 kind, bool others,
	struct count_news *news)
{
	s64 before = *(volatile s64 *)&st->folded[kind & 3], count;

	if (bpf_probe_read_kernel(&count, sizeof(count),
		    (const void *)mm + bpf_core_field_offset(struct mm_struct, rss_stat) +
			    kind * bpf_core_type_size(struct percpu_counter) +
			    bpf_core_field_offset(struct percpu_counter, count)))
		return -1;
	news->all = count - before;
	news->others = others ? folds_of_others(st, kind) : 0;
	return before != *(volatile s64 *)&st->folded[kind & 3];
}

/* Pages that one fault may bring: some of a file that are near, or a folio. */
static __always_inline bool may_be_a_fault(s64 pages)
{
	return pages > 0 && (pages <= FAULT_AROUND || (pages <= HUGE_PAGES && !(pages & (pages - 1))));
}

/* Of what is new in the count, that of this CPU, whose part was `before`. */
static __noinline s64 fold_of_event(struct mm_struct *mm, struct task_struct *task, struct mm_state *st,
	u32 kind, s64 before)
{
	s64 expected = fold_by_one(before);
	struct count_news news = {};
	int ret = 1;

	kind &= 3;
	if (expected <= 0 || !kcompat_amid_exception(task))
		expected = 0;
	for (int i = 0; ret > 0 && i < NEWS_TRIES; i++)
		ret = read_news(mm, st, kind, !expected, &news);
	if (ret < 0) {
		count_loss(RT_LOSS_READ);
		return 0;
	}
	news.all -= news.others;
	if (expected && !may_be_a_fault(news.all - before))
		news.all = expected;
	__sync_fetch_and_add(&st->folded[kind], news.all);
	return news.all;
}

static __noinline s64 delta_of_event(struct mm_struct *mm, struct task_struct *task, struct mm_state *st,
	u32 kind)
{
	s32 part, *known;
	s64 delta;

	kind &= 3;
	if (!st->ready)
		return 0;
	if (!kcompat_rss_is_percpu())
		return delta_of_split(mm, task, st, kind);
	known = part_of(st, bpf_get_smp_processor_id(), kind);
	if (!known || read_part(st, bpf_get_smp_processor_id(), kind, &part)) {
		count_loss(RT_LOSS_READ);
		return 0;
	}
	delta = part - *known;
	if (!part)
		delta += fold_of_event(mm, task, st, kind, *known);
	barrier(); /* as long as another finds the old part, it leaves the fold here */
	*known = part;
	return delta;
}

#endif
