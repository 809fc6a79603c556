/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbolize.h"

#include "elf_fixture.h"
#include "modules.h"

TestSuite(symbolize, .init = make_dir, .fini = remove_dir, .timeout = 60);

/* A file that kills whoever looks into it, between two others. */
Test(symbolize, a_file_that_ends_the_reader_costs_only_its_own_names)
{
	static const char source[] = "int first(int a) { return a * 3; }\n"
				     "int second(int a) { return a + 5; }\n";
	struct names *names = names__new(1 << 20);
	struct module m[3] = { { .path = "a" }, { .path = "b" }, { .path = "c" } };
	struct place p[6] = { 0 }, *places[6];
	struct found *f;

	write_file("a.c", source, strlen(source));
	run("cc -O2 -g -shared -fPIC -o a.so a.c");
	m[0].elf = open_elf(path_of("a.so"), "");
	m[1].elf = (struct elf_file *)64;
	m[2].elf = open_elf(path_of("a.so"), "");
	for (int i = 0; i < 6; i++) {
		f = find(m[0].elf, i % 2 ? "second" : "first");
		p[i].module = &m[i / 2];
		p[i].addr = f->f[0].addr + 1;
		places[5 - i] = &p[i];
	}
	symbolize(places, 6, names);
	for (int i = 0; i < 6; i++) {
		cr_assert_eq(p[i].has_names, i / 2 != 1, "%d", i);
		if (i / 2 == 1)
			continue;
		cr_assert_str_eq(p[i].symbol.name, i % 2 ? "second" : "first");
		cr_assert_eq(p[i].symbol.into, 1);
		cr_assert_eq(p[i].symbol.n_places, 1);
		cr_assert_eq(p[i].symbol.places[0].line, (uint32_t)(1 + i % 2));
		cr_assert_str_eq(strrchr(p[i].symbol.places[0].file, '/'), "/a.c");
		free((void *)p[i].symbol.places);
	}
	cr_assert_null(p[2].symbol.name);
	elf__close(m[0].elf);
	elf__close(m[2].elf);
	names__free(names);
}

Test(symbolize, names_that_have_no_room_are_counted)
{
	struct names *names = names__new(400);
	const char *a = names__keep(names, "one", 3);
	char long_one[500] = "";

	cr_assert_str_eq(a, "one");
	cr_assert_eq(names__keep(names, "one more", 3), a);
	memset(long_one, 'x', sizeof(long_one));
	cr_assert_str_eq(names__keep(names, long_one, sizeof(long_one)), "?");
	cr_assert_eq(names__refused(names), 1);
	cr_assert_eq(names__keep(names, "one", 3), a);
	names__free(names);
}
