/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exact RSS, and the account of who changed it.
 *
 * Since 6.2 an mm has four percpu_counters. Each is a global count, under a lock, plus one part
 * per CPU that is folded into the count when it passes a batch (32 pages and more). `count` alone
 * is off by up to a batch per CPU; the truth is count + the sum over all possible CPUs. BPF can
 * neither take the lock nor dereference a per-CPU pointer that came from kernel memory, so:
 *
 *  - the offset of each CPU's area is derived once from a PERCPU_ARRAY of our own (the address of
 *    its element on that CPU minus its per-CPU pointer), which needs no kernel symbol;
 *  - a fold that happens while we add up would be counted twice or not at all. It moves `count` and
 *    holds the lock, so the sum is taken again when either is seen, or when the accounting below
 *    saw a change of this mm meanwhile. Still moving after four tries: the event says so.
 *
 * Up to 6.1 the truth is mm->rss_stat.count + what every thread caches in task->rss_stat.count.
 *
 * The account hangs on kmem:rss_stat, which fires after each change of a counter, with the mm but
 * without the amount: see delta.bpf.h.
 */
#ifndef RSS_BPF_H
#define RSS_BPF_H

#include "kcompat.bpf.h"

/* Order of the kernel's counters: include/linux/mm_types_task.h */
enum {
	MM_FILE = 0,
	MM_ANON = 1,
	MM_SWAP = 2,
	MM_SHMEM = 3,
	MM_KINDS = 4,
};

#define PF_KTHREAD	  0x00200000 /* include/linux/sched.h */
#define SNAPSHOT_TRIES	  4
#define MAX_THREADS_SPLIT 256

/* Knobs, set before load. */
const volatile __u32 nr_cpus = 1;	    /* possible CPUs */
const volatile __u32 page_shift = 12;
const volatile bool growth_on = false; /* full attribution */

/* Offset of each CPU's area; filled by init_cpu_offsets. */
__u64 cpu_offset[RT_MAX_CPUS];

/* A CPU's part of each counter, as far as it is accounted for: see delta.bpf.h. */
struct mm_cpu {
	s32 part[MM_KINDS];
};

#define FEW_CPUS 8 /* a power of two: so many have their place in the state itself */
/* --step in pages; 0: no points. Not a knob: it goes off when a late library matches a spec, and, if it
 * yields, at the first marker. */
__u64 step_pages;
__u32 step_yields;

struct mm_state {
	s64 cur[MM_KINDS]; /* pages, as accounted: exact but for changes in flight */
	s64 folded[MM_KINDS]; /* of them, in the counters' counts */
	s64 first[MM_KINDS];
	s64 peak[MM_KINDS];
	s64 kind_peak[MM_KINDS];
	s64 grown[MM_KINDS];
	s64 returned[MM_KINDS];
	s64 foreign[MM_KINDS];
	s64 footprint[MM_KINDS];
	u64 counters[MM_KINDS]; /* the kernel's per-CPU pointers: constant in an mm's life */
	s64 peak_total, timed_total;
	s64 row_total; /* rss at the last row, for --step */
	s64 told_peak; /* peak_total at the last row of a function */
	u64 peak_ns;
	u64 changes; /* rss_stat events, by anybody, */
	u64 begun;   /* and those that are being handled, too */
	u64 start_ns;
	u32 tgid;
	u32 lost; /* events not sent since the last one that was */
	u32 py;	  /* 1: runs CPython, 2: and changes of RSS are looks at its stacks */
	u32 ready; /* the account has begun */
	u32 told_tree; /* tree_peaks at the last row of a function */
	u32 pad;
	u64 serial; /* no other has it */
	u64 mm;	    /* the key */
	struct mm_cpu cpus[FEW_CPUS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64); /* struct mm_struct * */
	__type(value, struct mm_state);
} mms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct mm_cpu);
} mm_cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, RT_LOSS_MAX);
	__type(key, u32);
	__type(value, u64);
} losses SEC(".maps");

/* A template whose per-CPU pointer tells the offsets, and the zeroes for new map values. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, u64);
} cpu_anchor SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct mm_state);
} zero_mm SEC(".maps");

static __always_inline void count_loss(u32 which)
{
	u64 *n = bpf_map_lookup_elem(&losses, &which);

	if (n)
		*n += 1;
}

static __always_inline void rss_copy(s64 *to, const s64 *from)
{
	to[0] = from[0];
	to[1] = from[1];
	to[2] = from[2];
	to[3] = from[3];
}

/* The counts, and whether any of their locks is held. Indices are constants: CO-RE relocates the
 * size of an array's elements for no others. */
static __always_inline u32 pcpc_counts(const struct mm_struct *mm, s64 *count)
{
	count[0] = mm->rss_stat[0].count;
	count[1] = mm->rss_stat[1].count;
	count[2] = mm->rss_stat[2].count;
	count[3] = mm->rss_stat[3].count;
	return mm->rss_stat[0].lock.raw_lock.val.counter | mm->rss_stat[1].lock.raw_lock.val.counter |
	       mm->rss_stat[2].lock.raw_lock.val.counter | mm->rss_stat[3].lock.raw_lock.val.counter;
}

/* Adds each CPU's part to pages[]; one read a CPU where the four lie side by side (6.6 and later,
 * percpu_counter_init_many). */
static __always_inline long pcpc_add_parts(s64 *pages, const u64 *counters, bool direct)
{
	bool together = counters[1] == counters[0] + 4 && counters[2] == counters[0] + 8 &&
			counters[3] == counters[0] + 12;
	long err = 0;
	s32 part[MM_KINDS];

	for (u32 cpu = 0; cpu < RT_MAX_CPUS && cpu < nr_cpus; cpu++) {
		u64 off = cpu_offset[cpu];

		if (direct && together) {
			kcompat_read_16(part, counters[0] + off);
		} else if (together) {
			err |= bpf_probe_read_kernel(part, sizeof(part), (void *)(counters[0] + off));
		} else {
			err |= bpf_probe_read_kernel(&part[0], 4, (void *)(counters[0] + off));
			err |= bpf_probe_read_kernel(&part[1], 4, (void *)(counters[1] + off));
			err |= bpf_probe_read_kernel(&part[2], 4, (void *)(counters[2] + off));
			err |= bpf_probe_read_kernel(&part[3], 4, (void *)(counters[3] + off));
		}
		pages[0] += part[0];
		pages[1] += part[1];
		pages[2] += part[2];
		pages[3] += part[3];
	}
	return err;
}

/*
 * Where there are many CPUs the loop is a global function: those the verifier walks once, by
 * themselves, and not for each state that calls them, which from some 400 CPUs on is past its
 * limit. Where there are few, the call would cost as much as the loop.
 */
struct pcpc_pages {
	s64 kind[MM_KINDS];
};

struct pcpc_counters {
	u64 kind[MM_KINDS];
};

__noinline int pcpc_add_many(struct pcpc_pages *pages, const struct pcpc_counters *counters)
{
	return pages && counters ? pcpc_add_parts(pages->kind, counters->kind, false) : -1;
}

__noinline int pcpc_add_many_direct(struct pcpc_pages *pages, const struct pcpc_counters *counters)
{
	return pages && counters ? pcpc_add_parts(pages->kind, counters->kind, true) : -1;
}

static __always_inline int pcpc_add(s64 *pages, const struct mm_state *st, bool direct)
{
	const struct pcpc_counters *counters = (const void *)st->counters;
	struct pcpc_pages sum;
	int err;

	if (nr_cpus <= FEW_CPUS)
		return pcpc_add_parts(pages, st->counters, direct);
	/* a copy, so that where there are few the compiler may keep them in registers */
	rss_copy(sum.kind, pages);
	err = direct ? pcpc_add_many_direct(&sum, counters) : pcpc_add_many(&sum, counters);
	rss_copy(pages, sum.kind);
	return err;
}

/* One try. 0: stable, 1: moved meanwhile, negative: unreadable. */
static __always_inline int pcpc_sum(const struct mm_struct *mm, const struct mm_state *st,
	s64 *pages, bool direct)
{
	s64 before[MM_KINDS], after[MM_KINDS];
	u64 changes = *(volatile const u64 *)&st->changes;
	u32 locked;

	locked = pcpc_counts(mm, before);
	rss_copy(pages, before);
	barrier();
	if (pcpc_add(pages, st, direct))
		return -1;
	barrier();
	locked |= pcpc_counts(mm, after);
	return locked || *(volatile const u64 *)&st->changes != changes || before[0] != after[0] ||
	       before[1] != after[1] || before[2] != after[2] || before[3] != after[3];
}

/* Up to 6.1: the mm's own counts and the caches of all threads of `task`. */
static __always_inline int split_sum(const struct mm_struct *mm, struct task_struct *task, s64 *pages)
{
	const struct mm_struct___split *old = (const void *)mm;
	struct signal_struct *sig = BPF_CORE_READ(task, signal);
	u32 node = bpf_core_field_offset(struct task_struct, thread_node);
	u64 head = (u64)sig + bpf_core_field_offset(struct signal_struct, thread_head);
	u64 at = (u64)BPF_CORE_READ(sig, thread_head.next);

	pages[0] = BPF_CORE_READ(old, rss_stat.count[0].counter);
	pages[1] = BPF_CORE_READ(old, rss_stat.count[1].counter);
	pages[2] = BPF_CORE_READ(old, rss_stat.count[2].counter);
	pages[3] = BPF_CORE_READ(old, rss_stat.count[3].counter);
	for (int i = 0; i < MAX_THREADS_SPLIT && at && at != head; i++) {
		const struct task_struct___split *t = (const void *)(at - node);
		int cached[MM_KINDS] = {};

		bpf_core_read(cached, sizeof(cached), &t->rss_stat.count);
		pages[0] += cached[0];
		pages[1] += cached[1];
		pages[2] += cached[2];
		pages[3] += cached[3];
		if (bpf_probe_read_kernel(&at, sizeof(at), (void *)at))
			return -1;
	}
	return 0;
}

/*
 * The exact RSS of a tracked mm in pages, kernel's order. `task` is any of its threads.
 * 0: exact at one instant during the call; 1: it moved in all tries, off by less than a batch;
 * negative: could not be read.
 */
static __noinline int rss_read(const struct mm_struct *mm, struct task_struct *task,
	const struct mm_state *st, s64 *pages)
{
	int ret = -1;

	if (!kcompat_rss_is_percpu())
		return split_sum(mm, task, pages);
	for (int i = 0; i < SNAPSHOT_TRIES; i++) {
		ret = pcpc_sum(mm, st, pages, false);
		if (ret <= 0)
			return ret;
	}
	count_loss(RT_LOSS_UNSTABLE);
	return ret;
}

/* The same for programs that are loaded only where memory can be read directly. */
static __noinline int rss_read_direct(const struct mm_struct *mm, const struct mm_state *st,
	s64 *pages)
{
	int ret = -1;

	for (int i = 0; i < SNAPSHOT_TRIES; i++) {
		ret = pcpc_sum(mm, st, pages, true);
		if (ret <= 0)
			return ret;
	}
	count_loss(RT_LOSS_UNSTABLE);
	return ret;
}

/* Is somebody amid a change that is in the counters, and not in the account yet? Up to 6.1 the account
 * lags behind anyway. */
static __always_inline u64 rss_in_flight(const struct mm_state *st, const s64 *pages)
{
	u64 differ = 0;

	if (!kcompat_rss_is_percpu())
		return 0;
	for (int i = 0; i < MM_KINDS; i++)
		differ |= pages[i] ^ *(volatile const s64 *)&st->cur[i];
	return forget_value(differ);
}

static __always_inline void rss_to_wire(struct rt_snapshot *out, const s64 *pages)
{
	/* A counter can be below zero for a moment, while a page moves between two CPUs. */
	out->file = (u64)(pages[MM_FILE] > 0 ? pages[MM_FILE] : 0) << page_shift;
	out->anon = (u64)(pages[MM_ANON] > 0 ? pages[MM_ANON] : 0) << page_shift;
	out->shmem = (u64)(pages[MM_SHMEM] > 0 ? pages[MM_SHMEM] : 0) << page_shift;
	out->swap = (u64)(pages[MM_SWAP] > 0 ? pages[MM_SWAP] : 0) << page_shift;
}

static __always_inline void rss_change_to_wire(struct rt_change *out, const s64 *pages)
{
	out->file = pages[MM_FILE] * (1LL << page_shift);
	out->anon = pages[MM_ANON] * (1LL << page_shift);
	out->shmem = pages[MM_SHMEM] * (1LL << page_shift);
	out->swap = pages[MM_SWAP] * (1LL << page_shift);
}

static __always_inline s64 rss_total(const s64 *pages)
{
	return pages[MM_FILE] + pages[MM_ANON] + pages[MM_SHMEM];
}

/* The clock costs as much as the rest of the account: the time of a peak is that at which it had come
 * this near. */
#define PEAK_NEAR 16 /* pages */

/* `now`: 0 if it is not known yet. */
static __always_inline void mm_note_peak(struct mm_state *st, const s64 *pages, u64 now)
{
	s64 total = rss_total(pages);

	if (total <= st->peak_total)
		return;
	st->peak_total = total;
	rss_copy(st->peak, pages);
	if (now || total - st->timed_total >= PEAK_NEAR) {
		st->timed_total = total;
		st->peak_ns = now ? now : bpf_ktime_get_ns();
	}
}

/* Begins the account of an mm with an exact snapshot. NULL: no room (counted). */
static __noinline struct mm_state *mm_track(struct mm_struct *mm, struct task_struct *task)
{
	u64 key = (u64)mm;
	struct mm_cpu cpu = {};
	struct mm_state *st;
	u32 zero = 0;

	st = bpf_map_lookup_elem(&zero_mm, &zero);
	if (!st)
		return NULL;
	if (bpf_map_update_elem(&mms, &key, st, BPF_ANY) ||
		(nr_cpus > FEW_CPUS && bpf_map_update_elem(&mm_cpus, &key, &cpu, BPF_ANY))) {
		bpf_map_delete_elem(&mms, &key);
		count_loss(RT_LOSS_PROC_MAP);
		return NULL;
	}
	st = bpf_map_lookup_elem(&mms, &key);
	if (!st)
		return NULL;
	st->mm = key;
	st->serial = ((bpf_ktime_get_ns() << 16 ^ bpf_get_prandom_u32()) & ~(1ULL << 63)) | 1;
	if (kcompat_rss_is_percpu()) {
		st->counters[0] = (u64)mm->rss_stat[0].counters;
		st->counters[1] = (u64)mm->rss_stat[1].counters;
		st->counters[2] = (u64)mm->rss_stat[2].counters;
		st->counters[3] = (u64)mm->rss_stat[3].counters;
	}
	return st;
}

#endif
