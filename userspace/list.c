/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --list: what each spec means on this machine. Finds, attaches nothing. */
#include "trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "foresee.h"
#include "log.h"
#include "out.h"
#include "preflight.h"
#include "pysource.h"
#include "python.h"

/* A line; names in it come from files that anybody may have made. */
static int __attribute__((format(printf, 1, 2))) print_line(const char *fmt, ...)
{
	char *text = NULL, *clean = NULL;
	int err = -ENOMEM;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	clean = text ? out_clean(text, strlen(text)) : NULL;
	if (clean)
		err = puts(clean) < 0 ? -EIO : 0;
	free(clean);
	free(text);
	return err;
}

static int print_function(void *ctx, const struct probe_info *f)
{
	int err = print_line("    %s", f->name);
	char moved[160] = "";

	if (f->skip)
		snprintf(moved, sizeof(moved), "; probed %u bytes on: %s (%s)", f->skip, f->probed,
			f->cost);
	if (!err)
		err = print_line("      %s, address 0x%llx, file offset 0x%llx, from %s", f->file,
			(unsigned long long)f->addr, (unsigned long long)f->offset, f->source);
	if (!err)
		err = print_line("      first instruction: %s (%s)%s; return: %s", f->instruction,
			f->first_cost, moved, f->returns);
	return err;
}

/* --- Python ------------------------------------------------------------------------------------- */

/* A Python spec's function in the stacks of a process, as they are now. */
struct open_search {
	const struct checkpoint_spec *spec;
	const struct rt_py *py;
	pid_t pid;
	size_t found;
};

/* Up to 3.10 a frame knows the last part of the name only, and the source what it stands in. */
static bool is_meant(const struct open_search *s, const struct python_frame *f)
{
	struct pysource *source = NULL;
	const char *qualname = NULL;
	char path[4352];
	bool meant;

	if (s->py->version < 0x030b) {
		snprintf(path, sizeof(path), "/proc/%d/%s%s", s->pid,
			f->filename[0] == '/' ? "root" : "cwd/", f->filename);
		if (!pysource__read(path, &source))
			qualname = pysource__qualname(source, f->firstlineno, f->qualname);
	}
	meant = spec__means_python(s->spec, f->filename, NULL, qualname ? qualname : f->qualname);
	pysource__free(source);
	return meant;
}

static int print_if_open(void *ctx, const struct python_thread *thread)
{
	struct open_search *s = ctx;
	char who[32] = "";
	int err = 0;

	if (thread->tid)
		snprintf(who, sizeof(who), ", thread %d", thread->tid);
	for (size_t i = 0; !err && i < thread->n_frames; i++) {
		const struct python_frame *f = &thread->frames[i];

		if (!is_meant(s, f))
			continue;
		s->found++;
		err = print_line("    open now in process %d%s: %s, line %d of %s", s->pid, who,
			f->qualname, f->firstlineno, f->filename);
	}
	return err;
}

static int print_python_spec(struct python_files *files, const struct checkpoint_spec *spec,
	const struct options *opt)
{
	int err = print_line("    Python function, needs no probe");
	char why[512];
	struct rt_py py;

	for (size_t i = 0; !err && i < opt->n_pids; i++) {
		struct open_search s = {.spec = spec, .py = &py, .pid = opt->pids[i]};

		if (python__find(files, s.pid, &py, why, sizeof(why)))
			continue;
		/* it runs on: a stack that cannot be read just now is no failure */
		if (python__threads(s.pid, &py, print_if_open, &s) == -EIO && ferror(stdout))
			err = -EIO;
	}
	return err;
}

static int print_sites(struct python_files *files, pid_t pid)
{
	struct python_sites *sites = malloc(sizeof(*sites));
	char why[512];
	int err;

	if (!sites)
		return -ENOMEM;
	err = python__entry_sites(files, pid, sites, why, sizeof(why));
	if (err)
		err = print_line("    short functions are not seen unless memory changes in them: %s",
			*why ? why : strerror(-err));
	else
		err = print_line("    for short functions: probes on its interpreter, once they matter");
	for (size_t i = 0; !err && i < sites->n; i++)
		err = print_line("      %s, file offset 0x%llx", sites->symbol[i],
			(unsigned long long)sites->offset[i]);
	free(sites);
	return err;
}

/* What would be looked at in a process for the sake of its Python functions. */
static int print_python(struct python_files *files, pid_t pid)
{
	char why[512] = "";
	struct rt_py py;
	int err = python__find(files, pid, &py, why, sizeof(why));

	if (!err)
		err = python__check(pid, &py, why, sizeof(why));
	switch (err) {
	case 0:
		err = print_line("process %d: CPython %d.%d; its stacks would be looked at", pid,
			py.version >> 8, py.version & 0xff);
		return err ? err : print_sites(files, pid);
	case -ENOENT:
		return print_line("process %d: there is no Python in it now", pid);
	case -EAGAIN:
		return print_line("process %d: there is a Python that runs nothing at present", pid);
	default:
		return print_line("process %d: its Python functions would not be traced: %s", pid,
			*why ? why : strerror(-err));
	}
}

/* --- specs -------------------------------------------------------------------------------------- */

static const char *label_of(const struct checkpoint_spec *spec, enum lang lang)
{
	if (spec->entry[lang])
		return spec->entry[lang];
	if (spec->leave[lang])
		return spec->leave[lang];
	return spec->sign ? "(no row: from here on the process is looked at closely)"
			  : "(no row: others are to be inside of it)";
}

struct lister {
	const struct options *opt;
	struct probes *probes;
	struct pyinstall *install;
	struct python_files *files;
};

/* A Python function: where it is to be found, if that is known. */
static int print_source(const struct pyinstall *install, size_t i)
{
	const char *file = pyinstall__file(install, i), *package = pyinstall__package(install, i);

	if (!file)
		return 0;
	return print_line("    %s%s%s", file, package ? ", " : "", package ? package : "");
}

static int print_spec(const struct lister *l, const struct checkpoint_spec *spec, size_t i)
{
	enum lang lang = l->opt->lang;
	bool both = spec->entry[lang] && spec->leave[lang], seen;
	char why[2048];
	int err;

	err = print_line("%s%s%s", label_of(spec, lang), both ? " | " : "",
		both ? spec->leave[lang] : "");
	if (!err)
		err = print_line("  %s%s%s%s", spec->text, spec->extra ? " (extra)" : "",
			spec->profile ? ", profile " : "", spec->profile ? spec->profile : "");
	if (err)
		return err;
	if (probes__unmatched(l->probes, i, &seen, why, sizeof(why)))
		return print_line("    nothing matched: %s", why);
	if (spec->type == SPEC_PYTHON) {
		err = print_source(l->install, i);
		return err ? err : print_python_spec(l->files, spec, l->opt);
	}
	return probes__each(l->probes, i, print_function, NULL);
}

static int print_all(const struct lister *l, const struct selection *sel)
{
	bool python = false;
	int err = 0;

	for (size_t i = 0; !err && i < sel->n; i++) {
		python |= sel->specs[i]->type == SPEC_PYTHON;
		err = print_spec(l, sel->specs[i], i);
	}
	for (size_t i = 0; !err && python && i < l->opt->n_pids; i++)
		err = print_python(l->files, l->opt->pids[i]);
	return err;
}

int list_run(const struct options *opt)
{
	struct lister l = {.opt = opt};
	struct foresight f = {0};
	struct selection sel = {0};
	char err[1024] = "";
	int ret = 0;

	for (size_t i = 0; !ret && i < opt->n_pids; i++)
		ret = preflight_pid(opt->pids[i]);
	if (!ret)
		ret = selection__make(&sel, opt);
	if (ret)
		return EXIT_TOOL_FAILED;
	l.files = python_files__new("");
	ret = l.files ? foresee(opt, &sel, &f, err, sizeof(err)) : -ENOMEM;
	l.install = f.install;
	l.probes = f.probes;
	if (ret)
		log_error("%s", *err ? err : strerror(-ret));
	if (!ret)
		ret = print_all(&l, &sel);
	if (!ret && !sel.n)
		log_warn("no specs: give -f or --profile, or a --pid whose program a profile knows");
	if (fflush(stdout))
		ret = -errno;
	python_files__free(l.files);
	foresight__clear(&f);
	selection__clear(&sel);
	return ret ? EXIT_TOOL_FAILED : 0;
}
