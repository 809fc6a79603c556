/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --list: what each spec means on this machine. Finds, attaches nothing. */
#include "trace.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log.h"
#include "preflight.h"
#include "probes.h"
#include "selection.h"
#include "uprobe.h"

static int print_function(void *ctx, const struct probe_info *f)
{
	if (printf("    %s\n"
		   "      %s, address 0x%llx, file offset 0x%llx, from %s\n"
		   "      first instruction: %s (%s); return: %s\n",
		    f->name, f->file, (unsigned long long)f->addr, (unsigned long long)f->offset,
		    f->source, f->instruction, f->cost, f->returns) < 0)
		return -EIO;
	return 0;
}

static const char *label_of(const struct checkpoint_spec *spec, enum lang lang)
{
	if (spec->entry[lang])
		return spec->entry[lang];
	return spec->leave[lang] ? spec->leave[lang] : "";
}

static int print_spec(const struct probes *p, const struct checkpoint_spec *spec, size_t i,
	enum lang lang)
{
	char why[2048];
	bool seen;

	printf("%s", label_of(spec, lang));
	if (spec->entry[lang] && spec->leave[lang])
		printf(" | %s", spec->leave[lang]);
	printf("\n  %s%s%s%s\n", spec->text, spec->extra ? " (extra)" : "",
		spec->profile ? ", profile " : "", spec->profile ? spec->profile : "");
	if (probes__unmatched(p, i, &seen, why, sizeof(why)))
		return printf("    nothing matched: %s\n", why) < 0 ? -EIO : 0;
	return probes__each(p, i, print_function, NULL);
}

static int find_all(struct probes *p, const struct options *opt, char *err, size_t len)
{
	int ret = 0;

	for (size_t i = 0; !ret && i < opt->n_pids; i++)
		ret = probes__scan(p, opt->pids[i], true, err, len);
	return ret ? ret : probes__find_files(p, opt->argv ? opt->argv[0] : NULL, err, len);
}

int list_run(const struct options *opt)
{
	struct probes_config config = {.returns = opt->returns,
		.multi = uprobe_has_multi(),
		.force = opt->force};
	struct selection sel = {0};
	struct probes *p = NULL;
	char err[1024] = "";
	int ret = 0;

	for (size_t i = 0; !ret && i < opt->n_pids; i++)
		ret = preflight_pid(opt->pids[i]);
	if (!ret)
		ret = selection__make(&sel, opt);
	if (ret)
		return EXIT_TOOL_FAILED;
	config.specs = sel.specs;
	config.n_specs = sel.n;
	p = probes__new(&config);
	ret = p ? find_all(p, opt, err, sizeof(err)) : -ENOMEM;
	if (ret)
		log_error("%s", *err ? err : strerror(-ret));
	for (size_t i = 0; !ret && i < sel.n; i++)
		ret = print_spec(p, sel.specs[i], i, opt->lang);
	if (!ret && !sel.n)
		log_warn("no specs: give -f or --profile, or a --pid whose program a profile knows");
	if (fflush(stdout))
		ret = -errno;
	probes__free(p);
	selection__clear(&sel);
	return ret ? EXIT_TOOL_FAILED : 0;
}
