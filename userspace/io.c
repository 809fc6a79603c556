/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

int io_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, 0600);
	struct stat st;
	int err;

	if (fd < 0)
		return -errno;
	/* not O_TRUNC: what is emptied is what was opened, and only if it is a plain file */
	if (fstat(fd, &st) || (S_ISREG(st.st_mode) && ftruncate(fd, 0))) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

/* After a failed call: 0 if it is worth trying again. */
static int wait_for(int fd, short events)
{
	struct pollfd pfd = { .fd = fd, .events = events };

	if (errno == EINTR)
		return 0;
	if (errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	if (poll(&pfd, 1, -1) < 0 && errno != EINTR)
		return -errno;
	return 0;
}

int io_write(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;
	int err;

	while (len) {
		n = write(fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
			continue;
		}
		err = n ? wait_for(fd, POLLOUT) : -EIO;
		if (err)
			return err;
	}
	return 0;
}

ssize_t io_read(int fd, void *data, size_t len)
{
	char *p = data;
	size_t have = 0;
	ssize_t n;
	int err;

	while (have < len) {
		n = read(fd, p + have, len - have);
		if (!n)
			break;
		if (n > 0) {
			have += (size_t)n;
			continue;
		}
		err = wait_for(fd, POLLIN);
		if (err)
			return err;
	}
	return (ssize_t)have;
}
