/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "limit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MOST 16777216 /* entries of a map: more take gigabytes */

static const char *const names[LIMIT_COUNT_] = {
	[LIMIT_PROCESSES] = "processes",
	[LIMIT_FUNCTIONS] = "functions",
	[LIMIT_NODES] = "nodes",
	[LIMIT_CELLS] = "cells",
	[LIMIT_RESTS] = "rests",
	[LIMIT_MAPPINGS] = "mappings",
	[LIMIT_CPUS] = "cpus",
};

static bool find(const char *name, size_t len, enum limit *which)
{
	for (int i = 0; i < LIMIT_COUNT_; i++) {
		if (strlen(names[i]) != len || strncmp(name, names[i], len))
			continue;
		*which = i;
		return true;
	}
	return false;
}

static int refuse_name(const char *name, size_t name_len, char *err, size_t len)
{
	int at = snprintf(err, len, "\"%.*s\" is none; there are", (int)name_len, name);

	for (int i = 0; i < LIMIT_COUNT_ && at >= 0 && (size_t)at < len; i++)
		at += snprintf(err + at, len - at, "%s %s", i ? "," : "", names[i]);
	return -EINVAL;
}

int limits_parse(const char *text, struct limits *limits, char *err, size_t len)
{
	const char *at = text;
	enum limit which;
	size_t name_len;
	char *end;
	long v;

	for (;;) {
		name_len = strcspn(at, "=,");
		if (!find(at, name_len, &which))
			return refuse_name(at, name_len, err, len);
		at += name_len;
		errno = 0;
		v = *at == '=' ? strtol(at + 1, &end, 10) : 0;
		if (v < 1 || v > MOST || errno || (*end && *end != ',')) {
			snprintf(err, len, "%s=N takes a number from 1 to %d", names[which], MOST);
			return -EINVAL;
		}
		limits->n[which] = v;
		if (!*end)
			return 0;
		at = end + 1;
	}
}
