/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The living processes of a traced tree, as user space sees them: their titles, which come late and
 * change, the roles that follow from them, and whose mapped files should be looked at again. What
 * it learns goes out as REC_PROC facts.
 */
#ifndef WATCH_H
#define WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "../bpf/ramtrace.h"
#include "record.h"
#include "role.h"

struct watch;

/* Both tables are borrowed; `own`, a profile's, is asked first and may be NULL. NULL: no memory. */
struct watch *watch__new(const struct role_rules *own, const struct role_rules *roles, record_fn *emit,
	void *ctx);
void watch__free(struct watch *w);

/* To be called with each event after it went on: what is learned of a program comes behind the event
 * that begins it. 0, -ENOMEM, or what emit returned. */
int watch__event(struct watch *w, const struct rt_hdr *ev);
/* Re-reads the titles that are due. */
int watch__tick(struct watch *w, uint64_t now_ns);

size_t watch__alive(const struct watch *w);

/* The next process whose maps have changed since it was last returned, and that does not rest; 0: none. */
pid_t watch__next_to_scan(struct watch *w, uint64_t now_ns);
/* It has been scanned, from then to then. What a program loads at its start is not to be missed; one that
 * loads a thousand libraries is scanned for at most a part of the time from some point on. */
void watch__scanned(struct watch *w, pid_t pid, uint64_t began_ns, uint64_t ended_ns);
/* Asks for all living processes to be scanned again: probes may have been waiting for a file. */
void watch__scan_all(struct watch *w);

#endif
