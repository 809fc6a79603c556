/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Markers: labels that programs give themselves (see userspace/marker/). What is in an event. */
#ifndef MARK_H
#define MARK_H

#include "../bpf/ramtrace.h"

/* What a row calls the function: "log_ram_memory", "ramtrace:mark". */
const char *mark_function(const struct rt_mark *ev);

/*
 * The label as rows have it: UTF-8, one line, at most RT_MARK_CHARS characters of what was given and
 * "…" where there were more; what could not be kept of it is shown by out_clean. An empty one is
 * called like the function. Owned by the caller; NULL: no memory.
 */
char *mark_label(const struct rt_mark *ev);

#endif
