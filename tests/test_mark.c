/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mark.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "prng.h"

static struct rt_mark made;

/* `more`: characters (of a C string bytes) that there were behind those. */
static struct rt_mark *mark(enum rt_mark_origin origin, unsigned int kind, const void *raw, size_t bytes,
	size_t more)
{
	made = (struct rt_mark){ .origin = (uint16_t)origin,
		.str = { .chars = (uint32_t)(bytes / kind + more), .kind = (uint16_t)kind,
			.bytes = (uint16_t)bytes } };
	memcpy(made.label, raw, bytes);
	return &made;
}

static void is(const struct rt_mark *ev, const char *want)
{
	char *label = mark_label(ev);

	cr_expect_str_eq(label, want);
	free(label);
}

static void is_usdt(const char *s, const char *want)
{
	is(mark(RT_MARK_USDT, 1, s, strlen(s), 0), want);
}

Test(mark, python_strings_of_each_width)
{
	const uint16_t two[] = { 0x6743, 0x91cd, ' ', '2' };
	const uint32_t four[] = { 0x1f600, '!' };

	is(mark(RT_MARK_ASCII, 1, "loaded", 6, 0), "loaded");
	is(mark(RT_MARK_ASCII, 1, "gr\xf6\xdf", 4, 0), "größ");
	is(mark(RT_MARK_ASCII, 2, two, sizeof(two), 0), "权重 2");
	is(mark(RT_MARK_ASCII, 4, four, sizeof(four), 0), "😀!");
}

Test(mark, c_strings_are_taken_as_utf8)
{
	is_usdt("权重 größ", "权重 größ");
	is_usdt("not \xff\xc3", "not \\xff\\xc3");
}

Test(mark, what_would_end_the_line_is_shown)
{
	const uint16_t two[] = { 'a', 0, 0xdc80, 'b', 0x2028 };

	is_usdt("a\nb\x1b[31m\"quoted\"", "a\\x0ab\\x1b[31m\"quoted\"");
	is(mark(RT_MARK_ASCII, 1, "a\nb\x9b", 4, 0), "a\\x0ab\\xc2\\x9b");
	made = *mark(RT_MARK_ASCII, 2, two, 8, 0);
	is(&made, "a\xef\xbf\xbd\xef\xbf\xbd" "b");
}

Test(mark, an_empty_one_is_called_like_the_function)
{
	is(mark(RT_MARK_ASCII, 1, "", 0, 0), "log_ram_memory");
	is_usdt("", "ramtrace:mark");
}

static void repeat(char *to, const char *one, size_t n)
{
	for (*to = '\0'; n--; to += strlen(one))
		strcpy(to, one);
}

Test(mark, what_is_cut_says_so)
{
	char raw[RT_MARK_LEN + 8], want[RT_MARK_LEN + 8];
	uint32_t four[RT_MARK_CHARS];

	repeat(raw, "x", 256);
	is(mark(RT_MARK_ASCII, 1, raw, 256, 0), raw);
	is_usdt(raw, raw);
	repeat(want, "x", 256);
	strcat(want, "…");
	is(mark(RT_MARK_ASCII, 1, raw, 256, 1), want);
	repeat(raw, "x", 257);
	is_usdt(raw, want);
	repeat(raw, "x", 1023);
	is(mark(RT_MARK_USDT, 1, raw, 1023, 1), want);
	for (unsigned int i = 0; i < RT_MARK_CHARS; i++)
		four[i] = 0x1f600;
	repeat(want, "😀", 256);
	is(mark(RT_MARK_ASCII, 4, four, sizeof(four), 0), want);
	strcat(want, "…");
	is(mark(RT_MARK_ASCII, 4, four, sizeof(four), 1), want);
	repeat(raw, "😀", 256);
	repeat(want, "😀", 255);
	strcat(want, "…");
	is(mark(RT_MARK_USDT, 1, raw, 1023, 1), want);
}

Test(mark, noise_makes_some_label)
{
	struct prng rng = { 77 };
	char *label;

	for (int i = 0; i < 20000; i++) {
		for (size_t k = 0; k < sizeof(made); k++)
			((unsigned char *)&made)[k] = (unsigned char)prng__below(&rng, 256);
		made.str.kind = (uint16_t)prng__below(&rng, 6);
		made.str.bytes = (uint16_t)prng__below(&rng, RT_MARK_LEN + 1);
		made.origin = (uint16_t)prng__below(&rng, 4);
		label = mark_label(&made);
		cr_assert(label && *label);
		free(label);
	}
}
