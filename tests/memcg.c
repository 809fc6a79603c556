/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "memcg.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "ramtrace-test-"

/* Criterion runs every test in a process of its own: these belong to it. */
static char dir[256];
static bool v2;

static int put(const char *file, const char *text)
{
	char path[320];
	int fd, err = 0;

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		err = -errno;
	close(fd);
	return err;
}

static int put_number(const char *file, int64_t n)
{
	char text[32];

	snprintf(text, sizeof(text), "%" PRId64, n);
	return put(file, text);
}

/* A process that was killed is in it until it has gone. */
static void clean_up(void)
{
	for (int i = 0; i < 200 && rmdir(dir) && errno == EBUSY; i++)
		usleep(10000);
}

/* One that has processes stays: it belongs to another test that runs. */
static void remove_old(const char *root)
{
	char pattern[128];
	glob_t g;

	snprintf(pattern, sizeof(pattern), "%s/" NAME "*", root);
	if (glob(pattern, 0, NULL, &g))
		return;
	for (size_t i = 0; i < g.gl_pathc; i++) {
		pid_t pid = atoi(g.gl_pathv[i] + strlen(root) + strlen("/" NAME));

		if (kill(pid, 0))
			rmdir(g.gl_pathv[i]);
	}
	globfree(&g);
}

static bool make_below(const char *root, const char *knob)
{
	char path[320];

	snprintf(path, sizeof(path), "%s/%s", root, knob);
	remove_old(root);
	snprintf(dir, sizeof(dir), "%s/" NAME "%d", root, getpid());
	if (mkdir(dir, 0755))
		return false;
	snprintf(path, sizeof(path), "%s/%s", dir, knob);
	if (!access(path, W_OK)) {
		atexit(clean_up);
		return true;
	}
	rmdir(dir);
	return false;
}

void memcg_make(void)
{
	v2 = true;
	if (make_below("/sys/fs/cgroup", "memory.high"))
		return;
	v2 = false;
	if (!make_below("/sys/fs/cgroup/memory", "memory.limit_in_bytes"))
		cr_skip_test("needs a memory cgroup that can be written to");
}

void memcg_join(pid_t pid)
{
	int err = put_number("cgroup.procs", pid);

	cr_assert_eq(err, 0, "%s/cgroup.procs: %s", dir, strerror(-err));
}

int64_t memcg_usage(void)
{
	char path[320], text[32] = "";
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, v2 ? "memory.current" : "memory.usage_in_bytes");
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert(fd >= 0 && read(fd, text, sizeof(text) - 1) > 0, "%s: %s", path, strerror(errno));
	close(fd);
	return strtoll(text, NULL, 10);
}

/* Whoever lowers the limit takes back what is above it; where that does not go far enough, so be it. */
void memcg_reclaim(int64_t bytes)
{
	const char *file = v2 ? "memory.high" : "memory.limit_in_bytes";

	for (int i = 0; i < 10; i++)
		if (put_number(file, memcg_usage() - bytes) != -EBUSY)
			break;
	memcg_limit(-1);
}

void memcg_limit(int64_t bytes)
{
	const char *file = v2 ? "memory.high" : "memory.limit_in_bytes";
	int err = bytes < 0 ? put(file, v2 ? "max" : "-1") : put_number(file, bytes);

	cr_assert_eq(err, 0, "%s/%s: %s", dir, file, strerror(-err));
}
