/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "condition.h"

#include <ctype.h>
#include <errno.h>
#include <fnmatch.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "quantity.h"

static const struct function {
	const char *name;
	enum condition_what what;
	const char *takes; /* NULL: nothing */
	bool change;       /* its value is one by itself, so it may have a sign */
} functions[] = {
	{"total", COND_TOTAL, "a label", true},
	{"rss", COND_RSS, "a role", false},
	{"peak", COND_PEAK, "a role", false},
	{"anon", COND_ANON, "a role", false},
	{"file", COND_FILE, "a role", false},
	{"shmem", COND_SHMEM, "a role", false},
	{"swap", COND_SWAP, "a role", false},
	{"growth", COND_GROWTH, "a function", true},
	{"remainder", COND_REMAINDER, "a role", true},
	{"tree", COND_TREE, NULL, false},
	{"lost", COND_LOST, NULL, false},
};

#define N_FUNCTIONS (sizeof(functions) / sizeof(*functions))

const char *condition_functions(void)
{
	return "total(LABEL), rss(ROLE), peak(ROLE), anon(ROLE), file(ROLE), shmem(ROLE), "
	       "swap(ROLE), growth(FUNCTION), remainder(ROLE), tree(), lost()";
}

struct parser {
	const char *text, *at;
	bool compares;
	const struct function *function; /* NULL: a label */
	struct condition *c;
	struct condition_error *err;
};

static int fail(struct parser *p, const char *at, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
static int fail(struct parser *p, const char *at, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(p->err->why, sizeof(p->err->why), fmt, ap);
	va_end(ap);
	p->err->at = (size_t)(at - p->text);
	return -EINVAL;
}

static void skip_blanks(struct parser *p)
{
	p->at += strspn(p->at, " \t");
}

/* --- the term --------------------------------------------------------------------------------- */

static int set_glob(struct parser *p, const char *from, size_t len)
{
	p->c->glob = strndup(from, len);
	return p->c->glob ? 0 : -ENOMEM;
}

/* Other backslashes stay: in a glob they have a meaning of their own. */
static int parse_quoted(struct parser *p)
{
	const char *open = p->at++;
	char *to = malloc(strlen(p->at) + 1);

	p->c->glob = to;
	if (!to)
		return -ENOMEM;
	for (; *p->at && *p->at != '"'; p->at++) {
		if (p->at[0] == '\\' && p->at[1] == '"')
			p->at++;
		else if (p->at[0] == '\\' && p->at[1])
			*to++ = *p->at++;
		*to++ = *p->at;
	}
	*to = '\0';
	if (!*p->at)
		return fail(p, open, "this quote has no end");
	p->at++;
	return *p->c->glob ? 0 : fail(p, open, "nothing is between these quotes");
}

/* Blanks at both ends do not count. */
static int parse_bare(struct parser *p, const char *ends, const char *what)
{
	size_t len = strcspn(p->at, ends), n = len;

	while (n && (p->at[n - 1] == ' ' || p->at[n - 1] == '\t'))
		n--;
	if (!n)
		return fail(p, p->at, "%s is missing here (a glob: * for all)", what);
	p->at += len;
	return set_glob(p, p->at - len, n);
}

static int parse_argument(struct parser *p)
{
	const struct function *f = p->function;
	int err;

	skip_blanks(p);
	if (!f->takes)
		err = *p->at == ')' ? set_glob(p, "", 0)
				    : fail(p, p->at, "%s() takes nothing", f->name);
	else if (*p->at == '"')
		err = parse_quoted(p);
	else
		err = parse_bare(p, ")", f->takes);
	skip_blanks(p);
	if (!err && *p->at != ')')
		err = fail(p, p->at, "a \")\" is missing here");
	p->at += !err;
	return err;
}

/* "word(": how many bytes that word has; 0: there is none. */
static size_t function_word(const char *at)
{
	size_t n = 0;

	while (isalnum((unsigned char)at[n]) || at[n] == '_')
		n++;
	return at[n] == '(' ? n : 0;
}

static int parse_function(struct parser *p, size_t word)
{
	for (size_t i = 0; i < N_FUNCTIONS && !p->function; i++)
		if (strlen(functions[i].name) == word && !strncmp(functions[i].name, p->at, word))
			p->function = &functions[i];
	if (!p->function)
		return fail(p, p->at,
			"\"%.*s\" is none of %s; a label with parentheses goes into double quotes",
			(int)(word > 32 ? 32 : word), p->at, condition_functions());
	p->c->what = p->function->what;
	p->at += word + 1;
	return parse_argument(p);
}

static int parse_term(struct parser *p)
{
	size_t word;

	skip_blanks(p);
	word = function_word(p->at);
	if (word)
		return parse_function(p, word);
	p->c->what = COND_LABEL;
	return *p->at == '"' ? parse_quoted(p)
			     : parse_bare(p, "<>", "a label, or a function as rss(ROLE),");
}

/* --- operator and value ----------------------------------------------------------------------- */

static int parse_operator(struct parser *p)
{
	bool greater, equal;

	skip_blanks(p);
	if (*p->at != '>' && *p->at != '<')
		return fail(p, p->at, "an operator is missing here: >, >=, < or <=");
	greater = *p->at++ == '>';
	equal = *p->at == '=';
	p->at += equal;
	p->c->op = greater ? equal ? COND_GE : COND_GT : equal ? COND_LE : COND_LT;
	return 0;
}

static int judge_sign(struct parser *p, const char *at, bool percent)
{
	bool is_change = !p->function || p->function->change;

	if (p->compares) {
		p->c->relative = *at == '+' || *at == '-';
		if (percent && !p->c->relative)
			return fail(p, at, "a percentage is of what A has: +5%% or -5%%");
		return 0;
	}
	if (percent)
		return fail(p, at, "a percentage compares two runs, as \"ramtrace-bpf diff\" does");
	if (!is_change && (*at == '+' || *at == '-'))
		return fail(p, at,
			"a sign compares two runs, as \"ramtrace-bpf diff\" does; leave it out");
	return 0;
}

/* "100M" or "5%", without its sign. */
static int parse_number(struct parser *p, bool *percent)
{
	const char *at = p->at;
	size_t len = strcspn(at, " \t%"), digits = strspn(at, "0123456789.");
	char number[40];
	uint64_t bytes;

	if (!digits || len >= sizeof(number))
		return fail(p, at, "a size is missing here, as 100M or 1.5G");
	memcpy(number, at, len);
	number[len] = '\0';
	*percent = at[len] == '%';
	p->at += len + *percent;
	if (*percent) {
		char *end;

		p->c->percent = true;
		p->c->share = strtod(number, &end);
		if (digits != len || *end || !isfinite(p->c->share))
			return fail(p, at, "this is no percentage, as 5%%");
		return 0;
	}
	/* strtod, behind parse_size, knows hexadecimal numbers */
	if (strpbrk(number, "xXpP") || parse_size(number, &bytes))
		return fail(p, at, "this is no size, as 100M or 1.5G");
	p->c->value = (int64_t)bytes;
	return 0;
}

static int parse_value(struct parser *p)
{
	const char *sign;
	bool percent;
	int err;

	skip_blanks(p);
	sign = p->at;
	p->at += *sign == '+' || *sign == '-';
	err = parse_number(p, &percent);
	if (!err)
		err = judge_sign(p, sign, percent);
	if (err)
		return err;
	if (*sign == '-') {
		p->c->value = -p->c->value;
		p->c->share = -p->c->share;
	}
	skip_blanks(p);
	return *p->at ? fail(p, p->at, "nothing may follow the value") : 0;
}

int condition__parse(
	const char *text, bool compares, struct condition **out, struct condition_error *err)
{
	struct parser p = {.text = text, .at = text, .compares = compares, .err = err};
	int ret;

	p.c = calloc(1, sizeof(*p.c));
	if (!p.c)
		return -ENOMEM;
	p.c->text = strdup(text);
	ret = p.c->text ? parse_term(&p) : -ENOMEM;
	if (!ret)
		ret = parse_operator(&p);
	if (!ret)
		ret = parse_value(&p);
	if (ret)
		condition__free(p.c);
	else
		*out = p.c;
	return ret;
}

void condition__free(struct condition *c)
{
	if (!c)
		return;
	free(c->text);
	free(c->glob);
	free(c);
}

/* --- what it says ----------------------------------------------------------------------------- */

/* As it stands, too: labels may have brackets. */
bool condition__names(const struct condition *c, const char *name)
{
	return !fnmatch(c->glob, name, 0) || !strcmp(c->glob, name);
}

#define COMPARE(op, x, y)                                                                          \
	((op) == COND_GT          ? (x) > (y)                                                      \
		: (op) == COND_GE ? (x) >= (y)                                                     \
		: (op) == COND_LT ? (x) < (y)                                                      \
				  : (x) <= (y))

bool condition__holds(const struct condition *c, int64_t value)
{
	return COMPARE(c->op, value, c->value);
}

/* Of nothing, anything more is more than any share. */
static double share_of(int64_t more, int64_t a)
{
	if (!a)
		return more > 0 ? INFINITY : more < 0 ? -INFINITY : 0;
	return (double)more * 100 / fabs((double)a);
}

bool condition__holds_between(const struct condition *c, int64_t a, int64_t b, int64_t more)
{
	double share;

	if (!c->relative)
		return condition__holds(c, b);
	if (!c->percent)
		return condition__holds(c, more);
	share = share_of(more, a);
	return COMPARE(c->op, share, c->share);
}

bool condition__is_level(const struct condition *c)
{
	return c->what >= COND_RSS && c->what <= COND_SWAP;
}

bool condition__needs_growth(const struct condition *c)
{
	return c->what == COND_GROWTH || c->what == COND_REMAINDER;
}

const char *condition_name(const struct condition *c)
{
	for (size_t i = 0; i < N_FUNCTIONS; i++)
		if (functions[i].what == c->what)
			return functions[i].name;
	return "";
}
