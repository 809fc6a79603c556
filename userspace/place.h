/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Places that files are to be written to: what is wrong with one, and what to do. */
#ifndef PLACE_H
#define PLACE_H

#include <stdbool.h>

/* Why it could not be created, by -errno. */
const char *place_why_not(int err);
/* Two names of one regular file, both there? NULL is none. */
bool place_same(const char *a, const char *b);

#endif
