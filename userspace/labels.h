/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which labels of a run were seen, in which processes; and of the others, why not. */
#ifndef LABELS_H
#define LABELS_H

#include "correlate.h"

struct labels;
struct label;

struct labels *labels__new(enum lang lang);
void labels__free(struct labels *labels);

/* The label that a spec has at that end; lives as long as `labels`. NULL: it has none, or there is
 * no memory. */
struct label *labels__get(struct labels *labels, const struct fact_spec *spec, enum rt_when when);
void label__seen(struct label *label, uint32_t pid, bool printed);

/* At the end: what all specs say of those that were not seen, and their order. `watched`: no entry of
 * a Python function was missed. -ENOMEM. */
int labels__judge(struct labels *labels, const struct spec_stat *specs, size_t n, bool watched);
/* What another run says of one: seen if it was in any, absent if it was in all. -ENOMEM. */
int labels__merge(struct labels *labels, const struct label_stat *stat);
/* Valid until the next call. -ENOMEM. */
int labels__list(struct labels *labels, const struct label_stat **list, size_t *n);

/* "seen", "not seen", ...: as jsonl names it. */
const char *label_state_name(enum label_state state);

#endif
