/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "io.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "scratch.h"

#define BIG (1 << 18) /* more than a pipe holds */

struct asked {
	int times, give_up_at;
};

static int on_stuck(void *ctx)
{
	struct asked *a = ctx;

	return ++a->times == a->give_up_at ? -ECANCELED : 0;
}

/* A child that reads to the end after a while. Its exit status says whether all was there. */
static pid_t reader(const int fds[2], unsigned int wait_ms)
{
	pid_t pid = fork();
	static char buf[BIG + 1];
	ssize_t n;

	cr_assert_geq(pid, 0);
	if (pid)
		return pid;
	close(fds[1]);
	usleep(1000 * wait_ms);
	n = io_read(fds[0], buf, sizeof(buf));
	for (ssize_t i = 0; i < n; i++)
		if (buf[i] != (char)i)
			_exit(2);
	_exit(n != BIG);
}

static const char *big(void)
{
	static char data[BIG];

	for (int i = 0; i < BIG; i++)
		data[i] = (char)i;
	return data;
}

static void assert_read_all(pid_t pid)
{
	int status;

	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
}

Test(io, what_a_pipe_does_not_hold_waits_for_the_reader, .timeout = 20)
{
	for (int nonblock = 0; nonblock < 2; nonblock++) {
		int fds[2];
		pid_t pid;

		cr_assert_eq(pipe2(fds, nonblock ? O_NONBLOCK : 0), 0);
		pid = reader(fds, 50);
		cr_assert_eq(io_write(fds[1], big(), BIG), 0);
		close(fds[1]);
		assert_read_all(pid);
		close(fds[0]);
	}
}

Test(io, a_reader_that_is_slow_is_waited_for_though_somebody_is_asked, .timeout = 20)
{
	for (int nonblock = 0; nonblock < 2; nonblock++) {
		struct asked asked = { .give_up_at = 100 };
		int fds[2];
		pid_t pid;

		cr_assert_eq(pipe2(fds, nonblock ? O_NONBLOCK : 0), 0);
		pid = reader(fds, 700);
		cr_assert_eq(io_write_asking(fds[1], big(), BIG, on_stuck, &asked), 0);
		close(fds[1]);
		assert_read_all(pid);
		close(fds[0]);
		cr_assert_geq(asked.times, 1);
		cr_assert_leq(asked.times, 20);
	}
}

Test(io, a_reader_that_never_reads_is_given_up_and_finds_what_was_written, .timeout = 20)
{
	static char buf[BIG];

	for (int nonblock = 0; nonblock < 2; nonblock++) {
		struct asked asked = { .give_up_at = 2 };
		int fds[2], room;

		cr_assert_eq(pipe2(fds, nonblock ? O_NONBLOCK : 0), 0);
		room = fcntl(fds[1], F_GETPIPE_SZ);
		cr_assert_eq(io_write_asking(fds[1], big(), BIG, on_stuck, &asked), -ECANCELED);
		cr_assert_eq(asked.times, 2);
		close(fds[1]);
		cr_assert_eq(io_read(fds[0], buf, BIG), room);
		cr_assert_eq(memcmp(buf, big(), (size_t)room), 0);
		close(fds[0]);
	}
}

static void on_alarm(int sig)
{
}

Test(io, nothing_is_left_of_the_clock_that_interrupts, .timeout = 20)
{
	struct asked asked = { .give_up_at = 1 };
	struct sigaction action = { .sa_handler = on_alarm };
	struct itimerval timer;
	sigset_t mask;
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	sigemptyset(&mask);
	sigaddset(&mask, SIGALRM);
	sigprocmask(SIG_BLOCK, &mask, NULL);
	sigaction(SIGALRM, &action, NULL);
	/* asked although the caller has the signal blocked */
	cr_assert_eq(io_write_asking(fds[1], big(), BIG, on_stuck, &asked), -ECANCELED);
	sigaction(SIGALRM, NULL, &action);
	cr_assert_eq(action.sa_handler, on_alarm);
	sigprocmask(SIG_BLOCK, NULL, &mask);
	cr_assert(sigismember(&mask, SIGALRM));
	getitimer(ITIMER_REAL, &timer);
	cr_assert_eq(timer.it_value.tv_sec + timer.it_value.tv_usec, 0);
	cr_assert_eq(timer.it_interval.tv_usec, 0);
}

Test(io, errors_of_the_descriptor_are_passed_on)
{
	struct asked asked = { .give_up_at = 100 };
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(fds), 0);
	close(fds[0]);
	cr_assert_eq(io_write(fds[1], "x", 1), -EPIPE);
	cr_assert_eq(io_write_asking(fds[1], "x", 1, on_stuck, &asked), -EPIPE);
	close(fds[1]);
	cr_assert_eq(io_write(fds[1], "x", 1), -EBADF);
	cr_assert_eq(io_read(fds[0], (char[1]){ 0 }, 1), -EBADF);
	fds[1] = open("/dev/full", O_WRONLY);
	cr_assert_eq(io_write_asking(fds[1], "x", 1, on_stuck, &asked), -ENOSPC);
	cr_assert_eq(io_write(fds[1], "x", 0), 0);
	cr_assert_eq(asked.times, 0);
}

Test(io, a_read_gets_what_there_is)
{
	char buf[8];
	int fds[2];

	cr_assert_eq(pipe2(fds, O_NONBLOCK), 0);
	cr_assert_eq(write(fds[1], "abc", 3), 3);
	cr_assert_eq(io_read(fds[0], buf, 2), 2);
	cr_assert_eq(memcmp(buf, "ab", 2), 0);
	close(fds[1]);
	cr_assert_eq(io_read(fds[0], buf, 8), 1);
	cr_assert_eq(io_read(fds[0], buf, 8), 0);
}

Test(io, a_file_is_made_for_its_owner_emptied_and_no_link_is_followed)
{
	struct scratch s = scratch__new();
	char link[400];
	struct stat st;
	int fd;

	umask(0);
	fd = io_create(s.file);
	cr_assert_geq(fd, 0);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_neq(fcntl(fd, F_GETFD) & FD_CLOEXEC, 0);
	cr_assert_eq(io_write(fd, "old", 3), 0);
	close(fd);
	fd = io_create(s.file);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(st.st_size, 0);
	close(fd);
	snprintf(link, sizeof(link), "%s/link", s.dir);
	cr_assert_eq(symlink(s.file, link), 0);
	cr_assert_eq(io_create(link), -ELOOP);
	cr_assert_eq(io_create(s.dir), -EISDIR);
	cr_assert_eq(io_create("/nowhere/file"), -ENOENT);
	fd = io_create("/dev/null");
	cr_assert_geq(fd, 0);
	close(fd);
	scratch__free(&s);
}
