/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pyinstall.h"

#include <criterion/criterion.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include "scratch.h"

enum { MAX_SPECS = 8 };

static struct scratch room;
static struct checkpoint_spec all[MAX_SPECS];
static const struct checkpoint_spec *specs[MAX_SPECS];
static size_t n_specs;
static struct pyinstall *in;

/* Below the room, with the directories on the way there. */
static const char *at(const char *path)
{
	static char buf[PATH_MAX];

	snprintf(buf, sizeof(buf), "%s/%s", room.dir, path);
	for (char *slash = buf + strlen(room.dir) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		mkdir(buf, 0700);
		*slash = '/';
	}
	return buf;
}

static void put(const char *path, const char *text)
{
	scratch_write(at(path), text, strlen(text));
}

/* Below where packages of the machine's Python are in the environment. */
static const char *at_site(const char *path)
{
	char buf[PATH_MAX], real[PATH_MAX], *base;

	cr_assert(realpath("/usr/bin/python3", real));
	base = strrchr(real, '/') + 1;
	cr_assert_eq(strncmp(base, "python3.", 8), 0, "%s", real);
	cr_assert_lt(snprintf(buf, sizeof(buf), "venv/lib/%s/site-packages/%s", base, path),
		(int)sizeof(buf));
	return at(buf);
}

static void put_package(const char *path, const char *text)
{
	scratch_write(at_site(path), text, strlen(text));
}

static void begin(void)
{
	room = scratch__new();
	put("venv/pyvenv.cfg", "home = /nowhere/bin\ninclude-system-site-packages = false\n");
	cr_assert_eq(symlink("/usr/bin/python3", at("venv/bin/python3")), 0);
	put_package("pkg/__init__.py", "");
	put_package("pkg/a.py", "class A:\n  def f(self): pass\nclass B(A): pass\n");
	put_package("pkg/sub/b.py", "def g(): pass\n");
	put_package("pkg/fast.cpython-311-x86_64-linux-gnu.so", "");
	put_package("loose/c.py", "");
	put_package("Pkg-1.2.3.dist-info/METADATA", "");
}

static void end(void)
{
	pyinstall__free(in);
	for (size_t i = 0; i < n_specs; i++)
		spec__clear(&all[i]);
	scratch__free(&room);
}

TestSuite(pyinstall, .init = begin, .fini = end, .timeout = 60);

static void want(const char *text)
{
	char err[512];

	cr_assert_eq(spec__parse(text, &all[n_specs], err, sizeof(err)), 0, "%s", err);
	specs[n_specs] = &all[n_specs];
	n_specs++;
}

static void look_at(char *const *argv)
{
	pyinstall__free(in);
	in = pyinstall__new(specs, n_specs);
	cr_assert(in);
	pyinstall__command(in, argv);
}

#define look(...) look_at((char *[]){ __VA_ARGS__, NULL })

/* Why there can be no function of that spec; NULL: nothing is said. */
static void expect(size_t i, const char *why)
{
	const char *said = pyinstall__why(in, i);

	if (why)
		cr_expect_str_eq(said ?: "", why, "%s: %s", specs[i]->text, said ?: "nothing");
	else
		cr_expect_null(said, "%s: %s", specs[i]->text, said);
}

static char *python(void)
{
	static char path[PATH_MAX];

	return strcpy(path, at("venv/bin/python3"));
}

Test(pyinstall, what_a_version_has_and_has_not)
{
	want("py:pkg/a.py:A.f");
	want("py:pkg/a.py:B.f");
	want("py:pkg/new.py:f");
	want("py:other/x.py:f");
	look(python(), "-m", "pkg");
	expect(0, NULL);
	cr_expect_str_eq(pyinstall__package(in, 0), "pkg 1.2.3");
	cr_expect_str_eq(pyinstall__file(in, 0), at_site("pkg/a.py"));
	expect(1, "pkg/a.py of pkg 1.2.3 has no B.f");
	expect(2, "pkg 1.2.3 has no pkg/new.py");
	expect(3, NULL);
	cr_expect_null(pyinstall__file(in, 3));
}

Test(pyinstall, globs_and_modules)
{
	want("py:pkg/*.py:*.f");
	want("py:pkg/*.py:*.h");
	want("py:pkg.sub.b:g");
	want("py:pkg.sub.b:h");
	want("py:pkg.sub.c:g");
	want("py:*:A.f");
	want("py:pkg/sub/*.py:f");
	want("py:pkg/sub/x*.py:f");
	look(python(), "-c", "pass");
	expect(0, NULL);
	cr_expect_str_eq(pyinstall__file(in, 0), at_site("pkg/a.py"));
	expect(1, NULL); /* what is compiled may have it */
	cr_expect_null(pyinstall__file(in, 1));
	expect(2, NULL);
	expect(3, "pkg.sub.b of pkg 1.2.3 has no h");
	expect(4, "pkg 1.2.3 has no pkg.sub.c");
	expect(5, NULL);
	expect(6, "pkg/sub/*.py of pkg 1.2.3 has no f");
	expect(7, "pkg 1.2.3 has no pkg/sub/x*.py");
}

Test(pyinstall, nothing_is_said_of_what_is_not_certain)
{
	want("py:pkg/fast.py:f");
	want("py:loose/d.py:f"); /* without __init__.py: there may be another part of it */
	want("py:a.py:nope");
	want("py:<string>:f");
	want("py:pkg/a.py:<lambda>");
	look(python(), "-c", "pass");
	for (size_t i = 0; i < n_specs; i++)
		expect(i, NULL);
}

Test(pyinstall, what_is_inside_of_nothing_cannot_be_either)
{
	want("py:pkg/a.py:gone");
	want("libc.so.6:malloc inside py:pkg/a.py:gone");
	want("libc.so.6:malloc");
	look(python(), "-c", "pass");
	expect(1, "pkg/a.py of pkg 1.2.3 has no gone");
	cr_expect_str_eq(pyinstall__package(in, 1), "pkg 1.2.3");
	expect(2, NULL);
}

Test(pyinstall, a_script_says_by_which_python)
{
	char text[PATH_MAX + 64], script[PATH_MAX];

	want("py:pkg/a.py:nope");
	snprintf(text, sizeof(text), "#!%s\nimport pkg\n", python());
	put("venv/bin/tool", text);
	chmod(strcpy(script, at("venv/bin/tool")), 0700);
	look(script, "serve");
	expect(0, "pkg/a.py of pkg 1.2.3 has no nope");
	snprintf(text, sizeof(text), "#!/bin/sh\n'''exec' \"%s\" \"$0\" \"$@\"\n' '''\n", python());
	put("venv/bin/tool", text);
	look(script, "serve");
	expect(0, "pkg/a.py of pkg 1.2.3 has no nope");
	put("venv/bin/tool", "#!/bin/sh\nexec true\n");
	look(script, "serve");
	expect(0, NULL);
	look("/no/such/program");
	expect(0, NULL);
}

Test(pyinstall, packages_beside_the_script_in_PYTHONPATH_and_by_pth)
{
	char dir[PATH_MAX], script[PATH_MAX];

	want("py:own/m.py:f");
	put("app/own/__init__.py", "");
	put("app/own/m.py", "def g(): pass\n");
	put("app/main.py", "");
	strcpy(script, at("app/main.py"));
	strcpy(dir, at("app"));
	look(python(), "-X", "dev", "-W", "ignore", "-u", script);
	expect(0, "own/m.py of the installed version has no f");
	look(python(), "-c", "pass");
	expect(0, NULL);
	setenv("PYTHONPATH", dir, 1);
	look(python(), "-c", "pass");
	expect(0, "own/m.py of the installed version has no f");
	unsetenv("PYTHONPATH");
	strcat(dir, "\nimport something\n");
	put_package("__editable__.own.pth", dir);
	look(python(), "-c", "pass");
	expect(0, "own/m.py of the installed version has no f");
}

Test(pyinstall, one_that_has_it_is_enough)
{
	want("py:pkg/a.py:nope");
	put("app/pkg/__init__.py", "");
	put("app/pkg/a.py", "def nope(): pass\n");
	setenv("PYTHONPATH", at("app"), 1);
	look(python(), "-c", "pass");
	expect(0, NULL);
	unsetenv("PYTHONPATH");
	pyinstall__command(in, (char *[]){ python(), "-c", "pass", NULL });
	expect(0, NULL);
}

Test(pyinstall, a_process_and_none)
{
	pid_t pid;
	char byte;
	int out[2];

	want("py:pkg/a.py:nope");
	want("py:pkg/a.py:A.f");
	in = pyinstall__new(specs, n_specs);
	cr_assert_eq(pipe(out), 0);
	pid = fork();
	if (!pid) {
		dup2(out[1], 1);
		execl(python(), python(), "-c", "import time; print(flush=True); time.sleep(50)", NULL);
		_exit(1);
	}
	cr_assert_eq(read(out[0], &byte, 1), 1);
	pyinstall__process(in, pid);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	expect(0, "pkg/a.py of pkg 1.2.3 has no nope");
	expect(1, NULL);
	cr_expect(pyinstall__file(in, 1));
	pyinstall__process(in, pid);
	pyinstall__process(in, getpid());
	expect(0, "pkg/a.py of pkg 1.2.3 has no nope");
}
