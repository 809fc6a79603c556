/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A run rendered into memory, in one of the formats. */
#ifndef RENDER_H
#define RENDER_H

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "correlate.h"
#include "sink.h"

struct render {
	const struct sink *sink;
	FILE *file;
	struct out *out;
	void *ctx;
	struct run *run;
};

static inline struct render render_begin(const char *format, enum lang lang)
{
	struct render r = { .sink = sink_find(format), .file = tmpfile() };
	struct correlate_options opt;

	cr_assert_not_null(r.sink);
	opt = (struct correlate_options){ .lang = r.sink->chinese ? LANG_ZH : lang,
		.skip_extra = r.sink->skip_extra };
	r.out = out__new(dup(fileno(r.file)));
	cr_assert_eq(r.sink->open(&(struct sink_config){ .out = r.out, .lang = opt.lang }, &r.ctx), 0);
	cr_assert_not_null(r.ctx);
	r.run = run__new(&opt, &r.sink->ops, r.ctx);
	return r;
}

static inline char *render_end(struct render *r)
{
	char *text;
	long len;

	cr_assert_eq(run__finish(r->run), 0);
	run__free(r->run);
	r->sink->close(r->ctx);
	cr_assert_eq(out__close(r->out), 0);
	cr_assert_eq(fseek(r->file, 0, SEEK_END), 0);
	len = ftell(r->file);
	rewind(r->file);
	text = calloc(1, (size_t)len + 1);
	cr_assert_eq(fread(text, 1, (size_t)len, r->file), (size_t)len);
	fclose(r->file);
	return text;
}

#endif
