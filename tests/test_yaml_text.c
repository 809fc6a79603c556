/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "yaml_text.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A list of entries with a name and perhaps a number. */
struct entry {
	char *name;
	unsigned int n;
};

struct doc {
	struct entry *entries;
	unsigned int entries_count;
};

static const cyaml_schema_field_t entry_fields[] = {
	CYAML_FIELD_STRING_PTR("name", CYAML_FLAG_POINTER, struct entry, name, 1, CYAML_UNLIMITED),
	CYAML_FIELD_UINT("n", CYAML_FLAG_OPTIONAL, struct entry, n),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t entry_schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct entry, entry_fields),
};
static const cyaml_schema_field_t doc_fields[] = {
	CYAML_FIELD_SEQUENCE("entries", CYAML_FLAG_POINTER, struct doc, entries, &entry_schema, 0,
			     CYAML_UNLIMITED),
	CYAML_FIELD_END
};
static const cyaml_schema_value_t schema = {
	CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct doc, doc_fields),
};

static struct yaml_text text_of(const char *s)
{
	return (struct yaml_text){ .name = "f.yaml", .data = s, .len = strlen(s) };
}

static void assert_refused(const char *s, const char *where, const char *words)
{
	struct yaml_text text = text_of(s);
	char err[512] = "";
	void *out = &text;

	cr_assert_eq(yaml_text__load(&text, &schema, &out, err, sizeof(err)), -EINVAL, "%s", s);
	cr_assert_null(out);
	cr_assert_eq(strncmp(err, where, strlen(where)), 0, "%s: %s", s, err);
	cr_assert(strstr(err, words), "%s: %s", s, err);
}

Test(yaml_text, a_file_of_the_schema_is_read)
{
	struct yaml_text text = text_of("# remark\nentries:\n  - name: one\n    n: 5\n  - name: 'two: x'\n");
	char err[512] = "";
	struct doc *doc;
	void *out;

	cr_assert_eq(yaml_text__load(&text, &schema, &out, err, sizeof(err)), 0, "%s", err);
	doc = out;
	cr_assert_eq(doc->entries_count, 2);
	cr_assert_str_eq(doc->entries[0].name, "one");
	cr_assert_eq(doc->entries[0].n, 5);
	cr_assert_str_eq(doc->entries[1].name, "two: x");
	cr_assert_eq(doc->entries[1].n, 0);
	yaml_text__free(&schema, doc);
	yaml_text__free(&schema, NULL);
}

Test(yaml_text, a_long_list_is_read)
{
	static char big[1 << 18];
	struct yaml_text text;
	char err[512] = "";
	size_t at = (size_t)snprintf(big, sizeof(big), "entries:\n");
	struct doc *doc;
	void *out;

	for (int i = 0; i < 5000; i++)
		at += (size_t)snprintf(big + at, sizeof(big) - at, "  - name: name%d\n    n: %d\n", i, i);
	text = text_of(big);
	cr_assert_eq(yaml_text__load(&text, &schema, &out, err, sizeof(err)), 0, "%s", err);
	doc = out;
	cr_assert_eq(doc->entries_count, 5000);
	cr_assert_str_eq(doc->entries[4999].name, "name4999");
	cr_assert_eq(doc->entries[4999].n, 4999);
	yaml_text__free(&schema, doc);
}

Test(yaml_text, an_error_is_told_with_its_line)
{
	assert_refused("", "f.yaml:1: ", "empty");
	assert_refused("# only a remark\n", "f.yaml:1: ", "empty");
	assert_refused("entries:\n  - name: a\n  - nome: b\n", "f.yaml:3: ", "nome");
	assert_refused("entries:\n  - name: a\n    n: many\n", "f.yaml:3: ", "many");
	assert_refused("entries:\n  - name: a\n  - n: 3\n", "f.yaml:3: ", "name");
	/* libcyaml 1.4 says what became of the number */
	assert_refused("entries:\n  - name: a\n\n\n    n: -1\n", "f.yaml:5: ", "Invalid UINT");
	assert_refused("entries:\n  - name: 'open\n  - name: b\n", "f.yaml:4: ", "that begins in line 2");
	assert_refused("entries:\n  - name: a\n\tn: 1\n", "f.yaml:3: ", "");
	assert_refused("entries: [\n", "f.yaml:2: ", "");
	assert_refused("entries:\n  - name: \xff\n", "f.yaml:2: ", "");
	assert_refused("entries:\n  - &x\n    name: a\n  - *x\n", "f.yaml:4: ", "aliases are not allowed");
	assert_refused("- a\n", "f.yaml:1: ", "");
}

Test(yaml_text, the_line_of_a_key_is_found_for_those_who_check_it_later)
{
	struct yaml_text text = text_of(
		"other:\n"		 /* 1 */
		"  - name: x\n"		 /* 2 */
		"entries:\n"		 /* 3 */
		"  - name: entries\n"	 /* 4 */
		"    n: 1\n"		 /* 5 */
		"  - n: 2\n"		 /* 6 */
		"    deep: {name: y}\n"	 /* 7 */
		"    name: [name, n]\n"	 /* 8 */
		"more: 1\n");		 /* 9 */

	cr_assert_eq(yaml_text__line(&text, "entries", 0, "name"), 4);
	cr_assert_eq(yaml_text__line(&text, "entries", 0, "n"), 5);
	cr_assert_eq(yaml_text__line(&text, "entries", 1, "n"), 6);
	cr_assert_eq(yaml_text__line(&text, "entries", 1, "name"), 8);
	cr_assert_eq(yaml_text__line(&text, "entries", 1, "none"), 6);
	cr_assert_eq(yaml_text__line(&text, "entries", 1, NULL), 6);
	cr_assert_eq(yaml_text__line(&text, "entries", 2, "name"), 3);
	cr_assert_eq(yaml_text__line(&text, "other", 0, "name"), 2);
	cr_assert_eq(yaml_text__line(&text, "none", 0, "name"), 1);
	text = text_of("entries: [");
	cr_assert_eq(yaml_text__line(&text, "entries", 0, "name"), 1);
}

Test(yaml_text, a_message_is_one_clean_line_that_fits)
{
	struct yaml_text text = text_of("");
	char err[32];

	cr_assert_eq(yaml_text__error(&text, 7, err, sizeof(err), "a %s b", "\033\n\x7f"), -EINVAL);
	cr_assert_str_eq(err, "f.yaml:7: a ??? b");
	yaml_text__error(&text, 7, err, sizeof(err), "%s", "as long as the buffer and then some");
	cr_assert_eq(strlen(err), sizeof(err) - 1);
	err[0] = 'x';
	cr_assert_eq(yaml_text__error(&text, 7, err, 0, "nothing"), -EINVAL);
	cr_assert_eq(err[0], 'x');
}
