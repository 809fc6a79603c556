/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Real servers, private to a test: each in the test's directory, on a unix socket, ended by its pid
 * even when the test fails.
 */
#ifndef SERVERS_H
#define SERVERS_H

#include <stdint.h>
#include "harness.h"

struct server {
	struct child c;
	const char *dir; /* its own: socket, data, log */
	char bin[256];	 /* where its programs are */
};

/* Skip the test if the program is not installed. */
struct server postgres_start(void);
struct server redis_start(void);
struct server nginx_start(int workers, int connections);

/*
 * Both with two workers and an application in Python that takes 40 MiB when it is loaded and 20 more
 * at each GET /grow. Around its loading it reads what the process has, see app_readings.
 */
struct server gunicorn_start(void);
/* Under the tool, which is given `args`: what matters is at its start. */
struct server uwsgi_start(const char *const *args);

struct app_reading {
	pid_t pid;
	int64_t before, after; /* RSS in bytes, by smaps_rollup */
};
/* Of all processes that have loaded it, up to max; how many. */
size_t app_readings(const struct server *s, struct app_reading *out, size_t max);

/* What a server at DIR/socket answers to one request, up to `end`; owned by the caller. */
char *server_ask(const struct server *s, const char *request, const char *end);

/* A psql that stays connected. */
struct session {
	struct child c;
	FILE *in;
	int statements;
	pid_t backend;
};

struct session session_open(const struct server *s, const char *name);
void session_close(struct session *s);
/* Runs statements and waits; the text of their results, owned by the caller. */
char *session_sql(struct session *s, const char *sql);
/* The same in two halves. */
void session_begin(struct session *s, const char *sql);
bool session_idle(struct session *s);
char *session_end(struct session *s);

#endif
