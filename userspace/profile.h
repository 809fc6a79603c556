/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A profile: checkpoint specs and process roles for one program, as YAML. The shipped ones
 * (profiles/) are part of the binary; a path names a file of the user's own.
 */
#ifndef PROFILE_H
#define PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include "spec.h"

struct profile;

/* NAME of a shipped profile, or a path (holds '/' or ends in .yaml). 0; -errno with a message in
 * err: "FILE:LINE: what is wrong"; -ENOENT lists the names there are. */
int profile__load(const char *name_or_path, struct profile **out, char *err, size_t err_len);
void profile__free(struct profile *p);

const char *profile__name(const struct profile *p);
const struct checkpoint_spec *profile__specs(const struct profile *p, size_t *n);

/* Does it say that it is for this program? exe: path of the executable, cmdline: joined title. */
bool profile__matches(const struct profile *p, const char *exe, const char *cmdline);

/* Names of the shipped ones, NULL-terminated. */
const char *const *profile_names(void);

#endif
