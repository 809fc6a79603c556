/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "meter.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "overhead.h"
#include "trap.h"

#define EVERY_NS       1000000000ULL
#define SAMPLE_COST_NS 30000 /* of a native stack: what copying it was measured to take */
#define PPM	       10000 /* of a percent */

struct meter {
	struct session *session;
	double limit;
	bool samples;
	struct overhead *overhead; /* NULL: no limit */
	struct trap_costs traps;
	struct uprobe_links *trapped; /* what they were measured with; NULL: they were not */
	bool calibrated;	      /* that was tried */
	struct rt_cost costs[RT_COST_MAX];
	uint64_t next_ns, base_ns, cpu_ns; /* CPU time at the beginning, and since */
	bool have_base;
	uint64_t off_since_ns; /* samples are left out since then; 0: they are taken */
	bool said;
	struct fact_limit told;
};

struct meter *meter__new(struct session *s, double limit, bool samples)
{
	struct meter *m = calloc(1, sizeof(*m));

	if (!m)
		return NULL;
	m->session = s;
	m->limit = limit;
	m->samples = samples && limit > 0;
	m->overhead = limit > 0 ? overhead__new(limit) : NULL;
	if (m->overhead || limit <= 0)
		return m;
	meter__free(m);
	return NULL;
}

void meter__free(struct meter *m)
{
	if (!m)
		return;
	overhead__free(m->overhead);
	uprobe_links__free(m->trapped);
	free(m);
}

/* Once, and not before there is somebody who pays for traps. Where it fails they stay unknown. */
static void calibrate(struct meter *m)
{
	int err;

	if (m->calibrated)
		return;
	m->calibrated = true;
	err = trap_calibrate(&m->traps, &m->trapped);
	if (err)
		log_debug("what a probe's trap takes is not known: %s", strerror(-err));
}

/* -errno: it is not known now; what was known stays. */
static int read_cpu(struct meter *m)
{
	uint64_t ns;
	int err = session__cpu_time(m->session, &ns);

	if (err)
		return err;
	if (!m->have_base)
		m->base_ns = ns;
	m->have_base = true;
	/* a thread that is just ending may be missed once */
	if (ns > m->base_ns + m->cpu_ns)
		m->cpu_ns = ns - m->base_ns;
	return 0;
}

int meter__begin(struct meter *m, bool probes, uint64_t now_ns)
{
	if (probes)
		calibrate(m);
	if (m->samples)
		session__set_sampling(m->session, SAMPLE_COST_NS * 100 / m->limit);
	m->next_ns = now_ns + EVERY_NS;
	return read_cpu(m);
}

/* Has any program run in a traced process since the last reading? */
static bool read_costs(struct meter *m)
{
	struct rt_cost costs[RT_COST_MAX];
	bool news = false, traps = false;

	session__costs(m->session, costs);
	for (int i = 0; i < RT_COST_MAX; i++) {
		news |= overhead_runs(&costs[i]) != overhead_runs(&m->costs[i]);
		traps |= overhead_is_probe(i) && overhead_runs(&costs[i]);
	}
	memcpy(m->costs, costs, sizeof(costs));
	if (traps)
		calibrate(m); /* of probes that came after the beginning */
	return news;
}

/* What is nearly nothing of the cost is worth more than what leaving it out would save. */
static bool samples_matter(const struct meter *m)
{
	return m->samples && overhead__percent_of(m->overhead, RT_COST_SAMPLE) >= m->limit / 10;
}

static const char *what_is_done(const struct meter *m)
{
	if (samples_matter(m))
		return "native stacks are not sampled until it is well below; what grows meanwhile is shown as not sampled";
	if (m->samples)
		return "native stacks are less than a tenth of the limit, so they are kept; --step instead of --growth "
		       "costs less";
	return "there are no samples to leave out; fewer probes would cost less";
}

static void say_above(struct meter *m)
{
	double most_percent, percent = overhead__percent(m->overhead);
	const char *most = overhead_class_name(overhead__most(m->overhead, &most_percent));

	if (m->said)
		return;
	m->said = true;
	log_warn("tracing takes %.3g %% of the CPU time of the traced processes, more than "
		 "--max-overhead %g (%.3g %% for %s): %s",
		percent, m->limit, most_percent, most, what_is_done(m));
}

static void set_samples(struct meter *m, bool off, uint64_t now_ns)
{
	if (!m->samples)
		return;
	session__leave_out_samples(m->session, off);
	if (m->off_since_ns)
		m->told.off_ns += now_ns - m->off_since_ns;
	m->off_since_ns = off ? now_ns : 0;
}

static void judge(struct meter *m, uint64_t now_ns)
{
	struct overhead_reading now = {.time_ns = now_ns, .cpu_ns = m->cpu_ns};

	for (int i = 0; i < RT_COST_MAX; i++)
		now.class_ns[i] = overhead_class_ns(i, &m->costs[i], m->traps.ns);
	switch (overhead__look(m->overhead, &now)) {
	case OVERHEAD_ABOVE:
		if (!m->told.over_ns) {
			m->told.over_ns = now_ns;
			m->told.over_ppm = overhead__percent(m->overhead) * PPM;
		}
		say_above(m);
		if (samples_matter(m))
			set_samples(m, true, now_ns);
		break;
	case OVERHEAD_BELOW:
		log_debug("tracing takes %.3g %% again", overhead__percent(m->overhead));
		set_samples(m, false, now_ns);
		break;
	case OVERHEAD_SAME:
		break;
	}
}

int meter__tick(struct meter *m, uint64_t now_ns)
{
	int err;

	if (now_ns < m->next_ns)
		return 0;
	m->next_ns = now_ns + EVERY_NS;
	/* all tasks have to be looked through for their CPU time: not for nothing */
	if (!read_costs(m) || !m->overhead)
		return 0;
	err = read_cpu(m);
	if (err)
		return err == -ENOMEM ? err : 0;
	judge(m, now_ns);
	return 0;
}

void meter__tell(struct meter *m, uint64_t now_ns, struct fact_counters *out)
{
	read_costs(m);
	read_cpu(m);
	if (m->off_since_ns)
		set_samples(m, true, now_ns); /* counts the time up to here */
	m->told.ppm = m->limit * PPM;
	memcpy(out->costs, m->costs, sizeof(m->costs));
	memcpy(out->trap_ns, m->traps.ns, sizeof(m->traps.ns));
	out->cpu_ns = m->cpu_ns;
	out->limit = m->told;
}
