/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The specs and functions of a run by their ids, and how often each was seen. */
#ifndef CATALOG_H
#define CATALOG_H

#include "correlate.h"

struct catalog_spec {
	const struct fact_spec *fact;
	uint64_t rows;
	bool conditional; /* whether it holds is to be found out at each entry */
	unsigned int group; /* id of the first of its alternatives: "outermost" is of them all */
	bool enclosing;	  /* another spec holds only inside of it */
	struct label *labels[2]; /* at entry and return: rows.c remembers them here */
};

struct catalog_func {
	const struct fact_func *fact; /* its specs are in profile order */
	uint64_t entries, returns;    /* events seen, until the kernel's own count is known */
	bool counted;		      /* it is: nothing is to be added */
};

struct catalog;

struct catalog *catalog__new(void);
void catalog__free(struct catalog *cat);

/* Takes what the fact holds (a SPEC or FUNC; one of a known id takes the place of the old one).
 * 0 or -ENOMEM, and then nothing is taken. */
int catalog__take(struct catalog *cat, struct fact *fact);
/* NULL: no such id. */
struct catalog_spec *catalog__spec(const struct catalog *cat, unsigned int id);
struct catalog_func *catalog__func(const struct catalog *cat, unsigned int id);
/* Has any spec conditions? */
bool catalog__has_conditions(const struct catalog *cat);
/* The kernel's count of hits, in place of our own. */
void catalog__hits(struct catalog *cat, const struct fact_counters *counters);

/* In the order of ids; valid until the next call and the next fact. -ENOMEM. */
int catalog__spec_stats(struct catalog *cat, const struct spec_stat **stats, size_t *n);
int catalog__func_stats(struct catalog *cat, const struct func_stat **stats, size_t *n);

#endif
