/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What code under test says on a standard stream. */
#ifndef SAID_H
#define SAID_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* From here on, what goes to stream 1 or 2 is kept. */
static inline void said__begin(int fd)
{
	int file = memfd_create("said", 0);

	cr_assert_geq(file, 0);
	fflush(NULL);
	cr_assert_eq(dup2(file, fd), fd);
	close(file);
}

/* What was said since said__begin or the last call; static memory. */
static inline const char *said(int fd)
{
	static char text[1 << 16];
	ssize_t n;

	fflush(NULL);
	n = pread(fd, text, sizeof(text) - 1, 0);
	cr_assert_geq(n, 0);
	text[n] = '\0';
	cr_assert_eq(ftruncate(fd, 0), 0);
	lseek(fd, 0, SEEK_SET);
	return text;
}

#define cr_assert_said(fd, ...)                                                                    \
	do {                                                                                       \
		const char *const words_[] = { __VA_ARGS__, NULL }, *text_ = said(fd);             \
                                                                                                   \
		for (size_t i_ = 0; words_[i_]; i_++)                                              \
			cr_assert(strstr(text_, words_[i_]), "it does not say \"%s\": %s",         \
				  words_[i_], text_);                                              \
	} while (0)

#endif
