/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Regular expressions from a file: POSIX extended, made safe to compile and to run. */
#ifndef PATTERN_H
#define PATTERN_H

#include <regex.h>
#include <stddef.h>

enum pattern_limits {
	PATTERN_MAX = 256,	/* bytes of an expression */
	PATTERN_SUBJECT = 1024, /* bytes of a text that are looked at */
	PATTERN_GROUPS = 9,
};

/* 0, -ENOMEM, or -EINVAL with a message. */
int pattern__compile(regex_t *re, const char *text, char *err, size_t err_len);

/* Copies what an expression may see of `s`: its beginning, without blanks at its end (a title
 * that was overwritten leaves them). Returns the length; NULL gives "". */
size_t pattern_subject(const char *s, char buf[PATTERN_SUBJECT]);

#endif
