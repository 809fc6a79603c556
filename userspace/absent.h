/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What is said before tracing of specs that match nothing. */
#ifndef ABSENT_H
#define ABSENT_H

#include "lang.h"
#include "probes.h"
#include "selection.h"

/* What was asked for with -f must be there, or be able to come (-ENOENT after a message); a profile may
 * name functions that this version does not have, which is told. */
int absent_judge(const struct selection *sel, const struct probes *p);

/*
 * One message: "4 labels of the profile vllm are not in vllm 0.28.0: A, B (why)", of all of them if
 * `all`. Returns how many there are; says nothing if there are as many as `known` of before.
 */
size_t absent_say(const struct selection *sel, const struct probes *p,
	const struct pyinstall *install, enum lang lang, bool all, size_t known);

#endif
