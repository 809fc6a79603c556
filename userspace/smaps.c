/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A mapping is a line of its own, then one for each figure, and the flags last:
 *
 *	7f34ce758000-7f34ce759000 r--p 00000000 fe:00 338944      /usr/lib/ld-linux-x86-64.so.2
 *	Rss:                   4 kB
 *	...
 *	VmFlags: rd mr mw me
 *
 * The kernel writes a newline in a path as \012, so no name can pass for a line. What a mapping is
 * for is known when its flags are, so it is counted when the next one begins.
 */
#include "smaps.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "hash.h"

enum {
	CHUNK = 16 << 10,      /* as much as is read between two looks at the clock */
	LINE_MAX_LEN = 20000,  /* a path of 4 KiB, all of it escaped */
	GUARD_MAX = 64 << 10, /* bytes below a stack that no one may touch */
};

static const char *const kind_names[SMAPS_KINDS] = {
	[SMAPS_FILE] = "file",
	[SMAPS_HEAP] = "heap",
	[SMAPS_STACK] = "stack",
	[SMAPS_SHMEM] = "shmem",
	[SMAPS_NAMED] = "named",
	[SMAPS_ANON] = "anon",
	[SMAPS_HUGETLB] = "hugetlb",
	[SMAPS_SPECIAL] = "special",
};

const char *smaps_kind_name(enum smaps_kind kind)
{
	return kind < SMAPS_KINDS ? kind_names[kind] : NULL;
}

enum smaps_kind smaps_kind_of(const char *name)
{
	unsigned int kind = 0;

	while (kind < SMAPS_KINDS && strcmp(kind_names[kind], name))
		kind++;
	return kind;
}

void smaps_add(struct smaps_sums *to, const struct smaps_sums *from)
{
	uint64_t *a = (uint64_t *)to;
	const uint64_t *b = (const uint64_t *)from;

	for (size_t i = 0; i < SMAPS_SUMS; i++)
		a[i] = a[i] + b[i] < b[i] ? UINT64_MAX : a[i] + b[i];
}

/* --- lines ------------------------------------------------------------------------------------ */

/* "Rss:                   4 kB" */
static const struct figure {
	const char *name;
	size_t offset;
} figures[] = {
#define FIGURE(key, member) { key ":", offsetof(struct smaps_sums, member) }
	FIGURE("Size", size),
	FIGURE("Rss", rss),
	FIGURE("Pss", pss),
	FIGURE("Shared_Clean", shared_clean),
	FIGURE("Shared_Dirty", shared_dirty),
	FIGURE("Private_Clean", private_clean),
	FIGURE("Private_Dirty", private_dirty),
	FIGURE("Anonymous", anonymous),
	FIGURE("AnonHugePages", anon_huge),
	FIGURE("Swap", swap),
	FIGURE("SwapPss", swap_pss),
	FIGURE("Shared_Hugetlb", hugetlb),
	FIGURE("Private_Hugetlb", hugetlb),
#undef FIGURE
};

/* False: not one of them, which is no fault. */
static bool take_figure(const char *line, struct smaps_sums *sums)
{
	const char *colon = strchr(line, ':');
	size_t len = colon ? (size_t)(colon - line) + 1 : 0;
	uint64_t kib, *at;
	char *end;

	for (size_t i = 0; len && i < sizeof(figures) / sizeof(figures[0]); i++) {
		if (strncmp(line, figures[i].name, len) || figures[i].name[len])
			continue;
		kib = strtoull(line + len, &end, 10);
		if (end == line + len || kib > UINT64_MAX / 1024)
			return false;
		at = (uint64_t *)((char *)sums + figures[i].offset);
		*at = *at + kib * 1024 < *at ? UINT64_MAX : *at + kib * 1024;
		return true;
	}
	return false;
}

struct mapping {
	uint64_t start, end;
	char perms[5];
	uint64_t dev, inode;
	char *path; /* in the parser's buffer */
	bool marked_stack, hugetlb;
	struct smaps_sums sums;
};

/* False: not the first line of a mapping. */
static bool take_header(const char *line, struct mapping *m, int *path_at)
{
	unsigned int major, minor;
	uint64_t offset;

	*path_at = 0;
	*m = (struct mapping){ 0 };
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &m->start,
		    &m->end, m->perms, &offset, &major, &minor, &m->inode, path_at) < 7)
		return false;
	m->dev = (uint64_t)major << 32 | minor;
	return *path_at > 0;
}

/* "VmFlags: rd wr mr mw me ac nh": a word each. */
static bool has_flag(const char *line, const char *flag)
{
	const char *at = line;

	while ((at = strstr(at, flag))) {
		if (at[-1] == ' ' && (!at[2] || at[2] == ' '))
			return true;
		at += 2;
	}
	return false;
}

/* --- what a mapping is for -------------------------------------------------------------------- */

struct named_group {
	struct smaps_group g;
	UT_hash_handle hh;
	char key[]; /* a letter for the kind, and the name */
};

struct parser {
	const struct smaps_how *how;
	struct named_group *groups;
	struct smaps *out;
	struct mapping now;
	bool have;
	char *path; /* of `now` */
	/* the mapping before: could it be the guard of a stack? */
	uint64_t guard_end;
	bool guard_marked;
	char *line;
	size_t len;
	int err;
};

/* By the size of the mapping: an allocator's arenas, its large blocks, and those of a model. */
static const char *size_class(uint64_t size)
{
	static const struct {
		uint64_t below;
		const char *name;
	} classes[] = {
		{ 64ULL << 10, "anon < 64 KiB" },
		{ 1ULL << 20, "anon 64 KiB..1 MiB" },
		{ 16ULL << 20, "anon 1..16 MiB" },
		{ 256ULL << 20, "anon 16..256 MiB" },
		{ 4ULL << 30, "anon 256 MiB..4 GiB" },
	};

	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (size < classes[i].below)
			return classes[i].name;
	return "anon >= 4 GiB";
}

static bool starts(const char *s, const char *with)
{
	return !strncmp(s, with, strlen(with));
}

static bool on_tmpfs(const struct parser *p, uint64_t dev)
{
	for (size_t i = 0; i < p->how->n_tmpfs; i++)
		if (p->how->tmpfs[i] == dev)
			return true;
	return false;
}

/* Of a thread: what lies right above a mapping that no one may touch. Where the kernel marks
 * MAP_STACK both must be marked, else any guarded mapping of that shape is taken for one. */
static bool is_thread_stack(const struct parser *p, const struct mapping *m)
{
	if (p->guard_end != m->start || strcmp(m->perms, "rw-p"))
		return false;
	return p->how->marks_stacks ? p->guard_marked && m->marked_stack : true;
}

/* Without a file behind it. */
static enum smaps_kind classify_anon(const struct parser *p, const struct mapping *m,
	const char **name)
{
	if (is_thread_stack(p, m)) {
		*name = "[thread stacks]";
		return SMAPS_STACK;
	}
	*name = size_class(m->end - m->start);
	return SMAPS_ANON;
}

static enum smaps_kind classify_bracket(const char *path, const char **name)
{
	*name = path;
	if (!strcmp(path, "[heap]"))
		return SMAPS_HEAP;
	if (starts(path, "[stack"))
		return SMAPS_STACK;
	if (starts(path, "[anon:"))
		return SMAPS_NAMED;
	if (starts(path, "[anon_shmem:"))
		return SMAPS_SHMEM;
	if (starts(path, "[vdso") || starts(path, "[vvar") || starts(path, "[vsyscall"))
		*name = "[vdso] [vvar]";
	return SMAPS_SPECIAL;
}

/* `buf` has room for the names that are made here. */
static enum smaps_kind classify(const struct parser *p, const struct mapping *m, const char **name,
	char *buf, size_t len)
{
	static const char deleted[] = " (deleted)";
	size_t n = strlen(m->path);
	bool gone = n > sizeof(deleted) - 1 && !strcmp(m->path + n - sizeof(deleted) + 1, deleted);

	*name = m->path;
	if (m->hugetlb) {
		*name = n ? m->path : "[hugetlb]";
		return SMAPS_HUGETLB;
	}
	if (!n)
		return classify_anon(p, m, name);
	if (m->path[0] == '[')
		return classify_bracket(m->path, name);
	if (starts(m->path, "/memfd:") && gone) {
		snprintf(buf, len, "%.*s", (int)(n - sizeof(deleted)), m->path + 1);
		*name = buf;
		return SMAPS_SHMEM;
	}
	if (starts(m->path, "/SYSV") && gone) { /* its inode is its id: keys may be 0 */
		snprintf(buf, len, "%.*s id %" PRIu64, (int)(n - sizeof(deleted)), m->path + 1,
			m->inode);
		*name = buf;
		return SMAPS_SHMEM;
	}
	if (gone && !strcmp(m->path, "/dev/zero (deleted)")) {
		*name = "[shared anonymous]";
		return SMAPS_SHMEM;
	}
	if (starts(m->path, "/dev/shm/") || on_tmpfs(p, m->dev))
		return SMAPS_SHMEM;
	return SMAPS_FILE;
}

/* --- groups ----------------------------------------------------------------------------------- */

static struct named_group *group_find(struct parser *p, const char *key)
{
	struct named_group *g;

	HASH_FIND_STR(p->groups, key, g);
	return g;
}

static struct named_group *group_new(struct parser *p, const char *key)
{
	size_t size = strlen(key) + 1;
	struct named_group *g = calloc(1, sizeof(*g) + size);

	if (!g)
		return NULL;
	memcpy(g->key, key, size);
	g->g.kind = (enum smaps_kind)(key[0] - 'a');
	HASH_ADD_KEYPTR(hh, p->groups, g->key, size - 1, g);
	if (hash_added(g))
		return g;
	free(g);
	return NULL;
}

static struct named_group *group_get(struct parser *p, enum smaps_kind kind, const char *name)
{
	char key[LINE_MAX_LEN + 128]; /* longer than any name that classify makes */
	struct named_group *g;

	key[0] = (char)('a' + kind);
	strcpy(key + 1, name);
	g = group_find(p, key);
	if (g)
		return g;
	if (HASH_COUNT(p->groups) >= p->how->max_groups) {
		strcpy(key + 1, "(other)");
		g = group_find(p, key);
	}
	return g ? g : group_new(p, key);
}

static int count(struct parser *p)
{
	char buf[LINE_MAX_LEN + 64];
	struct mapping *m = &p->now;
	struct named_group *g;
	enum smaps_kind kind;
	const char *name;

	if (!p->have)
		return 0;
	p->have = false;
	kind = classify(p, m, &name, buf, sizeof(buf));
	p->guard_marked = m->marked_stack;
	p->guard_end = !*m->path && !strcmp(m->perms, "---p") && m->end - m->start <= GUARD_MAX
			       ? m->end
			       : 0;
	g = group_get(p, kind, name);
	if (!g)
		return -ENOMEM;
	g->g.mappings++;
	smaps_add(&g->g.sums, &m->sums);
	smaps_add(&p->out->all, &m->sums);
	p->out->mappings++;
	p->out->upto = m->end;
	return 0;
}

static int take_line(struct parser *p)
{
	struct mapping m;
	int path_at, err;

	if (!strchr("0123456789abcdef", p->line[0])) {
		if (p->have && starts(p->line, "VmFlags: ")) {
			p->now.marked_stack = has_flag(p->line, "nh");
			p->now.hugetlb = has_flag(p->line, "ht");
		} else if (p->have) {
			take_figure(p->line, &p->now.sums);
		}
		return 0;
	}
	if (!take_header(p->line, &m, &path_at))
		return 0;
	err = count(p);
	if (err)
		return err;
	p->now = m;
	p->now.path = p->path;
	strcpy(p->path, p->line + path_at); /* both have room for a line */
	p->have = true;
	return 0;
}

/* What is longer than any line of the kernel's is cut off. */
static int feed(struct parser *p, const char *data, size_t len)
{
	int err = 0;

	for (size_t i = 0; i < len && !err; i++) {
		if (data[i] != '\n') {
			if (p->len < LINE_MAX_LEN)
				p->line[p->len++] = data[i] ? data[i] : '?';
			continue;
		}
		p->line[p->len] = '\0';
		p->len = 0;
		if (*p->line)
			err = take_line(p);
	}
	return err;
}

/* --- the file --------------------------------------------------------------------------------- */

static int by_weight(const void *a, const void *b)
{
	const struct smaps_sums *x = &((const struct smaps_group *)a)->sums;
	const struct smaps_sums *y = &((const struct smaps_group *)b)->sums;
	const uint64_t m[] = { x->rss, x->swap, x->hugetlb, x->size };
	const uint64_t n[] = { y->rss, y->swap, y->hugetlb, y->size };

	for (size_t i = 0; i < sizeof(m) / sizeof(m[0]); i++)
		if (m[i] != n[i])
			return m[i] > n[i] ? -1 : 1;
	return strcmp(((const struct smaps_group *)a)->name, ((const struct smaps_group *)b)->name);
}

/* The kernel writes newline as \012; nothing else is escaped. */
static char *unescape(const char *s)
{
	char *copy = strdup(s), *to = copy;

	if (!copy)
		return NULL;
	for (; *s; s++) {
		if (!strncmp(s, "\\012", 4)) {
			*to++ = '\n';
			s += 3;
		} else {
			*to++ = *s;
		}
	}
	*to = '\0';
	return copy;
}

static int hand_over(struct parser *p)
{
	struct smaps *s = p->out;

	s->groups = calloc(HASH_COUNT(p->groups) + 1, sizeof(*s->groups));
	if (!s->groups)
		return -ENOMEM;
	for (struct named_group *g = p->groups; g; g = g->hh.next) {
		s->groups[s->n] = g->g;
		s->groups[s->n].name = unescape(g->key + 1);
		if (!s->groups[s->n].name)
			return -ENOMEM;
		s->n++;
	}
	qsort(s->groups, s->n, sizeof(*s->groups), by_weight);
	return 0;
}

static void parser__clear(struct parser *p)
{
	struct named_group *g, *next;

	HASH_ITER(hh, p->groups, g, next) {
		HASH_DELETE(hh, p->groups, g);
		free(g);
	}
	free(p->line);
	free(p->path);
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

static int read_all(struct parser *p, int fd)
{
	char buf[CHUNK];
	ssize_t n;
	int err = 0;

	while (!err) {
		if (p->how->deadline_ns && now_ns() >= p->how->deadline_ns) {
			p->out->partial = true;
			p->have = false; /* its figures may be missing */
			return 0;
		}
		n = read(fd, buf, sizeof(buf));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return count(p);
		err = feed(p, buf, (size_t)n);
		if (!err && p->how->breathe)
			err = p->how->breathe(p->how->ctx);
	}
	return err;
}

int smaps_read_fd(int fd, const struct smaps_how *how, struct smaps *out)
{
	struct parser p = { .how = how, .out = out };
	int err;

	*out = (struct smaps){ 0 };
	p.line = malloc(LINE_MAX_LEN + 1);
	p.path = malloc(LINE_MAX_LEN + 1);
	err = p.line && p.path ? read_all(&p, fd) : -ENOMEM;
	if (!err)
		err = hand_over(&p);
	parser__clear(&p);
	if (err)
		smaps__clear(out);
	return err;
}

void smaps__clear(struct smaps *s)
{
	for (size_t i = 0; i < s->n; i++)
		free(s->groups[i].name);
	free(s->groups);
	*s = (struct smaps){ 0 };
}

int smaps_parse_rollup(const char *text, struct smaps_sums *out)
{
	unsigned int n = 0;

	*out = (struct smaps_sums){ 0 };
	if (!strstr(text, "[rollup]"))
		return -EBADMSG;
	for (const char *line = strchr(text, '\n'); line && line[1]; line = strchr(line + 1, '\n'))
		n += take_figure(line + 1, out);
	return n ? 0 : -EBADMSG;
}
