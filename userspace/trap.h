/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What this machine takes to get from a probed instruction to its program and back. */
#ifndef TRAP_H
#define TRAP_H

#include <stdint.h>
#include "disasm.h"
#include "uprobe.h"

struct trap_costs {
	uint64_t ns[COST_INVALID]; /* by enum cost_class; 0: not known */
};

/* Measured on functions of the tool's own, with a program that does nothing; takes some 10 ms. What was
 * attached for it is in *probes, to be freed when there is time: that makes the kernel wait for longer
 * than all the rest. 0; -ENOTSUP where there is no uprobe_multi; -errno: *probes is NULL. */
int trap_calibrate(struct trap_costs *out, struct uprobe_links **probes);

#endif
