/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reading on the wire. Sums are a list of numbers in the order of struct smaps_sums, so that a
 * process with hundreds of mappings stays small:
 *
 *	{"pid":7,...,"sums":[0,4096,...],"groups":[{"kind":"heap","name":"[heap]","n":1,"sums":[...]}]}
 *
 * A list that is shorter than this version's has zeros at its end, a longer one is cut.
 */
#include "fact_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

const struct field fact_reading_fields[] = {
	F(reading.pid, "pid", U32),
	F(reading.start_ns, "start_ns", U64),
	F(reading.time_ns, "time_ns", U64),
	F(reading.number, "number", U32),
	F(reading.failed, "failed", TEXT_OPT),
	F(reading.counted, "counted", BOOL, .optional = true),
	F(reading.steady, "steady", BOOL, .optional = true),
	F(reading.counters.file, "file", U64, .optional = true),
	F(reading.counters.anon, "anon", U64, .optional = true),
	F(reading.counters.shmem, "shmem", U64, .optional = true),
	F(reading.counters.swap, "swap", U64, .optional = true),
	F(reading.still_ns, "still_ns", U64, .optional = true),
	F(reading.mapped, "mapped", BOOL, .optional = true),
	F(reading.partial, "partial", BOOL, .optional = true),
	F(reading.mappings, "mappings", U64, .optional = true),
	F(reading.upto, "upto", U64, .optional = true),
	END,
};

const char *reading_when_name(enum reading_when when)
{
	static const char *const names[READING_WHENS] = {
		[READING_START] = "start",
		[READING_TIMER] = "timer",
		[READING_ASKED] = "asked",
		[READING_END] = "end",
	};

	return names[when];
}

static json_t *encode_sums(const struct smaps_sums *sums)
{
	const uint64_t *v = (const uint64_t *)sums;
	json_t *list = json_array(), *value = NULL;

	for (size_t i = 0; list && i < SMAPS_SUMS; i++) {
		/* so large only if the kernel is broken: what is beyond is not worth an error */
		if (fact_json_u64(v[i] > INT64_MAX ? INT64_MAX : v[i], &value) ||
			json_array_append_new(list, value)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static int encode_group(json_t *list, const struct smaps_group *g, size_t *bytes)
{
	json_t *obj = json_object(), *name = fact_json_text(g->name);

	*bytes += 128 + (name ? json_string_length(name) : 0);
	if (json_object_set_new(obj, "kind", json_string(smaps_kind_name(g->kind))) |
		json_object_set_new(obj, "name", name) |
		json_object_set_new(obj, "n", json_integer((json_int_t)g->mappings)) |
		json_object_set_new(obj, "sums", encode_sums(&g->sums))) {
		json_decref(obj);
		return -ENOMEM;
	}
	return json_array_append_new(list, obj) ? -ENOMEM : 0;
}

int fact_reading__encode(json_t *obj, const struct fact_reading *r, size_t *next)
{
	json_t *list;
	size_t bytes = 0;
	int err = 0;

	if (json_object_set_new(obj, "when", json_string(reading_when_name(r->when))) ||
		json_object_set_new(obj, "sums", encode_sums(&r->sums)))
		return -ENOMEM;
	if (!r->mapped)
		return 0;
	if (json_object_set_new(obj, "mapped_sums", encode_sums(&r->mapped_sums)))
		return -ENOMEM;
	list = json_array();
	if (json_object_set_new(obj, "groups", list))
		return -ENOMEM;
	for (; !err && *next < r->n_groups && bytes < FACT_MAX_LIST; ++*next)
		err = encode_group(list, &r->groups[*next], &bytes);
	return err;
}

static int decode_sums(const json_t *list, struct smaps_sums *sums)
{
	uint64_t *v = (uint64_t *)sums;
	int err = 0;

	if (!list)
		return 0;
	if (!json_is_array(list))
		return -EBADMSG;
	for (size_t i = 0; !err && i < SMAPS_SUMS && i < json_array_size(list); i++)
		err = fact_take_u64(json_array_get(list, i), &v[i]);
	return err;
}

static int decode_group(const json_t *obj, struct smaps_group *g)
{
	const char *kind = json_string_value(json_object_get(obj, "kind"));
	int err;

	if (!kind)
		return -EBADMSG;
	g->kind = smaps_kind_of(kind);
	if (g->kind == SMAPS_KINDS) /* of a newer version */
		g->kind = SMAPS_SPECIAL;
	err = fact_take_text(json_object_get(obj, "name"), &g->name);
	if (!err)
		err = fact_take_u64(json_object_get(obj, "n"), &g->mappings);
	return err ? err : decode_sums(json_object_get(obj, "sums"), &g->sums);
}

static int decode_when(const json_t *obj, enum reading_when *out)
{
	const char *name = json_string_value(json_object_get(obj, "when"));

	if (!name)
		return -EBADMSG;
	*out = READING_TIMER; /* also what a newer version calls otherwise */
	for (unsigned int i = 0; i < READING_WHENS; i++)
		if (!strcmp(name, reading_when_name(i)))
			*out = i;
	return 0;
}

int fact_reading__decode(const json_t *obj, struct fact_reading *r)
{
	const json_t *list = json_object_get(obj, "groups");
	void *groups = NULL;
	int err = decode_when(obj, &r->when);

	if (!err)
		err = decode_sums(json_object_get(obj, "sums"), &r->sums);
	if (!err)
		err = decode_sums(json_object_get(obj, "mapped_sums"), &r->mapped_sums);
	if (!err)
		err = fact_open_list(obj, "groups", sizeof(*r->groups), &r->n_groups, &groups);
	r->groups = groups;
	for (size_t i = 0; !err && i < r->n_groups; i++)
		err = decode_group(json_array_get(list, i), &r->groups[i]);
	return err;
}

void fact_reading__clear(struct fact_reading *r)
{
	for (size_t i = 0; i < r->n_groups; i++)
		free(r->groups[i].name);
	free(r->groups);
}
