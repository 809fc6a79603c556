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
	RT_PY_NAME_LEN = 256,	  /* bytes of a Python function's name that an event carries */
	RT_PY_FILE_LEN = 384,	  /* and of its file's name */
	RT_PY_FRAME_LEN = 128,	  /* bytes of a frame that a walk reads at most */
	RT_PY_HASH_LEN = 128,	  /* bytes of a name that its hash takes in at most */
	RT_MARK_CHARS = 256,	  /* characters of a marker's label; what is beyond is cut off, */
	RT_MARK_LEN = 1024,	  /* bytes of it that an event carries at most, */
	RT_MARK_SHORT = 128,	  /* and in the short form of the event */
	RT_PY_FUNC_BASE = 1 << 24, /* ids of Python functions begin here; those below are native, */
	RT_PY_FUNC_END = 1 << 30,  /* and end here; behind them are native ones of sampled stacks */
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
	RT_EV_PYCODE = 9,     /* struct rt_pycode: a Python function that may be wanted was seen */
	RT_EV_MARK = 10,      /* struct rt_mark: the program said something itself */
	RT_EV_NODE = 11,      /* struct rt_node: a place in a call tree that growth was found at */
	RT_EV_GROWTH = 12,    /* struct rt_growth: what came and went there. Made by the loader, of what
			       * the kernel's side has added up */
	RT_EV_MAPPING = 13,   /* struct rt_mapping: a group of mappings that pages came to */
	RT_EV_STACK = 14,     /* struct rt_stack: a sample of a native stack. Not on tapes: the loader
			       * makes nodes and growth of it */
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
	RT_F_ATTACH = 1 << 5,	 /* says what was there when tracing began: a point, or the entry of
				  * a span that was open already */
	RT_F_TOLD = 1 << 6,	 /* with RT_F_ATTACH: the loader found that span in a thread that sleeps.
				  * When it runs, the entry comes again, with the span's number */
	RT_F_PEAK = 1 << 7,	 /* since the process's last row its RSS has been higher than ever before, */
	RT_F_TREE_PEAK = 1 << 8, /* and so has that of all traced processes together. With full attribution */
};

/*
 * A row. `h.len` says how much of it there is: a point ends before `span`, the entry of a native
 * function before `gc`, that of a Python function before `grown`; a return has all.
 */
struct rt_checkpoint {
	struct rt_hdr h;
	__u64 late_ns; /* the true instant lies in [time_ns - late_ns, time_ns] */
	struct rt_snapshot rss;
	__u32 func; /* id of the probed function, or RT_NO_FUNC */
	__u16 when; /* enum rt_when */
	__u16 flags; /* enum rt_flags */
	__u32 span;   /* number of the activation in its thread: its entry and its return share it;
		       * 0: not opened (nobody wants the return) */
	__u32 caller; /* Python: id of the function that called this one; RT_NO_FUNC: not known */
	__u64 gc;     /* Python: garbage collections of the interpreter so far, + 1; 0: not known */
	struct rt_change grown;	   /* by the span's own thread while it was open: sum of increases, */
	struct rt_change returned; /* and of decreases (not negative) */
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

/* All traced processes together, in pages, in the kernel's order of kinds: file, anon, swap, shmem. */
struct rt_tree {
	__s64 cur[4];
	__s64 peak[4];
	__s64 peak_total; /* without swap */
	__u64 peak_ns;
};

enum rt_proc_flags {
	RT_P_BORROWED = 1 << 0, /* runs on the mm of its parent: counted there, not here */
	RT_P_EXECED = 1 << 1,	/* this record ended because the process called exec; of an rt_exit: and
				 * there was no room for what it became */
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
	__u64 serial; /* of the program that ended: see struct rt_cell_key; 0: not known */
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
	/* not on old tapes */
	__u64 serial; /* see struct rt_cell_key; 0: not known */
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
	/* not on old tapes */
	__u64 serial; /* see struct rt_cell_key; 0: not known */
};

struct rt_mapped {
	struct rt_hdr h;
};

/*
 * Where things lie in the memory of a process that runs CPython. Offsets are bytes. Filled by the
 * loader (userspace/python.c says where each is from), read by pyframe.bpf.h.
 */
#define RT_PY_NONE 0xffff /* this version has none */

enum rt_py_flags {
	RT_PY_TAGGED = 1 << 0,	     /* frame_code is a tagged reference (3.14 and later) */
	RT_PY_LASTI = 1 << 1,	     /* frame_instr is a 32-bit index (up to 3.10), else a pointer */
	RT_PY_GC_IN_RUNTIME = 1 << 2, /* gc_stats counts from `interpreters`, not from an interpreter */
	RT_PY_ARMED = 1 << 3,	     /* changes of RSS are looked at, not only switches */
};

struct rt_py {
	__u64 interpreters; /* address of _PyRuntime.interpreters.head */
	__u64 space;	    /* tells addresses of this program from the same ones of another */
	__u64 since_ns;	    /* threads older than this may be amid things when they are first seen; 0:
			     * traced from its first instruction */
	__u32 version;	    /* PY_VERSION_HEX >> 16, 0x030b for 3.11 */
	__u32 flags;	    /* enum rt_py_flags */
	__u16 interp_next, interp_threads;	     /* in PyInterpreterState */
	__u16 thread_next, thread_id, thread_frame; /* in PyThreadState, below 184 */
	__u16 cframe_frame; /* thread_frame leads to a _PyCFrame, with the frame here (3.11, 3.12) */
	__u16 frame_code, frame_back, frame_globals, frame_instr; /* in a frame */
	__u16 frame_owner; /* one byte; RT_PY_NONE up to 3.10 */
	__u16 shim_owner;  /* frames with this owner or a higher one are the interpreter's own */
	__u16 frame_bytes; /* that hold all of these: a multiple of 8, at most RT_PY_FRAME_LEN */
	__u16 code_firstlineno, code_filename, code_name, code_qualname; /* in a code object, below 136 */
	__u16 ascii_size, compact_size; /* sizeof PyASCIIObject, PyCompactUnicodeObject */
	__u16 gc_stride; /* from one generation's count to the next; 0: not known */
	__u16 gc_generations;
	__s32 gc_stats;	 /* of generation_stats[0].collections, a Py_ssize_t */
	__u16 code_linetable; /* the bytes object that tells lines; 0: not known */
	__u16 code_start;     /* of the bytecode in a code object; 0 up to 3.10, where it is elsewhere */
	__u32 pad;
};

/* What the loader hands to the program that begins the looking. */
struct rt_py_install {
	__u32 tgid;
	__u32 pad;
	struct rt_py py;
	/* and what it gets: when that was, and what the process had then */
	__u64 time_ns, start_ns;
	struct rt_snapshot rss;
};

/* How the characters of a string lie in memory: bytes each; ASCII and Latin-1 are both 1. */
struct rt_pystr {
	__u32 chars; /* of the whole string */
	__u16 kind;  /* 1, 2, 4; 0: unreadable */
	__u16 bytes; /* that the event carries */
};

struct rt_pycode {
	struct rt_hdr h;
	__u64 ident; /* key of the kernel's tables */
	__u64 code;  /* address of the code object, */
	__u64 globals; /* and of the globals of the frame it was seen in */
	__u32 func;  /* id that it was given */
	__s32 firstlineno;
	__u32 version; /* as in struct rt_py */
	__u32 want;    /* enum rt_py_want */
	struct rt_pystr name_str, file_str;
	char name[RT_PY_NAME_LEN]; /* co_qualname, up to 3.10 co_name */
	char file[RT_PY_FILE_LEN]; /* co_filename: its end where it is longer */
};

enum rt_mark_origin {
	RT_MARK_ASCII = 1, /* Python: ascii("ramtrace:LABEL"); the event has what is behind the colon */
	RT_MARK_USDT = 2,  /* the USDT probe ramtrace:mark, whose argument is a C string */
};

/* A point whose label the program gives. `h.len` says how much of `label` there is. */
struct rt_mark {
	struct rt_hdr h;
	struct rt_snapshot rss;
	__u16 flags;  /* enum rt_flags */
	__u16 origin; /* enum rt_mark_origin */
	struct rt_pystr str; /* of a C string the kind is 1 and `chars` counts bytes: one more than
			      * `bytes` where there may be more */
	__u32 pad;
	char label[RT_MARK_LEN];
};

/*
 * The attach cookie of a marker's probe: where its label is.
 *
 *	63    16 15      8 7       0
 *	| value | register | rt_mark_at |
 */
enum rt_mark_at {
	RT_MARK_AT_STR = 0,	 /* the first argument is a str object; `value` has the size of
				  * PyASCIIObject, and from bit 8 on that of PyCompactUnicodeObject */
	RT_MARK_AT_REGISTER = 1, /* a C string: at (its offset in struct pt_regs / 8) + value */
	RT_MARK_AT_MEMORY = 2,	 /* the same, but there lies its address */
	RT_MARK_AT_VALUE = 3,	 /* at value */
	RT_MARK_AT = 0x7f,
	RT_MARK_STEPPED = 0x80, /* the probed instruction is single-stepped */
};
#define RT_MARK_COOKIE(at, reg, value) ((__u64)(value) << 16 | (__u64)(reg) << 8 | (at))
#define RT_MARK_PREFIX	   "ramtrace:"
#define RT_MARK_PREFIX_LEN 9

/* A name that the loader looks for, by hash of the string's bytes in memory (FNV-1a, 64 bits, at most
 * RT_PY_HASH_LEN of them, seeded by its kind of name). */
enum rt_py_name {
	RT_PY_QUALNAME = 1, /* co_qualname */
	RT_PY_NAME = 2,	    /* co_name: what follows the last dot; where there is no other */
	RT_PY_ANY_NAME = 3, /* co_name, also where there is another: of patterns that end in it */
};
enum rt_py_want {
	RT_PY_WANTED = 1 << 0, /* open spans */
	RT_PY_SIGN = 1 << 1,   /* the process is worth looking at closely from here on */
	RT_PY_CALLER = 1 << 2, /* tell who called */
	RT_PY_NAMED = 1 << 3,  /* only its name was wanted */
};
/* What the interpreter's function that begins a Python function gets: the attach cookie there. */
enum rt_py_entry {
	RT_PY_FUNCTION = 0,    /* the function object as its second argument */
	RT_PY_FRAME = 1,       /* the frame as its second, */
	RT_PY_FRAME_FIRST = 2, /* or, up to 3.8, as its first, */
	RT_PY_CODE = 3,	       /* the code object as its first */
};
#define RT_FNV_OFFSET 0xcbf29ce484222325ULL
#define RT_FNV_PRIME  0x100000001b3ULL

/*
 * Full attribution. Growth is added up three times: by the place in the program where it happened, by
 * the mapping that the pages are of, and by thread. A place is a node of a call tree, that of the
 * thread's innermost Python function, whose number stands for all functions from the outermost on,
 * and the instruction in it.
 */
enum rt_node_number {
	RT_NODE_NONE = 0,    /* a function that nothing called */
	RT_NODE_UNKNOWN = 1, /* the stack could not be read, or not to its end. As a caller: nobody knows
			      * who called */
	RT_NODE_REST = 2,    /* there was no room to tell places apart */
	RT_NODE_FIRST = 3,   /* numbers of nodes begin here */
};

struct rt_node {
	struct rt_hdr h;
	__u64 node;
	__u64 parent; /* the caller's, or RT_NODE_NONE, RT_NODE_UNKNOWN */
	__u32 func;   /* id of a function; RT_NO_FUNC: none, or it got no id */
	__s32 line;   /* of a native function: where in it the stack leads on; 0: not known */
	char comm[RT_COMM_LEN]; /* of a thread that runs no Python, else empty */
};

enum {
	RT_STACK_PAGE = 4096,
	RT_STACK_BYTES = 2 * RT_STACK_PAGE,
	RT_STACK_REGS = 8,    /* x86-64: ip, sp, bp, bx, r12 to r15 */
	RT_STACK_RETURNS = 8, /* pending uretprobes that are told */
	RT_SAMPLE_PAGES = 16, /* that a thread has to have brought since its last sample */
};

struct rt_stack {
	struct rt_hdr h;
	__u64 serial, node; /* the node of its Python function, or an rt_node_number */
	__u64 regs[RT_STACK_REGS];
	struct {
		__u64 slot, addr; /* 0: no more */
	} returns[RT_STACK_RETURNS];
	struct rt_change grown, returned; /* since the last sample of the thread */
	__u32 bytes; /* of data */
	__u32 flags; /* enum rt_cell_flags, of the node */
	__u8 data[RT_STACK_BYTES]; /* from sp upwards */
};

enum rt_map_kind {
	RT_MAP_UNKNOWN = 0,
	RT_MAP_ANON = 1,   /* anonymous, by the size of the mapping: see rt_mapping.size_class */
	RT_MAP_FILE = 2,   /* `name` is the last part of its path; the loader puts the path there */
	RT_MAP_SHMEM = 3,  /* a file of tmpfs: memfd, SysV, shared anonymous memory */
	RT_MAP_HEAP = 4,   /* of brk(2) */
	RT_MAP_STACK = 5,  /* of the main thread */
	RT_MAP_THREAD_STACK = 6,
	RT_MAP_NAMED = 7,  /* anonymous, with the name that the program gave it: PR_SET_VMA_ANON_NAME */
	RT_MAP_REST = 8,   /* never sent: those that there was no room for */
};
enum rt_map_flags {
	RT_MAP_HUGE = 1 << 0, /* what came in whole huge pages */
};
/* Size classes of anonymous mappings: below 64 KiB, 1 MiB, 16 MiB, 256 MiB, 4 GiB, and larger. */
#define RT_MAP_CLASS_0	(64ULL << 10)
#define RT_MAP_CLASSES	6
#define RT_MAP_NAME_LEN 256

struct rt_mapping {
	struct rt_hdr h;
	__u32 map;	/* the group's number, not 0 */
	__u32 map_kind; /* enum rt_map_kind */
	__u32 size_class;
	__u32 flags; /* enum rt_map_flags */
	__u64 dev, ino; /* of a file: the kernel's dev_t (12 and 20 bits) */
	char name[RT_MAP_NAME_LEN];
};

/* What the kernel's side adds up under a key. */
enum rt_cell_kind {
	RT_CELL_PLACE = 1,
	RT_CELL_MAPPING = 2,
	RT_CELL_THREAD = 3,
	RT_CELL_STACK = 4, /* of samples: made by the loader. The kernel's side adds what came after the
			    * last sample of each thread, at RT_NODE_REST */
};

enum rt_cell_flags {
	RT_CELL_INSIDE = 1 << 0, /* there was no room for all nodes: it was in `func`, somewhere inside of
				  * `at`, which is a caller; RT_NODE_REST: of none that is known */
	RT_CELL_CUT = 1 << 1,	 /* a stack of which not all is known */
};

struct rt_cell_key {
	__u64 serial; /* of the mm, no other has it: a pid may run several programs */
	__u64 at;     /* the node, the rt_mapping's number (0: not known), or the thread's id (0: of those
		       * that there was no room for, of the others RT_NODE_REST is) */
	__u32 kind;   /* enum rt_cell_kind */
	__u32 func;   /* of a place: rt_node.func */
	__s32 instr;  /* of a place: bytes from the code object's address to the instruction; up to 3.9
		       * f_lasti, in 3.10 half of it */
	__u32 flags;  /* enum rt_cell_flags */
};

struct rt_cell {
	__u64 grown[4]; /* pages, in the order of the kernel's counters: file, anon, swap, shmem */
	__u64 returned[4];
};

struct rt_growth {
	struct rt_hdr h; /* `pid` is 0: the serial number tells whose it is */
	struct rt_cell_key key;
	__s32 line; /* filled in by the loader; 0: not known */
	__u32 pad;
	struct rt_change grown, returned;
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
	RT_LOSS_PY_WALK = 8,	 /* Python stacks that could not be read to their end */
	RT_LOSS_PY_CODE = 9,	 /* too many Python functions */
	RT_LOSS_NODE = 10,	 /* too many functions called from too many others, or mappings, or they
				  * could not be told: see RT_CELL_INSIDE */
	RT_LOSS_CELL = 11,	 /* too many places, mappings or threads: it is charged to RT_NODE_REST */
	RT_LOSS_SAMPLE = 12,	 /* stacks that found no room in the ring: what they stand for is charged
				  * to RT_NODE_REST */
	RT_LOSS_LIMIT = 13,	 /* stacks that were not sampled, because of --max-overhead: their growth is
				  * charged to RT_NODE_REST */
	RT_LOSS_MAX = 14,
};

/* Programs that time themselves: one run in RT_COST_EVERY, on each CPU. */
#define RT_COST_EVERY 64

/* By the event, and by what the trap on the probed instruction is: that decides what it costs. */
enum rt_cost_class {
	RT_COST_RSS_STAT = 0,	  /* changes of RSS of traced processes */
	RT_COST_FUNCTION = 1,	  /* entries and exits of functions, on instructions that are emulated */
	RT_COST_SWITCH = 2,	  /* of threads */
	RT_COST_PYTHON_ENTRY = 3, /* entries of CPython's own functions, whichever instruction it is */
	RT_COST_FUNCTION_NOP5 = 4,
	RT_COST_FUNCTION_STEPPED = 5,
	RT_COST_MARK = 6, /* markers */
	RT_COST_MARK_STEPPED = 7,
	RT_COST_FAULT = 8,   /* page faults, where growth is attributed */
	RT_COST_SAMPLE = 9, /* copies of native stacks: each is timed */
	RT_COST_MAX = 10,
};

struct rt_cost {
	__u64 runs;
	__u64 sampled; /* runs in traced processes that were timed, */
	__u64 ns;      /* and what they took */
	/* of the runs, those in others: they are not traced, or do something to one that is */
	__u64 others;
	__u64 others_sampled, others_ns;
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
	RT_FN_NOP5 = 1 << 7,	     /* this site's instruction is a nop of five bytes */
};

_Static_assert(sizeof(struct rt_snapshot) == 32, "the wire must not change");
_Static_assert(sizeof(struct rt_hdr) == 32, "the wire must not change");
#define RT_POINT_LEN	 80 /* of a struct rt_checkpoint: see there */
#define RT_ENTRY_LEN	 88
#define RT_PY_ENTRY_LEN	 96
_Static_assert(__builtin_offsetof(struct rt_checkpoint, span) == RT_POINT_LEN, "the wire must not change");
_Static_assert(__builtin_offsetof(struct rt_checkpoint, gc) == RT_ENTRY_LEN, "the wire must not change");
_Static_assert(__builtin_offsetof(struct rt_checkpoint, grown) == RT_PY_ENTRY_LEN,
	"the wire must not change");
_Static_assert(sizeof(struct rt_checkpoint) == 160, "the wire must not change");
_Static_assert(sizeof(struct rt_totals) == 264, "the wire must not change");
_Static_assert(__builtin_offsetof(struct rt_mark, label) == 80, "the wire must not change");
_Static_assert(__builtin_offsetof(struct rt_exit, serial) == 32 + 24 + 264 + 128 + 8, "the wire must not change");

#endif /* RAMTRACE_H */
