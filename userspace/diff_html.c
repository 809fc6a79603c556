/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A page for a browser: the tables of diff_text.c, with a bar for the size of each difference, to be
 * sorted and filtered. What it looks like and does is in diff_page.html; nothing is loaded from anywhere.
 */
#include "diff.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "diff_words.h"
#include "embed.h"

enum { MAX_ROWS = 2000 }; /* of a kind: a browser takes long to lay out more */

static const char *say(const struct diff *d, enum diff_word word)
{
	return diff_word(d->lang, word);
}

/* --- text ------------------------------------------------------------------------------------- */

/* Also between double quotes. */
static void put_html(struct out *o, const char *s)
{
	char *clean = out_clean(s, strlen(s));

	for (const char *c = clean ? clean : "?"; *c; c++) {
		if (*c == '&')
			out__str(o, "&amp;");
		else if (*c == '<')
			out__str(o, "&lt;");
		else if (*c == '>')
			out__str(o, "&gt;");
		else if (*c == '"')
			out__str(o, "&quot;");
		else
			out__bytes(o, c, 1);
	}
	free(clean);
}

static void put_element(struct out *o, const char *open, const char *text, const char *close)
{
	out__str(o, open);
	put_html(o, text);
	out__str(o, close);
}

/* --- tables ----------------------------------------------------------------------------------- */

static void put_range(struct out *o, const struct diff_range *r, bool there)
{
	if (!there) {
		out__str(o, "<td class=\"n\">-</td>");
		return;
	}
	out__fmt(o, "<td class=\"n\" data-v=\"%" PRId64 "\">", r->median);
	out__mib(o, r->low, 0);
	if (r->low != r->high) {
		out__str(o, "..");
		out__mib(o, r->high, 0);
	}
	out__str(o, "</td>");
}

static double share_of(int64_t by, uint64_t most)
{
	double v = by < 0 ? -(double)by : (double)by;

	return most ? v * 100 / (double)most : 0;
}

static void put_value(struct out *o, const struct diff_entry *e, unsigned int value, uint64_t most)
{
	const struct diff_value *v = &e->values[value];

	put_range(o, &v->a, e->runs_a);
	put_range(o, &v->b, e->runs_b);
	if (!v->differs) {
		out__fmt(o, "<td class=\"n by\" data-v=\"0\">%s</td>",
			v->a.low == v->a.high && v->b.low == v->b.high ? "=" : "~");
		return;
	}
	out__fmt(o, "<td class=\"n by %s\" data-v=\"%" PRId64 "\"><i style=\"width:%.1f%%\"></i>",
		v->by < 0 ? "less" : "more", v->by, share_of(v->by, most));
	out__mib(o, v->by, 1);
	out__str(o, "</td>");
}

/* Values that are bytes, and what they are called. */
static const struct {
	unsigned int n;
	enum diff_word words[DIFF_VALUES];
	enum diff_word name;
} shown[SEEN_KINDS] = {
	[SEEN_TREE] = {1, {WORD_PEAK}, WORD_COUNT_},
	[SEEN_PROCESS] = {3, {WORD_BASELINE, WORD_END, WORD_PEAK}, WORD_COUNT_},
	[SEEN_LABEL] = {2, {WORD_DELTA, WORD_TOTAL}, WORD_LABEL},
	[SEEN_FUNCTION] = {2, {WORD_SELF, WORD_INCLUSIVE}, WORD_FUNCTION},
	[SEEN_NATIVE] = {2, {WORD_SELF, WORD_INCLUSIVE}, WORD_FUNCTION},
	[SEEN_MAPPING] = {1, {WORD_NET}, WORD_MAPPING},
};

static void put_columns(const struct diff *d, enum seen_kind kind, struct out *o)
{
	out__str(o, "<thead><tr>");
	for (unsigned int i = 0; i < shown[kind].n; i++) {
		const char *name = say(d, shown[kind].words[i]);

		out__fmt(o,
			"<th class=\"n\">%s A</th><th class=\"n\">%s B</th><th class=\"n\">%s</th>",
			name, name, say(d, WORD_DIFFERENCE));
	}
	if (kind == SEEN_LABEL)
		out__fmt(o, "<th class=\"n\">%s</th><th class=\"n\">%s</th>", say(d, WORD_TIMES),
			say(d, WORD_MOST));
	if (kind != SEEN_TREE)
		out__fmt(o, "<th>%s</th>", say(d, WORD_PROCESS));
	if (shown[kind].name != WORD_COUNT_)
		out__fmt(o, "<th>%s</th>", say(d, shown[kind].name));
	if (kind == SEEN_FUNCTION || kind == SEEN_NATIVE)
		out__fmt(o, "<th>%s</th>", say(d, WORD_PLACE));
	out__str(o, "</tr></thead>\n");
}

static void put_times(const struct diff *d, const struct diff_entry *e, struct out *o)
{
	const struct diff_value *times = &e->values[2];
	size_t nth;
	int64_t by;

	out__fmt(o, "<td class=\"n\" data-v=\"%" PRId64 "\">%" PRId64, times->b.median,
		times->a.median);
	if (times->a.median != times->b.median)
		out__fmt(o, " | %" PRId64, times->b.median);
	if (!diff__worst(d, e, &nth, &by)) {
		out__str(o, "</td><td class=\"n\" data-v=\"0\"></td>");
		return;
	}
	out__fmt(o, "</td><td class=\"n\" data-v=\"%" PRId64 "\">#%zu ", by, nth + 1);
	out__mib(o, by, 1);
	out__str(o, "</td>");
}

static void put_row(const struct diff *d, const struct diff_entry *e, uint64_t most, struct out *o)
{
	char *process = diff_process_name(e->process);

	out__str(o, diff__tells(d, e) || diff_entry__only(e) ? "<tr>" : "<tr class=\"noise\">");
	for (unsigned int i = 0; i < shown[e->kind].n; i++)
		put_value(o, e, i, most);
	if (e->kind == SEEN_LABEL)
		put_times(d, e, o);
	if (e->kind != SEEN_TREE)
		put_element(o, "<td>", process ? process : "?", "</td>");
	if (shown[e->kind].name != WORD_COUNT_)
		put_element(o, "<td>", e->name, "</td>");
	if (e->kind == SEEN_FUNCTION || e->kind == SEEN_NATIVE)
		put_element(o, "<td class=\"file\">", e->file, "</td>");
	out__str(o, "</tr>\n");
	free(process);
}

static void put_kind(const struct diff *d, enum seen_kind kind, struct out *o)
{
	const struct diff_list *all = &d->entries[kind];
	uint64_t most = 0;
	size_t n = 0;

	for (size_t i = 0; i < all->n; i++)
		most = all->list[i]->size > most ? all->list[i]->size : most;
	if (!all->n)
		return;
	out__fmt(o, "<section><h2>%s (M)</h2>\n<table>", say(d, WORD_KIND_0 + kind));
	put_columns(d, kind, o);
	out__str(o, "<tbody>\n");
	for (size_t i = 0; i < all->n; i++)
		if ((diff__large(d, all->list[i]) || diff_entry__only(all->list[i])) &&
			++n <= MAX_ROWS)
			put_row(d, all->list[i], most, o);
	out__str(o, "</tbody></table>\n");
	if (n > MAX_ROWS)
		out__fmt(o, "<p>%s: %zu</p>\n", say(d, WORD_MORE), n - MAX_ROWS);
	out__str(o, "</section>\n");
}

/* --- the page --------------------------------------------------------------------------------- */

static void put_side(const struct diff *d, char side, size_t from, size_t to, struct out *o)
{
	out__fmt(o, "<dt>%c</dt><dd>", side);
	for (size_t i = from; i < to; i++) {
		out__str(o, i > from ? " " : "");
		put_html(o, d->runs[i].path);
	}
	out__str(o, "</dd>\n");
}

static void put_facts(const struct diff *d, struct out *o)
{
	if (d->n_facts || d->labels_a || d->labels_b)
		out__fmt(o, "<h2>%s</h2>\n<dl>", say(d, WORD_UNLIKE));
	for (size_t i = 0; i < d->n_facts; i++) {
		put_element(o, "<dt>", diff_fact_word(d->lang, d->facts[i].what), "</dt><dd>");
		put_html(o, d->facts[i].a);
		out__str(o, " | ");
		put_element(o, "", d->facts[i].b, "</dd>\n");
	}
	if (d->labels_a || d->labels_b)
		out__fmt(o, "<dt>%s</dt><dd>%zu | %zu</dd>\n", say(d, WORD_ONLY_LABELS),
			d->labels_a, d->labels_b);
	if (d->n_facts || d->labels_a || d->labels_b)
		out__str(o, "</dl>\n");
}

static void put_rule(const struct diff *d, struct out *o)
{
	bool several = d->n > 2;

	put_element(o, "<p class=\"rule\">", say(d, several ? WORD_RULE : WORD_RULE_SINGLE), " ");
	put_html(o, say(d, WORD_LEGEND));
	if (several)
		put_element(o, " ", say(d, WORD_LEGEND_RANGES), "");
	if (d->min_delta) {
		put_element(o, " ", say(d, WORD_LESS), ": ");
		out__mib(o, (int64_t)d->min_delta, 0);
		out__str(o, " M.");
	}
	out__str(o, "</p>\n");
	if (d->growth)
		return;
	put_element(o, "<p>", say(d, WORD_NO_GROWTH), ":");
	for (size_t i = 0; i < d->n; i++)
		if (!d->runs[i].growth)
			put_element(o, " ", d->runs[i].path, "");
	out__str(o, "</p>\n");
}

int diff_html(const struct diff *d, struct out *o)
{
	const struct embedded *page = embedded_find("diff_page.html");
	const char *title = say(d, WORD_TITLE);
	bool any = false;

	out__fmt(o,
		"<!doctype html>\n<html lang=\"%s\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
		"style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<title>%s</title>\n",
		d->lang == LANG_ZH ? "zh" : "en", title);
	out__str(o, page ? page->data : "");
	out__fmt(o, "</head>\n<body>\n<h1>%s</h1>\n<dl>", title);
	put_side(d, 'A', 0, d->n_a, o);
	put_side(d, 'B', d->n_a, d->n, o);
	out__str(o, "</dl>\n");
	put_facts(d, o);
	put_rule(d, o);
	out__fmt(o,
		"<form><label>%s <input type=\"search\" id=\"filter\"></label>"
		"<label><input type=\"checkbox\" id=\"noise\"> %s</label></form>\n",
		say(d, WORD_FILTER), say(d, WORD_NOISE));
	for (int kind = 0; kind < SEEN_KINDS; kind++) {
		for (size_t i = 0; i < d->entries[kind].n; i++)
			any |= diff__tells(d, d->entries[kind].list[i]);
		put_kind(d, kind, o);
	}
	if (!any)
		out__fmt(o, "<p>%s</p>\n", say(d, WORD_NOTHING));
	out__str(o, "</body>\n</html>\n");
	return out__error(o);
}
