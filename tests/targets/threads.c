/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Four threads that grow all the time; one after another they pass `checkpoint`, and read what the
 * process has before and after it. Kinds only grow in a round, so the truth at the checkpoint lies
 * between the two. usage: threads ROUNDS TRUTH-FILE
 * A line of truth: tid, then anon and shmem before, inside (at the end of checkpoint) and after.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define THREADS	    4
#define ROUND_BYTES (4UL << 20)
#define PAGE	    4096UL
#define EVERY	    16 /* pages touched between two checkpoints */

struct kinds {
	uint64_t anon, shmem;
};

static pthread_barrier_t barrier;
static int rounds, truth_fd;

static uint64_t field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

static struct kinds read_kinds(char *buf, size_t len)
{
	int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, buf, len - 1);

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return (struct kinds){field(buf, "\nRssAnon:"), field(buf, "\nRssShmem:")};
}

struct worker {
	char buf[8192];
	char *anon, *shmem;
	size_t next;
};

static void grow(struct worker *w)
{
	for (int i = 0; i < EVERY && w->next < ROUND_BYTES; i++, w->next += PAGE) {
		w->anon[w->next] = 1;
		if (w->next % (4 * PAGE) == 0)
			w->shmem[w->next] = 1;
	}
}

/* Grows inside too, so that its return has another value than its entry. */
__attribute__((noinline)) struct kinds checkpoint(struct worker *w)
{
	struct kinds k;

	grow(w);
	k = read_kinds(w->buf, sizeof(w->buf));
	asm volatile("" ::: "memory"); /* not a tail call */
	return k;
}

static void tell(struct worker *w)
{
	struct kinds before = read_kinds(w->buf, sizeof(w->buf)), inside, after;
	char line[256];
	int n;

	inside = checkpoint(w);
	after = read_kinds(w->buf, sizeof(w->buf));
	n = snprintf(line, sizeof(line), "%ld %lu %lu %lu %lu %lu %lu\n", syscall(SYS_gettid),
		before.anon, before.shmem, inside.anon, inside.shmem, after.anon, after.shmem);
	if (write(truth_fd, line, n) != n)
		_exit(3);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	int prot = PROT_READ | PROT_WRITE;

	for (int round = 0; round < rounds; round++) {
		w->anon = mmap(NULL, ROUND_BYTES, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		w->shmem = mmap(NULL, ROUND_BYTES, prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
		w->next = 0;
		pthread_barrier_wait(&barrier);
		while (w->next < ROUND_BYTES) {
			grow(w);
			tell(w);
		}
		/* nobody shrinks while another compares */
		pthread_barrier_wait(&barrier);
		munmap(w->anon, ROUND_BYTES);
		munmap(w->shmem, ROUND_BYTES);
		pthread_barrier_wait(&barrier);
	}
	return NULL;
}

int main(int argc, char **argv)
{
	static struct worker workers[THREADS];
	pthread_t threads[THREADS];

	if (argc != 3)
		return 2;
	rounds = atoi(argv[1]);
	truth_fd = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	if (truth_fd < 0 || pthread_barrier_init(&barrier, NULL, THREADS))
		return 1;
	for (int i = 0; i < THREADS; i++)
		if (pthread_create(&threads[i], NULL, work, &workers[i]))
			return 1;
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	return 0;
}
