/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "quantity.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

int parse_size(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || errno || !isfinite(v) || v < 0)
		return -EINVAL;
	if (*end && (unit = strchr(units, *end & ~0x20))) {
		v *= (double)(1ULL << (10 * (unit - units + 1)));
		end++;
		if (*end == 'i')
			end++;
		if (*end == 'B')
			end++;
	}
	if (*end || v >= 9.2e18)
		return -EINVAL;
	*bytes = v;
	return 0;
}

int parse_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = {{"", 1e9}, {"s", 1e9}, {"ms", 1e6}, {"us", 1e3}, {"m", 60e9}, {"h", 3600e9}};
	char *end;
	double v;

	errno = 0;
	v = strtod(text, &end);
	if (end == text || errno || !isfinite(v) || v <= 0)
		return -EINVAL;
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (strcmp(end, units[i].unit) || v * units[i].ns >= 9.2e18)
			continue;
		*ns = v * units[i].ns;
		return 0;
	}
	return -EINVAL;
}

int parse_percent(const char *text, double *percent)
{
	char *end;

	errno = 0;
	*percent = strtod(text, &end);
	if (end == text || errno || !isfinite(*percent) || *percent < 0 || *percent > 100)
		return -EINVAL;
	return *end == '\0' || !strcmp(end, "%") ? 0 : -EINVAL;
}
