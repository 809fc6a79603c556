/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whole writes and reads on descriptors that may be pipes, terminals, non-blocking or full. */
#ifndef IO_H
#define IO_H

#include <stddef.h>
#include <sys/types.h>

/* Opens FILE for writing, 0600 where it is new; a regular file is emptied, a FIFO or a device is
 * written as it is, a symlink is refused (-ELOOP). The descriptor, or -errno. */
int io_create(const char *path);

/* All of it: 0 or -errno. Waits where the descriptor would block. */
int io_write(int fd, const void *data, size_t len);

/* Asked again and again while a write does not move: non-zero gives it up with that error. */
typedef int io_stuck_fn(void *ctx);

/* The same, but with somebody to ask. What was written until it is given up stays. Uses SIGALRM
 * and ITIMER_REAL during the call. */
int io_write_asking(int fd, const void *data, size_t len, io_stuck_fn *stuck, void *ctx);

/* Until `len` bytes are there or the file ends: how many, or -errno. */
ssize_t io_read(int fd, void *data, size_t len);

#endif
