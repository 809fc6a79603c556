/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Text for terminals and files. The UTF-8 reader is our own: it is thirty lines, and the one of
 * libunistring would bring a library of two megabytes, while those of the C library depend on the
 * locale, which must change neither what a replay prints nor what is let through.
 */
#include "out.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of the character at `s`, whose code is put into *code; 0: not UTF-8 (RFC 3629, 4). */
static size_t utf8_next(const unsigned char *s, size_t len, uint32_t *code)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint32_t c = s[0];
	size_t n;

	if (c < 0x80) {
		*code = c;
		return 1;
	}
	if ((c & 0xe0) == 0xc0)
		n = 2;
	else if ((c & 0xf0) == 0xe0)
		n = 3;
	else if ((c & 0xf8) == 0xf0)
		n = 4;
	else
		return 0;
	if (len < n)
		return 0;
	c &= 0x7f >> n;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	if (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	*code = c;
	return n;
}

/* C0, DEL, C1, the separators that some readers take for a line's end, and what reorders text. */
static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* Bytes at `s` that belong together, and whether they may stay as they are. */
static size_t clean_next(const unsigned char *s, size_t len, bool *good)
{
	uint32_t code;
	size_t n = utf8_next(s, len, &code);

	*good = n && !is_control(code);
	return n ? n : 1;
}

static size_t clean_size(const unsigned char *s, size_t len)
{
	size_t size = 0, n;
	bool good;

	for (size_t i = 0; i < len; i += n) {
		n = clean_next(s + i, len - i, &good);
		size += good ? n : 4 * n;
	}
	return size;
}

char *out_clean(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	static const char hex[] = "0123456789abcdef";
	char *clean = malloc(clean_size(s, len) + 1), *p = clean;
	size_t n;
	bool good;

	if (!clean)
		return NULL;
	for (size_t i = 0; i < len; i += n) {
		n = clean_next(s + i, len - i, &good);
		if (good) {
			memcpy(p, s + i, n);
			p += n;
			continue;
		}
		for (size_t k = i; k < i + n; k++) {
			*p++ = '\\';
			*p++ = 'x';
			*p++ = hex[s[k] >> 4];
			*p++ = hex[s[k] & 0xf];
		}
	}
	*p = '\0';
	return clean;
}

struct range {
	uint32_t first, last;
};

/* What Unicode 16's EastAsianWidth.txt calls W or F, and what the C library adds to that; gaps
 * that hold nothing yet are closed. */
static const struct range wide[] = {
	{ 0x1100, 0x115f }, { 0x231a, 0x231b }, { 0x2329, 0x232a }, { 0x23e9, 0x23ec },
	{ 0x23f0, 0x23f0 }, { 0x23f3, 0x23f3 }, { 0x25fd, 0x25fe }, { 0x2614, 0x2615 },
	{ 0x2630, 0x2637 }, { 0x2648, 0x2653 }, { 0x267f, 0x267f }, { 0x268a, 0x268f },
	{ 0x2693, 0x2693 }, { 0x26a1, 0x26a1 }, { 0x26aa, 0x26ab }, { 0x26bd, 0x26be },
	{ 0x26c4, 0x26c5 }, { 0x26ce, 0x26ce }, { 0x26d4, 0x26d4 }, { 0x26ea, 0x26ea },
	{ 0x26f2, 0x26f3 }, { 0x26f5, 0x26f5 }, { 0x26fa, 0x26fa }, { 0x26fd, 0x26fd },
	{ 0x2705, 0x2705 }, { 0x270a, 0x270b }, { 0x2728, 0x2728 }, { 0x274c, 0x274c },
	{ 0x274e, 0x274e }, { 0x2753, 0x2755 }, { 0x2757, 0x2757 }, { 0x2795, 0x2797 },
	{ 0x27b0, 0x27b0 }, { 0x27bf, 0x27bf }, { 0x2b1b, 0x2b1c }, { 0x2b50, 0x2b50 },
	{ 0x2b55, 0x2b55 }, { 0x2e80, 0x303e }, { 0x3041, 0xa4c6 }, { 0xa960, 0xa97c },
	{ 0xac00, 0xd7a3 }, { 0xf900, 0xfad9 }, { 0xfe10, 0xfe19 }, { 0xfe30, 0xfe6b },
	{ 0xff01, 0xff60 }, { 0xffe0, 0xffe6 }, { 0x16fe0, 0x1b2fb }, { 0x1d300, 0x1d356 },
	{ 0x1d360, 0x1d376 }, { 0x1f004, 0x1f004 }, { 0x1f0cf, 0x1f0cf }, { 0x1f18e, 0x1f18e },
	{ 0x1f191, 0x1f19a }, { 0x1f200, 0x1f320 }, { 0x1f32d, 0x1f335 }, { 0x1f337, 0x1f37c },
	{ 0x1f37e, 0x1f393 }, { 0x1f3a0, 0x1f3ca }, { 0x1f3cf, 0x1f3d3 }, { 0x1f3e0, 0x1f3f0 },
	{ 0x1f3f4, 0x1f3f4 }, { 0x1f3f8, 0x1f43e }, { 0x1f440, 0x1f440 }, { 0x1f442, 0x1f4fc },
	{ 0x1f4ff, 0x1f53d }, { 0x1f54b, 0x1f54e }, { 0x1f550, 0x1f567 }, { 0x1f57a, 0x1f57a },
	{ 0x1f595, 0x1f596 }, { 0x1f5a4, 0x1f5a4 }, { 0x1f5fb, 0x1f64f }, { 0x1f680, 0x1f6c5 },
	{ 0x1f6cc, 0x1f6cc }, { 0x1f6d0, 0x1f6d2 }, { 0x1f6d5, 0x1f6df }, { 0x1f6eb, 0x1f6ec },
	{ 0x1f6f4, 0x1f6fc }, { 0x1f7e0, 0x1f7f0 }, { 0x1f90c, 0x1f93a }, { 0x1f93c, 0x1f945 },
	{ 0x1f947, 0x1f9ff }, { 0x1fa70, 0x1faf8 }, { 0x20000, 0x3fffd },
};

/* The marks that names and messages have: combining, joiners, variation selectors. */
static const struct range narrowest[] = {
	{ 0x0300, 0x036f }, { 0x1ab0, 0x1ace }, { 0x1dc0, 0x1dff }, { 0x200b, 0x200f },
	{ 0x2060, 0x2064 }, { 0x20d0, 0x20f0 }, { 0x302a, 0x302d }, { 0x3099, 0x309a },
	{ 0xfe00, 0xfe0f }, { 0xfe20, 0xfe2f }, { 0xfeff, 0xfeff }, { 0xe0100, 0xe01ef },
};

static int compare(const void *key, const void *member)
{
	const struct range *r = member;
	uint32_t c = *(const uint32_t *)key;

	return c < r->first ? -1 : c > r->last;
}

static int width_of(uint32_t c)
{
	if (c < 0x300)
		return 1;
	if (bsearch(&c, narrowest, sizeof(narrowest) / sizeof(*narrowest), sizeof(*narrowest),
		    compare))
		return 0;
	return bsearch(&c, wide, sizeof(wide) / sizeof(*wide), sizeof(*wide), compare) ? 2 : 1;
}

int out_width(const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	size_t len = strlen(text), n;
	int width = 0;
	uint32_t code;

	for (size_t i = 0; i < len; i += n) {
		n = utf8_next(s + i, len - i, &code);
		width += n ? width_of(code) : 1;
		n = n ? n : 1;
	}
	return width;
}
