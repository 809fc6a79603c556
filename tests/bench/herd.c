/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Forks PROCESSES children; at a byte on stdin each calls `work` CALLS times. Prints a line when all
 * are there, and another when all have done it. usage: herd PROCESSES CALLS
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

__attribute__((noinline, noipa)) void work(volatile char *page)
{
	asm volatile("push %%rbx\n\tpop %%rbx" ::: "memory");
	*page = 1;
}

static void child(int go, int done, int calls)
{
	char *memory = malloc((size_t)calls * 4096), byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (read(go, &byte, 1) != 1)
		_exit(1);
	for (int i = 0; i < calls; i++)
		work(memory + (size_t)i * 4096);
	if (write(done, "x", 1) != 1)
		_exit(1);
	pause();
}

int main(int argc, char **argv)
{
	int n = argc > 2 ? atoi(argv[1]) : 1, calls = argc > 2 ? atoi(argv[2]) : 1;
	int go[2], done[2];
	char byte;

	if (pipe(go) || pipe(done))
		return 1;
	for (int i = 0; i < n; i++)
		if (!fork())
			child(go[0], done[1], calls);
	printf("0\n");
	fflush(stdout);
	if (read(0, &byte, 1) != 1)
		return 1;
	for (int i = 0; i < n; i++)
		if (write(go[1], "x", 1) != 1)
			return 1;
	for (int i = 0; i < n; i++)
		if (read(done[0], &byte, 1) != 1)
			return 1;
	printf("0\n");
	fflush(stdout);
	pause();
	return 0;
}
