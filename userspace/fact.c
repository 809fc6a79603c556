/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fact.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "fact_internal.h"
#include "out.h"

enum {
	MAX_TEXT = 16 << 10,   /* bytes of one string: a command line may be of any length */
};

/* --- the fields that are plain ---------------------------------------------------------------- */

#define CLOCK(member)                                                                              \
	F(member.read_ns, "clock_read_ns", U64, .optional = true),                                 \
	F(member.synced, "clock_synced", BOOL, .optional = true),                                  \
	F(member.estimate_ns, "clock_estimate_ns", U64, .optional = true),                         \
	F(member.most_ns, "clock_most_ns", U64, .optional = true),                                 \
	F(member.tai_s, "clock_tai_s", I64, .optional = true)

static const struct field host_fields[] = {
	F(host.host, "host", TEXT),
	F(host.kernel, "kernel", TEXT),
	F(host.version, "version", TEXT),
	F(host.run_id, "run_id", TEXT_OPT),
	F(host.boot_id, "boot_id", TEXT_OPT),
	F(host.start_ns, "start_ns", U64),
	F(host.realtime_offset_ns, "realtime_offset_ns", I64),
	CLOCK(host.clock),
	F(host.window_ns, "window_ns", U64, .optional = true),
	F(host.step, "step", U64, .optional = true),
	F(host.growth, "growth", BOOL, .optional = true),
	F(host.cpus, "cpus", U32, .optional = true),
	END,
};

static const struct field spec_fields[] = {
	F(spec.id, "id", U32),
	F(spec.text, "text", TEXT),
	F(spec.profile, "profile", TEXT_OPT),
	F(spec.entry[0], "entry_zh", TEXT_OPT),
	F(spec.entry[1], "entry_en", TEXT_OPT),
	F(spec.leave[0], "leave_zh", TEXT_OPT),
	F(spec.leave[1], "leave_en", TEXT_OPT),
	F(spec.extra, "extra", BOOL, .optional = true),
	F(spec.inside, "inside", U32, .optional = true),
	F(spec.caller, "caller", TEXT_OPT),
	F(spec.outermost, "outermost", BOOL, .optional = true),
	F(spec.nth, "nth", U32, .optional = true),
	F(spec.absent, "absent", BOOL, .optional = true),
	F(spec.unmatched, "unmatched", TEXT_OPT),
	END,
};

static const struct field func_fields[] = {
	F(func.id, "id", U32),
	F(func.name, "name", TEXT),
	F(func.file, "file", TEXT),
	F(func.offset, "offset", U64, .optional = true),
	F(func.cost, "cost", TEXT),
	F(func.returns, "returns", TEXT),
	F(func.qualname, "qualname", TEXT_OPT),
	F(func.line, "line", U32, .optional = true),
	END,
};

static const struct field proc_fields[] = {
	F(proc.pid, "pid", U32),
	F(proc.start_ns, "start_ns", U64),
	F(proc.role, "role", TEXT_OPT),
	F(proc.cmdline, "cmdline", TEXT_OPT),
	F(proc.comm, "comm", TEXT_OPT),
	END,
};

static const struct field maps_fields[] = {
	F(maps.pid, "pid", U32),
	F(maps.start_ns, "start_ns", U64),
	END,
};

static const struct field counters_fields[] = {
	F(counters.tree_peak.file, "tree_file", U64, .optional = true),
	F(counters.tree_peak.anon, "tree_anon", U64, .optional = true),
	F(counters.tree_peak.shmem, "tree_shmem", U64, .optional = true),
	F(counters.tree_peak.swap, "tree_swap", U64, .optional = true),
	F(counters.tree_peak_ns, "tree_peak_ns", U64, .optional = true),
	F(counters.cpu_ns, "cpu_ns", U64, .optional = true),
	F(counters.limit.ppm, "limit_ppm", U64, .optional = true),
	F(counters.limit.over_ns, "over_ns", U64, .optional = true),
	F(counters.limit.over_ppm, "over_ppm", U64, .optional = true),
	F(counters.limit.off_ns, "off_ns", U64, .optional = true),
	END,
};

static const struct field end_fields[] = {
	F(end.time_ns, "time_ns", U64),
	F(end.reason, "reason", TEXT),
	F(end.realtime_offset_ns, "realtime_offset_ns", I64, .optional = true),
	CLOCK(end.clock),
	END,
};

static const struct field python_fields[] = {
	F(python.pid, "pid", U32),
	F(python.watched, "watched", BOOL, .optional = true),
	END,
};

static const struct field *fields_of(enum record_kind kind)
{
	switch (kind) {
	case REC_HOST:
		return host_fields;
	case REC_SPEC:
		return spec_fields;
	case REC_FUNC:
		return func_fields;
	case REC_PROC:
		return proc_fields;
	case REC_MAPS:
		return maps_fields;
	case REC_COUNTERS:
		return counters_fields;
	case REC_END:
		return end_fields;
	case REC_PYTHON:
		return python_fields;
	case REC_READING:
		return fact_reading_fields;
	case REC_EVENT:
	case REC_RELEASE:
		break;
	}
	return NULL;
}

/* --- encoding --------------------------------------------------------------------------------- */

/* The longest beginning of a string that fits and does not break a character. */
static size_t text_len(const char *s)
{
	size_t len = strnlen(s, MAX_TEXT + 1), cut = MAX_TEXT;

	if (len <= MAX_TEXT)
		return len;
	for (int i = 0; i < 3 && (s[cut] & 0xc0) == 0x80; i++)
		cut--;
	return cut;
}

json_t *fact_json_text(const char *s)
{
	char *clean = out_clean(s ? s : "", s ? text_len(s) : 0);
	json_t *text = clean ? json_string(clean) : NULL;

	free(clean);
	return text;
}

int fact_json_u64(uint64_t v, json_t **out)
{
	if (v > INT64_MAX)
		return -EOVERFLOW;
	*out = json_integer((json_int_t)v);
	return 0;
}

static int encode_field(json_t *obj, const struct fact *fact, const struct field *f)
{
	const void *at = (const char *)fact + f->offset;
	json_t *value = NULL;
	int err = 0;

	switch (f->type) {
	case TEXT_OPT:
		if (!*(char *const *)at)
			return 0;
		/* fall through */
	case TEXT:
		value = fact_json_text(*(char *const *)at);
		break;
	case U32:
		value = json_integer(*(const uint32_t *)at);
		break;
	case U64:
		err = fact_json_u64(*(const uint64_t *)at, &value);
		break;
	case I64:
		value = json_integer(*(const int64_t *)at);
		break;
	case BOOL:
		value = json_boolean(*(const bool *)at);
		break;
	}
	if (!err && json_object_set_new(obj, f->name, value)) /* fails for NULL as well */
		err = -ENOMEM;
	return err;
}

json_t *fact_add_list(json_t *obj, const char *name)
{
	json_t *list = json_array();

	return json_object_set_new(obj, name, list) ? NULL : list;
}

static int encode_specs(json_t *obj, const struct fact_func *func)
{
	json_t *list = fact_add_list(obj, "specs");

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < func->n_specs; i++)
		if (json_array_append_new(list, json_integer(func->specs[i])))
			return -ENOMEM;
	return 0;
}

/* From file *next on, as many as one record should have. */
static int encode_files(json_t *obj, const struct fact_maps *maps, size_t *next)
{
	json_t *list = fact_add_list(obj, "files"), *text;
	size_t bytes = 0;

	if (!list)
		return -ENOMEM;
	for (; *next < maps->n_files && bytes < FACT_MAX_LIST; ++*next) {
		text = fact_json_text(maps->files[*next]);
		if (json_array_append_new(list, text))
			return -ENOMEM;
		bytes += json_string_length(text) + 3;
	}
	return 0;
}

/* One record, which tells of the lists from *next on. */
static int encode(json_t *obj, const struct fact *fact, size_t *next)
{
	int err = 0;

	for (const struct field *f = fields_of(fact->kind); f->name && !err; f++)
		err = encode_field(obj, fact, f);
	if (err)
		return err;
	switch (fact->kind) {
	case REC_FUNC:
		return encode_specs(obj, &fact->func);
	case REC_MAPS:
		return encode_files(obj, &fact->maps, next);
	case REC_COUNTERS:
		return fact_counters__encode(obj, &fact->counters, next);
	case REC_READING:
		return fact_reading__encode(obj, &fact->reading, next);
	default:
		return 0;
	}
}

static int emit_one(const struct fact *fact, size_t *next, record_fn *emit, void *ctx)
{
	json_t *obj = json_object();
	char *text = NULL;
	struct record rec;
	int err = obj ? encode(obj, fact, next) : -ENOMEM;

	if (err)
		goto out;
	text = json_dumps(obj, JSON_COMPACT);
	if (!text) {
		err = -ENOMEM;
		goto out;
	}
	rec = (struct record){ .kind = fact->kind, .len = (uint32_t)strlen(text), .data = text };
	err = emit(ctx, &rec);
out:
	free(text);
	json_decref(obj);
	return err;
}

int fact__emit(const struct fact *fact, record_fn *emit, void *ctx)
{
	size_t next = 0, n = 0;
	int err;

	if (!fields_of(fact->kind))
		return -EINVAL;
	if (fact->kind == REC_MAPS)
		n = fact->maps.n_files;
	else if (fact->kind == REC_COUNTERS)
		n = fact->counters.n_hits;
	else if (fact->kind == REC_READING)
		n = fact->reading.n_groups;
	do
		err = emit_one(fact, &next, emit, ctx);
	while (!err && next < n);
	return err;
}

/* --- decoding --------------------------------------------------------------------------------- */

int fact_take_text(const json_t *value, char **out)
{
	if (!json_is_string(value))
		return -EBADMSG;
	*out = out_clean(json_string_value(value), json_string_length(value));
	return *out ? 0 : -ENOMEM;
}

int fact_take_u64(const json_t *value, uint64_t *out)
{
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return -EBADMSG;
	*out = (uint64_t)json_integer_value(value);
	return 0;
}

int fact_take_u32(const json_t *value, uint32_t *out)
{
	uint64_t v;
	int err = fact_take_u64(value, &v);

	if (!err && v > UINT32_MAX)
		err = -EBADMSG;
	if (!err)
		*out = (uint32_t)v;
	return err;
}

static int decode_field(const json_t *obj, struct fact *fact, const struct field *f)
{
	const json_t *value = json_object_get(obj, f->name);
	void *at = (char *)fact + f->offset;

	if (!value)
		return f->optional || f->type == TEXT_OPT ? 0 : -EBADMSG;
	switch (f->type) {
	case TEXT:
	case TEXT_OPT:
		return fact_take_text(value, at);
	case U32:
		return fact_take_u32(value, at);
	case U64:
		return fact_take_u64(value, at);
	case I64:
		if (!json_is_integer(value))
			return -EBADMSG;
		*(int64_t *)at = json_integer_value(value);
		return 0;
	case BOOL:
		if (!json_is_boolean(value))
			return -EBADMSG;
		*(bool *)at = json_is_true(value);
		return 0;
	}
	return -EBADMSG;
}

int fact_open_list(const json_t *obj, const char *name, size_t member, size_t *n, void **out)
{
	const json_t *list = json_object_get(obj, name);

	*n = 0;
	if (!list)
		return 0;
	if (!json_is_array(list))
		return -EBADMSG;
	if (!json_array_size(list))
		return 0;
	*out = calloc(json_array_size(list), member);
	if (!*out)
		return -ENOMEM;
	*n = json_array_size(list);
	return 0;
}

static int decode_specs(const json_t *obj, struct fact_func *func)
{
	const json_t *list = json_object_get(obj, "specs");
	void *specs = NULL;
	int err = fact_open_list(obj, "specs", sizeof(*func->specs), &func->n_specs, &specs);

	func->specs = specs;
	for (size_t i = 0; !err && i < func->n_specs; i++)
		err = fact_take_u32(json_array_get(list, i), &func->specs[i]);
	return err;
}

static int decode_files(const json_t *obj, struct fact_maps *maps)
{
	const json_t *list = json_object_get(obj, "files");
	void *files = NULL;
	int err = fact_open_list(obj, "files", sizeof(*maps->files), &maps->n_files, &files);

	maps->files = files;
	for (size_t i = 0; !err && i < maps->n_files; i++)
		err = fact_take_text(json_array_get(list, i), &maps->files[i]);
	return err;
}

static int decode(const json_t *obj, struct fact *fact)
{
	int err = 0;

	for (const struct field *f = fields_of(fact->kind); f->name && !err; f++)
		err = decode_field(obj, fact, f);
	if (err)
		return err;
	switch (fact->kind) {
	case REC_FUNC:
		return decode_specs(obj, &fact->func);
	case REC_MAPS:
		return decode_files(obj, &fact->maps);
	case REC_COUNTERS:
		return fact_counters__decode(obj, &fact->counters);
	case REC_READING:
		return fact_reading__decode(obj, &fact->reading);
	default:
		return 0;
	}
}

int fact__decode(const struct record *rec, struct fact *fact)
{
	json_error_t error;
	json_t *obj;
	int err;

	*fact = (struct fact){ .kind = REC_EVENT };
	if (!fields_of(rec->kind) || !rec->len)
		return -EBADMSG;
	fact->kind = rec->kind;
	obj = json_loadb(rec->data, rec->len, 0, &error);
	if (obj)
		err = json_is_object(obj) ? decode(obj, fact) : -EBADMSG;
	else
		err = json_error_code(&error) == json_error_out_of_memory ? -ENOMEM : -EBADMSG;
	json_decref(obj);
	if (err)
		fact__clear(fact);
	return err;
}

void fact__clear(struct fact *fact)
{
	const struct field *f = fields_of(fact->kind);

	for (; f && f->name; f++)
		if (f->type == TEXT || f->type == TEXT_OPT)
			free(*(char **)((char *)fact + f->offset));
	if (fact->kind == REC_FUNC)
		free(fact->func.specs);
	if (fact->kind == REC_MAPS) {
		for (size_t i = 0; i < fact->maps.n_files; i++)
			free(fact->maps.files[i]);
		free(fact->maps.files);
	}
	if (fact->kind == REC_COUNTERS)
		free(fact->counters.hits);
	if (fact->kind == REC_READING)
		fact_reading__clear(&fact->reading);
	*fact = (struct fact){ .kind = REC_EVENT }; /* which has nothing to free */
}
