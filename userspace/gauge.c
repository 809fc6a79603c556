/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A reading of /proc takes a while, and a process goes on meanwhile. To say what /proc and the
 * kernel's side have of the same instant, the account of each process is taken before and after:
 *
 *	account   smaps_rollup, smaps   account
 *	   |------------------------------|
 *
 * Every change is in the account (grown, returned, foreign, footprint), so if both are equal there
 * was none, and what was read belongs to that account. Else it is tried again, a few times.
 *
 * The kernel walks page tables for it, some 12 ms a GB of 4 KiB pages, and the process cannot change its
 * memory map meanwhile. So there is a limit to what is read, and pauses are in proportion.
 */
#include "gauge.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli.h"
#include "hash.h"
#include "log.h"
#include "procfs.h"
#include "proctree.h"
#include "smaps.h"

#define PROCESS_NS     2000000000ULL /* for one process, */
#define READING_NS     5000000000ULL /* and for all of them */
#define TRIES	       4
#define CHEAP_NS       50000000ULL /* what took longer is not tried again */
#define DEFAULT_NS     10000000000ULL
#define VERIFY_NS      1000000000ULL
#define FIRST_NS       1000000000ULL
#define COST_SHARE     100 /* of the time between two readings that nobody asked for */
#define GUESS_PAGE_NS  60  /* until it was measured */
#define MEASURED_PAGES 16384 /* at least, so that it can be */
#define MAX_NAMES      4096 /* of mappings of one process */
#define BATCH	       8  /* processes between two accounts, or more: */
#define BATCHES	       16 /* each account is of all processes */
#define BIG_MOVE       (16ULL << 20)
#define EVENTS	       65536

struct key {
	uint64_t start_ns, pid; /* as wide as the other, so that no padding is hashed */
};

/* A process of the reading that goes on. */
struct subject {
	struct key key;
	uint32_t flags;
	struct rt_totals before, after; /* its account: around what is being read, the last one */
	uint64_t before_ns, after_ns;
	bool here; /* in the last account */
	bool steady, cheap;
	bool differs; /* /proc and the account, at the last try */
	bool rested;  /* no thread was amid anything then */
	struct fact fact;
	struct smaps maps;
	UT_hash_handle hh;
};

/* What was read by mapping of a program. Another program of the process begins anew. */
struct known {
	struct key key;
	uint32_t number; /* of the last reading that it was in */
	struct rt_snapshot first;
	bool mapped;
	uint64_t mapped_rss, mapped_private; /* then */
	struct rt_totals account;
	uint64_t still_ns; /* it has been that since then */
	UT_hash_handle hh;
};

struct gauge {
	struct gauge_config config;
	bool automatic; /* reads without being asked */
	bool smaps;
	uint64_t every_ns, start_ns, next_ns;
	uint64_t page_ns; /* what a page costs, as last measured */
	bool asked, reading;
	uint32_t number;
	struct subject *subjects;
	struct known *known;
	/* the reading that goes on */
	enum reading_when when;
	uint64_t deadline_ns;
	struct smaps_sums sums;
	uint64_t processes, failed;
	int err; /* no memory, where it could not be returned */
};

static uint64_t clock_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

struct gauge *gauge__new(const struct gauge_config *config)
{
	const struct options *opt = config->opt;
	struct gauge *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->config = *config;
	g->automatic = config->growth || opt->verify || opt->pss_every_set;
	g->smaps = config->growth && opt->smaps;
	g->page_ns = GUESS_PAGE_NS;
	g->start_ns = clock_ns();
	if (opt->pss_every_set)
		g->every_ns = opt->pss_every_ns;
	else if (g->automatic)
		g->every_ns = opt->verify ? VERIFY_NS : DEFAULT_NS;
	g->next_ns = g->start_ns + min_u64(g->every_ns, FIRST_NS);
	return g;
}

static void drop_subjects(struct gauge *g)
{
	struct subject *s, *next;

	HASH_ITER(hh, g->subjects, s, next) {
		HASH_DELETE(hh, g->subjects, s);
		smaps__clear(&s->maps);
		free(s);
	}
}

/* Of programs that were not in that reading. */
static void drop_known(struct gauge *g, uint32_t number)
{
	struct known *k, *next;

	HASH_ITER(hh, g->known, k, next) {
		if (k->number == number)
			continue;
		HASH_DELETE(hh, g->known, k);
		free(k);
	}
}

void gauge__free(struct gauge *g)
{
	if (!g)
		return;
	drop_subjects(g);
	drop_known(g, UINT32_MAX);
	free(g);
}

/* --- accounts --------------------------------------------------------------------------------- */

static struct subject *get_subject(struct gauge *g, const struct rt_hdr *h)
{
	struct key key = { .start_ns = h->start_ns, .pid = h->pid };
	struct subject *s;

	HASH_FIND(hh, g->subjects, &key, sizeof(key), s);
	if (s)
		return s;
	s = calloc(1, sizeof(*s));
	if (!s)
		return NULL;
	s->key = key;
	HASH_ADD(hh, g->subjects, key, sizeof(s->key), s);
	if (hash_added(s))
		return s;
	free(s);
	return NULL;
}

bool gauge__takes(struct gauge *g, const struct rt_hdr *h)
{
	const struct rt_totals_event *ev = (const struct rt_totals_event *)h;
	struct subject *s;

	if (!g || !g->reading || h->kind != RT_EV_TOTALS)
		return false;
	s = get_subject(g, h);
	if (!s) {
		g->err = -ENOMEM;
		return false;
	}
	s->flags = ev->flags;
	s->after = ev->totals;
	s->after_ns = h->time_ns;
	s->here = true;
	return !h->lost; /* what tells of lost events must go on */
}

/* A flood may be faster than this is: the ring is emptied once, and what came meanwhile. */
static int drain(void *ctx)
{
	struct gauge *g = ctx;
	uint64_t rounds = g->config.opt->ring_bytes / sizeof(struct rt_hdr) / EVENTS + 2;
	int n = EVENTS;

	for (; rounds && n >= EVENTS; rounds--)
		n = session__poll(g->config.session, g->config.on_event, g->config.ctx, EVENTS);
	return n < 0 ? n : 0;
}

/* Of all processes; `after` is new in each that is still here. */
static int take_account(struct gauge *g)
{
	int err;

	for (struct subject *s = g->subjects; s; s = s->hh.next)
		s->here = false;
	err = session__report(g->config.session, g->config.on_event, g->config.ctx);
	if (!err)
		err = drain(g);
	return err ? err : g->err;
}

static bool is_same(const struct rt_totals *a, const struct rt_totals *b)
{
	return !memcmp(&a->last, &b->last, sizeof(a->last)) &&
	       !memcmp(&a->grown, &b->grown, sizeof(a->grown)) &&
	       !memcmp(&a->returned, &b->returned, sizeof(a->returned)) &&
	       !memcmp(&a->foreign, &b->foreign, sizeof(a->foreign)) &&
	       !memcmp(&a->footprint, &b->footprint, sizeof(a->footprint));
}

/* --- one process ------------------------------------------------------------------------------ */

static struct known *get_known(struct gauge *g, const struct subject *s)
{
	struct known *k;

	HASH_FIND(hh, g->known, &s->key, sizeof(s->key), k);
	if (!k) {
		k = calloc(1, sizeof(*k));
		if (!k)
			return NULL;
		k->key = s->key;
		HASH_ADD(hh, g->known, key, sizeof(k->key), k);
		if (!hash_added(k)) {
			free(k);
			return NULL;
		}
	}
	if (memcmp(&k->first, &s->before.first, sizeof(k->first))) {
		k->first = s->before.first;
		k->mapped = false;
	}
	k->number = g->number;
	return k;
}

/* The account is that of an earlier reading, or this one is the first that has it. */
static uint64_t still_since(struct gauge *g, const struct subject *s)
{
	struct known *k;

	HASH_FIND(hh, g->known, &s->key, sizeof(s->key), k);
	if (!k)
		return 0;
	if (!k->still_ns || !is_same(&k->account, &s->before)) {
		k->account = s->before;
		k->still_ns = s->before_ns;
	}
	return k->still_ns;
}

static bool has_moved(uint64_t from, uint64_t to)
{
	uint64_t by = to > from ? to - from : from - to;

	return by > BIG_MOVE && by > from / 8;
}

/* By timer only what has moved since: the last before an exit is then not far from it. */
static bool wants_maps(const struct gauge *g, const struct known *k, const struct smaps_sums *now)
{
	if (!g->smaps)
		return false;
	return g->when != READING_TIMER || !k->mapped || has_moved(k->mapped_rss, now->rss) ||
	       has_moved(k->mapped_private, now->private_dirty);
}

/* The kernel does not stop amid a process for any deadline. */
static const char *why_not(const struct gauge *g, const struct rt_snapshot *rss)
{
	uint64_t pages = (rt_rss(rss) + rss->swap) / 4096, cost_ns = pages * g->page_ns;
	uint64_t now = clock_ns();

	if (cost_ns > PROCESS_NS)
		return "it is so large that it would take more than 2 s";
	if (now + cost_ns > g->deadline_ns)
		return "all processes together took more than 5 s";
	return NULL;
}

static void learn_cost(struct gauge *g, struct subject *s, uint64_t took_ns)
{
	uint64_t pages = rt_rss(&s->before.last) / 4096;

	s->cheap = took_ns < CHEAP_NS;
	if (pages >= MEASURED_PAGES)
		g->page_ns = took_ns / pages + 1;
}

/* 0 also when it could not be read, for whatever reason: then `failed` says why. -ESRCH: gone. */
static int read_rollup(struct gauge *g, struct subject *s)
{
	struct fact_reading *f = &s->fact.reading;
	uint64_t from = clock_ns();
	int err;

	f->failed = (char *)why_not(g, &s->before.last);
	if (f->failed)
		return 0;
	err = smaps_rollup((pid_t)s->key.pid, &f->sums);
	s->rested = !err && f->sums.rss != rt_rss(&s->before.last) && procfs_rests((pid_t)s->key.pid);
	if (err == -ESRCH)
		return err;
	if (err)
		f->failed = strerror(-err);
	learn_cost(g, s, clock_ns() - from);
	return 0;
}

static int read_maps(struct gauge *g, struct subject *s)
{
	struct smaps_how how = { .max_groups = MAX_NAMES, .breathe = drain, .ctx = g,
		.deadline_ns = min_u64(clock_ns() + PROCESS_NS, g->deadline_ns) };
	struct fact_reading *f = &s->fact.reading;
	int err = smaps_read((pid_t)s->key.pid, &how, &s->maps);

	if (err)
		return err;
	f->mapped = true;
	f->partial = s->maps.partial;
	f->mappings = s->maps.mappings;
	f->upto = s->maps.partial ? s->maps.upto : 0;
	f->mapped_sums = s->maps.all;
	f->groups = s->maps.groups;
	f->n_groups = s->maps.n;
	return 0;
}

static int read_process(struct gauge *g, struct subject *s)
{
	struct fact_reading *f = &s->fact.reading;
	struct known *k = get_known(g, s);
	int err;

	if (!k)
		return -ENOMEM;
	s->fact = (struct fact){ .kind = REC_READING };
	f->pid = (uint32_t)s->key.pid;
	f->start_ns = s->key.start_ns;
	f->number = g->number;
	f->when = g->when;
	err = read_rollup(g, s);
	if (err || !wants_maps(g, k, &f->sums) || clock_ns() >= g->deadline_ns)
		return err;
	err = read_maps(g, s);
	if (err)
		return err == -ENOMEM || err == -ESRCH ? err : 0;
	if (f->failed && !f->partial) { /* it was not so large after all */
		f->sums = f->mapped_sums;
		f->failed = NULL;
	}
	k->mapped = true;
	k->mapped_rss = f->sums.rss;
	k->mapped_private = f->sums.private_dirty;
	return 0;
}

/* --- some at a time --------------------------------------------------------------------------- */

static void stand_before(struct subject *s)
{
	s->before = s->after;
	s->before_ns = s->after_ns;
}

/* Another program by now: what was read may be of either. */
static bool is_other(const struct subject *s)
{
	return memcmp(&s->before.first, &s->after.first, sizeof(s->before.first));
}

/*
 * munmap takes a mapping off first, and its pages, which are counted then, next: in between /proc has them no
 * more, and nothing has changed as far as anybody counts. A thread may wait for a processor there. So where
 * they differ, it says something only of a program at rest.
 */
static void judge(struct subject *s)
{
	s->differs = s->fact.reading.sums.rss != rt_rss(&s->before.last);
	s->steady = s->here && !(s->flags & RT_P_STALE) && is_same(&s->before, &s->after) &&
		    (!s->differs || s->rested);
}

/* Those that moved while they were read. */
static int try_again(struct gauge *g, struct subject **some, size_t n)
{
	bool any = false;
	int err;

	for (size_t i = 0; i < n; i++) {
		struct subject *s = some[i];

		if (!s || s->steady || !s->here || !(s->cheap || s->differs) || s->fact.reading.failed)
			continue;
		stand_before(s);
		if (read_rollup(g, s))
			continue;
		any = true;
	}
	err = any ? take_account(g) : 0;
	for (size_t i = 0; any && i < n; i++)
		if (some[i] && !some[i]->steady)
			judge(some[i]);
	return err;
}

static int tell(struct gauge *g, struct subject *s)
{
	struct fact_reading *f = &s->fact.reading;
	int err;

	f->time_ns = s->before_ns;
	f->counted = !(s->flags & RT_P_STALE);
	f->steady = s->steady && !f->failed;
	f->counters = s->before.last;
	f->still_ns = still_since(g, s);
	err = fact__emit(&s->fact, g->config.emit, g->config.ctx);
	smaps__clear(&s->maps);
	g->failed += f->failed != NULL;
	if (!f->failed) {
		g->processes++;
		smaps_add(&g->sums, &f->sums);
	}
	return err;
}

static int read_some(struct gauge *g, struct subject **some, size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		stand_before(some[i]);
		err = read_process(g, some[i]);
		if (err == -ESRCH)
			some[i] = NULL;
		else if (err)
			return err;
	}
	err = take_account(g);
	for (size_t i = 0; !err && i < n; i++)
		if (some[i])
			judge(some[i]);
	for (int i = 1; !err && i < TRIES; i++)
		err = try_again(g, some, n);
	for (size_t i = 0; !err && i < n; i++)
		if (some[i] && !is_other(some[i]))
			err = tell(g, some[i]);
	return err;
}

/* --- a reading -------------------------------------------------------------------------------- */

/* Those of the first account: who comes later is for the next reading. */
static int read_all(struct gauge *g)
{
	struct subject **some, *last, *s, *next;
	size_t n = 0, batch;
	int err = take_account(g);

	if (err || !g->subjects)
		return err;
	batch = HASH_COUNT(g->subjects) / BATCHES + 1;
	batch = batch > BATCH ? batch : BATCH;
	some = calloc(batch, sizeof(*some));
	if (!some)
		return -ENOMEM;
	last = ELMT_FROM_HH(g->subjects->hh.tbl, g->subjects->hh.tbl->tail);
	for (s = g->subjects; s && !err; s = next) {
		next = s == last ? NULL : s->hh.next;
		if (!(s->flags & RT_P_BORROWED) && s->here)
			some[n++] = s;
		if (n == batch || !next) {
			err = read_some(g, some, n);
			n = 0;
		}
	}
	free(some);
	return err;
}

static void say(const struct gauge *g)
{
	log_info("PSS of %lu processes: %.2f MiB (sum of RSS %.2f, private and written %.2f)%s",
		(unsigned long)g->processes, (double)g->sums.pss / 1048576.0,
		(double)g->sums.rss / 1048576.0, (double)g->sums.private_dirty / 1048576.0,
		g->failed ? "; some could not be read" : "");
}

static int take_reading(struct gauge *g, enum reading_when when)
{
	uint64_t from = clock_ns(), took, pause_ns;
	int err;

	g->number++;
	g->when = when;
	g->deadline_ns = from + READING_NS;
	g->sums = (struct smaps_sums){ 0 };
	g->processes = g->failed = 0;
	g->reading = true;
	err = read_all(g);
	g->reading = false;
	drop_subjects(g);
	drop_known(g, g->number);
	if (when == READING_ASKED && !err)
		say(g);
	took = clock_ns() - from;
	/* young programs change fast; and nobody asked for more than a little of a processor */
	pause_ns = g->every_ns;
	if (!g->config.opt->pss_every_set && !g->config.opt->verify)
		pause_ns = min_u64(pause_ns, from - g->start_ns + FIRST_NS) + COST_SHARE * took;
	g->next_ns = from + (pause_ns > took ? pause_ns : took);
	return err;
}

void gauge__ask(struct gauge *g)
{
	g->asked = true;
}

int gauge__tick(struct gauge *g, uint64_t now_ns)
{
	bool asked = g->asked;

	if (!asked && (!g->every_ns || now_ns < g->next_ns))
		return 0;
	g->asked = false;
	return take_reading(g, asked ? READING_ASKED : READING_TIMER);
}

int gauge__read(struct gauge *g, enum reading_when when)
{
	return g->automatic ? take_reading(g, when) : 0;
}
