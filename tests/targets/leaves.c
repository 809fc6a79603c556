/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads that end within probed functions, by pthread_exit and by pthread_cancel, with cleanup
 * handlers; and threads that come and go by the hundred (300, in twenties).
 * usage: leaves TRUTH run|wait [crowd [stay]]
 * With `stay` it waits for SIGUSR1 again after they have gone.
 */
#include <pthread.h>

#include "unharmed.h"

static int gate[2];
static int cleaned;

/* --- leaving --------------------------------------------------------------------------------- */

PROBED void p_exits(long n)
{
	grow(1);
	if (n >= 0)
		pthread_exit((void *)(n + 1));
}

struct leaving {
	const char *inner, *outer;
};

/* The inner function has been left, the outer one is about to be. */
static void clean_up(void *arg)
{
	struct leaving *l = arg;

	tell(l->inner, "return", "x");
	grow(1);
	cleaned++;
	tell(l->outer, "return", "y");
}

PROBED void p_cleans_up(long n)
{
	struct leaving l = {"p_exits", "p_cleans_up"};

	pthread_cleanup_push(clean_up, &l);
	tell("p_exits", "entry", "-");
	p_exits(n);
	pthread_cleanup_pop(0);
}

static void *exiting(void *arg)
{
	warm_stack();
	tell("p_cleans_up", "entry", "-");
	p_cleans_up((long)arg);
	return NULL;
}

PROBED void p_waits(long n)
{
	char c = 0;

	grow(n & 1);
	if (write(gate[1], &c, 1) == 1)
		for (;;)
			pause();
}

PROBED void p_cleans_up_cancelled(long n)
{
	struct leaving l = {"p_waits", "p_cleans_up_cancelled"};

	pthread_cleanup_push(clean_up, &l);
	tell("p_waits", "entry", "-");
	p_waits(n);
	pthread_cleanup_pop(0);
}

static void *cancelled(void *arg)
{
	warm_stack();
	tell("p_cleans_up_cancelled", "entry", "-");
	p_cleans_up_cancelled((long)arg);
	return NULL;
}

static long leave(void *(*start)(void *), long n, int cancel)
{
	pthread_t thread;
	void *result;
	char c;

	if (pthread_create(&thread, NULL, start, (void *)n))
		_exit(97);
	if (cancel) {
		if (read(gate[0], &c, 1) != 1)
			_exit(97);
		pthread_cancel(thread);
	}
	pthread_join(thread, &result);
	return result == PTHREAD_CANCELED ? 1000 : (long)result;
}

static void *nothing(void *arg)
{
	pthread_exit(arg);
}

static void leave_all(void)
{
	pthread_t thread;
	long sum = 0;

	/* the library that unwinds is loaded by the first that needs it */
	pthread_create(&thread, NULL, nothing, NULL);
	pthread_join(thread, NULL);
	for (long i = 0; i < 20; i++) {
		sum += leave(exiting, i, 0);
		sum += leave(cancelled, i, 1);
	}
	printf("left %ld, cleaned up %d\n", sum, cleaned);
}

/* --- coming and going ------------------------------------------------------------------------ */

PROBED long p_descends(long n)
{
	if (n)
		n = p_descends(n - 1) + 1;
	asm volatile("" : "+r"(n)); /* no loop instead */
	return n;
}

PROBED long p_visits(long n)
{
	volatile char page[PAGE];

	page[0] = n;
	return n + page[0];
}

static void *visitor(void *arg)
{
	long n = (long)arg, sum = 0;

	for (int i = 0; i < 2; i++)
		sum += p_visits(n + i) + p_descends(40);
	return (void *)sum;
}

static void come_and_go(void)
{
	pthread_t threads[20];
	long sum = 0;
	void *result;

	for (long round = 0; round < 15; round++) {
		for (long i = 0; i < 20; i++)
			if (pthread_create(&threads[i], NULL, visitor, (void *)(round + i)))
				_exit(97);
		for (long i = 0; i < 20; i++) {
			pthread_join(threads[i], &result);
			sum += (long)result;
		}
	}
	printf("visited %ld\n", sum);
}

int main(int argc, char **argv)
{
	if (pipe(gate))
		return 97;
	unharmed_begin(argc, argv);
	if (argc > 3 && !strcmp(argv[3], "crowd"))
		come_and_go();
	else
		leave_all();
	if (argc > 4) {
		fflush(stdout);
		wait_for_go();
	}
	return unharmed_end(7);
}
