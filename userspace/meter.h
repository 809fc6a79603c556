/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tracing costs, while it goes on: asks the kernel about once a second, and keeps --max-overhead.
 * There is nothing that the tool lets run by time in the traced programs; so what can be left out, and is,
 * are samples of native stacks.
 */
#ifndef METER_H
#define METER_H

#include <stdbool.h>
#include <stdint.h>
#include "fact.h"
#include "session.h"

struct meter;

/* limit: --max-overhead, in percent; 0: none is kept, and no samples are taken. samples: there are any to
 * be taken. NULL: no memory. */
struct meter *meter__new(struct session *s, double limit, bool samples);
void meter__free(struct meter *m);
/* When all processes of the beginning are known: from here on their CPU time counts. probes: some
 * function is probed, so that it is worth knowing what a trap takes. 0 or -errno. */
int meter__begin(struct meter *m, bool probes, uint64_t now_ns);
/* Often. 0 or -errno. */
int meter__tick(struct meter *m, uint64_t now_ns);
/* At the end: all of the fact but losses and hits. */
void meter__tell(struct meter *m, uint64_t now_ns, struct fact_counters *out);

#endif
