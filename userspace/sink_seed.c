/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The line that scripts made for vLLM's own memory log read, and nothing else. */
#include "sink.h"

#include <errno.h>
#include <stdlib.h>
#include "strcache.h"

struct seed {
	struct out *out;
	struct strcache *labels;
};

static int seed__close(void *ctx)
{
	struct seed *s = ctx;

	strcache__free(s->labels);
	free(s);
	return 0;
}

static int seed__open(const struct sink_config *config, void **ctx)
{
	struct seed *s = calloc(1, sizeof(*s));

	if (!s)
		return -ENOMEM;
	s->out = config->out;
	s->labels = strcache__new(render_line);
	if (!s->labels) {
		free(s);
		return -ENOMEM;
	}
	*ctx = s;
	return 0;
}

static int seed__row(void *ctx, const struct row *row)
{
	struct seed *s = ctx;
	int err;

	out__str(s->out, "INFO: ");
	err = strcache__print(s->labels, s->out, row->label);
	if (err)
		return err;
	out__str(s->out, " 占用 ");
	out__mib(s->out, row->delta, 0);
	out__str(s->out, " M RAM内存 (累计: ");
	out__mib(s->out, row->total, 0);
	out__str(s->out, " M)\n");
	return out__error(s->out);
}

static int seed__flush(void *ctx)
{
	struct seed *s = ctx;

	return out__flush(s->out);
}

const struct sink sink_seed = {
	.name = "seed",
	.help = "the lines of vLLM's own memory log, byte for byte",
	.skip_extra = true,
	.chinese = true,
	.open = seed__open,
	.ops = { .row = seed__row, .flush = seed__flush },
	.close = seed__close,
};
