/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* "libc.so.6" is meant by "libc.so.6", "libc.so" and "libc"; "postgres" by "postgres". */
static bool name_matches(const char *want, const char *base)
{
	size_t n = strlen(want);

	if (strncmp(base, want, n))
		return false;
	return !base[n] || !strcmp(base + n, ".so") || !strncmp(base + n, ".so.", 4) ||
	       (strstr(want, ".so") && base[n] == '.');
}

bool spec_means(const struct checkpoint_spec *spec, const struct file_id *id)
{
	const char *base = strrchr(id->path, '/');
	struct stat st;

	if (spec->type == SPEC_PYTHON) /* its file is not one that is mapped */
		return false;
	if (!*spec->binary)
		return id->main;
	if (!strchr(spec->binary, '/'))
		return name_matches(spec->binary, base ? base + 1 : id->path);
	if (!strcmp(spec->binary, id->path))
		return true;
	return !stat(spec->binary, &st) && st.st_ino == id->inode && st.st_dev == id->dev;
}

static bool same_text(const char *a, const char *b)
{
	return a && b && !strcmp(a, b);
}

bool files__know(const struct files *files, const struct file_id *id, const char *build_id)
{
	for (size_t i = 0; i < files->n; i++) {
		const struct file *f = &files->files[i];

		if (f->inode == id->inode && (f->dev == id->dev || same_text(f->build_id, build_id)))
			return true;
	}
	return false;
}

int files__add(struct files *files, const struct file_id *id, const char *build_id)
{
	struct file *bigger = realloc(files->files, (files->n + 1) * sizeof(*bigger));

	if (!bigger)
		return -ENOMEM;
	files->files = bigger;
	bigger += files->n;
	*bigger = (struct file){.inode = id->inode,
		.dev = id->dev,
		.build_id = build_id ? strdup(build_id) : NULL,
		.path = strdup(id->path)};
	if (!bigger->path || (build_id && !bigger->build_id))
		return -ENOMEM;
	files->n++;
	return 0;
}

void files__clear(struct files *files)
{
	for (size_t i = 0; i < files->n; i++) {
		free(files->files[i].path);
		free(files->files[i].build_id);
	}
	free(files->files);
	*files = (struct files){0};
}
