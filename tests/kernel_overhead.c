/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tracing takes is counted, shown, and kept within bounds. How long anything takes is not tested. */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "harness.h"

static int64_t rss(const json_t *changes)
{
	return row_int(changes, "anon") + row_int(changes, "file") + row_int(changes, "shmem");
}

/* The members of a summary of jsonl, borrowed from the rows. */
static json_t *summary_of(json_t *rows)
{
	json_t *sum = rows_find(rows, 0, "type", "summary", NULL);

	cr_assert(sum);
	return sum;
}

static const json_t *program_of(const json_t *overhead, const char *name)
{
	json_t *one;
	size_t i;

	json_array_foreach(json_object_get(overhead, "programs"), i, one)
		if (!strcmp(row_str(one, "name"), name))
			return one;
	return NULL;
}

static void interrupt(struct child *tool)
{
	child_signal(tool, SIGINT);
	cr_assert_eq(child_wait(tool, 60), 0, "%s", file_text(tool->err));
}

static void same_again(const char *tape, const char *log)
{
	char command[1024], *replayed, *live = file_text(log);

	snprintf(command, sizeof(command), "%s --replay %s --format jsonl 2>/dev/null", harness_tool(), tape);
	cr_assert_eq(shell(command, &replayed), 0);
	cr_expect_str_eq(replayed, live);
	free(replayed);
	free(live);
}

/* Each list adds up to what was attributed, stacks by what was not sampled, and that is all there is. */
static void check_account(const json_t *p)
{
	static const char *const lists[] = {"mappings", "threads", "stacks"};
	json_t *identity = json_object_get(p, "identity"), *one;
	int64_t attributed = row_int(identity, "attributed"), missed = 0, sum;
	char *text = json_dumps(identity, 0);
	size_t i;

	cr_expect_eq(row_int(identity, "remainder"), 0, "%s", text);
	for (size_t l = 0; l < sizeof(lists) / sizeof(*lists); l++) {
		sum = 0;
		json_array_foreach(json_object_get(p, lists[l]), i, one)
			sum += rss(one);
		cr_expect_eq(sum, attributed, "%s: %" PRId64 " of %" PRId64, lists[l], sum, attributed);
	}
	json_array_foreach(json_object_get(p, "stacks"), i, one)
		if (!row_true(one, "sampled"))
			missed += row_int(json_object_get(one, "grown"), "anon");
	cr_expect_gt(missed, 1 << 20);
	free(text);
}

static void check_accounts(const char *path, pid_t pid)
{
	json_t *who = json_load_file(path, 0, NULL), *p;
	size_t i, seen = 0;

	cr_assert(who);
	json_array_foreach(json_object_get(who, "processes"), i, p) {
		if (row_int(p, "pid") != pid)
			continue;
		check_account(p);
		seen++;
	}
	cr_expect_eq(seen, 1);
	json_decref(who);
}

/* What moves while tracing ends is in no account: nothing does. */
static void stop(const struct child *c)
{
	int status;

	kill(c->pid, SIGSTOP);
	cr_assert_eq(waitpid(c->pid, &status, WUNTRACED), c->pid);
	cr_assert(WIFSTOPPED(status));
}

Test(overhead, above_the_limit_native_stacks_are_not_sampled, .timeout = 180)
{
	const char *who, *tape, *log;
	struct child target, tool;
	json_t *rows, *sum, *limit;
	char pid[16];

	harness_need_kernel();
	who = harness_path("who.json");
	tape = harness_path("run.tape");
	log = harness_path("tool.jsonl");
	target = child_start("faults", (const char *[]){harness_target("faults"), NULL});
	snprintf(pid, sizeof(pid), "%d", target.pid);
	tool = tool_attach("tool", (const char *const[]){"--growth", "--profile", "none", "--max-overhead", "0.01",
		"--summary-json", who, "--record", tape, "--pid", pid, NULL});
	child_await(&tool, tool.err, "more than --max-overhead 0.01", 90);
	sleep(2); /* there is to be something that is left out */
	stop(&target);
	interrupt(&tool);
	child_signal(&target, SIGTERM);
	child_signal(&target, SIGCONT);
	cr_expect_eq(child_wait(&target, 30), 0);
	rows = rows_load(log);
	sum = summary_of(rows);
	cr_expect_gt(row_int(json_object_get(sum, "loss"), "limit"), 0);
	limit = json_object_get(json_object_get(sum, "overhead"), "limit");
	cr_expect(json_is_integer(json_object_get(limit, "over_ns")));
	cr_expect_gt(json_number_value(json_object_get(limit, "over_percent")), 0.01);
	cr_expect_gt(row_int(limit, "off_ns"), 0);
	check_accounts(who, target.pid);
	same_again(tape, log);
	json_decref(rows);
}

/* Nothing is asked of a program by the clock: one that does nothing costs nothing. */
Test(overhead, a_program_that_does_nothing_costs_no_run, .timeout = 120)
{
	struct child target, tool;
	json_t *rows, *overhead, *one;
	char pid[16];
	size_t i;

	harness_need_kernel();
	target = child_start("idle", (const char *[]){"sh", "-c", "echo ready; exec sleep 1000", NULL});
	child_await(&target, target.out, "ready", 30);
	sleep(1); /* until it sleeps */
	snprintf(pid, sizeof(pid), "%d", target.pid);
	tool = tool_attach("tool", (const char *const[]){"--growth", "--profile", "none", "--pid", pid, NULL});
	sleep(3);
	interrupt(&tool);
	child_signal(&target, SIGTERM);
	child_wait(&target, 30);
	rows = rows_load(harness_path("tool.jsonl"));
	overhead = json_object_get(summary_of(rows), "overhead");
	cr_assert(json_is_object(overhead));
	cr_expect_eq(row_int(overhead, "took_ns"), 0);
	cr_expect_eq(row_int(overhead, "cpu_ns"), 0);
	json_array_foreach(json_object_get(overhead, "programs"), i, one)
		cr_expect_eq(row_int(one, "runs"), 0, "%s: %" PRId64, row_str(one, "name"),
			row_int(one, "runs"));
	json_decref(rows);
}

/* Each hit is a run of the class of its instruction, and that of a function costs what these do. (This one
 * is a single ret, which is its entry and its exit.) */
Test(overhead, each_probe_has_its_cost, .timeout = 120)
{
	const json_t *sum, *stepped, *f;
	struct child tool;
	char spec[512];
	json_t *rows;

	harness_need_kernel();
	snprintf(spec, sizeof(spec), "step=%s:checkpoint", harness_target("steps"));
	tool = tool_start("tool", (const char *const[]){"-f", spec, "--", harness_target("steps"), "5", "500",
		harness_path("truth"), NULL});
	cr_assert_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
	rows = rows_load(harness_path("tool.jsonl"));
	sum = summary_of(rows);
	stepped = program_of(json_object_get(sum, "overhead"), "function_stepped");
	f = json_array_get(json_object_get(sum, "functions"), 0);
	cr_assert(stepped && f);
	cr_expect_geq(row_int(f, "entries"), 500);
	cr_expect_eq(row_int(stepped, "runs"), row_int(f, "entries"));
	cr_expect_gt(row_int(stepped, "trap_ns"), 0);
	cr_expect_gt(row_int(stepped, "took_ns"), row_int(stepped, "runs") * row_int(stepped, "trap_ns"));
	cr_expect_eq(row_int(f, "took_ns"), row_int(stepped, "took_ns"));
	cr_expect(!program_of(json_object_get(sum, "overhead"), "function"));
	json_decref(rows);
}
