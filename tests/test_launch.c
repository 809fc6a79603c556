/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "launch.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>

#include "offspring.h"
#include "scratch.h"

static struct scratch dir;

static void set_up(void)
{
	dir = scratch__new();
	/* what root may search, and others may not, would be EACCES */
	setenv("PATH", "/usr/bin:/bin", 1);
}

static void tear_down(void)
{
	scratch__free(&dir);
}

TestSuite(launch, .init = set_up, .fini = tear_down, .timeout = 30);

static struct launch *start(const char *const *argv, const char *user)
{
	struct launch *l = NULL;
	char err[256] = "";

	cr_assert_eq(launch__start((char **)argv, user, &l, err, sizeof(err)), 0, "%s", err);
	cr_assert_gt(launch__pid(l), 0);
	return l;
}

#define START(...) start((const char *const[]){ __VA_ARGS__, NULL }, NULL)

static int wait_for(struct launch *l)
{
	int status;

	while (!launch__ended(l, &status))
		usleep(1000);
	cr_assert(launch__ended(l, &status), "it is still known when it is asked again");
	return launch_exit_status(status);
}

static int run(struct launch *l)
{
	char err[256] = "";
	int status;

	cr_assert_eq(launch__go(l, err, sizeof(err)), 0, "%s", err);
	status = wait_for(l);
	launch__free(l);
	return status;
}

/* Lets it go, which fails with this error and a message that has these words. */
static void assert_fails(struct launch *l, int error, const char *words)
{
	char err[256] = "";

	cr_assert_eq(launch__go(l, err, sizeof(err)), error, "%s", err);
	cr_assert(strstr(err, words), "%s", err);
	cr_assert_eq(wait_for(l), 127);
	launch__free(l);
}

Test(launch, nothing_runs_before_it_is_let_go)
{
	struct launch *l = START("sh", "-c", "echo >\"$1\"", "sh", dir.file);
	int status;

	usleep(50000);
	cr_assert(!launch__ended(l, &status));
	cr_assert_neq(access(dir.file, F_OK), 0);
	cr_assert_eq(run(l), 0);
	cr_assert_eq(access(dir.file, F_OK), 0);
}

Test(launch, the_pid_is_that_of_the_command)
{
	struct launch *l = START("sh", "-c", "test $$ = \"$(cat \"$1\")\"", "sh", dir.file);
	char text[16];

	snprintf(text, sizeof(text), "%d", launch__pid(l));
	scratch_write(dir.file, text, strlen(text));
	cr_assert_eq(run(l), 0);
}

Test(launch, the_exit_status_is_what_a_shell_would_say)
{
	cr_assert_eq(run(START("true")), 0);
	cr_assert_eq(run(START("sh", "-c", "exit 3")), 3);
	cr_assert_eq(run(START("sh", "-c", "exit 255")), 255);
	cr_assert_eq(run(START("sh", "-c", "kill -KILL $$")), 128 + SIGKILL);
	cr_assert_eq(launch_exit_status(W_EXITCODE(0, SIGSEGV) | WCOREFLAG), 128 + SIGSEGV);
}

Test(launch, signals_are_as_a_shell_would_have_left_them)
{
	sigset_t set;

	signal(SIGPIPE, SIG_IGN);
	sigfillset(&set);
	sigprocmask(SIG_SETMASK, &set, NULL);
	cr_assert_eq(run(START("sh", "-c", "kill -PIPE $$; exit 9")), 128 + SIGPIPE);
	cr_assert_eq(run(START("sh", "-c", "kill -TERM $$; exit 9")), 128 + SIGTERM);
}

Test(launch, a_command_that_cannot_run_is_told_with_the_reason)
{
	char path[400];

	assert_fails(START("no-such-command-here"), -ENOENT, "cannot run no-such-command-here: No such");
	snprintf(path, sizeof(path), "%s/nowhere/x", dir.dir);
	assert_fails(START(path), -ENOENT, "No such file");
	scratch_write(dir.file, "#!/bin/sh\n", 10);
	assert_fails(START(dir.file), -EACCES, "May this user run it?");
	assert_fails(START(dir.dir), -EACCES, "Permission denied");
	scratch_write(dir.file, "#!/no/such/interpreter\n", 23);
	chmod(dir.file, 0700);
	assert_fails(START(dir.file), -ENOENT, "cannot run");
}

Test(launch, a_user_that_there_is_not_is_told_before_anything_starts)
{
	char *argv[] = { "true", NULL }, err[256] = "";
	struct launch *l = NULL;

	cr_assert_eq(launch__start(argv, "no such user", &l, err, sizeof(err)), -ENOENT);
	cr_assert(strstr(err, "--user no such user: there is no such user"), "%s", err);
	cr_assert_null(l);
}

static void become_root(void *unused)
{
	assert_fails(start((const char *const[]){ "true", NULL }, "root"), -EPERM, "CAP_SETUID");
}

Test(launch, another_user_takes_rights)
{
	as_nobody(become_root, NULL);
	if (geteuid())
		return;
	cr_assert_eq(run(start((const char *const[]){ "sh", "-c",
		"test \"$(id -u) $USER $HOME\" = \"65534 nobody /nonexistent\"", NULL }, "nobody")), 0);
}

Test(launch, who_is_never_let_go_ends_with_the_launch)
{
	struct launch *l = START("sh", "-c", "echo >\"$1\"", "sh", dir.file);
	pid_t pid = launch__pid(l);

	launch__free(l);
	cr_assert_eq(waitpid(pid, NULL, WNOHANG), -1, "it was waited for");
	cr_assert_eq(errno, ECHILD);
	cr_assert_neq(access(dir.file, F_OK), 0);
	launch__free(NULL);
}

static void start_and_tell(void *fd)
{
	pid_t pid = launch__pid(START("sh", "-c", "echo >\"$1\"", "sh", dir.file));

	(void)!write(*(int *)fd, &pid, sizeof(pid));
}

Test(launch, who_is_never_let_go_ends_with_its_parent)
{
	struct offspring parent;
	int fds[2], status;
	pid_t pid;

	/* the orphan comes here */
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	parent = offspring__fork(start_and_tell, &fds[1]);
	cr_assert_eq(read(fds[0], &pid, sizeof(pid)), sizeof(pid));
	offspring__end(&parent);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(launch_exit_status(status), EXIT_FAILURE);
	cr_assert_neq(access(dir.file, F_OK), 0);
}

Test(launch, who_was_killed_before_is_told)
{
	struct launch *l = START("true");
	char err[256] = "";
	siginfo_t si;

	signal(SIGPIPE, SIG_IGN);
	kill(launch__pid(l), SIGKILL);
	cr_assert_eq(waitid(P_PID, (id_t)launch__pid(l), &si, WEXITED | WNOWAIT), 0);
	cr_assert_eq(launch__go(l, err, sizeof(err)), -EPIPE);
	cr_assert(strstr(err, "cannot run true"), "%s", err);
	cr_assert_eq(wait_for(l), 128 + SIGKILL);
	launch__free(l);
}

/* --- finding ---------------------------------------------------------------------------------- */

static void make(const char *name, mode_t mode)
{
	char path[400];

	snprintf(path, sizeof(path), "%s/%s", dir.dir, name);
	scratch_write(path, "#!/bin/sh\n", 10);
	cr_assert_eq(chmod(path, mode), 0);
}

static void assert_found(const char *name, const char *where)
{
	char path[512] = "", want[512];

	snprintf(want, sizeof(want), "%s%s", dir.dir, where);
	cr_assert_eq(launch_find(name, path, sizeof(path)), 0, "%s", name);
	cr_assert_str_eq(path, want);
}

Test(launch, a_command_is_found_where_exec_finds_it)
{
	char path[2048], absolute[400];

	for (int i = 0; i < 4; i++) {
		static const char *const subs[] = { "a", "b", "c", "c/tool" };

		snprintf(path, sizeof(path), "%s/%s", dir.dir, subs[i]);
		cr_assert_eq(mkdir(path, 0700), 0);
	}
	make("a/tool", 0600); /* is passed over, as is the directory in c */
	make("b/tool", 0700);
	make("b/only-b", 0700);
	make("here", 0700);
	snprintf(path, sizeof(path), "%s/none:%s/a:%s/c:%s/b", dir.dir, dir.dir, dir.dir, dir.dir);
	setenv("PATH", path, 1);
	assert_found("tool", "/b/tool");
	assert_found("only-b", "/b/only-b");
	cr_assert_eq(launch_find("here", path, sizeof(path)), -ENOENT);
	cr_assert_eq(launch_find("a/tool", path, sizeof(path)), -ENOENT);
	snprintf(absolute, sizeof(absolute), "%s/b/tool", dir.dir);
	assert_found(absolute, "/b/tool");
	cr_assert_eq(launch_find(absolute, path, 5), -ENOENT, "no room for the path");
	snprintf(absolute, sizeof(absolute), "%s/a/tool", dir.dir);
	cr_assert_eq(launch_find(absolute, path, sizeof(path)), -ENOENT);
	unsetenv("PATH");
	cr_assert_eq(launch_find("sh", path, sizeof(path)), 0);
}

Test(launch, an_empty_part_of_the_path_is_where_one_is)
{
	static const char *const paths[] = { "", ":/none", "/none:", "/none::/other" };
	char path[400];

	make("here", 0700);
	cr_assert_eq(chdir(dir.dir), 0);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		setenv("PATH", paths[i], 1);
		cr_assert_eq(launch_find("here", path, sizeof(path)), 0, "PATH=%s", paths[i]);
		cr_assert_str_eq(path, "./here");
		cr_assert_eq(run(START("here")), 0, "exec agrees");
	}
	setenv("PATH", "/none", 1);
	cr_assert_eq(launch_find("here", path, sizeof(path)), -ENOENT);
}
