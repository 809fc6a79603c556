/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

enum {
	UNKNOWN_ID = 0xffffffff, /* of a spec that a damaged tape does not have */
	MAX_AROUND = 8,		 /* specs around specs: ours have one, a tape may claim a ring */
};

/* One of the pool. What makes two the same is how they look on a tape, but for the id. */
struct common {
	struct fact fact; /* a copy, under the common id */
	union {
		struct spec_stat spec;
		struct func_stat func;
	};
	bool matched;
	struct common *next;
	UT_hash_handle hh;
	size_t len;
	char wire[];
};

/* What a run calls it. */
struct name {
	struct {
		uint32_t kind, run, id;
	} key; /* no padding: hashed as bytes */
	struct common *common;
	UT_hash_handle hh;
};

struct pool {
	struct common *by_wire;
	struct common *specs, *funcs;
	unsigned int n_specs, n_funcs;
	struct name *names;
	struct spec_stat *spec_stats;
	struct func_stat *func_stats;
};

struct pool *pool__new(void)
{
	return calloc(1, sizeof(struct pool));
}

void pool__free(struct pool *pool)
{
	struct common *c, *ctmp;
	struct name *n, *ntmp;

	if (!pool)
		return;
	HASH_ITER(hh, pool->names, n, ntmp) {
		HASH_DELETE(hh, pool->names, n);
		free(n);
	}
	HASH_ITER(hh, pool->by_wire, c, ctmp) {
		HASH_DELETE(hh, pool->by_wire, c);
		fact__clear(&c->fact);
		free(c);
	}
	free(pool->spec_stats);
	free(pool->func_stats);
	free(pool);
}

/* --- finding ---------------------------------------------------------------------------------- */

static void pool__append(struct pool *pool, struct common *c)
{
	if (c->fact.kind == REC_SPEC) {
		c->fact.spec.id = pool->n_specs++;
		c->spec.spec = &c->fact.spec;
		LL_PREPEND(pool->specs, c);
	} else {
		c->fact.func.id = pool->n_funcs++;
		c->func.func = &c->fact.func;
		LL_PREPEND(pool->funcs, c);
	}
}

struct lookup {
	struct pool *pool;
	struct common *found;
};

/* A record_fn: the fact as it would be on a tape is both its key and the way to copy it. */
static int find_by_wire(void *ctx, const struct record *rec)
{
	struct lookup *l = ctx;
	struct common *c;
	int err;

	HASH_FIND(hh, l->pool->by_wire, rec->data, rec->len, l->found);
	if (l->found)
		return 0;
	c = calloc(1, sizeof(*c) + rec->len);
	if (!c)
		return -ENOMEM;
	c->len = rec->len;
	memcpy(c->wire, rec->data, rec->len);
	err = fact__decode(rec, &c->fact);
	if (err) {
		free(c);
		return err;
	}
	HASH_ADD_KEYPTR(hh, l->pool->by_wire, c->wire, c->len, c);
	if (!hash_added(c)) {
		fact__clear(&c->fact);
		free(c);
		return -ENOMEM;
	}
	pool__append(l->pool, c);
	l->found = c;
	return 0;
}

static struct name *name__find(const struct pool *pool, enum record_kind kind, unsigned int run,
	unsigned int id)
{
	struct name wanted = { .key = { kind, run, id } }, *n;

	HASH_FIND(hh, pool->names, &wanted.key, sizeof(wanted.key), n);
	return n;
}

static struct common *pool__get(struct pool *pool, unsigned int run, unsigned int id,
	const struct fact *fact)
{
	struct lookup lookup = { .pool = pool };
	struct name *n = name__find(pool, fact->kind, run, id);

	if (n)
		return n->common;
	if (fact__emit(fact, find_by_wire, &lookup))
		return NULL;
	n = calloc(1, sizeof(*n));
	if (!n)
		return NULL;
	n->key.kind = fact->kind;
	n->key.run = run;
	n->key.id = id;
	n->common = lookup.found;
	HASH_ADD(hh, pool->names, key, sizeof(n->key), n);
	if (!hash_added(n)) {
		free(n);
		return NULL;
	}
	return n->common;
}

/* The id in `inside` is the run's own as well, and becomes the common one of what it names. */
static struct common *pool__get_spec(struct pool *pool, unsigned int run,
	const struct fact_spec *spec)
{
	struct fact fact = { .kind = REC_SPEC, .spec = *spec };
	struct name *around = spec->inside ? name__find(pool, REC_SPEC, run, spec->inside - 1) : NULL;

	if (spec->inside)
		fact.spec.inside = around ? around->common->fact.spec.id + 1 : UNKNOWN_ID;
	fact.spec.id = 0;
	fact.spec.unmatched = NULL;
	fact.spec.absent = false;
	return pool__get(pool, run, spec->id, &fact);
}

struct spec_stat *pool__spec(struct pool *pool, unsigned int run, const struct fact_spec *spec)
{
	struct common *c = pool__get_spec(pool, run, spec);

	return c ? &c->spec : NULL;
}

struct func_stat *pool__func(struct pool *pool, unsigned int run, const struct fact_func *func)
{
	struct fact fact = { .kind = REC_FUNC, .func = *func };
	struct common *c;

	fact.func.id = 0;
	fact.func.specs = NULL; /* ids of the run's own, which nothing behind here asks for */
	fact.func.n_specs = 0;
	c = pool__get(pool, run, func->id, &fact);
	return c ? &c->func : NULL;
}

static int judge_one(struct pool *pool, unsigned int run, const struct fact_spec *spec)
{
	struct common *c = pool__get_spec(pool, run, spec);
	char **why;

	if (!c)
		return -ENOMEM;
	why = &c->fact.spec.unmatched;
	if (!spec->unmatched) {
		c->matched = true;
		free(*why);
		*why = NULL;
	} else if (!c->matched && !*why) {
		*why = strdup(spec->unmatched);
		if (!*why)
			return -ENOMEM;
	}
	return 0;
}

/* The spec that this one is inside of, if it has no common id yet. */
static const struct fact_spec *around(const struct pool *pool, unsigned int run,
	const struct spec_stat *specs, size_t n, const struct fact_spec *spec)
{
	if (!spec->inside || name__find(pool, REC_SPEC, run, spec->id) ||
	    name__find(pool, REC_SPEC, run, spec->inside - 1))
		return NULL;
	for (size_t i = 0; i < n; i++)
		if (specs[i].spec->id == spec->inside - 1)
			return specs[i].spec;
	return NULL;
}

int pool__judge(struct pool *pool, unsigned int run, const struct spec_stat *specs, size_t n)
{
	const struct fact_spec *chain[MAX_AROUND];
	size_t depth;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		depth = 0;
		for (const struct fact_spec *s = specs[i].spec; s && depth < MAX_AROUND;
		     s = around(pool, run, specs, n, s))
			chain[depth++] = s;
		while (depth && !err) /* the outermost first: those in it need its id */
			err = judge_one(pool, run, chain[--depth]);
	}
	return err;
}

/* --- lists ------------------------------------------------------------------------------------ */

int pool__spec_stats(struct pool *pool, const struct spec_stat **stats, size_t *n)
{
	struct spec_stat *list = calloc(pool->n_specs + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (const struct common *c = pool->specs; c; c = c->next)
		list[c->fact.spec.id] = c->spec;
	free(pool->spec_stats);
	*stats = pool->spec_stats = list;
	*n = pool->n_specs;
	return 0;
}

int pool__func_stats(struct pool *pool, const struct func_stat **stats, size_t *n)
{
	struct func_stat *list = calloc(pool->n_funcs + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (const struct common *c = pool->funcs; c; c = c->next)
		list[c->fact.func.id] = c->func;
	free(pool->func_stats);
	*stats = pool->func_stats = list;
	*n = pool->n_funcs;
	return 0;
}
