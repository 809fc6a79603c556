/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Passes markers while it grows and shrinks, half of them in a forked child, and writes down what it
 * reads of itself right after each. usage: marks MARKS TRUTH-FILE
 * A line of truth: pid number rss anon file shmem swap. The label of number N is "mark N".
 */
#include <stdio.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "../../userspace/marker/ramtrace_marker.h"
#include "truth.h"

#define BYTES (64UL << 20)
#define PAGE  4096UL

static char label[64], line[256];
static int truth_fd;

static void tell(int n)
{
	struct truth t;
	int len;

	snprintf(label, sizeof(label), "mark %d", n);
	RAMTRACE_MARK(label);
	truth_read(&t);
	len = snprintf(line, sizeof(line), "%d %d %lu %lu %lu %lu %lu\n", getpid(), n, t.rss, t.anon,
		t.file, t.shmem, t.swap);
	if (write(truth_fd, line, len) != len)
		_exit(3);
}

static void grow(char *at, int from, int to)
{
	for (int n = from; n < to; n++) {
		memset(at + n * 7 % (BYTES / PAGE) * PAGE, 1, PAGE);
		if (n % 100 == 50)
			madvise(at, BYTES / 2, MADV_DONTNEED);
		tell(n);
	}
}

int main(int argc, char **argv)
{
	int marks, status;
	char *at;
	pid_t pid;

	RAMTRACE_MARK("the first thing it does");
	if (argc != 3)
		return 2;
	marks = atoi(argv[1]);
	truth_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	at = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (truth_fd < 0 || at == MAP_FAILED)
		return 1;
	truth_warm_up();
	tell(0);
	grow(at, 1, marks / 2);
	pid = fork();
	if (!pid) {
		truth_warm_up();
		grow(at, marks / 2, marks);
		_exit(0);
	}
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		return 1;
	RAMTRACE_MARK("the last");
	return 0;
}
