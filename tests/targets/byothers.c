// SPDX-License-Identifier: GPL-2.0-or-later
/* A process to whose memory another brings pages and takes others away. It says, in pages,
 *
 *	written N	that its child brought by process_vm_writev
 *	reclaimed N	of a file that its child had given back by process_madvise
 *	touched N	that it touched itself when the child had gone
 */
#include <err.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define WRITTEN 300
#define FILE_PAGES 512
#define TOUCHED 70

static const size_t page = 4096;
static char text[4096] = "x";

/* How many of these are there? */
static size_t present(const char *at, size_t pages)
{
	int fd = open("/proc/self/pagemap", O_RDONLY);
	uint64_t entry;
	size_t n = 0;

	for (size_t i = 0; i < pages; i++) {
		if (pread(fd, &entry, sizeof(entry), ((uintptr_t)at / page + i) * sizeof(entry)) != sizeof(entry))
			err(1, "pagemap");
		n += entry >> 63;
	}
	close(fd);
	return n;
}

static char *map_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	char *at;

	for (int i = 0; i < FILE_PAGES; i++)
		if (write(fd, text, sizeof(text)) != sizeof(text))
			err(1, "%s", path);
	fsync(fd);
	at = mmap(NULL, FILE_PAGES * page, PROT_READ, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		err(1, "mmap");
	for (size_t i = 0; i < FILE_PAGES; i++)
		((const volatile char *)at)[i * page];
	close(fd);
	return at;
}

static void bring(pid_t to, char *at)
{
	struct iovec from[WRITTEN], there = {at, WRITTEN * page};

	for (int i = 0; i < WRITTEN; i++)
		from[i] = (struct iovec){text, page};
	if (process_vm_writev(to, from, WRITTEN, &there, 1, 0) != (ssize_t)(WRITTEN * page))
		err(1, "process_vm_writev");
}

static void take(pid_t of, char *at)
{
	struct iovec there = {at, FILE_PAGES * page};
	int fd = syscall(434 /* pidfd_open */, of, 0);

	if (fd >= 0)
		syscall(440 /* process_madvise */, fd, &there, 1, 21 /* MADV_PAGEOUT */, 0);
}

int main(int argc, char **argv)
{
	char *file, *memory;
	pid_t parent = getpid(), child;
	size_t before, left;
	int status;

	if (argc < 2)
		errx(2, "usage: byothers FILE");
	file = map_file(argv[1]);
	memory = mmap(NULL, 5000 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		err(1, "mmap");
	madvise(memory, 5000 * page, MADV_NOHUGEPAGE);
	before = present(file, FILE_PAGES);
	child = fork();
	if (!child) {
		munmap(file, FILE_PAGES * page); /* only what one process has mapped is given back */
		bring(parent, memory);
		take(parent, file);
		_exit(0);
	}
	if (waitpid(child, &status, 0) != child || status)
		errx(1, "the child failed");
	left = present(file, FILE_PAGES);
	for (size_t i = 0; i < TOUCHED; i++)
		((volatile char *)memory)[(2000 + i) * page] = 1;
	printf("written %zu\nreclaimed %zu\ntouched %d\n", present(memory, WRITTEN), before - left, TOUCHED);
	return 0;
}
