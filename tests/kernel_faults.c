/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What can go wrong with the tool: it is killed, comes and goes, or cannot keep up. The target is
 * not to notice, nothing is to stay in the kernel, and what is missing is to be said. */
#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/bpf.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "harness.h"

#define CYCLES	   200
#define MAX_IDS	   65536
#define EVERY	   64	  /* as targets/flood.c has it: calls for each page */
#define PAGE	   4096
#define FLOOD	   "30000" /* calls of each of its two processes */

static void nap_ms(long ms)
{
	nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* --- what is in the kernel --------------------------------------------------------------------------- */

struct bpf_object_id {
	int cmd; /* that finds it */
	uint32_t id;
};

/* Not by bpftool's lists before and after: others may use BPF on this machine at the same time. */
static struct bpf_object_id ids[MAX_IDS];
static size_t n_ids;

static void note_line(const char *line)
{
	static const struct {
		const char *key;
		int cmd;
	} kinds[] = {{"prog_id:", BPF_PROG_GET_FD_BY_ID}, {"map_id:", BPF_MAP_GET_FD_BY_ID},
		{"link_id:", BPF_LINK_GET_FD_BY_ID}};

	for (size_t i = 0; i < 3; i++) {
		if (strncmp(line, kinds[i].key, strlen(kinds[i].key)))
			continue;
		cr_assert_lt(n_ids, MAX_IDS);
		ids[n_ids++] = (struct bpf_object_id){kinds[i].cmd,
			strtoul(line + strlen(kinds[i].key), NULL, 10)};
	}
}

/* Notes every BPF object that this process holds. How many. */
static size_t note_objects(pid_t pid)
{
	char path[300], line[512];
	size_t before = n_ids;
	struct dirent *de;
	DIR *dir;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/fdinfo", pid);
	dir = opendir(path);
	cr_assert(dir, "%s: %s", path, strerror(errno));
	while ((de = readdir(dir))) {
		if (*de->d_name == '.')
			continue;
		snprintf(path, sizeof(path), "/proc/%d/fdinfo/%s", pid, de->d_name);
		f = fopen(path, "r");
		while (f && fgets(line, sizeof(line), f))
			note_line(line);
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n_ids - before;
}

static bool is_there(const struct bpf_object_id *o)
{
	union bpf_attr attr = {.prog_id = o->id};
	int fd = syscall(SYS_bpf, o->cmd, &attr, sizeof(attr));

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno != ENOENT;
}

/* The kernel frees them some time after the last descriptor is closed. */
static void expect_objects_gone(void)
{
	cr_assert_gt(n_ids, 0);
	for (int tries = 0; tries < 3000; tries++) {
		while (n_ids && !is_there(&ids[n_ids - 1]))
			n_ids--;
		if (!n_ids)
			return;
		nap_ms(10);
	}
	cr_assert_fail("%zu BPF objects are still there, one is command %d, id %u", n_ids,
		ids[n_ids - 1].cmd, ids[n_ids - 1].id);
}

/* --- the target -------------------------------------------------------------------------------------- */

struct flood {
	struct child child;
	unsigned long hit; /* address of the function */
	int pids[2];
	unsigned char code; /* the function's first byte */
	char spec[512];
};

static unsigned char peek(int pid, unsigned long addr)
{
	unsigned char byte = 0;
	char path[64];
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/mem", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	cr_assert_eq(pread(fd, &byte, 1, addr), 1, "%s: %s", path, strerror(errno));
	close(fd);
	return byte;
}

static void flood_read(struct flood *f)
{
	char *text;

	child_await(&f->child, f->child.out, "begun", 30);
	text = file_text(f->child.out);
	cr_assert_eq(sscanf(text, "hit %lx\n%d\n%d", &f->hit, &f->pids[0], &f->pids[1]), 3, "%s", text);
	free(text);
}

/* As busy as it can be; nice: when nobody else wants the processor. */
static struct flood flood_start(const char *nice)
{
	struct flood f;

	f.child = child_start("flood", (const char *[]){"nice", "-n", nice, harness_target("flood"), NULL});
	flood_read(&f);
	f.code = peek(f.pids[0], f.hit);
	snprintf(f.spec, sizeof(f.spec), "hit=%s:hit", harness_target("flood"));
	return f;
}

/* Every breakpoint is taken out again. */
static void expect_code_restored(const struct flood *f)
{
	for (int i = 0; i < 2; i++) {
		int tries = 0;

		while (peek(f->pids[i], f->hit) != f->code && tries++ < 3000)
			nap_ms(10);
		cr_expect_eq(peek(f->pids[i], f->hit), f->code, "the breakpoint stayed in pid %d",
			f->pids[i]);
	}
}

static void expect_unharmed(struct flood *f)
{
	expect_code_restored(f);
	child_signal(&f->child, SIGTERM);
	cr_expect_eq(child_wait(&f->child, 30), 0);
	cr_expect(strstr(file_text(f->child.out), "all right"));
}

static struct child attach(const struct flood *f)
{
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", f->child.pid);
	return tool_attach("tool", (const char *[]){"-f", f->spec, "--pid", pid, NULL});
}

/* Without a log to write. early: as far as it comes in so many ms; 0: until it traces. */
static struct child attach_shortly(const struct flood *f, long early)
{
	struct child tool;
	char pid[16];

	snprintf(pid, sizeof(pid), "%d", f->child.pid);
	tool = tool_start("tool", (const char *[]){"-f", f->spec, "--ring-size", "64K", "-o", "/dev/null",
		"--pid", pid, NULL});
	if (early)
		nap_ms(early);
	else
		child_await(&tool, tool.err, "Ctrl-C ends it", 60);
	return tool;
}

/* --- killed ------------------------------------------------------------------------------------------ */

static void wait_for_rows(struct child *tool)
{
	child_await(tool, harness_path("tool.jsonl"), "\"when\":\"return\"", 30);
}

Test(faults, killed_under_load_it_leaves_nothing_and_the_target_goes_on, .timeout = 120)
{
	struct child tool;
	struct flood f;

	harness_need_kernel();
	f = flood_start("0");
	for (int i = 0; i < 5; i++) {
		tool = attach(&f);
		wait_for_rows(&tool);
		cr_expect_neq(peek(f.pids[0], f.hit), f.code, "there is no probe");
		cr_assert_gt(note_objects(tool.pid), 20);
		child_signal(&tool, SIGKILL);
		cr_expect_eq(child_wait(&tool, 30), 128 + SIGKILL);
		expect_code_restored(&f);
		expect_objects_gone();
	}
	expect_unharmed(&f);
}

Test(faults, two_hundred_times_attached_and_gone_leave_nothing_and_a_sound_target, .timeout = 900)
{
	struct child tool;
	struct flood f;

	harness_need_kernel();
	f = flood_start("19");
	for (int i = 0; i < CYCLES; i++) {
		bool kill_it = i % 10 == 9;

		tool = attach_shortly(&f, i % 20 == 9 ? 10 + i : 0);
		note_objects(tool.pid);
		child_signal(&tool, kill_it ? SIGKILL : i % 2 ? SIGTERM : SIGINT);
		cr_assert_eq(child_wait(&tool, 60), kill_it ? 128 + SIGKILL : 0, "cycle %d: %s", i,
			file_text(tool.err));
	}
	cr_expect_gt(n_ids, CYCLES * 20 * 9 / 10);
	expect_objects_gone();
	expect_unharmed(&f);
}

/* --- a reader that holds the pipe open and never reads ------------------------------------------------ */

#define STUBBORN "sh -c 'echo $$ >pid; trap \"\" TERM; while :; do /bin/true; done'"

/* The tool is asked to end, and asked again. Its exit status, with what it said in *said; the command
 * is expected to go on, and is ended. */
static int insist(const char *options, char **said)
{
	char *command;

	if (asprintf(&command, "exec 2>&1; cd '%s'; rm -f pid; mkfifo p; sleep 60 <p & r=$!; "
		"'%s' --format jsonl --step 4K %s & t=$!; for i in $(seq 300); do [ -s pid ] && break; "
		"sleep 0.1; done; sleep 2; kill -TERM $t; sleep 1; "
		"kill -0 $t || echo ended early; kill -INT $t; wait $t; s=$?; "
		"kill $r; rm p; kill -KILL $(cat pid) || echo command gone; exit $s",
		harness_dir(), harness_tool(), options) < 0)
		cr_assert_fail("no memory");
	return shell(command, said);
}

Test(faults, a_reader_that_never_reads_keeps_nobody_who_insists, .timeout = 120)
{
	char *said, replay[1024];

	harness_need_kernel();
	cr_expect_eq(insist("--record tape -- " STUBBORN " >p", &said), 1, "%s", said);
	cr_expect(strstr(said, "the log ends here: nobody reads it"), "%s", said);
	cr_expect(!strstr(said, "ended early") && !strstr(said, "command gone"), "%s", said);
	snprintf(replay, sizeof(replay), "'%s' --replay '%s' --format jsonl", harness_tool(),
		harness_path("tape"));
	cr_expect_eq(shell(replay, &said), 0);
	cr_expect(strstr(said, "\"reason\":\"interrupt\""), "the tape has not all");
	/* nor where the messages go the same way */
	cr_expect_eq(insist("-- " STUBBORN " >p 2>&1", &said), 1, "%s", said);
	cr_expect(!strstr(said, "command gone"), "%s", said);
	/* and where there is no reader at all */
	snprintf(replay, sizeof(replay), "mkfifo '%s'; '%s' -o '%s' -- true & t=$!; sleep 1; kill -TERM $t; wait $t",
		harness_path("q"), harness_tool(), harness_path("q"));
	cr_expect_eq(shell(replay, NULL), 128 + SIGTERM);
}

static int parent_of(int pid)
{
	char path[64];
	int ppid = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	cr_assert(f && fscanf(f, "%*d (flood) %*c %d", &ppid) == 1);
	fclose(f);
	return ppid;
}

Test(faults, a_command_outlives_the_tool_that_started_it, .timeout = 60)
{
	struct flood f;
	int main_pid;

	harness_need_kernel();
	snprintf(f.spec, sizeof(f.spec), "hit=%s:hit", harness_target("flood"));
	f.child = tool_start("tool", (const char *[]){"-f", f.spec, "--", harness_target("flood"), NULL});
	flood_read(&f);
	wait_for_rows(&f.child);
	main_pid = parent_of(f.pids[0]);
	note_objects(f.child.pid);
	child_signal(&f.child, SIGKILL);
	cr_expect_eq(child_wait(&f.child, 30), 128 + SIGKILL);
	expect_objects_gone();
	for (int tries = 0; peek(f.pids[0], f.hit) == 0xcc && tries < 3000; tries++)
		nap_ms(10);
	cr_expect_neq(peek(f.pids[0], f.hit), 0xcc, "the breakpoint stayed");
	cr_assert_eq(kill(main_pid, SIGTERM), 0);
	for (int tries = 0; !kill(main_pid, 0) && tries < 1000; tries++)
		nap_ms(10);
	cr_expect(strstr(file_text(f.child.out), "all right"));
}

/* --- cannot keep up ----------------------------------------------------------------------------------- */

struct truth {
	int pid;
	int64_t calls, rss, anon, file, shmem;
};

static void load_truth(const char *path, struct truth t[2])
{
	FILE *f = fopen(path, "r");

	cr_assert(f, "%s", path);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(fscanf(f, "%d %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64,
				     &t[i].pid, &t[i].calls, &t[i].rss, &t[i].anon, &t[i].file,
				     &t[i].shmem), 6);
	fclose(f);
}

/* Rows and losses of one process, in their order: together they must count every entry and return,
 * each row at the place that its RSS tells, since every 64th call touched a page more. */
struct placed {
	int64_t index, lost, rows, first_rss, last_ns, last_row_ns;
	int mistakes;
};

static void place_row(struct placed *p, const json_t *row, const struct truth *t)
{
	bool entry = !strcmp(row_str(row, "when"), "entry");
	int64_t call = p->index / 2, rss = row_int(row, "rss");

	if (call >= t->calls) /* last_hit */
		return;
	if (!p->rows)
		p->first_rss = rss - call / EVERY * PAGE;
	if (entry != (p->index % 2 == 0) || rss != p->first_rss + call / EVERY * PAGE)
		p->mistakes++;
	cr_expect_leq(p->mistakes, 10);
	if (p->mistakes && p->mistakes <= 10)
		cr_expect_fail("pid %d: place %" PRId64 " has a row of %s with rss %" PRId64
			", page %" PRId64, t->pid, p->index, row_str(row, "when"), rss,
			(rss - p->first_rss) / PAGE);
	p->index++;
	p->rows++;
}

static void place_loss(struct placed *p, const json_t *row)
{
	cr_expect_eq(row_int(row, "since_ns"), p->last_row_ns,
		"a loss does not begin at the last row before it");
	p->index += row_int(row, "count");
	p->lost += row_int(row, "count");
}

static struct placed place(json_t *rows, const struct truth *t)
{
	struct placed p = {0};
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		bool loss = !strcmp(row_str(row, "type"), "loss");

		if ((!loss && strcmp(row_str(row, "type"), "checkpoint")) || row_int(row, "pid") != t->pid)
			continue;
		cr_expect_geq(row_int(row, "time_ns"), p.last_ns);
		p.last_ns = row_int(row, "time_ns");
		if (loss) {
			place_loss(&p, row);
		} else {
			place_row(&p, row, t);
			p.last_row_ns = p.last_ns;
		}
	}
	return p;
}

static json_t *process_row(json_t *rows, int pid)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
		if (!strcmp(row_str(row, "type"), "process") && row_int(row, "pid") == pid)
			return row;
	cr_assert_fail("no process row for pid %d", pid);
	return NULL;
}

static void expect_total(const json_t *row, const char *member, const struct truth *t)
{
	const json_t *s = member ? json_object_get(row, member) : row;

	cr_expect_eq(row_int(s, "rss"), t->rss, "pid %d: %" PRId64 " is not %" PRId64, t->pid,
		row_int(s, "rss"), t->rss);
	cr_expect_eq(row_int(s, "anon"), t->anon);
	cr_expect_eq(row_int(s, "file"), t->file);
	cr_expect_eq(row_int(s, "shmem"), t->shmem);
}

static void flood_is_counted(const char *const *args)
{
	struct truth t[2];
	int64_t lost = 0;
	json_t *rows, *sum, *last;
	struct child tool;

	tool = tool_start("tool", args);
	child_await(&tool, tool.out, "begun", 30);
	for (int i = 0; i < 3; i++) { /* nobody reads the ring for a while */
		child_signal(&tool, SIGSTOP);
		nap_ms(40);
		child_signal(&tool, SIGCONT);
		nap_ms(40);
	}
	cr_assert_eq(child_wait(&tool, 200), 0, "%s", file_text(tool.err));
	cr_expect(strstr(file_text(tool.out), "all right"));
	load_truth(harness_path("truth"), t);
	rows = rows_load(harness_path("tool.jsonl"));
	sum = rows_find(rows, 0, "type", "summary", NULL);
	cr_assert(sum);
	for (int i = 0; i < 2; i++) {
		struct placed p = place(rows, &t[i]);
		json_t *proc = process_row(rows, t[i].pid);

		cr_expect_eq(p.index, 2 * t[i].calls, "pid %d: rows and losses make %" PRId64, t[i].pid,
			p.index);
		cr_expect_eq(row_int(proc, "lost"), p.lost);
		expect_total(proc, "last", &t[i]);
		lost += p.lost;
		for (size_t n = 0; (last = rows_find(rows, n, "function", "last_hit", NULL)); n++)
			if (row_int(last, "pid") == t[i].pid)
				expect_total(last, NULL, &t[i]);
		cr_expect_geq(rows_count(rows, "function", "last_hit", NULL), 4);
	}
	cr_expect_gt(lost, 0, "nothing was lost: this tested nothing");
	cr_expect_eq(row_int(json_object_get(sum, "loss"), "ring"), lost);
	cr_expect_eq(row_int(json_array_get(json_object_get(sum, "functions"), 0), "entries"),
		t[0].calls + t[1].calls, "hits are counted even where rows are lost");
	cr_expect_eq(rows_count(rows, "type", "process", "state", "ended", NULL), 3);
	json_decref(rows);
}

Test(faults, what_a_small_ring_loses_is_counted_and_placed_and_totals_stay_exact, .timeout = 240)
{
	char hit[512], last[512];

	harness_need_kernel();
	snprintf(hit, sizeof(hit), "hit=%s:hit", harness_target("flood"));
	snprintf(last, sizeof(last), "last=%s:last_hit", harness_target("flood"));
	flood_is_counted((const char *[]){"--ring-size", "64K", "-f", hit, "-f", last, "--",
		harness_target("flood"), FLOOD, harness_path("truth"), NULL});
}
