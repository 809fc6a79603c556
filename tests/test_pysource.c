/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pysource.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "scratch.h"

struct listing {
	char text[4096];
	size_t len;
};

static int on_def(void *ctx, const struct pysource_def *def)
{
	struct listing *l = ctx;

	l->len += snprintf(l->text + l->len, sizeof(l->text) - l->len, "%s%s:%u", l->len ? " " : "",
		def->qualname, def->firstlineno);
	return 0;
}

/* "NAME:LINE NAME:LINE" of all that a source defines. */
static void expect(const char *text, const char *want)
{
	struct listing got = { 0 };
	struct pysource *src;

	cr_assert_eq(pysource__parse(text, strlen(text), &src), 0);
	cr_assert_eq(pysource__each(src, on_def, &got), 0);
	cr_assert_str_eq(got.text, want, "%s\n-> %s", text, got.text);
	pysource__free(src);
}

Test(pysource, names_by_nesting)
{
	expect("def f(): pass\nclass A:\n  def f(self):\n    def g(): pass\n    class B:\n"
	       "      def h(self): pass\n  def k(self): pass\ndef z(): pass\n",
		"f:1 A:2 A.f:3 A.f.<locals>.g:4 A.f.<locals>.B:5 A.f.<locals>.B.h:6 A.k:7 z:8");
}

Test(pysource, conditions_make_no_names)
{
	expect("if a:\n  def f(): pass\nelse:\n  try:\n    def f(): pass\n  except E:\n    f = None\n"
	       "class A:\n  if b:\n    def g(self):\n      for i in x:\n        def h(): pass\n",
		"f:2 f:5 A:8 A.g:10 A.g.<locals>.h:12");
}

Test(pysource, a_function_begins_with_its_decorator)
{
	expect("@a\n# not this\n\n@b(\n  c)\ndef f(): pass\n@x\nclass A:\n @y(''')\n@''')\n async def g(): pass\n",
		"f:1 A:7 A.g:9");
	expect("@a\nx = 1\ndef f(): pass\n", "f:3"); /* no Python, but no reason to go astray */
}

Test(pysource, async_and_continued_lines)
{
	expect("async   def f():\n  pass\ndef \\\n  g(a,\nb): pass\nclass \\\r\n A(x,\r\ny): pass\r\n",
		"f:1 g:3 A:6");
	expect("x = 1 + \\\n  2\ndef f(\n  a=(1,\n2), # )\n): return [\ndef_,\n]\ndef g(): pass",
		"f:3 g:9");
}

Test(pysource, strings_hide_code)
{
	expect("'''\ndef a(): pass\n'''\n\"\"\"'''\ndef b(): pass\\\"\"\"\n\"\"\"\ndef f(): pass\n", "f:7");
	expect("x = 'it\\'s', \"\\\\\"\ndef f(): pass\n", "f:2");
	expect("x = r'\\'', Rb\"\\\"\"\ndef f(): pass\n", "f:2");
	expect("x = 'a\\\ndef b(): pass'\ndef f(): pass\n", "f:3");
	expect("x = ''\ny = \"\"\nz = ''''a'''\ndef f(): pass\n", "f:4");
	expect("x = 'not ended\ndef f(): pass\n", "f:2");
}

Test(pysource, formatted_strings_hold_code_and_quotes)
{
	expect("x = f'{a['b']}'\ndef f(): pass\n", "f:2");
	expect("x = f'{a!r:\">{w}}' + f\"{b:'^3}\"\ndef f(): pass\n", "f:2");
	expect("x = f'{{' + f'}}' + F'{ {1: 2}[1] }' + rf'\\{a}'\ndef f(): pass\n", "f:2");
	expect("x = f'\\N{LEFT CURLY BRACKET}' + f'{(lambda: 1)()}'\ndef f(): pass\n", "f:2");
	expect("x = f'''{\na + '''b''' # }\n}\ndef g(): pass'''\ndef f(): pass\n", "f:5");
	expect("x = f'{f'{f'{1}'}'}'\ndef f(): pass\n", "f:2");
	expect("x = 'f{' + bR'{'\ndef f(): pass\n", "f:2");
}

Test(pysource, comments_blank_lines_and_tabs_do_not_end_a_scope)
{
	expect("class A:\n\tdef f(self):\n\t\tpass\n# here\n\n        def g(self): pass\n\f\tdef h(self): pass\n",
		"A:1 A.f:2 A.g:6 A.h:7");
	expect("\xef\xbb\xbf" "def f(): pass\rdef g(): pass\r\r\ndef h(): pass", "f:1 g:2 h:4");
}

Test(pysource, a_name_that_is_declared_global_begins_anew)
{
	expect("def f():\n  global g, \\\n    C\n  def g(): pass\n  class C:\n    def m(self): pass\n  def h(): pass\n",
		"f:1 g:4 C:5 C.m:6 f.<locals>.h:7");
}

Test(pysource, words_that_begin_like_a_definition_are_none)
{
	expect("define = 1\nclassy = 2\ndef_ = 3\nasync_ = 4\nx.def_\n", "");
	expect("def größe(): pass\nclass 名前:\n  def f(self): pass\n", "größe:1 名前:2 名前.f:3");
	expect("def f[T: (int, str)](x: T) -> T: pass\nclass A[T]: pass\n", "f:1 A:2");
}

Test(pysource, hostile_text_comes_to_an_end)
{
	char text[100000];

	expect("((((\ndef f(): pass\n", "");
	expect("'''\ndef f(): pass\n", "");
	expect(")))\ndef f(): pass\n", "f:2");
	expect("x = f'{a:{b:{c:{\ndef f(): pass\n", "");
	expect("def", "");
	expect("def f", "f:1");
	expect("@", "");
	expect("\\", "");
	for (size_t i = 0; i + 4 < sizeof(text); i += 4)
		memcpy(text + i, "f'{:", 4);
	text[sizeof(text) - 4] = '\0';
	expect(text, "");
	memset(text, '{', sizeof(text) - 1);
	memcpy(text, "f'{a:", 5);
	text[sizeof(text) - 1] = '\0';
	expect(text, "");
}

Test(pysource, asks_by_line_and_name)
{
	static const char text[] = "class A:\n"
				   "  @property\n"
				   "  def f(self):\n"
				   "    return [x for x in y]\n"
				   "  g = lambda self: 1\n"
				   "h = lambda: 2\n"
				   "def k(a=lambda: 3):\n"
				   "  def l(): return (m\n"
				   "    for m in n)\n";
	struct pysource *src;

	cr_assert_eq(pysource__parse(text, strlen(text), &src), 0);
	cr_assert_str_eq(pysource__qualname(src, 2, "f"), "A.f");
	cr_assert_null(pysource__qualname(src, 3, "f"), "its code begins with the decorator");
	cr_assert_null(pysource__qualname(src, 2, "g"));
	cr_assert_str_eq(pysource__qualname(src, 4, "<listcomp>"), "A.f.<locals>.<listcomp>");
	cr_assert_str_eq(pysource__qualname(src, 5, "<lambda>"), "A.<lambda>");
	cr_assert_str_eq(pysource__qualname(src, 6, "<lambda>"), "<lambda>");
	cr_assert_str_eq(pysource__qualname(src, 7, "<lambda>"), "<lambda>");
	cr_assert_str_eq(pysource__qualname(src, 8, "<genexpr>"), "k.<locals>.l.<locals>.<genexpr>");
	cr_assert_str_eq(pysource__qualname(src, 1, "<module>"), "<module>");
	cr_assert(pysource__has(src, "A.f"));
	cr_assert(pysource__has(src, "k.<locals>.l"));
	cr_assert_not(pysource__has(src, "A"), "a class is no function");
	cr_assert_not(pysource__has(src, "A.h"));
	pysource__free(src);
}

Test(pysource, reads_files)
{
	static const char text[] = "def f(): pass\n";
	struct scratch s = scratch__new();
	struct pysource *src;

	scratch_write(s.file, text, strlen(text));
	cr_assert_eq(pysource__read(s.file, &src), 0);
	cr_assert(pysource__has(src, "f"));
	pysource__free(src);
	cr_assert_eq(pysource__read(s.dir, &src), -EINVAL);
	cr_assert_null(src);
	cr_assert_eq(truncate(s.file, 1LL << 30), 0);
	cr_assert_eq(pysource__read(s.file, &src), -EFBIG);
	cr_assert_eq(unlink(s.file), 0);
	cr_assert_eq(pysource__read(s.file, &src), -ENOENT);
	scratch__free(&s);
}
