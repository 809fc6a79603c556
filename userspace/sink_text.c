/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The log for people. A row is one line; the first of a program has its baseline before it:
 *
 *	INFO: [   12.345s] (Worker_TP0 pid=4188) 内存跟踪基线: 512.00 M rss 512.00 = anon ...
 *	INFO: [   12.345s] (Worker_TP0 pid=4188) LABEL 占用 +0.00 M RAM内存 (累计: 0.00 M) rss ...
 */
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include "report.h"
#include "strcache.h"

#define LATE_WORTH_SAYING_NS 1000000

struct text {
	struct out *out;
	enum lang lang;
	uint64_t start_ns;
	struct strcache *labels;
	struct report *report;
	bool quiet;
};

static int text__close(void *ctx)
{
	struct text *t = ctx;

	strcache__free(t->labels);
	report__free(t->report);
	free(t);
	return 0;
}

static int text__open(const struct sink_config *config, void **ctx)
{
	struct text *t = calloc(1, sizeof(*t));

	if (!t)
		return -ENOMEM;
	t->out = config->out;
	t->lang = config->lang;
	t->quiet = config->quiet;
	t->labels = strcache__new(render_line);
	t->report = report__new(config->lang);
	if (!t->labels || !t->report) {
		text__close(t);
		return -ENOMEM;
	}
	*ctx = t;
	return 0;
}

static int text__header(void *ctx, const struct fact_host *host, const struct spec_stat *specs,
	size_t n_specs)
{
	struct text *t = ctx;

	t->start_ns = host->start_ns;
	return 0;
}

static void say(struct text *t, enum lang_text id)
{
	out__str(t->out, lang_text(t->lang, id));
}

/* Seconds since the start as "%9.3f" prints them, rounded to the nearest. By hand: half of the
 * cost of a line would be printf's. */
static void put_time(struct text *t, uint64_t time_ns)
{
	int before = time_ns < t->start_ns;
	uint64_t ns = before ? t->start_ns - time_ns : time_ns - t->start_ns;
	uint64_t ms = ns / 1000000 + (ns % 1000000 >= 500000);
	uint64_t sec = ms / 1000;
	char buf[32];
	int at = sizeof(buf);

	for (int i = 0; i < 3; i++, ms /= 10)
		buf[--at] = (char)('0' + ms % 10);
	buf[--at] = '.';
	do
		buf[--at] = (char)('0' + sec % 10);
	while (sec /= 10);
	if (before)
		buf[--at] = '-';
	while ((int)sizeof(buf) - at < 9)
		buf[--at] = ' ';
	out__bytes(t->out, buf + at, sizeof(buf) - (size_t)at);
}

/* "[   12.345s] (Worker_TP0 pid=4188) ", of several runs "(hostb Worker_TP0 pid=4188) ". */
static void put_who(struct text *t, uint64_t time_ns, const struct proc *p)
{
	struct out *o = t->out;

	out__str(o, "[");
	put_time(t, time_ns);
	out__str(o, "s] (");
	if (p->host && p->host[0]) {
		out__str(o, p->host); /* clean, as the role is: see fact.h */
		out__str(o, " ");
	}
	if (p->role[0]) {
		out__str(o, p->role); /* clean: see proctree.h */
		out__str(o, " ");
	}
	out__str(o, "pid=");
	out__u64(o, p->pid);
	out__str(o, ") ");
}

static void put_rss(struct text *t, const struct rt_snapshot *s)
{
	struct out *o = t->out;

	out__str(o, " rss ");
	out__mib(o, (int64_t)rt_rss(s), 0);
	out__str(o, " = anon ");
	out__mib(o, (int64_t)s->anon, 0);
	out__str(o, " + file ");
	out__mib(o, (int64_t)s->file, 0);
	out__str(o, " + shmem ");
	out__mib(o, (int64_t)s->shmem, 0);
	if (s->swap) {
		out__str(o, " swap ");
		out__mib(o, (int64_t)s->swap, 0);
	}
}

static void put_mark(struct text *t, enum lang_text id)
{
	out__str(t->out, " [");
	say(t, id);
	out__str(t->out, "]");
}

static void put_marks(struct text *t, const struct row *row)
{
	if (!row->exact)
		put_mark(t, TEXT_INEXACT);
	if (row->late_ns > LATE_WORTH_SAYING_NS) {
		out__str(t->out, " [");
		say(t, TEXT_LATE);
		out__fmt(t->out, " %.1fms]", (double)row->late_ns / 1e6);
	}
	if (row->unwound)
		put_mark(t, TEXT_UNWOUND);
	if (row->inherited)
		put_mark(t, TEXT_INHERITED);
	if (row->open)
		put_mark(t, TEXT_OPEN);
	if (row->borrowed)
		put_mark(t, TEXT_VFORK);
}

static void put_baseline(struct text *t, const struct row *row)
{
	out__str(t->out, "INFO: ");
	put_who(t, row->time_ns, row->proc);
	say(t, TEXT_BASELINE);
	out__str(t->out, ": ");
	out__mib(t->out, (int64_t)rt_rss(&row->rss), 0);
	out__str(t->out, " M");
	put_rss(t, &row->rss);
	out__str(t->out, "\n");
}

static int text__row(void *ctx, const struct row *row)
{
	struct text *t = ctx;
	struct out *o = t->out;
	int err;

	if (row->baseline)
		put_baseline(t, row);
	out__str(o, "INFO: ");
	put_who(t, row->time_ns, row->proc);
	err = strcache__print(t->labels, o, row->label);
	if (err)
		return err;
	out__str(o, " ");
	say(t, row->delta < 0 ? TEXT_RELEASED : TEXT_USED);
	out__str(o, " ");
	out__mib(o, row->delta, 1);
	out__str(o, " M ");
	say(t, TEXT_RAM);
	out__str(o, " (");
	say(t, TEXT_TOTAL);
	out__str(o, ": ");
	out__mib(o, row->total, 0);
	out__str(o, " M)");
	put_rss(t, &row->rss);
	put_marks(t, row);
	out__str(o, "\n");
	return out__error(o);
}

/* "警告: [   12.345s] (Worker_TP0 pid=4188) 丢失事件: 3, 数值仍然准确 (自 [   11.200s])" */
static int text__loss(void *ctx, const struct loss *loss)
{
	struct text *t = ctx;
	struct out *o = t->out;

	say(t, TEXT_WARNING);
	out__str(o, ": ");
	put_who(t, loss->time_ns, loss->proc);
	say(t, TEXT_EVENTS_LOST);
	out__str(o, ": ");
	out__u64(o, loss->count);
	out__str(o, ", ");
	say(t, TEXT_VALUES_RIGHT);
	if (loss->since_ns) {
		out__str(o, " (");
		say(t, TEXT_SINCE);
		out__str(o, " [");
		put_time(t, loss->since_ns);
		out__str(o, "s])");
	}
	out__str(o, "\n");
	return out__error(o);
}

static int text__process(void *ctx, const struct proc *p)
{
	struct text *t = ctx;

	return report__add(t->report, p);
}

static int text__summary(void *ctx, const struct run_summary *sum)
{
	struct text *t = ctx;
	int err = t->quiet ? 0 : report__print(t->report, sum, t->out);

	return err ? err : out__error(t->out);
}

static int text__flush(void *ctx)
{
	struct text *t = ctx;

	return out__flush(t->out);
}

const struct sink sink_text = {
	.name = "text",
	.help = "for people: time, process, kinds of memory, and a report at the end",
	.open = text__open,
	.ops = {
		.header = text__header,
		.row = text__row,
		.loss = text__loss,
		.process = text__process,
		.summary = text__summary,
		.flush = text__flush,
	},
	.close = text__close,
};
