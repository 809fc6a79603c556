/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tapes that the user has named: what is wrong with one is told in a message. */
#ifndef TAPES_H
#define TAPES_H

#include "merge.h"

enum tape_use {
	TAPE_REPLAY,
	TAPE_COMPARE,
};

/* 0, or -errno after a message. */
int tapes_open(const char *path, enum tape_use use, struct tape_reader **reader);
/* Says what was missing from one that has been gone through. -errno if anything was. */
int tapes_judge(const char *path, enum tape_use use, const struct merge_tape *tape);

#endif
