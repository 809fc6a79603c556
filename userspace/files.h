/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which file a spec means, and which files were looked at already: a file is known by its inode,
 * not by its path.
 */
#ifndef FILES_H
#define FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "spec.h"

struct file_id {
	const char *open_path;	/* what to open and to attach to */
	const char *path;	/* as its processes see it */
	const char *debug_root;
	uint64_t inode;
	dev_t dev;
	bool main; /* the executable of a process that was named */
};

/* A file that some spec's BINARY names. The inode alone is compared across devices only where the
 * build ids agree: overlayfs and btrfs show other devices in maps than stat does. */
struct file {
	uint64_t inode;
	dev_t dev;
	char *build_id;
	char *path;
};

struct files {
	struct file *files;
	size_t n;
};

bool spec_means(const struct checkpoint_spec *spec, const struct file_id *id);

/* build_id may be NULL: none. */
bool files__know(const struct files *files, const struct file_id *id, const char *build_id);
/* The new file's number is files->n - 1. 0 or -ENOMEM. */
int files__add(struct files *files, const struct file_id *id, const char *build_id);
void files__clear(struct files *files);

#endif
