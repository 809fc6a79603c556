/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What must hold before tracing can begin, each with its own message. */
#ifndef PREFLIGHT_H
#define PREFLIGHT_H

#include <sys/types.h>

/* Rights, BTF, lockdown, pid namespace. 0, or -errno after a message. */
int preflight_host(void);
/* May this process be traced? 0, or -errno after a message. */
int preflight_pid(pid_t pid);

#endif
