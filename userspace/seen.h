/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one run had, as far as it can be compared with another: its processes, the rows of each
 * label, and what each function and mapping grew. A struct seen is one of those, with its figures:
 *
 *	label               for each of its rows: delta, total. Points by --step are left out, and
 *	                    what they moved is the next row's
 *	function, native    self, inclusive (net RSS)
 *	mapping             net RSS
 *	process             baseline, end, peak (RSS)
 *	tree                peak (RSS of all processes together)
 */
#ifndef SEEN_H
#define SEEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hash.h"
#include "merge.h"

enum seen_kind {
	SEEN_TREE,
	SEEN_PROCESS,
	SEEN_LABEL,
	SEEN_FUNCTION, /* of Python, and threads that run none */
	SEEN_NATIVE,   /* of sampled native stacks */
	SEEN_MAPPING,
	SEEN_KINDS,
};

enum { SEEN_FIGURES = 3 }; /* at most, of one kind */

struct seen {
	enum seen_kind kind;
	char *name; /* as the target wrote it: clean it before it is shown */
	char *file; /* of a function; of a label, what it is called in the other language; "" */
	size_t n, room;
	int64_t *figures; /* n times as many as the kind has */
	UT_hash_handle hh; /* by the name of a label; else by kind, name and file */
};

struct seen_program {
	uint32_t pid;
	uint64_t start_ns, born_ns;
	char *name;	  /* role, or else comm; pids and ports in it are "*" */
	unsigned int nth; /* of those of that name, in the order of birth, from 1 */
	char *cmdline;
	bool borrowed;
	struct rt_snapshot last;
	int64_t remainder; /* of its growth */
	struct seen self;
	struct seen *labels, *places; /* hash tables */
};

struct seen_label {
	char *text, *other; /* in the language of the comparison, and in the other; "" */
	char *unmatched;    /* why nothing matched; NULL: something did */
};

struct seen_run {
	const char *path;
	enum lang lang;
	char *host, *kernel, *version;
	const char *command; /* of the program that was first; "" where it is not known */
	struct seen_label *labels; /* of all specs */
	size_t n_labels;
	bool growth; /* functions and mappings are known */
	struct seen tree; /* n 0: not known */
	int64_t lost;
	struct seen_program **programs; /* in the order of birth */
	size_t n_programs;
	struct seen_live *live, *recent; /* while it is being read: programs that have not ended */
};

/* How many figures a kind has. */
unsigned int seen_width(enum seen_kind kind);

/* Take a run into the struct seen_run that is their ctx: all zeros before, but for path and lang. */
extern const struct row_ops seen_ops;
/* Renders the tape, whose reader is open, into such a run. What was wrong with the tape stands in
 * it. 0 or -ENOMEM. */
int seen_run__read(struct seen_run *run, struct merge_tape *tape);
void seen_run__clear(struct seen_run *run);

/* --- between seen.c and seen_growth.c --------------------------------------------------------- */

/* The one of that name and file, made if there was none. NULL: no memory. */
struct seen *seen__get(struct seen **table, enum seen_kind kind, const char *name,
	const char *file);
/* One more row of figures. -ENOMEM. */
int seen__add(struct seen *s, const int64_t *figures);
/* The program that began then; NULL: none. */
struct seen_program *seen_run__program(const struct seen_run *run, uint32_t pid, uint64_t start_ns,
	uint64_t born_ns);
/* What functions and mappings of all programs grew. -ENOMEM. */
int seen_growth(struct seen_run *run, const struct run_summary *sum);

#endif
