/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What became of the conditions of --fail-if. A gate that passes because it looked at nothing is
 * worse than none: a condition that names what was not there, or that could not be judged, fails.
 */
#ifndef VERDICT_H
#define VERDICT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "condition.h"

enum { VERDICT_LINES = 5 }; /* rows that are shown for a condition */

struct verdict {
	const struct condition *condition;
	uint64_t hits;	/* rows, or others, that it held for */
	bool named;	/* what it names was there */
	bool asleep;	/* it was not, but could have been: a label that was not reached */
	char *blind;	/* why it could not be judged; NULL: it could */
	char *lines[VERDICT_LINES]; /* the first of those that are shown */
	size_t n_lines;
};

struct verdicts {
	struct verdict *list;
	size_t n;
};

/* The conditions stay the caller's. NULL: no memory. verdicts__free takes NULL. */
struct verdicts *verdicts__new(struct condition *const *conditions, size_t n);
void verdicts__free(struct verdicts *v);

/* It holds for one more. */
void verdict__count(struct verdict *v);
/* A line about one of them, to be shown while there are few. */
void verdict__show(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* The first reason stays. */
void verdict__blind(struct verdict *v, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Says to stderr what held and what could not be judged. True: so something failed. `where` is what
 * was looked at: "this run". */
bool verdicts__report(const struct verdicts *v, const char *where);

#endif
