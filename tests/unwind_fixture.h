/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Programs that tell their own registers and stack: they call snap(), which writes both to its
 * standard output, and then wait to be ended.
 */
#ifndef UNWIND_FIXTURE_H
#define UNWIND_FIXTURE_H

#include "elf_fixture.h"

#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "unwind.h"

static const char snap_source[] =
	"#include <stdint.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
	"extern void *__libc_stack_end;\n"
	"uint64_t snap_regs[8];\n"
	"__attribute__((used)) void snap_tell(void)\n"
	"{\n"
	"	uint64_t len = (char *)__libc_stack_end - (char *)snap_regs[1];\n"
	"	if (write(1, snap_regs, 64) != 64 || write(1, &len, 8) != 8 ||\n"
	"		write(1, (void *)snap_regs[1], len) != (ssize_t)len)\n"
	"		abort();\n"
	"	for (;;)\n"
	"		pause();\n"
	"}\n"
	"__asm__(\".globl snap\\n.type snap,@function\\nsnap:\\n.cfi_startproc\\n\"\n"
	"	\"lea snap(%rip),%rax\\nmov %rax,snap_regs(%rip)\\n\"\n"
	"	\"mov %rsp,snap_regs+8(%rip)\\n\"\n"
	"	\"mov %rbp,snap_regs+16(%rip)\\nmov %rbx,snap_regs+24(%rip)\\n\"\n"
	"	\"mov %r12,snap_regs+32(%rip)\\nmov %r13,snap_regs+40(%rip)\\n\"\n"
	"	\"mov %r14,snap_regs+48(%rip)\\nmov %r15,snap_regs+56(%rip)\\njmp snap_tell\\n\"\n"
	"	\".cfi_endproc\\n.size snap,.-snap\\n\");\n";

static const char chain_source[] =
	"#include <dlfcn.h>\n#include <signal.h>\n#include <stdlib.h>\n#include <string.h>\n"
	"#include <unistd.h>\n"
	"extern void snap(void);\n"
	"#define FAR __attribute__((noinline, noclone))\n"
	"#define KEEP __asm__ volatile(\"\" ::: \"memory\")\n"
	"static FAR int inner(int n) { snap(); /* INNER */\n"
	"	KEEP; return n + 1; }\n"
	"static inline __attribute__((always_inline)) int folded(int n) {\n"
	"	n = inner(n) + 3; /* FOLDED */\n"
	"	KEEP; return n; }\n"
	"static FAR int middle(int n) { char v[200]; memset(v, n, sizeof(v));\n"
	"	__asm__ volatile(\"\" :: \"r\"(v) : \"memory\", \"rbx\", \"r12\", \"r13\");\n"
	"	n = folded(n + v[7]); /* MIDDLE */\n"
	"	KEEP; return n; }\n"
	"FAR int outer(int n) { n = middle(n) * 2; /* OUTER */\n"
	"	KEEP; return n; }\n"
	"FAR int recurse(int n) { n = n ? recurse(n - 1) : inner(n);\n"
	"	KEEP; return n + 1; }\n"
	"static void handler(int sig) { inner(sig); KEEP; }\n"
	"static int late(void) { char c; int (*entry)(void (*)(void)); void *lib;\n"
	"	if (write(1, \"r\", 1) != 1 || read(0, &c, 1) != 1) abort();\n"
	"	lib = dlopen(getenv(\"LATE\"), RTLD_NOW);\n"
	"	entry = (int (*)(void (*)(void)))dlsym(lib, \"late_entry\");\n"
	"	return entry(snap) + 1; }\n"
	"int main(int argc, char **argv) { int n = argc;\n"
	"	if (!strcmp(argv[1], \"deep\")) n = recurse(100);\n"
	"	else if (!strcmp(argv[1], \"late\")) n = late();\n"
	"	else if (!strcmp(argv[1], \"signal\")) {\n"
	"		signal(SIGUSR1, handler); raise(SIGUSR1); }\n"
	"	else n = outer(n); /* MAIN */\n"
	"	KEEP; return n; }\n";

static const char late_source[] =
	"static __attribute__((noinline)) int hidden(void (*fn)(void)) { char v[64];\n"
	"	__asm__ volatile(\"\" :: \"r\"(v) : \"memory\", \"rbx\");\n"
	"	fn(); __asm__ volatile(\"\" ::: \"memory\"); return v[3]; }\n"
	"int late_entry(void (*fn)(void)) { return hidden(fn) + 1; }\n";

static const char cxx_source[] =
	"extern \"C\" void snap(void);\n"
	"#define FAR __attribute__((noinline, noclone))\n"
	"#define KEEP __asm__ volatile(\"\" ::: \"memory\")\n"
	"namespace shop { template <typename T> struct Cart {\n"
	"	FAR int add(T v) { snap(); KEEP; return v; }\n"
	"	FAR int fill(const char *) { int n = add(7); KEEP; return n; } }; }\n"
	"namespace { FAR int unseen(shop::Cart<int> &c) {\n"
	"	int n = c.fill(\"x\"); KEEP; return n; } }\n"
	"int main() { shop::Cart<int> c; int n = unseen(c); KEEP; return n; }\n";

/* What a program told, while it waits. */
struct told {
	pid_t pid;
	int in, out; /* to it and from it */
	struct unwind_sample sample;
	char *stack;
};

static __attribute__((unused)) struct told start_program(const char *name, const char *mode)
{
	struct told t = { 0 };
	int to[2], from[2];

	cr_assert_eq(pipe2(to, O_CLOEXEC) | pipe2(from, O_CLOEXEC), 0);
	t.pid = fork();
	cr_assert_geq(t.pid, 0);
	if (!t.pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(to[0], 0);
		dup2(from[1], 1);
		execl(path_of(name), name, mode, NULL);
		_exit(127);
	}
	close(to[0]);
	close(from[1]);
	t.in = to[1];
	t.out = from[0];
	return t;
}

static __attribute__((unused)) void read_exactly(int fd, void *buf, size_t len)
{
	ssize_t n;

	for (char *at = buf; len; at += n, len -= n) {
		n = read(fd, at, len);
		cr_assert_gt(n, 0, "the program told nothing");
	}
}

static __attribute__((unused)) void hear(struct told *t)
{
	uint64_t regs[8], len;

	read_exactly(t->out, regs, sizeof(regs));
	read_exactly(t->out, &len, sizeof(len));
	cr_assert_leq(len, 1 << 20);
	t->stack = malloc(len);
	read_exactly(t->out, t->stack, len);
	t->sample = (struct unwind_sample){ .pid = t->pid, .stack = t->stack, .len = len };
	t->sample.regs = (struct unwind_regs){ .ip = regs[0], .sp = regs[1], .fp = regs[2],
		.saved = { regs[3], regs[4], regs[5], regs[6], regs[7] } };
}

static __attribute__((unused)) struct told told_by(const char *name, const char *mode)
{
	struct told t = start_program(name, mode);

	hear(&t);
	return t;
}

static __attribute__((unused)) void end_program(struct told *t)
{
	kill(t->pid, SIGKILL);
	waitpid(t->pid, NULL, 0);
	close(t->in);
	close(t->out);
	free(t->stack);
}

static __attribute__((unused)) void make_program(const char *flags)
{
	write_file("snap.c", snap_source, strlen(snap_source));
	write_file("chain.c", chain_source, strlen(chain_source));
	run("gcc -O2 -fomit-frame-pointer -fasynchronous-unwind-tables -c snap.c -o snap.o");
	run("gcc -O2 -D_GNU_SOURCE %s -Wl,--build-id chain.c snap.o -o chain", flags);
}

#endif
