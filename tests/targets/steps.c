/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Grows and shrinks by random steps of every kind, and after each passes `checkpoint` and writes
 * down what it reads of itself there. usage: steps SEED STEPS TRUTH-FILE
 * A line of truth: pid step rss anon file shmem swap, for each call of checkpoint, in its order.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "truth.h"

#define REGIONS	    16
#define REGION_MAX  (4UL << 20)
#define PAGE	    4096UL
#define HUGE_PAGE   (2UL << 20)
#define FILE_BYTES  (8UL << 20)

enum kind { ANON, SHARED, FILE_SHARED, FILE_PRIVATE, HUGE, KINDS };

struct region {
	char *at;
	size_t bytes;
	enum kind kind;
};

static struct region regions[REGIONS];
static unsigned long seed;
static int data_fd;
static FILE *truth_file;
static char line[256];
static int truth_fd;

static unsigned long pick(unsigned long n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

__attribute__((noinline)) void checkpoint(int step)
{
	asm volatile("" ::"r"(step) : "memory");
}

static void tell(int step)
{
	struct truth t;
	int n;

	checkpoint(step);
	truth_read(&t);
	n = snprintf(line, sizeof(line), "%d %d %lu %lu %lu %lu %lu\n", getpid(), step, t.rss, t.anon,
		t.file, t.shmem, t.swap);
	if (write(truth_fd, line, n) != n)
		_exit(3);
}

static void map_region(struct region *r)
{
	size_t bytes = (1 + pick(REGION_MAX / PAGE)) * PAGE;
	int prot = PROT_READ | PROT_WRITE;

	r->kind = pick(KINDS);
	switch (r->kind) {
	case ANON:
		r->at = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		break;
	case SHARED:
		r->at = mmap(NULL, bytes, prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		break;
	case FILE_SHARED:
		r->at = mmap(NULL, bytes, prot, MAP_SHARED, data_fd, 0);
		break;
	case FILE_PRIVATE:
		r->at = mmap(NULL, bytes, prot, MAP_PRIVATE, data_fd, 0);
		break;
	default:
		bytes = 2 * HUGE_PAGE;
		r->at = mmap(NULL, bytes, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		madvise(r->at, bytes, MADV_HUGEPAGE);
		break;
	}
	if (r->at == MAP_FAILED)
		_exit(4);
	r->bytes = bytes;
}

static void touch(struct region *r, bool write_it)
{
	size_t from = pick(r->bytes / PAGE), n = 1 + pick(256);
	volatile char *p;

	for (size_t i = from; i < from + n && i < r->bytes / PAGE; i++) {
		p = r->at + i * PAGE;
		if (write_it)
			*p = 1;
		else
			(void)*p;
	}
}

static void move(struct region *r)
{
	size_t bytes = (1 + pick(REGION_MAX / PAGE)) * PAGE;
	char *at;

	if (r->kind == FILE_SHARED && bytes > FILE_BYTES)
		return;
	at = mremap(r->at, r->bytes, bytes, MREMAP_MAYMOVE);
	if (at == MAP_FAILED)
		return;
	r->at = at;
	r->bytes = r->kind == SHARED && bytes > r->bytes ? r->bytes : bytes;
}

/* The child changes its copy of the parent's pages, tells the truth of both, and goes. */
static void fork_and_cow(int step)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(5);
	if (!pid) {
		for (int i = 0; i < REGIONS; i++)
			if (regions[i].at)
				touch(&regions[i], true);
		truth_warm_up(); /* a fork does not copy the page tables of files */
		tell(step);
		_exit(0);
	}
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		;
}

static void do_step(int step)
{
	struct region *r = &regions[pick(REGIONS)];

	if (!r->at) {
		map_region(r);
		touch(r, true);
		return;
	}
	switch (pick(12)) {
	case 0:
		munmap(r->at, r->bytes);
		r->at = NULL;
		break;
	case 1:
		madvise(r->at, r->bytes, MADV_DONTNEED);
		break;
	case 2:
		madvise(r->at, r->bytes / 2 & ~(PAGE - 1), MADV_PAGEOUT);
		break;
	case 3:
		move(r);
		break;
	case 4:
		if (step % 4 == 0)
			fork_and_cow(step);
		break;
	case 5:
	case 6:
		touch(r, false);
		break;
	default:
		touch(r, true);
	}
}

int main(int argc, char **argv)
{
	int steps;

	if (argc != 4)
		return 2;
	seed = strtoul(argv[1], NULL, 10) * 2654435761UL + 1;
	steps = atoi(argv[2]);
	truth_fd = open(argv[3], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	truth_file = tmpfile();
	if (truth_fd < 0 || !truth_file)
		return 1;
	data_fd = fileno(truth_file);
	if (ftruncate(data_fd, FILE_BYTES))
		return 1;
	truth_warm_up();
	for (int step = 0; step < steps; step++) {
		do_step(step);
		tell(step);
	}
	return 0;
}
