/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The form of role rules in a file: what roles.yaml and the profiles have in common. */
#ifndef ROLE_YAML_H
#define ROLE_YAML_H

#include "role.h"
#include "yaml_text.h"

enum role_answer {
	ROLE_ANY = 0, /* the key is absent */
	ROLE_TRUE,
	ROLE_FALSE,
};

struct role_rule_yaml {
	char *cmdline, *comm, *exe;
	char **environ;
	unsigned int n_environ;
	enum role_answer forked, same_as_parent;
	char *role;
};

extern const cyaml_schema_value_t role_rule_schema;
extern const cyaml_strval_t role_answers[2]; /* "true", "false" for keys of type ROLE_ANY... */

/* Compiles rules that `text` holds in its top-level list of that name. 0; -errno with a message. */
int role_rules__compile(const struct yaml_text *text, const char *list,
	const struct role_rule_yaml *rules, size_t n, struct role_rules **out, char *err,
	size_t err_len);

#endif
