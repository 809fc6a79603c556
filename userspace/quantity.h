/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Sizes, times and shares as people write them on a command line. */
#ifndef QUANTITY_H
#define QUANTITY_H

#include <stdint.h>

/* "16M", "4096", "1.5G" (powers of 1024) to bytes; -EINVAL. */
int parse_size(const char *text, uint64_t *bytes);
/* "10", "1.5s", "200ms", "5m", "2h" to nanoseconds; -EINVAL. */
int parse_duration(const char *text, uint64_t *ns);
/* "3", "2.5%": 0 to 100; -EINVAL. */
int parse_percent(const char *text, double *percent);

#endif
