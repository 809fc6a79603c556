/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pytext.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

enum {
	MAX_CHAR = 0x10ffff,
	REPLACEMENT = 0xfffd,
};

static const char ellipsis[] = "\xe2\x80\xa6";

/* Bytes written to `to` (room for 4). */
static size_t encode(uint32_t c, char *to)
{
	if (!c || (c >= 0xd800 && c <= 0xdfff) || c > MAX_CHAR)
		c = REPLACEMENT;
	if (c < 0x80) {
		to[0] = c;
		return 1;
	}
	if (c < 0x800) {
		to[0] = 0xc0 | c >> 6;
		to[1] = 0x80 | (c & 0x3f);
		return 2;
	}
	if (c < 0x10000) {
		to[0] = 0xe0 | c >> 12;
		to[1] = 0x80 | (c >> 6 & 0x3f);
		to[2] = 0x80 | (c & 0x3f);
		return 3;
	}
	to[0] = 0xf0 | c >> 18;
	to[1] = 0x80 | (c >> 12 & 0x3f);
	to[2] = 0x80 | (c >> 6 & 0x3f);
	to[3] = 0x80 | (c & 0x3f);
	return 4;
}

static uint32_t fetch(unsigned int kind, const uint8_t *at)
{
	uint16_t two;
	uint32_t four;

	if (kind == 1)
		return *at;
	if (kind == 2) {
		memcpy(&two, at, sizeof(two));
		return two;
	}
	memcpy(&four, at, sizeof(four));
	return four;
}

int pytext_utf8(unsigned int kind, const void *raw, size_t bytes, char *buf, size_t len)
{
	const uint8_t *at = raw;
	size_t used = 0, n;
	char one[4];

	if (len)
		*buf = '\0';
	if (kind != 1 && kind != 2 && kind != 4)
		return -EINVAL;
	for (; bytes >= kind; bytes -= kind, at += kind) {
		n = encode(fetch(kind, at), one);
		if (used + n >= len)
			break;
		memcpy(buf + used, one, n);
		used += n;
	}
	if (len)
		buf[used] = '\0';
	return used;
}

/* Cuts buf so that n more bytes fit, between two characters. */
static size_t make_room(char *buf, size_t used, size_t len, size_t n)
{
	while (used && used + n >= len)
		do
			used--;
		while (used && (buf[used] & 0xc0) == 0x80);
	buf[used] = '\0';
	return used;
}

void pytext_event(const struct rt_pystr *str, const void *raw, size_t room, int tail, char *buf,
	size_t len)
{
	const size_t dots = sizeof(ellipsis) - 1;
	size_t bytes = str->bytes < room ? str->bytes : room, shift = 0;
	bool cut = (uint64_t)str->chars * str->kind > bytes;
	int n;

	if (!len)
		return;
	if (cut && tail && len > dots) {
		memcpy(buf, ellipsis, dots);
		shift = dots;
	}
	n = pytext_utf8(str->kind, raw, bytes, buf + shift, len - shift);
	if (n < 0) {
		memcpy(buf, "?", len < 2 ? len : 2);
		buf[len - 1] = '\0';
		return;
	}
	if (cut && !tail && len > dots) {
		n = make_room(buf, n, len, dots);
		memcpy(buf + n, ellipsis, sizeof(ellipsis));
	}
}

/* The next character, by the strict rules of RFC 3629; false: not UTF-8. */
static bool decode(const uint8_t **at, uint32_t *c)
{
	static const uint32_t least[] = { 0, 0x80, 0x800, 0x10000 };
	const uint8_t *p = *at;
	unsigned int more = 0, i;

	if (*p < 0x80) {
		*c = *p;
	} else if (*p >= 0xc2 && *p < 0xe0) {
		*c = *p & 0x1f;
		more = 1;
	} else if (*p >= 0xe0 && *p < 0xf0) {
		*c = *p & 0x0f;
		more = 2;
	} else if (*p >= 0xf0 && *p < 0xf5) {
		*c = *p & 0x07;
		more = 3;
	} else {
		return false;
	}
	for (i = 1; i <= more; i++) {
		if ((p[i] & 0xc0) != 0x80) /* the NUL at the end, too */
			return false;
		*c = *c << 6 | (p[i] & 0x3f);
	}
	*at = p + 1 + more;
	return *c >= least[more] && *c <= MAX_CHAR && (*c < 0xd800 || *c > 0xdfff);
}

int pytext_raw(const char *utf8, void *raw, size_t len, size_t *bytes)
{
	const uint8_t *at = (const uint8_t *)utf8;
	uint32_t c, highest = 0;
	char *to = raw;
	size_t kind;
	uint16_t two;

	*bytes = 0;
	while (*at) {
		if (!decode(&at, &c))
			return -EILSEQ;
		if (c > highest)
			highest = c;
	}
	kind = highest > 0xffff ? 4 : highest > 0xff ? 2 : 1;
	for (at = (const uint8_t *)utf8; *at && *bytes + kind <= len; *bytes += kind, to += kind) {
		decode(&at, &c);
		two = c;
		if (kind == 1)
			*to = c;
		else if (kind == 2)
			memcpy(to, &two, sizeof(two));
		else
			memcpy(to, &c, sizeof(c));
	}
	return kind;
}

uint64_t py_name_hash_raw(enum rt_py_name seed, const void *raw, size_t bytes)
{
	uint64_t h = RT_FNV_OFFSET ^ (uint64_t)seed;
	const uint8_t *at = raw;

	for (size_t i = 0; i < bytes && i < RT_PY_HASH_LEN; i++)
		h = (h ^ at[i]) * RT_FNV_PRIME;
	return h;
}

uint64_t py_name_hash(enum rt_py_name seed, const char *utf8)
{
	uint8_t raw[RT_PY_HASH_LEN];
	size_t bytes;

	if (pytext_raw(utf8, raw, sizeof(raw), &bytes) < 0)
		return 0;
	return py_name_hash_raw(seed, raw, bytes);
}
