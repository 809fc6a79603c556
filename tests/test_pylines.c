/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tables that Pythons made, tables that nobody made, and tables in a process's memory. */
#include "pylines.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "prng.h"

struct golden {
	uint32_t version;
	const char *name;
	int first;
	size_t len;
	const char *table;
	size_t n;
	struct {
		uint32_t start, end;
		int line;
	} ranges[64];
};

static const struct golden goldens[] = {
#include "pylines_golden.h"
};

#define N_GOLDENS (sizeof(goldens) / sizeof(*goldens))

/* A copy with nothing behind it, which sanitizers see to. */
static int line_at(uint32_t version, const void *table, size_t len, int first, uint32_t offset)
{
	void *exact = malloc(len ? len : 1);
	int line;

	memcpy(exact, table, len);
	line = pylines_line(version, exact, len, first, offset);
	free(exact);
	return line;
}

/* --- what Pythons made -------------------------------------------------------------------------- */

Test(pylines, each_instruction_is_in_the_line_that_python_says)
{
	size_t versions = 0;

	for (size_t g = 0; g < N_GOLDENS; g++) {
		const struct golden *o = &goldens[g];

		versions += !g || o->version != o[-1].version;
		cr_assert(o->n);
		for (size_t i = 0; i < o->n; i++)
			for (uint32_t at = o->ranges[i].start; at < o->ranges[i].end; at += 2)
				cr_expect_eq(line_at(o->version, o->table, o->len, o->first, at),
					o->ranges[i].line, "%x %s: %u: %d, not %d", o->version, o->name, at,
					line_at(o->version, o->table, o->len, o->first, at),
					o->ranges[i].line);
	}
	cr_expect_eq(versions, 8);
}

Test(pylines, the_goldens_have_what_is_hard)
{
	bool back = false, none = false, far = false, longer = false;

	for (size_t g = 0; g < N_GOLDENS; g++) {
		const struct golden *o = &goldens[g];

		for (size_t i = 0; i < o->n; i++) {
			none |= !o->ranges[i].line;
			longer |= o->ranges[i].end - o->ranges[i].start > 255;
			back |= i && o->ranges[i].line && o->ranges[i].line < o->ranges[i - 1].line;
			far |= i && o->ranges[i].line > o->ranges[i - 1].line + 255;
		}
	}
	cr_expect(back && none && far && longer);
}

Test(pylines, behind_its_end_a_table_has_no_line)
{
	for (size_t g = 0; g < N_GOLDENS; g++) {
		const struct golden *o = &goldens[g];
		uint32_t end = o->ranges[o->n - 1].end;

		if (o->version < 0x030a) /* its last line has no end */
			continue;
		cr_expect_eq(line_at(o->version, o->table, o->len, o->first, end), 0, "%x", o->version);
		cr_expect_eq(line_at(o->version, o->table, o->len, o->first, UINT32_MAX), 0);
	}
	cr_expect_eq(line_at(0x0309, "", 0, 7, 0), 7);
	cr_expect_eq(line_at(0x030a, "", 0, 7, 0), 0);
	cr_expect_eq(line_at(0x030b, "", 0, 7, 0), 0);
}

/* What lies before the cut is not touched by it: its last entry may be half. */
Test(pylines, a_table_that_breaks_off_is_right_as_far_as_it_goes)
{
	for (size_t g = 0; g < N_GOLDENS; g++) {
		const struct golden *o = &goldens[g];

		for (size_t len = 0; len < o->len; len++) {
			size_t wrong = 0;

			for (size_t i = 0; i < o->n; i++) {
				int line = line_at(o->version, o->table, len, o->first, o->ranges[i].start);

				wrong += line && line != o->ranges[i].line;
			}
			if (o->version >= 0x030a)
				cr_expect_leq(wrong, 1, "%x %s: %zu wrong after %zu bytes", o->version, o->name,
					wrong, len);
		}
	}
}

/* --- what nobody made --------------------------------------------------------------------------- */

Test(pylines, garbage_gives_some_line, .timeout = 60)
{
	static const uint32_t versions[] = {0x0306, 0x0309, 0x030a, 0x030b, 0x030d, 0x0400};
	struct prng p = {20261125};
	uint8_t table[96];

	for (int round = 0; round < 60000; round++) {
		size_t len = prng__below(&p, sizeof(table) + 1);

		for (size_t i = 0; i < len; i++)
			table[i] = (uint8_t)prng__next(&p);
		line_at(versions[round % 6], table, len, (int)prng__next(&p),
			(uint32_t)prng__below(&p, round % 2 ? 512 : UINT32_MAX));
	}
}

Test(pylines, lines_beyond_all_numbers_do_no_harm)
{
	uint8_t table[9 * 64];

	for (size_t i = 0; i < sizeof(table); i += 9) /* LONG, + as far as it goes */
		memcpy(table + i, "\xf0\x7e\x7f\x7f\x7f\x7f\x03\x00\x00", 9);
	line_at(0x030b, table, sizeof(table), INT_MAX, 1000);
	for (size_t i = 0; i < sizeof(table); i += 9) /* and back */
		memcpy(table + i, "\xf0\x7f\x7f\x7f\x7f\x7f\x03\x00\x00", 9);
	line_at(0x030b, table, sizeof(table), INT_MIN, 1000);
	for (int version = 0x0309; version <= 0x030a; version++) {
		cr_expect_leq(line_at(version, "\x00\x7f\x00\x7f\x02\x7f", 6, INT_MAX, 0), INT_MAX);
		line_at(version, "\x00\x81\x00\x81\x02\x81", 6, INT_MIN, 0);
	}
}

/* --- in a process ------------------------------------------------------------------------------- */

/* As in the memory of one that runs CPython: a code object that points to a bytes object. */
struct bytes {
	uint64_t refs, type, size, hash;
	char data[128 << 10];
};

struct code {
	uint64_t head[3];
	const struct bytes *table;
};

static struct bytes bytes;
static struct code code = {.table = &bytes};
static const struct pylines_layout layout_39 = {.version = 0x0309, .linetable = 24};
static const struct pylines_layout layout_310 = {.version = 0x030a, .linetable = 24};
static const struct pylines_layout layout_311 = {.version = 0x030b, .linetable = 24, .start = 176};

static void learn_sized(struct pylines *l, uint32_t func, const struct pylines_layout *where, uint64_t size,
	int first)
{
	struct rt_pycode ev = {.h = {.pid = getpid()}, .func = func, .firstlineno = first,
		.code = (uintptr_t)&code};

	bytes.size = size;
	pylines__learn(l, &ev, where);
}

static void learn(struct pylines *l, uint32_t func, const struct pylines_layout *where, const void *table,
	size_t len, int first)
{
	memcpy(bytes.data, table, len);
	learn_sized(l, func, where, len, first);
}

Test(pylines, instructions_count_as_each_version_counts_them)
{
	struct pylines *l = pylines__new();

	learn(l, 1, &layout_39, "\x04\x01\x04\x01", 4, 10);	    /* 0: 10, 4: 11, 8: 12 */
	learn(l, 2, &layout_310, "\x04\x01\x04\x01", 4, 20);	    /* 0: 21, 4: 22 */
	learn(l, 3, &layout_311, "\xd8\x00\x00\xd9\x00\x00", 6, 30); /* 0: 31, 2: 32, 4: 32 */
	cr_expect_eq(pylines__line(l, 1, 3), 10);
	cr_expect_eq(pylines__line(l, 1, 4), 11);
	cr_expect_eq(pylines__line(l, 2, 1), 21); /* in units of two bytes */
	cr_expect_eq(pylines__line(l, 2, 2), 22);
	cr_expect_eq(pylines__line(l, 2, 4), 0);
	cr_expect_eq(pylines__line(l, 3, 176), 31);
	cr_expect_eq(pylines__line(l, 3, 178), 32);
	cr_expect_eq(pylines__line(l, 3, 180), 32);
	cr_expect_eq(pylines__line(l, 3, 182), 0);
	cr_expect_eq(pylines__line(l, 3, 174), 0, "before its first instruction");
	cr_expect_eq(pylines__line(l, 1, INT32_MIN), 0);
	cr_expect_eq(pylines__line(l, 2, INT32_MAX), 0);
	cr_expect_eq(pylines__line(l, 4, 0), 0, "nobody has told of it");
	pylines__free(l);
	pylines__free(NULL);
}

Test(pylines, a_table_is_read_once)
{
	struct pylines *l = pylines__new();

	learn(l, 1, &layout_39, "\x04\x01", 2, 10);
	learn(l, 1, &layout_39, "\x04\x05", 2, 90);
	cr_expect_eq(pylines__line(l, 1, 4), 11);
	pylines__free(l);
}

Test(pylines, what_cannot_be_read_has_no_lines_until_it_can)
{
	struct pylines_layout unknown = {.version = 0x0309};
	struct pylines *l = pylines__new();

	learn(l, 1, &unknown, "\x04\x01", 2, 10);
	cr_expect_eq(pylines__line(l, 1, 4), 0);
	learn_sized(l, 1, &layout_39, 70000, 10); /* longer than any */
	cr_expect_eq(pylines__line(l, 1, 4), 0);
	learn_sized(l, 1, &layout_39, UINT64_MAX, 10);
	cr_expect_eq(pylines__line(l, 1, 4), 0);
	code.table = (void *)8;
	learn(l, 1, &layout_39, "\x04\x01", 2, 10);
	cr_expect_eq(pylines__line(l, 1, 4), 0);
	code.table = &bytes;
	learn(l, 1, &layout_39, "\x04\x01", 2, 10);
	cr_expect_eq(pylines__line(l, 1, 4), 11);
	pylines__free(l);
}
