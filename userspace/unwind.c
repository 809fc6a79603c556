/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "unwind_internal.h"

enum {
	/* What lies further above the copy than this is not of the same stack. */
	NEAR = 64 << 20,
	MAX_GUESSES = 4,
};

const char *unwind_end_name(enum unwind_end end)
{
	static const char *const names[] = { "complete", "truncated", "full", "anon", "lost" };

	return (unsigned int)end < sizeof(names) / sizeof(*names) ? names[end] : "?";
}

struct unwinder *unwinder__new(unwind_maps_fn *maps)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return NULL;
	u->modules = modules__new();
	if (u->modules)
		u->maps = codemaps__new(maps, modules__names(u->modules));
	if (u->maps)
		return u;
	unwinder__free(u);
	return NULL;
}

void unwinder__free(struct unwinder *u)
{
	if (!u)
		return;
	codemaps__free(u->maps);
	modules__free(u->modules);
	free(u);
}

int unwinder__learn(struct unwinder *u, pid_t pid, uint64_t start)
{
	struct code_process *p;

	return codemaps__process(u->maps, pid, start, &p);
}

void unwinder__changed(struct unwinder *u, pid_t pid)
{
	codemaps__changed(u->maps, pid);
}

void unwinder__forget(struct unwinder *u, pid_t pid)
{
	codemaps__forget(u->maps, pid);
}

int walk__read(void *ctx, uint64_t addr, uint64_t *value)
{
	const struct unwind_sample *s = ((struct walk *)ctx)->sample;
	uint64_t off = addr - s->regs.sp;

	if (addr < s->regs.sp || off >= NEAR)
		return -EFAULT;
	if (off > s->len || s->len - off < sizeof(*value))
		return -ENODATA;
	memcpy(value, (const char *)s->stack + off, sizeof(*value));
	return 0;
}

void walk__add(struct walk *w, uint32_t id, uint32_t flags)
{
	if (w->n == w->max)
		return;
	w->frames[w->n++] = (struct unwind_frame){ id, flags, w->regs.v[CFI_PC] };
	w->u->guessed += flags & UNWIND_GUESSED;
}

/* Whether pc is one that a uretprobe put there. It may be the first byte of its mapping, so it is
 * not looked for one byte before, as the call before a return address is. */
static bool at_retprobe(struct walk *w)
{
	struct code_map *map;

	if (w->exact)
		return false;
	map = code_process__at(w->u->maps, w->process, w->regs.v[CFI_PC], true);
	return map && map->kind == CODE_UPROBES;
}

static uint32_t place_id(struct walk *w, struct code_map *map, uint64_t addr)
{
	uint64_t offset = addr - map->start + map->offset, vaddr = offset;
	struct module *m;

	m = modules__of(w->u->modules, code_process__pid(w->process), map);
	if (!m)
		return UNWIND_ID_OTHER;
	/* Of a file that cannot be opened, the offset is all there is to say. */
	if (m->elf && !module__addr(m, offset, &vaddr))
		return UNWIND_ID_UNKNOWN;
	w->place = modules__place(w->u->modules, m, vaddr, offset);
	return w->place ? w->place->id : UNWIND_ID_OTHER;
}

/* Adds the frame that regs belong to. False: it is the last. */
static bool add_frame(struct walk *w)
{
	uint32_t id = UNWIND_ID_UNKNOWN;
	struct code_map *map;
	uint64_t addr;

	addr = w->regs.v[CFI_PC] - !w->exact;
	map = code_process__at(w->u->maps, w->process, addr, true);
	w->place = NULL;
	if (map && map->kind == CODE_ANON)
		id = UNWIND_ID_ANON;
	else if (map && map->kind != CODE_UPROBES)
		id = place_id(w, map, addr);
	walk__add(w, id, w->flags | (w->exact ? UNWIND_INTERRUPTED : 0));
	if (id == UNWIND_ID_ANON)
		w->end = UNWIND_ANON;
	/* An address from a table that leads nowhere: the stack is not what it seems. */
	return id != UNWIND_ID_ANON && (w->place || id == UNWIND_ID_OTHER || w->n == 1);
}

/* A stack is left upwards, so no walk is endless. An interrupted function may be on another one. */
static bool goes_up(const struct walk *w, uint64_t sp, bool signal)
{
	uint64_t up = w->regs.v[CFI_SP];

	if (signal)
		return up != sp;
	return up > sp || (!RETURN_SLOT && w->exact && up == sp);
}

/* 1: at the caller; 0: that was the outermost, or the copy ends; -ENOENT: no table knows. */
static int by_table(struct walk *w)
{
	const struct cfi_row *row;
	uint64_t sp = w->regs.v[CFI_SP];
	bool signal;
	int ret;

	if (!w->place)
		return -ENOENT;
	row = modules__place_row(w->u->modules, w->place);
	if (!row)
		return -ENOENT;
	ret = cfi_row__apply(row, &w->regs, walk__read, w);
	signal = cfi_row__is_signal(row);
	if (ret == CFI_OUTERMOST || ret == -ENODATA) {
		w->end = ret == CFI_OUTERMOST ? UNWIND_COMPLETE : UNWIND_TRUNCATED;
		return 0;
	}
	if (ret == -ENOENT)
		return ret;
	if (ret || !goes_up(w, sp, signal))
		return 0;
	w->flags = 0;
	w->exact = signal;
	return 1;
}

/* To the caller. False: there is none, and why. */
static bool step(struct walk *w)
{
	int ret;

	w->end = UNWIND_LOST;
	ret = by_table(w);
	if (ret == 0)
		return false;
	if (ret < 0) {
		if ((w->flags & UNWIND_GUESSED || w->guesses++ >= MAX_GUESSES ||
			    !walk__by_guess(w)) && !walk__by_pointer(w))
			return false;
		w->exact = false;
	}
	if (w->regs.v[CFI_PC])
		return true;
	w->end = UNWIND_COMPLETE;
	return false;
}

static void walk_down(struct walk *w)
{
	w->end = UNWIND_LOST;
	while (add_frame(w) && step(w)) {
		if (w->n == w->max) {
			w->end = UNWIND_FULL;
			return;
		}
		if (at_retprobe(w) && !walk__past_retprobe(w)) {
			w->end = UNWIND_LOST;
			return;
		}
		if (w->n == w->max) {
			w->end = UNWIND_FULL;
			return;
		}
	}
}

static void set_regs(struct cfi_regs *to, const struct unwind_regs *from)
{
#if defined(__x86_64__)
	static const uint8_t saved[] = { 3, 12, 13, 14, 15 };
#else
	static const uint8_t saved[] = { 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, CFI_LR };
#endif

	to->known = 0;
	cfi_set(to, CFI_PC, from->ip);
	cfi_set(to, CFI_SP, from->sp);
	cfi_set(to, CFI_FP, from->fp);
	for (size_t i = 0; i < sizeof(saved); i++)
		cfi_set(to, saved[i], from->saved[i]);
}

int unwinder__unwind(struct unwinder *u, const struct unwind_sample *sample,
	struct unwind_frame *frames, size_t max, enum unwind_end *end)
{
	struct walk w = { .u = u, .sample = sample, .frames = frames, .max = max, .exact = true };
	int err;

	*end = UNWIND_LOST;
	if (!max || max > INT32_MAX)
		return -EINVAL;
	err = codemaps__process(u->maps, sample->pid, sample->start, &w.process);
	if (err)
		return err;
	set_regs(&w.regs, &sample->regs);
	walk_down(&w);
	u->samples++;
	u->frames += w.n;
	*end = w.end;
	return w.n;
}

const struct unwind_symbol *unwinder__symbol(struct unwinder *u, uint32_t id)
{
	return modules__symbol(u->modules, id);
}

struct unwinder_stats unwinder__stats(const struct unwinder *u)
{
	struct unwinder_stats stats = {
		.samples = u->samples,
		.frames = u->frames,
		.guessed = u->guessed,
	};

	modules__stats(u->modules, &stats);
	codemaps__stats(u->maps, &stats);
	return stats;
}
