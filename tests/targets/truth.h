/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a target knows of itself at one instant: smaps_rollup for the total, status for the kinds.
 * Reading touches no page that was not touched before, so the reading does not change the value:
 * static buffers, plain system calls, no stdio.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct truth {
	uint64_t rss, anon, file, shmem, swap; /* bytes */
};

static char truth_buf[1 << 16];

static uint64_t truth_field(const char *text, const char *name)
{
	const char *at = strstr(text, name);

	return at ? strtoull(at + strlen(name), NULL, 10) * 1024 : 0;
}

static int truth_read_file(const char *path)
{
	size_t have = 0;
	ssize_t n;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	while ((n = read(fd, truth_buf + have, sizeof(truth_buf) - 1 - have)) > 0)
		have += n;
	truth_buf[have] = '\0';
	close(fd);
	return n;
}

/* Once before the first truth_read, so that every page it needs is there. */
static void truth_warm_up(void)
{
	memset(truth_buf, 1, sizeof(truth_buf));
	truth_read_file("/proc/self/smaps_rollup");
	truth_field(truth_buf, "\nRss:");
	truth_read_file("/proc/self/status");
	truth_field(truth_buf, "\nRssAnon:");
}

static void truth_read(struct truth *t)
{
	truth_read_file("/proc/self/smaps_rollup");
	t->rss = truth_field(truth_buf, "\nRss:");
	truth_read_file("/proc/self/status");
	t->anon = truth_field(truth_buf, "\nRssAnon:");
	t->file = truth_field(truth_buf, "\nRssFile:");
	t->shmem = truth_field(truth_buf, "\nRssShmem:");
	t->swap = truth_field(truth_buf, "\nVmSwap:");
}

#endif
