/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "rows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "growth.h"
#include "holdings.h"
#include "mark.h"
#include "peaks.h"
#include "spans.h"
#include "spantree.h"

static uint64_t add_sat(uint64_t a, uint64_t b)
{
	return a + b < a ? UINT64_MAX : a + b;
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* The one place that counts rows. */
static int emit(struct rows *r, struct proc *p, struct row *row, uint64_t gc)
{
	uint64_t rss = rt_rss(&row->rss);

	row->baseline = !p->rows;
	if (row->baseline)
		p->baseline = p->last_rss = rss;
	row->delta = (int64_t)(rss - p->last_rss);
	row->total = (int64_t)(rss - p->baseline);
	if (!row->baseline && magnitude(row->delta) < r->opt.min_delta)
		return 0;
	row->seq = ++r->seq;
	row->gc = gc && p->last_gc && gc >= p->last_gc ? (int64_t)(gc - p->last_gc) : -1;
	if (gc)
		p->last_gc = gc;
	p->rows++;
	p->last_rss = rss;
	p->last_row_ns = row->time_ns;
	p->last_exact_ns = row->exact && row->time_ns > row->late_ns ? row->time_ns - row->late_ns : 0;
	if (!row->exact)
		r->inexact++;
	if (row->unstable)
		r->unstable++;
	return r->ops->row ? r->ops->row(r->ctx, row) : 0;
}

/* --- which specs an end belongs to ------------------------------------------------------------ */

/* Native functions without conditions, which may be called a million times a second, are not
 * followed. */
static bool is_followed(const struct rows *r, const struct fact_func *func)
{
	const struct catalog_spec *spec;

	if (!catalog__has_conditions(r->cat))
		return false;
	for (size_t i = 0; i < func->n_specs; i++) {
		spec = catalog__spec(r->cat, func->specs[i]);
		if (spec && (spec->conditional || spec->enclosing))
			return true;
	}
	return false;
}

/* "pkg/file.py:Class.method" is called "Class.method". NULL: not known. */
static const char *qualname(const struct rows *r, uint32_t id)
{
	const struct catalog_func *func = id == RT_NO_FUNC ? NULL : catalog__func(r->cat, id);
	const char *colon = func && func->fact->name ? strrchr(func->fact->name, ':') : NULL;

	return colon ? colon + 1 : NULL;
}

static struct span_event span_event(const struct rows *r, const struct proc *p,
	const struct rt_checkpoint *cp, const struct fact_func *func)
{
	struct span_event ev = { .tid = cp->h.tid, .func = func, .lost = p->lost,
		.inherited = cp->flags & RT_F_INHERITED,
		.told = cp->flags & RT_F_TOLD, .time_ns = cp->h.time_ns };

	if (cp->h.len >= RT_ENTRY_LEN) {
		ev.span = cp->span;
		ev.caller = qualname(r, cp->caller);
	}
	return ev;
}

/* The entry of what was open when tracing began, told for the second time? */
static bool is_told_again(const struct rows *r, struct proc *p, const struct rt_checkpoint *cp,
	const struct fact_func *func)
{
	struct span_event ev = span_event(r, p, cp, func);

	return cp->when == RT_ENTRY && (cp->flags & RT_F_ATTACH) && !ev.told &&
	       spans__told(p->spans, &ev, is_followed(r, func));
}

static int find_specs(struct rows *r, struct proc *p, const struct rt_checkpoint *cp,
	const struct fact_func *func, struct span_specs *specs)
{
	struct span_event ev = span_event(r, p, cp, func);

	*specs = (struct span_specs){ .ids = func->specs, .n = func->n_specs };
	if (!is_followed(r, func) && !(cp->when == RT_ENTRY && ev.told))
		return 0;
	return cp->when == RT_ENTRY ? spans__enter(&p->spans, r->cat, &ev, specs)
				    : spans__leave(&p->spans, r->cat, &ev, specs);
}

/* --- checkpoints ------------------------------------------------------------------------------ */

/* A label was seen, whether or not its row is worth printing. */
static void note_label(struct rows *r, struct catalog_spec *spec, const struct row *row, bool printed)
{
	struct label **label = &spec->labels[row->when == RT_RETURN];

	if (!*label)
		*label = labels__get(r->labels, spec->fact, row->when);
	if (*label)
		label__seen(*label, row->pid, printed);
}

static int emit_specs(struct rows *r, struct proc *p, struct row *row,
	const struct span_specs *specs, uint64_t gc)
{
	struct catalog_spec *spec;
	const char *label;
	uint64_t seq;
	int err;

	for (size_t i = 0; i < specs->n; i++) {
		spec = catalog__spec(r->cat, specs->ids[i]);
		if (!spec)
			continue;
		label = (row->when == RT_ENTRY ? spec->fact->entry
					       : spec->fact->leave)[r->opt.lang];
		if (!label || (spec->fact->extra && r->opt.skip_extra))
			continue;
		row->label = label;
		row->spec = spec->fact;
		row->extra = spec->fact->extra;
		seq = r->seq;
		err = emit(r, p, row, gc);
		if (err)
			return err;
		spec->rows += r->seq - seq;
		note_label(r, spec, row, r->seq != seq);
	}
	return 0;
}

/* The thread has told what is open in it, since what it tells now is something else. */
static bool has_run(const struct proc *p, const struct rt_checkpoint *cp)
{
	return p->spans && !(cp->flags & RT_F_ATTACH) &&
	       (cp->when == RT_ENTRY || cp->func >= RT_PY_FUNC_BASE);
}

/* Returns of what was known from outside, and was over before the thread told of anything. */
static int end_told(struct rows *r, struct proc *p, const struct row *now)
{
	struct span_gone gone;
	struct row row;
	int ret;

	while ((ret = spans__gone(p->spans, now->tid, p->lost, &gone)) > 0) {
		row = *now;
		row.when = RT_RETURN;
		row.function = gone.func->name ? gone.func->name : "";
		row.exact = row.unwound = false;
		row.late_ns = now->time_ns > gone.since_ns ? now->time_ns - gone.since_ns : 0;
		ret = emit_specs(r, p, &row, &gone.held, 0);
		if (ret)
			break;
	}
	return ret;
}

static int on_function(struct rows *r, struct proc *p, struct row *row,
	const struct rt_checkpoint *cp)
{
	struct catalog_func *func = catalog__func(r->cat, cp->func);
	struct span_specs specs;
	int err = has_run(p, cp) ? end_told(r, p, row) : 0;

	if (err)
		return err;
	if (!func) {
		r->orphans++;
		return 0;
	}
	if (is_told_again(r, p, cp, func->fact))
		return 0;
	if (!func->counted) {
		func->entries += cp->when == RT_ENTRY;
		func->returns += cp->when == RT_RETURN;
	}
	row->function = func->fact->name ? func->fact->name : "";
	row->open = cp->when == RT_ENTRY && (cp->flags & RT_F_ATTACH);
	if (cp->when == RT_RETURN && cp->h.len >= sizeof(*cp)) {
		row->has_changes = true;
		row->grown = cp->grown;
		row->returned = cp->returned;
	}
	if (r->attributes)
		err = peaks__row(&p->peaks, cp, p->tree);
	if (!err && r->attributes && func->fact->n_specs)
		err = cp->when == RT_ENTRY ? spantree__enter(&p->tree, cp) : spantree__leave(&p->tree, cp);
	if (!err)
		err = find_specs(r, p, cp, func->fact, &specs);
	return err ? err : emit_specs(r, p, row, &specs, cp->h.len >= RT_PY_ENTRY_LEN ? cp->gc : 0);
}

static int on_checkpoint(struct rows *r, struct proc *p, const struct rt_checkpoint *cp,
	uint64_t time_ns, uint64_t moved_ns)
{
	struct row row = {
		.time_ns = time_ns,
		.late_ns = add_sat(cp->late_ns, moved_ns),
		.proc = p,
		.pid = p->pid,
		.tid = cp->h.tid,
		.start_ns = p->start_ns,
		.role = p->role,
		.function = "",
		.when = cp->when,
		.rss = cp->rss,
		.exact = !(cp->flags & (RT_F_UNSTABLE | RT_F_SHARED)),
		.inherited = cp->flags & RT_F_INHERITED,
		.unwound = cp->flags & RT_F_UNWOUND,
		.unstable = cp->flags & RT_F_UNSTABLE,
	};

	if (cp->flags & RT_F_BORROWED)
		p->borrowed = true;
	row.borrowed = p->borrowed;
	proctree__snapshot(p, &cp->rss, time_ns);
	if (cp->when != RT_POINT)
		return on_function(r, p, &row, cp);
	row.label = lang_text(r->opt.lang, cp->flags & RT_F_ATTACH ? TEXT_ATTACH : TEXT_STEP);
	return emit(r, p, &row, 0);
}

/* The label is the program's own, the same in every language and format. */
static int on_mark(struct rows *r, struct proc *p, const struct rt_mark *ev, uint64_t time_ns,
	uint64_t moved_ns)
{
	char *label = mark_label(ev);
	struct row row = {
		.time_ns = time_ns,
		.late_ns = moved_ns,
		.proc = p,
		.pid = p->pid,
		.tid = ev->h.tid,
		.start_ns = p->start_ns,
		.role = p->role,
		.label = label,
		.function = mark_function(ev),
		.when = RT_POINT,
		.rss = ev->rss,
		.exact = !(ev->flags & (RT_F_UNSTABLE | RT_F_SHARED)),
		.unstable = ev->flags & RT_F_UNSTABLE,
	};
	int err;

	if (!label)
		return -ENOMEM;
	if (ev->flags & RT_F_BORROWED)
		p->borrowed = true;
	row.borrowed = p->borrowed;
	proctree__snapshot(p, &ev->rss, time_ns);
	err = emit(r, p, &row, 0);
	free(label);
	return err;
}

/* --- the life of programs --------------------------------------------------------------------- */

static void forget(struct rows *r, struct proc *p)
{
	spans__free(p->spans);
	p->spans = NULL;
	spantree__free(p->tree);
	p->tree = NULL;
	peaks__free(p->peaks);
	p->peaks = NULL;
	holdings__free(p->holdings);
	p->holdings = NULL;
	proctree__forget(r->pt, p);
}

/* What was open in the parent is open in a child that got a copy of its memory. */
static int on_fork(struct rows *r, struct proc *p, const struct rt_fork *ev)
{
	const struct proc *parent = proctree__find(r->pt, ev->ppid, ev->parent_start_ns);

	if (!parent || parent == p || !parent->spans || p->spans || (ev->flags & RT_P_BORROWED))
		return 0;
	return spans__fork(&p->spans, p->pid, parent->spans, parent->pid);
}

/* Said before whatever the event itself has to say: what is missing lies before it. */
static int note_loss(struct rows *r, struct proc *p, uint32_t lost, uint64_t time_ns)
{
	struct loss loss = { .proc = p, .count = lost, .since_ns = p->last_row_ns,
		.time_ns = time_ns };

	if (!lost)
		return 0;
	p->lost = add_sat(p->lost, lost);
	return r->ops->loss ? r->ops->loss(r->ctx, &loss) : 0;
}

static int on_totals(struct rows *r, struct proc *p, const struct rt_totals_event *ev, uint64_t time_ns)
{
	struct sample sample = { .proc = p, .time_ns = time_ns, .rss = &ev->totals.last };

	return r->ops->sample ? r->ops->sample(r->ctx, &sample) : 0;
}

static int hand_on(struct rows *r, struct proc *p)
{
	int err;

	if (p->holdings) {
		holdings__sort(p->holdings);
		held_check__add(&r->check, &p->holdings->check);
	}
	err = r->ops->process ? r->ops->process(r->ctx, p) : 0;
	if (!err && r->attributes)
		err = growth__program(r->growth, p);
	if (!p->execed)
		r->processes++;
	forget(r, p);
	return err;
}

static int on_exec(struct rows *r, const struct rt_exec *ev, uint64_t time_ns)
{
	struct proc *old, *p;
	int err = 0;

	p = proctree__exec(r->pt, ev, time_ns, &old);
	if (old && (ev->flags & RT_P_STARTED)) {
		forget(r, old); /* what ran before was this tool's own fork */
	} else if (old) { /* the loss is the old program's */
		err = note_loss(r, old, ev->h.lost, time_ns);
		if (!err)
			err = hand_on(r, old);
		else
			forget(r, old);
	}
	return err ? err : p ? 0 : -ENOMEM;
}

int rows__event(struct rows *r, const struct rt_hdr *ev, uint64_t time_ns, uint64_t moved_ns)
{
	struct proc *p;
	int err;

	switch (ev->kind) {
	case RT_EV_EXEC:
		return on_exec(r, (const struct rt_exec *)ev, time_ns);
	case RT_EV_FORK:
		p = proctree__fork(r->pt, (const struct rt_fork *)ev, time_ns);
		break;
	case RT_EV_TOTALS:
		p = proctree__totals(r->pt, (const struct rt_totals_event *)ev, time_ns);
		break;
	case RT_EV_EXIT:
		p = proctree__exit(r->pt, (const struct rt_exit *)ev, time_ns);
		break;
	default:
		p = proctree__get(r->pt, ev->pid, ev->start_ns, time_ns);
		break;
	}
	if (!p)
		return -ENOMEM;
	err = note_loss(r, p, ev->lost, time_ns);
	if (err)
		return err;
	switch (ev->kind) {
	case RT_EV_CHECKPOINT:
		return on_checkpoint(r, p, (const struct rt_checkpoint *)ev, time_ns, moved_ns);
	case RT_EV_MARK:
		return on_mark(r, p, (const struct rt_mark *)ev, time_ns, moved_ns);
	case RT_EV_TOTALS:
		return on_totals(r, p, (const struct rt_totals_event *)ev, time_ns);
	case RT_EV_FORK:
		return on_fork(r, p, (const struct rt_fork *)ev);
	case RT_EV_EXIT:
		r->processes += p->execed;
		return hand_on(r, p);
	case RT_EV_RENAME:
		proctree__rename(r->pt, (const struct rt_rename *)ev);
		return 0;
	case RT_EV_OOM:
		p->oom = true;
		return 0;
	default:
		return 0;
	}
}

/* A row since which nothing has moved, as far as the kernel's side knows, is what /proc says now. */
static void check_row(struct proc *p, const struct fact_reading *f)
{
	struct held_check check = { .rows = 1 };

	if (f->failed || !f->steady || !f->still_ns || !p->last_exact_ns ||
		p->last_exact_ns < f->still_ns)
		return;
	check.worst_row = (int64_t)(f->sums.rss - p->last_rss);
	held_check__add(&p->holdings->check, &check);
	p->last_exact_ns = 0; /* once is enough */
}

/* Of a program that is not known (its end came first) it says nothing. */
int rows__reading(struct rows *r, const struct fact_reading *f, uint64_t time_ns)
{
	struct proc *p = proctree__find(r->pt, f->pid, f->start_ns);
	struct reading reading = { .proc = p, .time_ns = time_ns, .fact = f };
	int err;

	if (!p || p->borrowed)
		return 0;
	if (!p->holdings)
		p->holdings = holdings__new();
	if (!p->holdings)
		return -ENOMEM;
	if (holdings__continues(p->holdings, f))
		return holdings__take(p->holdings, f, time_ns);
	tree_readings__add(&r->readings, f, time_ns);
	check_row(p, f);
	err = holdings__take(p->holdings, f, time_ns);
	return !err && r->ops->reading ? r->ops->reading(r->ctx, &reading) : err;
}

static int end_one(void *ctx, struct proc *p)
{
	const struct rt_snapshot *last = &p->totals.last;
	struct rows *r = ctx;

	if (!p->borrowed) {
		r->tree_end.file += last->file;
		r->tree_end.anon += last->anon;
		r->tree_end.shmem += last->shmem;
		r->tree_end.swap += last->swap;
	}
	return hand_on(r, p);
}

int rows__end(struct rows *r)
{
	tree_readings__end(&r->readings);
	return proctree__each(r->pt, end_one, r);
}

static int clear_one(void *ctx, struct proc *p)
{
	forget(ctx, p);
	return 0;
}

void rows__clear(struct rows *r)
{
	if (r->pt)
		proctree__each(r->pt, clear_one, r);
	proctree__free(r->pt);
	labels__free(r->labels);
}
