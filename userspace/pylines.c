/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Three formats:
 *  - up to 3.9, co_lnotab (Objects/lnotab_notes.txt): pairs {bytes, lines}, the second signed; the
 *    line changes after that many bytes;
 *  - 3.10, co_linetable (the same file, PEP 626): the same pairs, but each is a range of that many
 *    bytes, with the line that is reached with it; -128: no line;
 *  - since 3.11 (Objects/locations.md): entries of a first byte, 1 CCCC LLL, C a code and L the
 *    length in instructions - 1, with what follows by the code.
 */
#include "pylines.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include "hash.h"

#define MAX_TABLE  65536
#define MAX_TABLES (16U << 20) /* bytes of all of them */
#define BYTES_SIZE 16	       /* PyBytesObject.ob_size, Include/cpython/bytesobject.h, */
#define BYTES_DATA 32	       /* and ob_sval */
#define UNIT	   2	       /* bytes of an instruction since 3.6 */

/* A table is what the memory of a process has there: it may be of any lines. */
static int line_add(int line, int delta)
{
	return (int)((uint32_t)line + (uint32_t)delta);
}

static int lnotab_line(const uint8_t *t, size_t len, int line, uint32_t offset)
{
	uint32_t at = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		at += t[i];
		if (at > offset)
			break;
		line = line_add(line, (int8_t)t[i + 1]);
	}
	return line;
}

static int ranges_line(const uint8_t *t, size_t len, int line, uint32_t offset)
{
	uint32_t end = 0;

	for (size_t i = 0; i + 1 < len; i += 2) {
		int delta = (int8_t)t[i + 1];

		end += t[i];
		if (delta != -128)
			line = line_add(line, delta);
		if (offset < end)
			return delta == -128 ? 0 : line;
	}
	return 0;
}

static uint32_t varint(const uint8_t *t, size_t len, size_t *at)
{
	uint32_t v = 0, shift = 0;
	uint8_t b;

	do {
		if (*at >= len || shift > 30)
			return v;
		b = t[(*at)++];
		v |= (uint32_t)(b & 63) << shift;
		shift += 6;
	} while (b & 64);
	return v;
}

static int svarint(const uint8_t *t, size_t len, size_t *at)
{
	uint32_t v = varint(t, len, at);

	return v & 1 ? -(int)(v >> 1) : (int)(v >> 1);
}

/* enum _PyCodeLocationInfoKind, Include/internal/pycore_code.h */
enum {
	ONE_LINE = 10, /* + the line's difference: 0, 1, 2 */
	NO_COLUMNS = 13,
	LONG = 14,
	NO_LOCATION = 15,
};

static int locations_line(const uint8_t *t, size_t len, int line, uint32_t offset)
{
	uint32_t end = 0;
	size_t at = 0, next;
	int code;

	while (at < len) {
		code = t[at] >> 3 & 15;
		end += ((t[at] & 7) + 1) * UNIT;
		next = at + 1;
		if (code == LONG || code == NO_COLUMNS)
			line = line_add(line, svarint(t, len, &next));
		else if (code >= ONE_LINE && code < NO_COLUMNS)
			line = line_add(line, code - ONE_LINE);
		if (offset < end)
			return code == NO_LOCATION ? 0 : line;
		/* the first byte of each entry, and no other, has its highest bit set */
		for (at++; at < len && !(t[at] & 0x80);)
			at++;
	}
	return 0;
}

int pylines_line(uint32_t version, const void *table, size_t len, int firstlineno, uint32_t offset)
{
	if (version < 0x030a)
		return lnotab_line(table, len, firstlineno, offset);
	if (version == 0x030a)
		return ranges_line(table, len, firstlineno, offset);
	return locations_line(table, len, firstlineno, offset);
}

/* --- of running processes -------------------------------------------------------------------------- */

struct table {
	uint32_t func, version;
	int firstlineno;
	uint16_t start; /* of the bytecode in a code object; 0: instr counts from its beginning */
	size_t len;
	UT_hash_handle hh;
	uint8_t bytes[];
};

struct pylines {
	struct table *tables;
	size_t bytes;
};

struct pylines *pylines__new(void)
{
	return calloc(1, sizeof(struct pylines));
}

void pylines__free(struct pylines *l)
{
	struct table *t, *tmp;

	if (!l)
		return;
	HASH_ITER(hh, l->tables, t, tmp) {
		HASH_DELETE(hh, l->tables, t);
		free(t);
	}
	free(l);
}

static int read_memory(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec to = {buf, len}, from = {(void *)(uintptr_t)addr, len};

	return process_vm_readv(pid, &to, 1, &from, 1, 0) == (ssize_t)len ? 0 : -EFAULT;
}

static struct table *read_table(pid_t pid, const struct rt_pycode *ev, const struct pylines_layout *where)
{
	uint64_t at, size;
	struct table *t;

	if (!where->linetable || read_memory(pid, ev->code + where->linetable, &at, sizeof(at)) ||
		read_memory(pid, at + BYTES_SIZE, &size, sizeof(size)) || size > MAX_TABLE)
		return NULL;
	t = calloc(1, sizeof(*t) + size);
	if (!t)
		return NULL;
	t->func = ev->func;
	t->version = where->version;
	t->firstlineno = ev->firstlineno;
	t->start = where->start;
	t->len = size;
	if (!read_memory(pid, at + BYTES_DATA, t->bytes, size))
		return t;
	free(t);
	return NULL;
}

static struct table *find_table(const struct pylines *l, uint32_t func)
{
	struct table *t;

	HASH_FIND(hh, l->tables, &func, sizeof(func), t);
	return t;
}

void pylines__learn(struct pylines *l, const struct rt_pycode *ev, const struct pylines_layout *where)
{
	struct table *t;

	if (l->bytes > MAX_TABLES || find_table(l, ev->func))
		return;
	t = read_table(ev->h.pid, ev, where);
	if (!t)
		return;
	HASH_ADD(hh, l->tables, func, sizeof(t->func), t);
	if (hash_added(t))
		l->bytes += t->len;
	else
		free(t);
}

int pylines__line(const struct pylines *l, uint32_t func, int32_t instr)
{
	const struct table *t = find_table(l, func);
	int64_t offset;

	if (!t)
		return 0;
	offset = (int64_t)instr - t->start;
	if (t->version == 0x030a)
		offset *= UNIT;
	return offset < 0 ? 0 : pylines_line(t->version, t->bytes, t->len, t->firstlineno, offset);
}
