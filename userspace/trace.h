/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands: each takes the options and returns the exit status. */
#ifndef TRACE_H
#define TRACE_H

#include "cli.h"

int trace_run(const struct options *opt);
int list_run(const struct options *opt);
int replay_run(const struct options *opt);
int diff_run(const struct options *opt);

#endif
