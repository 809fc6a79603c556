/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "foresee.h"

#include <errno.h>

#include "uprobe.h"

static int find_all(const struct foresight *f, const struct options *opt, char *err, size_t len)
{
	int ret = 0;

	for (size_t i = 0; i < opt->n_pids; i++)
		pyinstall__process(f->install, opt->pids[i]);
	if (opt->argv)
		pyinstall__command(f->install, opt->argv);
	for (size_t i = 0; !ret && i < opt->n_pids; i++)
		ret = probes__scan(f->probes, opt->pids[i], true, err, len);
	return ret ? ret : probes__find_files(f->probes, opt->argv ? opt->argv[0] : NULL, err, len);
}

int foresee(const struct options *opt, const struct selection *sel, struct foresight *f, char *err, size_t len)
{
	struct probes_config config = {.specs = sel->specs,
		.n_specs = sel->n,
		.returns = opt->returns,
		.multi = uprobe_has_multi(),
		.force = opt->force};

	*f = (struct foresight){.install = pyinstall__new(sel->specs, sel->n)};
	config.install = f->install;
	f->probes = f->install ? probes__new(&config) : NULL;
	return f->probes ? find_all(f, opt, err, len) : -ENOMEM;
}

void foresight__clear(struct foresight *f)
{
	probes__free(f->probes);
	pyinstall__free(f->install);
	*f = (struct foresight){0};
}

bool foresee_nothing(const struct options *opt, const struct selection *sel)
{
	struct foresight f;
	char text[1024];
	bool nothing = true, seen;

	/* what fails here fails again, and is told, when the probes are placed */
	if (foresee(opt, sel, &f, text, sizeof(text)))
		nothing = false;
	for (size_t i = 0; nothing && i < sel->n; i++)
		nothing = probes__unmatched(f.probes, i, &seen, text, sizeof(text));
	foresight__clear(&f);
	return nothing;
}
