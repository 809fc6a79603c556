/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --fail-if of live runs: exit status, what is said at once and at the end, and the command's own
 * status. */
#include <criterion/criterion.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "harness.h"

/* Brings 30 MiB in load, and ends with the status that it is given. */
static const char script[] = "import sys, time\n"
			     "def load():\n"
			     "    return bytearray(b'x') * (30 << 20)\n"
			     "def idle():\n"
			     "    time.sleep(float(sys.argv[2]))\n"
			     "kept = load()\n"
			     "idle()\n"
			     "sys.exit(int(sys.argv[1]))\n";

static void prepare(void)
{
	FILE *f;

	harness_need_kernel();
	f = fopen(harness_path("grow.py"), "w");
	cr_assert(f);
	fputs(script, f);
	fclose(f);
}

#define MAX_ARGS 40

/* Runs the tool on the script with these options (up to a NULL): its status; *err: what it said. */
static int gate(const char *name, const char *status, const char *seconds, char **err,
	const char *const *options)
{
	const char *args[MAX_ARGS] = {
		"--lang", "en", "-f", "loading=py:grow.py:load", "-f", "idling=py:grow.py:idle"};
	const char *command[] = {
		"--", "/usr/bin/python3", harness_path("grow.py"), status, seconds};
	struct child c;
	int n = 6, ret;

	while (*options)
		args[n++] = *options++;
	for (size_t i = 0; i < sizeof(command) / sizeof(*command); i++)
		args[n++] = command[i];
	c = tool_start(name, args);
	ret = child_wait(&c, 60);
	*err = file_text(c.err);
	return ret;
}

#define GATE(name, status, err, ...)                                                               \
	gate(name, status, "0", err, (const char *const[]){__VA_ARGS__, NULL})

static void says(const char *text, const char *words)
{
	cr_expect(strstr(text, words), "it does not say \"%s\": %s", words, text);
}

Test(gate, a_row_beyond_the_limit_is_status_3_and_is_shown, .timeout = 120)
{
	char *err;

	prepare();
	cr_expect_eq(GATE("fails", "0", &err, "--fail-if", "after load*>+25M"), 3, "%s", err);
	says(err, "warning: --fail-if 'after load*>+25M' holds: [");
	says(err, "error: --fail-if 'after load*>+25M' holds (1):");
	says(err, ") after loading: +30.");
	cr_expect_eq(GATE("passes", "0", &err, "--fail-if", "after load*>+35M"), 0, "%s", err);
	cr_expect(!strstr(err, "--fail-if"), "%s", err);
}

Test(gate, a_command_that_failed_keeps_its_status, .timeout = 120)
{
	char *err;

	prepare();
	cr_expect_eq(GATE("own", "7", &err, "--fail-if", "after load*>+25M"), 7, "%s", err);
	says(err, "error: --fail-if 'after load*>+25M' holds (1):");
}

Test(gate, a_level_is_seen_without_rows, .timeout = 120)
{
	char *err;

	prepare();
	cr_expect_eq(GATE("level", "0", &err, "--min-delta", "1G", "--fail-if", "rss(python3)>20M",
			     "--fail-if", "peak(python3)<20M"),
		3, "%s", err);
	says(err, "'rss(python3)>20M' holds");
	cr_expect(!strstr(err, "'peak(python3)<20M'"), "%s", err);
}

Test(gate, who_grew_is_found_out_when_it_is_asked_for, .timeout = 120)
{
	char *err;

	prepare();
	cr_expect_eq(GATE("growth", "0", &err, "--fail-if", "growth(load)>=30M", "--fail-if",
			     "growth(idle)>1M"),
		3, "%s", err);
	says(err, "'growth(load)>=30M' holds (1)");
	says(err, "load: +30.");
	cr_expect(!strstr(err, "'growth(idle)>1M' holds"), "%s", err);
}

Test(gate, a_label_that_nothing_has_fails, .timeout = 120)
{
	char *err;

	prepare();
	cr_expect_eq(GATE("typo", "0", &err, "--fail-if", "after laoding>1M"), 3, "%s", err);
	says(err, "'after laoding>1M' can never hold: in this run no row has a label that matches "
		  "\"after laoding\"");
}

/* While the command still runs. */
Test(gate, the_first_is_told_when_it_happens, .timeout = 120)
{
	const char *args[] = {"--lang", "en", "-f", "loading=py:grow.py:load", "--fail-if",
		"after loading>1M", "--", "/usr/bin/python3", NULL, "0", "8", NULL};
	struct child c;

	prepare();
	args[8] = harness_path("grow.py");
	c = tool_start("live", args);
	child_await(&c, c.err, "warning: --fail-if 'after loading>1M' holds: [", 30);
	cr_expect_eq(waitpid(c.pid, NULL, WNOHANG), 0, "and it goes on");
	cr_expect_eq(child_wait(&c, 60), 3);
}

Test(gate, a_recorded_run_is_judged_as_the_live_one, .timeout = 120)
{
	const char *tape, *condition = "after load*>+25M";
	char *err, *again, *end;
	struct child c;

	prepare();
	tape = harness_path("run.tape");
	cr_expect_eq(
		GATE("live", "0", &err, "--record", tape, "--fail-if", condition), 3, "%s", err);
	c = tool_start("replay",
		(const char *[]){"--lang", "en", "--replay", tape, "--fail-if", condition, NULL});
	cr_expect_eq(child_wait(&c, 60), 3);
	again = file_text(c.err);
	end = strstr(err, "ramtrace-bpf: error:");
	cr_assert(end);
	cr_expect_str_eq(again, end);
}
