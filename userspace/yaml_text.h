/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A YAML file read by a schema of libcyaml, with errors that name the line. libcyaml finds
 * unknown keys, wrong types and missing values; where they stand it says only roughly (the line of
 * the value before) or not at all (syntax), so that is looked up with libyaml, which it stands on.
 */
#ifndef YAML_TEXT_H
#define YAML_TEXT_H

#include <cyaml/cyaml.h>
#include <stddef.h>

struct yaml_text {
	const char *name; /* for messages */
	const char *data;
	size_t len;
};

/* 0 and *out, for cyaml_free through yaml_text__free; or -EINVAL, -ENOMEM with "NAME:LINE: ..." in
 * err. Aliases are refused: a small file could stand for a huge one. */
int yaml_text__load(const struct yaml_text *text, const cyaml_schema_value_t *schema, void **out,
	char *err, size_t err_len);
void yaml_text__free(const cyaml_schema_value_t *schema, void *data);

/* The line of `key` in the index-th entry of the top-level list; of the entry, where it has no
 * such key; of the list, where there is no such entry; else 1. */
size_t yaml_text__line(const struct yaml_text *text, const char *list, size_t index,
	const char *key);

/* Prints the message of `fmt` behind "NAME:LINE: ", as one clean line. Always -EINVAL. */
int yaml_text__error(const struct yaml_text *text, size_t line, char *err, size_t err_len,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
