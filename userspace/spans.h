/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The open spans of one program, mirrored from its entries and returns, so that the conditions of
 * specs (see struct spec_condition) can be judged. An entry is judged against what is open below it
 * in its thread:
 *
 *	thread 7:  span 1  EngineCore.__init__      holds: specs 0, 40
 *	           span 4  InputBatch.__init__      holds: spec 41      <- inside of 41, and counted
 *	           span 5  zeros                    holds: -               for nth since it began
 *
 * and what held is kept with it for its return. A return whose entry was not seen belongs to those
 * of its specs that have no conditions.
 *
 * A return may have been lost. What was open when events of the program were lost is in doubt: it
 * counts for "inside", not for "outermost", and is dropped when a span below it returns, or when
 * its function or its number is entered again.
 *
 * What was seen from outside in a thread that slept when tracing began is open until the thread runs.
 * First of all that thread then tells what is open still, and the rest has returned.
 */
#ifndef SPANS_H
#define SPANS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "catalog.h"

struct spans;

/* One end of one activation. */
struct span_event {
	uint32_t tid;
	uint32_t span; /* 0: not opened */
	bool inherited;
	const struct fact_func *func;
	bool told; /* at an entry: seen from outside in a thread that sleeps. It has no number yet */
	uint64_t time_ns;
	const char *caller; /* qualified name; NULL: not known */
	uint64_t lost;	    /* events of the program that were lost up to here */
};

/* Ids of the specs that it belongs to, in profile order; valid until the next call. */
struct span_specs {
	const unsigned int *ids;
	size_t n;
};

/* -ENOMEM. `spans` is made when it is first needed. */
int spans__enter(struct spans **spans, const struct catalog *cat, const struct span_event *ev,
	struct span_specs *held);
int spans__leave(struct spans **spans, const struct catalog *cat, const struct span_event *ev,
	struct span_specs *held);
/* The thread runs, and tells of what was open: was it known from outside? Then it gets its number
 * (`keep`), or is forgotten, and there is nothing to be said of it. */
bool spans__told(struct spans *spans, const struct span_event *ev, bool keep);
/* One that was known from outside and has returned, the innermost first, now that the thread has told
 * what is open. Where events were lost that may have told of it, it is only forgotten. 1; 0: there is
 * none; -ENOMEM. */
struct span_gone {
	const struct fact_func *func;
	uint64_t since_ns; /* of its entry, the last time it was seen */
	struct span_specs held;
};
int spans__gone(struct spans *spans, uint32_t tid, uint64_t lost, struct span_gone *gone);
/* What is open in the parent is open in the child, in its one thread. -ENOMEM. */
int spans__fork(struct spans **child, uint32_t child_tid, const struct spans *parent,
	uint32_t parent_pid);
/* Open spans of all threads: for tests. */
size_t spans__open(const struct spans *spans);
void spans__free(struct spans *spans);

#endif
