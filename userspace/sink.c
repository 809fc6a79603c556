/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sink.h"

#include <string.h>

static const struct sink *const logs[] = {
	&sink_text,
	&sink_seed,
	&sink_jsonl,
	NULL,
};

static const struct sink *const exports[] = {
	&sink_summary,
	NULL,
};

const struct sink *const *sink_logs(void)
{
	return logs;
}

const struct sink *const *sink_exports(void)
{
	return exports;
}

const struct sink *sink_find(const char *name)
{
	for (const struct sink *const *s = logs; *s; s++)
		if (!strcmp((*s)->name, name))
			return *s;
	return NULL;
}
