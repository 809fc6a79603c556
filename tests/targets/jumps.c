/* SPDX-License-Identifier: GPL-2.0-or-later */
/* longjmp, signal handlers on their own stack, deep recursion, tail calls, and the smallest
 * functions there are. */
#include <setjmp.h>

#include "unharmed.h"

static jmp_buf back;
static sigjmp_buf sigback;
static int leave_handler;

/* --- longjmp --------------------------------------------------------------------------------- */

PROBED int p_jumps(int n)
{
	grow(1);
	if (n & 1)
		longjmp(back, n + 1);
	return n;
}

PROBED int p_calls_jumper(int n)
{
	int v;

	grow(1);
	tell("p_jumps", "entry", "-");
	v = p_jumps(n);
	tell("p_jumps", "return", "-");
	return v;
}

static void jump(void)
{
	volatile long sum = 0;
	volatile int i;
	int v;

	for (i = 0; i < 40; i++) {
		v = setjmp(back);
		if (!v) {
			tell("p_calls_jumper", "entry", "-");
			sum += p_calls_jumper(i);
			tell("p_calls_jumper", "return", "-");
		} else {
			tell("p_jumps", "return", "x");
			tell("p_calls_jumper", "return", "x");
			sum += v;
			grow(i % 3);
		}
	}
	printf("jumped %ld\n", sum);
}

/* --- recursion ------------------------------------------------------------------------------- */

PROBED int p_recurses(int left, int out)
{
	int v;

	if (!(left % 100))
		grow(1);
	if (!left) {
		if (out)
			longjmp(back, 1);
		return 0;
	}
	tell("p_recurses", "entry", "-");
	v = p_recurses(left - 1, out) + 1;
	tell("p_recurses", "return", "-");
	return v;
}

static void recurse(void)
{
	volatile int i;

	tell("p_recurses", "entry", "-");
	printf("recursed %d\n", p_recurses(999, 0));
	tell("p_recurses", "return", "-");
	if (!setjmp(back)) {
		tell("p_recurses", "entry", "-");
		p_recurses(999, 1);
	}
	for (i = 0; i < 1000; i++)
		tell("p_recurses", "return", "x");
	grow(1);
	printf("left at the bottom\n");
}

/* --- signals on a stack of their own --------------------------------------------------------- */

PROBED int p_handles(int n)
{
	grow(1);
	if (leave_handler)
		siglongjmp(sigback, 1);
	return n + 1;
}

static void on_signal(int sig)
{
	tell("p_handles", "entry", "-");
	if (p_handles(sig) != sig + 1)
		_exit(97);
	tell("p_handles", "return", "-");
	grow(1);
}

PROBED int p_is_interrupted(int n)
{
	grow(1);
	raise(SIGUSR2);
	grow(1);
	return n * 2;
}

PROBED int p_after(int n)
{
	grow(1);
	return n - 1;
}

static void handle(void)
{
	static char stack[64 << 10];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
	volatile int sum = 0, i;

	memset(stack, 1, sizeof(stack));
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (i = 0; i < 20; i++) {
		leave_handler = i & 1;
		if (!sigsetjmp(sigback, 1)) {
			tell("p_is_interrupted", "entry", "-");
			sum += p_is_interrupted(i);
			tell("p_is_interrupted", "return", "-");
		} else {
			tell("p_handles", "return", "x");
			tell("p_is_interrupted", "return", "x");
			grow(1);
		}
		tell("p_after", "entry", "-");
		sum += p_after(i);
		tell("p_after", "return", "-");
	}
	printf("handled %d\n", sum);
}

/* Nothing but the kernel comes between the end of p_after and the handler, which grows: no call
 * that would leave its mark where p_after returned to. */
static void on_quiet_signal(int sig)
{
	grow(sig == SIGUSR2 ? 3 : 1);
}

static void interrupt_quietly(void)
{
	static char stack[64 << 10];
	stack_t ss = {.ss_sp = stack, .ss_size = sizeof(stack)};
	struct sigaction sa = {.sa_handler = on_quiet_signal, .sa_flags = SA_ONSTACK};
	long pid = getpid(), ret;
	int sum = 0;

	memset(stack, 1, sizeof(stack));
	sigaltstack(&ss, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	for (int i = 0; i < 20; i++) {
		tell("p_after", "entry", "-");
		tell("p_after", "return", "?");
		sum += p_after(i);
		asm volatile("syscall"
			     : "=a"(ret)
			     : "a"(SYS_kill), "D"(pid), "S"(SIGUSR2)
			     : "rcx", "r11", "memory");
		sum += ret;
	}
	printf("interrupted %d\n", sum);
}

/* --- tail calls ------------------------------------------------------------------------------ */

PROBED int p_tail_end(int n)
{
	grow(1);
	return n * 3;
}

PROBED int p_tail_middle(int n)
{
	grow(1);
	return p_tail_end(n + 1);
}

PROBED int p_tail(int n)
{
	grow(1);
	return p_tail_middle(n + 1);
}

__attribute__((noipa)) static int plain(int n)
{
	grow(2);
	return n + 5;
}

/* Its callee is not probed, so its end is noticed later. */
PROBED int p_tail_out(int n)
{
	grow(1);
	return plain(n);
}

/* Returns in one way, jumps away in another. */
PROBED int p_tail_or_not(int n)
{
	grow(1);
	if (n & 1)
		return p_tail_end(n);
	tell("p_after", "entry", "-");
	n = p_after(n);
	tell("p_after", "return", "-");
	return n + 1;
}

static void tell_tail(const char *f, const char *g, const char *h)
{
	tell(h, "return", "-");
	tell(g, "return", "-");
	if (f)
		tell(f, "return", "-");
}

#define CALL(sum, f, n)                                                                            \
	do {                                                                                       \
		tell(#f, "entry", "-");                                                            \
		sum += f(n);                                                                       \
		tell(#f, "return", "-");                                                           \
	} while (0)

/* An event loop: one call instruction for all handlers, some of which end in a jump. */
static void dispatch(void)
{
	int (*const handlers[])(int) = {p_tail_out, p_after, p_tail_end};
	static const char *const names[] = {"p_tail_out", "p_after", "p_tail_end"};
	int sum = 0;

	for (int i = 0; i < 60; i++) {
		tell(names[i % 3], "entry", "-");
		sum += handlers[i % 3](i);
		tell(names[i % 3], "return", "-");
		grow(i % 2);
	}
	printf("dispatched %d\n", sum);
}

static void tail(void)
{
	int sum = 0;

	for (int i = 0; i < 20; i++) {
		/* entered in a row, with pages between them: only the first value is known here */
		tell("p_tail", "entry", "-");
		tell("p_tail_middle", "entry", "?");
		tell("p_tail_end", "entry", "?");
		sum += p_tail(i);
		tell_tail("p_tail", "p_tail_middle", "p_tail_end");
		CALL(sum, p_tail_out, i);
		grow(1);
		tell("p_tail_or_not", "entry", "-");
		if (i & 1)
			tell("p_tail_end", "entry", "?");
		sum += p_tail_or_not(i);
		if (i & 1)
			tell_tail(NULL, "p_tail_or_not", "p_tail_end");
		else
			tell("p_tail_or_not", "return", "-");
	}
	printf("tails %d\n", sum);
}

/* --- one instruction ------------------------------------------------------------------------- */

#define ASM_FUNCTION(name, body)                                                                   \
	asm(".pushsection .text; .globl " name "; .type " name ",@function; " name ": " body       \
	    "; .size " name ", .-" name "; .popsection")

ASM_FUNCTION("p_one_ret", "ret");
ASM_FUNCTION("p_one_jmp", "jmp p_tail_end");
ASM_FUNCTION("p_jmp_to_ret", "jmp p_one_ret");
ASM_FUNCTION("p_jmp_out", "jmp plain_for_asm");
ASM_FUNCTION("p_jmp_got", "jmp *plain_slot(%rip)");

int p_one_ret(int n), p_one_jmp(int n), p_jmp_to_ret(int n), p_jmp_out(int n), p_jmp_got(int n);

__attribute__((noipa)) int plain_for_asm(int n)
{
	return plain(n) + 1;
}

int (*plain_slot)(int) = plain_for_asm;

static void smallest(void)
{
	int sum = 0;

	for (int i = 0; i < 20; i++) {
		tell("p_one_ret", "entry", "-");
		tell("p_one_ret", "return", "-");
		p_one_ret(i);
		tell("p_one_jmp", "entry", "-");
		tell("p_tail_end", "entry", "-");
		sum += p_one_jmp(i);
		tell_tail(NULL, "p_one_jmp", "p_tail_end");
		tell("p_jmp_to_ret", "entry", "-");
		tell("p_one_ret", "entry", "-");
		tell("p_one_ret", "return", "-");
		tell("p_jmp_to_ret", "return", "-");
		p_jmp_to_ret(i);
		CALL(sum, p_jmp_out, i);
		CALL(sum, p_jmp_got, i);
		grow(1);
	}
	printf("smallest %d\n", sum);
}

int main(int argc, char **argv)
{
	const char *how = argc > 3 ? argv[3] : "";

	unharmed_begin(argc, argv);
	if (!strcmp(how, "longjmp"))
		jump();
	else if (!strcmp(how, "recursion"))
		recurse();
	else if (!strcmp(how, "signals"))
		handle();
	else if (!strcmp(how, "quiet-signals"))
		interrupt_quietly();
	else if (!strcmp(how, "tails"))
		tail();
	else if (!strcmp(how, "dispatch"))
		dispatch();
	else
		smallest();
	return unharmed_end(6);
}
