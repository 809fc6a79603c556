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
		expect_text(spec.binary, g->binary, g->text);
		expect_text(spec.provider, g->provider, g->text);
		expect_text(spec.symbol, g->symbol, g->text);
		cr_expect_eq(spec.addr, g->addr, "%s", g->text);
		cr_expect(!spec.extra && !spec.profile, "%s", g->text);
		if (g->type == SPEC_FUNCTION) {
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
