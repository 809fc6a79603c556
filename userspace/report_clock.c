/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Of several runs: how far their times can be compared. */
#include "report.h"

#include <inttypes.h>

#define MAX_NAMES 8

static void say(enum lang lang, struct out *o, enum lang_text id)
{
	out__str(o, lang_text(lang, id));
}

/* "1.3 ms", rounded up: it is a bound. */
static void put_bound(struct out *o, uint64_t ns)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"s", 1000000000}, {"ms", 1000000}, {"µs", 1000}, {"ns", 1}};
	size_t i = 0;
	uint64_t whole, rest;

	while (ns < units[i].ns && i < 3)
		i++;
	whole = ns / units[i].ns;
	rest = (10 * (ns % units[i].ns) + units[i].ns - 1) / units[i].ns;
	out__fmt(o, "%" PRIu64, whole + rest / 10);
	if (i < 3)
		out__fmt(o, ".%" PRIu64, rest % 10);
	out__fmt(o, " %s", units[i].name);
}

/* The hosts whose clocks are in that state, each clock once: "hosta, hostb". */
static void put_names(enum lang lang, const struct run_clocks *c, enum clock_state state, struct out *o)
{
	size_t n = 0;

	for (size_t i = 0; i < c->n; i++) {
		if (c->runs[i].state != state || (c->runs[i].same_as != i && state != CLOCK_MOVED))
			continue;
		if (n++ >= MAX_NAMES)
			continue;
		out__fmt(o, "%s%s", n > 1 ? ", " : "", c->runs[i].host);
		if (state == CLOCK_MOVED)
			out__fmt(o, " (%+.6f s)", (double)c->runs[i].moved_ns / 1e9);
	}
	if (n > MAX_NAMES)
		out__fmt(o, ", %s: %zu", lang_text(lang, TEXT_MORE), n - MAX_NAMES);
}

static bool any(const struct run_clocks *c, enum clock_state state)
{
	for (size_t i = 0; i < c->n; i++)
		if (c->runs[i].state == state)
			return true;
	return false;
}

static void put_agreement(enum lang lang, const struct run_clocks *c, struct out *o)
{
	out__str(o, "  ");
	say(lang, o, TEXT_CLOCKS_AGREE);
	out__str(o, " ");
	put_bound(o, c->estimate_ns);
	out__fmt(o, " (%s; %s ", lang_text(lang, TEXT_ESTIMATED), lang_text(lang, TEXT_AT_MOST));
	put_bound(o, c->most_ns);
	out__str(o, "): ");
	put_names(lang, c, CLOCK_SYNCED, o);
	out__fmt(o, "\n  %s: %" PRIu64 "\n", lang_text(lang, TEXT_CLOSE_ROWS), c->close);
}

void report_clocks(enum lang lang, const struct run_summary *sum, struct out *o)
{
	static const struct {
		enum clock_state state;
		enum lang_text text;
	} doubts[] = {{CLOCK_UNSYNCED, TEXT_CLOCK_UNSYNCED}, {CLOCK_MOVED, TEXT_CLOCK_MOVED},
		{CLOCK_UNKNOWN, TEXT_CLOCK_UNKNOWN}};
	const struct run_clocks *c = sum->clocks;

	if (!c || c->clocks < 2)
		return;
	out__fmt(o, "\n%s:\n", lang_text(lang, TEXT_CLOCKS));
	if (c->synced > 1)
		put_agreement(lang, c, o);
	for (size_t i = 0; i < sizeof(doubts) / sizeof(*doubts); i++) {
		if (!any(c, doubts[i].state))
			continue;
		out__fmt(o, "  %s: ", lang_text(lang, doubts[i].text));
		put_names(lang, c, doubts[i].state, o);
		out__str(o, "\n");
	}
}
