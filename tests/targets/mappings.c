/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Has memory of every kind, so much of it and, once the file "go" is there, so much more; ends when
 * the file "end" is. Both in the directory that is its argument, where its own files are too. Other
 * mappings lie around each one that is anonymous, so that the kernel does not make one of two.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/shm.h>
#include <unistd.h>

#define MIB   (1UL << 20)
#define GUARD (256UL << 10) /* more than is below any stack */

#ifndef PR_SET_VMA
#define PR_SET_VMA	     0x53564d41
#define PR_SET_VMA_ANON_NAME 0
#endif

struct area {
	char *at;
	size_t had, more; /* bytes that are touched before and after */
	int reads;	  /* only */
};

static struct area areas[16];
static int n_areas;
static const char *dir;

static void fail(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static void touch(struct area *a, size_t from, size_t to)
{
	static volatile char sink;

	for (size_t i = from; i < to; i += 4096) {
		if (a->reads)
			sink += a->at[i];
		else
			a->at[i] = 1;
	}
}

static void add(char *at, size_t had, size_t more, int reads)
{
	struct area *a = &areas[n_areas++];

	if (at == MAP_FAILED)
		fail("mmap");
	*a = (struct area){ at, had, more, reads };
	touch(a, 0, had);
}

static char *anon(size_t size)
{
	char *all = mmap(NULL, size + 2 * GUARD, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (all == MAP_FAILED || mprotect(all + GUARD, size, PROT_READ | PROT_WRITE))
		fail("mmap");
	return all + GUARD;
}

static char *named(size_t size, const char *name)
{
	char *at = anon(size);

	/* older kernels have no names: then it is what it is */
	prctl(PR_SET_VMA, PR_SET_VMA_ANON_NAME, (unsigned long)at, size, (unsigned long)name);
	return at;
}

static char *huge(size_t size)
{
	char *at = anon(size + 2 * MIB);

	at = (char *)(((unsigned long)at + 2 * MIB - 1) & ~(2 * MIB - 1));
	madvise(at, size, MADV_HUGEPAGE);
	return at;
}

static char *shared(int fd, size_t size)
{
	if (fd < 0 || ftruncate(fd, (off_t)size))
		fail("shared memory");
	return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
}

static char *system_v(size_t size)
{
	int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	char *at = shmat(id, NULL, 0);

	if (id < 0 || shmctl(id, IPC_RMID, NULL))
		fail("shmget");
	return at;
}

static char *file(const char *name, size_t size, int deleted)
{
	static char block[1 << 16];
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (size_t i = 0; i < size; i += sizeof(block))
		if (write(fd, block, sizeof(block)) != sizeof(block))
			fail(path);
	if (deleted)
		unlink(path);
	return mmap(NULL, size, deleted ? PROT_READ | PROT_WRITE : PROT_READ, MAP_PRIVATE, fd, 0);
}

static void *sleeper(void *ctx)
{
	volatile char deep[MIB / 2];

	for (size_t i = 0; i < sizeof(deep); i += 4096)
		deep[i] = 1;
	*(volatile int *)ctx = 1;
	pause();
	return (void *)&deep[0] == ctx ? ctx : NULL;
}

static void await(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	while (access(path, F_OK))
		usleep(5000);
}

static void make_all(void)
{
	static volatile int there;
	pthread_t thread;

	add(sbrk(8 * MIB), 1 * MIB, 3 * MIB, 0);
	add(anon(32 * MIB), 5 * MIB, 7 * MIB, 0);
	add(named(8 * MIB, "kv cache"), 2 * MIB, 3 * MIB, 0);
	add(huge(8 * MIB), 2 * MIB, 4 * MIB, 0);
	add(shared(memfd_create("weights \033[2J", 0), 6 * MIB), 1 * MIB, 2 * MIB, 0);
	add(shared(shm_open("/ramtrace-mappings", O_RDWR | O_CREAT | O_TRUNC, 0600), 5 * MIB), 2 * MIB,
		1 * MIB, 0);
	shm_unlink("/ramtrace-mappings");
	add(mmap(NULL, 4 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), 1 * MIB,
		1 * MIB, 0);
	add(system_v(5 * MIB), 3 * MIB, 2 * MIB, 0);
	add(file("we\nird \033[31m.bin", 9 * MIB, 0), 4 * MIB, 2 * MIB, 1);
	add(file("gone.bin", 6 * MIB, 1), 1 * MIB, 3 * MIB, 0);
	pthread_create(&thread, NULL, sleeper, (void *)&there);
	while (!there)
		usleep(1000);
}

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	dir = argv[1];
	make_all();
	puts("ready");
	fflush(stdout);
	await("go");
	for (int i = 0; i < n_areas; i++)
		touch(&areas[i], areas[i].had, areas[i].had + areas[i].more);
	puts("grown");
	fflush(stdout);
	await("end");
	return 0;
}
