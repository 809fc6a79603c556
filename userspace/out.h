/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A buffered output whose first error sticks, and the number and string formats of all sinks. */
#ifndef OUT_H
#define OUT_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "io.h"

struct out;

/* Takes the descriptor (closed by out__close unless it is 0, 1 or 2). NULL: no memory. */
struct out *out__new(int fd);
/* Creates FILE (0600, truncates a regular file, refuses a symlink). -errno. After a write error
 * a regular file is cut to whole lines. */
int out__open(const char *path, struct out **out);
/* Whom to ask when the reader does not read, see io.h. NULL: nobody, writes wait for ever. */
void out__on_stuck(struct out *o, io_stuck_fn *stuck, void *ctx);
void out__bytes(struct out *o, const void *data, size_t len);
void out__str(struct out *o, const char *s);
/* `len` bytes of text and the number: what most of a row is, in one go. */
void out__text_u64(struct out *o, const char *text, size_t len, uint64_t v);
void out__text_i64(struct out *o, const char *text, size_t len, int64_t v);
void out__fmt(struct out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void out__u64(struct out *o, uint64_t v);
void out__i64(struct out *o, int64_t v);
/* bytes as MiB with two decimals, exactly as printf("%.2f", bytes / 1048576.0) prints them;
 * plus: a leading '+' for what is not negative */
void out__mib(struct out *o, int64_t bytes, int plus);
/* Writes what is buffered. A write error sticks: 0 or -errno from then on (-EPIPE: reader gone). */
int out__flush(struct out *o);
int out__error(const struct out *o);
int out__fd(const struct out *o);
/* Flushes; 0 or the first error. NULL is fine. */
int out__close(struct out *o);

/* A copy that is valid UTF-8 and holds no control characters: each offending byte becomes \xNN.
 * Nothing that a target wrote reaches a terminal or a file but through here. NULL: no memory. */
char *out_clean(const char *s, size_t len);

/* Columns that a terminal needs for UTF-8 text: East Asian wide characters take two. */
int out_width(const char *s);

#endif
