/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "lang.h"

#include <stdlib.h>
#include <string.h>

static const char *const texts[TEXT_COUNT_][2] = {
	[TEXT_USED] = { "占用", "used" },
	[TEXT_RELEASED] = { "释放", "released" },
	[TEXT_RAM] = { "RAM内存", "RAM" },
	[TEXT_TOTAL] = { "累计", "total" },
	[TEXT_BASELINE] = { "内存跟踪基线", "baseline" },
	[TEXT_ATTACH] = { "跟踪开始", "tracing began" },
	[TEXT_STEP] = { "内存变动", "memory moved" },

	[TEXT_INEXACT] = { "不精确", "inexact" },
	[TEXT_LATE] = { "延迟", "late" },
	[TEXT_UNWOUND] = { "栈展开", "unwound" },
	[TEXT_INHERITED] = { "继承", "inherited" },
	[TEXT_VFORK] = { "vfork", "vfork" },
	[TEXT_OPEN] = { "跟踪开始时已打开", "open at attach" },

	[TEXT_WARNING] = { "警告", "WARNING" },
	[TEXT_EVENTS_LOST] = { "丢失事件", "events lost" },
	[TEXT_VALUES_RIGHT] = { "数值仍然准确", "values stay right" },
	[TEXT_SINCE] = { "自", "since" },

	[TEXT_REPORT] = { "内存跟踪报告", "Memory report" },
	[TEXT_PROCESSES] = { "进程", "processes" },
	[TEXT_ROWS] = { "检查点", "checkpoints" },
	[TEXT_ROWS_INEXACT] = { "不精确", "inexact" },
	[TEXT_ROWS_UNSTABLE] = { "快照不稳定", "unstable" },
	[TEXT_TAPE_BROKEN] = { "记录不完整: 没有结束标记", "the recording broke off before its end" },
	[TEXT_MEMORY] = { "各进程内存 (M)", "Memory by process (M)" },
	[TEXT_COL_PROCESS] = { "进程", "process" },
	[TEXT_COL_BASELINE] = { "基线", "baseline" },
	[TEXT_COL_END] = { "结束", "end" },
	[TEXT_COL_PEAK] = { "峰值", "peak" },
	[TEXT_COL_ROWS] = { "行数", "rows" },
	[TEXT_COL_HOW] = { "结束方式", "ended" },
	[TEXT_ACTIVITY] = { "各进程缺页与外部变化", "Faults and foreign changes by process" },
	[TEXT_COL_MINOR] = { "次要缺页", "minor faults" },
	[TEXT_COL_MAJOR] = { "主要缺页", "major faults" },
	[TEXT_COL_FOREIGN] = { "外部 (M)", "foreign (M)" },
	[TEXT_COL_FOOTPRINT] = { "探针 (M)", "probes (M)" },
	[TEXT_COL_LOST] = { "丢失事件", "events lost" },
	[TEXT_OTHERS] = { "其余", "other" },
	[TEXT_EXIT] = { "退出", "exit" },
	[TEXT_SIGNAL] = { "信号", "signal" },
	[TEXT_EXEC] = { "exec", "exec" },
	[TEXT_OOM] = { "OOM", "OOM" },
	[TEXT_RUNNING] = { "运行中", "running" },
	[TEXT_LIVING_SUM] = { "运行中的进程合计", "Sum of the running processes" },
	[TEXT_SHARED] = { "共享的页在每个进程中各计一次", "pages that processes share count in each of them" },
	[TEXT_FUNCTIONS] = { "各函数命中次数", "Hits by function" },
	[TEXT_COL_FUNCTION] = { "函数", "function" },
	[TEXT_COL_ENTRIES] = { "进入", "entries" },
	[TEXT_COL_RETURNS] = { "返回", "returns" },
	[TEXT_COL_COST] = { "开销", "cost" },
	[TEXT_COL_WAY] = { "返回方式", "way of return" },
	[TEXT_NEVER_HIT] = { "从未被调用的函数", "functions never called" },
	[TEXT_FEWER_HITS] = { "命中较少而未列出的函数", "functions with fewer hits, not listed" },
	[TEXT_NOT_SEEN] = { "未出现的标签", "Labels not seen" },
	[TEXT_ABSENT] = { "本版本没有", "not in this version" },
	[TEXT_NOT_CALLED] = { "未被调用", "not called" },
	[TEXT_MORE] = { "另有", "more" },
	[TEXT_ORPHANS] = { "属于未知函数的事件", "events of functions that nothing describes" },
	[TEXT_PSS_TREE] = { "全部进程的内存 (M)", "Memory of all processes (M)" },
	[TEXT_COL_TIME] = { "时间", "time" },
	[TEXT_COL_WHEN] = { "时机", "when" },
	[TEXT_WHEN_0] = { "开始", "start" },
	[TEXT_WHEN_0 + 1] = { "定时", "timer" },
	[TEXT_WHEN_0 + 2] = { "请求", "asked" },
	[TEXT_WHEN_0 + 3] = { "结束", "end" },
	[TEXT_COL_SUM_RSS] = { "RSS合计", "sum of RSS" },
	[TEXT_COL_PRIVATE] = { "私有脏页", "private dirty" },
	[TEXT_PSS_PROCESSES] = { "各进程的共享与私有内存, 首次与末次读数 (M)",
		"Shared and private memory by process, first and last reading (M)" },
	[TEXT_COL_MOST_PRIVATE] = { "最高", "highest" },
	[TEXT_COL_READINGS] = { "读数", "readings" },
	[TEXT_MAPPINGS] = { "各映射的内存 (M)", "Memory by mapping (M)" },
	[TEXT_COL_MAPPING] = { "映射", "mapping" },
	[TEXT_COL_START] = { "首次", "first" },
	[TEXT_COL_GROWTH] = { "增长", "growth" },
	[TEXT_COL_HUGE] = { "大页", "huge" },
	[TEXT_OTHER_MAPPINGS] = { "其余映射", "other mappings" },
	[TEXT_NOT_MAPPED] = { "未由映射说明", "not explained by mappings" },
	[TEXT_MAPS_STOPPED] = { "读取超时而中止, 已读映射", "took too long and was stopped, mappings read" },
	[TEXT_HUGETLB] = { "不计入RSS", "not in RSS" },
	[TEXT_MAPS_OF_MORE] = { "未列出映射的进程", "processes whose mappings are not listed" },
	[TEXT_CHECK] = { "与/proc比较的读数", "Readings compared with /proc" },
	[TEXT_CHECK_WORST] = { "最大差异 (字节)", "worst difference (bytes)" },
	[TEXT_CHECK_MOVED] = { "因变动未比较", "not compared, since memory moved" },
	[TEXT_UNREAD] = { "未能读取", "could not be read" },
	[TEXT_LOSSES] = { "丢失", "Lost" },
	[TEXT_NONE] = { "无", "nothing" },

	[TEXT_LOSS_0 + RT_LOSS_RING] = { "环形缓冲区已满", "ring buffer full" },
	[TEXT_LOSS_0 + RT_LOSS_PROC_MAP] = { "进程过多", "too many processes" },
	[TEXT_LOSS_0 + RT_LOSS_THREAD] = { "线程内存不足", "no memory for a thread" },
	[TEXT_LOSS_0 + RT_LOSS_SPAN_DEPTH] = { "嵌套过深", "nested too deep" },
	[TEXT_LOSS_0 + RT_LOSS_SPAN_MAP] = { "深栈过多", "too many deep stacks" },
	[TEXT_LOSS_0 + RT_LOSS_READ] = { "内核读取失败", "kernel reads failed" },
	[TEXT_LOSS_0 + RT_LOSS_UNSTABLE] = { "快照不稳定 (已标记)", "unstable snapshots (marked)" },
	[TEXT_LOSS_0 + RT_LOSS_UNMATCHED] = { "未见进入的返回", "returns without an entry" },
	[TEXT_LOSS_0 + RT_LOSS_PY_WALK] = { "未能读完的Python栈", "Python stacks not read to their end" },
	[TEXT_LOSS_0 + RT_LOSS_PY_CODE] = { "Python函数过多", "too many Python functions" },
};

const char *lang_text(enum lang lang, enum lang_text id)
{
	return texts[id][lang == LANG_ZH ? LANG_ZH : LANG_EN];
}

enum lang lang_from_env(void)
{
	static const char *const names[] = { "LC_ALL", "LC_MESSAGES", "LANG" };
	const char *value;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		value = getenv(names[i]);
		if (value && *value)
			return strncmp(value, "zh", 2) ? LANG_EN : LANG_ZH;
	}
	return LANG_EN;
}
