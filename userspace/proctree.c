/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "proctree.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"
#include "out.h"
#include "procfs.h"

/* Facts of processes that are never born (their events were lost, or they are gone already) must
 * not pile up: beyond this the oldest is dropped. Whole trees are attached at once, so not few. */
#define MAX_AHEAD 8192

struct key {
	uint64_t start_ns;
	uint32_t pid;
	uint32_t zero; /* no padding: the key is hashed as bytes */
};

struct entry {
	struct proc p; /* first: a proc is its entry */
	struct key key;
	bool running;
	bool born; /* its fork or exec was seen */
	uint64_t min_before, maj_before; /* faults of the programs before this one */
	UT_hash_handle hh;	   /* among the running programs */
	struct entry *prev, *next; /* all, in the order of birth */
};

/* What is known of a process before its events have had their turn. */
struct ahead {
	struct key key;
	unsigned int execs; /* announced and not yet seen */
	bool have;	    /* a fact waits here, */
	unsigned int wait;  /* until so many of the execs have been seen */
	char *role, *cmdline, *comm;
	UT_hash_handle hh;
};

struct proctree {
	struct entry *running;
	struct entry *all;
	struct entry *recent; /* events come in bursts of one process */
	struct ahead *ahead;
};

static struct key key_of(uint32_t pid, uint64_t start_ns)
{
	return (struct key){ .start_ns = start_ns, .pid = pid };
}

static void set_clean(char **field, const char *s, size_t len)
{
	char *copy = out_clean(s, len);

	if (!copy)
		return;
	free(*field);
	*field = copy;
}

static void set_comm(struct proc *p, const char *comm)
{
	size_t len = strnlen(comm, RT_COMM_LEN - 1);

	memset(p->comm, 0, sizeof(p->comm));
	memcpy(p->comm, comm, len);
}

/* What a fact does not know (NULL, or nothing to be read) leaves what is known as it is. */
static void apply_fact(struct proc *p, const char *role, const char *cmdline, const char *comm)
{
	if (role && *role)
		set_clean(&p->role, role, strlen(role));
	if (cmdline && *cmdline)
		set_clean(&p->cmdline, cmdline, strlen(cmdline));
	if (comm && *comm)
		set_comm(p, comm);
}

/* --- facts that came before their time -------------------------------------------------------- */

static struct ahead *ahead__find(const struct proctree *pt, const struct key *key)
{
	struct ahead *a;

	HASH_FIND(hh, pt->ahead, key, sizeof(*key), a);
	return a;
}

static void ahead__drop_fact(struct ahead *a)
{
	free(a->role);
	free(a->cmdline);
	free(a->comm);
	a->role = a->cmdline = a->comm = NULL;
	a->have = false;
}

static void ahead__free(struct proctree *pt, struct ahead *a)
{
	HASH_DELETE(hh, pt->ahead, a);
	ahead__drop_fact(a);
	free(a);
}

static struct ahead *ahead__get(struct proctree *pt, const struct key *key)
{
	struct ahead *a = ahead__find(pt, key);

	if (a)
		return a;
	while (HASH_COUNT(pt->ahead) >= MAX_AHEAD)
		ahead__free(pt, pt->ahead); /* the head is the oldest */
	a = calloc(1, sizeof(*a));
	if (!a)
		return NULL;
	a->key = *key;
	HASH_ADD(hh, pt->ahead, key, sizeof(a->key), a);
	if (!hash_added(a)) {
		free(a);
		return NULL;
	}
	return a;
}

static char *copy_or_null(const char *s)
{
	return s ? strdup(s) : NULL;
}

static void ahead__keep(struct ahead *a, const struct fact_proc *fact)
{
	ahead__drop_fact(a);
	a->have = true;
	a->wait = a->execs;
	a->role = copy_or_null(fact->role);
	a->cmdline = copy_or_null(fact->cmdline);
	a->comm = copy_or_null(fact->comm);
}

/* A program has come to life: gives it what was learned of it before. */
static void ahead__deliver(struct proctree *pt, struct entry *e, bool by_exec)
{
	struct ahead *a = ahead__find(pt, &e->key);

	if (!a)
		return;
	if (by_exec && a->execs) {
		a->execs--;
		if (a->wait)
			a->wait--;
	}
	if (a->have && !a->wait) {
		apply_fact(&e->p, a->role, a->cmdline, a->comm);
		ahead__drop_fact(a);
	}
	if (!a->have && !a->execs)
		ahead__free(pt, a);
}

void proctree__announce_exec(struct proctree *pt, uint32_t pid, uint64_t start_ns)
{
	struct key key = key_of(pid, start_ns);
	struct ahead *a = ahead__get(pt, &key);

	if (a)
		a->execs++;
}

void proctree__learn(struct proctree *pt, const struct fact_proc *fact)
{
	struct key key = key_of(fact->pid, fact->start_ns);
	struct ahead *a = ahead__find(pt, &key);
	struct proc *p = proctree__find(pt, fact->pid, fact->start_ns);

	if (p && !(a && a->execs)) {
		apply_fact(p, fact->role, fact->cmdline, fact->comm);
		return;
	}
	if (!a)
		a = ahead__get(pt, &key);
	if (a)
		ahead__keep(a, fact);
}

/* --- programs --------------------------------------------------------------------------------- */

struct proctree *proctree__new(void)
{
	return calloc(1, sizeof(struct proctree));
}

static void entry__free(struct entry *e)
{
	free(e->p.role);
	free(e->p.cmdline);
	free(e);
}

void proctree__free(struct proctree *pt)
{
	struct entry *e, *tmp;
	struct ahead *a, *atmp;

	if (!pt)
		return;
	HASH_CLEAR(hh, pt->running);
	DL_FOREACH_SAFE(pt->all, e, tmp) {
		DL_DELETE(pt->all, e);
		entry__free(e);
	}
	HASH_ITER(hh, pt->ahead, a, atmp)
		ahead__free(pt, a);
	free(pt);
}

static struct entry *entry__find(const struct proctree *pt, uint32_t pid, uint64_t start_ns)
{
	struct key key = key_of(pid, start_ns);
	struct entry *e = pt->recent;

	if (e && e->p.pid == pid && e->p.start_ns == start_ns)
		return e;
	HASH_FIND(hh, pt->running, &key, sizeof(key), e);
	return e;
}

struct proc *proctree__find(const struct proctree *pt, uint32_t pid, uint64_t start_ns)
{
	struct entry *e = entry__find(pt, pid, start_ns);

	return e ? &e->p : NULL;
}

static struct entry *entry__new(struct proctree *pt, uint32_t pid, uint64_t start_ns,
	uint64_t time_ns)
{
	struct entry *e = calloc(1, sizeof(*e));

	if (!e)
		return NULL;
	e->key = key_of(pid, start_ns);
	e->p.pid = pid;
	e->p.start_ns = start_ns;
	e->p.born_ns = time_ns;
	e->p.exit_code = -1;
	e->p.role = strdup("");
	e->p.cmdline = strdup("");
	if (!e->p.role || !e->p.cmdline)
		goto fail;
	HASH_ADD(hh, pt->running, key, sizeof(e->key), e);
	if (!hash_added(e))
		goto fail;
	e->running = true;
	DL_APPEND(pt->all, e);
	pt->recent = e;
	return e;
fail:
	entry__free(e);
	return NULL;
}

static void entry__stop(struct proctree *pt, struct entry *e, uint64_t time_ns)
{
	if (e->running)
		HASH_DELETE(hh, pt->running, e);
	e->running = false;
	if (pt->recent == e)
		pt->recent = NULL;
	e->p.ended = true;
	e->p.end_ns = time_ns;
}

struct proc *proctree__get(struct proctree *pt, uint32_t pid, uint64_t start_ns, uint64_t time_ns)
{
	struct entry *e = entry__find(pt, pid, start_ns);

	if (!e) {
		e = entry__new(pt, pid, start_ns, time_ns);
		if (!e)
			return NULL;
		ahead__deliver(pt, e, false);
	}
	pt->recent = e;
	return &e->p;
}

static uint64_t max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static void raise_peaks(struct rt_totals *t, const struct rt_snapshot *peak, uint64_t peak_ns,
	const struct rt_snapshot *kinds)
{
	if (rt_rss(peak) > rt_rss(&t->peak)) {
		t->peak = *peak;
		t->peak_ns = peak_ns;
	}
	t->kind_peak.file = max_u64(t->kind_peak.file, kinds->file);
	t->kind_peak.anon = max_u64(t->kind_peak.anon, kinds->anon);
	t->kind_peak.shmem = max_u64(t->kind_peak.shmem, kinds->shmem);
	t->kind_peak.swap = max_u64(t->kind_peak.swap, kinds->swap);
}

void proctree__snapshot(struct proc *p, const struct rt_snapshot *rss, uint64_t time_ns)
{
	struct rt_totals *t = &p->totals;

	if (!p->have_rss) {
		p->have_rss = true;
		t->first = t->peak = *rss;
		t->peak_ns = time_ns;
	}
	t->last = *rss;
	raise_peaks(t, rss, time_ns, rss);
}

static void take_totals(struct proc *p, const struct rt_totals *totals)
{
	struct rt_totals seen = p->totals;

	p->totals = *totals;
	if (p->have_rss)
		raise_peaks(&p->totals, &seen.peak, seen.peak_ns, &seen.kind_peak);
	p->have_rss = p->have_totals = true;
}

/* Of a process that ends on its parent's mm there is no account: what it saw last stands. */
static void take_last_totals(struct proc *p, const struct rt_totals *totals, unsigned int flags)
{
	if (flags & RT_P_BORROWED)
		p->have_totals = true;
	else
		take_totals(p, totals);
}

static void take_faults(struct proc *p, uint64_t min_flt, uint64_t maj_flt)
{
	const struct entry *e = (const struct entry *)p;

	p->min_flt = min_flt > e->min_before ? min_flt - e->min_before : 0;
	p->maj_flt = maj_flt > e->maj_before ? maj_flt - e->maj_before : 0;
}

static void take_flags(struct proc *p, unsigned int flags)
{
	if (flags & RT_P_BORROWED)
		p->borrowed = true;
	if (flags & RT_P_STALE)
		p->stale = true;
}

/* How many bytes at the end are the beginning of a character that was cut off. */
static size_t cut_bytes(const char *s, size_t len)
{
	unsigned char c;
	size_t need;

	for (size_t n = 1; n <= 3 && n <= len; n++) {
		c = (unsigned char)s[len - n];
		if ((c & 0xc0) == 0x80)
			continue;
		need = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : c >= 0xc0 ? 2 : 1;
		return need > n ? n : 0;
	}
	return 0;
}

static void take_title(struct proc *p, const char title[RT_TITLE_LEN], size_t args)
{
	char buf[RT_TITLE_LEN + 1], *clean;
	size_t len = procfs_title(title, RT_TITLE_LEN, args, buf, sizeof(buf));

	if (!len)
		return;
	if (len == RT_TITLE_LEN)
		len -= cut_bytes(buf, len);
	clean = out_clean(buf, len);
	if (!clean)
		return;
	/* what was read from /proc is whole and says more, unless the title is another by now */
	if (!strncmp(p->cmdline, clean, strlen(clean))) {
		free(clean);
		return;
	}
	free(p->cmdline);
	p->cmdline = clean;
}

struct proc *proctree__fork(struct proctree *pt, const struct rt_fork *ev, uint64_t time_ns)
{
	bool known = entry__find(pt, ev->h.pid, ev->h.start_ns);
	struct proc *parent, *p;
	char *cmdline;

	p = proctree__get(pt, ev->h.pid, ev->h.start_ns, time_ns);
	if (!p)
		return NULL;
	((struct entry *)p)->born = true;
	p->ppid = ev->ppid;
	p->parent_start_ns = ev->parent_start_ns;
	take_flags(p, ev->flags);
	if (!known)
		proctree__snapshot(p, &ev->rss, time_ns);
	parent = proctree__find(pt, ev->ppid, ev->parent_start_ns);
	if (!parent || parent == p)
		return p;
	if (!p->comm[0])
		set_comm(p, parent->comm);
	if (!p->cmdline[0]) {
		cmdline = strdup(parent->cmdline);
		if (cmdline) {
			free(p->cmdline);
			p->cmdline = cmdline;
		}
	}
	return p;
}

struct proc *proctree__totals(struct proctree *pt, const struct rt_totals_event *ev,
	uint64_t time_ns)
{
	struct proc *p = proctree__get(pt, ev->h.pid, ev->h.start_ns, time_ns);

	if (!p)
		return NULL;
	if (!((struct entry *)p)->born)
		p->attached = true;
	p->ppid = ev->ppid;
	p->parent_start_ns = ev->parent_start_ns;
	take_faults(p, ev->min_flt, ev->maj_flt);
	take_flags(p, ev->flags);
	take_totals(p, &ev->totals);
	if (ev->h.len >= sizeof(*ev))
		p->serial = ev->serial;
	if (ev->comm[0])
		set_comm(p, ev->comm);
	return p;
}

struct proc *proctree__exit(struct proctree *pt, const struct rt_exit *ev, uint64_t time_ns)
{
	struct proc *p = proctree__get(pt, ev->h.pid, ev->h.start_ns, time_ns);

	if (!p)
		return NULL;
	p->exit_code = (int)ev->exit_code;
	p->execed = ev->flags & RT_P_EXECED; /* and there was no room for what it became */
	take_faults(p, ev->min_flt, ev->maj_flt);
	take_flags(p, ev->flags);
	take_last_totals(p, &ev->totals, ev->flags);
	take_title(p, ev->title, ev->title_args);
	if (ev->h.len >= sizeof(*ev))
		p->serial = ev->serial;
	entry__stop(pt, (struct entry *)p, time_ns);
	return p;
}

struct proc *proctree__exec(struct proctree *pt, const struct rt_exec *ev, uint64_t time_ns,
	struct proc **old)
{
	struct proc *o = proctree__get(pt, ev->h.pid, ev->h.start_ns, time_ns);
	struct entry *e;

	*old = NULL;
	if (!o)
		return NULL;
	take_faults(o, ev->min_flt, ev->maj_flt);
	take_flags(o, ev->flags);
	take_last_totals(o, &ev->old, ev->flags);
	o->execed = true;
	if (ev->h.len >= sizeof(*ev))
		o->serial = ev->serial;
	entry__stop(pt, (struct entry *)o, time_ns);
	*old = o;

	e = entry__new(pt, ev->h.pid, ev->h.start_ns, time_ns);
	if (!e)
		return NULL;
	/* of the command under trace no fork told */
	if (!o->ppid && ev->h.len >= offsetof(struct rt_exec, serial)) {
		o->ppid = ev->ppid;
		o->parent_start_ns = ev->parent_start_ns;
	}
	e->p.ppid = o->ppid;
	e->p.parent_start_ns = o->parent_start_ns;
	e->born = true;
	e->min_before = ev->min_flt;
	e->maj_before = ev->maj_flt;
	set_comm(&e->p, o->comm); /* the kernel renames it before it says that it has exec'd */
	take_title(&e->p, ev->title, ev->title_args);
	proctree__snapshot(&e->p, &ev->rss, time_ns);
	ahead__deliver(pt, e, true);
	return &e->p;
}

void proctree__rename(struct proctree *pt, const struct rt_rename *ev)
{
	struct proc *p = proctree__find(pt, ev->h.pid, ev->h.start_ns);

	if (p && ev->h.tid == ev->h.pid) /* other threads have names of their own */
		set_comm(p, ev->comm);
}

void proctree__forget(struct proctree *pt, struct proc *p)
{
	struct entry *e = (struct entry *)p;
	struct ahead *a;

	if (!p)
		return;
	entry__stop(pt, e, p->end_ns);
	if (!p->execed) {
		a = ahead__find(pt, &e->key);
		if (a && !a->execs)
			ahead__free(pt, a);
	}
	DL_DELETE(pt->all, e);
	entry__free(e);
}

int proctree__each(struct proctree *pt, proc_fn *fn, void *ctx)
{
	struct entry *e, *tmp;
	int err;

	DL_FOREACH_SAFE(pt->all, e, tmp) {
		err = fn(ctx, &e->p);
		if (err)
			return err;
	}
	return 0;
}
