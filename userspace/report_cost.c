/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tracing took, in all and by what it was for. */
#include "report.h"

#include <errno.h>
#include <string.h>

#include "overhead.h"
#include "table.h"

/* A probe on an exit is taken for one on a ret, which is single-stepped. */
double func_took_ns(const struct run_costs *costs, const struct func_stat *f)
{
	bool exits = f->func->returns && !strncmp(f->func->returns, "probes", 6);
	double ns = 0;

	for (int i = 0; i < COST_INVALID; i++)
		if (f->func->cost && !strcmp(f->func->cost, cost_class_name(i)))
			ns = (double)f->entries * overhead_hit_ns(i, costs->programs, costs->trap_ns);
	if (exits)
		ns += (double)f->returns * overhead_hit_ns(COST_STEPPED, costs->programs, costs->trap_ns);
	return ns;
}

static double percent(const struct run_costs *costs, double ns)
{
	return costs->cpu_ns ? 100 * ns / (double)costs->cpu_ns : 0;
}

static void print_class(enum lang lang, const struct run_costs *costs, enum rt_cost_class class,
	struct table *t)
{
	const struct rt_cost *c = &costs->programs[class];
	uint64_t runs = overhead_runs(c), trap = overhead_trap_ns(class, costs->trap_ns);
	double ns = overhead_class_ns(class, c, costs->trap_ns);

	if (!runs)
		return;
	table__cell(t, "%s", lang_text(lang, TEXT_COST_0 + class));
	table__cell(t, "%lu", (unsigned long)runs);
	if (c->sampled)
		table__cell(t, "%.0f", overhead_run_ns(c));
	else
		table__cell(t, "-");
	if (trap)
		table__cell(t, "%lu", (unsigned long)trap);
	else
		table__cell(t, overhead_is_probe(class) ? "?" : "-");
	if (c->sampled || trap)
		table__cell(t, "%.1f", ns / 1e6);
	else
		table__cell(t, "-");
	if (costs->cpu_ns && (c->sampled || trap))
		table__cell(t, "%.2f %%", percent(costs, ns));
	else
		table__cell(t, "-");
}

/* What the rest of the machine pays, which is no part of the share. */
static void print_others(enum lang lang, const struct run_costs *costs, struct table *t)
{
	uint64_t runs = 0;
	double ns = 0;

	for (int i = 0; i < RT_COST_MAX; i++) {
		const struct rt_cost *c = &costs->programs[i];

		runs += c->others;
		ns += overhead_others_ns(c) +
			(double)c->others * (double)overhead_trap_ns(i, costs->trap_ns);
	}
	if (!runs)
		return;
	table__cell(t, "%s", lang_text(lang, TEXT_COST_OTHERS));
	table__cell(t, "%lu", (unsigned long)runs);
	table__cell(t, "-");
	table__cell(t, "-");
	table__cell(t, "%.1f", ns / 1e6);
	table__cell(t, "-");
}

static void print_limit(enum lang lang, const struct run_summary *sum, struct out *o)
{
	const struct fact_limit *limit = &sum->costs.limit;

	if (!limit->over_ns)
		return;
	out__fmt(o, "%s %.4g %%: %s %.3fs, %.3g %%", lang_text(lang, TEXT_LIMIT), (double)limit->ppm / 1e4,
		lang_text(lang, TEXT_LIMIT_SINCE),
		(double)(int64_t)(limit->over_ns - sum->host->start_ns) / 1e9, (double)limit->over_ppm / 1e4);
	if (limit->off_ns)
		out__fmt(o, "; %s %.3fs", lang_text(lang, TEXT_LIMIT_OFF), (double)limit->off_ns / 1e9);
	out__str(o, "\n");
}

static void print_heading(enum lang lang, const struct run_costs *costs, struct out *o)
{
	double ns = overhead_total_ns(costs->programs, costs->trap_ns);

	out__fmt(o, "\n%s: %.3f s", lang_text(lang, TEXT_COST), ns / 1e9);
	if (costs->cpu_ns)
		out__fmt(o, " = %.2f %% %s (%.3f s)", percent(costs, ns), lang_text(lang, TEXT_COST_SHARE),
			(double)costs->cpu_ns / 1e9);
	out__str(o, "\n");
}

int report_costs(enum lang lang, const struct run_summary *sum, struct out *o)
{
	static const enum lang_text columns[] = { TEXT_COL_RUNS, TEXT_COL_RUN_NS, TEXT_COL_TRAP_NS,
		TEXT_COL_TOOK, TEXT_COL_SHARE };
	struct table *t;
	uint64_t runs = 0;
	int err;

	for (int i = 0; i < RT_COST_MAX; i++)
		runs += sum->costs.programs[i].runs;
	if (!runs)
		return 0;
	t = table__new();
	if (!t)
		return -ENOMEM;
	table__column(t, lang_text(lang, TEXT_COL_WHAT), false);
	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		table__column(t, lang_text(lang, columns[i]), true);
	for (int i = 0; i < RT_COST_MAX; i++)
		print_class(lang, &sum->costs, i, t);
	print_others(lang, &sum->costs, t);
	print_heading(lang, &sum->costs, o);
	err = table__print(t, o);
	table__free(t);
	print_limit(lang, sum, o);
	return err;
}
