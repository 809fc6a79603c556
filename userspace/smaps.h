/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * /proc/PID/smaps, added up by what a mapping is for. The file of a process of hundreds of GB takes
 * the kernel seconds, and each step holds the memory map of that process for reading; so it is read
 * as a stream that stops at a deadline, between two mappings, and says how far it came.
 */
#ifndef SMAPS_H
#define SMAPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What a mapping is for. On tape by name: see smaps_kind_name. */
enum smaps_kind {
	SMAPS_FILE,    /* of a file on a disk */
	SMAPS_HEAP,    /* [heap] */
	SMAPS_STACK,   /* [stack], or one of a thread */
	SMAPS_SHMEM,   /* tmpfs, memfd, System V, shared anonymous */
	SMAPS_NAMED,   /* anonymous, with a name of PR_SET_VMA_ANON_NAME */
	SMAPS_ANON,    /* anonymous without one, by the size of the mapping */
	SMAPS_HUGETLB, /* not in RSS */
	SMAPS_SPECIAL, /* the kernel's: [vdso], [vvar], [uprobes] */
	SMAPS_KINDS,
};

/* "file", "heap", ...; NULL: no such kind. */
const char *smaps_kind_name(enum smaps_kind kind);
/* SMAPS_KINDS: no such name. */
enum smaps_kind smaps_kind_of(const char *name);

/* Bytes. All are 64 bits wide, in this order on a tape: only append. */
struct smaps_sums {
	uint64_t size, rss, pss;
	uint64_t shared_clean, shared_dirty, private_clean, private_dirty;
	uint64_t anonymous; /* in rss: pages that belong to no file, copies of a file's too */
	uint64_t anon_huge; /* in anonymous */
	uint64_t swap, swap_pss;
	uint64_t hugetlb; /* beside rss */
};
#define SMAPS_SUMS (sizeof(struct smaps_sums) / sizeof(uint64_t))

/* Adds, member by member. */
void smaps_add(struct smaps_sums *to, const struct smaps_sums *from);

/* Mappings of one kind and name. */
struct smaps_group {
	enum smaps_kind kind;
	char *name; /* raw: whoever shows it cleans it */
	uint64_t mappings;
	struct smaps_sums sums;
};

struct smaps {
	struct smaps_group *groups; /* the largest first: by rss, then swap, hugetlb, size */
	size_t n;
	struct smaps_sums all;
	uint64_t mappings;
	uint64_t upto; /* address behind the last mapping that was read */
	bool partial;  /* there are more: the deadline came */
};

struct smaps_how {
	uint64_t deadline_ns; /* CLOCK_MONOTONIC; 0: none */
	size_t max_groups;    /* names; what has another is added to one group of its kind, "(other)" */
	bool marks_stacks;    /* the kernel marks what was mapped with MAP_STACK (6.7 and later) */
	/* devices of tmpfs in the process's mount namespace: (major << 32 | minor) */
	const uint64_t *tmpfs;
	size_t n_tmpfs;
	/* Called between two reads; non-zero ends the reading with that error. NULL: nobody. */
	int (*breathe)(void *ctx);
	void *ctx;
};

/* All of it, or up to the deadline. -ESRCH: gone, or a process without memory; -errno. */
int smaps_read(pid_t pid, const struct smaps_how *how, struct smaps *out);
/* The same from a descriptor, which stays open: smaps_read without what it finds out by itself. */
int smaps_read_fd(int fd, const struct smaps_how *how, struct smaps *out);
void smaps__clear(struct smaps *s);

/* /proc/PID/smaps_rollup: size stays 0. -ESRCH: gone; -errno. */
int smaps_rollup(pid_t pid, struct smaps_sums *out);
/* From its text. -EBADMSG: that is none. */
int smaps_parse_rollup(const char *text, struct smaps_sums *out);

#endif
