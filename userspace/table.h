/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Aligned columns of text, whose widths are those of a terminal. */
#ifndef TABLE_H
#define TABLE_H

#include <stdbool.h>
#include "out.h"

struct table;

/* NULL: no memory. */
struct table *table__new(void);
void table__free(struct table *t);
/* All columns first; then cells from left to right, row after row. Want of memory shows up in
 * table__print. */
void table__column(struct table *t, const char *title, bool right);
void table__cell(struct table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Two spaces before each column, none at the end of a line. 0 or -ENOMEM (nothing is printed). */
int table__print(const struct table *t, struct out *o);

#endif
