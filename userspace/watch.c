/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "watch.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fact.h"
#include "hash.h"
#include "out.h"
#include "procfs.h"

#define TITLE_MAX      4096
#define YOUNG_NS       1000000000ULL  /* titles are set soon after birth: looked at often, but */
#define YOUNG_EVERY_NS 5000000ULL     /* not with each event of a flood, */
#define OLD_EVERY_NS   2000000000ULL  /* later only now and then */
#define READS_PER_TICK 256
#define GONE_NS	       5000000000ULL  /* without an exit event: it was lost */
#define SCAN_FREELY_NS 100000000ULL   /* so long is a program scanned whenever it maps something, then for */
#define SCAN_RESTS     30	      /* one part in so many of the time */

struct proc_key {
	uint64_t start_ns;
	uint64_t pid; /* as wide as the other, so that no padding is hashed */
};

struct watched {
	struct proc_key key;
	uint64_t ppid, parent_start_ns;
	uint64_t born_ns, next_read_ns;
	uint64_t spent_ns; /* by scans of this program */
	uint64_t rests_ns; /* it is not scanned again before */
	uint64_t gone_ns; /* since when /proc does not know it; 0: it does */
	bool forked;   /* since its last exec */
	bool borrowed;
	bool scan;
	bool have_env; /* read once, while it is still what exec made it */
	char **environ;
	char *cmdline, *role;
	char exe[256];
	UT_hash_handle hh;
};

struct watch {
	const struct role_rules *own, *roles;
	record_fn *emit;
	void *ctx;
	struct watched *procs;
	/* the process of the last checkpoint, if its role is known */
	uint32_t named_pid;
	uint64_t named_start_ns;
};

struct watch *watch__new(const struct role_rules *own, const struct role_rules *roles, record_fn *emit,
	void *ctx)
{
	struct watch *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->own = own;
	w->roles = roles;
	w->emit = emit;
	w->ctx = ctx;
	return w;
}

static void drop(struct watch *w, struct watched *p)
{
	HASH_DEL(w->procs, p);
	free(p->environ);
	free(p->cmdline);
	free(p->role);
	free(p);
}

void watch__free(struct watch *w)
{
	struct watched *p, *next;

	if (!w)
		return;
	HASH_ITER(hh, w->procs, p, next)
		drop(w, p);
	free(w);
}

size_t watch__alive(const struct watch *w)
{
	return HASH_COUNT(w->procs);
}

static struct watched *find(struct watch *w, uint64_t pid, uint64_t start_ns)
{
	struct proc_key key = {.start_ns = start_ns, .pid = pid};
	struct watched *p;

	HASH_FIND(hh, w->procs, &key, sizeof(key), p);
	return p;
}

static struct watched *get(struct watch *w, const struct rt_hdr *ev)
{
	struct watched *p = find(w, ev->pid, ev->start_ns);

	if (p)
		return p;
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->key.pid = ev->pid;
	p->key.start_ns = ev->start_ns;
	p->born_ns = ev->time_ns;
	p->scan = true;
	HASH_ADD(hh, w->procs, key, sizeof(p->key), p);
	if (hash_added(p))
		return p;
	free(p);
	return NULL;
}

static int tell(struct watch *w, struct watched *p)
{
	char comm[RT_COMM_LEN] = "";
	struct fact fact = {.kind = REC_PROC};

	procfs_comm(p->key.pid, comm, sizeof(comm));
	fact.proc.pid = p->key.pid;
	fact.proc.start_ns = p->key.start_ns;
	fact.proc.role = p->role;
	fact.proc.cmdline = p->cmdline;
	fact.proc.comm = comm;
	return fact__emit(&fact, w->emit, w->ctx);
}

/* Applies a title. Told on: a new role, or the first title of a program. */
static int learn(struct watch *w, struct watched *p, const char *title, size_t len)
{
	struct watched *parent = find(w, p->ppid, p->parent_start_ns);
	struct role_subject subject = {.exe = p->exe,
		.environ = (const char *const *)p->environ,
		.parent_cmdline = parent ? parent->cmdline : NULL,
		.forked = p->forked};
	char comm[RT_COMM_LEN] = "", role[128], *clean;
	bool news = !p->cmdline;

	clean = out_clean(title, len);
	if (!clean)
		return -ENOMEM;
	free(p->cmdline);
	p->cmdline = clean;
	procfs_comm(p->key.pid, comm, sizeof(comm));
	subject.cmdline = clean;
	subject.comm = comm;
	if ((w->own && role_rules__apply(w->own, &subject, role, sizeof(role))) ||
		role_rules__apply(w->roles, &subject, role, sizeof(role))) {
		clean = out_clean(role, strlen(role));
		if (!clean)
			return -ENOMEM;
		news |= !p->role || strcmp(p->role, clean);
		free(p->role);
		p->role = clean;
	}
	return news ? tell(w, p) : 0;
}

static void read_identity(struct watched *p)
{
	char path[4096];
	const char *base;

	if (procfs_exe(p->key.pid, path, sizeof(path)) > 0) {
		base = strrchr(path, '/');
		base = base ? base + 1 : path;
		snprintf(p->exe, sizeof(p->exe), "%.255s", base);
	}
	if (!p->have_env) {
		p->environ = procfs_environ(p->key.pid);
		p->have_env = p->environ != NULL;
	}
}

static int read_title(struct watch *w, struct watched *p, uint64_t now)
{
	char title[TITLE_MAX];
	ssize_t n = procfs_cmdline(p->key.pid, title, sizeof(title));

	p->next_read_ns = now + (now - p->born_ns < YOUNG_NS ? YOUNG_EVERY_NS : OLD_EVERY_NS);
	if (n < 0 && !p->gone_ns)
		p->gone_ns = now;
	if (n <= 0 || (p->cmdline && !strcmp(p->cmdline, title)))
		return 0;
	read_identity(p);
	return learn(w, p, title, n);
}

static int born(struct watch *w, const struct rt_hdr *ev, uint32_t ppid, uint64_t parent_start_ns,
	bool forked, bool borrowed)
{
	struct watched *p = get(w, ev);

	if (!p)
		return -ENOMEM;
	p->ppid = ppid;
	p->parent_start_ns = parent_start_ns;
	p->forked = forked;
	p->borrowed = borrowed;
	return read_title(w, p, ev->time_ns);
}

static int handle_exec(struct watch *w, const struct rt_exec *ev)
{
	struct watched *p = get(w, &ev->h);
	char title[RT_TITLE_LEN];
	size_t n;

	if (!p)
		return -ENOMEM;
	free(p->environ);
	free(p->cmdline);
	free(p->role);
	p->environ = NULL;
	p->cmdline = p->role = NULL;
	p->have_env = p->forked = p->borrowed = false;
	p->exe[0] = '\0';
	p->scan = true;
	p->spent_ns = p->rests_ns = 0;
	p->born_ns = ev->h.time_ns;
	read_identity(p);
	n = procfs_title(ev->title, sizeof(ev->title), ev->title_args, title, sizeof(title));
	return learn(w, p, title, n);
}

static int handle_exit(struct watch *w, const struct rt_exit *ev)
{
	struct watched *p = find(w, ev->h.pid, ev->h.start_ns);
	char title[RT_TITLE_LEN];
	int err = 0;
	size_t n;

	if (!p)
		return 0;
	n = procfs_title(ev->title, sizeof(ev->title), ev->title_args, title, sizeof(title));
	/* Only the beginning of the title is there: good enough where no one read it in life. */
	if (n && (!p->cmdline || strncmp(p->cmdline, title, n)))
		err = learn(w, p, title, n);
	drop(w, p);
	return err;
}

/* A row is about to be printed: the best moment to learn whose it is. Rows come in runs of one
 * process, and by the hundred thousand. */
static int on_checkpoint(struct watch *w, const struct rt_hdr *ev)
{
	struct watched *p;

	if (w->named_pid == ev->pid && w->named_start_ns == ev->start_ns)
		return 0;
	p = find(w, ev->pid, ev->start_ns);
	if (!p)
		return 0;
	if (!p->role && ev->time_ns >= p->next_read_ns)
		return read_title(w, p, ev->time_ns);
	if (p->role) {
		w->named_pid = ev->pid;
		w->named_start_ns = ev->start_ns;
	}
	return 0;
}

int watch__event(struct watch *w, const struct rt_hdr *ev)
{
	struct watched *p;

	switch (ev->kind) {
	case RT_EV_FORK: {
		const struct rt_fork *fork = (const void *)ev;

		return born(w, ev, fork->ppid, fork->parent_start_ns, true,
			fork->flags & RT_P_BORROWED);
	}
	case RT_EV_TOTALS: {
		const struct rt_totals_event *t = (const void *)ev;

		if (find(w, ev->pid, ev->start_ns))
			return 0;
		return born(w, ev, t->ppid, t->parent_start_ns, false, t->flags & RT_P_BORROWED);
	}
	case RT_EV_EXEC:
		return handle_exec(w, (const void *)ev);
	case RT_EV_EXIT:
		return handle_exit(w, (const void *)ev);
	case RT_EV_RENAME:
		p = find(w, ev->pid, ev->start_ns);
		if (!p)
			return 0;
		/* a role may come of the new name though the title is the same as before */
		free(p->cmdline);
		p->cmdline = NULL;
		return read_title(w, p, ev->time_ns);
	case RT_EV_MAPPED:
		p = find(w, ev->pid, ev->start_ns);
		if (p)
			p->scan = true;
		return 0;
	case RT_EV_CHECKPOINT:
	case RT_EV_MARK:
		return on_checkpoint(w, ev);
	default:
		return 0;
	}
}

int watch__tick(struct watch *w, uint64_t now_ns)
{
	struct watched *p, *next;
	int err, left = READS_PER_TICK;

	HASH_ITER(hh, w->procs, p, next) {
		if (p->next_read_ns > now_ns)
			continue;
		if (p->gone_ns && now_ns - p->gone_ns > GONE_NS) {
			drop(w, p);
			continue;
		}
		if (!left--)
			break;
		err = read_title(w, p, now_ns);
		if (err)
			return err;
	}
	return 0;
}

pid_t watch__next_to_scan(struct watch *w, uint64_t now_ns)
{
	struct watched *p, *next;

	HASH_ITER(hh, w->procs, p, next) {
		if (!p->scan || now_ns < p->rests_ns)
			continue;
		p->scan = false;
		return p->key.pid;
	}
	return 0;
}

void watch__scanned(struct watch *w, pid_t pid, uint64_t began_ns, uint64_t ended_ns)
{
	uint64_t took = ended_ns - began_ns;
	struct watched *p, *next;

	HASH_ITER(hh, w->procs, p, next) {
		if ((pid_t)p->key.pid != pid)
			continue;
		p->spent_ns += took;
		if (p->spent_ns > SCAN_FREELY_NS)
			p->rests_ns = ended_ns + took * SCAN_RESTS;
	}
}

void watch__scan_all(struct watch *w)
{
	struct watched *p, *next;

	HASH_ITER(hh, w->procs, p, next)
		p->scan = true;
}
