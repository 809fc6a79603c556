/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A thread that sleeps before its stack is read, and sleeps after the kernel's side has begun to look
 * without having been switched in between, had that stack when the looking began, and has not been
 * looked at: what is told of it here is not known yet. Any other thread runs, and is looked at when
 * it is next switched out.
 */
#include "pyopen.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pyfunc.h"

enum {
	MAX_OPEN = 65536, /* of all threads */
	MAX_DEPTH = 128,  /* frames of a stack, the outermost, of which the kernel's side tells at its first
			   * look (PY_FRESH): what it finds later begins later for it */
};

struct sleeper {
	pid_t tid;
	unsigned long long switches;
};

struct known {
	uint64_t ident;
	uint32_t id;
	bool looked_up;
	struct pyfunc *f; /* NULL: nobody means it */
};

struct open {
	pid_t tid;
	size_t func;   /* index of known[] */
	size_t caller; /* + 1; 0: not asked for, or none */
};

struct pyopen {
	pid_t pid;
	const struct rt_py *py;
	const struct checkpoint_spec *const *specs;
	size_t n_specs;
	struct sleeper *sleepers;
	struct known *known;
	struct open *open; /* a thread's outermost first */
	size_t n_sleepers, n_known, n_open;
	uint64_t gc; /* as in rt_checkpoint */
	bool sign;
};

/* Makes room for one more; false: no memory. */
static bool grow(void *list, size_t n, size_t size)
{
	void **at = list, *more;

	if (n & (n - 1))
		return true; /* doubled when n is a power of two */
	more = realloc(*at, (n ? n * 2 : 1) * size);
	if (more)
		*at = more;
	return more;
}

/* --- threads ---------------------------------------------------------------------------------- */

/* false: it runs, or is gone. */
static bool read_sleeper(pid_t pid, pid_t tid, struct sleeper *s)
{
	unsigned long long n;
	char path[64], line[256], state = 'R';
	FILE *f;

	*s = (struct sleeper){.tid = tid};
	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return false;
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "State: %c", &state) == 1)
			continue;
		if (sscanf(line, "voluntary_ctxt_switches: %llu", &n) == 1 ||
			sscanf(line, "nonvoluntary_ctxt_switches: %llu", &n) == 1)
			s->switches += n;
	}
	fclose(f);
	return strchr("SDTtI", state);
}

static int read_sleepers(struct pyopen *o)
{
	struct dirent *de;
	char path[64];
	DIR *dir;
	int err = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", o->pid);
	dir = opendir(path);
	while (dir && !err && (de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		if (!grow(&o->sleepers, o->n_sleepers, sizeof(*o->sleepers)))
			err = -ENOMEM;
		else if (read_sleeper(o->pid, atoi(de->d_name), &o->sleepers[o->n_sleepers]))
			o->n_sleepers++;
	}
	if (dir)
		closedir(dir);
	return err;
}

static const struct sleeper *sleeper_of(const struct pyopen *o, pid_t tid)
{
	for (size_t i = 0; i < o->n_sleepers; i++)
		if (o->sleepers[i].tid == tid)
			return &o->sleepers[i];
	return NULL;
}

/* --- what they have open ---------------------------------------------------------------------- */

static int look_up(struct pyopen *o, struct known *k, const struct python_frame *frame)
{
	struct pyfunc *f = malloc(sizeof(*f));
	int err = f ? 0 : -ENOMEM;

	if (!err)
		err = pyfunc__of_frame(f, o->pid, o->py->version, frame, o->specs, o->n_specs);
	if (err)
		free(f);
	else
		k->f = f;
	return err;
}

/* The function's place in known[]; -ENOMEM. `named`: its name is wanted, whether or not it is. */
static ssize_t know(struct pyopen *o, const struct python_frame *frame, bool named)
{
	struct known *k;
	size_t i;
	int err = 0;

	for (i = 0; i < o->n_known; i++)
		if (o->known[i].ident == frame->ident)
			break;
	if (i == o->n_known) {
		if (!grow(&o->known, o->n_known, sizeof(*o->known)))
			return -ENOMEM;
		o->known[o->n_known++] = (struct known){.ident = frame->ident};
	}
	k = &o->known[i];
	if (!k->f && (named || !k->looked_up) && (named || pyfunc_may_be_meant(o->specs, o->n_specs,
		    o->py->version, frame->qualname)))
		err = look_up(o, k, frame);
	k->looked_up = true;
	return err ? err : (ssize_t)i;
}

static int add_open(struct pyopen *o, pid_t tid, size_t func, ssize_t caller)
{
	if (o->n_open >= MAX_OPEN)
		return 0;
	if (!grow(&o->open, o->n_open, sizeof(*o->open)))
		return -ENOMEM;
	o->open[o->n_open++] = (struct open){.tid = tid, .func = func, .caller = caller + 1};
	return 0;
}

static int on_thread(void *ctx, const struct python_thread *t)
{
	const struct python_frame *frames = t->frames;
	const struct pyfunc *f;
	struct pyopen *o = ctx;
	ssize_t caller, func;
	int err = 0;

	for (size_t i = t->n_frames; i-- && !err;) {
		func = frames[i].ident ? know(o, &frames[i], false) : -ENOENT;
		f = func < 0 ? NULL : o->known[func].f;
		if (func == -ENOMEM)
			return func;
		o->sign |= f && f->sign;
		if (!f || !f->n_specs || !t->tid || t->cut || t->n_frames - i > MAX_DEPTH)
			continue;
		caller = -1;
		if ((f->want & RT_PY_CALLER) && i + 1 < t->n_frames && frames[i + 1].ident)
			caller = know(o, &frames[i + 1], true);
		if (caller == -ENOMEM)
			return caller;
		err = add_open(o, t->tid, func, caller);
	}
	return err;
}

int pyopen__read(struct pyopen **out, pid_t pid, const struct rt_py *py,
	const struct checkpoint_spec *const *specs, size_t n)
{
	struct pyopen *o = calloc(1, sizeof(*o));
	uint64_t gc;
	int err;

	*out = NULL;
	if (!o)
		return -ENOMEM;
	o->pid = pid;
	o->py = py;
	o->specs = specs;
	o->n_specs = n;
	err = read_sleepers(o);
	if (!err)
		err = python__threads(pid, py, on_thread, o);
	if (err == -ENOMEM) {
		pyopen__free(o);
		return err;
	}
	/* what was found up to an error was found */
	if (!python__collections(pid, py, &gc))
		o->gc = gc + 1;
	*out = o;
	return 0;
}

void pyopen__free(struct pyopen *o)
{
	if (!o)
		return;
	for (size_t i = 0; i < o->n_known; i++) {
		if (o->known[i].f)
			pyfunc__clear(o->known[i].f);
		free(o->known[i].f);
	}
	free(o->known);
	free(o->open);
	free(o->sleepers);
	free(o);
}

bool pyopen__worth(const struct pyopen *o)
{
	return o && (o->sign || o->n_open);
}

/* --- telling ---------------------------------------------------------------------------------- */

static bool slept_on(const struct pyopen *o, pid_t tid)
{
	const struct sleeper *before = sleeper_of(o, tid);
	struct sleeper now;

	return before && read_sleeper(o->pid, tid, &now) && now.switches == before->switches;
}

/* Gives it an id, and tells what it is. *id is 0 if none is to be had. */
static int introduce(struct known *k, uint32_t want, struct session *session, uint32_t *id,
	record_fn *emit, void *ctx)
{
	*id = k->id;
	if (k->id)
		return 0;
	*id = k->id = session__python_id(session, k->ident, k->f->want | want);
	return k->id ? pyfunc__emit(k->f, k->id, emit, ctx) : 0;
}

static int tell_one(struct pyopen *o, const struct open *open, struct session *session,
	const struct rt_py_install *done, record_fn *emit, void *ctx)
{
	struct rt_checkpoint ev = {.rss = done->rss, .when = RT_ENTRY, .caller = RT_NO_FUNC, .gc = o->gc,
		.flags = RT_F_ATTACH | RT_F_TOLD};
	struct record rec = {.kind = REC_EVENT, .len = RT_PY_ENTRY_LEN, .data = &ev};
	uint32_t caller = 0;
	int err;

	ev.h = (struct rt_hdr){.kind = RT_EV_CHECKPOINT, .len = RT_PY_ENTRY_LEN, .pid = o->pid,
		.tid = open->tid, .time_ns = done->time_ns, .start_ns = done->start_ns};
	err = introduce(&o->known[open->func], 0, session, &ev.func, emit, ctx);
	if (!err && ev.func && open->caller)
		err = introduce(&o->known[open->caller - 1], RT_PY_NAMED, session, &caller, emit, ctx);
	if (caller)
		ev.caller = caller;
	return err || !ev.func ? err : emit(ctx, &rec);
}

int pyopen__tell(struct pyopen *o, struct session *session, const struct rt_py_install *done,
	record_fn *emit, void *ctx)
{
	bool sleeps = false;
	int err = 0;

	for (size_t i = 0; o && i < o->n_open && !err; i++) {
		if (!i || o->open[i].tid != o->open[i - 1].tid)
			sleeps = slept_on(o, o->open[i].tid);
		if (sleeps)
			err = tell_one(o, &o->open[i], session, done, emit, ctx);
	}
	return err;
}
