/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace.h"

#include "elf_fixture.h"
#include "offspring.h"
#include "said.h"

static void set_up(void)
{
	make_dir();
	said__begin(1);
	said__begin(2);
}

TestSuite(list, .init = set_up, .fini = remove_dir, .timeout = 60);

#define LIST(...) list_run(&(struct options){ .lang = LANG_EN, __VA_ARGS__ })

static const char *make_library(char *spec, size_t len, const char *symbol)
{
	static const char source[] = "int mine(int a) { return a + 1; }\n";

	write_file("a.c", source, sizeof(source) - 1);
	run("cc -O1 -fcf-protection=none -shared -fPIC -o a.so a.c");
	snprintf(spec, len, "my label=%s:%s", path_of("a.so"), symbol);
	return spec;
}

Test(list, a_spec_is_shown_with_its_functions_and_what_each_costs)
{
	char spec[300], *argv[] = { "true", NULL };
	const char *specs[] = { make_library(spec, sizeof(spec), "mine") };

	cr_assert_eq(LIST(.argv = argv, .specs = specs, .n_specs = 1), 0);
	cr_assert_said(1, "before my label | after my label\n", "a.so:mine\n", "\n    mine\n",
		"a.so, address 0x", "from .dynsym", "first instruction: ",
		"return: probes on its exits\n");
	cr_assert_str_empty(said(2));
}

#ifdef __x86_64__
Test(list, a_probe_that_was_moved_is_shown_where_it_is)
{
	static const char code[] = ".globl mine\n.type mine,@function\nmine: endbr64\npush %rbp\n"
				   "pop %rbp\nret\n.size mine,.-mine\n";
	char spec[300], *argv[] = { "true", NULL };
	const char *specs[] = { spec };

	write_file("a.s", code, sizeof(code) - 1);
	run("cc -shared -nostdlib -o a.so a.s");
	snprintf(spec, sizeof(spec), "%s:mine", path_of("a.so"));
	cr_assert_eq(LIST(.argv = argv, .specs = specs, .n_specs = 1), 0);
	cr_assert_said(1, "first instruction: endbr64 (stepped); probed 4 bytes on: push rbp (emulated);");
}
#endif

Test(list, what_matches_nothing_is_shown_with_the_reason_and_is_no_failure)
{
	char spec[300], *argv[] = { "true", NULL };
	const char *specs[] = { make_library(spec, sizeof(spec), "mina"), "libno-such:f" };

	cr_assert_eq(LIST(.argv = argv, .specs = specs, .n_specs = 2), 0);
	cr_assert_said(1, "nothing matched: ", "has no function mina; nearest: mine",
		"no traced process has libno-such mapped");
}

Test(list, labels_are_those_of_the_language)
{
	char spec[300];
	const char *specs[] = { make_library(spec, sizeof(spec), "mine") };
	struct options opt = { .lang = LANG_ZH, .specs = specs, .n_specs = 1 };

	cr_assert_eq(list_run(&opt), 0);
	cr_assert_said(1, "my label之前 | my label之后\n");
}

Test(list, a_process_shows_its_profile)
{
	char *argv[] = { "redis-server", NULL }, *envp[] = { NULL };
	struct offspring o = offspring__exec("/bin/cat", argv, envp);

	cr_assert_eq(LIST(.pids = &o.pid, .n_pids = 1), 0);
	cr_assert_said(1, "before server initialisation | after server initialisation\n",
		":initServer, profile redis\n", "nothing matched: ");
	offspring__end(&o);
}

/* A Python that waits, as a test of this one makes it, with a function open. */
static pid_t start_python(int *end, const char *source)
{
	int fds[2], ready[2];
	char byte;
	pid_t pid;

	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	cr_assert_eq(pipe2(ready, O_CLOEXEC), 0);
	write_file("waits.py", source, strlen(source));
	pid = fork();
	if (!pid) {
		dup2(fds[0], 0);
		dup2(ready[1], 1);
		execl("/usr/bin/python3", "python3", path_of("waits.py"), NULL);
		_exit(127);
	}
	close(fds[0]);
	close(ready[1]);
	*end = fds[1];
	if (read(ready[0], &byte, 1) != 1)
		pid = 0; /* there is none on this machine */
	close(ready[0]);
	return pid;
}

static void end_python(pid_t pid, int end)
{
	close(end);
	waitpid(pid, NULL, 0);
}

Test(list, a_python_function_needs_no_probe_and_its_process_is_told_of)
{
	const char *specs[] = { "py:waits.py:Waiter.wait", "py:waits.py:other nth 2",
		"py:waits.py:f inside py:waits.py:g" };
	int end;
	pid_t pid = start_python(&end, "import sys, os\n"
				       "class Waiter:\n"
				       "    def wait(self):\n"
				       "        os.write(1, b'x')\n"
				       "        sys.stdin.read()\n"
				       "Waiter().wait()\n");

	if (!pid)
		cr_skip_test("no python3");
	cr_assert_eq(LIST(.pids = &pid, .n_pids = 1, .specs = specs, .n_specs = 3), 0);
	cr_assert_said(1, "before Waiter.wait | after Waiter.wait\n",
		"  py:waits.py:Waiter.wait\n    Python function, needs no probe\n    open now in process ",
		": Waiter.wait, line 3 of ",
		"  py:waits.py:other nth 2\n    Python function, needs no probe\nbefore f | after f\n",
		"(no row: others are to be inside of it)\n  py:waits.py:g\n",
		"CPython 3.", "its stacks would be looked at\n");
	cr_assert_str_empty(said(2));
	end_python(pid, end);
}

Test(list, a_python_function_in_what_is_no_python)
{
	char *argv[] = { "cat", NULL }, *envp[] = { NULL };
	struct offspring o = offspring__exec("/bin/cat", argv, envp);
	const char *specs[] = { "py:a.py:f" };

	cr_assert_eq(LIST(.pids = &o.pid, .n_pids = 1, .specs = specs, .n_specs = 1), 0);
	cr_assert_said(1, "  py:a.py:f\n    Python function, needs no probe\n",
		": there is no Python in it now\n");
	offspring__end(&o);
}

Test(list, without_specs_it_says_how_to_name_some)
{
	char *argv[] = { "true", NULL };

	cr_assert_eq(LIST(.argv = argv), 0);
	cr_assert_str_empty(said(1));
	cr_assert_said(2, "no specs: give -f or --profile");
}

Test(list, what_cannot_be_looked_at_is_a_failure)
{
	pid_t gone = 0x3fffffff;

	cr_assert_eq(LIST(.pids = &gone, .n_pids = 1), EXIT_TOOL_FAILED);
	cr_assert_said(2, "there is no such process");
	cr_assert_eq(LIST(.specs = (const char *[]){ "nonsense" }, .n_specs = 1), EXIT_TOOL_FAILED);
	cr_assert_said(2, "-f ", "nonsense");
}

Test(list, a_full_disk_is_a_failure)
{
	char spec[300];
	const char *specs[] = { make_library(spec, sizeof(spec), "mine") };
	int fd = open("/dev/full", O_WRONLY);

	cr_assert_eq(dup2(fd, 1), 1);
	cr_assert_eq(LIST(.specs = specs, .n_specs = 1), EXIT_TOOL_FAILED);
}
