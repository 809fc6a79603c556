/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "peaks.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPEN 256 /* that are kept of one program */

struct kept {
	struct open_span list[MAX_OPEN];
	size_t n;
};

struct peaks {
	uint64_t row_ns; /* of the last row */
	struct kept own, all;
};

static int keep_one(void *ctx, uint32_t tid, uint32_t func)
{
	struct kept *k = ctx;

	if (k->n >= MAX_OPEN)
		return 1;
	k->list[k->n++] = (struct open_span){tid, func};
	return 0;
}

static void keep(struct kept *k, const struct spantree *tree)
{
	k->n = 0;
	spantree__each_open(tree, keep_one, k);
}

int peaks__row(struct peaks **peaks, const struct rt_checkpoint *cp, const struct spantree *tree)
{
	struct peaks *p = *peaks;

	if (!p)
		p = *peaks = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	if (cp->flags & RT_F_PEAK)
		keep(&p->own, tree);
	if (cp->flags & RT_F_TREE_PEAK)
		keep(&p->all, tree);
	p->row_ns = cp->h.time_ns;
	return 0;
}

void peaks__free(struct peaks *peaks)
{
	free(peaks);
}

static int copy(const struct kept *k, struct open_spans *out)
{
	*out = (struct open_spans){0};
	if (!k->n)
		return 0;
	out->list = calloc(k->n, sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	memcpy(out->list, k->list, k->n * sizeof(*out->list));
	out->n = k->n;
	return 0;
}

/* A peak after the last row came with what is open still. */
static int at_peak(const struct peaks *peaks, const struct kept *kept, const struct spantree *tree,
	uint64_t peak_ns, struct open_spans *out)
{
	struct kept now;

	if (peaks && peak_ns <= peaks->row_ns)
		return copy(kept, out);
	keep(&now, tree);
	return copy(&now, out);
}

int peaks__own(const struct peaks *peaks, const struct spantree *tree, uint64_t peak_ns, struct open_spans *out)
{
	return at_peak(peaks, peaks ? &peaks->own : NULL, tree, peak_ns, out);
}

int peaks__of_all(const struct peaks *peaks, const struct spantree *tree, uint64_t peak_ns,
	struct open_spans *out)
{
	return at_peak(peaks, peaks ? &peaks->all : NULL, tree, peak_ns, out);
}

void open_spans__clear(struct open_spans *open)
{
	free(open->list);
	*open = (struct open_spans){0};
}
