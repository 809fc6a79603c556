/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One inline per difference between kernels, each naming the commit that made it. */
#ifndef KCOMPAT_BPF_H
#define KCOMPAT_BPF_H

/* Before f1a7941243c1 ("mm: convert mm's rss stats into percpu_counter", 6.2) the counters were
 * plain, with a cache of up to 64 faults in every thread (SPLIT_RSS_COUNTING). */
struct mm_rss_stat {
	atomic_long_t count[4];
} __attribute__((preserve_access_index));

struct task_rss_stat {
	int events;
	int count[4];
} __attribute__((preserve_access_index));

struct mm_struct___split {
	struct mm_rss_stat rss_stat;
} __attribute__((preserve_access_index));

struct task_struct___split {
	struct task_rss_stat rss_stat;
} __attribute__((preserve_access_index));

static __always_inline bool kcompat_rss_is_percpu(void)
{
	return !bpf_core_type_exists(struct mm_rss_stat);
}

/* User registers at the last entry into the kernel. bpf_task_pt_regs is from dd6e10fbd9fb (5.15);
 * before it they lie at the top of the kernel stack, 16 KiB on x86-64. */
static __always_inline struct pt_regs *kcompat_user_regs(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return (struct pt_regs *)bpf_task_pt_regs(task);
	return (struct pt_regs *)(BPF_CORE_READ(task, stack) + 16384 -
				  bpf_core_type_size(struct pt_regs));
}

/* In a page fault or another exception from user mode, not in a system call: arch/x86/entry/entry_64.S
 * makes orig_ax -1 then. Elsewhere it is not known. */
static __always_inline bool kcompat_amid_exception(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return (long)BPF_CORE_READ(kcompat_user_regs(task), orig_ax) == -1;
#else
	return false;
#endif
}

/* task->state became __state in 2f064a59a11f (5.14). */
struct task_struct___old_state {
	volatile long state;
} __attribute__((preserve_access_index));

/* Is it about to sleep, rather than made to wait for the processor? For looks at a switch. */
static __always_inline bool kcompat_sleeps(struct task_struct *task)
{
	struct task_struct___old_state *old = (void *)task;

	if (bpf_core_field_exists(task->__state))
		return BPF_CORE_READ(task, __state);
	return BPF_CORE_READ(old, state);
}

/* Where the thread is in its program: instruction and stack pointer, a hash of the other registers,
 * and those that a repeated string instruction changes. */
struct user_place {
	u64 ip, sp, others;
	u64 count, to, from;
};

static __always_inline u64 kcompat_mix(u64 h, u64 v)
{
	return (h ^ v) * 0x9e3779b97f4a7c15ULL;
}

static __always_inline struct user_place kcompat_user_place(struct task_struct *task)
{
	struct user_place at = {};
#if defined(__TARGET_ARCH_x86)
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs)) {
		struct pt_regs *regs = (struct pt_regs *)bpf_task_pt_regs(task);
		u64 h = regs->bp;

		h = kcompat_mix(kcompat_mix(kcompat_mix(h, regs->bx), regs->r12), regs->r13);
		h = kcompat_mix(kcompat_mix(kcompat_mix(h, regs->r14), regs->r15), regs->ax);
		h = kcompat_mix(kcompat_mix(kcompat_mix(h, regs->dx), regs->r8), regs->r9);
		at.others = kcompat_mix(kcompat_mix(h, regs->r10), regs->r11);
		at.ip = regs->ip;
		at.sp = regs->sp;
		at.count = regs->cx;
		at.to = regs->di;
		at.from = regs->si;
		return at;
	}
#endif
	/* the others are not looked at: so nothing is known of them, and no two places are the same */
	at.ip = PT_REGS_IP_CORE(kcompat_user_regs(task));
	at.sp = PT_REGS_SP_CORE(kcompat_user_regs(task));
	at.others = bpf_ktime_get_ns();
	return at;
}

/* Since a35b9af4ec2c (6.2) kernel memory can be read without a helper, where it is known to be there
 * (what is not reads as 0). Only for programs that are not loaded elsewhere: before a5d827275241
 * (5.16) the verifier refuses the very call, reached or not. */
extern void *bpf_rdonly_cast(const void *obj, __u32 btf_id) __ksym __weak;

static __always_inline void kcompat_read_16(s32 *to, u64 addr)
{
	const struct timespec64 *t =
		bpf_rdonly_cast((void *)addr, bpf_core_type_id_kernel(struct timespec64));
	u64 lo = t->tv_sec, hi = t->tv_nsec;

	to[0] = lo;
	to[1] = lo >> 32;
	to[2] = hi;
	to[3] = hi >> 32;
}

/* The count of changes to an mm's mappings came with 5e31275cc997 (6.4), and became a seqcount in
 * eb449bd96954 (6.14). */
typedef struct seqcount {
	unsigned int sequence;
} seqcount_t;

struct mm_struct___seqcount {
	seqcount_t mm_lock_seq;
} __attribute__((preserve_access_index));

struct mm_struct___int {
	int mm_lock_seq;
} __attribute__((preserve_access_index));

/* 0: there is none. */
static __always_inline u32 kcompat_mapping_changes(const struct mm_struct *mm)
{
	const struct mm_struct___seqcount *s = (const void *)mm;
	const struct mm_struct___int *i = (const void *)mm;

	if (bpf_core_field_exists(s->mm_lock_seq))
		return s->mm_lock_seq.sequence + 1;
	if (bpf_core_field_exists(i->mm_lock_seq))
		return i->mm_lock_seq + 1;
	return 0;
}

/* oom:mark_victim got the task instead of its pid in 72ba14deb40a (6.8). */
static __always_inline u32 kcompat_victim_tgid(u64 arg)
{
	if (arg < (1ULL << 32))
		return (u32)arg;
	return BPF_CORE_READ((struct task_struct *)arg, tgid);
}

/*
 * The verifier goes anew through what follows for each set of values that it knows. Here it knows none:
 * what is unknown twice is still unknown to it.
 */
static __always_inline u64 forget_value(u64 v)
{
	u64 x = bpf_jiffies64();

	v ^= x;
	barrier_var(v);
	return v ^ x;
}

#endif
