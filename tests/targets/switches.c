/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Coroutines: swapcontext between a scheduler and workers whose stacks are static, of malloc, or
 * mapped, on the main thread or on one with a small stack (beside which mappings lie closely).
 * usage: switches TRUTH run|wait main|thread TURNS
 * Not all workers come to their end if the turns are few. With a third argument "overlap" at any
 * time one of two workers is in the middle of a call, and nothing is told.
 */
#include <pthread.h>
#include <ucontext.h>

#include "unharmed.h"

#define WORKERS	    3
#define ROUNDS	    30
#define STACK_BYTES (64 << 10)

struct worker {
	ucontext_t context;
	char *stack;
	int inside, done;
	long sum;
};

static char static_stack[STACK_BYTES];
static struct worker workers[WORKERS];
static ucontext_t scheduler;
static int turns;

static void yield(struct worker *w)
{
	swapcontext(&w->context, &scheduler);
}

PROBED long p_unswitched(long n)
{
	grow(1);
	return n + 1;
}

/* A function for each worker, so that its rows are known apart; all give way in the middle. */
#define WORKER_FUNCTION(name)                                                                      \
	PROBED long name(struct worker *w, long n)                                                 \
	{                                                                                          \
		grow(1);                                                                           \
		yield(w);                                                                          \
		grow(1);                                                                           \
		tell("p_unswitched", "entry", "-");                                                \
		n = p_unswitched(n);                                                               \
		tell("p_unswitched", "return", "-");                                               \
		yield(w);                                                                          \
		grow(n & 1);                                                                       \
		return n;                                                                          \
	}

WORKER_FUNCTION(p_works_static)
WORKER_FUNCTION(p_works_heap)
WORKER_FUNCTION(p_works_mapped)

static long (*const functions[WORKERS])(struct worker *, long) = {p_works_static, p_works_heap,
	p_works_mapped};
static const char *const names[WORKERS] = {"p_works_static", "p_works_heap", "p_works_mapped"};

#define OVERLAPS 6000

PROBED long p_overlaps(struct worker *w, long n)
{
	yield(w);
	return n;
}

static void overlap(int id)
{
	struct worker *w = &workers[id];

	for (long i = 0; i < OVERLAPS; i++)
		w->sum += p_overlaps(w, i);
	w->done = 1;
	yield(w);
}

static int overlapped;

static void work(int id)
{
	struct worker *w = &workers[id];

	for (long i = 0; i < ROUNDS; i++) {
		tell(names[id], "entry", "-");
		w->inside = 1;
		w->sum += functions[id](w, i);
		w->inside = 0;
		tell(names[id], "return", "-");
		/* out of step, so that ends do not come in the order of beginnings */
		if (i % (id + 2) == 0)
			yield(w);
	}
	w->done = 1;
	yield(w);
}

PROBED void p_schedules(int left)
{
	int alive = WORKERS;

	grow(1);
	while (alive && left--) {
		alive = 0;
		for (int i = 0; i < WORKERS; i++) {
			if (workers[i].done)
				continue;
			alive++;
			swapcontext(&scheduler, &workers[i].context);
			grow(left % 2);
		}
	}
}

static void *run(void *arg)
{
	long sum = 0;
	char *stacks[WORKERS] = {static_stack, malloc(STACK_BYTES)};

	stacks[2] = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		0);
	warm_stack();
	for (int i = 0; i < WORKERS; i++) {
		struct worker *w = &workers[i];

		memset(stacks[i], 1, STACK_BYTES);
		getcontext(&w->context);
		w->context.uc_stack.ss_sp = stacks[i];
		w->context.uc_stack.ss_size = STACK_BYTES;
		makecontext(&w->context, (void (*)(void))(overlapped ? overlap : work), 1, i);
	}
	workers[0].done = overlapped;
	tell("p_schedules", "entry", "-");
	p_schedules(turns);
	tell("p_schedules", "return", "-");
	for (int i = 0; i < WORKERS; i++)
		sum += workers[i].sum;
	for (int i = 0; i < 10; i++) {
		tell("p_unswitched", "entry", "-");
		sum += p_unswitched(i);
		tell("p_unswitched", "return", "-");
		grow(1);
	}
	for (int i = 0; i < WORKERS; i++)
		if (workers[i].inside)
			tell(names[i], "return", "e?");
	printf("worked %ld\n", sum);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_attr_t attr;
	pthread_t thread;

	if (argc < 5)
		return 98;
	turns = atoi(argv[4]);
	overlapped = argc > 5;
	unharmed_begin(argc, argv);
	if (!strcmp(argv[3], "main")) {
		run(NULL);
	} else {
		pthread_attr_init(&attr);
		pthread_attr_setstacksize(&attr, 256 << 10);
		if (pthread_create(&thread, &attr, run, NULL) || pthread_join(thread, NULL))
			return 97;
	}
	return unharmed_end(8);
}
