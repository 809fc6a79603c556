/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions the specs mean in one file, and how the return of each will be seen. Nothing is
 * attached here.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cli.h"
#include "disasm.h"
#include "elf.h"
#include "spec.h"
#include "uprobe.h"

/* A function to probe. Its id is its place in the plan. */
struct planned {
	unsigned int file; /* the caller's number of the file */
	uint64_t addr, size, offset, semaphore; /* size 0: unknown, or not a function */
	unsigned int skip; /* bytes from its first instruction to the one that is probed */
	char *name, *source;
	char *instruction, *probed; /* the first, and the one that is probed */
	enum cost_class first_cost, cost; /* of these */
	const char *returns; /* in words */
	uint32_t flags;	     /* enum rt_func_flags */
	unsigned int *specs; /* which mean it, ascending */
	size_t n_specs;
	struct func_exits exits;
};

struct plan {
	struct planned *funcs;
	size_t n, room;
};

struct plan_config {
	const struct checkpoint_spec *const *specs;
	enum return_way returns;
	bool multi, force; /* see struct probes_config */
};

/* What came of one spec in one file. */
struct plan_found {
	size_t functions;
	char *problem; /* owned by the caller: why there are none; NULL when there are */
};

/*
 * Adds to the plan what spec number `spec` means in `elf`, which is shown as `path`. Functions that
 * an earlier spec has planned for the same file are shared. 0, or -errno with a message in err.
 */
int plan__search(struct plan *plan, const struct plan_config *config, unsigned int spec,
	struct elf_file *elf, unsigned int file, const char *path, struct plan_found *found, char *err,
	size_t len);
/*
 * Once all specs were searched for in `elf`: moves the entry probes of functions from `from` on past
 * first instructions that cost the target a second trap. 0 or -errno.
 */
int plan__settle(struct plan *plan, size_t from, struct elf_file *elf);
/* Where the function's entry is probed, in the file. */
uint64_t planned__site(const struct planned *f);
/* Where the function's probes go: its entry, then its exits. out has room for 1 + exits.n. Functions
 * from `from` on are being probed with it: jumps that lead to them are marked. How many. */
size_t plan__sites(const struct plan *plan, size_t from, unsigned int id, struct uprobe_site *out);
void plan__clear(struct plan *plan);

#endif
