/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Against each Python that this machine has: python3, ~/.pyenv/versions, and the programs that
 * RAMTRACE_PYTHONS names. None of it needs root.
 */
#include "python.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include "pytext.h"
#include "python_internal.h"
#include "pythons.h"
#include "scratch.h"

static const char script[] =
	"# -*- coding: utf-8 -*-\n"
	"import gc, sys, threading, time\n"
	"class Wagen:\n"
	"    def größe(self):\n"
	"        def inner():\n"
	"            sys.stdout.write('%d %d %d %d %d\\n' % (sys.hexversion >> 16,\n"
	"                hasattr(sys, 'pypy_version_info') or 't' in getattr(sys, 'abiflags', ''),\n"
	"                threading.current_thread().ident, worker.ident,\n"
	"                sum(s['collections'] for s in gc.get_stats())))\n"
	"            sys.stdout.flush()\n"
	"            sys.stdin.read()\n"
	"        inner()\n"
	"def down(n):\n"
	"    if n:\n"
	"        return down(n - 1)\n"
	"    lock.release()\n"
	"    time.sleep(1000)\n"
	"gc.disable()\n"
	"gc.collect(); gc.collect(1); gc.collect(0)\n"
	"lock = threading.Lock()\n"
	"lock.acquire()\n"
	"worker = threading.Thread(target=down, args=(200,))\n"
	"worker.daemon = True\n"
	"worker.start()\n"
	"lock.acquire()\n"
	"Wagen().größe()\n";

struct python {
	const char *path;
	pid_t pid;
	int in;
	/* what it says of itself */
	unsigned int version, odd;
	unsigned long long main_ident, worker_ident, collections;
};

static void start(struct python *py, const char *path, const char *file)
{
	int in[2], out[2];
	FILE *said;

	*py = (struct python){ .path = path };
	cr_assert_eq(pipe(in), 0);
	cr_assert_eq(pipe(out), 0);
	py->pid = fork();
	if (!py->pid) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[1]);
		close(out[0]);
		execl(path, path, file, (char *)NULL);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	py->in = in[1];
	said = fdopen(out[0], "r");
	cr_assert_eq(fscanf(said, "%u %u %llu %llu %llu", &py->version, &py->odd, &py->main_ident,
			     &py->worker_ident, &py->collections), 5, "%s", path);
	fclose(said);
}

static void stop(struct python *py)
{
	kill(py->pid, SIGKILL);
	waitpid(py->pid, NULL, 0);
	close(py->in);
}

struct seen {
	const struct python *py;
	const char *file;
	size_t mains, workers;
	pid_t worker_tid;
};

static int on_thread(void *ctx, const struct python_thread *t)
{
	struct seen *seen = ctx;
	const char *qual = seen->py->version < 0x30b ? "" : "Wagen.größe.<locals>.";
	const struct python_frame *f = t->frames;
	char want[64];

	cr_assert_not(t->cut);
	if (t->ident == seen->py->main_ident) {
		seen->mains++;
		cr_assert_eq(t->n_frames, 3, "%s: %zu", seen->py->path, t->n_frames);
		snprintf(want, sizeof(want), "%sinner", qual);
		cr_assert_str_eq(f[0].qualname, want);
		cr_assert_str_eq(f[1].qualname, *qual ? "Wagen.größe" : "größe");
		cr_assert_str_eq(f[2].qualname, "<module>");
		cr_assert_eq(f[0].firstlineno, 5);
		cr_assert_eq(f[1].firstlineno, 4);
		cr_assert_str_eq(f[0].filename, seen->file);
		cr_assert_eq(f[0].globals, f[2].globals);
		cr_assert_eq(t->tid, seen->py->pid);
	} else if (t->ident == seen->py->worker_ident) {
		seen->workers++;
		cr_assert_geq(t->n_frames, 202);
		for (size_t i = 0; i < 201; i++)
			cr_assert_str_eq(f[i].qualname, "down");
		cr_assert_eq(f[0].code, f[200].code);
		cr_assert_neq(f[0].address, f[1].address);
		seen->worker_tid = t->tid;
	}
	return 0;
}

static void check_running(struct python_files *files, const struct python *py, const char *file)
{
	struct seen seen = { .py = py, .file = file };
	struct python_sites sites;
	char why[256], path[64];
	uint64_t collections;
	struct rt_py out;
	int err;

	err = python__find(files, py->pid, &out, why, sizeof(why));
	cr_assert_eq(err, 0, "%s: %d %s", py->path, err, why);
	cr_assert_eq(out.version, py->version);
	cr_assert_eq(out.frame_bytes % 8, 0);
	cr_assert_leq(out.frame_bytes, RT_PY_FRAME_LEN);
	err = python__check(py->pid, &out, why, sizeof(why));
	cr_assert_eq(err, 0, "%s: %d %s", py->path, err, why);
	cr_assert_eq(python__threads(py->pid, &out, on_thread, &seen), 0);
	cr_assert_eq(seen.mains, 1, "%s", py->path);
	cr_assert_eq(seen.workers, 1, "%s", py->path);
	snprintf(path, sizeof(path), "/proc/%d/task/%d", py->pid, seen.worker_tid);
	cr_assert_eq(access(path, F_OK), 0, "%s: thread %d", py->path, seen.worker_tid);
	cr_assert_neq(seen.worker_tid, py->pid);
	err = python__collections(py->pid, &out, &collections);
	cr_assert_eq(err, py->version < 0x30f ? 0 : -ENODATA);
	if (!err)
		cr_assert_eq(collections, py->collections, "%s", py->path);
	err = python__entry_sites(files, py->pid, &sites, why, sizeof(why));
	cr_assert_eq(err, 0, "%s: %d %s", py->path, err, why);
	cr_assert_str_eq(sites.symbol[0],
		py->version < 0x30b ? "_PyEval_EvalFrameDefault" : "_PyEvalFramePushAndInit");
}

Test(python, each_python_of_this_machine_is_found_and_walked)
{
	struct scratch s = scratch__new();
	struct python_files *files = python_files__new("");
	struct pythons all = { 0 };
	char why[256], file[320];
	size_t walked = 0;
	struct rt_py out;
	struct python py;

	find_pythons(&all);
	snprintf(file, sizeof(file), "%s/wagen.py", s.dir);
	scratch_write(file, script, sizeof(script) - 1);
	cr_assert_gt(all.n, 0, "no python3 in PATH");
	for (size_t i = 0; i < all.n; i++) {
		start(&py, all.path[i], file);
		if (py.odd || py.version < 0x308) {
			cr_assert_eq(python__find(files, py.pid, &out, why, sizeof(why)), -ENOTSUP,
				"%s", py.path);
			cr_assert_str_not_empty(why);
		} else {
			check_running(files, &py, file);
			check_running(files, &py, file); /* from what is remembered */
			walked++;
		}
		stop(&py);
		free(all.path[i]);
	}
	cr_assert_gt(walked, 0);
	python_files__free(files);
	scratch__free(&s);
}

Test(python, a_process_without_it_has_none)
{
	struct python_files *files = python_files__new("");
	struct rt_py out;
	char why[128];

	cr_assert_eq(python__find(files, getpid(), &out, why, sizeof(why)), -ENOENT);
	cr_assert_str_empty(why);
	cr_assert_eq(python__find(files, getpid(), &out, why, sizeof(why)), -ENOENT);
	cr_assert_neq(python__find(files, INT_MAX, &out, why, sizeof(why)), 0);
	python_files__free(files);
	python_files__free(NULL);
}

Test(python, what_is_no_interpreter_does_not_pass_the_check)
{
	uint64_t nothing[64] = { 0 }, junk[64];
	struct rt_py py;
	char why[128];

	cr_assert_eq(python_layout__known(PYTHON_VERSION(3, 11), &py), 0);
	py.interpreters = (uintptr_t)nothing;
	cr_assert_eq(python__check(getpid(), &py, why, sizeof(why)), -EAGAIN);
	cr_assert(strstr(why, "not started"));
	/* An interpreter with a thread whose frame is itself, for ever. */
	for (size_t i = 0; i < 64; i++)
		junk[i] = (uintptr_t)junk;
	py.interpreters = (uintptr_t)junk;
	cr_assert_eq(python__check(getpid(), &py, why, sizeof(why)), -ENOTSUP);
	py.interpreters = 8;
	cr_assert_eq(python__check(getpid(), &py, why, sizeof(why)), -ENOTSUP);
}

Test(python, layouts_by_table)
{
	static const int frames[] = { 112, 112, 104, 72, 72 };
	struct rt_py py;

	for (uint32_t minor = 8; minor <= 12; minor++) {
		cr_assert_eq(python_layout__known(PYTHON_VERSION(3, minor), &py), 0);
		cr_assert_eq(py.version, PYTHON_VERSION(3, minor));
		cr_assert_eq(!!(py.flags & RT_PY_LASTI), minor <= 10);
		cr_assert_eq(!!(py.flags & RT_PY_GC_IN_RUNTIME), minor == 8);
		cr_assert_eq(py.code_qualname == RT_PY_NONE, minor <= 10);
		cr_assert_eq(py.cframe_frame == RT_PY_NONE, minor <= 10);
		cr_assert_eq(py.frame_bytes, frames[minor - 8]);
	}
	cr_assert_eq(python_layout__known(PYTHON_VERSION(3, 7), &py), -ENOTSUP);
	cr_assert_eq(python_layout__known(PYTHON_VERSION(3, 13), &py), -ENOTSUP);
	cr_assert_eq(python_layout__known(PYTHON_VERSION(2, 12), &py), -ENOTSUP);
}

/* As 3.14 fills it, as far as it is looked at. */
static void describe(uint64_t *runtime, uint64_t version)
{
	memset(runtime, 0, PYTHON_OFFSETS_LEN);
	memcpy(runtime, "xdebugpy", 8);
	runtime[1] = version;
	runtime[40 / 8] = 808;
	runtime[64 / 8] = 7272;
	runtime[72 / 8] = 7344;
	runtime[88 / 8] = 7408;
	runtime[192 / 8] = 8;
	runtime[208 / 8] = 72;
	runtime[216 / 8] = 152;
	runtime[256 / 8] = 8;
	runtime[272 / 8] = 56;
	runtime[288 / 8] = 74;
	runtime[320 / 8] = 112;
	runtime[328 / 8] = 120;
	runtime[336 / 8] = 128;
	runtime[352 / 8] = 68;
	runtime[640 / 8] = 40;
	runtime[656 / 8] = 192;
}

Test(python, layouts_as_published)
{
	uint64_t runtime[PYTHON_OFFSETS_LEN / 8];
	const char *why;
	struct rt_py py;
	bool unsure;

	describe(runtime, 0x030e0af0);
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), 0);
	cr_assert_not(unsure);
	cr_assert_eq(py.version, 0x030e);
	cr_assert_eq(py.interpreters, 808);
	cr_assert_eq(py.flags, RT_PY_TAGGED);
	cr_assert_eq(py.frame_bytes, 80);
	cr_assert_eq(py.compact_size, 56);
	cr_assert_eq(py.gc_stats, 7528);
	runtime[1] = 0x030e00b1; /* a beta */
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), 0);
	cr_assert(unsure);
	runtime[288 / 8] = 4096; /* an owner beyond any frame */
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), -ENOTSUP);
	describe(runtime, 0x030e0af0);
	runtime[2] = 1;
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), -ENOTSUP);
	cr_assert(strstr(why, "free-threaded"));
	describe(runtime, 0x030c01f0); /* 3.12 has no such thing */
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), -ENOTSUP);
	memset(runtime + 2, 0, sizeof(runtime) - 16);
	runtime[1] = 0x031000f0;
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), -ENOTSUP);
	runtime[0] = 0;
	cr_assert_eq(python_layout__published(runtime, &py, &unsure, &why), -ENODATA);
}

Test(python, names_of_files_tell_the_version)
{
	static const struct {
		const char *path;
		uint32_t version;
		bool threaded;
	} cases[] = {
		{ "/usr/lib/libpython3.11.so.1.0", 0x030b, false },
		{ "/opt/python3.9/bin/python3.10", 0x030a, false },
		{ "/usr/lib/libpython3.6m.so.1.0", 0x0306, false },
		{ "/usr/bin/python2.7", 0x0207, false },
		{ "/usr/bin/python3.13t", 0x030d, true },
		{ "/usr/lib/libpython3.14t.so.1.0", 0x030e, true },
		{ "/x/_ssl.cpython-38-x86_64-linux-gnu.so", 0x0308, false },
		{ "/x/_ssl.cpython-313t-x86_64-linux-gnu.so", 0x030d, true },
		{ "/usr/bin/python3", 0, false },
		{ "/usr/bin/python", 0, false },
		{ "/x/uwsgi_python311_plugin.so", 0, false },
		{ "/opt/python3.11/lib/libtorch_python.so", 0, false },
		{ "/x/_ssl.cpython-3.so", 0, false },
	};
	bool threaded;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		cr_assert_eq(python_name_version(cases[i].path, &threaded), cases[i].version, "%s",
			cases[i].path);
		cr_assert_eq(threaded, cases[i].threaded, "%s", cases[i].path);
	}
	cr_assert(python_is_pypy("/opt/pypy3.10/bin/pypy3.10"));
	cr_assert(python_is_pypy("/opt/x/libpypy3.10-c.so"));
	cr_assert_not(python_is_pypy("/opt/pypy/bin/python3.11"));
}
