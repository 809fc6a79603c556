/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files.h"

#include <criterion/criterion.h>
#include <sys/stat.h>

#include "scratch.h"

static bool means(const char *binary, const struct file_id *id)
{
	struct checkpoint_spec spec = { .binary = (char *)binary };

	return spec_means(&spec, id);
}

Test(files, a_name_means_the_versions_of_a_library_and_nothing_that_only_begins_so)
{
	static const struct {
		const char *binary, *path;
		bool means;
	} cases[] = {
		{ "libc", "/usr/lib/libc.so.6", true },
		{ "libc.so", "/usr/lib/libc.so.6", true },
		{ "libc.so.6", "/usr/lib/libc.so.6", true },
		{ "libc.so.6", "/usr/lib/libc.so.6.1", true },
		{ "libc", "/usr/lib/libc.so", true },
		{ "libc", "/usr/lib/libcrypto.so.3", false },
		{ "libc", "/usr/lib/libc-2.31.so", false },
		{ "libc.so", "/usr/lib/libc.socket", false },
		{ "libc.so.6", "/usr/lib/libc.so.60", false },
		{ "libc.so.6", "/usr/lib/libc.so", false },
		{ "libc", "/usr/lib/libc.so6", false },
		{ "postgres", "/usr/lib/postgresql/15/bin/postgres", true },
		{ "postgres", "/usr/bin/postgres.old", false },
		{ "postgres", "/usr/bin/postgresql", false },
		{ "postgres", "/usr/lib/postgres.so", true },
		{ "/usr/bin/x", "/usr/bin/x", true },
		{ "/usr/bin/x", "/opt/usr/bin/x", false },
		{ "x", "x", true },
		{ "", "/usr/bin/x", false },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct file_id id = { .path = cases[i].path };

		cr_assert_eq(means(cases[i].binary, &id), cases[i].means, "%s %s", cases[i].binary,
			cases[i].path);
	}
}

Test(files, no_name_means_the_main_program)
{
	struct file_id id = { .path = "/usr/bin/x", .main = true };

	cr_assert(means("", &id));
	cr_assert(!means("y", &id));
}

Test(files, a_path_means_the_file_also_by_another_name)
{
	struct scratch s = scratch__new();
	struct file_id id = { .path = "/as/the/process/sees/it" };
	char other[400];
	struct stat st;

	scratch_write(s.file, "x", 1);
	snprintf(other, sizeof(other), "%s/other", s.dir);
	cr_assert_eq(symlink(s.file, other), 0);
	cr_assert_eq(stat(s.file, &st), 0);
	id.inode = st.st_ino;
	id.dev = st.st_dev;
	cr_assert(means(s.file, &id));
	cr_assert(means(other, &id));
	id.dev++;
	cr_assert(!means(s.file, &id), "the number of an inode on another device is nothing");
	id.dev--;
	id.inode++;
	cr_assert(!means(s.file, &id));
	cr_assert(!means("/no/such/file", &id));
	scratch__free(&s);
}

Test(files, a_file_is_known_by_its_inode_and_across_devices_by_its_build_id)
{
	struct file_id a = { .path = "/a", .inode = 5, .dev = 1 }, b = { .path = "/b", .inode = 5, .dev = 2 };
	struct files files = { 0 };

	cr_assert(!files__know(&files, &a, NULL));
	cr_assert_eq(files__add(&files, &a, "1234"), 0);
	cr_assert_eq(files.n, 1);
	cr_assert_str_eq(files.files[0].path, "/a");
	cr_assert(files__know(&files, &a, NULL));
	a.path = "/renamed";
	cr_assert(files__know(&files, &a, "other"), "it was looked at, whatever is in it by now");
	/* as overlayfs shows one file */
	cr_assert(files__know(&files, &b, "1234"));
	cr_assert(!files__know(&files, &b, "12345"));
	cr_assert(!files__know(&files, &b, NULL));
	cr_assert_eq(files__add(&files, &b, NULL), 0);
	cr_assert(files__know(&files, &b, NULL));
	b.dev = 3;
	cr_assert(!files__know(&files, &b, NULL), "two without build ids are not the same by that");
	b.inode = 6;
	cr_assert(!files__know(&files, &b, "1234"), "two copies of a file are two");
	files__clear(&files);
	cr_assert_eq(files.n, 0);
	cr_assert(!files__know(&files, &a, NULL));
}
