/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "native.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fact.h"
#include "growth.h"
#include "hash.h"
#include "procfs.h"
#include "stacks.h"
#include "unwind.h"

#define MAX_STACK_BYTES (4U << 20)
#define FUNC_BASE	RT_PY_FUNC_END /* ids of native functions in sampled stacks begin here */

struct sum_key {
	uint64_t serial, node;
	uint32_t stack, flags; /* enum rt_cell_flags */
};

struct sum {
	struct sum_key key;
	struct rt_change grown, returned;
	UT_hash_handle hh;
};

/* A function by its name and module, or, where it has a source, its file. */
struct func {
	uint32_t id;
	UT_hash_handle hh;
	char key[];
};

struct seen {
	uint64_t node;
	UT_hash_handle hh;
};

struct native {
	struct unwinder *unwinder;
	struct stacks *stacks;
	struct sum *sums;
	struct func *funcs;
	struct seen *nodes;
};

struct native *native__new(void)
{
	struct native *n = calloc(1, sizeof(*n));

	if (!n)
		return NULL;
	n->unwinder = unwinder__new(procfs_maps);
	n->stacks = stacks__new(MAX_STACK_BYTES);
	if (n->unwinder && n->stacks)
		return n;
	native__free(n);
	return NULL;
}

void native__free(struct native *n)
{
	struct sum *s, *stmp;
	struct func *f, *ftmp;
	struct seen *e, *etmp;

	if (!n)
		return;
	HASH_ITER(hh, n->sums, s, stmp) {
		HASH_DELETE(hh, n->sums, s);
		free(s);
	}
	HASH_ITER(hh, n->funcs, f, ftmp) {
		HASH_DELETE(hh, n->funcs, f);
		free(f);
	}
	HASH_ITER(hh, n->nodes, e, etmp) {
		HASH_DELETE(hh, n->nodes, e);
		free(e);
	}
	stacks__free(n->stacks);
	unwinder__free(n->unwinder);
	free(n);
}

void native__event(struct native *n, const struct rt_hdr *ev)
{
	switch (ev->kind) {
	case RT_EV_MAPPED:
		unwinder__changed(n->unwinder, ev->pid);
		break;
	case RT_EV_EXEC:
	case RT_EV_EXIT:
		unwinder__forget(n->unwinder, ev->pid);
		break;
	}
}

/* --- samples ------------------------------------------------------------------------------------------- */

static uint32_t unwind(struct native *n, const struct rt_stack *ev)
{
	struct unwind_return returns[RT_STACK_RETURNS];
	struct unwind_frame frames[UNWIND_MAX_FRAMES];
	struct unwind_sample sample = {.pid = ev->h.pid, .start = ev->h.start_ns, .stack = ev->data,
		.len = ev->bytes, .returns = returns};
	enum unwind_end end;
	int ret;

	sample.regs.ip = ev->regs[0];
	sample.regs.sp = ev->regs[1];
	sample.regs.fp = ev->regs[2];
#if defined(__x86_64__)
	memcpy(sample.regs.saved, &ev->regs[3], sizeof(sample.regs.saved));
#endif
	for (; sample.n_returns < RT_STACK_RETURNS && ev->returns[sample.n_returns].slot; sample.n_returns++)
		returns[sample.n_returns] = (struct unwind_return){ev->returns[sample.n_returns].slot,
			ev->returns[sample.n_returns].addr};
	ret = unwinder__unwind(n->unwinder, &sample, frames, UNWIND_MAX_FRAMES, &end);
	return ret > 0 ? stacks__add(n->stacks, frames, ret, end) : STACKS_OTHER;
}

int native__sample(struct native *n, const struct rt_stack *ev)
{
	struct sum_key key = {.serial = ev->serial, .node = ev->node, .stack = unwind(n, ev),
		.flags = ev->flags};
	struct sum *s;

	HASH_FIND(hh, n->sums, &key, sizeof(key), s);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			return -ENOMEM;
		s->key = key;
		HASH_ADD(hh, n->sums, key, sizeof(s->key), s);
		if (!hash_added(s)) {
			free(s);
			return -ENOMEM;
		}
	}
	rt_change_add(&s->grown, &ev->grown);
	rt_change_add(&s->returned, &ev->returned);
	return 0;
}

/* --- what is told of them ------------------------------------------------------------------------------ */

struct telling {
	struct native *n;
	record_fn *emit;
	void *ctx;
};

static int emit_event(const struct telling *t, const void *ev, size_t len)
{
	struct record rec = {.kind = REC_EVENT, .len = len, .data = ev};

	return t->emit(t->ctx, &rec);
}

static int func_id(const struct telling *t, const char *name, const char *file, uint32_t *id)
{
	struct fact fact = {.kind = REC_FUNC, .func = {.name = (char *)name, .file = (char *)file, .cost = "none",
		.returns = "noticed"}};
	size_t len = strlen(name) + strlen(file) + 2;
	struct func *f = calloc(1, sizeof(*f) + len), *old;

	if (!f)
		return -ENOMEM;
	snprintf(f->key, len, "%s %s", name, file);
	HASH_FIND_STR(t->n->funcs, f->key, old);
	if (old) {
		*id = old->id;
		free(f);
		return 0;
	}
	f->id = *id = FUNC_BASE + HASH_COUNT(t->n->funcs);
	HASH_ADD_STR(t->n->funcs, key, f);
	if (!hash_added(f)) {
		free(f);
		return -ENOMEM;
	}
	fact.func.id = *id;
	return fact__emit(&fact, t->emit, t->ctx);
}

static uint64_t mix(uint64_t h, uint64_t v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ h >> 29;
}

/* The node of a native function below another; told when it is new. */
static int enter(const struct telling *t, const char *name, const char *file, uint32_t line, uint64_t *node)
{
	struct rt_node ev = {.h = {.kind = RT_EV_NODE, .len = sizeof(ev)}, .parent = *node, .line = line};
	struct seen *s;
	int err = func_id(t, name, file, &ev.func);

	if (err)
		return err;
	ev.node = mix(mix(mix(*node, ev.func), line), 0x6e6174697665ULL) | RT_NODE_FIRST;
	*node = ev.node;
	HASH_FIND(hh, t->n->nodes, &ev.node, sizeof(ev.node), s);
	if (s)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->node = ev.node;
	HASH_ADD(hh, t->n->nodes, node, sizeof(s->node), s);
	if (!hash_added(s)) {
		free(s);
		return -ENOMEM;
	}
	return emit_event(t, &ev, sizeof(ev));
}

/* A frame, and what was inlined into it. */
static int enter_frame(const struct telling *t, const struct unwind_symbol *sym, uint32_t flags, uint64_t *node)
{
	const char *module = sym->module ? sym->module : "";
	int err = 0;

	if (!sym->n_places)
		return enter(t, sym->name ? sym->name : "[unknown]", module, 0, node);
	for (size_t i = sym->n_places; i-- && !err;) {
		const struct unwind_place *p = &sym->places[i];

		err = enter(t, p->name ? p->name : sym->name ? sym->name : "[unknown]",
			p->file ? p->file : module, flags & UNWIND_GUESSED ? 0 : p->line, node);
	}
	return err;
}

/* Here CPython runs Python functions: what lies further out is told by their own frames. */
static bool is_interpreter(const struct unwind_symbol *sym)
{
	return sym->name && !strncmp(sym->name, "_PyEval_EvalFrameDefault", 24);
}

static int tell(const struct telling *t, const struct sum *s)
{
	struct rt_growth ev = {.h = {.kind = RT_EV_GROWTH, .len = sizeof(ev)},
		.key = {.serial = s->key.serial, .kind = RT_CELL_STACK, .flags = s->key.flags},
		.grown = s->grown, .returned = s->returned};
	const struct stacks_frame *frames;
	uint64_t node = s->key.node < RT_NODE_FIRST ? RT_NODE_NONE : s->key.node;
	enum unwind_end end;
	size_t n = stacks__get(t->n->stacks, s->key.stack, &frames, &end), from = 0;
	int err = 0;

	if (node)
		while (from < n && !is_interpreter(unwinder__symbol(t->n->unwinder, frames[from].id)))
			from++;
	else
		from = n;
	/* what comes after the end of one that is cut off was not called by nobody, nor by Python */
	if (from == n && end != UNWIND_COMPLETE)
		ev.key.flags |= RT_CELL_CUT;
	if (!n)
		err = enter(t, "[other stacks]", "", 0, &node);
	for (size_t i = from; i-- && !err;)
		err = enter_frame(t, unwinder__symbol(t->n->unwinder, frames[i].id), frames[i].flags, &node);
	ev.key.at = node;
	return err ? err : emit_event(t, &ev, sizeof(ev));
}

int native__emit(struct native *n, record_fn *emit, void *ctx)
{
	struct telling t = {n, emit, ctx};
	int err = 0;

	for (const struct sum *s = n->sums; s && !err; s = s->hh.next)
		err = tell(&t, s);
	return err;
}
