/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tally.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FUNC (1U << 24) /* as many as an attach cookie can tell apart, and more than a file has */

struct tally {
	struct rt_hits *hits; /* by function id */
	size_t n;
};

struct tally *tally__new(void)
{
	return calloc(1, sizeof(struct tally));
}

void tally__free(struct tally *t)
{
	if (!t)
		return;
	free(t->hits);
	free(t);
}

static int grow(struct tally *t, size_t n)
{
	struct rt_hits *bigger = realloc(t->hits, n * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	memset(bigger + t->n, 0, (n - t->n) * sizeof(*bigger));
	t->hits = bigger;
	t->n = n;
	return 0;
}

int tally__count(struct tally *t, const struct rt_checkpoint *ev)
{
	if (ev->func >= MAX_FUNC) /* RT_NO_FUNC among them */
		return 0;
	if (ev->func >= t->n && grow(t, (size_t)ev->func * 2 + 64))
		return -ENOMEM;
	if (ev->when == RT_ENTRY)
		t->hits[ev->func].entries++;
	else
		t->hits[ev->func].returns++;
	return 0;
}

int tally__emit(const struct tally *t, const struct session *s, const struct fact_counters *costs, size_t n,
	record_fn *emit, void *ctx)
{
	struct fact fact = {.kind = REC_COUNTERS, .counters = *costs};
	uint64_t loss[RT_LOSS_MAX];
	int err;

	session__losses(s, loss);
	memcpy(fact.counters.loss, loss, sizeof(loss));
	session__tree_peak(s, &fact.counters.tree_peak, &fact.counters.tree_peak_ns);
	fact.counters.hits = calloc(n + 1, sizeof(*fact.counters.hits));
	if (!fact.counters.hits)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		struct rt_hits hits = session__missed(s, i);

		if (i < t->n) {
			hits.entries += t->hits[i].entries;
			hits.returns += t->hits[i].returns;
		}
		fact.counters.hits[i] = (struct fact_hits){i, hits.entries, hits.returns};
	}
	fact.counters.n_hits = n;
	err = fact__emit(&fact, emit, ctx);
	free(fact.counters.hits);
	return err;
}
