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
	[TEXT_GROWTH] = { "增长", "Growth of" },
	[TEXT_ATTRIBUTED] = { "已归因", "attributed" },
	[TEXT_FOREIGN] = { "外部", "foreign" },
	[TEXT_FOOTPRINT] = { "探针", "probes" },
	[TEXT_REMAINDER] = { "余额", "remainder" },
	[TEXT_UNREAD] = { "其中调用栈无法读取", "of that, while the stack could not be read" },
	[TEXT_STACKS] = { "按本机调用栈", "By native stack" },
	[TEXT_COL_STACK] = { "调用栈 (内层在前)", "stack, innermost first" },
	[TEXT_NOT_SAMPLED] = { "(未取样)", "(not sampled)" },
	[TEXT_MAPPINGS] = { "按映射", "By mapping" },
	[TEXT_COL_NET] = { "净增", "net" },
	[TEXT_COL_MAPPING] = { "映射", "mapping" },
	[TEXT_REST] = { "其中位置过多无法区分", "of that, in more places than can be told apart" },
	[TEXT_LINES] = { "按行", "By line" },
	[TEXT_COL_SELF] = { "自身", "self" },
	[TEXT_COL_INCLUSIVE] = { "含被调用者", "inclusive" },
	[TEXT_COL_GROWN] = { "累计增长", "grown" },
	[TEXT_SPANS] = { "各区间的增长", "Growth by span of" },
	[TEXT_COL_TIMES] = { "次数", "times" },
	[TEXT_COL_SPAN] = { "区间", "span" },
	[TEXT_COL_PLACE] = { "位置", "place" },
	[TEXT_ORPHANS] = { "属于未知函数的事件", "events of functions that nothing describes" },
	[TEXT_LOSSES] = { "丢失", "Lost" },
	[TEXT_NONE] = { "无", "nothing" },
	[TEXT_COL_TOOK] = { "约耗 ms", "about ms" },
	[TEXT_COST] = { "BPF 程序耗时（不含陷入，抽样估计）", "BPF programs took (estimated, without traps)" },
	[TEXT_COST_0 + RT_COST_RSS_STAT] = { "RSS 变化", "changes of RSS" },
	[TEXT_COST_0 + RT_COST_FUNCTION] = { "函数探针", "probes of functions" },
	[TEXT_COST_0 + RT_COST_SWITCH] = { "进程切换", "switches of the machine" },
	[TEXT_COST_0 + RT_COST_PYTHON_ENTRY] = { "Python 入口", "Python entries" },

	[TEXT_LOSS_0 + RT_LOSS_RING] = { "环形缓冲区已满", "ring buffer full" },
	[TEXT_LOSS_0 + RT_LOSS_PROC_MAP] = { "进程过多", "too many processes" },
	[TEXT_LOSS_0 + RT_LOSS_THREAD] = { "线程内存不足", "no memory for a thread" },
	[TEXT_LOSS_0 + RT_LOSS_SPAN_DEPTH] = { "嵌套过深", "nested too deep" },
	[TEXT_LOSS_0 + RT_LOSS_SPAN_MAP] = { "深栈过多", "too many deep stacks" },
	[TEXT_LOSS_0 + RT_LOSS_READ] = { "内核读取失败", "kernel reads failed" },
	[TEXT_LOSS_0 + RT_LOSS_UNSTABLE] = { "快照不稳定 (已标记)", "unstable snapshots (marked)" },
	[TEXT_LOSS_0 + RT_LOSS_UNMATCHED] = { "未见进入的返回", "returns without an entry" },
	[TEXT_LOSS_0 + RT_LOSS_PY_WALK] = { "未能读完的Python栈", "Python stacks not read to their end" },
	[TEXT_LOSS_0 + RT_LOSS_NODE] = { "增长位置过多", "too many places of growth" },
	[TEXT_LOSS_0 + RT_LOSS_SAMPLE] = { "未能取样的调用栈", "stacks that were not sampled" },
	[TEXT_LOSS_0 + RT_LOSS_CELL] = { "增长计数过多", "too many counts of growth" },
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
