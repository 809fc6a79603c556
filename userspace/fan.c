/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fan.h"

static int fan__err(const struct fan *f)
{
	for (size_t i = 0; i < f->n; i++)
		if (!f->legs[i].err)
			return 0;
	return f->n ? f->legs[0].err : 0;
}

#define TO_EACH(op, ...)                                                                           \
	struct fan *f = ctx;                                                                       \
                                                                                                   \
	for (size_t i = 0; i < f->n; i++) {                                                        \
		struct fan_leg *leg = &f->legs[i];                                                 \
                                                                                                   \
		if (!leg->err && leg->ops->op)                                                     \
			leg->err = leg->ops->op(leg->ctx, ##__VA_ARGS__);                          \
	}                                                                                          \
	return fan__err(f)

static int fan__runs(void *ctx, const struct fact_host *const *hosts, size_t n)
{
	TO_EACH(runs, hosts, n);
}

static int fan__header(void *ctx, const struct fact_host *host, const struct spec_stat *specs, size_t n)
{
	TO_EACH(header, host, specs, n);
}

static int fan__row(void *ctx, const struct row *row)
{
	TO_EACH(row, row);
}

static int fan__loss(void *ctx, const struct loss *loss)
{
	TO_EACH(loss, loss);
}

static int fan__reading(void *ctx, const struct reading *reading)
{
	TO_EACH(reading, reading);
}

static int fan__sample(void *ctx, const struct sample *sample)
{
	TO_EACH(sample, sample);
}

static int fan__process(void *ctx, const struct proc *p)
{
	TO_EACH(process, p);
}

static int fan__summary(void *ctx, const struct run_summary *sum)
{
	TO_EACH(summary, sum);
}

static int fan__flush(void *ctx)
{
	TO_EACH(flush);
}

const struct row_ops fan_ops = {
	.runs = fan__runs,
	.header = fan__header,
	.row = fan__row,
	.loss = fan__loss,
	.reading = fan__reading,
	.sample = fan__sample,
	.process = fan__process,
	.summary = fan__summary,
	.flush = fan__flush,
};
