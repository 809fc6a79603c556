/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "diff_words.h"

#include <string.h>

static const char *const words[WORD_COUNT_][2] = {
	[WORD_TITLE] = {"内存比较", "Memory compared"},
	[WORD_RUNS] = {"次运行", "runs"},
	[WORD_HOST] = {"主机", "host"},
	[WORD_KERNEL] = {"内核", "kernel"},
	[WORD_VERSION] = {"ramtrace-bpf 版本", "ramtrace-bpf"},
	[WORD_COMMAND] = {"命令", "command"},
	[WORD_UNLIKE] = {"两边不同", "The sides are not alike"},
	[WORD_ONLY_LABELS] = {"只有一边定义的标签", "labels that only the specs of one side have"},
	[WORD_RULE] = {"两边各次运行的范围（最低..最高）不重叠才算差异；差异的大小取中位数之差。",
		"A difference is one where the ranges of the runs (lowest..highest) do not "
		"overlap; it is that of the medians."},
	[WORD_RULE_SINGLE] =
		{"每边只有一次运行，波动未知：任何不同都算差异。每边给出多次运行可排除波动（diff A1 A2 A3 vs B1 B2 B3）。",
			"One run a side, so noise is not known, and whatever is not the same is a "
			"difference. Several a side tell it from noise (diff A1 A2 A3 vs B1 B2 B3)."},
	[WORD_LEGEND] = {"“-” 该边没有，“=” 相同，“~” 在波动之内。单位 M = MiB。",
		"\"-\" is not there, \"=\" is the same, \"~\" is within the noise. M is MiB."},
	[WORD_LEGEND_RANGES] = {"A..B 为各次运行的最低与最高值。",
		"x..y are the lowest and the highest run."},
	[WORD_NO_GROWTH] = {"函数与映射未比较：以下记录没有使用 --growth",
		"Functions and mappings are not compared, since these were not recorded with "
		"--growth"},
	[WORD_NOTHING] = {"没有差异。", "There is no difference."},
	[WORD_LESS] = {"未列出小于此值的差异", "Differences of less than this are left out"},
	[WORD_MORE] = {"未列出的更小差异", "smaller differences, not listed"},
	[WORD_ONLY_A] = {"只在 A 中", "Only in A"},
	[WORD_ONLY_B] = {"只在 B 中", "Only in B"},
	[WORD_KIND_0 + 0] = {"全部进程合计", "All processes together"},
	[WORD_KIND_0 + 1] = {"各进程", "Processes"},
	[WORD_KIND_0 + 2] = {"各标签", "Labels"},
	[WORD_KIND_0 + 3] = {"各函数的增长", "Growth by function"},
	[WORD_KIND_0 + 4] = {"各本机函数的增长（抽样）", "Growth by native function (sampled)"},
	[WORD_KIND_0 + 5] = {"各映射的增长", "Growth by mapping"},
	[WORD_BASELINE] = {"基线", "baseline"},
	[WORD_END] = {"结束", "end"},
	[WORD_PEAK] = {"峰值", "peak"},
	[WORD_DELTA] = {"占用", "used"},
	[WORD_TOTAL] = {"累计", "total"},
	[WORD_TIMES] = {"次数", "times"},
	[WORD_MOST] = {"差异最大的一次", "most at"},
	[WORD_SELF] = {"自身", "self"},
	[WORD_INCLUSIVE] = {"含被调用者", "inclusive"},
	[WORD_NET] = {"净增", "net"},
	[WORD_DIFFERENCE] = {"差异", "differs"},
	[WORD_PROCESS] = {"进程", "process"},
	[WORD_LABEL] = {"标签", "label"},
	[WORD_FUNCTION] = {"函数", "function"},
	[WORD_PLACE] = {"位置", "place"},
	[WORD_MAPPING] = {"映射", "mapping"},
	[WORD_FILTER] = {"筛选", "filter"},
	[WORD_NOISE] = {"也显示波动之内的", "show what is within the noise, too"},
};

const char *diff_word(enum lang lang, enum diff_word word)
{
	return words[word][lang == LANG_ZH ? LANG_ZH : LANG_EN];
}

const char *diff_fact_word(enum lang lang, const char *what)
{
	static const struct {
		const char *what;
		enum diff_word word;
	} facts[] = {{"host", WORD_HOST}, {"kernel", WORD_KERNEL}, {"version", WORD_VERSION},
		{"command", WORD_COMMAND}};

	for (size_t i = 0; i < sizeof(facts) / sizeof(*facts); i++)
		if (!strcmp(facts[i].what, what))
			return diff_word(lang, facts[i].word);
	return what;
}
