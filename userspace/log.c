/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "out.h"

/* Set once by main before anything else runs. */
static enum log_level threshold = LOG_INFO;

void log_set_level(enum log_level level)
{
	threshold = level;
}

enum log_level log_level(void)
{
	return threshold;
}

/* A message may hold names that come from a target, which must not talk to the terminal. */
static void vlog(enum log_level level, const char *prefix, const char *fmt, va_list ap)
{
	char *text = NULL, *clean;

	if (level > threshold)
		return;
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	clean = text ? out_clean(text, strlen(text)) : NULL;
	fprintf(stderr, "%s%s\n", prefix, clean ? clean : "out of memory");
	free(clean);
	free(text);
}

#define DEFINE_LOG(name, level, prefix)                                                            \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		vlog(level, prefix, fmt, ap);                                                      \
		va_end(ap);                                                                        \
	}

DEFINE_LOG(log_error, LOG_ERROR, "ramtrace-bpf: error: ")
DEFINE_LOG(log_warn, LOG_WARN, "ramtrace-bpf: warning: ")
DEFINE_LOG(log_info, LOG_INFO, "ramtrace-bpf: ")
DEFINE_LOG(log_debug, LOG_DEBUG, "ramtrace-bpf: debug: ")
