/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PSS, private memory and growth by mapping of real programs, against what the test reads from
 * /proc of the same programs while they wait in the same state.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "readings.h"

#define KIB 1024LL
#define MIB (1024 * KIB)
/* What others share with a process, and so its PSS and what is private, changes as they come and go. */
#define OTHERS (512 * KIB)

/* --- what the test reads itself ----------------------------------------------------------------- */

/* Sum of a figure over the mappings whose first line has those words; with none, over those without
 * a name whose size lies in [from, to). */
static int64_t maps_sum(pid_t pid, const char *figure, const char *words, uint64_t from, uint64_t to)
{
	char path[64], *line = NULL, key[64];
	bool counts = false;
	uint64_t lo, hi;
	int64_t sum = 0;
	size_t cap = 0;
	int at;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps", pid);
	snprintf(key, sizeof(key), "%s:", figure);
	f = fopen(path, "r");
	cr_assert(f, "%s", path);
	while (getline(&line, &cap, f) > 0) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %*x %*x:%*x %*u %n", &lo, &hi, &at) == 2)
			counts = words ? strstr(line + at, words) != NULL
				       : !line[at] && hi - lo >= from && hi - lo < to;
		else if (counts && !strncmp(line, key, strlen(key)))
			sum += strtoll(line + strlen(key), NULL, 10) * KIB;
	}
	free(line);
	fclose(f);
	return sum;
}

struct rollup {
	int64_t rss, pss, private_dirty, anonymous;
};

static int64_t rollup_field(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	cr_assert(at, "%s", key);
	return strtoll(at + strlen(key), NULL, 10) * KIB;
}

static struct rollup rollup_read(pid_t pid)
{
	char path[64], *text;
	struct rollup r;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	text = file_text(path);
	r.rss = rollup_field(text, "\nRss:");
	r.pss = rollup_field(text, "\nPss:");
	r.private_dirty = rollup_field(text, "\nPrivate_Dirty:");
	r.anonymous = rollup_field(text, "\nAnonymous:");
	free(text);
	return r;
}

/* --- what the tool says --------------------------------------------------------------------------- */

static json_t *part(const json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	cr_assert(json_is_object(v), "no %s", key);
	return v;
}

static json_t *memory_of(json_t *rows, pid_t pid)
{
	return part(process_of(rows, pid), "memory");
}

/* The group of that kind whose name has those words; exactly one. */
static json_t *group_of(const json_t *memory, const char *kind, const char *words)
{
	json_t *group, *found = NULL;
	size_t i;

	json_array_foreach(json_object_get(part(memory, "maps"), "groups"), i, group)
	{
		if (strcmp(row_str(group, "kind"), kind) || !strstr(row_str(group, "name"), words))
			continue;
		cr_assert_null(found, "two of %s", words);
		found = group;
	}
	cr_assert(found, "no %s of the name %s", kind, words);
	return found;
}

static void expect_near(const char *what, int64_t have, int64_t want, int64_t allowed)
{
	cr_expect(have >= want - allowed && have <= want + allowed,
		"%s: %" PRId64 ", not %" PRId64 " +- %" PRId64, what, have, want, allowed);
}

static void expect_rollup(const char *what, const json_t *held, const struct rollup *r)
{
	const json_t *sums = part(held, "sums");

	expect_near(what, row_int(sums, "rss"), r->rss, 0);
	expect_near(what, row_int(sums, "anonymous"), r->anonymous, 0);
	expect_near(what, row_int(sums, "pss"), r->pss, OTHERS);
	expect_near(what, row_int(sums, "private_dirty"), r->private_dirty, OTHERS);
}

/* It was at rest: what was read is what the kernel's side has, to the byte. */
static void expect_steady(const char *what, const json_t *held)
{
	const json_t *c = part(held, "counters");

	cr_expect(row_true(held, "steady"), "%s is not steady", what);
	expect_near(what, row_int(c, "anon") + row_int(c, "file") + row_int(c, "shmem"),
		row_int(part(held, "sums"), "rss"), 0);
	expect_near(what, row_int(c, "rss"), row_int(part(held, "sums"), "rss"), 0);
}

static void expect_replay_is_the_same(const char *name)
{
	char command[1024], *out;

	snprintf(command, sizeof(command),
		"%s --replay %s.tape --format jsonl --lang en | cmp - %s.jsonl", harness_tool(),
		harness_path(name), harness_path(name));
	cr_expect_eq(shell(command, &out), 0, "%s", out);
	free(out);
	snprintf(command, sizeof(command),
		"%s --json-schema > %s && python3 tests/check_log.py %s %s.jsonl", harness_tool(),
		harness_path("schema"), harness_path("schema"), harness_path(name));
	cr_expect_eq(shell(command, &out), 0, "%s%s", out, file_text(harness_path("shell.err")));
	free(out);
}

/* --- driving ------------------------------------------------------------------------------------------ */

static void say(const char *name)
{
	FILE *f = fopen(harness_path(name), "w");

	cr_assert(f);
	fclose(f);
}

/* Waits until as many lines begin with the word, and gives the numbers behind it. */
static void await_lines(struct child *c, const char *word, pid_t *numbers, int n)
{
	for (int tries = 0; tries < 1500; tries++) {
		char *text = file_text(c->out), *at = text;
		int have = 0;

		for (; (at = strstr(at, word)); at++)
			if ((at == text || at[-1] == '\n') && strchr(at, '\n') && have < n)
				numbers[have++] = atoi(at + strlen(word));
		free(text);
		if (have == n) {
			usleep(300000); /* they come to rest */
			return;
		}
		usleep(20000);
	}
	cr_assert_fail("not %d times \"%s\": %s", n, word, file_text(c->err));
}

/* Attached to, with a tape beside the log. */
static struct child trace(const char *name, pid_t pid, const char *const *more)
{
	const char *args[16] = {"--lang", "en", "--step", "0", "--record", NULL, "--pid"};
	char tape[256], number[16];
	int n = 8;

	snprintf(tape, sizeof(tape), "%s.tape", harness_path(name));
	snprintf(number, sizeof(number), "%d", pid);
	args[5] = tape;
	args[7] = number;
	while (*more)
		args[n++] = *more++;
	args[n] = NULL;
	return tool_attach(name, args);
}

static json_t *finish(struct child *tool, const char *name)
{
	char file[64];

	child_signal(tool, SIGINT);
	cr_assert_eq(child_wait(tool, 60), 0, "%s", file_text(tool->err));
	expect_replay_is_the_same(name);
	snprintf(file, sizeof(file), "%s.jsonl", name);
	return rows_load(harness_path(file));
}

/* --- one program with memory of every kind -------------------------------------------------------- */

/* What the target touched at first and then more, as the test sees it and as it was meant to be.
 * Where the kernel maps more than it is asked for (files are mapped around a fault), `slack`. */
static const struct kind {
	const char *kind, *name, *words;
	uint64_t from, to;
	int64_t had, more, slack;
} kinds[] = {
	{"heap", "[heap]", "[heap]", 0, 0, 1 * MIB, 3 * MIB, 256 * KIB},
	{"anon", "anon 16..256 MiB", NULL, 16 * MIB, 256 * MIB, 5 * MIB, 7 * MIB, 0},
	{"shmem", "memfd:weights \\x1b[2J", "/memfd:weights", 0, 0, 1 * MIB, 2 * MIB, 0},
	{"shmem", "/dev/shm/ramtrace-mappings (deleted)", "/dev/shm/ramtrace-mappings", 0, 0, 2 * MIB,
		1 * MIB, 0},
	{"shmem", "[shared anonymous]", "/dev/zero (deleted)", 0, 0, 1 * MIB, 1 * MIB, 0},
	{"shmem", "SYSV00000000 id ", "/SYSV00000000", 0, 0, 3 * MIB, 2 * MIB, 0},
	{"file", "/we\\x0aird \\x1b[31m.bin", "/we\\012ird", 0, 0, 4 * MIB, 2 * MIB, 128 * KIB},
	{"file", "/gone.bin (deleted)", "/gone.bin (deleted)", 0, 0, 1 * MIB, 3 * MIB, 128 * KIB},
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

static void read_kinds(pid_t pid, int64_t rss[KINDS])
{
	for (size_t i = 0; i < KINDS; i++)
		rss[i] = maps_sum(pid, "Rss", kinds[i].words, kinds[i].from, kinds[i].to);
}

static void expect_kinds(const json_t *memory, const int64_t before[KINDS], const int64_t after[KINDS])
{
	for (size_t i = 0; i < KINDS; i++) {
		const struct kind *k = &kinds[i];
		json_t *g = group_of(memory, k->kind, k->name);

		expect_near(k->name, row_int(part(g, "first"), "rss"), before[i], 0);
		expect_near(k->name, row_int(part(g, "last"), "rss"), after[i], 0);
		expect_near(k->name, row_int(g, "grown"), after[i] - before[i], 0);
		expect_near(k->name, before[i], k->had, k->slack);
		expect_near(k->name, row_int(g, "grown"), k->more, k->slack);
	}
}

/* The groups explain all of RSS, and its growth. */
static void expect_whole(const json_t *memory)
{
	int64_t sum[2] = {0, 0}, grown = 0;
	json_t *maps = part(memory, "maps"), *g;
	size_t i;

	json_array_foreach(json_object_get(maps, "groups"), i, g)
	{
		sum[0] += row_int(part(g, "first"), "rss");
		sum[1] += row_int(part(g, "last"), "rss");
		grown += row_int(g, "grown");
	}
	expect_near("sum at first", sum[0], row_int(part(maps, "first"), "rollup_rss"), 0);
	expect_near("sum at last", sum[1], row_int(part(maps, "last"), "rollup_rss"), 0);
	expect_near("growth", grown, row_int(part(part(memory, "last"), "sums"), "rss") -
		row_int(part(part(memory, "first"), "sums"), "rss"), 0);
	cr_expect_not(row_true(part(maps, "last"), "partial"));
}

static struct child start_mappings(void)
{
	const char *argv[] = {harness_target("mappings"), harness_dir(), NULL};
	struct child c = child_start("target", argv);

	child_await(&c, c.out, "ready", 20);
	usleep(200000);
	return c;
}

Test(mappings, of_every_kind_have_what_the_kernel_says_at_both_ends, .timeout = 120)
{
	int64_t before[KINDS], after[KINDS], stacks;
	struct rollup first, last;
	struct child target, tool;
	json_t *rows, *memory;

	harness_need_kernel();
	target = start_mappings();
	tool = trace("tool", target.pid, (const char *[]){"--growth", NULL});
	read_kinds(target.pid, before);
	first = rollup_read(target.pid);
	say("go");
	child_await(&target, target.out, "grown", 20);
	usleep(200000);
	read_kinds(target.pid, after);
	last = rollup_read(target.pid);
	stacks = maps_sum(target.pid, "Rss", "[stack]", 0, 0);
	rows = finish(&tool, "tool");
	memory = memory_of(rows, target.pid);
	expect_kinds(memory, before, after);
	expect_whole(memory);
	expect_rollup("first", part(memory, "first"), &first);
	expect_rollup("last", part(memory, "last"), &last);
	expect_steady("first", part(memory, "first"));
	expect_steady("last", part(memory, "last"));
	cr_expect_str_eq(row_str(part(memory, "first"), "when"), "start");
	cr_expect_str_eq(row_str(part(memory, "last"), "when"), "end");
	expect_near("stack", row_int(part(group_of(memory, "stack", "[stack]"), "last"), "rss"), stacks, 0);
	expect_near("stack of a thread", row_int(part(group_of(memory, "stack", "[thread stacks]"),
		"last"), "rss"), 512 * KIB, 64 * KIB);
	expect_near("worst", row_int(part(memory, "check"), "worst"), 0, 0);
	cr_expect_geq(row_int(part(memory, "check"), "compared"), 2);
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
	json_decref(rows);
}

Test(mappings, in_huge_pages_are_told_as_the_kernel_tells_them, .timeout = 120)
{
	struct child target, tool;
	int64_t huge;
	json_t *rows;

	harness_need_kernel();
	target = start_mappings();
	say("go");
	child_await(&target, target.out, "grown", 20);
	huge = maps_sum(target.pid, "AnonHugePages", "", 0, 0);
	if (!huge)
		cr_skip_test("the kernel gave no huge page");
	tool = trace("tool", target.pid, (const char *[]){"--growth", NULL});
	rows = finish(&tool, "tool");
	expect_near("huge", row_int(part(part(memory_of(rows, target.pid), "last"), "sums"), "anon_huge"),
		huge, 0);
	expect_near("huge", row_int(part(group_of(memory_of(rows, target.pid), "anon", "anon 1..16 MiB"),
		"last"), "anon_huge"), huge, 0);
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
	json_decref(rows);
}

Test(mappings, are_not_read_unless_wanted, .timeout = 120)
{
	struct child target, tool;
	json_t *rows, *memory;

	harness_need_kernel();
	target = start_mappings();
	tool = trace("quiet", target.pid, (const char *[]){NULL});
	usleep(1500000);
	rows = finish(&tool, "quiet");
	cr_expect_eq(rows_count(rows, "type", "pss", NULL), 0);
	cr_expect_null(json_object_get(process_of(rows, target.pid), "memory"));
	cr_expect_null(json_object_get(rows_find(rows, 0, "type", "summary", NULL), "pss"));
	json_decref(rows);
	tool = trace("nosmaps", target.pid, (const char *[]){"--growth", "--no-smaps", NULL});
	rows = finish(&tool, "nosmaps");
	memory = memory_of(rows, target.pid);
	cr_expect(json_is_null(json_object_get(memory, "maps")));
	cr_expect_geq(row_int(memory, "readings"), 2);
	json_decref(rows);
	say("go");
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
}

/* --- memory that is shared ------------------------------------------------------------------------ */

Test(sharing, copies_on_write_show_as_private_memory_while_rss_stays, .timeout = 120)
{
	const char *argv[] = {harness_target("cow"), harness_dir(), NULL};
	struct rollup first[4], last[4];
	int64_t rss = 0, pss = 0;
	json_t *rows, *memory, *tree;
	struct child target, tool;
	pid_t pids[4];

	harness_need_kernel();
	target = child_start("target", argv);
	await_lines(&target, "worker ", pids, 3);
	pids[3] = target.pid;
	tool = trace("tool", target.pid, (const char *[]){"--growth", NULL});
	for (int i = 0; i < 4; i++)
		first[i] = rollup_read(pids[i]);
	say("go");
	await_lines(&target, "wrote ", pids, 3);
	for (int i = 0; i < 4; i++) {
		last[i] = rollup_read(pids[i] = i < 3 ? pids[i] : target.pid);
		rss += last[i].rss;
		pss += last[i].pss;
	}
	rows = finish(&tool, "tool");
	for (int i = 0; i < 3; i++) {
		memory = memory_of(rows, pids[i]);
		expect_rollup("a worker at the end", part(memory, "last"), &last[i]);
		expect_steady("a worker at the end", part(memory, "last"));
		expect_near("RSS is flat", row_int(part(part(memory, "last"), "sums"), "rss") -
			row_int(part(part(memory, "first"), "sums"), "rss"), 0, 256 * KIB);
		expect_near("what it wrote", row_int(part(part(memory, "last"), "sums"), "private_dirty") -
			row_int(part(part(memory, "first"), "sums"), "private_dirty"), 10 * MIB, 256 * KIB);
		expect_near("where", row_int(part(group_of(memory, "anon", "anon 16..256 MiB"), "last"),
			"private_dirty"), 10 * MIB, 0);
	}
	for (int i = 0; i < 3; i++)
		cr_expect_lt(first[i].private_dirty, MIB);
	tree = json_array_get(json_object_get(rows_find(rows, 0, "type", "summary", NULL), "pss"), 1);
	cr_expect_str_eq(row_str(tree, "when"), "end");
	cr_expect_eq(row_int(tree, "processes"), 4);
	expect_near("sum of RSS", row_int(part(tree, "sums"), "rss"), rss, 0);
	expect_near("sum of PSS", row_int(part(tree, "sums"), "pss"), pss, OTHERS);
	expect_near("what all have", pss, 70 * MIB, 3 * MIB); /* 40 and three times 10 */
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
	json_decref(rows);
}

Test(sharing, workers_of_multiprocessing_grow_privately_as_they_read, .timeout = 120)
{
	const char *argv[] = {"/usr/bin/python3", "tests/targets/py_workers.py", harness_dir(), NULL};
	struct child target, tool;
	json_t *rows, *memory;
	struct rollup last[2], first[2];
	pid_t pids[2];

	harness_need_kernel();
	target = child_start("target", argv);
	await_lines(&target, "worker ", pids, 2);
	tool = trace("tool", target.pid, (const char *[]){"--growth", NULL});
	for (int i = 0; i < 2; i++)
		first[i] = rollup_read(pids[i]);
	say("go");
	await_lines(&target, "read ", pids, 2);
	usleep(300000);
	for (int i = 0; i < 2; i++)
		last[i] = rollup_read(pids[i]);
	rows = finish(&tool, "tool");
	for (int i = 0; i < 2; i++) {
		const json_t *from, *to;

		memory = memory_of(rows, pids[i]);
		from = part(part(memory, "first"), "sums");
		to = part(part(memory, "last"), "sums");
		expect_near("at the end", row_int(to, "private_dirty"), last[i].private_dirty, OTHERS);
		expect_near("RSS at the end", row_int(to, "rss"), last[i].rss, 512 * KIB);
		cr_expect_gt(row_int(to, "private_dirty") - row_int(from, "private_dirty"), 10 * MIB);
		cr_expect_lt(row_int(to, "private_dirty") - row_int(from, "private_dirty"), 40 * MIB);
		expect_near("RSS is flat", row_int(to, "rss") - row_int(from, "rss"), 0, 2 * MIB);
		cr_expect_lt(first[i].private_dirty, 12 * MIB);
	}
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
	json_decref(rows);
}

/* --- when ---------------------------------------------------------------------------------------------- */

Test(when, a_signal_asks_for_a_reading_at_once, .timeout = 120)
{
	struct child target, tool;
	json_t *rows, *row;
	struct rollup now;

	harness_need_kernel();
	target = start_mappings();
	tool = trace("tool", target.pid, (const char *[]){NULL});
	say("go");
	child_await(&target, target.out, "grown", 20);
	usleep(200000);
	now = rollup_read(target.pid);
	child_signal(&tool, SIGUSR1);
	child_await(&tool, tool.err, "PSS of 1 processes: ", 10);
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
	cr_assert_eq(child_wait(&tool, 20), 0);
	expect_replay_is_the_same("tool");
	rows = rows_load(harness_path("tool.jsonl"));
	cr_expect_eq(rows_count(rows, "type", "pss", NULL), 1);
	row = rows_find(rows, 0, "type", "pss", "when", "asked", NULL);
	cr_assert(row);
	expect_rollup("asked", row, &now);
	expect_steady("asked", row);
	/* it has ended since: this is the last that is known */
	expect_rollup("last", part(memory_of(rows, target.pid), "last"), &now);
	json_decref(rows);
}

Test(when, a_timer_reads_again_and_again_and_the_last_before_the_exit_stays, .timeout = 120)
{
	struct child target, tool;
	struct rollup now;
	json_t *rows;
	size_t n;

	harness_need_kernel();
	target = start_mappings();
	tool = trace("tool", target.pid, (const char *[]){"--pss-every", "200ms", NULL});
	say("go");
	child_await(&target, target.out, "grown", 20);
	usleep(1500000);
	now = rollup_read(target.pid);
	say("end");
	cr_expect_eq(child_wait(&target, 20), 0);
	cr_assert_eq(child_wait(&tool, 20), 0);
	rows = rows_load(harness_path("tool.jsonl"));
	n = rows_count(rows, "type", "pss", "when", "timer", NULL);
	cr_expect(n >= 4 && n <= 40, "%zu", n);
	cr_expect_eq(rows_count(rows, "type", "pss", "when", "start", NULL), 1);
	expect_rollup("last", part(memory_of(rows, target.pid), "last"), &now);
	cr_expect(json_is_null(json_object_get(memory_of(rows, target.pid), "maps")));
	json_decref(rows);
}

/* Never at rest for long, and never a byte off where it was. */
Test(when, a_busy_program_is_compared_where_it_holds_still, .timeout = 120)
{
	static const char busy[] = "import time\n"
				   "print('ready', flush=True)\n"
				   "end = time.time() + 60\n"
				   "while time.time() < end:\n"
				   "    b = [bytearray(300000) for _ in range(100)]\n"
				   "    time.sleep(0.002)\n";
	const char *argv[] = {"/usr/bin/python3", "-c", busy, NULL};
	struct child target, tool;
	json_t *rows, *check;

	harness_need_kernel();
	target = child_start("target", argv);
	child_await(&target, target.out, "ready", 20);
	tool = trace("tool", target.pid, (const char *[]){"--verify", "--pss-every", "50ms", NULL});
	usleep(4000000);
	rows = finish(&tool, "tool");
	check = part(rows_find(rows, 0, "type", "summary", NULL), "check");
	cr_expect_geq(row_int(check, "compared") + row_int(check, "moved"), 20);
	expect_near("worst", row_int(check, "worst"), 0, 0);
	expect_near("worst of anon", row_int(check, "worst_anon"), 0, 0);
	fprintf(stderr, "busy: %" PRId64 " compared, %" PRId64 " moved\n", row_int(check, "compared"),
		row_int(check, "moved"));
	child_signal(&target, SIGKILL);
	json_decref(rows);
}

/* It tells of itself and moves nothing: the rows are what /proc has of the same stretch of time. */
Test(when, checkpoints_of_a_program_at_rest_are_compared, .timeout = 120)
{
	static const char idle[] = "import time\n"
				   "print('ready', flush=True)\n"
				   "for _ in range(6000):\n"
				   "    ascii('ramtrace:still')\n"
				   "    time.sleep(0.01)\n";
	const char *argv[] = {"/usr/bin/python3", "-c", idle, NULL};
	struct child target, tool;
	json_t *rows, *check;

	harness_need_kernel();
	target = child_start("target", argv);
	child_await(&target, target.out, "ready", 20);
	tool = trace("tool", target.pid, (const char *[]){"--verify", "--pss-every", "200ms", NULL});
	usleep(4000000);
	rows = finish(&tool, "tool");
	cr_expect_gt(rows_count(rows, "type", "checkpoint", "label", "still", NULL), 50);
	check = part(rows_find(rows, 0, "type", "summary", NULL), "check");
	cr_expect_geq(row_int(check, "rows"), 5);
	cr_expect_leq(row_int(check, "rows"), 22);
	expect_near("worst", row_int(check, "worst"), 0, 0);
	expect_near("worst of a checkpoint", row_int(check, "worst_row"), 0, 0);
	child_signal(&target, SIGKILL);
	json_decref(rows);
}

Test(when, a_command_is_read_while_it_runs, .timeout = 120)
{
	const char *args[16] = {"--growth", "--lang", "en", "--", harness_target("cow"), harness_dir(),
		NULL};
	json_t *rows, *memory;
	struct child tool;
	pid_t pids[3];

	harness_need_kernel();
	tool = tool_start("tool", args);
	await_lines(&tool, "worker ", pids, 3);
	say("go");
	usleep(3500000);
	say("end");
	cr_assert_eq(child_wait(&tool, 30), 0, "%s", file_text(tool.err));
	rows = rows_load(harness_path("tool.jsonl"));
	for (int i = 0; i < 3; i++) {
		memory = memory_of(rows, pids[i]);
		cr_expect_str_eq(row_str(part(memory, "last"), "when"), "timer");
		cr_expect_gt(row_int(part(part(memory, "last"), "sums"), "private_dirty"), 10 * MIB);
		cr_expect_lt(row_int(part(part(memory, "last"), "sums"), "private_dirty"), 11 * MIB);
		expect_near("anon", row_int(part(group_of(memory, "anon", "anon 16..256 MiB"), "last"),
			"rss"), 40 * MIB, 0);
	}
	json_decref(rows);
}
