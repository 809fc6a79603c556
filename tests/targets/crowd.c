/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Many processes.
 *
 * crowd tree N      N children in a tree three deep, all alive until SIGTERM; prints "ready".
 * crowd stream S N  makes children that exit at once, one after the other, for S seconds or until
 *                   there were N, every eighth by exec; prints how many.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BRANCHES 40

static int ready[2];

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static pid_t make_child(void)
{
	pid_t pid = fork();

	if (pid < 0)
		_exit(3);
	if (!pid)
		prctl(PR_SET_PDEATHSIG, SIGKILL);
	return pid;
}

static void live(void)
{
	if (write(ready[1], "", 1) != 1)
		_exit(4);
	for (;;)
		pause();
}

static int tree(int n)
{
	char byte;

	if (pipe(ready))
		return 1;
	for (int i = 0; i < BRANCHES; i++) {
		int below = n / BRANCHES - 1 + (i < n % BRANCHES);

		if (make_child())
			continue;
		while (below--)
			if (!make_child())
				live();
		live();
	}
	for (int i = 0; i < n; i++)
		if (read(ready[0], &byte, 1) != 1)
			return 1;
	printf("ready\n");
	fflush(stdout);
	pause();
	return 0;
}

static int stream(double seconds, long n, char *self)
{
	double end = now() + seconds;
	int status;
	long made = 0;

	for (; made < n && now() < end; made++) {
		pid_t pid = made % 8 ? fork() : vfork();

		if (pid < 0)
			return 1;
		if (!pid && made % 8 == 0) {
			execl(self, "crowd", "nothing", NULL);
			_exit(127);
		}
		if (!pid)
			_exit(made % 8);
		if (waitpid(pid, &status, 0) != pid || status != (int)(made % 8) << 8)
			return 1;
	}
	printf("%ld\n", made);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "tree"))
		return tree(atoi(argv[2]));
	if (argc == 4 && !strcmp(argv[1], "stream"))
		return stream(atof(argv[2]), atol(argv[3]), argv[0]);
	return argc == 2 && !strcmp(argv[1], "nothing") ? 0 : 2;
}
