/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Python servers that fork workers: gunicorn, attached to, loads its application in each of them;
 * uWSGI, started under the tool, before it forks. Rows against what the application read around its
 * loading, and what /proc says of workers that wait.
 */
#include <criterion/criterion.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "readings.h"
#include "servers.h"

#define MIB (1 << 20)

/* Waits until the application was loaded in `n` more processes than are in readings[0..had). */
static size_t await_readings(const struct server *s, struct app_reading *readings, size_t had, size_t n)
{
	for (int tries = 0; tries < 1500; tries++) {
		size_t have = app_readings(s, readings, 16);

		if (have >= had + n) {
			usleep(1000000); /* they come to rest */
			return have;
		}
		usleep(20000);
	}
	cr_assert_fail("the application was not loaded: %s", file_text(s->c.err));
	return 0;
}

/* Who answered. */
static pid_t get(const struct server *s, const char *path)
{
	char request[64], *answer, *at;
	pid_t pid;

	snprintf(request, sizeof(request), "GET %s HTTP/1.0\r\n\r\n", path);
	answer = server_ask(s, request, " ok\n");
	at = strstr(answer, "\r\n\r\npid ");
	cr_assert(at && strstr(answer, " 200 OK\r\n"), "%s", answer);
	pid = atoi(at + strlen("\r\n\r\npid "));
	free(answer);
	return pid;
}

/* From the call to the return it grew by what the application saw: all but 1 MiB or 3 % of it. */
static void expect_load(json_t *rows, const char *function, const struct app_reading *r)
{
	json_t *entry = row_of(rows, r->pid, function, "entry", 0);
	json_t *leave = row_of(rows, r->pid, function, "return", 0);
	int64_t grew = row_int(leave, "rss") - row_int(entry, "rss"), want = r->after - r->before;
	int64_t allowed = want * 3 / 100 > MIB ? want * 3 / 100 : MIB;

	cr_expect(llabs(grew - want) <= allowed, "%s of %d: %" PRId64 ", the application says %" PRId64,
		function, r->pid, grew, want);
	cr_expect_gt(want, 39 * MIB);
}

static void expect_role(json_t *rows, pid_t pid, const char *begin)
{
	const char *role = row_str(process_of(rows, pid), "role");

	cr_expect(!strncmp(role, begin, strlen(begin)), "pid %d is \"%s\", not \"%s\"", pid, role, begin);
}

static void expect_lossless(json_t *rows)
{
	cr_expect_eq(rows_count(rows, "type", "loss", NULL), 0);
	cr_expect_eq(row_int(rows_find(rows, 0, "type", "summary", NULL), "orphans"), 0);
}

Test(workers, gunicorn_loads_its_application_in_each_worker)
{
	struct app_reading readings[16];
	struct mem before, idle[2], grown;
	struct child tool;
	struct server s;
	char pid[32];
	json_t *rows;
	pid_t who;
	size_t n;

	harness_need_kernel();
	s = gunicorn_start();
	await_readings(&s, readings, 0, 2);
	snprintf(pid, sizeof(pid), "%d", s.c.pid);
	tool = tool_attach("tool", (const char *[]){"--pid", pid, "--lang", "en", NULL});
	before = mem_read(s.c.pid);
	child_signal(&s.c, SIGHUP);
	n = await_readings(&s, readings, 2, 2);
	cr_assert_eq(n, 4);
	for (int i = 0; i < 2; i++)
		idle[i] = mem_read(readings[2 + i].pid);
	who = get(&s, "/grow");
	usleep(300000);
	grown = mem_read(who);
	child_signal(&tool, SIGINT);
	cr_assert_eq(child_wait(&tool, 60), 0, "%s", file_text(tool.err));
	cr_expect(strstr(file_text(tool.err), "using the profile gunicorn "), "%s", file_text(tool.err));
	rows = rows_load(harness_path("tool.jsonl"));
	expect_is("the master", row_of(rows, s.c.pid, "gunicorn/arbiter.py:Arbiter.reload", "entry", 0), before);
	row_of(rows, s.c.pid, "gunicorn/arbiter.py:Arbiter.spawn_worker", "return", 0);
	expect_role(rows, s.c.pid, "gunicorn: master");
	for (int i = 0; i < 2; i++) {
		pid_t worker = readings[2 + i].pid;

		expect_role(rows, worker, "gunicorn: worker");
		expect_role(rows, readings[i].pid, "gunicorn: worker"); /* those that it replaced */
		cr_expect_eq(row_int(process_of(rows, worker), "ppid"), s.c.pid);
		row_of(rows, worker, "gunicorn/workers/base.py:Worker.init_process", "entry", 0);
		expect_load(rows, "gunicorn/app/base.py:BaseApplication.wsgi", &readings[2 + i]);
		expect_is("a worker that serves", row_of(rows, worker,
			"gunicorn/workers/sync.py:SyncWorker.run", "entry", 0), idle[i]);
		expect_is("a worker at the end", json_object_get(process_of(rows, worker), "last"),
			worker == who ? grown : idle[i]);
	}
	expect_lossless(rows);
	get(&s, "/");
	child_signal(&s.c, SIGTERM);
	cr_expect_eq(child_wait(&s.c, 60), 0);
}

Test(workers, uwsgi_loads_its_application_once_and_forks)
{
	struct app_reading readings[16];
	struct mem idle[2];
	pid_t master, workers[8];
	struct server s;
	json_t *rows, *fork;
	size_t n;

	harness_need_kernel();
	s = uwsgi_start((const char *[]){"--lang", "en", NULL});
	cr_assert_eq(await_readings(&s, readings, 0, 1), 1);
	master = readings[0].pid;
	get(&s, "/");
	usleep(300000);
	n = children_of(master, workers, 8);
	cr_assert_eq(n, 2);
	for (int i = 0; i < 2; i++)
		idle[i] = mem_read(workers[i]);
	child_signal(&s.c, SIGTERM); /* which the tool passes on */
	cr_expect_eq(child_wait(&s.c, 60), 0, "%s", file_text(s.c.err));
	rows = rows_load(harness_path("tool.jsonl"));
	expect_role(rows, master, "uWSGI master");
	expect_load(rows, "uwsgi_init_all_apps", &readings[0]);
	expect_load(rows, "init_uwsgi_app", &readings[0]);
	fork = row_of(rows, master, "uwsgi_fork", "return", 1);
	cr_expect_gt(row_int(fork, "anon"), 40 * MIB);
	for (int i = 0; i < 2; i++) {
		expect_role(rows, workers[i], "uWSGI worker ");
		cr_expect_eq(row_int(process_of(rows, workers[i]), "ppid"), master);
		cr_expect(row_true(row_of(rows, workers[i], "uwsgi_fork", "return", 0), "inherited"));
		expect_is("a worker", row_of(rows, workers[i], "uwsgi_ignition", "entry", 0), idle[i]);
	}
	expect_lossless(rows);
}
