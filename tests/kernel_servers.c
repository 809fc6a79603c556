/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real servers, attached to while they run, with nothing said but --pid. What the rows say of a
 * statement is compared with what /proc says around it: while the server is idle before and after,
 * and where it can be made to hold still inside (an open cursor, a sleep in a query, a slow save).
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <regex.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "readings.h"
#include "servers.h"

#define MIB	   (1 << 20)
#define SEED_LINE  "^INFO: .+ 占用 -?[0-9]+\\.[0-9][0-9] M RAM内存 \\(累计: -?[0-9]+\\.[0-9][0-9] M\\)$"
#define PG_ROWS	   400000
#define REDIS_KEYS "300000"

/* --- the tool --------------------------------------------------------------------------------------- */

static char *pid_text(pid_t pid)
{
	char *text;

	cr_assert_gt(asprintf(&text, "%d", pid), 0);
	return text;
}

static struct child attach(pid_t pid)
{
	return tool_attach("tool", (const char *[]){"--pid", pid_text(pid), "--lang", "en", "--record",
		harness_path("tape"), NULL});
}

/* Ends the tool, which says `profile` was found by itself, and loads what it wrote. */
static json_t *detach(struct child *tool, const char *profile)
{
	char said[128], *err;
	json_t *rows, *summary;

	child_signal(tool, SIGINT);
	cr_assert_eq(child_wait(tool, 60), 0, "%s", file_text(tool->err));
	err = file_text(tool->err);
	snprintf(said, sizeof(said), "using the profile %s ", profile);
	cr_expect(strstr(err, said), "%s", err);
	rows = rows_load(harness_path("tool.jsonl"));
	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
	summary = rows_find(rows, 0, "type", "summary", NULL);
	cr_assert(summary);
	cr_expect_eq(row_int(summary, "orphans"), 0);
	expect_hits(rows);
	return rows;
}

static char *replay(const char *format)
{
	const char *path = harness_path(format);
	struct child c = child_start("replay", (const char *[]){harness_tool(), "--replay",
		harness_path("tape"), "--lang", "en", "--format", format, "-o", path, NULL});

	cr_assert_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	return file_text(path);
}

static void expect_seed(json_t *rows)
{
	char *text = replay("seed"), *save = NULL;
	size_t lines = 0, rows_for_seed = 0, i;
	json_t *row;
	regex_t re;

	cr_assert_eq(regcomp(&re, SEED_LINE, REG_EXTENDED | REG_NOSUB), 0);
	for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		cr_expect_eq(regexec(&re, line, 0, NULL, 0), 0, "%s", line);
		lines++;
	}
	json_array_foreach(rows, i, row)
		rows_for_seed += !strcmp(row_str(row, "type"), "checkpoint") && !row_true(row, "extra");
	cr_expect_eq(lines, rows_for_seed);
	cr_expect_gt(lines, 5);
	regfree(&re);
	free(text);
}

/* Every process is in the text by role and pid, and so is every row. */
static void expect_text(json_t *rows)
{
	char *text = replay("text"), who[256];
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		if (!strcmp(row_str(row, "type"), "process"))
			snprintf(who, sizeof(who), "\n  %s pid=%" PRId64 " ", row_str(row, "role"),
				row_int(row, "pid"));
		else if (!strcmp(row_str(row, "type"), "checkpoint"))
			snprintf(who, sizeof(who), "pid=%" PRId64 ") %s ", row_int(row, "pid"),
				row_str(row, "label"));
		else
			continue;
		cr_expect(strstr(text, who), "the text lacks \"%s\"", who);
	}
	cr_expect(strstr(text, "\nLost: nothing\n"));
	free(text);
}

/* The same run in the other formats. */
static void expect_formats(json_t *rows)
{
	char *live = file_text(harness_path("tool.jsonl")), *again = replay("jsonl");

	cr_expect_str_eq(again, live);
	free(live);
	free(again);
	expect_seed(rows);
	expect_text(rows);
}

/* --list says of each what a reader needs to know, and nothing is attached. */
static void expect_list(pid_t pid, const char *const *lines)
{
	struct child c = child_start("list", (const char *[]){harness_tool(), "--lang", "en", "--list",
		"--pid", pid_text(pid), NULL});
	char *text;

	cr_assert_eq(child_wait(&c, 60), 0, "%s", file_text(c.err));
	text = file_text(c.out);
	for (; *lines; lines++)
		cr_expect(strstr(text, *lines), "--list lacks \"%s\": %s", *lines, text);
	cr_expect(strstr(text, "first instruction: "), "%s", text);
	free(text);
}

static void expect_role(json_t *rows, pid_t pid, const char *role)
{
	cr_expect_str_eq(row_str(process_of(rows, pid), "role"), role);
}

static void expect_quiet_log(const char *path, const char *const *words)
{
	char *log = file_text(path);

	for (; *words; words++)
		cr_expect(!strstr(log, *words), "the server's log has \"%s\": %s", *words, log);
	free(log);
}

/* --- PostgreSQL -------------------------------------------------------------------------------------- */

struct pg {
	struct server s;
	struct session old, fresh; /* connected before and after the attach */
	pid_t checkpointer;
	struct mem idle, sorted, closed, indexed;    /* of old */
	struct mem grouping, grouped, ungrouped;     /* of fresh */
	struct mem checkpoint, checkpointed;	     /* of the checkpointer */
	struct samples join;
	int64_t highest, error;
	char *lowest; /* what a sort by v gives first */
};

static void expect_sql(struct session *s, const char *sql, const char *want)
{
	char *have = session_sql(s, sql);

	cr_expect_str_eq(have, want, "%s: %s", sql, have);
	free(have);
}

static void pg_prepare(struct pg *pg)
{
	struct session setup;
	char sql[256];

	pg->s = postgres_start();
	setup = session_open(&pg->s, "setup");
	snprintf(sql, sizeof(sql), "create table t as select i id, md5(i::text) v from "
		"generate_series(1, %d) i; create table small as select * from t limit 9; checkpoint;",
		PG_ROWS);
	free(session_sql(&setup, sql));
	free(session_sql(&setup, "vacuum analyze t;"));
	free(session_sql(&setup, "analyze small;"));
	pg->lowest = session_sql(&setup, "select min(v) from t;");
	session_close(&setup);
	pg->checkpointer = child_titled(pg->s.c.pid, "postgres: checkpointer");
	pg->old = session_open(&pg->s, "old");
	/* so that the code and the catalogs that the statements need are there */
	free(session_sql(&pg->old, "begin; declare c cursor for select v from small order by v; "
		"fetch 1 from c; close c; commit; create index on small (v); checkpoint;"));
}

/* An open cursor holds the sorted rows. */
static void pg_sort(struct pg *pg)
{
	pg->idle = mem_read(pg->old.backend);
	expect_sql(&pg->old, "begin; declare c cursor for select v from t order by v; fetch 1 from c;",
		pg->lowest);
	pg->sorted = mem_read(pg->old.backend);
	free(session_sql(&pg->old, "close c; commit;"));
	pg->closed = mem_read(pg->old.backend);
	free(session_sql(&pg->old, "create index t_v on t (v);"));
	pg->indexed = mem_read(pg->old.backend);
}

static void pg_group(struct pg *pg)
{
	pg->fresh = session_open(&pg->s, "fresh");
	free(session_sql(&pg->fresh, "set enable_sort = off; set enable_indexscan = off; "
		"set enable_indexonlyscan = off; begin; declare c cursor for select v, "
		"count(*) from small group by v; fetch 1 from c; close c; commit;"));
	pg->grouping = mem_read(pg->fresh.backend);
	free(session_sql(&pg->fresh, "begin; declare c cursor for select v, count(*) from t group by v; "
		"fetch 1 from c;"));
	pg->grouped = mem_read(pg->fresh.backend);
	expect_sql(&pg->fresh, "move all c; close c; commit; select 1;", "1\n");
	pg->ungrouped = mem_read(pg->fresh.backend);
}

/* Four pairs of rows make who joins them sleep: after the hash table is built, before it goes. */
static void pg_join(struct pg *pg)
{
	pid_t there[64] = {0};
	char *count;

	there[children_of(pg->s.c.pid, there, 62)] = 0;
	session_begin(&pg->old, "select count(*) from t a join t b using (id) where "
		"(a.id + b.id) % 200000 <> 14 or pg_sleep(0.7) is not null;");
	while (!session_idle(&pg->old)) {
		samples_take(&pg->join, pg->s.c.pid, there);
		usleep(20000);
	}
	count = session_end(&pg->old);
	cr_expect_eq(atoi(count), PG_ROWS);
	free(count);
}

static void pg_checkpoint(struct pg *pg)
{
	free(session_sql(&pg->old, "update t set id = -id where id % 3 = 0;"));
	pg->checkpoint = mem_read(pg->checkpointer);
	free(session_sql(&pg->old, "checkpoint;"));
	pg->checkpointed = mem_read(pg->checkpointer);
}

static void pg_check_backends(json_t *rows, const struct pg *pg)
{
	pid_t old = pg->old.backend, fresh = pg->fresh.backend;
	json_t *begin = rows_find(rows, 0, "label", "sort begins", NULL); /* heap, or since 16 datum */
	json_t *read = row_of(rows, old, "tuplesort_performsort", "entry", 0);
	json_t *sorted = row_of(rows, old, "tuplesort_performsort", "return", 0);
	json_t *end = row_of(rows, old, "tuplesort_end", "return", 0);
	json_t *index = row_of(rows, old, "index_build", "entry", 0);
	json_t *indexed = row_of(rows, old, "index_build", "return", 0);
	json_t *table = row_of(rows, fresh, "BuildTupleHashTableExt", "entry", 1);
	json_t *full = row_of(rows, fresh, "ExecEndAgg", "entry", 1);
	json_t *ended = row_of(rows, fresh, "ExecEndAgg", "return", 1);

	cr_assert(begin && row_int(begin, "pid") == old);
	cr_expect_str_eq(row_str(read, "label"), "sort input read");
	expect_is("sort begins", begin, pg->idle);
	expect_is("sort done", sorted, pg->sorted);
	expect_is("sort ended", end, pg->closed);
	expect_grew("sort", begin, sorted, pg->idle, pg->sorted);
	expect_grew("end of sort", sorted, end, pg->sorted, pg->closed);
	cr_expect_gt(row_int(read, "anon") - row_int(begin, "anon"), 20 * MIB,
		"the memory of a sort is its input");
	expect_step("index build", index, indexed, pg->closed, pg->indexed);
	expect_is("hash aggregate begins", table, pg->grouping);
	expect_is("hash aggregate full", full, pg->grouped);
	expect_is("hash aggregate ended", ended, pg->ungrouped);
	expect_grew("hash aggregate", table, full, pg->grouping, pg->grouped);
	cr_expect_gt(row_int(full, "anon") - row_int(table, "anon"), 20 * MIB);
	cr_expect_lt(row_int(ended, "delta"), -20 * MIB);
	row_of(rows, fresh, "InitPostgres", "return", 0);
}

/* Both workers of the join: what they share counts in each of them. */
static void pg_check_workers(json_t *rows, const struct pg *pg)
{
	char role[64];
	size_t compared = 0, joined = 0, i;
	json_t *p;

	snprintf(role, sizeof(role), "postgres: parallel worker for PID %d", pg->old.backend);
	json_array_foreach(rows, i, p)
	{
		pid_t pid;
		json_t *last;

		if (strcmp(row_str(p, "type"), "process") || strcmp(row_str(p, "role"), role))
			continue;
		pid = row_int(p, "pid");
		cr_expect_eq(row_int(p, "ppid"), pg->s.c.pid);
		row_of(rows, pid, "ParallelWorkerMain", "entry", 0);
		compared += samples_lie_between_rows(rows, &pg->join, pid);
		last = rows_find(rows, 0, "type", "checkpoint", "role", role, "function",
			"MultiExecHash", "when", "return", NULL);
		joined += last && row_of(rows, pid, "InitPostgres", "return", 0);
	}
	cr_expect_geq(rows_count(rows, "type", "process", "role", role, NULL), 4, "2 + 2 workers");
	cr_expect_geq(rows_count(rows, "type", "checkpoint", "role", role, "function", "MultiExecHash",
		"when", "return", NULL), 2);
	cr_expect_geq(joined, 2);
	cr_expect_gt(compared, 10, "only %zu of %zu readings of workers", compared, pg->join.n);
}

static void pg_check_processes(json_t *rows, const struct pg *pg, const pid_t *pids,
	const struct mem *mems, size_t n)
{
	static const char *const roles[] = {"postgres: postmaster", "postgres: checkpointer",
		"postgres: background writer", "postgres: walwriter", "postgres: autovacuum launcher",
		"postgres: logical replication launcher"};
	json_t *begin = row_of(rows, pg->checkpointer, "CreateCheckPoint", "entry", 0);
	json_t *end = row_of(rows, pg->checkpointer, "CreateCheckPoint", "return", 0);

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		cr_expect_eq(rows_count(rows, "type", "process", "role", roles[i], NULL), 1, "%s",
			roles[i]);
	expect_role(rows, pg->s.c.pid, "postgres: postmaster");
	expect_role(rows, pg->old.backend, "postgres: dba postgres [local]");
	expect_role(rows, pg->fresh.backend, "postgres: dba postgres [local]");
	for (size_t i = 0; i < n; i++)
		expect_is(row_str(process_of(rows, pids[i]), "role"),
			json_object_get(process_of(rows, pids[i]), "last"), mems[i]);
	expect_step("checkpoint", begin, end, pg->checkpoint, pg->checkpointed);
	cr_expect_gt(row_int(end, "shmem") - row_int(begin, "shmem"), 2 * MIB, "it writes buffers");
	expect_peak(process_of(rows, pg->old.backend), pg->highest, pg->error);
}

static void pg_unharmed(struct pg *pg)
{
	expect_sql(&pg->old, "set enable_seqscan = off; select id from t where v = md5('77');", "77\n");
	expect_sql(&pg->old, "select count(*) from t where id < 0;", "133333\n");
	session_close(&pg->old);
	child_signal(&pg->s.c, SIGINT);
	cr_expect_eq(child_wait(&pg->s.c, 60), 0);
	expect_quiet_log(pg->s.c.err, (const char *[]){"ERROR", "FATAL", "PANIC", "WARNING",
		"terminated by signal", NULL});
}

Test(servers, postgres_statements_take_what_proc_says_they_take)
{
	struct mem mems[64];
	struct pg pg = {0};
	struct child tool;
	pid_t pids[64];
	json_t *rows;
	size_t n;

	harness_need_kernel();
	pg_prepare(&pg);
	expect_list(pg.s.c.pid, (const char *[]){"sort input read", "/bin/postgres, address 0x",
		"llvmjit.so", "probes on its exits", NULL});
	tool = attach(pg.s.c.pid);
	pg_sort(&pg);
	pg_group(&pg);
	pg_join(&pg);
	pg_checkpoint(&pg);
	session_close(&pg.fresh);
	usleep(200000);
	pg.highest = mem_highest(pg.old.backend, &pg.error);
	n = children_of(pg.s.c.pid, pids, 63);
	pids[n++] = pg.s.c.pid;
	for (size_t i = 0; i < n; i++)
		mems[i] = mem_read(pids[i]);
	rows = detach(&tool, "postgres");
	pg_check_backends(rows, &pg);
	pg_check_workers(rows, &pg);
	pg_check_processes(rows, &pg, pids, mems, n);
	cr_expect_eq(row_int(process_of(rows, pg.fresh.backend), "exit"), 0);
	expect_formats(rows);
	pg_unharmed(&pg);
}

/* --- Redis -------------------------------------------------------------------------------------------- */

static struct mem redis_do(const struct server *s, const char *command, const char *want)
{
	char line[128], *answer;

	snprintf(line, sizeof(line), "%s\r\n", command);
	answer = server_ask(s, line, "\r\n");
	cr_expect(!strncmp(answer, want, strlen(want)), "%s: %s", command, answer);
	free(answer);
	usleep(100000);
	return mem_read(s->c.pid);
}

static void redis_save(const struct server *s, struct samples *child)
{
	struct server *server = (struct server *)s;
	char log[512];

	snprintf(log, sizeof(log), "%s/log", s->dir);
	redis_do(s, "BGSAVE", "+Background saving started");
	for (int i = 0; i < 3000; i++) {
		char *text = file_text(log);
		bool done = strstr(text, "Background saving terminated with success");

		free(text);
		if (done)
			break;
		samples_take(child, s->c.pid, (const pid_t[]){0});
		usleep(20000);
	}
	child_await(&server->c, log, "Background saving terminated with success", 5);
}

static void redis_check_child(json_t *rows, const struct server *s, const struct samples *samples)
{
	json_t *child = rows_find(rows, 0, "type", "process", "role", "redis-rdb-bgsave", NULL);
	pid_t pid;

	cr_assert(child, "no process row of the child that saves");
	pid = row_int(child, "pid");
	cr_expect_eq(row_int(child, "ppid"), s->c.pid);
	cr_expect_eq(row_int(child, "exit"), 0);
	row_of(rows, pid, "redisFork", "return", 0);
	row_of(rows, pid, "rdbSave", "entry", 0);
	row_of(rows, pid, "rdbSave", "return", 0);
	row_of(rows, s->c.pid, "redisFork", "return", 0);
	row_of(rows, s->c.pid, "backgroundSaveDoneHandler", "return", 0);
	cr_expect_gt(samples_lie_between_rows(rows, samples, pid), 10, "of %zu readings", samples->n);
}

static void redis_unharmed(struct server *s)
{
	char log[512];

	redis_do(s, "SET a b", "+OK");
	redis_do(s, "GET a", "$1\r\nb\r\n");
	child_signal(&s->c, SIGTERM);
	cr_expect_eq(child_wait(&s->c, 60), 0);
	snprintf(log, sizeof(log), "%s/log", s->dir);
	expect_quiet_log(log, (const char *[]){"BUG REPORT", "crashed", "ASSERTION", "rror", NULL});
}

Test(servers, redis_commands_take_what_proc_says_they_take)
{
	struct samples child = {0};
	struct mem idle, full, empty;
	struct server s;
	struct child tool;
	json_t *rows, *p, *from, *to;
	pid_t pid;

	harness_need_kernel();
	s = redis_start();
	pid = s.c.pid;
	expect_list(pid, (const char *[]){"before FLUSHALL | after FLUSHALL", ":redisFork, profile redis",
		"address 0x", "probes on its exits", NULL});
	tool = attach(pid);
	idle = redis_do(&s, "DBSIZE", ":0");
	full = redis_do(&s, "DEBUG POPULATE " REDIS_KEYS " key 100", "+OK");
	redis_do(&s, "DBSIZE", ":" REDIS_KEYS);
	redis_save(&s, &child);
	redis_do(&s, "GET key:77", "$100");
	empty = redis_do(&s, "FLUSHALL", "+OK");
	rows = detach(&tool, "redis");
	from = row_of(rows, pid, "debugCommand", "entry", 0);
	to = row_of(rows, pid, "debugCommand", "return", 0);
	expect_step("populate", from, to, idle, full);
	cr_expect_gt(row_int(to, "delta"), 40 * MIB);
	from = row_of(rows, pid, "flushallCommand", "entry", 0);
	/* Since 8 a thread frees, while the client waits. */
	to = rows_find(rows, 0, "function", "flushallSyncBgDone", NULL);
	to = to ? to : row_of(rows, pid, "flushallCommand", "return", 0);
	expect_step("flush", from, to, full, empty);
	p = process_of(rows, pid);
	cr_expect_str_eq(row_str(p, "role"), "redis-server");
	expect_is("redis at the end", json_object_get(p, "last"), empty);
	redis_check_child(rows, &s, &child);
	expect_formats(rows);
	redis_unharmed(&s);
}

/* --- nginx -------------------------------------------------------------------------------------------- */

#define WORKERS	    2
#define CONNECTIONS 16000

static bool listed(const pid_t *pids, size_t n, pid_t pid)
{
	for (size_t i = 0; i < n; i++)
		if (pids[i] == pid)
			return true;
	return false;
}

/* Waits until none of the old processes is left and the new ones have come to rest. */
static size_t next_generation(pid_t master, const pid_t *old, size_t n_old, pid_t *now)
{
	for (int tries = 0; tries < 1000; tries++) {
		size_t n = children_of(master, now, 16), same = 0;

		for (size_t i = 0; i < n; i++)
			same += listed(old, n_old, now[i]);
		if (!same && n == n_old) {
			usleep(500000);
			return n;
		}
		usleep(20000);
	}
	cr_assert_fail("nginx did not renew its processes");
	return 0;
}

static void nginx_answers(const struct server *s)
{
	char *answer = server_ask(s, "GET / HTTP/1.0\r\n\r\n", "\r\n\r\nwell\n");

	cr_expect(strstr(answer, " 200 OK\r\n"), "%s", answer);
	free(answer);
}

static bool is_worker(json_t *rows, pid_t pid)
{
	return !strcmp(row_str(process_of(rows, pid), "role"), "nginx: worker process");
}

static void nginx_check(json_t *rows, const pid_t *pids, const struct mem *mems, size_t n, bool old)
{
	size_t workers = 0;

	for (size_t i = 0; i < n; i++) {
		json_t *p = process_of(rows, pids[i]), *row, *first;

		cr_expect(!strncmp(row_str(p, "role"), "nginx: ", 7), "%s", row_str(p, "role"));
		if (!old) {
			first = row_of(rows, pids[i], "ngx_set_environment", "entry", 0);
			row = row_of(rows, pids[i], "ngx_add_channel_event", "entry", 0);
			cr_expect_str_eq(row_str(first, "label"), "process starts");
			cr_expect_str_eq(row_str(row, "label"), "process initialised");
			expect_is(row_str(p, "role"), row, mems[i]);
			expect_is(row_str(p, "role"), json_object_get(p, "last"), mems[i]);
			/* a connection and its two events are 400 bytes and more */
			if (is_worker(rows, pids[i]))
				cr_expect_gt(row_int(row, "anon") - row_int(first, "anon"),
					400 * CONNECTIONS);
		} else if (is_worker(rows, pids[i])) {
			row = row_of(rows, pids[i], "ngx_set_shutdown_timer", "entry", 0);
			expect_is("a worker that shuts down", row, mems[i]);
			cr_expect_eq(row_int(p, "exit"), 0);
		}
		workers += is_worker(rows, pids[i]);
	}
	cr_expect_eq(workers, WORKERS);
}

Test(servers, nginx_shows_both_generations_around_a_reload)
{
	pid_t old[16], now[17];
	struct mem old_mems[16], mems[17], before;
	size_t n_old, n;
	struct server s;
	struct child tool;
	char log[512];
	json_t *rows;

	harness_need_kernel();
	s = nginx_start(WORKERS, CONNECTIONS);
	nginx_answers(&s);
	expect_list(s.c.pid, (const char *[]){"before reading the configuration",
		"nginx:ngx_add_channel_event, profile nginx", "/nginx, address 0x", NULL});
	tool = attach(s.c.pid);
	before = mem_read(s.c.pid);
	n_old = children_of(s.c.pid, old, 16);
	for (size_t i = 0; i < n_old; i++)
		old_mems[i] = mem_read(old[i]);
	child_signal(&s.c, SIGHUP);
	n = next_generation(s.c.pid, old, n_old, now);
	nginx_answers(&s);
	for (size_t i = 0; i < n; i++)
		mems[i] = mem_read(now[i]);
	mems[n] = mem_read(s.c.pid);
	rows = detach(&tool, "nginx");
	expect_role(rows, s.c.pid, "nginx: master process");
	expect_is("configuration", row_of(rows, s.c.pid, "ngx_init_cycle", "entry", 0), before);
	expect_is("master", json_object_get(process_of(rows, s.c.pid), "last"), mems[n]);
	nginx_check(rows, old, old_mems, n_old, true);
	nginx_check(rows, now, mems, n, false);
	expect_formats(rows);
	nginx_answers(&s);
	child_signal(&s.c, SIGQUIT);
	cr_expect_eq(child_wait(&s.c, 60), 0);
	snprintf(log, sizeof(log), "%s/log", s.dir);
	expect_quiet_log(log, (const char *[]){"[error]", "[alert]", "[crit]", "[emerg]", "signal 9",
		"signal 11", NULL});
}
