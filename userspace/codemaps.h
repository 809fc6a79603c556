/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where processes have code: the executable ones of their mappings. */
#ifndef CODEMAPS_H
#define CODEMAPS_H

#include "modules.h"
#include "unwind.h"

struct codemaps;

struct codemaps *codemaps__new(unwind_maps_fn *maps, struct names *names);
void codemaps__free(struct codemaps *cm);

struct code_process;

/* The process; its maps are read if it is new, another one has got the pid, or it may have
 * changed. -ESRCH: it is gone. */
int codemaps__process(struct codemaps *cm, pid_t pid, uint64_t start, struct code_process **out);
void codemaps__changed(struct codemaps *cm, pid_t pid);
void codemaps__forget(struct codemaps *cm, pid_t pid);

/* The stretch that holds an address; NULL: none. If it is not known, the maps are read again with
 * `fresh`, though only so often. */
struct code_map *code_process__at(struct codemaps *cm, struct code_process *p, uint64_t addr,
	bool fresh);
pid_t code_process__pid(const struct code_process *p);
void codemaps__stats(const struct codemaps *cm, struct unwinder_stats *stats);

#endif
