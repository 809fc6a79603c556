/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --summary-json: one JSON document; its schema is ramtrace-summary.schema.json. */
#include "sink.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "account.h"
#include "mapping.h"
#include "proctree.h"
#include "spantree.h"

static json_t *changes(const struct rt_change *grown, const struct rt_change *returned)
{
	struct rt_change net = rt_change_net(grown, returned);

	return json_pack("{s:I, s:I, s:I, s:I, s:{s:I, s:I, s:I, s:I}, s:{s:I, s:I, s:I, s:I}}", "anon",
		(json_int_t)net.anon, "file", (json_int_t)net.file, "shmem", (json_int_t)net.shmem, "swap",
		(json_int_t)net.swap, "grown", "anon", (json_int_t)grown->anon, "file",
		(json_int_t)grown->file, "shmem", (json_int_t)grown->shmem, "swap",
		(json_int_t)grown->swap, "returned", "anon", (json_int_t)returned->anon, "file",
		(json_int_t)returned->file, "shmem", (json_int_t)returned->shmem, "swap",
		(json_int_t)returned->swap);
}

static json_t *text(const char *s)
{
	char *clean = out_clean(s, strlen(s));
	json_t *j = json_string(clean ? clean : "?");

	free(clean);
	return j;
}

static json_t *place(const struct catalog *cat, const struct growth_place *p, bool line)
{
	struct place_name n;

	account_name(cat, p, &n);
	return json_pack("{s:o, s:o, s:I, s:o, s:o}", "name", text(n.name), "file", text(n.file), "line",
		(json_int_t)(line ? p->line : (int64_t)n.line), "self",
		changes(&p->self_grown, &p->self_returned), "inclusive",
		changes(&p->all_grown, &p->all_returned));
}

/* `lines`: of functions, which may not be known; else functions, of which the first is. */
static json_t *places(const struct catalog *cat, const struct growth_place *p, size_t n, bool lines)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < n; i++) {
		if (json_array_append_new(list, place(cat, &p[i], lines))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *mappings(const struct growth_mapping *m, size_t n)
{
	json_t *list = json_array();
	char name[RT_MAP_NAME_LEN + 32];

	for (size_t i = 0; list && i < n; i++) {
		json_t *j = changes(&m[i].grown, &m[i].returned);

		mapping_name(m[i].what, name, sizeof(name));
		if (!j || json_object_set_new(j, "name", text(name)) ||
			json_object_set_new(j, "kind", json_string(mapping_kind(m[i].what))) ||
			json_object_set_new(j, "huge",
				json_boolean(m[i].what && (m[i].what->flags & RT_MAP_HUGE))) ||
			json_array_append_new(list, j)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *threads(const struct growth_thread *t, size_t n)
{
	json_t *list = json_array(), *j;

	for (size_t i = 0; list && i < n; i++) {
		j = changes(&t[i].grown, &t[i].returned);
		if (!j || json_object_set_new(j, "tid", json_integer(t[i].tid)) ||
			json_array_append_new(list, j)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

struct path {
	const struct catalog *cat;
	json_t *frames;
};

static int add_frame(void *ctx, const struct growth_place *frame)
{
	struct path *p = ctx;
	struct place_name n;

	account_name(p->cat, frame, &n);
	return json_array_append_new(p->frames, json_pack("{s:o, s:o, s:I}", "name", text(n.name), "file",
		text(n.file), "line", (json_int_t)(frame->line ? frame->line : (int64_t)n.line)));
}

static json_t *stacks(const struct run_summary *sum, const struct growth_stack *s, size_t n)
{
	json_t *list = json_array(), *j;

	for (size_t i = 0; list && i < n; i++) {
		struct path path = {sum->catalog, json_array()};

		j = changes(&s[i].grown, &s[i].returned);
		if (!j || !path.frames || growth__path(sum->growth, s[i].node, add_frame, &path) ||
			json_object_set_new(j, "frames", path.frames) ||
			json_object_set_new(j, "sampled", json_boolean(s[i].node)) ||
			json_object_set_new(j, "cut", json_boolean(s[i].cut)) ||
			json_array_append_new(list, j)) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *spans(const struct catalog *cat, const struct spantree *tree)
{
	json_t *list = json_array();
	struct place_name name;
	size_t n;
	const struct span_node *nodes = spantree__nodes(tree, &n);

	for (size_t i = 0; list && i < n; i++) {
		account_name(cat, &(struct growth_place){.func = nodes[i].func}, &name);
		if (json_array_append_new(list, json_pack("{s:o, s:o, s:I, s:I, s:I, s:o, s:o}", "name",
				text(name.name), "file", text(name.file), "id", (json_int_t)(i + 1), "parent",
				(json_int_t)nodes[i].parent, "count", (json_int_t)nodes[i].count, "own",
				changes(&nodes[i].own_grown, &nodes[i].own_returned), "inclusive",
				changes(&nodes[i].all_grown, &nodes[i].all_returned)))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *unclear(const struct growth_change *c)
{
	json_t *j = json_object();

	for (int i = 0; j && i < UNCLEAR_COUNT_; i++) {
		if (json_object_set_new(j, growth_unclear_name(i), changes(&c[i].grown, &c[i].returned))) {
			json_decref(j);
			return NULL;
		}
	}
	return j;
}

static json_t *causes(const struct account *a)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I}", "unread_stack", (json_int_t)a->unread,
		"too_many_places", (json_int_t)a->rest, "uncounted", (json_int_t)a->uncounted, "unlike_proc",
		(json_int_t)a->unlike, "dropped", (json_int_t)a->dropped);
}

static json_t *identity(const struct account *a)
{
	return json_pack("{s:I, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:o}", "start", (json_int_t)a->ends.start,
		"end", (json_int_t)a->ends.end, "start_measured", a->ends.start_measured, "end_measured",
		a->ends.end_measured, "attributed", (json_int_t)a->attributed, "foreign",
		(json_int_t)a->foreign, "footprint", (json_int_t)a->footprint, "remainder",
		(json_int_t)a->remainder, "causes", causes(a));
}

static json_t *open_span(const struct catalog *cat, const struct open_span *s)
{
	struct place_name n;

	account_name(cat, &(struct growth_place){.func = s->func}, &n);
	return json_pack("{s:I, s:o, s:o}", "tid", (json_int_t)s->tid, "name", text(n.name), "file", text(n.file));
}

/* Spans that were open, thread by thread, the outermost first. */
static json_t *open_at(const struct catalog *cat, const struct open_spans *open)
{
	json_t *list = json_array();

	for (size_t i = 0; list && i < open->n; i++) {
		if (json_array_append_new(list, open_span(cat, &open->list[i]))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

static json_t *peak_of(const struct rt_snapshot *s, uint64_t time_ns, json_t *open)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "rss", (json_int_t)rt_rss(s), "anon",
		(json_int_t)s->anon, "file", (json_int_t)s->file, "shmem", (json_int_t)s->shmem, "swap",
		(json_int_t)s->swap, "time_ns", (json_int_t)time_ns, "open", open);
}

/* What was open in all programs, each with its pid. */
static json_t *open_in_all(const struct run_summary *sum, const struct growth_program *programs, size_t n)
{
	json_t *list = json_array(), *of_one, *span;
	struct open_spans open;
	size_t k;

	for (size_t i = 0; list && i < n; i++) {
		if (!growth_program__at(&programs[i], sum->tree_peak_ns))
			continue;
		of_one = peaks__of_all(programs[i].peaks, programs[i].spans, sum->tree_peak_ns, &open)
				 ? NULL : open_at(sum->catalog, &open);
		json_array_foreach(of_one, k, span)
			json_object_set_new(span, "pid", json_integer(programs[i].pid));
		if (!of_one || json_array_extend(list, of_one)) {
			json_decref(list);
			list = NULL;
		}
		json_decref(of_one);
		open_spans__clear(&open);
	}
	return list;
}

static json_t *program(const struct run_summary *sum, const struct growth_program *p)
{
	struct growth_sums sums;
	struct account account;
	json_t *j;

	if (growth__sum(sum->growth, p->serial, &sums))
		return NULL;
	account_of(p, &sums, &account);
	j = json_pack("{s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "pid", (json_int_t)p->pid, "start_ns",
		(json_int_t)p->start_ns, "role", text(p->role), "functions",
		places(sum->catalog, sums.funcs, sums.n_funcs, false), "lines",
		places(sum->catalog, sums.lines, sums.n_lines, true), "mappings",
		mappings(sums.mappings, sums.n_mappings), "threads",
		threads(sums.threads, sums.n_threads), "native_functions",
		places(sum->catalog, sums.natives, sums.n_natives, false), "stacks",
		stacks(sum, sums.stacks, sums.n_stacks), "spans",
		spans(sum->catalog, p->spans), "unclear", unclear(sums.unclear),
		"identity", identity(&account), "peak",
		peak_of(&p->totals.peak, p->totals.peak_ns, open_at(sum->catalog, &p->at_peak)));
	growth_sums__clear(&sums);
	return j;
}

static int write_summary(const struct run_summary *sum, struct out *o)
{
	const struct growth_program *programs = NULL;
	json_t *list = json_array(), *doc;
	size_t n = 0;
	int err = 0;
	char *s;

	if (sum->growth)
		programs = growth__programs(sum->growth, &n);
	for (size_t i = 0; i < n && !err; i++)
		err = json_array_append_new(list, program(sum, &programs[i])) ? -ENOMEM : 0;
	doc = json_pack("{s:i, s:o, s:I, s:o, s:o}", "version", 1, "host", text(sum->host->host), "left_out",
		(json_int_t)(sum->growth ? growth__left_out(sum->growth) : 0), "processes", list,
		"tree_peak", sum->tree_peak_ns ? peak_of(&sum->tree_peak, sum->tree_peak_ns,
						       open_in_all(sum, programs, n)) : json_null());
	s = doc && !err ? json_dumps(doc, JSON_COMPACT) : NULL;
	json_decref(doc);
	if (!s)
		return -ENOMEM;
	out__str(o, s);
	out__str(o, "\n");
	free(s);
	return 0;
}

/* Its ctx is the struct out. */
static int summary__open(const struct sink_config *config, void **ctx)
{
	*ctx = config->out;
	return 0;
}

static int summary__summary(void *ctx, const struct run_summary *sum)
{
	return write_summary(sum, ctx);
}

const struct sink sink_summary = {
	.name = "summary-json",
	.help = "write who grew there at the end: functions, lines, and the account of each process "
		"(implies --growth)",
	.arg = "FILE",
	.noun = "summary",
	.growth = true,
	.one_run = true,
	.open = summary__open,
	.ops = {.summary = summary__summary},
};
