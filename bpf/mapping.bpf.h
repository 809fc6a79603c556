/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which mapping a page came to or went from. The tracepoints of page faults tell the address before
 * the fault is handled; it stands for the changes of RSS until the fault is over. A system call that
 * brings or takes pages without a fault (munmap, madvise, a read that bypasses the page cache) has it
 * among its arguments; so has mmap with MAP_POPULATE, or it is where the kernel was seen to find room.
 * What else brings pages (io_uring, another task's hands) has none.
 *
 * A mapping is found once and remembered, with the count of changes that the kernel keeps of an mm's
 * mappings: as long as that stands still, what lies between its ends is the same mapping. The tree
 * that the kernel keeps of them is gone through without its lock, which a thread that changes
 * mappings, or waits for its turn to, keeps others from; what is found there is believed if it
 * holds the address, else the kernel is asked. Growth is told by groups of mappings: by file, by name, by what it is for, else by size.
 */
#ifndef MAPPING_BPF_H
#define MAPPING_BPF_H

#include "cost.bpf.h"
#include "pyspan.bpf.h"

#define TMPFS_MAGIC	0x01021994 /* include/uapi/linux/magic.h */
#define MAP_FIXED	0x10
#define MAP_ANONYMOUS	0x20
#define MAP_FIXED_NOREPLACE 0x100000
#define PMD_PAGES	512 /* of 4 KiB: a huge page */
#define EXCEPTION	(-1L) /* pt_regs.orig_ax outside of system calls: arch/x86/entry/entry_64.S */

/* Mappings that were told of. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u8);
} growth_maps SEC(".maps");

struct map_start_key {
	u64 mm, start;
};

/* Mappings by where they begin, for when they are taken away: then they cannot be found any more. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct map_start_key);
	__type(value, u32);
} growth_map_starts SEC(".maps");

struct map_found {
	struct thread_state *ts;
	struct mm_struct *mm;
	u64 start, end, addr;
	u64 dev, ino;
	u64 hash; /* of its name, where that is what it is known by */
	u32 kind;
	u32 size_class;
	const char *name; /* in the kernel */
};

static __always_inline u32 map_size_class(u64 bytes)
{
	u32 class = 0;

	for (u64 bound = RT_MAP_CLASS_0; bytes >= bound && class < RT_MAP_CLASSES - 1; bound <<= 4)
		class++;
	return class;
}

static __always_inline u64 map_hash_name(const char *name)
{
	u64 words[4] = {}, h = 1;

	bpf_probe_read_kernel_str(words, sizeof(words), name);
	for (int i = 0; i < 4; i++)
		h = py_mix(h, words[i]);
	return h;
}

static __always_inline void map_of_file(struct map_found *f, const struct file *file)
{
	const struct inode *inode = BPF_CORE_READ(file, f_inode);
	bool shmem = BPF_CORE_READ(inode, i_sb, s_magic) == TMPFS_MAGIC;

	f->kind = shmem ? RT_MAP_SHMEM : RT_MAP_FILE;
	f->dev = BPF_CORE_READ(inode, i_sb, s_dev);
	f->ino = BPF_CORE_READ(inode, i_ino);
	f->name = (const char *)BPF_CORE_READ(file, f_path.dentry, d_name.name);
}

static __always_inline void map_of_anon(struct map_found *f, const struct anon_vma_name *name)
{
	struct mm_struct *mm = f->mm;

	if (name) {
		f->kind = RT_MAP_NAMED;
		f->name = (const char *)name + bpf_core_field_offset(struct anon_vma_name, name);
		f->hash = map_hash_name(f->name);
	} else if (f->start <= BPF_CORE_READ(mm, brk) && f->end >= BPF_CORE_READ(mm, start_brk)) {
		f->kind = RT_MAP_HEAP;
	} else if (f->start <= BPF_CORE_READ(mm, start_stack) &&
		f->end >= BPF_CORE_READ(mm, start_stack)) {
		f->kind = RT_MAP_STACK;
	} else if (f->addr < f->ts->stack_hi && f->end > f->ts->stack_lo && f->start >= f->ts->stack_lo) {
		f->kind = RT_MAP_THREAD_STACK;
	} else {
		f->kind = RT_MAP_ANON;
		f->size_class = map_size_class(f->end - f->start);
	}
}

/* bpf_find_vma callback. */
static long map_take(struct task_struct *task, struct vm_area_struct *vma, struct map_found *f)
{
	struct file *file = BPF_CORE_READ(vma, vm_file);
	struct anon_vma_name *name = NULL;

	f->start = BPF_CORE_READ(vma, vm_start);
	f->end = BPF_CORE_READ(vma, vm_end);
	if (file) {
		map_of_file(f, file);
		return 0;
	}
	if (bpf_core_field_exists(vma->anon_name))
		name = BPF_CORE_READ(vma, anon_name);
	map_of_anon(f, name);
	return 0;
}

static __always_inline u32 map_id(const struct map_found *f, bool huge)
{
	u64 h = py_mix(py_mix(f->kind << 8 | f->size_class << 1 | huge, f->dev), f->ino ^ f->hash);
	u32 id = h >> 32;

	return id < RT_NODE_FIRST ? id + RT_NODE_FIRST : id;
}

/* False: it has to be told another time. */
static __noinline bool map_tell(u32 id, const struct map_found *f, bool huge)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct rt_mapping *ev;
	u8 yes = 1;

	if (bpf_map_update_elem(&growth_maps, &id, &yes, BPF_NOEXIST)) {
		if (!bpf_map_lookup_elem(&growth_maps, &id))
			count_loss(RT_LOSS_NODE);
		return true;
	}
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev) {
		bpf_map_delete_elem(&growth_maps, &id);
		count_loss(RT_LOSS_NODE);
		return false;
	}
	event_header(&ev->h, RT_EV_MAPPING, sizeof(*ev), NULL);
	ev->h.pid = BPF_CORE_READ(task, tgid);
	ev->h.tid = BPF_CORE_READ(task, pid);
	ev->h.start_ns = BPF_CORE_READ(task, group_leader, start_time);
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->map = id;
	ev->map_kind = f->kind;
	ev->size_class = f->size_class;
	ev->flags = huge ? RT_MAP_HUGE : 0;
	ev->dev = f->dev;
	ev->ino = f->ino;
	__builtin_memset(ev->name, 0, sizeof(ev->name));
	if (f->name)
		bpf_probe_read_kernel_str(ev->name, sizeof(ev->name), f->name);
	bpf_ringbuf_submit(ev, ring_flags());
	return true;
}

static __always_inline void map_remember(struct thread_state *ts, const struct map_found *f, u32 changes,
	u32 id)
{
	struct map_start_key key = {.mm = ts->mm, .start = f->start};

	ts->map.start = f->start;
	ts->map.end = f->end;
	ts->map.changes = changes;
	ts->map.id = id;
	bpf_map_update_elem(&growth_map_starts, &key, &id, BPF_ANY);
}

/*
 * The maple tree of an mm's mappings, without a lock: d4af56c5c7c6 (6.1), include/linux/maple_tree.h,
 * lib/maple_tree.c: mtree_range_walk. A pointer to a node has its type in bits 3 to 6; all of its
 * bounds come first, then what lies below each, up to and with it. A bound of 0 is none.
 */
#define MAPLE_LEVELS   12
#define MAPLE_ROOT     2 /* in the lowest bits: else there is no node, but at most one entry */
#define MAPLE_LEAF     1 /* maple_leaf_64, maple_range_64 */
#define MAPLE_ARANGE   3
#define MAPLE_BOUNDS   15 /* MAPLE_RANGE64_SLOTS - 1, */
#define MAPLE_ABOUNDS  9  /* MAPLE_ARANGE64_SLOTS - 1 */

/* Not static: see py_look_up. Address of the struct vm_area_struct that may hold the address, or 0. */
__noinline u64 map_walk(u64 at, u64 addr)
{
	u64 bounds[MAPLE_BOUNDS];

	if ((at & 3) != MAPLE_ROOT)
		return 0;
	for (int level = 0; level < MAPLE_LEVELS; level++) {
		u32 type = at >> 3 & 15, n = type == MAPLE_ARANGE ? MAPLE_ABOUNDS : MAPLE_BOUNDS, i;
		u64 node = at & ~255ULL;

		if (type < MAPLE_LEAF || type > MAPLE_ARANGE ||
			bpf_probe_read_kernel(bounds, sizeof(bounds), (void *)(node + 8)))
			return 0;
		for (i = 0; i < MAPLE_BOUNDS; i++)
			if (i >= n || bounds[i] >= addr || (i && !bounds[i]))
				break;
		if (bpf_probe_read_kernel(&at, sizeof(at), (void *)(node + 8 + (n + i) * 8)))
			return 0;
		if (type == MAPLE_LEAF)
			return at;
	}
	return 0;
}

static __always_inline bool map_find_unlocked(struct mm_struct *mm, struct map_found *f)
{
	u64 vma;

	if (!bpf_core_field_exists(mm->mm_mt))
		return false;
	vma = map_walk((u64)BPF_CORE_READ(mm, mm_mt.ma_root), f->addr);
	if (!vma)
		return false;
	map_take(NULL, (struct vm_area_struct *)vma, f);
	return f->addr >= f->start && f->addr < f->end;
}

/* The mapping at an address now; 0: there is none. */
static __noinline u32 map_find(struct thread_state *ts, struct mm_struct *mm, u64 addr, bool huge)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct map_found f = {.ts = ts, .mm = mm, .addr = addr};
	u32 changes = kcompat_mapping_changes(mm), id;

	if (!huge && changes && ts->map.changes == changes && addr >= ts->map.start && addr < ts->map.end)
		return ts->map.id;
	if (!map_find_unlocked(mm, &f)) {
		if (!bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_find_vma) ||
			bpf_find_vma(task, addr, map_take, &f, 0) || !f.kind)
			return 0;
	}
	id = map_id(&f, false);
	if (bpf_map_lookup_elem(&growth_maps, &id) || map_tell(id, &f, false))
		map_remember(ts, &f, changes, id); /* also of a huge page: it may go in parts, or with its mapping */
	if (!huge)
		return id;
	id = map_id(&f, true);
	if (!bpf_map_lookup_elem(&growth_maps, &id))
		map_tell(id, &f, true);
	return id;
}

/* One that is being taken away may not be found any more. */
static __noinline u32 map_was(struct thread_state *ts, u64 addr)
{
	struct map_start_key key = {.mm = ts->mm, .start = addr & ~((1ULL << page_shift) - 1)};
	u32 *id;

	if (addr >= ts->map.start && addr < ts->map.end)
		return ts->map.id;
	id = bpf_map_lookup_elem(&growth_map_starts, &key);
	return id ? *id : 0;
}

#if defined(__TARGET_ARCH_x86)
/* arch/x86/entry/syscalls/syscall_64.tbl */
enum {
	NR_READ = 0,
	NR_MMAP = 9,
	NR_MUNMAP = 11,
	NR_BRK = 12,
	NR_PREAD64 = 17,
	NR_MREMAP = 25,
	NR_MADVISE = 28,
	NR_FTRUNCATE = 77,
	NR_MLOCK = 149,
	NR_FALLOCATE = 285,
	NR_MLOCK2 = 325,
};

/* Number of the system call that the thread is in, or EXCEPTION. */
static __always_inline long map_syscall(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs))
		return ((struct pt_regs *)bpf_task_pt_regs(task))->orig_ax;
	return BPF_CORE_READ(kcompat_user_regs(task), orig_ax);
}

/* mmap with MAP_POPULATE: the mapping has been made, and can be found there; 0: nobody knows where. */
static __always_inline u64 map_place_of_mmap(const struct thread_state *ts, struct pt_regs *regs)
{
	u64 hint = BPF_CORE_READ(regs, di);

	if (BPF_CORE_READ(regs, r10) & (MAP_FIXED | MAP_FIXED_NOREPLACE))
		return hint;
	return hint ? 0 : ts->room; /* a hint may have been taken, and then no room was sought */
}

/* What a descriptor of the current task stands for. */
static __always_inline bool map_of_descriptor(struct map_found *f, struct task_struct *task, u32 fd)
{
	struct file *file = NULL;
	struct file **fds;

	if (fd >= BPF_CORE_READ(task, files, fdt, max_fds))
		return false;
	fds = BPF_CORE_READ(task, files, fdt, fd);
	if (bpf_probe_read_kernel(&file, sizeof(file), fds + fd) || !file)
		return false;
	map_of_file(f, file);
	return true;
}

/* Of calls that say what it is, if not where. */
static __noinline u32 map_of_call(struct thread_state *ts, struct task_struct *task, struct pt_regs *regs,
	bool huge)
{
	struct map_found f = {.ts = ts};
	bool mmaps = map_syscall(task) == NR_MMAP;
	u32 fd = mmaps ? BPF_CORE_READ(regs, r8) : BPF_CORE_READ(regs, di), id;

	if (mmaps && BPF_CORE_READ(regs, r10) & MAP_ANONYMOUS) {
		f.kind = RT_MAP_ANON;
		f.size_class = map_size_class(BPF_CORE_READ(regs, si));
	} else if (!map_of_descriptor(&f, task, fd)) {
		return 0;
	}
	id = map_id(&f, huge);
	if (!bpf_map_lookup_elem(&growth_maps, &id))
		map_tell(id, &f, huge);
	return id;
}

/* Is it of the system call that the thread is in now? Not for sure: another one before it may have been
 * made by the same instruction. That matters where one faults and the next does not: a read that bypasses
 * the page cache. */
static __always_inline bool fault_is_of(const struct thread_state *ts, struct pt_regs *regs, long nr)
{
	if (!ts->fault || ts->fault_nr != nr || ts->fault_sp != BPF_CORE_READ(regs, sp) ||
		ts->fault_ip != BPF_CORE_READ(regs, ip))
		return false;
	return (nr != NR_READ && nr != NR_PREAD64) ||
	       ts->fault - BPF_CORE_READ(regs, si) < BPF_CORE_READ(regs, dx);
}

/* The group of mappings that a change of the current thread's own is of; 0: not known. */
static __noinline u32 map_of_change(struct thread_state *ts, struct mm_struct *mm, s64 delta)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs;
	bool huge = delta >= PMD_PAGES || -delta >= PMD_PAGES;
	u64 addr = 0;
	long nr;
	u32 id;

	huge = huge && delta > 0 && !(delta & (PMD_PAGES - 1));
	nr = map_syscall(task);
	if (nr == EXCEPTION)
		return map_find(ts, mm, ts->fault, huge);
	regs = kcompat_user_regs(task);
	if (delta > 0 && fault_is_of(ts, regs, nr)) {
		addr = ts->fault;
	} else if (nr == NR_MMAP && delta > 0) {
		addr = map_place_of_mmap(ts, regs);
		id = addr ? map_find(ts, mm, addr, huge) : 0;
		return id ? id : map_of_call(ts, task, regs, huge);
	} else if (nr == NR_FALLOCATE || nr == NR_FTRUNCATE) {
		return map_of_call(ts, task, regs, false);
	} else if (nr == NR_MUNMAP || nr == NR_MADVISE || nr == NR_MREMAP || nr == NR_MLOCK ||
		   nr == NR_MLOCK2 || nr == NR_MMAP) {
		addr = BPF_CORE_READ(regs, di);
	} else if (nr == NR_BRK) {
		addr = BPF_CORE_READ(mm, start_brk); /* what it gets is the end of what stays */
	} else if ((nr == NR_READ || nr == NR_PREAD64) && delta > 0) {
		addr = BPF_CORE_READ(regs, si);
	}
	if (!addr)
		return 0;
	id = nr == NR_MUNMAP ? 0 : map_find(ts, mm, addr, huge);
	return id || delta > 0 ? id : map_was(ts, addr);
}

/* The address of a fault that is about to be handled. */
static __always_inline int note_fault(u64 addr)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct thread_state *ts;
	u64 since;

	/* one that is not handled: somebody only looks whether memory is there, as this tool does */
	if (!mm || task->pagefault_disabled)
		return 0;
	ts = bpf_task_storage_get(&threads, task, 0, 0);
	/* amid exec it is still that of the program that ends */
	if (ts && ts->mm && ts->mm != (u64)mm)
		return 0;
	if (!ts || !ts->mm)
		ts = thread_get(task, mm);
	if (!ts)
		return 0;
	/* not before: faults of all others come here, too, and are not to pay for being counted */
	since = cost_begin(RT_COST_FAULT);
	ts->fault = addr;
	ts->fault_nr = map_syscall(task);
	if (ts->fault_nr != EXCEPTION) {
		ts->fault_sp = BPF_CORE_READ(kcompat_user_regs(task), sp);
		ts->fault_ip = BPF_CORE_READ(kcompat_user_regs(task), ip);
	}
	cost_end(RT_COST_FAULT, since);
	return 0;
}

/* Room for a mapping was found there. Where it is to be aligned, this is more than it takes, at both
 * ends, but less than twice as much: what is in the middle is of the mapping. */
static __always_inline int note_room(u64 addr, u64 length)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct thread_state *ts;

	if (!task->mm)
		return 0;
	ts = bpf_task_storage_get(&threads, task, 0, 0);
	if (!ts || !ts->mm)
		ts = thread_get(task, task->mm);
	if (ts && ts->mm == (u64)task->mm)
		ts->room = addr + length / 2;
	return 0;
}
#else
static __always_inline u32 map_of_change(struct thread_state *ts, struct mm_struct *mm, s64 delta)
{
	return 0;
}

static __always_inline int note_fault(u64 addr)
{
	return 0;
}

static __always_inline int note_room(u64 addr, u64 length)
{
	return 0;
}
#endif

#endif
