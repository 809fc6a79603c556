/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One JSON object a line, for scripts; described by ramtrace-rows.schema.json. Strings are escaped
 * by jansson, once each; the rest is put together here, because building a tree of objects for
 * each row costs more than all the stages before it.
 */
#include "sink_jsonl.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "embed.h"
#include "growth.h"
#include "holdings.h"
#include "labels.h"

#define SCHEMA_VERSION 1

static int jsonl__close(void *ctx)
{
	struct jsonl *j = ctx;

	strcache__free(j->strings);
	free(j);
	return 0;
}

static int jsonl__open(const struct sink_config *config, void **ctx)
{
	struct jsonl *j = calloc(1, sizeof(*j));

	if (!j)
		return -ENOMEM;
	j->out = config->out;
	j->lang = config->lang;
	j->strings = strcache__new(render_json);
	if (!j->strings) {
		free(j);
		return -ENOMEM;
	}
	*ctx = j;
	return 0;
}

/* --- members ---------------------------------------------------------------------------------- */

static void put_change(struct jsonl *j, const char *key, const struct rt_change *c)
{
	put_text(j, key);
	put_i64(j, "{\"anon\":", c->anon);
	put_i64(j, ",\"file\":", c->file);
	put_i64(j, ",\"shmem\":", c->shmem);
	put_i64(j, ",\"swap\":", c->swap);
	put_text(j, "}");
}

static const char *when_name(enum rt_when when)
{
	return when == RT_ENTRY ? "entry" : when == RT_RETURN ? "return" : "point";
}

/* --- lines ------------------------------------------------------------------------------------ */

static int jsonl__runs(void *ctx, const struct fact_host *const *hosts, size_t n)
{
	struct jsonl *j = ctx;

	j->runs = hosts;
	j->n_runs = n;
	return 0;
}

static void put_runs(struct jsonl *j)
{
	if (!j->runs)
		return;
	put_text(j, ",\"runs\":[");
	for (size_t i = 0; i < j->n_runs; i++) {
		const struct fact_host *h = j->runs[i];

		put_u64(j, i ? ",{\"run\":" : "{\"run\":", i + 1);
		put_str(j, ",\"host\":", h->host ? h->host : "");
		put_str(j, ",\"kernel\":", h->kernel ? h->kernel : "");
		put_str(j, ",\"version\":", h->version ? h->version : "");
		put_str(j, ",\"run_id\":", h->run_id);
		put_str(j, ",\"boot_id\":", h->boot_id);
		put_u64(j, ",\"cpus\":", h->cpus);
		put_u64(j, ",\"start_ns\":", h->start_ns);
		put_i64(j, ",\"realtime_offset_ns\":", h->realtime_offset_ns);
		jsonl_put_clock(j, &h->clock);
		put_text(j, "}");
	}
	put_text(j, "]");
}

static int jsonl__header(void *ctx, const struct fact_host *host, const struct spec_stat *specs,
	size_t n_specs)
{
	struct jsonl *j = ctx;

	put_u64(j, "{\"type\":\"header\",\"schema\":", SCHEMA_VERSION);
	put_str(j, ",\"host\":", host->host ? host->host : "");
	put_str(j, ",\"kernel\":", host->kernel ? host->kernel : "");
	put_str(j, ",\"version\":", host->version ? host->version : "");
	put_str(j, ",\"run_id\":", host->run_id);
	put_str(j, ",\"boot_id\":", host->boot_id);
	put_u64(j, ",\"cpus\":", host->cpus);
	put_str(j, ",\"lang\":", j->lang == LANG_ZH ? "zh" : "en");
	put_u64(j, ",\"start_ns\":", host->start_ns);
	put_i64(j, ",\"realtime_offset_ns\":", host->realtime_offset_ns);
	jsonl_put_clock(j, &host->clock);
	put_u64(j, ",\"window_ns\":", host->window_ns);
	put_u64(j, ",\"step\":", host->step);
	put_text(j, ",\"specs\":[");
	for (size_t i = 0; i < n_specs; i++) {
		const struct fact_spec *s = specs[i].spec;

		put_u64(j, i ? ",{\"id\":" : "{\"id\":", s->id);
		put_str(j, ",\"spec\":", s->text ? s->text : "");
		put_str(j, ",\"profile\":", s->profile);
		put_str(j, ",\"entry\":", s->entry[j->lang]);
		put_str(j, ",\"return\":", s->leave[j->lang]);
		put_bool(j, ",\"extra\":", s->extra);
		put_str(j, ",\"unmatched\":", s->unmatched);
		put_text(j, "}");
	}
	put_text(j, "]");
	put_runs(j);
	return end_line(j);
}

/* What is known of the activation. */
static void put_span(struct jsonl *j, const struct row *row)
{
	put_bool(j, ",\"open\":", row->open);
	if (row->has_changes) {
		put_change(j, ",\"grown\":", &row->grown);
		put_change(j, ",\"returned\":", &row->returned);
	} else {
		put_text(j, ",\"grown\":null,\"returned\":null");
	}
	if (row->gc >= 0)
		put_i64(j, ",\"gc\":", row->gc);
	else
		put_null(j, ",\"gc\":");
}

static int jsonl__row(void *ctx, const struct row *row)
{
	struct jsonl *j = ctx;

	put_u64(j, "{\"type\":\"checkpoint\",\"seq\":", row->seq);
	put_u64(j, ",\"time_ns\":", row->time_ns);
	put_u64(j, ",\"late_ns\":", row->late_ns);
	put_u64(j, ",\"pid\":", row->pid);
	put_u64(j, ",\"start_ns\":", row->start_ns);
	put_u64(j, ",\"tid\":", row->tid);
	put_str(j, ",\"role\":", row->role);
	put_str(j, ",\"label\":", row->label);
	put_str(j, ",\"function\":", row->function);
	if (row->spec)
		put_u64(j, ",\"spec\":", row->spec->id);
	else
		put_null(j, ",\"spec\":");
	put_text(j, ",\"when\":\"");
	put_text(j, when_name(row->when));
	put_kinds(j, "\",\"rss\":", &row->rss);
	put_i64(j, ",\"delta\":", row->delta);
	put_i64(j, ",\"total\":", row->total);
	put_bool(j, ",\"exact\":", row->exact);
	put_bool(j, ",\"baseline\":", row->baseline);
	put_bool(j, ",\"extra\":", row->extra);
	put_bool(j, ",\"inherited\":", row->inherited);
	put_bool(j, ",\"unwound\":", row->unwound);
	put_bool(j, ",\"borrowed\":", row->borrowed);
	put_bool(j, ",\"unstable\":", row->unstable);
	put_span(j, row);
	put_run(j, row->proc);
	return end_line(j);
}

static int jsonl__loss(void *ctx, const struct loss *loss)
{
	struct jsonl *j = ctx;

	put_u64(j, "{\"type\":\"loss\",\"time_ns\":", loss->time_ns);
	put_u64(j, ",\"since_ns\":", loss->since_ns);
	put_u64(j, ",\"pid\":", loss->proc->pid);
	put_u64(j, ",\"start_ns\":", loss->proc->start_ns);
	put_str(j, ",\"role\":", loss->proc->role);
	put_u64(j, ",\"count\":", loss->count);
	put_run(j, loss->proc);
	return end_line(j);
}

static void put_exit(struct jsonl *j, const struct proc *p)
{
	if (!p->ended || p->execed) {
		put_null(j, ",\"exit\":");
	} else if (WIFSIGNALED(p->exit_code)) {
		put_u64(j, ",\"exit\":{\"signal\":", (uint64_t)WTERMSIG(p->exit_code));
		put_text(j, "}");
	} else {
		put_u64(j, ",\"exit\":", (uint64_t)WEXITSTATUS(p->exit_code));
	}
	put_str(j, ",\"state\":", !p->ended ? "running" : p->execed ? "exec" : "ended");
}

/* end - start = attributed + foreign + footprint + remainder, of RSS */
static void put_identity(struct jsonl *j, const struct proc *p)
{
	static const struct rt_change none;
	const struct rt_totals *t = &p->totals;
	struct held_ends ends;
	int64_t attributed = rt_change_rss(&t->grown, &t->returned);
	int64_t foreign = rt_change_rss(&t->foreign, &none), footprint = rt_change_rss(&t->footprint, &none);

	held_ends(p->holdings, t, &ends);
	put_u64(j, ",\"identity\":{\"start\":", ends.start);
	put_u64(j, ",\"end\":", ends.end);
	put_bool(j, ",\"start_measured\":", ends.start_measured);
	put_bool(j, ",\"end_measured\":", ends.end_measured);
	put_i64(j, ",\"attributed\":", attributed);
	put_i64(j, ",\"foreign\":", foreign);
	put_i64(j, ",\"footprint\":", footprint);
	put_i64(j, ",\"remainder\":", (int64_t)(ends.end - ends.start - (uint64_t)attributed -
						(uint64_t)foreign - (uint64_t)footprint));
	put_text(j, "}");
}

static void put_memory(struct jsonl *j, const struct proc *p)
{
	const struct rt_totals *t = &p->totals;

	if (p->have_rss) {
		put_snapshot(j, ",\"first\":", &t->first);
		put_snapshot(j, ",\"last\":", &t->last);
		put_kinds(j, ",\"peak\":{\"rss\":", &t->peak);
		put_u64(j, ",\"time_ns\":", t->peak_ns);
		put_u64(j, ",\"kind_peak\":{\"anon\":", t->kind_peak.anon);
		put_u64(j, ",\"file\":", t->kind_peak.file);
		put_u64(j, ",\"shmem\":", t->kind_peak.shmem);
		put_u64(j, ",\"swap\":", t->kind_peak.swap);
		put_text(j, "}}");
	} else {
		put_text(j, ",\"first\":null,\"last\":null,\"peak\":null");
	}
	if (p->have_totals) {
		put_u64(j, ",\"minor_faults\":", p->min_flt);
		put_u64(j, ",\"major_faults\":", p->maj_flt);
		put_change(j, ",\"grown\":", &t->grown);
		put_change(j, ",\"returned\":", &t->returned);
		put_change(j, ",\"foreign\":", &t->foreign);
		put_change(j, ",\"footprint\":", &t->footprint);
		put_identity(j, p);
	} else {
		put_text(j, ",\"minor_faults\":null,\"major_faults\":null,\"grown\":null,"
			"\"returned\":null,\"foreign\":null,\"footprint\":null,\"identity\":null");
	}
}

static int jsonl__process(void *ctx, const struct proc *p)
{
	char comm[RT_COMM_LEN + 1] = "";
	struct jsonl *j = ctx;

	memcpy(comm, p->comm, RT_COMM_LEN);
	put_u64(j, "{\"type\":\"process\",\"pid\":", p->pid);
	put_u64(j, ",\"ppid\":", p->ppid);
	put_u64(j, ",\"start_ns\":", p->start_ns);
	put_u64(j, ",\"born_ns\":", p->born_ns);
	if (p->ended)
		put_u64(j, ",\"end_ns\":", p->end_ns);
	else
		put_null(j, ",\"end_ns\":");
	put_str(j, ",\"role\":", p->role);
	put_str(j, ",\"comm\":", comm);
	put_str(j, ",\"cmdline\":", p->cmdline);
	put_exit(j, p);
	put_bool(j, ",\"oom\":", p->oom);
	put_bool(j, ",\"attached\":", p->attached);
	put_bool(j, ",\"borrowed\":", p->borrowed);
	put_bool(j, ",\"stale\":", p->stale);
	put_u64(j, ",\"rows\":", p->rows);
	if (p->rows)
		put_u64(j, ",\"baseline\":", p->baseline);
	else
		put_null(j, ",\"baseline\":");
	put_u64(j, ",\"lost\":", p->lost);
	put_memory(j, p);
	if (p->holdings)
		jsonl_put_memory(j, p->holdings);
	put_run(j, p);
	return end_line(j);
}

static void put_func(struct jsonl *j, const struct run_costs *costs, const struct func_stat *f,
	bool first)
{
	put_u64(j, first ? "{\"id\":" : ",{\"id\":", f->func->id);
	put_str(j, ",\"name\":", f->func->name ? f->func->name : "");
	put_str(j, ",\"file\":", f->func->file ? f->func->file : "");
	put_u64(j, ",\"offset\":", f->func->offset);
	put_str(j, ",\"cost\":", f->func->cost);
	put_str(j, ",\"returns_by\":", f->func->returns);
	put_u64(j, ",\"entries\":", f->entries);
	put_u64(j, ",\"returns\":", f->returns);
	jsonl_put_took(j, costs, f);
	put_text(j, "}");
}

static void put_label(struct jsonl *j, const struct label_stat *l, bool first)
{
	put_str(j, first ? "{\"label\":" : ",{\"label\":", l->label);
	put_str(j, ",\"profile\":", l->profile);
	put_bool(j, ",\"extra\":", l->extra);
	put_u64(j, ",\"rows\":", l->rows);
	put_text(j, ",\"processes\":");
	for (size_t i = 0; i < l->n_pids; i++)
		put_u64(j, i ? "," : "[", l->pids[i]);
	put_text(j, l->n_pids ? "]" : "[]");
	put_str(j, ",\"state\":", label_state_name(l->state));
	put_str(j, ",\"why\":", l->why);
	put_text(j, "}");
}

static void put_end(struct jsonl *j, const struct fact_end *end)
{
	if (!end) {
		put_null(j, ",\"end\":");
		return;
	}
	put_u64(j, ",\"end\":{\"time_ns\":", end->time_ns);
	put_str(j, ",\"reason\":", end->reason ? end->reason : "");
	if (end->clock.read_ns)
		put_i64(j, ",\"realtime_offset_ns\":", end->realtime_offset_ns);
	else
		put_null(j, ",\"realtime_offset_ns\":");
	jsonl_put_clock(j, &end->clock);
	put_text(j, "}");
}

static int jsonl__summary(void *ctx, const struct run_summary *sum)
{
	struct jsonl *j = ctx;

	put_u64(j, "{\"type\":\"summary\",\"rows\":", sum->rows);
	put_u64(j, ",\"rows_inexact\":", sum->rows_inexact);
	put_u64(j, ",\"rows_unstable\":", sum->rows_unstable);
	put_u64(j, ",\"orphans\":", sum->orphans);
	put_u64(j, ",\"processes\":", sum->processes);
	put_snapshot(j, ",\"tree_end\":", &sum->tree_end);
	if (sum->tree_peak_ns) {
		put_kinds(j, ",\"tree_peak\":{\"rss\":", &sum->tree_peak);
		put_u64(j, ",\"time_ns\":", sum->tree_peak_ns);
		put_text(j, "}");
	} else {
		put_null(j, ",\"tree_peak\":");
	}
	for (unsigned int i = 0; i < RT_LOSS_MAX; i++) {
		put_text(j, i ? ",\"" : ",\"loss\":{\"");
		put_text(j, loss_name(i));
		put_u64(j, "\":", sum->loss[i]);
	}
	put_text(j, "},\"specs\":[");
	for (size_t i = 0; i < sum->n_specs; i++) {
		put_u64(j, i ? ",{\"id\":" : "{\"id\":", sum->specs[i].spec->id);
		put_u64(j, ",\"rows\":", sum->specs[i].rows);
		put_str(j, ",\"unmatched\":", sum->specs[i].spec->unmatched);
		put_text(j, "}");
	}
	put_text(j, "],\"labels\":[");
	for (size_t i = 0; i < sum->n_labels; i++)
		put_label(j, &sum->labels[i], i == 0);
	put_text(j, "],\"functions\":[");
	for (size_t i = 0; i < sum->n_funcs; i++)
		put_func(j, &sum->costs, &sum->funcs[i], i == 0);
	put_text(j, "]");
	jsonl_put_costs(j, sum);
	if (sum->n_readings)
		jsonl_put_readings(j, sum);
	if (sum->clocks)
		jsonl_put_clocks(j, sum->clocks);
	put_end(j, sum->end);
	return end_line(j);
}

static int jsonl__flush(void *ctx)
{
	struct jsonl *j = ctx;

	return out__flush(j->out);
}

const char *sink_jsonl_schema(void)
{
	const struct embedded *schema = embedded_find("ramtrace-rows.schema.json");

	return schema ? schema->data : NULL;
}

const struct sink sink_jsonl = {
	.name = "jsonl",
	.help = "one JSON object a line, for scripts (--json-schema prints its schema)",
	.open = jsonl__open,
	.ops = {
		.runs = jsonl__runs,
		.header = jsonl__header,
		.row = jsonl__row,
		.loss = jsonl__loss,
		.reading = jsonl__reading,
		.process = jsonl__process,
		.summary = jsonl__summary,
		.flush = jsonl__flush,
	},
	.close = jsonl__close,
};
