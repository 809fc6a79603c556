/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mapping.h"
#include "proctree.h"
#include "table.h"

#define MAX_PROGRAMS	 20
#define MAX_FUNCS	 15
#define MAX_LINES	 10
#define MAX_STACKS	 10
#define MAX_NAME	 40
#define STACK_COLUMNS	 80
#define MAX_MAPPINGS	 10
#define MAPPING_COLUMNS	 50
#define WORTH_SAYING	 65536 /* bytes that have to have come or gone there */
#define FILE_COLUMNS	 36
#define NAME_COLUMNS	 40

struct program {
	const struct growth_program *p;
	struct growth_sums sums;
	struct account account;
};

static double mib(int64_t bytes)
{
	return (double)bytes / 1048576.0;
}

static uint64_t magnitude(const struct program *p)
{
	uint64_t remainder = (uint64_t)p->account.remainder;

	return (uint64_t)rt_change_rss(&p->sums.grown, &(struct rt_change){0}) +
	       (p->account.remainder < 0 ? -remainder : remainder);
}

static int by_magnitude(const void *a, const void *b)
{
	uint64_t x = magnitude(a), y = magnitude(b);

	return x < y ? 1 : x > y ? -1 : 0;
}

/* The end of a path, the beginning of a name. */
static const char *tail(const char *s, size_t columns)
{
	size_t len = strlen(s);
	const char *at = len > columns ? s + len - columns : s;

	while ((*at & 0xc0) == 0x80)
		at++;
	if (at != s && strchr(at, '/'))
		at = strchr(at, '/') + 1;
	return at;
}

static uint64_t moved(const struct growth_mapping *m)
{
	uint64_t grown = rt_change_rss(&m->grown, &(struct rt_change){0});
	uint64_t returned = rt_change_rss(&m->returned, &(struct rt_change){0});

	return grown > returned ? grown : returned;
}

static void cell_text(struct table *t, const char *s, const char *line)
{
	char *clean = out_clean(s, strlen(s));

	table__cell(t, "%s%s", clean ? clean : "?", line);
	free(clean);
}

static void place_line(struct table *t, const struct catalog *cat, const struct growth_place *place, bool lines)
{
	char line[24] = "", name[NAME_COLUMNS + 8];
	unsigned int number;
	struct place_name n;
	size_t len;

	account_name(cat, place, &n);
	number = lines ? (unsigned int)place->line : n.line;
	table__cell(t, "%+.2f", mib(rt_change_rss(&place->self_grown, &place->self_returned)));
	table__cell(t, "%+.2f", mib(rt_change_rss(&place->all_grown, &place->all_returned)));
	table__cell(t, "%+.2f", mib(rt_change_rss(&place->all_grown, &(struct rt_change){0})));
	snprintf(name, sizeof(name), "%.*s", NAME_COLUMNS, n.name);
	for (len = strlen(name); len && (name[len - 1] & 0xc0) == 0x80 && strlen(n.name) > len;)
		name[--len] = '\0';
	cell_text(t, name, "");
	if (number)
		snprintf(line, sizeof(line), ":%u", number);
	cell_text(t, tail(n.file, FILE_COLUMNS), line);
}

static int print_places(enum lang lang, const struct catalog *cat, const struct growth_place *places,
	size_t n, bool lines, struct out *o)
{
	size_t max = lines ? MAX_LINES : MAX_FUNCS;
	struct table *t = table__new();
	size_t shown = 0;
	int err = 0;

	if (!t)
		return -ENOMEM;
	table__column(t, lang_text(lang, TEXT_COL_SELF), true);
	table__column(t, lang_text(lang, TEXT_COL_INCLUSIVE), true);
	table__column(t, lang_text(lang, TEXT_COL_GROWN), true);
	table__column(t, lang_text(lang, TEXT_COL_FUNCTION), false);
	table__column(t, lang_text(lang, TEXT_COL_PLACE), false);
	for (size_t i = 0; i < n && shown < max; i++) {
		if (growth_place__moved(&places[i]) < WORTH_SAYING)
			continue;
		place_line(t, cat, &places[i], lines);
		shown++;
	}
	if (shown)
		err = table__print(t, o);
	table__free(t);
	return err;
}

static int print_mappings(enum lang lang, const struct growth_sums *sums, struct out *o)
{
	struct table *t = table__new();
	char name[RT_MAP_NAME_LEN + 32];
	size_t shown = 0;
	int err = 0;

	if (!t)
		return -ENOMEM;
	table__column(t, lang_text(lang, TEXT_COL_NET), true);
	table__column(t, lang_text(lang, TEXT_COL_GROWN), true);
	table__column(t, "anon", true);
	table__column(t, "file", true);
	table__column(t, "shmem", true);
	table__column(t, lang_text(lang, TEXT_COL_MAPPING), false);
	for (size_t i = 0; i < sums->n_mappings && shown < MAX_MAPPINGS; i++) {
		const struct growth_mapping *m = &sums->mappings[i];
		struct rt_change net = rt_change_net(&m->grown, &m->returned);

		if (moved(m) < WORTH_SAYING)
			break;
		table__cell(t, "%+.2f", mib(rt_change_rss(&m->grown, &m->returned)));
		table__cell(t, "%+.2f", mib(rt_change_rss(&m->grown, &(struct rt_change){0})));
		table__cell(t, "%+.2f", mib(net.anon));
		table__cell(t, "%+.2f", mib(net.file));
		table__cell(t, "%+.2f", mib(net.shmem));
		mapping_name(m->what, name, sizeof(name));
		cell_text(t, tail(name, MAPPING_COLUMNS), "");
		shown++;
	}
	if (shown) {
		out__fmt(o, "  %s:\n", lang_text(lang, TEXT_MAPPINGS));
		err = table__print(t, o);
	}
	table__free(t);
	return err;
}

struct path {
	const struct catalog *cat;
	char *buf;
	size_t len, at;
	char last[MAX_NAME + 8]; /* of recursion one call is enough */
};

static int add_frame(void *ctx, const struct growth_place *frame)
{
	struct path *p = ctx;
	struct place_name n;
	int ret;

	account_name(p->cat, frame, &n);
	if (!strncmp(p->last, n.name, MAX_NAME))
		return 0;
	snprintf(p->last, sizeof(p->last), "%.*s", MAX_NAME, n.name);
	ret = snprintf(p->buf + p->at, p->len - p->at, "%s%.*s", p->at ? " < " : "", MAX_NAME, n.name);
	p->at += ret > 0 ? (size_t)ret : 0;
	return p->at >= p->len;
}

/* Innermost first, as far as there is room: what has to do with memory itself is less than who wanted it. */
static int print_stacks(enum lang lang, const struct run_summary *sum, const struct growth_sums *sums,
	struct out *o)
{
	struct table *t = table__new();
	char path[STACK_COLUMNS + 1];
	size_t shown = 0;
	int err = 0;

	if (!t)
		return -ENOMEM;
	table__column(t, lang_text(lang, TEXT_COL_NET), true);
	table__column(t, lang_text(lang, TEXT_COL_GROWN), true);
	table__column(t, lang_text(lang, TEXT_COL_STACK), false);
	for (size_t i = 0; i < sums->n_stacks && shown < MAX_STACKS; i++) {
		const struct growth_stack *s = &sums->stacks[i];
		struct path p = {.cat = sum->catalog, .buf = path, .len = sizeof(path)};

		if (rt_change_rss(&s->grown, &(struct rt_change){0}) < WORTH_SAYING)
			continue;
		snprintf(path, sizeof(path), "%s", s->node ? "" : lang_text(lang, TEXT_NOT_SAMPLED));
		growth__path(sum->growth, s->node, add_frame, &p);
		table__cell(t, "%+.2f", mib(rt_change_rss(&s->grown, &s->returned)));
		table__cell(t, "%+.2f", mib(rt_change_rss(&s->grown, &(struct rt_change){0})));
		cell_text(t, path, "");
		shown++;
	}
	if (shown) {
		out__fmt(o, "  %s:\n", lang_text(lang, TEXT_STACKS));
		err = table__print(t, o);
	}
	table__free(t);
	return err;
}

/* Places by what happened at them, and not below. */
static int by_self(const void *a, const void *b)
{
	const struct growth_place *x = a, *y = b;
	uint64_t m = growth_place__moved_self(x), n = growth_place__moved_self(y);

	if (m != n)
		return m > n ? -1 : 1;
	return (x->line > y->line) - (x->line < y->line);
}

static void print_causes(enum lang lang, const struct account *a, struct out *o)
{
	const struct {
		enum lang_text text;
		int64_t bytes;
	} causes[] = {{TEXT_UNREAD, a->unread}, {TEXT_REST, a->rest}, {TEXT_UNCOUNTED, a->uncounted},
		{TEXT_UNLIKE, a->unlike}, {TEXT_DROPPED, a->dropped}};

	for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++)
		if (causes[i].bytes)
			out__fmt(o, "  %s: %+.2f\n", lang_text(lang, causes[i].text), mib(causes[i].bytes));
}

static void print_peak(enum lang lang, const struct run_summary *sum, const struct growth_program *p,
	struct out *o)
{
	if (!p->at_peak.n)
		return;
	out__fmt(o, "  %s %.2f (%.3fs):\n", lang_text(lang, TEXT_AT_PEAK), mib((int64_t)rt_rss(&p->totals.peak)),
		(double)(int64_t)(p->totals.peak_ns - sum->host->start_ns) / 1e9);
	report_open(sum->catalog, &p->at_peak, o);
}

static void print_unclear(enum lang lang, const struct growth_sums *sums, struct out *o)
{
	_Static_assert(TEXT_UNCLEAR_LAST - TEXT_UNCLEAR_0 + 1 == UNCLEAR_COUNT_, "each has its words");
	for (unsigned int i = 0; i < UNCLEAR_COUNT_; i++) {
		int64_t grown = rt_change_rss(&sums->unclear[i].grown, &(struct rt_change){0});

		if (grown)
			out__fmt(o, "  %s: %+.2f\n", lang_text(lang, TEXT_UNCLEAR_0 + i), mib(grown));
	}
}

static int print_program(enum lang lang, const struct run_summary *sum, struct program *p, struct out *o)
{
	const struct account *a = &p->account;
	int err;

	out__fmt(o, "\n%s %s%spid=%u: %.2f -> %.2f: %+.2f = %s %+.2f + %s %+.2f + %s %+.2f + %s %+.2f\n",
		lang_text(lang, TEXT_GROWTH), p->p->role, p->p->role[0] ? " " : "", p->p->pid,
		mib((int64_t)a->ends.start), mib((int64_t)a->ends.end),
		mib((int64_t)(a->ends.end - a->ends.start)), lang_text(lang, TEXT_ATTRIBUTED),
		mib(a->attributed), lang_text(lang, TEXT_FOREIGN), mib(a->foreign),
		lang_text(lang, TEXT_FOOTPRINT), mib(a->footprint), lang_text(lang, TEXT_REMAINDER),
		mib(a->remainder));
	print_causes(lang, a, o);
	print_unclear(lang, &p->sums, o);
	print_peak(lang, sum, p->p, o);
	err = print_places(lang, sum->catalog, p->sums.funcs, p->sums.n_funcs, false, o);
	if (!err)
		err = print_stacks(lang, sum, &p->sums, o);
	if (!err)
		err = print_mappings(lang, &p->sums, o);
	if (err || !p->sums.n_lines)
		return err;
	qsort(p->sums.lines, p->sums.n_lines, sizeof(*p->sums.lines), by_self);
	out__fmt(o, "  %s:\n", lang_text(lang, TEXT_LINES));
	return print_places(lang, sum->catalog, p->sums.lines, p->sums.n_lines, true, o);
}

int report_growth(enum lang lang, const struct run_summary *sum, struct out *o)
{
	const struct growth_program *programs;
	struct program *list;
	size_t n, done = 0, shown = 0;
	uint64_t more;
	int err = 0;

	if (!sum->growth || !growth__any(sum->growth))
		return 0;
	programs = growth__programs(sum->growth, &n);
	list = calloc(n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (; done < n && !err; done += !err) {
		list[done].p = &programs[done];
		err = growth__sum(sum->growth, programs[done].serial, &list[done].sums);
		if (!err)
			account_of(&programs[done], &list[done].sums, &list[done].account);
	}
	qsort(list, done, sizeof(*list), by_magnitude);
	for (; shown < done && shown < MAX_PROGRAMS && !err; shown++)
		err = print_program(lang, sum, &list[shown], o);
	more = n - shown + growth__left_out(sum->growth);
	if (!err && more)
		out__fmt(o, "\n%s: %lu\n", lang_text(lang, TEXT_MORE_PROGRAMS), (unsigned long)more);
	for (size_t i = 0; i < done; i++)
		growth_sums__clear(&list[i].sums);
	free(list);
	return err;
}
