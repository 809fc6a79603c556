/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <criterion/criterion.h>
#include <stdlib.h>

#include "said.h"

static void assert_prints(const struct table *t, const char *text)
{
	struct out *o = out__new(1);

	cr_assert_eq(table__print(t, o), 0);
	cr_assert_eq(out__close(o), 0);
	cr_assert_str_eq(said(1), text);
}

static void set_up(void)
{
	said__begin(1);
}

TestSuite(table, .init = set_up);

Test(table, columns_are_as_wide_as_their_widest_cell)
{
	struct table *t = table__new();

	table__column(t, "name", false);
	table__column(t, "n", true);
	table__column(t, "last", false);
	table__cell(t, "a");
	table__cell(t, "%d", 1000);
	table__cell(t, "x");
	table__cell(t, "longer");
	table__cell(t, "%d", 7);
	table__cell(t, "%s", "");
	assert_prints(t,
		"  name       n  last\n"
		"  a       1000  x\n"
		"  longer     7  \n");
	assert_prints(t,
		"  name       n  last\n"
		"  a       1000  x\n"
		"  longer     7  \n");
	table__free(t);
}

Test(table, wide_characters_take_two_columns)
{
	struct table *t = table__new();

	table__column(t, "内存", false);
	table__column(t, "M", true);
	table__cell(t, "a");
	table__cell(t, "1");
	table__cell(t, "é");
	table__cell(t, "22");
	assert_prints(t,
		"  内存   M\n"
		"  a      1\n"
		"  é     22\n");
	table__free(t);
}

Test(table, nothing_but_titles_or_not_even_those_is_no_failure)
{
	struct table *t = table__new();

	assert_prints(t, "");
	table__column(t, "only", true);
	assert_prints(t, "  only\n");
	table__free(t);
	table__free(NULL);
}

Test(table, many_rows_fit)
{
	struct table *t = table__new();
	const char *text;

	table__column(t, "i", true);
	table__column(t, "j", true);
	for (int i = 0; i < 300; i++) {
		table__cell(t, "%d", i);
		table__cell(t, "%d", 2 * i);
	}
	struct out *o = out__new(1);

	cr_assert_eq(table__print(t, o), 0);
	out__close(o);
	text = said(1);
	cr_assert_eq(strlen(text), 301 * strlen("  299  598\n"));
	cr_assert(strstr(text, "\n  150  300\n"));
	table__free(t);
}
