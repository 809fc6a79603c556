/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spec.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang.h"
#include "out.h"
#include "spec_internal.h"

#define EXPECT_FUNCTION "BINARY:SYMBOL"
#define EXPECT_USDT	"usdt:BINARY:PROVIDER:NAME"
#define EXPECT_ADDRESS	"addr:BINARY:0xADDRESS"
#define EXPECT_PYTHON	"py:FILE-TAIL:QUALNAME or py:MODULE:QUALNAME"
#define ONE_LINE	"one line of UTF-8 text without control characters, and not empty"

enum { MAX_QUOTE = 300 };

int spec__complain(const struct complaint *c, const char *expected, const char *fmt, ...)
{
	char *clean = out_clean(c->text, strlen(c->text));
	char why[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(c->err, c->err_len, "'%.*s': %s%s%s%s", MAX_QUOTE, clean ? clean : "", why,
		 expected ? "; expected " : "", expected ? c->label : "", expected ? expected : "");
	free(clean);
	return -EINVAL;
}

/* What cleaning would leave as it is can stand in a line of a log. */
static int check_line(const char *s)
{
	char *clean;
	int err;

	if (!s[strspn(s, " \t")])
		return -EINVAL;
	clean = out_clean(s, strlen(s));
	if (!clean)
		return -ENOMEM;
	err = strcmp(clean, s) ? -EINVAL : 0;
	free(clean);
	return err;
}

/* Behind the operator that a C++ name has here, "operator<=" or so; s itself where there is none. */
static const char *skip_operator(const char *start, const char *s)
{
	static const char op[] = "operator";
	const size_t op_len = sizeof(op) - 1;

	if (strncmp(s, op, op_len) || (s != start && (isalnum(s[-1]) || s[-1] == '_')))
		return s;
	s += op_len;
	return s + strspn(s, "=<>!+-*/%^&|~?");
}

/*
 * Is there a '=' that no C++ or Rust name has? In names it stands in operators ("operator==") and
 * within brackets ("dyn Iterator<Item = u8>").
 */
static bool has_loose_equals(const char *s)
{
	const char *start = s, *next;
	int depth = 0;

	while (*s) {
		next = skip_operator(start, s);
		if (next != s) {
			s = next;
			continue;
		}
		if (strchr("(<[{", *s))
			depth++;
		else if (strchr(")>]}", *s) && depth)
			depth--;
		else if (*s == '=' && !depth)
			return true;
		s++;
	}
	return false;
}

/* Does a bracket close here that was opened before? */
bool spec__closes_bracket(const char *s, const char *end)
{
	const char *start = s, *next;
	int depth = 0;

	while (s < end) {
		next = skip_operator(start, s);
		if (next != s) {
			s = next;
			continue;
		}
		if (strchr("(<[{", *s))
			depth++;
		else if (strchr(")>]}", *s) && --depth < 0)
			return true;
		s++;
	}
	return false;
}

/* Sets *label (NULL: none) and *rest to what follows it. */
static int split_label(const struct complaint *c, char **label, const char **rest)
{
	const char *text = c->text, *start = text, *end, *after;

	*label = NULL;
	*rest = text;
	if (*text == '"') {
		start = text + 1;
		end = strchr(start, '"');
		if (!end || end[1] != '=')
			return spec__complain(c, NULL, "a label that begins with '\"' ends with '\"='; "
					"expected \"LABEL\"=BINARY:SYMBOL");
		after = end + 2;
	} else {
		end = text + strcspn(text, "=:");
		if (*end != '=')
			return 0;
		if (*text == '/' || !strncmp(text, "./", 2) || !strncmp(text, "../", 3))
			return spec__complain(c, EXPECT_FUNCTION,
					"is '%.*s' a label or the beginning of a path? Write a label "
					"in front, or put this one in double quotes",
					(int)(end - text), text);
		after = end + 1;
	}
	if (end == start)
		return spec__complain(c, EXPECT_FUNCTION, "the label before '=' is empty");
	*label = strndup(start, end - start);
	*rest = after;
	return *label ? 0 : -ENOMEM;
}

/* Takes what lies before the next ':', which is there, and moves *s behind it. */
static char *take_part(const char **s)
{
	const char *colon = strchr(*s, ':');
	char *part = strndup(*s, colon - *s);

	*s = colon + 1;
	return part;
}

static int parse_function(const struct complaint *c, const char *s, struct checkpoint_spec *spec)
{
	const char *colon = strchr(s, ':');

	if (!colon)
		return spec__complain(c, EXPECT_FUNCTION,
				"there is no ':' between a binary and a symbol");
	if (colon[1] == ':')
		return spec__complain(c, EXPECT_FUNCTION,
				"'%.*s::' belongs to a symbol, the binary before it is missing",
				(int)(colon - s), s);
	if (!colon[1])
		return spec__complain(c, EXPECT_FUNCTION, "the symbol after '%s' is empty", s);
	if (has_loose_equals(colon + 1))
		return spec__complain(c, NULL, "no symbol holds '=' like this. A label that holds ':' is "
				"put in double quotes: \"LABEL\"=BINARY:SYMBOL");
	spec->type = SPEC_FUNCTION;
	spec->binary = take_part(&s);
	spec->symbol = strdup(s);
	return spec->binary && spec->symbol ? 0 : -ENOMEM;
}

static int parse_usdt(const struct complaint *c, const char *s, struct checkpoint_spec *spec)
{
	const char *provider = strchr(s, ':');
	const char *name = provider ? strchr(provider + 1, ':') : NULL;

	if (!name)
		return spec__complain(c, EXPECT_USDT,
				"a USDT probe needs a binary, a provider and a name");
	if (name == provider + 1)
		return spec__complain(c, EXPECT_USDT, "the provider is empty");
	if (!name[1])
		return spec__complain(c, EXPECT_USDT, "the name of the probe is empty");
	if (strpbrk(name + 1, ":="))
		return spec__complain(c, EXPECT_USDT,
				"the name of a USDT probe holds no ':' and no '='");
	spec->type = SPEC_USDT;
	spec->binary = take_part(&s);
	spec->provider = take_part(&s);
	spec->symbol = strdup(s);
	return spec->binary && spec->provider && spec->symbol ? 0 : -ENOMEM;
}

static int parse_address(const struct complaint *c, const char *s, struct checkpoint_spec *spec)
{
	const char *hex = strchr(s, ':');
	size_t digits;

	if (!hex)
		return spec__complain(c, EXPECT_ADDRESS, "an address needs a binary and a number");
	hex++;
	if (strncmp(hex, "0x", 2))
		return spec__complain(c, EXPECT_ADDRESS, "the address does not begin with 0x");
	digits = strspn(hex + 2, "0123456789abcdefABCDEF");
	if (!digits || hex[2 + digits])
		return spec__complain(c, EXPECT_ADDRESS, "'%s' is not a hexadecimal number", hex);
	if (digits > 16 + strspn(hex + 2, "0"))
		return spec__complain(c, EXPECT_ADDRESS, "'%s' does not fit in 64 bits", hex);
	spec->type = SPEC_ADDRESS;
	spec->addr = strtoull(hex, NULL, 16);
	spec->binary = take_part(&s);
	return spec->binary ? 0 : -ENOMEM;
}

/* Else it is a module. */
static bool is_file_tail(const char *s)
{
	size_t len = strlen(s);

	return strchr(s, '/') || *s == '<' || !strcmp(s, "*") ||
	       (len >= 3 && !strcmp(s + len - 3, ".py"));
}

static int parse_python(const struct complaint *c, const char *s, struct checkpoint_spec *spec)
{
	const char *colon = strchr(s, ':');

	if (!colon)
		return spec__complain(c, EXPECT_PYTHON,
				      "a Python function needs a file or a module, and a qualified name");
	if (colon == s)
		return spec__complain(c, EXPECT_PYTHON,
				      "the file or module is empty ('*' means any)");
	if (!colon[1])
		return spec__complain(c, EXPECT_PYTHON,
				      "the qualified name is empty ('*' means any)");
	if (strpbrk(colon + 1, ":= "))
		return spec__complain(c, EXPECT_PYTHON,
				      "a qualified name holds no ':', '=' or blank");
	spec->type = SPEC_PYTHON;
	spec->binary = take_part(&s);
	spec->symbol = strdup(s);
	if (!spec->binary || !spec->symbol)
		return -ENOMEM;
	spec->module = !is_file_tail(spec->binary);
	if (spec->module && (spec->binary[0] == '.' || strstr(spec->binary, "..") ||
			     spec->binary[strlen(spec->binary) - 1] == '.'))
		return spec__complain(c, EXPECT_PYTHON,
				      "'%s' is neither a module nor the end of a path", spec->binary);
	return 0;
}

/* The symbol as written; "PROVIDER:NAME", "BINARY:0x..." for the two others. */
static const char *default_label(const struct checkpoint_spec *spec)
{
	const char *target = spec->target;

	if (spec->type == SPEC_ADDRESS)
		return target + strlen("addr:");
	if (spec->type == SPEC_USDT)
		target += strlen("usdt:");
	if (spec->type == SPEC_PYTHON)
		target += strlen("py:");
	return target + strlen(spec->binary) + 1;
}

static int set_default_label(const struct complaint *c, struct checkpoint_spec *spec)
{
	const char *label = default_label(spec);
	int err = spec__set_label(spec, label, label);

	return err == -EINVAL ? spec__complain(c, NULL, "the symbol is not " ONE_LINE) : err;
}

static int parse_place(const struct complaint *c, const char *s, struct checkpoint_spec *spec)
{
	int err = check_line(s);

	if (err == -EINVAL)
		return *s ? spec__complain(c, NULL, "this is not " ONE_LINE)
			  : spec__complain(c, EXPECT_FUNCTION, "there is no binary");
	if (err)
		return err;
	if (!strncmp(s, "usdt:", 5))
		return parse_usdt(c, s + 5, spec);
	if (!strncmp(s, "addr:", 5))
		return parse_address(c, s + 5, spec);
	if (!strncmp(s, "py:", 3))
		return parse_python(c, s + 3, spec);
	return parse_function(c, s, spec);
}

static int parse_target(const struct complaint *c, const char *s, struct checkpoint_spec *spec)
{
	size_t len = spec__target_len(s);
	int err;

	spec->text = strdup(s);
	spec->target = strndup(s, len);
	if (!spec->text || !spec->target)
		return -ENOMEM;
	err = parse_place(c, spec->target, spec);
	if (!err)
		err = set_default_label(c, spec);
	return err ? err : spec__take_conditions(c, s + len, spec);
}

int spec__parse(const char *text, struct checkpoint_spec *out, char *err, size_t err_len)
{
	const struct complaint c = {
		.text = text, .label = "[LABEL=]", .err = err, .err_len = err_len
	};
	char *label = NULL;
	const char *target;
	int ret;

	memset(out, 0, sizeof(*out));
	ret = split_label(&c, &label, &target);
	if (!ret)
		ret = parse_target(&c, target, out);
	if (!ret && label) {
		ret = spec__set_label(out, label, label);
		if (ret == -EINVAL)
			spec__complain(&c, NULL, "the label is not " ONE_LINE);
	}
	free(label);
	if (ret)
		spec__clear(out);
	return ret;
}

int spec__parse_target(const char *text, struct checkpoint_spec *out, char *err, size_t err_len)
{
	const struct complaint c = { .text = text, .label = "", .err = err, .err_len = err_len };
	int ret;

	memset(out, 0, sizeof(*out));
	ret = parse_target(&c, text, out);
	if (ret)
		spec__clear(out);
	return ret;
}

static int set_text(char **field, const char *s, const char *prefix, const char *suffix)
{
	char *made = NULL;
	int err;

	if (s) {
		err = check_line(s);
		if (err)
			return err;
		if (asprintf(&made, "%s%s%s", prefix, s, suffix) < 0)
			return -ENOMEM;
	}
	free(*field);
	*field = made;
	return 0;
}

int spec__set_label(struct checkpoint_spec *spec, const char *zh, const char *en)
{
	int err;

	if (spec->type != SPEC_FUNCTION && spec->type != SPEC_PYTHON)
		return spec__set_ends(spec, (const char *[]){ zh, en }, (const char *[2]){ NULL });
	err = set_text(&spec->entry[LANG_ZH], zh, "", "之前");
	if (!err)
		err = set_text(&spec->leave[LANG_ZH], zh, "", "之后");
	if (!err)
		err = set_text(&spec->entry[LANG_EN], en, "before ", "");
	if (!err)
		err = set_text(&spec->leave[LANG_EN], en, "after ", "");
	return err;
}

int spec__set_ends(struct checkpoint_spec *spec, const char *const entry[2],
	const char *const leave[2])
{
	int err = 0;

	for (int lang = LANG_ZH; lang <= LANG_EN && !err; lang++) {
		err = set_text(&spec->entry[lang], entry[lang], "", "");
		if (!err)
			err = set_text(&spec->leave[lang], leave[lang], "", "");
	}
	return err;
}

void spec__clear(struct checkpoint_spec *spec)
{
	if (!spec)
		return;
	free(spec->text);
	free(spec->target);
	free(spec->binary);
	free(spec->symbol);
	free(spec->provider);
	free(spec->when.inside);
	free(spec->when.caller);
	for (int lang = LANG_ZH; lang <= LANG_EN; lang++) {
		free(spec->entry[lang]);
		free(spec->leave[lang]);
	}
	memset(spec, 0, sizeof(*spec));
}
