/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probes.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "disasm.h"
#include "elf.h"
#include "files.h"
#include "launch.h"
#include "linkers.h"
#include "log.h"
#include "markers.h"
#include "plan.h"
#include "procfs.h"

#if defined(__x86_64__)
#define NATIVE_NAME "x86-64"
#else
#define NATIVE_NAME "AArch64"
#endif

struct spec_state {
	bool seen;	 /* a file of its BINARY was looked at */
	bool told;	 /* what was last told: */
	bool told_matched, told_absent;
	size_t matched;	 /* functions */
	char *problem;	 /* why nothing matched in the file that was seen */
};

struct probes {
	struct probes_config config;
	struct spec_state *states;
	struct files files;
	struct plan plan;
	size_t attached; /* functions of the plan below this are */
	struct linkers linkers;
	struct markers markers;
};

struct probes *probes__new(const struct probes_config *config)
{
	struct probes *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->config = *config;
	p->states = calloc(config->n_specs + 1, sizeof(*p->states));
	if (!p->states) {
		free(p);
		return NULL;
	}
	return p;
}

void probes__free(struct probes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->config.n_specs; i++)
		free(p->states[i].problem);
	plan__clear(&p->plan);
	linkers__clear(&p->linkers);
	markers__clear(&p->markers);
	files__clear(&p->files);
	free(p->states);
	free(p);
}

/* Is there anything for which new files matter? */
static bool wants_files(const struct probes *p)
{
	return p->config.session && (p->config.n_specs || p->config.markers);
}

static bool any_spec_means(const struct probes *p, const struct file_id *id)
{
	for (size_t i = 0; i < p->config.n_specs; i++)
		if (spec_means(p->config.specs[i], id))
			return true;
	return false;
}

/* --- what they mean in it ------------------------------------------------------------------------- */

static int search_file(struct probes *p, const struct file_id *id, struct elf_file *elf,
	unsigned int file, char *err, size_t len)
{
	struct plan_config config = {.specs = p->config.specs,
		.returns = p->config.returns,
		.multi = p->config.multi,
		.force = p->config.force};
	int ret = 0;

	for (size_t i = 0; !ret && i < p->config.n_specs; i++) {
		struct spec_state *st = &p->states[i];
		struct plan_found found;

		if (!spec_means(p->config.specs[i], id))
			continue;
		st->seen = true;
		ret = plan__search(&p->plan, &config, i, elf, file, id->path, &found, err, len);
		if (ret)
			break;
		st->matched += found.functions;
		if (st->problem)
			free(found.problem);
		else
			st->problem = found.problem;
	}
	return ret;
}

/* --- attaching ---------------------------------------------------------------------------------- */

static void say_refused(const struct probes *p, const struct uprobe_site *sites, const size_t *refused,
	size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct uprobe_site *site = &sites[refused[i]];
		const struct planned *f = &p->plan.funcs[RT_COOKIE_FUNC(site->cookie)];

		log_warn("the kernel refuses a probe on %s at offset 0x%llx of %s%s", f->name,
			(unsigned long long)site->offset, p->files.files[f->file].path,
			RT_COOKIE_SITE(site->cookie) == RT_SITE_ENTRY ? "" : "; its return will be noticed later");
	}
}

static int attach_sites(struct probes *p, enum session_prog prog, const char *path,
	const struct uprobe_site *sites, size_t n, char *err, size_t len)
{
	size_t *refused, n_refused = 0;
	int ret;

	if (!n)
		return 0;
	refused = calloc(n, sizeof(*refused));
	if (!refused)
		return -ENOMEM;
	ret = session__attach(p->config.session, prog, path, sites, n, refused, &n_refused);
	say_refused(p, sites, refused, n_refused);
	free(refused);
	if (ret)
		snprintf(err, len, "cannot attach %zu probes to %s: %s", n,
			p->files.files[p->plan.funcs[RT_COOKIE_FUNC(sites[0].cookie)].file].path,
			strerror(-ret));
	return ret;
}

/* Attaches the functions that the last search found, all of one file. */
static int attach_new(struct probes *p, const char *path, char *err, size_t len)
{
	struct uprobe_site *sites, *rets;
	size_t n = 0, n_rets = 0, room = 0;
	int ret = -ENOMEM;

	for (size_t i = p->attached; i < p->plan.n; i++)
		room += 1 + p->plan.funcs[i].exits.n;
	sites = calloc(room + 1, sizeof(*sites));
	rets = calloc(p->plan.n - p->attached + 1, sizeof(*rets));
	if (!sites || !rets)
		goto out;
	for (size_t i = p->attached; i < p->plan.n; i++) {
		n += plan__sites(&p->plan, p->attached, i, sites + n);
		if ((p->plan.funcs[i].flags & RT_FN_RETURNS) && p->config.returns == RETURN_URETPROBE)
			rets[n_rets++] = (struct uprobe_site){.offset = planned__site(&p->plan.funcs[i]),
				.cookie = RT_COOKIE(i, p->plan.funcs[i].flags, RT_SITE_RET)};
	}
	if (!p->config.multi && n + n_rets > 20)
		log_warn("%zu probes without uprobe_multi: detaching will take about %zu s", n + n_rets,
			(n + n_rets) / 9);
	ret = attach_sites(p, SESSION_FUNCTION, path, sites, n, err, len);
	if (!ret)
		ret = attach_sites(p, SESSION_URETPROBE, path, rets, n_rets, err, len);
out:
	free(sites);
	free(rets);
	return ret;
}

static int tell_funcs(struct probes *p)
{
	int err = 0;

	for (size_t i = p->attached; !err && i < p->plan.n && p->config.emit; i++) {
		const struct planned *f = &p->plan.funcs[i];
		struct fact fact = {.kind = REC_FUNC};

		fact.func.id = i;
		fact.func.name = f->name;
		fact.func.file = p->files.files[f->file].path;
		fact.func.offset = f->offset;
		fact.func.cost = (char *)cost_class_name(f->cost);
		fact.func.returns = (char *)f->returns;
		fact.func.specs = f->specs;
		fact.func.n_specs = f->n_specs;
		err = fact__emit(&fact, p->config.emit, p->config.ctx);
	}
	return err;
}

/* Nothing can be probed in it: the specs that mean it say why. */
static int take_unreadable(struct probes *p, const struct file_id *id, const char *why, int err)
{
	const char *hint = err == -EPERM || err == -EACCES ? "it takes root, as tracing does" :
		"only programs and libraries for this machine (" NATIVE_NAME ") can be probed";
	bool told = false;

	for (size_t i = 0; i < p->config.n_specs; i++) {
		struct spec_state *st = &p->states[i];

		if (!spec_means(p->config.specs[i], id))
			continue;
		/* where it is what the spec is about, the caller will tell */
		if ((st->told || st->matched) && !told)
			log_warn("cannot probe %s: %s", id->path, why);
		told |= st->told || st->matched;
		st->seen = true;
		if (!st->problem &&
			asprintf(&st->problem, "cannot probe %s: %s; %s", id->path, why, hint) < 0)
			st->problem = NULL;
	}
	return files__add(&p->files, id, NULL);
}

/* A file that some spec means and that was not looked at yet. */
static int take_file(struct probes *p, const struct file_id *id, char *err, size_t len)
{
	struct elf_file *elf = NULL;
	const char *why = "";
	int ret;

	ret = elf__open(id->open_path, id->debug_root, &elf, &why);
	if (ret == -ENOENT || ret == -ESRCH)
		return 0; /* the process went away in between */
	if (ret == -ENOMEM)
		return ret;
	if (ret)
		return files__know(&p->files, id, NULL) ? 0 : take_unreadable(p, id, why, ret);
	if (files__know(&p->files, id, elf__build_id(elf)))
		goto out;
	ret = files__add(&p->files, id, elf__build_id(elf));
	if (!ret)
		ret = search_file(p, id, elf, p->files.n - 1, err, len);
	if (!ret)
		ret = plan__settle(&p->plan, p->attached, elf);
	if (!ret)
		ret = tell_funcs(p);
	if (!ret && p->config.session)
		ret = attach_new(p, id->open_path, err, len);
	p->attached = p->plan.n;
out:
	elf__close(elf);
	return ret;
}

/* --- where files come from ----------------------------------------------------------------------- */

struct scan {
	struct probes *p;
	pid_t pid;
	char exe[PATH_MAX];
	char root[64];
	bool is_root;
	uint64_t last_inode;
	int ret;
	char *err;
	size_t len;
};

static int on_map(void *ctx, const struct procfs_map *map)
{
	struct scan *s = ctx;
	struct file_id id = {.path = map->path,
		.debug_root = s->root,
		.inode = map->inode,
		.dev = makedev(map->major, map->minor)};
	char path[96];
	const char *base;

	if (!map->exec || !map->inode || map->inode == s->last_inode)
		return 0;
	s->last_inode = map->inode;
	/* The file that is mapped, whatever lies at its path by now. */
	snprintf(path, sizeof(path), "/proc/%d/map_files/%llx-%llx", s->pid,
		(unsigned long long)map->start, (unsigned long long)map->end);
	id.open_path = path;
	id.main = s->is_root && !strcmp(map->path, s->exe);
	base = strrchr(map->path, '/');
	if (s->p->config.session && strstr(base ? base : map->path, "greenlet"))
		session__mark_stack_copier(s->p->config.session, s->pid);
	if (wants_files(s->p))
		linkers__watch(&s->p->linkers, s->p->config.session, &id);
	if (s->p->config.session && s->p->config.markers)
		s->ret = markers__watch(&s->p->markers, s->p->config.session, &id);
	if (!s->ret && any_spec_means(s->p, &id) && !files__know(&s->p->files, &id, NULL))
		s->ret = take_file(s->p, &id, s->err, s->len);
	return s->ret;
}

int probes__scan(struct probes *p, pid_t pid, bool root, char *err, size_t len)
{
	struct scan s = {.p = p, .pid = pid, .is_root = root, .err = err, .len = len};
	int ret;

	if (procfs_exe(pid, s.exe, sizeof(s.exe)) < 0)
		return -ESRCH;
	snprintf(s.root, sizeof(s.root), "/proc/%d/root", pid);
	ret = procfs_maps(pid, on_map, &s);
	if (s.ret)
		return s.ret;
	return ret == -ENOENT ? -ESRCH : ret;
}

static int take_path(struct probes *p, const char *path, bool main, char *err, size_t len)
{
	struct file_id id = {.open_path = path, .path = path, .debug_root = "", .main = main};
	struct stat st;
	int ret;

	if (stat(path, &st) || !S_ISREG(st.st_mode))
		return 0;
	id.inode = st.st_ino;
	id.dev = st.st_dev;
	if (p->config.session && p->config.markers) {
		ret = markers__watch(&p->markers, p->config.session, &id);
		if (ret)
			return ret;
	}
	if (!any_spec_means(p, &id) || files__know(&p->files, &id, NULL))
		return 0;
	return take_file(p, &id, err, len);
}

static int find_library(struct probes *p, const char *name, char *err, size_t len)
{
	static const char *const dirs[] = {"/usr/local/lib", "/lib/x86_64-linux-gnu",
		"/usr/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/usr/lib/aarch64-linux-gnu",
		"/lib64", "/usr/lib64", "/lib", "/usr/lib"};
	char path[PATH_MAX], real[PATH_MAX];

	for (size_t i = 0; i < sizeof(dirs) / sizeof(*dirs); i++) {
		snprintf(path, sizeof(path), "%s/%s", dirs[i], name);
		if (realpath(path, real))
			return take_path(p, real, false, err, len);
	}
	return 0;
}

int probes__find_files(struct probes *p, const char *command, char *err, size_t len)
{
	char path[PATH_MAX], real[PATH_MAX];
	int ret = 0;

	if (command && wants_files(p))
		linkers__watch_host(&p->linkers, p->config.session);
	if (command && !launch_find(command, path, sizeof(path)) && realpath(path, real))
		ret = take_path(p, real, true, err, len);
	for (size_t i = 0; !ret && i < p->config.n_specs; i++) {
		const char *binary = p->config.specs[i]->binary;

		if (p->states[i].seen || !*binary)
			continue;
		if (strchr(binary, '/'))
			ret = take_path(p, binary, false, err, len);
		else if (strstr(binary, ".so"))
			ret = find_library(p, binary, err, len);
		else if (!launch_find(binary, path, sizeof(path)) && realpath(path, real))
			ret = take_path(p, real, false, err, len);
	}
	return ret;
}

/* --- what came of it ------------------------------------------------------------------------------ */

bool probes__unmatched(const struct probes *p, size_t i, bool *seen, char *buf, size_t len)
{
	const struct pyinstall *install = p->config.install;
	const char *why = install ? pyinstall__why(install, i) : NULL;
	const struct spec_state *st = &p->states[i];
	const char *binary = p->config.specs[i]->binary;

	*seen = st->seen || why;
	if (why) {
		snprintf(buf, len, "%s", why);
		return true;
	}
	if (st->matched || p->config.specs[i]->type == SPEC_PYTHON) /* needs no probe: pytrace.c */
		return false;
	if (st->problem)
		snprintf(buf, len, "%s", st->problem);
	else
		snprintf(buf, len, "no traced process has %s mapped", *binary ? binary : "it");
	return true;
}

static bool is_absent(const struct probes *p, size_t i)
{
	return p->config.install && pyinstall__why(p->config.install, i);
}

void probes__describe(const struct probes *p, size_t i, struct fact *fact, char *why, size_t len)
{
	const struct checkpoint_spec *spec = p->config.specs[i];
	bool seen;

	*fact = (struct fact){.kind = REC_SPEC};
	fact->spec.id = i;
	fact->spec.text = spec->text;
	fact->spec.profile = (char *)spec->profile;
	memcpy(fact->spec.entry, spec->entry, sizeof(fact->spec.entry));
	memcpy(fact->spec.leave, spec->leave, sizeof(fact->spec.leave));
	fact->spec.extra = spec->extra;
	fact->spec.inside = spec__inside_id(p->config.specs, p->config.n_specs, spec);
	fact->spec.caller = spec->when.caller;
	fact->spec.outermost = spec->when.outermost;
	fact->spec.nth = spec->when.nth;
	fact->spec.absent = is_absent(p, i);
	if (probes__unmatched(p, i, &seen, why, len))
		fact->spec.unmatched = why;
}

int probes__tell(struct probes *p)
{
	int err = 0;

	for (size_t i = 0; !err && i < p->config.n_specs && p->config.emit; i++) {
		struct spec_state *st = &p->states[i];
		bool absent = is_absent(p, i);
		struct fact fact;
		char why[2048];

		if (st->told && st->told_matched == !!st->matched && st->told_absent == absent)
			continue;
		st->told = true;
		st->told_matched = st->matched;
		st->told_absent = absent;
		probes__describe(p, i, &fact, why, sizeof(why));
		err = fact__emit(&fact, p->config.emit, p->config.ctx);
	}
	return err;
}

size_t probes__matched(const struct probes *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->config.n_specs; i++)
		n += p->states[i].matched > 0;
	return n;
}

size_t probes__waiting(const struct probes *p)
{
	size_t n = 0;

	for (size_t i = 0; i < p->config.n_specs; i++)
		n += !p->states[i].seen && p->config.specs[i]->type != SPEC_PYTHON;
	return n;
}

size_t probes__functions(const struct probes *p)
{
	return p->plan.n;
}

int probes__each(const struct probes *p, size_t spec, probe_fn *fn, void *ctx)
{
	int err = 0;

	for (size_t i = 0; !err && i < p->plan.n; i++) {
		const struct planned *f = &p->plan.funcs[i];
		struct probe_info info = {.id = i,
			.spec = spec,
			.file = p->files.files[f->file].path,
			.name = f->name,
			.source = f->source,
			.instruction = f->instruction,
			.first_cost = cost_class_name(f->first_cost),
			.probed = f->probed,
			.skip = f->skip,
			.cost = cost_class_name(f->cost),
			.returns = f->returns,
			.addr = f->addr,
			.offset = f->offset};

		for (size_t k = 0; !err && k < f->n_specs; k++)
			if (f->specs[k] == spec)
				err = fn(ctx, &info);
	}
	return err;
}
