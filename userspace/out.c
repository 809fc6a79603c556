/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	BUFFER = 65536,
	NUMBER = 24, /* room for any 64-bit number with sign, point and decimals */
};

struct out {
	int fd;
	int err;
	io_stuck_fn *stuck;
	void *stuck_ctx;
	bool lines;	 /* a file of our own: what is left of it by an error ends with a line */
	off_t done, whole; /* bytes of it: written, and up to the last end of a line */
	size_t len;
	char buf[BUFFER];
};

struct out *out__new(int fd)
{
	struct out *o = calloc(1, sizeof(*o));

	if (!o)
		return NULL;
	o->fd = fd;
	return o;
}

void out__on_stuck(struct out *o, io_stuck_fn *stuck, void *ctx)
{
	o->stuck = stuck;
	o->stuck_ctx = ctx;
}

int out__open(const char *path, struct out **out)
{
	int fd = io_create(path);

	if (fd < 0)
		return fd;
	*out = out__new(fd);
	if (!*out) {
		close(fd);
		return -ENOMEM;
	}
	(*out)->lines = lseek(fd, 0, SEEK_CUR) == 0;
	return 0;
}

/* Of the buffer's first n bytes, which are in the file now. */
static void note_lines(struct out *o, size_t n)
{
	const char *end = memrchr(o->buf, '\n', n);

	if (end)
		o->whole = o->done + (end - o->buf) + 1;
	o->done += (off_t)n;
}

int out__flush(struct out *o)
{
	off_t at;

	if (!o->err && o->len) {
		o->err = o->stuck ? io_write_asking(o->fd, o->buf, o->len, o->stuck, o->stuck_ctx) :
			io_write(o->fd, o->buf, o->len);
		if (!o->err)
			note_lines(o, o->len);
		at = o->err && o->lines ? lseek(o->fd, 0, SEEK_CUR) : -1;
		if (at >= o->done && at - o->done <= (off_t)o->len) {
			note_lines(o, (size_t)(at - o->done));
			o->lines = !ftruncate(o->fd, o->whole);
		}
	}
	o->len = 0;
	return o->err;
}

int out__fd(const struct out *o)
{
	return o->fd;
}

int out__error(const struct out *o)
{
	return o->err;
}

int out__close(struct out *o)
{
	int err;

	if (!o)
		return 0;
	err = out__flush(o);
	/* Linux closes the descriptor even where close reports EINTR */
	if (o->fd > STDERR_FILENO && close(o->fd) && !err && errno != EINTR)
		err = -errno;
	free(o);
	return err;
}

void out__bytes(struct out *o, const void *data, size_t len)
{
	const char *p = data;
	size_t n;

	if (len <= BUFFER - o->len) {
		memcpy(o->buf + o->len, p, len);
		o->len += len;
		return;
	}
	while (len) {
		if (o->len == BUFFER && out__flush(o))
			return;
		n = BUFFER - o->len;
		if (n > len)
			n = len;
		memcpy(o->buf + o->len, p, n);
		o->len += n;
		p += n;
		len -= n;
	}
}

void out__str(struct out *o, const char *s)
{
	out__bytes(o, s, strlen(s));
}

void out__fmt(struct out *o, const char *fmt, ...)
{
	size_t room = BUFFER - o->len;
	char *text;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(o->buf + o->len, room, fmt, ap);
	va_end(ap);
	if (n >= 0 && (size_t)n < room) {
		o->len += (size_t)n;
		return;
	}
	va_start(ap, fmt);
	n = vasprintf(&text, fmt, ap);
	va_end(ap);
	if (n < 0) {
		if (!o->err)
			o->err = -errno;
		return;
	}
	out__bytes(o, text, (size_t)n);
	free(text);
}

/* --- numbers ---------------------------------------------------------------------------------- */

static const char digit_pairs[] =
	"00010203040506070809101112131415161718192021222324252627282930313233343536373839"
	"40414243444546474849505152535455565758596061626364656667686970717273747576777879"
	"8081828384858687888990919293949596979899";

static char *before_pair(char *p, unsigned int pair)
{
	p -= 2;
	memcpy(p, digit_pairs + 2 * pair, 2);
	return p;
}

/* Writes the digits so that they end before `p`; returns where they begin. */
static char *before_u64(char *p, uint64_t v)
{
	while (v >= 100) {
		p = before_pair(p, (unsigned int)(v % 100));
		v /= 100;
	}
	if (v >= 10)
		return before_pair(p, (unsigned int)v);
	*--p = (char)('0' + v);
	return p;
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

void out__u64(struct out *o, uint64_t v)
{
	char buf[NUMBER], *end = buf + sizeof(buf);
	char *p = before_u64(end, v);

	out__bytes(o, p, (size_t)(end - p));
}

void out__i64(struct out *o, int64_t v)
{
	char buf[NUMBER], *end = buf + sizeof(buf);
	char *p = before_u64(end, magnitude(v));

	if (v < 0)
		*--p = '-';
	out__bytes(o, p, (size_t)(end - p));
}

static unsigned int digits_of(uint64_t v)
{
	unsigned int n = 1;

	for (; v >= 10000; v /= 10000)
		n += 4;
	return n + (v >= 10) + (v >= 100) + (v >= 1000);
}

void out__text_u64(struct out *o, const char *text, size_t len, uint64_t v)
{
	char *at = o->buf + o->len;
	unsigned int digits;

	if (len + NUMBER > BUFFER - o->len) {
		out__bytes(o, text, len);
		out__u64(o, v);
		return;
	}
	digits = digits_of(v);
	memcpy(at, text, len);
	before_u64(at + len + digits, v);
	o->len += len + digits;
}

void out__text_i64(struct out *o, const char *text, size_t len, int64_t v)
{
	if (v >= 0) {
		out__text_u64(o, text, len, (uint64_t)v);
		return;
	}
	out__bytes(o, text, len);
	out__i64(o, v);
}

/*
 * A double holds bytes / 2^20 exactly up to 2^53 bytes, so printf rounds the exact value, and half
 * of a hundredth goes to the even digit. Above, the conversion to double has rounded already, and
 * the same is done here.
 */
void out__mib(struct out *o, int64_t bytes, int plus)
{
	const uint64_t mib = 1 << 20;
	uint64_t m = magnitude(bytes), whole, scaled, rest;
	char buf[NUMBER], *end = buf + sizeof(buf), *p;
	unsigned int hundredths;

	if (m > (uint64_t)1 << 53)
		m = (uint64_t)(double)m;
	whole = m / mib;
	scaled = m % mib * 100;
	hundredths = (unsigned int)(scaled / mib);
	rest = scaled % mib;
	if (rest > mib / 2 || (rest == mib / 2 && hundredths % 2))
		hundredths++;
	if (hundredths == 100) {
		hundredths = 0;
		whole++;
	}
	p = before_pair(end, hundredths);
	*--p = '.';
	p = before_u64(p, whole);
	if (bytes < 0)
		*--p = '-'; /* of -0.00 too, as printf has it */
	else if (plus)
		*--p = '+';
	out__bytes(o, p, (size_t)(end - p));
}
