/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Entry points. Each finds out whom it concerns and leaves the rest to the rooms behind it:
 *
 *	rss.bpf.h   how much: exact snapshots, and the account of each mm
 *	ring.bpf.h  room for events
 *	span.bpf.h  which functions are open in a thread, and how their end is seen
 *	proc.bpf.h  who is traced
 *	pythread.bpf.h, pyframe.bpf.h, pycode.bpf.h, pyquick.bpf.h, pyspan.bpf.h, pyentry.bpf.h
 *		    the Python side of a thread, its stack, whose functions these are, the look that
 *		    finds nothing new, the spans, and functions that are over at once
 *	mapping.bpf.h, growth.bpf.h, sample.bpf.h where in the program each page came or went
 *	account.bpf.h and what is done at each change of RSS
 *	site.bpf.h  what happens at a probed instruction
 *	mark.bpf.h  and where the program says itself that it has come to something
 *	cost.bpf.h, cputime.bpf.h what all this takes, and of how much
 */
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include <bpf/bpf_core_read.h>
#include "ramtrace.h"
#include "proc.bpf.h"
#include "pyentry.bpf.h"
#include "account.bpf.h"
#include "cost.bpf.h"
#include "cputime.bpf.h"
#include "site.bpf.h"
#include "mark.bpf.h"

char LICENSE[] SEC("license") = "GPL";

/* Knobs, set before load. */
const volatile __u32 tool_tgid = 0;	  /* whose writes are the probes' footprint */
const volatile bool follow_children = true;

/* Set by the loader between two runs of the task iterator. */
__u32 report_processes; /* 0: adopt the tree, 1: report every process */
__u32 counted_all;	/* what changes from now on is in no account */
__u32 adopted;	      /* processes that the last run took in */

/* --- set-up ------------------------------------------------------------------------------------ */

SEC("syscall")
int init_cpu_offsets(void *ctx)
{
	u32 zero = 0;
	u64 map = (u64)&cpu_anchor, base = 0;
	u64 pptr = bpf_core_field_offset(struct bpf_array, pptrs);
	u64 slot;

	/* Pointers become numbers by way of memory: the verifier allows no arithmetic on them. */
	bpf_probe_read_kernel(&slot, sizeof(slot), &map);
	if (bpf_probe_read_kernel(&base, sizeof(base), (void *)(slot + pptr)))
		return 1;
	for (u32 cpu = 0; cpu < RT_MAX_CPUS && cpu < nr_cpus; cpu++) {
		u64 *elem = bpf_map_lookup_percpu_elem(&cpu_anchor, &zero, cpu);
		u64 addr = (u64)elem, number = 0;

		bpf_probe_read_kernel(&number, sizeof(number), &addr);
		if (!number)
			return 2;
		cpu_offset[cpu] = number - base;
	}
	return 0;
}

/* What the loader has learned of a process that runs CPython. Not 0: it is not traced (any more). */
SEC("syscall")
int install_python(struct rt_py_install *ctx)
{
	u32 tgid = ctx->tgid;
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct mm_state *st;
	struct rt_py py;
	u64 key;

	if (!ps || !py_possible())
		return 1;
	key = ps->mm;
	st = bpf_map_lookup_elem(&mms, &key);
	if (!st)
		return 1;
	__builtin_memcpy(&py, &ctx->py, sizeof(py));
	if (bpf_map_update_elem(&pys, &tgid, &py, BPF_ANY))
		return 2;
	st->py = py.flags & RT_PY_ARMED ? 2 : 1;
	py_processes++;
	ctx->time_ns = bpf_ktime_get_ns();
	ctx->start_ns = ps->start_ns;
	rss_to_wire(&ctx->rss, st->cur);
	return 0;
}

/* --- probed instructions ------------------------------------------------------------------------- */

SEC("uprobe")
int on_function(struct pt_regs *ctx)
{
	function_hit(bpf_get_attach_cookie(ctx), PT_REGS_SP(ctx), false);
	return 0;
}

/* In its stead where kernel memory can be read directly. */
SEC("uprobe")
int on_function_direct(struct pt_regs *ctx)
{
	function_hit(bpf_get_attach_cookie(ctx), PT_REGS_SP(ctx), true);
	return 0;
}

/* --uretprobe: the return address has been popped already. */
SEC("uretprobe")
int on_uretprobe(struct pt_regs *ctx)
{
	function_hit(bpf_get_attach_cookie(ctx), PT_REGS_SP(ctx) - sizeof(long), false);
	return 0;
}

/* Where CPython begins a function. */
SEC("uprobe")
int on_python_entry(struct pt_regs *ctx)
{
	u64 what = bpf_get_attach_cookie(ctx), first = PT_REGS_PARM1(ctx), arg = PT_REGS_PARM2(ctx);
	u64 since = forget_value(cost_begin(RT_COST_PYTHON_ENTRY));

	/* both are read: the verifier lets no pointer to a register be chosen */
	barrier_var(first);
	barrier_var(arg);
	if (what == RT_PY_FRAME_FIRST || what == RT_PY_CODE)
		arg = first;
	on_python_function(PT_REGS_SP(ctx), arg, what);
	cost_end(RT_COST_PYTHON_ENTRY, since);
	return 0;
}

/* PyObject_ASCII, and USDT probes ramtrace:mark. */
SEC("uprobe")
int on_mark(struct pt_regs *ctx)
{
	u64 cookie = bpf_get_attach_cookie(ctx), since;
	u32 class = cookie & RT_MARK_STEPPED ? RT_COST_MARK_STEPPED : RT_COST_MARK;

	since = forget_value(cost_begin(class));
	if (on_marker(ctx, cookie))
		cost_end(class, since);
	else
		cost_end_other(class, since);
	return 0;
}

/* The dynamic linker's list of mapped files has changed: _dl_debug_state of ld.so. */
SEC("uprobe")
int on_mapped(struct pt_regs *ctx)
{
	u64 id = bpf_get_current_pid_tgid();
	u32 tgid = id >> 32;
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct rt_mapped *ev;

	if (!ps || (ps->flags & PROC_WAITS_FOR_EXEC))
		return 0;
	ev = event_reserve(sizeof(*ev), NULL);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_MAPPED, sizeof(*ev), NULL);
	ev->h.pid = tgid;
	ev->h.tid = (u32)id;
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* --- accounting ---------------------------------------------------------------------------------- */

SEC("tp_btf/rss_stat")
int BPF_PROG(on_rss_stat, struct mm_struct *mm, int member)
{
	struct look lk = {.func = RT_NO_FUNC};
	struct task_struct *task;
	struct rt_py *py = NULL;
	bool own, kthread, footprint;
	u32 kind = member, tgid;
	s64 delta, moved;
	u64 since;

	lk.st = mm_of(mm);
	if (!lk.st || kind >= MM_KINDS || counted_all)
		return 0;
	/* or the compiler, which knows it to be small now, leaves out what shows that to the verifier */
	barrier_var(kind);
	since = forget_value(cost_begin(RT_COST_RSS_STAT));
	task = bpf_get_current_task_btf();
	kthread = task->flags & PF_KTHREAD;
	own = task->mm == mm && !kthread;
	tgid = task->tgid;
	/* A process that has left its mm (exec, or exit before 6.16) tears it down: the last value
	 * is the one before that. */
	if (!own && !kthread && tgid == lk.st->tgid)
		return 0;
	own = own && !reclaims(task);
	/* before the walk: a task on another CPU that adds all up until then takes it for its own */
	delta = forget_value(delta_of_event(mm, task, lk.st, kind));
	__sync_fetch_and_add(&lk.st->begun, 1);
	__sync_fetch_and_add(&lk.st->cur[kind & 3], delta);
	if (own) {
		lk.ts = bpf_task_storage_get(&threads, task, 0, 0);
		if (lk.ts && lk.ts->mm == (u64)mm)
			lk.ts->own_begun++;
		py = look_at_python(&lk, mm);
		lk.now = forget_value(lk.now);
		lk.sp = forget_value(lk.sp);
	}
	footprint = tgid == tool_tgid || (own && kind == MM_FILE && maps_step_page(task));
	if (own)
		look_at_change(&lk, py, mm, kind, footprint ? 0 : delta, delta);
	account(lk.st, kind, delta, own, footprint, lk.now);
	tree_add(kind, delta);
	if (own)
		cost_end(RT_COST_RSS_STAT, since);
	else
		cost_end_other(RT_COST_RSS_STAT, since);
	/* timed apart from the change that it belongs to, since it is so much dearer */
	if (growth_on && own && !footprint && delta > 0 && lk.ts && lk.ts->mm == (u64)mm)
		sample_at_change(lk.ts, lk.st);
	if (!step_pages)
		return 0;
	moved = rss_total(lk.st->cur) - lk.st->row_total;
	if (moved >= (s64)step_pages || -moved >= (s64)step_pages) {
		lk.st->row_total += moved;
		look_now(&lk);
		send_point(mm, task, lk.st, lk.now);
	}
	return 0;
}

SEC("tp_btf/page_fault_user")
int BPF_PROG(on_user_fault, unsigned long address)
{
	return note_fault(address);
}

SEC("tp_btf/page_fault_kernel")
int BPF_PROG(on_kernel_fault, unsigned long address)
{
	return note_fault(address);
}

/* An address with lowest bits set is an error. */
SEC("tp_btf/vm_unmapped_area")
int BPF_PROG(on_room, unsigned long addr, struct vm_unmapped_area_info *info)
{
	return addr & ((1UL << page_shift) - 1) ? 0 : note_room(addr, info->length);
}

/* A look at the current thread between two changes of its RSS; `python`: at its Python stack, too.
 * 0: it is not traced. */
static __noinline int look_between(struct task_struct *task, bool python)
{
	struct look lk = {.func = RT_NO_FUNC};
	struct mm_struct *mm = task->mm;
	struct rt_py *py = NULL;
	s64 pages[MM_KINDS];
	u32 tgid;

	lk.ts = bpf_task_storage_get(&threads, task, 0, 0);
	if (!lk.ts && python && py_possible() && py_processes && mm) {
		tgid = bpf_get_current_pid_tgid() >> 32;
		if (bpf_map_lookup_elem(&pys, &tgid))
			lk.ts = thread_get(task, mm);
	}
	if (!lk.ts || !mm || lk.ts->mm != (u64)mm)
		return 0;
	lk.st = mm_of(mm);
	if (!lk.st)
		return 0;
	if (lk.ts->busy || (!lk.ts->depth && !lk.st->py))
		return 1;
	if (python)
		py = look_python(&lk, task, true);
	if (!lk.ts->depth && !py)
		goto done;
	look_now(&lk);
	look_sp(&lk, task);
	if ((py_news(&lk) || top_gone(&lk)) && look_snapshot(&lk, mm, task, pages))
		report_spans(&lk, task, py);
	if (py)
		look_settle(&lk, task, py, 0);
done:
	look_done(&lk, 0);
	return 1;
}

/* A switch is a look: it bounds how late the end of a span is noticed. */
SEC("tp_btf/sched_switch")
int BPF_PROG(on_switch)
{
	u64 since = forget_value(cost_begin(RT_COST_SWITCH));

	if (look_between(bpf_get_current_task_btf(), true))
		cost_end(RT_COST_SWITCH, since);
	else
		cost_end_other(RT_COST_SWITCH, since);
	return 0;
}

/* A handler may run on a stack of its own, from where an end on the interrupted one is not seen. */
SEC("tp_btf/signal_deliver")
int BPF_PROG(on_signal)
{
	look_between(bpf_get_current_task_btf(), false);
	return 0;
}

/* --- life of processes --------------------------------------------------------------------------- */

SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 ptgid = BPF_CORE_READ(parent, tgid), tgid = BPF_CORE_READ(child, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &ptgid);
	bool borrowed = parent->mm == child->mm;
	struct mm_state *st;
	struct rt_fork *ev;
	u32 one = 1;

	if (!ps || !follow_children || ptgid == tgid || (ps->flags & PROC_WAITS_FOR_EXEC))
		return 0;
	st = process_track(child, borrowed ? PROC_BORROWED : 0);
	if (!st)
		return 0;
	look_between(bpf_get_current_task_btf(), true);
	if (!borrowed) {
		inherit_spans(parent, child);
		inherit_python(parent, child, st, ptgid);
	}
	if (bpf_map_lookup_elem(&stack_copiers, &ptgid))
		bpf_map_update_elem(&stack_copiers, &tgid, &one, BPF_ANY);
	ev = event_reserve(sizeof(*ev), st);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_FORK, sizeof(*ev), st);
	ev->h.pid = ev->h.tid = tgid;
	ev->h.start_ns = BPF_CORE_READ(child, start_time);
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->ppid = ptgid;
	ev->flags = borrowed ? RT_P_BORROWED : 0;
	ev->parent_start_ns = ps->start_ns;
	rss_to_wire(&ev->rss, st->cur);
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task, pid_t old_pid, struct linux_binprm *bprm)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct mm_struct *mm = task->mm;
	struct mm_state *old, *st;
	struct ending end = {};
	struct rt_exec *ev;
	u32 flags;
	u64 now, old_mm;

	if (!ps)
		return 0;
	now = bpf_ktime_get_ns();
	flags = ps->flags;
	old_mm = ps->mm;
	old = bpf_map_lookup_elem(&mms, &old_mm);
	end_spans(task, NULL, old, now, 0);
	bpf_map_delete_elem(&stack_copiers, &tgid);
	bpf_map_delete_elem(&pys, &tgid);
	end.start_ns = ps->start_ns;
	st = process_track(task, 0);
	if (!st) { /* the old program's account is closed, and nobody follows the new one */
		end.now = now;
		end.st = old;
		end.flags = RT_P_EXECED | (flags & PROC_BORROWED ? RT_P_BORROWED : 0);
		if (!(flags & PROC_WAITS_FOR_EXEC))
			send_exit(task, &end);
		if (old_mm && !(flags & PROC_BORROWED))
			mm_forget(old_mm);
		return 0;
	}
	ev = event_reserve(sizeof(*ev), st);
	if (ev) {
		/* what was lost belongs to the program that ended */
		event_header(&ev->h, RT_EV_EXEC, sizeof(*ev),
			old && !(flags & PROC_BORROWED) ? old : NULL);
		ev->h.pid = tgid;
		ev->h.tid = BPF_CORE_READ(task, pid);
		ev->h.start_ns = st->start_ns;
		ev->h.time_ns = now;
		count_faults(task, &ev->min_flt, &ev->maj_flt);
		ev->flags = flags & PROC_WAITS_FOR_EXEC ? RT_P_STARTED : RT_P_EXECED;
		if (flags & PROC_BORROWED)
			ev->flags |= RT_P_BORROWED;
		if (old && !(flags & (PROC_BORROWED | PROC_WAITS_FOR_EXEC)))
			totals_to_wire(&ev->old, old);
		else
			__builtin_memset(&ev->old, 0, sizeof(ev->old));
		rss_to_wire(&ev->rss, st->cur);
		ev->title_args = read_title(ev->title, mm);
		ev->ppid = BPF_CORE_READ(task, real_parent, tgid);
		ev->pad = 0;
		ev->parent_start_ns = BPF_CORE_READ(task, real_parent, group_leader, start_time);
		ev->serial = old && !(flags & PROC_BORROWED) ? old->serial : 0;
		bpf_ringbuf_submit(ev, exec_wakes ? BPF_RB_FORCE_WAKEUP : ring_flags());
	}
	if (old_mm && !(flags & PROC_BORROWED))
		mm_forget(old_mm);
	return 0;
}

/* Before 6.16 the mm is gone by now (exit_mm comes first); since 08a7491843c3 it is still there. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct mm_struct *mm = task->mm;
	struct ending end = {};
	struct mm_state *st;
	u64 now, key;

	if (!ps)
		return 0;
	cpu_time_ends(task);
	now = bpf_ktime_get_ns();
	key = ps->mm;
	st = bpf_map_lookup_elem(&mms, &key);
	end_spans(task, mm, st, now, BPF_CORE_READ(kcompat_user_regs(task), sp));
	if (BPF_CORE_READ(task, signal, live.counter))
		return 0;
	end.start_ns = ps->start_ns;
	end.now = now;
	end.flags = ps->flags & PROC_BORROWED ? RT_P_BORROWED : 0;
	end.st = st;
	end.mm = mm;
	if (!(ps->flags & PROC_WAITS_FOR_EXEC))
		send_exit(task, &end);
	if (key && !(ps->flags & PROC_BORROWED))
		mm_forget(key);
	bpf_map_delete_elem(&procs, &tgid);
	bpf_map_delete_elem(&stack_copiers, &tgid);
	bpf_map_delete_elem(&pys, &tgid);
	return 0;
}

SEC("tp_btf/task_rename")
int BPF_PROG(on_rename, struct task_struct *task, const char *comm)
{
	u32 tgid = BPF_CORE_READ(task, tgid);
	struct proc_state *ps = bpf_map_lookup_elem(&procs, &tgid);
	struct rt_rename *ev;

	if (growth_on && ps && task == bpf_get_current_task_btf())
		growth_at_rename(task);
	/* the name of a process is that of its first thread */
	if (!ps || (ps->flags & PROC_WAITS_FOR_EXEC) || BPF_CORE_READ(task, pid) != tgid)
		return 0;
	ev = event_reserve(sizeof(*ev), NULL);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_RENAME, sizeof(*ev), NULL);
	ev->h.pid = ev->h.tid = tgid;
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	__builtin_memset(ev->comm, 0, sizeof(ev->comm));
	bpf_probe_read_kernel_str(ev->comm, sizeof(ev->comm), comm);
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

SEC("raw_tp/mark_victim")
int on_oom_victim(struct bpf_raw_tracepoint_args *ctx)
{
	u64 arg = 0;
	u32 tgid;
	struct proc_state *ps;
	struct rt_oom *ev;

	bpf_probe_read_kernel(&arg, sizeof(arg), ctx);
	tgid = kcompat_victim_tgid(arg);
	ps = bpf_map_lookup_elem(&procs, &tgid);
	if (!ps)
		return 0;
	ev = event_reserve(sizeof(*ev), NULL);
	if (!ev)
		return 0;
	event_header(&ev->h, RT_EV_OOM, sizeof(*ev), NULL);
	ev->h.pid = ev->h.tid = tgid;
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* --- all processes at one time --------------------------------------------------------------------- */

/* 1: there is no room at present. The iterator offers the process again, after its reader, which is
 * the one that reads the ring too, has made some. */
static __noinline int send_totals(struct task_struct *task, struct proc_state *ps)
{
	struct mm_struct *mm = task->mm;
	u64 key = ps->mm;
	struct mm_state *st = bpf_map_lookup_elem(&mms, &key);
	struct rt_totals_event *ev;
	s64 pages[MM_KINDS];

	if (!st)
		return 0;
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev)
		return 1;
	event_header(&ev->h, RT_EV_TOTALS, sizeof(*ev), st);
	ev->h.pid = ev->h.tid = BPF_CORE_READ(task, tgid);
	ev->h.start_ns = ps->start_ns;
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->ppid = BPF_CORE_READ(task, real_parent, tgid);
	ev->parent_start_ns = BPF_CORE_READ(task, real_parent, group_leader, start_time);
	ev->flags = ps->flags & PROC_BORROWED ? RT_P_BORROWED : 0;
	count_faults(task, &ev->min_flt, &ev->maj_flt);
	totals_to_wire(&ev->totals, st);
	if ((u64)mm == key && rss_read(mm, task, st, pages) >= 0)
		rss_to_wire(&ev->totals.last, pages);
	else
		ev->flags |= RT_P_STALE;
	BPF_CORE_READ_INTO(&ev->comm, task, comm);
	ev->serial = ps->flags & PROC_BORROWED ? 0 : st->serial;
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

/* Adopting: a process that the user named, or whose parent is traced, is set up. The loader runs
 * this until nothing new is found, so that no fork falls between the listing and the tracing. */
static __always_inline void adopt(struct task_struct *task, struct proc_state *ps)
{
	u32 ptgid = BPF_CORE_READ(task, real_parent, tgid);
	struct proc_state *parent;
	bool borrowed = false;

	if (ps && (ps->mm || (ps->flags & PROC_WAITS_FOR_EXEC)))
		return;
	parent = bpf_map_lookup_elem(&procs, &ptgid);
	if (parent)
		borrowed = parent->mm && parent->mm == (u64)task->mm;
	if (!ps && (!follow_children || !parent || !parent->mm))
		return;
	if (process_track(task, borrowed ? PROC_BORROWED : 0))
		adopted++;
}

/* What a thread has not put down yet. It may be running: then that is as of now. */
static __noinline int settle_thread(struct task_struct *task)
{
	struct thread_state *ts = bpf_task_storage_get(&threads, task, 0, 0);
	struct mm_state *st;
	u64 key;

	if (!ts || !ts->mm)
		return 0;
	key = ts->mm;
	st = bpf_map_lookup_elem(&mms, &key);
	if (st)
		growth_settle(ts, task, st->serial);
	return 0;
}

SEC("iter/task")
int on_task(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct proc_state *ps;
	u32 tgid;

	if (!task)
		return 0;
	if (growth_on && report_processes)
		settle_thread(task);
	tgid = BPF_CORE_READ(task, tgid);
	if (BPF_CORE_READ(task, pid) != tgid || !task->mm)
		return 0;
	ps = bpf_map_lookup_elem(&procs, &tgid);
	if (!report_processes)
		adopt(task, ps);
	else if (ps && ps->mm && !(ps->flags & PROC_WAITS_FOR_EXEC))
		return send_totals(task, ps);
	return 0;
}
