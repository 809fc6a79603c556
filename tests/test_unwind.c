/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "unwind_fixture.h"

#include <errno.h>
#include <time.h>

#if defined(__x86_64__) /* the programs are written for it */

TestSuite(unwind, .init = make_dir, .fini = remove_dir, .timeout = 120);

#define OMIT "-g -fomit-frame-pointer"

static struct unwind_frame frames[UNWIND_MAX_FRAMES * 2];

static int line_of(const char *source, const char *mark)
{
	const char *at = strstr(source, mark);
	int line = 1;

	cr_assert(at);
	for (const char *p = source; p < at; p++)
		line += *p == '\n';
	return line;
}

/* The frames as "snap inner middle ...", those that are guessed with a "?". */
static const char *names_of(struct unwinder *u, const struct unwind_frame *f, int n)
{
	static char text[16384];
	const struct unwind_symbol *s;
	size_t len = 0;

	text[0] = '\0';
	for (int i = 0; i < n; i++) {
		s = unwinder__symbol(u, f[i].id);
		len += snprintf(text + len, sizeof(text) - len, "%s%s%s", i ? " " : "",
			s->name ? s->name : "-", f[i].flags & UNWIND_GUESSED ? "?" : "");
	}
	return text;
}

static void expect(struct unwinder *u, const struct unwind_sample *s, const char *want,
	enum unwind_end want_end)
{
	enum unwind_end end;
	const char *got;
	int n;

	n = unwinder__unwind(u, s, frames, UNWIND_MAX_FRAMES, &end);
	cr_assert_gt(n, 0);
	got = names_of(u, frames, n);
	cr_assert_eq(strncmp(got, want, strlen(want)), 0, "%s\nis not\n%s", got, want);
	cr_assert_eq(end, want_end, "%s after %s", unwind_end_name(end), got);
}

Test(unwind, finds_each_caller_with_its_line_without_frame_pointers)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	const struct unwind_symbol *s;
	struct told t;

	make_program(OMIT);
	t = told_by("chain", "chain");
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	s = unwinder__symbol(u, frames[1].id);
	cr_assert_str_eq(s->module, path_of("chain"));
	cr_assert_eq(s->n_places, 1);
	cr_assert_eq((int)s->places[0].line, line_of(chain_source, "/* INNER"));
	cr_assert_str_eq(strrchr(s->places[0].file, '/'), "/chain.c");
	cr_assert_gt(s->into, 0);
	cr_assert_lt(s->into, 64);
	s = unwinder__symbol(u, frames[2].id);
	cr_assert_eq(s->n_places, 2, "folded is inlined into middle");
	cr_assert_str_eq(s->places[0].name, "folded");
	cr_assert_eq((int)s->places[0].line, line_of(chain_source, "/* FOLDED"));
	cr_assert_str_eq(s->places[1].name, "middle");
	cr_assert_eq((int)s->places[1].line, line_of(chain_source, "/* MIDDLE"));
	s = unwinder__symbol(u, frames[3].id);
	cr_assert_eq((int)s->places[0].line, line_of(chain_source, "/* OUTER"));
	s = unwinder__symbol(u, frames[4].id);
	cr_assert_eq((int)s->places[0].line, line_of(chain_source, "/* MAIN"));
	cr_assert(frames[0].flags & UNWIND_INTERRUPTED);
	cr_assert_eq(frames[1].flags, 0);
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, needs_no_more_than_eh_frame_of_a_stripped_program)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	enum unwind_end end;
	struct told t;
	int n, full;

	make_program(OMIT);
	t = told_by("chain", "chain");
	full = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	end_program(&t);
	run("strip chain");
	t = told_by("chain", "chain");
	n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	cr_assert_eq(n, full);
	cr_assert_eq(end, UNWIND_COMPLETE);
	for (int i = 0; i < 5; i++) {
		cr_assert_eq(frames[i].flags & ~UNWIND_INTERRUPTED, 0);
		cr_assert_null(unwinder__symbol(u, frames[i].id)->name);
		cr_assert_str_eq(unwinder__symbol(u, frames[i].id)->module, path_of("chain"));
	}
	cr_assert_not_null(unwinder__symbol(u, frames[n - 2].id)->name, "libc's are known");
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, takes_debug_frame_and_without_any_table_frame_pointers)
{
	static const char *const flags[] = {
		"-g -fomit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables",
		"-fno-omit-frame-pointer -fno-asynchronous-unwind-tables -fno-unwind-tables",
	};
	struct unwinder *u;
	struct told t;

	for (int i = 0; i < 2; i++) {
		u = unwinder__new(procfs_maps);
		make_program(flags[i]);
		t = told_by("chain", "chain");
		expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
		cr_assert_eq(!!(frames[3].flags & UNWIND_BY_POINTER), i);
		end_program(&t);
		unwinder__free(u);
	}
}

Test(unwind, follows_a_recursion_to_its_end_and_to_the_end_of_the_room)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	enum unwind_end end;
	struct told t;
	int n, same = 0;

	make_program(OMIT " -fno-optimize-sibling-calls -fno-inline");
	t = told_by("chain", "deep");
	n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	cr_assert_eq(end, UNWIND_COMPLETE);
	for (int i = 0; i < n; i++)
		same += !strcmp(unwinder__symbol(u, frames[i].id)->name ?: "", "recurse");
	cr_assert_eq(same, 101);
	n = unwinder__unwind(u, &t.sample, frames, 50, &end);
	cr_assert_eq(n, 50);
	cr_assert_eq(end, UNWIND_FULL);
	cr_assert_leq(unwinder__stats(u).places, 20, "a place that comes again is one");
	cr_assert_geq(unwinder__stats(u).places, 6);
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, names_cxx_functions_as_they_are_written)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	struct told t;

	write_file("snap.c", snap_source, strlen(snap_source));
	write_file("cart.cc", cxx_source, strlen(cxx_source));
	run("gcc -O2 -c snap.c && g++ -O2 -g -fomit-frame-pointer cart.cc snap.o -o cart");
	t = told_by("cart", "");
	expect(u, &t.sample, "snap shop::Cart<int>::add(int) shop::Cart<int>::fill(char const*) "
		"(anonymous namespace)::unseen(shop::Cart<int>&) main ", UNWIND_COMPLETE);
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, goes_on_through_a_signal)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	enum unwind_end end;
	struct told t;
	const char *got;
	int n;

	make_program(OMIT);
	t = told_by("chain", "signal");
	n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	got = names_of(u, frames, n);
	cr_assert_eq(end, UNWIND_COMPLETE, "%s", got);
	cr_assert_eq(strncmp(got, "snap inner handler ", 19), 0, "%s", got);
	cr_assert(strstr(got, "raise main "), "%s", got);
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, finds_a_library_that_was_loaded_later)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	const char *got;
	struct told t;
	enum unwind_end end;
	char c;
	int n;

	make_program(OMIT " -ldl");
	write_file("late.c", late_source, strlen(late_source));
	run("gcc -O2 -fomit-frame-pointer -shared -fPIC late.c -o late.so && strip late.so");
	setenv("LATE", path_of("late.so"), 1);
	t = start_program("chain", "late");
	read_exactly(t.out, &c, 1);
	cr_assert_eq(unwinder__learn(u, t.pid, 0), 0);
	usleep(50000);
	cr_assert_eq(write(t.in, "x", 1), 1);
	hear(&t);
	n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	got = names_of(u, frames, n);
	cr_assert_eq(end, UNWIND_COMPLETE, "%s", got);
	cr_assert_eq(strncmp(got, "snap - late_entry main ", 23), 0, "%s", got);
	cr_assert_str_eq(unwinder__symbol(u, frames[1].id)->module, path_of("late.so"));
	cr_assert_eq(unwinder__stats(u).maps_read, 2);
	unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	cr_assert_eq(unwinder__stats(u).maps_read, 2, "what is known is not read again");
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, is_not_deceived_by_a_file_that_took_the_place_of_the_mapped_one)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	struct told t;

	make_program(OMIT);
	t = told_by("chain", "chain");
	run("cp /bin/true new && mv new chain");
	/* /proc/PID/exe still leads to the old one */
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, says_so_when_the_copy_is_cut_short)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	enum unwind_end end;
	struct told t;
	int n, last = 0;
	size_t whole;

	make_program(OMIT);
	t = told_by("chain", "chain");
	whole = t.sample.len;
	for (size_t len = 0; len < 400; len += 3) {
		t.sample.len = len;
		n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
		cr_assert_geq(n, last);
		cr_assert_leq(n, last + 1);
		cr_assert_eq(end, UNWIND_TRUNCATED, "%zu", len);
		last = n;
	}
	cr_assert_geq(last, 4);
	t.sample.len = whole;
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	end_program(&t);
	unwinder__free(u);
}

/* Where the k-th return address lies on the stack. */
static uint64_t *slot_of(const struct told *t, int k)
{
	uint64_t *p = (uint64_t *)t->stack;

	while (*p != frames[k].pc)
		cr_assert_lt((char *)++p, t->stack + t->sample.len);
	return p;
}

#define TRAMPOLINE 0x7fffffffe000ull

static int with_uprobes(pid_t pid, procfs_map_fn *fn, void *ctx)
{
	const struct procfs_map map = { .start = TRAMPOLINE, .end = TRAMPOLINE + 4096,
		.exec = true, .path = "[uprobes]" };
	int err = procfs_maps(pid, fn, ctx);

	return err ? err : fn(ctx, &map);
}

Test(unwind, finds_the_function_that_hides_behind_a_return_breakpoint)
{
	static const char *const hidden[] = {
		"snap inner middle? outer main __libc_start_call_main ",
		"snap inner middle outer? main __libc_start_call_main ",
		/* main is called by a pointer: it can be anything */
		"snap inner middle outer [uretprobe]? __libc_start_call_main? ",
	};
	struct unwinder *u = unwinder__new(with_uprobes);
	struct unwind_return was;
	enum unwind_end end;
	struct told t;
	uint64_t *slot;

	make_program(OMIT);
	t = told_by("chain", "chain");
	for (int k = 2; k <= 4; k++) {
		unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
		slot = slot_of(&t, k);
		was = (struct unwind_return){
			t.sample.regs.sp + ((char *)slot - t.stack), *slot };
		*slot = TRAMPOLINE;
		expect(u, &t.sample, hidden[k - 2], UNWIND_COMPLETE);
		cr_assert_eq(frames[k].pc, k == 4 ? TRAMPOLINE : was.addr, "even the very call");
		t.sample.returns = &was;
		t.sample.n_returns = 1;
		expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
		t.sample.returns = NULL;
		t.sample.n_returns = 0;
		*slot = was.addr;
	}
	end_program(&t);
	unwinder__free(u);
}

static struct { uint64_t start; } lie;

/* Code of the program is said to be generated. */
static int on_lied(void *ctx, const struct procfs_map *map)
{
	struct { procfs_map_fn *fn; void *ctx; } *to = ctx;
	struct procfs_map anon = *map;

	if (lie.start >= map->start && lie.start < map->end) {
		anon.inode = 0;
		anon.path = "";
	}
	return to->fn(to->ctx, &anon);
}

static int lying_maps(pid_t pid, procfs_map_fn *fn, void *ctx)
{
	struct { procfs_map_fn *fn; void *ctx; } to = { fn, ctx };

	return procfs_maps(pid, on_lied, &to);
}

Test(unwind, ends_in_generated_code)
{
	struct unwinder *u = unwinder__new(procfs_maps), *v = unwinder__new(lying_maps);
	enum unwind_end end;
	struct told t;
	int n;

	make_program(OMIT);
	t = told_by("chain", "chain");
	n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	lie.start = frames[5].pc; /* in libc */
	n = unwinder__unwind(v, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
	cr_assert_eq(n, 6);
	cr_assert_eq(end, UNWIND_ANON);
	cr_assert_str_eq(names_of(v, frames, n), "snap inner middle outer main [anon]");
	end_program(&t);
	unwinder__free(u);
	unwinder__free(v);
}

static uint64_t state = 88172645463325252ull;

static uint64_t any(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	return state ^= state << 17;
}

static int wild_map(void *ctx, const struct procfs_map *map)
{
	struct { procfs_map_fn *fn; void *ctx; } *to = ctx;
	struct procfs_map m = *map;

	switch (any() % 8) {
	case 0:
		m.offset = any();
		break;
	case 1:
		m.end = any();
		break;
	case 2:
		m.inode = any() % 3;
		break;
	case 3:
		m.exec = true;
		break;
	}
	return to->fn(to->ctx, &m);
}

static int wild_maps(pid_t pid, procfs_map_fn *fn, void *ctx)
{
	struct { procfs_map_fn *fn; void *ctx; } to = { fn, ctx };

	return procfs_maps(pid, wild_map, &to);
}

Test(unwind, survives_maps_registers_and_stacks_that_are_garbage)
{
	struct unwinder *u = unwinder__new(procfs_maps), *w;
	struct unwind_sample wild;
	enum unwind_end end;
	struct told t;
	char *stack;
	int n;

	make_program(OMIT);
	t = told_by("chain", "chain");
	stack = malloc(t.sample.len);
	for (int i = 0; i < 3000; i++) {
		wild = t.sample;
		wild.stack = memcpy(stack, t.stack, t.sample.len);
		for (int k = any() % 20; k; k--)
			((uint64_t *)stack)[any() % 60] =
				any() % 2 ? any() : t.sample.regs.ip + any() % 4096;
		if (i % 3 == 0)
			wild.regs.ip += any() % 8192;
		if (i % 5 == 0)
			wild.regs.sp = any();
		wild.regs.fp = wild.regs.sp + any() % 512;
		n = unwinder__unwind(u, &wild, frames, UNWIND_MAX_FRAMES, &end);
		cr_assert_gt(n, 0);
		cr_assert_leq(n, UNWIND_MAX_FRAMES);
	}
	for (int i = 0; i < 50; i++) {
		w = unwinder__new(wild_maps);
		n = unwinder__unwind(w, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
		cr_assert_leq(n, UNWIND_MAX_FRAMES);
		for (int k = 0; k < n; k++)
			cr_assert_not_null(unwinder__symbol(w, frames[k].id));
		unwinder__free(w);
	}
	cr_assert_eq(unwinder__unwind(u, &t.sample, frames, 0, &end), -EINVAL);
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	free(stack);
	end_program(&t);
	unwinder__free(u);
}

/* Puts another file in the place of the program, under a range that has no link in map_files. */
static int on_damaged(void *ctx, const struct procfs_map *map)
{
	struct { procfs_map_fn *fn; void *ctx; } *to = ctx;
	struct procfs_map m = *map;
	struct stat st;

	if (!strcmp(map->path, path_of("chain"))) {
		m.path = path_of("kept");
		cr_assert_eq(stat(m.path, &st), 0);
		m.inode = st.st_ino;
		m.end -= m.exec;
	}
	return to->fn(to->ctx, &m);
}

static int damaged_maps(pid_t pid, procfs_map_fn *fn, void *ctx)
{
	struct { procfs_map_fn *fn; void *ctx; } to = { fn, ctx };

	return procfs_maps(pid, on_damaged, &to);
}

/* Whatever is in the file, it is the process forked for names that suffers. */
Test(unwind, survives_files_that_are_damaged)
{
	struct unwinder *u;
	enum unwind_end end;
	struct told t;
	char *file, *bad;
	size_t len;
	int n, whole = 0;

	make_program(OMIT);
	file = read_whole(path_of("chain"), &len);
	bad = malloc(len);
	t = told_by("chain", "chain");
	for (int i = 0; i < 60; i++) {
		memcpy(bad, file, len);
		for (int k = 0; i && k < 200; k++)
			bad[0x1000 + any() % (len - 0x1000)] = any();
		write_file("kept", bad, len);
		u = unwinder__new(damaged_maps);
		n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
		cr_assert_gt(n, 0);
		names_of(u, frames, n);
		cr_assert_str_eq(unwinder__symbol(u, frames[0].id)->module ?: "", path_of("kept"));
		whole += end == UNWIND_COMPLETE;
		unwinder__free(u);
	}
	cr_assert_geq(whole, 1, "the undamaged one is read");
	free(file);
	free(bad);
	end_program(&t);
}

static char copy[64];
static pid_t real_pid;

/* Each pid has a copy of its own of the program. */
static int on_copied(void *ctx, const struct procfs_map *map)
{
	struct { procfs_map_fn *fn; void *ctx; } *to = ctx;
	struct procfs_map m = *map;
	struct stat st;

	if (!strcmp(map->path, path_of("chain"))) {
		m.path = path_of(copy);
		cr_assert_eq(stat(m.path, &st), 0);
		m.inode = st.st_ino;
	}
	return to->fn(to->ctx, &m);
}

static int copied_maps(pid_t pid, procfs_map_fn *fn, void *ctx)
{
	struct { procfs_map_fn *fn; void *ctx; } to = { fn, ctx };

	snprintf(copy, sizeof(copy), "copy%d", pid - (1 << 30));
	return procfs_maps(real_pid, on_copied, &to);
}

Test(unwind, keeps_a_bounded_number_of_files_open_and_knows_the_others_still)
{
	struct unwinder *u = unwinder__new(copied_maps);
	enum unwind_end end;
	uint32_t first = 0;
	struct told t;
	int n;

	make_program(OMIT);
	run("for i in $(seq 0 299); do cp chain copy$i; done");
	t = told_by("chain", "chain");
	real_pid = t.pid;
	for (int i = 0; i < 300; i++) {
		t.sample.pid = (1 << 30) + i; /* there is no such process */
		n = unwinder__unwind(u, &t.sample, frames, UNWIND_MAX_FRAMES, &end);
		cr_assert_geq(n, 7);
		cr_assert_eq(end, UNWIND_COMPLETE);
		cr_assert(!i || frames[1].id != first, "they are different files");
		first = i ? first : frames[1].id;
	}
	cr_assert_leq(unwinder__stats(u).files_open, 256);
	cr_assert_geq(unwinder__stats(u).files_open, 200);
	cr_assert_str_eq(unwinder__symbol(u, first)->name, "inner");
	cr_assert_str_eq(unwinder__symbol(u, first)->module, path_of("copy0"));
	t.sample.pid = 1 << 30;
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	cr_assert_eq(frames[1].id, first, "it was opened again");
	end_program(&t);
	unwinder__free(u);
}

Test(unwind, tells_a_pid_that_is_used_again_and_one_that_is_gone)
{
	struct unwinder *u = unwinder__new(procfs_maps);
	enum unwind_end end;
	struct told t;

	make_program(OMIT);
	t = told_by("chain", "chain");
	t.sample.start = 5;
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	kill(t.pid, SIGKILL);
	waitpid(t.pid, NULL, 0);
	expect(u, &t.sample, "snap inner middle outer main ", UNWIND_COMPLETE);
	t.sample.start = 6;
	cr_assert_eq(unwinder__unwind(u, &t.sample, frames, 9, &end), -ESRCH);
	t.sample.start = 5;
	cr_assert_eq(unwinder__unwind(u, &t.sample, frames, 9, &end), -ESRCH, "it was forgotten");
	close(t.in);
	close(t.out);
	free(t.stack);
	unwinder__free(u);
}

#endif
