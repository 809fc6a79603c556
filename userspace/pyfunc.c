/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pyfunc.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fact.h"
#include "procfs.h"
#include "pysource.h"
#include "pytext.h"

uint32_t pyfunc_want(const struct checkpoint_spec *spec)
{
	if (spec->sign)
		return RT_PY_SIGN;
	return RT_PY_WANTED | (spec->when.caller ? RT_PY_CALLER : 0);
}

/* Without where packages are installed. */
static const char *short_path(const char *file)
{
	static const char *const places[] = {"/site-packages/", "/dist-packages/"};
	const char *at, *base = strrchr(file, '/');

	for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
		at = strstr(file, places[i]);
		if (at)
			return at + strlen(places[i]);
	}
	at = strstr(file, "/lib/python3");
	if (at && strchr(at + 5, '/'))
		return strchr(at + 5, '/') + 1;
	return base ? base + 1 : file;
}

/* "__main__" if this is the program's own script, else NULL: the file tells the module. */
static const char *module_of(pid_t pid, const char *file)
{
	char cmdline[4096], *arg, *save;
	const char *base = strrchr(file, '/');

	if (file[0] == '<')
		return "__main__";
	if (procfs_cmdline(pid, cmdline, sizeof(cmdline)) <= 0)
		return NULL;
	base = base ? base + 1 : file;
	for (arg = strtok_r(cmdline, " ", &save); arg; arg = strtok_r(NULL, " ", &save)) {
		const char *slash = strrchr(arg, '/');

		if (!strcmp(slash ? slash + 1 : arg, base))
			return "__main__";
	}
	return NULL;
}

/* Up to 3.10 code objects had only the last part of the name; the source says what it stands in. */
static void qualify(struct pyfunc *f, pid_t pid, uint32_t version, int firstlineno)
{
	char path[sizeof(f->file) + 64];
	struct pysource *source;
	const char *qualname;

	if (version >= 0x030b)
		return;
	snprintf(path, sizeof(path), "/proc/%d/%s%s", pid, f->file[0] == '/' ? "root" : "cwd/", f->file);
	if (pysource__read(path, &source))
		return;
	qualname = pysource__qualname(source, firstlineno, f->qualname);
	if (qualname && strlen(qualname) < sizeof(f->qualname))
		strcpy(f->qualname, qualname);
	pysource__free(source);
}

static int match(struct pyfunc *f, pid_t pid, const struct checkpoint_spec *const *specs, size_t n)
{
	const char *module = module_of(pid, f->file);

	f->specs = calloc(n + 1, sizeof(*f->specs));
	if (!f->specs)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		const struct checkpoint_spec *spec = specs[i];

		if (spec->type != SPEC_PYTHON || !spec__means_python(spec, f->file, module, f->qualname))
			continue;
		f->want |= pyfunc_want(spec);
		if (spec->sign) {
			f->sign = true;
			continue;
		}
		if (!f->tail && !spec->module && !strpbrk(spec->binary, "*?[\\"))
			f->tail = spec->binary;
		f->specs[f->n_specs++] = i;
	}
	if (!f->tail)
		f->tail = short_path(f->file);
	return 0;
}

int pyfunc__of_event(struct pyfunc *f, const struct rt_pycode *ev,
	const struct checkpoint_spec *const *specs, size_t n)
{
	*f = (struct pyfunc){0};
	pytext_event(&ev->name_str, ev->name, RT_PY_NAME_LEN, 0, f->qualname, sizeof(f->qualname));
	pytext_event(&ev->file_str, ev->file, RT_PY_FILE_LEN, 1, f->file, sizeof(f->file));
	f->line = ev->firstlineno > 0 ? ev->firstlineno : 0;
	qualify(f, ev->h.pid, ev->version, ev->firstlineno);
	return match(f, ev->h.pid, specs, n);
}

int pyfunc__of_frame(struct pyfunc *f, pid_t pid, uint32_t version, const struct python_frame *frame,
	const struct checkpoint_spec *const *specs, size_t n)
{
	*f = (struct pyfunc){0};
	snprintf(f->qualname, sizeof(f->qualname), "%s", frame->qualname);
	snprintf(f->file, sizeof(f->file), "%s", frame->filename);
	f->line = frame->firstlineno > 0 ? frame->firstlineno : 0;
	qualify(f, pid, version, frame->firstlineno);
	return match(f, pid, specs, n);
}

bool pyfunc_may_be_meant(const struct checkpoint_spec *const *specs, size_t n, uint32_t version,
	const char *qualname)
{
	const char *symbol, *last;

	for (size_t i = 0; i < n; i++) {
		if (specs[i]->type != SPEC_PYTHON)
			continue;
		symbol = specs[i]->symbol;
		last = strrchr(symbol, '.');
		/* a class in brackets of a glob may hold a dot: such a one may mean anything */
		if (version < 0x030b && last)
			symbol = strpbrk(symbol, "[\\") ? "*" : last + 1;
		if (!fnmatch(symbol, qualname, 0))
			return true;
	}
	return false;
}

void pyfunc__clear(struct pyfunc *f)
{
	free(f->specs);
	*f = (struct pyfunc){0};
}

int pyfunc__emit(const struct pyfunc *f, uint32_t id, record_fn *emit, void *ctx)
{
	struct fact fact = {.kind = REC_FUNC};
	int err;

	fact.func.id = id;
	if (asprintf(&fact.func.name, "%s:%s", f->tail, f->qualname) < 0)
		return -ENOMEM;
	fact.func.file = (char *)f->file;
	fact.func.cost = "none";
	fact.func.returns = "noticed";
	fact.func.qualname = (char *)f->qualname;
	fact.func.line = f->line;
	fact.func.specs = f->specs;
	fact.func.n_specs = f->n_specs;
	err = fact__emit(&fact, emit, ctx);
	free(fact.func.name);
	return err;
}
