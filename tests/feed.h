/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Streams of events and facts for tests, as short as what they say:
 *
 *	feed_spec(run, .id = 0, .entry = { "甲之前", "before A" });
 *	feed_func(run, 7, "a", 0);
 *	feed_cp(run, .pid = 10, .time_ns = 5, .func = 7, .when = RT_ENTRY, .anon = 4096);
 *
 * A process that is given no start_ns started at its pid; a thread that is given no tid is the
 * first. Each returns what run__feed returned.
 */
#ifndef FEED_H
#define FEED_H

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "correlate.h"

#define FEED static inline __attribute__((unused))

struct feed_event {
	uint32_t pid, tid, lost;
	uint64_t time_ns, start_ns;
	/* of a checkpoint */
	uint64_t late_ns;
	uint32_t func;
	enum rt_when when;
	unsigned int flags;
	uint64_t anon, file, shmem, swap;
	uint32_t span; /* with one, it is as long as its kind; without, as before there were spans */
	uint32_t caller; /* 0: not known */
	uint64_t gc;
	struct rt_change grown, returned;
	bool short_; /* without the fields of spans, though they are given */
	/* of process life */
	uint32_t ppid, exit_code;
	uint64_t parent_start_ns, min_flt, maj_flt;
	struct rt_totals totals;
	const char *title; /* arguments with a \n in place of each NUL */
	const char *comm;
	const char *mark; /* the label of a marker, */
	unsigned int origin;
};

FEED int feed__raw(struct run *run, enum record_kind kind, const void *data, size_t len)
{
	struct record rec = { .kind = kind, .len = (uint32_t)len, .data = data };

	return run__feed(run, &rec);
}

FEED struct rt_hdr feed__hdr(const struct feed_event *e, enum rt_kind kind, size_t len)
{
	return (struct rt_hdr){ .kind = (uint16_t)kind, .len = (uint16_t)len, .pid = e->pid,
		.tid = e->tid ? e->tid : e->pid, .lost = e->lost, .time_ns = e->time_ns,
		.start_ns = e->start_ns ? e->start_ns : e->pid };
}

FEED struct rt_snapshot feed__rss(const struct feed_event *e)
{
	return (struct rt_snapshot){ .anon = e->anon, .file = e->file, .shmem = e->shmem,
		.swap = e->swap };
}

/* Returns how many bytes of arguments there are. */
FEED uint32_t feed__title(char title[RT_TITLE_LEN], const char *s)
{
	memset(title, 0, RT_TITLE_LEN);
	for (size_t i = 0; s && s[i] && i < RT_TITLE_LEN; i++)
		title[i] = s[i] == '\n' ? '\0' : s[i];
	return s ? (uint32_t)strlen(s) + 1 : 0;
}

FEED size_t feed__cp_len(const struct feed_event *e)
{
	if (!e->span || e->short_ || e->when == RT_POINT)
		return RT_POINT_LEN;
	if (e->when == RT_RETURN)
		return sizeof(struct rt_checkpoint);
	return e->gc ? RT_PY_ENTRY_LEN : RT_ENTRY_LEN;
}

FEED struct rt_checkpoint feed__make_cp(const struct feed_event *e)
{
	return (struct rt_checkpoint){ .h = feed__hdr(e, RT_EV_CHECKPOINT, feed__cp_len(e)),
		.late_ns = e->late_ns, .rss = feed__rss(e), .func = e->func,
		.when = (uint16_t)e->when, .flags = (uint16_t)e->flags, .span = e->span,
		.caller = e->caller ? e->caller : RT_NO_FUNC, .gc = e->gc, .grown = e->grown,
		.returned = e->returned };
}

FEED struct rt_fork feed__make_fork(const struct feed_event *e)
{
	return (struct rt_fork){ .h = feed__hdr(e, RT_EV_FORK, sizeof(struct rt_fork)),
		.ppid = e->ppid, .flags = e->flags,
		.parent_start_ns = e->parent_start_ns ? e->parent_start_ns : e->ppid,
		.rss = feed__rss(e) };
}

FEED struct rt_exec feed__make_exec(const struct feed_event *e)
{
	struct rt_exec ev = { .h = feed__hdr(e, RT_EV_EXEC, sizeof(ev)), .min_flt = e->min_flt,
		.maj_flt = e->maj_flt, .flags = e->flags, .old = e->totals, .rss = feed__rss(e) };

	ev.title_args = feed__title(ev.title, e->title);
	ev.ppid = e->ppid;
	ev.parent_start_ns = e->parent_start_ns ? e->parent_start_ns : e->ppid;
	return ev;
}

FEED struct rt_exit feed__make_exit(const struct feed_event *e)
{
	struct rt_exit ev = { .h = feed__hdr(e, RT_EV_EXIT, sizeof(ev)),
		.exit_code = e->exit_code, .flags = e->flags, .min_flt = e->min_flt,
		.maj_flt = e->maj_flt, .totals = e->totals };

	ev.title_args = feed__title(ev.title, e->title);
	return ev;
}

FEED struct rt_totals_event feed__make_totals(const struct feed_event *e)
{
	struct rt_totals_event ev = { .h = feed__hdr(e, RT_EV_TOTALS, sizeof(ev)),
		.ppid = e->ppid, .flags = e->flags, .parent_start_ns = e->parent_start_ns,
		.min_flt = e->min_flt, .maj_flt = e->maj_flt, .totals = e->totals };

	if (e->comm)
		strncpy(ev.comm, e->comm, sizeof(ev.comm) - 1);
	return ev;
}

FEED struct rt_rename feed__make_rename(const struct feed_event *e)
{
	struct rt_rename ev = { .h = feed__hdr(e, RT_EV_RENAME, sizeof(ev)) };

	if (e->comm)
		strncpy(ev.comm, e->comm, sizeof(ev.comm) - 1);
	return ev;
}

FEED struct rt_oom feed__make_oom(const struct feed_event *e)
{
	return (struct rt_oom){ .h = feed__hdr(e, RT_EV_OOM, sizeof(struct rt_oom)) };
}

FEED struct rt_mark feed__make_mark(const struct feed_event *e)
{
	struct rt_mark ev = { .h = feed__hdr(e, RT_EV_MARK, sizeof(ev)), .rss = feed__rss(e),
		.flags = (uint16_t)e->flags, .origin = (uint16_t)e->origin };

	ev.str = (struct rt_pystr){ .chars = (uint32_t)strlen(e->mark), .kind = 1,
		.bytes = (uint16_t)strlen(e->mark) };
	strcpy(ev.label, e->mark);
	return ev;
}

#define feed__send(run, what, ...)                                                                 \
	({                                                                                         \
		struct feed_event e_ = { __VA_ARGS__ };                                            \
		__auto_type ev_ = feed__make_##what(&e_);                                          \
		feed__raw(run, REC_EVENT, &ev_, ((struct rt_hdr *)&ev_)->len);                     \
	})
#define feed_cp(run, ...)     feed__send(run, cp, __VA_ARGS__)
#define feed_fork(run, ...)   feed__send(run, fork, __VA_ARGS__)
#define feed_exec(run, ...)   feed__send(run, exec, __VA_ARGS__)
#define feed_exit(run, ...)   feed__send(run, exit, __VA_ARGS__)
#define feed_totals(run, ...) feed__send(run, totals, __VA_ARGS__)
#define feed_rename(run, ...) feed__send(run, rename, __VA_ARGS__)
#define feed_mark(run, ...)   feed__send(run, mark, __VA_ARGS__)
#define feed_oom(run, ...)    feed__send(run, oom, __VA_ARGS__)

FEED int feed_release(struct run *run, uint64_t until_ns)
{
	return feed__raw(run, REC_RELEASE, &until_ns, sizeof(until_ns));
}

/* Fills in what a test did not care to say. */
FEED int feed__emit(struct run *run, struct fact *fact)
{
	if (fact->kind == REC_SPEC && !fact->spec.text)
		fact->spec.text = "bin:f";
	if (fact->kind == REC_PROC) {
		fact->proc.cmdline = fact->proc.cmdline ? fact->proc.cmdline : "";
		fact->proc.comm = fact->proc.comm ? fact->proc.comm : "";
	}
	if (fact->kind == REC_HOST && !fact->host.host) {
		fact->host.host = "box";
		fact->host.kernel = "6.1.0";
		fact->host.version = "1.0";
		fact->host.cpus = 4;
	}
	return fact__emit(fact, run__feed, run);
}

#define feed__fact(run, fact_kind, member, ...)                                                    \
	({                                                                                         \
		struct fact fact_ = { .kind = fact_kind, .member = { __VA_ARGS__ } };              \
		feed__emit(run, &fact_);                                                           \
	})
#define feed_host(run, ...)	feed__fact(run, REC_HOST, host, __VA_ARGS__)
#define feed_spec(run, ...)	feed__fact(run, REC_SPEC, spec, __VA_ARGS__)
#define feed_proc(run, ...)	feed__fact(run, REC_PROC, proc, __VA_ARGS__)
#define feed_end(run, ...)	feed__fact(run, REC_END, end, __VA_ARGS__)
#define feed_counters(run, ...) feed__fact(run, REC_COUNTERS, counters, __VA_ARGS__)
#define feed_reading(run, ...)	feed__fact(run, REC_READING, reading, __VA_ARGS__)
#define feed_python(run, ...)	feed__fact(run, REC_PYTHON, python, __VA_ARGS__)
/* The ids of its specs follow the name. */
#define feed_func(run, func_id, func_name, ...)                                                    \
	({                                                                                         \
		unsigned int ids_[] = { __VA_ARGS__ };                                             \
		feed__fact(run, REC_FUNC, func, .id = func_id, .name = func_name,                  \
			.file = "/usr/bin/bin", .offset = 0x1000, .cost = "emulated",              \
			.returns = "ret", .specs = ids_,                                           \
			.n_specs = sizeof(ids_) / sizeof(ids_[0]));                                \
	})

#endif
