/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CPython in other processes: where it is, how its threads and frames lie in memory, what runs.
 * Nothing of it stops or changes the process.
 */
#ifndef PYTHON_H
#define PYTHON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "../bpf/ramtrace.h"

/* What is known of files that were mapped somewhere: a second process with the same ones costs one
 * reading of its maps. */
struct python_files;

/* `debug_root`: see elf__open. NULL: no memory. */
struct python_files *python_files__new(const char *debug_root);
void python_files__free(struct python_files *files); /* NULL is fine */

/*
 * Finds the CPython of a process. All of *out is set but `space`, `since_ns` and the flag RT_PY_ARMED,
 * which are 0. The interpreter need not run yet: at an exec its own mapping is
 * enough, with a shared libpython the one that the dynamic linker makes.
 * 0
 * -ENOENT   there is none (yet)
 * -EAGAIN   there is one, but whether it can be walked is to be seen when it runs: ask again
 * -ENOTSUP  there is one that cannot be walked; why says what is the matter with it
 * -ESRCH, -EACCES and others: nothing is known; why says what failed
 * `why` is a clause ("PyPy, whose frames …") and empty after 0 and -ENOENT.
 */
int python__find(struct python_files *files, pid_t pid, struct rt_py *out, char *why, size_t len);

/* Walks a thread of the process and looks whether what it finds are names. 0, -EAGAIN: no thread
 * runs Python code now, or a few tries saw it change under the walk; -ENOTSUP: this is no Python of
 * that layout; -ESRCH. */
int python__check(pid_t pid, const struct rt_py *py, char *why, size_t len);

/* Is its interpreter set up, so that functions of others than itself may have been called? Also where
 * that is not known. */
bool python__started(pid_t pid, const struct rt_py *py);

struct python_frame {
	const char *qualname; /* up to 3.10 only the name; UTF-8; "?" where it cannot be read */
	const char *filename;
	int firstlineno;
	uint64_t code, globals, address; /* of the code object, f_globals, the frame itself */
	uint64_t ident; /* of the function, as bpf/pycode.bpf.h has it; 0: not known */
};

struct python_thread {
	uint64_t ident; /* tstate->thread_id: pthread_self(), the thread's fs_base on x86-64 */
	pid_t tid;	/* From 3.11 on Python
			 * tells; before, the main thread is known, and one that blocks by where
			 * its stack lies; 0: not known */
	bool cut;	/* outer frames are missing: too deep, or it changed under the walk */
	struct python_frame *frames; /* innermost first, without the interpreter's own */
	size_t n_frames;
};

/* Calls fn for each thread that has a PyThreadState, newest first; *thread is valid within the
 * call. Stops when fn returns non-zero and returns that. 0 or -errno. */
typedef int python_thread_fn(void *ctx, const struct python_thread *thread);
int python__threads(pid_t pid, const struct rt_py *py, python_thread_fn *fn, void *ctx);

/* How often the garbage collector of the (first) interpreter ran, all generations added up.
 * -ENODATA: this version does not tell. */
int python__collections(pid_t pid, const struct rt_py *py, uint64_t *count);

/*
 * Where a uprobe sees entries of Python functions: all of them up to 3.10; from 3.11 on, where most
 * of them are entered without a call, those from call sites that are cold (see python_entry.c).
 */
enum {
	PYTHON_SITES = 6,
};

struct python_sites {
	size_t n;
	uint64_t offset[PYTHON_SITES];	   /* in the file */
	const char *symbol[PYTHON_SITES]; /* what is there, also where the file does not say so:
					   * "_PyEvalFramePushAndInit", "_PyEval_EvalFrameDefault",
					   * "PyEval_EvalCode" */
	uint32_t major, minor;		   /* the file, as /proc/PID/maps names it: the sites are */
	uint64_t inode;			   /* those of all processes that map it */
	char path[4096]; /* to open it by: "/proc/PID/map_files/A-B" where that is allowed */
};

/* 0; -ENOENT with why: there is a Python, but no such place is known in it; others as python__find,
 * where -ENOENT comes without why. */
int python__entry_sites(struct python_files *files, pid_t pid, struct python_sites *out, char *why,
	size_t len);

#endif
