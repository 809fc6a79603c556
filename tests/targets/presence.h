/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What targets of the truth tests share: memory whose pages are counted by the kernel's own word
 * (pagemap), and steps that are taken when the file of their name is there, so that a test can look
 * in between. All of it allocates nothing, and is used once before it counts.
 */
#ifndef PRESENCE_H
#define PRESENCE_H

#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	   4096UL
#define HUGE_PAGES 512UL
#define HUGE	   (HUGE_PAGES * PAGE)

static const char *presence_dir;

static void presence_path(char *to, size_t len, const char *name)
{
	snprintf(to, len, "%s/%s", presence_dir, name);
}

static void await(const char *name)
{
	char path[4096];

	presence_path(path, sizeof(path), name);
	while (access(path, F_OK))
		usleep(2000);
}

/* A line for the test. */
static void say(const char *what, const char *kind, size_t grown, size_t returned)
{
	dprintf(1, "%s\t%s\t%zu\t%zu\n", what, kind, grown, returned);
}

static void number(const char *what, size_t n)
{
	dprintf(1, "%s %zu\n", what, n);
}

/* How many of these pages are there? */
static size_t present(const void *at, size_t pages)
{
	static uint64_t entries[512];
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	size_t n = 0, some;

	for (size_t from = 0; from < pages; from += some) {
		some = pages - from < 512 ? pages - from : 512;
		if (pread(fd, entries, some * sizeof(*entries), ((uintptr_t)at / PAGE + from) * sizeof(*entries)) !=
			(ssize_t)(some * sizeof(*entries)))
			err(1, "pagemap");
		for (size_t i = 0; i < some; i++)
			n += entries[i] >> 63;
	}
	close(fd);
	return n;
}

static inline __attribute__((always_inline)) void touch(void *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((volatile char *)at)[i * PAGE] = 1;
}

static inline __attribute__((always_inline)) void look(const void *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((const volatile char *)at)[i * PAGE];
}

/* Others lie beside it that may not be touched: the kernel makes one mapping of two. */
static char *fresh(size_t pages)
{
	char *at = mmap(NULL, (pages + 2) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED || mprotect(at + PAGE, pages * PAGE, PROT_READ | PROT_WRITE))
		err(1, "mmap");
	return at + PAGE;
}

/* The same, and its pages come one by one wherever huge ones are the rule. */
static char *fresh_small(size_t pages)
{
	char *at = fresh(pages);

	madvise(at, pages * PAGE, MADV_NOHUGEPAGE);
	return at;
}

/* A file of so many pages, in the page cache and on the disk. */
static int make_file(const char *name, size_t pages)
{
	static char block[PAGE];
	char path[4096];
	int fd;

	presence_path(path, sizeof(path), name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	for (size_t i = 0; i < pages; i++) {
		memcpy(block, &i, sizeof(i));
		if (write(fd, block, sizeof(block)) != sizeof(block))
			err(1, "%s", path);
	}
	if (fsync(fd))
		err(1, "%s", path);
	return fd;
}

/* Everything above has been used, and the code to end with is there. */
static void presence_begin(const char *dir)
{
	static char stack[64 * PAGE];
	volatile char deep[48 * PAGE];

	presence_dir = dir;
	touch(stack, 64);
	for (size_t i = 0; i < sizeof(deep); i += PAGE)
		deep[i] = 1;
	present(stack, 64);
	look(stack, 64);
	close(make_file("warm", 1));
	fresh_small(1);
	say("warm", "none", 0, 0);
	number("warm", 0);
	access(dir, F_OK);
	usleep(1000);
	syscall(SYS_getpid);
}

/* Without a page that was not there before. */
static void presence_end(void)
{
	await("end");
	syscall(SYS_exit_group, 0);
}

#endif
