/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Events about children of this test, and what is learned of them in /proc. */
#include "watch.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "fact.h"
#include "feed.h"
#include "offspring.h"
#include "procfs.h"

#define SEC	 1000000000ULL
#define MS	 1000000ULL
#define MAX_TOLD 32
#define GONE	 0x3fffffff /* above every pid_max */

static struct told {
	uint32_t pid;
	uint64_t start_ns;
	char *role, *cmdline, *comm;
} told[MAX_TOLD];
static size_t n_told;
static int answer;
static struct role_rules *rules;
static struct watch *w;

static int on_fact(void *ctx, const struct record *rec)
{
	struct fact fact;

	cr_assert_eq(rec->kind, REC_PROC);
	cr_assert_eq(fact__decode(rec, &fact), 0);
	cr_assert_lt(n_told, MAX_TOLD);
	told[n_told++] = (struct told){ fact.proc.pid, fact.proc.start_ns,
		strdup(fact.proc.role ? fact.proc.role : ""),
		strdup(fact.proc.cmdline ? fact.proc.cmdline : ""),
		strdup(fact.proc.comm ? fact.proc.comm : "") };
	fact__clear(&fact);
	return answer;
}

static void set_up(void)
{
	char err[256] = "";

	cr_assert_eq(role_rules__load(&rules, err, sizeof(err)), 0, "%s", err);
	w = watch__new(NULL, rules, on_fact, NULL);
	cr_assert(w);
}

static void tear_down(void)
{
	watch__free(w);
	role_rules__free(rules);
	for (size_t i = 0; i < n_told; i++) {
		free(told[i].role);
		free(told[i].cmdline);
		free(told[i].comm);
	}
}

TestSuite(watch, .init = set_up, .fini = tear_down, .timeout = 30);

#define EVENT(what, ...)                                                                           \
	({                                                                                         \
		struct feed_event e_ = { __VA_ARGS__ };                                            \
		__auto_type ev_ = feed__make_##what(&e_);                                          \
		watch__event(w, &ev_.h);                                                           \
	})

static struct rt_mapped feed__make_mapped(const struct feed_event *e)
{
	return (struct rt_mapped){ .h = feed__hdr(e, RT_EV_MAPPED, sizeof(struct rt_mapped)) };
}

/* Is the n-th that was told so? The name is looked at only where it is given. */
static void assert_told(size_t n, uint32_t pid, const char *cmdline, const char *role,
	const char *comm)
{
	cr_assert_eq(n_told, n + 1, "%zu were told, not %zu", n_told, n + 1);
	cr_assert_eq(told[n].pid, pid);
	cr_assert_str_eq(told[n].cmdline, cmdline);
	cr_assert_str_eq(told[n].role, role);
	if (comm)
		cr_assert_str_eq(told[n].comm, comm);
}

/* cat under another argv[0], which is what titles begin with */
static struct offspring cat_called(char *title)
{
	char *argv[] = { title, NULL }, *envp[] = { NULL };

	return offspring__exec("/bin/cat", argv, envp);
}

Test(watch, a_process_at_attach_is_told_once_with_title_and_role)
{
	struct offspring o = cat_called("postgres: checkpointer ");
	uint32_t pid = (uint32_t)o.pid;

	cr_assert_eq(watch__alive(w), 0);
	cr_assert_eq(EVENT(totals, .pid = pid, .start_ns = 77, .time_ns = 1), 0);
	assert_told(0, pid, "postgres: checkpointer", "postgres: checkpointer", "cat");
	cr_assert_eq(told[0].start_ns, 77);
	cr_assert_eq(watch__alive(w), 1);
	cr_assert_eq(EVENT(totals, .pid = pid, .start_ns = 77, .time_ns = 2), 0);
	cr_assert_eq(n_told, 1, "the report at the end tells nothing new");
	/* the same pid, later: another process */
	cr_assert_eq(EVENT(totals, .pid = pid, .start_ns = 78, .time_ns = 3), 0);
	cr_assert_eq(n_told, 2);
	cr_assert_eq(watch__alive(w), 2);
	offspring__end(&o);
}

Test(watch, rules_of_a_profile_are_asked_first)
{
	/* any table will do: here the built-in one as the profile's own, and none behind it */
	struct watch *own = watch__new(rules, NULL, on_fact, NULL), *both = w;
	struct offspring o = cat_called("redis-server *:6379");

	w = own;
	cr_assert_eq(EVENT(totals, .pid = (uint32_t)o.pid, .time_ns = 1), 0);
	assert_told(0, (uint32_t)o.pid, "redis-server *:6379", "redis-server", NULL);
	w = both;
	watch__free(own);
	offspring__end(&o);
}

Test(watch, what_a_title_says_to_the_terminal_is_made_harmless)
{
	struct offspring o = cat_called("a\033[31mb\xff");

	cr_assert_eq(EVENT(totals, .pid = (uint32_t)o.pid, .time_ns = 1), 0);
	assert_told(0, (uint32_t)o.pid, "a\\x1b[31mb\\xff", "", NULL);
	offspring__end(&o);
}

/* --- a life ------------------------------------------------------------------------------------- */

Test(watch, exec_tells_the_title_that_it_brings_and_forgets_the_old_role)
{
	struct offspring o = cat_called("cat");
	uint32_t pid = (uint32_t)o.pid;

	cr_assert_eq(EVENT(exec, .pid = pid, .time_ns = 1, .title = "redis-server\n--port\n1\n"), 0);
	assert_told(0, pid, "redis-server --port 1", "redis-server", "cat");
	cr_assert_eq(EVENT(exec, .pid = pid, .time_ns = 2, .title = "ls\n"), 0);
	assert_told(1, pid, "ls", "", NULL);
	cr_assert_eq(watch__alive(w), 1);
	offspring__end(&o);
}

Test(watch, a_forked_child_with_its_parents_title_has_no_role_yet)
{
	struct offspring parent = cat_called("redis-server *:6379"), child = cat_called("redis-server *:6379");
	struct offspring renamed = cat_called("redis-rdb-bgsave *:6379");
	uint32_t ppid = (uint32_t)parent.pid;

	cr_assert_eq(EVENT(totals, .pid = ppid, .time_ns = 1), 0);
	assert_told(0, ppid, "redis-server *:6379", "redis-server", NULL);
	cr_assert_eq(EVENT(fork, .pid = (uint32_t)child.pid, .ppid = ppid, .time_ns = 2), 0);
	assert_told(1, (uint32_t)child.pid, "redis-server *:6379", "", NULL);
	cr_assert_eq(EVENT(fork, .pid = (uint32_t)renamed.pid, .ppid = ppid, .time_ns = 3), 0);
	assert_told(2, (uint32_t)renamed.pid, "redis-rdb-bgsave *:6379", "redis-rdb-bgsave", NULL);
	/* the same title after an exec is its own */
	cr_assert_eq(EVENT(exec, .pid = (uint32_t)child.pid, .time_ns = 4, .title = "redis-server\n*:6379\n"), 0);
	assert_told(3, (uint32_t)child.pid, "redis-server *:6379", "redis-server", NULL);
	offspring__end(&parent);
	offspring__end(&child);
	offspring__end(&renamed);
}

Test(watch, the_title_of_an_exit_is_taken_where_none_was_seen_in_life)
{
	cr_assert_eq(EVENT(fork, .pid = GONE, .time_ns = 1), 0);
	cr_assert_eq(n_told, 0, "it was gone before it could be looked at");
	cr_assert_eq(EVENT(exit, .pid = GONE, .time_ns = 2, .title = "nginx: worker process"), 0);
	assert_told(0, GONE, "nginx: worker process", "nginx: worker process", "");
	cr_assert_eq(watch__alive(w), 0);
	/* of one that nobody knows nothing is told */
	cr_assert_eq(EVENT(exit, .pid = GONE, .time_ns = 3, .title = "x\n"), 0);
	cr_assert_eq(n_told, 1);
}

Test(watch, the_cut_title_of_an_exit_does_not_replace_what_was_read_in_life)
{
	struct offspring o = cat_called("postgres: checkpointer");
	uint32_t pid = (uint32_t)o.pid;

	cr_assert_eq(EVENT(totals, .pid = pid, .time_ns = 1), 0);
	cr_assert_eq(EVENT(exit, .pid = pid, .time_ns = 2, .title = "postgres: checkp"), 0);
	cr_assert_eq(n_told, 1);
	cr_assert_eq(watch__alive(w), 0);
	offspring__end(&o);
}

/* --- titles that come late ------------------------------------------------------------------------ */

Test(watch, titles_are_read_again_when_they_are_due_and_only_roles_are_news)
{
	struct offspring o = cat_called("one");
	uint32_t pid = (uint32_t)o.pid;

	cr_assert_eq(EVENT(fork, .pid = pid, .time_ns = SEC), 0);
	assert_told(0, pid, "one", "", NULL);
	/* nothing has changed, whenever it is looked at */
	cr_assert_eq(watch__tick(w, SEC + 1), 0);
	cr_assert_eq(watch__tick(w, 2 * SEC), 0);
	cr_assert_eq(watch__tick(w, 20 * SEC), 0);
	cr_assert_eq(n_told, 1);
	offspring__end(&o);
}

/* A process that becomes another program, under another title, when it gets a line. */
struct changing {
	int go;
	pid_t pid;
};

static struct changing start_changing(char *const titles[])
{
	int go[2], done[2];
	struct changing c;
	char byte;

	cr_assert(!pipe(go) && !pipe2(done, O_CLOEXEC));
	c.pid = fork();
	if (!c.pid) {
		char script[256], fd[16];
		char *argv[] = { titles[0], "-c", script, fd, titles[1], NULL };

		close(go[1]);
		snprintf(fd, sizeof(fd), "%d", go[0]);
		snprintf(script, sizeof(script), "echo >&%d; read x <&$0; exec -a \"$1\" cat <&$0",
			dup(done[1]));
		execv("/bin/bash", argv);
		_exit(127);
	}
	close(go[0]);
	close(done[1]);
	cr_assert_eq(read(done[0], &byte, 1), 1);
	close(done[0]);
	c.go = go[1];
	return c;
}

static void change(struct changing *c)
{
	char comm[32] = "", title[256] = "";

	cr_assert_eq(write(c->go, "\n", 1), 1);
	/* the name is set before the arguments are */
	while (strcmp(comm, "cat") || !*title || !strncmp(title, "bash", 4)) {
		usleep(1000);
		cr_assert_gt(procfs_comm(c->pid, comm, sizeof(comm)), 0);
		if (procfs_cmdline(c->pid, title, sizeof(title)) <= 0)
			*title = '\0';
	}
}

static void end(struct changing *c)
{
	close(c->go);
	cr_assert_eq(waitpid(c->pid, NULL, 0), c->pid);
}

Test(watch, a_title_that_changes_is_noticed_in_time)
{
	char *titles[] = { "bash", "nginx: master process" };
	struct changing c = start_changing(titles);
	uint32_t pid = (uint32_t)c.pid;

	cr_assert_eq(EVENT(fork, .pid = pid, .time_ns = SEC), 0);
	cr_assert_eq(n_told, 1);
	cr_assert_str_empty(told[0].role);
	change(&c);
	/* young, so looked at every 5 ms, but not before */
	cr_assert_eq(watch__tick(w, SEC + 4000000), 0);
	cr_assert_eq(n_told, 1);
	cr_assert_eq(watch__tick(w, SEC + 5000000), 0);
	assert_told(1, pid, "nginx: master process", "nginx: master process", "cat");
	end(&c);
}

Test(watch, an_old_one_is_looked_at_every_two_seconds)
{
	char *titles[] = { "bash", "nginx: master process" };
	struct changing c = start_changing(titles);

	cr_assert_eq(EVENT(fork, .pid = (uint32_t)c.pid, .time_ns = SEC), 0);
	cr_assert_eq(watch__tick(w, 10 * SEC), 0);
	change(&c);
	cr_assert_eq(watch__tick(w, 12 * SEC - 1), 0);
	cr_assert_eq(n_told, 1);
	cr_assert_eq(watch__tick(w, 12 * SEC), 0);
	assert_told(1, (uint32_t)c.pid, "nginx: master process", "nginx: master process", "cat");
	end(&c);
}

Test(watch, a_checkpoint_is_a_reason_to_look_as_long_as_there_is_no_role)
{
	char *titles[] = { "bash", "nginx: master process" };
	struct changing c = start_changing(titles);
	uint32_t pid = (uint32_t)c.pid;

	cr_assert_eq(EVENT(cp, .pid = pid, .time_ns = 1, .when = RT_ENTRY), 0);
	cr_assert_eq(watch__alive(w), 0, "it does not make a process");
	cr_assert_eq(EVENT(fork, .pid = pid, .time_ns = SEC), 0);
	change(&c);
	cr_assert_eq(EVENT(cp, .pid = pid, .time_ns = SEC + 1, .when = RT_ENTRY), 0);
	cr_assert_eq(n_told, 1, "not so soon again");
	cr_assert_eq(EVENT(cp, .pid = pid, .time_ns = SEC + 5000000, .when = RT_ENTRY), 0);
	assert_told(1, pid, "nginx: master process", "nginx: master process", NULL);
	cr_assert_eq(EVENT(cp, .pid = pid, .time_ns = 9 * SEC, .when = RT_ENTRY), 0);
	cr_assert_eq(n_told, 2);
	end(&c);
}

Test(watch, a_rename_is_a_reason_to_look_at_once)
{
	char *titles[] = { "bash", "nginx: master process" };
	struct changing c = start_changing(titles);
	uint32_t pid = (uint32_t)c.pid;

	cr_assert_eq(EVENT(rename, .pid = pid, .time_ns = 1, .comm = "x"), 0);
	cr_assert_eq(EVENT(fork, .pid = pid, .time_ns = SEC), 0);
	change(&c);
	cr_assert_eq(EVENT(rename, .pid = pid, .time_ns = SEC + 1, .comm = "x"), 0);
	assert_told(1, pid, "nginx: master process", "nginx: master process", NULL);
	end(&c);
}

Test(watch, who_goes_without_an_exit_event_is_dropped_after_a_while)
{
	struct offspring o = cat_called("one");

	cr_assert_eq(EVENT(fork, .pid = (uint32_t)o.pid, .time_ns = SEC), 0);
	offspring__end(&o);
	cr_assert_eq(watch__tick(w, 2 * SEC), 0);
	cr_assert_eq(watch__tick(w, 6 * SEC), 0);
	cr_assert_eq(watch__alive(w), 1, "its exit may still come");
	cr_assert_eq(watch__tick(w, 20 * SEC), 0);
	cr_assert_eq(watch__alive(w), 0);
}

/* --- files to look at ----------------------------------------------------------------------------- */

Test(watch, a_process_is_to_be_scanned_when_it_comes_execs_or_maps)
{
	cr_assert_eq(watch__next_to_scan(w, 0), 0);
	cr_assert_eq(EVENT(fork, .pid = GONE, .time_ns = 1), 0);
	cr_assert_eq(watch__next_to_scan(w, 0), GONE);
	cr_assert_eq(watch__next_to_scan(w, 0), 0, "once");
	cr_assert_eq(EVENT(mapped, .pid = GONE, .time_ns = 2), 0);
	cr_assert_eq(EVENT(mapped, .pid = GONE - 1, .time_ns = 2), 0);
	cr_assert_eq(watch__next_to_scan(w, 0), GONE);
	cr_assert_eq(watch__next_to_scan(w, 0), 0, "who is not traced does not count");
	cr_assert_eq(EVENT(exec, .pid = GONE, .time_ns = 3, .title = "x\n"), 0);
	cr_assert_eq(watch__next_to_scan(w, 0), GONE);
	cr_assert_eq(EVENT(totals, .pid = GONE - 2, .time_ns = 4), 0);
	cr_assert_eq(watch__next_to_scan(w, 0), GONE - 2);
	watch__scan_all(w);
	cr_assert_eq(watch__next_to_scan(w, 0) + watch__next_to_scan(w, 0), 2 * GONE - 2);
	cr_assert_eq(watch__next_to_scan(w, 0), 0);
	watch__scan_all(w);
	watch__scanned(w, GONE, SEC, SEC + MS);
	cr_assert_eq(watch__next_to_scan(w, SEC + MS), GONE, "what it loads at its start is not missed");
	cr_assert_eq(watch__next_to_scan(w, SEC + MS), GONE - 2);
	watch__scanned(w, GONE, SEC + MS, 2 * SEC);
	watch__scan_all(w);
	cr_assert_eq(watch__next_to_scan(w, 2 * SEC), GONE - 2);
	cr_assert_eq(watch__next_to_scan(w, 3 * SEC), 0, "it rests");
	cr_assert_eq(watch__next_to_scan(w, 60 * SEC), GONE);
}

Test(watch, an_error_of_who_is_told_is_passed_on)
{
	answer = -EIO;
	cr_assert_eq(EVENT(exec, .pid = GONE, .time_ns = 3, .title = "x\n"), -EIO);
	watch__free(NULL);
}
