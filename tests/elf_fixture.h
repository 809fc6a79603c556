/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Small ELF files, made by the compiler and binutils in a directory of their own. */
#ifndef ELF_FIXTURE_H
#define ELF_FIXTURE_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf.h"

#ifdef __x86_64__
#define LIBDIR "/usr/lib/x86_64-linux-gnu/"
#else
#define LIBDIR "/usr/lib/aarch64-linux-gnu/"
#endif
#define LIBC	  LIBDIR "libc.so.6"
#define LIBSTDCXX LIBDIR "libstdc++.so.6"

static char dir[] = "/tmp/test-elf-XXXXXX";

static __attribute__((unused)) void make_dir(void)
{
	/* the helpers are not to be run under this test's sanitizers */
	unsetenv("LD_PRELOAD");
	cr_assert(mkdtemp(dir));
}

static __attribute__((unused)) void remove_dir(void)
{
	char cmd[128];

	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	cr_assert_eq(system(cmd), 0);
}

/* A shell command in the directory. */
static __attribute__((unused, format(printf, 1, 2))) void run(const char *fmt, ...)
{
	char cmd[1024];
	va_list ap;
	int n;

	n = snprintf(cmd, sizeof(cmd), "cd '%s' && ", dir);
	va_start(ap, fmt);
	vsnprintf(cmd + n, sizeof(cmd) - n, fmt, ap);
	va_end(ap);
	cr_assert_eq(system(cmd), 0, "%s", cmd);
}

static __attribute__((unused)) const char *path_of(const char *name)
{
	static char path[8][128];
	static unsigned int i;
	char *p = path[i++ % 8];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static __attribute__((unused)) void write_file(const char *name, const void *data, size_t len)
{
	FILE *f = fopen(path_of(name), "w");

	cr_assert(f);
	cr_assert_eq(fwrite(data, 1, len, f), len);
	fclose(f);
}

static __attribute__((unused)) char *read_whole(const char *path, size_t *len)
{
	struct stat st;
	char *buf;
	int fd;

	fd = open(path, O_RDONLY);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	buf = malloc(st.st_size);
	cr_assert_eq(read(fd, buf, st.st_size), st.st_size);
	close(fd);
	*len = st.st_size;
	return buf;
}

static __attribute__((unused)) struct elf_file *open_elf(const char *path, const char *root)
{
	struct elf_file *elf;
	const char *why;
	int err;

	err = elf__open(path, root, &elf, &why);
	cr_assert_eq(err, 0, "%s: %d %s", path, err, why ? why : "");
	return elf;
}

/* The functions that match, as copies. */
struct found {
	int n;
	char name[64][200], demangled[64][200], source[64][200];
	struct elf_func f[64];
};

static __attribute__((unused)) int keep(void *ctx, const struct elf_func *func)
{
	struct found *found = ctx;
	int i = found->n++;

	if (i < 64) {
		snprintf(found->name[i], 200, "%s", func->name);
		snprintf(found->demangled[i], 200, "%s", func->demangled);
		snprintf(found->source[i], 200, "%s", func->source);
		found->f[i] = *func;
	}
	return 0;
}

static __attribute__((unused)) struct found *find(struct elf_file *elf, const char *pattern)
{
	static struct found found;
	int n;

	found.n = 0;
	n = elf__functions(elf, pattern, keep, &found);
	cr_assert_eq(n, found.n);
	return &found;
}

#endif
