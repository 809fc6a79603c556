/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Just the kernel types that the programs touch, and of each just the fields. libbpf relocates
 * every access to the running kernel's BTF (CO-RE), so order and offsets here mean nothing.
 * `make VMLINUX_H=path` builds against a full one, made by
 * `bpftool btf dump file /sys/kernel/btf/vmlinux format c`.
 */
#ifndef __VMLINUX_H__
#define __VMLINUX_H__

typedef unsigned char __u8;
typedef short int __s16;
typedef short unsigned int __u16;
typedef int __s32;
typedef unsigned int __u32;
typedef long long int __s64;
typedef long long unsigned int __u64;
typedef __u8 u8;
typedef __s16 s16;
typedef __u16 u16;
typedef __s32 s32;
typedef __u32 u32;
typedef __s64 s64;
typedef __u64 u64;
typedef int pid_t;
typedef _Bool bool;
typedef __u16 __be16;
typedef __u32 __be32;
typedef __u32 __wsum;

enum {
	false = 0,
	true = 1,
};

enum bpf_map_type {
	BPF_MAP_TYPE_HASH = 1,
	BPF_MAP_TYPE_ARRAY = 2,
	BPF_MAP_TYPE_PERCPU_HASH = 5,
	BPF_MAP_TYPE_PERCPU_ARRAY = 6,
	BPF_MAP_TYPE_LRU_HASH = 9,
	BPF_MAP_TYPE_RINGBUF = 27,
	BPF_MAP_TYPE_TASK_STORAGE = 29,
};

enum {
	BPF_ANY = 0,
	BPF_NOEXIST = 1,
};

enum {
	BPF_F_NO_PREALLOC = 1,
};

enum {
	BPF_LOCAL_STORAGE_GET_F_CREATE = 1,
};

enum {
	BPF_RB_NO_WAKEUP = 1,
	BPF_RB_FORCE_WAKEUP = 2,
};

enum {
	BPF_RB_AVAIL_DATA = 0,
};

/* Only asked whether they exist. */
enum bpf_func_id {
	BPF_FUNC_task_pt_regs = 175,
	BPF_FUNC_find_vma = 180,
	BPF_FUNC_loop = 181,
};

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

#if defined(__TARGET_ARCH_x86)
struct pt_regs {
	long unsigned int r15, r14, r13, r12, bp, bx, r11, r10, r9, r8, ax, cx, dx, si, di;
	long unsigned int orig_ax, ip, cs, flags, sp, ss;
};
struct thread_struct {
	long unsigned int fsbase;
};
#elif defined(__TARGET_ARCH_arm64)
struct user_pt_regs {
	__u64 regs[31], sp, pc, pstate;
};
struct pt_regs {
	struct user_pt_regs user_regs;
};
struct thread_struct {
	struct {
		long unsigned int tp_value;
	} uw;
};
#endif

struct list_head {
	struct list_head *next, *prev;
};

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	s64 counter;
} atomic64_t;

typedef atomic64_t atomic_long_t;

typedef struct qspinlock {
	union {
		atomic_t val;
	};
} arch_spinlock_t;

typedef struct raw_spinlock {
	arch_spinlock_t raw_lock;
} raw_spinlock_t;

struct percpu_counter {
	raw_spinlock_t lock;
	s64 count;
	s32 *counters;
};

/* Two numbers side by side: what a direct read of 16 bytes is declared as. */
struct timespec64 {
	s64 tv_sec;
	long int tv_nsec;
};

struct xol_area {
	long unsigned int vaddr;
};

struct uprobes_state {
	struct xol_area *xol_area;
};

struct uprobe;

struct return_instance {
	long unsigned int stack;
	long unsigned int orig_ret_vaddr;
	struct return_instance *next;
};

struct uprobe_task {
	struct uprobe *active_uprobe;
	struct return_instance *return_instances;
	long unsigned int xol_vaddr;
};

struct files_struct;

struct maple_tree {
	void *ma_root;
};

struct mm_struct {
	struct percpu_counter rss_stat[4];
	struct uprobes_state uprobes_state;
	long unsigned int start_stack;
	long unsigned int arg_start, arg_end;
	long unsigned int start_brk, brk;
	struct maple_tree mm_mt;
};

struct signal_struct {
	atomic_t live;
	struct list_head thread_head;
	int group_exit_code;
	long unsigned int min_flt, maj_flt;
};

struct sched_entity {
	u64 sum_exec_runtime;
};

struct task_struct {
	unsigned int __state;
	unsigned int flags;
	struct sched_entity se;
	struct mm_struct *mm;
	pid_t pid, tgid;
	int exit_code;
	struct task_struct *real_parent, *group_leader;
	struct list_head thread_node;
	u64 start_time;
	long unsigned int min_flt, maj_flt;
	struct signal_struct *signal;
	long unsigned int sas_ss_sp;
	long unsigned int sas_ss_size;
	struct uprobe_task *utask;
	struct thread_struct thread;
	void *stack;
	struct files_struct *files;
	int pagefault_disabled;
	struct reclaim_state *reclaim_state;
	char comm[16];
};

struct qstr {
	const unsigned char *name;
};

struct dentry {
	struct qstr d_name;
};

struct path {
	struct dentry *dentry;
};

struct super_block {
	unsigned int s_dev;
	long unsigned int s_magic;
};

struct inode {
	struct super_block *i_sb;
	long unsigned int i_ino;
};

struct file {
	struct inode *f_inode;
	struct path f_path;
};

struct fdtable {
	unsigned int max_fds;
	struct file **fd;
};

struct files_struct {
	struct fdtable *fdt;
};

struct anon_vma_name {
	char name[0];
};

struct vm_area_struct {
	long unsigned int vm_start, vm_end;
	struct file *vm_file;
	struct anon_vma_name *anon_name;
};

struct vm_unmapped_area_info {
	long unsigned int length;
};

struct bpf_raw_tracepoint_args;
struct linux_binprm;
struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	u64 session_id, seq_num;
};

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
};

struct bpf_array {
	u32 elem_size;
	void *pptrs[0];
};

#pragma clang attribute pop

#endif /* __VMLINUX_H__ */
