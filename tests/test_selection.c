/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "selection.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lang.h"
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

static int select_specs(struct selection *sel, const char *profile, const char *const *specs,
	size_t n)
{
	struct options opt = { .profile = profile, .specs = (const char **)specs, .n_specs = n };

	return selection__make(sel, &opt);
}

#define select(sel, profile, ...)                                                                  \
	({                                                                                         \
		const char *specs_[] = { __VA_ARGS__ };                                            \
		select_specs(sel, profile, specs_, sizeof(specs_) / sizeof(specs_[0]));            \
	})

static bool has_no_label(const struct checkpoint_spec *s)
{
	return !s->entry[LANG_ZH] && !s->entry[LANG_EN] && !s->leave[LANG_ZH] && !s->leave[LANG_EN];
}

Test(selection, what_others_are_inside_of_gets_a_hidden_spec_behind_them)
{
	struct selection sel;

	cr_assert_eq(select(&sel, "none", "b:f inside py:a.py:A.g", "b:h",
			    "b:f inside py:a.py:A.g nth 2"), 0);
	cr_assert_eq(sel.n, 4);
	cr_expect_eq(sel.n_hidden, 1);
	cr_expect_eq(sel.first_own, 0);
	cr_expect_eq(sel.specs[3]->type, SPEC_PYTHON);
	cr_expect(has_no_label(sel.specs[3]));
	cr_expect(spec__wants_return(sel.specs[3]));
	cr_expect_null(sel.specs[3]->profile);
	cr_expect_eq(spec__inside_id(sel.specs, sel.n, sel.specs[0]), 4);
	cr_expect_eq(spec__inside_id(sel.specs, sel.n, sel.specs[2]), 4);
	selection__clear(&sel);
}

Test(selection, a_spec_that_shows_both_ends_serves_as_it_is)
{
	struct selection sel;

	cr_assert_eq(select(&sel, "none", "b:f inside b:g", "b:g"), 0);
	cr_expect_eq(sel.n, 2);
	cr_expect_eq(spec__inside_id(sel.specs, sel.n, sel.specs[0]), 2);
	selection__clear(&sel);
	cr_assert_eq(select(&sel, "none", "b:f inside b:g", "b:g nth 2"), 0);
	cr_expect_eq(sel.n, 3, "the second call alone is not what is meant");
	selection__clear(&sel);
}

Test(selection, of_vllm_finds_all_that_it_names)
{
	struct selection sel;
	size_t hidden = 0, n_profile;

	cr_assert_eq(select(&sel, "vllm", "b:f inside b:g"), 0);
	profile__specs(sel.profile, &n_profile);
	for (size_t i = 0; i < sel.n; i++) {
		const struct checkpoint_spec *s = sel.specs[i];

		if (s->when.inside)
			cr_expect_neq(spec__inside_id(sel.specs, sel.n, s), 0, "%s", s->text);
		hidden += has_no_label(s) && !s->sign;
		cr_expect_eq(!s->profile, i >= sel.first_own, "%s", s->text);
	}
	cr_expect_eq(hidden, sel.n_hidden);
	/* EngineCore.__init__, of which the profile has the entry only, GPUModelRunner.__init__, which
	 * it has with a condition, may_reinitialize_input_batch and InputBatch.__init__; and b:g */
	cr_expect_eq(sel.n_hidden, 5);
	cr_expect_eq(sel.first_own, n_profile + 4);
	selection__clear(&sel);
}

/* A process that has vLLM's title, with that in its environment. */
static bool is_chosen_for(char *variable)
{
	char *argv[] = { "VLLM::EngineCore", NULL }, *env[] = { "A=1", variable, NULL };
	struct offspring o = offspring__exec("/bin/cat", argv, env);
	struct selection s;
	bool chosen;

	cr_assert_eq(selection__make(&s, &(struct options){ .pids = &o.pid, .n_pids = 1 }), 0);
	chosen = s.profile;
	cr_assert_eq(s.n > 0, chosen);
	selection__clear(&s);
	offspring__end(&o);
	return chosen;
}

Test(selection, a_profile_is_switched_off_by_the_environment_of_its_program)
{
	cr_assert(is_chosen_for("VLLM_ENABLE_RAM_TRACKING=1"));
	cr_assert(is_chosen_for("VLLM_ENABLE_RAM_TRACKING="));
	cr_assert(is_chosen_for("XVLLM_ENABLE_RAM_TRACKING=0"));
	cr_assert_said(2, "using the profile vllm");
	cr_assert_not(is_chosen_for("VLLM_ENABLE_RAM_TRACKING=0"));
	cr_assert_said(2, "VLLM_ENABLE_RAM_TRACKING=0 switches the profile vllm off");
}

Test(selection, a_profile_is_switched_off_by_our_environment_but_not_where_it_is_asked_for)
{
	char *argv[] = { "python3", "-m", "vllm", NULL };
	struct options opt = { .argv = argv };
	struct selection s;

	cr_assert_eq(selection__make(&s, &opt), 0);
	cr_assert_not_null(s.profile);
	selection__clear(&s);
	setenv("VLLM_ENABLE_RAM_TRACKING", "0", 1);
	cr_assert_eq(selection__make(&s, &opt), 0);
	cr_assert_null(s.profile);
	cr_assert(is_chosen_for("A=2") == false);
	opt.profile = "vllm";
	cr_assert_eq(selection__make(&s, &opt), 0);
	cr_assert_not_null(s.profile);
	selection__clear(&s);
}

/* The path of a library that this test has mapped itself. */
static void find_library(const char *name, char *path, size_t len)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[1024], *slash;

	cr_assert_not_null(maps);
	*path = '\0';
	while (!*path && fgets(line, sizeof(line), maps)) {
		slash = strchr(line, '/');
		if (slash && strstr(slash, name))
			snprintf(path, len, "%.*s", (int)strcspn(slash, "\n"), slash);
	}
	fclose(maps);
	cr_assert(*path);
}

/* A process with that title and PyTorch's library, or what looks like it. */
static pid_t start_lookalike(const char *dir, char *title, int *end)
{
	char library[512], copy[600], command[1300];
	char *argv[] = { title, NULL }, *env[] = { NULL, NULL };
	int fds[2];
	pid_t pid;

	find_library("/libyaml-", library, sizeof(library));
	snprintf(copy, sizeof(copy), "%s/libtorch_cpu.so", dir);
	snprintf(command, sizeof(command), "cp '%s' '%s'", library, copy);
	cr_assert_eq(system(command), 0);
	cr_assert(asprintf(&env[0], "LD_PRELOAD=%s", copy) > 0);
	cr_assert_eq(pipe2(fds, O_CLOEXEC), 0);
	pid = fork();
	if (!pid) {
		dup2(fds[0], 0);
		execve("/bin/cat", argv, env);
		_exit(127);
	}
	free(env[0]);
	close(fds[0]);
	*end = fds[1];
	return pid;
}

static bool is_mapped(pid_t pid, const char *name)
{
	char path[64], command[128];

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	snprintf(command, sizeof(command), "grep -q '%s' %s", name, path);
	return !system(command);
}

static void expect_profile(char *title, const char *name)
{
	struct scratch dir = scratch__new();
	struct selection sel;
	int end, pid = start_lookalike(dir.dir, title, &end);
	struct options opt = { .pids = &pid, .n_pids = 1 };

	for (int i = 0; i < 200 && !is_mapped(pid, "libtorch_cpu"); i++)
		usleep(10000);
	cr_assert_eq(selection__make(&sel, &opt), 0);
	cr_assert_not_null(sel.profile);
	cr_expect_str_eq(profile__name(sel.profile), name);
	selection__clear(&sel);
	close(end);
	waitpid(pid, NULL, 0);
	scratch__free(&dir);
}

Test(selection, a_program_that_is_known_by_name_is_not_taken_for_any_that_has_its_library)
{
	expect_profile("VLLM::Worker_TP0", "vllm");
	expect_profile("python3", "torch");
}
