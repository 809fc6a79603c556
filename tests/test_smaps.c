/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What mappings are for, from text that the kernel wrote of real programs while they were stopped
 * (tests/data/smaps), and from text that it might write. smaps_rollup, read at the same time, says
 * what all of them add up to. Of two programs the lines that say 0 were left out.
 */
#include "smaps.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include "prng.h"
#include "scratch.h"

#define KIB 1024ull
#define MIB (1024 * KIB)

static int text_fd(const char *text, size_t len)
{
	int fd = memfd_create("text", 0);

	cr_assert_eq(write(fd, text, len), (ssize_t)len);
	lseek(fd, 0, SEEK_SET);
	return fd;
}

static struct smaps parse_with(const char *text, struct smaps_how how)
{
	int fd = text_fd(text, strlen(text));
	struct smaps s;

	how.max_groups = how.max_groups ? how.max_groups : 1000;
	cr_assert_eq(smaps_read_fd(fd, &how, &s), 0);
	close(fd);
	return s;
}

static struct smaps parse(const char *text)
{
	return parse_with(text, (struct smaps_how){ .marks_stacks = true });
}

static const struct smaps_group *find(const struct smaps *s, enum smaps_kind kind, const char *name)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->groups[i].kind == kind && !strcmp(s->groups[i].name, name))
			return &s->groups[i];
	return NULL;
}

#define cr_assert_rss(s, kind, name, bytes)                                                        \
	do {                                                                                       \
		const struct smaps_group *g_ = find(s, kind, name);                                \
                                                                                                   \
		cr_assert(g_, "no %s", name);                                                      \
		cr_assert_eq(g_->sums.rss, bytes, "%s: %lu", name, g_->sums.rss);                  \
	} while (0)

static struct smaps recorded(const char *name, struct smaps_sums *rollup, struct smaps_how how)
{
	char path[128], *text;
	struct smaps s;
	size_t len;

	snprintf(path, sizeof(path), "tests/data/smaps/%s.rollup", name);
	text = scratch_read(path, &len);
	cr_assert_eq(smaps_parse_rollup(text, rollup), 0);
	free(text);
	snprintf(path, sizeof(path), "tests/data/smaps/%s.smaps", name);
	text = scratch_read(path, &len);
	s = parse_with(text, how);
	free(text);
	return s;
}

static void assert_near(uint64_t have, uint64_t want)
{
	cr_assert(have + 128 * KIB >= want && have <= want + 128 * KIB, "%lu, not %lu", have, want);
}

/* To the byte, but for what is shared with whom: others came and went between the two. */
static void assert_adds_up(const struct smaps *s, const struct smaps_sums *rollup)
{
	struct smaps_sums sum = { 0 };

	for (size_t i = 0; i < s->n; i++)
		smaps_add(&sum, &s->groups[i].sums);
	cr_assert_eq(memcmp(&sum, &s->all, sizeof(sum)), 0);
	cr_assert_eq(sum.rss, rollup->rss);
	cr_assert_eq(sum.anonymous, rollup->anonymous);
	cr_assert_eq(sum.anon_huge, rollup->anon_huge);
	cr_assert_eq(sum.swap, rollup->swap);
	cr_assert_eq(sum.hugetlb, rollup->hugetlb);
	cr_assert_eq(sum.shared_clean + sum.shared_dirty + sum.private_clean + sum.private_dirty,
		sum.rss);
	assert_near(sum.pss, rollup->pss);
	assert_near(sum.private_dirty, rollup->private_dirty);
	assert_near(sum.private_clean, rollup->private_clean);
	assert_near(sum.shared_clean, rollup->shared_clean);
	assert_near(sum.shared_dirty, rollup->shared_dirty);
	cr_assert_not(s->partial);
}

/* --- real programs ---------------------------------------------------------------------------- */

Test(smaps, a_program_with_memory_of_every_kind_is_told_apart)
{
	struct smaps_sums rollup;
	struct smaps s = recorded("mappings", &rollup, (struct smaps_how){ .marks_stacks = true });

	assert_adds_up(&s, &rollup);
	cr_assert_eq(s.mappings, 42);
	cr_assert_rss(&s, SMAPS_ANON, "anon 16..256 MiB", 5 * MIB);
	cr_assert_rss(&s, SMAPS_HEAP, "[heap]", 1 * MIB + 8 * KIB);
	cr_assert_rss(&s, SMAPS_STACK, "[thread stacks]", 520 * KIB);
	cr_assert_rss(&s, SMAPS_SHMEM, "memfd:weights \x1b[2J", 1 * MIB);
	cr_assert_rss(&s, SMAPS_SHMEM, "SYSV00000000 id 65547", 3 * MIB);
	cr_assert_rss(&s, SMAPS_SHMEM, "/dev/shm/ramtrace-mappings (deleted)", 2 * MIB);
	cr_assert_rss(&s, SMAPS_SHMEM, "[shared anonymous]", 1 * MIB);
	cr_assert_rss(&s, SMAPS_FILE, "/tmp/hsm/we\nird \x1b[31m.bin", 4 * MIB);
	cr_assert_rss(&s, SMAPS_FILE, "/tmp/hsm/gone.bin (deleted)", 1 * MIB);
	cr_assert_eq(find(&s, SMAPS_FILE, "/tmp/hsm/gone.bin (deleted)")->sums.anonymous, 1 * MIB);
	cr_assert(find(&s, SMAPS_STACK, "[stack]"));
	cr_assert_eq(find(&s, SMAPS_SPECIAL, "[vdso] [vvar]")->mappings, 4);
	for (size_t i = 1; i < s.n; i++)
		cr_assert_geq(s.groups[i - 1].sums.rss, s.groups[i].sums.rss, "the largest first");
	smaps__clear(&s);
}

Test(smaps, python_has_huge_pages_of_both_kinds_and_stacks_of_threads)
{
	static const uint64_t tmpfs[] = { 0x1b };
	struct smaps_sums rollup;
	struct smaps s = recorded("python", &rollup, (struct smaps_how){ .marks_stacks = true });

	assert_adds_up(&s, &rollup);
	cr_assert_eq(find(&s, SMAPS_ANON, "anon 16..256 MiB")->sums.anon_huge, 8 * MIB);
	cr_assert_eq(find(&s, SMAPS_HUGETLB, "/anon_hugepage (deleted)")->sums.hugetlb, 2 * MIB);
	cr_assert_eq(find(&s, SMAPS_HUGETLB, "/anon_hugepage (deleted)")->sums.rss, 0);
	cr_assert_eq(find(&s, SMAPS_STACK, "[thread stacks]")->mappings, 3);
	cr_assert_rss(&s, SMAPS_SHMEM, "/dev/shm/psm_rec", 1 * MIB);
	cr_assert_rss(&s, SMAPS_SHMEM, "memfd:tensor", 1 * MIB);
	smaps__clear(&s);
	s = recorded("python", &rollup, (struct smaps_how){ .tmpfs = tmpfs, .n_tmpfs = 1 });
	cr_assert_rss(&s, SMAPS_SHMEM, "/dev/shm/psm_rec", 1 * MIB);
	smaps__clear(&s);
}

Test(smaps, postgresql_has_its_buffers_in_shared_memory_without_a_name)
{
	struct smaps_sums rollup;
	struct smaps s = recorded("postgres", &rollup, (struct smaps_how){ .marks_stacks = true });
	const struct smaps_group *buffers = find(&s, SMAPS_SHMEM, "[shared anonymous]");

	assert_adds_up(&s, &rollup);
	cr_assert_gt(buffers->sums.size, 100 * MIB);
	cr_assert_gt(buffers->sums.rss, 1 * MIB);
	cr_assert(find(&s, SMAPS_SHMEM, "SYSV0020e83b id 65546"));
	cr_assert(find(&s, SMAPS_FILE, "/usr/lib/postgresql/15/bin/postgres")->mappings > 3);
	cr_assert_not(find(&s, SMAPS_STACK, "[thread stacks]"));
	smaps__clear(&s);
}

/* --- one mapping ------------------------------------------------------------------------------ */

#define HEAD(range, perms, dev, inode) range " " perms " 00000000 " dev " " inode "    "

/* The kind and name of a mapping that is alone. */
static void assert_is(const char *first_line, const char *flags, enum smaps_kind kind,
	const char *name)
{
	static const uint64_t tmpfs[] = { 0x2a };
	char text[20100];
	struct smaps s;

	snprintf(text, sizeof(text), "%s\nRss:  4 kB\nVmFlags: rd wr %s\n", first_line, flags);
	s = parse_with(text, (struct smaps_how){ .tmpfs = tmpfs, .n_tmpfs = 1 });
	cr_assert_eq(s.n, 1);
	cr_assert_eq(s.groups[0].kind, kind, "%s: %s", first_line, smaps_kind_name(s.groups[0].kind));
	cr_assert_str_eq(s.groups[0].name, name);
	cr_assert_eq(s.groups[0].sums.rss, 4 * KIB);
	smaps__clear(&s);
}

#define R "7f0000000000-7f0000001000"
#define F HEAD(R, "r-xp", "fe:00", "7")
#define A(range) HEAD(range, "rw-p", "00:00", "0")

Test(smaps, names_decide)
{
	assert_is(F "/usr/lib/libx.so", "", SMAPS_FILE, "/usr/lib/libx.so");
	assert_is(F "/usr/lib/libx.so (deleted)", "", SMAPS_FILE, "/usr/lib/libx.so (deleted)");
	assert_is(F "/a b  c", "", SMAPS_FILE, "/a b  c");
	assert_is(F "/a\\012b\\011", "", SMAPS_FILE, "/a\nb\\011");
	assert_is(F " (deleted)", "", SMAPS_FILE, "(deleted)");
	assert_is(F "/memfd:kept", "", SMAPS_FILE, "/memfd:kept");
	assert_is(F "/memfd: (deleted)", "", SMAPS_SHMEM, "memfd:");
	assert_is(F "/memfd:a (deleted) (deleted)", "", SMAPS_SHMEM, "memfd:a (deleted)");
	assert_is(F "/SYSV00001234 (deleted)", "", SMAPS_SHMEM, "SYSV00001234 id 7");
	assert_is(F "/dev/zero", "", SMAPS_FILE, "/dev/zero");
	assert_is(F "/dev/nvidia0", "", SMAPS_FILE, "/dev/nvidia0");
	assert_is(F "/[aio] (deleted)", "", SMAPS_FILE, "/[aio] (deleted)");
	assert_is(HEAD(R, "rw-s", "00:2a", "9") "/run/x", "", SMAPS_SHMEM, "/run/x");
	assert_is(HEAD(R, "rw-s", "00:2b", "9") "/run/x", "", SMAPS_FILE, "/run/x");
	assert_is(A(R) "[anon:kv cache]", "", SMAPS_NAMED, "[anon:kv cache]");
	assert_is(A(R) "[anon_shmem:ring]", "", SMAPS_SHMEM, "[anon_shmem:ring]");
	assert_is(A(R) "[heap]", "", SMAPS_HEAP, "[heap]");
	assert_is(A(R) "[stack]", "", SMAPS_STACK, "[stack]");
	assert_is(A(R) "[stack:77]", "", SMAPS_STACK, "[stack:77]");
	assert_is(A(R) "[vvar_vclock]", "", SMAPS_SPECIAL, "[vdso] [vvar]");
	assert_is(A(R) "[uprobes]", "", SMAPS_SPECIAL, "[uprobes]");
	assert_is(A(R) "[of a newer kernel]", "", SMAPS_SPECIAL, "[of a newer kernel]");
	assert_is(F "/mnt/huge/pool", "ht sd", SMAPS_HUGETLB, "/mnt/huge/pool");
	assert_is(A(R), "de ht", SMAPS_HUGETLB, "[hugetlb]");
	assert_is(A(R), "xht htx", SMAPS_ANON, "anon < 64 KiB");
}

Test(smaps, sizes_decide_where_there_is_no_name)
{
	assert_is(A("10000-1f000"), "", SMAPS_ANON, "anon < 64 KiB");
	assert_is(A("10000-20000"), "", SMAPS_ANON, "anon 64 KiB..1 MiB");
	assert_is(A("100000-200000"), "", SMAPS_ANON, "anon 1..16 MiB");
	assert_is(A("1000000-2000000"), "", SMAPS_ANON, "anon 16..256 MiB");
	assert_is(A("10000000-20000000"), "", SMAPS_ANON, "anon 256 MiB..4 GiB");
	assert_is(A("7e0000000000-7e0100000000"), "", SMAPS_ANON, "anon >= 4 GiB");
}

/* A guard below it, of which the kernel says that it was mapped with MAP_STACK, or cannot. */
Test(smaps, a_stack_of_a_thread_has_a_guard_below_it)
{
	static const struct {
		const char *guard, *perms, *guard_flags, *flags;
		bool marks, stack;
	} cases[] = {
		{ "1000-2000", "---p", "mr nh", "rd nh", true, true },
		{ "1000-2000", "---p", "mr", "rd", true, false },
		{ "1000-2000", "---p", "mr", "rd nh", true, false },
		{ "1000-2000", "---p", "mr", "rd", false, true },
		{ "1000-1800", "---p", "mr nh", "rd nh", true, false },
		{ "1000-2000", "r--p", "mr nh", "rd nh", true, false },
	};
	char text[1000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct smaps s;

		snprintf(text, sizeof(text), "%s %s 00000000 00:00 0 \nVmFlags: %s\n"
			"2000-802000 rw-p 00000000 00:00 0 \nRss: 12 kB\nVmFlags: %s\n"
			"802000-902000 rw-p 00000000 00:00 0 \nRss: 4 kB\nVmFlags: rd nh\n",
			cases[i].guard, cases[i].perms, cases[i].guard_flags, cases[i].flags);
		s = parse_with(text, (struct smaps_how){ .marks_stacks = cases[i].marks });
		cr_assert_eq(find(&s, SMAPS_STACK, "[thread stacks]") != NULL, cases[i].stack,
			"case %zu", i);
		cr_assert_eq(s.all.rss, 16 * KIB);
		smaps__clear(&s);
	}
}

/* --- bounds ----------------------------------------------------------------------------------- */

Test(smaps, names_beyond_the_limit_are_one_group_of_their_kind)
{
	char text[100000], *at = text;
	struct smaps s;

	for (int i = 0; i < 500; i++)
		at += sprintf(at, "%x000-%x000 r--p 00000000 fe:00 7   /lib/%d\nRss: 4 kB\n", i + 1,
			i + 2, i % 250);
	at += sprintf(at, "800000-801000 rw-p 00000000 00:00 0   [heap]\nRss: 8 kB\n");
	s = parse_with(text, (struct smaps_how){ .max_groups = 100 });
	cr_assert_eq(s.n, 102);
	cr_assert_rss(&s, SMAPS_FILE, "(other)", 300 * 4 * KIB);
	cr_assert_rss(&s, SMAPS_FILE, "/lib/7", 8 * KIB);
	cr_assert_rss(&s, SMAPS_HEAP, "(other)", 8 * KIB);
	cr_assert_eq(s.all.rss, 500 * 4 * KIB + 8 * KIB);
	smaps__clear(&s);
}

static int count_breaths(void *ctx)
{
	return ++*(int *)ctx > 3 ? -ECANCELED : 0;
}

static uint64_t now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ull + (uint64_t)ts.tv_nsec;
}

/* Through a pipe that is filled as slowly as the kernel does for a process of hundreds of GB. */
static pid_t slow_smaps(int fds[2])
{
	char text[400];
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	pid = fork();
	if (pid)
		return pid;
	close(fds[0]);
	for (unsigned long i = 1;; i++) {
		int n = sprintf(text, "%lx000-%lx000 rw-p 00000000 00:00 0 \nRss: 4 kB\nPss: 4 kB\n", i,
			i + 1);

		if (write(fds[1], text, (size_t)n) != n)
			_exit(0);
		usleep(1000);
	}
}

Test(smaps, a_reading_that_takes_too_long_stops_and_says_how_far_it_came)
{
	struct smaps_how how = { .max_groups = 10 };
	uint64_t from = now_ns(), took;
	struct smaps s;
	int fds[2];
	pid_t pid = slow_smaps(fds);

	close(fds[1]);
	how.deadline_ns = from + 200000000;
	cr_assert_eq(smaps_read_fd(fds[0], &how, &s), 0);
	took = now_ns() - from;
	close(fds[0]);
	cr_assert(took >= 200000000 && took < 2000000000, "%lu", took);
	cr_assert(s.partial);
	cr_assert_gt(s.mappings, 5);
	cr_assert_eq(s.upto, (s.mappings + 1) * 4096);
	cr_assert_eq(s.all.rss, s.mappings * 4 * KIB, "what was half read is not counted");
	smaps__clear(&s);
	waitpid(pid, NULL, 0);
}

Test(smaps, who_is_asked_between_two_reads_can_end_it)
{
	int breaths = 0;
	struct smaps_how how = { .max_groups = 10, .breathe = count_breaths, .ctx = &breaths };
	struct smaps s;
	int fds[2];
	pid_t pid = slow_smaps(fds);

	close(fds[1]);
	cr_assert_eq(smaps_read_fd(fds[0], &how, &s), -ECANCELED);
	cr_assert_eq(breaths, 4);
	cr_assert_eq(s.n, 0);
	close(fds[0]);
	waitpid(pid, NULL, 0);
}

/* --- text that is none ------------------------------------------------------------------------ */

Test(smaps, lines_that_are_not_known_are_passed_over)
{
	struct smaps s = parse("Rss: 7 kB\nnonsense\n12\n1-2\n\n"
			       A(R) "\nRss: 4 kB\nRss\nNew: 9 kB\nRss: x kB\nPss:\t1 kB\nfuture\n");

	cr_assert_eq(s.n, 1);
	cr_assert_eq(s.all.rss, 4 * KIB);
	cr_assert_eq(s.all.pss, 1 * KIB);
	smaps__clear(&s);
	s = parse("");
	cr_assert_eq(s.n, 0);
	cr_assert_eq(s.mappings, 0);
	smaps__clear(&s);
}

Test(smaps, endless_names_and_numbers_do_no_harm)
{
	char *text = malloc(200000);
	struct smaps s;

	memset(text, 'x', 150000);
	memcpy(text, F "/", strlen(F) + 1);
	strcpy(text + 150000, "\nRss: 99999999999999999999 kB\nPss: 4 kB\n");
	s = parse(text);
	cr_assert_eq(s.n, 1);
	cr_assert_lt(strlen(s.groups[0].name), 20001);
	cr_assert_eq(s.all.rss, 0, "no such number");
	cr_assert_eq(s.all.pss, 4 * KIB);
	smaps__clear(&s);
	free(text);
}

/* Under the address sanitizer: nothing is read or written where it should not be. */
Test(smaps, damaged_text_never_harms)
{
	size_t len;
	char *text = scratch_read("tests/data/smaps/mappings.smaps", &len);
	char *copy = malloc(len);
	struct prng rng = { 5 };

	for (int i = 0; i < 300; i++) {
		struct smaps_how how = { .max_groups = 1 + (size_t)i % 40 };
		struct smaps s;
		int fd;

		memcpy(copy, text, len);
		for (uint64_t n = prng__below(&rng, 200); n; n--)
			copy[prng__below(&rng, len)] = (char)prng__next(&rng);
		fd = text_fd(copy, prng__below(&rng, len));
		if (!smaps_read_fd(fd, &how, &s))
			smaps__clear(&s);
		close(fd);
	}
	free(copy);
	free(text);
}

Test(smaps, a_rollup_is_one_or_none)
{
	struct smaps_sums sums;

	cr_assert_eq(smaps_parse_rollup("", &sums), -EBADMSG);
	cr_assert_eq(smaps_parse_rollup("[rollup]", &sums), -EBADMSG);
	cr_assert_eq(smaps_parse_rollup("Rss: 4 kB\n", &sums), -EBADMSG);
	cr_assert_eq(smaps_parse_rollup("1-2 ---p 0 00:00 0 [rollup]\nRss: 4 kB\nShared_Hugetlb: 8 kB\n"
					"Private_Hugetlb: 8 kB\nPrivate_Dirty: 3 kB", &sums), 0);
	cr_assert_eq(sums.rss, 4 * KIB);
	cr_assert_eq(sums.hugetlb, 16 * KIB);
	cr_assert_eq(sums.private_dirty, 3 * KIB);
}

Test(smaps, kinds_have_names_and_names_kinds)
{
	for (unsigned int kind = 0; kind < SMAPS_KINDS; kind++)
		cr_assert_eq(smaps_kind_of(smaps_kind_name(kind)), kind);
	cr_assert_eq(smaps_kind_of("of a newer version"), SMAPS_KINDS);
	cr_assert_null(smaps_kind_name(SMAPS_KINDS));
}

/* --- /proc ------------------------------------------------------------------------------------ */

/* No one else here: what the reader has is what the kernel has. */
Test(smaps, what_this_process_maps_is_found)
{
	struct smaps_how how = { .max_groups = 1000 };
	struct smaps_sums rollup;
	struct smaps s;
	char *block = mmap(NULL, 300 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memset(block, 1, 2 * MIB);
	cr_assert_eq(smaps_read(getpid(), &how, &s), 0);
	cr_assert_eq(smaps_rollup(getpid(), &rollup), 0);
	cr_assert_geq(find(&s, SMAPS_ANON, "anon 256 MiB..4 GiB")->sums.rss, 2 * MIB);
	cr_assert_lt(find(&s, SMAPS_ANON, "anon 256 MiB..4 GiB")->sums.rss, 3 * MIB);
	cr_assert(rollup.rss + MIB > s.all.rss && s.all.rss + MIB > rollup.rss);
	smaps__clear(&s);
	munmap(block, 300 * MIB);
}

Test(smaps, who_is_gone_or_dead_has_none)
{
	struct smaps_how how = { .max_groups = 1000 };
	struct smaps_sums rollup;
	pid_t pid = fork();
	struct smaps s;

	if (!pid)
		_exit(0);
	waitid(P_PID, (id_t)pid, &(siginfo_t){ 0 }, WEXITED | WNOWAIT);
	cr_assert_eq(smaps_read(pid, &how, &s), -ESRCH);
	cr_assert_eq(smaps_rollup(pid, &rollup), -ESRCH);
	waitpid(pid, NULL, 0);
	cr_assert_eq(smaps_read(pid, &how, &s), -ESRCH);
	cr_assert_eq(smaps_rollup(pid, &rollup), -ESRCH);
}
