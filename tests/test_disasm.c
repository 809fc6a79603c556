/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <errno.h>

#include "disasm.h"
#include "disasm_internal.h"

TestSuite(disasm, .init = make_dir, .fini = remove_dir, .timeout = 60);

#ifdef __x86_64__

struct coded {
	const char *bytes;
	size_t len;
	enum cost_class class;
};
#define CODE(s, class) { s, sizeof(s) - 1, class }

Test(disasm, costs_are_those_of_the_kernel)
{
	static const struct coded cases[] = {
		CODE("\x0f\x1f\x44\x00\x00", COST_NOP5),
		CODE("\x90", COST_EMULATED),
		CODE("\x66\x90", COST_EMULATED),
		CODE("\x0f\x1f\x40\x00", COST_EMULATED),
		CODE("\x0f\x1f\x84\x00\x00\x00\x00\x00", COST_EMULATED),
		CODE("\x0f\x1f\x40\x08", COST_STEPPED),		   /* not in x86_nops[] */
		CODE("\x66\x2e\x0f\x1f\x84\x00\x00\x00\x00\x00", COST_INVALID), /* cs nopw */
		CODE("\x55", COST_EMULATED),			   /* push rbp */
		CODE("\x41\x57", COST_EMULATED),		   /* push r15 */
		CODE("\xff\x30", COST_STEPPED),			   /* push [rax] */
		CODE("\x48\x55", COST_STEPPED),			   /* rex.w push */
		CODE("\xe8\x00\x00\x00\x00", COST_EMULATED),
		CODE("\x66\xe8\x00\x00\x00\x00", COST_INVALID),
		CODE("\xff\xd0", COST_STEPPED),			   /* call rax */
		CODE("\xeb\x10", COST_EMULATED),
		CODE("\xe9\x00\x00\x00\x00", COST_EMULATED),
		CODE("\xf2\xe9\x00\x00\x00\x00", COST_EMULATED),   /* bnd jmp */
		CODE("\x74\x10", COST_EMULATED),
		CODE("\x0f\x84\x00\x00\x00\x00", COST_EMULATED),
		CODE("\xff\xe0", COST_STEPPED),			   /* jmp rax */
		CODE("\x3e\xff\xe0", COST_INVALID),		   /* notrack jmp rax */
		CODE("\xf3\x0f\x1e\xfa", COST_STEPPED),		   /* endbr64 */
		CODE("\xc3", COST_STEPPED),
		CODE("\xf3\xc3", COST_STEPPED),
		CODE("\x48\x89\xe5", COST_STEPPED),
		CODE("\x64\x48\x8b\x04\x25\x28\x00\x00\x00", COST_STEPPED), /* mov rax, fs:28 */
		CODE("\xf0\x0f\xb1\x17", COST_INVALID),		   /* lock cmpxchg */
		CODE("\xf4", COST_INVALID),			   /* hlt */
		CODE("\xcc", COST_INVALID),
		CODE("\xcd\x80", COST_INVALID),
		CODE("\xec", COST_INVALID),			   /* in */
		CODE("\x8e\xd0", COST_INVALID),			   /* mov ss, eax */
		CODE("\x8e\xd8", COST_STEPPED),			   /* mov ds, eax */
		CODE("\xf3\x90", COST_EMULATED),		   /* pause */
		CODE("\x41\x90", COST_INVALID),			   /* xchg r8, rax */
		CODE("\xc5\xf9\xeb\xc1", COST_INVALID),		   /* vpor: taken for a jump */
		CODE("\xc5\xf9\xfe\xc1", COST_STEPPED),		   /* vpaddd */
		CODE("\xc5\xfe\x6f\x06", COST_INVALID),		   /* vmovdqu: 6f is outs */
	};
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++)
		cr_assert_eq(x86_uprobe_class((const uint8_t *)cases[i].bytes, cases[i].len, 0x1000),
			cases[i].class, "case %zu", i);
	/* The kernel cannot replace five bytes over the end of a page. */
	cr_assert_eq(x86_uprobe_class((const uint8_t *)"\x0f\x1f\x44\x00\x00", 5, 0x1ffb), COST_NOP5);
	cr_assert_eq(x86_uprobe_class((const uint8_t *)"\x0f\x1f\x44\x00\x00", 5, 0x1ffc),
		COST_EMULATED);
}

/* Assembles to a shared library. */
static struct elf_file *assemble(const char *text)
{
	FILE *f = fopen(path_of("a.s"), "w");

	fprintf(f, ".text\n%s.section .note.GNU-stack,\"\",@progbits\n", text);
	fclose(f);
	run("cc -shared -nostdlib -o a.so a.s");
	return open_elf(path_of("a.so"), dir);
}

static struct func_exits exits_of(struct elf_file *elf, const char *name)
{
	struct found *f = find(elf, name);
	struct func_exits e;

	cr_assert_eq(f->n, 1, "%s", name);
	cr_assert_eq(disasm_exits(elf, &f->f[0], &e), 0);
	for (size_t i = 0; i < e.n; i++)
		cr_assert_eq((int64_t)e.exits[i].offset, elf__offset(elf, e.exits[i].addr));
	return e;
}

#define FN(name, body)                                                                             \
	".globl " name "\n.type " name ",@function\n" name ":\n.cfi_startproc\n" body               \
	"\n.cfi_endproc\n.size " name ",.-" name "\n"
#define FRAME "push %rbx\n.cfi_def_cfa_offset 16\n"

static void expect(struct elf_file *elf, const char *name, size_t rets, size_t tails, bool complete)
{
	struct func_exits e = exits_of(elf, name);
	size_t i, t = 0;

	for (i = 0; i < e.n; i++)
		t += e.exits[i].tail;
	cr_assert_eq(e.n - t, rets, "%s: %zu rets", name, e.n - t);
	cr_assert_eq(t, tails, "%s: %zu tails", name, t);
	cr_assert_eq(e.complete, complete, "%s: %s", name, e.why ? e.why : "");
	cr_assert_eq(!e.why, complete, "%s", name);
	func_exits__clear(&e);
}

Test(disasm, finds_every_form_of_ret)
{
	struct elf_file *elf = assemble(FN("f", "test %edi,%edi\nje 1f\nret\n1: rep ret\n"
						".byte 0xf2\nret\nret $8"));

	expect(elf, "f", 4, 0, true);
	elf__close(elf);
}

Test(disasm, a_jump_to_another_function_is_a_tail)
{
	struct elf_file *elf = assemble(FN("g", "ret") FN("f", "test %edi,%edi\nje g@PLT\n1: dec %edi\n"
		"jne 1b\njmp g@PLT") FN("h", "jmp *ext@GOTPCREL(%rip)") FN("v", "mov (%rdi),%rax\n"
		"jmp *0x18(%rax)") ".type l,@function\n" "l: ret\n.size l,1\n" FN("k", "jmp l"));

	expect(elf, "f", 0, 2, true);
	expect(elf, "h", 0, 1, true);
	expect(elf, "v", 0, 1, true);
	expect(elf, "k", 0, 1, true);
	elf__close(elf);
}

#define TABLE                                                                                      \
	"lea 9f(%rip),%rdx\nmovslq (%rdx,%rdi,4),%rax\nadd %rdx,%rax\n"
#define TABLE_END                                                                                  \
	"1: ret\n2: ret\n.pushsection .rodata\n.balign 4\n9: .long 1b-9b, 2b-9b\n.popsection"

Test(disasm, a_jump_table_is_no_exit)
{
	struct elf_file *elf = assemble(
		FN("tracked", "endbr64\n" TABLE "notrack jmp *%rax\n" TABLE_END)
		FN("plain", TABLE "jmp *%rax\n" TABLE_END)
		FN("framed", FRAME "jmp *(%rdx,%rdi,8)\n1: pop %rbx\n.cfi_def_cfa_offset 8\nret")
		FN("unclear", "jmp *(%rdx,%rdi,8)\n")
		FN("cet", "endbr64\njmp *(%rdx,%rdi,8)\n")
		FN("notrack", "endbr64\nnotrack jmp *(%rdx,%rdi,8)\n"));

	expect(elf, "tracked", 2, 0, true);
	expect(elf, "plain", 2, 0, true);
	expect(elf, "framed", 1, 0, true);
	expect(elf, "unclear", 0, 0, false);
	expect(elf, "cet", 0, 1, true);
	expect(elf, "notrack", 0, 0, true);
	elf__close(elf);
}

#define SPLIT                                                                                      \
	FN("f", FRAME "test %edi,%edi\njne 3f\n2: pop %rbx\n.cfi_def_cfa_offset 8\nret")             \
	".type other,@function\nother: .cfi_startproc\nret\n.cfi_endproc\n.size other,.-other\n"   \
	".type f.cold,@function\nf.cold: .cfi_startproc\n.cfi_def_cfa_offset 16\n3: inc %eax\n"     \
	"js 2b\npop %rbx\n.cfi_def_cfa_offset 8\nret\n.cfi_endproc\n.size f.cold,.-f.cold\n"         \
	FN("g", "test %edi,%edi\nje other\nret")

Test(disasm, the_cold_part_belongs_to_its_function)
{
	struct elf_file *elf = assemble(SPLIT);

	expect(elf, "f", 2, 0, true);
	expect(elf, "g", 1, 1, true);
	elf__close(elf);
}

Test(disasm, the_cold_part_is_found_without_symbols_too)
{
	struct elf_file *elf = assemble(SPLIT);

	elf__close(elf);
	run("strip a.so");
	elf = open_elf(path_of("a.so"), dir);
	cr_assert_eq(find(elf, "f.cold")->n, 0);
	expect(elf, "f", 2, 0, true);
	expect(elf, "g", 1, 1, true);
	elf__close(elf);
}

Test(disasm, says_when_it_cannot_know)
{
	struct elf_file *elf = assemble(
		FN("broken", "test %edi,%edi\nje 1f\nret\n.byte 0x06\nret\n1: inc %eax\nret")
		FN("middle", "je 1f+1\n1: mov $0xc3,%eax\nret")
		FN("past_lock", "je 1f+1\n1: lock cmpxchg %edx,(%rdi)\nret")
		FN("runs_on", "inc %eax") FN("next", "ret")
		FN("noreturn", "call next@PLT\nnop") FN("traps", "je 1f\nret\n1: ud2"));

	expect(elf, "broken", 2, 0, false); /* not the ret behind the bad byte */
	expect(elf, "middle", 0, 0, false);
	expect(elf, "past_lock", 1, 0, true);
	expect(elf, "runs_on", 0, 0, false);
	expect(elf, "noreturn", 0, 0, true);
	expect(elf, "traps", 1, 0, true);
	elf__close(elf);
}

Test(disasm, a_function_without_size_has_no_answer)
{
	struct elf_file *elf = assemble(FN("f", "ret"));
	struct elf_func func = find(elf, "f")->f[0];
	struct func_exits e;

	func.size = 0;
	cr_assert_eq(disasm_exits(elf, &func, &e), -ENOENT);
	func_exits__clear(&e);
	elf__close(elf);
}

Test(disasm, shows_the_instruction_as_text)
{
	struct elf_file *elf = assemble(FN("f", "push %rbp\nret"));
	uint64_t addr = find(elf, "f")->f[0].addr;
	char buf[64], small[4];

	cr_assert_eq(disasm_cost(elf, addr, buf, sizeof(buf)), COST_EMULATED);
	cr_assert_str_eq(buf, "push rbp");
	cr_assert_eq(disasm_cost(elf, addr + 1, small, sizeof(small)), COST_STEPPED);
	cr_assert_str_eq(small, "ret");
	cr_assert_eq(disasm_cost(elf, 1ull << 60, buf, sizeof(buf)), COST_INVALID);
	cr_assert_str_eq(buf, "");
	cr_assert_str_eq(cost_class_name(COST_NOP5), "nop5");
	elf__close(elf);
}

/* What objdump calls a ret: sorted addresses. */
static size_t objdump_rets(const char *path, uint64_t **out)
{
	size_t n = 0, room = 65536;
	char cmd[256], line[512];
	FILE *f;

	*out = malloc(room * sizeof(**out));
	snprintf(cmd, sizeof(cmd),
		"objdump -d -w --no-show-raw-insn %s | grep -P '\\tret|\\t(bnd|repz) ret'", path);
	f = popen(cmd, "r");
	cr_assert(f);
	while (n < room && fgets(line, sizeof(line), f))
		(*out)[n++] = strtoull(line, NULL, 16);
	pclose(f);
	cr_assert_geq(n, 100);
	cr_assert_lt(n, room);
	return n;
}

struct comparison {
	struct elf_file *elf;
	uint64_t *rets;
	size_t n, funcs, complete, found;
};

static int by_addr(const void *va, const void *vb)
{
	const uint64_t *a = va, *b = vb;

	return *a < *b ? -1 : *a > *b;
}

static int compare(void *ctx, const struct elf_func *func)
{
	struct comparison *c = ctx;
	struct func_exits e;
	size_t i, j, inside = 0, wanted = 0, lo = 0, hi = c->n;

	cr_assert_eq(disasm_exits(c->elf, func, &e), 0, "%s", func->name);
	while (lo < hi) {
		j = (lo + hi) / 2;
		if (c->rets[j] < func->addr)
			lo = j + 1;
		else
			hi = j;
	}
	for (j = lo; j < c->n && c->rets[j] < func->addr + func->size; j++)
		wanted++;
	for (i = 0; i < e.n; i++) {
		if (e.exits[i].tail)
			continue;
		cr_assert(bsearch(&e.exits[i].addr, c->rets, c->n, sizeof(*c->rets), by_addr),
			"%s: no ret at %lx", func->name, e.exits[i].addr);
		inside += e.exits[i].addr - func->addr < func->size;
	}
	if (e.complete)
		cr_assert_eq(inside, wanted, "%s: %zu of %zu", func->name, inside, wanted);
	c->funcs++;
	c->complete += e.complete;
	c->found += inside;
	func_exits__clear(&e);
	return 0;
}

static void compare_file(const char *path, const char *pattern, size_t least)
{
	struct comparison c = { 0 };

	if (access(path, R_OK))
		return;
	c.elf = open_elf(path, "");
	c.n = objdump_rets(path, &c.rets);
	elf__functions(c.elf, pattern, compare, &c);
	cr_assert_geq(c.funcs, least, "%s: %zu functions", path, c.funcs);
	cr_assert_geq(c.complete, c.funcs * 95 / 100, "%s: %zu of %zu", path, c.complete, c.funcs);
	cr_assert_geq(c.found, c.funcs / 2);
	free(c.rets);
	elf__close(c.elf);
}

Test(disasm, agrees_with_objdump_about_libc)
{
	compare_file(LIBC, "[a-m]*", 500);
}

Test(disasm, agrees_with_objdump_about_libstdcxx)
{
	compare_file(LIBSTDCXX, "std::*", 2000);
}

Test(disasm, agrees_with_objdump_about_servers)
{
	compare_file("/usr/bin/redis-server", "*", 1000);
	compare_file("/usr/sbin/nginx", "*", 200);
}

static int ask(void *ctx, const struct elf_func *func)
{
	struct func_exits e;
	char buf[32];

	disasm_cost(ctx, func->addr, buf, sizeof(buf));
	if (!disasm_exits(ctx, func, &e))
		func_exits__clear(&e);
	return 0;
}

Test(disasm, survives_flipped_bytes_of_code_and_unwind_tables)
{
	struct elf_file *elf = assemble(SPLIT FN("t", TABLE "jmp *%rax\n" TABLE_END));
	unsigned int seed = 4711;
	const char *why;
	char *file, was;
	size_t len, i, at;

	elf__close(elf);
	file = read_whole(path_of("a.so"), &len);
	for (i = 0; i < 1500; i++) {
		at = 0x1000 + rand_r(&seed) % 0x1200; /* .text, .rodata, .eh_frame */
		cr_assert_lt(at, len);
		was = file[at];
		file[at] = i % 3 ? rand_r(&seed) : 0xff;
		write_file("flipped", file, len);
		if (!elf__open(path_of("flipped"), dir, &elf, &why)) {
			elf__functions(elf, "*", ask, elf);
			elf__close(elf);
		}
		if (i % 16)
			file[at] = was;
	}
	free(file);
}

#else

Test(disasm, only_x86_64_code_is_followed)
{
	struct elf_file *elf = open_elf(LIBC, "");
	struct func_exits e;
	char buf[64];

	cr_assert_eq(find(elf, "malloc")->n, 1);
	cr_assert_eq(disasm_exits(elf, &find(elf, "malloc")->f[0], &e), -ENOTSUP);
	cr_assert_eq(disasm_cost(elf, find(elf, "malloc")->f[0].addr, buf, 64), COST_STEPPED);
	elf__close(elf);
}

#endif
