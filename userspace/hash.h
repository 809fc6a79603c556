/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * uthash and utlist, told to leave the choice to us when there is no memory: their default is to
 * exit. After an add, hash_added() says whether it took place.
 */
#ifndef HASH_H
#define HASH_H

#define HASH_NONFATAL_OOM 1
#include <uthash.h>
#include <utlist.h>

#define hash_added(item) ((item)->hh.tbl != NULL)

#endif
