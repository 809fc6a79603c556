/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What tests of the real thing share: start a target, run the tool on it, read its rows. Each test
 * gets a directory of its own, removed at its end; whatever was started is ended by its pid.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* Absolute paths of what the Makefile built, from the environment it sets. */
const char *harness_tool(void);
const char *harness_target(const char *name); /* static memory, one call at a time */

/* Skips the test where BPF cannot run, and fails it if RAMTRACE_REQUIRE_KERNEL is set. To be called
 * first in every kernel test. */
void harness_need_kernel(void);

/* The test's own directory; made at the first call. */
const char *harness_dir(void);
/* "DIR/name", valid until the test ends. */
const char *harness_path(const char *name);

/* A process that a test started; its stdout and stderr are in files. */
struct child {
	pid_t pid;
	const char *out, *err; /* paths */
};

/* argv[0] is looked for in PATH; `name` distinguishes the output files. in: path for stdin or
 * NULL. Fails the test if it cannot be started. */
struct child child_start(const char *name, const char *const *argv);
/* Waits; the exit status, or 128 + signal. Fails the test (and kills it) after `seconds`. */
int child_wait(struct child *c, int seconds);
void child_signal(struct child *c, int sig);
/* Waits until its output holds `text`; fails the test after `seconds` or if it ends before. */
void child_await(struct child *c, const char *path, const char *text, int seconds);

/* Starts the tool, with --format jsonl -o DIR/<name>.jsonl unless args says otherwise, and waits
 * until it traces (attach) or at once (a command of its own). args is NULL-terminated. */
struct child tool_attach(const char *name, const char *const *args);
struct child tool_start(const char *name, const char *const *args);

/* All objects of a jsonl file, in order: an array, owned by the caller. */
json_t *rows_load(const char *path);
/* The nth (from 0) object with these string values (key, value, ..., NULL); NULL: none. */
json_t *rows_find(json_t *rows, size_t nth, ...);
size_t rows_count(json_t *rows, ...);
int64_t row_int(const json_t *row, const char *key);
const char *row_str(const json_t *row, const char *key);
bool row_true(const json_t *row, const char *key);

/* A whole file, NUL-terminated; owned by the caller. */
char *file_text(const char *path);
/* The exit status and, in *out (owned by the caller), what a shell command printed. */
int shell(const char *command, char **out);

#endif
