/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spans.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

enum {
	MAX_OPEN = 8192,     /* of a thread: the kernel keeps 4096 at most, so more were lost */
	MAX_THREADS = 65536, /* with open spans: likewise, the oldest go */
};

/* How often a spec's other conditions held. */
struct count {
	unsigned int spec, n;
};

struct counts {
	struct count *list;
	size_t n;
};

struct open {
	uint32_t span;
	const struct fact_func *func;
	uint64_t lost;		      /* events of the program lost when it began */
	bool inherited;
	bool told; /* from outside; span is 0 */
	uint64_t time_ns;
	bool aside; /* inherited from a thread of the parent that was probably not the one that
		     * forked: for its return only */
	unsigned int *held;
	size_t n_held;
	struct counts counts; /* since it began */
};

struct thread {
	uint32_t tid;
	struct open *open; /* the last is the innermost */
	size_t n, room;
	UT_hash_handle hh;
};

struct spans {
	struct thread *threads;
	struct counts counts; /* of the program */
	unsigned int *out;    /* what was given out last */
	size_t n_out, room_out;
};

/* --- storage ---------------------------------------------------------------------------------- */

static void open__clear(struct open *o)
{
	free(o->held);
	free(o->counts.list);
}

/* Those from index `from` on for which `drop` says so go. */
static void thread__sweep(struct thread *t, size_t from,
	bool (*drop)(const struct open *o, const struct span_event *ev), const struct span_event *ev)
{
	size_t kept = from;

	for (size_t i = from; i < t->n; i++) {
		if (drop(&t->open[i], ev))
			open__clear(&t->open[i]);
		else
			t->open[kept++] = t->open[i];
	}
	t->n = kept;
}

static void thread__free(struct spans *s, struct thread *t)
{
	HASH_DELETE(hh, s->threads, t);
	for (size_t i = 0; i < t->n; i++)
		open__clear(&t->open[i]);
	free(t->open);
	free(t);
}

static void thread__drop(struct spans *s, struct thread *t, size_t i)
{
	open__clear(&t->open[i]);
	memmove(&t->open[i], &t->open[i + 1], (t->n - i - 1) * sizeof(*t->open));
	if (!--t->n)
		thread__free(s, t);
}

static struct thread *thread__find(const struct spans *s, uint32_t tid)
{
	struct thread *t = NULL;

	if (s)
		HASH_FIND(hh, s->threads, &tid, sizeof(tid), t);
	return t;
}

static struct thread *thread__get(struct spans *s, uint32_t tid)
{
	struct thread *t = thread__find(s, tid);

	if (t)
		return t;
	while (HASH_COUNT(s->threads) >= MAX_THREADS)
		thread__free(s, s->threads); /* the head is the oldest */
	t = calloc(1, sizeof(*t));
	if (!t)
		return NULL;
	t->tid = tid;
	HASH_ADD(hh, s->threads, tid, sizeof(t->tid), t);
	if (!hash_added(t)) {
		free(t);
		return NULL;
	}
	return t;
}

static unsigned int *copy_ids(const unsigned int *ids, size_t n)
{
	unsigned int *copy = calloc(n + 1, sizeof(*copy));

	if (copy && n)
		memcpy(copy, ids, n * sizeof(*ids));
	return copy;
}

/* Takes what `o` points to, or frees it: -ENOMEM. */
static int thread__push(struct thread *t, struct open *o)
{
	size_t room = t->room ? t->room * 2 : 8;
	struct open *list;

	if (!o->held)
		goto fail;
	if (t->n == t->room) {
		list = realloc(t->open, room * sizeof(*list));
		if (!list)
			goto fail;
		t->open = list;
		t->room = room;
	}
	t->open[t->n++] = *o;
	return 0;
fail:
	open__clear(o);
	return -ENOMEM;
}

static int spans__make(struct spans **spans)
{
	if (!*spans)
		*spans = calloc(1, sizeof(**spans));
	return *spans ? 0 : -ENOMEM;
}

void spans__free(struct spans *s)
{
	struct thread *t, *tmp;

	if (!s)
		return;
	HASH_ITER(hh, s->threads, t, tmp)
		thread__free(s, t);
	free(s->counts.list);
	free(s->out);
	free(s);
}

size_t spans__open(const struct spans *s)
{
	size_t n = 0;

	for (const struct thread *t = s ? s->threads : NULL; t; t = t->hh.next)
		n += t->n;
	return n;
}

/* Adds to what is given out. */
static int spans__put(struct spans *s, unsigned int id)
{
	size_t room = s->room_out ? s->room_out * 2 : 16;
	unsigned int *out;

	if (s->n_out == s->room_out) {
		out = realloc(s->out, room * sizeof(*out));
		if (!out)
			return -ENOMEM;
		s->out = out;
		s->room_out = room;
	}
	s->out[s->n_out++] = id;
	return 0;
}

/* --- conditions ------------------------------------------------------------------------------- */

/* The number of this time, from 1; 0 without memory. */
static unsigned int counts__next(struct counts *c, unsigned int spec)
{
	struct count *list;

	for (size_t i = 0; i < c->n; i++)
		if (c->list[i].spec == spec)
			return c->list[i].n < UINT32_MAX ? ++c->list[i].n : UINT32_MAX;
	list = realloc(c->list, (c->n + 1) * sizeof(*list));
	if (!list)
		return 0;
	c->list = list;
	c->list[c->n++] = (struct count){ .spec = spec, .n = 1 };
	return 1;
}

static bool belongs_to(const struct open *o, unsigned int spec)
{
	for (size_t i = 0; i < o->n_held; i++)
		if (o->held[i] == spec)
			return true;
	return false;
}

/* The innermost activation of that spec. */
static struct open *find_around(struct thread *t, unsigned int spec)
{
	for (size_t i = t ? t->n : 0; i--;)
		if (!t->open[i].aside && belongs_to(&t->open[i], spec))
			return &t->open[i];
	return NULL;
}

/* Is one of the spec or of an alternative open, without a doubt? */
static bool is_within_itself(const struct thread *t, const struct catalog *cat, unsigned int spec,
	uint64_t lost)
{
	const struct catalog_spec *self = catalog__spec(cat, spec), *other;

	for (size_t i = 0; t && i < t->n; i++) {
		const struct open *o = &t->open[i];

		if (o->aside || o->lost != lost)
			continue;
		for (size_t k = 0; k < o->n_held; k++) {
			other = catalog__spec(cat, o->held[k]);
			if (other && other->group == self->group)
				return true;
		}
	}
	return false;
}

/* 1: it holds; 0: it does not; -ENOMEM. */
static int judge(struct spans *s, struct thread *t, const struct catalog *cat,
	const struct fact_spec *spec, const struct span_event *ev)
{
	struct counts *counts = &s->counts;
	struct open *around;
	unsigned int n;

	if (spec->inside) {
		around = find_around(t, spec->inside - 1);
		if (!around)
			return 0;
		counts = &around->counts;
	}
	if (spec->caller && (!ev->caller || fnmatch(spec->caller, ev->caller, 0)))
		return 0;
	if (spec->outermost && is_within_itself(t, cat, spec->id, ev->lost))
		return 0;
	if (!spec->nth)
		return 1;
	n = counts__next(counts, spec->id);
	return n ? n == spec->nth : -ENOMEM;
}

/* --- an entry --------------------------------------------------------------------------------- */

/* Events of the program were lost since it was opened, perhaps its return. */
static bool is_doubtful(const struct open *o, const struct span_event *ev)
{
	return o->lost != ev->lost;
}

/* Its return was lost: a number is not given twice in a thread, and numbers count up. */
static bool is_stale(const struct open *o, const struct span_event *ev)
{
	if (!o->inherited && o->span == ev->span)
		return true;
	return is_doubtful(o, ev) &&
	       ((!o->inherited && o->span > ev->span) || o->func == ev->func);
}

int spans__enter(struct spans **spans, const struct catalog *cat, const struct span_event *ev,
	struct span_specs *held)
{
	struct open o = { .span = ev->span, .func = ev->func, .lost = ev->lost, .told = ev->told,
		.time_ns = ev->time_ns };
	const struct catalog_spec *spec;
	struct thread *t;
	struct spans *s;
	int holds, err = spans__make(spans);

	if (err)
		return err;
	s = *spans;
	s->n_out = 0;
	t = thread__find(s, ev->tid);
	if (t && ev->span)
		thread__sweep(t, 0, is_stale, ev);
	for (size_t i = 0; i < ev->func->n_specs && !err; i++) {
		spec = catalog__spec(cat, ev->func->specs[i]);
		holds = spec ? judge(s, t, cat, spec->fact, ev) : 0;
		err = holds > 0 ? spans__put(s, ev->func->specs[i]) : holds;
	}
	*held = (struct span_specs){ .ids = s->out, .n = s->n_out };
	if (err || !(ev->span || ev->told) || (t && t->n >= MAX_OPEN))
		return err;
	t = thread__get(s, ev->tid);
	o.held = copy_ids(s->out, s->n_out);
	o.n_held = s->n_out;
	if (t)
		return thread__push(t, &o);
	open__clear(&o);
	return -ENOMEM;
}

/* --- a return --------------------------------------------------------------------------------- */

/* A child counts its own spans anew, so only with all three it is the same one. */
static struct open *find_open(struct thread *t, const struct span_event *ev)
{
	for (size_t i = t && ev->span ? t->n : 0; i--;) {
		struct open *o = &t->open[i];

		if (o->span == ev->span && o->inherited == ev->inherited && o->func == ev->func)
			return o;
	}
	return NULL;
}

static int give_unconditional(struct spans *s, const struct catalog *cat,
	const struct fact_func *func)
{
	const struct catalog_spec *spec;
	int err = 0;

	for (size_t i = 0; i < func->n_specs && !err; i++) {
		spec = catalog__spec(cat, func->specs[i]);
		if (spec && !spec->conditional)
			err = spans__put(s, func->specs[i]);
	}
	return err;
}

int spans__leave(struct spans **spans, const struct catalog *cat, const struct span_event *ev,
	struct span_specs *held)
{
	struct thread *t;
	struct open *o;
	struct spans *s;
	size_t at;
	int err = spans__make(spans);

	if (err)
		return err;
	s = *spans;
	s->n_out = 0;
	t = thread__find(s, ev->tid);
	o = find_open(t, ev);
	if (!o) {
		err = give_unconditional(s, cat, ev->func);
	} else {
		for (size_t i = 0; i < o->n_held && !err; i++)
			err = spans__put(s, o->held[i]);
		at = o - t->open;
		thread__sweep(t, at + 1, is_doubtful, ev);
		thread__drop(s, t, at);
	}
	*held = (struct span_specs){ .ids = s->out, .n = s->n_out };
	return err;
}

bool spans__told(struct spans *s, const struct span_event *ev, bool keep)
{
	struct thread *t = thread__find(s, ev->tid);
	size_t i;

	for (i = 0; t && i < t->n; i++)
		if (t->open[i].told && t->open[i].func == ev->func)
			break;
	if (!t || i == t->n)
		return false;
	if (keep) {
		t->open[i].told = false;
		t->open[i].span = ev->span;
		t->open[i].lost = ev->lost;
		return true;
	}
	thread__drop(s, t, i);
	return true;
}

int spans__gone(struct spans *s, uint32_t tid, uint64_t lost, struct span_gone *gone)
{
	struct thread *t = thread__find(s, tid);
	struct open *o = NULL;
	size_t i;
	int err = 0;

	for (i = t ? t->n : 0; i-- && !o;)
		if (t->open[i].told)
			o = &t->open[i];
	if (!o)
		return 0;
	s->n_out = 0;
	for (i = 0; i < o->n_held && o->lost == lost && !err; i++)
		err = spans__put(s, o->held[i]);
	*gone = (struct span_gone){ .func = o->func, .since_ns = o->time_ns,
		.held = { .ids = s->out, .n = s->n_out } };
	thread__drop(s, t, o - t->open);
	return err ? err : 1;
}

/* --- fork ------------------------------------------------------------------------------------- */

static int inherit(struct thread *to, const struct thread *from, bool aside)
{
	int err = 0;

	for (size_t i = 0; i < from->n && !err; i++) {
		const struct open *o = &from->open[i];
		struct open copy = { .span = o->span, .func = o->func, .inherited = true,
			.aside = aside || o->aside, .n_held = o->n_held,
			.held = copy_ids(o->held, o->n_held) };

		if (to->n >= MAX_OPEN) {
			open__clear(&copy);
			return 0;
		}
		err = thread__push(to, &copy);
	}
	return err;
}

int spans__fork(struct spans **child, uint32_t child_tid, const struct spans *parent,
	uint32_t parent_pid)
{
	/* which thread forked is not told: the first one is likely, and surely an only one */
	const struct thread *likely = thread__find(parent, parent_pid);
	struct thread *to;
	int err;

	if (!spans__open(parent))
		return 0;
	if (!likely)
		likely = parent->threads;
	err = spans__make(child);
	to = err ? NULL : thread__get(*child, child_tid);
	err = to ? 0 : -ENOMEM;
	for (const struct thread *t = parent->threads; t && !err; t = t->hh.next)
		if (t != likely)
			err = inherit(to, t, true);
	return err ? err : inherit(to, likely, false);
}
