/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "role.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "role_yaml.h"

static struct role_rules *load(void)
{
	struct role_rules *r;
	char err[512] = "";

	cr_assert_eq(role_rules__load(&r, err, sizeof(err)), 0, "%s", err);
	return r;
}

/* Titles as /proc shows them; those of PostgreSQL 15 and Redis 7 were copied from running ones. */
static const struct {
	const char *cmdline, *role;
} titles[] = {
	/* vLLM */
	{ "VLLM::EngineCore", "EngineCore" },
	{ "VLLM::EngineCore_DP0", "EngineCore_DP0" },
	{ "VLLM::EngineCore_0", "EngineCore_0" },
	{ "VLLM::DPEngineCore_3", "DPEngineCore_3" },
	{ "VLLM::Worker", "Worker" },
	{ "VLLM::Worker_TP0", "Worker_TP0" },
	{ "VLLM::Worker_DP0_TP1", "Worker_DP0_TP1" },
	{ "VLLM::Worker_DP0_PP1_PCP0_TP15_DCP3_EP7", "Worker_DP0_PP1_PCP0_TP15_DCP3_EP7" },
	{ "VLLM::APIServer_0", "APIServer_0" },
	{ "VLLM::APIServer", "APIServer" },
	{ "VLLM::APIServer_DP1", "APIServer_DP1" },
	{ "VLLM::DPCoordinator", "DPCoordinator" },
	{ "my-llm.prod::Worker_TP1", "Worker_TP1" },
	{ "VLLM::Worker_TP0       ", "Worker_TP0" },
	{ "VLLM::Workers", "" },
	{ "VLLM::EngineCor", "" }, /* a title that was cut is no title */
	{ "vllm serve Qwen3-8B --port 8000", "APIServer" },
	{ "/usr/bin/python3 /usr/local/bin/vllm serve DIR -tp 2", "APIServer" },
	{ "python3 -u -O /venv/bin/vllm serve", "APIServer" },
	{ "python -m vllm.entrypoints.openai.api_server --model x", "APIServer" },
	{ "python3.11 -m vllm.entrypoints.cli.main serve x", "APIServer" },
	{ "python3 -m vllm.model_executor.models.registry", "model registry" },
	{ "bash -c vllm serve x", "" },
	{ "vllm bench serve", "" },
	{ "vim vllm serve.txt", "" },
	/* SGLang */
	{ "sglang::scheduler", "scheduler" },
	{ "sglang::scheduler_DP0_PP0_TP1_EP1", "scheduler_DP0_PP0_TP1_EP1" },
	{ "sglang::detokenizer", "detokenizer" },
	{ "sglang::data_parallel_controller", "data_parallel_controller" },
	{ "python3 -m sglang.launch_server --model-path x", "launch_server" },
	/* Ray */
	{ "ray::IDLE", "ray::IDLE" },
	{ "ray::Trainer.step()", "ray::Trainer.step" },
	{ "ray::Worker", "ray::Worker" },
	{ "ray::RayWorkerWrapper.execute_method", "ray::RayWorkerWrapper.execute_method" },
	{ "/venv/lib/ray/core/src/ray/raylet/raylet --raylet_socket_name=/x", "raylet" },
	{ "/venv/lib/ray/core/src/ray/gcs/gcs_server --log_dir=/x", "gcs_server" },
	{ "/usr/bin/python -u /venv/ray/_private/log_monitor.py --x", "ray log_monitor" },
	/* Python and PyTorch */
	{ "/usr/bin/python3 -c from multiprocessing.spawn import spawn_main; "
	  "spawn_main(tracker_fd=5, pipe_handle=7) --multiprocessing-fork",
	  "multiprocessing spawn" },
	{ "/usr/bin/python3 -c from multiprocessing.resource_tracker import main;main(5)",
	  "resource_tracker" },
	{ "/usr/bin/python3 -c from multiprocessing.forkserver import main; main(3, 4)",
	  "forkserver" },
	{ "python3 -m joblib.externals.loky.backend.popen_loky_posix "
	  "--process-name LokyProcess-2 --pipe 23", "LokyProcess-2" },
	{ "python3 /x/torch/_inductor/compile_worker/__main__.py --workers=32", "compile_worker" },
	{ "/usr/bin/python3 /usr/local/bin/torchrun --nproc_per_node 2 t.py", "torchrun" },
	{ "torchrun t.py", "torchrun" },
	{ "python3 -m torch.distributed.run t.py", "torchrun" },
	{ "python3 -m torch.distributed.launch t.py", "torchrun" },
	{ "python3 train.py", "" },
	/* PostgreSQL */
	{ "/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main -c "
	  "config_file=/etc/postgresql/15/main/postgresql.conf", "postgres: postmaster" },
	{ "postgres", "postgres: postmaster" },
	{ "/usr/pgsql-12/bin/postmaster -D /data", "postgres: postmaster" },
	{ "postgres: checkpointer", "postgres: checkpointer" },
	{ "postgres: 15/main: checkpointer ", "postgres: checkpointer" },
	{ "postgres: checkpointer performing end-of-recovery checkpoint",
	  "postgres: checkpointer" },
	{ "postgres: 15/main: background writer", "postgres: background writer" },
	{ "postgres: 15/main: walwriter", "postgres: walwriter" },
	{ "postgres: 17/main: walsummarizer", "postgres: walsummarizer" },
	{ "postgres: 15/main: autovacuum launcher", "postgres: autovacuum launcher" },
	{ "postgres: autovacuum worker shop", "postgres: autovacuum worker shop" },
	{ "postgres: 15/main: autovacuum worker shop", "postgres: autovacuum worker shop" },
	{ "postgres: 15/main: logical replication launcher",
	  "postgres: logical replication launcher" },
	{ "postgres: bgworker: logical replication launcher",
	  "postgres: logical replication launcher" },
	{ "postgres: logical replication worker for subscription 16400",
	  "postgres: logical replication worker for subscription 16400" },
	{ "postgres: 15/main: parallel worker for PID 10772",
	  "postgres: parallel worker for PID 10772" },
	{ "postgres: stats collector", "postgres: stats collector" },
	{ "postgres: archiver last was 000000010000000000000003", "postgres: archiver" },
	{ "postgres: startup recovering 000000010000000000000003", "postgres: startup" },
	{ "postgres: walreceiver streaming 0/3000148", "postgres: walreceiver" },
	{ "postgres: walsender repl 10.0.0.2(40000) streaming 0/3000148",
	  "postgres: walsender repl 10.0.0.2(40000)" },
	{ "postgres: walsender repl shop [local] START_REPLICATION",
	  "postgres: walsender repl shop [local]" },
	{ "postgres: io worker 0", "postgres: io worker 0" },
	{ "postgres: 15/main: postgres postgres [local] SELECT",
	  "postgres: postgres postgres [local]" },
	{ "postgres: 15/main: postgres postgres 127.0.0.1(40216) SELECT",
	  "postgres: postgres postgres 127.0.0.1(40216)" },
	{ "postgres: app shop 10.1.2.3(51234) idle in transaction (aborted)",
	  "postgres: app shop 10.1.2.3(51234)" },
	{ "postgres: app shop ::1(51234) CREATE INDEX", "postgres: app shop ::1(51234)" },
	{ "postgres: app shop db1.example.com(5) COPY waiting",
	  "postgres: app shop db1.example.com(5)" },
	{ "postgres: app shop [local]", "postgres: app shop [local]" },
	{ "postgres: startup shop [local] idle", "postgres: startup shop [local]" },
	{ "postgres: pg_cron launcher", "postgres: pg_cron launcher" },
	{ "pg_dump -h postgres: x", "" },
	/* nginx */
	{ "nginx: master process /usr/sbin/nginx -g daemon on; master_process on;",
	  "nginx: master process" },
	{ "nginx: worker process", "nginx: worker process" },
	{ "nginx: worker process is shutting down", "nginx: worker process" },
	{ "nginx: cache manager process", "nginx: cache manager process" },
	{ "nginx: cache loader process", "nginx: cache loader process" },
	{ "/usr/sbin/nginx -g daemon off;", "nginx" },
	{ "tail -f nginx: worker process", "" },
	/* Redis, Valkey */
	{ "redis-server *:6399", "redis-server" },
	{ "/usr/bin/redis-server 127.0.0.1:6379", "redis-server" },
	{ "redis-server [::1]:6379 [cluster]", "redis-server" },
	{ "redis-sentinel *:26379 [sentinel]", "redis-sentinel" },
	{ "redis-rdb-bgsave *:6379", "redis-rdb-bgsave" },
	{ "redis-rdb-to-slaves *:6379", "redis-rdb-to-slaves" },
	{ "redis-aof-rewrite *:6379", "redis-aof-rewrite" },
	{ "valkey-server *:6379", "valkey-server" },
	{ "valkey-rdb-bgsave *:6379", "valkey-rdb-bgsave" },
	{ "redis", "" },
	/* others */
	{ "/usr/sbin/mariadbd --basedir=/usr", "mariadbd" },
	{ "/usr/sbin/mysqld", "mysqld" },
	{ "/bin/sh /usr/bin/mysqld_safe", "" },
	{ "/usr/sbin/apache2 -k start", "apache2" },
	{ "/usr/sbin/httpd -DFOREGROUND", "httpd" },
	{ "php-fpm: pool www", "php-fpm: pool www" },
	{ "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)", "php-fpm: master process" },
	{ "uWSGI master", "uWSGI master" },
	{ "uWSGI worker 1", "uWSGI worker 1" },
	{ "shop uWSGI worker 12", "uWSGI worker 12" },
	{ "uwsgi --plugin python311 --master", "uWSGI" },
	{ "/usr/bin/uwsgi-core --master", "uWSGI" },
	{ "gunicorn: master [app:app]", "gunicorn: master [app:app]" },
	{ "gunicorn: worker [app:app]", "gunicorn: worker [app:app]" },
	{ "[ready] gunicorn: worker [airflow-webserver]", "gunicorn: worker [airflow-webserver]" },
	{ "/usr/bin/python3 /usr/bin/gunicorn -w 2 app:app", "gunicorn" },
	{ "/usr/bin/python3 /usr/local/bin/uvicorn app:app --workers 2", "uvicorn" },
	{ "python3 -m uvicorn app:app", "uvicorn" },
	{ "[celeryd: celery@host:MainProcess] -active- (worker -A app)",
	  "celeryd: celery@host:MainProcess" },
	{ "[celeryd: celery@host:ForkPoolWorker-1]", "celeryd: celery@host:ForkPoolWorker-1" },
	{ "[celery beat] --loglevel=info", "celery beat" },
	{ "python3 -m celery -A app worker", "celery" },
	{ "", "" },
	{ "sleep 10", "" },
};

Test(role, titles_have_their_roles)
{
	struct role_rules *r = load();
	char buf[256];

	for (size_t i = 0; i < sizeof(titles) / sizeof(*titles); i++) {
		const struct role_subject s = { .cmdline = titles[i].cmdline, .comm = "", .exe = "" };
		size_t len = role_rules__apply(r, &s, buf, sizeof(buf));

		cr_expect_str_eq(buf, titles[i].role, "%s: '%s', not '%s'", titles[i].cmdline, buf,
				 titles[i].role);
		cr_expect_eq(len, strlen(buf));
	}
	role_rules__free(r);
}

static const char *apply(const struct role_rules *r, struct role_subject s)
{
	static char buf[256];

	s.cmdline = s.cmdline ? s.cmdline : "";
	s.comm = s.comm ? s.comm : "";
	s.exe = s.exe ? s.exe : "";
	role_rules__apply(r, &s, buf, sizeof(buf));
	return buf;
}

Test(role, a_forked_child_with_its_parents_title_has_no_role)
{
	struct role_rules *r = load();
	struct role_subject s = { .cmdline = "VLLM::EngineCore", .forked = true };

	cr_expect_str_eq(apply(r, s), "EngineCore", "parent unknown");
	s.parent_cmdline = "VLLM::EngineCore";
	cr_expect_str_eq(apply(r, s), "");
	s.parent_cmdline = "VLLM::EngineCore   ";
	cr_expect_str_eq(apply(r, s), "", "blanks at the end do not count");
	s.cmdline = "VLLM::Worker_TP0";
	cr_expect_str_eq(apply(r, s), "Worker_TP0");
	s.cmdline = s.parent_cmdline;
	s.forked = false;
	cr_expect_str_eq(apply(r, s), "EngineCore", "it has called exec");
	role_rules__free(r);
}

Test(role, programs_that_keep_one_title_are_named_in_all_processes)
{
	struct role_rules *r = load();
	struct role_subject s = { .cmdline = "/usr/sbin/apache2 -k start", .forked = true,
				  .parent_cmdline = "/usr/sbin/apache2 -k start" };

	cr_expect_str_eq(apply(r, s), "apache2");
	s.cmdline = s.parent_cmdline = "python3 train.py";
	s.comm = "pt_data_worker";
	cr_expect_str_eq(apply(r, s), "DataLoader worker");
	s.comm = "python3"; /* before torch 2.4 */
	cr_expect_str_eq(apply(r, s), "");
	role_rules__free(r);
}

Test(role, ranks_come_from_the_environment)
{
	static const char *const rank[] = { "HOME=/root", "RANK=3", "LOCAL_RANK=1", "WORLD_SIZE=8",
					    NULL };
	static const char *const other[] = { "RANK=3", NULL };
	static const char *const odd[] = { "RANK=x", "XRANK=3", "WORLD_SIZE=8", "", NULL };
	struct role_rules *r = load();
	struct role_subject s = { .cmdline = "python3 train.py", .exe = "python3.11",
				  .environ = rank };

	cr_expect_str_eq(apply(r, s), "rank3");
	s.exe = "sh";
	cr_expect_str_eq(apply(r, s), "", "only Python");
	s.exe = "python3";
	s.environ = other;
	cr_expect_str_eq(apply(r, s), "", "RANK alone may be anything");
	s.environ = odd;
	cr_expect_str_eq(apply(r, s), "");
	s.environ = NULL;
	cr_expect_str_eq(apply(r, s), "");
	s.environ = rank;
	s.cmdline = "VLLM::Worker_TP1";
	cr_expect_str_eq(apply(r, s), "Worker_TP1", "a title comes first");
	s.cmdline = "python3 train.py";
	s.forked = true;
	s.parent_cmdline = s.cmdline;
	cr_expect_str_eq(apply(r, s), "", "a forked DataLoader is not the rank");
	s = (struct role_subject){ .comm = "pt_elastic", .cmdline = "python3 x.py" };
	cr_expect_str_eq(apply(r, s), "torchrun");
	role_rules__free(r);
}

Test(role, what_does_not_fit_is_cut_before_a_whole_character)
{
	struct role_rules *r = load();
	struct role_subject s = { .cmdline = "ray::模型", .comm = "", .exe = "" };
	char buf[16];

	for (size_t len = 1; len <= sizeof(buf); len++) {
		memset(buf, 'x', sizeof(buf));
		size_t n = role_rules__apply(r, &s, buf, len);
		size_t want = len <= 5 ? len - 1 : len <= 8 ? 5 : len <= 11 ? 8 : 11;

		cr_expect_eq(n, want, "%zu: %zu, not %zu", len, n, want);
		cr_expect_eq(buf[n], '\0');
		cr_expect(!strncmp(buf, s.cmdline, n));
	}
	cr_expect_eq(role_rules__apply(r, &s, buf, 0), 0);
	cr_expect_eq(role_rules__apply(NULL, &s, buf, sizeof(buf)), 0);
	role_rules__free(r);
}

Test(role, hostile_titles_do_no_harm)
{
	struct role_rules *r = load();
	char *title = malloc(1 << 20), buf[64];
	struct role_subject s = { .cmdline = title, .comm = title, .exe = title,
				  .environ = (const char *[]){ title, NULL } };
	size_t max = (1 << 20) - 1;

	title[max] = '\0';
	memset(title, ' ', max);
	cr_expect_eq(role_rules__apply(r, &s, buf, sizeof(buf)), 0);
	memset(title, '\xff', max);
	role_rules__apply(r, &s, buf, sizeof(buf));
	memset(title, ':', max);
	role_rules__apply(r, &s, buf, sizeof(buf));
	for (unsigned int seed = 1; seed <= 200; seed++) {
		srand(seed);
		for (size_t i = 0; i < 2000; i++)
			title[i] = "postgres: \\[(-x1/\xe6"[rand() % 18];
		title[2000] = '\0';
		cr_expect_lt(role_rules__apply(r, &s, buf, sizeof(buf)), sizeof(buf));
	}
	memcpy(title, "postgres: ", 10);
	memset(title + 10, 'p', max - 10);
	cr_expect_eq(role_rules__apply(r, &s, buf, sizeof(buf)), sizeof(buf) - 1);
	free(title);
	role_rules__free(r);
}

static int compile(struct role_rule_yaml *rule, char *err, size_t err_len)
{
	static const char data[] = "rules:\n  - cmdline: x\n    role: y\n";
	const struct yaml_text text = { .name = "r.yaml", .data = data, .len = strlen(data) };
	struct role_rules *r;
	int ret = role_rules__compile(&text, "rules", rule, 1, &r, err, err_len);

	role_rules__free(r);
	return ret;
}

Test(role, templates_name_only_groups_that_there_are)
{
	static const struct {
		char *cmdline, *comm, *role, *message;
	} cases[] = {
		{ "a(b)", NULL, "\\1", NULL },
		{ "a(b)", "(c)", "\\2 \\\\", NULL },
		{ "a(b)", NULL, "\\2", "r.yaml:3: role '\\2': the expressions have fewer groups" },
		{ "a", NULL, "\\1", "r.yaml:3: role" },
		{ "a", NULL, "\\0", "r.yaml:3: role" },
		{ "a", NULL, "x\\", "r.yaml:3: role" },
		{ "((((((((((a))))))))))", NULL, "x", "r.yaml:2: cmdline: regular expression" },
		{ "(a)(b)(c)(d)(e)", "(f)(g)(h)(i)(j)", "x", "more than 9 groups" },
		{ "a{2}", NULL, "x", "r.yaml:2: cmdline: " },
		{ "a\\{2[{]", NULL, "x", NULL },
		{ "[^]{]", NULL, "x", NULL },
		{ "(a", NULL, "x", "r.yaml:2: cmdline: " },
		{ NULL, NULL, "x", "a rule needs cmdline, comm, exe or environ" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct role_rule_yaml rule = { .cmdline = cases[i].cmdline, .comm = cases[i].comm,
					       .role = cases[i].role };
		char err[512] = "";

		cr_expect_eq(compile(&rule, err, sizeof(err)), cases[i].message ? -EINVAL : 0,
			     "%zu: %s", i, err);
		cr_expect(strstr(err, cases[i].message ? cases[i].message : ""), "%zu: %s", i, err);
	}
}

Test(role, groups_are_counted_through_all_conditions)
{
	static const char data[] = "x";
	const struct yaml_text text = { .name = "r", .data = data, .len = 1 };
	struct role_rule_yaml rules[] = {
		{ .cmdline = "(a)(q)?", .exe = "(e)", .environ = (char *[]){ "^X=(.)", "^Y=(.)" },
		  .n_environ = 2, .role = "\\1-\\2-\\3-\\4-\\5\\\\" },
		{ .comm = "c", .forked = ROLE_TRUE, .role = "forked" },
		{ .comm = "c", .forked = ROLE_FALSE, .role = "not forked" },
	};
	struct role_rules *r;
	char err[256];

	cr_assert_eq(role_rules__compile(&text, "rules", rules, 3, &r, err, sizeof(err)), 0);
	cr_expect_str_eq(apply(r, (struct role_subject){ .cmdline = "a", .exe = "e", .environ =
				(const char *[]){ "Y=2", "X=1", NULL } }), "a--e-1-2\\");
	cr_expect_str_eq(apply(r, (struct role_subject){ .comm = "c" }), "not forked");
	cr_expect_str_eq(apply(r, (struct role_subject){ .comm = "c", .forked = true }), "forked");
	role_rules__free(r);
}
