/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "place.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

const char *place_why_not(int err)
{
	switch (-err) {
	case ELOOP:
		return "it is a symbolic link, which is not followed. Name the file itself";
	case EISDIR:
		return "it is a directory. Name a file in it";
	case ENOENT:
	case ENOTDIR:
		return "its directory does not exist. Make it first, or name another";
	case EACCES:
	case EPERM:
	case EROFS:
		return "files may not be written there. Name a place where they may";
	case ENOSPC:
	case EDQUOT:
		return "the disk is full. Make room, or name another place";
	default:
		return strerror(-err);
	}
}

bool place_same(const char *a, const char *b)
{
	struct stat x, y;

	return a && b && !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}
