/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which thread of the kernel a PyThreadState belongs to. From 3.11 on it holds the number that
 * gettid() gave, which is that of the innermost pid namespace. Before, it only holds pthread_self():
 * an address at the top of the thread's stack, in the same mapping (glibc's allocate_stack, nptl,
 * and musl's pthread_create put both there, behind a guard page). A thread that blocks shows its
 * stack pointer in /proc/PID/task/TID/syscall, without being stopped for it.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "procfs.h"
#include "python_internal.h"

struct task {
	pid_t tid;
	uint64_t inner;		  /* in the innermost namespace */
	uint64_t sp, start, end; /* stack pointer and its mapping; 0: not known */
};

struct python_tasks {
	struct task *v;
	size_t n, room;
};

static uint64_t inner_of(pid_t pid, pid_t tid)
{
	unsigned long long inner = tid;
	char path[64], line[512], *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/status", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return inner;
	while (fgets(line, sizeof(line), f)) {
		if (strncmp(line, "NSpid:", 6))
			continue;
		at = strrchr(line, '\t');
		if (at)
			inner = strtoull(at, NULL, 10);
		break;
	}
	fclose(f);
	return inner;
}

/* "NUMBER ARG*6 SP PC", "-1 SP PC" or "running" */
static uint64_t stack_pointer_of(pid_t pid, pid_t tid)
{
	unsigned long long sp = 0;
	char path[64], line[512], *at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/task/%d/syscall", pid, tid);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fgets(line, sizeof(line), f) && (at = strrchr(line, ' '))) {
		*at = '\0';
		at = strrchr(line, ' ');
		if (at)
			sp = strtoull(at, NULL, 16);
	}
	fclose(f);
	return sp;
}

static int on_map(void *ctx, const struct procfs_map *map)
{
	struct python_tasks *t = ctx;

	for (size_t i = 0; i < t->n; i++) {
		if (t->v[i].sp < map->start || t->v[i].sp >= map->end)
			continue;
		t->v[i].start = map->start;
		t->v[i].end = map->end;
	}
	return 0;
}

static bool add(struct python_tasks *t, const struct task *task)
{
	size_t room = t->room ? t->room * 2 : 16;
	struct task *v;

	if (t->n == t->room) {
		v = realloc(t->v, room * sizeof(*v));
		if (!v)
			return false;
		t->v = v;
		t->room = room;
	}
	t->v[t->n++] = *task;
	return true;
}

struct python_tasks *python_tasks__read(pid_t pid, bool stacks)
{
	struct python_tasks *t = calloc(1, sizeof(*t));
	struct dirent *de;
	struct task task;
	char path[64];
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = t ? opendir(path) : NULL;
	if (!dir)
		return t;
	while ((de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]))
			continue;
		task = (struct task){ .tid = atoi(de->d_name) };
		task.inner = inner_of(pid, task.tid);
		if (stacks)
			task.sp = stack_pointer_of(pid, task.tid);
		if (!add(t, &task))
			break;
	}
	closedir(dir);
	if (stacks)
		procfs_maps(pid, on_map, t);
	return t;
}

void python_tasks__free(struct python_tasks *t)
{
	if (!t)
		return;
	free(t->v);
	free(t);
}

pid_t python_tasks__by_native(const struct python_tasks *t, uint64_t native)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->v[i].inner == native)
			return t->v[i].tid;
	return 0;
}

pid_t python_tasks__by_ident(const struct python_tasks *t, uint64_t ident)
{
	for (size_t i = 0; i < t->n; i++)
		if (ident > t->v[i].sp && ident >= t->v[i].start && ident < t->v[i].end)
			return t->v[i].tid;
	return 0;
}
