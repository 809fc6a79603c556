/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold before tracing can begin, each with its own message. */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H

#include <sys/types.h>

/* Is what is called a pid here one to the kernel? 0, or -errno after a message. */
int preflight_namespace(void);
/* Rights, BTF, lockdown. 0, or -errno after a message. */
int preflight_host(void);
/* Can this command be run? 0, or -errno after a message. */
int preflight_command(const char *name);
/* May this process be traced? 0, or -errno after a message. */
int preflight_pid(pid_t pid);

#endif
