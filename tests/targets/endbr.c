/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Functions whose first instruction is endbr64 (-fcf-protection=full, see the Makefile) and whose
 * probe goes past it, or must not: recursion, a loop back to the second instruction, a function that
 * another one enters behind it. Compiled as C and as C++.
 */
#include "unharmed.h"

#ifdef __x86_64__

#define FN(name, body)                                                                             \
	__asm__(".text\n.globl " name "\n.type " name ",@function\n" name ":\n.cfi_startproc\n"       \
		"endbr64\n" body "ret\n.cfi_endproc\n.size " name ",.-" name "\n")

#ifdef __cplusplus
extern "C" {
#endif
void touch(void);
long p_counts_down(long n);  /* "1:" is its second instruction */
long p_moves_first(long n);  /* endbr64; mov; push */
long p_entered_behind(long n);
long enters_behind(long n);  /* jumps to the second instruction of it */
long p_jumps_on(long n);     /* endbr64; jmp */
#ifdef __cplusplus
}
#endif

FN("p_counts_down", "1: push %rbx\n.cfi_adjust_cfa_offset 8\nmov %rdi,%rbx\ncall touch\nlea -1(%rbx),%rdi\n"
		    "pop %rbx\n.cfi_adjust_cfa_offset -8\ntest %rdi,%rdi\njg 1b\nmov %rdi,%rax\n");
FN("p_moves_first", "mov %rdi,%rax\npush %rax\n.cfi_adjust_cfa_offset 8\ncall touch\npop %rax\n"
		    ".cfi_adjust_cfa_offset -8\ninc %rax\n");
FN("p_entered_behind", "2: push %rdi\npop %rdi\njmp p_moves_first\n");
FN("enters_behind", "inc %rdi\njmp 2b\n");
FN("p_jumps_on", "jmp p_moves_first\n");

__attribute__((noipa, used)) void touch(void)
{
	grow(1);
}

PROBED long p_recurses(long left)
{
	long v = 0;

	grow(left & 1);
	if (left) {
		tell("p_recurses", "entry", "-");
		v = p_recurses(left - 1) + 1;
		tell("p_recurses", "return", "-");
	}
	return v;
}

static long run(long n)
{
	long sum;

	tell("p_counts_down", "entry", "-");
	sum = p_counts_down(n);
	tell("p_counts_down", "return", "-");
	tell("p_moves_first", "entry", "-");
	sum += p_moves_first(n);
	tell("p_moves_first", "return", "-");
	tell("p_recurses", "entry", "-");
	sum += p_recurses(n);
	tell("p_recurses", "return", "-");
	return sum;
}

static void jump_on(void)
{
	tell("p_jumps_on", "entry", "-");
	tell("p_moves_first", "entry", "-");
	printf("jumped on %ld\n", p_jumps_on(7));
	tell("p_moves_first", "return", "-");
	tell("p_jumps_on", "return", "-");
	tell("p_entered_behind", "entry", "-");
	tell("p_moves_first", "entry", "-");
	printf("jumped on %ld\n", p_entered_behind(8));
	tell("p_moves_first", "return", "-");
	tell("p_entered_behind", "return", "-");
	/* a probe behind the first instruction would see p_entered_behind here */
	tell("p_moves_first", "entry", "-");
	printf("jumped on %ld\n", enters_behind(9));
	tell("p_moves_first", "return", "-");
}

int main(int argc, char **argv)
{
	long sum = 0;

	unharmed_begin(argc, argv);
	if (argc > 3 && !strcmp(argv[3], "jumps"))
		jump_on();
	else
		for (long n = 1; n < 20; n++)
			sum += run(n);
	printf("sum %ld\n", sum);
	return unharmed_end(0);
}

#else
int main(int argc, char **argv)
{
	unharmed_begin(argc, argv);
	return unharmed_end(0);
}
#endif
