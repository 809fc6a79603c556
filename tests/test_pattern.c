/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pattern.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void assert_compiles(const char *text, const char *matches)
{
	char err[512] = "";
	regex_t re;

	cr_assert_eq(pattern__compile(&re, text, err, sizeof(err)), 0, "%s", err);
	cr_assert_eq(regexec(&re, matches, 0, NULL, 0), 0, "%s does not match %s", text, matches);
	regfree(&re);
}

static void assert_refused(const char *text, const char *words)
{
	char err[512] = "";
	regex_t re;

	cr_assert_eq(pattern__compile(&re, text, err, sizeof(err)), -EINVAL, "%s", text);
	cr_assert(strstr(err, words), "%s: %s", text, err);
}

Test(pattern, extended_expressions_are_taken)
{
	assert_compiles("^(redis|valkey)-server$", "valkey-server");
	assert_compiles("a+b?", "aab");
	assert_compiles("((((((((x))))))))", "x"); /* 8 groups */
	assert_compiles("(((((((((x)))))))))", "x"); /* 9 */
}

Test(pattern, counts_in_braces_are_refused_and_literal_braces_are_not)
{
	assert_refused("a{1000}", "counts in braces are not allowed");
	assert_refused("((a{99}){99}){99}", "counts in braces");
	assert_refused("[ab]x{2}", "counts in braces");
	assert_refused("[^]]{2}", "counts in braces");
	assert_refused("\\\\{2}", "counts in braces");
	assert_compiles("a\\{1", "a{1");
	assert_compiles("[{]x", "{x");
	assert_compiles("[^]{]x", "ax");
	assert_compiles("[]{]x", "{x");
}

Test(pattern, what_is_wrong_is_told)
{
	char big[PATTERN_MAX + 2];

	assert_refused("", "empty");
	assert_refused("a(b", "regular expression 'a(b': ");
	assert_refused("[a", "'[a'");
	assert_refused("((((((((((x))))))))))", "10 groups, 9 are allowed");
	memset(big, 'a', sizeof(big));
	big[PATTERN_MAX + 1] = '\0';
	assert_refused(big, "has 257 bytes, 256 are allowed");
	big[PATTERN_MAX] = '\0';
	assert_compiles(big, big);
}

Test(pattern, of_a_subject_the_beginning_is_seen_without_blanks_at_its_end)
{
	char buf[PATTERN_SUBJECT], big[2 * PATTERN_SUBJECT];

	cr_assert_eq(pattern_subject("title  \t", buf), 5);
	cr_assert_str_eq(buf, "title");
	cr_assert_eq(pattern_subject(" in front", buf), 9);
	cr_assert_eq(pattern_subject("   ", buf), 0);
	cr_assert_str_empty(buf);
	cr_assert_eq(pattern_subject(NULL, buf), 0);
	cr_assert_str_empty(buf);
	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	cr_assert_eq(pattern_subject(big, buf), PATTERN_SUBJECT - 1);
	cr_assert_eq(strlen(buf), PATTERN_SUBJECT - 1);
	big[PATTERN_SUBJECT - 2] = ' ';
	cr_assert_eq(pattern_subject(big, buf), PATTERN_SUBJECT - 2, "also where it was cut");
}
