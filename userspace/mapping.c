/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "mapping.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "procfs.h"

#define MINOR_BITS 20 /* of the kernel's dev_t: include/linux/kdev_t.h */

struct search {
	struct rt_mapping *ev;
	bool found;
};

static void take_path(struct rt_mapping *ev, const char *path)
{
	size_t len = strlen(path);

	if (len >= sizeof(ev->name))
		path += len - sizeof(ev->name) + 1;
	memset(ev->name, 0, sizeof(ev->name));
	memcpy(ev->name, path, strlen(path));
}

static int look_at(void *ctx, const struct procfs_map *map)
{
	struct search *s = ctx;
	uint64_t dev = (uint64_t)map->major << MINOR_BITS | map->minor;

	if (!map->inode || map->inode != s->ev->ino || dev != s->ev->dev || !map->path || !map->path[0])
		return 0;
	take_path(s->ev, map->path);
	s->found = true;
	return 1;
}

void mapping_complete(struct rt_mapping *ev)
{
	struct search s = {.ev = ev};

	if (ev->map_kind == RT_MAP_FILE || ev->map_kind == RT_MAP_SHMEM)
		procfs_maps(ev->h.pid, look_at, &s);
}

/* By size class. */
static const char *const sizes[RT_MAP_CLASSES] = {
	"below 64K", "64K to 1M", "1M to 16M", "16M to 256M", "256M to 4G", "4G and more",
};

static const struct {
	const char *kind, *name; /* NULL: it has one of its own */
} kinds[] = {
	[RT_MAP_UNKNOWN] = {"unknown", "[not known]"},
	[RT_MAP_ANON] = {"anon", NULL},
	[RT_MAP_FILE] = {"file", NULL},
	[RT_MAP_SHMEM] = {"shmem", NULL},
	[RT_MAP_HEAP] = {"heap", "[heap]"},
	[RT_MAP_STACK] = {"stack", "[stack]"},
	[RT_MAP_THREAD_STACK] = {"thread_stack", "[thread stacks]"},
	[RT_MAP_NAMED] = {"named", NULL},
	[RT_MAP_REST] = {"rest", "[too many to tell apart]"},
};

static unsigned int known(const struct rt_mapping *m)
{
	return m && m->map_kind < sizeof(kinds) / sizeof(*kinds) ? m->map_kind : RT_MAP_UNKNOWN;
}

const char *mapping_kind(const struct rt_mapping *m)
{
	return kinds[known(m)].kind;
}

void mapping_name(const struct rt_mapping *m, char *buf, size_t len)
{
	unsigned int kind = known(m);
	const char *what = m ? m->name : "";
	size_t n;

	if (kind == RT_MAP_ANON)
		what = sizes[m->size_class < RT_MAP_CLASSES ? m->size_class : 0];
	else if (kind == RT_MAP_SHMEM && *what == '/' && !strncmp(what, "/memfd:", 7))
		what++;
	if (kind == RT_MAP_ANON || kind == RT_MAP_NAMED)
		n = snprintf(buf, len, kind == RT_MAP_ANON ? "[anonymous %s]" : "[anon:%s]", what);
	else if (kind == RT_MAP_FILE || kind == RT_MAP_SHMEM)
		n = snprintf(buf, len, "%s", *what ? what : "[file]");
	else
		n = snprintf(buf, len, "%s", kinds[kind].name);
	if (n < len && m && (m->flags & RT_MAP_HUGE))
		snprintf(buf + n, len - n, " (huge pages)");
}
