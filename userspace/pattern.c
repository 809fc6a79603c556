/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pattern.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/*
 * glibc copies what is repeated by "{n}", and nesting multiplies: forty bytes of expression can
 * ask for gigabytes. No title needs it, so a '{' counts as an error unless it is literal.
 */
static bool has_repeat_count(const char *s)
{
	for (; *s; s++) {
		if (*s == '\\' && s[1]) {
			s++;
		} else if (*s == '[') {
			s += s[1] == '^' ? 2 : 1;
			/* a ']' that comes first is one of the set */
			if (!*s || !(s = strchr(s + 1, ']')))
				return false;
		} else if (*s == '{') {
			return true;
		}
	}
	return false;
}

int pattern__compile(regex_t *re, const char *text, char *err, size_t err_len)
{
	char why[128];
	int code;

	if (!*text) {
		snprintf(err, err_len, "the regular expression is empty");
		return -EINVAL;
	}
	if (strlen(text) > PATTERN_MAX) {
		snprintf(err, err_len, "the regular expression has %zu bytes, %d are allowed",
			 strlen(text), PATTERN_MAX);
		return -EINVAL;
	}
	if (has_repeat_count(text)) {
		snprintf(err, err_len, "regular expression '%s': counts in braces are not allowed",
			 text);
		return -EINVAL;
	}
	code = regcomp(re, text, REG_EXTENDED);
	if (code == REG_ESPACE)
		return -ENOMEM;
	if (code) {
		regerror(code, re, why, sizeof(why));
		snprintf(err, err_len, "regular expression '%s': %s", text, why);
		return -EINVAL;
	}
	if (re->re_nsub > PATTERN_GROUPS) {
		snprintf(err, err_len, "regular expression '%s' has %zu groups, %d are allowed",
			 text, re->re_nsub, PATTERN_GROUPS);
		regfree(re);
		return -EINVAL;
	}
	return 0;
}

size_t pattern_subject(const char *s, char buf[PATTERN_SUBJECT])
{
	size_t len = s ? strnlen(s, PATTERN_SUBJECT - 1) : 0;

	while (len && isspace((unsigned char)s[len - 1]))
		len--;
	if (len)
		memcpy(buf, s, len);
	buf[len] = '\0';
	return len;
}
