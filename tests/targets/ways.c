// SPDX-License-Identifier: GPL-2.0-or-later
/* Pages that come and go in other ways than one by one at the hands of the program: in huge pages, at
 * the kernel's hands, by reclaim. usage: ways WAY DIR. It says "ready", does it when DIR/go is there,
 * and says what has come to and gone from which group of mappings, in pages:
 *
 *	NAME KIND GROWN RETURNED
 *
 * then "done", and ends when DIR/end is there. */
#include "presence.h"

#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

/* Groups of anonymous mappings, by size: nothing else in this program is as large. */
#define MEDIUM	     "[anonymous 1M to 16M]"
#define LARGE	     "[anonymous 16M to 256M]"
#define VAST	     "[anonymous 256M to 4G]"
#define MEDIUM_PAGES 2048
#define LARGE_PAGES  8192
#define VAST_PAGES   70000

static void begin(void)
{
	dprintf(1, "ready\n");
	await("go");
}

static void say_path(const char *name, const char *kind, size_t grown, size_t returned)
{
	char path[4096];

	presence_path(path, sizeof(path), name);
	say(path, kind, grown, returned);
}

/* --- mapped with all that is in it ------------------------------------------------------------------- */

static char *populate(size_t pages, int flags, int fd)
{
	char *at = mmap(NULL, pages * PAGE, PROT_READ | (fd < 0 || flags & MAP_SHARED ? PROT_WRITE : 0),
		flags | MAP_POPULATE, fd, 0);

	if (at == MAP_FAILED)
		err(1, "mmap");
	return at;
}

static void do_populate(void)
{
	int file = make_file("populated", 600), memory = memfd_create("ways", MFD_CLOEXEC);
	char *at, *locked;
	size_t n;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (ftruncate(memory, 400 * PAGE))
		err(1, "memfd");
	locked = fresh(MEDIUM_PAGES);
	begin();
	at = populate(LARGE_PAGES - 3000, MAP_PRIVATE | MAP_ANONYMOUS, -1);
	n = present(at, LARGE_PAGES - 3000);
	munmap(at, 2000 * PAGE);
	say(LARGE, "anon", n, 2000);
	at = populate(600, MAP_PRIVATE, file);
	say_path("populated", "file", present(at, 600), 0);
	at = populate(400, MAP_SHARED, memory);
	say("memfd:ways", "shmem", present(at, 400), 0);
	if (mlock(locked, 700 * PAGE))
		err(1, "mlock");
	say(MEDIUM, "anon", present(locked, MEDIUM_PAGES), 0);
}

/* --- brought by the kernel for others' sake ------------------------------------------------------------ */

/* So that each call is a new one, at the same place of the program. */
static __attribute__((noinline)) size_t read_some(int fd, char *at, size_t pages)
{
	if (pread(fd, at, pages * PAGE, 0) != (ssize_t)(pages * PAGE))
		err(1, "pread");
	return pages;
}

static size_t read_parts(int fd, char *at)
{
	struct iovec to[] = {{at, 50 * PAGE}, {at + 100 * PAGE, 60 * PAGE}};

	if (preadv(fd, to, 2, 0) != (ssize_t)(110 * PAGE))
		err(1, "preadv");
	return 110;
}

static size_t receive(char *at)
{
	static char message[8 * PAGE];
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_DGRAM, 0, pair) || send(pair[0], message, sizeof(message), 0) < 0 ||
		recv(pair[1], at, sizeof(message), 0) != sizeof(message))
		err(1, "socketpair");
	return 8;
}

static void do_read(void)
{
	int fd = make_file("read", 600), direct;
	char *vast = fresh_small(VAST_PAGES), *medium = fresh_small(MEDIUM_PAGES);
	char *large = fresh_small(LARGE_PAGES), path[4096];
	size_t n = 0, m = 0;

	presence_path(path, sizeof(path), "read");
	direct = open(path, O_RDONLY | O_DIRECT | O_CLOEXEC);
	begin();
	n += read_some(fd, vast, 300);
	m += read_some(fd, medium, 100);
	n += read_parts(fd, vast + 1000 * PAGE);
	m += receive(medium + 200 * PAGE);
	n += read_some(fd, vast + 2000 * PAGE, 1);
	say(VAST, "anon", n, 0);
	say(MEDIUM, "anon", m, 0);
	if (present(vast, VAST_PAGES) != n || present(medium, MEDIUM_PAGES) != m)
		errx(1, "not as many pages as were read");
	/* the device writes there: nobody faults, but the pages come all the same */
	if (direct >= 0 && pread(direct, large, 256 * PAGE, 0) == (ssize_t)(256 * PAGE))
		say(LARGE, "anon", present(large, LARGE_PAGES), 0);
}

/* --- huge pages ---------------------------------------------------------------------------------------- */

static char *aligned(char *at)
{
	return (char *)(((uintptr_t)at + HUGE - 1) & ~(HUGE - 1));
}

static __attribute__((noinline)) void touch_huge(char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((volatile char *)at)[i * HUGE] = 1;
}

/* Of eight huge pages that one touch each brings, one loses some of its pages and one all. */
static void do_huge(void)
{
	char *at = aligned(fresh(LARGE_PAGES + HUGE_PAGES)), *vast = aligned(fresh(VAST_PAGES));
	char *medium = aligned(fresh(MEDIUM_PAGES));
	size_t huge;

	madvise(at, LARGE_PAGES * PAGE, MADV_HUGEPAGE);
	madvise(medium, 2 * HUGE, MADV_HUGEPAGE);
	begin();
	touch_huge(at, 8);
	touch_huge(medium, 2);
	say(MEDIUM " (huge pages)", "anon", present(medium, 2 * HUGE_PAGES), 0);
	munmap(medium, 2 * HUGE);
	say(MEDIUM, "anon", 0, 2 * HUGE_PAGES);
	/* small ones, of which the program makes a huge one */
	touch(vast + 2 * HUGE, 100);
	if (madvise(vast + 2 * HUGE, HUGE, MADV_COLLAPSE))
		number("not collapsed", 1);
	say(VAST, "anon", present(vast, 4 * HUGE_PAGES), 0);
	/* or the kernel fills up again, in its own time, what has parts missing */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	huge = present(at, LARGE_PAGES);
	if (madvise(at + HUGE + 30 * PAGE, 100 * PAGE, MADV_DONTNEED) || madvise(at + 3 * HUGE, HUGE, MADV_DONTNEED))
		err(1, "madvise");
	say(LARGE " (huge pages)", "anon", huge, 0);
	say(LARGE, "anon", 0, huge - present(at, LARGE_PAGES));
}

/* --- given back, when it last did something else --------------------------------------------------------- */

static void do_back(void)
{
	char *large = fresh_small(LARGE_PAGES), *medium = fresh_small(MEDIUM_PAGES), *vast = fresh_small(VAST_PAGES);
	char *heap = sbrk(0);

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	heap += -(uintptr_t)heap % PAGE;
	if (brk(heap))
		err(1, "brk");
	begin();
	brk(heap + 600 * PAGE);
	touch(heap, 590);
	touch(large, 3000);
	touch(medium, 500);
	touch(vast + (VAST_PAGES - 800) * PAGE, 800);
	touch(vast, 200);
	touch(medium + 500 * PAGE, 1);
	brk(heap + 200 * PAGE);
	say("[heap]", "anon", 590, 390);
	if (mremap(vast, VAST_PAGES * PAGE, (VAST_PAGES - 600) * PAGE, 0) != vast)
		err(1, "mremap");
	madvise(large + 2000 * PAGE, 700 * PAGE, MADV_DONTNEED);
	munmap(vast, (VAST_PAGES - 600) * PAGE);
	say(VAST, "anon", 1000, 1000);
	munmap(large, LARGE_PAGES * PAGE);
	say(LARGE, "anon", 3000, 3000);
	munmap(medium, MEDIUM_PAGES * PAGE);
	say(MEDIUM, "anon", 501, 501);
}

/* --- reclaim ------------------------------------------------------------------------------------------- */

#define FILE_PAGES 4096
#define ANON_PAGES 1500

/* Another takes pages of a file. Then (DIR/more) this one brings anonymous memory, for which there is
 * only room if it gives back some of the file itself. A number is of pages. */
static void do_reclaim(void)
{
	int fd;
	char *file, *large = fresh_small(LARGE_PAGES);
	size_t left, again, n;

	await("joined");
	fd = make_file("reclaimed", FILE_PAGES);
	file = mmap(NULL, FILE_PAGES * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	if (file == MAP_FAILED)
		err(1, "mmap");
	madvise(file, FILE_PAGES * PAGE, MADV_RANDOM); /* they come back one by one */
	look(file, FILE_PAGES);
	number("mapped", present(file, FILE_PAGES));
	begin();
	left = present(file, FILE_PAGES);
	look(file, FILE_PAGES);
	again = present(file, FILE_PAGES);
	number("left", left);
	number("again", again - left);
	dprintf(1, "looked\n");
	await("more");
	madvise(file + 3000 * PAGE, 100 * PAGE, 21 /* MADV_PAGEOUT */);
	left = present(file, FILE_PAGES);
	number("given", again - left);
	again = left;
	touch(large, ANON_PAGES);
	n = present(file, FILE_PAGES);
	number("taken", again - n);
	number("brought", present(large, LARGE_PAGES));
}

static const struct {
	const char *name;
	void (*act)(void);
} ways[] = {
	{"populate", do_populate},
	{"read", do_read},
	{"huge", do_huge},
	{"back", do_back},
	{"reclaim", do_reclaim},
};

int main(int argc, char **argv)
{
	if (argc != 3)
		errx(2, "usage: ways WAY DIR");
	presence_begin(argv[2]);
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (strcmp(ways[i].name, argv[1]))
			continue;
		ways[i].act();
		dprintf(1, "done\n");
		presence_end();
	}
	return 2;
}
