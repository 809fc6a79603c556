/* SPDX-License-Identifier: GPL-2.0-or-later */
/* When a spec holds ("inside", "caller", "outermost", "nth"), and what a Python spec means. */
#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"
#include "lang.h"
#include "spec_internal.h"

enum { MAX_NTH = 1000000000 };

/* --- finding them in a text ------------------------------------------------------------------- */

static int take_inside(const struct complaint *c, const char *value, struct checkpoint_spec *spec);
static int take_caller(const struct complaint *c, const char *value, struct checkpoint_spec *spec);
static int take_outermost(const struct complaint *c, const char *value,
	struct checkpoint_spec *spec);
static int take_nth(const struct complaint *c, const char *value, struct checkpoint_spec *spec);

static const struct condition {
	const char *word;
	int (*take)(const struct complaint *c, const char *value, struct checkpoint_spec *spec);
} conditions[] = {
	{ "inside", take_inside },
	{ "caller", take_caller },
	{ "outermost", take_outermost },
	{ "nth", take_nth },
};

#define N_CONDITIONS (sizeof(conditions) / sizeof(*conditions))

/* The condition whose word begins here; NULL: none does. */
static const struct condition *condition_at(const char *s)
{
	size_t len = strcspn(s, " ");

	for (size_t i = 0; i < N_CONDITIONS; i++)
		if (len == strlen(conditions[i].word) && !strncmp(s, conditions[i].word, len))
			return &conditions[i];
	return NULL;
}

/* Is there a condition at this place, given that one ends at `end`? */
static bool begins_condition(const char *text, const char *s, const char *end)
{
	return s > text && s[-1] == ' ' && condition_at(s) && !spec__closes_bracket(s, end);
}

/* The last word of a condition before `end`; NULL: there is none. */
static const char *last_condition(const char *text, const char *end)
{
	for (const char *s = end; s-- > text;)
		if (begins_condition(text, s, end))
			return s;
	return NULL;
}

size_t spec__target_len(const char *text)
{
	const char *end = text + strlen(text), *s;

	while ((s = last_condition(text, end))) {
		end = s;
		while (end > text && end[-1] == ' ')
			end--;
	}
	return end - text;
}

/* The text from s to end without blanks at either side. */
static char *trimmed(const char *s, const char *end)
{
	while (s < end && *s == ' ')
		s++;
	while (end > s && end[-1] == ' ')
		end--;
	return strndup(s, end - s);
}

/* From the last to the first, so that each ends where the one before it was found. */
int spec__take_conditions(const struct complaint *c, const char *text, struct checkpoint_spec *spec)
{
	const char *end = text + strlen(text), *s;
	const struct condition *condition;
	char *value;
	int err = 0;

	while (!err && (s = last_condition(text, end))) {
		condition = condition_at(s);
		value = trimmed(s + strlen(condition->word), end);
		err = value ? condition->take(c, value, spec) : -ENOMEM;
		free(value);
		end = s;
	}
	return err;
}

/* --- each of them ----------------------------------------------------------------------------- */

static int given_twice(const struct complaint *c, const char *word)
{
	return spec__complain(c, NULL, "the condition '%s' is given twice", word);
}

static int take_inside(const struct complaint *c, const char *value, struct checkpoint_spec *spec)
{
	struct checkpoint_spec other;
	char why[512];
	int err;

	if (spec->when.inside)
		return given_twice(c, "inside");
	if (!*value)
		return spec__complain(c, NULL, "nothing follows the condition 'inside'; expected "
				      "inside BINARY:SYMBOL or inside py:FILE-TAIL:QUALNAME");
	err = spec__parse_target(value, &other, why, sizeof(why));
	if (err == -EINVAL)
		return spec__complain(c, NULL, "the condition 'inside': %s", why);
	if (err)
		return err;
	if (other.type != SPEC_FUNCTION && other.type != SPEC_PYTHON)
		err = spec__complain(c, NULL, "the condition 'inside': %s has no end that is seen; "
				     "expected a function", value);
	else if (spec__is_conditional(&other))
		err = spec__complain(c, NULL, "the condition 'inside': %s has conditions of its own; "
				     "expected a target alone", value);
	spec__clear(&other);
	if (err)
		return err;
	spec->when.inside = strdup(value);
	return spec->when.inside ? 0 : -ENOMEM;
}

static int take_caller(const struct complaint *c, const char *value, struct checkpoint_spec *spec)
{
	if (spec->when.caller)
		return given_twice(c, "caller");
	if (!*value || strpbrk(value, " :="))
		return spec__complain(c, NULL, "the condition 'caller' has '%s' behind it; expected "
				      "the qualified name of a Python function", value);
	if (spec->type != SPEC_PYTHON)
		return spec__complain(c, NULL, "the condition 'caller' is for Python functions only: "
				      "of others it is not known who called; 'inside' may serve");
	spec->when.caller = strdup(value);
	return spec->when.caller ? 0 : -ENOMEM;
}

static int take_outermost(const struct complaint *c, const char *value,
	struct checkpoint_spec *spec)
{
	if (spec->when.outermost)
		return given_twice(c, "outermost");
	if (*value)
		return spec__complain(c, NULL, "the condition 'outermost' has '%s' behind it; expected "
				      "nothing", value);
	spec->when.outermost = true;
	return 0;
}

static int take_nth(const struct complaint *c, const char *value, struct checkpoint_spec *spec)
{
	size_t digits = strspn(value, "0123456789");
	unsigned long n = strtoul(value, NULL, 10);

	if (spec->when.nth)
		return given_twice(c, "nth");
	if (!digits || value[digits] || !n || n > MAX_NTH)
		return spec__complain(c, NULL, "the condition 'nth' has '%s' behind it; expected a "
				      "number from 1 to %d", value, MAX_NTH);
	spec->when.nth = (unsigned int)n;
	return 0;
}

int spec__add_condition(struct checkpoint_spec *spec, const char *word, const char *value,
	char *err, size_t err_len)
{
	struct complaint c = { .label = "", .err = err, .err_len = err_len };
	char *text;
	int ret;

	if (asprintf(&text, "%s %s%s%s", spec->text, word, *value ? " " : "", value) < 0)
		return -ENOMEM;
	c.text = text;
	ret = condition_at(word) ? condition_at(word)->take(&c, value, spec) : -EINVAL;
	if (ret) {
		free(text);
		return ret;
	}
	free(spec->text);
	spec->text = text;
	return 0;
}

/* --- what follows from them ------------------------------------------------------------------- */

bool spec__is_conditional(const struct checkpoint_spec *spec)
{
	const struct spec_condition *when = &spec->when;

	return when->inside || when->caller || when->outermost || when->nth;
}

static bool has_label(char *const label[2])
{
	return label[LANG_ZH] || label[LANG_EN];
}

/* One without labels is there to be inside of. */
bool spec__wants_return(const struct checkpoint_spec *spec)
{
	if ((spec->type != SPEC_FUNCTION && spec->type != SPEC_PYTHON) || spec->sign)
		return false;
	return has_label(spec->leave) || spec->when.outermost || !has_label(spec->entry);
}

unsigned int spec__inside_id(const struct checkpoint_spec *const *specs, size_t n,
	const struct checkpoint_spec *spec)
{
	if (!spec->when.inside)
		return 0;
	for (size_t i = 0; i < n; i++)
		if (!spec__is_conditional(specs[i]) && spec__wants_return(specs[i]) &&
		    !strcmp(specs[i]->target, spec->when.inside))
			return (unsigned int)i + 1;
	return 0;
}

/* --- Python functions ------------------------------------------------------------------------- */

static bool matches_tail(const char *glob, const char *path)
{
	if (*glob == '/')
		return !fnmatch(glob, path, 0);
	while (fnmatch(glob, path, 0)) {
		path = strchr(path, '/');
		if (!path)
			return false;
		path++;
	}
	return true;
}

/* "a.b" is in "a/b.py" or "a/b/__init__.py". */
static bool matches_module(const char *module, const char *path)
{
	static const char *const ends[] = { ".py", "/__init__.py" };
	bool matches = false;
	char *glob;

	for (size_t i = 0; i < 2 && !matches; i++) {
		if (asprintf(&glob, "%s%s", module, ends[i]) < 0)
			return false;
		for (size_t k = 0; module[k]; k++)
			if (glob[k] == '.')
				glob[k] = '/';
		matches = *glob != '/' && matches_tail(glob, path);
		free(glob);
	}
	return matches;
}

bool spec__means_python(const struct checkpoint_spec *spec, const char *file, const char *module,
	const char *qualname)
{
	if (spec->type != SPEC_PYTHON || fnmatch(spec->symbol, qualname, 0))
		return false;
	if (!spec->module)
		return matches_tail(spec->binary, file);
	return (module && !fnmatch(spec->binary, module, 0)) || matches_module(spec->binary, file);
}
