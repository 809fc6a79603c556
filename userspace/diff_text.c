/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For people: who is compared, what counts as a difference, and a table for each kind of thing, in
 * which the largest differences come first.
 *
 *	Labels (M):
 *	  used A   used B  differs  total A  total B  differs  times  most at  process   label
 *	   57.93   107.95   +50.02    69.55   119.57   +50.02      1           Worker_0  after loading
 */
#include "diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "diff_words.h"
#include "table.h"

enum {
	MAX_ROWS = 20,
	MAX_NAMES = 10,
	NAME_COLUMNS = 60,
	PATH_COLUMNS = 40,
};

static const char *say(const struct diff *d, enum diff_word word)
{
	return diff_word(d->lang, word);
}

static double mib(int64_t bytes)
{
	return (double)bytes / 1048576.0;
}

/* --- cells ------------------------------------------------------------------------------------ */

static void cell_text(struct table *t, const char *s)
{
	char *clean = out_clean(s, strlen(s));

	table__cell(t, "%s", clean ? clean : "?");
	free(clean);
}

/* Its beginning; a label may have 256 characters. */
static void cell_name(struct table *t, const char *s)
{
	char *clean = out_clean(s, strlen(s));
	size_t len = clean ? strlen(clean) : 0;

	if (len > NAME_COLUMNS) {
		len = NAME_COLUMNS;
		while (len && (clean[len] & 0xc0) == 0x80)
			len--;
		clean[len] = '\0';
		table__cell(t, "%s...", clean);
	} else {
		table__cell(t, "%s", clean ? clean : "?");
	}
	free(clean);
}

/* The end of a path. */
static void cell_path(struct table *t, const char *path)
{
	size_t len = strlen(path);
	const char *at = len > PATH_COLUMNS ? strchr(path + len - PATH_COLUMNS, '/') : NULL;

	cell_text(t, at ? at + 1 : path);
}

static void cell_range(struct table *t, const struct diff_range *r, bool there)
{
	if (!there)
		table__cell(t, "-");
	else if (r->low == r->high)
		table__cell(t, "%.2f", mib(r->low));
	else
		table__cell(t, "%.2f..%.2f", mib(r->low), mib(r->high));
}

static void cells_value(struct table *t, const struct diff_entry *e, unsigned int value)
{
	const struct diff_value *v = &e->values[value];

	cell_range(t, &v->a, e->runs_a);
	cell_range(t, &v->b, e->runs_b);
	if (v->differs)
		table__cell(t, "%+.2f", mib(v->by));
	else
		table__cell(t, "%s", v->a.low == v->a.high && v->b.low == v->b.high ? "=" : "~");
}

static void cell_process(struct table *t, const struct diff_entry *e)
{
	char *name = diff_process_name(e->process);

	table__cell(t, "%s", name ? name : "?");
	free(name);
}

/* "3", or what A and B have. */
static void cell_times(struct table *t, const struct diff_entry *e)
{
	const struct diff_value *v = &e->values[2];

	if (v->a.median == v->b.median)
		table__cell(t, "%" PRId64, v->a.median);
	else
		table__cell(t, "%" PRId64 " | %" PRId64, v->a.median, v->b.median);
}

static void cell_most(struct table *t, const struct diff *d, const struct diff_entry *e)
{
	size_t nth;
	int64_t by;

	if (diff__worst(d, e, &nth, &by))
		table__cell(t, "#%zu %+.2f", nth + 1, mib(by));
	else
		table__cell(t, "%s", "");
}

/* --- tables ----------------------------------------------------------------------------------- */

static void column(struct table *t, const struct diff *d, enum diff_word word, bool right)
{
	table__column(t, say(d, word), right);
}

static const enum diff_word value_words[SEEN_KINDS][DIFF_VALUES] = {
	[SEEN_TREE] = {WORD_PEAK},
	[SEEN_PROCESS] = {WORD_BASELINE, WORD_END, WORD_PEAK},
	[SEEN_LABEL] = {WORD_DELTA, WORD_TOTAL},
	[SEEN_FUNCTION] = {WORD_SELF, WORD_INCLUSIVE},
	[SEEN_NATIVE] = {WORD_SELF, WORD_INCLUSIVE},
	[SEEN_MAPPING] = {WORD_NET},
};

/* Values that are bytes. */
static unsigned int n_sizes(enum seen_kind kind)
{
	return kind == SEEN_LABEL ? 2 : diff_values(kind);
}

static void columns(struct table *t, const struct diff *d, enum seen_kind kind)
{
	for (unsigned int i = 0; i < n_sizes(kind); i++) {
		const char *name = say(d, value_words[kind][i]);
		char title[64];

		snprintf(title, sizeof(title), "%s A", name);
		table__column(t, title, true);
		snprintf(title, sizeof(title), "%s B", name);
		table__column(t, title, true);
		column(t, d, WORD_DIFFERENCE, true);
	}
	if (kind == SEEN_LABEL) {
		column(t, d, WORD_TIMES, true);
		column(t, d, WORD_MOST, true);
	}
	if (kind != SEEN_TREE)
		column(t, d, WORD_PROCESS, false);
	if (kind == SEEN_LABEL)
		column(t, d, WORD_LABEL, false);
	if (kind == SEEN_FUNCTION || kind == SEEN_NATIVE) {
		column(t, d, WORD_FUNCTION, false);
		column(t, d, WORD_PLACE, false);
	}
	if (kind == SEEN_MAPPING)
		column(t, d, WORD_MAPPING, false);
}

static void row(struct table *t, const struct diff *d, const struct diff_entry *e)
{
	for (unsigned int i = 0; i < n_sizes(e->kind); i++)
		cells_value(t, e, i);
	if (e->kind == SEEN_LABEL) {
		cell_times(t, e);
		cell_most(t, d, e);
	}
	if (e->kind != SEEN_TREE)
		cell_process(t, e);
	if (e->kind == SEEN_MAPPING)
		cell_path(t, e->name);
	else if (e->kind != SEEN_TREE && e->kind != SEEN_PROCESS)
		cell_name(t, e->name);
	if (e->kind == SEEN_FUNCTION || e->kind == SEEN_NATIVE)
		cell_path(t, e->file);
}

/* "  Only in A: before closing (Worker_0), ...". */
static void names_of(const struct diff *d, const struct diff_list *all, char side, struct out *o)
{
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++) {
		const struct diff_entry *e = all->list[i];
		char *process, *name;

		if (diff_entry__only(e) != side || ++n > MAX_NAMES)
			continue;
		if (n == 1)
			out__fmt(o, "  %s: ", say(d, side == 'A' ? WORD_ONLY_A : WORD_ONLY_B));
		process = diff_process_name(e->process);
		name = out_clean(e->name, strlen(e->name));
		out__str(o, n > 1 ? ", " : "");
		if (e->kind == SEEN_PROCESS)
			out__str(o, process ? process : "?");
		else
			out__fmt(o, "%s (%s)", name ? name : "?", process ? process : "?");
		free(process);
		free(name);
	}
	if (n > MAX_NAMES)
		out__fmt(o, ", ... (%zu)", n);
	if (n)
		out__str(o, "\n");
}

/* Of roles and labels it matters that they are not there at all. */
static bool has_names(const struct diff *d, enum seen_kind kind)
{
	const struct diff_list *all = &d->entries[kind];

	if (kind != SEEN_PROCESS && kind != SEEN_LABEL)
		return false;
	for (size_t i = 0; i < all->n; i++)
		if (diff_entry__only(all->list[i]))
			return true;
	return false;
}

/* 1: there was something to tell; 0; or -ENOMEM. */
static int print_kind(const struct diff *d, enum seen_kind kind, struct out *o)
{
	const struct diff_list *all = &d->entries[kind];
	bool names = has_names(d, kind);
	struct table *t = table__new();
	size_t n = 0;
	int err = 0;

	if (!t)
		return -ENOMEM;
	columns(t, d, kind);
	for (size_t i = 0; i < all->n; i++)
		if (diff__tells(d, all->list[i]) && ++n <= MAX_ROWS)
			row(t, d, all->list[i]);
	if (n || names)
		out__fmt(o, "\n%s (M):\n", say(d, WORD_KIND_0 + kind));
	if (n)
		err = table__print(t, o);
	table__free(t);
	if (n > MAX_ROWS)
		out__fmt(o, "  %s: %zu\n", say(d, WORD_MORE), n - MAX_ROWS);
	if (names) {
		names_of(d, all, 'A', o);
		names_of(d, all, 'B', o);
	}
	return err ? err : n || names;
}

/* --- the head --------------------------------------------------------------------------------- */

static void print_path(const struct seen_run *run, struct out *o)
{
	char *path = out_clean(run->path, strlen(run->path));

	out__fmt(o, " %s", path ? path : "?");
	free(path);
}

static void print_side(const struct diff *d, char side, size_t from, size_t to, struct out *o)
{
	out__fmt(o, "%c:", side);
	for (size_t i = from; i < to; i++)
		print_path(&d->runs[i], o);
	if (to - from > 1)
		out__fmt(o, " (%zu %s)", to - from, say(d, WORD_RUNS));
	out__str(o, "\n");
}

static void print_facts(const struct diff *d, struct out *o)
{
	if (d->n_facts || d->labels_a || d->labels_b)
		out__fmt(o, "%s:\n", say(d, WORD_UNLIKE));
	for (size_t i = 0; i < d->n_facts; i++)
		out__fmt(o, "  %s: %s | %s\n", diff_fact_word(d->lang, d->facts[i].what),
			d->facts[i].a, d->facts[i].b);
	if (d->labels_a || d->labels_b)
		out__fmt(
			o, "  %s: %zu | %zu\n", say(d, WORD_ONLY_LABELS), d->labels_a, d->labels_b);
}

static void print_head(const struct diff *d, struct out *o)
{
	bool several = d->n > 2;

	print_side(d, 'A', 0, d->n_a, o);
	print_side(d, 'B', d->n_a, d->n, o);
	print_facts(d, o);
	out__fmt(o, "%s\n%s", say(d, several ? WORD_RULE : WORD_RULE_SINGLE), say(d, WORD_LEGEND));
	out__fmt(o, "%s%s\n", several ? " " : "", several ? say(d, WORD_LEGEND_RANGES) : "");
	if (d->min_delta)
		out__fmt(o, "%s: %.2f M\n", say(d, WORD_LESS), mib((int64_t)d->min_delta));
	if (d->growth)
		return;
	out__fmt(o, "%s:", say(d, WORD_NO_GROWTH));
	for (size_t i = 0; i < d->n; i++)
		if (!d->runs[i].growth)
			print_path(&d->runs[i], o);
	out__str(o, "\n");
}

int diff_text(const struct diff *d, struct out *o)
{
	bool any = false;
	int n;

	print_head(d, o);
	for (int kind = 0; kind < SEEN_KINDS; kind++) {
		n = print_kind(d, kind, o);
		if (n < 0)
			return n;
		any |= n;
	}
	if (!any)
		out__fmt(o, "\n%s\n", say(d, WORD_NOTHING));
	return out__error(o);
}
