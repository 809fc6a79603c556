/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "report.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "account.h"
#include "disasm.h"
#include "hash.h"
#include "table.h"

#define MAX_PROGRAMS 100
#define MAX_ROLES    64
#define MAX_FUNCS    100

/* What the report says of a program, or of many of one role. */
struct line {
	char *name; /* role, or comm while the role is unknown */
	char *kind; /* the same without its numbers: who it is compared with */
	size_t crowd; /* programs of this kind that have lines of their own */
	uint32_t pid;
	uint64_t order; /* in which they ended */
	uint64_t born_ns;
	uint64_t count; /* programs in this line */
	bool borrowed, ended, execed, oom, have_rss, have_totals;
	int exit_code;
	uint64_t baseline, end;
	struct rt_snapshot peak;
	uint64_t rows, min_flt, maj_flt, lost;
	int64_t foreign, footprint;
	UT_hash_handle hh; /* lines of many: by kind */
};

struct report {
	enum lang lang;
	struct line *programs[MAX_PROGRAMS + 1]; /* the last place is for who comes too many */
	size_t n_programs;
	struct line *others;
	uint64_t seen, running;
	struct report_memory *memory;
};

struct report *report__new(enum lang lang)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->lang = lang;
	r->memory = report_memory__new();
	if (!r->memory) {
		report__free(r);
		return NULL;
	}
	return r;
}

static void line__free(struct line *l)
{
	if (!l)
		return;
	free(l->name);
	free(l->kind);
	free(l);
}

void report__free(struct report *r)
{
	struct line *l, *tmp;

	if (!r)
		return;
	for (size_t i = 0; i < r->n_programs; i++)
		line__free(r->programs[i]);
	HASH_ITER(hh, r->others, l, tmp) {
		HASH_DELETE(hh, r->others, l);
		line__free(l);
	}
	report_memory__free(r->memory);
	free(r);
}

/* --- what is kept ----------------------------------------------------------------------------- */

static int64_t change_rss(const struct rt_change *c)
{
	return (int64_t)((uint64_t)c->file + (uint64_t)c->anon + (uint64_t)c->shmem);
}

/* Of several runs: "hostb Worker_TP0". */
static char *make_name(const struct proc *p)
{
	char *what = p->role[0] ? strdup(p->role)
				: out_clean(p->comm, strnlen(p->comm, RT_COMM_LEN));
	char *name = NULL;

	if (!what || !p->host || !p->host[0])
		return what;
	if (asprintf(&name, "%s%s%s", p->host, *what ? " " : "", what) < 0)
		name = NULL;
	free(what);
	return name;
}

/* "parallel worker for PID 4188" is one of the "parallel worker for PID *". */
static char *kind_of(const char *name)
{
	char *kind = strdup(name), *to = kind;

	if (!kind)
		return NULL;
	for (; *name; name++) {
		if (!isdigit((unsigned char)*name))
			*to++ = *name;
		else if (to == kind || to[-1] != '*')
			*to++ = '*';
	}
	*to = '\0';
	return kind;
}

static struct line *line__new(const struct proc *p)
{
	struct line *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->name = make_name(p);
	l->kind = l->name ? kind_of(l->name) : NULL;
	if (!l->kind) {
		line__free(l);
		return NULL;
	}
	l->count = 1;
	l->pid = p->pid;
	l->born_ns = p->born_ns;
	l->borrowed = p->borrowed;
	l->ended = p->ended;
	l->execed = p->execed;
	l->oom = p->oom;
	l->exit_code = p->exit_code;
	l->have_rss = p->have_rss;
	l->have_totals = p->have_totals;
	l->baseline = p->baseline;
	l->end = rt_rss(&p->totals.last);
	l->peak = p->totals.peak;
	l->rows = p->rows;
	l->min_flt = p->min_flt;
	l->maj_flt = p->maj_flt;
	l->lost = p->lost;
	l->foreign = change_rss(&p->totals.foreign);
	l->footprint = change_rss(&p->totals.footprint);
	return l;
}

/* Is a more worth a line of its own than b? A borrowed mm is its parent's to show. */
static bool better(const struct line *a, const struct line *b)
{
	uint64_t x = a->borrowed ? 0 : rt_rss(&a->peak), y = b->borrowed ? 0 : rt_rss(&b->peak);

	if (!a->rows != !b->rows)
		return a->rows;
	if (x != y)
		return x > y;
	return a->order < b->order;
}

static void sum_into(struct line *to, const struct line *l)
{
	to->count++;
	to->rows += l->rows;
	to->min_flt += l->min_flt;
	to->maj_flt += l->maj_flt;
	to->lost += l->lost;
	to->have_rss |= l->have_rss;
	to->have_totals |= l->have_totals;
	to->foreign = (int64_t)((uint64_t)to->foreign + (uint64_t)l->foreign);
	to->footprint = (int64_t)((uint64_t)to->footprint + (uint64_t)l->footprint);
	if (rt_rss(&l->peak) > rt_rss(&to->peak))
		to->peak = l->peak;
}

/* Takes the line: the first of its kind becomes the sum of all. */
static int add_other(struct report *r, struct line *l)
{
	struct line *sum;

	HASH_FIND_STR(r->others, l->kind, sum);
	if (!sum && HASH_COUNT(r->others) >= MAX_ROLES) {
		l->kind[0] = '\0'; /* titles can be of any number: the rest share a line */
		HASH_FIND_STR(r->others, l->kind, sum);
	}
	if (sum) {
		sum_into(sum, l);
		line__free(l);
		return 0;
	}
	HASH_ADD_KEYPTR(hh, r->others, l->kind, strlen(l->kind), l);
	if (hash_added(l))
		return 0;
	line__free(l);
	return -ENOMEM;
}

static void place(struct report *r, struct line *l)
{
	for (size_t i = 0; i < r->n_programs; i++) {
		if (strcmp(r->programs[i]->kind, l->kind))
			continue;
		r->programs[i]->crowd++;
		l->crowd++;
	}
	r->programs[r->n_programs++] = l;
}

/* Who goes when there are too many: the least of the largest crowd, so that a thousand backends do
 * not push out the one checkpointer. */
static struct line *displace(struct report *r)
{
	size_t worst = 0;
	struct line *l;

	for (size_t i = 1; i < r->n_programs; i++) {
		const struct line *a = r->programs[i], *b = r->programs[worst];

		if (a->crowd != b->crowd ? a->crowd > b->crowd : better(b, a))
			worst = i;
	}
	l = r->programs[worst];
	r->programs[worst] = r->programs[--r->n_programs];
	for (size_t i = 0; i < r->n_programs; i++)
		if (!strcmp(r->programs[i]->kind, l->kind))
			r->programs[i]->crowd--;
	return l;
}

int report__add(struct report *r, const struct proc *p)
{
	struct line *l = line__new(p);
	int err;

	if (!l)
		return -ENOMEM;
	err = report_memory__add(r->memory, l->name, p);
	if (err) {
		line__free(l);
		return err;
	}
	l->order = r->seen++;
	if (!p->ended && !p->borrowed)
		r->running++;
	place(r, l);
	return r->n_programs > MAX_PROGRAMS ? add_other(r, displace(r)) : 0;
}

/* --- how it is shown -------------------------------------------------------------------------- */

static const char *text(const struct report *r, enum lang_text id)
{
	return lang_text(r->lang, id);
}

static double mib(uint64_t bytes)
{
	return (double)(int64_t)bytes / 1048576.0;
}

static void cell_name(const struct report *r, struct table *t, const struct line *l)
{
	if (l->hh.tbl)
		table__cell(t, "%s%s%s (%lu)", text(r, TEXT_OTHERS), l->kind[0] ? " " : "", l->kind,
			(unsigned long)l->count);
	else
		table__cell(t, "%s%spid=%u", l->name, l->name[0] ? " " : "", l->pid);
}

static void cell_how(const struct report *r, struct table *t, const struct line *l)
{
	const char *vfork = l->borrowed ? ", vfork" : "";

	if (l->hh.tbl)
		table__cell(t, "-");
	else if (!l->ended)
		table__cell(t, "%s%s", text(r, TEXT_RUNNING), vfork);
	else if (l->execed)
		table__cell(t, "%s%s", text(r, TEXT_EXEC), vfork);
	else if (WIFSIGNALED(l->exit_code))
		table__cell(t, "%s%s%s %d%s", l->oom ? text(r, TEXT_OOM) : "", l->oom ? ", " : "",
			text(r, TEXT_SIGNAL), WTERMSIG(l->exit_code), vfork);
	else
		table__cell(t, "%s %d%s", text(r, TEXT_EXIT), WEXITSTATUS(l->exit_code), vfork);
}

static void memory_line(const struct report *r, struct table *t, const struct line *l)
{
	bool many = l->hh.tbl;
	uint64_t peak[] = { rt_rss(&l->peak), l->peak.anon, l->peak.file, l->peak.shmem };

	cell_name(r, t, l);
	if (many || !l->rows)
		table__cell(t, "-");
	else
		table__cell(t, "%.2f", mib(l->baseline));
	if (many || !l->have_rss)
		table__cell(t, "-");
	else
		table__cell(t, "%.2f", mib(l->end));
	for (size_t i = 0; i < sizeof(peak) / sizeof(peak[0]); i++) {
		if (l->have_rss)
			table__cell(t, "%.2f", mib(peak[i]));
		else
			table__cell(t, "-");
	}
	table__cell(t, "%lu", (unsigned long)l->rows);
	cell_how(r, t, l);
}

static void activity_line(const struct report *r, struct table *t, const struct line *l)
{
	cell_name(r, t, l);
	if (l->have_totals) {
		table__cell(t, "%lu", (unsigned long)l->min_flt);
		table__cell(t, "%lu", (unsigned long)l->maj_flt);
		table__cell(t, "%+.2f", mib((uint64_t)l->foreign));
		table__cell(t, "%+.2f", mib((uint64_t)l->footprint));
	} else {
		for (int i = 0; i < 4; i++)
			table__cell(t, "-");
	}
	table__cell(t, "%lu", (unsigned long)l->lost);
}

static int by_birth(const void *a, const void *b)
{
	const struct line *x = *(struct line *const *)a, *y = *(struct line *const *)b;

	if (x->born_ns != y->born_ns)
		return x->born_ns < y->born_ns ? -1 : 1;
	return (x->order > y->order) - (x->order < y->order);
}

static int by_kind(const struct line *a, const struct line *b)
{
	return strcmp(a->kind, b->kind);
}

static void heading(const struct report *r, struct out *o, enum lang_text id)
{
	out__fmt(o, "\n%s:\n", text(r, id));
}

static int print_programs(struct report *r, struct out *o, bool activity)
{
	static const enum lang_text memory_columns[] = { TEXT_COL_BASELINE, TEXT_COL_END,
		TEXT_COL_PEAK };
	static const enum lang_text activity_columns[] = { TEXT_COL_MINOR, TEXT_COL_MAJOR,
		TEXT_COL_FOREIGN, TEXT_COL_FOOTPRINT, TEXT_COL_LOST };
	void (*line)(const struct report *, struct table *, const struct line *) =
		activity ? activity_line : memory_line;
	struct table *t = table__new();
	int err;

	if (!t)
		return -ENOMEM;
	table__column(t, text(r, TEXT_COL_PROCESS), false);
	if (activity) {
		for (int i = 0; i < 5; i++)
			table__column(t, text(r, activity_columns[i]), true);
	} else {
		for (int i = 0; i < 3; i++)
			table__column(t, text(r, memory_columns[i]), true);
		table__column(t, "= anon", true);
		table__column(t, "+ file", true);
		table__column(t, "+ shmem", true);
		table__column(t, text(r, TEXT_COL_ROWS), true);
		table__column(t, text(r, TEXT_COL_HOW), false);
	}
	for (size_t i = 0; i < r->n_programs; i++)
		line(r, t, r->programs[i]);
	for (const struct line *l = r->others; l; l = l->hh.next)
		line(r, t, l);
	heading(r, o, activity ? TEXT_ACTIVITY : TEXT_MEMORY);
	err = table__print(t, o);
	table__free(t);
	return err;
}

static int by_hits(const void *a, const void *b)
{
	const struct func_stat *x = a, *y = b;
	uint64_t m = x->entries + x->returns, n = y->entries + y->returns;

	if (m != n)
		return m > n ? -1 : 1;
	return (x->func->id > y->func->id) - (x->func->id < y->func->id);
}

static void cell_clean(struct table *t, const char *s)
{
	char *clean = out_clean(s ? s : "", s ? strlen(s) : 0);

	table__cell(t, "%s", clean ? clean : "?");
	free(clean);
}

static int print_hits(struct report *r, const struct run_summary *sum, const struct func_stat *funcs,
	size_t n, struct out *o)
{
	bool took = sum->costs.trap_ns[COST_EMULATED];
	struct table *t = table__new();
	int err;

	if (!t)
		return -ENOMEM;
	table__column(t, text(r, TEXT_COL_FUNCTION), false);
	table__column(t, text(r, TEXT_COL_ENTRIES), true);
	table__column(t, text(r, TEXT_COL_RETURNS), true);
	if (took)
		table__column(t, text(r, TEXT_COL_TOOK), true);
	table__column(t, text(r, TEXT_COL_COST), false);
	table__column(t, text(r, TEXT_COL_WAY), false);
	for (size_t i = 0; i < n; i++) {
		cell_clean(t, funcs[i].func->name);
		table__cell(t, "%lu", (unsigned long)funcs[i].entries);
		table__cell(t, "%lu", (unsigned long)funcs[i].returns);
		if (took)
			table__cell(t, "%.1f", func_took_ns(&sum->costs, &funcs[i]) / 1e6);
		cell_clean(t, funcs[i].func->cost);
		cell_clean(t, funcs[i].func->returns);
	}
	err = table__print(t, o);
	table__free(t);
	return err;
}

static int print_functions(struct report *r, const struct run_summary *sum, struct out *o)
{
	struct func_stat *funcs;
	size_t hit = 0, shown;
	int err = 0;

	if (!sum->n_funcs)
		return 0;
	funcs = calloc(sum->n_funcs, sizeof(*funcs));
	if (!funcs)
		return -ENOMEM;
	memcpy(funcs, sum->funcs, sum->n_funcs * sizeof(*funcs));
	qsort(funcs, sum->n_funcs, sizeof(*funcs), by_hits);
	while (hit < sum->n_funcs && (funcs[hit].entries || funcs[hit].returns))
		hit++;
	shown = hit < MAX_FUNCS ? hit : MAX_FUNCS;
	heading(r, o, TEXT_FUNCTIONS);
	if (shown)
		err = print_hits(r, sum, funcs, shown, o);
	if (hit > shown)
		out__fmt(o, "  %s: %zu\n", text(r, TEXT_FEWER_HITS), hit - shown);
	if (sum->n_funcs > hit)
		out__fmt(o, "  %s: %zu\n", text(r, TEXT_NEVER_HIT), sum->n_funcs - hit);
	free(funcs);
	return err;
}

static void print_losses(struct report *r, const struct run_summary *sum, struct out *o)
{
	bool any = false;

	out__fmt(o, "\n%s: ", text(r, TEXT_LOSSES));
	for (unsigned int i = 0; i < RT_LOSS_MAX; i++) {
		if (!sum->loss[i])
			continue;
		out__fmt(o, "%s%s: %lu", any ? ", " : "", text(r, TEXT_LOSS_0 + i),
			(unsigned long)sum->loss[i]);
		any = true;
	}
	out__fmt(o, "%s\n", any ? "" : text(r, TEXT_NONE));
	if (sum->orphans)
		out__fmt(o, "%s: %lu\n", text(r, TEXT_ORPHANS), (unsigned long)sum->orphans);
}

static void print_sum(struct report *r, const struct run_summary *sum, struct out *o)
{
	const struct rt_snapshot *s = &sum->tree_end;

	if (!r->running)
		return;
	out__fmt(o, "\n%s (%lu): %.2f = anon %.2f + file %.2f + shmem %.2f",
		text(r, TEXT_LIVING_SUM), (unsigned long)r->running, mib(rt_rss(s)), mib(s->anon),
		mib(s->file), mib(s->shmem));
	if (s->swap)
		out__fmt(o, " swap %.2f", mib(s->swap));
	out__str(o, "\n");
	if (r->running > 1)
		out__fmt(o, "  (%s)\n", text(r, TEXT_SHARED));
}

static void print_tree_peak(struct report *r, const struct run_summary *sum, struct out *o)
{
	const struct rt_snapshot *s = &sum->tree_peak;

	if (!sum->tree_peak_ns || sum->processes < 2)
		return;
	out__fmt(o, "\n%s (%.3fs): %.2f = anon %.2f + file %.2f + shmem %.2f\n", text(r, TEXT_TREE_PEAK),
		(double)(int64_t)(sum->tree_peak_ns - sum->host->start_ns) / 1e9, mib(rt_rss(s)),
		mib(s->anon), mib(s->file), mib(s->shmem));
}

static void print_title(struct report *r, const struct run_summary *sum, struct out *o)
{
	out__fmt(o, "\n%s: ", text(r, TEXT_REPORT));
	if (sum->end)
		out__fmt(o, "%.3fs, ",
			(double)(int64_t)(sum->end->time_ns - sum->host->start_ns) / 1e9);
	out__fmt(o, "%s: %lu, %s: %lu", text(r, TEXT_PROCESSES), (unsigned long)sum->processes,
		text(r, TEXT_ROWS), (unsigned long)sum->rows);
	if (sum->rows_inexact)
		out__fmt(o, " (%s: %lu, %s: %lu)", text(r, TEXT_ROWS_INEXACT),
			(unsigned long)sum->rows_inexact, text(r, TEXT_ROWS_UNSTABLE),
			(unsigned long)sum->rows_unstable);
	out__str(o, "\n");
	if (!sum->end)
		out__fmt(o, "%s\n", text(r, TEXT_TAPE_BROKEN));
}

int report__print(struct report *r, const struct run_summary *sum, struct out *o)
{
	int err = 0;

	qsort(r->programs, r->n_programs, sizeof(r->programs[0]), by_birth);
	HASH_SORT(r->others, by_kind);
	print_title(r, sum, o);
	report_clocks(r->lang, sum, o);
	if (r->n_programs) {
		err = print_programs(r, o, false);
		if (err)
			return err;
		print_sum(r, sum, o);
		print_tree_peak(r, sum, o);
		err = print_programs(r, o, true);
	}
	if (!err)
		err = report_memory__print(r->memory, r->lang, sum, o);
	if (!err)
		err = report_spans(r->lang, sum, o);
	if (!err)
		err = report_tree_peak(r->lang, sum, o);
	if (!err)
		err = report_growth(r->lang, sum, o);
	if (!err)
		err = print_functions(r, sum, o);
	if (!err)
		err = report_labels(r->lang, sum, o);
	if (!err)
		print_losses(r, sum, o);
	return err ? err : report_costs(r->lang, sum, o);
}
