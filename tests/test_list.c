/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "trace.h"

#include "elf_fixture.h"
#include "offspring.h"
#include "said.h"

static void set_up(void)
{
	make_dir();
	said__begin(1);
	said__begin(2);
}

TestSuite(list, .init = set_up, .fini = remove_dir, .timeout = 60);

#define LIST(...) list_run(&(struct options){ .lang = LANG_EN, __VA_ARGS__ })

static const char *make_library(char *spec, size_t len, const char *symbol)
{
	static const char source[] = "int mine(int a) { return a + 1; }\n";

	write_file("a.c", source, sizeof(source) - 1);
	run("cc -O1 -fcf-protection=none -shared -fPIC -o a.so a.c");
	snprintf(spec, len, "my label=%s:%s", path_of("a.so"), symbol);
	return spec;
}

Test(list, a_spec_is_shown_with_its_functions_and_what_each_costs)
{
	char spec[300], *argv[] = { "true", NULL };
	const char *specs[] = { make_library(spec, sizeof(spec), "mine") };

	cr_assert_eq(LIST(.argv = argv, .specs = specs, .n_specs = 1), 0);
	cr_assert_said(1, "before my label | after my label\n", "a.so:mine\n", "\n    mine\n",
		"a.so, address 0x", "from .dynsym", "first instruction: ",
		"return: probes on its exits\n");
	cr_assert_str_empty(said(2));
}

Test(list, what_matches_nothing_is_shown_with_the_reason_and_is_no_failure)
{
	char spec[300], *argv[] = { "true", NULL };
	const char *specs[] = { make_library(spec, sizeof(spec), "mina"), "libno-such:f" };

	cr_assert_eq(LIST(.argv = argv, .specs = specs, .n_specs = 2), 0);
	cr_assert_said(1, "nothing matched: ", "has no function mina; nearest: mine",
		"no traced process has libno-such mapped");
}

Test(list, labels_are_those_of_the_language)
{
	char spec[300];
	const char *specs[] = { make_library(spec, sizeof(spec), "mine") };
	struct options opt = { .lang = LANG_ZH, .specs = specs, .n_specs = 1 };

	cr_assert_eq(list_run(&opt), 0);
	cr_assert_said(1, "my label之前 | my label之后\n");
}

Test(list, a_process_shows_its_profile)
{
	char *argv[] = { "redis-server", NULL }, *envp[] = { NULL };
	struct offspring o = offspring__exec("/bin/cat", argv, envp);

	cr_assert_eq(LIST(.pids = &o.pid, .n_pids = 1), 0);
	cr_assert_said(1, "before server initialisation | after server initialisation\n",
		":initServer, profile redis\n", "nothing matched: ");
	offspring__end(&o);
}

Test(list, without_specs_it_says_how_to_name_some)
{
	char *argv[] = { "true", NULL };

	cr_assert_eq(LIST(.argv = argv), 0);
	cr_assert_str_empty(said(1));
	cr_assert_said(2, "no specs: give -f or --profile");
}

Test(list, what_cannot_be_looked_at_is_a_failure)
{
	pid_t gone = 0x3fffffff;

	cr_assert_eq(LIST(.pids = &gone, .n_pids = 1), EXIT_TOOL_FAILED);
	cr_assert_said(2, "there is no such process");
	cr_assert_eq(LIST(.specs = (const char *[]){ "nonsense" }, .n_specs = 1), EXIT_TOOL_FAILED);
	cr_assert_said(2, "-f ", "nonsense");
}

Test(list, a_full_disk_is_a_failure)
{
	char spec[300];
	const char *specs[] = { make_library(spec, sizeof(spec), "mine") };
	int fd = open("/dev/full", O_WRONLY);

	cr_assert_eq(dup2(fd, 1), 1);
	cr_assert_eq(LIST(.specs = specs, .n_specs = 1), EXIT_TOOL_FAILED);
}
