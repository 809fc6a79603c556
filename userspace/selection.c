/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selection.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "launch.h"
#include "log.h"
#include "procfs.h"

/* What is known of the program that a profile is sought for. */
struct subject {
	const char *exe, *cmdline;
	pid_t pid; /* 0: it does not run yet */
};

static int on_map(void *ctx, const struct procfs_map *map)
{
	return map->exec && profile__matches_file(ctx, map->path);
}

static bool is_for(struct profile *p, const struct subject *s)
{
	return profile__matches(p, s->exe, s->cmdline) ||
	       (s->pid && procfs_maps(s->pid, on_map, p) == 1);
}

/* The shipped profile that says it is for this program, or NULL. */
static struct profile *profile_for(const struct subject *s)
{
	char err[512];

	for (const char *const *name = profile_names(); *name; name++) {
		struct profile *p;

		if (profile__load(*name, &p, err, sizeof(err))) {
			log_error("%s", err);
			continue;
		}
		if (is_for(p, s))
			return p;
		profile__free(p);
	}
	return NULL;
}

static struct profile *profile_for_pid(pid_t pid)
{
	char exe[PATH_MAX] = "", cmdline[4096] = "";

	procfs_exe(pid, exe, sizeof(exe));
	procfs_cmdline(pid, cmdline, sizeof(cmdline));
	return profile_for(&(struct subject){exe, cmdline, pid});
}

static struct profile *profile_for_command(char **argv)
{
	char path[PATH_MAX], cmdline[4096] = "";
	size_t at = 0;

	for (char **arg = argv; *arg && at < sizeof(cmdline); arg++)
		at += snprintf(cmdline + at, sizeof(cmdline) - at, "%s%s", at ? " " : "", *arg);
	if (launch_find(argv[0], path, sizeof(path)))
		return NULL;
	return profile_for(&(struct subject){path, cmdline, 0});
}

static int choose_profile(struct selection *sel, const struct options *opt)
{
	char err[512] = "";
	int ret;

	if (opt->profile && !strcmp(opt->profile, "none"))
		return 0;
	if (opt->profile) {
		ret = profile__load(opt->profile, &sel->profile, err, sizeof(err));
		if (ret)
			log_error("%s", err);
		return ret;
	}
	if (opt->n_specs)
		return 0;
	for (size_t i = 0; !sel->profile && i < opt->n_pids; i++)
		sel->profile = profile_for_pid(opt->pids[i]);
	if (!sel->profile && opt->argv)
		sel->profile = profile_for_command(opt->argv);
	if (sel->profile)
		log_info("using the profile %s (--profile none for none)", profile__name(sel->profile));
	return 0;
}

int selection__make(struct selection *sel, const struct options *opt)
{
	const struct checkpoint_spec *of_profile = NULL;
	size_t n_profile = 0;
	char err[512] = "";
	int ret;

	*sel = (struct selection){0};
	ret = choose_profile(sel, opt);
	if (ret)
		goto out;
	if (sel->profile)
		of_profile = profile__specs(sel->profile, &n_profile);
	ret = -ENOMEM;
	sel->own = calloc(opt->n_specs + 1, sizeof(*sel->own));
	sel->specs = calloc(n_profile + opt->n_specs + 1, sizeof(*sel->specs));
	if (!sel->own || !sel->specs)
		goto out;
	for (size_t i = 0; i < n_profile; i++)
		sel->specs[sel->n++] = &of_profile[i];
	sel->first_own = sel->n;
	for (; sel->n_own < opt->n_specs; sel->n_own++) {
		struct checkpoint_spec *spec = &sel->own[sel->n_own];

		ret = spec__parse(opt->specs[sel->n_own], spec, err, sizeof(err));
		if (ret) {
			log_error("-f %s", err);
			goto out;
		}
		sel->specs[sel->n++] = spec;
	}
	ret = 0;
out:
	if (ret)
		selection__clear(sel);
	return ret;
}

void selection__clear(struct selection *sel)
{
	for (size_t i = 0; i < sel->n_own; i++)
		spec__clear(&sel->own[i]);
	free(sel->own);
	free(sel->specs);
	profile__free(sel->profile);
	*sel = (struct selection){0};
}
