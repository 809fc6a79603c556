/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "modules.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "elf.h"
#include "elf_internal.h"
#include "symbolize.h"

/* Together 15 MB at most: a place is 200 bytes, a row as much again. */
enum {
	MAX_MODULES = 4096,
	MAX_OPEN = 256,
	MAX_PLACES = 32768,
	MAX_ROWS = 16384,
	MAX_NAMES = 6 << 20, /* bytes */
	MAX_VDSO = 1 << 20,
};

struct modules {
	struct module *all;
	struct names *names;
	struct place **places; /* by id */
	size_t n_places, room, n_rows, n_open;
	size_t named; /* of places, from the first */
	uint64_t clock, rows_made, others;
	struct unwind_symbol special[UNWIND_ID_FIRST];
};

struct modules *modules__new(void)
{
	static const char *const special[] = {
		[UNWIND_ID_ANON] = "[anon]",
		[UNWIND_ID_UNKNOWN] = "[unknown]",
		[UNWIND_ID_RETPROBE] = "[uretprobe]",
		[UNWIND_ID_OTHER] = "[other]",
	};
	struct modules *ms = calloc(1, sizeof(*ms));

	if (!ms)
		return NULL;
	for (size_t i = 0; i < UNWIND_ID_FIRST; i++)
		ms->special[i].name = special[i];
	ms->names = names__new(MAX_NAMES);
	if (ms->names)
		return ms;
	free(ms);
	return NULL;
}

static void free_module(struct module *m)
{
	struct place *p, *tmp;

	HASH_ITER(hh, m->places, p, tmp) {
		HASH_DEL(m->places, p);
		free((void *)p->symbol.places);
		free(p->row);
		free(p);
	}
	elf__close(m->elf);
	free(m->build_id);
	free(m);
}

void modules__free(struct modules *ms)
{
	struct module *m, *tmp;

	if (!ms)
		return;
	HASH_ITER(hh, ms->all, m, tmp) {
		HASH_DEL(ms->all, m);
		free_module(m);
	}
	free(ms->places);
	names__free(ms->names);
	free(ms);
}

struct names *modules__names(struct modules *ms)
{
	return ms->names;
}

static int is_the_file(int fd, uint64_t inode, struct stat *st)
{
	if (fstat(fd, st))
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -ENOEXEC;
	return !inode || st->st_ino == inode ? 0 : -ENOENT;
}

/*
 * The link in map_files leads to the mapped file wherever it is (deleted, in a container), but only
 * for root. Otherwise, and when the process is gone, the names that it has or had are tried, and
 * compared: a file that took the place of the one that is mapped would name other functions.
 */
static int open_mapped(pid_t pid, const struct code_map *map, struct stat *st)
{
	char path[96], root[32];
	int fd, err;

	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	for (int way = 0; way < 4; way++) {
		if (way == 0)
			snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", pid,
				(unsigned long long)map->start, (unsigned long long)map->end);
		else if (way == 1)
			snprintf(path, sizeof(path), "/proc/%d/exe", pid);
		fd = way < 2 ? open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY) :
			       elf__open_below(way == 2 ? root : "", map->path);
		if (fd < 0)
			continue;
		err = is_the_file(fd, way ? map->inode : 0, st);
		if (!err)
			return fd;
		close(fd);
	}
	return -ENOENT;
}

/* Every process has the same, and we are one. */
static int open_vdso(struct stat *st)
{
	const uint8_t *image = (const uint8_t *)getauxval(AT_SYSINFO_EHDR);
	const Elf64_Ehdr *eh = (const Elf64_Ehdr *)image;
	size_t size, page = sysconf(_SC_PAGESIZE);
	int fd, err;

	if (!image)
		return -ENOENT;
	size = eh->e_shoff + (size_t)eh->e_shnum * eh->e_shentsize;
	size = (size + page - 1) & -page;
	fd = size <= MAX_VDSO ? memfd_create("vdso", MFD_CLOEXEC) : -1;
	if (fd < 0)
		return -ENOENT;
	err = write(fd, image, size) == (ssize_t)size ? is_the_file(fd, 0, st) : -EIO;
	if (!err)
		return fd;
	close(fd);
	return err;
}

static int64_t ns(const struct timespec *t)
{
	return t->tv_sec * 1000000000LL + t->tv_nsec;
}

static bool is_our_root(const char *root)
{
	struct stat a, b;

	return !stat("/", &a) && !stat(root, &b) && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static struct elf_file *open_elf(int fd, pid_t pid)
{
	char path[32], root[32];
	struct elf_file *elf;
	const char *why;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	snprintf(root, sizeof(root), "/proc/%d/root", pid);
	return elf__open(path, is_our_root(root) ? "" : root, &elf, &why) ? NULL : elf;
}

static struct module *add_module(struct modules *ms, const struct module_key *key, const char *path)
{
	struct module *m;

	if (HASH_COUNT(ms->all) >= MAX_MODULES)
		return NULL;
	m = calloc(1, sizeof(*m));
	if (!m)
		return NULL;
	m->key = *key;
	m->path = path;
	HASH_ADD(hh, ms->all, key, sizeof(m->key), m);
	if (hash_added(m))
		return m;
	free(m);
	return NULL;
}

/* The same library in the images of two containers. */
static struct module *same_build(struct modules *ms, const struct elf_file *elf, uint64_t size,
	int64_t mtime_ns)
{
	const char *id = elf__build_id(elf);
	struct module *m, *tmp;

	if (!id)
		return NULL;
	HASH_ITER(hh, ms->all, m, tmp)
		if (m->build_id && m->key.size == size && m->mtime_ns == mtime_ns &&
			!strcmp(m->build_id, id))
			return m;
	return NULL;
}

/* Names have to be found while there is a file to find them in. */
static void close_oldest(struct modules *ms)
{
	struct module *m, *tmp, *oldest = NULL;

	HASH_ITER(hh, ms->all, m, tmp)
		if (m->elf && (!oldest || m->used < oldest->used))
			oldest = m;
	if (!oldest)
		return;
	symbolize(ms->places + ms->named, ms->n_places - ms->named, ms->names);
	ms->named = ms->n_places;
	elf__close(oldest->elf);
	oldest->elf = NULL;
	ms->n_open--;
}

static void give_elf(struct modules *ms, struct module *m, struct elf_file *elf)
{
	if (ms->n_open >= MAX_OPEN)
		close_oldest(ms);
	m->elf = elf;
	m->failed = !elf;
	m->used = ++ms->clock;
	ms->n_open += elf != NULL;
}

static struct module *open_module(struct modules *ms, pid_t pid, const struct code_map *map)
{
	struct module_key key = { .dev = map->dev, .inode = map->inode };
	struct elf_file *elf = NULL;
	struct module *m, *same;
	struct stat st;
	int fd;

	fd = map->kind == CODE_VDSO ? open_vdso(&st) : open_mapped(pid, map, &st);
	if (fd >= 0)
		key = (struct module_key){ st.st_dev, st.st_ino, st.st_size, ns(&st.st_ctim) };
	HASH_FIND(hh, ms->all, &key, sizeof(key), m);
	if (m && (m->elf || m->failed))
		goto out;
	elf = fd >= 0 ? open_elf(fd, pid) : NULL;
	same = elf && !m ? same_build(ms, elf, st.st_size, ns(&st.st_mtim)) : NULL;
	if (same)
		m = same;
	if (!m)
		m = add_module(ms, &key, map->path);
	if (!m || m->elf)
		goto out;
	give_elf(ms, m, elf);
	if (elf && !m->build_id && elf__build_id(elf)) {
		m->build_id = strdup(elf__build_id(elf));
		m->mtime_ns = ns(&st.st_mtim);
	}
	elf = NULL;
out:
	elf__close(elf);
	if (fd >= 0)
		close(fd);
	return m;
}

static struct module *find_vdso(struct modules *ms)
{
	struct module *m, *tmp;

	HASH_ITER(hh, ms->all, m, tmp)
		if (!strcmp(m->path, "[vdso]"))
			return m;
	return NULL;
}

struct module *modules__of(struct modules *ms, pid_t pid, struct code_map *map)
{
	struct module *m = map->module;

	if (!m && map->kind == CODE_VDSO)
		m = map->module = find_vdso(ms);
	if (!m || (!m->elf && !m->failed))
		m = map->module = open_module(ms, pid, map);
	if (m)
		m->used = ++ms->clock;
	return m;
}

bool module__addr(const struct module *m, uint64_t offset, uint64_t *addr)
{
	const struct elf_segment *s;

	for (size_t i = 0; m->elf && i < m->elf->n_segs; i++) {
		s = &m->elf->seg[i];
		if (!s->exec || offset < s->offset || offset - s->offset >= s->filesz)
			continue;
		*addr = offset - s->offset + s->vaddr;
		return true;
	}
	return false;
}

ssize_t module__code(const struct module *m, uint64_t addr, void *buf, size_t len)
{
	return m->elf ? elf__code(m->elf, addr, buf, len) : -ENOENT;
}

struct cfi_row *modules__row(struct modules *ms, struct module *m, uint64_t addr)
{
	struct cfi_row *row = NULL;

	ms->rows_made++;
	return m->elf && !cfi_row__find(m->elf, addr, &row) ? row : NULL;
}

static int make_room(struct modules *ms)
{
	size_t room = ms->room ? ms->room * 2 : 256;
	struct place **places;

	if (ms->n_places < ms->room)
		return 0;
	places = realloc(ms->places, room * sizeof(*places));
	if (!places)
		return -ENOMEM;
	ms->places = places;
	ms->room = room;
	return 0;
}

struct place *modules__place(struct modules *ms, struct module *m, uint64_t addr, uint64_t offset)
{
	struct place *p;

	HASH_FIND(hh, m->places, &addr, sizeof(addr), p);
	if (p)
		return p;
	if (ms->n_places >= MAX_PLACES || make_room(ms))
		goto refuse;
	p = calloc(1, sizeof(*p));
	if (!p)
		goto refuse;
	p->module = m;
	p->addr = addr;
	p->symbol = (struct unwind_symbol){ .module = m->path, .addr = addr, .offset = offset };
	HASH_ADD(hh, m->places, addr, sizeof(p->addr), p);
	if (!hash_added(p)) {
		free(p);
		goto refuse;
	}
	p->id = UNWIND_ID_FIRST + ms->n_places;
	ms->places[ms->n_places++] = p;
	return p;
refuse:
	ms->others++;
	return NULL;
}

static void forget_rows(struct modules *ms)
{
	struct place *p;

	for (size_t i = 0; i < ms->n_places; i++) {
		p = ms->places[i];
		free(p->row);
		p->row = NULL;
		p->has_row = false;
	}
	ms->n_rows = 0;
}

const struct cfi_row *modules__place_row(struct modules *ms, struct place *place)
{
	if (place->has_row)
		return place->row;
	if (ms->n_rows >= MAX_ROWS)
		forget_rows(ms);
	place->row = modules__row(ms, place->module, place->addr);
	place->has_row = true;
	ms->n_rows += place->row != NULL;
	return place->row;
}

const struct unwind_symbol *modules__symbol(struct modules *ms, uint32_t id)
{
	if (id < UNWIND_ID_FIRST)
		return &ms->special[id];
	id -= UNWIND_ID_FIRST;
	if (id >= ms->n_places)
		return &ms->special[UNWIND_ID_OTHER];
	if (id >= ms->named) {
		symbolize(ms->places + ms->named, ms->n_places - ms->named, ms->names);
		ms->named = ms->n_places;
	}
	return &ms->places[id]->symbol;
}

void modules__stats(const struct modules *ms, struct unwinder_stats *stats)
{
	stats->files_open = ms->n_open;
	stats->places = ms->n_places;
	stats->others = ms->others;
	stats->rows_made = ms->rows_made;
	stats->names_refused = names__refused(ms->names);
}
