/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "growth_internal.h"

static uint64_t total(const struct rt_change *c)
{
	return (uint64_t)rt_change_rss(c, &(struct rt_change){0});
}

/* A place while it is added up. Functions have line 0. */
struct place_key {
	uint32_t func;
	int32_t line;
	char comm[RT_COMM_LEN];
};

struct place {
	struct growth_place p;
	struct place_key key;
	const struct cell *last; /* that was added to the inclusive sums: once each */
	UT_hash_handle hh;
};

struct adding {
	const struct growth *g;
	struct place *funcs, *lines, *natives;
};

static struct place *get_place(struct place **table, const struct node *n, int32_t line)
{
	struct place_key key = {.func = n->func, .line = line};
	struct place *p;

	memcpy(key.comm, n->comm, sizeof(key.comm));
	HASH_FIND(hh, *table, &key, sizeof(key), p);
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key = key;
	p->p.func = n->func;
	p->p.line = line;
	p->p.comm = n->comm[0] ? n->comm : NULL;
	HASH_ADD(hh, *table, key, sizeof(p->key), p);
	if (hash_added(p))
		return p;
	free(p);
	return NULL;
}

static int add_at(struct place *p, const struct cell *c, bool self)
{
	if (!p)
		return -ENOMEM;
	if (self) {
		rt_change_add(&p->p.self_grown, &c->grown);
		rt_change_add(&p->p.self_returned, &c->returned);
	}
	if (p->last == c)
		return 0;
	p->last = c;
	rt_change_add(&p->p.all_grown, &c->grown);
	rt_change_add(&p->p.all_returned, &c->returned);
	return 0;
}

const char *growth_unclear_name(enum growth_unclear what)
{
	static const char *const names[UNCLEAR_COUNT_] = {
		[UNCLEAR_CALLERS] = "callers",
		[UNCLEAR_NAMES] = "names",
		[UNCLEAR_MAPPINGS] = "mappings",
		[UNCLEAR_THREADS] = "threads",
		[UNCLEAR_STACKS] = "stacks",
	};

	return names[what];
}

static void add_unclear(struct growth_sums *out, enum growth_unclear what, const struct cell *c)
{
	rt_change_add(&out->unclear[what].grown, &c->grown);
	rt_change_add(&out->unclear[what].returned, &c->returned);
}

/* Each function on the way out from a node. *whole: to the one that nobody called. */
static int add_callers(struct adding *a, const struct cell *c, const struct node *n, bool self, bool *whole)
{
	uint64_t parent = RT_NODE_UNKNOWN;
	int err = 0;

	for (int i = 0; n && !err && i < GROWTH_MAX_DEPTH; i++) {
		err = add_at(get_place(&a->funcs, n, 0), c, self && !i);
		parent = n->parent;
		n = growth_find_node(a->g, parent);
	}
	*whole = parent == RT_NODE_NONE;
	return err;
}

/* Of one inside of its node only the function is known, and not who called it. */
static int add_cell(struct growth_sums *out, struct adding *a, const struct cell *c)
{
	const struct node *at = growth_find_node(a->g, c->key.at), own = {.func = c->key.func};
	bool inside = c->key.flags & RT_CELL_INSIDE, whole;
	const struct node *leaf = inside ? &own : at;
	int err = 0;

	if (!leaf->comm[0])
		err = add_at(get_place(&a->lines, leaf, c->line), c, true);
	if (!err && inside)
		err = add_at(get_place(&a->funcs, &own, 0), c, true);
	if (!err)
		err = add_callers(a, c, at, !inside, &whole);
	if (err)
		return err;
	if (inside || !whole)
		add_unclear(out, UNCLEAR_CALLERS, c);
	if (leaf->func == RT_NO_FUNC && !leaf->comm[0])
		add_unclear(out, UNCLEAR_NAMES, c);
	return 0;
}

static bool is_native(const struct node *n)
{
	return n->func >= RT_PY_FUNC_END && n->func != RT_NO_FUNC;
}

static int add_stack(struct growth_sums *out, struct adding *a, const struct cell *c)
{
	const struct node *leaf = growth_find_node(a->g, c->key.at), *n = leaf;
	bool cut = leaf && c->key.flags;
	uint64_t parent = RT_NODE_NONE;
	int err = 0;

	for (int i = 0; n && !err && i < GROWTH_MAX_DEPTH; i++) {
		if (is_native(n))
			err = add_at(get_place(&a->natives, n, 0), c, !i);
		parent = n->parent;
		n = growth_find_node(a->g, parent);
	}
	cut |= parent != RT_NODE_NONE;
	if (cut)
		add_unclear(out, UNCLEAR_STACKS, c);
	out->stacks[out->n_stacks++] = (struct growth_stack){leaf ? c->key.at : 0, cut, c->grown, c->returned};
	return err;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

uint64_t growth_place__moved(const struct growth_place *p)
{
	return larger(total(&p->all_grown), total(&p->all_returned));
}

uint64_t growth_place__moved_self(const struct growth_place *p)
{
	return larger(total(&p->self_grown), total(&p->self_returned));
}

static int by_growth(const void *a, const void *b)
{
	const struct growth_place *x = a, *y = b;
	uint64_t m = growth_place__moved(x), n = growth_place__moved(y);

	if (m != n)
		return m > n ? -1 : 1;
	m = growth_place__moved_self(x);
	n = growth_place__moved_self(y);
	if (m != n)
		return m > n ? -1 : 1;
	if (x->func != y->func)
		return x->func > y->func ? 1 : -1;
	return (x->line > y->line) - (x->line < y->line);
}

static void free_places(struct place **table)
{
	struct place *p, *tmp;

	HASH_ITER(hh, *table, p, tmp) {
		HASH_DELETE(hh, *table, p);
		free(p);
	}
}

static int list_places(struct place *table, struct growth_place **out, size_t *n)
{
	struct place *p;

	*n = 0;
	*out = calloc(HASH_COUNT(table) + 1, sizeof(**out));
	if (!*out)
		return -ENOMEM;
	for (p = table; p; p = p->hh.next)
		(*out)[(*n)++] = p->p;
	qsort(*out, *n, sizeof(**out), by_growth);
	return 0;
}

static int mapping_by_growth(const void *a, const void *b)
{
	const struct growth_mapping *x = a, *y = b;
	uint64_t m = larger(total(&x->grown), total(&x->returned));
	uint64_t n = larger(total(&y->grown), total(&y->returned));

	return m < n ? 1 : m > n ? -1 : 0;
}

static int thread_by_growth(const void *a, const void *b)
{
	const struct growth_thread *x = a, *y = b;
	uint64_t m = larger(total(&x->grown), total(&x->returned));
	uint64_t n = larger(total(&y->grown), total(&y->returned));

	if (m != n)
		return m < n ? 1 : -1;
	return (x->tid > y->tid) - (x->tid < y->tid);
}

static int stack_by_growth(const void *a, const void *b)
{
	const struct growth_stack *x = a, *y = b;
	uint64_t m = larger(total(&x->grown), total(&x->returned));
	uint64_t n = larger(total(&y->grown), total(&y->returned));

	if (m != n)
		return m < n ? 1 : -1;
	return (x->node > y->node) - (x->node < y->node);
}

/* Those that were not told of, and of which there were not even counts. */
static const struct rt_mapping rest = {.map_kind = RT_MAP_REST};

static void add_mapping(struct growth_sums *out, const struct growth *g, const struct cell *c)
{
	const struct mapping *m = growth_find_mapping(g, (uint32_t)c->key.at);
	const struct rt_mapping *what = m ? &m->m : c->key.at ? &rest : NULL;
	size_t i = 0;

	if (what == &rest)
		add_unclear(out, UNCLEAR_MAPPINGS, c);
	while (i < out->n_mappings && out->mappings[i].what != what)
		i++;
	out->mappings[i].what = what;
	out->n_mappings += i == out->n_mappings;
	rt_change_add(&out->mappings[i].grown, &c->grown);
	rt_change_add(&out->mappings[i].returned, &c->returned);
}

static void add_thread(struct growth_sums *out, const struct cell *c)
{
	out->threads[out->n_threads++] = (struct growth_thread){(uint32_t)c->key.at, c->grown, c->returned};
	if (!c->key.at)
		add_unclear(out, UNCLEAR_THREADS, c);
}

static void add_net(struct rt_change *to, const struct cell *c)
{
	struct rt_change net = rt_change_net(&c->grown, &c->returned);

	rt_change_add(to, &net);
}

static int add_place(struct growth_sums *out, struct adding *a, const struct cell *c)
{
	bool known = c->key.flags & RT_CELL_INSIDE || growth_find_node(a->g, c->key.at);

	if (!known) {
		add_net(c->key.at == RT_NODE_REST ? &out->rest : &out->unread, c);
		return 0;
	}
	rt_change_add(&out->grown, &c->grown);
	rt_change_add(&out->returned, &c->returned);
	return add_cell(out, a, c);
}

static int add_all(struct growth_sums *out, struct adding *a, const struct program *p)
{
	int err = 0;

	for (const struct cell *c = p->cells; c && !err; c = c->next) {
		if (c->key.kind == RT_CELL_PLACE)
			err = add_place(out, a, c);
		else if (c->key.kind == RT_CELL_STACK)
			err = add_stack(out, a, c);
		else if (c->key.kind == RT_CELL_MAPPING)
			add_mapping(out, a->g, c);
		else if (c->key.kind == RT_CELL_THREAD)
			add_thread(out, c);
	}
	return err;
}

int growth__sum(const struct growth *g, uint64_t serial, struct growth_sums *out)
{
	struct adding a = {.g = g};
	struct program *p;
	size_t threads = 0, stacks = 0;
	int err = -ENOMEM;

	*out = (struct growth_sums){0};
	HASH_FIND(hh, g->programs, &serial, sizeof(serial), p);
	if (!p)
		return 0;
	for (const struct cell *c = p->cells; c; c = c->next) {
		threads += c->key.kind == RT_CELL_THREAD;
		stacks += c->key.kind == RT_CELL_STACK;
	}
	out->mappings = calloc(HASH_COUNT(g->mappings) + 2, sizeof(*out->mappings));
	out->threads = calloc(threads + 1, sizeof(*out->threads));
	out->stacks = calloc(stacks + 1, sizeof(*out->stacks));
	if (out->mappings && out->threads && out->stacks)
		err = add_all(out, &a, p);
	if (!err)
		err = list_places(a.funcs, &out->funcs, &out->n_funcs);
	if (!err)
		err = list_places(a.lines, &out->lines, &out->n_lines);
	if (!err)
		err = list_places(a.natives, &out->natives, &out->n_natives);
	if (out->threads)
		qsort(out->threads, out->n_threads, sizeof(*out->threads), thread_by_growth);
	if (out->stacks)
		qsort(out->stacks, out->n_stacks, sizeof(*out->stacks), stack_by_growth);
	if (out->mappings)
		qsort(out->mappings, out->n_mappings, sizeof(*out->mappings), mapping_by_growth);
	free_places(&a.funcs);
	free_places(&a.lines);
	free_places(&a.natives);
	if (err)
		growth_sums__clear(out);
	return err;
}

void growth_sums__clear(struct growth_sums *sums)
{
	free(sums->funcs);
	free(sums->lines);
	free(sums->mappings);
	free(sums->threads);
	free(sums->stacks);
	free(sums->natives);
	*sums = (struct growth_sums){0};
}
