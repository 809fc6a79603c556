/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trap.h"

#include <errno.h>
#include <link.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CALLS 32

#if defined(__x86_64__)

/* Each begins with an instruction of one class. */
void trap_on_nop5(void);
void trap_on_push(void);
void trap_on_mov(void);
__asm__(".text\n.balign 64\n"
	".type trap_on_nop5,@function\ntrap_on_nop5: .byte 0x0f,0x1f,0x44,0,0\nret\n"
	".size trap_on_nop5,.-trap_on_nop5\n"
	".type trap_on_push,@function\ntrap_on_push: push %rax\npop %rax\nret\n"
	".size trap_on_push,.-trap_on_push\n"
	".type trap_on_mov,@function\ntrap_on_mov: mov %rax,%rax\nret\n"
	".size trap_on_mov,.-trap_on_mov\n");

typedef void trapped_fn(void);

static trapped_fn *const trapped[COST_INVALID] = {
	[COST_NOP5] = trap_on_nop5,
	[COST_EMULATED] = trap_on_push,
	[COST_STEPPED] = trap_on_mov,
};

struct place {
	uint64_t addr, offset;
};

/* The first object is the program itself. */
static int place_in_file(struct dl_phdr_info *info, size_t size, void *ctx)
{
	struct place *p = ctx;
	uint64_t at = p->addr - info->dlpi_addr;

	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) *ph = &info->dlpi_phdr[i];

		if (ph->p_type == PT_LOAD && at - ph->p_vaddr < ph->p_filesz)
			p->offset = at - ph->p_vaddr + ph->p_offset;
	}
	return 1;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

/* Of several tries the best: whatever disturbs makes it longer. */
static uint64_t time_call(trapped_fn *fn)
{
	uint64_t best = UINT64_MAX, t;

	fn();
	for (int try = 0; try < 3; try++) {
		t = now_ns();
		for (int i = 0; i < CALLS; i++)
			fn();
		t = (now_ns() - t) / CALLS;
		best = t < best ? t : best;
	}
	return best;
}

int trap_calibrate(struct trap_costs *out, struct uprobe_links **probes)
{
	struct uprobe_site sites[COST_INVALID] = {{0}};
	struct uprobe_links *links;
	int prog, err;

	*out = (struct trap_costs){{0}};
	*probes = NULL;
	for (int i = 0; i < COST_INVALID; i++) {
		struct place p = {.addr = (uintptr_t)trapped[i]};

		dl_iterate_phdr(place_in_file, &p);
		if (!p.offset)
			return -ENOENT;
		sites[i].offset = p.offset;
	}
	prog = uprobe_empty_program();
	if (prog < 0)
		return prog;
	links = uprobe_links__new();
	err = links ? uprobe_attach_fd(links, prog, "/proc/self/exe", sites, COST_INVALID) : -ENOMEM;
	for (int i = 0; !err && i < COST_INVALID; i++)
		out->ns[i] = time_call(trapped[i]);
	close(prog);
	if (err)
		uprobe_links__free(links);
	else
		*probes = links;
	return err;
}

#else

int trap_calibrate(struct trap_costs *out, struct uprobe_links **probes)
{
	*out = (struct trap_costs){{0}};
	*probes = NULL;
	return -ENOTSUP;
}

#endif
