// SPDX-License-Identifier: GPL-2.0-or-later
/* A parent and its child, and what is whose. usage: relatives copy|share DIR. Each step is taken when
 * the file of its name is in DIR: go, child, parent, end. It says, in pages of each of the two:
 *
 *	parent PID, child PID
 *	WHO NAME KIND GROWN RETURNED
 *	WHO foreign N
 */
#include "presence.h"

#define LARGE	    "[anonymous 16M to 256M]"
#define MEDIUM	    "[anonymous 1M to 16M]"
#define LARGE_PAGES 8192
#define SOME	    2048

static char *inherited, *file, *own, *shared;
static int memory;

static void tell(const char *who, const char *name, const char *kind, size_t grown, size_t returned)
{
	char what[4160];

	snprintf(what, sizeof(what), "%s\t%s", who, name);
	say(what, kind, grown, returned);
}

static void tell_file(const char *kind, size_t grown, size_t returned)
{
	char path[4096];

	presence_path(path, sizeof(path), "relatives.data");
	tell("child", path, kind, grown, returned);
}

/* --- copies on write ------------------------------------------------------------------------------------ */

/* A page of anonymous memory that is written to becomes another of as many; one of a file becomes
 * one of anonymous memory. */
static void copy_child(void)
{
	size_t had = present(inherited, LARGE_PAGES), anon, back;

	number("inherited", had);
	dprintf(1, "child %d\n", (int)syscall(SYS_getpid));
	await("child");
	touch(inherited, 1000);
	touch(file + 100 * PAGE, 50); /* the 64 before are anonymous already */
	anon = present(file, 256);
	touch(own, 300);
	if (madvise(inherited + 2000 * PAGE, 500 * PAGE, MADV_DONTNEED))
		err(1, "madvise");
	back = had - present(inherited, LARGE_PAGES);
	if (anon != 256)
		errx(1, "%zu pages of the file", anon);
	tell("child", LARGE, "anon", 0, back);
	tell("child", MEDIUM, "anon", present(own, SOME), 0);
	tell_file("file", 0, 50);
	tell_file("anon", 50, 0);
	dprintf(1, "child is done\n");
	presence_end();
}

/* What the parent writes to is its alone by then, or is copied: there are as many pages. */
static void copy_parent(void)
{
	size_t had = present(inherited, LARGE_PAGES);

	await("parent");
	touch(inherited, 200);
	touch(own, 70);
	tell("parent", LARGE, "anon", had - present(inherited, LARGE_PAGES), 0);
	tell("parent", MEDIUM, "anon", present(own, SOME), 0);
}

static void copy_prepare(void)
{
	int fd = make_file("relatives.data", 256);

	inherited = fresh_small(LARGE_PAGES);
	own = fresh_small(SOME);
	touch(inherited, 4000);
	file = mmap(NULL, 256 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	if (file == MAP_FAILED)
		err(1, "mmap");
	look(file, 256);
	touch(file, 64);
}

/* --- shared memory --------------------------------------------------------------------------------------- */

static void share_child(void)
{
	dprintf(1, "child %d\n", (int)syscall(SYS_getpid));
	await("child");
	touch(shared, 600);
	touch(shared + 1500 * PAGE, 200);
	tell("child", "memfd:relatives", "shmem", present(shared, SOME), 0);
	dprintf(1, "child is done\n");
	await("end");
	number("child has", present(shared, SOME));
	presence_end();
}

/* A hole takes pages from all that have them mapped. */
static void share_parent(void)
{
	await("parent");
	if (fallocate(memory, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 100 * PAGE, 300 * PAGE))
		err(1, "fallocate");
	number("parent has", present(shared, SOME));
}

static void share_prepare(void)
{
	memory = memfd_create("relatives", MFD_CLOEXEC);
	if (memory < 0 || ftruncate(memory, SOME * PAGE))
		err(1, "memfd");
	shared = mmap(NULL, SOME * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
	if (shared == MAP_FAILED)
		err(1, "mmap");
}

static void share_before_fork(void)
{
	touch(shared, 1000);
	tell("parent", "memfd:relatives", "shmem", present(shared, SOME), 0);
}

static const struct {
	const char *name;
	void (*prepare)(void), (*before_fork)(void), (*child)(void), (*parent)(void);
} all[] = {
	{"copy", copy_prepare, NULL, copy_child, copy_parent},
	{"share", share_prepare, share_before_fork, share_child, share_parent},
};

int main(int argc, char **argv)
{
	size_t i = argc == 3 && !strcmp(argv[1], "share");

	if (argc != 3)
		errx(2, "usage: relatives copy|share DIR");
	presence_begin(argv[2]);
	all[i].prepare();
	dprintf(1, "ready\n");
	await("go");
	if (all[i].before_fork)
		all[i].before_fork();
	if (!fork())
		all[i].child();
	all[i].parent();
	dprintf(1, "done\n");
	presence_end();
	return 0;
}
