/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What was open when memory was at its peak. */
#include "account.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lang.h"

#define MAX_THREADS 8
#define MAX_SPANS   6 /* of a thread: the innermost say most */
#define NAME_BYTES  48

static void put_name(const struct catalog *cat, uint32_t func, struct out *o)
{
	struct place_name n;
	char *clean;

	account_name(cat, &(struct growth_place){.func = func}, &n);
	clean = out_clean(n.name, strnlen(n.name, NAME_BYTES));
	out__str(o, clean ? clean : "?");
	free(clean);
}

/* Those from `from` on of one thread. Returns where the next one begins. */
static size_t print_thread(const struct catalog *cat, const struct open_spans *open, size_t from, struct out *o)
{
	size_t to = from, first;

	while (to < open->n && open->list[to].tid == open->list[from].tid)
		to++;
	first = to - from > MAX_SPANS ? to - MAX_SPANS : from;
	out__fmt(o, "    tid=%u %s", open->list[from].tid, first > from ? "... > " : "");
	for (size_t i = first; i < to; i++) {
		if (i > first)
			out__str(o, " > ");
		put_name(cat, open->list[i].func, o);
	}
	out__str(o, "\n");
	return to;
}

void report_open(const struct catalog *cat, const struct open_spans *open, struct out *o)
{
	size_t at = 0, threads = 0;

	while (at < open->n && threads++ < MAX_THREADS)
		at = print_thread(cat, open, at, o);
	if (at < open->n)
		out__str(o, "    ...\n");
}

bool growth_program__at(const struct growth_program *p, uint64_t time_ns)
{
	return time_ns && p->born_ns <= time_ns && time_ns <= p->ended_ns;
}

int report_tree_peak(enum lang lang, const struct run_summary *sum, struct out *o)
{
	const struct growth_program *programs;
	struct open_spans open;
	bool titled = false;
	size_t n;

	if (!sum->growth || !sum->tree_peak_ns)
		return 0;
	programs = growth__programs(sum->growth, &n);
	for (size_t i = 0; i < n; i++) {
		const struct growth_program *p = &programs[i];

		if (!growth_program__at(p, sum->tree_peak_ns))
			continue;
		if (peaks__of_all(p->peaks, p->spans, sum->tree_peak_ns, &open))
			return -ENOMEM;
		if (open.n && !titled)
			out__fmt(o, "\n%s:\n", lang_text(lang, TEXT_OPEN_AT_TREE_PEAK));
		titled |= open.n > 0;
		if (open.n)
			out__fmt(o, "  %s%spid=%u\n", p->role, p->role[0] ? " " : "", p->pid);
		report_open(sum->catalog, &open, o);
		open_spans__clear(&open);
	}
	return 0;
}
