/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf_fixture.h"

#include <elf.h>
#include <errno.h>

#include "elf_name.h"


TestSuite(elf, .init = make_dir, .fini = remove_dir, .timeout = 60);

static const char c_source[] =
	"int visible(int a) { return a * 3; }\n"
	"int alias_of_it(int a) __attribute__((alias(\"visible\")));\n"
	"static int __attribute__((noinline,used)) hidden(int a) { return a + visible(a); }\n"
	"int caller(int a) { return hidden(a) + 1; }\n"
	"int data_is_no_function = 7;\n"
	"static void *choose(void) { return hidden; }\n"
	"int chosen(int) __attribute__((ifunc(\"choose\")));\n"
	"__asm__(\".globl unsized\\n.type unsized,@function\\nunsized: nop; nop; ret\\n\"\n"
	"	\".globl after_it\\n.type after_it,@function\\nafter_it: ret\\n.size after_it,1\\n\"\n"
	"	\".type copy.constprop.0,@function\\ncopy.constprop.0: ret\\n\"\n"
	"	\".size copy.constprop.0,1\\n\"\n"
	"	\".type copy.cold,@function\\ncopy.cold: ret\\n.size copy.cold,1\\n\"\n"
	"	\".type copy.part.0,@function\\ncopy.part.0: ret\\n.size copy.part.0,1\\n\");\n";

static void make_c(void)
{
	write_file("a.c", c_source, strlen(c_source));
	run("cc -O1 -g -shared -fPIC -Wl,--build-id -Wl,-soname,liba.so.9 -o a.so a.c");
}

Test(elf, finds_exported_and_local_functions_with_their_place)
{
	struct elf_file *elf;
	struct found *f;
	uint8_t code[4];

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	f = find(elf, "hidden");
	cr_assert_eq(f->n, 1);
	cr_assert_str_eq(f->source[0], ".symtab");
	f = find(elf, "caller");
	cr_assert_eq(f->n, 1);
	cr_assert_str_eq(f->source[0], ".dynsym");
	cr_assert_str_eq(f->demangled[0], "caller");
	cr_assert_geq(f->f[0].size, 5);
	cr_assert_leq(f->f[0].size, 64);
	cr_assert_eq((int64_t)f->f[0].offset, elf__offset(elf, f->f[0].addr));
	cr_assert_eq(elf__code(elf, f->f[0].addr, code, 4), 4);
	cr_assert_eq(find(elf, "data_is_no_function")->n, 0);
	cr_assert_eq(find(elf, "chosen")->n, 0, "an IFUNC is no function");
	cr_assert_eq(find(elf, "choose")->n, 1);
	cr_assert(elf__has_symtab(elf));
	cr_assert_str_eq(elf__soname(elf), "liba.so.9");
	cr_assert_eq(strlen(elf__build_id(elf)), 40);
	cr_assert_eq(elf__offset(elf, 1ull << 50), -ENOENT);
	elf__close(elf);
}

Test(elf, merges_aliases_at_one_address)
{
	struct elf_file *elf;
	struct found *f;

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	cr_assert_eq(find(elf, "visible")->n, 1);
	f = find(elf, "alias_of_it");
	cr_assert_eq(f->n, 1);
	cr_assert_str_eq(f->name[0], "alias_of_it");
	cr_assert_eq(find(elf, "[av]*i*")->n, 2, "visible and its alias once, after_it");
	elf__close(elf);
}

Test(elf, measures_a_function_without_size_up_to_the_next)
{
	struct elf_file *elf;
	struct found *f;

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	f = find(elf, "unsized");
	cr_assert_eq(f->n, 1);
	cr_assert_eq(f->f[0].size, 3);
	elf__close(elf);
}

Test(elf, takes_copies_of_a_function_but_not_pieces)
{
	struct elf_file *elf;
	struct found *f;

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	f = find(elf, "copy");
	cr_assert_eq(f->n, 1);
	cr_assert_str_eq(f->name[0], "copy.constprop.0");
	cr_assert_eq(find(elf, "cop*")->n, 1);
	cr_assert_eq(find(elf, "copy.cold")->n, 1);
	cr_assert_eq(find(elf, "copy.part*")->n, 1);
	cr_assert_eq(find(elf, "copy.constprop.1")->n, 0);
	elf__close(elf);
}

Test(elf, names_the_function_that_holds_an_address)
{
	struct elf_file *elf;
	struct elf_func func;
	struct found *f;

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	f = find(elf, "hidden");
	cr_assert(elf__at(elf, f->f[0].addr + 2, &func));
	cr_assert_str_eq(func.name, "hidden");
	cr_assert_not(elf__at(elf, f->f[0].addr + f->f[0].size + 0x100000, &func));
	cr_assert_not(elf__at(elf, 0, &func));
	elf__close(elf);
}

Test(elf, finds_local_functions_in_gnu_debugdata_and_by_build_id)
{
	struct elf_file *elf;
	struct found *f;
	char id[65];

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	snprintf(id, sizeof(id), "%s", elf__build_id(elf));
	elf__close(elf);
	run("objcopy --only-keep-debug a.so a.debug && strip -o bare.so a.so");

	elf = open_elf(path_of("bare.so"), dir);
	cr_assert_eq(find(elf, "hidden")->n, 0);
	cr_assert_eq(find(elf, "caller")->n, 1);
	cr_assert_not(elf__has_symtab(elf));
	elf__close(elf);

	run("cp a.debug m.debug && strip -g m.debug && xz -k m.debug && "
	    "objcopy --add-section .gnu_debugdata=m.debug.xz bare.so mini.so");
	elf = open_elf(path_of("mini.so"), dir);
	f = find(elf, "hidden");
	cr_assert_eq(f->n, 1);
	cr_assert_str_eq(f->source[0], ".gnu_debugdata");
	cr_assert(elf__has_symtab(elf));
	elf__close(elf);

	run("d=usr/lib/debug/.build-id/%.2s && mkdir -p $d && cp a.debug $d/%s.debug", id, id + 2);
	elf = open_elf(path_of("bare.so"), dir);
	f = find(elf, "hidden");
	cr_assert_eq(f->n, 1);
	cr_assert(strstr(f->source[0], "/usr/lib/debug/.build-id/"));
	elf__close(elf);
}

Test(elf, refuses_a_debug_file_of_another_build)
{
	struct elf_file *elf;
	char id[65];

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	snprintf(id, sizeof(id), "%s", elf__build_id(elf));
	elf__close(elf);
	run("strip -o bare.so a.so && cc -DX=1 -O0 -g -shared -fPIC -Wl,--build-id -o b.so a.c");
	run("d=usr/lib/debug/.build-id/%.2s && mkdir -p $d && cp b.so $d/%s.debug", id, id + 2);
	elf = open_elf(path_of("bare.so"), dir);
	cr_assert_eq(find(elf, "hidden")->n, 0);
	elf__close(elf);
}

Test(elf, looks_for_debug_files_only_below_the_root)
{
	struct elf_file *elf;
	char id[65];

	make_c();
	elf = open_elf(path_of("a.so"), dir);
	snprintf(id, sizeof(id), "%s", elf__build_id(elf));
	elf__close(elf);
	run("strip -o bare.so a.so && d=root/usr/lib/debug/.build-id/%.2s && mkdir -p $d && "
	    "ln -s %s/a.so $d/%s.debug", id, dir, id + 2);
	elf = open_elf(path_of("bare.so"), path_of("root"));
	cr_assert_eq(find(elf, "hidden")->n, 0, "a link led out of the root");
	elf__close(elf);
}

static const char cxx_source[] =
	"namespace ns { struct Model { void load(int); void load(const char *) const;\n"
	"  bool operator()(int); bool operator<(const Model &); };\n"
	"void __attribute__((noinline)) Model::load(int) { asm volatile(\"1\" : :); }\n"
	"namespace { int __attribute__((noinline,used)) secret(long) { asm(\"\"); return 1; } }\n"
	"void Model::load(const char *) const { secret(1); }\n"
	"bool Model::operator()(int) { return true; }\n"
	"bool Model::operator<(const Model &) { return true; }\n"
	"template <class T> T twice(T t) { return t + t; }\n"
	"template int twice<int>(int); }\n";

Test(elf, matches_demangled_names_with_and_without_parameters)
{
	struct elf_file *elf;
	struct found *f;
	char source[2048], *p;

	snprintf(source, sizeof(source), "%s", cxx_source);
	p = strstr(source, "\"1\"");
	memcpy(p, "\" \"", 3);
	write_file("a.cc", source, strlen(source));
	run("c++ -O1 -shared -fPIC -o a.so a.cc");
	elf = open_elf(path_of("a.so"), dir);
	cr_assert_eq(find(elf, "ns::Model::load")->n, 2);
	f = find(elf, "ns::Model::load(int)");
	cr_assert_eq(f->n, 1);
	cr_assert_str_eq(f->name[0], "_ZN2ns5Model4loadEi");
	cr_assert_str_eq(f->demangled[0], "ns::Model::load(int)");
	cr_assert_eq(find(elf, "ns::Model::load(char const*) const")->n, 1);
	cr_assert_eq(find(elf, "ns::Model::operator()")->n, 1);
	cr_assert_eq(find(elf, "ns::Model::operator<")->n, 1);
	cr_assert_eq(find(elf, "ns::(anonymous namespace)::secret")->n, 1);
	cr_assert_eq(find(elf, "ns::twice<int>")->n, 1, "it has a return type");
	cr_assert_eq(find(elf, "ns::twice<*>")->n, 1);
	cr_assert_eq(find(elf, "ns::Model::*")->n, 4);
	cr_assert_eq(find(elf, "_ZN2ns5Model4loadE?")->n, 1);
	cr_assert_eq(find(elf, "Model::load")->n, 0);
	elf__close(elf);
}

Test(elf, suggests_the_nearest_names)
{
	const char *near[3];
	struct elf_file *elf = open_elf(LIBSTDCXX, dir);
	size_t n, i;

	n = elf__nearest(elf, "std::ios_base::ios_bse", near, 3);
	cr_assert_geq(n, 1);
	cr_assert_leq(n, 3);
	cr_assert_str_eq(near[0], "std::ios_base::ios_base");
	for (i = 1; i < n; i++)
		cr_assert_str_neq(near[i], near[0]);
	cr_assert_eq(elf__nearest(elf, "qqqqqqqqqqqqqqqqqqqqqqqqqqqq", near, 3), 0);
	cr_assert_eq(elf__nearest(elf, "malloc", near, 0), 0);
	elf__close(elf);
}

static int count(void *ctx, const struct elf_func *func)
{
	(void)func;
	return ++*(int *)ctx == 3 ? -ECANCELED : 0;
}

Test(elf, stops_when_the_callback_says_so)
{
	struct elf_file *elf = open_elf(LIBC, dir);
	int n = 0;

	cr_assert_eq(elf__functions(elf, "m*", count, &n), -ECANCELED);
	cr_assert_eq(n, 3);
	elf__close(elf);
}

Test(elf, skipping_names_that_lack_a_word_changes_no_answer)
{
	static const char *const patterns[] = { "std::ios_base::*", "*::append*", "operator new*",
		"std::*basic_string*<char*>::*", "std::string::*", "*thunk*", "std::__cxx11::*",
		"std::locale::operator==", "*(*, std::allocator<char> const&)", "*7*", "__cxa_*" };
	struct elf_file *elf = open_elf(LIBSTDCXX, "");
	struct demangler *d = demangler__new();
	struct name_pattern slow, fast;
	FILE *nm;
	char line[8192], *name;
	size_t i, hits, total = 0;

	for (i = 0; i < sizeof(patterns) / sizeof(*patterns); i++) {
		name_pattern__init(&fast, patterns[i]);
		slow = fast;
		slow.needle = NULL;
		hits = 0;
		nm = popen("nm -D --defined-only " LIBSTDCXX, "r");
		cr_assert(nm);
		while (fgets(line, sizeof(line), nm)) {
			line[strcspn(line, "\n")] = '\0';
			name = strrchr(line, ' ') + 1;
			hits += name_pattern__matches(&slow, d, name);
			cr_assert_eq(name_pattern__matches(&slow, d, name),
				name_pattern__matches(&fast, d, name), "%s: %s", patterns[i], name);
		}
		pclose(nm);
		total += hits;
	}
	cr_assert_geq(total, 1000);
	demangler__free(d);
	elf__close(elf);
}

Test(elf, bare_names_keep_what_is_not_a_parameter_list)
{
	static const char *const cases[][2] = {
		{ "ns::f(int)", "ns::f" },
		{ "ns::A::operator()(int) const", "ns::A::operator()" },
		{ "(anonymous namespace)::f()", "(anonymous namespace)::f" },
		{ "void f<(E)1>(int (*)(char)) const &", "f<(E)1>" },
		{ "unsigned long ns::g<A<(B)2>, int>(int)", "ns::g<A<(B)2>, int>" },
		{ "bool ns::operator< <int>(int)", "ns::operator< <int>" },
		{ "A::operator unsigned int() const", "A::operator unsigned int" },
		{ "f(int)::{lambda(char)#1}::operator()(char) const",
			"f(int)::{lambda(char)#1}::operator()" },
		{ "operator new(unsigned long)", "operator new" },
		{ "main", "main" },
		{ "", "" },
		{ ")", ")" },
		{ "(", "(" },
	};
	char buf[128], *start, *end, was;
	size_t i;

	for (i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		strcpy(buf, cases[i][0]);
		was = name_bare(buf, false, &start, &end);
		cr_assert_str_eq(start, cases[i][1]);
		*end = was;
		cr_assert_str_eq(buf, cases[i][0]);
	}
	strcpy(buf, "non-virtual thunk to A::f(int)");
	name_bare(buf, true, &start, &end);
	cr_assert_str_eq(start, "non-virtual thunk to A::f");
}

/* f(A<int, int>, A<of that, of that>, A<of that, of that>, ...): each doubles. */
static void nest(char *name, int levels)
{
	static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";
	int i;

	strcpy(name, "_Z1f1AIiiE");
	for (i = 0; i < levels; i++)
		sprintf(name + strlen(name), "S_IS%c_S%c_E", digits[i], digits[i]);
}

Test(elf, does_not_expand_a_name_that_explodes)
{
	struct demangler *d = demangler__new();
	char name[512], *out;

	nest(name, 5);
	out = demangler__run(d, name, strlen(name));
	cr_assert(out);
	cr_assert_geq(strlen(out), 32 * strlen("A<int, int>"));
	nest(name, 20);
	cr_assert_null(demangler__run(d, name, strlen(name)));
	cr_assert_str_eq(demangler__run(d, "_Z1fi.cold", 5), "f(int)");
	demangler__free(d);
}

Test(elf, edit_distance_is_exact_up_to_its_limit)
{
	cr_assert_eq(name_distance("", "", 3), 0);
	cr_assert_eq(name_distance("kitten", "sitting", 3), 3);
	cr_assert_eq(name_distance("kitten", "sitting", 2), 3);
	cr_assert_eq(name_distance("abc", "abcdefgh", 3), 4);
	cr_assert_eq(name_distance("flaw", "lawn", 9), 2);
}

struct usdts {
	int n;
	struct elf_usdt u[8];
};

static int keep_usdt(void *ctx, const struct elf_usdt *u)
{
	struct usdts *all = ctx;

	if (all->n < 8)
		all->u[all->n] = *u;
	all->n++;
	return 0;
}

/* sys/sdt.h's note, written by hand: the package that has it may not be there. */
static const char usdt_source[] =
	"#define NOTE(name, sema) __asm__ volatile(\"990: nop\\n\" \\\n"
	" \".pushsection .note.stapsdt,\\\"?\\\",\\\"note\\\"\\n.balign 4\\n\" \\\n"
	" \".4byte 992f-991f, 994f-993f, 3\\n991: .asciz \\\"stapsdt\\\"\\n992: .balign 4\\n\" \\\n"
	" \"993: .8byte 990b\\n.8byte _.stapsdt.base\\n.8byte \" sema \"\\n\" \\\n"
	" \".asciz \\\"prov\\\"\\n.asciz \\\"\" name \"\\\"\\n.asciz \\\"\\\"\\n994: .balign 4\\n\" \\\n"
	" \".popsection\\n\" \\\n"
	" \".ifndef _.stapsdt.base\\n\" \\\n"
	" \".pushsection .stapsdt.base,\\\"aG\\\",\\\"progbits\\\",.stapsdt.base,comdat\\n\" \\\n"
	" \".weak _.stapsdt.base\\n.hidden _.stapsdt.base\\n_.stapsdt.base: .space 1\\n\" \\\n"
	" \".size _.stapsdt.base,1\\n.popsection\\n.endif\\n\")\n"
	"__attribute__((section(\".probes\"),used)) static unsigned short sema = 0x5a5a;\n"
	"void plain(void) { NOTE(\"plain\", \"0\"); }\n"
	"void counted(void) { NOTE(\"counted\", \"sema\"); }\n"
	"int main(void) { plain(); counted(); return 0; }\n";

Test(elf, finds_usdt_probes_and_their_counters)
{
	struct usdts all = { 0 };
	struct elf_file *elf;
	size_t len;
	char *file;

	write_file("u.c", usdt_source, strlen(usdt_source));
	run("cc -O0 -fPIE -pie -Wl,-z,notext -o u u.c 2>u.log || cc -O0 -fno-pie -no-pie -o u u.c");
	elf = open_elf(path_of("u"), dir);
	cr_assert_eq(elf__usdts(elf, "prov", "*", keep_usdt, &all), 2);
	cr_assert_eq(all.n, 2);
	cr_assert_str_eq(all.u[0].name, "plain");
	cr_assert_eq(all.u[0].semaphore, 0);
	cr_assert_str_eq(all.u[1].name, "counted");
	cr_assert_neq(all.u[1].semaphore, 0);
	file = read_whole(path_of("u"), &len);
	cr_assert_eq((uint8_t)file[all.u[0].offset], 0x90);
	cr_assert_eq((uint8_t)file[all.u[1].offset], 0x90);
	cr_assert_eq(memcmp(file + all.u[1].semaphore, "\x5a\x5a", 2), 0);
	free(file);
	cr_assert_eq(elf__usdts(elf, "prov", "count?d", keep_usdt, &all), 1);
	cr_assert_eq(elf__usdts(elf, "other", "*", keep_usdt, &all), 0);
	elf__close(elf);
}

Test(elf, follows_the_base_when_sections_were_moved)
{
	struct usdts before = { 0 }, after = { 0 };
	struct elf_file *elf;
	char *file, *note;
	uint64_t v[3];
	size_t len;
	int i;

	write_file("u.c", usdt_source, strlen(usdt_source));
	run("cc -O0 -fno-pie -no-pie -o u u.c");
	elf = open_elf(path_of("u"), dir);
	cr_assert_eq(elf__usdts(elf, "*", "*", keep_usdt, &before), 2);
	elf__close(elf);
	/* as prelink would have done: everything lies 64 KiB higher than the notes say */
	file = read_whole(path_of("u"), &len);
	for (note = file; (note = memmem(note, file + len - note, "stapsdt\0", 8)); note += 8) {
		memcpy(v, note + 8, sizeof(v));
		if (v[0] != before.u[0].addr && v[0] != before.u[1].addr)
			continue;
		for (i = 0; i < 3; i++)
			v[i] -= v[i] ? 0x10000 : 0;
		memcpy(note + 8, v, sizeof(v));
	}
	write_file("moved", file, len);
	free(file);
	elf = open_elf(path_of("moved"), dir);
	cr_assert_eq(elf__usdts(elf, "*", "*", keep_usdt, &after), 2);
	for (i = 0; i < 2; i++) {
		cr_assert_eq(after.u[i].offset, before.u[i].offset);
		cr_assert_eq(after.u[i].semaphore, before.u[i].semaphore);
	}
	elf__close(elf);
}

Test(elf, refuses_what_is_not_for_this_machine)
{
	struct elf_file *elf = (void *)1;
	const char *why = NULL;
	Elf32_Ehdr e = {
		.e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_386, .e_version = EV_CURRENT,
		.e_ehsize = sizeof(e), .e_phentsize = sizeof(Elf32_Phdr),
		.e_shentsize = sizeof(Elf32_Shdr),
	};
	Elf64_Ehdr e64;
	char *file;
	size_t len;

	write_file("e32", &e, sizeof(e));
	cr_assert_eq(elf__open(path_of("e32"), "", &elf, &why), -ENOTSUP);
	cr_assert_null(elf);
	cr_assert_str_eq(why, "made for another machine");
	file = read_whole("/proc/self/exe", &len);
	memcpy(&e64, file, sizeof(e64));
	e64.e_machine = EM_RISCV;
	write_file("riscv", &e64, sizeof(e64));
	cr_assert_eq(elf__open(path_of("riscv"), "", &elf, &why), -ENOTSUP);
	free(file);
	write_file("text", "#!/bin/sh\n", 10);
	cr_assert_eq(elf__open(path_of("text"), "", &elf, &why), -ENOEXEC);
	write_file("empty", "", 0);
	cr_assert_eq(elf__open(path_of("empty"), "", &elf, &why), -ENOEXEC);
	cr_assert_eq(elf__open(path_of("absent"), "", &elf, &why), -ENOENT);
	cr_assert_eq(elf__open(dir, "", &elf, &why), -ENOEXEC);
	run("mkfifo fifo && cc -c -x c -o o.o /dev/null");
	cr_assert_eq(elf__open(path_of("fifo"), "", &elf, &why), -ENOEXEC);
	cr_assert_eq(elf__open(path_of("o.o"), "", &elf, &why), -ENOEXEC);
	elf__close(NULL);
}

/* Everything that can be asked of a file. The answers do not matter, only that there are some. */
static void ask_all(const char *path)
{
	struct usdts usdts = { 0 };
	const char *why = NULL, *near[4];
	struct elf_file *elf;
	struct elf_func func;
	int n = -1000;

	if (elf__open(path, dir, &elf, &why)) {
		cr_assert(why);
		return;
	}
	elf__functions(elf, "*", count, &n);
	elf__usdts(elf, "*", "*", keep_usdt, &usdts);
	elf__nearest(elf, "ns::f", near, 4);
	elf__at(elf, 0x1100, &func);
	elf__at(elf, 0x401130, &func);
	elf__close(elf);
}

Test(elf, survives_files_that_were_cut_short)
{
	size_t len, n;
	char *file;

	write_file("u.c", usdt_source, strlen(usdt_source));
	run("cc -Os -fno-pie -no-pie -o u u.c");
	file = read_whole(path_of("u"), &len);
	for (n = 0; n < len; n += n < 1024 ? 13 : 149) {
		write_file("cut", file, n);
		ask_all(path_of("cut"));
	}
	free(file);
}

Test(elf, survives_flipped_bytes)
{
	size_t len, i, at;
	unsigned int seed = 12345;
	char *file, was;

	make_c();
	run("cp a.so m && strip -g m && xz -k m && "
	    "objcopy --add-section .gnu_debugdata=m.xz a.so x.so && strip -g x.so");
	file = read_whole(path_of("x.so"), &len);
	for (i = 0; i < 1500; i++) {
		/* a third each in the headers, in the section headers, and anywhere */
		at = rand_r(&seed);
		at = i % 3 == 0 ? at % 0x300 : i % 3 == 1 ? len - 1 - at % (40 * 64) : at % len;
		was = file[at];
		file[at] = i % 2 ? 0xff : rand_r(&seed);
		write_file("flipped", file, len);
		ask_all(path_of("flipped"));
		if (i % 8)
			file[at] = was;
		else if (i % 64 == 0) {
			free(file);
			file = read_whole(path_of("x.so"), &len);
		}
	}
	free(file);
}
