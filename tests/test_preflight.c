/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preflight.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sys/stat.h>

#include "offspring.h"
#include "procfs.h"
#include "said.h"
#include "scratch.h"

#define INIT_PID_NS 0xEFFFFFFCU

static void set_up(void)
{
	said__begin(2);
}

TestSuite(preflight, .init = set_up, .timeout = 30);

Test(preflight, a_process_that_lives_may_be_traced)
{
	struct offspring o = offspring__fork(NULL, NULL);

	cr_assert_eq(preflight_pid(getpid()), 0);
	cr_assert_eq(preflight_pid(o.pid), 0);
	cr_assert_str_empty(said(2));
	offspring__end(&o);
}

Test(preflight, one_that_has_ended_is_told_by_how_much_is_left_of_it)
{
	struct offspring o = offspring__fork(NULL, NULL);
	char pid[16];
	siginfo_t si;

	close(o.stay);
	cr_assert_eq(waitid(P_PID, (id_t)o.pid, &si, WEXITED | WNOWAIT), 0);
	snprintf(pid, sizeof(pid), "pid %d:", o.pid);
	cr_assert_eq(preflight_pid(o.pid), -ESRCH);
	cr_assert_said(2, "cannot trace", pid, "has exited", "Give the pid");
	cr_assert_eq(waitpid(o.pid, NULL, 0), o.pid);
	cr_assert_eq(preflight_pid(o.pid), -ESRCH);
	cr_assert_said(2, "cannot trace", pid, "there is no such process", "ps -e");
}

Test(preflight, a_kernel_thread_has_no_memory)
{
	char comm[32];

	if (procfs_comm(2, comm, sizeof(comm)) <= 0 || strcmp(comm, "kthreadd"))
		return; /* in a container there is none to be seen */
	cr_assert_eq(preflight_pid(2), -EINVAL);
	cr_assert_said(2, "cannot trace pid 2", "kernel thread (kthreadd)");
}

static void *wait_on_pipe(void *fds)
{
	pid_t tid = gettid();
	char byte;

	(void)!write(((int *)fds)[3], &tid, sizeof(tid));
	(void)!read(((int *)fds)[0], &byte, 1);
	return NULL;
}

Test(preflight, a_thread_is_answered_with_its_process)
{
	pthread_t thread;
	char use[32];
	int fds[4];
	pid_t tid;

	cr_assert(!pipe(fds) && !pipe(fds + 2));
	cr_assert_eq(pthread_create(&thread, NULL, wait_on_pipe, fds), 0);
	cr_assert_eq(read(fds[2], &tid, sizeof(tid)), sizeof(tid));
	snprintf(use, sizeof(use), "Use --pid %d, ", getpid());
	cr_assert_eq(preflight_pid(tid), -EINVAL);
	cr_assert_said(2, "it is a thread", use);
	close(fds[1]);
	pthread_join(thread, NULL);
}

static void as_a_command(const char *name, const char *words)
{
	cr_assert_eq(preflight_command(name), -ENOENT);
	cr_assert_said(2, "cannot run", name, words);
}

Test(preflight, a_command_that_cannot_be_run_is_told_with_the_reason)
{
	struct scratch s = scratch__new();
	char path[400];

	scratch_write(s.file, "#!/bin/sh\n", 10);
	snprintf(path, sizeof(path), "%s/none", s.dir);
	as_a_command(path, "No such file");
	as_a_command(s.dir, "it is not a file");
	as_a_command(s.file, "it is not executable");
	as_a_command("no-such-command-here", "no such command in");
	setenv("PATH", "/only/here", 1);
	as_a_command("sh", "no such command in /only/here");
	unsetenv("PATH");
	as_a_command("no-such-command-here", "in the usual directories");
	cr_assert_eq(preflight_command("sh"), 0);
	cr_assert_eq(chmod(s.file, 0700), 0);
	cr_assert_eq(preflight_command(s.file), 0);
	cr_assert_str_empty(said(2));
	scratch__free(&s);
}

Test(preflight, a_pid_namespace_is_told)
{
	struct stat st;
	bool first = !stat("/proc/self/ns/pid", &st) && st.st_ino == INIT_PID_NS;

	cr_assert_eq(preflight_namespace(), first ? 0 : -EINVAL);
	if (first)
		cr_assert_str_empty(said(2));
	else
		cr_assert_said(2, "inside a pid namespace", "--pid=host");
}

static void without_rights(void *unused)
{
	cr_assert_eq(preflight_host(), -EPERM);
	cr_assert_said(2, "cannot trace as user 65534: CAP_BPF is missing", "sudo", "setcap");
}

static void without_rights_of_this_user(void *unused)
{
	cr_assert_eq(preflight_host(), -EPERM);
	cr_assert_said(2, "CAP_BPF is missing");
}

Test(preflight, rights_that_are_missing_are_told)
{
	as_nobody(geteuid() ? without_rights_of_this_user : without_rights, NULL);
}
