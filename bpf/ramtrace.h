/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The wire: what the BPF programs send and what the loader decodes. Both sides include this file
 * and nothing else of each other.
 *
 * Rules: fixed-width types, explicit padding, explicit enum values; values and fields are only
 * ever appended, never renumbered; `len` says how much of a struct the sender knew. All memory
 * sizes are bytes, all times are nanoseconds of CLOCK_MONOTONIC, all pids are those of the
 * initial pid namespace; `pid` is the thread group, `tid` the thread.
 */
#ifndef RAMTRACE_H
#define RAMTRACE_H

#ifndef __VMLINUX_H__
#include <linux/types.h>
#endif

enum rt_limits {
	RT_MAX_CPUS = 1024,	  /* possible CPUs whose counters a snapshot can add up */
	RT_CHUNK_SPANS = 32,	  /* open spans of a thread that need no look-up */
	RT_MAX_CHUNKS = 128,	  /* 32 * 128 = 4096 nested spans a thread */
	RT_TITLE_LEN = 128,	  /* bytes of a process title that an event carries */
	RT_COMM_LEN = 16,
	RT_NO_FUNC = 0xffffffff,  /* a checkpoint that belongs to no function */
};

enum rt_kind {
	RT_EV_CHECKPOINT = 1, /* struct rt_checkpoint */
	RT_EV_FORK = 2,	      /* struct rt_fork: a process was born of a traced one */
	RT_EV_EXEC = 3,	      /* struct rt_exec: a traced process became another program */
	RT_EV_EXIT = 4,	      /* struct rt_exit: the last thread of a process has gone */
	RT_EV_RENAME = 5,     /* struct rt_rename: a thread changed its comm */
	RT_EV_OOM = 6,	      /* struct rt_oom: the kernel chose this process as a victim */
	RT_EV_TOTALS = 7,     /* struct rt_totals_event: a living process, at attach and at the end */
	RT_EV_MAPPED = 8,     /* struct rt_mapped: the dynamic linker of a process changed its list */
};

/* Resident memory by kind; rss = file + anon + shmem. swap is beside it, not in it. */
struct rt_snapshot {
	__u64 file;
	__u64 anon;
	__u64 shmem;
	__u64 swap;
};

/* A signed change of the same four. */
struct rt_change {
	__s64 file;
	__s64 anon;
	__s64 shmem;
	__s64 swap;
};

struct rt_hdr {
	__u16 kind; /* enum rt_kind */
	__u16 len;  /* of the whole event */
	__u32 pid;
	__u32 tid;
	__u32 lost;	/* events of this process lost since the last one that was sent */
	__u64 time_ns;	/* when it was noticed */
	__u64 start_ns; /* when the process started: with pid, its identity */
};

enum rt_when {
	RT_ENTRY = 1,
	RT_RETURN = 2,
	RT_POINT = 3,
};

enum rt_flags {
	RT_F_UNSTABLE = 1 << 0,	 /* the counters moved during every try to read them */
	RT_F_SHARED = 1 << 1,	 /* another task changed the mm between true instant and notice */
	RT_F_UNWOUND = 1 << 2,	 /* closed by exception, longjmp, thread exit or exec, not by ret */
	RT_F_INHERITED = 1 << 3, /* the span was opened by the parent, before the fork */
	RT_F_BORROWED = 1 << 4,	 /* the process runs on its parent's mm (vfork, CLONE_VM) */
	RT_F_ATTACH = 1 << 5,	 /* a point that says what was there when tracing began */
};

struct rt_checkpoint {
	struct rt_hdr h;
	__u64 late_ns; /* the true instant lies in [time_ns - late_ns, time_ns] */
	struct rt_snapshot rss;
	__u32 func; /* id of the probed function, or RT_NO_FUNC */
	__u16 when; /* enum rt_when */
	__u16 flags; /* enum rt_flags */
};

/* What is known of one mm since it came under trace. */
struct rt_totals {
	struct rt_snapshot first; /* at attach, fork or exec */
	struct rt_snapshot last;
	struct rt_snapshot peak;      /* the kinds at the instant of the highest rss */
	struct rt_snapshot kind_peak; /* the highest of each kind, at instants of their own */
	__u64 peak_ns;
	struct rt_change grown;	    /* by its own threads: sum of all increases, */
	struct rt_change returned;  /* and of all decreases (not negative) */
	struct rt_change foreign;   /* net change by others: reclaim, GUP, swap, fork copies */
	struct rt_change footprint; /* net change made by this tool's own breakpoints */
};

enum rt_proc_flags {
	RT_P_BORROWED = 1 << 0, /* runs on the mm of its parent: counted there, not here */
	RT_P_EXECED = 1 << 1,	/* this record ended because the process called exec */
	RT_P_STALE = 1 << 2,	/* the mm was gone: `last` is the value the accounting kept */
	RT_P_STARTED = 1 << 3,	/* an exec that ended no program: the command under trace begins */
};

struct rt_fork {
	struct rt_hdr h; /* of the child */
	__u32 ppid;
	__u32 flags; /* enum rt_proc_flags */
	__u64 parent_start_ns;
	struct rt_snapshot rss;
};

struct rt_exec {
	struct rt_hdr h; /* h.start_ns is the process's own: exec does not change it */
	__u64 min_flt, maj_flt; /* of the process up to here */
	__u32 flags;
	__u32 title_args; /* see rt_exit */
	struct rt_totals old; /* of the program that ended */
	struct rt_snapshot rss; /* of the new one */
	char title[RT_TITLE_LEN]; /* its arguments, separated by NUL */
	/* not on old tapes, where h.len ends before it */
	__u32 ppid;
	__u32 pad;
	__u64 parent_start_ns;
};

struct rt_exit {
	struct rt_hdr h;
	__u32 exit_code; /* as wait(2) gives it */
	__u32 flags;
	__u64 min_flt, maj_flt;
	struct rt_totals totals;
	char title[RT_TITLE_LEN]; /* all NUL where it could not be read any more */
	__u32 title_args; /* bytes that the arguments had at exec. As in /proc/PID/cmdline: if the last
			   * of them is not NUL, the title was overwritten and ends at its first NUL */
	__u32 pad;
};

struct rt_rename {
	struct rt_hdr h;
	char comm[RT_COMM_LEN];
};

struct rt_oom {
	struct rt_hdr h;
};

struct rt_totals_event {
	struct rt_hdr h;
	__u32 ppid;
	__u32 flags;
	__u64 parent_start_ns;
	__u64 min_flt, maj_flt;
	struct rt_totals totals;
	char comm[RT_COMM_LEN];
};

struct rt_mapped {
	struct rt_hdr h;
};

/* Every way in which something can be missed has a counter, and the report names each. */
enum rt_loss {
	RT_LOSS_RING = 0,	 /* no room in the ring buffer */
	RT_LOSS_PROC_MAP = 1,	 /* too many processes at once */
	RT_LOSS_THREAD = 2,	 /* no memory for a thread's spans */
	RT_LOSS_SPAN_DEPTH = 3,	 /* nested deeper than RT_MAX_CHUNKS * RT_CHUNK_SPANS */
	RT_LOSS_SPAN_MAP = 4,	 /* too many deep stacks at once */
	RT_LOSS_READ = 5,	 /* a kernel read failed */
	RT_LOSS_UNSTABLE = 6,	 /* snapshots that could not be made stable (sent, marked) */
	RT_LOSS_UNMATCHED = 7,	 /* returns whose entry was not seen */
	RT_LOSS_MAX = 8,
};

/* Checkpoints of one function. */
struct rt_hits {
	__u64 entries;
	__u64 returns;
};

/*
 * An attach cookie: the function's id, what of it is being probed, and what to do there.
 *
 *	63       16 15       8 7        0
 *	| function | rt_func_flags | rt_site |
 */
#define RT_COOKIE(func, flags, site) ((__u64)(func) << 16 | (__u64)(flags) << 8 | (site))
#define RT_COOKIE_FUNC(cookie)	     ((__u32)((cookie) >> 16))
#define RT_COOKIE_FLAGS(cookie)	     ((__u32)((cookie) >> 8 & 0xff))
#define RT_COOKIE_SITE(cookie)	     ((__u32)((cookie) & 0xff))

enum rt_site {
	RT_SITE_ENTRY = 0,
	RT_SITE_RET = 1,
	RT_SITE_TAIL = 2, /* a jump out of the function: the callee returns in its stead */
};

enum rt_func_flags {
	RT_FN_RETURNS = 1 << 0,	     /* open a span at the entry: somebody wants the return */
	RT_FN_COMPLETE = 1 << 1,     /* every ret and tail jump is probed: a frame that goes without
				      * passing one of them was unwound */
	RT_FN_RET_AT_ENTRY = 1 << 2, /* the first instruction is a ret: entry and return are one */
	RT_FN_TAIL_AT_ENTRY = 1 << 3, /* the first instruction is a jump out */
	RT_FN_STEPPED = 1 << 4,	     /* this site's instruction is single-stepped */
	RT_FN_URETPROBE = 1 << 5,    /* the return address is about to be replaced by the kernel */
	RT_FN_TAIL_PROBED = 1 << 6,  /* this site always jumps to the entry of a probed function */
};

_Static_assert(sizeof(struct rt_snapshot) == 32, "the wire must not change");
_Static_assert(sizeof(struct rt_hdr) == 32, "the wire must not change");
_Static_assert(sizeof(struct rt_checkpoint) == 80, "the wire must not change");
_Static_assert(sizeof(struct rt_totals) == 264, "the wire must not change");
_Static_assert(sizeof(struct rt_exit) == 32 + 24 + 264 + 128 + 8, "the wire must not change");

#endif /* RAMTRACE_H */
