/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "procfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ENVIRON_MAX (256 * 1024)
#define PF_KTHREAD  0x00200000 /* include/linux/sched.h */

/* Up to len - 1 bytes of /proc/PID/NAME and a NUL; bytes or -errno. */
static ssize_t read_file(pid_t pid, const char *name, char *buf, size_t len)
{
	char path[64];
	size_t have = 0;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/%s", pid, name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		n = read(fd, buf + have, len - 1 - have);
		if (n > 0)
			have += n;
	} while (have < len - 1 && (n > 0 || (n < 0 && errno == EINTR)));
	n = n < 0 ? -errno : 0;
	close(fd);
	buf[have] = '\0';
	return n ? n : (ssize_t)have;
}

/* NUL-separated strings to one line. */
static size_t join(char *buf, size_t len)
{
	while (len && (buf[len - 1] == '\0' || buf[len - 1] == ' '))
		len--;
	for (size_t i = 0; i < len; i++)
		if (!buf[i])
			buf[i] = ' ';
	buf[len] = '\0';
	return len;
}

ssize_t procfs_cmdline(pid_t pid, char *buf, size_t len)
{
	ssize_t n = read_file(pid, "cmdline", buf, len);

	return n < 0 ? n : (ssize_t)join(buf, n);
}

size_t procfs_title(const char *raw, size_t raw_len, size_t args, char *buf, size_t len)
{
	size_t n = args < raw_len ? args : raw_len;

	if (args && args <= raw_len && raw[args - 1])
		n = strnlen(raw, raw_len);
	if (n > len - 1)
		n = len - 1;
	memcpy(buf, raw, n);
	return join(buf, n);
}

ssize_t procfs_comm(pid_t pid, char *buf, size_t len)
{
	ssize_t n = read_file(pid, "comm", buf, len);

	if (n > 0 && buf[n - 1] == '\n')
		buf[--n] = '\0';
	return n;
}

ssize_t procfs_exe(pid_t pid, char *buf, size_t len)
{
	static const char deleted[] = " (deleted)";
	char path[64];
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	n = readlink(path, buf, len - 1);
	if (n < 0)
		return -errno;
	buf[n] = '\0';
	if (n > (ssize_t)sizeof(deleted) && !strcmp(buf + n - sizeof(deleted) + 1, deleted)) {
		n -= sizeof(deleted) - 1;
		buf[n] = '\0';
	}
	return n;
}

char **procfs_environ(pid_t pid)
{
	char *raw = malloc(ENVIRON_MAX);
	char **env = NULL, *text;
	size_t count = 1;
	ssize_t n;

	if (!raw)
		return NULL;
	n = read_file(pid, "environ", raw, ENVIRON_MAX);
	if (n < 0)
		goto out;
	for (ssize_t i = 0; i < n; i++)
		count += raw[i] == '\0';
	env = malloc((count + 1) * sizeof(*env) + n + 1);
	if (!env)
		goto out;
	text = memcpy(env + count + 1, raw, n + 1);
	count = 0;
	for (char *at = text; at < text + n; at += strlen(at) + 1)
		if (*at)
			env[count++] = at;
	env[count] = NULL;
out:
	free(raw);
	return env;
}

enum procfs_state procfs_state(pid_t pid)
{
	char buf[4096], *at;
	unsigned int flags = 0;
	ssize_t n = read_file(pid, "stat", buf, sizeof(buf));

	if (n <= 0)
		return PROCFS_GONE;
	at = strrchr(buf, ')');
	if (!at || !at[1])
		return PROCFS_GONE;
	if (at[2] == 'Z' || at[2] == 'X')
		return PROCFS_ZOMBIE;
	/* ") S ppid pgrp session tty tpgid flags" */
	if (sscanf(at, ") %*c %*d %*d %*d %*d %*d %u", &flags) != 1)
		return PROCFS_GONE;
	return flags & PF_KTHREAD ? PROCFS_KTHREAD : PROCFS_ALIVE;
}

static bool thread_rests(pid_t pid, const char *tid)
{
	char name[64], buf[1024];
	const char *after;
	ssize_t n;

	snprintf(name, sizeof(name), "task/%.20s/stat", tid);
	n = read_file(pid, name, buf, sizeof(buf));
	if (n <= 0)
		return n == -ENOENT || n == -ESRCH; /* it has ended */
	after = strrchr(buf, ')'); /* a comm may have anything else */
	return after && strchr("STtIZX", after[1] ? after[2] : 'R');
}

bool procfs_rests(pid_t pid)
{
	char path[64];
	struct dirent *d;
	bool rests = true;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (rests && (d = readdir(dir)))
		rests = d->d_name[0] == '.' || thread_rests(pid, d->d_name);
	closedir(dir);
	return rests;
}

static pid_t innermost_pid(pid_t pid)
{
	char buf[4096], *line, *end;
	long inner = 0, n;
	int levels = 0;

	if (read_file(pid, "status", buf, sizeof(buf)) <= 0)
		return 0;
	line = strstr(buf, "\nNSpid:");
	if (!line)
		return 0;
	line += strlen("\nNSpid:");
	for (; *line && *line != '\n'; line = end) {
		n = strtol(line, &end, 10);
		if (end == line)
			break;
		inner = n;
		levels++;
	}
	return levels > 1 ? inner : 0;
}

size_t procfs_find_inner(pid_t inner, pid_t *found, size_t max)
{
	DIR *dir = opendir("/proc");
	struct dirent *de;
	size_t n = 0;

	if (!dir)
		return 0;
	while ((de = readdir(dir))) {
		if (!isdigit((unsigned char)de->d_name[0]) || innermost_pid(atoi(de->d_name)) != inner)
			continue;
		if (n < max)
			found[n] = atoi(de->d_name);
		n++;
	}
	closedir(dir);
	return n;
}

pid_t procfs_process_of(pid_t tid)
{
	char buf[4096];
	const char *line;

	if (read_file(tid, "status", buf, sizeof(buf)) <= 0)
		return 0;
	line = strstr(buf, "\nTgid:");
	return line ? atoi(line + strlen("\nTgid:")) : 0;
}

/* The kernel writes newline as \012; nothing else is escaped. */
static void unescape(char *path)
{
	char *to = path;

	for (char *at = path; *at; at++) {
		if (!strncmp(at, "\\012", 4)) {
			*to++ = '\n';
			at += 3;
		} else {
			*to++ = *at;
		}
	}
	*to = '\0';
}

static bool parse_map(char *line, struct procfs_map *map)
{
	static const char deleted[] = " (deleted)";
	char perms[5] = "";
	int path_at = 0;
	size_t len;
	char *path;

	*map = (struct procfs_map){0};
	if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %4s %" SCNx64 " %x:%x %" SCNu64 " %n", &map->start,
		    &map->end, perms, &map->offset, &map->major, &map->minor, &map->inode,
		    &path_at) < 7)
		return false;
	path = line + path_at;
	len = strlen(path);
	if (len && path[len - 1] == '\n')
		path[--len] = '\0';
	if (len >= sizeof(deleted) && !strcmp(path + len - sizeof(deleted) + 1, deleted)) {
		path[len - sizeof(deleted) + 1] = '\0';
		map->deleted = true;
	}
	unescape(path);
	map->exec = perms[2] == 'x';
	map->path = path;
	return true;
}

int procfs_maps(pid_t pid, procfs_map_fn *fn, void *ctx)
{
	struct procfs_map map;
	char path[64], *line = NULL;
	size_t cap = 0;
	int err = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (!err && getline(&line, &cap, f) > 0)
		if (parse_map(line, &map))
			err = fn(ctx, &map);
	if (!err && ferror(f))
		err = -ESRCH;
	free(line);
	fclose(f);
	return err;
}
