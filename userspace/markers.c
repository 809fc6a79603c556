/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "markers.h"

#include <asm/ptrace.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "disasm.h"
#include "elf.h"
#include "log.h"
#include "python_internal.h"

#define MAX_USDTS 1024 /* of one file: each place where the macro was expanded is one */

struct search {
	struct elf_file *elf;
	const struct file_id *id;
	struct uprobe_site sites[MAX_USDTS];
	size_t n;
};

/* --- USDT arguments ------------------------------------------------------------------------------- */

#if defined(__x86_64__)

static const struct {
	const char *name;
	size_t offset;
} registers[] = {
	{ "rax", offsetof(struct pt_regs, rax) }, { "rbx", offsetof(struct pt_regs, rbx) },
	{ "rcx", offsetof(struct pt_regs, rcx) }, { "rdx", offsetof(struct pt_regs, rdx) },
	{ "rsi", offsetof(struct pt_regs, rsi) }, { "rdi", offsetof(struct pt_regs, rdi) },
	{ "rbp", offsetof(struct pt_regs, rbp) }, { "rsp", offsetof(struct pt_regs, rsp) },
	{ "r8", offsetof(struct pt_regs, r8) },	  { "r9", offsetof(struct pt_regs, r9) },
	{ "r10", offsetof(struct pt_regs, r10) }, { "r11", offsetof(struct pt_regs, r11) },
	{ "r12", offsetof(struct pt_regs, r12) }, { "r13", offsetof(struct pt_regs, r13) },
	{ "r14", offsetof(struct pt_regs, r14) }, { "r15", offsetof(struct pt_regs, r15) },
};

/* Takes "%rdi" off *s. Its offset / 8, or -1. */
static int take_register(const char **s)
{
	size_t len;

	if (**s != '%')
		return -1;
	for (size_t i = 0; i < sizeof(registers) / sizeof(*registers); i++) {
		len = strlen(registers[i].name);
		if (strncmp(*s + 1, registers[i].name, len) || strspn(*s + 1 + len, "0123456789"))
			continue;
		*s += 1 + len;
		return registers[i].offset / 8;
	}
	return -1;
}

static bool take_number(const char **s, int64_t *value)
{
	char *end;

	errno = 0;
	*value = strtoll(*s, &end, 0);
	if (end == *s || errno || *value > INT64_MAX >> 16 || *value < INT64_MIN >> 16)
		return false;
	*s = end;
	return true;
}

int markers__usdt_cookie(const char *args, uint64_t *cookie)
{
	int64_t value = 0;
	int reg = 0, at;

	if (*args == '-')
		args++;
	if (strncmp(args, "8@", 2))
		return -ENOTSUP;
	args += 2;
	if (*args == '$') {
		args++;
		at = RT_MARK_AT_VALUE;
		if (!take_number(&args, &value))
			return -ENOTSUP;
	} else if (*args == '%') {
		at = RT_MARK_AT_REGISTER;
		reg = take_register(&args);
	} else {
		at = RT_MARK_AT_MEMORY;
		if (*args != '(' && !take_number(&args, &value))
			return -ENOTSUP;
		if (*args++ != '(')
			return -ENOTSUP;
		reg = take_register(&args);
		if (*args++ != ')')
			return -ENOTSUP;
	}
	if (reg < 0 || (*args && *args != ' '))
		return -ENOTSUP;
	*cookie = RT_MARK_COOKIE(at, reg, value);
	return 0;
}

#else

int markers__usdt_cookie(const char *args, uint64_t *cookie)
{
	return -ENOTSUP;
}

#endif

/* --- what is in a file ---------------------------------------------------------------------------- */

static void add(struct search *s, uint64_t addr, uint64_t offset, uint64_t semaphore, uint64_t cookie)
{
	enum cost_class cost;
	char text[64];

	if (s->n == MAX_USDTS)
		return;
	cost = disasm_cost(s->elf, addr, text, sizeof(text));
	if (cost == COST_INVALID)
		return;
	s->sites[s->n++] = (struct uprobe_site){ .offset = offset,
		.semaphore = semaphore,
		.cookie = cookie | (cost == COST_STEPPED ? RT_MARK_STEPPED : 0) };
}

static int on_usdt(void *ctx, const struct elf_usdt *usdt)
{
	struct search *s = ctx;
	uint64_t cookie;

	if (markers__usdt_cookie(usdt->args, &cookie)) {
		log_warn("%s: the marker at 0x%llx is not seen: where its label is, \"%s\", is none of "
			 "register, place on the stack, number (RAMTRACE_MARK of ramtrace_marker.h "
			 "uses a register)", s->id->path, (unsigned long long)usdt->addr, usdt->args);
		return 0;
	}
	add(s, usdt->addr, usdt->offset, usdt->semaphore, cookie);
	return 0;
}

static int on_ascii(void *ctx, const struct elf_func *func)
{
	struct search *s = ctx;
	struct python_strings str;

	if (python_file__strings(s->elf, s->id->path, &str))
		return 0;
	add(s, func->addr, func->offset, 0,
		RT_MARK_COOKIE(RT_MARK_AT_STR, 0, str.ascii_size | str.compact_size << 8));
	return 0;
}

static int find(struct search *s)
{
	uint64_t addr, size;
	int ret = elf__usdts(s->elf, "ramtrace", "mark", on_usdt, s);

	/* cheap to ask, and every CPython has it: only there are the functions worth reading */
	if (ret >= 0 && (!elf__variable(s->elf, "_PyRuntime", false, &addr, &size) ||
				!elf__section(s->elf, ".PyRuntime", &addr, &size)))
		ret = elf__functions(s->elf, "PyObject_ASCII", on_ascii, s);
	return ret == -ENOMEM ? ret : 0;
}

static int attach(struct session *session, const struct search *s)
{
	size_t *refused, n_refused = 0;
	int err;

	if (!s->n)
		return 0;
	refused = calloc(s->n, sizeof(*refused));
	if (!refused)
		return -ENOMEM;
	err = session__attach(session, SESSION_MARK, s->id->open_path, s->sites, s->n, refused, &n_refused);
	free(refused);
	if (err || n_refused)
		log_warn("%s: %zu of %zu markers are not seen: %s", s->id->path, err ? s->n : n_refused,
			s->n, err ? strerror(-err) : "the kernel refuses a probe there");
	else
		log_debug("%s: markers are watched by %zu probes", s->id->path, s->n);
	return err == -ENOMEM ? err : 0;
}

int markers__watch(struct markers *m, struct session *session, const struct file_id *id)
{
	struct search *s;
	const char *why;
	int err;

	if (files__know(&m->files, id, NULL))
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	s->id = id;
	err = elf__open(id->open_path, id->debug_root, &s->elf, &why);
	if (!err) {
		if (!files__know(&m->files, id, elf__build_id(s->elf)))
			err = find(s);
		if (!err)
			err = attach(session, s);
		if (!err)
			err = files__add(&m->files, id, elf__build_id(s->elf));
		elf__close(s->elf);
	} else if (err == -ENOEXEC || err == -ENOTSUP) { /* it will not become one */
		err = files__add(&m->files, id, NULL);
	}
	free(s);
	return err == -ENOMEM ? err : 0;
}

void markers__clear(struct markers *m)
{
	files__clear(&m->files);
}
