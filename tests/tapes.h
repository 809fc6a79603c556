/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tapes that a test makes, and what becomes of them when they are merged. */
#ifndef TAPES_H
#define TAPES_H

#include <criterion/criterion.h>
#include <stdio.h>
#include "feed.h"
#include "merge.h"
#include "scratch.h"
#include "sink.h"

#define SEC	  1000000000ull
#define MAX_TAPES 4
#define BOOT	  ((int64_t)(1700000000ull * SEC)) /* CLOCK_REALTIME at which host a was booted */

struct tapes {
	struct scratch dir;
	char *path[MAX_TAPES];
	struct tape_writer *w[MAX_TAPES];
	size_t n;
};

FEED struct tape_writer *add_tape(struct tapes *t)
{
	cr_assert_gt(asprintf(&t->path[t->n], "%s/%zu.tape", t->dir.dir, t->n), 0);
	cr_assert_eq(tape_writer__open(t->path[t->n], &t->w[t->n]), 0);
	return t->w[t->n++];
}

FEED void tapes__free(struct tapes *t)
{
	for (size_t i = 0; i < t->n; i++)
		free(t->path[i]);
	scratch__free(&t->dir);
}

FEED void put(struct tape_writer *w, enum record_kind kind, const void *data, size_t len)
{
	struct record rec = { .kind = kind, .len = (uint32_t)len, .data = data };

	cr_assert_eq(tape_writer__put(w, &rec), 0);
}

#define put_event(w, what, ...)                                                                    \
	do {                                                                                       \
		struct feed_event e_ = { __VA_ARGS__ };                                            \
		__auto_type ev_ = feed__make_##what(&e_);                                          \
		put(w, REC_EVENT, &ev_, sizeof(ev_));                                              \
	} while (0)

#define put_fact(w, fact_kind, member, ...)                                                        \
	do {                                                                                       \
		struct fact fact_ = { .kind = fact_kind, .member = { __VA_ARGS__ } };              \
		cr_assert_eq(fact__emit(&fact_, tape_writer__put, w), 0);                          \
	} while (0)

FEED void put_release(struct tape_writer *w, uint64_t until_ns)
{
	put(w, REC_RELEASE, &until_ns, sizeof(until_ns));
}

FEED void put_host(struct tape_writer *w, char *name, uint64_t start_ns, int64_t offset_ns)
{
	put_fact(w, REC_HOST, host, .host = name, .kernel = "6.1.0", .version = "1.0",
		.start_ns = start_ns, .realtime_offset_ns = offset_ns, .cpus = 4);
}

FEED void put_func(struct tape_writer *w, unsigned int id, char *name, unsigned int spec)
{
	put_fact(w, REC_FUNC, func, .id = id, .name = name, .file = "/usr/bin/bin",
		.offset = 0x1000, .cost = "emulated", .returns = "ret", .specs = &spec,
		.n_specs = 1);
}

FEED void put_spec(struct tape_writer *w, unsigned int id, char *text, char *label, char *why)
{
	put_fact(w, REC_SPEC, spec, .id = id, .text = text, .entry = { label, label },
		.unmatched = why);
}

/* A host with one spec, "x", whose function is 7. */
FEED struct tape_writer *usual_tape(struct tapes *t, char *name, uint64_t start_ns,
	int64_t offset_ns)
{
	struct tape_writer *w = add_tape(t);

	put_host(w, name, start_ns, offset_ns);
	put_spec(w, 0, "bin:x", "x", NULL);
	put_func(w, 7, "x", 0);
	return w;
}

FEED void put_end(struct tape_writer *w, uint64_t time_ns, char *reason)
{
	put_release(w, UINT64_MAX);
	put_fact(w, REC_END, end, .time_ns = time_ns, .reason = reason);
}

static const struct correlate_options english __attribute__((unused)) = { .lang = LANG_EN };

FEED void close_writers(struct tapes *t)
{
	for (size_t i = 0; i < t->n; i++)
		cr_assert_eq(tape_writer__close(t->w[i]), 0);
}

FEED int merge_into(struct tapes *t, struct merge_tape *in, const struct row_ops *ops, void *ctx)
{
	int err;

	for (size_t i = 0; i < t->n; i++)
		cr_assert_eq(tape_reader__open(t->path[i], &in[i].reader), 0);
	err = merge_tapes(in, t->n, &english, ops, ctx);
	for (size_t i = 0; i < t->n; i++) {
		tape_reader__close(in[i].reader);
		free(in[i].run_id);
	}
	return err;
}

/* The log of all; the caller frees. */
FEED char *in_format(struct tapes *t, const char *format, enum lang lang)
{
	const struct sink *sink = sink_find(format);
	struct merge_tape in[MAX_TAPES] = { 0 };
	char *text = calloc(1, 1 << 16);
	FILE *file = tmpfile();
	struct out *out = out__new(dup(fileno(file)));
	void *ctx;

	cr_assert_eq(sink->open(&(struct sink_config){ .out = out, .lang = lang }, &ctx), 0);
	cr_assert_eq(merge_into(t, in, &sink->ops, ctx), 0);
	sink->close(ctx);
	cr_assert_eq(out__close(out), 0);
	rewind(file);
	cr_assert_gt(fread(text, 1, (1 << 16) - 1, file), 0);
	fclose(file);
	return text;
}

#endif
