/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of the benchmark needs BPF of its own.
 *	probe empty FILE SYMBOL			holds an empty uprobe there
 *	probe snapshot FILE SYMBOL CPUS PID	the tool's entry checkpoint, as if there were CPUS
 *	probe functions FILE			attaches and detaches f0 ... f999; prints both times in ms
 * The first two say "ready" and last until a signal.
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "elf.h"
#include "session.h"
#include "uprobe.h"

#define MANY	   1000
#define RING_BYTES (4 << 20)

static void die(const char *what, const char *why)
{
	fprintf(stderr, "probe: %s: %s\n", what, why);
	exit(1);
}

static void say_ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

static double now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1e3 + ts.tv_nsec / 1e6;
}

static int find_offset(void *ctx, const struct elf_func *f)
{
	*(uint64_t *)ctx = f->offset;
	return 0;
}

static uint64_t offset_of(const char *path, const char *symbol)
{
	const char *why = "no such symbol";
	struct elf_file *elf;
	uint64_t offset = 0;

	if (elf__open(path, "", &elf, &why) || elf__functions(elf, symbol, find_offset, &offset) < 1)
		die(symbol, why);
	elf__close(elf);
	return offset;
}

/* A program that does nothing, attached in the same way to the same instruction. */
static int hold_empty(const char *path, const char *symbol)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = 48); /* uprobe_multi */
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "empty", "GPL", insns, 2, &opts);
	struct uprobe_site site = {.offset = offset_of(path, symbol)};
	struct uprobe_links *links = uprobe_links__new();

	if (fd < 0 || !links || uprobe_attach_fd(links, fd, path, &site, 1))
		die("attach an empty program", strerror(errno));
	say_ready();
	pause();
	uprobe_links__free(links);
	return 0;
}

static struct session *open_session(unsigned int cpus)
{
	struct session_config config = {.ring_bytes = RING_BYTES,
		.max_funcs = MANY,
		.follow_children = true,
		.limits.n[LIMIT_CPUS] = cpus};
	struct session *s;
	char err[512];

	if (session__open(&config, &s, err, sizeof(err)))
		die("open", err);
	return s;
}

static int drop(void *ctx, const void *data, size_t len)
{
	return 0;
}

static void hold_snapshot(const char *path, const char *symbol, unsigned int cpus, pid_t pid)
{
	struct uprobe_site site = {.offset = offset_of(path, symbol), .cookie = RT_COOKIE(0, 0, 0)};
	struct session *s = open_session(cpus);
	size_t refused[1], n_refused;

	if (session__want(s, pid, false) || session__adopt(s) < 1)
		die("adopt", "no such process");
	if (session__attach(s, SESSION_FUNCTION, path, &site, 1, refused, &n_refused))
		die("attach", strerror(errno));
	say_ready();
	for (;;) {
		session__poll(s, drop, NULL, 1 << 20);
		usleep(1000);
	}
}

static int time_functions(const char *path)
{
	static struct uprobe_site sites[MANY];
	size_t refused[MANY], n_refused;
	struct session *s = open_session(0);
	double begun, attached;
	char name[16];

	for (int i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "f%d", i);
		sites[i].offset = offset_of(path, name);
	}
	begun = now_ms();
	if (session__attach(s, SESSION_FUNCTION, path, sites, MANY, refused, &n_refused))
		die("attach 1,000 functions", strerror(errno));
	attached = now_ms();
	session__detach(s);
	printf("%.3f %.3f\n", attached - begun, now_ms() - attached);
	session__close(s);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "empty"))
		return hold_empty(argv[2], argv[3]);
	if (argc == 6 && !strcmp(argv[1], "snapshot"))
		hold_snapshot(argv[2], argv[3], atoi(argv[4]), atoi(argv[5]));
	if (argc == 3 && !strcmp(argv[1], "functions"))
		return time_functions(argv[2]);
	return 2;
}
