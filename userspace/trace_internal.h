/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between the files of the live run: trace.c, whose loop it is, and trace_setup.c, what comes before. */
#ifndef TRACE_INTERNAL_H
#define TRACE_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "record.h"
#include "selection.h"

#define WINDOW_NS	 50000000ULL /* by how much the log is delayed, for the order's sake */
#define BUSY_POLL_MS	 10
#define IDLE_POLL_MS	 50
#define EVENTS_PER_POLL	 65536
#define READER_NICE	 (-20)
#define MAX_MISSED	 16384 /* functions whose lost checkpoints are counted each for itself */
#define RESCAN_NS	 1000000000ULL /* for files whose loading no linker tells of */

struct tracer {
	const struct options *opt;
	struct selection sel;
	struct session *session;
	struct probes *probes;
	struct pytrace *python;
	struct native *native; /* NULL: no full attribution */
	struct pyinstall *install;
	size_t absent; /* labels of the profile that were said not to be there */
	struct role_rules *roles;
	struct watch *watch;
	struct launch *launch;
	struct output *output;
	struct tally *tally;
	struct gauge *gauge;
	struct meter *meter;
	int signals; /* signalfd */
	int nice;    /* that it was started with */
	uint64_t start_ns, now_ns, rescan_ns, sample_ns;
	bool running;	  /* all is set up */
	bool growth;	  /* full attribution is on */
	bool points;	  /* --step is on */
	bool marked;	  /* some process has said something itself */
	bool attaching;	  /* reports of processes that come now say what was there */
	int interrupted;  /* the first SIGINT or SIGTERM that came, or the second */
	bool insisted;	  /* there was a second */
	bool stop;
	const char *reason;
	int err;
};

/* --- trace.c --- */

uint64_t trace_clock(clockid_t clock);
/* All records pass here. `ctx` is the tracer. */
int trace_emit(void *ctx, const struct record *rec);
/* And all events of the kernel's side here. The same. */
int trace_on_event(void *ctx, const void *data, size_t len);
int trace_emit_host(struct tracer *t);
void trace_decide_points(struct tracer *t);
int trace_block_signals(struct tracer *t);
int trace_on_stuck(void *ctx);

/* --- trace_setup.c --- */

/* Up to the moment when everything is traced. 0 or -errno, after a message. */
int trace_set_up(struct tracer *t);
/* Looks at the processes that have mapped something new. 0 or -ENOMEM. */
int trace_scan_due(struct tracer *t);
/* Goes before others on a busy machine, or no more. */
void trace_read_first(const struct tracer *t, bool first);
void trace_say_absent(struct tracer *t);

#endif
