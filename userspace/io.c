/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>

#define STUCK_MS 250 /* a write that has not moved for so long is stuck */

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

static void wake_up(int sig)
{
}

/*
 * A write(2) that blocks, blocks for ever, and which one will cannot be known before: others may
 * write to the same pipe. So a timer interrupts it at intervals.
 */
struct alarm {
	struct sigaction action;
	struct itimerval timer;
	sigset_t mask;
};

static void alarm_start(struct alarm *old)
{
	const struct timeval tick = { .tv_usec = STUCK_MS * 1000 };
	const struct itimerval timer = { .it_interval = tick, .it_value = tick };
	struct sigaction action = { .sa_handler = wake_up }; /* without SA_RESTART */
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGALRM);
	sigaction(SIGALRM, &action, &old->action);
	pthread_sigmask(SIG_UNBLOCK, &set, &old->mask);
	setitimer(ITIMER_REAL, &timer, &old->timer);
}

static void alarm_end(const struct alarm *old)
{
	int err = errno;

	setitimer(ITIMER_REAL, &old->timer, NULL);
	pthread_sigmask(SIG_SETMASK, &old->mask, NULL);
	sigaction(SIGALRM, &old->action, NULL);
	errno = err;
}

/* After a failed call: 0 if it is worth trying again. */
static int wait_or_ask(int fd, io_stuck_fn *stuck, void *ctx)
{
	struct pollfd pfd = { .fd = fd, .events = POLLOUT };

	if (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK)
		return -errno;
	if (errno != EINTR && poll(&pfd, 1, STUCK_MS) > 0)
		return 0;
	return stuck(ctx);
}

int io_write_asking(int fd, const void *data, size_t len, io_stuck_fn *stuck, void *ctx)
{
	const char *p = data;
	struct alarm old;
	int err = 0;
	ssize_t n;

	alarm_start(&old);
	while (len && !err) {
		n = write(fd, p, len);
		if (n > 0) {
			p += n;
			len -= (size_t)n;
		} else {
			err = n ? wait_or_ask(fd, stuck, ctx) : -EIO;
		}
	}
	alarm_end(&old);
	return err;
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
