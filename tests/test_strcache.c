/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "strcache.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>

#include "said.h"

static int rendered;

static char *twice(const char *s)
{
	char *form = NULL;

	rendered++;
	if (!strcmp(s, "none") || asprintf(&form, "%s%s", s, s) < 0)
		return NULL;
	return form;
}

static void set_up(void)
{
	said__begin(1);
}

TestSuite(strcache, .init = set_up);

Test(strcache, a_string_is_rendered_once_and_printed_each_time)
{
	struct strcache *c = strcache__new(twice);
	struct out *o = out__new(1);

	for (int i = 0; i < 3; i++) {
		cr_assert_eq(strcache__print(c, o, "ab"), 0);
		cr_assert_eq(strcache__print(c, o, "a"), 0);
		cr_assert_eq(strcache__print(c, o, ""), 0);
	}
	cr_assert_eq(rendered, 3);
	cr_assert_eq(strcache__print(c, o, "none"), -ENOMEM);
	out__close(o);
	cr_assert_str_eq(said(1), "ababaaababaaababaa");
	strcache__free(c);
	strcache__free(NULL);
}

Test(strcache, strings_without_end_do_not_fill_the_memory)
{
	struct strcache *c = strcache__new(twice);
	struct out *o = out__new(1);
	char text[16];

	for (int i = 0; i < 10000; i++) {
		snprintf(text, sizeof(text), "%d", i);
		cr_assert_eq(strcache__print(c, o, text), 0);
	}
	cr_assert_eq(rendered, 10000);
	cr_assert_eq(strcache__print(c, o, "9999"), 0);
	cr_assert_eq(rendered, 10000, "the last ones are still there");
	cr_assert_eq(strcache__print(c, o, "0"), 0);
	cr_assert_eq(rendered, 10001, "the first ones are forgotten");
	out__close(o);
	strcache__free(c);
}

static void assert_rendered(char *(*render)(const char *), const char *s, const char *form)
{
	char *got = render(s);

	cr_assert_str_eq(got, form);
	free(got);
}

Test(strcache, renderers_make_a_clean_line_and_a_json_string)
{
	assert_rendered(render_line, "a\tb\033", "a\\x09b\\x1b");
	assert_rendered(render_line, "占用", "占用");
	assert_rendered(render_json, "a\"b\\c\n", "\"a\\\"b\\\\c\\n\"");
	assert_rendered(render_json, "占用", "\"占用\"");
	assert_rendered(render_json, "a\xff", "\"a\\\\xff\"");
	assert_rendered(render_json, "", "\"\"");
}
