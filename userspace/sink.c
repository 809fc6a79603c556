/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "sink.h"

#include <string.h>

/* The first is the default. */
static const struct sink *const sinks[] = {
	&sink_text,
	&sink_seed,
	&sink_jsonl,
	NULL,
};

const struct sink *const *sink_all(void)
{
	return sinks;
}

const struct sink *sink_find(const char *name)
{
	for (const struct sink *const *s = sinks; *s; s++)
		if (!strcmp((*s)->name, name))
			return *s;
	return NULL;
}
