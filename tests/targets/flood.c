/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Calls `hit` as fast as it can, one process for each CPU, and checks what it gets from it.
 *
 * flood CALLS TRUTH-FILE   makes CALLS calls in each process. Every 64th touches one more page, so
 *                          that the RSS says which call it was. Then waits a little, passes
 *                          `last_hit`, and appends its truth: pid calls rss anon file shmem.
 * flood                    goes on until SIGTERM, growing and shrinking; exit status 0 only if
 *                          every result was right.
 * Both print the address of `hit` and the pids, one a line, before they begin.
 */
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>

#include "truth.h"

#define PROCESSES 2
#define EVERY	  64
#define PAGE	  4096UL
#define PAGES	  256UL

static volatile sig_atomic_t stop;
static char line[256];

__attribute__((noinline)) long hit(long n)
{
	asm volatile("" : "+r"(n));
	return 3 * n + 1;
}

__attribute__((noinline)) void last_hit(void)
{
	asm volatile("" ::: "memory");
}

static void on_term(int sig __attribute__((unused)))
{
	stop = 1;
}

static void pin(int who)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(who % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static char *more_memory(size_t bytes)
{
	char *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (at == MAP_FAILED)
		_exit(4);
	madvise(at, bytes, MADV_NOHUGEPAGE);
	return at;
}

static void tell(int fd, long calls)
{
	struct truth t;
	int n;

	truth_read(&t);
	n = snprintf(line, sizeof(line), "%d %ld %lu %lu %lu %lu\n", getpid(), calls, t.rss, t.anon,
		t.file, t.shmem);
	if (write(fd, line, n) != n)
		_exit(5);
}

static void count_calls(long calls, const char *path)
{
	char *memory = more_memory(((size_t)calls / EVERY + 1) * PAGE);
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	truth_warm_up();
	tell(null, 0);
	for (long i = 0; i < calls; i++) {
		if (i % EVERY == 0)
			memory[i / EVERY * PAGE] = 1;
		if (hit(i) != 3 * i + 1)
			_exit(6);
	}
	nanosleep(&(struct timespec){.tv_nsec = 300000000}, NULL);
	last_hit();
	tell(fd, calls);
	syscall(SYS_exit_group, 0);
}

static void go_on(void)
{
	char *memory = more_memory(PAGES * PAGE);

	for (long i = 0; !stop; i++) {
		if (hit(i) != 3 * i + 1)
			_exit(6);
		memory[i % PAGES * PAGE] = (char)i;
		if (i % PAGES)
			continue;
		for (unsigned long p = 1; i && p < PAGES; p++)
			if (memory[p * PAGE] != (char)(i - PAGES + p))
				_exit(7);
		madvise(memory, PAGES * PAGE, MADV_DONTNEED);
	}
	_exit(0);
}

int main(int argc, char **argv)
{
	pid_t pids[PROCESSES];
	int failed = 0, status;

	signal(SIGTERM, on_term);
	printf("hit %p\n", (void *)hit);
	fflush(stdout);
	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] < 0)
			return 1;
		if (!pids[i]) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			pin(i);
			if (argc == 3)
				count_calls(atol(argv[1]), argv[2]);
			go_on();
		}
		printf("%d\n", pids[i]);
	}
	printf("begun\n");
	fflush(stdout);
	while (argc < 3 && !stop)
		pause();
	for (int i = 0; i < PROCESSES; i++) {
		if (argc < 3)
			kill(pids[i], SIGTERM);
		failed |= waitpid(pids[i], &status, 0) != pids[i] || status;
	}
	if (!failed)
		printf("all right\n");
	return failed;
}
