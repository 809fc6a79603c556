/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Children of a test, which hold still until they are let go: each waits on a pipe whose other end
 * the test has, so none outlives it.
 */
#ifndef OFFSPRING_H
#define OFFSPRING_H

#include <criterion/criterion.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOBODY 65534

struct offspring {
	pid_t pid;
	int stay; /* closed: it may end */
};

typedef void offspring_fn(void *arg);

/* A forked child that calls fn, if there is one, and then waits. It is there when this returns. */
static inline struct offspring offspring__fork(offspring_fn *fn, void *arg)
{
	int stay[2], ready[2];
	struct offspring o;
	char byte;

	cr_assert_eq(pipe2(stay, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	o.pid = fork();
	cr_assert_geq(o.pid, 0);
	if (!o.pid) {
		close(stay[1]);
		close(ready[0]);
		if (fn)
			fn(arg);
		(void)!write(ready[1], "", 1);
		(void)!read(stay[0], &byte, 1);
		_exit(0);
	}
	close(stay[0]);
	close(ready[1]);
	cr_assert_eq(read(ready[0], &byte, 1), 1, "the child did not come so far");
	close(ready[0]);
	o.stay = stay[1];
	return o;
}

/* A program that reads stdin to its end, such as cat. It has been exec'd when this returns. */
static inline struct offspring offspring__exec(const char *path, char *const argv[],
	char *const envp[])
{
	int in[2], done[2];
	struct offspring o;
	char byte;

	cr_assert_eq(pipe2(in, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(done, O_CLOEXEC), 0);
	o.pid = fork();
	cr_assert_geq(o.pid, 0);
	if (!o.pid) {
		dup2(in[0], 0);
		execve(path, argv, envp);
		(void)!write(done[1], "", 1);
		_exit(127);
	}
	close(in[0]);
	close(done[1]);
	cr_assert_eq(read(done[0], &byte, 1), 0, "cannot run %s", path);
	close(done[0]);
	o.stay = in[1];
	return o;
}

/* Waits for its end; the status of wait(2). */
static inline int offspring__end(struct offspring *o)
{
	int status = -1;

	close(o->stay);
	cr_assert_eq(waitpid(o->pid, &status, 0), o->pid);
	return status;
}

/* In a child: gives up root, and with it all rights. */
static inline void become_nobody(void)
{
	if (!geteuid() && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(98);
}

/* Runs fn in a child without rights, whose assertions count as the test's own. */
static inline void as_nobody(offspring_fn *fn, void *arg)
{
	int status;
	pid_t pid = fork();

	cr_assert_geq(pid, 0);
	if (!pid) {
		become_nobody();
		fn(arg);
		fflush(NULL);
		_exit(0);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0, "the child without rights failed");
}

#endif
