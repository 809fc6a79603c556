/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The Pythons of this machine: python3, ~/.pyenv/versions, and those that RAMTRACE_PYTHONS names. */
#ifndef PYTHONS_H
#define PYTHONS_H

#include <glob.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	MAX_PYTHONS = 64,
};

struct pythons {
	char *path[MAX_PYTHONS];
	size_t n;
};

/* By their real paths, once each; one that cannot run here is none. */
static void add_python(struct pythons *p, const char *path)
{
	char real[PATH_MAX], command[PATH_MAX + 128];

	if (p->n == MAX_PYTHONS || access(path, X_OK) || !realpath(path, real))
		return;
	for (size_t i = 0; i < p->n; i++)
		if (!strcmp(p->path[i], real))
			return;
	snprintf(command, sizeof(command), "'%s' -c 'import sys; sys.exit(sys.version_info < (3, 6))' "
		"2>/dev/null", real);
	if (!system(command))
		p->path[p->n++] = strdup(real);
}

static void find_pythons(struct pythons *p)
{
	const char *home = getenv("HOME"), *more = getenv("RAMTRACE_PYTHONS"), *path = getenv("PATH");
	char pattern[PATH_MAX], *words, *save, *word;
	glob_t g = { 0 };

	words = strdup(path ? path : "/usr/bin");
	for (word = strtok_r(words, ":", &save); word && !p->n; word = strtok_r(NULL, ":", &save)) {
		snprintf(pattern, sizeof(pattern), "%s/python3", word);
		add_python(p, pattern);
	}
	free(words);
	add_python(p, "/usr/bin/python3");
	snprintf(pattern, sizeof(pattern), "%s/.pyenv/versions/*/bin/python", home ? home : "");
	if (!glob(pattern, 0, NULL, &g))
		for (size_t i = 0; i < g.gl_pathc; i++)
			add_python(p, g.gl_pathv[i]);
	globfree(&g);
	words = strdup(more ? more : "");
	for (word = strtok_r(words, " ", &save); word; word = strtok_r(NULL, " ", &save))
		add_python(p, word);
	free(words);
}

#endif
