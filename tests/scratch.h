/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A directory of a test's own, and whole files in it. */
#ifndef SCRATCH_H
#define SCRATCH_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct scratch {
	char dir[256];
	char file[300]; /* a path in it */
};

static inline struct scratch scratch__new(void)
{
	const char *base = getenv("TMPDIR");
	struct scratch s;

	snprintf(s.dir, sizeof(s.dir), "%s/ramtrace-test-XXXXXX", base && *base ? base : P_tmpdir);
	cr_assert(mkdtemp(s.dir));
	snprintf(s.file, sizeof(s.file), "%s/file", s.dir);
	return s;
}

static inline int scratch_remove(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	return remove(path);
}

static inline void scratch__free(struct scratch *s)
{
	nftw(s->dir, scratch_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void scratch_write(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, data, len), (ssize_t)len);
	close(fd);
}

/* With a NUL behind it. The caller frees. */
static inline char *scratch_read(const char *path, size_t *len)
{
	int fd = open(path, O_RDONLY);
	struct stat st;
	char *data;

	cr_assert(fd >= 0);
	cr_assert_eq(fstat(fd, &st), 0);
	data = malloc((size_t)st.st_size + 1);
	cr_assert_eq(read(fd, data, (size_t)st.st_size), (ssize_t)st.st_size);
	data[st.st_size] = '\0';
	*len = (size_t)st.st_size;
	close(fd);
	return data;
}

#endif
