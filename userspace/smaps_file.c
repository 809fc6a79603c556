/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "smaps.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "procfs.h"

#define MAX_TMPFS 256

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - tmpfs /dev/root rw" */
static size_t find_tmpfs(pid_t pid, uint64_t *devs, size_t max)
{
	char path[64], *line = NULL, *type;
	unsigned int major, minor;
	size_t cap = 0, n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/mountinfo", pid);
	f = fopen(path, "re");
	while (f && n < max && getline(&line, &cap, f) > 0) {
		type = strstr(line, " - ");
		if (!type || sscanf(line, "%*d %*d %u:%u", &major, &minor) != 2)
			continue;
		if (!strncmp(type + 3, "tmpfs ", 6) || !strncmp(type + 3, "devtmpfs ", 9))
			devs[n++] = (uint64_t)major << 32 | minor;
	}
	free(line);
	if (f)
		fclose(f);
	return n;
}

/* Since "mm: mmap: map MAP_STACK to VM_NOHUGEPAGE" (c4608d1bf7c6, 6.7). */
static bool kernel_marks_stacks(void)
{
	unsigned int major = 0, minor = 0;
	struct utsname uts;

	uname(&uts);
	sscanf(uts.release, "%u.%u", &major, &minor);
	return major > 6 || (major == 6 && minor >= 7);
}

int smaps_read(pid_t pid, const struct smaps_how *how, struct smaps *out)
{
	uint64_t tmpfs[MAX_TMPFS];
	struct smaps_how full = *how;
	char path[64];
	int fd, err;

	*out = (struct smaps){ 0 };
	full.marks_stacks = kernel_marks_stacks();
	full.tmpfs = tmpfs;
	full.n_tmpfs = find_tmpfs(pid, tmpfs, MAX_TMPFS);
	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	err = smaps_read_fd(fd, &full, out);
	close(fd);
	/* of a process that ends the file ends, without an error */
	if (!err && procfs_state(pid) != PROCFS_ALIVE)
		err = -ESRCH;
	if (!err && !out->mappings && !out->partial)
		err = -ESRCH;
	if (err)
		smaps__clear(out);
	return err;
}

int smaps_rollup(pid_t pid, struct smaps_sums *out)
{
	char path[64], buf[8192];
	ssize_t n;
	int fd, err = 0;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT ? -ESRCH : -errno;
	do
		n = read(fd, buf, sizeof(buf) - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		err = -errno;
	close(fd);
	if (err || !n)
		return err ? err : -ESRCH;
	buf[n] = '\0';
	return smaps_parse_rollup(buf, out);
}
