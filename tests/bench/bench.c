/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tracing costs, as ratios measured side by side: each figure is the median of rounds in which
 * all variants take turns, so that a machine that changes its speed changes all of them.
 * usage: bench TOOL TARGET-DIR. Prints a table in Markdown. Wants root and a quiet machine.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "elf.h"
#include "session.h"
#include "uprobe.h"

#define ROUNDS	  7
#define MANY	  1000
#define HITS	  "100000"
#define FLOOD	  "5000000"
#define MEM_PROCS "200"

static const char *tool, *targets;

static void die(const char *what)
{
	fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static void nap(double s)
{
	nanosleep(&(struct timespec){.tv_sec = s, .tv_nsec = (s - (long)s) * 1e9}, NULL);
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct series {
	double v[ROUNDS];
	int n;
};

static double median(const struct series *s)
{
	struct series t = *s;

	qsort(t.v, t.n, sizeof(*t.v), by_value);
	return t.v[t.n / 2];
}

/* Median of the ratios round by round: neighbours in time are compared. */
static void ratio(const struct series *a, const struct series *b, double *mid, double *lo, double *hi)
{
	struct series r = {.n = a->n};

	for (int i = 0; i < a->n; i++)
		r.v[i] = a->v[i] / b->v[i];
	qsort(r.v, r.n, sizeof(*r.v), by_value);
	*mid = r.v[r.n / 2];
	*lo = r.v[0];
	*hi = r.v[r.n - 1];
}

/* --- processes ---------------------------------------------------------------------------------- */

static pid_t start(const char *const *argv, int cpu, int *in, int *out, int *err)
{
	int i[2], o[2], e[2];
	pid_t pid;

	if (pipe(i) || pipe(o) || pipe(e))
		die("pipe");
	pid = fork();
	if (!pid) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(cpu % sysconf(_SC_NPROCESSORS_ONLN), &set);
		sched_setaffinity(0, sizeof(set), &set);
		dup2(i[0], 0);
		dup2(o[1], 1);
		dup2(e[1], 2);
		for (int fd = 3; fd < 64; fd++)
			close(fd);
		execv(argv[0], (char *const *)argv);
		_exit(127);
	}
	close(i[0]);
	close(o[1]);
	close(e[1]);
	*in = i[1];
	*out = o[0];
	*err = e[0];
	return pid;
}

static double read_number(int fd)
{
	char buf[64] = "";
	size_t n = 0;

	while (n < sizeof(buf) - 1 && read(fd, buf + n, 1) == 1 && buf[n] != '\n')
		n++;
	return atof(buf);
}

struct hitter {
	pid_t pid;
	int in, out, err;
};

static struct hitter start_hitter(const char *hits, const char *spin)
{
	char path[512];
	struct hitter h;

	snprintf(path, sizeof(path), "%s/hit", targets);
	h.pid = start((const char *[]){path, hits, spin, NULL}, 1, &h.in, &h.out, &h.err);
	read_number(h.out); /* it is ready */
	return h;
}

static double hit_ns(struct hitter *h)
{
	if (write(h->in, "x", 1) != 1)
		die("the target has gone");
	return read_number(h->out);
}

static void end(pid_t pid, int sig)
{
	kill(pid, sig);
	waitpid(pid, NULL, 0);
}

/* --- one checkpoint --------------------------------------------------------------------------------- */

struct tracer {
	pid_t pid;
	int in, out, err;
};

static void await(int fd, const char *text)
{
	char buf[8192] = "";
	size_t n = 0;

	while (n < sizeof(buf) - 1 && read(fd, buf + n, 1) == 1) {
		buf[++n] = '\0';
		if (strstr(buf, text))
			return;
	}
	fprintf(stderr, "bench: the tool said: %s\n", buf);
	exit(1);
}

static struct tracer trace(pid_t target, const char *const *more)
{
	char pid[16];
	const char *argv[32] = {tool, "--pid", pid};
	struct tracer t;
	int n = 3;

	snprintf(pid, sizeof(pid), "%d", target);
	while (*more)
		argv[n++] = *more++;
	t.pid = start(argv, 0, &t.in, &t.out, &t.err);
	await(t.err, "Ctrl-C ends it");
	return t;
}

static void untrace(struct tracer *t)
{
	end(t->pid, SIGINT);
	close(t->in);
	close(t->out);
	close(t->err);
}

static int find_offset(void *ctx, const struct elf_func *f)
{
	*(uint64_t *)ctx = f->offset;
	return 0;
}

static uint64_t offset_of(const char *path, const char *symbol)
{
	const char *why = "";
	struct elf_file *elf;
	uint64_t offset = 0;

	if (elf__open(path, "", &elf, &why) || elf__functions(elf, symbol, find_offset, &offset) < 1) {
		fprintf(stderr, "bench: %s in %s: %s\n", symbol, path, why);
		exit(1);
	}
	elf__close(elf);
	return offset;
}

/* A program that does nothing, attached in the same way to the same instruction. */
static int empty_prog(bool multi)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = multi ? 48 : 0);

	return bpf_prog_load(BPF_PROG_TYPE_KPROBE, "empty", "GPL", insns, 2, &opts);
}

static double one_empty(struct hitter *h, const char *path, uint64_t offset)
{
	struct uprobe_links *links = uprobe_links__new();
	struct uprobe_site site = {.offset = offset};
	int fd = empty_prog(true);
	double ns;

	if (fd < 0 || uprobe_attach_fd(links, fd, path, &site, 1))
		die("attach an empty program (this benchmark needs uprobe_multi)");
	hit_ns(h);
	ns = hit_ns(h);
	uprobe_links__free(links);
	close(fd);
	return ns;
}

static double one_traced(struct hitter *h, const char *const *args)
{
	struct tracer t = trace(h->pid, args);
	double ns;

	hit_ns(h);
	ns = hit_ns(h);
	untrace(&t);
	return ns;
}

struct row {
	const char *what;
	const struct series *a, *b;
	double limit; /* 0: none */
};

static void print_ratio(const struct row *r)
{
	double mid, lo, hi;

	ratio(r->a, r->b, &mid, &lo, &hi);
	printf("| %s | %.0f ns | %.2f | %.2f to %.2f | ", r->what, median(r->a), mid, lo, hi);
	if (r->limit)
		printf("<= %.2f %s |\n", r->limit, mid <= r->limit ? "met" : "**not met**");
	else
		printf("|\n");
	fflush(stdout);
}

static void bench_checkpoint(void)
{
	struct series bare = {0}, empty = {0}, entry = {0}, both = {0}, rets = {0};
	char path[512], spec[600], profile[600];
	struct hitter h = start_hitter(HITS, "0");
	uint64_t offset;

	snprintf(path, sizeof(path), "%s/hit", targets);
	snprintf(spec, sizeof(spec), "hit=%s:hit", path);
	snprintf(profile, sizeof(profile), "%s/hit.yaml", targets);
	offset = offset_of(path, "hit");
	for (int i = 0; i < ROUNDS; i++) {
		bare.v[bare.n++] = hit_ns(&h);
		empty.v[empty.n++] = one_empty(&h, path, offset);
		entry.v[entry.n++] = one_traced(&h,
			(const char *[]){"--profile", profile, "-o", "/dev/null", NULL});
		both.v[both.n++] = one_traced(&h,
			(const char *[]){"-f", spec, "--returns", "noticed", "-o", "/dev/null", NULL});
		rets.v[rets.n++] = one_traced(&h, (const char *[]){"-f", spec, "-o", "/dev/null", NULL});
	}
	end(h.pid, SIGKILL);
	printf("| one call of a probed function | time | ratio to an empty uprobe | spread | target |\n");
	printf("|---|---|---|---|---|\n");
	print_ratio(&(struct row){"not probed", &bare, &empty, 0});
	print_ratio(&(struct row){"empty uprobe", &empty, &empty, 0});
	print_ratio(&(struct row){"entry checkpoint", &entry, &empty, 1.3});
	print_ratio(&(struct row){"entry and return, the return noticed at the next call", &both, &empty, 0});
	print_ratio(&(struct row){"entry and return, a probe on the ret (single-stepped)", &rets, &empty, 0});
	printf("\n");
}

/* --- a flood -------------------------------------------------------------------------------------------- */

/* The value of a number in the last line of a jsonl file. */
static long long last_number(const char *path, const char *key)
{
	static char buf[1 << 16];
	int fd = open(path, O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, size > (off_t)sizeof(buf) - 1 ? size - sizeof(buf) + 1 : 0);
	char *line, *at;

	close(fd);
	if (n <= 1)
		return -1;
	buf[n - 1] = '\0';
	line = strrchr(buf, '\n');
	at = strstr(line ? line : buf, key);
	return at ? atoll(at + strlen(key)) : -1;
}

/* Does the end of the file hold this text? */
static bool ends_with_word(const char *path, const char *text)
{
	static char buf[4096];
	int fd = open(path, O_RDONLY);
	off_t size = lseek(fd, 0, SEEK_END);
	ssize_t n = pread(fd, buf, sizeof(buf) - 1, size > 4095 ? size - 4095 : 0);

	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return strstr(buf, text);
}

static void flood(const char *spin, const char *format, const char *target)
{
	char profile[600], log[] = "/tmp/ramtrace-bench-XXXXXX";
	struct hitter h = start_hitter(FLOOD, spin);
	struct tracer t;
	long long lost;
	double ns;

	close(mkstemp(log));
	snprintf(profile, sizeof(profile), "%s/hit.yaml", targets);
	t = trace(h.pid, (const char *[]){"--profile", profile, "--lang", "en", "--format", format, "-o", log,
		NULL});
	ns = hit_ns(&h);
	nap(0.5);
	untrace(&t);
	end(h.pid, SIGKILL);
	if (!strcmp(format, "text"))
		lost = ends_with_word(log, "Lost: nothing") ? 0 : -1;
	else
		lost = last_number(log, "\"loss\":{\"ring\":");
	printf("| %s | %.2f M/s | ", format, 1e3 / ns);
	if (lost < 0)
		printf("some");
	else
		printf("%lld", lost);
	printf(" | %s%s |\n", target, !*target ? "" : lost ? " **not met**" : " met");
	fflush(stdout);
	unlink(log);
}

static void bench_flood(void)
{
	printf("| " FLOOD " checkpoints of one thread, to a file | rate | lost | target |\n|---|---|---|---|\n");
	flood("2300", "text", "0 lost at 1 M/s");
	flood("2300", "jsonl", "");
	flood("0", "text", "");
	flood("0", "jsonl", "");
	printf("\n");
}

/* --- a thousand functions ------------------------------------------------------------------------------- */

static void bench_attach(void)
{
	struct session_config config = {.ring_bytes = 4 << 20, .max_funcs = MANY, .follow_children = true};
	struct series attach = {0}, detach = {0};
	static struct uprobe_site sites[MANY];
	size_t refused[MANY], n_refused;
	char path[512], name[16], err[512];

	snprintf(path, sizeof(path), "%s/many", targets);
	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		sites[i].offset = offset_of(path, name);
	}
	for (int i = 0; i < 5; i++) {
		struct session *s;
		double t;

		if (session__open(&config, &s, err, sizeof(err))) {
			fprintf(stderr, "bench: %s\n", err);
			exit(1);
		}
		t = now();
		if (session__attach(s, SESSION_FUNCTION, path, sites, MANY, refused, &n_refused))
			die("attach 1,000 functions");
		attach.v[attach.n++] = (now() - t) * 1e3;
		t = now();
		session__detach(s);
		detach.v[detach.n++] = (now() - t) * 1e3;
		session__close(s);
	}
	printf("| 1,000 functions | time | target |\n|---|---|---|\n");
	printf("| attach | %.1f ms | <= 50 ms %s |\n", median(&attach),
		median(&attach) <= 50 ? "met" : "**not met**");
	printf("| detach | %.1f ms | <= 200 ms %s |\n\n", median(&detach),
		median(&detach) <= 200 ? "met" : "**not met**");
}

/* --- the tool itself ---------------------------------------------------------------------------------------- */

static double high_water_mib(pid_t pid)
{
	char path[64], line[256];
	double kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "r");
	while (f && fgets(line, sizeof(line), f))
		if (!strncmp(line, "VmHWM:", 6))
			kib = atof(line + 6);
	if (f)
		fclose(f);
	return kib / 1024;
}

static void bench_memory(void)
{
	char path[512], spec[600];
	struct tracer t;
	int in, out, err;
	double mib;
	pid_t pid;

	snprintf(path, sizeof(path), "%s/herd", targets);
	snprintf(spec, sizeof(spec), "work=%s:work", path);
	pid = start((const char *[]){path, MEM_PROCS, "500", NULL}, 1, &in, &out, &err);
	read_number(out); /* all are there */
	t = trace(pid, (const char *[]){"-f", spec, "--returns", "noticed", "--format", "jsonl", "-o",
		"/dev/null", NULL});
	if (write(in, "x", 1) != 1)
		die("herd");
	read_number(out); /* all have done their work */
	nap(0.5);
	mib = high_water_mib(t.pid);
	untrace(&t);
	end(pid, SIGKILL);
	printf("| the tool itself | highest RSS | target |\n|---|---|---|\n");
	printf("| %s processes, 200,000 checkpoints, ring included | %.1f MiB | <= 40 MiB %s |\n", MEM_PROCS,
		mib, mib <= 40 ? "met" : "**not met**");
}

int main(int argc, char **argv)
{
	struct utsname uts;

	if (argc != 3)
		return 2;
	tool = argv[1];
	targets = argv[2];
	signal(SIGPIPE, SIG_IGN);
	uname(&uts);
	printf("Kernel %s, %ld CPUs, medians of %d interleaved rounds.\n\n", uts.release,
		sysconf(_SC_NPROCESSORS_ONLN), ROUNDS);
	fflush(stdout);
	bench_checkpoint();
	bench_flood();
	bench_attach();
	bench_memory();
	return 0;
}
