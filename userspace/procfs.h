/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Readers of /proc. A process can vanish between any two of them: -ESRCH or -ENOENT is no fault. */
#ifndef PROCFS_H
#define PROCFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Arguments joined by single spaces into buf (always ended by NUL); bytes, 0: none, -errno. */
ssize_t procfs_cmdline(pid_t pid, char *buf, size_t len);
/* The same from the raw bytes of a title, as the kernel's cmdline file interprets them: `args` is
 * the length that the arguments had at exec. */
size_t procfs_title(const char *raw, size_t raw_len, size_t args, char *buf, size_t len);
ssize_t procfs_comm(pid_t pid, char *buf, size_t len);
/* Path of the executable as the process sees it. -ENOENT: a kernel thread, or gone. */
ssize_t procfs_exe(pid_t pid, char *buf, size_t len);
/* NAME=value strings, NULL-terminated; one block for free(). NULL: unreadable or gone. */
char **procfs_environ(pid_t pid);

enum procfs_state {
	PROCFS_GONE,
	PROCFS_ZOMBIE,
	PROCFS_KTHREAD,
	PROCFS_ALIVE,
};
enum procfs_state procfs_state(pid_t pid);

/* Do all threads of a process sleep where they can be interrupted, or are stopped? So none is amid
 * anything. */
bool procfs_rests(pid_t pid);

/* Pids of this namespace whose innermost pid is `inner` in a namespace of their own. How many there
 * are; the first `max` of them go to found[]. */
size_t procfs_find_inner(pid_t inner, pid_t *found, size_t max);

/* The process that a thread belongs to, itself for a process; 0: gone. */
pid_t procfs_process_of(pid_t tid);

struct procfs_map {
	uint64_t start, end, offset;
	bool exec;
	uint32_t major, minor;
	uint64_t inode;	  /* 0: not a file */
	const char *path; /* unescaped, without " (deleted)" */
	bool deleted;
};

/* Calls fn for each mapping; stops when it returns non-zero and returns that. -errno. */
typedef int procfs_map_fn(void *ctx, const struct procfs_map *map);
int procfs_maps(pid_t pid, procfs_map_fn *fn, void *ctx);

#endif
