/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Finding CPython in a process.
 *
 * Its state hangs from one variable, _PyRuntime, which every build exports, static or shared,
 * stripped or not; from 3.10 on it has a section of its own (.PyRuntime). So the file is chosen by
 * that symbol and not by its name: uWSGI or PostgreSQL's plpython3 bring it along late, as a
 * library. The program itself and what is called python or libpython is asked first, the others
 * by their hash table only. The answer belongs to the file and is remembered, so that the next
 * process with the same libraries costs one reading of its maps.
 */
#include "python.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "hash.h"
#include "procfs.h"
#include "python_internal.h"

enum {
	MAX_FILES = 1 << 16, /* more are forgotten, and looked at again */
};

struct python_files {
	char *debug_root;
	struct python_file *files;
};

/* A mapping with code of a file, the first of it in the process. */
struct mapped {
	struct python_file_id id;
	uint64_t start, end, offset;
	bool likely;
	char path[];
};

struct process {
	pid_t pid;
	char exe[4096];
	struct mapped **maps;
	size_t n, room, first_unlikely;
	uint32_t hint; /* version in the name of an extension; 0: none */
	char *why;
	size_t why_len;
};

struct python_files *python_files__new(const char *debug_root)
{
	struct python_files *files = calloc(1, sizeof(*files));

	if (!files)
		return NULL;
	files->debug_root = strdup(debug_root ? debug_root : "");
	if (!files->debug_root) {
		free(files);
		return NULL;
	}
	return files;
}

static void forget(struct python_files *files, struct python_file *f)
{
	HASH_DELETE(hh, files->files, f);
	free(f->sites);
	free(f);
}

static void forget_all(struct python_files *files)
{
	struct python_file *f, *tmp;

	HASH_ITER(hh, files->files, f, tmp)
		forget(files, f);
}

void python_files__free(struct python_files *files)
{
	if (!files)
		return;
	forget_all(files);
	free(files->debug_root);
	free(files);
}

int python_read(pid_t pid, uint64_t addr, void *buf, size_t len)
{
	struct iovec to = { buf, len }, from = { (void *)addr, len };
	ssize_t n = process_vm_readv(pid, &to, 1, &from, 1, 0);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EFAULT;
}

/*
 * How a mapped file can be opened. The link in map_files leads to it wherever it is (deleted, in a
 * container), but only for root. Others try the names that it has, and compare.
 */
static int open_name(const struct process *p, const struct mapped *m, char *path, size_t len,
	struct stat *st)
{
	snprintf(path, len, "/proc/%d/map_files/%llx-%llx", p->pid, (unsigned long long)m->start,
		(unsigned long long)m->end);
	if (!stat(path, st))
		return S_ISREG(st->st_mode) ? 0 : -ENOEXEC;
	if (errno != EPERM && errno != EACCES && errno != ENOENT)
		return -errno;
	if (!strcmp(m->path, p->exe)) {
		snprintf(path, len, "/proc/%d/exe", p->pid);
		if (!stat(path, st))
			return S_ISREG(st->st_mode) ? 0 : -ENOEXEC;
	}
	if ((size_t)snprintf(path, len, "/proc/%d/root%s", p->pid, m->path) >= len)
		return -ENAMETOOLONG;
	if (stat(path, st) || st->st_ino != m->id.inode) {
		snprintf(path, len, "%s", m->path);
		if (stat(path, st))
			return -errno;
		if (st->st_ino != m->id.inode)
			return -ENOENT;
	}
	return S_ISREG(st->st_mode) ? 0 : -ENOEXEC;
}

static int64_t changed_ns(const struct stat *st)
{
	return st->st_mtim.tv_sec * 1000000000LL + st->st_mtim.tv_nsec;
}

static struct python_file *add_file(struct python_files *files, const struct python_file_id *id)
{
	struct python_file *f;

	if (HASH_COUNT(files->files) >= MAX_FILES)
		forget_all(files);
	f = calloc(1, sizeof(*f));
	if (!f)
		return NULL;
	f->id = *id;
	HASH_ADD(hh, files->files, id, sizeof(f->id), f);
	if (hash_added(f))
		return f;
	free(f);
	return NULL;
}

/* What is known of a mapped file, looked at now if it was not before. An inode can come to name
 * another file: likely ones are compared by size and time, the others are believed. */
static int file_of(struct python_files *files, const struct process *p, const struct mapped *m,
	struct python_file **out)
{
	struct stat st = { 0 };
	char path[4096];
	struct python_file *f;
	int err;

	HASH_FIND(hh, files->files, &m->id, sizeof(m->id), f);
	*out = f;
	if (f && !m->likely && f->what == PYTHON_NONE)
		return 0;
	err = open_name(p, m, path, sizeof(path), &st);
	if (f && (err || (st.st_size == f->size && changed_ns(&st) == f->changed_ns)))
		return 0;
	if (f) {
		forget(files, f);
		*out = NULL;
	}
	if (err == -ENOENT || err == -ESRCH || (err && !m->likely))
		return err;
	f = add_file(files, &m->id);
	if (!f)
		return -ENOMEM;
	f->size = st.st_size;
	f->changed_ns = changed_ns(&st);
	if (!err)
		err = python_file__examine(f, path, m->path, m->likely);
	if (err && err != -ENOEXEC) {
		forget(files, f);
		return err;
	}
	*out = f;
	return 0;
}

static bool same_id(const struct python_file_id *a, const struct python_file_id *b)
{
	return a->inode == b->inode && a->major == b->major && a->minor == b->minor;
}

static int on_map(void *ctx, const struct procfs_map *map)
{
	struct process *p = ctx;
	struct mapped *m, **maps;
	const char *name;
	bool threaded;
	uint32_t hint;
	size_t room;

	if (!map->exec || !map->inode || *map->path != '/')
		return 0;
	if (p->n && same_id(&p->maps[p->n - 1]->id,
			    &(struct python_file_id){ map->major, map->minor, map->inode }))
		return 0;
	if (p->n == p->room) {
		room = p->room ? p->room * 2 : 64;
		maps = realloc(p->maps, room * sizeof(*maps));
		if (!maps)
			return -ENOMEM;
		p->maps = maps;
		p->room = room;
	}
	m = calloc(1, sizeof(*m) + strlen(map->path) + 1);
	if (!m)
		return -ENOMEM;
	m->id = (struct python_file_id){ map->major, map->minor, map->inode };
	m->start = map->start;
	m->end = map->end;
	m->offset = map->offset;
	strcpy(m->path, map->path);
	name = python_base_name(m->path);
	m->likely = !strcmp(m->path, p->exe) || !strncmp(name, "python", 6) ||
		    !strncmp(name, "libpython", 9) || python_is_pypy(m->path);
	p->maps[p->n++] = m;
	if (strstr(name, ".cpython-3")) {
		hint = python_name_version(m->path, &threaded);
		p->hint = hint ? hint : p->hint;
	}
	return 0;
}

static int process__read(struct process *p)
{
	ssize_t n = procfs_exe(p->pid, p->exe, sizeof(p->exe));

	if (n < 0)
		return n;
	return procfs_maps(p->pid, on_map, p);
}

static void process__clear(struct process *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->maps[i]);
	free(p->maps);
}

/* A layout that the file alone did not give: from the process, or by what it has loaded. */
static void complete_layout(struct python_file *f, const struct process *p, uint64_t bias)
{
	char runtime[PYTHON_OFFSETS_LEN];

	if (!f->version)
		f->version = p->hint;
	if (!python_read(p->pid, f->runtime + bias, runtime, sizeof(runtime)))
		python_file__fill(f, runtime);
	else if (f->version)
		python_file__fill(f, NULL);
}

static int use(struct python_file *f, const struct process *p, const struct mapped *m,
	struct rt_py *out)
{
	uint64_t bias = 0;
	int err;

	if (f->what == PYTHON_USABLE && !python_file__bias(f, m->start, m->offset, &bias))
		return -ENOENT;
	if (f->what == PYTHON_USABLE && !f->py.version)
		complete_layout(f, p, bias);
	if (f->what == PYTHON_REFUSED) {
		snprintf(p->why, p->why_len, "%s", f->why);
		return -ENOTSUP;
	}
	if (!f->py.version) {
		snprintf(p->why, p->why_len, f->version ? "it does not (yet) say how it can be walked" :
							  "its version is not known yet");
		return -EAGAIN;
	}
	*out = f->py;
	out->interpreters += bias;
	if (!f->unsure)
		return 0;
	err = python__check(p->pid, out, p->why, p->why_len);
	f->unsure = err != 0;
	return err;
}

/* The file that holds the interpreter. The program itself comes first: what it defines takes
 * precedence over a libpython that an extension drags in. */
static int pick(struct python_files *files, const struct process *p, struct python_file **out,
	const struct mapped **where)
{
	int err, first_err = -ENOENT;
	struct python_file *f;

	for (int likely = 2; likely >= 0; likely--) {
		for (size_t i = 0; i < p->n; i++) {
			const struct mapped *m = p->maps[i];
			int is = m->likely ? 1 + !strcmp(m->path, p->exe) : 0;

			if (is != likely)
				continue;
			err = file_of(files, p, m, &f);
			if (err == -ENOMEM)
				return err;
			if (err && likely && first_err == -ENOENT) {
				first_err = err;
				snprintf(p->why, p->why_len, "%s: %s", m->path, strerror(-err));
			}
			if (err || f->what == PYTHON_NONE)
				continue;
			if (p->why_len)
				*p->why = '\0';
			*out = f;
			*where = m;
			return 0;
		}
	}
	return first_err;
}

int python__find(struct python_files *files, pid_t pid, struct rt_py *out, char *why, size_t len)
{
	struct process p = { .pid = pid, .why = why, .why_len = len };
	const struct mapped *m;
	struct python_file *f;
	int err;

	if (len)
		*why = '\0';
	err = process__read(&p);
	if (err && err != -ENOENT)
		snprintf(why, len, "its maps cannot be read: %s", strerror(-err));
	if (!err)
		err = pick(files, &p, &f, &m);
	if (!err)
		err = use(f, &p, m, out);
	process__clear(&p);
	return err;
}

static int seek_sites(struct python_files *files, struct python_file *f, const char *path)
{
	struct elf_file *elf;

	f->sites = calloc(1, sizeof(*f->sites));
	if (!f->sites)
		return -ENOMEM;
	f->sites_sought = true;
	if (elf__open(path, files->debug_root, &elf, &f->sites_why))
		return 0;
	python_entry__find(elf, f->version, f->sites, &f->sites_why);
	elf__close(elf);
	return 0;
}

static int sites_of(struct python_files *files, const struct process *p, const struct mapped *m,
	struct python_file *f, struct python_sites *out)
{
	struct stat st;
	int err;

	err = open_name(p, m, out->path, sizeof(out->path), &st);
	if (!err && !f->sites_sought)
		err = seek_sites(files, f, out->path);
	if (err) {
		snprintf(p->why, p->why_len, "%s: %s", m->path, strerror(-err));
		return err;
	}
	if (!f->sites->n) {
		snprintf(p->why, p->why_len, "%s", f->sites_why);
		return -ENOENT;
	}
	out->n = f->sites->n;
	memcpy(out->offset, f->sites->offset, sizeof(out->offset));
	memcpy(out->symbol, f->sites->symbol, sizeof(out->symbol));
	out->major = m->id.major;
	out->minor = m->id.minor;
	out->inode = m->id.inode;
	return 0;
}

int python__entry_sites(struct python_files *files, pid_t pid, struct python_sites *out, char *why,
	size_t len)
{
	struct process p = { .pid = pid, .why = why, .why_len = len };
	const struct mapped *m;
	struct python_file *f;
	struct rt_py py;
	int err;

	if (len)
		*why = '\0';
	err = process__read(&p);
	if (!err)
		err = pick(files, &p, &f, &m);
	if (!err)
		err = use(f, &p, m, &py);
	if (!err)
		err = sites_of(files, &p, m, f, out);
	process__clear(&p);
	return err;
}
