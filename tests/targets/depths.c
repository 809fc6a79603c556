// SPDX-License-Identifier: GPL-2.0-or-later
/* Functions without frame pointers that bring memory from stacks of different depth, in the first
 * thread or in several. usage: depths THREADS PACE DIR: between two pages it waits for PACE
 * microseconds. When DIR/go is there it begins; then it says, in pages,
 *
 *	function NAME PAGES RUNS	(of all threads together)
 *	thread NAME TID PAGES
 *
 * and "done", and ends when DIR/end is there. */
#include "presence.h"

#include <pthread.h>
#include <stdlib.h>
#include <time.h>

#define MAX_THREADS 8
#define AREA	    70000 /* pages of each: a group of its own by size */
#define NOINLINE    __attribute__((noinline, noclone))

struct worker {
	pthread_t thread;
	int number;
	long tid;
	char name[16];
	char *at;
	size_t used; /* pages */
};

struct function {
	size_t pages, runs;
};

static long pace_ns;
static pthread_barrier_t barrier;
static struct function a, b, c, *const functions[] = {&a, &b, &c};
static volatile int sink;

static long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000L + ts.tv_nsec;
}

static inline __attribute__((always_inline)) void bring(struct worker *w, struct function *f, size_t pages)
{
	long next = now_ns();

	for (size_t i = 0; i < pages; i++) {
		while (pace_ns && now_ns() < next)
			;
		w->at[(w->used + i) * PAGE] = 1;
		next = now_ns() + pace_ns;
	}
	w->used += pages;
	__sync_fetch_and_add(&f->pages, pages);
	__sync_fetch_and_add(&f->runs, 1);
}

NOINLINE void alloc_a(struct worker *w, size_t pages)
{
	bring(w, &a, pages);
	sink++;
}

NOINLINE void alloc_b(struct worker *w, size_t pages)
{
	bring(w, &b, pages);
	sink++;
}

NOINLINE void alloc_c(struct worker *w, size_t pages)
{
	bring(w, &c, pages);
	sink++;
}

NOINLINE void deeper(struct worker *w, int n, void (*f)(struct worker *, size_t), size_t pages)
{
	if (n)
		deeper(w, n - 1, f, pages);
	else
		f(w, pages);
	sink++; /* or it would be a jump */
}

NOINLINE void all_of_it(struct worker *w)
{
	size_t more = (size_t)w->number * 30;

	alloc_a(w, 300 + more);
	deeper(w, 3, alloc_b, 200 + 2 * more);
	deeper(w, 40, alloc_c, 400 + more);
	deeper(w, 11, alloc_a, 150);
	sink++;
}

static NOINLINE void make_room(void)
{
	volatile char deep[16 * PAGE];

	for (size_t i = 0; i < sizeof(deep); i += PAGE)
		deep[i] = 1;
}

static void *work(void *arg)
{
	struct worker *w = arg;

	w->tid = syscall(SYS_gettid);
	make_room();
	if (w->name[0])
		pthread_setname_np(pthread_self(), w->name);
	pthread_barrier_wait(&barrier);
	await("go");
	all_of_it(w);
	pthread_barrier_wait(&barrier);
	await("end");
	return NULL;
}

/* Threads that wait for their turn are there before it is counted. */
static void begin(struct worker *w, int n)
{
	for (int i = 0; i < n; i++) {
		w[i].number = i;
		w[i].at = fresh_small(AREA);
		snprintf(w[i].name, sizeof(w[i].name), "depth-%d", i);
		if (pthread_create(&w[i].thread, NULL, work, &w[i]))
			err(1, "pthread_create");
	}
	pthread_barrier_wait(&barrier);
	dprintf(1, "ready\n");
	pthread_barrier_wait(&barrier);
}

static void alone(struct worker *w)
{
	w->tid = syscall(SYS_gettid);
	w->at = fresh_small(AREA);
	snprintf(w->name, sizeof(w->name), "depths");
	make_room();
	now_ns();
	dprintf(1, "ready\n");
	await("go");
	all_of_it(w);
}

int main(int argc, char **argv)
{
	static struct worker w[MAX_THREADS];
	int n = argc == 4 ? atoi(argv[1]) : 0;

	if (n < 1 || n > MAX_THREADS)
		errx(2, "usage: depths THREADS PACE DIR");
	pace_ns = atol(argv[2]) * 1000;
	presence_begin(argv[3]);
	pthread_barrier_init(&barrier, NULL, (unsigned int)n + 1);
	if (n == 1)
		alone(&w[0]);
	else
		begin(w, n);
	for (size_t i = 0; i < 3; i++)
		dprintf(1, "function alloc_%c %zu %zu\n", "abc"[i], functions[i]->pages, functions[i]->runs);
	for (int i = 0; i < n; i++)
		dprintf(1, "thread %s %ld %zu\n", w[i].name, w[i].tid, present(w[i].at, AREA));
	dprintf(1, "done\n");
	presence_end();
	return 0;
}
