/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A memory cgroup of the test's own, of version 1 or 2, whichever the machine has. It is removed at the
 * end of the test, failed or not; those that killed tests have left are removed by the next.
 */
#ifndef MEMCG_H
#define MEMCG_H

#include <stdint.h>
#include <sys/types.h>

/* Skips the test where there are none. To be called before the first process is started, so that it
 * is removed after they have gone. */
void memcg_make(void);
void memcg_join(pid_t pid);
/* Bytes that are charged to it. */
int64_t memcg_usage(void);
/* The caller takes back so much of it, as far as it goes. */
void memcg_reclaim(int64_t bytes);
/* From here on its processes take back of their own what goes beyond; -1: no limit. */
void memcg_limit(int64_t bytes);

#endif
