/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What specs would match, before anything is traced. */
#ifndef FORESEE_H
#define FORESEE_H

#include <stdbool.h>
#include <stddef.h>

#include "cli.h"
#include "probes.h"
#include "pyinstall.h"
#include "selection.h"

struct foresight {
	struct pyinstall *install;
	struct probes *probes; /* attached nowhere */
};

/* Looks into the processes and the command of the options. 0 or -errno with a message in err; foresight__clear
 * is wanted in any case. */
int foresee(const struct options *opt, const struct selection *sel, struct foresight *f, char *err, size_t len);
void foresight__clear(struct foresight *f);

/* Is there no spec that means anything in the processes of the options, as they are now? */
bool foresee_nothing(const struct options *opt, const struct selection *sel);

#endif
