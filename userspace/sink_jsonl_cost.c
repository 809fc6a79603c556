/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overhead.h"
#include "report.h"
#include "sink_jsonl.h"

static bool measured(const struct run_costs *costs)
{
	for (int i = 0; i < RT_COST_MAX; i++)
		if (costs->programs[i].runs)
			return true;
	return false;
}

/* A tape may say what is beyond any number of JSON libraries. */
static void put_ns(struct jsonl *j, const char *key, double ns)
{
	put_u64(j, key, ns < 9e18 ? (uint64_t)ns : 9000000000000000000ULL);
}

static void put_percent(struct jsonl *j, const char *key, double percent)
{
	put_text(j, key);
	out__fmt(j->out, "%.4f", percent);
}

static void put_class(struct jsonl *j, const struct run_costs *costs, enum rt_cost_class class,
	bool first)
{
	const struct rt_cost *c = &costs->programs[class];
	uint64_t trap = overhead_trap_ns(class, costs->trap_ns);

	put_text(j, first ? "{\"name\":\"" : ",{\"name\":\"");
	put_text(j, overhead_class_name(class));
	put_u64(j, "\",\"runs\":", overhead_runs(c));
	if (c->sampled)
		put_ns(j, ",\"run_ns\":", overhead_run_ns(c));
	else
		put_null(j, ",\"run_ns\":");
	if (trap)
		put_u64(j, ",\"trap_ns\":", trap);
	else
		put_null(j, ",\"trap_ns\":");
	put_ns(j, ",\"took_ns\":", overhead_class_ns(class, c, costs->trap_ns));
	put_u64(j, ",\"others\":", c->others);
	put_text(j, "}");
}

static void put_limit(struct jsonl *j, const struct fact_limit *limit)
{
	if (!limit->ppm) {
		put_null(j, ",\"limit\":");
		return;
	}
	put_percent(j, ",\"limit\":{\"percent\":", (double)limit->ppm / 1e4);
	if (limit->over_ns) {
		put_u64(j, ",\"over_ns\":", limit->over_ns);
		put_percent(j, ",\"over_percent\":", (double)limit->over_ppm / 1e4);
	} else {
		put_text(j, ",\"over_ns\":null,\"over_percent\":null");
	}
	put_u64(j, ",\"off_ns\":", limit->off_ns);
	put_text(j, "}");
}

void jsonl_put_costs(struct jsonl *j, const struct run_summary *sum)
{
	const struct run_costs *costs = &sum->costs;
	double ns = overhead_total_ns(costs->programs, costs->trap_ns);
	bool first = true;

	if (!measured(costs) && !costs->cpu_ns) {
		put_null(j, ",\"overhead\":");
		return;
	}
	put_u64(j, ",\"overhead\":{\"cpu_ns\":", costs->cpu_ns);
	put_ns(j, ",\"took_ns\":", ns);
	if (costs->cpu_ns)
		put_percent(j, ",\"percent\":", 100 * ns / (double)costs->cpu_ns);
	else
		put_null(j, ",\"percent\":");
	put_text(j, ",\"programs\":[");
	for (int i = 0; i < RT_COST_MAX; i++) {
		if (!costs->programs[i].runs)
			continue;
		put_class(j, costs, i, first);
		first = false;
	}
	put_text(j, "]");
	put_limit(j, &costs->limit);
	put_text(j, "}");
}

void jsonl_put_took(struct jsonl *j, const struct run_costs *costs, const struct func_stat *f)
{
	if (costs->trap_ns[COST_EMULATED])
		put_ns(j, ",\"took_ns\":", func_took_ns(costs, f));
	else
		put_null(j, ",\"took_ns\":");
}
