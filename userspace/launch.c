/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "launch.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct launch {
	pid_t pid;
	int go;	    /* writing a byte lets the child exec; closing it ends the child */
	int result; /* from here comes the child's errno if its exec fails, -errno if it could not
		     * become the user */
	char *name;
	bool released, ended;
	int status;
};

/* In the child: becomes the user, or returns the errno. */
static int become(const struct passwd *pw)
{
	if (!pw)
		return 0;
	if (initgroups(pw->pw_name, pw->pw_gid) || setgid(pw->pw_gid) || setuid(pw->pw_uid))
		return errno;
	setenv("HOME", pw->pw_dir, 1);
	setenv("USER", pw->pw_name, 1);
	setenv("LOGNAME", pw->pw_name, 1);
	return 0;
}

/* In the child: never returns. Signals are as the caller had them: what this tool blocks and
 * ignores must not reach the command. */
static void run_child(char **argv, const struct passwd *pw, int go, int result)
{
	sigset_t none;
	char byte;
	int err;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	if (read(go, &byte, 1) != 1)
		_exit(EXIT_FAILURE);
	err = -become(pw);
	if (!err) {
		execvp(argv[0], argv);
		err = errno;
	}
	while (write(result, &err, sizeof(err)) < 0 && errno == EINTR)
		;
	_exit(127);
}

int launch__start(char **argv, const char *user, struct launch **out, char *err, size_t len)
{
	struct launch *l = NULL;
	struct passwd *pw = NULL;
	int go[2] = {-1, -1}, result[2] = {-1, -1}, ret;

	errno = 0;
	if (user && !(pw = getpwnam(user))) {
		ret = errno ? -errno : -ENOENT;
		snprintf(err, len, "--user %s: there is no such user; getent passwd lists them", user);
		return ret;
	}
	l = calloc(1, sizeof(*l));
	if (!l || pipe2(go, O_CLOEXEC) || pipe2(result, O_CLOEXEC))
		goto fail;
	l->go = go[1];
	l->result = result[0];
	l->name = argv[0];
	l->pid = fork();
	if (l->pid < 0)
		goto fail;
	if (!l->pid) {
		/* this end is the parent's alone: its closing tells that the parent is gone */
		close(go[1]);
		close(result[0]);
		run_child(argv, pw, go[0], result[1]);
	}
	close(go[0]);
	close(result[1]);
	*out = l;
	return 0;
fail:
	ret = -errno;
	snprintf(err, len, "cannot start %s: %s", argv[0], strerror(-ret));
	for (int i = 0; i < 2; i++) {
		if (go[i] >= 0)
			close(go[i]);
		if (result[i] >= 0)
			close(result[i]);
	}
	free(l);
	return ret;
}

pid_t launch__pid(const struct launch *l)
{
	return l->pid;
}

int launch__go(struct launch *l, char *err, size_t len)
{
	int failed = 0;
	ssize_t n;

	l->released = true;
	if (write(l->go, "", 1) != 1) {
		failed = errno;
	} else {
		/* the exec closes it: nothing to read is success */
		do
			n = read(l->result, &failed, sizeof(failed));
		while (n < 0 && errno == EINTR);
		if (n != sizeof(failed))
			failed = 0;
	}
	if (failed > 0)
		snprintf(err, len, "cannot run %s: %s%s", l->name, strerror(failed),
			failed == EACCES ? ". May this user run it?" :
			failed == ENOEXEC ? ". Is it a program of this machine, or a script with #!?" : "");
	if (failed < 0)
		snprintf(err, len, "cannot run %s as that user: %s. It takes CAP_SETUID and CAP_SETGID",
			l->name, strerror(-failed));
	return failed < 0 ? failed : -failed;
}

bool launch__ended(struct launch *l, int *status)
{
	if (!l->ended && waitpid(l->pid, &l->status, WNOHANG) == l->pid)
		l->ended = true;
	*status = l->status;
	return l->ended;
}

void launch__free(struct launch *l)
{
	if (!l)
		return;
	close(l->go);
	close(l->result);
	if (!l->released && !l->ended)
		waitpid(l->pid, NULL, 0);
	free(l);
}

int launch_exit_status(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return 128 + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

static bool is_program(const char *path)
{
	struct stat st;

	return !access(path, X_OK) && !stat(path, &st) && S_ISREG(st.st_mode);
}

int launch_find(const char *name, char *path, size_t len)
{
	const char *dirs = getenv("PATH");

	if (strchr(name, '/'))
		return snprintf(path, len, "%s", name) < (int)len && is_program(path) ? 0 : -ENOENT;
	if (!dirs)
		dirs = "/usr/local/bin:/usr/bin:/bin";
	for (;;) {
		int n = (int)strcspn(dirs, ":");

		/* an empty one is the current directory */
		if (snprintf(path, len, "%.*s/%s", n ? n : 1, n ? dirs : ".", name) < (int)len &&
			is_program(path))
			return 0;
		if (!dirs[n])
			return -ENOENT;
		dirs += n + 1;
	}
}
