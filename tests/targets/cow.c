/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A parent with memory that its children share, until each of them writes to some of it: that is
 * once the file "go" is there. All end when the file "end" is. Both in the directory that is its
 * argument.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB	(1UL << 20)
#define SHARED	(40 * MIB)
#define WRITTEN (10 * MIB) /* by each of the children, at another place */
#define WORKERS 3

static const char *dir;

static void await(const char *name)
{
	char path[4096];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	while (access(path, F_OK))
		usleep(5000);
}

static void write_to(volatile char *at, size_t len)
{
	for (size_t i = 0; i < len; i += 4096)
		at[i]++;
}

static void work(int number, char *all)
{
	dprintf(1, "worker %d\n", getpid());
	await("go");
	write_to(all + (size_t)number * WRITTEN, WRITTEN);
	dprintf(1, "wrote %d\n", getpid());
	await("end");
	_exit(0);
}

int main(int argc, char **argv)
{
	char *all = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (argc != 2 || all == MAP_FAILED)
		return 2;
	dir = argv[1];
	madvise(all, SHARED, MADV_NOHUGEPAGE);
	write_to(all, SHARED);
	for (int i = 0; i < WORKERS; i++)
		if (!fork())
			work(i, all);
	while (wait(NULL) > 0)
		;
	return 0;
}
