/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where names and lines are looked for, in a process of its own that nobody misses if a file makes
 * it crash, spin or eat memory. Names are of the symbol tables, as everywhere else; lines and
 * inlined functions are found by libdwfl, which also finds debug information that lies elsewhere.
 */
#include "symbolize_internal.h"

#include <dwarf.h>
#include <elfutils/libdwfl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "elf.h"
#include "elf_internal.h"
#include "elf_name.h"
#include "modules.h"

#define MAX_MEMORY (4ull << 30) /* of addresses: libdwfl maps files */
#define MAX_SECONDS 30

/* The debug information of one file at a time. */
struct lines {
	struct module *module;
	Dwfl *dwfl;
	Dwfl_Module *mod;
	GElf_Addr bias; /* what libdwfl adds to virtual addresses */
	struct demangler *demangler;
	int fd; /* answers go there */
};

struct text {
	uint16_t len;
	char buf[ANSWER_TEXT];
};

static void set_text(struct text *t, const char *s)
{
	size_t len;

	t->len = NO_TEXT;
	if (!s || !*s)
		return;
	len = strnlen(s, sizeof(t->buf));
	while (len == sizeof(t->buf) && ((uint8_t)s[len - 1] & 0xc0) == 0x80)
		len--; /* not in the middle of a character */
	t->len = len;
	memcpy(t->buf, s, t->len);
}

static void put(int fd, const void *data, size_t len)
{
	const char *at = data;
	ssize_t n;

	while (len) {
		n = write(fd, at, len);
		if (n <= 0)
			_exit(1);
		at += n;
		len -= n;
	}
}

static void put_text(int fd, const struct text *t)
{
	if (t->len != NO_TEXT)
		put(fd, t->buf, t->len);
}

/* The debug file of the container that the program is in; else what libdwfl finds here. */
static int find_debuginfo(Dwfl_Module *mod, void **userdata, const char *modname, Dwarf_Addr base,
	const char *file_name, const char *link, GElf_Word crc, char **out)
{
	const struct module *m = *userdata;
	struct elf_image img;
	int fd;

	if (m && m->elf && !elf__debug_file(m->elf, &img, out)) {
		fd = fcntl(img.fd, F_DUPFD_CLOEXEC, 0);
		elf_image__close(&img);
		return fd;
	}
	return dwfl_standard_find_debuginfo(mod, userdata, modname, base, file_name, link, crc,
		out);
}

static const Dwfl_Callbacks callbacks = {
	.find_elf = dwfl_build_id_find_elf,
	.find_debuginfo = find_debuginfo,
	.section_address = dwfl_offline_section_address,
};

static void close_lines(struct lines *l)
{
	if (l->dwfl)
		dwfl_end(l->dwfl);
	l->dwfl = NULL;
	l->mod = NULL;
}

static void open_lines(struct lines *l, struct module *m)
{
	void **userdata;
	int fd;

	close_lines(l);
	l->module = m;
	l->dwfl = m->no_lines ? NULL : dwfl_begin(&callbacks);
	if (!l->dwfl)
		return;
	fd = fcntl(m->elf->image.fd, F_DUPFD_CLOEXEC, 0);
	dwfl_report_begin(l->dwfl);
	l->mod = dwfl_report_offline(l->dwfl, m->path, m->path, fd);
	if (!l->mod && fd >= 0)
		close(fd);
	if (l->mod && dwfl_module_info(l->mod, &userdata, NULL, NULL, NULL, NULL, NULL, NULL))
		*userdata = m;
	dwfl_report_end(l->dwfl, NULL, NULL);
	if (l->mod && !dwfl_module_getelf(l->mod, &l->bias))
		l->mod = NULL;
}

static const char *function_name(struct lines *l, Dwarf_Die *die)
{
	Dwarf_Attribute attr;
	const char *linkage;
	char *out = NULL;

	linkage = dwarf_formstring(dwarf_attr_integrate(die, DW_AT_linkage_name, &attr));
	if (linkage)
		out = demangler__run(l->demangler, linkage, strlen(linkage));
	return out ? out : dwarf_diename(die);
}

/* Inlined functions from the innermost outwards; the file and line where each was inlined are where
 * the next one stands. */
struct chain {
	size_t n;
	struct {
		struct text name, file;
		uint32_t line;
	} v[ANSWER_PLACES];
};

static void called_at(Dwarf_Die *cu, Dwarf_Die *die, struct text *file, uint32_t *line)
{
	Dwarf_Attribute attr;
	Dwarf_Files *files;
	Dwarf_Word n = 0;
	size_t n_files;

	set_text(file, NULL);
	*line = 0;
	if (!dwarf_formudata(dwarf_attr(die, DW_AT_call_file, &attr), &n) &&
		!dwarf_getsrcfiles(cu, &files, &n_files) && n < n_files)
		set_text(file, dwarf_filesrc(files, n, NULL, NULL));
	if (!dwarf_formudata(dwarf_attr(die, DW_AT_call_line, &attr), &n))
		*line = n;
}

/* Adds the inlined functions; what is left at the end is the place in the function itself. */
static void add_inlined(struct lines *l, struct chain *c, Dwarf_Addr addr)
{
	Dwarf_Die *cu, *scopes = NULL, *nest = NULL;
	Dwarf_Addr bias;
	int n;

	cu = dwfl_module_addrdie(l->mod, addr, &bias);
	if (!cu || dwarf_getscopes(cu, addr - bias, &scopes) <= 0)
		goto out;
	n = dwarf_getscopes_die(&scopes[0], &nest);
	for (int i = 0; i < n && c->n < ANSWER_PLACES; i++) {
		if (dwarf_tag(&nest[i]) == DW_TAG_subprogram)
			break;
		if (dwarf_tag(&nest[i]) != DW_TAG_inlined_subroutine)
			continue;
		set_text(&c->v[c->n - 1].name, function_name(l, &nest[i]));
		called_at(cu, &nest[i], &c->v[c->n].file, &c->v[c->n].line);
		c->n++;
	}
out:
	free(scopes);
	free(nest);
}

static void find_chain(struct lines *l, struct chain *c, uint64_t addr, const struct text *function)
{
	const char *file;
	Dwfl_Line *line;
	int number = 0;

	c->n = 0;
	line = l->mod ? dwfl_module_getsrc(l->mod, addr + l->bias) : NULL;
	file = line ? dwfl_lineinfo(line, NULL, &number, NULL, NULL, NULL) : NULL;
	if (!file)
		return;
	set_text(&c->v[0].file, file);
	c->v[0].line = number > 0 ? number : 0;
	c->n = 1;
	add_inlined(l, c, addr + l->bias);
	c->v[c->n - 1].name = *function;
}

static void answer(struct lines *l, const struct place *p)
{
	struct answer a = { .name_len = NO_TEXT };
	struct answer_place place;
	struct text name;
	struct elf_func func;
	struct chain chain;

	set_text(&name, NULL);
	if (!p->module->no_names && elf__at(p->module->elf, p->addr, &func)) {
		set_text(&name, func.demangled);
		a.into = p->addr - func.addr;
	}
	find_chain(l, &chain, p->addr, &name);
	a.name_len = name.len;
	a.n_places = chain.n;
	put(l->fd, &a, sizeof(a));
	put_text(l->fd, &name);
	for (size_t i = 0; i < chain.n; i++) {
		place = (struct answer_place){ chain.v[i].line, chain.v[i].name.len,
			chain.v[i].file.len };
		put(l->fd, &place, sizeof(place));
		put_text(l->fd, &chain.v[i].name);
		put_text(l->fd, &chain.v[i].file);
	}
}

/* Dies with its parent, of too much memory or time, leaves no core and says nothing. */
static void restrict_self(void)
{
	const struct rlimit core = { 0, 0 }, cpu = { MAX_SECONDS, MAX_SECONDS };
	int null;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_CORE, &core);
	setrlimit(RLIMIT_CPU, &cpu);
#ifndef __SANITIZE_ADDRESS__ /* it takes terabytes of addresses for itself */
	setrlimit(RLIMIT_AS, &(struct rlimit){ MAX_MEMORY, MAX_MEMORY });
#endif
	for (int sig = 1; sig < NSIG; sig++)
		signal(sig, SIG_DFL);
	null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = STDOUT_FILENO; null >= 0 && fd <= STDERR_FILENO; fd++)
		dup2(null, fd);
	unsetenv("DEBUGINFOD_URLS"); /* nothing is to be asked of the network */
}

void symbolize_child(struct place **places, size_t n, int fd)
{
	struct lines l = { .fd = fcntl(fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1) };
	struct module *m = NULL;

	restrict_self();
	l.demangler = demangler__new();
	for (size_t i = 0; l.demangler && i < n; i++) {
		if (places[i]->module != m) {
			if (m)
				elf_symbols__free(m->elf->symbols);
			if (m)
				m->elf->symbols = NULL;
			m = places[i]->module;
			open_lines(&l, m);
		}
		answer(&l, places[i]);
	}
	_exit(0);
}
