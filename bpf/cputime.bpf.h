/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The CPU time of all that is traced, which the cost of tracing is compared with. What the scheduler
 * keeps for each thread is taken as it is, when somebody asks; of threads that end it is kept here.
 */
#ifndef CPUTIME_BPF_H
#define CPUTIME_BPF_H

#include "proc.bpf.h"

#define PF_EXITING 4 /* include/linux/sched.h: its time has been kept, or is about to be */

__u64 cpu_ended_ns;   /* of threads that have ended */
__u64 cpu_running_ns; /* of those that run, added up by the iterator */

static __always_inline void cpu_time_ends(struct task_struct *task)
{
	__sync_fetch_and_add(&cpu_ended_ns, task->se.sum_exec_runtime);
}

SEC("iter/task")
int on_task_time(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	u32 tgid;

	if (!task || task->flags & PF_EXITING)
		return 0;
	tgid = task->tgid;
	if (bpf_map_lookup_elem(&procs, &tgid))
		cpu_running_ns += task->se.sum_exec_runtime;
	return 0;
}

#endif
