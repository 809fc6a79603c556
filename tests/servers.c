/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "servers.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <glob.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

/* --- any server ------------------------------------------------------------------------------------ */

/* Criterion runs every test in a process of its own; these belong to it. */
static pid_t running;
static int running_stop;

/* A server whose test failed: killed outright, it would leave its children behind. */
static void stop_server(void)
{
	if (!running || waitpid(running, NULL, WNOHANG))
		return;
	kill(running, running_stop);
	for (int i = 0; i < 500 && !waitpid(running, NULL, WNOHANG); i++)
		usleep(10000);
}

static void find_program(struct server *s, const char *pattern, const char *package)
{
	glob_t g;

	if (glob(pattern, 0, NULL, &g) || !g.gl_pathc)
		cr_skip_test("needs %s", package);
	snprintf(s->bin, sizeof(s->bin), "%s", g.gl_pathv[g.gl_pathc - 1]);
	*strrchr(s->bin, '/') = '\0';
	globfree(&g);
}

static void start(struct server *s, const char *name, const char *const *argv, int stop)
{
	signal(SIGPIPE, SIG_IGN);
	s->c = child_start(name, argv);
	running = s->c.pid;
	running_stop = stop;
	atexit(stop_server);
}

static int connect_to(const char *path)
{
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&to, sizeof(to)))
		return fd;
	close(fd);
	return -1;
}

static void await_socket(struct server *s)
{
	char path[512];
	int fd = -1;

	snprintf(path, sizeof(path), "%s/socket", s->dir);
	for (int i = 0; i < 3000 && fd < 0; i++) {
		fd = connect_to(path);
		if (fd < 0)
			usleep(10000);
	}
	cr_assert_geq(fd, 0, "no server at %s: %s", path, file_text(s->c.err));
	close(fd);
}

static bool ends_with(const char *text, size_t len, const char *end)
{
	return len >= strlen(end) && !strcmp(text + len - strlen(end), end);
}

char *server_ask(const struct server *s, const char *request, const char *end)
{
	size_t have = 0;
	char path[512], *answer = calloc(1, 65536);
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "%s/socket", s->dir);
	fd = connect_to(path);
	cr_assert_geq(fd, 0, "%s: %s", path, strerror(errno));
	cr_assert_eq(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	while (!ends_with(answer, have, end) && have < 65535) {
		n = read(fd, answer + have, 65535 - have);
		cr_assert_gt(n, 0, "it closed after: %s", answer);
		have += n;
	}
	close(fd);
	return answer;
}

static const char *make_dir(const char *name, const struct passwd *owner)
{
	const char *dir = harness_path(name);

	cr_assert_eq(mkdir(dir, 0755), 0, "%s: %s", dir, strerror(errno));
	if (owner)
		cr_assert_eq(chown(dir, owner->pw_uid, owner->pw_gid), 0);
	return dir;
}

/* --- PostgreSQL ------------------------------------------------------------------------------------ */

#define PG_CONF                                                                                    \
	"listen_addresses = ''\nshared_buffers = 128MB\nwork_mem = 256MB\n"                        \
	"maintenance_work_mem = 256MB\njit = off\nfsync = off\nmax_wal_size = 4GB\n"               \
	"checkpoint_timeout = 1h\nautovacuum_naptime = 1h\nmax_parallel_workers_per_gather = 2\n"  \
	"max_parallel_maintenance_workers = 2\nmin_parallel_table_scan_size = 0\n"                 \
	"parallel_setup_cost = 0\nparallel_tuple_cost = 0\nenable_mergejoin = off\n"

struct server postgres_start(void)
{
	/* it refuses to run as root */
	const struct passwd *user = getpwnam("postgres") ? getpwnam("postgres") : getpwnam("nobody");
	struct server s = {0};
	char data[512], conf[600], uid[16], gid[16], initdb[300], postgres[300];
	FILE *f;

	find_program(&s, "/usr/lib/postgresql/*/bin/postgres", "PostgreSQL (postgresql)");
	s.dir = make_dir("pg", user);
	snprintf(data, sizeof(data), "%s/data", s.dir);
	snprintf(uid, sizeof(uid), "%u", user->pw_uid);
	snprintf(gid, sizeof(gid), "%u", user->pw_gid);
	snprintf(initdb, sizeof(initdb), "%s/initdb", s.bin);
	snprintf(postgres, sizeof(postgres), "%s/postgres", s.bin);
	s.c = child_start("initdb", (const char *[]){"setpriv", "--reuid", uid, "--regid", gid,
		"--clear-groups", initdb, "-D", data, "-U", "dba", "-A", "trust", "-N", NULL});
	cr_assert_eq(child_wait(&s.c, 120), 0, "initdb: %s", file_text(s.c.err));
	snprintf(conf, sizeof(conf), "%s/postgresql.conf", data);
	f = fopen(conf, "a");
	cr_assert(f);
	fprintf(f, PG_CONF "unix_socket_directories = '%s'\n", s.dir);
	fclose(f);
	start(&s, "postgres", (const char *[]){"setpriv", "--reuid", uid, "--regid", gid,
		"--clear-groups", postgres, "-D", data, NULL}, SIGQUIT);
	child_await(&s.c, s.c.err, "ready to accept connections", 60);
	return s;
}

struct session session_open(const struct server *s, const char *name)
{
	struct session ses = {0};
	char fifo[64], command[1024], *pid;

	snprintf(fifo, sizeof(fifo), "%s.in", name);
	snprintf(command, sizeof(command), "exec '%s/psql' -h '%s' -U dba -d postgres -XAtq -v "
		"ON_ERROR_STOP=1 < '%s'", s->bin, s->dir, harness_path(fifo));
	cr_assert_eq(mkfifo(harness_path(fifo), 0600), 0);
	ses.c = child_start(name, (const char *[]){"sh", "-c", command, NULL});
	ses.in = fopen(harness_path(fifo), "we");
	cr_assert(ses.in);
	pid = session_sql(&ses, "select pg_backend_pid();");
	ses.backend = atoi(pid);
	free(pid);
	return ses;
}

void session_close(struct session *s)
{
	fclose(s->in);
	cr_assert_eq(child_wait(&s->c, 60), 0, "psql: %s", file_text(s->c.err));
}

void session_begin(struct session *s, const char *sql)
{
	fprintf(s->in, "%s\n\\echo statement %d is done\n", sql, ++s->statements);
	cr_assert_eq(fflush(s->in), 0);
}

bool session_idle(struct session *s)
{
	char mark[64], *text = file_text(s->c.out);
	bool done;

	snprintf(mark, sizeof(mark), "statement %d is done\n", s->statements);
	done = strstr(text, mark) != NULL;
	free(text);
	return done;
}

char *session_end(struct session *s)
{
	char mark[64], *text, *from, *to, *result;

	snprintf(mark, sizeof(mark), "statement %d is done\n", s->statements);
	child_await(&s->c, s->c.out, mark, 120);
	text = file_text(s->c.out);
	to = strstr(text, mark);
	*to = '\0';
	snprintf(mark, sizeof(mark), "statement %d is done\n", s->statements - 1);
	from = strstr(text, mark);
	result = strdup(from ? from + strlen(mark) : text);
	free(text);
	/* the answer is sent a little before the backend has put everything away */
	usleep(100000);
	return result;
}

char *session_sql(struct session *s, const char *sql)
{
	session_begin(s, sql);
	return session_end(s);
}

/* --- Redis and nginx -------------------------------------------------------------------------------- */

struct server redis_start(void)
{
	struct server s = {0};
	char program[300], socket[512], log[512];

	find_program(&s, "/usr/bin/redis-server", "Redis (redis-server)");
	s.dir = make_dir("redis", NULL);
	snprintf(program, sizeof(program), "%s/redis-server", s.bin);
	snprintf(socket, sizeof(socket), "%s/socket", s.dir);
	snprintf(log, sizeof(log), "%s/log", s.dir);
	/* the child that saves is slowed down, so that it can be read while it runs */
	start(&s, "redis", (const char *[]){program, "--port", "0", "--unixsocket", socket, "--dir",
		s.dir, "--save", "", "--enable-debug-command", "local", "--logfile", log,
		"--rdb-key-save-delay", "-20", NULL}, SIGKILL);
	await_socket(&s);
	return s;
}

#define NGINX_CONF                                                                                 \
	"worker_processes %d;\nuser www-data;\npid %s/pid;\nerror_log %s/log notice;\n"      \
	"events { worker_connections %d; }\n"                                                      \
	"http {\n access_log off;\n client_body_temp_path %s/body;\n proxy_temp_path %s/temp;\n"   \
	" proxy_cache_path %s/cache keys_zone=z:16m;\n"                                            \
	" server { listen unix:%s/socket; location / { return 200 \"well\\n\"; } }\n}\n"

struct server nginx_start(int workers, int connections)
{
	struct rlimit files = {0};
	struct server s = {0};
	char program[300], conf[512];
	FILE *f;

	find_program(&s, "/usr/sbin/nginx", "nginx (nginx-light)");
	s.dir = make_dir("nginx", NULL);
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	snprintf(program, sizeof(program), "%s/nginx", s.bin);
	snprintf(conf, sizeof(conf), "%s/conf", s.dir);
	f = fopen(conf, "w");
	cr_assert(f);
	fprintf(f, NGINX_CONF, workers, s.dir, s.dir, connections, s.dir, s.dir, s.dir, s.dir);
	fclose(f);
	start(&s, "nginx", (const char *[]){program, "-p", s.dir, "-e", "stderr", "-c", conf, "-g",
		"daemon off;", NULL}, SIGTERM);
	await_socket(&s);
	return s;
}

/* --- Python servers --------------------------------------------------------------------------------- */

#define APP                                                                                        \
	"import os\n"                                                                              \
	"def rss():\n"                                                                             \
	"    text = open('/proc/self/smaps_rollup').read()\n"                                      \
	"    return int(text.split('Rss:')[1].split()[0]) * 1024\n"                                \
	"before = rss()\n"                                                                         \
	"kept = [bytearray(b'x') * (40 << 20)]\n"                                                  \
	"line = '%%d %%d %%d\\n' %% (os.getpid(), before, rss())\n"                                  \
	"fd = os.open('%s/readings', os.O_WRONLY | os.O_CREAT | os.O_APPEND)\n"                    \
	"os.write(fd, line.encode())\n"                                                            \
	"os.close(fd)\n"                                                                           \
	"def application(environ, start_response):\n"                                              \
	"    if environ['PATH_INFO'] == '/grow':\n"                                                \
	"        kept.append(bytearray(b'y') * (20 << 20))\n"                                      \
	"    body = b'pid %%d ok\\n' %% os.getpid()\n"                                               \
	"    start_response('200 OK', [('Content-Length', str(len(body)))])\n"                     \
	"    return [body]\n"

static void write_app(const struct server *s)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof(path), "%s/app.py", s->dir);
	f = fopen(path, "w");
	cr_assert(f && fprintf(f, APP, s->dir) > 0 && !fclose(f));
}

struct server gunicorn_start(void)
{
	struct server s = {0};
	char bind[512];

	find_program(&s, "/usr/bin/gunicorn", "gunicorn (gunicorn, python3-setproctitle)");
	s.dir = make_dir("gunicorn", NULL);
	write_app(&s);
	snprintf(bind, sizeof(bind), "unix:%s/socket", s.dir);
	start(&s, "gunicorn", (const char *[]){"/usr/bin/gunicorn", "--workers", "2", "--chdir", s.dir,
		"--bind", bind, "app:application", NULL}, SIGTERM);
	await_socket(&s);
	return s;
}

struct server uwsgi_start(const char *const *args)
{
	const char *argv[32], *const uwsgi[] = {"--", "uwsgi-core", "--plugin", NULL, "--http-socket",
		NULL, "--wsgi-file", NULL, "--master", "--processes", "2", "--auto-procname",
		"--die-on-term", NULL};
	char plugin[64], socket[512], app[512], *at;
	struct server s = {0};
	size_t n = 0;
	glob_t g;

	find_program(&s, "/usr/bin/uwsgi-core", "uWSGI (uwsgi-core)");
	if (glob("/usr/lib/uwsgi/plugins/python3*_plugin.so", 0, NULL, &g) || !g.gl_pathc)
		cr_skip_test("needs uwsgi-plugin-python3");
	snprintf(plugin, sizeof(plugin), "%s", strrchr(g.gl_pathv[0], '/') + 1);
	at = strstr(plugin, "_plugin.so");
	*at = '\0';
	globfree(&g);
	s.dir = make_dir("uwsgi", NULL);
	write_app(&s);
	snprintf(socket, sizeof(socket), "%s/socket", s.dir);
	snprintf(app, sizeof(app), "%s/app.py", s.dir);
	for (; *args; args++)
		argv[n++] = *args;
	memcpy(argv + n, uwsgi, sizeof(uwsgi));
	argv[n + 3] = plugin;
	argv[n + 5] = socket;
	argv[n + 7] = app;
	s.c = tool_start("tool", argv);
	running = s.c.pid;
	running_stop = SIGTERM;
	atexit(stop_server);
	await_socket(&s);
	return s;
}

size_t app_readings(const struct server *s, struct app_reading *out, size_t max)
{
	char path[512];
	long long before, after;
	size_t n = 0;
	FILE *f;
	int pid;

	snprintf(path, sizeof(path), "%s/readings", s->dir);
	f = fopen(path, "r");
	if (!f)
		return 0;
	for (; n < max && fscanf(f, "%d %lld %lld", &pid, &before, &after) == 3; n++)
		out[n] = (struct app_reading){.pid = pid, .before = before, .after = after};
	fclose(f);
	return n;
}
