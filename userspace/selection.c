/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selection.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

/* By its name, or by what it has mapped? */
static bool is_for(struct profile *p, const struct subject *s, bool by_name)
{
	return by_name ? profile__matches(p, s->exe, s->cmdline)
		       : s->pid && procfs_maps(s->pid, on_map, p) == 1;
}

/* The shipped profile that says it is for this program, or NULL. A program that is known by its name
 * is not taken for one of those that use some library. */
static struct profile *profile_for(const struct subject *s)
{
	char err[512];

	for (int by_name = 1; by_name >= 0; by_name--) {
		for (const char *const *name = profile_names(); *name; name++) {
			struct profile *p;

			if (profile__load(*name, &p, err, sizeof(err))) {
				log_error("%s", err);
				continue;
			}
			if (is_for(p, s, by_name))
				return p;
			profile__free(p);
		}
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

static bool has_variable(char *const *env, const char *name_and_value)
{
	for (; env && *env; env++)
		if (!strcmp(*env, name_and_value))
			return true;
	return false;
}

/* Does its program's environment, or ours, which a command gets, say that it is not wanted? */
static bool is_off(const struct profile *p, pid_t pid)
{
	const char *off = profile__off(p);
	char **env;
	bool found;

	if (!off)
		return false;
	env = pid ? procfs_environ(pid) : NULL;
	found = has_variable(environ, off) || has_variable(env, off);
	free(env);
	return found;
}

static int choose_profile(struct selection *sel, const struct options *opt)
{
	char err[512] = "";
	pid_t pid = 0;
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
	for (size_t i = 0; !sel->profile && i < opt->n_pids; i++) {
		pid = opt->pids[i];
		sel->profile = profile_for_pid(pid);
	}
	if (!sel->profile && opt->argv)
		sel->profile = profile_for_command(opt->argv);
	if (!sel->profile)
		return 0;
	if (!is_off(sel->profile, pid)) {
		log_info("using the profile %s (--profile none for none)", profile__name(sel->profile));
		return 0;
	}
	log_info("%s switches the profile %s off (--profile %s for it)", profile__off(sel->profile),
		profile__name(sel->profile), profile__name(sel->profile));
	profile__free(sel->profile);
	sel->profile = NULL;
	return 0;
}

/* For those from number `from` on that are to be inside of what no spec stands for yet. */
static int add_hidden(struct selection *sel, size_t from)
{
	char err[512] = "";
	size_t n = sel->n;

	for (size_t i = from; i < n; i++) {
		const struct checkpoint_spec *spec = sel->specs[i];
		struct checkpoint_spec *hidden = &sel->hidden[sel->n_hidden];
		int ret;

		if (!spec->when.inside || spec__inside_id(sel->specs, sel->n, spec))
			continue;
		ret = spec__parse_target(spec->when.inside, hidden, err, sizeof(err));
		if (ret)
			return ret; /* it was parsed before: there is no memory */
		sel->n_hidden++;
		spec__set_ends(hidden, (const char *[2]){ NULL }, (const char *[2]){ NULL });
		hidden->profile = spec->profile;
		sel->specs[sel->n++] = hidden;
	}
	return 0;
}

static int add_own(struct selection *sel, const struct options *opt)
{
	char err[512] = "";
	int ret;

	sel->first_own = sel->n;
	for (; sel->n_own < opt->n_specs; sel->n_own++) {
		struct checkpoint_spec *spec = &sel->own[sel->n_own];

		ret = spec__parse(opt->specs[sel->n_own], spec, err, sizeof(err));
		if (ret) {
			log_error("-f %s", err);
			return ret;
		}
		sel->specs[sel->n++] = spec;
	}
	return add_hidden(sel, sel->first_own);
}

int selection__make(struct selection *sel, const struct options *opt)
{
	const struct checkpoint_spec *of_profile = NULL;
	size_t n_profile = 0, n;
	int ret;

	*sel = (struct selection){0};
	ret = choose_profile(sel, opt);
	if (ret)
		goto out;
	if (sel->profile)
		of_profile = profile__specs(sel->profile, &n_profile);
	ret = -ENOMEM;
	n = n_profile + opt->n_specs + 1;
	sel->own = calloc(opt->n_specs + 1, sizeof(*sel->own));
	sel->hidden = calloc(n, sizeof(*sel->hidden));
	sel->specs = calloc(2 * n, sizeof(*sel->specs));
	if (!sel->own || !sel->hidden || !sel->specs)
		goto out;
	for (size_t i = 0; i < n_profile; i++)
		sel->specs[sel->n++] = &of_profile[i];
	ret = add_hidden(sel, 0);
	if (!ret)
		ret = add_own(sel, opt);
out:
	if (ret)
		selection__clear(sel);
	return ret;
}

void selection__clear(struct selection *sel)
{
	for (size_t i = 0; i < sel->n_own; i++)
		spec__clear(&sel->own[i]);
	for (size_t i = 0; i < sel->n_hidden; i++)
		spec__clear(&sel->hidden[i]);
	free(sel->own);
	free(sel->hidden);
	free(sel->specs);
	profile__free(sel->profile);
	*sel = (struct selection){0};
}
