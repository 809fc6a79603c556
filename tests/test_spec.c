/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spec.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lang.h"

/* Strings that may be NULL; `what` says in which case they differ. */
static void expect_text(const char *got, const char *want, const char *what)
{
	cr_expect(got && want ? !strcmp(got, want) : got == want, "%s: '%s', not '%s'", what,
		  got ? got : "(null)", want ? want : "(null)");
}

static const struct good {
	const char *text;
	enum spec_type type;
	const char *label, *target, *binary, *provider, *symbol;
	uint64_t addr;
} good[] = {
	{ "postgres:btbuild", SPEC_FUNCTION, "btbuild", "postgres:btbuild", "postgres", NULL,
	  "btbuild", 0 },
	{ "建索引=postgres:btbuild", SPEC_FUNCTION, "建索引", "postgres:btbuild", "postgres", NULL,
	  "btbuild", 0 },
	{ "/usr/lib/libx.so.1:f", SPEC_FUNCTION, "f", "/usr/lib/libx.so.1:f", "/usr/lib/libx.so.1",
	  NULL, "f", 0 },
	{ "./a.out:main", SPEC_FUNCTION, "main", "./a.out:main", "./a.out", NULL, "main", 0 },
	{ "postgres:tuplesort_*", SPEC_FUNCTION, "tuplesort_*", "postgres:tuplesort_*", "postgres",
	  NULL, "tuplesort_*", 0 },
	{ ":main", SPEC_FUNCTION, "main", ":main", "", NULL, "main", 0 },
	{ "L=:main", SPEC_FUNCTION, "L", ":main", "", NULL, "main", 0 },
	/* C++ */
	{ "libtorch_cpu.so:at::_ops::zeros::call", SPEC_FUNCTION, "at::_ops::zeros::call",
	  "libtorch_cpu.so:at::_ops::zeros::call", "libtorch_cpu.so", NULL, "at::_ops::zeros::call",
	  0 },
	{ "b:f(int, char const*)", SPEC_FUNCTION, "f(int, char const*)", "b:f(int, char const*)",
	  "b", NULL, "f(int, char const*)", 0 },
	{ "b:operator==(A const&, A const&)", SPEC_FUNCTION, "operator==(A const&, A const&)",
	  "b:operator==(A const&, A const&)", "b", NULL, "operator==(A const&, A const&)", 0 },
	{ "b:ns::A::operator=", SPEC_FUNCTION, "ns::A::operator=", "b:ns::A::operator=", "b", NULL,
	  "ns::A::operator=", 0 },
	{ "b:A::operator<=", SPEC_FUNCTION, "A::operator<=", "b:A::operator<=", "b", NULL,
	  "A::operator<=", 0 },
	{ "b:*operator?=", SPEC_FUNCTION, "*operator?=", "b:*operator?=", "b", NULL, "*operator?=",
	  0 },
	{ "b:operator()", SPEC_FUNCTION, "operator()", "b:operator()", "b", NULL, "operator()", 0 },
	{ "b:f<(E)1, &A::operator== >", SPEC_FUNCTION, "f<(E)1, &A::operator== >",
	  "b:f<(E)1, &A::operator== >", "b", NULL, "f<(E)1, &A::operator== >", 0 },
	{ "b:<dyn Iterator<Item = u8> as T>::next", SPEC_FUNCTION,
	  "<dyn Iterator<Item = u8> as T>::next", "b:<dyn Iterator<Item = u8> as T>::next", "b",
	  NULL, "<dyn Iterator<Item = u8> as T>::next", 0 },
	{ "相等=b:operator==", SPEC_FUNCTION, "相等", "b:operator==", "b", NULL, "operator==", 0 },
	/* labels */
	{ "a label with spaces=b:f", SPEC_FUNCTION, "a label with spaces", "b:f", "b", NULL, "f",
	  0 },
	{ "read/write=b:f", SPEC_FUNCTION, "read/write", "b:f", "b", NULL, "f", 0 },
	{ "L=/opt/a=b/bin:f", SPEC_FUNCTION, "L", "/opt/a=b/bin:f", "/opt/a=b/bin", NULL, "f", 0 },
	{ "\"Runner:load=x\"=b:f", SPEC_FUNCTION, "Runner:load=x", "b:f", "b", NULL, "f", 0 },
	{ "\"/not a path\"=b:f", SPEC_FUNCTION, "/not a path", "b:f", "b", NULL, "f", 0 },
	{ "usdt=b:f", SPEC_FUNCTION, "usdt", "b:f", "b", NULL, "f", 0 },
	/* a prefix that means nothing is the name of a binary */
	{ "USDT:b:p", SPEC_FUNCTION, "b:p", "USDT:b:p", "USDT", NULL, "b:p", 0 },
	/* USDT */
	{ "usdt:postgres:postgresql:query__start", SPEC_USDT, "postgresql:query__start",
	  "usdt:postgres:postgresql:query__start", "postgres", "postgresql", "query__start", 0 },
	{ "查询=usdt:/usr/bin/x:p:*", SPEC_USDT, "查询", "usdt:/usr/bin/x:p:*", "/usr/bin/x", "p",
	  "*", 0 },
	{ "usdt::p:n", SPEC_USDT, "p:n", "usdt::p:n", "", "p", "n", 0 },
	/* Python */
	{ "py:engine/core.py:EngineCore.__init__", SPEC_PYTHON, "EngineCore.__init__",
	  "py:engine/core.py:EngineCore.__init__", "engine/core.py", NULL, "EngineCore.__init__", 0 },
	{ "启动=py:vllm.v1.engine.core:*.__init__", SPEC_PYTHON, "启动",
	  "py:vllm.v1.engine.core:*.__init__", "vllm.v1.engine.core", NULL, "*.__init__", 0 },
	{ "py:a.py:f.<locals>.<lambda>", SPEC_PYTHON, "f.<locals>.<lambda>",
	  "py:a.py:f.<locals>.<lambda>", "a.py", NULL, "f.<locals>.<lambda>", 0 },
	{ "py:<string>:<module>", SPEC_PYTHON, "<module>", "py:<string>:<module>", "<string>", NULL,
	  "<module>", 0 },
	{ "py:*:f", SPEC_PYTHON, "f", "py:*:f", "*", NULL, "f", 0 },
	{ "py:my scripts/a.py:f", SPEC_PYTHON, "f", "py:my scripts/a.py:f", "my scripts/a.py", NULL,
	  "f", 0 },
	{ "./py:f", SPEC_FUNCTION, "f", "./py:f", "./py", NULL, "f", 0 },
	/* addresses */
	{ "addr:b:0x1f", SPEC_ADDRESS, "b:0x1f", "addr:b:0x1f", "b", NULL, NULL, 0x1f },
	{ "L=addr:/x/y:0xFFFFFFFFFFFFFFFF", SPEC_ADDRESS, "L", "addr:/x/y:0xFFFFFFFFFFFFFFFF", "/x/y",
	  NULL, NULL, UINT64_MAX },
	{ "addr:b:0x0000000000000000000001", SPEC_ADDRESS, "b:0x0000000000000000000001",
	  "addr:b:0x0000000000000000000001", "b", NULL, NULL, 1 },
};

Test(spec, good_ones_are_taken_apart)
{
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		const struct good *g = &good[i];
		struct checkpoint_spec spec;
		char err[512] = "", zh[256], en[256];

		cr_expect_eq(spec__parse(g->text, &spec, err, sizeof(err)), 0, "%s: %s", g->text,
			     err);
		cr_expect_eq(spec.type, g->type, "%s", g->text);
		expect_text(spec.text, g->target, g->text);
		expect_text(spec.target, g->target, g->text);
		cr_expect(!spec__is_conditional(&spec), "%s", g->text);
		expect_text(spec.binary, g->binary, g->text);
		expect_text(spec.provider, g->provider, g->text);
		expect_text(spec.symbol, g->symbol, g->text);
		cr_expect_eq(spec.addr, g->addr, "%s", g->text);
		cr_expect(!spec.extra && !spec.profile, "%s", g->text);
		if (g->type == SPEC_FUNCTION || g->type == SPEC_PYTHON) {
			snprintf(zh, sizeof(zh), "%s之前", g->label);
			snprintf(en, sizeof(en), "before %s", g->label);
			expect_text(spec.entry[LANG_ZH], zh, g->text);
			expect_text(spec.entry[LANG_EN], en, g->text);
			snprintf(zh, sizeof(zh), "%s之后", g->label);
			snprintf(en, sizeof(en), "after %s", g->label);
			expect_text(spec.leave[LANG_ZH], zh, g->text);
			expect_text(spec.leave[LANG_EN], en, g->text);
		} else {
			expect_text(spec.entry[LANG_ZH], g->label, g->text);
			expect_text(spec.entry[LANG_EN], g->label, g->text);
			cr_expect(!spec.leave[LANG_ZH] && !spec.leave[LANG_EN], "%s", g->text);
		}
		spec__clear(&spec);
	}
}

static const struct {
	const char *text, *message; /* a part of it */
} bad[] = {
	{ "", "expected [LABEL=]BINARY:SYMBOL" },
	{ "   ", "control characters" },
	{ "postgres", "no ':'" },
	{ "L=postgres", "no ':'" },
	{ "L=", "there is no binary" },
	{ "=b:f", "label before '=' is empty" },
	{ "==b:f", "label before '=' is empty" },
	{ " =b:f", "the label is not one line" },
	{ "b:", "symbol after 'b:' is empty" },
	{ ":", "symbol after ':' is empty" },
	{ "L=b:", "symbol after 'b:' is empty" },
	{ "at::zeros", "the binary before it is missing" },
	{ "L=at::zeros", "the binary before it is missing" },
	{ "::f", "the binary before it is missing" },
	/* ambiguous */
	{ "a:b=c:d", "double quotes" },
	{ "ModelRunner.load_model:调用model_loader=b:f", "double quotes" },
	{ "b:f=1", "double quotes" },
	{ "b:my_operator=x", "double quotes" },
	{ "b:f(int)=x", "double quotes" },
	{ "/opt/a=b/bin:f", "the beginning of a path" },
	{ "./a=b/bin:f", "the beginning of a path" },
	{ "../a=b:f", "the beginning of a path" },
	{ "\"a:b=c:d", "ends with '\"='" },
	{ "\"a\"b=c:d", "ends with '\"='" },
	{ "\"\"=c:d", "label before '=' is empty" },
	/* what cannot stand in a log */
	{ "a\nb=c:d", "the label is not one line" },
	{ "a\033[31m=c:d", "the label is not one line" },
	{ "\xff\xfe=c:d", "the label is not one line" },
	{ "c:d\n", "control characters" },
	{ "c:\xc3(", "control characters" },
	/* USDT */
	{ "usdt:", "needs a binary, a provider and a name" },
	{ "usdt:b", "needs a binary, a provider and a name" },
	{ "usdt:b:p", "expected [LABEL=]usdt:BINARY:PROVIDER:NAME" },
	{ "usdt:b::n", "the provider is empty" },
	{ "usdt:b:p:", "the name of the probe is empty" },
	{ "usdt:b:p:n:x", "holds no ':'" },
	{ "usdt:b:p:n=x", "no '='" },
	/* Python */
	{ "py:module.f", "expected [LABEL=]py:FILE-TAIL:QUALNAME or py:MODULE:QUALNAME" },
	{ "py:", "needs a file or a module" },
	{ "py::f", "the file or module is empty" },
	{ "py:a.py:", "the qualified name is empty" },
	{ "py:a.py:f:g", "holds no ':'" },
	{ "py:a.py:f=1", "'=' or blank" },
	{ "py:a.py:f g", "'=' or blank" },
	{ "py:a..b:f", "neither a module nor the end of a path" },
	{ "py:.a:f", "neither a module nor the end of a path" },
	{ "py:a.:f", "neither a module nor the end of a path" },
	/* conditions */
	{ "b:f nth", "the condition 'nth' has '' behind it" },
	{ "b:f nth 0", "expected a number from 1" },
	{ "b:f nth x", "the condition 'nth' has 'x' behind it" },
	{ "b:f nth -1", "the condition 'nth' has '-1' behind it" },
	{ "b:f nth 4294967297", "the condition 'nth'" },
	{ "b:f nth 1 2", "the condition 'nth' has '1 2' behind it" },
	{ "b:f nth 1 nth 2", "'nth' is given twice" },
	{ "b:f outermost 3", "the condition 'outermost' has '3' behind it" },
	{ "b:f outermost outermost", "'outermost' is given twice" },
	{ "b:f inside", "nothing follows the condition 'inside'" },
	{ "b:f inside g", "the condition 'inside': 'g': there is no ':'" },
	{ "b:f inside usdt:b:p:n", "has no end that is seen" },
	{ "b:f inside b:g inside b:h", "'inside' is given twice" },
	{ "b:f inside nth 2", "nothing follows the condition 'inside'" },
	{ "b:f caller g", "the condition 'caller' is for Python functions only" },
	{ "py:a.py:f caller", "the condition 'caller' has '' behind it" },
	{ "py:a.py:f caller g h", "the condition 'caller' has 'g h' behind it" },
	{ "py:a.py:f caller a.py:g", "expected the qualified name" },
	{ "f outermost", "there is no ':'" },
	/* addresses */
	{ "addr:", "needs a binary and a number" },
	{ "addr:b", "needs a binary and a number" },
	{ "addr:b:", "does not begin with 0x" },
	{ "addr:b:1234", "does not begin with 0x" },
	{ "addr:b:-0x1", "does not begin with 0x" },
	{ "addr:b: 0x1", "does not begin with 0x" },
	{ "addr:b:0x", "'0x' is not a hexadecimal number" },
	{ "addr:b:0x12g", "not a hexadecimal number" },
	{ "addr:b:0x1 ", "not a hexadecimal number" },
	{ "addr:b:0x10000000000000000", "does not fit" },
	{ "addr:b:0x1:0x2", "not a hexadecimal number" },
};

Test(spec, bad_ones_say_what_was_expected)
{
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		struct checkpoint_spec spec;
		char err[1024] = "";

		cr_expect_eq(spec__parse(bad[i].text, &spec, err, sizeof(err)), -EINVAL, "%s",
			     bad[i].text);
		cr_expect(strstr(err, bad[i].message), "%s: '%s' lacks '%s'", bad[i].text, err,
			  bad[i].message);
		cr_expect(!spec.text && !spec.binary && !spec.symbol && !spec.entry[0]);
		spec__clear(&spec);
	}
}

Test(spec, messages_quote_the_text_and_are_clean)
{
	struct checkpoint_spec spec;
	char err[1024], small[16];

	cr_expect_eq(spec__parse("L=postgres", &spec, err, sizeof(err)), -EINVAL);
	cr_expect(!strncmp(err, "'L=postgres': ", 14), "%s", err);
	cr_expect_eq(spec__parse("a\033b", &spec, err, sizeof(err)), -EINVAL);
	cr_expect(!strchr(err, '\033'), "an escape went through");
	cr_expect_eq(spec__parse("no colon in here", &spec, small, sizeof(small)), -EINVAL);
	cr_expect_eq(strlen(small), sizeof(small) - 1);
	cr_expect_eq(spec__parse("no colon in here", &spec, NULL, 0), -EINVAL);
}

Test(spec, a_target_has_no_label)
{
	struct checkpoint_spec spec;
	char err[512];

	cr_expect_eq(spec__parse_target("a=b:f", &spec, err, sizeof(err)), 0);
	expect_text(spec.binary, "a=b", "a=b:f");
	spec__clear(&spec);
	cr_expect_eq(spec__parse_target("a", &spec, err, sizeof(err)), -EINVAL);
	cr_expect(strstr(err, "expected BINARY:SYMBOL"), "%s", err);
}

Test(spec, very_long_texts_are_kept_whole)
{
	static char text[1 << 20];
	struct checkpoint_spec spec;
	char err[256];

	memset(text, 'x', sizeof(text) - 1);
	cr_expect_eq(spec__parse(text, &spec, err, sizeof(err)), -EINVAL);
	text[5] = ':';
	cr_expect_eq(spec__parse(text, &spec, err, sizeof(err)), 0);
	cr_expect_eq(strlen(spec.symbol), sizeof(text) - 1 - 6);
	spec__clear(&spec);
}

Test(spec, labels_can_be_set_for_each_language_and_end)
{
	struct checkpoint_spec spec;
	char err[256];

	cr_assert_eq(spec__parse("b:f", &spec, err, sizeof(err)), 0);
	cr_expect_eq(spec__set_label(&spec, "排序", "sort"), 0);
	expect_text(spec.entry[LANG_ZH], "排序之前", "");
	expect_text(spec.leave[LANG_ZH], "排序之后", "");
	expect_text(spec.entry[LANG_EN], "before sort", "");
	expect_text(spec.leave[LANG_EN], "after sort", "");
	cr_expect_eq(spec__set_ends(&spec, (const char *[]){ "始", "start" },
				    (const char *[]){ NULL, NULL }), 0);
	expect_text(spec.entry[LANG_ZH], "始", "");
	expect_text(spec.entry[LANG_EN], "start", "");
	cr_expect(!spec.leave[LANG_ZH] && !spec.leave[LANG_EN]);
	cr_expect_eq(spec__set_label(&spec, "a\tb\n", "x"), -EINVAL);
	cr_expect_eq(spec__set_label(&spec, "x", ""), -EINVAL);
	spec__clear(&spec);
}

Test(spec, clear_may_be_repeated)
{
	struct checkpoint_spec spec;
	char err[256];

	cr_assert_eq(spec__parse("b:f", &spec, err, sizeof(err)), 0);
	spec__clear(&spec);
	spec__clear(&spec);
	spec__clear(NULL);
}

static const struct {
	const char *text, *target, *label, *inside, *caller;
	bool outermost;
	unsigned int nth;
} conditional[] = {
	{ "b:f nth 2", "b:f", "f", NULL, NULL, false, 2 },
	{ "b:f   nth   2  ", "b:f", "f", NULL, NULL, false, 2 },
	{ "b:f outermost", "b:f", "f", NULL, NULL, true, 0 },
	{ "L=py:a.py:f caller A.* outermost nth 3", "py:a.py:f", "L", NULL, "A.*", true, 3 },
	{ "b:f inside py:a.py:A.g", "b:f", "f", "py:a.py:A.g", NULL, false, 0 },
	{ "py:a.py:f nth 1 inside b:g caller h", "py:a.py:f", "f", "b:g", "h", false, 1 },
	{ "py:a b/c.py:f inside py:d e.py:g", "py:a b/c.py:f", "f", "py:d e.py:g", NULL, false, 0 },
	{ "usdt:b:p:n inside b:g nth 2", "usdt:b:p:n", "p:n", "b:g", NULL, false, 2 },
	{ "addr:b:0x10 inside b:g", "addr:b:0x10", "b:0x10", "b:g", NULL, false, 0 },
	/* symbols with blanks, and with words that would be conditions */
	{ "b:operator new(unsigned long) inside b:operator new[](unsigned long, int) nth 2",
	  "b:operator new(unsigned long)", "operator new(unsigned long)",
	  "b:operator new[](unsigned long, int)", NULL, false, 2 },
	{ "b:f(int, caller const*)", "b:f(int, caller const*)", "f(int, caller const*)", NULL, NULL,
	  false, 0 },
	{ "b:f<int, nth 3> outermost", "b:f<int, nth 3>", "f<int, nth 3>", NULL, NULL, true, 0 },
	{ "b:A::operator-> inside b:A::operator<", "b:A::operator->", "A::operator->",
	  "b:A::operator<", NULL, false, 0 },
	{ "b:outermost", "b:outermost", "outermost", NULL, NULL, false, 0 },
	{ "b:nth inside b:inside", "b:nth", "nth", "b:inside", NULL, false, 0 },
	{ "b:f outermosts(int)", "b:f outermosts(int)", "f outermosts(int)", NULL, NULL, false, 0 },
	{ "b:tuplesort_[ab]* nth 1", "b:tuplesort_[ab]*", "tuplesort_[ab]*", NULL, NULL, false, 1 },
};

Test(spec, conditions_are_found_from_the_end)
{
	for (size_t i = 0; i < sizeof(conditional) / sizeof(*conditional); i++) {
		const char *text = conditional[i].text;
		struct checkpoint_spec spec;
		char err[512] = "", en[256];

		cr_assert_eq(spec__parse(text, &spec, err, sizeof(err)), 0, "%s: %s", text, err);
		expect_text(spec.target, conditional[i].target, text);
		expect_text(spec.when.inside, conditional[i].inside, text);
		expect_text(spec.when.caller, conditional[i].caller, text);
		cr_expect_eq(spec.when.outermost, conditional[i].outermost, "%s", text);
		cr_expect_eq(spec.when.nth, conditional[i].nth, "%s: %u", text, spec.when.nth);
		snprintf(en, sizeof(en), spec.leave[LANG_EN] ? "before %s" : "%s",
			 conditional[i].label);
		expect_text(spec.entry[LANG_EN], en, text);
		spec__clear(&spec);
	}
}

Test(spec, the_text_keeps_what_was_written)
{
	struct checkpoint_spec spec;
	char err[512];

	cr_assert_eq(spec__parse("L=py:a.py:f  caller g nth 2", &spec, err, sizeof(err)), 0);
	expect_text(spec.text, "py:a.py:f  caller g nth 2", "");
	expect_text(spec.target, "py:a.py:f", "");
	spec__clear(&spec);
	cr_assert_eq(spec__parse_target("b:f", &spec, err, sizeof(err)), 0);
	cr_expect_eq(spec__add_condition(&spec, "inside", "b:g", err, sizeof(err)), 0);
	cr_expect_eq(spec__add_condition(&spec, "outermost", "", err, sizeof(err)), 0);
	cr_expect_eq(spec__add_condition(&spec, "nth", "two", err, sizeof(err)), -EINVAL);
	cr_expect(strstr(err, "'b:f inside b:g outermost nth two': "), "%s", err);
	expect_text(spec.text, "b:f inside b:g outermost", "");
	expect_text(spec.target, "b:f", "");
	spec__clear(&spec);
}

static const struct {
	const char *target, *file, *module, *qualname;
	bool means;
} python[] = {
	{ "py:engine/core.py:A.f", "/x/vllm/v1/engine/core.py", NULL, "A.f", true },
	{ "py:engine/core.py:A.f", "engine/core.py", NULL, "A.f", true },
	{ "py:engine/core.py:A.f", "/x/xengine/core.py", NULL, "A.f", false },
	{ "py:engine/core.py:A.f", "/x/engine/core.pyc", NULL, "A.f", false },
	{ "py:engine/core.py:A.f", "core.py", NULL, "A.f", false },
	{ "py:core.py:A.f", "/x/vllm/v1/engine/core.py", NULL, "A.f", true },
	{ "py:core.py:A.f", "/x/score.py", NULL, "A.f", false },
	{ "py:core.py:A.f", "/x/core.py", NULL, "A.g", false },
	{ "py:core.py:A.f", "/x/core.py", NULL, "B.A.f", false },
	{ "py:/x/core.py:f", "/x/core.py", NULL, "f", true },
	{ "py:/x/core.py:f", "/y/x/core.py", NULL, "f", false },
	{ "py:v1/worker/*runner.py:*.__init__", "/x/v1/worker/gpu/model_runner.py", NULL, "A.__init__",
	  true },
	{ "py:v1/worker/*runner.py:*.__init__", "/x/v1/worker/gpu_model_runner.py", NULL, "A.B.__init__",
	  true },
	{ "py:v1/worker/*runner.py:*.__init__", "/x/v2/worker/gpu_model_runner.py", NULL, "A.__init__",
	  false },
	{ "py:*:f", "<string>", NULL, "f", true },
	{ "py:*:f", "/any/where", NULL, "f", true },
	{ "py:<string>:<module>", "<string>", NULL, "<module>", true },
	{ "py:<string>:<module>", "/x/string", NULL, "<module>", false },
	{ "py:a.py:f.<locals>.*", "a.py", NULL, "f.<locals>.g", true },
	/* modules */
	{ "py:a.b.c:f", "/x/a/b/c.py", NULL, "f", true },
	{ "py:a.b.c:f", "/x/a/b/c/__init__.py", NULL, "f", true },
	{ "py:a.b.c:f", "a/b/c.py", NULL, "f", true },
	{ "py:a.b.c:f", "/x/za/b/c.py", NULL, "f", false },
	{ "py:a.b.c:f", "/x/a/b/c/d.py", NULL, "f", false },
	{ "py:a.b.c:f", "/x/a/b_c.py", NULL, "f", false },
	{ "py:a.b.c:f", "/y/renamed.py", "a.b.c", "f", true },
	{ "py:a.b.c:f", "/y/renamed.py", "a.b", "f", false },
	{ "py:a.*:f", "/x/a/b/c.py", NULL, "f", true },
	{ "py:__main__:f", "/x/script.py", "__main__", "f", true },
	{ "b:f", "/x/b.py", "b", "f", false },
};

Test(spec, a_python_spec_means_whole_components_of_a_path)
{
	for (size_t i = 0; i < sizeof(python) / sizeof(*python); i++) {
		struct checkpoint_spec spec;
		char err[512] = "";

		cr_assert_eq(spec__parse_target(python[i].target, &spec, err, sizeof(err)), 0, "%s", err);
		cr_expect_eq(spec__means_python(&spec, python[i].file, python[i].module,
						python[i].qualname),
			     python[i].means, "%s, %s", python[i].target, python[i].file);
		spec__clear(&spec);
	}
}

Test(spec, inside_is_of_a_spec_without_conditions_whose_return_is_wanted)
{
	static const char *const texts[] = { "py:a.py:f nth 2", "py:a.py:f", "py:a.py:f", "b:g inside py:a.py:f",
		"b:g inside py:a.py:h", "b:g" };
	struct checkpoint_spec specs[6];
	const struct checkpoint_spec *list[6];
	char err[512];

	for (int i = 0; i < 6; i++) {
		cr_assert_eq(spec__parse(texts[i], &specs[i], err, sizeof(err)), 0, "%s", err);
		list[i] = &specs[i];
	}
	cr_expect_eq(spec__set_ends(&specs[1], (const char *[]){ "e", "e" },
				    (const char *[]){ NULL, NULL }), 0);
	cr_expect(!spec__wants_return(&specs[1]));
	cr_expect(spec__wants_return(&specs[2]));
	cr_expect_eq(spec__inside_id(list, 6, &specs[3]), 3);
	cr_expect_eq(spec__inside_id(list, 6, &specs[4]), 0);
	cr_expect_eq(spec__inside_id(list, 6, &specs[5]), 0);
	cr_expect_eq(spec__set_ends(&specs[1], (const char *[]){ NULL, NULL },
				    (const char *[]){ NULL, NULL }), 0);
	cr_expect(spec__wants_return(&specs[1]), "nobody else would have a use for it");
	specs[1].sign = true;
	cr_expect(!spec__wants_return(&specs[1]));
	for (int i = 0; i < 6; i++)
		spec__clear(&specs[i]);
}
