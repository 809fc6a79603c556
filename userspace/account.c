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
	out->start = rt_rss(&p->totals.first);
	out->end = rt_rss(&p->totals.last);
	out->attributed = rt_change_rss(&sums->grown, &sums->returned);
	out->foreign = rss_of(&p->totals.foreign);
	out->footprint = rss_of(&p->totals.footprint);
	out->remainder = (int64_t)(out->end - out->start - (uint64_t)out->attributed -
				   (uint64_t)out->foreign - (uint64_t)out->footprint);
	out->unread = rss_of(&sums->unread);
	out->rest = rss_of(&sums->rest);
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
