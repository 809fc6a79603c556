/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A library that brings memory in a thread of its own, which runs no Python. */
#include <pthread.h>

struct job {
	volatile char *at;
	long pages;
};

int prefetch(char *at, long pages);

static void *work(void *arg)
{
	struct job *j = arg;

	pthread_setname_np(pthread_self(), "prefetch");
	for (long i = 0; i < j->pages; i++)
		j->at[i * 4096] = 1;
	return NULL;
}

int prefetch(char *at, long pages)
{
	struct job j = {at, pages};
	pthread_t t;

	return pthread_create(&t, NULL, work, &j) || pthread_join(t, NULL);
}
