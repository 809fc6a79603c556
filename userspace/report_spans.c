/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What spans grew, by role: programs of one role are added up. */
#include "account.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hash.h"
#include "spantree.h"
#include "table.h"

#define MAX_ROLES    32
#define MAX_SPANS    40 /* lines of one role */
#define NAME_COLUMNS 60

struct role {
	const char *name;
	size_t programs;
	struct spantree *tree;
	UT_hash_handle hh;
};

static void free_roles(struct role *roles)
{
	struct role *r, *tmp;

	HASH_ITER(hh, roles, r, tmp) {
		HASH_DELETE(hh, roles, r);
		spantree__free(r->tree);
		free(r);
	}
}

static struct role *get_role(struct role **roles, const char *name)
{
	struct role *r;

	HASH_FIND_STR(*roles, name, r);
	if (r)
		return r;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	r->name = name;
	HASH_ADD_KEYPTR(hh, *roles, r->name, strlen(r->name), r);
	if (hash_added(r))
		return r;
	free(r);
	return NULL;
}

static int collect(const struct growth *g, struct role **roles)
{
	const struct growth_program *programs;
	struct role *r;
	size_t n;
	int err = 0;

	programs = growth__programs(g, &n);
	for (size_t i = 0; i < n && !err; i++) {
		if (!programs[i].spans)
			continue;
		r = get_role(roles, programs[i].role);
		if (!r)
			return -ENOMEM;
		r->programs++;
		err = spantree__merge(&r->tree, programs[i].spans);
	}
	return err;
}

struct printing {
	const struct catalog *cat;
	const struct span_node *nodes;
	size_t n;
	size_t left; /* lines */
	struct table *table;
};

static double mib(int64_t bytes)
{
	return (double)bytes / 1048576.0;
}

static void print_node(struct printing *p, const struct span_node *n, int depth)
{
	const struct rt_change none = {0};
	struct place_name name;
	char *clean;

	account_name(p->cat, &(struct growth_place){.func = n->func}, &name);
	clean = out_clean(name.name, strlen(name.name));
	table__cell(p->table, "%+.2f", mib(rt_change_rss(&n->own_grown, &n->own_returned)));
	table__cell(p->table, "%+.2f", mib(rt_change_rss(&n->all_grown, &n->all_returned)));
	table__cell(p->table, "%+.2f", mib(rt_change_rss(&n->all_grown, &none)));
	table__cell(p->table, "%lu", (unsigned long)n->count);
	table__cell(p->table, "%*s%.*s", 2 * depth, "", NAME_COLUMNS - 2 * depth, clean ? clean : "?");
	free(clean);
}

/* Children in the order in which they were first entered. Depth is bounded: a tape may be a stranger's. */
static void print_below(struct printing *p, size_t parent, int depth)
{
	if (depth > NAME_COLUMNS / 4)
		return;
	for (size_t i = parent; i < p->n && p->left; i++) {
		if (p->nodes[i].parent != parent)
			continue;
		p->left--;
		print_node(p, &p->nodes[i], depth);
		print_below(p, i + 1, depth + 1);
	}
}

static int print_role(enum lang lang, const struct catalog *cat, const struct role *r, struct out *o)
{
	struct printing p = {.cat = cat, .left = MAX_SPANS, .table = table__new()};
	int err;

	if (!p.table)
		return -ENOMEM;
	p.nodes = spantree__nodes(r->tree, &p.n);
	table__column(p.table, lang_text(lang, TEXT_COL_SELF), true);
	table__column(p.table, lang_text(lang, TEXT_COL_INCLUSIVE), true);
	table__column(p.table, lang_text(lang, TEXT_COL_GROWN), true);
	table__column(p.table, lang_text(lang, TEXT_COL_TIMES), true);
	table__column(p.table, lang_text(lang, TEXT_COL_SPAN), false);
	print_below(&p, 0, 0);
	out__fmt(o, "\n%s %s (%lu):\n", lang_text(lang, TEXT_SPANS), r->name, (unsigned long)r->programs);
	err = table__print(p.table, o);
	table__free(p.table);
	return err;
}

int report_spans(enum lang lang, const struct run_summary *sum, struct out *o)
{
	struct role *roles = NULL;
	size_t shown = 0;
	int err;

	if (!sum->growth)
		return 0;
	err = collect(sum->growth, &roles);
	for (struct role *r = roles; r && !err && shown < MAX_ROLES; r = r->hh.next, shown++)
		err = print_role(lang, sum->catalog, r, o);
	free_roles(roles);
	return err;
}
