/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The two languages of the log. Messages of the tool itself (errors, warnings) are English. */
#ifndef LANG_H
#define LANG_H

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
	TEXT_COUNT_
};

/* From LC_ALL, LC_MESSAGES, LANG, in that order: zh* is Chinese, all else English. */
enum lang lang_from_env(void);
const char *lang_text(enum lang lang, enum lang_text id);

#endif
