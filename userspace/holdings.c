/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "holdings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

/* A tape may name more than any process has. */
#define MAX_GROUPS (1 << 17)

struct entry {
	size_t at; /* in groups */
	UT_hash_handle hh;
	char key[]; /* a letter for the kind, and the name */
};

struct own {
	struct holdings h; /* first: these are what others see */
	struct entry *index;
	size_t room;
};

struct holdings *holdings__new(void)
{
	struct own *own = calloc(1, sizeof(*own));

	return own ? &own->h : NULL;
}

static void drop_index(struct own *own)
{
	struct entry *e, *next;

	HASH_ITER(hh, own->index, e, next) {
		HASH_DELETE(hh, own->index, e);
		free(e);
	}
}

void holdings__free(struct holdings *h)
{
	struct own *own = (struct own *)h;

	if (!h)
		return;
	drop_index(own);
	for (size_t i = 0; i < h->n_groups; i++)
		free(h->groups[i].name);
	free(h->groups);
	free(own);
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct held_group *add_group(struct own *own)
{
	size_t room = own->room ? 2 * own->room : 64;
	struct held_group *groups;

	if (own->h.n_groups == own->room) {
		groups = reallocarray(own->h.groups, room, sizeof(*groups));
		if (!groups)
			return NULL;
		own->h.groups = groups;
		own->room = room;
	}
	own->h.groups[own->h.n_groups] = (struct held_group){ 0 };
	return &own->h.groups[own->h.n_groups];
}

/* NULL: no memory. */
static struct held_group *get_group(struct own *own, const struct smaps_group *from)
{
	size_t len = strlen(from->name);
	struct held_group *g;
	struct entry *e, *known;

	e = calloc(1, sizeof(*e) + len + 2);
	if (!e)
		return NULL;
	e->key[0] = (char)('a' + from->kind);
	memcpy(e->key + 1, from->name, len + 1);
	HASH_FIND_STR(own->index, e->key, known);
	if (known) {
		free(e);
		return &own->h.groups[known->at];
	}
	g = add_group(own);
	if (!g)
		goto fail;
	e->at = own->h.n_groups;
	HASH_ADD_STR(own->index, key, e);
	if (!hash_added(e))
		goto fail;
	g->kind = from->kind;
	g->name = strdup(from->name);
	own->h.n_groups++; /* without a name too: it is freed as the others are */
	return g->name ? g : NULL;
fail:
	free(e);
	return NULL;
}

static int take_groups(struct own *own, const struct fact_reading *f, bool first)
{
	struct held_group *g;

	for (size_t i = 0; i < f->n_groups; i++) {
		if (own->h.n_groups >= MAX_GROUPS)
			return 0;
		g = get_group(own, &f->groups[i]);
		if (!g)
			return -ENOMEM;
		for (int end = first ? 0 : 1; end < 2; end++) {
			g->mappings[end] += f->groups[i].mappings;
			smaps_add(&g->sums[end], &f->groups[i].sums);
		}
	}
	return 0;
}

static void begin_maps(struct holdings *h, const struct fact_reading *f, uint64_t time_ns)
{
	const struct rt_snapshot *c = &f->counters;

	h->map_last = (struct held_maps){ .time_ns = time_ns, .number = f->number,
		.partial = f->partial, .mappings = f->mappings, .upto = f->upto,
		.sums = f->mapped_sums };
	/* of a process that was too large to be read as a whole the kernel's side has it */
	h->map_last.rss = f->failed ? c->file + c->anon + c->shmem : f->sums.rss;
	if (!h->maps++)
		h->map_first = h->map_last;
	for (size_t i = 0; i < h->n_groups; i++) {
		h->groups[i].mappings[1] = 0;
		h->groups[i].sums[1] = (struct smaps_sums){ 0 };
	}
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* In either direction, and also where only what was shared became its own. */
static uint64_t movement(const struct held_group *g)
{
	uint64_t rss = magnitude((int64_t)(g->sums[1].rss - g->sums[0].rss));
	uint64_t own = magnitude((int64_t)(g->sums[1].private_dirty - g->sums[0].private_dirty));

	return rss > own ? rss : own;
}

static int by_growth(const void *a, const void *b)
{
	const struct held_group *x = a, *y = b;
	uint64_t m = movement(x), n = movement(y);

	if (m != n)
		return m > n ? -1 : 1;
	if (x->sums[1].rss != y->sums[1].rss)
		return x->sums[1].rss > y->sums[1].rss ? -1 : 1;
	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->name, y->name);
}

void holdings__sort(struct holdings *h)
{
	drop_index((struct own *)h); /* it names places */
	if (h->n_groups)
		qsort(h->groups, h->n_groups, sizeof(*h->groups), by_growth);
}

/* --- readings --------------------------------------------------------------------------------- */

static int64_t farther(int64_t a, int64_t b)
{
	return magnitude(b) > magnitude(a) ? b : a;
}

void held_check__add(struct held_check *to, const struct held_check *c)
{
	to->compared += c->compared;
	to->moved += c->moved;
	to->worst = farther(to->worst, c->worst);
	to->worst_anon = farther(to->worst_anon, c->worst_anon);
	to->rows += c->rows;
	to->worst_row = farther(to->worst_row, c->worst_row);
}

static struct held_check check_of(const struct fact_reading *f)
{
	const struct rt_snapshot *c = &f->counters;
	struct held_check check = { 0 };

	if (!f->counted)
		return check;
	if (!f->steady) {
		check.moved = 1;
		return check;
	}
	check.compared = 1;
	check.worst = (int64_t)(f->sums.rss - (c->file + c->anon + c->shmem));
	check.worst_anon = (int64_t)(f->sums.anonymous - c->anon);
	return check;
}

static void take_figures(struct holdings *h, const struct fact_reading *f, uint64_t time_ns)
{
	struct held_check check = check_of(f);
	struct held *now = &h->last;

	*now = (struct held){ .time_ns = time_ns, .number = f->number, .when = f->when,
		.counted = f->counted, .steady = f->steady, .counters = f->counters,
		.sums = f->sums };
	if (h->readings++ == h->failed)
		h->first = *now;
	if (f->sums.private_dirty > h->most_private)
		h->most_private = f->sums.private_dirty;
	held_check__add(&h->check, &check);
}

bool holdings__continues(const struct holdings *h, const struct fact_reading *f)
{
	return f->mapped && h->maps && h->map_last.number == f->number;
}

int holdings__take(struct holdings *h, const struct fact_reading *f, uint64_t time_ns)
{
	if (!holdings__continues(h, f)) {
		if (f->failed) {
			h->readings++;
			h->failed++;
		} else {
			take_figures(h, f, time_ns);
		}
		if (f->mapped)
			begin_maps(h, f, time_ns);
	}
	return f->mapped ? take_groups((struct own *)h, f, h->maps == 1) : 0;
}

static uint64_t rss_of(const struct rt_snapshot *s)
{
	return s->anon + s->file + s->shmem;
}

/* By how much /proc says more than the kernel's side did at that instant. */
static uint64_t more_by(const struct held *held)
{
	return held->sums.rss - rss_of(&held->counters);
}

void held_ends(const struct holdings *h, const struct rt_totals *totals, struct held_ends *out)
{
	bool any = h && h->readings > h->failed;

	*out = (struct held_ends){.start = rss_of(&totals->first), .end = rss_of(&totals->last)};
	out->start_measured = any && h->first.when == READING_START && h->first.steady;
	out->end_measured = any && h->last.when == READING_END && h->last.steady;
	if (out->start_measured)
		out->start += more_by(&h->first);
	if (out->end_measured)
		out->end += more_by(&h->last);
}

/* --- of all processes ------------------------------------------------------------------------- */

void tree_readings__end(struct tree_readings *t)
{
	const struct tree_reading *last = t->n ? &t->list[t->n - 1] : NULL;

	if (last && last->processes && (!t->most.processes || last->sums.pss > t->most.sums.pss))
		t->most = *last;
}

/* Of those by the timer only the last stays, and the first where nothing was before it. */
static bool is_worth_keeping(const struct tree_readings *t)
{
	return t->n < TREE_READINGS_MAX &&
	       (t->n < 2 || t->list[t->n - 1].when != READING_TIMER);
}

void tree_readings__add(struct tree_readings *t, const struct fact_reading *f, uint64_t time_ns)
{
	struct tree_reading *now = t->n ? &t->list[t->n - 1] : NULL;

	if (!now || now->number != f->number) {
		tree_readings__end(t);
		if (is_worth_keeping(t))
			t->n++;
		now = &t->list[t->n - 1];
		*now = (struct tree_reading){ .number = f->number, .when = f->when,
			.time_ns = time_ns };
	}
	if (f->failed) {
		now->failed++;
		return;
	}
	now->processes++;
	smaps_add(&now->sums, &f->sums);
}
