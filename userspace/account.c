/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account.h"

#include <stdio.h>
#include <string.h>

#include "catalog.h"
#include "proctree.h"

static int64_t rss_of(const struct rt_change *c)
{
	static const struct rt_change none;

	return rt_change_rss(c, &none);
}

void account_of(const struct growth_program *p, const struct growth_sums *sums, struct account *out)
{
	int64_t counted = (int64_t)(rt_rss(&p->totals.last) - rt_rss(&p->totals.first));

	out->ends = p->ends;
	out->attributed = rt_change_rss(&sums->grown, &sums->returned);
	out->foreign = rss_of(&p->totals.foreign);
	out->footprint = rss_of(&p->totals.footprint);
	out->remainder = (int64_t)(p->ends.end - p->ends.start - (uint64_t)out->attributed -
				   (uint64_t)out->foreign - (uint64_t)out->footprint);
	out->unread = rss_of(&sums->unread);
	out->rest = rss_of(&sums->rest);
	out->uncounted = counted - rt_change_rss(&p->totals.grown, &p->totals.returned) - out->foreign -
			 out->footprint;
	out->unlike = (int64_t)(p->ends.end - p->ends.start) - counted;
	out->dropped = out->remainder - out->unread - out->rest - out->uncounted - out->unlike;
}

void account_name(const struct catalog *cat, const struct growth_place *place, struct place_name *out)
{
	const struct catalog_func *f = place->comm ? NULL : catalog__func(cat, place->func);

	*out = (struct place_name){.file = ""};
	out->name = out->buf;
	if (place->comm) {
		snprintf(out->buf, sizeof(out->buf), "[native thread %s]", place->comm);
	} else if (!f) {
		snprintf(out->buf, sizeof(out->buf), "[unnamed function]");
	} else {
		out->name = f->fact->qualname ? f->fact->qualname : f->fact->name;
		out->file = f->fact->file;
		out->line = f->fact->line;
	}
}
