/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pytrace.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fact.h"
#include "hash.h"
#include "log.h"
#include "pyfunc.h"
#include "pylines.h"
#include "pyopen.h"
#include "pytext.h"
#include "python.h"

#define AGAIN_NS  20000000ULL /* between two looks at a Python that is not ready */
#define STARTED_NS 3000000ULL /* no Python gets to its first function in less */
#define QUIET_NS  300000000ULL /* without a process that comes or goes */
#define YOUNG_NS  30000000ULL /* a child that is to become another program has done so by then */
#define SETTLE_NS 5000000000ULL /* without a wanted function: what had to begin has begun */

enum state {
	PY_UNKNOWN, /* none found so far */
	PY_AGAIN,   /* not ready */
	PY_LOOKED,  /* its stacks are looked at */
	PY_OFF,	    /* cannot be walked; told */
};

struct py_process {
	pid_t pid;
	enum state state;
	bool execed;	   /* since tracing began, */
	uint64_t exec_ns;  /* and when */
	uint64_t since_ns; /* as in pytrace__scan */
	uint64_t looked_ns; /* since when the kernel side looks at it, and at what it forks */
	uint32_t version;
	struct pylines_layout lines;
	struct uprobe_links *entries; /* probes on entries, or NULL */
	bool entries_over;	      /* they had their time, or are not to be had */
	bool scanned;		      /* it was looked for a Python, */
	bool told;		      /* and that it may be one was told */
	uint32_t open;		      /* wanted functions that it has entered and not left */
	uint64_t active_ns;	      /* when it last entered or left one */
	uint64_t young_ns;	      /* until when it may be about to exec; 0: it is not */
	UT_hash_handle hh;
};

struct retired {
	pid_t pid;
	struct uprobe_links *entries;
};

struct pytrace {
	struct pytrace_config config;
	struct python_files *files;
	struct pylines *lines; /* NULL: nobody asks for lines */
	struct py_process *processes;
	uint64_t again_ns;
	struct retired *retired; /* probes that are to be taken off */
	size_t n_retired;
	uint64_t quiet_ns; /* and not before then */
	size_t looked, n_again, n_entries;
	bool wanted; /* there are Python specs */
	bool armed;  /* from the start: some spec has no profile that tells when it begins to matter */
};

struct pytrace *pytrace__new(const struct pytrace_config *config)
{
	struct pytrace *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->config = *config;
	p->files = python_files__new("");
	p->lines = config->growth ? pylines__new() : NULL;
	if (p->files && (p->lines || !config->growth))
		return p;
	pytrace__free(p);
	return NULL;
}

/* Taking probes off makes the kernel wait, for 20 ms and more, and processes come and go in crowds: it is
 * put off until nothing else is to be done. */
static void entries_off(struct pytrace *p, struct py_process *proc, uint64_t now_ns)
{
	struct retired *more;

	if (!proc->entries)
		return;
	p->n_entries--;
	more = realloc(p->retired, (p->n_retired + 1) * sizeof(*more));
	if (more) {
		p->retired = more;
		p->retired[p->n_retired++] = (struct retired){proc->pid, proc->entries};
		p->quiet_ns = now_ns + QUIET_NS;
	} else {
		uprobe_links__free(proc->entries);
	}
	proc->entries = NULL;
}

/* Those of this process cannot wait: with new ones beside them, each entry would be seen twice. */
static void take_off(struct pytrace *p, pid_t pid)
{
	for (size_t i = p->n_retired; i-- > 0;) {
		if (p->retired[i].pid != pid)
			continue;
		uprobe_links__free(p->retired[i].entries);
		p->retired[i] = p->retired[--p->n_retired];
	}
}

static void drop(struct pytrace *p, struct py_process *proc, uint64_t now_ns)
{
	entries_off(p, proc, now_ns);
	HASH_DEL(p->processes, proc);
	p->n_again -= proc->state == PY_AGAIN;
	free(proc);
}

void pytrace__free(struct pytrace *p)
{
	struct py_process *proc, *next;

	if (!p)
		return;
	HASH_ITER(hh, p->processes, proc, next)
		drop(p, proc, 0);
	while (p->n_retired)
		uprobe_links__free(p->retired[--p->n_retired].entries);
	free(p->retired);
	pylines__free(p->lines);
	python_files__free(p->files);
	free(p);
}

size_t pytrace__processes(const struct pytrace *p)
{
	return p->wanted ? p->looked : 0;
}

/* --- what to look for ----------------------------------------------------------------------------- */

static bool is_glob(const char *s)
{
	return strpbrk(s, "*?[\\");
}

static int want_name(struct session *s, enum rt_py_name kind, const char *name, uint32_t want)
{
	return session__want_name(s, kind, py_name_hash(kind, name), want);
}

/* Up to 3.10 code knows the last part of its name only, and a pattern may end in a plain one too.
 * What is too much is sorted out when it is told. */
static int want_spec(struct pytrace *p, const struct checkpoint_spec *spec)
{
	const char *last = strrchr(spec->symbol, '.');
	struct session *s = p->config.session;
	uint32_t want = pyfunc_want(spec);
	int err;

	last = last ? last + 1 : spec->symbol;
	if (is_glob(last)) {
		session__want_all(s, want);
		return 0;
	}
	if (is_glob(spec->symbol))
		return want_name(s, RT_PY_ANY_NAME, last, want);
	err = want_name(s, RT_PY_NAME, last, want);
	return err ? err : want_name(s, RT_PY_QUALNAME, spec->symbol, want);
}

/* A profile with a sign tells by it when looking closely begins to be worth its price. */
static bool has_sign(const struct pytrace *p, const char *profile)
{
	for (size_t i = 0; profile && i < p->config.n_specs; i++)
		if (p->config.specs[i]->sign && p->config.specs[i]->profile &&
			!strcmp(p->config.specs[i]->profile, profile))
			return true;
	return false;
}

int pytrace__begin(struct pytrace *p, char *err, size_t len)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < p->config.n_specs; i++) {
		const struct checkpoint_spec *spec = p->config.specs[i];

		if (spec->type != SPEC_PYTHON)
			continue;
		p->wanted = true;
		p->armed |= !has_sign(p, spec->profile);
		if (!session__has_python(p->config.session)) {
			log_warn("Python functions are not traced: that takes Linux 5.17");
			p->wanted = false;
			break;
		}
		ret = want_spec(p, spec);
	}
	if (ret)
		snprintf(err, len, "cannot tell the kernel side which Python functions are wanted: %s",
			strerror(-ret));
	return ret;
}

/* --- processes ------------------------------------------------------------------------------------- */

static struct py_process *find(struct pytrace *p, pid_t pid)
{
	struct py_process *proc;

	HASH_FIND_INT(p->processes, &pid, proc);
	return proc;
}

static struct py_process *get(struct pytrace *p, pid_t pid)
{
	struct py_process *proc = find(p, pid);

	if (proc)
		return proc;
	proc = calloc(1, sizeof(*proc));
	if (!proc)
		return NULL;
	proc->pid = pid;
	HASH_ADD_INT(p->processes, pid, proc);
	if (hash_added(proc))
		return proc;
	free(proc);
	return NULL;
}

static void set_state(struct pytrace *p, struct py_process *proc, enum state state)
{
	p->n_again += (state == PY_AGAIN) - (proc->state == PY_AGAIN);
	p->looked += state == PY_LOOKED && proc->state != PY_LOOKED;
	proc->state = state;
}

/*
 * Says of a program that may run Python whether each function that it calls for the first time is
 * seen, so that one which is not seen was not called.
 *
 * That takes probes on entries from before the interpreter is made to the program's end. Up to 3.10
 * these are not there all along, since every call hits them. From 3.11 on a call passes them unless
 * its place in the code has been made fast before, which is so for a function that was not called yet
 * in one case: a place that has called others is made fast by this very call. That function is still
 * seen if the RSS changes or the thread is switched out before it returns; if neither happens, it
 * took no memory. Programs that were attached to, forked or not looked at in time are not certain.
 */
static int told_of(struct pytrace *p, struct py_process *proc, bool watched)
{
	struct fact fact = {.kind = REC_PYTHON};

	if (proc->told)
		return 0;
	proc->told = true;
	fact.python.pid = proc->pid;
	fact.python.watched = watched;
	return fact__emit(&fact, p->config.emit, p->config.ctx);
}

static int refuse(struct pytrace *p, struct py_process *proc, const char *why)
{
	log_warn("process %d: its Python functions are not traced: %s", proc->pid, why);
	set_state(p, proc, PY_OFF);
	return told_of(p, proc, false);
}

static uint64_t clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Addresses of this program are told from those of all others by a number that no other has. */
static uint64_t new_space(pid_t pid)
{
	return clock_now() << 22 ^ (uint64_t)pid;
}

/*
 * Functions that are entered and over between two looks are seen by probes on the interpreter. In
 * 3.11 and later these are hit by calls from places that are new, so by next to nothing once a program
 * has settled, but by millions while it imports: where a profile has a sign, not before something
 * wanted was seen. Up to 3.10 they are hit by every call: not before that either, and not for long.
 *
 * What a profile with a sign wants is a phase of the program, which may wait for minutes in one of its
 * functions: while one is open, it is not over. Nor is it over for good.
 */
static void entries_on(struct pytrace *p, struct py_process *proc)
{
	struct python_sites *sites;
	struct uprobe_site site[PYTHON_SITES] = {0};
	char why[512] = "";
	int err;

	if (proc->entries || proc->entries_over || proc->state != PY_LOOKED)
		return;
	sites = malloc(sizeof(*sites));
	if (!sites)
		return;
	err = python__entry_sites(p->files, proc->pid, sites, why, sizeof(why));
	for (size_t i = 0; !err && i < sites->n; i++) {
		site[i].offset = sites->offset[i];
		site[i].cookie = !strcmp(sites->symbol[i], "_PyEvalFramePushAndInit") ? RT_PY_FUNCTION :
				 !strcmp(sites->symbol[i], "PyEval_EvalCode") ? RT_PY_CODE :
				 proc->version < 0x0309 ? RT_PY_FRAME_FIRST : RT_PY_FRAME;
	}
	take_off(p, proc->pid);
	if (!err)
		err = session__watch_entries(p->config.session, proc->pid, sites->path, site, sites->n,
			&proc->entries);
	free(sites);
	p->n_entries += proc->entries != NULL;
	proc->entries_over = err;
	proc->active_ns = clock_now();
	if (!err)
		log_debug("process %d: probes on entries of Python functions are on", proc->pid);
	if (err && err != -ESRCH)
		log_debug("process %d: entries of short Python functions are not seen: %s", proc->pid,
			*why ? why : strerror(-err));
}

/* Looks at its stacks from here on. What sleeping threads have open already is seen from outside. */
static int begin_looking(struct pytrace *p, struct py_process *proc, struct rt_py *py)
{
	struct rt_py_install done;
	struct pyopen *open = NULL;
	int err = 0;

	py->space = new_space(proc->pid);
	if (proc->since_ns)
		err = pyopen__read(&open, proc->pid, py, p->config.specs, p->config.n_specs);
	if (err)
		return err;
	/* what threads that began up to here did was not watched */
	py->since_ns = proc->since_ns ? clock_now() : 0;
	py->flags |= p->armed || p->lines || pyopen__worth(open) ? RT_PY_ARMED : 0;
	err = session__install_python(p->config.session, proc->pid, py, &done);
	if (err) {
		pyopen__free(open);
		return err == -ESRCH ? 0 : refuse(p, proc, strerror(-err));
	}
	proc->version = py->version;
	proc->lines = (struct pylines_layout){py->version, py->code_linetable, py->code_start};
	proc->looked_ns = clock_now();
	log_debug("process %d: CPython %u.%u is looked at", proc->pid, py->version >> 8,
		py->version & 0xff);
	set_state(p, proc, PY_LOOKED);
	err = pyopen__tell(open, p->config.session, &done, p->config.emit, p->config.ctx);
	if ((p->armed && py->version >= 0x030b) || pyopen__worth(open))
		entries_on(p, proc);
	pyopen__free(open);
	if (!err)
		err = told_of(p, proc, p->armed && proc->entries && py->version >= 0x030b &&
					       !proc->since_ns && !python__started(proc->pid, py));
	pyinstall__process(p->config.install, proc->pid);
	return err;
}

/* A look at a process of which nothing is known yet. */
static int look(struct pytrace *p, struct py_process *proc)
{
	char why[512] = "";
	struct rt_py py;
	int err = python__find(p->files, proc->pid, &py, why, sizeof(why));

	if (err == -EAGAIN) {
		set_state(p, proc, PY_AGAIN);
		return 0;
	}
	if (!err && proc->since_ns)
		err = python__check(proc->pid, &py, why, sizeof(why));
	proc->scanned = true;
	if (err == -ENOTSUP)
		return refuse(p, proc, why);
	if (err && err != -EAGAIN) /* there is none, or it is gone; one that is mapped later is told of */
		return 0;
	return begin_looking(p, proc, &py);
}

int pytrace__scan(struct pytrace *p, pid_t pid, uint64_t since_ns)
{
	struct py_process *proc;

	if (!p->wanted && !p->lines)
		return 0;
	proc = get(p, pid);
	if (!proc)
		return -ENOMEM;
	if (proc->state == PY_LOOKED || proc->state == PY_OFF)
		return 0;
	if (!proc->execed)
		proc->since_ns = since_ns;
	return look(p, proc);
}

static bool has_settled(const struct pytrace *p, const struct py_process *proc, uint64_t now_ns)
{
	if (p->armed ? proc->version >= 0x030b : proc->open)
		return false;
	return now_ns >= proc->active_ns + SETTLE_NS;
}

int pytrace__tick(struct pytrace *p, uint64_t now_ns)
{
	struct py_process *proc, *next;
	int err = 0;

	if (!(p->n_again + p->n_entries + p->n_retired) || now_ns < p->again_ns)
		return 0;
	p->again_ns = now_ns + AGAIN_NS;
	if (p->n_retired && now_ns >= p->quiet_ns)
		uprobe_links__free(p->retired[--p->n_retired].entries);
	HASH_ITER(hh, p->processes, proc, next) {
		if (proc->state == PY_AGAIN && !err)
			err = look(p, proc);
		if (proc->young_ns && now_ns >= proc->young_ns) {
			proc->young_ns = 0;
			entries_on(p, proc);
		}
		if (!proc->entries || !has_settled(p, proc, now_ns))
			continue;
		entries_off(p, proc, now_ns);
		proc->entries_over = p->armed;
	}
	return err;
}

/* --- functions ------------------------------------------------------------------------------------- */

static void on_wanted(struct pytrace *p, pid_t pid)
{
	struct py_process *proc = find(p, pid);

	if (proc && !proc->young_ns)
		entries_on(p, proc);
}

static void learn_lines(struct pytrace *p, const struct rt_pycode *ev)
{
	struct py_process *proc = find(p, ev->h.pid);

	if (proc)
		pylines__learn(p->lines, ev, &proc->lines);
}

int pytrace__line(const struct pytrace *p, const struct rt_cell_key *place)
{
	return p->lines ? pylines__line(p->lines, place->func, place->instr) : 0;
}

/* A function that the kernel side takes for one that is wanted: which specs mean it? */
static int on_function(struct pytrace *p, const struct rt_pycode *ev)
{
	struct pyfunc f;
	int err = pyfunc__of_event(&f, ev, p->config.specs, p->config.n_specs);

	if (err)
		return err;
	if (p->lines)
		learn_lines(p, ev);
	if (f.n_specs)
		on_wanted(p, ev->h.pid);
	else if (!f.sign && ev->want != RT_PY_NAMED)
		session__unwant(p->config.session, ev->ident, ev->func, ev->want & RT_PY_NAMED);
	err = pyfunc__emit(&f, ev->func, p->config.emit, p->config.ctx);
	pyfunc__clear(&f);
	return err;
}

/* A forked child has what its parent has, and the kernel side knows. */
static int on_fork(struct pytrace *p, const struct rt_fork *ev)
{
	struct py_process *parent = find(p, ev->ppid), *child;

	if (!parent || (ev->flags & RT_P_BORROWED))
		return 0;
	child = get(p, ev->h.pid);
	if (!child)
		return -ENOMEM;
	child->execed = true; /* it began under trace */
	child->since_ns = 0;
	if (parent->state == PY_LOOKED && ev->h.time_ns < parent->looked_ns) {
		child->since_ns = parent->looked_ns; /* it is new, so it will be scanned */
		return 0;
	}
	child->version = parent->version;
	child->lines = parent->lines;
	set_state(p, child, parent->state);
	if (parent->entries)
		child->young_ns = ev->h.time_ns + YOUNG_NS;
	return parent->told ? told_of(p, child, false) : 0;
}

/* What ended before it could be looked at may have called anything. */
static int end_program(struct pytrace *p, struct py_process *proc, uint64_t now_ns)
{
	bool unknown = proc->execed && !proc->scanned && now_ns > proc->exec_ns + STARTED_NS;

	return unknown || proc->state == PY_AGAIN ? told_of(p, proc, false) : 0;
}

static bool is_python(uint32_t func)
{
	return func >= RT_PY_FUNC_BASE && func < RT_PY_FUNC_END;
}

/* What a child has open from its parent it may never leave. What was lost may be a return: rather off
 * too early, and on again at the next, than never off. */
static void on_checkpoint(struct pytrace *p, const struct rt_checkpoint *ev)
{
	struct py_process *proc = find(p, ev->h.pid);

	if (!proc)
		return;
	proc->active_ns = ev->h.time_ns;
	if (ev->h.lost)
		proc->open = 0;
	if (ev->when == RT_ENTRY && ev->span)
		proc->open++;
	else if (ev->when == RT_RETURN && !(ev->flags & RT_F_INHERITED) && proc->open)
		proc->open--;
	if (!proc->young_ns)
		entries_on(p, proc);
}

int pytrace__event(struct pytrace *p, const struct rt_hdr *ev)
{
	struct py_process *proc;
	int err = 0;

	if (!p->wanted && !p->lines)
		return 0;
	switch (ev->kind) {
	case RT_EV_PYCODE:
		return on_function(p, (const void *)ev);
	case RT_EV_FORK:
		return on_fork(p, (const void *)ev);
	case RT_EV_EXEC:
		proc = get(p, ev->pid);
		if (!proc)
			return -ENOMEM;
		err = end_program(p, proc, ev->time_ns);
		entries_off(p, proc, ev->time_ns);
		proc->young_ns = 0;
		proc->entries_over = proc->told = proc->scanned = false;
		proc->open = 0;
		proc->execed = true;
		proc->exec_ns = ev->time_ns;
		proc->since_ns = 0;
		set_state(p, proc, PY_UNKNOWN);
		return err;
	case RT_EV_CHECKPOINT:
		if (is_python(((const struct rt_checkpoint *)ev)->func))
			on_checkpoint(p, (const void *)ev);
		return 0;
	case RT_EV_EXIT:
		proc = find(p, ev->pid);
		if (proc) {
			err = end_program(p, proc, ev->time_ns);
			drop(p, proc, ev->time_ns);
		}
		return err;
	default:
		return 0;
	}
}
