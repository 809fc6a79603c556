/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Reads of all traced processes what only /proc can say: PSS, what is private, and mappings. At
 * attach, now and then, when asked, and at the end; what it reads goes out as REC_READING facts.
 */
#ifndef GAUGE_H
#define GAUGE_H

#include <stdbool.h>
#include <stdint.h>
#include "fact.h"
#include "record.h"
#include "session.h"

struct options;
struct gauge;

struct gauge_config {
	const struct options *opt;
	bool growth; /* full attribution is on */
	struct session *session;
	/* what the ring has while a reading goes on */
	session_event_fn *on_event;
	record_fn *emit;
	void *ctx;
};

/* NULL: no memory. */
struct gauge *gauge__new(const struct gauge_config *config);
void gauge__free(struct gauge *g);

/* To be asked about each event: is it the gauge's own, and not to go on? */
bool gauge__takes(struct gauge *g, const struct rt_hdr *ev);
/* A reading is wanted soon. */
void gauge__ask(struct gauge *g);
/* Takes a reading if one is due. 0, -ENOMEM, or what emit or on_event returned. */
int gauge__tick(struct gauge *g, uint64_t now_ns);
/* Takes the one at attach or at the end, unless the options want none. The same. */
int gauge__read(struct gauge *g, enum reading_when when);

#endif
