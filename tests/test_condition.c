/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The conditions of --fail-if: what they mean, and where one is wrong. */
#include "condition.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <string.h>

#define M (1LL << 20)
#define G (1LL << 30)

static struct condition *parse(const char *text, bool compares)
{
	struct condition_error err = {0};
	struct condition *c = NULL;

	cr_assert_eq(condition__parse(text, compares, &c, &err), 0, "%s: at %zu: %s", text, err.at,
		err.why);
	cr_assert_str_eq(c->text, text);
	return c;
}

Test(condition, has_a_term_an_operator_and_a_value)
{
	static const struct {
		const char *text;
		enum condition_what what;
		const char *glob;
		enum condition_op op;
		int64_t value;
	} cases[] = {
		{"after load>+100M", COND_LABEL, "after load", COND_GT, 100 * M},
		{"after load > 100M", COND_LABEL, "after load", COND_GT, 100 * M},
		{"  after * <= -1.5G ", COND_LABEL, "after *", COND_LE, -3 * G / 2},
		{"创建ModelExecutor之后>=1K", COND_LABEL, "创建ModelExecutor之后", COND_GE, 1024},
		{"ModelRunner.load_model: calling (it) twice<5", COND_LABEL,
			"ModelRunner.load_model: calling (it) twice", COND_LT, 5},
		{"a=b>=5M", COND_LABEL, "a=b", COND_GE, 5 * M},
		{"rss>1", COND_LABEL, "rss", COND_GT, 1},
		{"\"a > b\">1M", COND_LABEL, "a > b", COND_GT, M},
		{"\"load(x)\"<1M", COND_LABEL, "load(x)", COND_LT, M},
		{"\"a \\\"b\\\" \\* c\" >= 0", COND_LABEL, "a \"b\" \\* c", COND_GE, 0},
		{"rss(Worker_*)>4G", COND_RSS, "Worker_*", COND_GT, 4 * G},
		{"peak( postgres: checkpointer ) > 4096", COND_PEAK, "postgres: checkpointer",
			COND_GT, 4096},
		{"anon(*)>1GiB", COND_ANON, "*", COND_GT, G},
		{"file(\"a) b\")>1MB", COND_FILE, "a) b", COND_GT, M},
		{"shmem(x)>.5M", COND_SHMEM, "x", COND_GT, M / 2},
		{"swap(x)>0", COND_SWAP, "x", COND_GT, 0},
		{"total(after load)>+2G", COND_TOTAL, "after load", COND_GT, 2 * G},
		{"growth(f.<locals>.g)>1T", COND_GROWTH, "f.<locals>.g", COND_GT, 1024 * G},
		{"growth(\"f(int)\")>-1M", COND_GROWTH, "f(int)", COND_GT, -M},
		{"remainder(*)<-1M", COND_REMAINDER, "*", COND_LT, -M},
		{"tree()>8G", COND_TREE, "", COND_GT, 8 * G},
		{"lost( ) > 0", COND_LOST, "", COND_GT, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct condition *c = parse(cases[i].text, false);

		cr_expect_eq(c->what, cases[i].what, "%s", c->text);
		cr_expect_str_eq(c->glob, cases[i].glob);
		cr_expect_eq(c->op, cases[i].op, "%s", c->text);
		cr_expect_eq(c->value, cases[i].value, "%s", c->text);
		cr_expect(!c->relative && !c->percent, "%s", c->text);
		condition__free(c);
	}
	condition__free(NULL);
}

Test(condition, of_two_runs_may_be_of_the_difference_or_a_share_of_it)
{
	static const struct {
		const char *text;
		bool relative, percent;
		int64_t value;
		double share;
	} cases[] = {
		{"x>100M", false, false, 100 * M, 0},
		{"x>+100M", true, false, 100 * M, 0},
		{"rss(*)<-1G", true, false, -G, 0},
		{"tree()>+5%", true, true, 0, 5},
		{"tree()<-12.5% ", true, true, 0, -12.5},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct condition *c = parse(cases[i].text, true);

		cr_expect_eq(c->relative, cases[i].relative, "%s", c->text);
		cr_expect_eq(c->percent, cases[i].percent, "%s", c->text);
		cr_expect_eq(c->value, cases[i].value, "%s", c->text);
		cr_expect_eq(c->share, cases[i].share, "%s", c->text);
		condition__free(c);
	}
}

/* The caret is where "^" stands in the line below it. */
Test(condition, that_does_not_parse_is_told_with_the_place)
{
	static const struct {
		const char *text, *caret, *why;
		bool compares;
	} cases[] = {
		{"", "^", "a label, or a function as rss(ROLE), is missing", false},
		{"   ", "   ^", "is missing here", false},
		{">100M", "^", "is missing here", false},
		{"after load", "          ^", "an operator is missing here: >, >=, < or <=", false},
		{"rss(Worker_*)", "             ^", "an operator is missing", false},
		{"rss(Worker_*)=4G", "             ^", "an operator is missing", false},
		{"rss(Worker_*>4G", "               ^", "a \")\" is missing here", false},
		{"rss()>4G", "    ^", "a role is missing here", false},
		{"growth( )>4G", "        ^", "a function is missing here", false},
		{"tree(x)>4G", "     ^", "tree() takes nothing", false},
		{"rsss(x)>4G", "^", "\"rsss\" is none of total(LABEL), rss(ROLE)", false},
		{"load(x)>4G", "^", "a label with parentheses goes into double quotes", false},
		{"\"load>4G", "^", "this quote has no end", false},
		{"\"load\\\"", "^", "this quote has no end", false},
		{"\"\">1", "^", "nothing is between these quotes", false},
		{"\"a\" b>1", "    ^", "an operator is missing", false},
		{"rss(\"a\" b)>1", "        ^", "a \")\" is missing", false},
		{"x>", "  ^", "a size is missing here", false},
		{"x>lots", "  ^", "a size is missing here", false},
		{"x>+", "   ^", "a size is missing here", false},
		{"x>>5M", "  ^", "a size is missing here", false},
		{"x>5Q", "  ^", "this is no size", false},
		{"x>1e30", "  ^", "this is no size", false},
		{"x>0x10", "  ^", "this is no size", false},
		{"x>1.2.3", "  ^", "this is no size", false},
		{"x>5M and y>3M", "     ^", "nothing may follow the value", false},
		{"x>+5%", "  ^", "a percentage compares two runs", false},
		{"rss(x)>+5M", "       ^", "a sign compares two runs", false},
		{"lost()>-5", "       ^", "a sign compares two runs", false},
		{"x>5%", "  ^", "+5% or -5%", true},
		{"x>+5M%", "   ^", "this is no percentage", true},
		{"x>+5% more", "      ^", "nothing may follow the value", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct condition *c = (void *)-1;
		struct condition_error err;

		cr_expect_eq(condition__parse(cases[i].text, cases[i].compares, &c, &err), -EINVAL,
			"%s", cases[i].text);
		cr_expect_eq(err.at, strlen(cases[i].caret) - 1, "%s: at %zu: %s", cases[i].text,
			err.at, err.why);
		cr_expect(strstr(err.why, cases[i].why), "%s: %s", cases[i].text, err.why);
	}
}

Test(condition, names_what_its_glob_matches_and_what_is_written_like_it)
{
	static const struct {
		const char *text, *name;
		bool names;
	} cases[] = {
		{"after *>1", "after load", true},
		{"after *>1", "before load", false},
		{"*之后>1", "创建ModelRunner之后", true},
		{"Worker_TP[01]>1", "Worker_TP1", true},
		{"Worker_TP[01]>1", "Worker_TP2", false},
		{"kv[0]>1", "kv[0]", true},
		{"kv[0]>1", "kv0", true},
		{"\"a \\* b\">1", "a * b", true},
		{"\"a \\* b\">1", "a c b", false},
		{"a>1", "ab", false},
		{"\xff*>1", "\xff\xfe", true},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct condition *c = parse(cases[i].text, false);

		cr_expect_eq(condition__names(c, cases[i].name), cases[i].names, "%s: %s", c->text,
			cases[i].name);
		condition__free(c);
	}
}

static void expect_of_one(const char *text, int64_t value, bool holds)
{
	struct condition *c = parse(text, false);

	cr_expect_eq(condition__holds(c, value), holds, "%s: %lld", text, (long long)value);
	condition__free(c);
}

Test(condition, holds_beyond_its_value_or_at_it)
{
	expect_of_one("x>100M", 100 * M, false);
	expect_of_one("x>100M", 100 * M + 1, true);
	expect_of_one("x>=100M", 100 * M, true);
	expect_of_one("x>=100M", 100 * M - 1, false);
	expect_of_one("x<-1M", -M, false);
	expect_of_one("x<-1M", -M - 1, true);
	expect_of_one("x<=-1M", -M, true);
	expect_of_one("x<=-1M", 0, false);
}

static void expect_of_two(const char *text, int64_t a, int64_t b, bool holds)
{
	struct condition *c = parse(text, true);

	cr_expect_eq(condition__holds_between(c, a, b, b - a), holds, "%s: %lld %lld", text,
		(long long)a, (long long)b);
	condition__free(c);
}

Test(condition, of_two_runs_holds_by_what_b_has_more)
{
	struct condition *c;

	expect_of_two("x>10M", 0, 11 * M, true);
	expect_of_two("x>10M", 11 * M, 0, false);
	expect_of_two("x>+10M", 100 * M, 110 * M, false);
	expect_of_two("x>+10M", 100 * M, 110 * M + 1, true);
	expect_of_two("x<-10M", 100 * M, 89 * M, true);
	expect_of_two("x>+5%", 100 * M, 105 * M, false);
	expect_of_two("x>+5%", 100 * M, 106 * M, true);
	expect_of_two("x<-5%", 100 * M, 94 * M, true);
	expect_of_two("x>+5%", -100 * M, -90 * M, true);
	expect_of_two("x>+500%", 0, 1, true);
	expect_of_two("x>+0%", 0, 0, false);
	expect_of_two("x<-500%", 0, -1, true);
	/* within the noise nothing is more */
	c = parse("x>+1M", true);
	cr_expect(!condition__holds_between(c, 0, 100 * M, 0));
	condition__free(c);
}

Test(condition, knows_what_it_needs)
{
	static const struct {
		const char *text;
		bool level, growth;
	} cases[] = {{"x>1", false, false}, {"rss(x)>1", true, false}, {"swap(x)>1", true, false},
		{"growth(x)>1", false, true}, {"remainder(x)>1", false, true},
		{"tree()>1", false, false}, {"lost()>1", false, false},
		{"total(x)>1", false, false}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct condition *c = parse(cases[i].text, false);

		cr_expect_eq(condition__is_level(c), cases[i].level, "%s", c->text);
		cr_expect_eq(condition__needs_growth(c), cases[i].growth, "%s", c->text);
		if (c->what != COND_LABEL)
			cr_expect(strstr(condition_functions(), condition_name(c)), "%s", c->text);
		condition__free(c);
	}
}
