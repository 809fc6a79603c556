/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What was open when memory was at its peak: that of one program, and that of all together. The
 * kernel's side says with each row whether there was a new peak since the program's last one (RT_F_PEAK,
 * RT_F_TREE_PEAK). Then it came with what has been open between these two rows.
 */
#ifndef PEAKS_H
#define PEAKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../bpf/ramtrace.h"
#include "spantree.h"

struct peaks;

/* One of those that were open, thread by thread, the outermost first. */
struct open_span {
	uint32_t tid, func;
};

struct open_spans {
	struct open_span *list; /* owned; NULL: none */
	size_t n;
};

/* A row of a function, before it opens or closes anything in `tree`. `peaks` is made when it is first
 * needed. -ENOMEM. */
int peaks__row(struct peaks **peaks, const struct rt_checkpoint *cp, const struct spantree *tree);
void peaks__free(struct peaks *peaks);

/* What was open in the program when its peak came, and at that time, as a copy in *out. `peaks` may be
 * NULL: it had no rows. -ENOMEM. */
int peaks__own(const struct peaks *peaks, const struct spantree *tree, uint64_t peak_ns, struct open_spans *out);
int peaks__of_all(const struct peaks *peaks, const struct spantree *tree, uint64_t peak_ns,
	struct open_spans *out);
void open_spans__clear(struct open_spans *open);

#endif
