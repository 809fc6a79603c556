/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "markers.h"

#include <asm/ptrace.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "elf_fixture.h"
#include "python_internal.h"

#ifdef __x86_64__

static void is(const char *args, enum rt_mark_at at, size_t reg, int64_t value)
{
	uint64_t cookie = 0;

	cr_expect_eq(markers__usdt_cookie(args, &cookie), 0, "%s", args);
	cr_expect_eq(cookie & 0xff, at, "%s", args);
	cr_expect_eq(cookie >> 8 & 0xff, reg / 8, "%s", args);
	cr_expect_eq((int64_t)cookie >> 16, value, "%s", args);
}

Test(markers, registers_places_on_the_stack_and_numbers_are_understood)
{
	is("8@%rdi", RT_MARK_AT_REGISTER, offsetof(struct pt_regs, rdi), 0);
	is("-8@%rax", RT_MARK_AT_REGISTER, offsetof(struct pt_regs, rax), 0);
	is("8@%r8", RT_MARK_AT_REGISTER, offsetof(struct pt_regs, r8), 0);
	is("8@%r15 -4@$7", RT_MARK_AT_REGISTER, offsetof(struct pt_regs, r15), 0);
	is("8@-16(%rbp)", RT_MARK_AT_MEMORY, offsetof(struct pt_regs, rbp), -16);
	is("8@8(%rsp)", RT_MARK_AT_MEMORY, offsetof(struct pt_regs, rsp), 8);
	is("8@(%rbx) 8@%rax", RT_MARK_AT_MEMORY, offsetof(struct pt_regs, rbx), 0);
	is("8@$4202500", RT_MARK_AT_VALUE, 0, 4202500);
	is("8@$0", RT_MARK_AT_VALUE, 0, 0);
}

Test(markers, all_else_is_refused)
{
	static const char *const args[] = { "", "8", "8@", "4@%edi", "8@%", "8@%rip", "8@%rdi,", "8@%r1",
		"8@%r88", "8@label(%rip)", "8@-16(%rbp", "8@-16(rbp)", "8@(%rax,%rbx,8)", "8@$", "8@$x",
		"8@$.LC0", "8@$999999999999999999999999", "8@16", "8@()", "%rdi", "-", "8@%rdi8" };
	uint64_t cookie;

	for (size_t i = 0; i < sizeof(args) / sizeof(*args); i++)
		cr_expect_eq(markers__usdt_cookie(args[i], &cookie), -ENOTSUP, "%s", args[i]);
}

static int keep_args(void *ctx, const struct elf_usdt *usdt)
{
	uint64_t cookie;

	cr_expect_eq(markers__usdt_cookie(usdt->args, &cookie), 0, "%s", usdt->args);
	++*(int *)ctx;
	return 0;
}

/* Whatever the compiler thinks of. */
Test(markers, every_way_to_write_a_label_is_understood, .init = make_dir, .fini = remove_dir)
{
	static const char source[] = "#include \"ramtrace_marker.h\"\n"
		"#include <stdlib.h>\n"
		"const char *global; extern char **environ; struct { int a; const char *b; } s[9];\n"
		"static const char *f(int i) { return i ? \"one\" : \"none\"; }\n"
		"int main(int argc, char **argv) {\n"
		"char local[9] = \"local\"; static const char *const table[] = { \"a\", \"b\" };\n"
		"RAMTRACE_MARK(\"literal\"); RAMTRACE_MARK(global); RAMTRACE_MARK(argv[argc]);\n"
		"RAMTRACE_MARK(local); RAMTRACE_MARK(table[argc & 1]); RAMTRACE_MARK(s[argc].b);\n"
		"RAMTRACE_MARK(f(argc)); RAMTRACE_MARK(getenv(\"HOME\")); RAMTRACE_MARK(*environ + 1);\n"
		"RAMTRACE_MARK(0); return 0; }\n";
	static const char *const flags[] = { "-O0", "-O2", "-O3 -fPIC -pie", "-Os -no-pie -fno-pie",
		"-O1 -fomit-frame-pointer -x c++" };
	struct elf_file *elf;
	int n;

	if (access("/usr/include/x86_64-linux-gnu/sys/sdt.h", F_OK) && access("/usr/include/sys/sdt.h", F_OK))
		cr_skip_test("needs systemtap-sdt-dev");
	write_file("m.c", source, strlen(source));
	for (size_t i = 0; i < sizeof(flags) / sizeof(*flags); i++) {
		run("gcc -Wall -Wextra -Wno-unused-parameter -Werror -I$OLDPWD/userspace/marker %s -o m "
			"m.c", flags[i]);
		elf = open_elf(path_of("m"), dir);
		n = 0;
		cr_expect_geq(elf__usdts(elf, "ramtrace", "mark", keep_args, &n), 10, "%s", flags[i]);
		cr_expect_geq(n, 10);
		elf__close(elf);
	}
}

#endif

Test(markers, how_strings_lie_is_known_by_the_version)
{
	struct python_strings s;
	struct elf_file *elf = open_elf(LIBC, "");

	cr_expect_eq(python_file__strings(elf, "/usr/lib/libpython3.8.so.1.0", &s), 0);
	cr_expect(s.ascii_size == 48 && s.compact_size == 72);
	cr_expect_eq(python_file__strings(elf, "/usr/bin/python3.11", &s), 0);
	cr_expect(s.ascii_size == 48 && s.compact_size == 72);
	cr_expect_eq(python_file__strings(elf, "/usr/bin/python3.12", &s), 0);
	cr_expect(s.ascii_size == 40 && s.compact_size == 56);
	cr_expect_eq(python_file__strings(elf, "/usr/bin/python3.15", &s), 0);
	cr_expect(s.ascii_size == 40 && s.compact_size == 56);
	cr_expect_eq(python_file__strings(elf, "/usr/bin/python3.13t", &s), -ENOENT);
	cr_expect_eq(python_file__strings(elf, "/usr/bin/python3.7", &s), -ENOENT);
	cr_expect_eq(python_file__strings(elf, "/usr/bin/libc.so.6", &s), -ENOENT);
	elf__close(elf);
}
