/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which checkpoint specs a run has: those of -f, and those of the profile. */
#ifndef SELECTION_H
#define SELECTION_H

#include <stddef.h>
#include "cli.h"
#include "profile.h"
#include "spec.h"

struct selection {
	const struct checkpoint_spec **specs; /* profile's first, then -f, each in order, and behind
					       * each the hidden ones */
	size_t n;
	size_t first_own; /* those from here on are from -f */
	struct checkpoint_spec *own;
	size_t n_own;
	struct checkpoint_spec *hidden; /* without labels: what others are to be inside of, so that
					 * there is a spec__inside_id for each */
	size_t n_hidden;
	struct profile *profile; /* or NULL */
};

/*
 * By --profile, or, where neither it nor -f is given, the shipped profile that knows one of the
 * processes (or the command), unless it is switched off in their environment. 0, or -errno after a message.
 */
int selection__make(struct selection *sel, const struct options *opt);
void selection__clear(struct selection *sel);

#endif
