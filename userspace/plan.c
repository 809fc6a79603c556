/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bpf/ramtrace.h"

#define SLOW_GLOB_MAX	200 /* functions of one spec where each detaches by itself */
#define EXIT_PROBES_MAX 64  /* exits of one function; beyond it the return is noticed */
#define NEAREST		3

/* One file being searched. */
struct search {
	struct plan *plan;
	const struct plan_config *config;
	struct elf_file *elf;
	unsigned int file, spec;
	size_t found;
	bool too_many;
};

static struct planned *func_at(struct search *s, uint64_t offset)
{
	struct plan *plan = s->plan;
	struct planned *f;

	/* those of one file lie together, at the end */
	for (size_t i = plan->n; i-- > 0 && plan->funcs[i].file == s->file;)
		if (plan->funcs[i].offset == offset)
			return &plan->funcs[i];
	if (plan->n == plan->room) {
		size_t room = plan->room ? 2 * plan->room : 16;

		f = realloc(plan->funcs, room * sizeof(*f));
		if (!f)
			return NULL;
		plan->funcs = f;
		plan->room = room;
	}
	f = &plan->funcs[plan->n++];
	*f = (struct planned){.file = s->file, .offset = offset, .returns = "none"};
	return f;
}

static int func_add_spec(struct planned *f, unsigned int spec)
{
	unsigned int *bigger = realloc(f->specs, (f->n_specs + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	f->specs = bigger;
	f->specs[f->n_specs++] = spec;
	return 0;
}

/* Exits on instructions that the kernel does not probe are left to be noticed. */
static void drop_refused_exits(struct search *s, struct func_exits *exits)
{
	enum cost_class cost;
	char text[64];
	size_t kept = 0;

	for (size_t i = 0; i < exits->n; i++) {
		cost = disasm_cost(s->elf, exits->exits[i].addr, text, sizeof(text));
		if (cost == COST_INVALID)
			continue;
		exits->exits[kept] = exits->exits[i];
		exits->exits[kept++].stepped = cost == COST_STEPPED;
	}
	if (kept < exits->n)
		exits->complete = false;
	exits->n = kept;
}

/* Chooses the way in which the function's return will be seen. */
static int plan_return(struct search *s, struct planned *f, const struct elf_func *sym)
{
	int err;

	if (f->flags & RT_FN_RETURNS)
		return 0;
	f->flags |= RT_FN_RETURNS;
	f->returns = "noticed";
	if (s->config->returns == RETURN_URETPROBE) {
		f->returns = "uretprobe";
		f->flags |= RT_FN_COMPLETE | RT_FN_URETPROBE;
		return 0;
	}
	if (s->config->returns == RETURN_NOTICED)
		return 0;
	err = disasm_exits(s->elf, sym, &f->exits);
	if (err == -ENOMEM)
		return err;
	if (!err && f->exits.complete && !f->exits.n) {
		f->flags |= RT_FN_COMPLETE; /* whatever ends it, it is not a return */
		return 0;
	}
	if (err || !f->exits.n || f->exits.n > EXIT_PROBES_MAX) {
		func_exits__clear(&f->exits);
		return 0;
	}
	drop_refused_exits(s, &f->exits);
	f->returns = "probes on its exits";
	for (size_t i = 0; i < f->exits.n; i++)
		if (f->exits.exits[i].offset == f->offset)
			f->flags |= f->exits.exits[i].tail ? RT_FN_TAIL_AT_ENTRY : RT_FN_RET_AT_ENTRY;
	if (f->flags & RT_FN_RET_AT_ENTRY)
		f->returns = "at its entry"; /* one probe, one hit */
	if (f->exits.complete)
		f->flags |= RT_FN_COMPLETE;
	else
		f->returns = "probes on its exits, else noticed";
	return 0;
}

static int describe(struct search *s, struct planned *f, const char *name, const char *source,
	uint64_t addr)
{
	char text[64] = "";

	f->addr = addr;
	f->cost = f->first_cost = disasm_cost(s->elf, addr, text, sizeof(text));
	f->name = strdup(name);
	f->source = strdup(source);
	f->instruction = strdup(text);
	f->probed = strdup(text);
	return f->name && f->source && f->instruction && f->probed ? 0 : -ENOMEM;
}

static int on_elf_func(void *ctx, const struct elf_func *sym)
{
	struct search *s = ctx;
	const struct checkpoint_spec *spec = s->config->specs[s->spec];
	struct planned *f;
	int err = 0;

	s->found++;
	if (s->found > SLOW_GLOB_MAX && !s->config->multi && !s->config->force) {
		s->too_many = true;
		return 0;
	}
	f = func_at(s, sym->offset);
	if (!f)
		return -ENOMEM;
	if (!f->name)
		err = describe(s, f, sym->demangled, sym->source, sym->addr);
	f->size = sym->size;
	if (!err && spec__wants_return(spec))
		err = plan_return(s, f, sym);
	return err ? err : func_add_spec(f, s->spec);
}

static int on_elf_usdt(void *ctx, const struct elf_usdt *usdt)
{
	struct search *s = ctx;
	struct planned *f = func_at(s, usdt->offset);
	char *name = NULL;
	int err = 0;

	s->found++;
	if (!f || asprintf(&name, "%s:%s", usdt->provider, usdt->name) < 0)
		return -ENOMEM;
	if (!f->name)
		err = describe(s, f, name, ".note.stapsdt", usdt->addr);
	f->semaphore = usdt->semaphore;
	free(name);
	return err ? err : func_add_spec(f, s->spec);
}

static int search_address(struct search *s, uint64_t addr)
{
	int64_t offset = elf__offset(s->elf, addr);
	struct elf_func sym;
	struct planned *f;
	char name[512];
	int err = 0;

	if (offset < 0 || !disasm_is_start(s->elf, addr))
		return 0;
	f = func_at(s, offset);
	if (!f)
		return -ENOMEM;
	s->found++;
	if (elf__at(s->elf, addr, &sym))
		snprintf(name, sizeof(name), addr == sym.addr ? "%s" : "%s+0x%llx", sym.demangled,
			(unsigned long long)(addr - sym.addr));
	else
		snprintf(name, sizeof(name), "0x%llx", (unsigned long long)addr);
	if (!f->name)
		err = describe(s, f, name, "address", addr);
	return err ? err : func_add_spec(f, s->spec);
}

static int search_spec(struct search *s, const struct checkpoint_spec *spec)
{
	switch (spec->type) {
	case SPEC_FUNCTION:
		return elf__functions(s->elf, spec->symbol, on_elf_func, s);
	case SPEC_USDT:
		return elf__usdts(s->elf, spec->provider, spec->symbol, on_elf_usdt, s);
	case SPEC_ADDRESS:
		return search_address(s, spec->addr);
	case SPEC_PYTHON: /* needs no probe: python.c */
		return 0;
	}
	return -EINVAL;
}

/* The sentence for a spec that found its file but nothing in it. */
static char *explain(struct search *s, const struct checkpoint_spec *spec, const char *path)
{
	const char *near[NEAREST];
	char *text = NULL, list[1024] = "";
	size_t n, at = 0;

	if (spec->type == SPEC_ADDRESS)
		return asprintf(&text, "%s has no instruction that begins at 0x%llx (objdump -d shows where "
			       "they do)", path,
			       (unsigned long long)spec->addr) < 0 ? NULL : text;
	if (spec->type == SPEC_USDT)
		return asprintf(&text, "%s has no USDT probe %s:%s", path, spec->provider,
			       spec->symbol) < 0 ? NULL : text;
	n = elf__nearest(s->elf, spec->symbol, near, NEAREST);
	for (size_t i = 0; i < n && at < sizeof(list); i++)
		at += snprintf(list + at, sizeof(list) - at, "%s%s", i ? ", " : "; nearest: ", near[i]);
	if (asprintf(&text, "%s has no function %s%s%s%s", path, spec->symbol,
		    elf__has_symtab(s->elf) ? "" :
			    " among its exported symbols (it is stripped, and no debug file was found: "
			    "install its -dbgsym or -debuginfo package)",
		    list, n ? "" : "; --list with '*' as the symbol shows what it has") < 0)
		return NULL;
	return text;
}

int plan__search(struct plan *plan, const struct plan_config *config, unsigned int spec,
	struct elf_file *elf, unsigned int file, const char *path, struct plan_found *found, char *err,
	size_t len)
{
	struct search s = {.plan = plan, .config = config, .elf = elf, .file = file, .spec = spec};
	const struct checkpoint_spec *sp = config->specs[spec];
	int ret = search_spec(&s, sp);

	*found = (struct plan_found){.functions = s.found};
	if (s.too_many) {
		snprintf(err, len,
			"%s matches %zu functions of %s; without uprobe_multi (kernel 6.6) each takes the "
			"kernel about 0.1 s to detach. Narrow the glob, or use --force",
			sp->text, s.found, path);
		return -E2BIG;
	}
	if (ret < 0) {
		snprintf(err, len, "cannot search %s for %s: %s", path, sp->text, strerror(-ret));
		return ret;
	}
	if (!s.found)
		found->problem = explain(&s, sp, path);
	return 0;
}

/* --- sites ----------------------------------------------------------------------------------------- */

uint64_t planned__site(const struct planned *f)
{
	return f->offset + f->skip;
}

static int move_entry(struct planned *f, struct elf_file *elf, unsigned int skip)
{
	char text[64] = "", *probed;

	f->skip = skip;
	f->cost = disasm_cost(elf, f->addr + skip, text, sizeof(text));
	probed = strdup(text);
	if (!probed)
		return -ENOMEM;
	free(f->probed);
	f->probed = probed;
	for (size_t i = 0; i < f->exits.n; i++) /* a ret is never cheap */
		if (f->exits.exits[i].offset == planned__site(f))
			f->flags |= RT_FN_TAIL_AT_ENTRY;
	return 0;
}

int plan__settle(struct plan *plan, size_t from, struct elf_file *elf)
{
	struct entry_site *sites = calloc(plan->n - from + 1, sizeof(*sites));
	int err;

	if (!sites)
		return -ENOMEM;
	for (size_t i = from; i < plan->n; i++)
		if (plan->funcs[i].cost >= COST_STEPPED)
			sites[i - from] = (struct entry_site){.addr = plan->funcs[i].addr,
				.size = plan->funcs[i].size};
	err = disasm_entries(elf, sites, plan->n - from);
	for (size_t i = from; !err && i < plan->n; i++)
		if (sites[i - from].skip)
			err = move_entry(&plan->funcs[i], elf, sites[i - from].skip);
	free(sites);
	return err;
}

/* Does this exit lead to the first instruction of a function that is being probed, too? */
static uint32_t tail_flag(const struct plan *plan, size_t from, const struct planned *f,
	const struct func_exit *e)
{
	for (size_t i = from; e->target && i < plan->n; i++)
		if (plan->funcs[i].file == f->file && plan->funcs[i].addr == e->target &&
			plan->funcs[i].cost != COST_INVALID)
			return RT_FN_TAIL_PROBED;
	return 0;
}

size_t plan__sites(const struct plan *plan, size_t from, unsigned int id, struct uprobe_site *out)
{
	const struct planned *f = &plan->funcs[id];
	uint32_t entry = f->flags | (f->cost == COST_STEPPED ? RT_FN_STEPPED : 0) |
			 (f->cost == COST_NOP5 ? RT_FN_NOP5 : 0);
	size_t n = 1;

	for (size_t i = 0; i < f->exits.n; i++) {
		const struct func_exit *e = &f->exits.exits[i];
		uint32_t flags = f->flags | (e->stepped ? RT_FN_STEPPED : 0);

		if (e->offset == planned__site(f))
			entry |= tail_flag(plan, from, f, e);
		else if (e->tail)
			out[n++] = (struct uprobe_site){.offset = e->offset,
				.cookie = RT_COOKIE(id, flags | tail_flag(plan, from, f, e), RT_SITE_TAIL)};
		else
			out[n++] = (struct uprobe_site){.offset = e->offset,
				.cookie = RT_COOKIE(id, flags, RT_SITE_RET)};
	}
	out[0] = (struct uprobe_site){.offset = planned__site(f),
		.cookie = RT_COOKIE(id, entry, RT_SITE_ENTRY),
		.semaphore = f->semaphore};
	return n;
}

void plan__clear(struct plan *plan)
{
	for (size_t i = 0; i < plan->n; i++) {
		struct planned *f = &plan->funcs[i];

		free(f->name);
		free(f->source);
		free(f->instruction);
		free(f->probed);
		free(f->specs);
		func_exits__clear(&f->exits);
	}
	free(plan->funcs);
	*plan = (struct plan){0};
}
