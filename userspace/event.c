/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event.h"

#include <stddef.h>
#include <stdint.h>

static const struct {
	const char *name;
	size_t size; /* what every version has sent: an event may be longer, not shorter */
} kinds[] = {
	[0] = { "unknown", SIZE_MAX },
	[RT_EV_CHECKPOINT] = { "checkpoint", RT_POINT_LEN },
	[RT_EV_FORK] = { "fork", sizeof(struct rt_fork) },
	[RT_EV_EXEC] = { "exec", offsetof(struct rt_exec, ppid) },
	[RT_EV_EXIT] = { "exit", offsetof(struct rt_exit, serial) },
	[RT_EV_RENAME] = { "rename", sizeof(struct rt_rename) },
	[RT_EV_OOM] = { "oom", sizeof(struct rt_oom) },
	[RT_EV_TOTALS] = { "totals", offsetof(struct rt_totals_event, serial) },
	[RT_EV_MAPPED] = { "mapped", sizeof(struct rt_mapped) },
	[RT_EV_PYCODE] = { "pycode", sizeof(struct rt_pycode) },
	[RT_EV_MARK] = { "mark", offsetof(struct rt_mark, label) },
	[RT_EV_NODE] = { "node", sizeof(struct rt_node) },
	[RT_EV_MAPPING] = { "mapping", sizeof(struct rt_mapping) },
	[RT_EV_STACK] = { "stack", sizeof(struct rt_stack) },
	[RT_EV_GROWTH] = { "growth", sizeof(struct rt_growth) },
};

static unsigned int known(unsigned int kind)
{
	return kind < sizeof(kinds) / sizeof(*kinds) ? kind : 0;
}

const char *event_kind_name(unsigned int kind)
{
	return kinds[known(kind)].name;
}

static const char *check_fields(const struct rt_hdr *h)
{
	const struct rt_checkpoint *cp = (const void *)h;
	const struct rt_mark *mark = (const void *)h;

	switch (h->kind) {
	case RT_EV_CHECKPOINT:
		if (cp->when < RT_ENTRY || cp->when > RT_POINT)
			return "a checkpoint that is neither entry nor return nor point";
		break;
	case RT_EV_PYCODE:
		if (((const struct rt_pycode *)h)->name_str.bytes > RT_PY_NAME_LEN ||
			((const struct rt_pycode *)h)->file_str.bytes > RT_PY_FILE_LEN)
			return "a name longer than its place";
		break;
	case RT_EV_MARK:
		if (mark->str.bytes > RT_MARK_LEN ||
			offsetof(struct rt_mark, label) + mark->str.bytes > h->len)
			return "a label longer than its place";
		break;
	case RT_EV_EXEC:
		if (((const struct rt_exec *)h)->title[RT_TITLE_LEN - 1])
			return "a title without an end";
		break;
	case RT_EV_EXIT:
		if (((const struct rt_exit *)h)->title[RT_TITLE_LEN - 1])
			return "a title without an end";
		break;
	case RT_EV_RENAME:
		if (((const struct rt_rename *)h)->comm[RT_COMM_LEN - 1])
			return "a comm without an end";
		break;
	case RT_EV_STACK:
		if (((const struct rt_stack *)h)->bytes > RT_STACK_BYTES)
			return "a stack longer than its place";
		break;
	case RT_EV_MAPPING:
		if (((const struct rt_mapping *)h)->name[RT_MAP_NAME_LEN - 1])
			return "a name without an end";
		break;
	case RT_EV_NODE:
		if (((const struct rt_node *)h)->comm[RT_COMM_LEN - 1])
			return "a comm without an end";
		break;
	case RT_EV_TOTALS:
		if (((const struct rt_totals_event *)h)->comm[RT_COMM_LEN - 1])
			return "a comm without an end";
		break;
	}
	/* flags have no wrong values: newer senders add bits */
	return NULL;
}

const struct rt_hdr *event_check(const void *data, size_t len, const char **why)
{
	const struct rt_hdr *h = data;

	*why = NULL;
	if (!data || len < sizeof(*h))
		*why = "shorter than an event's header";
	else if ((uintptr_t)data % _Alignof(struct rt_hdr))
		*why = "not aligned";
	else if (!known(h->kind))
		*why = "of an unknown kind";
	else if (h->len > len)
		*why = "longer than its record";
	else if (h->len < kinds[h->kind].size)
		*why = "shorter than its kind";
	else if (h->time_ns > INT64_MAX || h->start_ns > INT64_MAX)
		*why = "of a time that no clock shows";
	else
		*why = check_fields(h);
	return *why ? NULL : h;
}
