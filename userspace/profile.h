/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile: checkpoint specs and process roles for one program, as YAML. The shipped ones
 * (profiles/) are part of the binary; a path names a file of the user's own. The format is
 * explained at the top of profiles/postgres.yaml. A wrong expression, symbol or label is an error
 * when the file is loaded, not when it first matters.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include "role.h"
#include "spec.h"

struct profile;

/* NAME of a shipped profile, or a path (holds '/' or ends in .yaml). 0; -errno with a message in
 * err: "FILE:LINE: what is wrong"; -ENOENT lists the names there are. */
int profile__load(const char *name_or_path, struct profile **out, char *err, size_t err_len);
void profile__free(struct profile *p);

const char *profile__name(const struct profile *p);
/* "NAME=VALUE": an environment with that does not want this profile unless it is asked for. Or NULL. */
const char *profile__off(const struct profile *p);
/* They carry p's name: they and it live as long as p. */
const struct checkpoint_spec *profile__specs(const struct profile *p, size_t *n);

/* Rules of its own, to be asked before the built-in table. NULL: it has none. */
const struct role_rules *profile__roles(const struct profile *p);

/* Does it say that it is for this program? exe: path of the executable, cmdline: joined title. */
bool profile__matches(const struct profile *p, const char *exe, const char *cmdline);
/* The same by a mapped file: what makes a program a user of a library. */
bool profile__matches_file(const struct profile *p, const char *path);

/* Names of the shipped ones, NULL-terminated. */
const char *const *profile_names(void);

#endif
