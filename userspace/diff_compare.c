/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	unsigned int n;
	const char *names[DIFF_VALUES];
} kinds[SEEN_KINDS] = {
	[SEEN_TREE] = {1, {"peak"}},
	[SEEN_PROCESS] = {3, {"baseline", "end", "peak"}},
	[SEEN_LABEL] = {3, {"delta", "total", "times"}},
	[SEEN_FUNCTION] = {2, {"self", "inclusive"}},
	[SEEN_NATIVE] = {2, {"self", "inclusive"}},
	[SEEN_MAPPING] = {1, {"net"}},
};

unsigned int diff_values(enum seen_kind kind)
{
	return kinds[kind].n;
}

const char *diff_value_name(enum seen_kind kind, unsigned int value)
{
	return kinds[kind].names[value];
}

/* All values are bytes, but for how often a label came. */
static bool is_bytes(enum seen_kind kind, unsigned int value)
{
	return kind != SEEN_LABEL || value < 2;
}

static int64_t sub(int64_t a, int64_t b)
{
	return (int64_t)((uint64_t)a - (uint64_t)b);
}

static uint64_t magnitude(int64_t v)
{
	return v < 0 ? 0 - (uint64_t)v : (uint64_t)v;
}

/* --- values ----------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Sorts them. Of two in the middle the median is what lies between, rounded down. */
static struct diff_range range_of(int64_t *v, size_t n)
{
	struct diff_range r;

	if (n > 1)
		qsort(v, n, sizeof(*v), by_size);
	r.low = v[0];
	r.high = v[n - 1];
	r.median = v[n / 2];
	if (n % 2 == 0)
		r.median = v[n / 2 - 1] + (int64_t)((uint64_t)sub(v[n / 2], v[n / 2 - 1]) / 2);
	return r;
}

struct diff_value diff__judge(const struct diff *d, int64_t *v)
{
	struct diff_value value = {
		.a = range_of(v, d->n_a), .b = range_of(v + d->n_a, d->n - d->n_a)};

	value.by = sub(value.b.median, value.a.median);
	value.differs = value.a.high < value.b.low || value.b.high < value.a.low;
	return value;
}

static int64_t sum_of_deltas(const struct seen *s)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < s->n; i++)
		sum += (uint64_t)s->figures[2 * i];
	return (int64_t)sum;
}

/* One of the values in one run; 0 where it was not there. */
static int64_t figure(const struct seen *s, unsigned int value)
{
	if (!s || !s->n)
		return 0;
	if (s->kind != SEEN_LABEL)
		return s->figures[value];
	if (value == 0)
		return sum_of_deltas(s);
	return value == 1 ? s->figures[2 * s->n - 1] : (int64_t)s->n;
}

static void compare_entry(const struct diff *d, struct diff_entry *e)
{
	for (size_t i = 0; i < d->n; i++) {
		e->runs_a += i < d->n_a && e->of[i];
		e->runs_b += i >= d->n_a && e->of[i];
	}
	for (unsigned int k = 0; k < kinds[e->kind].n; k++) {
		for (size_t i = 0; i < d->n; i++)
			d->scratch[i] = figure(e->of[i], k);
		e->values[k] = diff__judge(d, d->scratch);
		if (e->values[k].differs && is_bytes(e->kind, k) &&
			magnitude(e->values[k].by) > e->size)
			e->size = magnitude(e->values[k].by);
	}
}

/* What it is sorted by first: of a function what came in itself, so that its callers follow. */
static uint64_t rank(const struct diff_entry *e)
{
	if (e->kind == SEEN_PROCESS)
		return e->size;
	return e->values[0].differs ? magnitude(e->values[0].by) : 0;
}

static int by_difference(const void *a, const void *b)
{
	const struct diff_entry *x = *(struct diff_entry *const *)a,
				*y = *(struct diff_entry *const *)b;
	uint64_t m = rank(x), n = rank(y);
	int order;

	if (m != n)
		return m < n ? 1 : -1;
	if (x->size != y->size)
		return x->size < y->size ? 1 : -1;
	order = strcmp(x->name, y->name);
	if (!order && x->process && y->process)
		order = strcmp(x->process->name, y->process->name);
	if (!order && x->process && y->process)
		order = (x->process->nth > y->process->nth) - (x->process->nth < y->process->nth);
	return order ? order : strcmp(x->file, y->file);
}

int diff__compare(struct diff *d)
{
	d->scratch = calloc(d->n, sizeof(*d->scratch));
	if (!d->scratch)
		return -ENOMEM;
	for (int k = 0; k < SEEN_KINDS; k++) {
		struct diff_list *all = &d->entries[k];

		for (size_t i = 0; i < all->n; i++)
			compare_entry(d, all->list[i]);
		if (all->n)
			qsort(all->list, all->n, sizeof(*all->list), by_difference);
	}
	return 0;
}

/* --- rows of a label -------------------------------------------------------------------------- */

size_t diff_entry__occurrences(const struct diff *d, const struct diff_entry *e)
{
	size_t n = 0;

	for (size_t i = 0; i < d->n; i++)
		if (e->of[i] && e->of[i]->n > n)
			n = e->of[i]->n;
	return n;
}

void diff__occurrence(
	const struct diff *d, const struct diff_entry *e, size_t nth, struct diff_value values[2])
{
	for (unsigned int k = 0; k < 2; k++) {
		for (size_t i = 0; i < d->n; i++)
			d->scratch[i] =
				e->of[i] && nth < e->of[i]->n ? e->of[i]->figures[2 * nth + k] : 0;
		values[k] = diff__judge(d, d->scratch);
	}
}

bool diff__worst(const struct diff *d, const struct diff_entry *e, size_t *nth, int64_t *by)
{
	size_t n = diff_entry__occurrences(d, e);
	struct diff_value values[2];
	bool any = false;

	for (size_t i = 0; i < n && n > 1; i++) {
		diff__occurrence(d, e, i, values);
		if (!values[0].differs || (any && magnitude(values[0].by) <= magnitude(*by)))
			continue;
		any = true;
		*nth = i;
		*by = values[0].by;
	}
	return any;
}

/* --- what is worth telling -------------------------------------------------------------------- */

char diff_entry__only(const struct diff_entry *e)
{
	if (!e->runs_a == !e->runs_b)
		return '\0';
	return e->runs_a ? 'A' : 'B';
}

bool diff__large(const struct diff *d, const struct diff_entry *e)
{
	uint64_t largest = 0;

	for (unsigned int k = 0; k < kinds[e->kind].n; k++)
		if (is_bytes(e->kind, k) && magnitude(e->values[k].by) > largest)
			largest = magnitude(e->values[k].by);
	return largest >= d->min_delta && (e->runs_a || e->runs_b);
}

bool diff__tells(const struct diff *d, const struct diff_entry *e)
{
	return e->size && e->size >= d->min_delta;
}

char *diff_process_name(const struct diff_process *p)
{
	char *clean = p ? out_clean(p->name, strlen(p->name)) : strdup(""), *name = NULL;

	if (!clean || !p || !p->crowd)
		return clean;
	if (asprintf(&name, "%s #%u", clean, p->nth) < 0)
		name = NULL;
	free(clean);
	return name;
}

void diff__clear(struct diff *d)
{
	struct diff_process *p, *tmp;

	HASH_ITER(hh, d->processes, p, tmp)
	{
		HASH_CLEAR(hh, p->entries);
		HASH_DELETE(hh, d->processes, p);
		free(p->of);
		free(p->key);
		free(p);
	}
	for (int k = 0; k < SEEN_KINDS; k++) {
		for (size_t i = 0; i < d->entries[k].n; i++) {
			free(d->entries[k].list[i]->of);
			free(d->entries[k].list[i]);
		}
		free(d->entries[k].list);
	}
	for (size_t i = 0; i < d->n_facts; i++) {
		free(d->facts[i].a);
		free(d->facts[i].b);
	}
	for (size_t i = 0; i < d->n && d->runs; i++)
		seen_run__clear(&d->runs[i]);
	free(d->runs);
	free(d->scratch);
}
