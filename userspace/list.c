/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --list: what each spec means on this machine. Finds, attaches nothing. */
#include "trace.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "out.h"
#include "preflight.h"
#include "probes.h"
#include "pyinstall.h"
#include "selection.h"
#include "uprobe.h"

/* A line; names in it come from files that anybody may have made. */
static int __attribute__((format(printf, 1, 2))) print_line(const char *fmt, ...)
{
	char *text = NULL, *clean = NULL;
	int err = -ENOMEM;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	clean = text ? out_clean(text, strlen(text)) : NULL;
	if (clean)
		err = puts(clean) < 0 ? -EIO : 0;
	free(clean);
	free(text);
	return err;
}

static int print_function(void *ctx, const struct probe_info *f)
{
	int err = print_line("    %s", f->name);

	if (!err)
		err = print_line("      %s, address 0x%llx, file offset 0x%llx, from %s", f->file,
			(unsigned long long)f->addr, (unsigned long long)f->offset, f->source);
	if (!err)
		err = print_line("      first instruction: %s (%s); return: %s", f->instruction, f->cost,
			f->returns);
	return err;
}

static const char *label_of(const struct checkpoint_spec *spec, enum lang lang)
{
	if (spec->entry[lang])
		return spec->entry[lang];
	if (spec->leave[lang])
		return spec->leave[lang];
	return spec->sign ? "(no row: a sign)" : "(no row: others are inside of it)";
}

/* A Python function: where it is to be found, if that is known. */
static int print_source(const struct pyinstall *install, size_t i)
{
	const char *file = pyinstall__file(install, i), *package = pyinstall__package(install, i);

	if (!file)
		return 0;
	return print_line("    %s%s%s", file, package ? ", " : "", package ? package : "");
}

static int print_spec(const struct probes *p, const struct pyinstall *install,
	const struct checkpoint_spec *spec, size_t i, enum lang lang)
{
	bool both = spec->entry[lang] && spec->leave[lang], seen;
	char why[2048];
	int err;

	err = print_line("%s%s%s", label_of(spec, lang), both ? " | " : "",
		both ? spec->leave[lang] : "");
	if (!err)
		err = print_line("  %s%s%s%s", spec->text, spec->extra ? " (extra)" : "",
			spec->profile ? ", profile " : "", spec->profile ? spec->profile : "");
	if (err)
		return err;
	if (probes__unmatched(p, i, &seen, why, sizeof(why)))
		return print_line("    nothing matched: %s", why);
	if (spec->type == SPEC_PYTHON)
		return print_source(install, i);
	return probes__each(p, i, print_function, NULL);
}

static int find_all(struct probes *p, struct pyinstall *install, const struct options *opt, char *err,
	size_t len)
{
	int ret = 0;

	for (size_t i = 0; i < opt->n_pids; i++)
		pyinstall__process(install, opt->pids[i]);
	if (opt->argv)
		pyinstall__command(install, opt->argv);
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
	struct pyinstall *install;
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
	config.install = install = pyinstall__new(sel.specs, sel.n);
	p = install ? probes__new(&config) : NULL;
	ret = p ? find_all(p, install, opt, err, sizeof(err)) : -ENOMEM;
	if (ret)
		log_error("%s", *err ? err : strerror(-ret));
	for (size_t i = 0; !ret && i < sel.n; i++)
		ret = print_spec(p, install, sel.specs[i], i, opt->lang);
	if (!ret && !sel.n)
		log_warn("no specs: give -f or --profile, or a --pid whose program a profile knows");
	if (fflush(stdout))
		ret = -errno;
	probes__free(p);
	pyinstall__free(install);
	selection__clear(&sel);
	return ret ? EXIT_TOOL_FAILED : 0;
}
