/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Puts events in the order of their time. The ring buffer hands them over in the order in which
 * room was reserved, which differs from the order of their clocks by microseconds, or by as long
 * as a CPU was taken away between the two; so each is held for a window before it goes on.
 *
 * Guarantee: the times that go out never go down. An event that comes after later ones have gone
 * is placed at the last time that went out, and its lateness grows by what it was moved.
 * Events of equal time keep the order in which they came.
 */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "../bpf/ramtrace.h"

struct timeline;

/* `moved_ns` is by how much time_ns lies after the event's own time: 0 unless it came too late. */
typedef int timeline_fn(void *ctx, const struct rt_hdr *ev, uint64_t time_ns, uint64_t moved_ns);

/* Holds at most `max_events`; the earliest go out before their window is over beyond that. */
struct timeline *timeline__new(size_t max_events, timeline_fn *fn, void *ctx);
/* Copies the event. 0, -ENOMEM, or what fn returned for an event that had to make room. */
int timeline__push(struct timeline *tl, const struct rt_hdr *ev);
/* Hands on all events up to and including `until_ns`, in order. 0 or what fn returned. */
int timeline__release(struct timeline *tl, uint64_t until_ns);
/* False: none of the time `until_ns` or before is held. *time_ns is that at which the earliest
 * would go out. */
bool timeline__next(const struct timeline *tl, uint64_t until_ns, uint64_t *time_ns);
/* Hands on the earliest alone. 0 (also when nothing is held) or what fn returned. */
int timeline__step(struct timeline *tl);
size_t timeline__pending(const struct timeline *tl);
void timeline__free(struct timeline *tl);

#endif
