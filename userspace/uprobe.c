/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "uprobe.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* From include/uapi/linux/bpf.h of 6.6 (89ae89f53d20 "bpf: Add multi uprobe link"); the headers of
 * the oldest libbpf that this builds with do not have them. */
#define ATTACH_TRACE_UPROBE_MULTI    48
#define UPROBE_MULTI_RETURN	     1
#define LINK_CREATE		     28
#define PROG_LOAD		     5

struct link_create_uprobe_multi {
	uint32_t prog_fd, target_fd, attach_type, flags;
	uint64_t path, offsets, ref_ctr_offsets, cookies;
	uint32_t cnt, multi_flags, pid, pad;
};

struct uprobe_links {
	struct {
		int fd;			/* of a uprobe_multi link, or -1 */
		struct bpf_link *perf;	/* of one perf event, or NULL */
	} *links;
	size_t n, cap, sites;
};

struct uprobe_links *uprobe_links__new(void)
{
	return calloc(1, sizeof(struct uprobe_links));
}

void uprobe_links__free(struct uprobe_links *links)
{
	if (!links)
		return;
	for (size_t i = 0; i < links->n; i++) {
		if (links->links[i].fd >= 0)
			close(links->links[i].fd);
		bpf_link__destroy(links->links[i].perf);
	}
	free(links->links);
	free(links);
}

size_t uprobe_links__count(const struct uprobe_links *links)
{
	return links->sites;
}

static int keep(struct uprobe_links *l, int fd, struct bpf_link *perf, size_t sites)
{
	if (l->n == l->cap) {
		size_t cap = l->cap ? 2 * l->cap : 64;
		void *bigger = realloc(l->links, cap * sizeof(*l->links));

		if (!bigger) {
			if (fd >= 0)
				close(fd);
			bpf_link__destroy(perf);
			return -ENOMEM;
		}
		l->links = bigger;
		l->cap = cap;
	}
	l->links[l->n].fd = fd;
	l->links[l->n++].perf = perf;
	l->sites += sites;
	return 0;
}

static int link_multi(int prog_fd, const char *path, const uint64_t *offsets, const uint64_t *cookies,
	const uint64_t *semaphores, size_t n, bool ret, pid_t pid)
{
	struct link_create_uprobe_multi attr = {.prog_fd = prog_fd,
		.attach_type = ATTACH_TRACE_UPROBE_MULTI,
		.path = (uintptr_t)path,
		.offsets = (uintptr_t)offsets,
		.cookies = (uintptr_t)cookies,
		.ref_ctr_offsets = (uintptr_t)semaphores,
		.cnt = n,
		.multi_flags = ret ? UPROBE_MULTI_RETURN : 0,
		.pid = pid};
	int fd = syscall(SYS_bpf, LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

int uprobe_empty_program(void)
{
	static const struct bpf_insn insns[] = {
		{.code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0},
		{.code = BPF_JMP | BPF_EXIT},
	};
	LIBBPF_OPTS(bpf_prog_load_opts, opts, .expected_attach_type = ATTACH_TRACE_UPROBE_MULTI);
	int fd = bpf_prog_load(BPF_PROG_TYPE_KPROBE, "multi_probe", "GPL", insns, 2, &opts);

	return fd < 0 ? -errno : fd;
}

/* An empty program linked to a file that cannot be one: the kernel that knows the type complains of
 * the path, others of the type. */
bool uprobe_has_multi(void)
{
	uint64_t offset = 0;
	int prog, link;

	prog = uprobe_empty_program();
	if (prog < 0)
		return false;
	link = link_multi(prog, "/", &offset, NULL, NULL, 1, false, 0);
	close(prog);
	if (link >= 0)
		close(link);
	return link == -EBADF;
}

void uprobe_prepare_multi(struct bpf_program *prog)
{
	bpf_program__set_expected_attach_type(prog, ATTACH_TRACE_UPROBE_MULTI);
}

struct attach_job {
	struct uprobe_links *links;
	struct bpf_program *prog; /* one by one, */
	int prog_fd;		  /* or as one link */
	const char *path;
	pid_t pid;
	bool ret;
	uint64_t *offsets, *cookies, *semaphores;
	bool have_semaphores;
	size_t *refused, n_refused;
	int err; /* of the last refused site */
};

/* One link for sites [from, from + n); halved when the kernel refuses, to find which it is. */
static int attach_range(struct attach_job *job, size_t from, size_t n)
{
	int fd, err;

	fd = link_multi(job->prog_fd, job->path, job->offsets + from,
		job->cookies + from, job->have_semaphores ? job->semaphores + from : NULL, n, job->ret,
		job->pid);
	if (fd >= 0)
		return keep(job->links, fd, NULL, n);
	if (fd == -ENOMEM || fd == -EPERM || fd == -EACCES || fd == -ENOENT || fd == -EMFILE)
		return fd;
	if (n == 1) {
		job->err = fd;
		job->refused[job->n_refused++] = from;
		return 0;
	}
	err = attach_range(job, from, n / 2);
	return err ? err : attach_range(job, from + n / 2, n - n / 2);
}

static int attach_multi(struct attach_job *job, const struct uprobe_site *sites, size_t n)
{
	uint64_t *block = calloc(n, 3 * sizeof(*block));
	int err;

	if (!block)
		return -ENOMEM;
	job->offsets = block;
	job->cookies = block + n;
	job->semaphores = block + 2 * n;
	for (size_t i = 0; i < n; i++) {
		job->offsets[i] = sites[i].offset;
		job->cookies[i] = sites[i].cookie;
		job->semaphores[i] = sites[i].semaphore;
		job->have_semaphores |= sites[i].semaphore != 0;
	}
	err = attach_range(job, 0, n);
	free(block);
	return err;
}

static int attach_one_by_one(struct attach_job *job, const struct uprobe_site *sites, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .retprobe = job->ret, .bpf_cookie = sites[i].cookie,
			.ref_ctr_offset = sites[i].semaphore);
		struct bpf_link *link;
		int err;

		link = bpf_program__attach_uprobe_opts(job->prog, job->pid ? job->pid : -1, job->path, sites[i].offset, &opts);
		if (!link) {
			job->err = -errno;
			job->refused[job->n_refused++] = i;
			continue;
		}
		err = keep(job->links, -1, link, 1);
		if (err)
			return err;
	}
	return 0;
}

int uprobe_attach(struct uprobe_links *links, struct bpf_program *prog, bool multi, enum uprobe_how how,
	pid_t pid, const char *path, const struct uprobe_site *sites, size_t n, size_t *refused,
	size_t *n_refused)
{
	struct attach_job job = {.links = links,
		.pid = pid,
		.prog = prog,
		.prog_fd = bpf_program__fd(prog),
		.path = path,
		.ret = how == UPROBE_RETURN,
		.refused = refused};
	int err;

	*n_refused = 0;
	if (!n)
		return 0;
	err = multi ? attach_multi(&job, sites, n) : attach_one_by_one(&job, sites, n);
	*n_refused = job.n_refused;
	if (!err && job.n_refused == n)
		err = job.err;
	return err;
}

int uprobe_attach_fd(struct uprobe_links *links, int prog_fd, const char *path,
	const struct uprobe_site *sites, size_t n)
{
	struct attach_job job = {.links = links, .prog_fd = prog_fd, .path = path};
	size_t *refused = calloc(n, sizeof(*refused));
	int err;

	if (!refused)
		return -ENOMEM;
	job.refused = refused;
	err = attach_multi(&job, sites, n);
	free(refused);
	return err ? err : job.n_refused ? job.err : 0;
}
