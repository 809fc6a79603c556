/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "spantree.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "growth.h"
#include "hash.h"

#define MAX_NODES 65536
#define MAX_OPEN  4096 /* of one thread */

struct open {
	uint32_t span;
	size_t node; /* + 1; 0: there was no room for one */
	struct rt_change grown, returned; /* of spans within that have ended */
};

struct thread {
	uint32_t tid;
	struct open *open;
	size_t n, room;
	UT_hash_handle hh;
};

struct place {
	struct {
		size_t parent;
		uint64_t func;
	} key;
	size_t node;
	UT_hash_handle hh;
};

struct spantree {
	struct span_node *nodes;
	size_t n, room;
	struct place *places;
	struct thread *threads;
};

void spantree__free(struct spantree *t)
{
	struct thread *th, *thtmp;
	struct place *p, *ptmp;

	if (!t)
		return;
	HASH_ITER(hh, t->threads, th, thtmp) {
		HASH_DELETE(hh, t->threads, th);
		free(th->open);
		free(th);
	}
	HASH_ITER(hh, t->places, p, ptmp) {
		HASH_DELETE(hh, t->places, p);
		free(p);
	}
	free(t->nodes);
	free(t);
}

/* Makes room for one more. */
static int reserve(void *array, size_t size, size_t n, size_t *room)
{
	void **a = array, *more;
	size_t want = *room ? *room * 2 : 8;

	if (n < *room)
		return 0;
	more = realloc(*a, want * size);
	if (!more)
		return -ENOMEM;
	*a = more;
	*room = want;
	return 0;
}

/* The place + 1 of the node of a function below another; *node is 0 where there is no room. */
static int get_node(struct spantree *t, size_t parent, uint32_t func, size_t *node)
{
	struct place *p, key = {.key = {.parent = parent, .func = func}};

	*node = 0;
	HASH_FIND(hh, t->places, &key.key, sizeof(key.key), p);
	if (p) {
		*node = p->node;
		return 0;
	}
	if (t->n >= MAX_NODES)
		return 0;
	p = malloc(sizeof(*p));
	if (!p || reserve(&t->nodes, sizeof(*t->nodes), t->n, &t->room))
		goto fail;
	*p = key;
	p->node = t->n + 1;
	HASH_ADD(hh, t->places, key, sizeof(p->key), p);
	if (!hash_added(p))
		goto fail;
	t->nodes[t->n++] = (struct span_node){.parent = parent, .func = func};
	*node = p->node;
	return 0;
fail:
	free(p);
	return -ENOMEM;
}

static struct thread *get_thread(struct spantree *t, uint32_t tid)
{
	struct thread *th;

	HASH_FIND(hh, t->threads, &tid, sizeof(tid), th);
	if (th)
		return th;
	th = calloc(1, sizeof(*th));
	if (!th)
		return NULL;
	th->tid = tid;
	HASH_ADD(hh, t->threads, tid, sizeof(th->tid), th);
	if (hash_added(th))
		return th;
	free(th);
	return NULL;
}

static struct thread *thread_of(struct spantree **tree, uint32_t tid)
{
	if (!*tree)
		*tree = calloc(1, sizeof(**tree));
	return *tree ? get_thread(*tree, tid) : NULL;
}

int spantree__enter(struct spantree **tree, const struct rt_checkpoint *cp)
{
	struct thread *th;
	struct open *o;
	int err;

	if (cp->h.len < RT_ENTRY_LEN || !cp->span || (cp->flags & RT_F_TOLD))
		return 0;
	th = thread_of(tree, cp->h.tid);
	if (!th)
		return -ENOMEM;
	if (th->n >= MAX_OPEN)
		return 0;
	err = reserve(&th->open, sizeof(*th->open), th->n, &th->room);
	if (err)
		return err;
	o = &th->open[th->n];
	*o = (struct open){.span = cp->span};
	err = get_node(*tree, th->n ? th->open[th->n - 1].node : 0, cp->func, &o->node);
	th->n += !err;
	return err;
}

static void add_difference(struct rt_change *to, const struct rt_change *a, const struct rt_change *b)
{
	to->file += a->file - b->file;
	to->anon += a->anon - b->anon;
	to->shmem += a->shmem - b->shmem;
	to->swap += a->swap - b->swap;
}

static void add_to_node(struct span_node *n, const struct rt_checkpoint *cp, const struct open *o)
{
	static const struct open alone;

	n->count++;
	rt_change_add(&n->all_grown, &cp->grown);
	rt_change_add(&n->all_returned, &cp->returned);
	o = o ? o : &alone;
	add_difference(&n->own_grown, &cp->grown, &o->grown);
	add_difference(&n->own_returned, &cp->returned, &o->returned);
}

/* What is above the one that returns has lost its return, and is forgotten. */
int spantree__leave(struct spantree **tree, const struct rt_checkpoint *cp)
{
	struct thread *th;
	struct open *o = NULL, *around;
	size_t node = 0, i;
	int err = 0;

	if (cp->h.len < sizeof(*cp) || !cp->span || (cp->flags & RT_F_INHERITED))
		return 0;
	th = thread_of(tree, cp->h.tid);
	if (!th)
		return -ENOMEM;
	for (i = th->n; i && th->open[i - 1].span != cp->span; i--)
		;
	if (i) {
		o = &th->open[i - 1];
		node = o->node;
	} else {
		err = get_node(*tree, 0, cp->func, &node);
	}
	if (node)
		add_to_node(&(*tree)->nodes[node - 1], cp, o);
	if (!i)
		return err;
	if (i > 1) {
		around = &th->open[i - 2];
		rt_change_add(&around->grown, &cp->grown);
		rt_change_add(&around->returned, &cp->returned);
	}
	th->n = i - 1;
	return 0;
}

void spantree__each_open(const struct spantree *t, int (*fn)(void *ctx, uint32_t tid, uint32_t func),
	void *ctx)
{
	for (const struct thread *th = t ? t->threads : NULL; th; th = th->hh.next)
		for (size_t i = 0; i < th->n; i++)
			if (th->open[i].node && fn(ctx, th->tid, t->nodes[th->open[i].node - 1].func))
				return;
}

const struct span_node *spantree__nodes(const struct spantree *t, size_t *n)
{
	*n = t ? t->n : 0;
	return t ? t->nodes : NULL;
}

int spantree__merge(struct spantree **to, const struct spantree *from)
{
	size_t *at, node;
	int err = 0;

	if (!from || !from->n)
		return 0;
	if (!*to)
		*to = calloc(1, sizeof(**to));
	at = calloc(from->n, sizeof(*at));
	if (!*to || !at) {
		free(at);
		return -ENOMEM;
	}
	for (size_t i = 0; i < from->n && !err; i++) {
		const struct span_node *n = &from->nodes[i];

		err = get_node(*to, n->parent ? at[n->parent - 1] : 0, n->func, &node);
		at[i] = node;
		if (err || !node)
			continue;
		(*to)->nodes[node - 1].count += n->count;
		rt_change_add(&(*to)->nodes[node - 1].all_grown, &n->all_grown);
		rt_change_add(&(*to)->nodes[node - 1].all_returned, &n->all_returned);
		rt_change_add(&(*to)->nodes[node - 1].own_grown, &n->own_grown);
		rt_change_add(&(*to)->nodes[node - 1].own_returned, &n->own_returned);
	}
	free(at);
	return err;
}
