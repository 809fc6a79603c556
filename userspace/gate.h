/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --fail-if on one run: looks at rows as sinks do, and says at the end whether all is as it should
 * be. */
#ifndef GATE_H
#define GATE_H

#include <stdbool.h>
#include <stddef.h>

#include "condition.h"
#include "sink.h"

struct gate;

/* The conditions stay the caller's. `live`: the first that holds for each is told at once. NULL: no
 * memory; gate__free takes NULL. */
struct gate *gate__new(struct condition *const *conditions, size_t n, bool live);
void gate__free(struct gate *g);

/* Says to stderr what held, or could not be judged. True: the run fails. */
bool gate__report(const struct gate *g);

/* What lost() is: events that are missing. What is only marked in its row, or was left out on
 * purpose, is not. */
int64_t gate_lost(const uint64_t loss[RT_LOSS_MAX]);

/* Takes rows; its ctx is the gate itself, so it has neither open nor close. */
extern const struct sink sink_gate;

#endif
