/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Strings as a format prints them. A log repeats few labels, roles and functions a million times;
 * each is made presentable once.
 */
#ifndef STRCACHE_H
#define STRCACHE_H

#include "out.h"

struct strcache;

/* `render` gives a malloc'd form of the string, or NULL without memory. */
struct strcache *strcache__new(char *(*render)(const char *s));
void strcache__free(struct strcache *c);
/* Prints the form of s; -ENOMEM, and then nothing was printed. */
int strcache__print(struct strcache *c, struct out *o, const char *s);

/* Two renderers: one line without control characters, and a JSON string in quotes. */
char *render_line(const char *s);
char *render_json(const char *s);

#endif
