/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preflight.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "launch.h"
#include "log.h"
#include "procfs.h"
#include "uprobe.h"

#define CONTAINERS_MAX 4 /* named in a hint */
#define INIT_PID_NS 0xEFFFFFFCU /* PROC_PID_INIT_INO: include/linux/proc_ns.h */

static const struct {
	int cap;
	const char *name, *why;
	bool old_kernels; /* only where there is no uprobe_multi */
} needed[] = {
	{CAP_BPF, "CAP_BPF", "to load BPF programs", false},
	{CAP_PERFMON, "CAP_PERFMON", "to read kernel memory and attach tracepoints", false},
	{CAP_SYS_PTRACE, "CAP_SYS_PTRACE", "to read /proc of other users' processes", false},
	{CAP_DAC_READ_SEARCH, "CAP_DAC_READ_SEARCH", "to list the files they have mapped", false},
	{CAP_CHECKPOINT_RESTORE, "CAP_CHECKPOINT_RESTORE", "to open the files they have mapped", false},
	{CAP_SYS_ADMIN, "CAP_SYS_ADMIN", "to attach uprobes: this kernel has no uprobe_multi (6.6)", true},
};

#define ALL_CAPS "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search,cap_checkpoint_restore"

static int check_rights(void)
{
	size_t n = sizeof(needed) / sizeof(*needed);

	if (capng_get_caps_process())
		return 0; /* the kernel will say */
	if (capng_have_capability(CAPNG_EFFECTIVE, CAP_SYS_ADMIN) && !geteuid())
		n--;
	for (size_t i = 0; i < n; i++) {
		if (capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap))
			continue;
		if (needed[i].old_kernels && uprobe_has_multi())
			continue;
		if (geteuid())
			log_error("cannot trace as user %u: %s is missing, needed %s. Run it with sudo, or "
				  "give it what it needs (setcap " ALL_CAPS "+ep)",
				geteuid(), needed[i].name, needed[i].why);
		else
			log_error("cannot trace: this root has no %s, needed %s. In a container, grant it "
				  "(or --privileged)",
				needed[i].name, needed[i].why);
		return -EPERM;
	}
	return 0;
}

static int check_btf(void)
{
	if (!access("/sys/kernel/btf/vmlinux", R_OK))
		return 0;
	log_error("cannot load BPF programs: /sys/kernel/btf/vmlinux: %s. The kernel must be built with "
		  "CONFIG_DEBUG_INFO_BTF (Debian's are), and /sys must be mounted",
		strerror(errno));
	return -ENOENT;
}

static int check_lockdown(void)
{
	char buf[128] = "";
	int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return 0;
	if (read(fd, buf, sizeof(buf) - 1) < 0)
		buf[0] = '\0';
	close(fd);
	if (!strstr(buf, "[confidentiality]"))
		return 0;
	log_error("cannot trace: kernel lockdown is at \"confidentiality\", which forbids BPF programs to "
		  "read kernel memory. Boot with lockdown=integrity or without lockdown");
	return -EPERM;
}

int preflight_namespace(void)
{
	struct stat st;

	if (stat("/proc/self/ns/pid", &st) || st.st_ino == INIT_PID_NS)
		return 0;
	log_error("cannot trace from inside a pid namespace: the kernel's pids are not those seen here. "
		  "Run it on the host, or in a container with the host's pid namespace (--pid=host)");
	return -EINVAL;
}

int preflight_host(void)
{
	int err = check_rights();

	if (!err)
		err = check_btf();
	return err ? err : check_lockdown();
}

/* Says which processes are `pid` to themselves, in a namespace of their own. */
static void say_gone(pid_t pid)
{
	char comm[32] = "", list[512] = "";
	pid_t outer[CONTAINERS_MAX];
	size_t n = procfs_find_inner(pid, outer, CONTAINERS_MAX), at = 0;

	if (!n) {
		log_error("cannot trace pid %d: there is no such process (see ps -e)", pid);
		return;
	}
	for (size_t i = 0; i < n && i < CONTAINERS_MAX && at < sizeof(list); i++) {
		if (procfs_comm(outer[i], comm, sizeof(comm)) <= 0)
			continue;
		at += snprintf(list + at, sizeof(list) - at, "%s--pid %d (%s)", at ? " or " : "", outer[i],
			comm);
	}
	if (at < sizeof(list) && n > CONTAINERS_MAX)
		snprintf(list + at, sizeof(list) - at, " or another of %zu", n);
	log_error("cannot trace pid %d: there is no such process here, only inside a container. By the pid "
		  "of this host it is %s", pid, list);
}

int preflight_pid(pid_t pid)
{
	char comm[32] = "";
	pid_t process;

	switch (procfs_state(pid)) {
	case PROCFS_ALIVE:
		process = procfs_process_of(pid);
		if (!process || process == pid)
			return 0;
		log_error("cannot trace pid %d: it is a thread. Use --pid %d, its process", pid, process);
		return -EINVAL;
	case PROCFS_KTHREAD:
		procfs_comm(pid, comm, sizeof(comm));
		log_error("cannot trace pid %d: it is a kernel thread (%s) and has no memory of its own. Give "
			  "the pid of a program", pid, comm);
		return -EINVAL;
	case PROCFS_ZOMBIE:
		log_error("cannot trace pid %d: it has exited, has no memory any more, and waits for its "
			  "parent to take note. Give the pid of a program that runs", pid);
		return -ESRCH;
	case PROCFS_GONE:
		break;
	}
	say_gone(pid);
	return -ESRCH;
}

int preflight_command(const char *name)
{
	const char *path = getenv("PATH");
	char found[PATH_MAX];
	struct stat st;

	if (!launch_find(name, found, sizeof(found)))
		return 0;
	if (!strchr(name, '/'))
		log_error("cannot run %s: there is no such command in %s. Give its full path (sudo has a PATH "
			  "of its own)", name, path ? path : "the usual directories");
	else if (stat(name, &st))
		log_error("cannot run %s: %s. Is the path right?", name, strerror(errno));
	else if (!S_ISREG(st.st_mode))
		log_error("cannot run %s: it is not a file. Give the path of a program", name);
	else
		log_error("cannot run %s: it is not executable. Give a program, or its interpreter before it",
			name);
	return -ENOENT;
}
