/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Where functions are probed: disasm_entry.c. */
#include "elf_fixture.h"

#include "disasm.h"

TestSuite(entry, .init = make_dir, .fini = remove_dir, .timeout = 120);

#ifdef __x86_64__

#define FN(name, body)                                                                             \
	".globl " name "\n.type " name ",@function\n" name ":\n.cfi_startproc\n" body               \
	"\n.cfi_endproc\n.size " name ",.-" name "\n"

static struct elf_file *assemble(const char *text)
{
	FILE *f = fopen(path_of("a.s"), "w");

	fprintf(f, ".text\n%s.section .note.GNU-stack,\"\",@progbits\n", text);
	fclose(f);
	run("cc -shared -nostdlib -o a.so a.s");
	return open_elf(path_of("a.so"), dir);
}

static void expect(struct elf_file *elf, const char *name, unsigned int skip)
{
	struct found *f = find(elf, name);
	struct entry_site s;

	cr_assert_eq(f->n, 1, "%s", name);
	s = (struct entry_site){.addr = f->f[0].addr, .size = f->f[0].size};
	cr_assert_eq(disasm_entries(elf, &s, 1), 0);
	cr_expect_eq(s.skip, skip, "%s: %u", name, s.skip);
}

Test(entry, goes_past_what_touches_free_registers_only)
{
	struct elf_file *elf = assemble(
		FN("cet", "endbr64\npush %rbp\npop %rbp\nret")
		FN("pushes", "push %rbp\npop %rbp\nret")
		FN("copies", "endbr64\nmov %rdi,%rax\npush %rbx\npop %rbx\nret")
		FN("from_rsi", "mov %rsi,%rax\nmov %rsp,%r10\npush %rbx\npop %rbx\nret")
		FN("computes", "xor %eax,%eax\nlea 8(%rdi,%rsi,4),%r10\nsub $3,%r11\npush %r12\n"
			       "pop %r12\nret")
		FN("tests", "endbr64\ntest %rdi,%rdi\nje 1f\ninc %eax\n1: ret")
		FN("nops", ".byte 0x0f,0x1f,0x40,0x08\npush %rbp\npop %rbp\nret")
		FN("tails", "endbr64\njmp ext@PLT")
		FN("refused", ".byte 0x66,0x2e,0x0f,0x1f,0x84,0,0,0,0,0\npush %rbp\npop %rbp\nret"));

	expect(elf, "cet", 4);
	expect(elf, "pushes", 0);
	expect(elf, "copies", 7);
	expect(elf, "from_rsi", 6);
	expect(elf, "computes", 11);
	expect(elf, "tests", 7);
	expect(elf, "nops", 4);
	expect(elf, "tails", 4);
	expect(elf, "refused", 10);
	elf__close(elf);
}

Test(entry, stays_before_what_could_be_told_apart)
{
	struct elf_file *elf = assemble(
		FN("loads", "endbr64\nmov (%rdi),%rax\npush %rbp\npop %rbp\nret")
		FN("stores", "endbr64\nmovl $0,(%rdi)\npush %rbp\npop %rbp\nret")
		FN("guards", "endbr64\nmov %fs:40,%rax\npush %rbp\npop %rbp\nret")
		FN("makes_room", "endbr64\nsub $24,%rsp\npush %rbp\npop %rbp\nadd $24,%rsp\nret")
		FN("pops", "pop %rax\npush %rax\nret")
		FN("changes_argument", "endbr64\nmov %rsi,%rdi\npush %rbp\npop %rbp\nret")
		FN("changes_part", "endbr64\nxor %cl,%cl\npush %rbp\npop %rbp\nret")
		FN("divides", "endbr64\ndiv %esi\npush %rbp\npop %rbp\nret")
		FN("calls_kernel", "endbr64\nsyscall\npush %rbp\npop %rbp\nret")
		FN("reads_segment", "mov %fs,%eax\nmov %eax,%fs\npush %rbp\npop %rbp\nret")
		FN("returns", "endbr64\nret")
		FN("long_way", "endbr64\n.rept 8\nxor %eax,%eax\n.endr\npush %rbp\npop %rbp\nret")
		FN("far", ".rept 4\nmovabs $1,%rax\n.endr\npush %rbp\npop %rbp\nret")
		".balign 4096\n.skip 4092\n"
		FN("next_page", "endbr64\npush %rbp\npop %rbp\nret"));
	static const char *const names[] = {"loads", "stores", "guards", "makes_room", "pops",
		"changes_argument", "changes_part", "divides", "calls_kernel", "reads_segment",
		"returns", "long_way", "far", "next_page"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		expect(elf, names[i], 0);
	elf__close(elf);
}

#define BODY "push %rbp\npop %rbp\ndec %edi\n"

Test(entry, nothing_but_the_first_instruction_leads_to_the_probe)
{
	struct elf_file *elf = assemble(
		FN("to_first", "9: endbr64\n" BODY "jne 9b\nret")
		FN("to_second", "endbr64\n1: " BODY "jne 1b\nret")
		FN("to_middle", "endbr64\n1: xor %eax,%eax\n" BODY "jne 1b\nret")
		FN("to_second_far", "endbr64\n2: " BODY ".skip 300,0x90\njne 2b\nret")
		FN("past", "endbr64\npush %rbp\n3: pop %rbp\ndec %edi\njne 3b\nret")
		FN("by_table", "endbr64\npush %rbp\nlea 9f(%rip),%rdx\nmovslq (%rdx,%rdi,4),%rax\n"
			       "add %rdx,%rax\nnotrack jmp *%rax\n1: pop %rbp\nret\n"
			       ".pushsection .rodata\n.balign 4\n9: .long 1b-9b\n.popsection")
		FN("from_another", "endbr64\nmov %rdi,%rax\n4: push %rbp\npop %rbp\nret")
		FN("another", "mov %rsi,%rax\njmp 4b")
		FN("from_afar", "endbr64\nmov %rdi,%rax\n5: push %rbp\npop %rbp\nret")
		".skip 5000,0x90\n"
		FN("afar", "mov %rsi,%rax\njmp 5b")
		FN("called", "endbr64\n6: push %rbp\npop %rbp\nret")
		FN("caller", "call 6b\nret")
		FN("taken", "endbr64\n7: push %rbp\npop %rbp\nret")
		FN("taker", "lea 7b(%rip),%rax\njmp *%rax")
		FN("two_names", "endbr64\n.globl second\n.type second,@function\nsecond: push %rbp\n"
				"pop %rbp\nret\n.size second,3")
		/* what only reads as a jump, in the middle of an instruction */
		FN("seeming", "endbr64\npush %rbp\nmov $0xfaeb,%eax\npop %rbp\nret"));

	expect(elf, "to_first", 4);
	expect(elf, "to_second", 0);
	expect(elf, "to_middle", 0);
	expect(elf, "to_second_far", 0);
	expect(elf, "past", 4);
	expect(elf, "by_table", 0);
	expect(elf, "from_another", 0);
	expect(elf, "from_afar", 0);
	expect(elf, "called", 0);
	expect(elf, "taken", 0);
	expect(elf, "two_names", 0);
	expect(elf, "seeming", 4);
	elf__close(elf);
}

Test(entry, functions_are_judged_each_for_itself)
{
	struct elf_file *elf = assemble(FN("f1", "endbr64\n1: " BODY "jne 1b\nret")
		FN("f2", "endbr64\n" BODY "ret") FN("f3", "push %rbp\npop %rbp\nret"));
	struct entry_site s[4] = {{0}};

	for (int i = 0; i < 3; i++) {
		char name[3] = {'f', '1' + i};
		struct found *f = find(elf, name);

		s[2 - i] = (struct entry_site){.addr = f->f[0].addr, .size = f->f[0].size, .skip = 9};
	}
	cr_assert_eq(disasm_entries(elf, s, 4), 0);
	cr_expect_eq(s[2].skip, 0);
	cr_expect_eq(s[1].skip, 4);
	cr_expect_eq(s[0].skip, 0);
	cr_expect_eq(s[3].skip, 0, "its size is not known");
	cr_assert_eq(disasm_entries(elf, s, 0), 0);
	elf__close(elf);
}

/* --- real libraries ------------------------------------------------------------------------------- */

struct all {
	struct entry_site sites[16384];
	size_t n;
};

static int keep_site(void *ctx, const struct elf_func *f)
{
	struct all *a = ctx;

	if (a->n < sizeof(a->sites) / sizeof(*a->sites))
		a->sites[a->n++] = (struct entry_site){.addr = f->addr, .size = f->size};
	return 0;
}

/* How many functions' probes are single-stepped: in per cent, before and after. */
static void share(const char *path, unsigned int *before, unsigned int *after)
{
	struct all *a = calloc(1, sizeof(*a));
	size_t first = 0, probed = 0;
	struct elf_file *elf;
	char text[64];

	cr_assert(a);
	elf = open_elf(path, "");
	elf__functions(elf, "*", keep_site, a);
	cr_assert_geq(a->n, 500, "%s", path);
	cr_assert_eq(disasm_entries(elf, a->sites, a->n), 0);
	for (size_t i = 0; i < a->n; i++) {
		const struct entry_site *s = &a->sites[i];
		enum cost_class c = disasm_cost(elf, s->addr, text, sizeof(text));
		enum cost_class d = disasm_cost(elf, s->addr + s->skip, text, sizeof(text));

		first += c >= COST_STEPPED;
		probed += d >= COST_STEPPED;
		cr_expect(!s->skip || (c >= COST_STEPPED && d < COST_STEPPED));
		cr_expect_leq(s->skip, 32);
	}
	*before = first * 100 / a->n;
	*after = probed * 100 / a->n;
	cr_log_info("%s: %zu functions, %zu single-stepped at their first instruction (%u %%), "
		    "%zu where they are probed (%u %%)",
		path, a->n, first, *before, probed, *after);
	elf__close(elf);
	free(a);
}

Test(entry, spares_real_libraries_the_second_trap)
{
	unsigned int before, after;

	share(LIBSTDCXX, &before, &after);
	cr_expect_geq(before, 90);
	cr_expect_leq(after, before - 40);
	share(LIBC, &before, &after);
	cr_expect_lt(after, before);
	if (!access(LIBDIR "libpython3.11.so.1.0", R_OK)) {
		share(LIBDIR "libpython3.11.so.1.0", &before, &after);
		cr_expect_lt(after, before);
	}
}

#else

Test(entry, other_machines_are_probed_at_the_first_instruction)
{
	struct entry_site s = {.addr = 1, .size = 1, .skip = 1};

	cr_assert_eq(disasm_entries(NULL, &s, 1), 0);
	cr_assert_eq(s.skip, 0);
}

#endif
