/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "version.h"

#define DEFAULT_RING (4U << 20)
#define MIN_RING     (64U << 10)
#define MAX_RING     (1U << 30)
#define DEFAULT_STEP (16ULL << 20)
#define SAMPLE_EVERY 1000000000ULL
#define MAX_WHY	     200

enum option_key {
	KEY_PID = 'p',
	KEY_FUNCTION = 'f',
	KEY_OUTPUT = 'o',
	KEY_QUIET = 'q',
	KEY_VERBOSE = 'v',
	KEY_NO_CHILDREN = 256,
	KEY_DURATION,
	KEY_USER,
	KEY_PROFILE,
	KEY_LIST,
	KEY_URETPROBE,
	KEY_RETURNS,
	KEY_FORCE,
	KEY_NO_MARKERS,
	KEY_GROWTH,
	KEY_OVERHEAD,
	KEY_STEP,
	KEY_MIN_DELTA,
	KEY_FORMAT,
	KEY_LANG,
	KEY_RECORD,
	KEY_REPLAY,
	KEY_SCHEMA,
	KEY_RING,
	KEY_LIMITS,
	KEY_NO_SMAPS,
	KEY_PSS_EVERY,
	KEY_VERIFY,
	KEY_SAMPLE_EVERY,
	KEY_RUN_ID,
	KEY_EXPORT, /* the first of sink_exports(), and so on */
};

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
	{"run-id", KEY_RUN_ID, "ID", 0,
		"what joins the runs of several machines, in jsonl, tapes and exports; from RAMTRACE_RUN_ID, "
		"else random",
		4},
	{"json-schema", KEY_SCHEMA, NULL, 0, "print the schema of jsonl", 4},
	{"quiet", KEY_QUIET, NULL, 0, "nothing but the log, errors and warnings", 4},
	{"verbose", KEY_VERBOSE, NULL, 0, "say more", 4},
	{"ring-size", KEY_RING, "SIZE", 0, "of the ring buffer (a power of two, 64K to 1G); 4M", 4},
	{"limits", KEY_LIMITS, "NAME=N,...", OPTION_HIDDEN, NULL, 4},
	{NULL, 0, NULL, 0, "Beside the log, or of a tape instead of it:", 5}};

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

static int parse_percent(const char *text, double *percent)
{
	char *end;

	errno = 0;
	*percent = strtod(text, &end);
	if (end == text || errno || !isfinite(*percent) || *percent < 0 || *percent > 100)
		return -EINVAL;
	return *end == '\0' || !strcmp(end, "%") ? 0 : -EINVAL;
}

static int append(void *array, size_t *n, size_t size, const void *elem)
{
	void **a = array;
	char *bigger = realloc(*a, (*n + 1) * size);

	if (!bigger)
		return -ENOMEM;
	memcpy(bigger + *n * size, elem, size);
	*a = bigger;
	++*n;
	return 0;
}

static void parse_pid(struct options *opt, const char *arg, struct argp_state *state)
{
	char *end;
	long pid;

	errno = 0;
	pid = strtol(arg, &end, 10);
	if (errno || end == arg || *end || pid <= 0 || pid > 4194304)
		argp_error(state, "--pid %s: not a process id", arg);
	else if (append(&opt->pids, &opt->n_pids, sizeof(pid_t), &(pid_t){pid}))
		argp_failure(state, EXIT_TOOL_FAILED, ENOMEM, "--pid");
}

static void parse_ring(struct options *opt, const char *arg, struct argp_state *state)
{
	uint64_t v;

	if (parse_size(arg, &v) || v < MIN_RING || v > MAX_RING || (v & (v - 1)))
		argp_error(state, "--ring-size %s: it takes a power of two from 64K to 1G", arg);
	else
		opt->ring_bytes = v;
}

static void parse_limits(struct options *opt, const char *arg, struct argp_state *state)
{
	char err[256];

	if (limits_parse(arg, &opt->limits, err, sizeof(err)))
		argp_error(state, "--limits %s: %s", arg, err);
}

static void parse_lang(struct options *opt, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "zh"))
		opt->lang = LANG_ZH;
	else if (!strcmp(arg, "en"))
		opt->lang = LANG_EN;
	else
		argp_error(state, "--lang %s: it takes zh or en", arg);
}

/* "0", or a time. */
static int parse_every(const char *text, uint64_t *ns)
{
	*ns = 0;
	return strcmp(text, "0") ? parse_duration(text, ns) : 0;
}

static void parse_pss_every(struct options *opt, const char *arg, struct argp_state *state)
{
	opt->pss_every_set = true;
	if (parse_every(arg, &opt->pss_every_ns))
		argp_error(state, "--pss-every %s: not a time (10, 1.5s, 5m, or 0)", arg);
}

static error_t parse_export(struct options *opt, int key, char *arg, struct argp_state *state)
{
	struct export export = {.where = arg};

	for (int i = 0; sink_exports()[i]; i++)
		if (key == KEY_EXPORT + i)
			export.sink = sink_exports()[i];
	if (!export.sink)
		return ARGP_ERR_UNKNOWN;
	for (size_t i = 0; i < opt->n_exports; i++)
		if (opt->exports[i].sink == export.sink)
			argp_error(state, "--%s was given twice", export.sink->name);
	return append(&opt->exports, &opt->n_exports, sizeof(export), &export) ? ENOMEM : 0;
}

static error_t parse_growth_option(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case KEY_GROWTH:
		opt->growth = true;
		return 0;
	case KEY_OVERHEAD:
		if (parse_percent(arg, &opt->max_overhead))
			argp_error(state, "--max-overhead %s: it takes a percentage, 0 to 100", arg);
		return 0;
	case KEY_NO_SMAPS:
		opt->smaps = false;
		return 0;
	case KEY_PSS_EVERY:
		parse_pss_every(opt, arg, state);
		return 0;
	case KEY_VERIFY:
		opt->verify = true;
		return 0;
	case KEY_SAMPLE_EVERY:
		opt->sample_every_set = true;
		if (parse_every(arg, &opt->sample_every_ns))
			argp_error(state, "--sample-every %s: not a time (1, 200ms, 1m, or 0)", arg);
		return 0;
	default:
		return parse_export(opt, key, arg, state);
	}
}

static error_t parse_output_option(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case KEY_FORMAT:
		opt->format = sink_find(arg);
		opt->format_set = true;
		if (!opt->format)
			argp_error(state, "--format %s: it takes seed, text or jsonl", arg);
		return 0;
	case KEY_LANG:
		parse_lang(opt, arg, state);
		return 0;
	case KEY_OUTPUT:
		opt->output = arg;
		return 0;
	case KEY_MIN_DELTA:
		if (parse_size(arg, &opt->min_delta))
			argp_error(state, "--min-delta %s: not a size (64K, 1.5M)", arg);
		return 0;
	case KEY_RECORD:
		opt->record = arg;
		return 0;
	case KEY_REPLAY:
		opt->command = CMD_REPLAY;
		return append(&opt->tapes, &opt->n_tapes, sizeof(char *), &arg) ? ENOMEM : 0;
	case KEY_RUN_ID:
		opt->run_id = arg;
		if (!*arg)
			argp_error(state, "--run-id: it is empty");
		return 0;
	case KEY_SCHEMA:
		opt->command = CMD_SCHEMA;
		return 0;
	case KEY_QUIET:
		opt->quiet = true;
		log_set_level(LOG_WARN);
		return 0;
	case KEY_VERBOSE:
		log_set_level(LOG_DEBUG);
		return 0;
	case KEY_RING:
		parse_ring(opt, arg, state);
		return 0;
	case KEY_LIMITS:
		parse_limits(opt, arg, state);
		return 0;
	default:
		return parse_growth_option(key, arg, state);
	}
}

/* Where checkpoints are, and how they are seen. */
static error_t parse_place_option(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case KEY_STEP:
		if (parse_size(arg, &opt->step))
			argp_error(state, "--step %s: not a size (16M, 512K)", arg);
		opt->step_set = true;
		return 0;
	case KEY_RETURNS:
		if (!strcmp(arg, "noticed"))
			opt->returns = RETURN_NOTICED;
		else if (strcmp(arg, "auto"))
			argp_error(state, "--returns %s: it takes auto or noticed", arg);
		return 0;
	case KEY_URETPROBE:
		opt->returns = RETURN_URETPROBE;
		return 0;
	case KEY_FORCE:
		opt->force = true;
		return 0;
	case KEY_NO_MARKERS:
		opt->markers = false;
		return 0;
	default:
		return parse_output_option(key, arg, state);
	}
}

static error_t parse_option(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case KEY_PID:
		parse_pid(opt, arg, state);
		return 0;
	case KEY_NO_CHILDREN:
		opt->follow_children = false;
		return 0;
	case KEY_USER:
		opt->user = arg;
		return 0;
	case KEY_DURATION:
		if (parse_duration(arg, &opt->duration_ns))
			argp_error(state, "--duration %s: not a time (10, 1.5s, 200ms, 5m)", arg);
		return 0;
	case KEY_FUNCTION:
		return append(&opt->specs, &opt->n_specs, sizeof(char *), &arg) ? ENOMEM : 0;
	case KEY_PROFILE:
		opt->profile = arg;
		return 0;
	case KEY_LIST:
		opt->command = CMD_LIST;
		return 0;
	case ARGP_KEY_ARG: /* options may follow a tape; what follows a command is the command's */
		if (opt->command != CMD_REPLAY)
			return ARGP_ERR_UNKNOWN;
		return append(&opt->tapes, &opt->n_tapes, sizeof(char *), &arg) ? ENOMEM : 0;
	case ARGP_KEY_ARGS:
		opt->argv = state->argv + state->next;
		state->next = state->argc;
		return 0;
	default:
		return parse_place_option(key, arg, state);
	}
}

/* `why` holds what has to be made up. */
static const char *check_replay(const struct options *opt, char why[MAX_WHY])
{
	if (opt->n_pids || opt->n_specs || opt->record || opt->profile || opt->run_id)
		return "--replay takes tapes and output options only";
	if (opt->growth || opt->pss_every_set || opt->verify || !opt->smaps || opt->sample_every_set)
		return "--replay shows what was recorded: --growth, --no-smaps, --pss-every, --sample-every and "
		       "--verify are for tracing";
	if (opt->n_tapes > 1 && opt->n_exports && opt->format && opt->format->skip_extra)
		return "of several tapes, --format seed goes alone: give the rest a run of its own";
	for (size_t i = 0; i < opt->n_exports && opt->n_tapes > 1; i++) {
		if (!opt->exports[i].sink->one_run)
			continue;
		snprintf(why, MAX_WHY, "--%s is of one tape: replay each by itself",
			opt->exports[i].sink->name);
		return why;
	}
	return NULL;
}

/* What argp cannot know: which options go together. */
static const char *check(const struct options *opt, char why[MAX_WHY])
{
	if (opt->command == CMD_SCHEMA)
		return NULL;
	if (opt->command == CMD_REPLAY)
		return check_replay(opt, why);
	if (opt->n_pids && opt->argv)
		return "give either --pid or a command after \"--\", not both";
	if (opt->command == CMD_TRACE && !opt->n_pids && !opt->argv)
		return "nothing to trace: give --pid PID, or -- COMMAND ARGS";
	if (opt->user && !opt->argv)
		return "--user is for a command after \"--\"";
	if (opt->run_id && strlen(opt->run_id) >= RUN_ID_MAX) {
		snprintf(why, MAX_WHY, "a run id, of --run-id or RAMTRACE_RUN_ID, has at most %d characters",
			RUN_ID_MAX - 1);
		return why;
	}
	return NULL;
}

/* What a job gives to all its machines without naming it in each command. */
static void take_environment(struct options *opt)
{
	const char *id = getenv("RAMTRACE_RUN_ID");

	if (opt->command == CMD_TRACE && !opt->run_id && id && *id)
		opt->run_id = id;
}

/* Who makes a picture of a tape did not ask for its log. */
static bool log_wanted(const struct options *opt)
{
	return opt->command != CMD_REPLAY || !opt->n_exports || opt->format_set || opt->output;
}

/* What exports ask for by being there. */
static void settle(struct options *opt)
{
	bool samples = opt->record;

	for (size_t i = 0; i < opt->n_exports; i++) {
		if (opt->command != CMD_REPLAY)
			opt->growth |= opt->exports[i].sink->growth;
		samples |= opt->exports[i].sink->samples;
	}
	if (!opt->sample_every_set && samples)
		opt->sample_every_ns = SAMPLE_EVERY;
	if (!log_wanted(opt))
		opt->format = NULL;
}

/* The table above and a row for each export; NULL: no memory. */
static struct argp_option *make_option_table(void)
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

int options__parse(int argc, char **argv, struct options *opt)
{
	struct argp argp = {.parser = parse_option,
		.args_doc = "--pid PID\n-- COMMAND [ARGS...]\n--replay TAPE...",
		.doc = "Which component took how much RAM, in which process, in which order: exact, "
		       "labelled RSS checkpoints of a running process tree, from outside.\v"
		       "Exit status: 0 traced; 1 the tool failed; 2 usage; with a COMMAND its own.\n"
		       "The log is delayed by 50 ms, so that rows of all processes are in order."};
	struct argp_option *table = make_option_table();
	char why[MAX_WHY];
	const char *wrong;
	int err;

	argp.options = table;
	argp_program_version = "ramtrace-bpf " RAMTRACE_VERSION;
	argp_err_exit_status = EXIT_USAGE;
	*opt = (struct options){.follow_children = true,
		.markers = true,
		.smaps = true,
		.format = sink_logs()[0],
		.lang = lang_from_env(),
		.ring_bytes = DEFAULT_RING,
		.max_overhead = 3,
		.step = DEFAULT_STEP};
	/* in order: what comes after the command is the command's */
	err = table ? argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, opt) : ENOMEM;
	free(table);
	if (err) {
		log_error("command line: %s", strerror(err));
		return EXIT_USAGE;
	}
	take_environment(opt);
	wrong = check(opt, why);
	if (wrong) {
		log_error("%s (see --help)", wrong);
		return EXIT_USAGE;
	}
	settle(opt);
	return -1;
}

void options__clear(struct options *opt)
{
	free(opt->pids);
	free(opt->specs);
	free(opt->tapes);
	free(opt->exports);
}
