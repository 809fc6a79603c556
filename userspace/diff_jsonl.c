/* SPDX-License-Identifier: GPL-2.0-or-later */
/* One JSON object a line, for scripts; described by ramtrace-diff.schema.json. */
#include "diff.h"

#include <errno.h>

#include "sink_jsonl.h"

#define SCHEMA_VERSION 1

static const char *const types[SEEN_KINDS] = {
	[SEEN_TREE] = "tree",
	[SEEN_PROCESS] = "process",
	[SEEN_LABEL] = "label",
	[SEEN_FUNCTION] = "function",
	[SEEN_NATIVE] = "native_function",
	[SEEN_MAPPING] = "mapping",
};

/* --- members ---------------------------------------------------------------------------------- */

static void put_range(struct jsonl *j, const char *key, const struct diff_range *r)
{
	put_text(j, key);
	put_i64(j, "{\"low\":", r->low);
	put_i64(j, ",\"median\":", r->median);
	put_i64(j, ",\"high\":", r->high);
	put_text(j, "}");
}

static void put_value(struct jsonl *j, const char *name, const struct diff_value *v)
{
	put_text(j, ",\"");
	put_text(j, name);
	put_range(j, "\":{\"a\":", &v->a);
	put_range(j, ",\"b\":", &v->b);
	put_i64(j, ",\"difference\":", v->by);
	put_bool(j, ",\"differs\":", v->differs);
	put_text(j, "}");
}

/* Whose it is. */
static void put_process(struct jsonl *j, const struct diff_process *p)
{
	put_str(j, ",\"process\":", p->name);
	put_u64(j, ",\"number\":", p->nth);
}

static void put_sides(struct jsonl *j, const struct diff_entry *e)
{
	const char only[] = {diff_entry__only(e), '\0'};

	put_str(j, ",\"only\":", *only ? only : NULL);
	put_u64(j, ",\"runs_a\":", e->runs_a);
	put_u64(j, ",\"runs_b\":", e->runs_b);
}

static void put_runs(struct jsonl *j, const struct diff *d, const char *key, size_t from, size_t to)
{
	put_text(j, key);
	for (size_t i = from; i < to; i++) {
		const struct seen_run *r = &d->runs[i];

		put_str(j, i > from ? ",{\"tape\":" : "[{\"tape\":", r->path);
		put_str(j, ",\"host\":", r->host);
		put_str(j, ",\"kernel\":", r->kernel);
		put_str(j, ",\"version\":", r->version);
		put_str(j, ",\"command\":", r->command);
		put_bool(j, ",\"growth\":", r->growth);
		put_i64(j, ",\"lost\":", r->lost);
		put_text(j, "}");
	}
	put_text(j, "]");
}

/* --- lines ------------------------------------------------------------------------------------ */

static void put_head(struct jsonl *j, const struct diff *d)
{
	put_u64(j, "{\"type\":\"diff\",\"schema\":", SCHEMA_VERSION);
	put_str(j, ",\"lang\":", d->lang == LANG_ZH ? "zh" : "en");
	put_u64(j, ",\"min_delta\":", d->min_delta);
	put_runs(j, d, ",\"a\":", 0, d->n_a);
	put_runs(j, d, ",\"b\":", d->n_a, d->n);
	put_text(j, ",\"unlike\":[");
	for (size_t i = 0; i < d->n_facts; i++) {
		put_str(j, i ? ",{\"what\":" : "{\"what\":", d->facts[i].what);
		put_str(j, ",\"a\":", d->facts[i].a);
		put_str(j, ",\"b\":", d->facts[i].b);
		put_text(j, "}");
	}
	put_u64(j, "],\"labels_only_a\":", d->labels_a);
	put_u64(j, ",\"labels_only_b\":", d->labels_b);
	put_bool(j, ",\"growth\":", d->growth);
	end_line(j);
}

static void put_occurrences(struct jsonl *j, const struct diff *d, const struct diff_entry *e)
{
	size_t n = diff_entry__occurrences(d, e);
	struct diff_value values[2];

	for (size_t i = 0; i < n && n > 1; i++) {
		put_text(j, "{\"type\":\"occurrence\"");
		put_process(j, e->process);
		put_str(j, ",\"label\":", e->name);
		put_u64(j, ",\"nth\":", i + 1);
		diff__occurrence(d, e, i, values);
		put_value(j, "delta", &values[0]);
		put_value(j, "total", &values[1]);
		end_line(j);
	}
}

static void put_entry(struct jsonl *j, const struct diff *d, const struct diff_entry *e)
{
	put_text(j, "{\"type\":\"");
	put_text(j, types[e->kind]);
	put_text(j, "\"");
	if (e->process)
		put_process(j, e->process);
	if (e->kind == SEEN_LABEL)
		put_str(j, ",\"label\":", e->name);
	else if (e->kind != SEEN_PROCESS && e->kind != SEEN_TREE)
		put_str(j, ",\"name\":", e->name);
	if (e->kind == SEEN_FUNCTION || e->kind == SEEN_NATIVE)
		put_str(j, ",\"file\":", e->file);
	put_sides(j, e);
	for (unsigned int i = 0; i < diff_values(e->kind); i++)
		put_value(j, diff_value_name(e->kind, i), &e->values[i]);
	end_line(j);
	if (e->kind == SEEN_LABEL)
		put_occurrences(j, d, e);
}

/* --min-delta leaves out what is small, but never that something is on one side only. */
static size_t put_kind(struct jsonl *j, const struct diff *d, enum seen_kind kind)
{
	const struct diff_list *all = &d->entries[kind];
	size_t told = 0;

	for (size_t i = 0; i < all->n; i++) {
		told += diff__tells(d, all->list[i]);
		if (diff__large(d, all->list[i]) || diff_entry__only(all->list[i]))
			put_entry(j, d, all->list[i]);
	}
	return told;
}

int diff_jsonl(const struct diff *d, struct out *o)
{
	struct jsonl j = {.out = o, .lang = d->lang, .strings = strcache__new(render_json)};
	size_t told = 0;

	if (!j.strings)
		return -ENOMEM;
	put_head(&j, d);
	for (int kind = 0; kind < SEEN_KINDS; kind++)
		told += put_kind(&j, d, kind);
	put_u64(&j, "{\"type\":\"summary\",\"differences\":", told);
	end_line(&j);
	strcache__free(j.strings);
	return j.err ? j.err : out__error(o);
}
