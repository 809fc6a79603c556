/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "plan.h"

#include <errno.h>

#include "elf_fixture.h"
#include "../bpf/ramtrace.h"

TestSuite(plan, .init = make_dir, .fini = remove_dir, .timeout = 60);

#define MAX_SPECS 4

static struct checkpoint_spec specs[MAX_SPECS];
static const struct checkpoint_spec *spec_list[MAX_SPECS];
static struct plan_config config = { .specs = spec_list, .multi = true };
static struct plan plan;
static char err[1024];

static void parse(const char *const *texts)
{
	for (int i = 0; i < MAX_SPECS && texts[i]; i++) {
		cr_assert_eq(spec__parse(texts[i], &specs[i], err, sizeof(err)), 0, "%s", err);
		spec_list[i] = &specs[i];
	}
}

#define SPECS(...) parse((const char *const[]){ __VA_ARGS__, NULL })

static void clean(struct elf_file *elf)
{
	elf__close(elf);
	plan__clear(&plan);
	cr_assert_eq(plan.n, 0);
	for (int i = 0; i < MAX_SPECS; i++)
		spec__clear(&specs[i]);
}

/* What comes of spec number i in the file; the caller frees the problem. */
static struct plan_found search(struct elf_file *elf, unsigned int i, unsigned int file)
{
	struct plan_found found = { 0 };

	err[0] = '\0';
	cr_assert_eq(plan__search(&plan, &config, i, elf, file, "/x/file", &found, err, sizeof(err)), 0,
		"%s", err);
	cr_assert_eq(found.functions == 0, found.problem != NULL);
	return found;
}

static void assert_problem(struct elf_file *elf, unsigned int i, const char *words)
{
	struct plan_found found = search(elf, i, 0);

	cr_assert_eq(found.functions, 0);
	cr_assert(strstr(found.problem, words), "%s", found.problem);
	free(found.problem);
}

static const struct planned *planned(const char *name)
{
	for (size_t i = 0; i < plan.n; i++)
		if (!strcmp(plan.funcs[i].name, name))
			return &plan.funcs[i];
	cr_assert_fail("%s is not planned", name);
	return NULL;
}

#ifdef __x86_64__
#define RET  "ret"
#define JUMP "jmp "
#define WORK "lea 1(%rdi), %eax\n"
#else
#define RET  "ret"
#define JUMP "b "
#define WORK "add w0, w0, #1\n"
#endif
#define FUNC(name, code) ".globl " name "\n.type " name ",@function\n" name ":\n" code "\n.size " name ",.-" name "\n"

/* Functions of which each instruction is known. */
static const char source[] =
	".text\n"
	FUNC("returns", WORK RET)
	FUNC("only_ret", RET)
	FUNC("only_jump", JUMP "returns")
	FUNC("tails", WORK JUMP "returns")
	FUNC("tails_away", WORK JUMP "other")
	FUNC("other", WORK WORK RET)
	FUNC("loops", "1: " JUMP "1b");

static struct elf_file *known_file(void)
{
	write_file("a.s", source, strlen(source));
	run("cc -shared -nostdlib -o a.so a.s");
	return open_elf(path_of("a.so"), "");
}

Test(plan, a_function_with_a_return_label_gets_a_probe_on_each_exit)
{
	struct elf_file *elf = known_file();
	const struct planned *f;

	SPECS("x:returns");
	cr_assert_eq(search(elf, 0, 3).functions, 1);
	cr_assert_eq(plan.n, 1);
	f = planned("returns");
	cr_assert_eq(f->file, 3);
	cr_assert_eq((int64_t)f->offset, elf__offset(elf, f->addr));
	cr_assert_str_eq(f->source, ".dynsym");
	cr_assert_str_eq(f->returns, "probes on its exits");
	cr_assert_eq(f->flags, RT_FN_RETURNS | RT_FN_COMPLETE);
	cr_assert_eq(f->cost, COST_STEPPED);
	cr_assert_eq(f->exits.n, 1);
	cr_assert_gt(f->exits.exits[0].offset, f->offset);
	cr_assert_eq(f->n_specs, 1);
	clean(elf);
}

Test(plan, without_a_return_label_the_exits_are_left_alone)
{
	struct elf_file *elf = known_file();

	SPECS("x:returns");
	free(specs[0].leave[0]);
	free(specs[0].leave[1]);
	specs[0].leave[0] = specs[0].leave[1] = NULL;
	search(elf, 0, 0);
	cr_assert_eq(plan.funcs[0].flags, 0);
	cr_assert_eq(plan.funcs[0].exits.n, 0);
	cr_assert_str_eq(plan.funcs[0].returns, "none");
	clean(elf);
}

Test(plan, the_way_to_see_returns_is_the_one_that_was_asked_for)
{
	struct elf_file *elf = known_file();

	SPECS("x:returns", "x:other");
	config.returns = RETURN_NOTICED;
	search(elf, 0, 0);
	cr_assert_str_eq(planned("returns")->returns, "noticed");
	cr_assert_eq(planned("returns")->flags, RT_FN_RETURNS);
	cr_assert_eq(planned("returns")->exits.n, 0);
	config.returns = RETURN_URETPROBE;
	search(elf, 1, 0);
	cr_assert_str_eq(planned("other")->returns, "uretprobe");
	cr_assert_eq(planned("other")->flags, RT_FN_RETURNS | RT_FN_COMPLETE | RT_FN_URETPROBE);
	clean(elf);
}

Test(plan, exits_on_the_first_instruction_share_its_probe)
{
	struct elf_file *elf = known_file();

	SPECS("x:only_*");
	cr_assert_eq(search(elf, 0, 0).functions, 2);
	cr_assert_eq(planned("only_ret")->flags, RT_FN_RETURNS | RT_FN_COMPLETE | RT_FN_RET_AT_ENTRY);
	cr_assert_eq(planned("only_jump")->flags, RT_FN_RETURNS | RT_FN_COMPLETE | RT_FN_TAIL_AT_ENTRY);
	cr_assert_eq(planned("only_jump")->cost, COST_EMULATED);
	clean(elf);
}

Test(plan, a_function_that_never_returns_is_complete_without_exits)
{
	struct elf_file *elf = known_file();

	SPECS("x:loops");
	search(elf, 0, 0);
	cr_assert_eq(planned("loops")->exits.n, 0);
	cr_assert_eq(planned("loops")->flags, RT_FN_RETURNS | RT_FN_COMPLETE);
	clean(elf);
}

Test(plan, what_several_specs_mean_is_one_function_of_a_file)
{
	struct elf_file *elf = known_file();

	SPECS("x:returns", "x:ret*", "x:other");
	search(elf, 0, 0);
	cr_assert_eq(search(elf, 1, 0).functions, 1);
	search(elf, 2, 0);
	cr_assert_eq(plan.n, 2);
	cr_assert_eq(planned("returns")->n_specs, 2);
	cr_assert_eq(planned("returns")->specs[0], 0);
	cr_assert_eq(planned("returns")->specs[1], 1);
	/* and another of another file */
	search(elf, 0, 1);
	cr_assert_eq(plan.n, 3);
	cr_assert_eq(plan.funcs[2].file, 1);
	clean(elf);
}

/* --- sites ------------------------------------------------------------------------------------ */

static size_t sites(const char *name, size_t from, struct uprobe_site *out)
{
	return plan__sites(&plan, from, (unsigned int)(planned(name) - plan.funcs), out);
}

Test(plan, sites_are_the_entry_and_the_exits_with_what_to_do_there)
{
	struct elf_file *elf = known_file();
	const struct planned *f;
	struct uprobe_site s[4];
	uint32_t id;

	SPECS("x:*");
	cr_assert_eq(search(elf, 0, 0).functions, 7);
	f = planned("returns");
	id = (uint32_t)(f - plan.funcs);
	cr_assert_eq(sites("returns", 0, s), 2);
	cr_assert_eq(s[0].offset, f->offset);
	cr_assert_eq(s[0].semaphore, 0);
	cr_assert_eq(s[0].cookie, RT_COOKIE(id, f->flags | RT_FN_STEPPED, RT_SITE_ENTRY));
	cr_assert_eq(s[1].offset, f->exits.exits[0].offset);
	cr_assert_eq(s[1].cookie, RT_COOKIE(id, f->flags | RT_FN_STEPPED, RT_SITE_RET));
	cr_assert_eq(sites("only_ret", 0, s), 1, "entry and return are one");
	cr_assert_eq(sites("loops", 0, s), 1);
	clean(elf);
}

Test(plan, a_jump_to_a_probed_function_is_marked_and_no_other)
{
	struct elf_file *elf = known_file();
	struct uprobe_site s[4];

	SPECS("x:tails*", "x:only_jump", "x:returns");
	search(elf, 0, 0);
	search(elf, 1, 0);
	cr_assert_eq(sites("tails", 0, s), 2);
	cr_assert_eq(RT_COOKIE_SITE(s[1].cookie), RT_SITE_TAIL);
	cr_assert_eq(RT_COOKIE_FLAGS(s[1].cookie) & (RT_FN_TAIL_PROBED | RT_FN_STEPPED), 0);
	search(elf, 2, 0);
	sites("tails", 0, s);
	cr_assert_eq(RT_COOKIE_FLAGS(s[1].cookie) & RT_FN_TAIL_PROBED, RT_FN_TAIL_PROBED);
	cr_assert_eq(RT_COOKIE_FLAGS(s[0].cookie) & RT_FN_TAIL_PROBED, 0, "that is the exit's");
	sites("only_jump", 0, s);
	cr_assert_eq(RT_COOKIE_FLAGS(s[0].cookie) & RT_FN_TAIL_PROBED, RT_FN_TAIL_PROBED);
	sites("tails_away", 0, s);
	cr_assert_eq(RT_COOKIE_FLAGS(s[1].cookie) & RT_FN_TAIL_PROBED, 0);
	/* what was attached long ago, of another file, has the same addresses */
	sites("tails", plan.n, s);
	cr_assert_eq(RT_COOKIE_FLAGS(s[1].cookie) & RT_FN_TAIL_PROBED, 0);
	plan.funcs[planned("returns") - plan.funcs].cost = COST_INVALID;
	sites("tails", 0, s);
	cr_assert_eq(RT_COOKIE_FLAGS(s[1].cookie) & RT_FN_TAIL_PROBED, 0, "it will be refused");
	clean(elf);
}

/* --- addresses and USDT ------------------------------------------------------------------------- */

Test(plan, an_address_is_one_instruction_and_named_by_the_function_around_it)
{
	struct elf_file *elf = known_file();
	uint64_t addr = find(elf, "other")->f[0].addr;
	uint8_t first[16];
	char texts[3][64];

	cr_assert_gt(elf__code(elf, addr, first, sizeof(first)), 3);
	snprintf(texts[0], sizeof(texts[0]), "addr:x:%#llx", (unsigned long long)addr);
	snprintf(texts[1], sizeof(texts[1]), "addr:x:%#llx", (unsigned long long)addr + 1);
	snprintf(texts[2], sizeof(texts[2]), "addr:x:0x7000000000");
	SPECS(texts[0], texts[1], texts[2]);
	cr_assert_eq(search(elf, 0, 0).functions, 1);
	cr_assert_str_eq(plan.funcs[0].name, "other");
	cr_assert_str_eq(plan.funcs[0].source, "address");
	cr_assert_eq(plan.funcs[0].flags, 0, "it has no return");
	assert_problem(elf, 1, "no instruction that begins at 0x");
	assert_problem(elf, 2, "no instruction that begins at 0x7000000000");
	clean(elf);
}

Test(plan, a_usdt_probe_brings_its_counter)
{
	static const char usdt[] =
		"#define _SDT_HAS_SEMAPHORES 1\n"
		"#include <sys/sdt.h>\n"
		"unsigned short mine_counted_semaphore __attribute__((section(\".probes\")));\n"
		"int f(int n) { STAP_PROBE1(mine, counted, n); return n; }\n";
	struct uprobe_site site;
	struct elf_file *elf;

	write_file("u.c", usdt, strlen(usdt));
	run("cc -O1 -shared -fPIC -o u.so u.c");
	elf = open_elf(path_of("u.so"), "");
	SPECS("usdt:x:mine:counted", "usdt:x:mine:none");
	cr_assert_eq(search(elf, 0, 0).functions, 1);
	cr_assert_str_eq(plan.funcs[0].name, "mine:counted");
	cr_assert_str_eq(plan.funcs[0].source, ".note.stapsdt");
	cr_assert_neq(plan.funcs[0].semaphore, 0);
	cr_assert_eq(plan__sites(&plan, 0, 0, &site), 1);
	cr_assert_eq(site.semaphore, plan.funcs[0].semaphore);
	assert_problem(elf, 1, "/x/file has no USDT probe mine:none");
	clean(elf);
}

/* --- what is not there -------------------------------------------------------------------------- */

Test(plan, a_name_that_is_not_there_is_answered_with_those_that_are_near)
{
	struct elf_file *elf = known_file();

	SPECS("x:return", "x:zzzzzzzzzzzzzz*");
	assert_problem(elf, 0, "/x/file has no function return; nearest: returns");
	assert_problem(elf, 1, "--list with '*'");
	cr_assert_eq(plan.n, 0);
	elf__close(elf);
	run("strip a.so");
	elf = open_elf(path_of("a.so"), "");
	assert_problem(elf, 0, "among its exported symbols (it is stripped");
	clean(elf);
}

Test(plan, a_glob_that_would_take_minutes_to_detach_is_refused_unless_forced)
{
	struct plan_found found;
	struct elf_file *elf;
	FILE *f = fopen(path_of("many.s"), "w");

	fprintf(f, ".text\n");
	for (int i = 0; i < 201; i++)
		fprintf(f, ".globl f%d\n.type f%d,@function\nf%d: ret\n.size f%d,1\n", i, i, i, i);
	fclose(f);
	run("cc -shared -nostdlib -o many.so many.s");
	elf = open_elf(path_of("many.so"), "");
	SPECS("x:f*", "x:f1*");
	config.multi = false;
	cr_assert_eq(plan__search(&plan, &config, 0, elf, 0, "/x", &found, err, sizeof(err)), -E2BIG);
	cr_assert(strstr(err, "x:f* matches 201 functions of /x"), "%s", err);
	cr_assert(strstr(err, "--force"), "%s", err);
	plan__clear(&plan);
	cr_assert_eq(search(elf, 1, 0).functions, 111);
	config.force = true;
	cr_assert_eq(search(elf, 0, 0).functions, 201);
	plan__clear(&plan);
	config.force = false;
	config.multi = true;
	cr_assert_eq(search(elf, 0, 0).functions, 201);
	clean(elf);
}
