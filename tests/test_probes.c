/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "probes.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <sys/mman.h>

#include "elf_fixture.h"
#include "fact.h"
#include "said.h"

/* --- a kernel's side that only takes note: in place of session.c --------------------------------- */

#define MAX_SITES 64

struct session {
	size_t calls, n;
	struct uprobe_site sites[MAX_SITES];
	enum session_prog prog[MAX_SITES];
	char path[400]; /* of the last call */
	uint64_t refuse; /* this offset, */
	int answer;	 /* or all */
	int copiers;
};

int session__attach(struct session *s, enum session_prog prog, const char *path,
	const struct uprobe_site *sites, size_t n, size_t *refused, size_t *n_refused)
{
	s->calls++;
	snprintf(s->path, sizeof(s->path), "%s", path);
	*n_refused = 0;
	for (size_t i = 0; i < n; i++) {
		if (sites[i].offset == s->refuse) {
			refused[(*n_refused)++] = i;
			continue;
		}
		cr_assert_lt(s->n, MAX_SITES);
		s->prog[s->n] = prog;
		s->sites[s->n++] = sites[i];
	}
	return s->answer;
}

int session__mark_stack_copier(struct session *s, pid_t pid)
{
	s->copiers++;
	return 0;
}

/* --- what is under test --------------------------------------------------------------------------- */

#define MAX_SPECS 4
#define MAX_FACTS 32

static struct checkpoint_spec specs[MAX_SPECS];
static const struct checkpoint_spec *spec_list[MAX_SPECS];
static struct probes *p;
static struct fact facts[MAX_FACTS];
static size_t n_facts;
static char err[1024];

static int on_fact(void *ctx, const struct record *rec)
{
	cr_assert_lt(n_facts, MAX_FACTS);
	cr_assert_eq(fact__decode(rec, &facts[n_facts++]), 0);
	return 0;
}

static void forget_facts(void)
{
	while (n_facts)
		fact__clear(&facts[--n_facts]);
}

static void tear_down(void)
{
	probes__free(p);
	forget_facts();
	for (int i = 0; i < MAX_SPECS; i++)
		spec__clear(&specs[i]);
	remove_dir();
}

TestSuite(probes, .init = make_dir, .fini = tear_down, .timeout = 60);

static void begin(struct session *session, const char *const *texts)
{
	struct probes_config config = { .specs = spec_list, .multi = true, .session = session,
		.emit = on_fact };

	for (; texts[config.n_specs]; config.n_specs++) {
		cr_assert_eq(spec__parse(texts[config.n_specs], &specs[config.n_specs], err, sizeof(err)), 0,
			"%s", err);
		spec_list[config.n_specs] = &specs[config.n_specs];
	}
	p = probes__new(&config);
	cr_assert(p);
}

#define BEGIN(session, ...) begin(session, (const char *const[]){ __VA_ARGS__, NULL })

static const char source[] =
	"int __attribute__((noinline)) first(int a) { return a + 1; }\n"
	"int __attribute__((noinline)) second(int a) { return a + 2; }\n";

/* A small library, and what names it in a spec: "PATH:SYMBOL". */
static void make_library(void)
{
	write_file("a.c", source, sizeof(source) - 1);
	run("cc -O1 -fcf-protection=none -shared -fPIC -o libtest-a.so.1 a.c");
}

static const char *in_library(const char *symbol)
{
	static char text[4][400];
	static int i;
	char *t = text[i++ % 4];

	snprintf(t, 400, "%s:%s", path_of("libtest-a.so.1"), symbol);
	return t;
}

static void find_files(const char *command)
{
	err[0] = '\0';
	cr_assert_eq(probes__find_files(p, command, err, sizeof(err)), 0, "%s", err);
}

struct listed {
	size_t n;
	char name[8][64], file[8][200];
	unsigned int id[8];
};

static int on_probe(void *ctx, const struct probe_info *info)
{
	struct listed *l = ctx;

	cr_assert_lt(l->n, 8);
	l->id[l->n] = info->id;
	snprintf(l->name[l->n], 64, "%s", info->name);
	snprintf(l->file[l->n++], 200, "%s", info->file);
	return l->n == 8 ? -E2BIG : 0;
}

static struct listed list(size_t spec)
{
	struct listed l = { 0 };

	probes__each(p, spec, on_probe, &l);
	return l;
}

static void assert_unmatched(size_t i, bool seen, const char *words)
{
	char why[2048] = "";
	bool was_seen;

	cr_assert(probes__unmatched(p, i, &was_seen, why, sizeof(why)));
	cr_assert_eq(was_seen, seen);
	cr_assert(strstr(why, words), "%s", why);
}

/* --- files that need no process ------------------------------------------------------------------- */

Test(probes, a_path_is_found_before_any_process_has_it)
{
	struct listed l;
	char why[64];
	bool seen;

	make_library();
	BEGIN(NULL, in_library("first"), in_library("[fs][ie][rc]*"), in_library("third"), "/no/such/file:f");
	cr_assert_eq(probes__waiting(p), 4);
	find_files(NULL);
	cr_assert_eq(probes__waiting(p), 1);
	cr_assert_eq(probes__matched(p), 2);
	cr_assert_eq(probes__functions(p), 2);
	l = list(0);
	cr_assert_eq(l.n, 1);
	cr_assert_str_eq(l.name[0], "first");
	cr_assert_str_eq(l.file[0], path_of("libtest-a.so.1"));
	cr_assert_eq(list(1).n, 2);
	cr_assert_eq(list(1).id[0], l.id[0], "a function is one, whoever means it");
	cr_assert(!probes__unmatched(p, 0, &seen, why, sizeof(why)));
	assert_unmatched(2, true, "has no function third");
	assert_unmatched(3, false, "no traced process has /no/such/file mapped");
	/* again changes nothing */
	find_files(NULL);
	cr_assert_eq(probes__functions(p), 2);
}

Test(probes, a_library_is_found_in_the_usual_directories_and_a_program_in_path)
{
	BEGIN(NULL, "libc.so.6:malloc", "bash:main", "libno-such.so.9:f", "libc:free");
	find_files(NULL);
	cr_assert_eq(list(0).n, 1);
	cr_assert_str_eq(list(0).name[0], "malloc");
	cr_assert_eq(list(1).n, 1);
	cr_assert(strstr(list(1).file[0], "/bash"));
	assert_unmatched(2, false, "no traced process");
	cr_assert_eq(list(3).n, 1, "the file that was found for another spec is known to this one");
}

Test(probes, without_a_binary_the_command_is_meant)
{
	BEGIN(NULL, ":main", "libc.so.6:malloc");
	find_files("bash");
	cr_assert_eq(list(0).n, 1);
	cr_assert(strstr(list(0).file[0], "/bash"));
}

Test(probes, a_file_that_cannot_be_probed_is_told_with_what_it_is)
{
	char spec[400];

	write_file("text", "hello", 5);
	snprintf(spec, sizeof(spec), "%s:f", path_of("text"));
	BEGIN(NULL, spec);
	find_files(NULL);
	cr_assert_eq(probes__waiting(p), 0);
	assert_unmatched(0, true, "text: not an ELF file; only programs and libraries for this machine");
}

Test(probes, a_file_that_must_not_be_read_is_no_file_of_another_machine)
{
	make_library();
	run("chmod 0 libtest-a.so.1");
	if (!access(path_of("libtest-a.so.1"), R_OK))
		return; /* nothing is forbidden to root */
	BEGIN(NULL, in_library("first"));
	find_files(NULL);
	assert_unmatched(0, true, "it cannot be opened; it takes root");
}

/* --- processes -------------------------------------------------------------------------------------- */

static bool may_open_mapped_files(void)
{
	char path[64], line[512] = "";
	FILE *f = fopen("/proc/self/maps", "r");
	int fd;

	while (!strchr(line, '/'))
		cr_assert(f && fgets(line, sizeof(line), f));
	fclose(f);
	snprintf(path, sizeof(path), "/proc/self/map_files/%.*s", (int)strcspn(line, " "), line);
	fd = open(path, O_RDONLY);
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void scan(bool root)
{
	err[0] = '\0';
	cr_assert_eq(probes__scan(p, getpid(), root, err, sizeof(err)), 0, "%s", err);
}

Test(probes, what_a_process_has_mapped_is_probed_by_name)
{
	BEGIN(NULL, "libc:malloc", ":on_fact", "nothing-of-the-kind:f");
	scan(false);
	assert_unmatched(1, false, "no traced process has it mapped");
	assert_unmatched(2, false, "no traced process has nothing-of-the-kind mapped");
	if (!may_open_mapped_files()) {
		assert_unmatched(0, true, "it takes root");
		return;
	}
	cr_assert_eq(list(0).n, 1);
	cr_assert(strstr(list(0).file[0], "/libc"));
	scan(true);
	cr_assert_eq(list(1).n, 1, "it is the main program of a process that was named");
	cr_assert_eq(list(0).n, 1);
}

Test(probes, the_file_that_is_mapped_counts_also_when_another_lies_at_its_path)
{
	int fd;

	if (!may_open_mapped_files())
		return; /* for others nothing of it can be seen */
	make_library();
	fd = open(path_of("libtest-a.so.1"), O_RDONLY);
	cr_assert_neq(mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0), MAP_FAILED);
	close(fd);
	run("rm libtest-a.so.1; echo text >libtest-a.so.1");
	BEGIN(NULL, "libtest-a:second");
	scan(false);
	cr_assert_eq(list(0).n, 1);
}

Test(probes, a_process_that_has_gone_is_told)
{
	BEGIN(NULL, "libc:malloc");
	cr_assert_eq(probes__scan(p, 0x3fffffff, true, err, sizeof(err)), -ESRCH);
}

/* --- attaching -------------------------------------------------------------------------------------- */

Test(probes, functions_are_attached_once_with_their_ids)
{
	struct session s = { .refuse = 1 };

	make_library();
	BEGIN(&s, in_library("first"), in_library("[fs][ie][rc]*"));
	find_files(NULL);
	cr_assert_eq(s.calls, 1);
	cr_assert_eq(s.n, 4, "two entries and two rets");
	cr_assert_str_eq(s.path, path_of("libtest-a.so.1"));
	for (size_t i = 0; i < s.n; i++) {
		cr_assert_eq(s.prog[i], SESSION_FUNCTION);
		cr_assert_eq(RT_COOKIE_FUNC(s.sites[i].cookie), i / 2);
		cr_assert_eq(RT_COOKIE_SITE(s.sites[i].cookie), i % 2 ? RT_SITE_RET : RT_SITE_ENTRY);
	}
	find_files(NULL);
	cr_assert_eq(s.calls, 1);
}

Test(probes, another_file_is_attached_without_what_was_before)
{
	struct session s = { .refuse = 1 };
	char other[400];

	make_library();
	run("cp libtest-a.so.1 other.so && printf x >>other.so");
	snprintf(other, sizeof(other), "%s:second", path_of("other.so"));
	BEGIN(&s, in_library("first"), other);
	find_files(NULL);
	cr_assert_eq(s.calls, 2);
	cr_assert_str_eq(s.path, path_of("other.so"));
	cr_assert_eq(s.n, 4);
	cr_assert_eq(RT_COOKIE_FUNC(s.sites[1].cookie), 0);
	cr_assert_eq(RT_COOKIE_FUNC(s.sites[2].cookie), 1);
}

Test(probes, a_site_that_the_kernel_refuses_is_told_and_the_others_go_on)
{
	struct session s = { .refuse = 1 };

	make_library();
	BEGIN(&s, in_library("first"));
	find_files(NULL);
	s = (struct session){ .refuse = s.sites[1].offset };
	probes__free(p);
	said__begin(2);
	BEGIN(&s, in_library("second"), in_library("first"));
	find_files(NULL);
	cr_assert_eq(s.n, 3);
	cr_assert_said(2, "refuses a probe on first", "its return will be noticed later");
}

Test(probes, when_nothing_can_be_attached_the_error_says_where)
{
	struct session s = { .refuse = 1, .answer = -EPERM };

	make_library();
	BEGIN(&s, in_library("first"));
	cr_assert_eq(probes__find_files(p, NULL, err, sizeof(err)), -EPERM);
	cr_assert(strstr(err, "cannot attach 2 probes to "), "%s", err);
	cr_assert(strstr(err, "libtest-a.so.1: Operation not permitted"), "%s", err);
}

Test(probes, the_linkers_of_this_machine_are_watched_for_a_command_and_once)
{
	struct session s = { .refuse = 1 };

	BEGIN(&s, "libno-such.so.9:f");
	find_files(NULL);
	cr_assert_eq(s.n, 0, "there is no command that could load anything");
	find_files("true");
	cr_assert_geq(s.n, 1);
	cr_assert_eq(s.prog[0], SESSION_MAPPED);
	cr_assert_neq(s.sites[0].offset, 0);
	cr_assert(strstr(s.path, "/ld-"));
	s.calls = 0;
	find_files("true");
	scan(true);
	cr_assert_eq(s.calls, 0);
}

/* --- facts ------------------------------------------------------------------------------------------ */

Test(probes, functions_are_told_when_found_and_specs_when_their_state_is_new)
{
	make_library();
	BEGIN(NULL, in_library("first"), "libno-such.so.9:f");
	find_files(NULL);
	cr_assert_eq(n_facts, 1);
	cr_assert_eq(facts[0].kind, REC_FUNC);
	cr_assert_str_eq(facts[0].func.name, "first");
	cr_assert_eq(facts[0].func.n_specs, 1);
	cr_assert_eq(facts[0].func.specs[0], 0);
	forget_facts();
	cr_assert_eq(probes__tell(p), 0);
	cr_assert_eq(n_facts, 2);
	cr_assert_eq(facts[0].kind, REC_SPEC);
	cr_assert_str_eq(facts[0].spec.entry[LANG_EN], "before first");
	cr_assert_null(facts[0].spec.unmatched);
	cr_assert(facts[1].spec.unmatched);
	cr_assert_eq(facts[1].spec.id, 1);
	cr_assert_eq(probes__tell(p), 0);
	cr_assert_eq(n_facts, 2);
}

Test(probes, a_spec_that_matches_late_is_told_again)
{
	make_library();
	run("mv libtest-a.so.1 later");
	BEGIN(NULL, in_library("first"));
	find_files(NULL);
	cr_assert_eq(probes__tell(p), 0);
	cr_assert_eq(n_facts, 1);
	cr_assert(facts[0].spec.unmatched);
	run("mv later libtest-a.so.1");
	find_files(NULL);
	cr_assert_eq(probes__tell(p), 0);
	cr_assert_eq(n_facts, 3);
	cr_assert_eq(facts[1].kind, REC_FUNC);
	cr_assert_eq(facts[2].kind, REC_SPEC);
	cr_assert_null(facts[2].spec.unmatched);
}
