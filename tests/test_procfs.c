/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "procfs.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/sysmacros.h>

#include "offspring.h"
#include "scratch.h"

#define GONE 0x3fffffff /* above every pid_max */

TestSuite(procfs, .timeout = 30);

/* --- titles ----------------------------------------------------------------------------------- */

Test(procfs, a_title_is_read_as_the_kernel_reads_it)
{
	static const struct {
		const char *raw;
		size_t raw_len, args;
		const char *title;
	} cases[] = {
		{ "a\0b c\0", 6, 6, "a b c" },
		{ "a\0b c\0ENV=1", 11, 6, "a b c" },	     /* the environment is not the title's */
		{ "server: idle\0", 13, 4, "server: idle" }, /* overwritten, beyond the arguments */
		{ "new\0ENV=1", 9, 2, "new" },
		{ "new     \0", 9, 9, "new" },		     /* padded with blanks, */
		{ "new\0\0\0\0\0", 8, 8, "new" },	     /* or with NUL */
		{ "a\0\0b\0", 5, 5, "a  b" },		     /* an empty argument */
		{ "abc\0def", 7, 100, "abc def" },	     /* longer than what was kept of it */
		{ "abcdefg", 7, 3, "abcdefg" },		     /* the end of the title, too */
		{ "abc", 3, 0, "" },
		{ "", 0, 0, "" },
		{ "\0\0\0", 3, 3, "" },
	};
	char buf[64];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		size_t n = procfs_title(cases[i].raw, cases[i].raw_len, cases[i].args, buf, sizeof(buf));

		cr_assert_str_eq(buf, cases[i].title, "case %zu: %s", i, buf);
		cr_assert_eq(n, strlen(cases[i].title));
	}
	cr_assert_eq(procfs_title("abcdef\0", 7, 7, buf, 4), 3);
	cr_assert_str_eq(buf, "abc");
}

/* The arguments of this process, and how much room there is up to the environment's end. */
static char *own_arguments(size_t *args, size_t *room)
{
	unsigned long start = 0, end = 0, env_end = 0;
	FILE *f = fopen("/proc/self/stat", "r");
	char line[2048], *at;

	cr_assert(f && fgets(line, sizeof(line), f));
	fclose(f);
	at = strrchr(line, ')');
	for (int field = 3; field <= 51; field++) {
		at = strchr(at, ' ') + 1;
		if (field == 48)
			start = strtoul(at, NULL, 10);
		if (field == 49)
			end = strtoul(at, NULL, 10);
		if (field == 51)
			env_end = strtoul(at, NULL, 10);
	}
	cr_assert(start && end > start && env_end >= end);
	*args = end - start;
	*room = env_end - start;
	return (char *)start;
}

Test(procfs, a_title_that_is_overwritten_reads_the_same_from_memory_and_from_proc)
{
	size_t args, room;
	char *title = own_arguments(&args, &room);
	char a[1 << 16], b[1 << 16], saved[1 << 16];

	room = room < sizeof(saved) ? room : sizeof(saved);
	memcpy(saved, title, room);
	for (int i = 0; i < 6; i++) {
		switch (i) {
		case 1: /* shorter, the rest cleared */
			memset(title, 0, args);
			memcpy(title, "ab", 2);
			break;
		case 2: /* shorter, the rest blank */
			memset(title, ' ', args);
			memcpy(title, "ab cd", 5);
			break;
		case 3: /* it goes on in the environment, if there is room */
			memset(title, 'x', args);
			if (room > args + 4)
				memcpy(title + args, "yz\0w", 4);
			break;
		case 4: /* a NUL in the middle, and none at the arguments' end */
			memset(title, 'x', args);
			title[args / 2] = '\0';
			break;
		case 5:
			memset(title, 0, args);
			break;
		}
		cr_assert_geq(procfs_cmdline(getpid(), a, sizeof(a)), 0);
		procfs_title(title, room, args, b, sizeof(b));
		memcpy(title, saved, room);
		cr_assert_str_eq(a, b, "case %d", i);
	}
}

Test(procfs, arguments_are_joined_by_blanks)
{
	char *argv[] = { "cat", "-", "", "-", NULL }, *envp[] = { NULL }, buf[64];
	struct offspring o = offspring__exec("/bin/cat", argv, envp);

	cr_assert_eq(procfs_cmdline(o.pid, buf, sizeof(buf)), 8);
	cr_assert_str_eq(buf, "cat -  -");
	cr_assert_eq(procfs_cmdline(o.pid, buf, 4), 3);
	cr_assert_str_eq(buf, "cat");
	offspring__end(&o);
	cr_assert_lt(procfs_cmdline(o.pid, buf, sizeof(buf)), 0);
	cr_assert_eq(procfs_cmdline(GONE, buf, sizeof(buf)), -ENOENT);
}

/* --- names ------------------------------------------------------------------------------------ */

static void take_name(void *name)
{
	prctl(PR_SET_NAME, name);
}

Test(procfs, a_name_is_read_whatever_is_in_it)
{
	static const char *const names[] = { "plain", "a\nb", "ends\n", ") Z 1 (", "fifteen-bytes-x" };
	struct offspring o;
	char buf[32];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		o = offspring__fork(take_name, (void *)names[i]);
		cr_assert_eq(procfs_comm(o.pid, buf, sizeof(buf)), (ssize_t)strlen(names[i]));
		cr_assert_str_eq(buf, names[i]);
		cr_assert_eq(procfs_state(o.pid), PROCFS_ALIVE, "%s", names[i]);
		offspring__end(&o);
	}
	cr_assert_eq(procfs_comm(GONE, buf, sizeof(buf)), -ENOENT);
}

Test(procfs, an_executable_that_was_deleted_keeps_its_path)
{
	struct scratch s = scratch__new();
	char *argv[] = { "x", NULL }, *envp[] = { NULL }, path[400], cmd[800];
	struct offspring o;

	snprintf(cmd, sizeof(cmd), "cp /bin/cat '%s'", s.file);
	cr_assert_eq(system(cmd), 0);
	o = offspring__exec(s.file, argv, envp);
	cr_assert_eq(procfs_exe(o.pid, path, sizeof(path)), (ssize_t)strlen(s.file));
	cr_assert_str_eq(path, s.file);
	unlink(s.file);
	cr_assert_eq(procfs_exe(o.pid, path, sizeof(path)), (ssize_t)strlen(s.file));
	cr_assert_str_eq(path, s.file);
	offspring__end(&o);
	cr_assert_eq(procfs_exe(GONE, path, sizeof(path)), -ENOENT);
	scratch__free(&s);
}

Test(procfs, the_environment_is_that_of_exec)
{
	char *argv[] = { "cat", NULL };
	char *envp[] = { "A=1", "EMPTY=", "", "LONG=x=y z", NULL };
	struct offspring o = offspring__exec("/bin/cat", argv, envp);
	char **env = procfs_environ(o.pid);

	cr_assert(env);
	cr_assert_str_eq(env[0], "A=1");
	cr_assert_str_eq(env[1], "EMPTY=");
	cr_assert_str_eq(env[2], "LONG=x=y z");
	cr_assert_null(env[3]);
	free(env);
	offspring__end(&o);
	envp[0] = NULL;
	o = offspring__exec("/bin/cat", argv, envp);
	env = procfs_environ(o.pid);
	cr_assert(env);
	cr_assert_null(env[0]);
	free(env);
	offspring__end(&o);
	cr_assert_null(procfs_environ(GONE));
}

/* --- states ----------------------------------------------------------------------------------- */

Test(procfs, a_process_lives_is_a_zombie_or_is_gone)
{
	struct offspring o = offspring__fork(NULL, NULL);
	char comm[32];
	siginfo_t si;

	cr_assert_eq(procfs_state(getpid()), PROCFS_ALIVE);
	cr_assert_eq(procfs_state(o.pid), PROCFS_ALIVE);
	close(o.stay);
	cr_assert_eq(waitid(P_PID, o.pid, &si, WEXITED | WNOWAIT), 0);
	cr_assert_eq(procfs_state(o.pid), PROCFS_ZOMBIE);
	cr_assert_eq(waitpid(o.pid, NULL, 0), o.pid);
	cr_assert_eq(procfs_state(o.pid), PROCFS_GONE);
	cr_assert_eq(procfs_state(GONE), PROCFS_GONE);
	/* in a container there is none to be seen */
	if (procfs_comm(2, comm, sizeof(comm)) > 0 && !strcmp(comm, "kthreadd"))
		cr_assert_eq(procfs_state(2), PROCFS_KTHREAD);
}

static void *wait_on_pipe(void *fds)
{
	pid_t tid = gettid();
	char byte;

	cr_assert_eq(write(((int *)fds)[3], &tid, sizeof(tid)), sizeof(tid));
	(void)!read(((int *)fds)[0], &byte, 1);
	return NULL;
}

Test(procfs, a_thread_belongs_to_its_process)
{
	pthread_t thread;
	int fds[4];
	pid_t tid;

	cr_assert(!pipe(fds) && !pipe(fds + 2));
	cr_assert_eq(pthread_create(&thread, NULL, wait_on_pipe, fds), 0);
	cr_assert_eq(read(fds[2], &tid, sizeof(tid)), sizeof(tid));
	cr_assert_neq(tid, getpid());
	cr_assert_eq(procfs_process_of(tid), getpid());
	cr_assert_eq(procfs_process_of(getpid()), getpid());
	cr_assert_eq(procfs_process_of(GONE), 0);
	close(fds[1]);
	pthread_join(thread, NULL);
}

/* A child that is number 1 in a namespace of its own, told by its parent; 0: not allowed here. */
static void in_a_namespace(void *pids)
{
	int *fds = pids, flags = CLONE_NEWPID | (geteuid() ? CLONE_NEWUSER : 0);
	pid_t pid;
	char byte;

	close(fds[3]);
	pid = unshare(flags) ? 0 : fork();
	if (!pid && getpid() == 1) {
		close(fds[1]);
		(void)!read(fds[2], &byte, 1);
		_exit(0);
	}
	if (pid > 0)
		(void)!write(fds[1], &pid, sizeof(pid));
	close(fds[1]);
}

Test(procfs, a_pid_of_a_namespace_is_found_by_what_it_is_there)
{
	pid_t found[256] = { 0 }, inner = 0;
	struct offspring o;
	bool there = false;
	int fds[4];
	size_t n;

	cr_assert(!pipe2(fds, O_CLOEXEC) && !pipe2(fds + 2, O_CLOEXEC));
	o = offspring__fork(in_a_namespace, fds);
	close(fds[1]);
	if (read(fds[0], &inner, sizeof(inner)) == sizeof(inner)) {
		n = procfs_find_inner(1, found, 256);
		cr_assert_geq(n, 1);
		for (size_t i = 0; i < n && i < 256; i++)
			there |= found[i] == inner;
		cr_assert(there);
		found[0] = 0;
		cr_assert_eq(procfs_find_inner(1, found, 0), n, "all are counted");
		cr_assert_eq(found[0], 0, "though none is wanted");
	}
	close(fds[3]);
	offspring__end(&o);
	/* who is in no other namespace is not found by the pid of this one */
	n = procfs_find_inner(getpid(), found, 256);
	for (size_t i = 0; i < n && i < 256; i++)
		cr_assert_neq(found[i], getpid());
	cr_assert_eq(procfs_find_inner(GONE, found, 256), 0);
}

/* --- mappings --------------------------------------------------------------------------------- */

struct seen {
	const void *at; /* wanted: the mapping here */
	struct procfs_map map;
	char path[400];
	int calls, stop_after, answer;
};

static int on_map(void *ctx, const struct procfs_map *map)
{
	struct seen *s = ctx;

	if ((uintptr_t)s->at >= map->start && (uintptr_t)s->at < map->end) {
		s->map = *map;
		snprintf(s->path, sizeof(s->path), "%s", map->path);
	}
	return ++s->calls == s->stop_after ? s->answer : 0;
}

Test(procfs, mappings_are_those_of_the_process)
{
	struct seen s = { .at = (void *)on_map };
	char exe[400];
	int local;

	cr_assert_eq(procfs_maps(getpid(), on_map, &s), 0);
	cr_assert_geq(procfs_exe(getpid(), exe, sizeof(exe)), 1);
	cr_assert_str_eq(s.path, exe);
	cr_assert(s.map.exec && s.map.inode && !s.map.deleted);
	cr_assert_gt(s.calls, 10);
	s.at = &local;
	cr_assert_eq(procfs_maps(getpid(), on_map, &s), 0);
	cr_assert_eq(s.map.inode, 0);
	cr_assert(!s.map.exec);
	s = (struct seen){ .stop_after = 3, .answer = 42 };
	cr_assert_eq(procfs_maps(getpid(), on_map, &s), 42);
	cr_assert_eq(s.calls, 3);
	cr_assert_eq(procfs_maps(GONE, on_map, &s), -ENOENT);
}

Test(procfs, a_mapped_file_is_told_with_place_and_path_whatever_its_name)
{
	static const char *const names[] = { "plain", "a b", "line\nend", "back\\slash", "x (deleted) y" };
	struct scratch s = scratch__new();
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct seen seen = { .calls = 0 };
	struct stat st;
	char path[400];
	void *mem;
	int fd;

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		snprintf(path, sizeof(path), "%s/%s", s.dir, names[i]);
		fd = open(path, O_RDWR | O_CREAT, 0600);
		cr_assert(fd >= 0 && !ftruncate(fd, 2 * (off_t)page) && !fstat(fd, &st));
		mem = mmap(NULL, page, PROT_READ, MAP_PRIVATE, fd, (off_t)page);
		cr_assert_neq(mem, MAP_FAILED);
		close(fd);
		seen.at = mem;
		cr_assert_eq(procfs_maps(getpid(), on_map, &seen), 0);
		cr_assert_str_eq(seen.path, path);
		cr_assert_eq(seen.map.offset, page);
		cr_assert_eq(seen.map.inode, st.st_ino);
		cr_assert_eq(seen.map.start, (uintptr_t)mem);
		cr_assert_eq(seen.map.end, (uintptr_t)mem + page);
		cr_assert(!seen.map.exec && !seen.map.deleted);
		unlink(path);
		cr_assert_eq(procfs_maps(getpid(), on_map, &seen), 0);
		cr_assert_str_eq(seen.path, path);
		cr_assert(seen.map.deleted);
		munmap(mem, page);
	}
	scratch__free(&s);
}

/* A child that does that; the caller ends it. */
static pid_t child_that(bool spins)
{
	pid_t pid = fork();

	if (!pid)
		for (;;)
			if (!spins)
				pause();
	cr_assert_gt(pid, 0);
	return pid;
}

static bool comes_to(pid_t pid, bool rests)
{
	for (int i = 0; i < 2000; i++) {
		if (procfs_rests(pid) == rests)
			return true;
		usleep(1000);
	}
	return false;
}

Test(procfs, a_process_rests_while_all_its_threads_sleep)
{
	pid_t pid = child_that(false);

	cr_expect(comes_to(pid, true));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	cr_expect_not(procfs_rests(pid), "it is gone");
	pid = child_that(true);
	cr_expect(comes_to(pid, false));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}
