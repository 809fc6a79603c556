/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Attaching one program to many instructions of one file. With uprobe_multi (6.6 and later) that is
 * one link; before, one perf event each, and detaching them takes the kernel about 0.1 s apiece.
 */
#ifndef UPROBE_H
#define UPROBE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bpf_program;

struct uprobe_site {
	uint64_t offset;    /* in the file */
	uint64_t cookie;    /* what bpf_get_attach_cookie returns there */
	uint64_t semaphore; /* file offset of a USDT probe's counter; 0: none */
};

struct uprobe_links;

struct uprobe_links *uprobe_links__new(void);
/* Detaches everything. NULL is fine. */
void uprobe_links__free(struct uprobe_links *links);
size_t uprobe_links__count(const struct uprobe_links *links); /* sites attached */

/* Does this kernel have uprobe_multi? Tried, not guessed from its version. */
bool uprobe_has_multi(void);

/* A program for uprobe_multi that does nothing: its descriptor, or -errno. */
int uprobe_empty_program(void);

/* To be set on a program before it is loaded, where uprobe_has_multi(). */
void uprobe_prepare_multi(struct bpf_program *prog);

enum uprobe_how {
	UPROBE_PLAIN,  /* before the instruction */
	UPROBE_RETURN, /* a uretprobe: rewrites return addresses */
};

/*
 * Attaches prog to the sites of the file that `path` names, in every process, or, unless `pid` is 0,
 * in that one only (and not in its children). A site that the
 * kernel refuses does not keep the others out: its index goes to refused[] (room for n), their
 * number to *n_refused. 0, or -errno when nothing could be attached at all.
 */
int uprobe_attach(struct uprobe_links *links, struct bpf_program *prog, bool multi, enum uprobe_how how,
	pid_t pid, const char *path, const struct uprobe_site *sites, size_t n, size_t *refused,
	size_t *n_refused);

/* One uprobe_multi link of any program, by descriptor. 0, or -errno. */
int uprobe_attach_fd(struct uprobe_links *links, int prog_fd, const char *path,
	const struct uprobe_site *sites, size_t n);

#endif
