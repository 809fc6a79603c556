/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Processes: fork, vfork and posix_spawn within probed functions, a chain of execs, a thousand
 * short lives, and ends within a probed function.
 * usage: births TRUTH run|wait WHAT [ARGS]
 */
#include <pthread.h>
#include <spawn.h>
#include <sys/wait.h>

#include "unharmed.h"

extern char **environ;

#define GENERATIONS 5

static char *self, *leaf, *truth;
static int *volatile nowhere;

static int ended(pid_t pid)
{
	int status;

	if (waitpid(pid, &status, 0) != pid)
		return -1;
	return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

PROBED int p_of_child(int n)
{
	grow(1);
	return n + 1;
}

/* --- fork, in the middle of two spans -------------------------------------------------------- */

PROBED pid_t p_forks(int n)
{
	pid_t pid;

	grow(1);
	pid = fork();
	if (!pid) {
		settle();
		tell("p_of_child", "entry", "-");
		p_of_child(n);
		tell("p_of_child", "return", "-");
		if (n % 4 == 3) {
			tell("p_forks", "return", "ie");
			tell("p_calls_fork", "return", "ie");
			_exit(3);
		}
	}
	grow(1);
	return pid;
}

PROBED pid_t p_calls_fork(int n)
{
	pid_t pid;

	grow(1);
	tell("p_forks", "entry", "-");
	pid = p_forks(n);
	tell("p_forks", "return", pid ? "-" : "i");
	grow(1);
	return pid;
}

static void *fork_some(void *arg)
{
	int sum = 0;

	warm_stack();
	for (int i = 0; i < 8; i++) {
		pid_t pid;

		tell("p_calls_fork", "entry", "-");
		pid = p_calls_fork(i);
		tell("p_calls_fork", "return", pid ? "-" : "i");
		if (!pid)
			_exit(10 + i);
		sum = sum * 3 + ended(pid);
	}
	printf("forked %d\n", sum);
	return arg;
}

static void fork_from_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, fork_some, NULL) || pthread_join(thread, NULL))
		_exit(97);
}

/* A chain of forks, each within the function that its parent was in. */
PROBED int p_descends(int left)
{
	pid_t pid;
	int v = 0;

	grow(1);
	if (!left)
		return 0;
	pid = fork();
	if (!pid)
		settle();
	if (pid) {
		v = ended(pid);
	} else {
		tell("p_descends", "entry", "-");
		v = p_descends(left - 1);
		tell("p_descends", "return", "-");
		for (int i = left; i <= GENERATIONS; i++)
			tell("p_descends", "return", "ie");
		_exit(v + left);
	}
	return v;
}

/* Many spans are open when it forks, and both go back through them all. */
PROBED pid_t p_dives(int left)
{
	pid_t pid;

	if (!left) {
		pid = fork();
		if (!pid)
			settle();
		return pid;
	}
	tell("p_dives", "entry", "-");
	pid = p_dives(left - 1);
	tell("p_dives", "return", pid ? "-" : "i");
	if (left % 10 == 0)
		grow(1);
	return pid;
}

static void dive(void)
{
	pid_t pid;

	tell("p_dives", "entry", "-");
	pid = p_dives(100);
	tell("p_dives", "return", pid ? "-" : "i");
	if (!pid)
		_exit(60);
	printf("dived %d\n", ended(pid));
}

/* --- on the parent's memory ------------------------------------------------------------------ */

PROBED int p_vforks(int n)
{
	pid_t pid;

	grow(1);
	pid = vfork();
	if (!pid) {
		tell("p_of_child", "entry", "b");
		p_of_child(n);
		tell("p_of_child", "return", "b");
		if (n & 1)
			execl(leaf, leaf, truth, "run", "end", NULL);
		_exit(n);
	}
	grow(1);
	return ended(pid);
}

PROBED int p_spawns(int n)
{
	char *argv[] = {leaf, truth, "run", "end", NULL};
	pid_t pid;

	grow(1 + n % 2);
	if (posix_spawn(&pid, leaf, NULL, NULL, argv, environ))
		return -1;
	grow(1);
	return ended(pid);
}

static void borrow(void)
{
	int sum = 0;

	for (int i = 0; i < 8; i++) {
		tell("p_vforks", "entry", "-");
		sum = sum * 3 + p_vforks(i);
		tell("p_vforks", "return", "o");
		tell("p_spawns", "entry", "-");
		sum = sum * 3 + p_spawns(i);
		tell("p_spawns", "return", "o");
	}
	printf("borrowed %d\n", sum);
}

/* --- exec ------------------------------------------------------------------------------------ */

/* births -> leaf -> births ..., each time within a probed function. */
PROBED void p_execs(int left)
{
	char number[16];

	snprintf(number, sizeof(number), "%d", left);
	grow(2);
	tell("p_execs", "return", "e");
	execl(leaf, leaf, truth, "run", "chain", number, self, NULL);
}

/* --- many ------------------------------------------------------------------------------------ */

static void thousand(void)
{
	pid_t pids[20];
	long sum = 0;

	for (int round = 0; round < 50; round++) {
		for (int i = 0; i < 20; i++) {
			pids[i] = fork();
			if (!pids[i])
				_exit(p_of_child(i) + round % 5);
		}
		for (int i = 0; i < 20; i++)
			sum += ended(pids[i]);
	}
	printf("lived %ld\n", sum);
}

/* --- ends ------------------------------------------------------------------------------------ */

PROBED void p_ends(const char *way)
{
	grow(2);
	/* exit has work to do first; a thread does not end alone */
	tell("p_ends", "return",
		strcmp(way, "exit") && getpid() == syscall(SYS_gettid) ? "e" : "e?");
	if (!strcmp(way, "_exit"))
		_exit(41);
	if (!strcmp(way, "exit"))
		exit(42);
	if (!strcmp(way, "kill"))
		kill(getpid(), SIGKILL);
	if (!strcmp(way, "segv"))
		*nowhere = 0;
	abort();
}

static void *ends(void *arg)
{
	warm_stack();
	tell("p_ends", "entry", "-");
	p_ends(arg);
	return arg;
}

static void end_in_thread(char *way)
{
	pthread_t thread;

	if (!pthread_create(&thread, NULL, ends, way))
		pthread_join(thread, NULL);
}

int main(int argc, char **argv)
{
	const char *what = argc > 3 ? argv[3] : "";
	char *arg = argc > 4 ? argv[4] : "0";
	char path[4096];

	self = argv[0];
	truth = argv[1];
	snprintf(path, sizeof(path), "%.*sleaf", (int)(strrchr(self, '/') + 1 - self), self);
	leaf = path;
	unharmed_begin(argc, argv);
	if (!strcmp(what, "fork")) {
		fork_some(NULL);
	} else if (!strcmp(what, "thread-fork")) {
		fork_from_thread();
	} else if (!strcmp(what, "descend")) {
		tell("p_descends", "entry", "-");
		printf("descended %d\n", p_descends(GENERATIONS));
		tell("p_descends", "return", "-");
	} else if (!strcmp(what, "dive")) {
		dive();
	} else if (!strcmp(what, "borrow")) {
		borrow();
	} else if (!strcmp(what, "chain")) {
		tell("p_execs", "entry", "-");
		p_execs(atoi(arg));
	} else if (!strcmp(what, "thousand")) {
		thousand();
	} else if (!strcmp(what, "end")) {
		ends(arg);
	} else if (!strcmp(what, "thread-end")) {
		end_in_thread(arg);
	}
	return unharmed_end(9);
}
