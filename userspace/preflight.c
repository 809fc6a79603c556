/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "preflight.h"

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"
#include "procfs.h"
#include "uprobe.h"

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
				  "give it the capability",
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

static int check_namespace(void)
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
		err = check_namespace();
	if (!err)
		err = check_btf();
	return err ? err : check_lockdown();
}

int preflight_pid(pid_t pid)
{
	char comm[32] = "", cmdline[256] = "";
	pid_t outer;

	switch (procfs_state(pid)) {
	case PROCFS_ALIVE:
		return 0;
	case PROCFS_KTHREAD:
		procfs_comm(pid, comm, sizeof(comm));
		log_error("cannot trace pid %d: it is a kernel thread (%s) and has no memory of its own",
			pid, comm);
		return -EINVAL;
	case PROCFS_ZOMBIE:
		log_error("cannot trace pid %d: it has exited and waits for its parent", pid);
		return -ESRCH;
	case PROCFS_GONE:
		break;
	}
	outer = procfs_find_inner(pid);
	if (outer) {
		procfs_cmdline(outer, cmdline, sizeof(cmdline));
		log_error("there is no process %d here, but one that is %d inside a container: pid %d (%s). "
			  "Use --pid %d",
			pid, pid, outer, cmdline, outer);
	} else {
		log_error("there is no process %d", pid);
	}
	return -ESRCH;
}
