/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What spec.c and spec_condition.c share. */
#ifndef SPEC_INTERNAL_H
#define SPEC_INTERNAL_H

#include "spec.h"

/* Where messages go, the whole text that they quote, and what may stand before a target. */
struct complaint {
	const char *text, *label;
	char *err;
	size_t err_len;
};

/* Always -EINVAL. `expected` may be NULL. */
int spec__complain(const struct complaint *c, const char *expected, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Does a bracket close between s and end that was opened before s? */
bool spec__closes_bracket(const char *s, const char *end);

/* How much of a text lies before its conditions and the blanks before these. */
size_t spec__target_len(const char *text);
/* The conditions that follow a target, which has been parsed. 0, -EINVAL, -ENOMEM. */
int spec__take_conditions(const struct complaint *c, const char *s, struct checkpoint_spec *spec);

#endif
