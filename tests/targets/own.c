/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that bring and take pages at the same time, each knowing what is its own.
 * usage: own THREADS ROUNDS. Writes a line for each: tid, pages of anonymous memory brought, and given
 * back.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	    4096UL
#define MAX_THREADS 16

struct worker {
	pthread_t thread;
	int number, rounds;
	long tid;
	uint64_t grown, returned;
};

static pthread_barrier_t barrier;

static char *fresh(size_t pages)
{
	char *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		exit(1);
	return p;
}

/* Sizes that differ by thread and round, so that a mistake does not cancel out. */
static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = syscall(SYS_gettid);
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < w->rounds; i++) {
		size_t pages = 100 + (size_t)(i * 37 + w->number * 53) % 400;
		char *p = fresh(pages);

		for (size_t at = 0; at < pages; at++)
			p[at * PAGE] = 1;
		w->grown += pages;
		if (i % 8 == 7)
			continue; /* kept */
		munmap(p, pages * PAGE);
		w->returned += pages;
	}
	pthread_barrier_wait(&barrier);
	return NULL;
}

int main(int argc, char **argv)
{
	struct worker w[MAX_THREADS] = {0};
	int n = argc > 1 ? atoi(argv[1]) : 4, rounds = argc > 2 ? atoi(argv[2]) : 100;

	if (n < 1 || n > MAX_THREADS)
		return 2;
	pthread_barrier_init(&barrier, NULL, (unsigned int)n);
	for (int i = 0; i < n; i++) {
		w[i].number = i;
		w[i].rounds = rounds;
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			return 1;
	}
	for (int i = 0; i < n; i++)
		pthread_join(w[i].thread, NULL);
	for (int i = 0; i < n; i++)
		printf("%ld\t%lu\t%lu\n", w[i].tid, (unsigned long)w[i].grown, (unsigned long)w[i].returned);
	return 0;
}
