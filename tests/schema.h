/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Is a document valid? As much of JSON Schema as the schemas of this tool use. No property is allowed that
 * a schema does not have. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <jansson.h>
#include <stdbool.h>
#include <string.h>

static json_t *schema_root __attribute__((unused));

static inline bool valid(const json_t *schema, const json_t *v);

static inline bool type_is(const char *type, const json_t *v)
{
	return (!strcmp(type, "object") && json_is_object(v)) ||
		(!strcmp(type, "array") && json_is_array(v)) ||
		(!strcmp(type, "string") && json_is_string(v)) ||
		(!strcmp(type, "integer") && json_is_integer(v)) ||
		(!strcmp(type, "number") && json_is_number(v)) ||
		(!strcmp(type, "boolean") && json_is_boolean(v)) ||
		(!strcmp(type, "null") && json_is_null(v));
}

static inline bool valid_type(const json_t *type, const json_t *v)
{
	json_t *one;
	size_t i;

	if (json_is_string(type))
		return type_is(json_string_value(type), v);
	json_array_foreach(type, i, one)
		if (type_is(json_string_value(one), v))
			return true;
	return false;
}

static inline size_t count_valid(const json_t *schemas, const json_t *v)
{
	size_t i, n = 0;
	json_t *one;

	json_array_foreach(schemas, i, one)
		n += valid(one, v);
	return n;
}

static inline bool valid_object(const json_t *schema, const json_t *v)
{
	json_t *props = json_object_get(schema, "properties"), *one;
	const char *key;
	size_t i;

	json_array_foreach(json_object_get(schema, "required"), i, one)
		if (!json_object_get(v, json_string_value(one)))
			return false;
	json_object_foreach((json_t *)v, key, one)
		if (!json_object_get(props, key) || !valid(json_object_get(props, key), one))
			return false;
	return true;
}

static inline bool valid(const json_t *schema, const json_t *v)
{
	json_t *s, *one;
	size_t i;

	if ((s = json_object_get(schema, "$ref")))
		return valid(json_object_get(json_object_get(schema_root, "$defs"),
			json_string_value(s) + strlen("#/$defs/")), v);
	if ((s = json_object_get(schema, "oneOf")))
		return count_valid(s, v) == 1;
	if ((s = json_object_get(schema, "anyOf")))
		return count_valid(s, v) > 0;
	if ((s = json_object_get(schema, "const")))
		return json_equal(s, v);
	if ((s = json_object_get(schema, "enum"))) {
		json_array_foreach(s, i, one)
			if (json_equal(one, v))
				return true;
		return false;
	}
	if (!valid_type(json_object_get(schema, "type"), v))
		return false;
	if ((s = json_object_get(schema, "minimum")) && json_is_integer(v) &&
		json_integer_value(v) < json_integer_value(s))
		return false;
	if ((s = json_object_get(schema, "maximum")) && json_is_integer(v) &&
		json_integer_value(v) > json_integer_value(s))
		return false;
	if (json_is_object(v))
		return valid_object(schema, v);
	json_array_foreach(v, i, one)
		if (!valid(json_object_get(schema, "items"), one))
			return false;
	return true;
}

#endif
