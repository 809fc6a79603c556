/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "growth.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "growth_internal.h"
#include "out.h"
#include "proctree.h"
#include "spantree.h"

#define MAX_PROGRAMS 4096 /* that are told of each for itself: a build makes them by the thousand */

struct growth *growth__new(void)
{
	return calloc(1, sizeof(struct growth));
}

void growth__free(struct growth *g)
{
	struct program *p, *ptmp;
	struct node *n, *ntmp;
	struct cell *c, *ctmp;
	struct mapping *m, *mtmp;

	if (!g)
		return;
	HASH_ITER(hh, g->mappings, m, mtmp) {
		HASH_DELETE(hh, g->mappings, m);
		free(m);
	}
	HASH_ITER(hh, g->nodes, n, ntmp) {
		HASH_DELETE(hh, g->nodes, n);
		free(n);
	}
	HASH_ITER(hh, g->cells, c, ctmp) {
		HASH_DELETE(hh, g->cells, c);
		free(c);
	}
	HASH_ITER(hh, g->programs, p, ptmp) {
		HASH_DELETE(hh, g->programs, p);
		free(p);
	}
	for (size_t i = 0; i < g->n_ended; i++) {
		free((char *)g->ended[i].role);
		spantree__free(g->ended[i].spans);
		peaks__free(g->ended[i].peaks);
		open_spans__clear(&g->ended[i].at_peak);
	}
	free(g->ended);
	free(g);
}

void rt_change_add(struct rt_change *to, const struct rt_change *c)
{
	to->file = (int64_t)((uint64_t)to->file + (uint64_t)c->file);
	to->anon = (int64_t)((uint64_t)to->anon + (uint64_t)c->anon);
	to->shmem = (int64_t)((uint64_t)to->shmem + (uint64_t)c->shmem);
	to->swap = (int64_t)((uint64_t)to->swap + (uint64_t)c->swap);
}

struct rt_change rt_change_net(const struct rt_change *grown, const struct rt_change *returned)
{
	return (struct rt_change){.file = (int64_t)((uint64_t)grown->file - (uint64_t)returned->file),
		.anon = (int64_t)((uint64_t)grown->anon - (uint64_t)returned->anon),
		.shmem = (int64_t)((uint64_t)grown->shmem - (uint64_t)returned->shmem),
		.swap = (int64_t)((uint64_t)grown->swap - (uint64_t)returned->swap)};
}

static uint64_t total(const struct rt_change *c)
{
	return (uint64_t)c->file + (uint64_t)c->anon + (uint64_t)c->shmem;
}

int64_t rt_change_rss(const struct rt_change *grown, const struct rt_change *returned)
{
	return (int64_t)(total(grown) - total(returned));
}

/* --- what is told -------------------------------------------------------------------------------- */

struct node *growth_find_node(const struct growth *g, uint64_t number)
{
	struct node *n;

	HASH_FIND(hh, g->nodes, &number, sizeof(number), n);
	return n;
}

int growth__node(struct growth *g, const struct rt_node *ev)
{
	struct node *n;

	if (ev->node < RT_NODE_FIRST || ev->node == ev->parent || growth_find_node(g, ev->node))
		return 0;
	n = calloc(1, sizeof(*n));
	if (!n)
		return -ENOMEM;
	n->number = ev->node;
	n->parent = ev->parent;
	n->func = ev->func;
	n->line = ev->line;
	memcpy(n->comm, ev->comm, sizeof(n->comm) - 1);
	HASH_ADD(hh, g->nodes, number, sizeof(n->number), n);
	if (hash_added(n))
		return 0;
	free(n);
	return -ENOMEM;
}

struct mapping *growth_find_mapping(const struct growth *g, uint32_t map)
{
	struct mapping *m;

	HASH_FIND(hh, g->mappings, &map, sizeof(map), m);
	return m;
}

int growth__mapping(struct growth *g, const struct rt_mapping *ev)
{
	struct mapping *m;

	if (!ev->map || growth_find_mapping(g, ev->map))
		return 0;
	m = calloc(1, sizeof(*m));
	if (!m)
		return -ENOMEM;
	m->m = *ev;
	HASH_ADD(hh, g->mappings, m.map, sizeof(m->m.map), m);
	if (hash_added(m))
		return 0;
	free(m);
	return -ENOMEM;
}

static struct program *get_program(struct growth *g, uint64_t serial)
{
	struct program *p;

	HASH_FIND(hh, g->programs, &serial, sizeof(serial), p);
	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->serial = serial;
	HASH_ADD(hh, g->programs, serial, sizeof(p->serial), p);
	if (hash_added(p))
		return p;
	free(p);
	return NULL;
}

static struct cell *get_cell(struct growth *g, const struct rt_cell_key *key)
{
	struct rt_cell_key k = {.serial = key->serial, .at = key->at, .kind = key->kind,
		.func = key->func, .instr = key->instr, .flags = key->flags};
	struct program *p;
	struct cell *c;

	HASH_FIND(hh, g->cells, &k, sizeof(k), c);
	if (c)
		return c;
	p = get_program(g, k.serial);
	c = p ? calloc(1, sizeof(*c)) : NULL;
	if (!c)
		return NULL;
	c->key = k;
	HASH_ADD(hh, g->cells, key, sizeof(c->key), c);
	if (!hash_added(c)) {
		free(c);
		return NULL;
	}
	LL_PREPEND(p->cells, c);
	return c;
}

int growth__add(struct growth *g, const struct rt_growth *ev)
{
	struct cell *c = get_cell(g, &ev->key);

	if (!c)
		return -ENOMEM;
	c->line = ev->line;
	rt_change_add(&c->grown, &ev->grown);
	rt_change_add(&c->returned, &ev->returned);
	return 0;
}

bool growth__any(const struct growth *g)
{
	return g->cells;
}

int growth__program(struct growth *g, struct proc *p)
{
	struct growth_program *more, *to;

	if (!p->serial || p->borrowed)
		return 0;
	if (g->n_ended >= MAX_PROGRAMS) {
		g->left_out++;
		return 0;
	}
	more = realloc(g->ended, (g->n_ended + 1) * sizeof(*more));
	if (!more)
		return -ENOMEM;
	g->ended = more;
	to = &more[g->n_ended];
	*to = (struct growth_program){.serial = p->serial, .pid = p->pid, .start_ns = p->start_ns,
		.role = p->role[0] ? strdup(p->role) : out_clean(p->comm, strnlen(p->comm, RT_COMM_LEN)), .totals = p->totals, .lost = p->lost};
	if (!to->role)
		return -ENOMEM;
	held_ends(p->holdings, &p->totals, &to->ends);
	g->n_ended++;
	to->born_ns = p->born_ns;
	to->ended_ns = p->ended ? p->end_ns : UINT64_MAX;
	to->peaks = p->peaks;
	to->spans = p->tree;
	p->tree = NULL;
	p->peaks = NULL;
	if (peaks__own(to->peaks, to->spans, p->totals.peak_ns, &to->at_peak))
		return -ENOMEM;
	return 0;
}

uint64_t growth__left_out(const struct growth *g)
{
	return g->left_out;
}

const struct growth_program *growth__programs(const struct growth *g, size_t *n)
{
	*n = g->n_ended;
	return g->ended;
}

int growth__path(const struct growth *g, uint64_t node, growth_frame_fn *fn, void *ctx)
{
	const struct node *n = growth_find_node(g, node);
	struct growth_place frame;
	int ret = 0;

	for (int i = 0; n && !ret && i < GROWTH_MAX_DEPTH; i++) {
		frame = (struct growth_place){.func = n->func, .line = n->line,
			.comm = n->comm[0] ? n->comm : NULL};
		ret = fn(ctx, &frame);
		n = growth_find_node(g, n->parent);
	}
	return ret;
}
