/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "codemaps.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>

enum {
	MAX_PROCESSES = 1024,
	MAX_MAPS = 8192, /* of a process */
	REST_NS = 1000 * 1000,
	REST_FACTOR = 20, /* so reading maps again takes a 20th of the time at most */
};

struct code_process {
	pid_t pid;
	uint64_t start;
	struct code_map *maps; /* in the order of addresses */
	size_t n, room;
	bool changed;
	uint64_t not_before; /* the maps are not read again */
	UT_hash_handle hh;   /* in the order in which they came */
};

struct codemaps {
	unwind_maps_fn *read;
	struct names *names;
	struct code_process *all;
	uint64_t n_read, n_failed;
};

struct codemaps *codemaps__new(unwind_maps_fn *maps, struct names *names)
{
	struct codemaps *cm = calloc(1, sizeof(*cm));

	if (!cm)
		return NULL;
	cm->read = maps;
	cm->names = names;
	return cm;
}

static void drop(struct codemaps *cm, struct code_process *p)
{
	HASH_DEL(cm->all, p);
	free(p->maps);
	free(p);
}

void codemaps__free(struct codemaps *cm)
{
	struct code_process *p, *tmp;

	if (!cm)
		return;
	HASH_ITER(hh, cm->all, p, tmp)
		drop(cm, p);
	free(cm);
}

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static enum code_kind kind_of(const struct procfs_map *map)
{
	if (map->inode)
		return CODE_FILE;
	if (!strcmp(map->path, "[vdso]"))
		return CODE_VDSO;
	return strcmp(map->path, "[uprobes]") ? CODE_ANON : CODE_UPROBES;
}

/* The new list while it is read; what did not change keeps its module. */
struct reading {
	struct codemaps *cm;
	const struct code_process *old;
	struct code_map *maps;
	size_t n, room;
};

static struct module *module_before(const struct code_process *p, const struct code_map *map)
{
	size_t lo = 0, hi = p->n, mid;
	const struct code_map *m;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (p->maps[mid].start < map->start)
			lo = mid + 1;
		else
			hi = mid;
	}
	m = lo < p->n ? &p->maps[lo] : NULL;
	return m && m->start == map->start && m->offset == map->offset && m->dev == map->dev &&
	       m->inode == map->inode && m->kind == map->kind ? m->module : NULL;
}

static int on_map(void *ctx, const struct procfs_map *map)
{
	struct reading *r = ctx;
	struct code_map *m;
	size_t room;

	if (!map->exec || map->start >= map->end)
		return 0;
	if (r->n == MAX_MAPS)
		return 1; /* the others are nowhere */
	if (r->n == r->room) {
		room = r->room ? r->room * 2 : 16;
		m = realloc(r->maps, room * sizeof(*m));
		if (!m)
			return -ENOMEM;
		r->maps = m;
		r->room = room;
	}
	m = &r->maps[r->n++];
	*m = (struct code_map){
		.start = map->start,
		.end = map->end,
		.offset = map->offset,
		.inode = map->inode,
		.dev = makedev(map->major, map->minor),
		.kind = kind_of(map),
		.path = names__keep(r->cm->names, map->path, strlen(map->path)),
	};
	m->module = module_before(r->old, m);
	return 0;
}

static int by_address(const void *va, const void *vb)
{
	const struct code_map *a = va, *b = vb;

	return a->start < b->start ? -1 : a->start > b->start;
}

static int read_maps(struct codemaps *cm, struct code_process *p)
{
	struct reading r = { .cm = cm, .old = p };
	uint64_t began = now(), took, rest;
	int err;

	cm->n_read++;
	err = cm->read(p->pid, on_map, &r);
	if (err >= 0 && !r.n)
		err = -ESRCH; /* it has exited, and is not buried yet */
	took = now() - began;
	rest = took * REST_FACTOR;
	p->not_before = began + took + (rest > REST_NS ? rest : REST_NS);
	p->changed = false;
	if (err < 0) {
		cm->n_failed++;
		free(r.maps);
		return err == -ENOENT ? -ESRCH : err;
	}
	qsort(r.maps, r.n, sizeof(*r.maps), by_address);
	free(p->maps);
	p->maps = r.maps;
	p->n = r.n;
	p->room = r.room;
	return 0;
}

static struct code_process *add(struct codemaps *cm, pid_t pid, uint64_t start)
{
	struct code_process *p;

	if (HASH_COUNT(cm->all) >= MAX_PROCESSES)
		drop(cm, cm->all);
	p = calloc(1, sizeof(*p));
	if (!p)
		return NULL;
	p->pid = pid;
	p->start = start;
	HASH_ADD_INT(cm->all, pid, p);
	if (hash_added(p))
		return p;
	free(p);
	return NULL;
}

int codemaps__process(struct codemaps *cm, pid_t pid, uint64_t start, struct code_process **out)
{
	struct code_process *p;
	int err;

	HASH_FIND_INT(cm->all, &pid, p);
	if (p && start && p->start && p->start != start) {
		drop(cm, p);
		p = NULL;
	}
	*out = p;
	if (p) {
		if (!p->start)
			p->start = start;
		if (p->changed && read_maps(cm, p) == -ENOMEM)
			return -ENOMEM;
		return 0; /* if it is gone, with what was known of it */
	}
	p = add(cm, pid, start);
	if (!p)
		return -ENOMEM;
	err = read_maps(cm, p);
	if (err) {
		drop(cm, p);
		return err;
	}
	*out = p;
	return 0;
}

void codemaps__changed(struct codemaps *cm, pid_t pid)
{
	struct code_process *p;

	HASH_FIND_INT(cm->all, &pid, p);
	if (p)
		p->changed = true;
}

void codemaps__forget(struct codemaps *cm, pid_t pid)
{
	struct code_process *p;

	HASH_FIND_INT(cm->all, &pid, p);
	if (p)
		drop(cm, p);
}

static struct code_map *find(const struct code_process *p, uint64_t addr)
{
	size_t lo = 0, hi = p->n, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (p->maps[mid].start <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo && addr < p->maps[lo - 1].end ? &p->maps[lo - 1] : NULL;
}

struct code_map *code_process__at(struct codemaps *cm, struct code_process *p, uint64_t addr,
	bool fresh)
{
	struct code_map *map = find(p, addr);

	if (map || !fresh || now() < p->not_before || read_maps(cm, p))
		return map;
	return find(p, addr);
}

pid_t code_process__pid(const struct code_process *p)
{
	return p->pid;
}

void codemaps__stats(const struct codemaps *cm, struct unwinder_stats *stats)
{
	stats->maps_read = cm->n_read;
	stats->maps_failed = cm->n_failed;
}
