/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mark.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "out.h"
#include "pytext.h"

static const char ellipsis[] = "\xe2\x80\xa6";

const char *mark_function(const struct rt_mark *ev)
{
	return ev->origin == RT_MARK_USDT ? "ramtrace:mark" : "log_ram_memory";
}

static bool is_continuation(char c)
{
	return (c & 0xc0) == 0x80;
}

/* Bytes of a C string that are kept: whole characters, if it is UTF-8. */
static size_t keep_of(const char *s, size_t bytes, bool more)
{
	size_t at = 0, chars = 0;

	for (; at < bytes; at++)
		if (!is_continuation(s[at]) && chars++ == RT_MARK_CHARS)
			return at;
	if (!more)
		return bytes;
	/* the event ended somewhere in the last one */
	while (at && is_continuation(s[at - 1]))
		at--;
	return at ? at - 1 : 0;
}

static void copy_c_string(const struct rt_mark *ev, char *buf)
{
	size_t bytes = ev->str.bytes < RT_MARK_LEN ? ev->str.bytes : RT_MARK_LEN;
	bool more = ev->str.chars > ev->str.bytes;
	size_t n = keep_of(ev->label, bytes, more);

	memcpy(buf, ev->label, n);
	strcpy(buf + n, more || n < bytes ? ellipsis : "");
}

char *mark_label(const struct rt_mark *ev)
{
	char buf[RT_MARK_LEN + sizeof(ellipsis)];
	const char *label = buf;

	if (ev->origin == RT_MARK_USDT)
		copy_c_string(ev, buf);
	else
		pytext_event(&ev->str, ev->label, RT_MARK_LEN, 0, buf, sizeof(buf));
	if (!*label)
		label = mark_function(ev);
	return out_clean(label, strlen(label));
}
