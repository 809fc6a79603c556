/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * --replay as a user has it, of tests/data/demo.tape: a real Redis that was attached to while it
 * ran, filled, saved by a child, rewrote its log in another, and emptied. REGENERATE=1 writes the
 * goldens beside it anew, to be read as a diff.
 */
#include "trace.h"

#include <criterion/criterion.h>
#include "record.h"
#include "scratch.h"
#include "tape.h"

#define DEMO "tests/data/demo.tape"

/* What the command line said of a replay. */
struct replay {
	struct scratch dir;
	int status;
	char *log, *said;
};

static int run_command(const char *const *args, size_t n)
{
	char *argv[24] = { "ramtrace-bpf" };
	struct options opt;
	int status;

	for (size_t i = 0; i < n; i++)
		argv[i + 1] = (char *)args[i];
	status = options__parse((int)n + 1, argv, &opt);
	if (status < 0)
		status = replay_run(&opt);
	options__clear(&opt);
	return status;
}

static struct replay replay_args(const char *const *args, size_t n, const char *log)
{
	struct replay r = { .dir = scratch__new() };
	const char *with_log[24];
	char err[320];
	int saved = dup(2), fd;
	size_t len;

	log = log ? log : r.dir.file;
	memcpy(with_log, args, n * sizeof(*args));
	with_log[n] = "-o";
	with_log[n + 1] = log;
	snprintf(err, sizeof(err), "%s.err", r.dir.file);
	fd = open(err, O_RDWR | O_CREAT | O_TRUNC, 0600);
	dup2(fd, 2);
	r.status = run_command(with_log, n + 2);
	dup2(saved, 2);
	close(saved);
	close(fd);
	r.log = access(log, F_OK) ? strdup("") : scratch_read(log, &len);
	r.said = scratch_read(err, &len);
	return r;
}

#define replay(...)                                                                                \
	({                                                                                         \
		const char *args_[] = { "--replay", __VA_ARGS__ };                                 \
		replay_args(args_, sizeof(args_) / sizeof(args_[0]), NULL);                      \
	})

static void replay__free(struct replay *r)
{
	scratch__free(&r->dir);
	free(r->log);
	free(r->said);
}

/* --- the demo --------------------------------------------------------------------------------- */

static void same_as_golden(const char *format, const char *lang, const char *path)
{
	struct replay r = replay(DEMO, "--format", format, "--lang", lang);
	char *golden;
	size_t len;

	cr_assert_eq(r.status, 0, "%s", r.said);
	cr_assert_str_eq(r.said, "");
	if (getenv("REGENERATE"))
		scratch_write(path, r.log, strlen(r.log));
	golden = scratch_read(path, &len);
	cr_assert_str_eq(r.log, golden, "%s differs; REGENERATE=1 writes it anew", path);
	free(golden);
	replay__free(&r);
}

Test(replay, of_the_demo_is_as_it_was_in_every_format)
{
	same_as_golden("seed", "en", "tests/data/demo.seed");
	same_as_golden("text", "zh", "tests/data/demo.zh.text");
	same_as_golden("text", "en", "tests/data/demo.en.text");
	same_as_golden("jsonl", "zh", "tests/data/demo.zh.jsonl");
	same_as_golden("jsonl", "en", "tests/data/demo.en.jsonl");
}

static size_t count_lines(const char *text, const char *with)
{
	size_t n = 0;

	for (const char *end; *text; text = end + 1) {
		const char *at = strstr(text, with);

		end = strchr(text, '\n');
		n += at && at < end;
	}
	return n;
}

Test(replay, of_the_demo_has_the_server_and_both_its_children)
{
	struct replay r = replay(DEMO, "--format", "jsonl", "--lang", "en");

	cr_expect_eq(count_lines(r.log, "{\"type\":\"process\","), 3);
	cr_expect_geq(count_lines(r.log, "\"role\":\"redis-server\""), 15);
	cr_expect_geq(count_lines(r.log, "\"role\":\"redis-rdb-bgsave\""), 4);
	cr_expect_geq(count_lines(r.log, "\"role\":\"redis-aof-rewrite\""), 4);
	cr_expect_eq(count_lines(r.log, "\"role\":\"\""), 0);
	replay__free(&r);
}

Test(replay, leaves_out_what_moved_too_little)
{
	struct replay all = replay(DEMO, "--format", "seed");
	struct replay some = replay(DEMO, "--format", "seed", "--min-delta", "30M");

	cr_expect_eq(count_lines(all.log, "INFO: "), 26);
	/* three baselines, two times filled, once emptied */
	cr_expect_eq(count_lines(some.log, "INFO: "), 6, "%s", some.log);
	replay__free(&all);
	replay__free(&some);
}

Test(replay, takes_options_behind_its_tapes_and_a_report_only_if_wanted)
{
	struct replay r = replay(DEMO, "--lang", "en", "-q");

	cr_expect_eq(r.status, 0);
	cr_expect(strstr(r.log, " after FLUSHALL released -"));
	cr_expect_null(strstr(r.log, "Memory report"));
	replay__free(&r);
}

Test(replay, of_a_tape_twice_is_two_runs)
{
	struct replay one = replay(DEMO, "--format", "jsonl", "--lang", "en");
	struct replay two = replay(DEMO, DEMO, "--format", "jsonl", "--lang", "en");

	cr_expect_eq(two.status, 0, "%s", two.said);
	for (int i = 0; i < 2; i++) {
		const char *type = i ? "{\"type\":\"checkpoint\"," : "{\"type\":\"process\",";
		size_t n = count_lines(one.log, type);

		cr_expect_gt(n, 0);
		cr_expect_eq(count_lines(two.log, type), 2 * n);
	}
	cr_expect_eq(count_lines(two.log, "{\"type\":\"header\","), 1);
	cr_expect_eq(count_lines(two.log, "{\"type\":\"summary\","), 1);
	cr_expect_eq(count_lines(two.log, "\"host\":\"demo\",\"run\":2}"),
		count_lines(two.log, "\"host\":\"demo\",\"run\":1}"));
	replay__free(&one);
	replay__free(&two);
}

/* --- damage ----------------------------------------------------------------------------------- */

static void copy_demo(const char *to, size_t cut, size_t flip)
{
	size_t len;
	char *tape = scratch_read(DEMO, &len);

	cr_assert_lt(cut, len);
	if (flip)
		tape[flip] ^= 1;
	scratch_write(to, tape, len - cut);
	free(tape);
}

static void is_a_beginning_of(const char *part, const char *whole)
{
	size_t rows = count_lines(part, "checkpoint\",\"seq\""), len = 0;

	for (size_t i = 0; i <= rows; i++) /* the header and the rows, without the end */
		len += strcspn(part + len, "\n") + 1;
	cr_expect_gt(rows, 0);
	cr_expect(!strncmp(part, whole, len));
}

Test(replay, of_a_tape_that_breaks_off_goes_as_far_as_it_goes)
{
	struct scratch s = scratch__new();
	struct replay whole = replay(DEMO, "--format", "jsonl"), r;

	copy_demo(s.file, 300, 0);
	r = replay(s.file, "--format", "jsonl");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "file breaks off after "), "%s", r.said);
	cr_expect(strstr(r.log, "\"end\":null}\n"));
	is_a_beginning_of(r.log, whole.log);
	replay__free(&r);
	replay__free(&whole);
	scratch__free(&s);
}

Test(replay, of_a_damaged_tape_goes_as_far_as_it_is_good)
{
	struct scratch s = scratch__new();
	struct replay r;

	copy_demo(s.file, 0, 14000);
	r = replay(s.file, "--format", "jsonl");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "file is damaged after "), "%s", r.said);
	cr_expect_eq(count_lines(r.log, "{\"type\":\"summary\","), 1);
	replay__free(&r);
	scratch__free(&s);
}

/* A whole tape, into which somebody put records that nobody could have recorded. */
static void copy_with_nonsense(const char *to, int every)
{
	struct record rec, nonsense = { .kind = REC_EVENT, .len = 8, .data = "nonsense" };
	struct tape_reader *r;
	struct tape_writer *w;

	cr_assert_eq(tape_reader__open(DEMO, &r), 0);
	cr_assert_eq(tape_writer__open(to, &w), 0);
	for (int i = 0; tape_reader__next(r, &rec) > 0; i++) {
		cr_assert_eq(tape_writer__put(w, &rec), 0);
		if (i % every)
			continue;
		nonsense.kind = i % 2 ? REC_EVENT : REC_PROC;
		cr_assert_eq(tape_writer__put(w, &nonsense), 0);
	}
	cr_assert_eq(tape_writer__close(w), 0);
	tape_reader__close(r);
}

Test(replay, leaves_out_records_that_do_not_decode_and_says_so_once)
{
	struct scratch s = scratch__new();
	struct replay whole = replay(DEMO, "--format", "jsonl"), r, two;

	copy_with_nonsense(s.file, 7);
	r = replay(s.file, "--format", "jsonl");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect_eq(count_lines(r.said, "left out: "), 1, "%s", r.said);
	cr_expect_gt(atoi(strstr(r.said, "left out: ") + strlen("left out: ")), 5, "%s", r.said);
	cr_expect_eq(count_lines(r.said, ""), 1, "%s", r.said);
	cr_expect_str_eq(r.log, whole.log, "nothing else is missing");
	two = replay(s.file, DEMO, "--format", "jsonl");
	cr_expect_eq(two.status, EXIT_TOOL_FAILED);
	cr_expect_str_eq(two.said, r.said, "as much of a merge");
	replay__free(&two);
	replay__free(&r);
	replay__free(&whole);
	scratch__free(&s);
}

/* --- what cannot be replayed ------------------------------------------------------------------ */

Test(replay, of_what_is_no_tape_makes_no_log)
{
	struct scratch s = scratch__new();
	struct replay r;

	scratch_write(s.file, "INFO: no tape at all\n", 21);
	r = replay(DEMO, s.file);
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "it is not a tape of ramtrace-bpf"), "%s", r.said);
	cr_expect_str_eq(r.log, "");
	replay__free(&r);
	r = replay("tests/data/nowhere.tape");
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "tests/data/nowhere.tape: No such file"), "%s", r.said);
	replay__free(&r);
	scratch__free(&s);
}

Test(replay, does_not_write_its_log_over_its_tape)
{
	const char *args[] = { "--replay", DEMO, NULL };
	struct scratch s = scratch__new();
	char link_path[320], *before, *after;
	size_t len, len_after;
	struct replay r;

	copy_demo(s.file, 0, 0);
	snprintf(link_path, sizeof(link_path), "%s.link", s.file);
	cr_assert_eq(link(s.file, link_path), 0);
	before = scratch_read(s.file, &len);
	args[2] = s.file;
	r = replay_args(args, 3, link_path);
	cr_expect_eq(r.status, EXIT_TOOL_FAILED);
	cr_expect(strstr(r.said, "it is the tape"), "%s", r.said);
	after = scratch_read(s.file, &len_after);
	cr_assert_eq(len, len_after);
	cr_expect(!memcmp(before, after, len));
	free(before);
	free(after);
	replay__free(&r);
	scratch__free(&s);
}
