/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selection.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "offspring.h"
#include "said.h"
#include "scratch.h"

static struct selection sel;

static void set_up(void)
{
	said__begin(2);
}

static void tear_down(void)
{
	selection__clear(&sel);
}

TestSuite(selection, .init = set_up, .fini = tear_down, .timeout = 30);

#define MAKE(...) selection__make(&sel, &(struct options){ __VA_ARGS__ })

Test(selection, specs_of_the_command_line_come_in_order_and_need_no_profile)
{
	const char *specs[] = { "libx.so:f", "my label=:main" };

	cr_assert_eq(MAKE(.specs = specs, .n_specs = 2), 0);
	cr_assert_null(sel.profile);
	cr_assert_eq(sel.n, 2);
	cr_assert_eq(sel.first_own, 0);
	cr_assert_str_eq(sel.specs[0]->binary, "libx.so");
	cr_assert_str_eq(sel.specs[1]->entry[LANG_EN], "before my label");
	cr_assert_str_empty(said(2));
}

Test(selection, a_spec_that_cannot_be_read_is_told_and_nothing_is_kept)
{
	const char *specs[] = { "libx.so:f", "nonsense" };

	cr_assert_eq(MAKE(.specs = specs, .n_specs = 2), -EINVAL);
	cr_assert_said(2, "error: -f ", "nonsense");
	cr_assert_eq(sel.n, 0);
	cr_assert_null(sel.specs);
	cr_assert_null(sel.own);
}

Test(selection, those_of_a_profile_come_first)
{
	const char *specs[] = { "libx.so:f" };
	size_t n;

	cr_assert_eq(MAKE(.specs = specs, .n_specs = 1, .profile = "redis"), 0);
	cr_assert_str_eq(profile__name(sel.profile), "redis");
	cr_assert_eq(sel.specs[0], profile__specs(sel.profile, &n));
	cr_assert_eq(sel.first_own, n);
	cr_assert_eq(sel.n, n + 1);
	cr_assert_null(sel.specs[n]->profile);
	cr_assert_str_eq(sel.specs[0]->profile, "redis");
}

Test(selection, a_profile_that_there_is_not_is_told_with_those_that_there_are)
{
	cr_assert_eq(MAKE(.profile = "no-such"), -ENOENT);
	cr_assert_said(2, "no-such", "redis", "postgres");
}

/* --- by the process ------------------------------------------------------------------------------- */

static struct offspring cat_called(char *title)
{
	char *argv[] = { title, NULL }, *envp[] = { NULL };

	return offspring__exec("/bin/cat", argv, envp);
}

Test(selection, the_profile_of_the_first_process_that_one_knows_is_used)
{
	struct offspring other = cat_called("cat"), redis = cat_called("redis-server");
	pid_t pids[] = { other.pid, redis.pid };
	const char *specs[] = { "libx.so:f" };

	cr_assert_eq(MAKE(.pids = pids, .n_pids = 2), 0);
	cr_assert(sel.profile);
	cr_assert_str_eq(profile__name(sel.profile), "redis");
	cr_assert_gt(sel.n, 0);
	cr_assert_eq(sel.first_own, sel.n);
	cr_assert_said(2, "using the profile redis", "--profile none");
	selection__clear(&sel);
	cr_assert_eq(MAKE(.pids = pids, .n_pids = 1), 0);
	cr_assert_null(sel.profile);
	cr_assert_eq(sel.n, 0);
	cr_assert_eq(MAKE(.pids = pids, .n_pids = 2, .profile = "none"), 0);
	cr_assert_null(sel.profile);
	/* who says which functions is not given others */
	cr_assert_eq(MAKE(.pids = pids, .n_pids = 2, .specs = specs, .n_specs = 1), 0);
	cr_assert_null(sel.profile);
	cr_assert_eq(sel.n, 1);
	offspring__end(&other);
	offspring__end(&redis);
}

Test(selection, a_command_is_known_by_its_name)
{
	struct scratch s = scratch__new();
	char path[400], *argv[] = { "redis-server", "--port", "1", NULL }, *none[] = { "no-such", NULL };

	snprintf(path, sizeof(path), "%s/redis-server", s.dir);
	scratch_write(path, "#!/bin/sh\n", 10);
	chmod(path, 0700);
	setenv("PATH", s.dir, 1);
	cr_assert_eq(MAKE(.argv = argv), 0);
	cr_assert(sel.profile);
	cr_assert_str_eq(profile__name(sel.profile), "redis");
	selection__clear(&sel);
	unlink(path);
	cr_assert_eq(MAKE(.argv = argv), 0);
	cr_assert_null(sel.profile, "there is nothing that could be run");
	cr_assert_eq(MAKE(.argv = none), 0);
	cr_assert_null(sel.profile);
	scratch__free(&s);
}
