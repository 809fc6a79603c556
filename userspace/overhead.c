/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "overhead.h"

#include <stdlib.h>

#define WINDOW_NS  900000000ULL /* a second, less what the clock of the loop is late by */
#define MIN_CPU_NS 100000000ULL /* in less of it the scheduler's and the sampled figures are noise */
#define WINDOWS	   3		/* one after the other, until it is believed */

/* Whether there is a trap, and of which class. */
static const struct {
	const char *name;
	enum cost_class trap; /* COST_INVALID: none */
} classes[RT_COST_MAX] = {
	[RT_COST_RSS_STAT] = {"rss_stat", COST_INVALID},
	[RT_COST_FUNCTION] = {"function", COST_EMULATED},
	[RT_COST_SWITCH] = {"switch", COST_INVALID},
	[RT_COST_PYTHON_ENTRY] = {"python_entry", COST_EMULATED},
	[RT_COST_FUNCTION_NOP5] = {"function_nop5", COST_NOP5},
	[RT_COST_FUNCTION_STEPPED] = {"function_stepped", COST_STEPPED},
	[RT_COST_MARK] = {"marker", COST_EMULATED},
	[RT_COST_MARK_STEPPED] = {"marker_stepped", COST_STEPPED},
	[RT_COST_FAULT] = {"page_fault", COST_INVALID},
	[RT_COST_SAMPLE] = {"native_stack", COST_INVALID},
};

const char *overhead_class_name(enum rt_cost_class class)
{
	return classes[class].name;
}

bool overhead_is_probe(enum rt_cost_class class)
{
	return classes[class].trap != COST_INVALID;
}

/* A tape is a stranger's file: it may say anything. */
uint64_t overhead_runs(const struct rt_cost *c)
{
	return c->others < c->runs ? c->runs - c->others : 0;
}

double overhead_run_ns(const struct rt_cost *c)
{
	return c->sampled ? (double)c->ns / (double)c->sampled : 0;
}

double overhead_others_ns(const struct rt_cost *c)
{
	return c->others_sampled ? (double)c->others * ((double)c->others_ns / (double)c->others_sampled) : 0;
}

uint64_t overhead_trap_ns(enum rt_cost_class class, const uint64_t trap_ns[COST_INVALID])
{
	return overhead_is_probe(class) ? trap_ns[classes[class].trap] : 0;
}

double overhead_class_ns(enum rt_cost_class class, const struct rt_cost *c,
	const uint64_t trap_ns[COST_INVALID])
{
	return (double)overhead_runs(c) * (overhead_run_ns(c) + (double)overhead_trap_ns(class, trap_ns));
}

double overhead_total_ns(const struct rt_cost costs[RT_COST_MAX], const uint64_t trap_ns[COST_INVALID])
{
	double ns = 0;

	for (int i = 0; i < RT_COST_MAX; i++)
		ns += overhead_class_ns(i, &costs[i], trap_ns);
	return ns;
}

double overhead_hit_ns(enum cost_class at, const struct rt_cost costs[RT_COST_MAX],
	const uint64_t trap_ns[COST_INVALID])
{
	enum rt_cost_class class = at == COST_NOP5 ? RT_COST_FUNCTION_NOP5 :
		at == COST_STEPPED ? RT_COST_FUNCTION_STEPPED : RT_COST_FUNCTION;

	if (at >= COST_INVALID)
		return 0;
	/* the program is the same; tapes of before do not tell its runs apart */
	if (!costs[class].sampled)
		class = RT_COST_FUNCTION;
	return (double)trap_ns[at] + overhead_run_ns(&costs[class]);
}

/* --- the limit ---------------------------------------------------------------------------------- */

struct overhead {
	double limit; /* percent */
	struct overhead_reading last; /* where the window begins, */
	struct overhead_reading from; /* and the row of windows that say the same */
	unsigned int windows;	      /* how many these are */
	bool above;		      /* as it was last told */
	double percent, percent_of[RT_COST_MAX]; /* by which that was */
	enum rt_cost_class most;
};

struct overhead *overhead__new(double limit_percent)
{
	struct overhead *o = calloc(1, sizeof(*o));

	if (o)
		o->limit = limit_percent;
	return o;
}

void overhead__free(struct overhead *o)
{
	free(o);
}

static double share(double ns, uint64_t from_cpu_ns, uint64_t to_cpu_ns)
{
	return to_cpu_ns > from_cpu_ns ? 100 * ns / (double)(to_cpu_ns - from_cpu_ns) : 0;
}

static double took(const struct overhead_reading *from, const struct overhead_reading *to)
{
	double ns = 0;

	for (int i = 0; i < RT_COST_MAX; i++)
		ns += to->class_ns[i] - from->class_ns[i];
	return ns;
}

static void note_figures(struct overhead *o, const struct overhead_reading *now)
{
	const struct overhead_reading *from = &o->from;

	o->most = 0;
	for (int i = 0; i < RT_COST_MAX; i++) {
		o->percent_of[i] = share(now->class_ns[i] - from->class_ns[i], from->cpu_ns, now->cpu_ns);
		if (o->percent_of[i] > o->percent_of[o->most])
			o->most = i;
	}
	o->percent = share(took(from, now), from->cpu_ns, now->cpu_ns);
}

enum overhead_change overhead__look(struct overhead *o, const struct overhead_reading *now)
{
	double percent;
	bool other;

	if (now->time_ns < o->last.time_ns + WINDOW_NS || now->cpu_ns < o->last.cpu_ns + MIN_CPU_NS)
		return OVERHEAD_SAME;
	percent = share(took(&o->last, now), o->last.cpu_ns, now->cpu_ns);
	/* half of it: what was left out is not to come back, be too much, and go again */
	other = o->above ? percent < o->limit / 2 : percent > o->limit;
	if (!other) {
		o->windows = 0;
	} else if (!o->windows++) {
		o->from = o->last;
	}
	o->last = *now;
	if (o->windows < WINDOWS)
		return OVERHEAD_SAME;
	note_figures(o, now);
	o->windows = 0;
	o->above = !o->above;
	return o->above ? OVERHEAD_ABOVE : OVERHEAD_BELOW;
}

double overhead__percent(const struct overhead *o)
{
	return o->percent;
}

double overhead__percent_of(const struct overhead *o, enum rt_cost_class class)
{
	return o->percent_of[class];
}

enum rt_cost_class overhead__most(const struct overhead *o, double *percent)
{
	*percent = o->percent_of[o->most];
	return o->most;
}
