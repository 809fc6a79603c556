/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of mappings and what they are called. */
#include "mapping.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "scratch.h"

static void named(const struct rt_mapping *m, const char *name, const char *kind)
{
	char buf[RT_MAP_NAME_LEN + 32];

	mapping_name(m, buf, sizeof(buf));
	cr_expect_str_eq(buf, name);
	cr_expect_str_eq(mapping_kind(m), kind);
}
#define is(name_, kind_, ...) named(&(struct rt_mapping){__VA_ARGS__}, name_, kind_)

Test(mapping, is_called_by_what_it_is)
{
	is("[heap]", "heap", .map_kind = RT_MAP_HEAP);
	is("[stack]", "stack", .map_kind = RT_MAP_STACK);
	is("[thread stacks]", "thread_stack", .map_kind = RT_MAP_THREAD_STACK);
	is("[not known]", "unknown", .map_kind = RT_MAP_UNKNOWN);
	is("[too many to tell apart]", "rest", .map_kind = RT_MAP_REST);
	is("[anon:my cache]", "named", .map_kind = RT_MAP_NAMED, .name = "my cache");
	is("[anon:]", "named", .map_kind = RT_MAP_NAMED);
	is("/usr/lib/libc.so.6", "file", .map_kind = RT_MAP_FILE, .name = "/usr/lib/libc.so.6");
	is("[file]", "file", .map_kind = RT_MAP_FILE);
	is("memfd:x", "shmem", .map_kind = RT_MAP_SHMEM, .name = "/memfd:x");
	is("memfd:x", "shmem", .map_kind = RT_MAP_SHMEM, .name = "memfd:x");
	is("/memfd:x", "file", .map_kind = RT_MAP_FILE, .name = "/memfd:x");
	is("/SYSV00000000", "shmem", .map_kind = RT_MAP_SHMEM, .name = "/SYSV00000000");
	named(NULL, "[not known]", "unknown");
}

Test(mapping, of_anonymous_memory_is_called_by_its_size)
{
	static const char *const sizes[] = {"[anonymous below 64K]", "[anonymous 64K to 1M]",
		"[anonymous 1M to 16M]", "[anonymous 16M to 256M]", "[anonymous 256M to 4G]",
		"[anonymous 4G and more]"};

	_Static_assert(sizeof(sizes) / sizeof(*sizes) == RT_MAP_CLASSES, "each");
	for (unsigned int i = 0; i < RT_MAP_CLASSES; i++)
		is(sizes[i], "anon", .map_kind = RT_MAP_ANON, .size_class = i);
}

Test(mapping, says_what_came_in_huge_pages)
{
	is("[heap] (huge pages)", "heap", .map_kind = RT_MAP_HEAP, .flags = RT_MAP_HUGE);
	is("[anonymous 1M to 16M] (huge pages)", "anon", .map_kind = RT_MAP_ANON, .size_class = 2,
		.flags = RT_MAP_HUGE);
	is("[anon:x] (huge pages)", "named", .map_kind = RT_MAP_NAMED, .name = "x", .flags = RT_MAP_HUGE);
	is("[heap]", "heap", .map_kind = RT_MAP_HEAP, .flags = 0xfffffffe);
}

/* From a tape of a later version, or of nobody. */
Test(mapping, of_kinds_and_sizes_that_are_not_known_is_not_known)
{
	is("[not known]", "unknown", .map_kind = RT_MAP_REST + 1, .name = "x");
	is("[not known]", "unknown", .map_kind = UINT32_MAX);
	is("[anonymous below 64K]", "anon", .map_kind = RT_MAP_ANON, .size_class = RT_MAP_CLASSES);
	is("[anonymous below 64K]", "anon", .map_kind = RT_MAP_ANON, .size_class = UINT32_MAX);
}

Test(mapping, names_end_where_there_is_no_more_room)
{
	struct rt_mapping m = {.map_kind = RT_MAP_NAMED, .flags = RT_MAP_HUGE};
	char buf[RT_MAP_NAME_LEN + 32];

	memset(m.name, 'n', sizeof(m.name) - 1);
	mapping_name(&m, buf, sizeof(buf));
	cr_expect_eq(strlen(buf), sizeof(m.name) - 1 + strlen("[anon:] (huge pages)"));
	for (size_t len = 1; len < 300; len++) {
		char *exact = malloc(len);

		mapping_name(&m, exact, len);
		cr_expect_lt(strlen(exact), len);
		free(exact);
	}
}

/* --- paths, from this process's own mappings ---------------------------------------------------- */

static struct rt_mapping of_file(const char *path, enum rt_map_kind kind)
{
	struct rt_mapping m = {.h = {.pid = getpid()}, .map_kind = kind, .name = "as the kernel says"};
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	m.dev = (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
	m.ino = st.st_ino;
	return m;
}

static void *map(const char *path)
{
	int fd = open(path, O_RDWR);
	void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	cr_assert_neq(at, MAP_FAILED);
	close(fd);
	return at;
}

Test(mapping, of_a_file_gets_its_path)
{
	struct scratch dir = scratch__new();
	struct rt_mapping m, other;
	char page[4096] = "x";

	scratch_write(dir.file, page, sizeof(page));
	map(dir.file);
	m = of_file(dir.file, RT_MAP_FILE);
	mapping_complete(&m);
	cr_expect_str_eq(m.name, dir.file);
	other = of_file(dir.file, RT_MAP_FILE);
	other.dev++;
	mapping_complete(&other);
	cr_expect_str_eq(other.name, "as the kernel says");
	other = of_file(dir.file, RT_MAP_HEAP);
	mapping_complete(&other);
	cr_expect_str_eq(other.name, "as the kernel says");
	other = of_file(dir.file, RT_MAP_FILE);
	other.h.pid = 0x7ffffffe; /* no such process */
	mapping_complete(&other);
	cr_expect_str_eq(other.name, "as the kernel says");
	scratch__free(&dir);
}

Test(mapping, of_a_long_path_keeps_its_end)
{
	struct scratch dir = scratch__new();
	char path[900], part[201], page[4096] = "x";
	struct rt_mapping m;

	memset(part, 'p', 200);
	part[200] = '\0';
	snprintf(path, sizeof(path), "%s/%s", dir.dir, part);
	cr_assert_eq(mkdir(path, 0700), 0);
	snprintf(path + strlen(path), 300, "/%.190sEND", part);
	scratch_write(path, page, sizeof(page));
	map(path);
	m = of_file(path, RT_MAP_FILE);
	mapping_complete(&m);
	cr_expect_eq(strlen(m.name), sizeof(m.name) - 1);
	cr_expect_str_eq(m.name, path + strlen(path) - sizeof(m.name) + 1);
	scratch__free(&dir);
}

Test(mapping, of_a_memfd_gets_the_name_that_it_was_made_with)
{
	int fd = memfd_create("the name", 0);
	struct rt_mapping m = {.h = {.pid = getpid()}, .map_kind = RT_MAP_SHMEM};
	struct stat st;

	cr_assert_eq(ftruncate(fd, 4096), 0);
	cr_assert_neq(mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0), MAP_FAILED);
	cr_assert_eq(fstat(fd, &st), 0);
	m.dev = (uint64_t)major(st.st_dev) << 20 | minor(st.st_dev);
	m.ino = st.st_ino;
	mapping_complete(&m);
	named(&m, "memfd:the name", "shmem");
}
