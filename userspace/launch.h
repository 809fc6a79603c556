/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Starting the command under trace: forked at once, held before its exec until everything is
 * attached, then let go. It keeps the caller's stdin, stdout, stderr, directory and environment.
 */
#ifndef LAUNCH_H
#define LAUNCH_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct launch;

/* Forks the held child. user: run as this one, or NULL. -errno with a message in err. */
int launch__start(char **argv, const char *user, struct launch **out, char *err, size_t len);
pid_t launch__pid(const struct launch *l);
/* Lets it exec. 0, or -errno of the exec with a message in err. */
int launch__go(struct launch *l, char *err, size_t len);
/* Has it ended? Never waits. *status as wait(2). */
bool launch__ended(struct launch *l, int *status);
/* Kills a child that was never let go. NULL is fine. */
void launch__free(struct launch *l);

/* What a shell would say of that status: 0 to 255, 128 + signal. */
int launch_exit_status(int wait_status);

/* The file that execvp(3) would run for argv[0]; -ENOENT: none that can be run. */
int launch_find(const char *name, char *path, size_t len);

#endif
