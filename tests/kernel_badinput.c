/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a user can do wrong, or a machine can lack, where that takes root to try: message and exit
 * status. What needs no root is in test_cli.c. The commands are run by a shell, with
 *	$T the tool   $F the target that floods   $D the test's directory   $P a process that sleeps
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define TREE	"2000"
#define SECONDS "8" /* of a stream of processes */
#define MAX_RSS (40 << 20)

static void nap_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

static void set_number(const char *name, long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", value);
	setenv(name, text, 1);
}

/* The tool is copied to where every user can run it. */
static void prepare(void)
{
	struct child sleeper;
	char copy[512];

	harness_need_kernel();
	setenv("D", harness_dir(), 1);
	setenv("F", harness_target("flood"), 1);
	setenv("T", harness_path("ramtrace-bpf"), 1);
	snprintf(copy, sizeof(copy), "cp '%s' \"$T\" && chmod 755 \"$T\"", harness_tool());
	cr_assert_eq(shell(copy, NULL), 0);
	sleeper = child_start("sleeper", (const char *[]){"sleep", "300", NULL});
	set_number("P", sleeper.pid);
}

/* Runs the command, checks its status, and that all of the words (NULL-terminated) are in what it
 * says; that is returned. */
static char *expect(const char *command, int status, const char *const *words)
{
	char *said;
	char *all;
	int got;

	if (asprintf(&all, "exec 2>&1; cd \"$D\"; %s", command) < 0)
		cr_assert_fail("no memory");
	got = shell(all, &said);
	free(all);
	cr_expect_eq(got, status, "%s: status %d, not %d: %s", command, got, status, said);
	for (; *words; words++)
		cr_expect(strstr(said, *words), "%s: it does not say \"%s\": %s", command, *words, said);
	return said;
}

#define EXPECT(command, status, ...) expect(command, status, (const char *[]){__VA_ARGS__, NULL})

/* --- rights ------------------------------------------------------------------------------------------ */

#define AS_NOBODY "setpriv --reuid 65534 --regid 65534 --clear-groups "

static const char *const needed[] = {"bpf", "perfmon", "sys_ptrace", "dac_read_search",
	"checkpoint_restore"};
#define N_NEEDED (sizeof(needed) / sizeof(*needed))

static void name_of(size_t i, char *name, size_t len)
{
	snprintf(name, len, "CAP_%s is missing", needed[i]);
	for (char *c = name + 4; *c && *c != ' '; c++)
		*c = toupper((unsigned char)*c);
}

/* All but one of what is needed, or all. */
static void nobody_with(size_t without, char *command, size_t len, const char *tool)
{
	char caps[256] = "";
	size_t at = 0;

	for (size_t i = 0; i < N_NEEDED; i++)
		if (i != without)
			at += snprintf(caps + at, sizeof(caps) - at, "%s+%s", at ? "," : "", needed[i]);
	snprintf(command, len, AS_NOBODY "--inh-caps %s --ambient-caps %s %s", caps, caps, tool);
}

Test(rights, each_capability_that_is_missing_is_named_with_what_it_is_for, .timeout = 120)
{
	char command[1024], name[64];

	prepare();
	for (size_t i = 0; i < N_NEEDED; i++) {
		name_of(i, name, sizeof(name));
		nobody_with(i, command, sizeof(command), "$T --pid $P");
		EXPECT(command, 1, "cannot trace as user 65534", name, "needed to", "sudo");
		*strchr(name, ' ') = '\0';
		snprintf(command, sizeof(command), "setpriv --bounding-set -%s $T --pid $P", needed[i]);
		EXPECT(command, 1, "this root has no", name, "needed to", "--privileged");
	}
}

Test(rights, with_the_capabilities_that_are_named_no_root_is_needed, .timeout = 60)
{
	char command[1024];

	prepare();
	nobody_with(N_NEEDED, command, sizeof(command),
		"$T -f libc:clock_nanosleep --step 1M --format jsonl --duration 200ms --pid $P");
	EXPECT(command, 0, "\"point\"", "\"reason\":\"duration\"", "tracing 1 processes with");
}

Test(rights, root_without_sys_admin_can_trace_where_there_is_uprobe_multi, .timeout = 60)
{
	prepare();
	EXPECT("setpriv --bounding-set -sys_admin $T --format jsonl --duration 200ms --pid $P", 0,
		"\"reason\":\"duration\"");
}

Test(rights, a_command_cannot_become_a_user_without_setuid, .timeout = 60)
{
	prepare();
	EXPECT("setpriv --bounding-set -setuid $T --user nobody -- id", 1, "cannot run id as that user",
		"Operation not permitted", "CAP_SETUID");
	EXPECT("$T --user no-such-user -- id", 1, "--user no-such-user", "there is no such user", "getent");
}

Test(rights, a_kernel_without_btf_or_locked_down_is_told, .timeout = 60)
{
	prepare();
	EXPECT("mkdir empty; unshare -m sh -c 'mount --bind empty /sys/kernel/btf; exec $T --pid $P'", 1,
		"cannot load BPF programs", "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF");
	EXPECT("unshare -m sh -c 'mount -t tmpfs none /sys/kernel/security; "
	       "echo \"none integrity [confidentiality]\" >/sys/kernel/security/lockdown; "
	       "exec $T --pid $P'", 1, "cannot trace", "lockdown", "confidentiality", "Boot with");
	EXPECT("unshare -m sh -c 'mount -t tmpfs none /sys/kernel/security; "
	       "echo \"none [integrity] confidentiality\" >/sys/kernel/security/lockdown; "
	       "exec $T --duration 100ms --format jsonl --pid $P'", 0, "\"reason\":\"duration\"");
}

/* --- pids --------------------------------------------------------------------------------------------- */

Test(pids, inside_a_pid_namespace_it_says_so_and_does_not_trace_somebody_else, .timeout = 60)
{
	prepare();
	EXPECT("unshare --pid --fork --mount-proc sh -c 'sleep 100 & $T --pid $!; s=$?; kill $!; exit $s'",
		1, "cannot trace from inside a pid namespace", "--pid=host");
	EXPECT("unshare --pid --fork --mount-proc $T -- true", 1, "pid namespace", "--pid=host");
}

static int free_pid(void)
{
	int pid = 32000;

	while (pid > 2 && !kill(pid, 0))
		pid--;
	return pid;
}

/* A process of that pid in a namespace of its own, with an escape sequence for a name. */
static struct child start_container(const char *name, int inner)
{
	char script[512];

	snprintf(script, sizeof(script), "echo %d > /proc/sys/kernel/ns_last_pid; "
		"sh -c 'printf \"\\033[31mevil\" > /proc/$$/comm; echo $$; sleep 200; true' & wait", inner - 1);
	return child_start(name, (const char *[]){"unshare", "--pid", "--fork", "--mount-proc",
		"--kill-child", "sh", "-c", script, NULL});
}

Test(pids, a_pid_of_a_container_is_translated_and_its_name_is_escaped, .timeout = 60)
{
	char command[64], line[64], status[8192];
	int inner = free_pid(), outer;
	struct child box;
	const char *at;
	char *said;

	prepare();
	box = start_container("box", inner);
	snprintf(line, sizeof(line), "%d\n", inner);
	child_await(&box, box.out, line, 10);
	snprintf(command, sizeof(command), "$T --pid %d", inner);
	said = EXPECT(command, 1, "there is no such process here", "container", "\\x1b[31mevil");
	cr_expect(!strchr(said, 033), "an escape sequence reached the terminal: %s", said);
	at = strstr(said, "--pid ");
	cr_assert(at && sscanf(at, "--pid %d", &outer) == 1, "%s", said);
	snprintf(status, sizeof(status), "/proc/%d/status", outer);
	snprintf(line, sizeof(line), "\t%d\n", inner);
	cr_expect(strstr(file_text(status), line), "pid %d is not the one that was asked for", outer);
	snprintf(command, sizeof(command), "$T --duration 200ms --pid %d", outer);
	said = EXPECT(command, 0, "\\x1b[31mevil");
	cr_expect(!strchr(said, 033), "an escape sequence reached the terminal: %s", said);
	/* a second container with the same pid inside: both are named */
	box = start_container("box2", inner);
	snprintf(line, sizeof(line), "%d\n", inner);
	child_await(&box, box.out, line, 10);
	snprintf(command, sizeof(command), "$T --pid %d", inner);
	EXPECT(command, 1, " or --pid ");
}

static void expect_no_controls(const char *said)
{
	cr_expect(!strchr(said, 033) && !strchr(said, 007) && !strstr(said, "\302\233"), "%s", said);
}

Test(pids, an_escape_sequence_in_a_title_or_a_symbol_stays_out_of_every_output, .timeout = 60)
{
	static const char *const formats[] = {"text", "jsonl", "seed"};
	char command[512];

	prepare();
	for (int i = 0; i < 3; i++) {
		snprintf(command, sizeof(command), "$T -v --format %s -- sh -c \"printf "
			"'\\033[31mevil' >/proc/\\$\\$/comm; sleep 0.1 #$(printf '\\033]0;owned\\007\\302\\233')\"",
			formats[i]);
		expect_no_controls(EXPECT(command, 0, i < 2 ? "[31mevil" : "RAM"));
	}
	EXPECT("objcopy --redefine-sym hit=\"$(printf 'hit\\033\\007')\" $F evil", 0, "");
	expect_no_controls(EXPECT("$T --list -f './evil:hit*' -- ./evil", 0, "hit\\x1b\\x07"));
	expect_no_controls(EXPECT("$T -f ./evil:hit -- ./evil", 1, "nearest: hit\\x1b\\x07"));
	expect_no_controls(EXPECT("$T -f './evil:hit*' -- ./evil 10 t", 0, "hit\\x1b\\x07"));
	expect_no_controls(EXPECT("$T --format jsonl -f './evil:hit*' -- ./evil 10 t", 0,
		"hit\\\\x1b\\\\x07"));
}

/* --- files that cannot be probed ------------------------------------------------------------------------- */

Test(files, what_is_not_there_is_told_with_what_is_near, .timeout = 60)
{
	prepare();
	EXPECT("$T -f $F:hti -- $F 10 t", 1, "has no function hti", "nearest: hit");
	EXPECT("$T -f $F:entirely_unlike_it -- $F 10 t", 1, "has no function entirely_unlike_it", "--list");
	EXPECT("$T -f usdt:$F:no:probe -- $F 10 t", 1, "has no USDT probe no:probe");
	EXPECT("$T -f /no/such/file:f -- true", 1, "/no/such/file", "No such file");
	EXPECT("cp $F s && strip s && $T -f ./s:hit -- ./s 10 t", 1, "no function hit", "stripped", "-dbgsym");
	EXPECT("test -e t", 1, "");
}

Test(files, a_file_of_another_machine_or_none_at_all_is_refused, .timeout = 60)
{
	prepare();
	/* e_machine is at 18: EM_AARCH64 */
	EXPECT("cp $F arm; printf '\\267\\000' | dd of=arm bs=1 seek=18 conv=notrunc status=none; "
	       "$T -f ./arm:hit -- true", 1, "cannot probe ./arm", "another machine", "only programs");
	EXPECT("$T -f /etc/passwd:f -- true", 1, "cannot probe /etc/passwd", "not an ELF file");
	EXPECT("head -c 100 $F >cut; $T -f ./cut:hit -- true", 1, "cannot probe ./cut");
}

/* A breakpoint there would destroy the program. */
Test(files, an_address_in_the_middle_of_an_instruction_or_in_data_is_refused, .timeout = 60)
{
	prepare();
	EXPECT("$T -f addr:$F:0x10 -- $F 10 t", 1, "no instruction that begins at 0x10", "objdump");
	/* each byte of the function: what objdump calls an instruction, and nothing else */
	EXPECT("set -- $(nm -S $F | grep ' T hit$'); at=$1 size=$((0x$2)) n=0; "
	       "for i in $(seq 0 $((size - 1))); do a=$(printf %x $((0x$at + i))); "
	       "if objdump -d $F | grep -q \"^ *$a:\"; then want=0; else want=1; fi; "
	       "$T -q -f addr:$F:0x$a -o l -- $F 10 t >o 2>&1; got=$?; "
	       "[ $got = $want ] || { echo \"at +$i: $got\"; cat o; }; n=$((n + want)); done; "
	       "[ $n -gt 2 ] && [ $n -lt $size ] && echo checked", 0, "checked");
	cr_expect_str_eq(file_text(harness_path("shell.out")), "checked\n");
}

/* A library of another machine that a process maps later is no reason to end a run. */
Test(files, a_bad_file_that_comes_late_is_told_and_the_run_goes_on, .timeout = 60)
{
	static const char script[] =
		"import mmap, time\n"
		"time.sleep(1)\n"
		"f = open('libarm.so', 'rb')\n"
		"m = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_EXEC)\n"
		"time.sleep(3)\n"
		"print('all right')\n";
	FILE *f;

	prepare();
	f = fopen(harness_path("late.py"), "w");
	fputs(script, f);
	fclose(f);
	EXPECT("cp $F libarm.so; printf '\\267\\000' | dd of=libarm.so bs=1 seek=18 conv=notrunc status=none; "
	       "$T --format jsonl -f libarm.so:hit -- python3 late.py", 0, "cannot probe", "libarm.so",
		"another machine", "all right", "\"reason\":\"exit\"");
}

/* --- outputs -------------------------------------------------------------------------------------------- */

#define ON_SMALL_DISK "mkdir -p m; unshare -m sh -c 'mount -t tmpfs -o size=256k none m; %s'"
#define FLOOD	      "--format jsonl -f hit=$F:hit -- $F 10000 t"

static void on_small_disk(const char *command, char *out, size_t len)
{
	snprintf(out, len, ON_SMALL_DISK, command);
}

/* What is written at the end of a run is made sure of before it begins. */
Test(outputs, a_summary_that_cannot_be_written_is_told_before_or_at_the_end, .timeout = 60)
{
	prepare();
	EXPECT("$T -q -o log --summary-json nowhere/s.json -- sh -c 'echo ran >ran'; s=$?; test ! -e ran && exit $s", 1,
		"cannot create the summary nowhere/s.json", "Make it first");
	EXPECT("$T -q -o log --record tape --summary-json /dev/full -- sh -c 'echo ran'", 1, "ran",
		"cannot write the summary /dev/full: No space left");
	EXPECT("$T --replay tape --summary-json tape -o again", 1, "cannot create the summary tape: it is the tape");
	EXPECT("$T --replay tape --summary-json s.json -o again && grep -c '\"identity\"' s.json", 0, "1");
}

Test(outputs, a_full_disk_of_the_log_leaves_whole_lines_and_a_tape_that_goes_on, .timeout = 120)
{
	char command[512];
	json_t *rows;

	prepare();
	on_small_disk("$T -o m/log --record tape " FLOOD "; s=$?; cp m/log log; exit $s", command,
		sizeof(command));
	EXPECT(command, 1, "cannot write the log m/log: No space left", "the tape goes on", "all right");
	rows = rows_load(harness_path("log"));
	cr_expect_gt(json_array_size(rows), 300);
	EXPECT("$T --replay tape --format jsonl -o full && cmp -n $(stat -c %s log) log full && "
	       "tail -1 full", 0, "\"type\":\"summary\"", "\"ring\":0", "\"rows\":40000");
}

Test(outputs, a_full_disk_of_the_tape_leaves_what_can_be_replayed_and_a_log_that_goes_on, .timeout = 120)
{
	char command[512];

	prepare();
	on_small_disk("$T -o log --record m/tape " FLOOD "; s=$?; cp m/tape tape; exit $s", command,
		sizeof(command));
	EXPECT(command, 1, "cannot write the tape m/tape: No space left", "can be replayed",
		"the log goes on", "all right");
	EXPECT("tail -1 log", 0, "\"rows\":40000");
	EXPECT("$T --replay tape --format jsonl -o part; s=$?; grep -c checkpoint part; exit $s", 1,
		"breaks off", "All up to there was replayed");
	EXPECT("n=$(grep -c '\"checkpoint\"' part); [ $n -gt 1000 ] && "
	       "grep '\"checkpoint\"' part | head -$n >a; grep '\"checkpoint\"' log | head -$n | cmp - a "
	       "&& echo same", 0, "same");
}

Test(outputs, when_nothing_can_be_written_the_command_goes_on_and_is_waited_for, .timeout = 120)
{
	prepare();
	EXPECT("$T --format jsonl -- sh -c 'sleep 1; echo done >>ran' >/dev/full; s=$?; cat ran; exit $s",
		1, "cannot write the log to stdout: No space left", "goes on untraced", "done");
	EXPECT("{ $T --format jsonl -- sh -c 'sleep 1; echo again >>ran'; echo $? >st; } | head -1; cat ran st",
		0, "\"header\"", "whoever read the log has gone", "again\n1\n");
	EXPECT("$T --format jsonl -- sh -c 'echo $$ >pid; sleep 1; exit 5' >&-; s=$?; exit $s", 1,
		"cannot write the log to stdout: Bad file descriptor");
}

Test(outputs, a_reader_that_goes_away_is_noticed_before_the_next_row, .timeout = 60)
{
	prepare();
	EXPECT("{ timeout 30 $T --format jsonl --pid $P; echo $? >st; } | head -1; cat st", 0, "\"header\"",
		"whoever read the log has gone", "\n1\n");
	/* the tape is served on */
	EXPECT("{ timeout 30 $T --record tape --format jsonl --duration 1s --pid $P; echo $? >st; } | head -1; "
	       "cat st; $T --format jsonl --replay tape", 0, "\n1\n", "\"reason\":\"duration\"");
}

Test(outputs, places_that_cannot_be_written_are_told, .timeout = 60)
{
	prepare();
	EXPECT("$T -o /sys/nothing -- true", 1, "cannot create the log /sys/nothing", "Name a place");
	EXPECT("echo kept >file; ln -s file link; $T -o link -- true; s=$?; cat file; exit $s", 1,
		"cannot create the log link", "symbolic link", "kept");
	EXPECT("$T --record link -- true; s=$?; cat file; exit $s", 1, "cannot create the tape link", "kept");
	EXPECT("$T -o . -- true", 1, "cannot create the log .", "it is a directory");
	EXPECT("$T --record no/dir -- true", 1, "cannot create the tape no/dir", "its directory does not exist");
	EXPECT("$T --record one -o one -- true", 1, "it is the tape");
}

/* --- the command ------------------------------------------------------------------------------------------ */

Test(command, its_exit_status_and_signal_are_passed_on, .timeout = 60)
{
	prepare();
	EXPECT("$T -q -o l -- sh -c 'exit 3'", 3, "");
	EXPECT("$T -q -o l -- true", 0, "");
	EXPECT("$T -q -o l -- sh -c 'kill -9 $$'", 128 + SIGKILL, "");
	EXPECT("$T -q -o l -- sh -c 'kill -TERM $$'", 128 + SIGTERM, "");
	EXPECT("$T -q -o l -- sh -c 'exit 255'", 255, "");
}

Test(command, that_cannot_be_run_is_told_and_nothing_else_is_printed, .timeout = 60)
{
	prepare();
	EXPECT("$T -- no-such-command-here", 1, "cannot run no-such-command-here", "no such command in",
		"full path");
	cr_expect(!strstr(file_text(harness_path("shell.out")), "Memory report"));
	EXPECT("cp /bin/true mine; chmod 700 mine; $T --user nobody -- ./mine", 1, "cannot run ./mine",
		"Permission denied");
	cr_expect(!strstr(file_text(harness_path("shell.out")), "Memory report"));
}

Test(command, has_its_own_streams_signals_and_descriptors, .timeout = 60)
{
	prepare();
	EXPECT("echo to-the-command | $T -q -o l -- cat", 0, "to-the-command");
	EXPECT("$T -q -o l -- sh -c 'echo one; echo two >&2; exit 4' 2>two; s=$?; [ \"$(cat two)\" = two ] || "
	       "echo wrong; exit $s", 4, "one\n");
	cr_expect_str_eq(file_text(harness_path("shell.out")), "one\n");
	EXPECT("grep ^Sig /proc/self/status | grep -v SigQ >a; $T -q -o l -- grep ^Sig /proc/self/status | "
	       "grep -v SigQ | cmp - a && ls /proc/self/fd >a; $T -q -o l -- ls /proc/self/fd | cmp - a "
	       "&& echo same", 0, "same");
	EXPECT("A=1 $T -q -o l -- sh -c 'echo $A $PWD'", 0, "1 /");
}

/* By bash: dash loses a signal that comes while it starts a command by vfork. */
static struct child start_trapper(const char *name, const char *script)
{
	struct child tool = tool_start(name, (const char *[]){"--", "bash", "-c", script, NULL});

	child_await(&tool, tool.out, "ready", 20);
	return tool;
}

#define LOOP "while :; do sleep 0.02; done"

Test(command, gets_the_signals_of_the_tool_which_ends_after_it, .timeout = 60)
{
	struct child tool;
	json_t *rows;

	prepare();
	tool = start_trapper("int", "trap 'echo got INT; sleep 0.3; exit 7' INT; echo ready; " LOOP);
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 20), 7, "%s", file_text(tool.err));
	cr_expect(strstr(file_text(tool.out), "got INT"));
	rows = rows_load(harness_path("int.jsonl"));
	cr_expect_eq(rows_count(rows, "type", "summary", NULL), 1);
	cr_expect_eq(row_int(rows_find(rows, 0, "type", "process", "comm", "bash", NULL), "ppid"), tool.pid);
	tool = start_trapper("term", "trap 'echo got TERM; exit 8' TERM; echo ready; " LOOP);
	child_signal(&tool, SIGTERM);
	cr_expect_eq(child_wait(&tool, 20), 8, "%s", file_text(tool.err));
	cr_expect(strstr(file_text(tool.out), "got TERM"));
	tool = start_trapper("die", "echo ready; " LOOP);
	child_signal(&tool, SIGTERM);
	cr_expect_eq(child_wait(&tool, 20), 128 + SIGTERM);
}

Test(command, that_ignores_a_signal_outlives_the_tool_that_got_a_second_one, .timeout = 60)
{
	struct child tool;
	int pid;

	prepare();
	tool = start_trapper("stubborn", "trap '' INT; echo $$; echo ready; exec sleep 100");
	cr_assert_eq(sscanf(file_text(tool.out), "%d", &pid), 1);
	child_signal(&tool, SIGINT);
	nap_ms(500);
	cr_expect_eq(kill(tool.pid, 0), 0);
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 20), 128 + SIGINT);
	cr_expect_eq(kill(pid, 0), 0, "the command did not go on");
	kill(pid, SIGKILL);
	cr_expect(strstr(file_text(harness_path("stubborn.jsonl")), "\"reason\":\"interrupt\""));
}

Test(command, runs_as_another_user, .timeout = 60)
{
	prepare();
	EXPECT("$T -q -o l --user nobody -- sh -c 'id -u; id -g; id -G; echo $USER'", 0,
		"65534\n65534\n65534\nnobody\n");
}

Test(attached, the_target_goes_on_after_interrupt_duration_and_is_alone_without_children, .timeout = 60)
{
	struct child tool, family;
	char pid[16];
	json_t *rows;

	prepare();
	family = child_start("family", (const char *[]){"sh", "-c", "sleep 200 & a=$!; sleep 200 & "
		"trap \"kill $a $!; exit 9\" TERM; echo ready; wait", NULL});
	child_await(&family, family.out, "ready", 10);
	snprintf(pid, sizeof(pid), "%d", family.pid);
	tool = tool_attach("all", (const char *[]){"--pid", pid, "--duration", "300ms", NULL});
	cr_expect_eq(child_wait(&tool, 20), 0);
	rows = rows_load(harness_path("all.jsonl"));
	cr_expect_eq(rows_count(rows, "type", "process", "state", "running", NULL), 3);
	cr_expect(strstr(file_text(harness_path("all.jsonl")), "\"reason\":\"duration\""));
	tool = tool_attach("alone", (const char *[]){"--pid", pid, "--no-children", NULL});
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 20), 0);
	rows = rows_load(harness_path("alone.jsonl"));
	cr_expect_eq(rows_count(rows, "type", "process", "state", "running", NULL), 1);
	cr_expect(strstr(file_text(harness_path("alone.jsonl")), "\"reason\":\"interrupt\""));
	child_signal(&family, SIGTERM);
	cr_expect_eq(child_wait(&family, 20), 9, "the target did not go on as it was");
}

/* --- many processes ----------------------------------------------------------------------------------------- */

static void tree_is_complete(const char *name, const char *pid, const char *ring)
{
	struct child tool;
	char file[64];
	json_t *rows;

	tool = tool_attach(name, (const char *[]){"--pid", pid, "--ring-size", ring, NULL});
	cr_expect(strstr(file_text(tool.err), "tracing 2001 processes"), "%s", file_text(tool.err));
	child_signal(&tool, SIGINT);
	cr_expect_eq(child_wait(&tool, 60), 0);
	snprintf(file, sizeof(file), "%s.jsonl", name);
	rows = rows_load(harness_path(file));
	cr_expect_eq(rows_count(rows, "type", "process", "state", "running", NULL), 2001);
	cr_expect_eq(rows_count(rows, "type", "checkpoint", "when", "point", NULL), 2001);
	cr_expect_eq(row_int(rows_find(rows, 0, "type", "summary", NULL), "processes"), 2001);
	json_decref(rows);
}

Test(many, a_tree_of_two_thousand_is_found_and_reported_whatever_the_ring, .timeout = 180)
{
	struct child crowd;
	char pid[16];

	prepare();
	crowd = child_start("crowd", (const char *[]){harness_target("crowd"), "tree", TREE, NULL});
	child_await(&crowd, crowd.out, "ready", 60);
	snprintf(pid, sizeof(pid), "%d", crowd.pid);
	tree_is_complete("usual", pid, "4M");
	tree_is_complete("small", pid, "64K");
	child_signal(&crowd, SIGTERM);
	child_wait(&crowd, 60);
}

static int64_t rss_of(int pid)
{
	char path[64];
	long pages = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/statm", pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d %ld", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * sysconf(_SC_PAGESIZE);
}

/* Children of the stream that ended with a status, and how many lines they have among the processes:
 * every eighth has exec'd and so has two. */
static int64_t count_ended(json_t *rows, int parent)
{
	int64_t n = 0;
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		n += !strcmp(row_str(row, "type"), "process") && row_int(row, "ppid") == parent &&
		     !strcmp(row_str(row, "state"), "ended");
	return n;
}

/* A hundred thousand in a minute, or as many as this machine makes in some seconds. */
Test(many, short_lived_processes_are_all_reported_in_bounded_memory, .timeout = 180)
{
	struct child crowd, tool;
	int64_t made, most = 0, rss, lost;
	char pid[16], *text;
	json_t *rows;

	prepare();
	/* it waits until it is traced */
	crowd = child_start("crowd", (const char *[]){"sh", "-c", "kill -STOP $$; exec \"$0\" stream "
		SECONDS " 100000", harness_target("crowd"), NULL});
	snprintf(pid, sizeof(pid), "%d", crowd.pid);
	nap_ms(200);
	tool = tool_attach("tool", (const char *[]){"--pid", pid, NULL});
	child_signal(&crowd, SIGCONT);
	while ((rss = rss_of(tool.pid)) > 0 && !strchr(text = file_text(crowd.out), '\n')) {
		most = rss > most ? rss : most;
		free(text);
		nap_ms(20);
	}
	cr_expect_eq(child_wait(&crowd, 60), 0);
	cr_expect_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
	made = atoll(file_text(crowd.out));
	cr_log_info("%" PRId64 " processes, %" PRId64 " KiB at most", made, most >> 10);
	fprintf(stderr, "made %" PRId64 " processes; the tool had %" PRId64 " KiB at most\n", made, most >> 10);
	cr_expect_gt(made, 1000);
	cr_expect_gt(most, 1 << 20);
	/* sanitizers keep what was freed */
	if (shell("grep -q __asan_init \"$T\"", NULL))
		cr_expect_lt(most, MAX_RSS, "the tool grew to %" PRId64, most);
	rows = rows_load(harness_path("tool.jsonl"));
	lost = row_int(json_object_get(rows_find(rows, 0, "type", "summary", NULL), "loss"), "ring");
	cr_expect_geq(count_ended(rows, crowd.pid) + lost, made);
	cr_expect_leq(count_ended(rows, crowd.pid), made);
	cr_expect_eq(lost, 0, "%" PRId64 " events were lost", lost);
	json_decref(rows);
}
