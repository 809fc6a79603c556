/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The same rows to several sinks. What fails for one of them is its own affair. */
#ifndef FAN_H
#define FAN_H

#include <stddef.h>

#include "correlate.h"

struct fan_leg {
	const struct row_ops *ops;
	void *ctx;
	int err; /* its first: it is given nothing from then on */
};

struct fan {
	struct fan_leg *legs;
	size_t n;
};

/* Their ctx is a struct fan. They fail once all legs have, with the error of the first. */
extern const struct row_ops fan_ops;

#endif
