/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The part of the report that is from /proc: all processes by PSS beside the sum of RSS, what is
 * private in each, and each by mapping. Of many programs the largest are kept.
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "holdings.h"
#include "table.h"

enum {
	MAX_KEPT = 40,
	MAX_MAPPED = 10, /* programs whose mappings are listed */
	MAX_SHOWN = 12,	 /* mappings of each */
	MAX_TREES = 12,
	NAME_WIDTH = 38,
};

/* A program as the report shows it: groups are those that are shown, then the sum of the rest. */
struct program {
	char *name;
	uint32_t pid;
	uint64_t order;
	struct holdings h; /* its groups are `groups` */
	struct held_group groups[MAX_SHOWN];
	size_t n_shown, n_rest;
	struct held_group rest;
};

struct report_memory {
	struct program *programs[MAX_KEPT + 1]; /* the last place is for who comes too many */
	size_t n;
	uint64_t seen, dropped, unread;
};

struct report_memory *report_memory__new(void)
{
	return calloc(1, sizeof(struct report_memory));
}

static void program__free(struct program *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_shown; i++)
		free(p->groups[i].name);
	free(p->name);
	free(p);
}

void report_memory__free(struct report_memory *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < m->n; i++)
		program__free(m->programs[i]);
	free(m);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static void add_rest(struct program *p, const struct held_group *g)
{
	p->n_rest++;
	for (int end = 0; end < 2; end++) {
		p->rest.mappings[end] += g->mappings[end];
		smaps_add(&p->rest.sums[end], &g->sums[end]);
	}
}

static bool is_empty(const struct held_group *g)
{
	return !g->sums[0].rss && !g->sums[1].rss && !g->sums[0].hugetlb && !g->sums[1].hugetlb;
}

/* Hugetlb is not in RSS, so it must not be in the sum of the rest. */
static int keep_groups(struct program *p, const struct holdings *h)
{
	for (size_t i = 0; i < h->n_groups; i++) {
		const struct held_group *g = &h->groups[i];

		if (is_empty(g))
			continue;
		if (p->n_shown == MAX_SHOWN) {
			add_rest(p, g);
			continue;
		}
		p->groups[p->n_shown] = *g;
		p->groups[p->n_shown].name = strdup(g->name);
		if (!p->groups[p->n_shown++].name)
			return -ENOMEM;
	}
	return 0;
}

static struct program *program__new(const char *name, const struct proc *proc)
{
	struct program *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->pid = proc->pid;
	p->h = *proc->holdings;
	p->h.groups = NULL;
	p->name = strdup(name);
	if (!p->name || keep_groups(p, proc->holdings)) {
		program__free(p);
		return NULL;
	}
	return p;
}

static uint64_t weight(const struct program *p)
{
	const uint64_t rss[] = { p->h.first.sums.rss, p->h.last.sums.rss, p->h.map_last.rss };
	uint64_t most = 0;

	for (size_t i = 0; i < sizeof(rss) / sizeof(rss[0]); i++)
		most = rss[i] > most ? rss[i] : most;
	return most;
}

static void drop_least(struct report_memory *m)
{
	size_t least = 0;

	for (size_t i = 1; i < m->n; i++)
		if (weight(m->programs[i]) < weight(m->programs[least]))
			least = i;
	program__free(m->programs[least]);
	m->programs[least] = m->programs[--m->n];
	m->dropped++;
}

int report_memory__add(struct report_memory *m, const char *name, const struct proc *proc)
{
	struct program *p;

	if (!proc->holdings)
		return 0;
	m->unread += proc->holdings->failed;
	if (proc->holdings->readings == proc->holdings->failed && !proc->holdings->maps)
		return 0;
	p = program__new(name, proc);
	if (!p)
		return -ENOMEM;
	p->order = m->seen++;
	m->programs[m->n++] = p;
	if (m->n > MAX_KEPT)
		drop_least(m);
	return 0;
}

/* --- how it is shown -------------------------------------------------------------------------- */

static void cell_mib(struct table *t, uint64_t bytes)
{
	table__cell(t, "%.2f", (double)bytes / 1048576.0);
}

static void cell_change(struct table *t, uint64_t from, uint64_t to)
{
	table__cell(t, "%+.2f", (double)(int64_t)(to - from) / 1048576.0);
}

static void tree_line(struct table *t, enum lang lang, const struct run_summary *sum,
	const struct tree_reading *r, bool peak)
{
	const char *when = lang_text(lang, peak ? TEXT_COL_PEAK : TEXT_WHEN_0 + r->when);

	table__cell(t, "%.3fs", (double)(int64_t)(r->time_ns - sum->host->start_ns) / 1e9);
	if (r->run)
		table__cell(t, "#%u %s", r->run, when);
	else
		table__cell(t, "%s", when);
	table__cell(t, "%" PRIu64, r->processes);
	cell_mib(t, r->sums.rss);
	cell_mib(t, r->sums.pss);
	cell_mib(t, r->sums.private_dirty);
	cell_mib(t, r->sums.anon_huge);
	cell_mib(t, r->sums.swap_pss);
}

/* The first and the last ones, and the peak where it is none of these. */
static int print_trees(enum lang lang, const struct run_summary *sum, struct out *o)
{
	struct table *t = table__new();
	size_t n = sum->n_readings;
	bool peak = sum->most != NULL;
	int err;

	if (!t)
		return -ENOMEM;
	table__column(t, lang_text(lang, TEXT_COL_TIME), true);
	table__column(t, lang_text(lang, TEXT_COL_WHEN), false);
	table__column(t, lang_text(lang, TEXT_PROCESSES), true);
	table__column(t, lang_text(lang, TEXT_COL_SUM_RSS), true);
	table__column(t, "PSS", true);
	table__column(t, lang_text(lang, TEXT_COL_PRIVATE), true);
	table__column(t, lang_text(lang, TEXT_COL_HUGE), true);
	table__column(t, "swap", true);
	for (size_t i = 0; i < n; i++) {
		const struct tree_reading *r = &sum->readings[i];

		if (i && i + MAX_TREES < n)
			continue;
		tree_line(t, lang, sum, r, false);
		peak &= !sum->most || r->number != sum->most->number || r->run != sum->most->run;
	}
	if (peak)
		tree_line(t, lang, sum, sum->most, true);
	out__fmt(o, "\n%s:\n", lang_text(lang, TEXT_PSS_TREE));
	err = table__print(t, o);
	table__free(t);
	return err;
}

static void cell_name(struct table *t, const struct program *p)
{
	table__cell(t, "%s%spid=%u", p->name, p->name[0] ? " " : "", p->pid);
}

static void process_columns(struct table *t, enum lang lang)
{
	table__column(t, lang_text(lang, TEXT_COL_PROCESS), false);
	table__column(t, "RSS", true);
	table__column(t, "->", true);
	table__column(t, "PSS", true);
	table__column(t, "->", true);
	table__column(t, lang_text(lang, TEXT_COL_PRIVATE), true);
	table__column(t, "->", true);
	table__column(t, lang_text(lang, TEXT_COL_MOST_PRIVATE), true);
	table__column(t, lang_text(lang, TEXT_COL_READINGS), true);
}

static int print_processes(const struct report_memory *m, enum lang lang, struct out *o)
{
	struct table *t = table__new();
	size_t n = 0;
	int err = 0;

	if (!t)
		return -ENOMEM;
	process_columns(t, lang);
	for (size_t i = 0; i < m->n; i++) {
		const struct holdings *h = &m->programs[i]->h;

		if (h->readings == h->failed)
			continue;
		n++;
		cell_name(t, m->programs[i]);
		cell_mib(t, h->first.sums.rss);
		cell_mib(t, h->last.sums.rss);
		cell_mib(t, h->first.sums.pss);
		cell_mib(t, h->last.sums.pss);
		cell_mib(t, h->first.sums.private_dirty);
		cell_mib(t, h->last.sums.private_dirty);
		cell_mib(t, h->most_private);
		table__cell(t, "%" PRIu64, h->readings - h->failed);
	}
	out__fmt(o, "\n%s:\n", lang_text(lang, TEXT_PSS_PROCESSES));
	if (n)
		err = table__print(t, o);
	table__free(t);
	if (m->dropped)
		out__fmt(o, "  %s: %" PRIu64 "\n", lang_text(lang, TEXT_OTHERS), m->dropped);
	if (m->unread)
		out__fmt(o, "  %s: %" PRIu64 "\n", lang_text(lang, TEXT_NOT_READ), m->unread);
	return err;
}

/* --- by mapping ------------------------------------------------------------------------------- */

/* Where a character begins, at or behind that byte. */
static size_t char_at(const char *s, size_t at)
{
	while ((s[at] & 0xc0) == 0x80)
		at++;
	return at;
}

/* A long path keeps its beginning and, what tells more, its end. */
static void cell_mapping(struct table *t, const char *name)
{
	size_t head = char_at(name, strlen(name) < 10 ? 0 : 10), tail = head;

	if (out_width(name) <= NAME_WIDTH) {
		table__cell(t, "%s", name);
		return;
	}
	while (out_width(name + tail) + 13 > NAME_WIDTH)
		tail = char_at(name, tail + 1);
	table__cell(t, "%.*s...%s", (int)head, name, name + tail);
}

static uint64_t figure(const struct held_group *g, int end)
{
	return g->kind == SMAPS_HUGETLB ? g->sums[end].hugetlb : g->sums[end].rss;
}

static void sides(struct table *t, bool both, uint64_t from, uint64_t to)
{
	cell_mib(t, from);
	if (both) {
		cell_mib(t, to);
		cell_change(t, from, to);
	} else {
		table__cell(t, "-");
		table__cell(t, "-");
	}
}

struct columns {
	bool both; /* ends: there is growth */
	bool huge; /* somewhere */
};

static void figures(struct table *t, struct columns c, const struct held_group *g)
{
	sides(t, c.both, figure(g, 0), figure(g, 1));
	cell_mib(t, g->sums[1].private_dirty);
	if (c.both)
		cell_change(t, g->sums[0].private_dirty, g->sums[1].private_dirty);
	else
		table__cell(t, "-");
	if (c.huge)
		cell_mib(t, g->sums[1].anon_huge);
}

static void rest_line(struct table *t, struct columns c, const char *name, uint64_t from, uint64_t to)
{
	table__cell(t, "%s", name);
	sides(t, c.both, from, to);
	for (int i = 0; i < 2 + c.huge; i++)
		table__cell(t, "-");
}

static void mapping_columns(struct table *t, enum lang lang, struct columns c)
{
	table__column(t, lang_text(lang, TEXT_COL_MAPPING), false);
	table__column(t, lang_text(lang, TEXT_COL_START), true);
	table__column(t, lang_text(lang, TEXT_COL_END), true);
	table__column(t, lang_text(lang, TEXT_COL_GROWTH), true);
	table__column(t, lang_text(lang, TEXT_COL_PRIVATE), true);
	table__column(t, lang_text(lang, TEXT_COL_GROWTH), true);
	if (c.huge)
		table__column(t, lang_text(lang, TEXT_COL_HUGE), true);
}

static int print_mappings(const struct program *p, enum lang lang, struct out *o)
{
	const struct held_maps *from = &p->h.map_first, *to = &p->h.map_last;
	struct columns c = { .both = p->h.maps > 1,
		.huge = from->sums.anon_huge || to->sums.anon_huge };
	struct table *t = table__new();
	int64_t miss[2] = { (int64_t)(from->rss - from->sums.rss), (int64_t)(to->rss - to->sums.rss) };
	int err;

	if (!t)
		return -ENOMEM;
	mapping_columns(t, lang, c);
	for (size_t i = 0; i < p->n_shown; i++) {
		cell_mapping(t, p->groups[i].name);
		figures(t, c, &p->groups[i]);
	}
	if (p->n_rest) {
		table__cell(t, "%s (%zu)", lang_text(lang, TEXT_OTHER_MAPPINGS), p->n_rest);
		figures(t, c, &p->rest);
	}
	if (miss[0] || miss[1])
		rest_line(t, c, lang_text(lang, TEXT_NOT_MAPPED), (uint64_t)miss[0],
			(uint64_t)miss[1]);
	rest_line(t, c, "= RSS", from->rss, to->rss);
	err = table__print(t, o);
	table__free(t);
	return err;
}

static void print_stop(const struct held_maps *m, enum lang lang, struct out *o)
{
	if (m->partial)
		out__fmt(o, "  (%s: %" PRIu64 ", 0x%" PRIx64 ")\n", lang_text(lang, TEXT_MAPS_STOPPED),
			m->mappings, m->upto);
}

static bool has_hugetlb(const struct program *p)
{
	for (size_t i = 0; i < p->n_shown; i++)
		if (p->groups[i].kind == SMAPS_HUGETLB)
			return true;
	return false;
}

static int print_all_mappings(const struct report_memory *m, enum lang lang, struct out *o)
{
	size_t shown = 0, more = 0;
	int err = 0;

	for (size_t i = 0; !err && i < m->n; i++) {
		const struct program *p = m->programs[i];

		if (!p->h.maps)
			continue;
		if (shown++ >= MAX_MAPPED) {
			more++;
			continue;
		}
		out__fmt(o, "\n%s, %s%spid=%u:\n", lang_text(lang, TEXT_MEMORY_MAPPINGS), p->name,
			p->name[0] ? " " : "", p->pid);
		err = print_mappings(p, lang, o);
		if (has_hugetlb(p))
			out__fmt(o, "  (hugetlb: %s)\n", lang_text(lang, TEXT_HUGETLB));
		print_stop(&p->h.map_first, lang, o);
		if (p->h.maps > 1)
			print_stop(&p->h.map_last, lang, o);
	}
	if (more)
		out__fmt(o, "  %s: %zu\n", lang_text(lang, TEXT_MAPS_OF_MORE), more);
	return err;
}

static void print_check(enum lang lang, const struct held_check *c, struct out *o)
{
	if (!c->compared && !c->moved)
		return;
	out__fmt(o, "\n%s: %" PRIu64 ", %s: %" PRId64 " (anon %" PRId64 ")", lang_text(lang, TEXT_CHECK),
		c->compared, lang_text(lang, TEXT_CHECK_WORST), c->worst, c->worst_anon);
	if (c->rows)
		out__fmt(o, "; %s: %" PRIu64 ", %s: %" PRId64, lang_text(lang, TEXT_ROWS), c->rows,
			lang_text(lang, TEXT_CHECK_WORST), c->worst_row);
	if (c->moved)
		out__fmt(o, "; %s: %" PRIu64, lang_text(lang, TEXT_CHECK_MOVED), c->moved);
	out__str(o, "\n");
}

/* The largest first; of the same, as they ended. */
static int by_weight(const void *a, const void *b)
{
	const struct program *x = *(struct program *const *)a, *y = *(struct program *const *)b;

	if (weight(x) != weight(y))
		return weight(x) > weight(y) ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

int report_memory__print(struct report_memory *m, enum lang lang, const struct run_summary *sum,
	struct out *o)
{
	int err;

	if (!sum->n_readings)
		return 0;
	qsort(m->programs, m->n, sizeof(m->programs[0]), by_weight);
	err = print_trees(lang, sum, o);
	if (!err && m->n)
		err = print_processes(m, lang, o);
	if (!err)
		err = print_all_mappings(m, lang, o);
	print_check(lang, &sum->check, o);
	return err;
}
