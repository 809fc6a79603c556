/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "catalog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

struct spec_entry {
	struct catalog_spec spec; /* first: what is given out is its entry */
	struct fact fact;
	unsigned int id;
	size_t funcs; /* while they are counted */
	UT_hash_handle hh;
};

struct func_entry {
	struct catalog_func func;
	struct fact fact;
	unsigned int id;
	UT_hash_handle hh;
};

struct catalog {
	struct spec_entry *specs;
	struct func_entry *funcs;
	bool has_conditions, has_inside; /* some spec has */
	struct spec_stat *spec_stats;
	struct func_stat *func_stats;
};

struct catalog *catalog__new(void)
{
	return calloc(1, sizeof(struct catalog));
}

void catalog__free(struct catalog *cat)
{
	struct spec_entry *s, *stmp;
	struct func_entry *f, *ftmp;

	if (!cat)
		return;
	HASH_ITER(hh, cat->specs, s, stmp) {
		HASH_DELETE(hh, cat->specs, s);
		fact__clear(&s->fact);
		free(s);
	}
	HASH_ITER(hh, cat->funcs, f, ftmp) {
		HASH_DELETE(hh, cat->funcs, f);
		fact__clear(&f->fact);
		free(f);
	}
	free(cat->spec_stats);
	free(cat->func_stats);
	free(cat);
}

static struct spec_entry *spec_entry__find(const struct catalog *cat, unsigned int id)
{
	struct spec_entry *s;

	HASH_FIND(hh, cat->specs, &id, sizeof(id), s);
	return s;
}

static struct func_entry *func_entry__find(const struct catalog *cat, unsigned int id)
{
	struct func_entry *f;

	HASH_FIND(hh, cat->funcs, &id, sizeof(id), f);
	return f;
}

static bool is_same(const char *a, const char *b)
{
	return a && b ? !strcmp(a, b) : a == b;
}

/* Another place for the same labels of the same profile. */
static bool is_alternative(const struct fact_spec *a, const struct fact_spec *b)
{
	bool same = a->outermost == b->outermost && is_same(a->profile, b->profile);

	for (int i = 0; i < 2 && same; i++)
		same = is_same(a->entry[i], b->entry[i]) && is_same(a->leave[i], b->leave[i]);
	return same;
}

static void find_group(struct catalog *cat, struct spec_entry *s)
{
	s->spec.group = s->id;
	if (!s->fact.spec.outermost)
		return;
	for (struct spec_entry *other = cat->specs; other; other = other->hh.next) {
		if (other != s && is_alternative(&other->fact.spec, &s->fact.spec)) {
			s->spec.group = other->spec.group;
			return;
		}
	}
}

/* Specs may come in any order: each marks the one that it names, and is marked if it was named. */
static void relate(struct catalog *cat, struct spec_entry *s, bool known)
{
	const struct fact_spec *fact = &s->fact.spec;
	struct spec_entry *other;

	s->spec.conditional = fact->inside || fact->caller || fact->outermost || fact->nth;
	cat->has_conditions |= s->spec.conditional;
	if (fact->inside) {
		other = spec_entry__find(cat, fact->inside - 1);
		cat->has_inside = true;
		if (other)
			other->spec.enclosing = true;
	}
	if (!known)
		find_group(cat, s);
	if (known || !cat->has_inside)
		return;
	for (other = cat->specs; other; other = other->hh.next)
		s->spec.enclosing |= other->fact.spec.inside == s->id + 1;
}

static int take_spec(struct catalog *cat, struct fact *fact)
{
	struct spec_entry *s = spec_entry__find(cat, fact->spec.id);
	bool known = s;

	if (known) {
		fact__clear(&s->fact);
	} else {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		s->id = fact->spec.id;
		HASH_ADD(hh, cat->specs, id, sizeof(s->id), s);
		if (!hash_added(s)) {
			free(s);
			return -ENOMEM;
		}
	}
	s->fact = *fact;
	s->spec.fact = &s->fact.spec;
	memset(s->spec.labels, 0, sizeof(s->spec.labels)); /* they may be others now */
	relate(cat, s, known);
	return 0;
}

static int by_id(const void *a, const void *b)
{
	unsigned int x = *(const unsigned int *)a, y = *(const unsigned int *)b;

	return (x > y) - (x < y);
}

static int take_func(struct catalog *cat, struct fact *fact)
{
	struct func_entry *f = func_entry__find(cat, fact->func.id);

	if (f) {
		fact__clear(&f->fact);
	} else {
		f = calloc(1, sizeof(*f));
		if (!f)
			return -ENOMEM;
		f->id = fact->func.id;
		HASH_ADD(hh, cat->funcs, id, sizeof(f->id), f);
		if (!hash_added(f)) {
			free(f);
			return -ENOMEM;
		}
	}
	f->fact = *fact;
	f->func.fact = &f->fact.func;
	if (f->fact.func.n_specs)
		qsort(f->fact.func.specs, f->fact.func.n_specs, sizeof(unsigned int), by_id);
	return 0;
}

int catalog__take(struct catalog *cat, struct fact *fact)
{
	int err = fact->kind == REC_SPEC ? take_spec(cat, fact) : take_func(cat, fact);

	if (!err)
		*fact = (struct fact){ .kind = REC_EVENT }; /* ours now: nothing left to clear */
	return err;
}

struct catalog_spec *catalog__spec(const struct catalog *cat, unsigned int id)
{
	struct spec_entry *s = spec_entry__find(cat, id);

	return s ? &s->spec : NULL;
}

struct catalog_func *catalog__func(const struct catalog *cat, unsigned int id)
{
	struct func_entry *f = func_entry__find(cat, id);

	return f ? &f->func : NULL;
}

bool catalog__has_conditions(const struct catalog *cat)
{
	return cat->has_conditions;
}

void catalog__hits(struct catalog *cat, const struct fact_counters *counters)
{
	struct catalog_func *f;

	for (size_t i = 0; i < counters->n_hits; i++) {
		f = catalog__func(cat, counters->hits[i].func);
		if (!f)
			continue;
		f->entries = counters->hits[i].entries;
		f->returns = counters->hits[i].returns;
		f->counted = true;
	}
}

static int spec_by_id(const struct spec_entry *a, const struct spec_entry *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static int func_by_id(const struct func_entry *a, const struct func_entry *b)
{
	return (a->id > b->id) - (a->id < b->id);
}

static void count_specs(struct catalog *cat, const struct fact_func *func)
{
	struct spec_entry *s;

	for (size_t i = 0; i < func->n_specs; i++) {
		s = spec_entry__find(cat, func->specs[i]);
		if (s)
			s->funcs++;
	}
}

int catalog__spec_stats(struct catalog *cat, const struct spec_stat **stats, size_t *n)
{
	struct spec_stat *list = calloc(HASH_COUNT(cat->specs) + 1, sizeof(*list));
	size_t i = 0;

	if (!list)
		return -ENOMEM;
	HASH_SORT(cat->specs, spec_by_id);
	for (struct func_entry *f = cat->funcs; f; f = f->hh.next)
		count_specs(cat, &f->fact.func);
	for (struct spec_entry *s = cat->specs; s; s = s->hh.next) {
		list[i++] = (struct spec_stat){ .spec = s->spec.fact, .rows = s->spec.rows,
			.funcs = s->funcs };
		s->funcs = 0;
	}
	free(cat->spec_stats);
	*stats = cat->spec_stats = list;
	*n = i;
	return 0;
}

int catalog__func_stats(struct catalog *cat, const struct func_stat **stats, size_t *n)
{
	struct func_stat *list = calloc(HASH_COUNT(cat->funcs) + 1, sizeof(*list));
	size_t i = 0;

	if (!list)
		return -ENOMEM;
	HASH_SORT(cat->funcs, func_by_id);
	for (struct func_entry *f = cat->funcs; f; f = f->hh.next)
		if (f->func.fact->n_specs || f->func.entries || f->func.returns) /* else only the name was wanted */
			list[i++] = (struct func_stat){ .func = f->func.fact,
			.entries = f->func.entries, .returns = f->func.returns };
	free(cat->func_stats);
	*stats = cat->func_stats = list;
	*n = i;
	return 0;
}
