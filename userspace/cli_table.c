/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The options as --help has them. */
#include "cli_internal.h"

#include <stdlib.h>
#include <string.h>

static const struct argp_option option_table[] = {
	{NULL, 0, NULL, 0, "What to trace:", 1},
	{"pid", KEY_PID, "PID", 0, "attach to this process and its children; may be repeated", 1},
	{"no-children", KEY_NO_CHILDREN, NULL, 0, "only the processes named, not their children", 1},
	{"user", KEY_USER, "NAME", 0, "run COMMAND as this user", 1},
	{"duration", KEY_DURATION, "TIME", 0, "stop after TIME (10, 1.5s, 200ms, 5m)", 1},
	{NULL, 0, NULL, 0, "Where to put checkpoints:", 2},
	{"function", KEY_FUNCTION, "[LABEL=]BINARY:SYMBOL", 0,
		"entry and return of functions (globs, demangled C++ names); or usdt:BINARY:PROVIDER:NAME; or "
		"addr:BINARY:0xADDR; or, of Python, py:FILE:QUALNAME (the end of the file's path) or "
		"py:MODULE:QUALNAME. Conditions may follow: \"inside SPEC\" (that is open on the thread), "
		"\"caller QUALNAME\" (Python), \"outermost\", \"nth N\". May be repeated",
		2},
	{"profile", KEY_PROFILE, "NAME|FILE", 0,
		"checkpoints and roles of one program; \"none\" for none. Without it the profile that "
		"knows the traced program",
		2},
	{"step", KEY_STEP, "SIZE", 0,
		"a checkpoint whenever a process's RSS has moved by SIZE; 0: never. 16M when no function "
		"matches",
		2},
	{"returns", KEY_RETURNS, "auto|noticed", 0,
		"auto: probe every ret where they can be found; noticed: no probe, seen at the thread's "
		"next growth or switch (exact value, later time)",
		2},
	{"uretprobe", KEY_URETPROBE, NULL, 0,
		"use uretprobes. They break C++ exceptions, coroutines and thread cancellation", 2},
	{"force", KEY_FORCE, NULL, 0, "allow a glob to match more than 200 functions", 2},
	{"no-markers", KEY_NO_MARKERS, NULL, 0,
		"do not watch what programs say themselves: log_ram_memory(\"LABEL\") of "
		"ramtrace_marker.py, RAMTRACE_MARK(\"LABEL\") of ramtrace_marker.h",
		2},
	{"list", KEY_LIST, NULL, 0,
		"show what each spec matches here (with --pid of a Python, what runs now), and trace "
		"nothing",
		2},
	{NULL, 0, NULL, 0, "Who grew:", 3},
	{"growth", KEY_GROWTH, NULL, 0,
		"charge every page that comes or goes to the function and line, the mapping and the thread "
		"that did it, and read mappings, PSS and private memory; so it is where there is nothing "
		"else to look for",
		3},
	{"max-overhead", KEY_OVERHEAD, "PCT", 0,
		"how much of the CPU time of the traced processes tracing may take (runs of the tool's "
		"programs and traps, estimated); 3. Above it for some seconds, native stacks of growth are not "
		"sampled until it is well below again; a thread never spends more than that on them. 0: "
		"none are sampled, and there is no limit",
		3},
	{"no-smaps", KEY_NO_SMAPS, NULL, 0, "with --growth: do not read mappings", 3},
	{"pss-every", KEY_PSS_EVERY, "TIME", 0,
		"read PSS and private memory of all processes so often; 0: only at the ends. With "
		"--growth 10s, and at most 1 % of the time. SIGUSR1 asks for it at once",
		3},
	{"verify", KEY_VERIFY, NULL, 0,
		"compare with /proc, at the ends and every second, where a process is at rest for so long",
		3},
	{"sample-every", KEY_SAMPLE_EVERY, "TIME", 0,
		"note what each process has so often, beside the rows, for pictures and metrics; 0: never. 1s "
		"where something is made that shows it",
		3},
	{NULL, 0, NULL, 0, "Output:", 4},
	{"format", KEY_FORMAT, "seed|text|jsonl", 0, "of the log; text", 4},
	{"lang", KEY_LANG, "zh|en", 0, "of labels and report; from the locale", 4},
	{"output", KEY_OUTPUT, "FILE", 0, "write the log there instead of to stdout", 4},
	{"min-delta", KEY_MIN_DELTA, "SIZE", 0, "leave out rows that moved by less", 4},
	{"record", KEY_RECORD, "FILE", 0, "keep everything in a tape", 4},
	{"replay", KEY_REPLAY, "FILE", 0,
		"render tapes again, without privileges; further tapes follow as arguments", 4},
	{"fail-if", KEY_FAIL_IF, "CONDITION", 0,
		"exit with status 3 if it holds, and show what for: 'LABEL>+100M' (a row of that label "
		"that moved by more), or rss(ROLE), peak(ROLE), anon(ROLE), file(ROLE), shmem(ROLE), "
		"swap(ROLE), total(LABEL), growth(FUNCTION), remainder(ROLE), tree(), lost(), with >, "
		">=, < or <= and a size. Labels, roles and functions are globs, in double quotes where "
		"they have operators. May be repeated",
		4},
	{"run-id", KEY_RUN_ID, "ID", 0,
		"what joins the runs of several machines, in jsonl, tapes and exports; from RAMTRACE_RUN_ID, "
		"else random", 4},
	{"json-schema", KEY_SCHEMA, "rows|summary|diff", OPTION_ARG_OPTIONAL,
		"print the schema of --format jsonl, of --summary-json, or of what diff writes; rows", 4},
	{"quiet", KEY_QUIET, NULL, 0, "nothing but the log, errors and warnings", 4},
	{"verbose", KEY_VERBOSE, NULL, 0, "say more", 4},
	{"ring-size", KEY_RING, "SIZE", 0, "of the ring buffer (a power of two, 64K to 1G); 4M", 4},
	{"limits", KEY_LIMITS, "NAME=N,...", OPTION_HIDDEN, NULL, 4},
	{NULL, 0, NULL, 0, "Beside the log, or of a tape instead of it:", 5}};

/* The table above and a row for each export; NULL: no memory. */
struct argp_option *cli_make_table(void)
{
	const size_t n = sizeof(option_table) / sizeof(*option_table);
	const struct sink *const *sinks = sink_exports();
	struct argp_option *all;
	size_t m = 0;

	while (sinks[m])
		m++;
	all = calloc(n + m + 1, sizeof(*all));
	if (!all)
		return NULL;
	memcpy(all, option_table, sizeof(option_table));
	for (size_t i = 0; i < m; i++)
		all[n + i] = (struct argp_option){.name = sinks[i]->name, .key = KEY_EXPORT + (int)i,
			.arg = sinks[i]->arg, .doc = sinks[i]->help, .group = 5};
	return all;
}
