/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conditions of --fail-if: when a run, or the difference of two, is not as it should be.
 *
 *	condition := term operator value
 *	term      := FUNCTION '(' argument ')' | label
 *	label     := quoted | all that stands before the operator
 *	argument  := quoted | all that stands before the ')'
 *	quoted    := '"' characters, with \" for a quote, '"'
 *	operator  := '>' | '>=' | '<' | '<='
 *	value     := ['+' | '-'] number (['K' | 'M' | 'G' | 'T'] | '%')
 *
 * Labels and arguments are globs. In a comparison of two runs a sign says that the value is what B
 * has more, or less, than A; without one it is what B has. Nothing here knows of rows.
 */
#ifndef CONDITION_H
#define CONDITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum condition_what {
	COND_LABEL, /* by how much a row of that label moved */
	COND_TOTAL, /* the total of such a row */
	COND_RSS,   /* what a process has */
	COND_PEAK,  /* the most that it had */
	COND_ANON,
	COND_FILE,
	COND_SHMEM,
	COND_SWAP,
	COND_GROWTH,	/* what a function brought, with those that it called */
	COND_REMAINDER, /* what nothing explains of the growth of a process */
	COND_TREE,	/* the most that all processes had together */
	COND_LOST,	/* events that were lost: a count, as all others are bytes */
};

enum condition_op {
	COND_GT,
	COND_GE,
	COND_LT,
	COND_LE,
};

struct condition {
	char *text; /* as written */
	enum condition_what what;
	char *glob; /* of a label, role or function; "" where it takes none */
	enum condition_op op;
	bool relative; /* the value is what B has more than A */
	bool percent;  /* and a share of what A has: then this is it, */
	double share;
	int64_t value; /* and else this */
};

struct condition_error {
	size_t at; /* byte of the text where it is wrong */
	char why[256];
};

/* `compares`: of two runs. -EINVAL and *err, or -ENOMEM. condition__free frees; NULL is fine. */
int condition__parse(const char *text, bool compares, struct condition **out,
	struct condition_error *err);
void condition__free(struct condition *c);

/* Is it a label, role or function that the condition names? */
bool condition__names(const struct condition *c, const char *name);
/* Of one run. */
bool condition__holds(const struct condition *c, int64_t value);
/* Of two: `more` is what b has more than a, 0 where that is no difference. */
bool condition__holds_between(const struct condition *c, int64_t a, int64_t b, int64_t more);

/* Is it of the snapshots of processes, and does it need full attribution? */
bool condition__is_level(const struct condition *c);
bool condition__needs_growth(const struct condition *c);
/* "rss"; of a label "". */
const char *condition_name(const struct condition *c);
/* "rss(ROLE)": all there are, separated by ", ". */
const char *condition_functions(void);

#endif
