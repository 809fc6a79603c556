/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Groups of mappings, as the kernel's side tells of them. */
#ifndef MAPPING_H
#define MAPPING_H

#include <stddef.h>

#include "../bpf/ramtrace.h"

/* Puts the path of a file in the place of its last part, as far as its process still maps it; the
 * end of one that is longer than its place. */
void mapping_complete(struct rt_mapping *ev);

/* What it is called: a path, "memfd:NAME", "[heap]", "[stack]", "[anon:NAME]",
 * "[anonymous 1M to 16M]", "[too many to tell apart]"; and "[not known]" for NULL. */
void mapping_name(const struct rt_mapping *m, char *buf, size_t len);
/* "file", "shmem", "heap", "stack", "thread_stack", "named", "anon", "rest", "unknown". */
const char *mapping_kind(const struct rt_mapping *m);

#endif
