/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The command line and what can be found wrong without root: message and exit status. Each command
 * line is run in a process of its own, as an ordinary user. What takes root is in
 * kernel_badinput.c.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <grp.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>

#include "cli.h"
#include "record.h"
#include "scratch.h"
#include "tape.h"
#include "trace.h"

#define MAX_ARGS  16
#define NOBODY    65534
#define INIT_PID_NS 0xEFFFFFFCU

/* --- running it --------------------------------------------------------------------------------------- */

static struct scratch dir;
static char said[1 << 16]; /* by the last command line, on both streams */

static void set_up(void)
{
	dir = scratch__new();
	cr_assert_eq(chmod(dir.dir, 0777), 0);
}

static void tear_down(void)
{
	scratch__free(&dir);
}

TestSuite(cli, .init = set_up, .fini = tear_down);
TestSuite(sizes);

static char *in_dir(const char *name)
{
	char *path;

	cr_assert_geq(asprintf(&path, "%s/%s", dir.dir, name), 0);
	return path;
}

static int dispatch(const struct options *opt)
{
	switch (opt->command) {
	case CMD_TRACE:
		return trace_run(opt);
	case CMD_LIST:
		return list_run(opt);
	case CMD_REPLAY:
		return replay_run(opt);
	default:
		return 0;
	}
}

static void run_child(int argc, char **argv, const char *out)
{
	struct options opt;
	int status, fd;

	fd = open(out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	if (fd < 0 || dup2(fd, 1) < 0 || dup2(fd, 2) < 0)
		_exit(99);
	if (!geteuid() && (setgroups(0, NULL) || setgid(NOBODY) || setuid(NOBODY)))
		_exit(98);
	signal(SIGPIPE, SIG_IGN);
	status = options__parse(argc, argv, &opt);
	if (status < 0)
		status = dispatch(&opt);
	options__clear(&opt);
	fflush(NULL);
	exit(status);
}

/* Runs "ramtrace-bpf ARGS", up to a NULL; its exit status. */
static int run_args(const char *const *args)
{
	char *argv[MAX_ARGS + 2] = {strdup("ramtrace-bpf")}, *out = in_dir("said");
	int argc = 1, status = 0;
	size_t n;
	pid_t pid;
	FILE *f;

	for (; args[argc - 1]; argc++)
		argv[argc] = strdup(args[argc - 1]);
	remove(out);
	fflush(NULL);
	pid = fork();
	cr_assert_geq(pid, 0);
	if (!pid)
		run_child(argc, argv, out);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	f = fopen(out, "r");
	cr_assert(f);
	n = fread(said, 1, sizeof(said) - 1, f);
	said[n] = '\0';
	fclose(f);
	while (argc--)
		free(argv[argc]);
	free(out);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

#define RUN(...) run_args((const char *const[]){__VA_ARGS__, NULL})

static void expect_words(const char *const *words)
{
	for (; *words; words++)
		cr_expect(strstr(said, *words), "it does not say \"%s\": %s", *words, said);
	cr_expect(!strstr(said, "Memory report"), "a report of nothing: %s", said);
}

#define SAYS(...) expect_words((const char *const[]){__VA_ARGS__, NULL})

/* --- usage: status 2 -------------------------------------------------------------------------------------- */

Test(cli, an_unusable_command_line_is_told_with_what_would_be_usable)
{
	static const struct {
		const char *args[4], *words[3];
	} cases[] = {
		{{NULL}, {"nothing to trace", "--pid PID", "-- COMMAND"}},
		{{"--no-such-option"}, {"unrecognized option", "--no-such-option", "--help"}},
		{{"--pid"}, {"requires an argument", "--pid", "--help"}},
		{{"--pid", "0"}, {"--pid 0", "not a process id", "--help"}},
		{{"--pid", "-3"}, {"--pid -3", "not a process id"}},
		{{"--pid", "12x"}, {"--pid 12x", "not a process id"}},
		{{"--pid", "99999999999999999999"}, {"not a process id"}},
		{{"--pid", "1", "--", "true"}, {"either --pid or a command", "not both"}},
		{{"--user", "nobody", "--pid", "1"}, {"--user is for a command"}},
		{{"--ring-size", "32K"}, {"--ring-size 32K", "power of two", "from 64K to 1G"}},
		{{"--ring-size", "96K"}, {"--ring-size 96K", "power of two"}},
		{{"--ring-size", "2G"}, {"--ring-size 2G", "power of two"}},
		{{"--ring-size", "0"}, {"--ring-size 0", "power of two"}},
		{{"--ring-size", "large"}, {"--ring-size large", "power of two"}},
		{{"--limits", "nodes=3,leaves=4"}, {"--limits nodes=3,leaves=4", "\"leaves\" is none", "cells"}},
		{{"--limits", ""}, {"\"\" is none", "nodes"}},
		{{"--limits", "cells"}, {"cells=N takes a number from 1"}},
		{{"--limits", "cells=0"}, {"cells=N takes a number from 1"}},
		{{"--limits", "cells=-1"}, {"cells=N takes a number from 1"}},
		{{"--limits", "cells=1x,nodes=2"}, {"cells=N takes a number from 1"}},
		{{"--limits", "cells=99999999999999999999"}, {"cells=N takes a number from 1"}},
		{{"--limits", "nodes=2,"}, {"\"\" is none"}},
		{{"--step", "much"}, {"--step much", "not a size", "16M"}},
		{{"--step", "-1"}, {"--step -1", "not a size"}},
		{{"--min-delta", "1Q"}, {"--min-delta 1Q", "not a size", "64K"}},
		{{"--duration", "0"}, {"--duration 0", "not a time", "1.5s"}},
		{{"--duration", "soon"}, {"--duration soon", "not a time"}},
		{{"--format", "xml"}, {"--format xml", "seed, text or jsonl"}},
		{{"--lang", "fr"}, {"--lang fr", "zh or en"}},
		{{"--returns", "never"}, {"--returns never", "auto or noticed"}},
		{{"--replay", "x", "y", "--summary-json=z"}, {"--summary-json is of one tape"}},
		{{"--max-overhead", "much"}, {"--max-overhead much: it takes a percentage"}},
		{{"--replay", "x", "--pid", "1"}, {"--replay takes tapes and output options only"}},
		{{"--pss-every", "-1"}, {"--pss-every -1", "not a time", "or 0"}},
		{{"--pss-every", "often"}, {"--pss-every often", "not a time"}},
		{{"--replay", "x", "--growth"}, {"--replay shows what was recorded"}},
		{{"--replay", "x", "--no-smaps"}, {"--replay shows what was recorded"}},
		{{"--replay", "x", "--pss-every", "0"}, {"--replay shows what was recorded"}},
		{{"--verify", "--replay", "x"}, {"--replay shows what was recorded"}},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *args[5] = {0};

		memcpy(args, cases[i].args, sizeof(cases[i].args));
		cr_expect_eq(run_args(args), EXIT_USAGE, "case %zu: %s", i, said);
		for (size_t w = 0; w < 3 && cases[i].words[w]; w++)
			cr_expect(strstr(said, cases[i].words[w]), "case %zu does not say \"%s\": %s", i,
				cases[i].words[w], said);
	}
}

Test(cli, help_and_version_are_no_failures)
{
	cr_expect_eq(RUN("--help"), 0);
	SAYS("--pid", "Exit status");
	cr_expect_eq(RUN("--version"), 0);
	SAYS("ramtrace-bpf ");
}

Test(cli, the_id_of_a_run_is_of_its_option_or_of_the_environment)
{
	static const struct {
		const char *option, *environment, *id;
	} cases[] = {
		{NULL, NULL, NULL},
		{NULL, "", NULL},
		{NULL, "job 7", "job 7"},
		{"mine", "job 7", "mine"},
	};
	struct options opt;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const char *id = cases[i].option ? cases[i].option : "";
		char *with[] = {"ramtrace-bpf", "--run-id", (char *)id, "--", "true", NULL};
		char *without[] = {"ramtrace-bpf", "--", "true", NULL};
		bool given = cases[i].option;

		unsetenv("RAMTRACE_RUN_ID");
		if (cases[i].environment)
			setenv("RAMTRACE_RUN_ID", cases[i].environment, 1);
		cr_assert_eq(options__parse(given ? 5 : 3, given ? with : without, &opt), -1);
		if (cases[i].id)
			cr_expect_str_eq(opt.run_id, cases[i].id, "case %zu", i);
		else
			cr_expect_null(opt.run_id, "case %zu", i);
		options__clear(&opt);
	}
}

Test(cli, an_id_of_a_run_that_is_too_long_is_refused_wherever_it_is_from)
{
	char id[130];

	memset(id, 'x', 129);
	id[129] = '\0';
	cr_expect_eq(RUN("--run-id", id, "--", "true"), EXIT_USAGE);
	SAYS("at most 128 characters");
	cr_expect_eq(RUN("--run-id", "", "--", "true"), EXIT_USAGE);
	SAYS("--run-id: it is empty");
	setenv("RAMTRACE_RUN_ID", id, 1);
	cr_expect_eq(RUN("--", "true"), EXIT_USAGE);
	SAYS("RAMTRACE_RUN_ID", "at most 128 characters");
	cr_expect_eq(RUN("--replay", "/nowhere.tape"), EXIT_TOOL_FAILED, "a tape has one of its own");
	SAYS("cannot replay /nowhere.tape");
}

/* --- rights and pids ----------------------------------------------------------------------------------------- */

/* In a pid namespace that is told first, as nothing else can be judged. */
static bool sees_pids_of_the_host(void)
{
	struct stat st;

	return !stat("/proc/self/ns/pid", &st) && st.st_ino == INIT_PID_NS;
}

static const char *const in_a_namespace[] = {"pid namespace", "--pid=host", NULL};

static void expect_pid_message(pid_t pid, const char *const *words)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	cr_expect_eq(RUN("--pid", text), EXIT_TOOL_FAILED);
	if (!sees_pids_of_the_host())
		words = in_a_namespace;
	expect_words(words);
}

#define EXPECT_PID(pid, ...) expect_pid_message(pid, (const char *const[]){__VA_ARGS__, NULL})

Test(cli, without_rights_it_says_which_and_how_to_get_them)
{
	EXPECT_PID(getpid(), "cannot trace as user", "CAP_BPF is missing", "needed to load", "sudo", "setcap");
}

Test(cli, a_pid_that_cannot_be_traced_is_told_with_the_reason)
{
	pid_t zombie = fork(), gone;
	siginfo_t si;

	if (!zombie)
		_exit(0);
	cr_assert_eq(waitid(P_PID, zombie, &si, WEXITED | WNOWAIT), 0);
	EXPECT_PID(zombie, "cannot trace pid", "it has exited", "Give the pid");
	cr_assert_eq(waitpid(zombie, NULL, 0), zombie);
	gone = zombie;
	EXPECT_PID(gone, "cannot trace pid", "there is no such process", "ps -e");
	EXPECT_PID(2, "cannot trace pid 2", "kernel thread (kthreadd)", "Give the pid of a program");
}

static void *wait_on_pipe(void *fd)
{
	char byte;

	(void)!read(*(int *)fd, &byte, 1);
	return NULL;
}

Test(cli, the_id_of_a_thread_is_answered_with_its_process)
{
	char text[64];
	int fds[2];
	pid_t pid, tid = 0;
	pthread_t thread;
	FILE *f;

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(pthread_create(&thread, NULL, wait_on_pipe, &fds[0]), 0);
	pid = getpid();
	/* the one that is not the first */
	f = popen("ls /proc/$PPID/task | tail -1", "r");
	cr_assert(f && fscanf(f, "%d", &tid) == 1);
	pclose(f);
	cr_assert_neq(tid, pid);
	snprintf(text, sizeof(text), "Use --pid %d", pid);
	EXPECT_PID(tid, "it is a thread", text);
	cr_assert_eq(write(fds[1], "", 1), 1);
	pthread_join(thread, NULL);
}

static void expect_command_message(const char *command, const char *const *words)
{
	cr_expect_eq(RUN("--", command), EXIT_TOOL_FAILED);
	if (!sees_pids_of_the_host())
		words = in_a_namespace;
	expect_words(words);
}

#define EXPECT_COMMAND(command, ...) \
	expect_command_message(command, (const char *const[]){__VA_ARGS__, NULL})

Test(cli, a_command_that_cannot_be_run_is_told_with_the_reason)
{
	EXPECT_COMMAND("no-such-command-here", "cannot run no-such-command-here", "no such command in",
		"full path");
	EXPECT_COMMAND("/no/such/command", "cannot run /no/such/command", "No such file", "path right?");
	EXPECT_COMMAND("/etc/passwd", "cannot run /etc/passwd", "not executable", "interpreter");
	EXPECT_COMMAND("/", "cannot run /", "not a file", "Give the path");
}

/* --- profiles ------------------------------------------------------------------------------------------------ */

Test(cli, an_error_of_a_profile_is_told_with_file_and_line)
{
	char *path = in_dir("mine.yaml"), line[512];
	static const char text[] = "profile: mine\ncheckpoints:\n  - spec: a:b\n    colour: red\n";

	cr_expect_eq(RUN("--list", "--profile", "no-such"), EXIT_TOOL_FAILED);
	SAYS("there is no profile 'no-such'", "postgres", "name a file");
	scratch_write(path, text, sizeof(text) - 1);
	chmod(path, 0644);
	cr_expect_eq(RUN("--list", "--profile", path), EXIT_TOOL_FAILED);
	snprintf(line, sizeof(line), "%s:", path);
	SAYS("error: ", line);
	cr_expect(strpbrk(strstr(said, line) ? strstr(said, line) + strlen(line) : "", "0123456789"));
	cr_expect_eq(RUN("--list", "--profile", dir.dir), EXIT_TOOL_FAILED);
	SAYS("not a regular file");
	free(path);
}

Test(cli, a_spec_that_cannot_be_read_is_told_with_the_form_it_takes)
{
	cr_expect_eq(RUN("--list", "-f", "no-colon"), EXIT_TOOL_FAILED);
	SAYS("-f 'no-colon'", "no ':'", "[LABEL=]BINARY:SYMBOL");
	cr_expect_eq(RUN("--list", "-f", "usdt:a:b"), EXIT_TOOL_FAILED);
	SAYS("-f 'usdt:a:b'", "usdt:BINARY:PROVIDER:NAME");
	cr_expect_eq(RUN("--list", "-f", "addr:a:12"), EXIT_TOOL_FAILED);
	SAYS("-f 'addr:a:12'", "0x", "addr:BINARY:0xADDRESS");
}

/* --- tapes ----------------------------------------------------------------------------------------------------- */

/* Many small blocks. */
static char *make_tape(void)
{
	struct tape_writer *w;
	char *path = in_dir("run.tape");

	cr_assert_eq(tape_writer__open(path, &w), 0);
	for (uint64_t t = 1; t <= 100; t++) {
		struct record rec = {.kind = REC_RELEASE, .len = sizeof(t), .data = &t};

		cr_assert_eq(tape_writer__put(w, &rec), 0);
		cr_assert_eq(tape_writer__flush(w), 0);
	}
	cr_assert_eq(tape_writer__close(w), 0);
	chmod(path, 0644);
	return path;
}

static void change_byte(const char *path, long at, int to)
{
	FILE *f = fopen(path, "r+");

	cr_assert(f);
	cr_assert_eq(fseek(f, at, SEEK_SET), 0);
	cr_assert_eq(fputc(to, f), to);
	fclose(f);
}

static void expect_replay(const char *path, int status, const char *a, const char *b)
{
	cr_expect_eq(RUN("--replay", path, "--format", "jsonl"), status, "%s", said);
	cr_expect(strstr(said, a) && strstr(said, b), "it does not say \"%s\" and \"%s\": %s", a, b, said);
}

Test(cli, a_whole_tape_replays_and_a_damaged_one_as_far_as_it_goes)
{
	char *tape = make_tape();

	expect_replay(tape, 0, "\"type\":\"header\"", "\"type\":\"summary\"");
	cr_assert_eq(truncate(tape, 1000), 0);
	expect_replay(tape, EXIT_TOOL_FAILED, "breaks off after", "All up to there was replayed");
	expect_replay(tape, EXIT_TOOL_FAILED, "run.tape", "\"type\":\"summary\"");
	change_byte(tape, 500, '!');
	expect_replay(tape, EXIT_TOOL_FAILED, "is damaged after", "All up to there was replayed");
	change_byte(tape, 8, 77);
	expect_replay(tape, EXIT_TOOL_FAILED, "newer version", "Use that one");
	free(tape);
}

Test(cli, what_is_no_tape_is_refused)
{
	char *empty = in_dir("empty"), *nothing = in_dir("nothing");

	scratch_write(empty, "", 0);
	chmod(empty, 0644);
	expect_replay("/etc/passwd", EXIT_TOOL_FAILED, "cannot replay /etc/passwd", "not a tape");
	expect_replay(empty, EXIT_TOOL_FAILED, "cannot replay", "--record makes one");
	expect_replay(nothing, EXIT_TOOL_FAILED, "cannot replay", "No such file");
	expect_replay(dir.dir, EXIT_TOOL_FAILED, "cannot replay", "Is a directory");
	free(empty);
	free(nothing);
}

/* --- outputs ------------------------------------------------------------------------------------------------------ */

static void expect_place(const char *tape, const char *place, const char *why)
{
	cr_expect_eq(RUN("--replay", tape, "-o", place), EXIT_TOOL_FAILED);
	SAYS("cannot create the log", place, why);
}

Test(cli, a_place_that_cannot_be_written_is_told_with_the_reason)
{
	char *tape = make_tape(), *link = in_dir("link"), *target = in_dir("target"), *shut = in_dir("shut");
	char *below = in_dir("shut/log"), *missing = in_dir("missing/log"), *text;
	size_t n = 0;
	FILE *f;

	scratch_write(target, "kept", 4);
	cr_assert_eq(symlink(target, link), 0);
	cr_assert_eq(mkdir(shut, 0555), 0);
	expect_place(tape, dir.dir, "it is a directory. Name a file in it");
	expect_place(tape, link, "symbolic link");
	expect_place(tape, missing, "its directory does not exist");
	expect_place(tape, below, "files may not be written there");
	expect_place(tape, tape, "it is the tape");
	text = calloc(1, 16);
	f = fopen(target, "r");
	cr_assert(f);
	n = fread(text, 1, 15, f);
	fclose(f);
	cr_expect_eq(n, 4);
	cr_expect_str_eq(text, "kept", "the link was followed");
	cr_expect_eq(RUN("--replay", tape, "--format", "jsonl"), 0, "the tape was harmed: %s", said);
	free(text);
	free(tape);
	free(link);
	free(target);
	free(shut);
	free(below);
	free(missing);
}

Test(cli, a_full_disk_is_told_and_is_a_failure)
{
	char *tape = make_tape();

	if (access("/dev/full", W_OK))
		cr_skip_test("there is no /dev/full");
	cr_expect_eq(RUN("--replay", tape, "--format", "jsonl", "-o", "/dev/full"), EXIT_TOOL_FAILED);
	SAYS("cannot write the log /dev/full", "No space left");
	free(tape);
}

/* --- sizes and times ------------------------------------------------------------------------------------------- */

Test(sizes, are_powers_of_1024_and_nothing_else)
{
	static const struct {
		const char *text;
		int err;
		uint64_t bytes;
	} cases[] = {
		{"0", 0, 0},
		{"4096", 0, 4096},
		{"64K", 0, 65536},
		{"64k", 0, 65536},
		{"1.5M", 0, 1572864},
		{"2GiB", 0, 2147483648},
		{"1TB", 0, 1099511627776},
		{"", -EINVAL, 0},
		{"K", -EINVAL, 0},
		{"-1", -EINVAL, 0},
		{"1KK", -EINVAL, 0},
		{"1 K", -EINVAL, 0},
		{"nan", -EINVAL, 0},
		{"inf", -EINVAL, 0},
		{"1e30", -EINVAL, 0},
		{"9000000T", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t bytes = 0;

		cr_expect_eq(parse_size(cases[i].text, &bytes), cases[i].err, "%s", cases[i].text);
		cr_expect_eq(bytes, cases[i].bytes, "%s", cases[i].text);
	}
}

Test(sizes, of_times_have_the_units_that_are_named)
{
	static const struct {
		const char *text;
		int err;
		uint64_t ns;
	} cases[] = {
		{"10", 0, 10000000000},
		{"1.5s", 0, 1500000000},
		{"200ms", 0, 200000000},
		{"7us", 0, 7000},
		{"5m", 0, 300000000000},
		{"2h", 0, 7200000000000},
		{"0", -EINVAL, 0},
		{"-1s", -EINVAL, 0},
		{"1d", -EINVAL, 0},
		{"s", -EINVAL, 0},
		{"", -EINVAL, 0},
		{"1e20", -EINVAL, 0},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		uint64_t ns = 0;

		cr_expect_eq(parse_duration(cases[i].text, &ns), cases[i].err, "%s", cases[i].text);
		cr_expect_eq(ns, cases[i].ns, "%s", cases[i].text);
	}
}
