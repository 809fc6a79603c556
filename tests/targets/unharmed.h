/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the targets of kernel_unharmed.c share. Each does something that a careless tracer breaks,
 * prints what came of it, and writes down every beginning and end of its probed functions (all are
 * called p_...), in a file: a line for each row that a tracer should have.
 *
 *	tid function entry|return marks rss anon file shmem
 *
 * marks: - none, x unwound (an exception or the like; seen as such where every ret is probed),
 * y unwound (the same, or with the thread), e ended with its thread or program, i inherited over
 * fork, b on borrowed memory, o others changed the memory meanwhile, ? the value is not known.
 *
 * usage of each: TARGET TRUTH-FILE run|wait [...]; with wait it begins on SIGUSR1.
 */
#ifndef UNHARMED_H
#define UNHARMED_H

#include <alloca.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "truth.h"

#ifdef __cplusplus
#define PROBED extern "C" __attribute__((noipa))
#else
#define PROBED __attribute__((noipa))
#endif

#ifndef MADV_POPULATE_READ
#define MADV_POPULATE_READ 22
#endif

#define PAGE	    4096UL
#define ARENA_BYTES (512UL << 20)
#define STACK_WARM  (96UL << 10) /* more than any target needs of a stack */

static int tell_fd;
static char tell_line[256];
static struct truth told;
static char *arena;
static size_t arena_used;

/* One ret: the instruction itself is single-stepped, which makes the kernel map its page for that.
 * From here on a probe changes the memory of this process no more. */
PROBED void p_settle(void)
{
}

__attribute__((noipa)) static void tell(const char *function, const char *when, const char *marks)
{
	int n;

	truth_read(&told);
	n = snprintf(tell_line, sizeof(tell_line), "%d %s %s %s %lu %lu %lu %lu\n",
		(int)syscall(SYS_gettid), function, when, marks, told.rss, told.anon, told.file,
		told.shmem);
	if (write(tell_fd, tell_line, n) != n)
		_exit(99);
}

/* Makes pages of the arena resident. */
__attribute__((noipa)) static void grow(size_t pages)
{
	for (; pages && arena_used < ARENA_BYTES; pages--, arena_used += PAGE)
		*(volatile char *)(arena + arena_used) = 1;
}

/* What follows takes no new page of this stack. */
__attribute__((noipa)) static void warm_stack(void)
{
	volatile char *p = (volatile char *)alloca(STACK_WARM);

	for (size_t i = 0; i < STACK_WARM; i += PAGE)
		p[i] = 1;
}

static void wait_for_go(void)
{
	sigset_t go, before;
	int sig;

	sigemptyset(&go);
	sigaddset(&go, SIGUSR1);
	sigprocmask(SIG_BLOCK, &go, &before);
	if (write(2, "ready\n", 6) == 6)
		sigwait(&go, &sig);
	sigprocmask(SIG_SETMASK, &before, NULL);
}

/* Maps every page of every mapped file, so that no new code or data becomes resident later. */
static void populate_files(void)
{
	unsigned long lo, hi, inode;
	char prot[8];

	truth_read_file("/proc/self/maps");
	for (char *line = truth_buf; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (sscanf(line, "%lx-%lx %7s %*x %*s %lu", &lo, &hi, prot, &inode) == 4 && inode &&
			*prot == 'r')
			madvise((void *)lo, hi - lo, MADV_POPULATE_READ);
	}
}

/* Writing one line to nowhere and one page of the arena take every page that the real ones need. */
static void settle(void)
{
	int fd = tell_fd;

	warm_stack();
	truth_warm_up();
	populate_files();
	tell_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
	tell("p_settle", "entry", "-");
	close(tell_fd);
	tell_fd = fd;
	grow(1);
	p_settle();
}

static void unharmed_begin(int argc, char **argv)
{
	if (argc < 3)
		exit(98);
	tell_fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (tell_fd < 0)
		exit(98);
	arena = (char *)mmap(NULL, ARENA_BYTES, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	madvise(arena, ARENA_BYTES, MADV_NOHUGEPAGE);
	if (!strcmp(argv[2], "wait"))
		wait_for_go();
	printf("begin\n");
	fflush(stdout);
	settle();
}

/* The last probe: what is over by now has been noticed. */
static inline int unharmed_end(int status)
{
	fflush(stdout);
	p_settle();
	return status;
}

#endif
