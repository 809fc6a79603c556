/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the threads of a Python are executing, read from outside while they go on. A stack can
 * change under the walk: whatever is read is a number until it has been checked, every list has an
 * end of its own, and a name is text or "?".
 */
#include "python.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python_internal.h"
#include "pytext.h"

enum {
	MAX_INTERPRETERS = 256,
	MAX_THREADS = 4096, /* of one interpreter */
	MAX_FRAMES = 4096, /* of one thread */
	MAX_READS = 1 << 18, /* frames and threads of a process: lists can lead in circles */
	THREAD_LEN = 200, /* less than sizeof(PyThreadState) of any version */
	CODE_LEN = 136,
	TEXT_LEN = 512, /* of a name, as UTF-8 */
	RAW_LEN = 2048,
	TRIES = 5,
};

/* Offset of main_thread behind interpreters.head in _PyRuntime, up to 3.11. */
#define MAIN_THREAD 40

/* By how much _PyRuntime.initialized lies before it, in 3.11 and 3.12, and in 3.13, where _finalizing_id
 * is between. It is set after importlib and before site (init_interp_main, Python/pylifecycle.c). */
#define INITIALIZED	24
#define INITIALIZED_313 32

struct walk {
	pid_t pid;
	const struct rt_py *py;
	struct python_tasks *tasks;
	struct python_thread thread;
	size_t reads, room;
	char *texts; /* two of TEXT_LEN a frame */
};

static uint64_t word(const void *from, uint16_t at)
{
	uint64_t n;

	memcpy(&n, (const char *)from + at, sizeof(n));
	return n;
}

/* `state` of PyASCIIObject: interned takes 2 bits, in other builds 8 or 16; kind:3, compact:1 and
 * ascii:1 follow (Include/cpython/unicodeobject.h). */
static uint32_t string_state(uint32_t state)
{
	if (!(state & 0xfc))
		state >>= state & 0xff00 ? 6 : 14;
	return state;
}

/* *hash: which the string keeps of its characters. */
static bool read_string(const struct walk *w, uint64_t addr, char *buf, size_t len, uint64_t *hash)
{
	uint64_t head[6], bytes;
	char raw[RAW_LEN];
	uint32_t state, kind;

	snprintf(buf, len, "?");
	if (!addr || python_read(w->pid, addr, head, w->py->ascii_size < sizeof(head) ?
			     w->py->ascii_size : sizeof(head)))
		return false;
	*hash = head[3];
	state = string_state(head[4]); /* at 32; the length is at 16 */
	kind = state >> 2 & 7;
	if (!(state & 1 << 5) || (kind != 1 && kind != 2 && kind != 4) || head[2] > 1 << 20)
		return false;
	bytes = head[2] * kind < sizeof(raw) ? head[2] * kind : sizeof(raw);
	addr += state & 1 << 6 ? w->py->ascii_size : w->py->compact_size;
	if (python_read(w->pid, addr, raw, bytes))
		return false;
	return pytext_utf8(kind, raw, bytes, buf, len) >= 0;
}

static bool grow(struct walk *w)
{
	size_t room = w->room ? w->room * 2 : 64;
	struct python_frame *frames;
	char *texts;

	frames = realloc(w->thread.frames, room * sizeof(*frames));
	if (!frames)
		return false;
	w->thread.frames = frames;
	texts = realloc(w->texts, room * 2 * TEXT_LEN);
	if (!texts)
		return false;
	w->texts = texts;
	w->room = room;
	return true;
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

/* False: it is not to be had, and what is beyond it neither. */
static bool add_frame(struct walk *w, uint64_t addr, const char *raw)
{
	const struct rt_py *py = w->py;
	uint64_t code = word(raw, py->frame_code), file, hash = 0, unused;
	char object[CODE_LEN], *text;
	struct python_frame *f;

	if (w->thread.n_frames == w->room && !grow(w))
		return false;
	if (py->flags & RT_PY_TAGGED)
		code &= ~7ULL;
	text = w->texts + w->thread.n_frames * 2 * TEXT_LEN;
	f = &w->thread.frames[w->thread.n_frames++];
	*f = (struct python_frame){ .code = code, .address = addr,
		.globals = word(raw, py->frame_globals) };
	snprintf(text, TEXT_LEN, "?");
	snprintf(text + TEXT_LEN, TEXT_LEN, "?");
	if (!code || python_read(w->pid, code, object, sizeof(object)))
		return true;
	memcpy(&f->firstlineno, object + py->code_firstlineno, sizeof(f->firstlineno));
	file = word(object, py->code_filename);
	if (read_string(w, word(object, py->code_qualname == RT_PY_NONE ? py->code_name :
				    py->code_qualname), text, TEXT_LEN, &hash))
		f->ident = mix(mix(mix(mix(py->space, code), file), hash), (uint32_t)f->firstlineno);
	read_string(w, file, text + TEXT_LEN, TEXT_LEN, &unused);
	return true;
}

static bool is_shim(const struct rt_py *py, const char *frame)
{
	return py->frame_owner != RT_PY_NONE && py->shim_owner != RT_PY_NONE &&
	       (uint8_t)frame[py->frame_owner] >= py->shim_owner;
}

static void walk_frames(struct walk *w, uint64_t addr)
{
	const struct rt_py *py = w->py;
	char raw[RT_PY_FRAME_LEN];
	size_t n;

	w->thread.n_frames = 0;
	w->thread.cut = false;
	for (n = 0; addr && n < MAX_FRAMES && w->reads < MAX_READS; n++, w->reads++) {
		if (addr & 7 || python_read(w->pid, addr, raw, py->frame_bytes) ||
			(!is_shim(py, raw) && !add_frame(w, addr, raw)))
			break;
		addr = word(raw, py->frame_back);
	}
	w->thread.cut = addr != 0;
	for (n = 0; n < w->thread.n_frames; n++) {
		w->thread.frames[n].qualname = w->texts + n * 2 * TEXT_LEN;
		w->thread.frames[n].filename = w->texts + (n * 2 + 1) * TEXT_LEN;
	}
}

static pid_t tid_of(const struct walk *w, const char *tstate)
{
	const struct rt_py *py = w->py;
	uint64_t ident = word(tstate, py->thread_id), main_ident;

	if (!w->tasks)
		return 0;
	/* native_thread_id follows thread_id (Include/cpython/pystate.h, 3.11 and later). */
	if (py->version >= PYTHON_VERSION(3, 11))
		return python_tasks__by_native(w->tasks, word(tstate, py->thread_id + 8));
	if (!python_read(w->pid, py->interpreters + MAIN_THREAD, &main_ident, sizeof(main_ident)) &&
		ident == main_ident)
		return w->pid;
	return python_tasks__by_ident(w->tasks, ident);
}

static int walk_thread(struct walk *w, uint64_t tstate, uint64_t *next, python_thread_fn *fn,
	void *ctx)
{
	const struct rt_py *py = w->py;
	char raw[THREAD_LEN];
	uint64_t frame;
	int err;

	err = python_read(w->pid, tstate, raw, sizeof(raw));
	if (err)
		return err;
	*next = word(raw, py->thread_next);
	frame = word(raw, py->thread_frame);
	if (py->cframe_frame != RT_PY_NONE && frame &&
		python_read(w->pid, frame + py->cframe_frame, &frame, sizeof(frame)))
		frame = 0;
	w->thread.ident = word(raw, py->thread_id);
	w->thread.tid = tid_of(w, raw);
	walk_frames(w, frame);
	return fn(ctx, &w->thread);
}

static int walk_interpreter(struct walk *w, uint64_t interp, python_thread_fn *fn, void *ctx)
{
	uint64_t tstate, next = 0;
	int err;

	err = python_read(w->pid, interp + w->py->interp_threads, &tstate, sizeof(tstate));
	for (size_t n = 0; !err && tstate && n < MAX_THREADS && w->reads < MAX_READS; n++) {
		w->reads++;
		err = walk_thread(w, tstate, &next, fn, ctx);
		tstate = next;
	}
	return err;
}

static int walk_all(struct walk *w, python_thread_fn *fn, void *ctx)
{
	uint64_t interp;
	int err;

	err = python_read(w->pid, w->py->interpreters, &interp, sizeof(interp));
	for (size_t n = 0; !err && interp && n < MAX_INTERPRETERS; n++) {
		err = walk_interpreter(w, interp, fn, ctx);
		if (!err)
			err = python_read(w->pid, interp + w->py->interp_next, &interp,
				sizeof(interp));
	}
	free(w->thread.frames);
	free(w->texts);
	w->thread.frames = NULL;
	w->texts = NULL;
	w->room = 0;
	w->reads = 0;
	return err;
}

int python__threads(pid_t pid, const struct rt_py *py, python_thread_fn *fn, void *ctx)
{
	struct walk w = { .pid = pid, .py = py };
	int err;

	w.tasks = python_tasks__read(pid, py->version < PYTHON_VERSION(3, 11));
	err = walk_all(&w, fn, ctx);
	python_tasks__free(w.tasks);
	return err;
}

struct finding {
	size_t good, bad; /* threads */
};

static bool is_text(const char *s)
{
	if (!*s || !strcmp(s, "?") || strstr(s, "\xef\xbf\xbd"))
		return false;
	for (; *s; s++)
		if ((unsigned char)*s < ' ')
			return false;
	return true;
}

static int judge(void *ctx, const struct python_thread *thread)
{
	struct finding *found = ctx;
	bool good = !thread->cut;

	if (!thread->n_frames)
		return 0;
	for (size_t i = 0; i < thread->n_frames && good; i++)
		good = is_text(thread->frames[i].qualname) && is_text(thread->frames[i].filename) &&
		       thread->frames[i].firstlineno >= 0;
	if (good)
		found->good++;
	else
		found->bad++;
	return good ? 0 : -EILSEQ;
}

int python__check(pid_t pid, const struct rt_py *py, char *why, size_t len)
{
	struct walk w = { .pid = pid, .py = py };
	struct finding now, all = { 0 };
	uint64_t head = 0;
	int err = 0;

	if (len)
		*why = '\0';
	for (int i = 0; i < TRIES; i++) {
		err = python_read(pid, py->interpreters, &head, sizeof(head));
		if (err == -ESRCH || err == -EPERM) {
			snprintf(why, len, "its memory cannot be read: %s", strerror(-err));
			return err;
		}
		if (!err && !head) {
			snprintf(why, len, "the interpreter has not started yet");
			return -EAGAIN;
		}
		now = (struct finding){ 0 };
		err = walk_all(&w, judge, &now);
		if (!err && now.good && !now.bad)
			return 0;
		all.good += now.good;
		all.bad += now.bad;
	}
	if (!err && !all.bad)
		snprintf(why, len, "no thread runs Python code just now");
	else if (all.good)
		snprintf(why, len, "its stacks changed at each of %d tries to read them", TRIES);
	else
		snprintf(why, len, "what lies where its frames should be are no frames");
	return (!err && !all.bad) || all.good ? -EAGAIN : -ENOTSUP;
}

bool python__started(pid_t pid, const struct rt_py *py)
{
	int initialized;

	if (py->version < PYTHON_VERSION(3, 11) || py->version > PYTHON_VERSION(3, 13))
		return true;
	if (python_read(pid, py->interpreters - (py->version < PYTHON_VERSION(3, 13) ? INITIALIZED :
		    INITIALIZED_313), &initialized, sizeof(initialized)))
		return true;
	return initialized;
}

int python__collections(pid_t pid, const struct rt_py *py, uint64_t *count)
{
	uint64_t base = py->interpreters, one;
	int err = 0;

	*count = 0;
	if (!py->gc_stride)
		return -ENODATA;
	if (!(py->flags & RT_PY_GC_IN_RUNTIME))
		err = python_read(pid, base, &base, sizeof(base));
	if (!err && !base)
		return -ENODATA;
	for (unsigned int i = 0; !err && i < py->gc_generations; i++) {
		err = python_read(pid, base + py->gc_stats + i * py->gc_stride, &one, sizeof(one));
		*count += one;
	}
	return err;
}
