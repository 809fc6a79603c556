/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The kernel's side of a run: programs, maps, ring buffer. The only file that knows the skeleton.
 * open -> want/adopt -> attach -> poll ... -> report -> poll -> close. Closing (or dying) leaves
 * nothing in the kernel: every link is a descriptor.
 */
#ifndef SESSION_H
#define SESSION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include "../bpf/ramtrace.h"
#include "limit.h"
#include "uprobe.h"

struct session;

struct session_config {
	uint32_t ring_bytes; /* a power of two, at least a page */
	uint32_t max_funcs;  /* ids below this have their lost checkpoints counted */
	bool follow_children;
	bool uretprobes; /* SESSION_URETPROBE will be used */
	bool python;	 /* and the functions of the section on Python */
	bool markers;	 /* and SESSION_MARK */
	bool growth;	 /* full attribution: RT_EV_NODE, and session__growth */
	struct limits limits;
};

/* One event, raw; valid during the call. Non-zero ends the poll and is passed up. */
typedef int session_event_fn(void *ctx, const void *data, size_t len);

/* Loads and attaches everything but uprobes. -errno with a message in err. */
int session__open(const struct session_config *config, struct session **out, char *err, size_t len);
void session__close(struct session *s);

bool session__has_multi(const struct session *s);
unsigned int session__cpus(const struct session *s);

/* Marks a process as wanted; it is taken in by the next adopt, or, if it waits for exec, at its
 * exec. */
int session__want(struct session *s, pid_t pid, bool waits_for_exec);
/* Takes in all that are wanted, and their descendants. How many were new, or -errno. */
int session__adopt(struct session *s);
/* Asks for an RT_EV_TOTALS of each traced process; none is lost, however small the ring is: fn gets
 * what does not fit into it, and the rest is for the next poll. -errno, or what fn returned. */
int session__report(struct session *s, session_event_fn *fn, void *ctx);
/* Hands over all that was attributed so far, as one RT_EV_GROWTH for each place; after a report, so
 * that nothing is still being added up. 0, -errno, or what fn returned. */
int session__growth(struct session *s, session_event_fn *fn, void *ctx);
/* Native stacks are sampled not more often than that in each thread; 0: not at all. Any time. */
void session__set_sampling(struct session *s, uint64_t ns);
/* Those that would be due are left out and counted (RT_LOSS_LIMIT), or not any more. */
void session__leave_out_samples(struct session *s, bool off);
/* --step; 0: no points. May be changed at any time; `yields`: the first marker ends it. */
void session__set_step(struct session *s, uint64_t bytes, bool yields);
/* This process copies stacks in and out: see span.bpf.h. */
int session__mark_stack_copier(struct session *s, pid_t pid);

/* --- Python ----------------------------------------------------------------------------------------- */

/* Can stacks be walked on this kernel? (bpf_loop, 5.17) */
bool session__has_python(const struct session *s);
/* Functions whose name has this hash are wanted (enum rt_py_want). */
int session__want_name(struct session *s, enum rt_py_name kind, uint64_t hash, uint32_t want);
/* Every function is: the patterns tell no name that could be looked up. */
void session__want_all(struct session *s, uint32_t want);
/* Begins to look at the Python stacks of a process. *done has what rt_py_install says. -ESRCH: it is
 * not traced, or gone. */
int session__install_python(struct session *s, pid_t pid, const struct rt_py *py,
	struct rt_py_install *done);
/* The id of a function by its identity (python_frame.ident), as the kernel's side has it or will have
 * it; want: enum rt_py_want, if it did not know it. 0: there is none to be had. */
uint32_t session__python_id(struct session *s, uint64_t ident, uint32_t want);
/* A function that was told of is not wanted after all; `named`: but its name is. */
void session__unwant(struct session *s, uint64_t ident, uint32_t func, bool named);

/* Sees entries of Python functions in one process, by probes on its interpreter. The cookie of a site
 * is an enum rt_py_entry. They go with *out (uprobe_links__free). */
int session__watch_entries(struct session *s, pid_t pid, const char *path, const struct uprobe_site *sites,
	size_t n, struct uprobe_links **out);

enum session_prog {
	SESSION_FUNCTION,  /* with an RT_COOKIE at each site */
	SESSION_URETPROBE, /* the same */
	SESSION_MAPPED,	   /* ld.so's notice of a changed list */
	SESSION_MARK,	   /* a marker, with an RT_MARK_COOKIE */
};
/* See uprobe_attach. */
int session__attach(struct session *s, enum session_prog prog, const char *path,
	const struct uprobe_site *sites, size_t n, size_t *refused, size_t *n_refused);
size_t session__sites(const struct session *s); /* attached */
/* Takes all uprobes off. */
void session__detach(struct session *s);
/* Changes of RSS from now on are in no account; when it returns, what came before is. 0 or -errno. */
int session__stop(struct session *s);

int session__fd(const struct session *s); /* readable when so many events wait that it is time */
/* Hands over what is in the ring, at most `max` events. How many, or what fn returned. */
int session__poll(struct session *s, session_event_fn *fn, void *ctx, size_t max);

void session__losses(const struct session *s, uint64_t loss[RT_LOSS_MAX]);
/* What the programs cost so far, by enum rt_cost_class: see bpf/cost.bpf.h. */
/* RSS of all traced processes together, in bytes, when it was highest. */
void session__tree_peak(const struct session *s, struct rt_snapshot *peak, uint64_t *time_ns);
void session__costs(const struct session *s, struct rt_cost costs[RT_COST_MAX]);
/* The CPU time of all traced processes, also before they were traced: differences are of use. All tasks
 * of the machine are looked through. 0 or -errno. */
int session__cpu_time(struct session *s, uint64_t *ns);
/* Checkpoints of that function that were lost. */
struct rt_hits session__missed(const struct session *s, unsigned int func);

#endif
