/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What diff says to people, in both languages. */
#ifndef DIFF_WORDS_H
#define DIFF_WORDS_H

#include "lang.h"

enum diff_word {
	WORD_TITLE,
	WORD_RUNS,
	/* one for each thing that sides say of themselves: struct diff_fact */
	WORD_HOST,
	WORD_KERNEL,
	WORD_VERSION,
	WORD_COMMAND,
	WORD_UNLIKE, /* precedes what sides say differently */
	WORD_ONLY_LABELS,
	WORD_RULE,	  /* what is a difference, of several runs */
	WORD_RULE_SINGLE, /* of one run a side */
	WORD_LEGEND,
	WORD_LEGEND_RANGES,
	WORD_NO_GROWTH, /* precedes the tapes without */
	WORD_NOTHING,
	WORD_LESS, /* of differences below --min-delta */
	WORD_MORE,
	WORD_ONLY_A,
	WORD_ONLY_B,
	/* one for each kind, in the order of enum seen_kind */
	WORD_KIND_0,
	WORD_KIND_LAST = WORD_KIND_0 + 5,
	/* columns */
	WORD_BASELINE,
	WORD_END,
	WORD_PEAK,
	WORD_DELTA,
	WORD_TOTAL,
	WORD_TIMES,
	WORD_MOST,
	WORD_SELF,
	WORD_INCLUSIVE,
	WORD_NET,
	WORD_DIFFERENCE,
	WORD_PROCESS,
	WORD_LABEL,
	WORD_FUNCTION,
	WORD_PLACE,
	WORD_MAPPING,
	WORD_FILTER,
	WORD_NOISE, /* show what is within it */
	WORD_COUNT_,
};

const char *diff_word(enum lang lang, enum diff_word word);
/* That of struct diff_fact. */
const char *diff_fact_word(enum lang lang, const char *what);

#endif
