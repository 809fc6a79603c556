/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The members of a line, for the files of the jsonl sink. */
#ifndef SINK_JSONL_H
#define SINK_JSONL_H

#include <string.h>
#include "out.h"
#include "sink.h"
#include "strcache.h"

struct jsonl {
	struct out *out;
	enum lang lang;
	struct strcache *strings;
	const struct fact_host *const *runs; /* NULL: there is one */
	size_t n_runs;
	int err;
};

/* --- members: `key` is the text up to the value, such as `,"pid":` ---------------------------- */

/* Keys are literals, whose length is known where these are inlined. */
#define ALWAYS_INLINE inline __attribute__((always_inline))

static ALWAYS_INLINE void put_text(struct jsonl *j, const char *text)
{
	out__bytes(j->out, text, strlen(text));
}

static ALWAYS_INLINE void put_u64(struct jsonl *j, const char *key, uint64_t v)
{
	out__text_u64(j->out, key, strlen(key), v);
}

static ALWAYS_INLINE void put_i64(struct jsonl *j, const char *key, int64_t v)
{
	out__text_i64(j->out, key, strlen(key), v);
}

#define put_bool(j, key, v) put_text(j, (v) ? key "true" : key "false")
#define put_null(j, key)    put_text(j, key "null")

static ALWAYS_INLINE void put_str(struct jsonl *j, const char *key, const char *v)
{
	int err;

	put_text(j, key);
	if (!v) {
		put_text(j, "null");
		return;
	}
	err = strcache__print(j->strings, j->out, v);
	if (err)
		j->err = err;
}

static inline int end_line(struct jsonl *j)
{
	put_text(j, "}\n");
	return j->err ? j->err : out__error(j->out);
}

/* The members of a snapshot, without braces. */
static ALWAYS_INLINE void put_kinds(struct jsonl *j, const char *first_key,
	const struct rt_snapshot *s)
{
	put_u64(j, first_key, rt_rss(s));
	put_u64(j, ",\"anon\":", s->anon);
	put_u64(j, ",\"file\":", s->file);
	put_u64(j, ",\"shmem\":", s->shmem);
	put_u64(j, ",\"swap\":", s->swap);
}

static inline void put_snapshot(struct jsonl *j, const char *key, const struct rt_snapshot *s)
{
	put_text(j, key);
	put_kinds(j, "{\"rss\":", s);
	put_text(j, "}");
}

/* Whose it is, in a log of several runs. */
static inline void put_run(struct jsonl *j, const struct proc *p)
{
	if (!p->host)
		return;
	put_str(j, ",\"host\":", p->host);
	put_u64(j, ",\"run\":", p->run);
}

/* --- what tracing took: sink_jsonl_cost.c ----------------------------------------------------- */

/* The member `overhead` of the summary. */
void jsonl_put_costs(struct jsonl *j, const struct run_summary *sum);
/* The member of a function. */
void jsonl_put_took(struct jsonl *j, const struct run_costs *costs, const struct func_stat *f);

/* --- clocks: sink_jsonl_clock.c --------------------------------------------------------------- */

/* The member `clock` of a header, a run or an end. */
void jsonl_put_clock(struct jsonl *j, const struct fact_clock *c);
/* The member `clocks` of the summary of several runs. */
void jsonl_put_clocks(struct jsonl *j, const struct run_clocks *c);

/* --- readings of /proc: sink_jsonl_memory.c --------------------------------------------------- */

int jsonl__reading(void *ctx, const struct reading *reading);
/* The member of a program of which there are any. */
void jsonl_put_memory(struct jsonl *j, const struct holdings *h);
/* And those of the summary. */
void jsonl_put_readings(struct jsonl *j, const struct run_summary *sum);

#endif
