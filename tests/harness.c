/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "harness.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_CHILDREN 64
#define INIT_PID_NS 0xEFFFFFFCU /* PROC_PID_INIT_INO: include/linux/proc_ns.h */

/* Criterion runs every test in a process of its own, so these belong to one test. */
static char dir[PATH_MAX];
static pid_t children[MAX_CHILDREN];
static int n_children;

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	return remove(path);
}

/* Runs also when an assertion of the test fails. */
static void clean_up(void)
{
	for (int i = 0; i < n_children; i++) {
		if (!children[i])
			continue;
		kill(children[i], SIGKILL);
		waitpid(children[i], NULL, 0);
	}
	if (*dir && !getenv("RAMTRACE_KEEP"))
		nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

const char *harness_tool(void)
{
	static char path[PATH_MAX];
	const char *build = getenv("RAMTRACE_BUILD");

	snprintf(path, sizeof(path), "%s/ramtrace-bpf", build ? build : "build");
	return path;
}

const char *harness_target(const char *name)
{
	static char path[PATH_MAX];
	const char *build = getenv("RAMTRACE_BUILD");

	snprintf(path, sizeof(path), "%s/targets/%s", build ? build : "build", name);
	return path;
}

/* Asked of the kernel, not of the tool: one that fails must not skip its own tests. 0 or an errno. */
static int try_bpf(void)
{
	static const struct bpf_insn nothing[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K},
		{.code = BPF_JMP | BPF_EXIT},
	};
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_KPROBE,
		.insns = (uintptr_t)nothing,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};
	int fd = syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr));

	if (fd < 0)
		return errno;
	close(fd);
	return 0;
}

void harness_need_kernel(void)
{
	const char *why = NULL;
	struct stat ns;
	int err;

	if (geteuid())
		why = "not root";
	else if (access("/sys/kernel/btf/vmlinux", R_OK))
		why = "no BTF";
	else if (!stat("/proc/self/ns/pid", &ns) && ns.st_ino != INIT_PID_NS)
		why = "not in the first pid namespace";
	else if ((err = try_bpf()))
		why = strerror(err);
	if (!why)
		return;
	if (getenv("RAMTRACE_REQUIRE_KERNEL"))
		cr_assert_fail("this test needs BPF: %s", why);
	cr_skip_test("needs BPF: %s", why);
}

const char *harness_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (*dir)
		return dir;
	snprintf(dir, sizeof(dir), "%s/ramtrace-test-XXXXXX", tmp ? tmp : "/tmp");
	if (!mkdtemp(dir))
		cr_assert_fail("mkdtemp %s: %s", dir, strerror(errno));
	chmod(dir, 0755);
	atexit(clean_up);
	return dir;
}

const char *harness_path(const char *name)
{
	char *path;

	if (asprintf(&path, "%s/%s", harness_dir(), name) < 0)
		cr_assert_fail("no memory");
	return path;
}

static int open_output(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

	if (fd < 0)
		cr_assert_fail("%s: %s", path, strerror(errno));
	return fd;
}

/* In the place of one that has ended, if there is one. */
static void remember(pid_t pid)
{
	int at = 0;

	while (at < n_children && children[at])
		at++;
	if (at == MAX_CHILDREN)
		cr_assert_fail("more than %d processes at a time", MAX_CHILDREN);
	if (at == n_children)
		n_children++;
	children[at] = pid;
}

/* A shell that runs this in the background has it, and all that it starts, ignore these. What is
 * started here is to be as from a terminal: no script can trap what was ignored before it. */
static void default_signals(void)
{
	signal(SIGHUP, SIG_DFL);
	signal(SIGINT, SIG_DFL);
	signal(SIGQUIT, SIG_DFL);
}

struct child child_start(const char *name, const char *const *argv)
{
	char file[256];
	struct child c;
	int out, err, null;

	snprintf(file, sizeof(file), "%s.out", name);
	c.out = harness_path(file);
	snprintf(file, sizeof(file), "%s.err", name);
	c.err = harness_path(file);
	out = open_output(c.out);
	err = open_output(c.err);
	null = open("/dev/null", O_RDONLY | O_CLOEXEC);
	c.pid = fork();
	if (c.pid < 0)
		cr_assert_fail("fork: %s", strerror(errno));
	if (!c.pid) {
		default_signals();
		dup2(null, 0);
		dup2(out, 1);
		dup2(err, 2);
		execvp(argv[0], (char *const *)argv);
		dprintf(2, "cannot run %s: %s\n", argv[0], strerror(errno));
		_exit(127);
	}
	close(out);
	close(err);
	close(null);
	remember(c.pid);
	return c;
}

static void forget(pid_t pid)
{
	for (int i = 0; i < n_children; i++)
		if (children[i] == pid)
			children[i] = 0;
}

static void nap(void)
{
	nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

int child_wait(struct child *c, int seconds)
{
	double end = now() + seconds;
	int status;

	while (waitpid(c->pid, &status, WNOHANG) != c->pid) {
		if (now() > end) {
			char *err = file_text(c->err);

			kill(c->pid, SIGKILL);
			cr_assert_fail("pid %d did not end within %d s; it said: %s", c->pid, seconds, err);
		}
		nap();
	}
	forget(c->pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void child_signal(struct child *c, int sig)
{
	if (kill(c->pid, sig))
		cr_assert_fail("kill %d: %s", c->pid, strerror(errno));
}

void child_await(struct child *c, const char *path, const char *text, int seconds)
{
	double end = now() + seconds;
	siginfo_t si = {0};

	for (;;) {
		char *have = file_text(path);
		bool there = strstr(have, text) != NULL;

		if (there) {
			free(have);
			return;
		}
		if (!waitid(P_PID, c->pid, &si, WEXITED | WNOHANG | WNOWAIT) && si.si_pid == c->pid)
			cr_assert_fail("pid %d ended without saying \"%s\": %s%s", c->pid, text, have,
				file_text(c->err));
		if (now() > end)
			cr_assert_fail("pid %d did not say \"%s\" within %d s: %s", c->pid, text, seconds, have);
		free(have);
		nap();
	}
}

static bool has_option(const char *const *args, const char *option)
{
	for (; *args && strcmp(*args, "--"); args++)
		if (!strncmp(*args, option, strlen(option)))
			return true;
	return false;
}

struct child tool_start(const char *name, const char *const *args)
{
	const char *argv[128] = {harness_tool()};
	char file[256];
	int n = 1;

	if (!has_option(args, "--format")) {
		argv[n++] = "--format";
		argv[n++] = "jsonl";
	}
	if (!has_option(args, "-o") && !has_option(args, "--output")) {
		snprintf(file, sizeof(file), "%s.jsonl", name);
		argv[n++] = "-o";
		argv[n++] = harness_path(file);
	}
	while (*args && n < 127)
		argv[n++] = *args++;
	return child_start(name, argv);
}

struct child tool_attach(const char *name, const char *const *args)
{
	struct child c = tool_start(name, args);

	child_await(&c, c.err, "Ctrl-C ends it", 30);
	return c;
}

json_t *rows_load(const char *path)
{
	json_t *rows = json_array(), *row;
	char *text = file_text(path), *save = NULL;
	json_error_t err;

	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		row = json_loads(line, 0, &err);
		if (!row)
			cr_assert_fail("%s: not JSON (%s): %s", path, err.text, line);
		json_array_append_new(rows, row);
	}
	free(text);
	return rows;
}

static bool row_has(const json_t *row, va_list ap)
{
	const char *key, *value, *have;
	va_list pairs;
	bool ok = true;

	va_copy(pairs, ap);
	while (ok && (key = va_arg(pairs, const char *))) {
		value = va_arg(pairs, const char *);
		have = json_string_value(json_object_get(row, key));
		ok = have && !strcmp(have, value);
	}
	va_end(pairs);
	return ok;
}

json_t *rows_find(json_t *rows, size_t nth, ...)
{
	json_t *row, *found = NULL;
	va_list ap;
	size_t i;

	va_start(ap, nth);
	json_array_foreach(rows, i, row)
	{
		if (!row_has(row, ap) || nth--)
			continue;
		found = row;
		break;
	}
	va_end(ap);
	return found;
}

size_t rows_count(json_t *rows, ...)
{
	size_t i, n = 0;
	json_t *row;
	va_list ap;

	va_start(ap, rows);
	json_array_foreach(rows, i, row)
		n += row_has(row, ap);
	va_end(ap);
	return n;
}

int64_t row_int(const json_t *row, const char *key)
{
	const json_t *v = json_object_get(row, key);

	if (!json_is_integer(v))
		cr_assert_fail("a row has no number %s: %s", key, json_dumps(row, 0));
	return json_integer_value(v);
}

const char *row_str(const json_t *row, const char *key)
{
	const char *v = json_string_value(json_object_get(row, key));

	return v ? v : "";
}

bool row_true(const json_t *row, const char *key)
{
	return json_is_true(json_object_get(row, key));
}

char *file_text(const char *path)
{
	size_t have = 0, room = 1 << 16;
	char *text = malloc(room);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = 0;

	if (fd < 0 || !text)
		cr_assert_fail("%s: %s", path, strerror(errno));
	while ((n = read(fd, text + have, room - 1 - have)) > 0) {
		have += n;
		if (have == room - 1)
			text = realloc(text, room *= 2);
	}
	close(fd);
	text[have] = '\0';
	return text;
}

int shell(const char *command, char **out)
{
	const char *argv[] = {"sh", "-c", command, NULL};
	struct child c = child_start("shell", argv);
	int status = child_wait(&c, 120);

	if (out)
		*out = file_text(c.out);
	return status;
}
