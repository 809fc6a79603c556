/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pytext.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define UTF8(kind, raw, bytes, want)                                             \
	do {                                                                     \
		char got[64];                                                    \
		int n = pytext_utf8(kind, raw, bytes, got, sizeof(got));         \
		cr_assert_str_eq(got, want);                                     \
		cr_assert_eq(n, (int)strlen(want));                              \
	} while (0)

Test(pytext, each_kind_becomes_utf8)
{
	const uint16_t two[] = { 0x540d, 'a', 0xe9 };
	const uint32_t four[] = { 0x1f600, 'b' };

	UTF8(1, "load", 4, "load");
	UTF8(1, "gr\xf6\xdf", 4, "größ");
	UTF8(2, two, sizeof(two), "名aé");
	UTF8(4, four, sizeof(four), "😀b");
	UTF8(2, two, sizeof(two) - 1, "名a"); /* half a character is none */
	cr_assert_eq(pytext_utf8(3, "abc", 3, (char[4]){ 0 }, 4), -EINVAL);
	cr_assert_eq(pytext_utf8(0, "abc", 3, (char[4]){ 0 }, 4), -EINVAL);
}

Test(pytext, what_is_no_character_is_shown_as_such)
{
	const uint16_t half[] = { 0xd800, 'x' };
	const uint32_t beyond[] = { 0x110000 };

	UTF8(2, half, sizeof(half), "\xef\xbf\xbdx");
	UTF8(4, beyond, sizeof(beyond), "\xef\xbf\xbd");
	UTF8(1, "a\0b", 3, "a\xef\xbf\xbd" "b");
}

Test(pytext, a_short_buffer_is_cut_between_characters)
{
	char buf[4];

	cr_assert_eq(pytext_utf8(1, "a\xf6\xf6", 3, buf, sizeof(buf)), 3);
	cr_assert_str_eq(buf, "aö");
	cr_assert_eq(pytext_utf8(1, "ab\xf6", 3, buf, sizeof(buf)), 2);
	cr_assert_str_eq(buf, "ab");
	cr_assert_eq(pytext_utf8(1, "ab", 2, buf, 0), 0);
}

Test(pytext, an_event_says_where_it_was_cut)
{
	struct rt_pystr str = { .chars = 6, .kind = 1, .bytes = 6 };
	char buf[32], small[7];

	pytext_event(&str, "f.load", 6, 0, buf, sizeof(buf));
	cr_assert_str_eq(buf, "f.load");
	str.chars = 100;
	pytext_event(&str, "f.load", 6, 0, buf, sizeof(buf));
	cr_assert_str_eq(buf, "f.load…");
	pytext_event(&str, "f.load", 6, 1, buf, sizeof(buf));
	cr_assert_str_eq(buf, "…f.load");
	pytext_event(&str, "f.load", 6, 0, small, sizeof(small));
	cr_assert_str_eq(small, "f.l…");
	str.bytes = 60; /* more than there is room for */
	pytext_event(&str, "f.load", 6, 0, buf, sizeof(buf));
	cr_assert_str_eq(buf, "f.load…");
	str.kind = 0;
	pytext_event(&str, "f.load", 6, 0, buf, sizeof(buf));
	cr_assert_str_eq(buf, "?");
}

Test(pytext, a_name_lies_in_memory_as_its_highest_character_wants)
{
	uint8_t raw[64];
	size_t bytes;

	cr_assert_eq(pytext_raw("load", raw, sizeof(raw), &bytes), 1);
	cr_assert_eq(bytes, 4);
	cr_assert_eq(pytext_raw("größ", raw, sizeof(raw), &bytes), 1);
	cr_assert_eq(bytes, 4);
	cr_assert_eq(raw[2], 0xf6);
	cr_assert_eq(pytext_raw("ÿĀ", raw, sizeof(raw), &bytes), 2);
	cr_assert_eq(bytes, 4);
	cr_assert_arr_eq(raw, "\xff\x00\x00\x01", 4);
	cr_assert_eq(pytext_raw("a😀", raw, sizeof(raw), &bytes), 4);
	cr_assert_eq(bytes, 8);
	cr_assert_arr_eq(raw, "a\0\0\0\x00\xf6\x01\0", 8);
	cr_assert_eq(pytext_raw("a😀", raw, 7, &bytes), 4);
	cr_assert_eq(bytes, 4, "whole characters only");
}

Test(pytext, both_ways_lead_back)
{
	static const char *const names[] = { "", "a.<locals>.b", "Größe.wächst", "名前.<lambda>", "x😀é" };
	uint8_t raw[256];
	char back[256];
	size_t bytes;
	int kind;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		kind = pytext_raw(names[i], raw, sizeof(raw), &bytes);
		cr_assert_gt(kind, 0);
		pytext_utf8(kind, raw, bytes, back, sizeof(back));
		cr_assert_str_eq(back, names[i]);
	}
}

Test(pytext, what_is_not_utf8_has_no_hash)
{
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc3", "\xe0\x80\x80", "\xed\xa0\x80",
		"\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80", "a\xff", "\xe5\x90" };
	size_t bytes;

	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		cr_assert_eq(pytext_raw(bad[i], (char[64]){ 0 }, 64, &bytes), -EILSEQ, "%zu", i);
		cr_assert_eq(py_name_hash(RT_PY_NAME, bad[i]), 0);
	}
}

/* Made by six lines of Python from the definition in bpf/ramtrace.h. */
Test(pytext, the_hash_is_the_one_that_is_agreed_on)
{
	char longer[400];

	cr_assert_eq(py_name_hash(RT_PY_QUALNAME, ""), RT_FNV_OFFSET ^ 1);
	cr_assert_eq(py_name_hash(RT_PY_QUALNAME, "Worker.load_model"), 0x38f9a398761aeeb2ULL);
	cr_assert_eq(py_name_hash(RT_PY_NAME, "load_model"), 0x6567de63f219476dULL);
	cr_assert_eq(py_name_hash(RT_PY_NAME, "größe"), 0xd1a71fdfd64bd098ULL);
	cr_assert_eq(py_name_hash(RT_PY_NAME, "名前"), 0x946fe6a7afe33101ULL);
	cr_assert_neq(py_name_hash(RT_PY_NAME, "f"), py_name_hash(RT_PY_QUALNAME, "f"));
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	longer[RT_PY_HASH_LEN] = 'b';
	cr_assert_eq(py_name_hash(RT_PY_NAME, longer), 0xeaae204781eb01a7ULL, "no more than RT_PY_HASH_LEN");
}
