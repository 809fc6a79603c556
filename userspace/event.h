/* SPDX-License-Identifier: GPL-2.0-or-later */
/* From bytes to a checked event. Whatever comes out of here, later stages trust. */
#ifndef EVENT_H
#define EVENT_H

#include <stddef.h>
#include "../bpf/ramtrace.h"

/*
 * Checks that `data` holds one whole event of a known kind whose length and enums are in range and
 * whose strings end. Returns it (the same memory), or NULL with *why set to a constant string.
 * An event that is longer than this version knows is accepted: newer senders append fields. So is
 * one that ends before the fields that were appended since the first version.
 */
const struct rt_hdr *event_check(const void *data, size_t len, const char **why);

/* "checkpoint", "fork", ...; "unknown" for others. */
const char *event_kind_name(unsigned int kind);

#endif
