/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which of tape and log is served, and for how long. */
#include "output.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

#include "fact.h"
#include "feed.h"
#include "said.h"
#include "scratch.h"
#include "tape.h"

static struct scratch dir;
static struct options opt;
static struct output *o;
static char tape[300], log_path[300];

static void set_up(void)
{
	dir = scratch__new();
	snprintf(tape, sizeof(tape), "%s/tape", dir.dir);
	snprintf(log_path, sizeof(log_path), "%s/log", dir.dir);
	opt = (struct options){ .format = &sink_jsonl, .lang = LANG_EN };
	signal(SIGPIPE, SIG_IGN);
	said__begin(2);
}

static void tear_down(void)
{
	scratch__free(&dir);
}

TestSuite(output, .init = set_up, .fini = tear_down, .timeout = 30);

/* Three records: with the release of an event the header of the log is due. */
static int put_host(void)
{
	struct fact fact = { .kind = REC_HOST, .host = { .host = "box", .kernel = "6.1", .version = "1",
		.cpus = 1 } };
	struct feed_event attach = { .pid = 5, .time_ns = 1, .comm = "x" };
	struct rt_totals_event ev = feed__make_totals(&attach);
	struct record event = { .kind = REC_EVENT, .len = sizeof(ev), .data = &ev };
	uint64_t until = 1;
	struct record release = { .kind = REC_RELEASE, .len = sizeof(until), .data = &until };
	int err = fact__emit(&fact, output__put, o);

	if (!err)
		err = output__put(o, &event);
	return err ? err : output__put(o, &release);
}

static int put_end(void)
{
	struct fact fact = { .kind = REC_END, .end = { .time_ns = 5, .reason = "exit" } };

	return fact__emit(&fact, output__put, o);
}

static void open_all(void)
{
	cr_assert_eq(output__open(&opt, &o), 0, "%s", said(2));
}

static void assert_log_has(const char *path, const char *words, bool there)
{
	size_t len;
	char *text = scratch_read(path, &len);

	cr_assert_eq(strstr(text, words) != NULL, there, "%s: %s", words, text);
	free(text);
}

static size_t count_tape(enum tape_state state)
{
	struct tape_reader *r;
	struct record rec;
	size_t n = 0;

	cr_assert_eq(tape_reader__open(tape, &r), 0);
	while (tape_reader__next(r, &rec) > 0)
		n++;
	cr_assert_eq(tape_reader__state(r), state);
	tape_reader__close(r);
	return n;
}

Test(output, a_run_goes_to_tape_and_log)
{
	opt.record = tape;
	opt.output = log_path;
	open_all();
	cr_assert_eq(put_host(), 0);
	cr_assert_eq(output__flush(o), 0);
	assert_log_has(log_path, "\"type\":\"header\"", true);
	assert_log_has(log_path, "\"type\":\"summary\"", false);
	cr_assert_eq(count_tape(TAPE_TRUNCATED), 3);
	cr_assert_eq(put_end(), 0);
	cr_assert(!output__failed(o));
	cr_assert_eq(output__close(o), 0);
	assert_log_has(log_path, "\"type\":\"summary\"", true);
	cr_assert_eq(count_tape(TAPE_FINISHED), 4);
	cr_assert_str_empty(said(2));
}

Test(output, of_a_run_that_never_began_there_is_no_report)
{
	opt.output = log_path;
	open_all();
	cr_assert_eq(output__close(o), 0);
	assert_log_has(log_path, "summary", false);
	open_all();
	cr_assert_eq(put_host(), 0);
	output__abandon(o);
	cr_assert_eq(output__close(o), 0);
	assert_log_has(log_path, "summary", false);
	output__abandon(NULL);
	cr_assert_eq(output__close(NULL), 0);
	cr_assert(!output__failed(NULL));
}

/* --- errors ----------------------------------------------------------------------------------- */

static void assert_not_opened(const char *record, const char *output, int err, const char *words)
{
	opt.record = record;
	opt.output = output;
	cr_assert_eq(output__open(&opt, &o), err, "%s %s", record, output);
	cr_assert_said(2, words);
}

Test(output, a_place_that_cannot_be_written_is_told_with_what_to_do)
{
	char link[400], none[400];

	snprintf(link, sizeof(link), "%s/link", dir.dir);
	snprintf(none, sizeof(none), "%s/none/x", dir.dir);
	cr_assert_eq(symlink(tape, link), 0);
	assert_not_opened(NULL, dir.dir, -EISDIR, "it is a directory");
	assert_not_opened(none, NULL, -ENOENT, "its directory does not exist");
	assert_not_opened(link, NULL, -ELOOP, "it is a symbolic link");
	assert_not_opened(NULL, link, -ELOOP, "cannot create the log");
	assert_not_opened(tape, tape, -EEXIST, "it is the tape");
	opt.n_tapes = 1;
	opt.tapes = (const char *[]){ tape };
	assert_not_opened(NULL, tape, -EEXIST, "it is the tape");
}

Test(output, a_full_log_is_told_once_and_the_tape_goes_on)
{
	opt.record = tape;
	opt.output = "/dev/full";
	open_all();
	cr_assert_eq(put_host(), 0);
	cr_assert_eq(output__flush(o), 0, "the tape is left to be served");
	cr_assert_said(2, "cannot write the log /dev/full: No space", "; the tape goes on");
	cr_assert(output__failed(o));
	cr_assert_eq(output__fd(o), -1, "nothing to wait for any more");
	cr_assert_eq(put_end(), 0);
	cr_assert_eq(output__close(o), -ENOSPC);
	cr_assert_str_empty(said(2));
	cr_assert_eq(count_tape(TAPE_FINISHED), 4);
}

Test(output, when_neither_is_left_the_run_ends)
{
	opt.output = "/dev/full";
	open_all();
	cr_assert_eq(put_host(), -ENOSPC);
	cr_assert_eq(output__flush(o), -ENOSPC);
	cr_assert_eq(put_end(), -ENOSPC);
	cr_assert_eq(output__close(o), -ENOSPC);
}

Test(output, a_record_that_does_not_decode_is_counted_and_left_out)
{
	struct record rec = { .kind = REC_HOST, .len = 3, .data = "{}!" };

	opt.output = log_path;
	open_all();
	cr_assert_eq(put_host(), 0);
	cr_assert_eq(output__put(o, &rec), 0);
	cr_assert_eq(output__undecoded(o), 1);
	cr_assert_eq(put_end(), 0);
	cr_assert_eq(output__close(o), 0);
	cr_assert_said(2, "do not decode", ": 1");
}

/* --- who reads stdout ----------------------------------------------------------------------------- */

static int give_up;

static int on_stuck(void *asked)
{
	++*(int *)asked;
	return give_up;
}

static int to_a_pipe(void)
{
	int fds[2];

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(fcntl(fds[1], F_SETPIPE_SZ, 4096), 4096);
	cr_assert_eq(dup2(fds[1], 1), 1);
	close(fds[1]);
	return fds[0];
}

static int fill(void)
{
	int err = 0;

	for (int i = 0; !err && i < 100; i++) {
		struct fact fact = { .kind = REC_SPEC, .spec = { .id = (unsigned int)i, .text = "x:f",
			.entry = { "a", "a" } } };

		err = fact__emit(&fact, output__put, o);
	}
	return err ? err : put_host();
}

Test(output, a_tape_that_cannot_grow_is_told_once_and_the_log_goes_on)
{
	const struct rlimit limit = { 1024, 1024 };
	static char text[1 << 16];
	int fd = to_a_pipe();

	cr_assert_geq(fcntl(1, F_SETPIPE_SZ, sizeof(text)), (int)sizeof(text));
	signal(SIGXFSZ, SIG_IGN);
	opt.record = tape;
	open_all();
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	cr_assert_eq(fill(), 0);
	cr_assert_eq(output__flush(o), 0);
	cr_assert(output__failed(o));
	cr_assert_eq(output__fd(o), 1);
	cr_assert_eq(put_end(), 0);
	cr_assert_eq(output__close(o), -EFBIG);
	cr_assert_gt(read(fd, text, sizeof(text) - 1), 0);
	cr_assert(strstr(text, "\"type\":\"summary\""));
	close(fd);
}

Test(output, a_log_that_nobody_reads_is_given_up_when_the_answer_is_so)
{
	int asked = 0, fd = to_a_pipe();

	opt.record = tape;
	open_all();
	output__on_stuck(o, on_stuck, &asked);
	cr_assert_eq(output__fd(o), 1);
	give_up = -ECANCELED;
	cr_assert_eq(fill(), 0);
	cr_assert_eq(put_end(), 0);
	cr_assert_eq(output__flush(o), 0);
	cr_assert_eq(output__close(o), -ECANCELED);
	cr_assert_eq(asked, 1, "and not again");
	cr_assert_said(2, "the log ends here: nobody reads it", "; the tape has all");
	cr_assert_eq(count_tape(TAPE_FINISHED), 104);
	close(fd);
}

Test(output, files_are_never_asked_about)
{
	int asked = 0;

	opt.output = log_path;
	open_all();
	output__on_stuck(o, on_stuck, &asked);
	give_up = -ECANCELED;
	cr_assert_eq(fill(), 0);
	cr_assert_eq(output__close(o), 0);
	cr_assert_eq(asked, 0);
}

Test(output, a_reader_that_has_gone_is_told_as_that)
{
	int fd = to_a_pipe();

	open_all();
	cr_assert_eq(put_host(), 0);
	close(fd);
	cr_assert_eq(output__reader_gone(o), -EPIPE);
	cr_assert_said(2, "whoever read the log has gone");
	cr_assert_eq(output__close(o), -EPIPE);
	cr_assert_str_empty(said(2));
}
