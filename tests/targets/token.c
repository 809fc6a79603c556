/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A token handed on N times between four processes on different CPUs, each time through `hand_on`.
 * usage: token N. Prints the four pids in the order in which they get it.
 */
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOLDERS 4

static _Atomic long *token;

__attribute__((noinline)) void hand_on(long n)
{
	atomic_store(token, n + 1);
}

static void pin(int who)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(who % sysconf(_SC_NPROCESSORS_ONLN), &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static int hold(int who, long total)
{
	long n;

	pin(who);
	while ((n = atomic_load(token)) < total) {
		if (n >= 0 && n % HOLDERS == who)
			hand_on(n);
		else
			sched_yield();
	}
	return 0;
}

int main(int argc, char **argv)
{
	long total = argc > 1 ? atol(argv[1]) : 0;
	int failed = 0, status;

	token = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (token == MAP_FAILED)
		return 1;
	atomic_store(token, -1);
	for (int i = 0; i < HOLDERS; i++) {
		pid_t pid = fork();

		if (!pid)
			_exit(hold(i, total));
		printf("%d\n", pid);
	}
	fflush(stdout);
	atomic_store(token, 0);
	for (int i = 0; i < HOLDERS; i++)
		failed |= wait(&status) < 0 || status;
	return failed;
}
