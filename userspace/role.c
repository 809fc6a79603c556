/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role.h"

#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "embed.h"
#include "pattern.h"
#include "role_yaml.h"

enum { MAX_ENVIRON = 4, MAX_VARIABLE = 256 };

/* One "must match" of a rule. */
struct condition {
	regex_t re;
	bool set;
};

enum field {
	FIELD_CMDLINE,
	FIELD_COMM,
	FIELD_EXE,
	FIELD_ENVIRON,
	FIELD_COUNT = FIELD_ENVIRON + MAX_ENVIRON,
};

struct rule {
	struct condition conditions[FIELD_COUNT];
	enum role_answer forked;
	bool same_as_parent;
	char *role;
};

struct role_rules {
	struct rule *rules;
	size_t n;
};

/* What \1 to \9 stand for: the groups of all conditions of a rule, counted through. */
struct groups {
	const char *start[PATTERN_GROUPS];
	size_t len[PATTERN_GROUPS];
	size_t n;
};

/* The texts that conditions look at. */
struct texts {
	char cmdline[PATTERN_SUBJECT], comm[PATTERN_SUBJECT], exe[PATTERN_SUBJECT];
	const char *const *environ;
	bool forked, inherited;
};

const cyaml_strval_t role_answers[2] = { { "true", ROLE_TRUE }, { "false", ROLE_FALSE } };

static const cyaml_schema_value_t pattern_schema = {
	CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char, 1, CYAML_UNLIMITED),
};

static const cyaml_schema_field_t rule_fields[] = {
	CYAML_FIELD_STRING_PTR("cmdline", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			       struct role_rule_yaml, cmdline, 1, CYAML_UNLIMITED),
	CYAML_FIELD_STRING_PTR("comm", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			       struct role_rule_yaml, comm, 1, CYAML_UNLIMITED),
	CYAML_FIELD_STRING_PTR("exe", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
			       struct role_rule_yaml, exe, 1, CYAML_UNLIMITED),
	CYAML_FIELD_SEQUENCE_COUNT("environ", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL,
				   struct role_rule_yaml, environ, n_environ, &pattern_schema, 1,
				   MAX_ENVIRON),
	CYAML_FIELD_ENUM("forked", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct role_rule_yaml,
			 forked, role_answers, 2),
	CYAML_FIELD_ENUM("same_as_parent", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT,
			 struct role_rule_yaml, same_as_parent, role_answers, 2),
	CYAML_FIELD_STRING_PTR("role", CYAML_FLAG_POINTER, struct role_rule_yaml, role, 1, 200),
	CYAML_FIELD_END,
};

const cyaml_schema_value_t role_rule_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct role_rule_yaml, rule_fields),
};

struct roles_yaml {
	struct role_rule_yaml *rules;
	unsigned int n_rules;
};

static const cyaml_schema_field_t roles_fields[] = {
	CYAML_FIELD_SEQUENCE_COUNT("rules", CYAML_FLAG_POINTER, struct roles_yaml, rules, n_rules,
				   &role_rule_schema, 1, CYAML_UNLIMITED),
	CYAML_FIELD_END,
};

static const cyaml_schema_value_t roles_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct roles_yaml, roles_fields),
};

/* The reason why a template cannot be filled from so many groups, or NULL. */
static const char *check_template(const char *s, size_t n_groups)
{
	for (; *s; s++) {
		if (*s != '\\')
			continue;
		s++;
		if (*s == '\\')
			continue;
		if (*s < '1' || *s > '9')
			return "after a '\\' comes a digit from 1 to 9 or a second '\\'";
		if ((size_t)(*s - '0') > n_groups)
			return "the expressions have fewer groups than it names";
	}
	return NULL;
}

/* The expression of a condition and the key that it stands under. */
static const char *expression(const struct role_rule_yaml *y, int field, const char **key)
{
	static const char *const keys[] = { "cmdline", "comm", "exe", "environ" };

	*key = keys[field < FIELD_ENVIRON ? field : FIELD_ENVIRON];
	switch (field) {
	case FIELD_CMDLINE:
		return y->cmdline;
	case FIELD_COMM:
		return y->comm;
	case FIELD_EXE:
		return y->exe;
	default:
		field -= FIELD_ENVIRON;
		return (unsigned int)field < y->n_environ ? y->environ[field] : NULL;
	}
}

static int compile_rule(const struct yaml_text *text, const char *list, size_t index,
	const struct role_rule_yaml *y, struct rule *rule, char *err, size_t err_len)
{
	size_t groups = 0, used = 0;
	const char *key, *bad;
	char why[512];
	int ret;

	for (int f = 0; f < FIELD_COUNT; f++) {
		const char *re = expression(y, f, &key);

		if (!re)
			continue;
		ret = pattern__compile(&rule->conditions[f].re, re, why, sizeof(why));
		if (ret == -EINVAL)
			return yaml_text__error(text, yaml_text__line(text, list, index, key), err,
						err_len, "%s: %s", key, why);
		if (ret)
			return ret;
		rule->conditions[f].set = true;
		groups += rule->conditions[f].re.re_nsub;
		used++;
	}
	if (!used)
		return yaml_text__error(text, yaml_text__line(text, list, index, NULL), err, err_len,
					"a rule needs cmdline, comm, exe or environ");
	bad = groups > PATTERN_GROUPS ? "the expressions have more than 9 groups"
				      : check_template(y->role, groups);
	if (bad)
		return yaml_text__error(text, yaml_text__line(text, list, index, "role"), err,
					err_len, "role '%s': %s", y->role, bad);
	rule->forked = y->forked;
	rule->same_as_parent = y->same_as_parent == ROLE_TRUE;
	rule->role = strdup(y->role);
	return rule->role ? 0 : -ENOMEM;
}

int role_rules__compile(const struct yaml_text *text, const char *list,
	const struct role_rule_yaml *rules, size_t n, struct role_rules **out, char *err,
	size_t err_len)
{
	struct role_rules *r = calloc(1, sizeof(*r));
	int ret = 0;

	*out = NULL;
	if (!r)
		return -ENOMEM;
	r->rules = calloc(n ? n : 1, sizeof(*r->rules));
	if (!r->rules)
		ret = -ENOMEM;
	for (size_t i = 0; i < n && !ret; i++) {
		r->n = i + 1; /* so that a half-made one is freed too */
		ret = compile_rule(text, list, i, &rules[i], &r->rules[i], err, err_len);
	}
	if (ret) {
		role_rules__free(r);
		return ret;
	}
	*out = r;
	return 0;
}

int role_rules__load(struct role_rules **out, char *err, size_t err_len)
{
	const struct embedded *file = embedded_find("roles.yaml");
	struct yaml_text text = { .name = "roles.yaml" };
	void *yaml = NULL;
	const struct roles_yaml *roles;
	int ret;

	*out = NULL;
	if (!file) {
		snprintf(err, err_len, "roles.yaml is not part of this build");
		return -ENOENT;
	}
	text.data = file->data;
	text.len = file->end - file->data;
	ret = yaml_text__load(&text, &roles_schema, &yaml, err, err_len);
	if (ret)
		return ret;
	roles = yaml;
	ret = role_rules__compile(&text, "rules", roles->rules, roles->n_rules, out, err, err_len);
	yaml_text__free(&roles_schema, yaml);
	return ret;
}

void role_rules__free(struct role_rules *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->n; i++) {
		for (int f = 0; f < FIELD_COUNT; f++)
			if (r->rules[i].conditions[f].set)
				regfree(&r->rules[i].conditions[f].re);
		free(r->rules[i].role);
	}
	free(r->rules);
	free(r);
}

static bool matches(const struct condition *c, const char *subject, struct groups *g)
{
	regmatch_t m[PATTERN_GROUPS + 1];

	if (regexec(&c->re, subject, PATTERN_GROUPS + 1, m, 0))
		return false;
	for (size_t i = 1; i <= c->re.re_nsub && g->n < PATTERN_GROUPS; i++) {
		g->start[g->n] = m[i].rm_so < 0 ? "" : subject + m[i].rm_so;
		g->len[g->n++] = m[i].rm_so < 0 ? 0 : m[i].rm_eo - m[i].rm_so;
	}
	return true;
}

static bool any_variable_matches(const struct condition *c, const char *const *environ,
	struct groups *g)
{
	for (; environ && *environ; environ++)
		if (strnlen(*environ, MAX_VARIABLE) < MAX_VARIABLE && matches(c, *environ, g))
			return true;
	return false;
}

static bool rule_matches(const struct rule *rule, const struct texts *t, struct groups *g)
{
	const char *const subject[] = { t->cmdline, t->comm, t->exe };

	if (t->inherited && !rule->same_as_parent)
		return false;
	if (rule->forked != ROLE_ANY && (rule->forked == ROLE_TRUE) != t->forked)
		return false;
	g->n = 0;
	for (int f = 0; f < FIELD_COUNT; f++) {
		const struct condition *c = &rule->conditions[f];

		if (!c->set)
			continue;
		if (f < FIELD_ENVIRON ? !matches(c, subject[f], g)
				      : !any_variable_matches(c, t->environ, g))
			return false;
	}
	return true;
}

/* Fills the template; cut so that no UTF-8 character is broken. */
static size_t fill(const char *template, const struct groups *g, char *buf, size_t len)
{
	size_t n = 0;

	for (const char *s = template; *s && n < len; s++) {
		const char *from = s;
		size_t bytes = 1;

		if (*s == '\\') {
			from = ++s;
			if (*s != '\\') {
				from = g->start[*s - '1'];
				bytes = g->len[*s - '1'];
			}
		}
		if (bytes > len - n)
			bytes = len - n;
		memcpy(buf + n, from, bytes);
		n += bytes;
	}
	if (n == len) {
		n--;
		while (n && ((unsigned char)buf[n] & 0xc0) == 0x80)
			n--;
	}
	buf[n] = '\0';
	return n;
}

size_t role_rules__apply(const struct role_rules *r, const struct role_subject *s, char *buf,
	size_t len)
{
	char parent[PATTERN_SUBJECT];
	struct texts t = { .environ = s->environ, .forked = s->forked };
	struct groups g;

	if (!len)
		return 0;
	buf[0] = '\0';
	if (!r)
		return 0;
	pattern_subject(s->cmdline, t.cmdline);
	pattern_subject(s->comm, t.comm);
	pattern_subject(s->exe, t.exe);
	pattern_subject(s->parent_cmdline, parent);
	t.inherited = s->forked && s->parent_cmdline && !strcmp(t.cmdline, parent);
	for (size_t i = 0; i < r->n; i++)
		if (rule_matches(&r->rules[i], &t, &g))
			return fill(r->rules[i].role, &g, buf, len);
	return 0;
}
