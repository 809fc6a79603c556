/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "table.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_COLUMNS 16

struct table {
	bool right[MAX_COLUMNS];
	size_t columns;
	char **cells; /* the titles are the first row */
	size_t n, room;
	bool failed;
};

struct table *table__new(void)
{
	return calloc(1, sizeof(struct table));
}

void table__free(struct table *t)
{
	if (!t)
		return;
	for (size_t i = 0; i < t->n; i++)
		free(t->cells[i]);
	free(t->cells);
	free(t);
}

static void add(struct table *t, char *cell)
{
	size_t room = t->room ? t->room * 2 : 64;
	char **cells;

	if (!cell)
		t->failed = true;
	if (t->failed)
		goto drop;
	if (t->n == t->room) {
		cells = realloc(t->cells, room * sizeof(*cells));
		if (!cells) {
			t->failed = true;
			goto drop;
		}
		t->cells = cells;
		t->room = room;
	}
	t->cells[t->n++] = cell;
	return;
drop:
	free(cell);
}

void table__column(struct table *t, const char *title, bool right)
{
	if (t->columns == MAX_COLUMNS)
		return;
	t->right[t->columns++] = right;
	add(t, strdup(title));
}

void table__cell(struct table *t, const char *fmt, ...)
{
	char *cell = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&cell, fmt, ap) < 0)
		cell = NULL;
	va_end(ap);
	add(t, cell);
}

static void pad(struct out *o, int n)
{
	while (n-- > 0)
		out__bytes(o, " ", 1);
}

int table__print(const struct table *t, struct out *o)
{
	int width[MAX_COLUMNS] = { 0 };
	size_t col;
	int w;

	if (t->failed)
		return -ENOMEM;
	if (!t->columns)
		return 0;
	for (size_t i = 0; i < t->n; i++) {
		w = out_width(t->cells[i]);
		if (w > width[i % t->columns])
			width[i % t->columns] = w;
	}
	for (size_t i = 0; i < t->n; i++) {
		col = i % t->columns;
		w = width[col] - out_width(t->cells[i]);
		pad(o, 2);
		if (t->right[col])
			pad(o, w);
		out__str(o, t->cells[i]);
		if (col + 1 == t->columns)
			out__bytes(o, "\n", 1);
		else if (!t->right[col])
			pad(o, w);
	}
	return 0;
}
