/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two languages of the log. Messages of the tool itself (errors, warnings) are English. */
#ifndef LANG_H
#define LANG_H

#include "../bpf/ramtrace.h"

enum lang {
	LANG_ZH = 0,
	LANG_EN = 1,
};

enum lang_text {
	TEXT_USED,	/* 占用 / used */
	TEXT_RELEASED,	/* 释放 / released */
	TEXT_RAM,	/* RAM内存 / RAM */
	TEXT_TOTAL,	/* 累计 / total */
	TEXT_BASELINE,	/* 内存跟踪基线 / baseline */
	TEXT_ATTACH,	/* label of a point at attach */
	TEXT_STEP,	/* label of a point by --step */
	/* marks of a row */
	TEXT_INEXACT,
	TEXT_LATE,
	TEXT_UNWOUND,
	TEXT_INHERITED,
	TEXT_VFORK,
	TEXT_OPEN,
	/* the line of a loss */
	TEXT_WARNING,
	TEXT_EVENTS_LOST,
	TEXT_VALUES_RIGHT,
	TEXT_SINCE,
	/* the report at the end */
	TEXT_REPORT, /* here and below, counts follow their name: no plurals to get wrong */
	TEXT_PROCESSES,
	TEXT_ROWS,
	TEXT_ROWS_INEXACT,
	TEXT_ROWS_UNSTABLE,
	TEXT_TAPE_BROKEN,
	TEXT_CLOCKS, /* of several hosts */
	TEXT_CLOCKS_AGREE, /* a time follows, and hosts */
	TEXT_ESTIMATED,
	TEXT_AT_MOST,
	TEXT_CLOSE_ROWS,
	TEXT_CLOCK_UNSYNCED, /* hosts follow these three */
	TEXT_CLOCK_MOVED,
	TEXT_CLOCK_UNKNOWN,
	TEXT_MEMORY,
	TEXT_COL_PROCESS,
	TEXT_COL_BASELINE,
	TEXT_COL_END,
	TEXT_COL_PEAK,
	TEXT_COL_ROWS,
	TEXT_COL_HOW,
	TEXT_ACTIVITY,
	TEXT_COL_MINOR,
	TEXT_COL_MAJOR,
	TEXT_COL_FOREIGN,
	TEXT_COL_FOOTPRINT,
	TEXT_COL_LOST,
	TEXT_OTHERS, /* precedes a count in parentheses */
	TEXT_EXIT,
	TEXT_SIGNAL,
	TEXT_EXEC,
	TEXT_OOM,
	TEXT_RUNNING,
	TEXT_LIVING_SUM,
	TEXT_SHARED,
	TEXT_FUNCTIONS,
	TEXT_COL_FUNCTION,
	TEXT_COL_ENTRIES,
	TEXT_COL_RETURNS,
	TEXT_COL_COST,
	TEXT_COL_WAY,
	TEXT_NEVER_HIT,
	TEXT_FEWER_HITS,
	TEXT_NOT_SEEN,
	TEXT_ABSENT,
	TEXT_NOT_CALLED,
	TEXT_MORE, /* precedes a count */
	TEXT_GROWTH,
	TEXT_ATTRIBUTED,
	TEXT_FOREIGN,
	TEXT_FOOTPRINT,
	TEXT_REMAINDER,
	TEXT_UNREAD,
	TEXT_REST,
	TEXT_UNCOUNTED,
	TEXT_TREE_PEAK,
	TEXT_AT_PEAK,
	TEXT_OPEN_AT_TREE_PEAK,
	TEXT_MORE_PROGRAMS,
	TEXT_UNCLEAR_0, /* one for each enum growth_unclear, in its order */
	TEXT_UNCLEAR_LAST = TEXT_UNCLEAR_0 + 4,
	TEXT_UNLIKE,
	TEXT_DROPPED,
	TEXT_LINES,
	TEXT_STACKS,
	TEXT_COL_STACK,
	TEXT_NOT_SAMPLED,
	TEXT_MAPPINGS,
	TEXT_COL_NET,
	TEXT_COL_MAPPING,
	TEXT_COL_SELF,
	TEXT_COL_INCLUSIVE,
	TEXT_COL_GROWN,
	TEXT_COL_PLACE,
	TEXT_SPANS,
	TEXT_COL_TIMES,
	TEXT_COL_SPAN,
	TEXT_ORPHANS,
	/* readings of /proc */
	TEXT_PSS_TREE,
	TEXT_COL_TIME,
	TEXT_COL_WHEN,
	TEXT_WHEN_0, /* one for each enum reading_when, in its order */
	TEXT_WHEN_LAST = TEXT_WHEN_0 + 3,
	TEXT_COL_SUM_RSS,
	TEXT_COL_PRIVATE,
	TEXT_PSS_PROCESSES,
	TEXT_COL_MOST_PRIVATE,
	TEXT_COL_READINGS,
	TEXT_MEMORY_MAPPINGS,
	TEXT_COL_START,
	TEXT_COL_GROWTH,
	TEXT_COL_HUGE,
	TEXT_OTHER_MAPPINGS,
	TEXT_NOT_MAPPED,
	TEXT_MAPS_STOPPED,
	TEXT_HUGETLB,
	TEXT_MAPS_OF_MORE,
	TEXT_CHECK,
	TEXT_CHECK_WORST,
	TEXT_CHECK_MOVED,
	TEXT_NOT_READ,
	TEXT_LOSSES,
	TEXT_NONE,
	TEXT_COST,
	TEXT_COST_SHARE,  /* between the percentage and what it is of */
	TEXT_COST_OTHERS, /* runs in processes that are not traced */
	TEXT_COL_WHAT,
	TEXT_COL_RUNS,
	TEXT_COL_RUN_NS,
	TEXT_COL_TRAP_NS,
	TEXT_COL_TOOK, /* in all */
	TEXT_COL_SHARE,
	TEXT_LIMIT, /* --max-overhead, before the percentage */
	TEXT_LIMIT_SINCE,
	TEXT_LIMIT_OFF,
	TEXT_COST_0, /* one for each enum rt_cost_class, in its order */
	TEXT_COST_LAST = TEXT_COST_0 + RT_COST_MAX - 1,
	TEXT_LOSS_0, /* one for each enum rt_loss, in its order */
	TEXT_LOSS_LAST = TEXT_LOSS_0 + RT_LOSS_MAX - 1,
	TEXT_COUNT_
};

/* From LC_ALL, LC_MESSAGES, LANG, in that order: zh* is Chinese, all else English. */
enum lang lang_from_env(void);
const char *lang_text(enum lang lang, enum lang_text id);

#endif
