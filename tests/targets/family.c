/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A family of processes: threads that grow and shrink, children that copy and go, one that calls
 * exec, one that renames itself, one that dies of a signal. All of them pass `work` on their way.
 * usage: family ROUNDS    (0: until it is told to end)
 *	  family storm CALLS: two threads that do nothing but call `work`
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 3
#define PAGE	4096UL

__attribute__((noinline)) void *work(void *old, size_t pages)
{
	char *p;

	if (old)
		munmap(old, 64 * PAGE);
	if (!pages)
		return NULL;
	p = mmap(NULL, 64 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		_exit(3);
	for (size_t i = 0; i < pages; i++)
		p[i * PAGE] = 1;
	return p;
}

static void *grow(void *arg)
{
	unsigned long seed = (unsigned long)arg;
	void *mine = NULL;

	for (int i = 0; i < 6; i++) {
		seed = seed * 6364136223846793005UL + 1442695040888963407UL;
		mine = work(mine, 1 + (seed >> 33) % 64);
		usleep(500);
	}
	work(mine, 0);
	return NULL;
}

static void grow_in_threads(void)
{
	pthread_t threads[THREADS];

	for (unsigned long i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, grow, (void *)(i + 1)))
			exit(4);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
}

static pid_t child(int how, char *self)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	switch (how % 4) {
	case 0:
		grow_in_threads();
		break;
	case 1:
		grow((void *)9);
		execl(self, "family", "1", NULL);
		_exit(5);
	case 2:
		prctl(PR_SET_NAME, "renamed 孩子");
		grow((void *)7);
		break;
	default:
		grow((void *)8);
		raise(SIGKILL);
	}
	_exit(how);
}

static void *storm(void *arg)
{
	for (long i = (long)arg; i; i--)
		work(NULL, 0);
	return NULL;
}

static int run_storm(long calls)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, storm, (void *)calls))
		return 4;
	storm((void *)calls);
	pthread_join(thread, NULL);
	return 0;
}

int main(int argc, char **argv)
{
	int rounds;

	if (argc == 3 && !strcmp(argv[1], "storm"))
		return run_storm(atol(argv[2]));
	if (argc != 2)
		return 2;
	rounds = atoi(argv[1]);
	puts("ready");
	fflush(stdout);
	for (int i = 0; !rounds || i < rounds; i++) {
		pid_t pids[] = {0, 0};

		grow_in_threads();
		if (rounds != 1) /* so that exec comes to an end */
			for (int k = 0; k < 2; k++)
				pids[k] = child(2 * i + k, argv[0]);
		for (int k = 0; k < 2; k++)
			if (pids[k] > 0)
				waitpid(pids[k], NULL, 0);
	}
	return 0;
}
