/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Live output and replay are the same bytes, in every format. Each run is recorded beside its log;
 * when the target is gone, the tape is rendered again by a user without rights, in a directory
 * that has nothing else, and in a pid namespace where no process of the target ever was.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness.h"

#define MAX_ARGS 40

static const struct form {
	const char *name, *format, *lang, *suffix;
} forms[] = {
	{"seed", "seed", "zh", "seed"},
	{"text-zh", "text", "zh", "text"},
	{"text-en", "text", "en", "text"},
	{"jsonl-zh", "jsonl", "zh", "jsonl"},
	{"jsonl-en", "jsonl", "en", "jsonl"},
};

#define FORMS (sizeof(forms) / sizeof(forms[0]))

/* "DIR/NAME.SUFFIX" */
static const char *file(const char *name, const char *suffix)
{
	char buf[256];

	snprintf(buf, sizeof(buf), "%s.%s", name, suffix);
	return harness_path(buf);
}

static char *text_of(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
static char *text_of(const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		cr_assert_fail("no memory");
	va_end(ap);
	return text;
}

/* --- replay -------------------------------------------------------------------------------- */

/* The room of the one who replays: the tool, the tapes, and what it writes. */
static const char *fresh_room(void)
{
	static const char *room;
	char *out;

	if (room)
		return room;
	room = harness_path("room");
	cr_assert_eq(mkdir(room, 0755), 0);
	cr_assert_eq(chown(room, 65534, 65534), 0);
	cr_assert_eq(shell(text_of("install -m 755 %s %s/tool", harness_tool(), room), &out), 0,
		"%s", out);
	return room;
}

/* Renders the tapes (names, space-separated) as nobody; *err is what it said. Returns its exit
 * status and leaves the log in room/NAME.SUFFIX. */
static int replay_as_nobody(const char *tapes, const char *name, const struct form *form,
	const char *more, char **err)
{
	char *command = text_of("cd %s && exec unshare --pid --fork --mount-proc setpriv "
				"--reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "
				"--bounding-set=-all env -i ./tool --replay %s --format %s "
				"--lang %s -o %s.%s %s",
		fresh_room(), tapes, form->format, form->lang, name, form->suffix, more);
	const char *argv[] = {"sh", "-c", command, NULL};
	struct child c = child_start("replay", argv);
	int status = child_wait(&c, 120);

	*err = file_text(c.err);
	free(command);
	return status;
}

static void lend_tape(const char *tape, const char *name)
{
	char *out;

	cr_assert_eq(shell(text_of("install -m 644 %s %s/%s.tape", tape, fresh_room(), name), &out),
		0, "%s", out);
}

static const char *in_room(const char *name, const char *suffix)
{
	return harness_path(text_of("room/%s.%s", name, suffix));
}

static void assert_same_bytes(const char *live, const char *replayed)
{
	char *out, *cmp = text_of("test -s %s && cmp %s %s", live, live, replayed);

	cr_assert_eq(shell(cmp, &out), 0, "%s", out);
	free(cmp);
}

/* --- what a log must be -------------------------------------------------------------------- */

static const char *schema(void)
{
	const char *path = harness_path("schema.json");
	char *command = text_of("%s --json-schema > %s", harness_tool(), path);

	if (access(path, F_OK))
		cr_assert_eq(shell(command, NULL), 0);
	free(command);
	return path;
}

/* By check_log.py, which prints the count of each type of line. */
static char *check_log(const char *jsonl, const char *seed, const char *text)
{
	char *out, *command = text_of("/usr/bin/python3 tests/check_log.py %s %s %s %s 2>&1",
			   schema(), jsonl, seed, text);

	cr_assert_eq(shell(command, &out), 0, "%s", out);
	free(command);
	return out;
}

/* The tape of a seed, text or jsonl run rendered in the other two formats is checked with it. */
static char *check_tape(const char *name, const char *more)
{
	char *err, *all = text_of("%s-all", name), *tape = text_of("%s.tape", name);
	const struct form *as[] = {&forms[0], &forms[1], &forms[3]};

	for (int i = 0; i < 3; i++)
		cr_assert_eq(replay_as_nobody(tape, all, as[i], more, &err), 0, "%s", err);
	return check_log(in_room(all, "jsonl"), in_room(all, "seed"), in_room(all, "text"));
}

/* --- live ---------------------------------------------------------------------------------- */

struct scenario {
	const char *const *args; /* of the tool, with "FAMILY" for the path of the target */
	const char *more;	 /* output options, of live and replay alike */
	const char *target;	 /* argument of a target that runs by itself; NULL: args start it */
	int end;		 /* signal that ends the tool; 0: it ends by itself */
};

/* "FAMILY:work" becomes "/build/targets/family:work". */
static const char *expand(const char *arg)
{
	const char *at = strstr(arg, "FAMILY");

	if (!at)
		return arg;
	return text_of("%.*s%s%s", (int)(at - arg), arg, harness_target("family"),
		at + strlen("FAMILY"));
}

static size_t tool_args(const char **argv, const struct scenario *s, const char *name,
	const struct form *form, pid_t pid)
{
	char *more = strdup(s->more), *save = NULL;
	size_t n = 0;

	argv[n++] = "--record";
	argv[n++] = file(name, "tape");
	argv[n++] = "--format";
	argv[n++] = form->format;
	argv[n++] = "--lang";
	argv[n++] = form->lang;
	argv[n++] = "-o";
	argv[n++] = file(name, form->suffix);
	for (char *m = strtok_r(more, " ", &save); m; m = strtok_r(NULL, " ", &save))
		argv[n++] = m;
	if (pid) {
		argv[n++] = "--pid";
		argv[n++] = text_of("%d", pid);
	}
	for (size_t i = 0; s->args[i] && n < MAX_ARGS - 1; i++)
		argv[n++] = expand(s->args[i]);
	argv[n] = NULL;
	return n;
}

static struct child start_target(const char *arg)
{
	const char *argv[] = {harness_target("family"), arg, NULL};
	struct child c = child_start("target", argv);

	child_await(&c, c.out, "ready", 30);
	return c;
}

/* The target and its family; nothing of them is left for the replay. */
static void end_target(struct child *c)
{
	child_signal(c, SIGKILL);
	child_wait(c, 30);
}

static int run_live(const struct scenario *s, const char *name, const struct form *form)
{
	const char *argv[MAX_ARGS];
	struct child target = {0}, tool;
	int status;

	if (s->target)
		target = start_target(s->target);
	tool_args(argv, s, name, form, target.pid);
	if (s->target && s->end) {
		tool = tool_attach(name, argv);
		child_await(&tool, file(name, form->suffix), "\n", 30);
		usleep(300000);
		child_signal(&tool, s->end);
	} else {
		tool = tool_start(name, argv);
	}
	status = child_wait(&tool, 120);
	if (s->target)
		end_target(&target);
	return status;
}

/* Every format live, and the same again from its tape. Returns the counts of the last. */
static char *live_and_replay(const struct scenario *s)
{
	char *counts = NULL;

	for (size_t i = 0; i < FORMS; i++) {
		const struct form *f = &forms[i];
		char *err, *tape = text_of("%s.tape", f->name);

		cr_assert_eq(run_live(s, f->name, f), 0, "%s: %s", f->name,
			file_text(file(f->name, "err")));
		lend_tape(file(f->name, "tape"), f->name);
		cr_assert_eq(replay_as_nobody(tape, f->name, f, s->more, &err), 0, "%s: %s",
			f->name, err);
		cr_assert_str_eq(err, "", "%s", f->name);
		assert_same_bytes(file(f->name, f->suffix), in_room(f->name, f->suffix));
		free(counts);
		counts = check_tape(f->name, s->more);
		free(tape);
	}
	return counts;
}

static long count_of(const char *counts, const char *type)
{
	char *at = strstr(counts, type);

	return at ? atol(at + strlen(type) + 1) : 0;
}

/* --- tests --------------------------------------------------------------------------------- */

Test(replay, of_a_started_family_is_what_was_live, .timeout = 300)
{
	static const char *const args[] = {"-f", "工作=FAMILY:work", "--", "FAMILY", "4", NULL};
	char *counts;

	harness_need_kernel();
	counts = live_and_replay(&(struct scenario){.args = args, .more = ""});
	/* 210 calls, two rows each; 9 processes, two of which went on as another program */
	cr_expect_eq(count_of(counts, "checkpoint"), 420, "%s", counts);
	cr_expect_eq(count_of(counts, "process"), 11, "%s", counts);
	cr_expect_eq(count_of(counts, "loss"), 0, "%s", counts);
}

Test(replay, of_points_that_moved_enough_is_what_was_live, .timeout = 300)
{
	static const char *const args[] = {"--step", "16K", "--", "FAMILY", "4", NULL};
	char *counts;

	harness_need_kernel();
	counts = live_and_replay(&(struct scenario){.args = args, .more = "--min-delta 100K -q"});
	cr_expect_geq(count_of(counts, "checkpoint"), 20, "%s", counts);
	cr_expect_leq(count_of(counts, "checkpoint"), 1000, "%s", counts);
}

Test(replay, of_a_run_that_lost_events_is_what_was_live, .timeout = 300)
{
	static const char *const args[] = {"-f", "FAMILY:work", "--ring-size", "64K", "--",
		"FAMILY", "storm", "20000", NULL};
	char *counts;

	harness_need_kernel();
	counts = live_and_replay(&(struct scenario){.args = args, .more = ""});
	cr_expect_geq(count_of(counts, "loss"), 1, "nothing was lost: %s", counts);
	cr_expect_lt(count_of(counts, "checkpoint"), 80000, "%s", counts);
}

Test(replay, of_a_run_ended_by_hand_is_what_was_live, .timeout = 300)
{
	static const char *const args[] = {"-f", "FAMILY:work", NULL};
	struct scenario s = {.args = args, .more = "", .target = "0", .end = SIGINT};
	char *counts;

	harness_need_kernel();
	counts = live_and_replay(&s);
	cr_expect_geq(count_of(counts, "checkpoint"), 20, "%s", counts);
	cr_expect_geq(count_of(counts, "process"), 3, "%s", counts);
}

Test(replay, of_a_run_ended_by_the_clock_is_what_was_live, .timeout = 300)
{
	static const char *const args[] = {"-f", "FAMILY:work", "--duration", "700ms", NULL};
	struct scenario s = {.args = args, .more = "--min-delta 4K", .target = "0"};
	char *counts;

	harness_need_kernel();
	counts = live_and_replay(&s);
	cr_expect_geq(count_of(counts, "checkpoint"), 20, "%s", counts);
}

/* The checkpoints of a jsonl log: up to the first line of another kind that ends a log. */
static size_t same_rows(json_t *live, json_t *replayed)
{
	size_t n = rows_count(live, "type", "checkpoint", NULL);
	size_t m = rows_count(replayed, "type", "checkpoint", NULL), i;

	for (i = 0; i < n && i < m; i++)
		if (!json_equal(rows_find(live, i, "type", "checkpoint", NULL),
			    rows_find(replayed, i, "type", "checkpoint", NULL)))
			break;
	return i;
}

Test(replay, of_a_killed_run_goes_as_far_as_the_tape, .timeout = 120)
{
	static const char *const args[] = {"-f", "FAMILY:work", NULL};
	struct scenario s = {.args = args, .more = "", .target = "0", .end = SIGKILL};
	json_t *live, *replayed, *sum;
	size_t n, m;
	char *err;

	harness_need_kernel();
	cr_assert_eq(run_live(&s, "killed", &forms[4]), 128 + SIGKILL);
	lend_tape(file("killed", "tape"), "killed");
	cr_expect_eq(replay_as_nobody("killed.tape", "killed", &forms[4], "", &err), 1);
	cr_expect(strstr(err, "killed.tape breaks off after "), "%s", err);
	live = rows_load(file("killed", "jsonl"));
	replayed = rows_load(in_room("killed", "jsonl"));
	n = rows_count(live, "type", "checkpoint", NULL);
	m = rows_count(replayed, "type", "checkpoint", NULL);
	cr_expect_geq(m, 10);
	cr_expect_eq(same_rows(live, replayed), n < m ? n : m, "%zu live, %zu again", n, m);
	sum = rows_find(replayed, 0, "type", "summary", NULL);
	cr_expect(json_is_null(json_object_get(sum, "end")));
	json_decref(live);
	json_decref(replayed);
}

/* The rows of one run of a merged log, without what the merge gave them. */
static json_t *rows_of_run(json_t *merged, int run)
{
	json_t *rows = json_array(), *row, *copy;
	size_t i;

	json_array_foreach(merged, i, row)
	{
		if (strcmp(row_str(row, "type"), "checkpoint") || row_int(row, "run") != run)
			continue;
		copy = json_deep_copy(row);
		json_object_del(copy, "run");
		json_object_del(copy, "host");
		json_object_del(copy, "seq");
		json_object_del(copy, "time_ns"); /* the clocks may have drifted apart since */
		json_array_append_new(rows, copy);
	}
	return rows;
}

static json_t *rows_alone(const char *path)
{
	json_t *all = rows_load(path), *row, *tagged = json_array(), *rows;
	size_t i;

	json_array_foreach(all, i, row)
	{
		json_object_set_new(row, "run", json_integer(1));
		json_array_append(tagged, row);
	}
	rows = rows_of_run(tagged, 1);
	json_decref(all);
	json_decref(tagged);
	return rows;
}

/* Of two recordings of this machine, whose clock nobody sets meanwhile. */
static void expect_one_clock(json_t *merged)
{
	json_t *runs = json_object_get(rows_find(merged, 0, "type", "header", NULL), "runs");
	json_t *clocks = json_object_get(rows_find(merged, 0, "type", "summary", NULL), "clocks");

	for (size_t i = 0; i < 2; i++) {
		json_t *clock = json_object_get(json_array_get(runs, i), "clock");

		cr_expect(json_is_object(clock), "run %zu", i + 1);
		cr_expect_gt(row_int(clock, "read_ns"), 0);
		cr_expect_lt(row_int(clock, "read_ns"), 1000000);
		cr_expect_eq(row_int(json_array_get(json_object_get(clocks, "runs"), i), "moved_ns"), 0);
	}
	cr_expect_eq(row_int(clocks, "distinct"), 1);
}

Test(replay, of_two_tapes_is_one_log, .timeout = 120)
{
	static const char *const args[] = {"-f", "FAMILY:work", "--", "FAMILY", "4", NULL};
	struct scenario s = {.args = args, .more = ""};
	const char *names[] = {"first", "second"}, *argv[MAX_ARGS];
	struct child tools[2];
	json_t *merged;
	char host[256] = "", *err;

	harness_need_kernel();
	for (int i = 0; i < 2; i++) {
		tool_args(argv, &s, names[i], &forms[4], 0);
		tools[i] = tool_start(names[i], argv);
	}
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(child_wait(&tools[i], 120), 0);
		lend_tape(file(names[i], "tape"), names[i]);
	}
	for (size_t i = 0; i < FORMS; i++)
		cr_assert_eq(replay_as_nobody("first.tape second.tape", "both", &forms[i], "",
				     &err), 0, "%s", err);
	/* the last of each format: text and jsonl in English */
	check_log(in_room("both", "jsonl"), in_room("both", "seed"), in_room("both", "text"));
	merged = rows_load(in_room("both", "jsonl"));
	cr_expect_eq(rows_count(merged, "type", "checkpoint", NULL), 840);
	gethostname(host, sizeof(host) - 1);
	cr_expect_eq(rows_count(merged, "type", "checkpoint", "host", host, NULL), 840);
	cr_expect_eq(rows_count(merged, "type", "process", "host", host, NULL), 22);
	cr_expect_eq(rows_count(merged, "type", "header", NULL), 1);
	cr_expect_eq(row_int(rows_find(merged, 0, "type", "summary", NULL), "processes"), 18);
	expect_one_clock(merged);
	for (int i = 0; i < 2; i++) {
		json_t *alone = rows_alone(file(names[i], "jsonl"));
		json_t *run = rows_of_run(merged, i + 1);

		cr_expect_eq(json_array_size(run), 420);
		cr_expect(json_equal(alone, run), "run %d", i + 1);
		json_decref(alone);
		json_decref(run);
	}
	json_decref(merged);
}
