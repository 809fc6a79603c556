// SPDX-License-Identifier: GPL-2.0-or-later
/* Brings pages to mappings of every kind, and says how many it brought and gave back:
 *
 *	NAME KIND GROWN RETURNED	(pages; KIND anon, file or shmem)
 *
 * then waits for a line on stdin, so that others can look at what it has. */
#include <err.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

static const size_t page = 4096;

static void touch(char *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((volatile char *)at)[i * page] = 1;
}

static void look(const char *at, size_t pages)
{
	for (size_t i = 0; i < pages; i++)
		((const volatile char *)at)[i * page];
}

static void say(const char *name, const char *kind, size_t grown, size_t returned)
{
	printf("%s\t%s\t%zu\t%zu\n", name, kind, grown, returned);
}

static char *map(size_t pages, int flags, int fd)
{
	char *at = mmap(NULL, pages * page, PROT_READ | PROT_WRITE, flags, fd, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	/* by pages, so that what is counted is what was touched */
	madvise(at, pages * page, MADV_NOHUGEPAGE);
	return at;
}

/* Mappings that lie beside each other become one: a page that nobody may touch keeps them apart. */
static char *anon(size_t pages)
{
	char *at = map(pages + 2, MAP_PRIVATE | MAP_ANONYMOUS, -1);

	mprotect(at, page, PROT_NONE);
	mprotect(at + (pages + 1) * page, page, PROT_NONE);
	return at + page;
}

static void by_size(void)
{
	char *small = anon(100), *large = anon(8192);

	touch(small, 100);
	touch(large, 6000);
	say("[anonymous 64K to 1M]", "anon", 100, 0);
	if (madvise(large, 1000 * page, MADV_DONTNEED))
		err(1, "madvise");
	say("[anonymous 16M to 256M]", "anon", 6000, 1000);
}

static void by_name(void)
{
	char *at = anon(300);

	if (prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, at, 300 * page, "grower cache"))
		return; /* not every kernel has names */
	touch(at, 300);
	munmap(at, 300 * page);
	say("[anon:grower cache]", "anon", 300, 300);
}

static void shared(void)
{
	int fd = memfd_create("grower", 0), id = shmget(IPC_PRIVATE, 500 * page, IPC_CREAT | 0600);
	char *at;

	if (fd < 0 || ftruncate(fd, 400 * page) || id < 0)
		err(1, "shared memory");
	at = map(400, MAP_SHARED, fd);
	touch(at, 400);
	say("memfd:grower", "shmem", 400, 0);
	at = shmat(id, NULL, 0);
	shmctl(id, IPC_RMID, NULL);
	if (at == (void *)-1)
		err(1, "shmat");
	touch(at, 500);
	say("/SYSV00000000", "shmem", 500, 0);
	at = map(700, MAP_SHARED | MAP_ANONYMOUS, -1);
	touch(at, 700);
	say("/dev/zero", "shmem", 700, 0);
}

/* The kernel brings pages of a file by the dozen: these are all of them. */
static void files(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char buf[4096] = "x", *at;

	for (int i = 0; i < 256; i++)
		if (write(fd, buf, sizeof(buf)) != sizeof(buf))
			err(1, "%s", path);
	at = mmap(NULL, 256 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		err(1, "mmap");
	look(at, 256);
	touch(at, 64); /* of its own from here on */
	say(path, "file", 256, 64);
	say(path, "anon", 64, 0);
}

static void by_kernel(const char *path)
{
	int fd = open(path, O_RDONLY);
	char *at = anon(20000);

	if (read(fd, at, 200 * page) != (ssize_t)(200 * page))
		err(1, "read");
	at = mmap(NULL, 70000 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(at, 70000 * page, MADV_NOHUGEPAGE);
	if (at == MAP_FAILED || madvise(at, 1000 * page, 23 /* MADV_POPULATE_WRITE */))
		touch(at, 1000);
	say("[anonymous 256M to 4G]", "anon", 1000, 0);
	/* with the 200 that read() has brought */
	say("[anonymous 16M to 256M]", "anon", 200, 0);
}

static void heap(void)
{
	char *at = sbrk(600 * page);

	madvise((char *)(((size_t)at + page - 1) & ~(page - 1)), 599 * page, MADV_NOHUGEPAGE);
	touch(at + page, 590);
	say("[heap]", "anon", 590, 0);
}

static __attribute__((noinline)) int dive(int n)
{
	volatile char frame[4096];

	frame[0] = n;
	return n ? dive(n - 1) + frame[0] : 0;
}

static void *in_thread(void *arg)
{
	dive(100);
	return arg;
}

static void stacks(void)
{
	pthread_t t;

	dive(200);
	say("[stack]", "anon", 200, 0);
	if (pthread_create(&t, NULL, in_thread, NULL))
		err(1, "pthread_create");
	pthread_join(t, NULL);
	say("[thread stacks]", "anon", 100, 0);
}

int main(int argc, char **argv)
{
	char line[16];

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 2)
		errx(2, "usage: grower FILE");
	by_size();
	by_name();
	shared();
	files(argv[1]);
	by_kernel(argv[1]);
	heap();
	stacks();
	printf("done\n");
	return !fgets(line, sizeof(line), stdin);
}
