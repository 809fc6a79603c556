/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "seen.h"

#include <errno.h>

#include "account.h"
#include "growth.h"
#include "mapping.h"

/* Those of one name are one. */
static int add_to(struct seen_program *p, enum seen_kind kind, const char *name, const char *file,
	int64_t first, int64_t second)
{
	struct seen *s = seen__get(&p->places, kind, name, file);

	if (!s)
		return -ENOMEM;
	if (!s->n)
		return seen__add(s, (const int64_t[]){first, second});
	s->figures[0] = (int64_t)((uint64_t)s->figures[0] + (uint64_t)first);
	if (seen_width(kind) > 1)
		s->figures[1] = (int64_t)((uint64_t)s->figures[1] + (uint64_t)second);
	return 0;
}

static int add_places(struct seen_program *p, enum seen_kind kind, const struct catalog *cat,
	const struct growth_place *places, size_t n)
{
	struct place_name name;
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		const struct growth_place *g = &places[i];

		account_name(cat, g, &name);
		err = add_to(p, kind, name.name, name.file ? name.file : "",
			rt_change_rss(&g->self_grown, &g->self_returned),
			rt_change_rss(&g->all_grown, &g->all_returned));
	}
	return err;
}

static int add_mappings(struct seen_program *p, const struct growth_sums *sums)
{
	char name[RT_MAP_NAME_LEN + 32];
	int err = 0;

	for (size_t i = 0; i < sums->n_mappings && !err; i++) {
		const struct growth_mapping *m = &sums->mappings[i];

		mapping_name(m->what, name, sizeof(name));
		err = add_to(p, SEEN_MAPPING, name, "", rt_change_rss(&m->grown, &m->returned), 0);
	}
	return err;
}

int seen_growth(struct seen_run *run, const struct run_summary *sum)
{
	const struct growth_program *g;
	struct growth_sums sums;
	struct account account;
	int err = 0;
	size_t n = 0;

	run->growth = sum->growth;
	g = run->growth ? growth__programs(sum->growth, &n) : NULL;
	for (; n-- && !err; g++) {
		struct seen_program *p = seen_run__program(run, g->pid, g->start_ns, g->born_ns);

		if (!p)
			continue;
		err = growth__sum(sum->growth, g->serial, &sums);
		if (err)
			break;
		account_of(g, &sums, &account);
		p->remainder = account.remainder;
		err = add_places(p, SEEN_FUNCTION, sum->catalog, sums.funcs, sums.n_funcs);
		if (!err)
			err = add_places(
				p, SEEN_NATIVE, sum->catalog, sums.natives, sums.n_natives);
		if (!err)
			err = add_mappings(p, &sums);
		growth_sums__clear(&sums);
	}
	return err;
}
