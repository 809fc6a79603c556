/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli.h"

#include <argp.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli_internal.h"
#include "condition.h"
#include "log.h"
#include "out.h"
#include "version.h"

#define DEFAULT_RING (4U << 20)
#define MIN_RING     (64U << 10)
#define MAX_RING     (1U << 30)
#define DEFAULT_STEP (16ULL << 20)
#define SAMPLE_EVERY 1000000000ULL
#define MAX_WHY	     200

int cli_append(void *array, size_t *n, size_t size, const void *elem)
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
	else if (cli_append(&opt->pids, &opt->n_pids, sizeof(pid_t), &(pid_t){pid}))
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

void cli_lang(struct options *opt, const char *arg, struct argp_state *state)
{
	if (!strcmp(arg, "zh"))
		opt->lang = LANG_ZH;
	else if (!strcmp(arg, "en"))
		opt->lang = LANG_EN;
	else
		argp_error(state, "--lang %s: it takes zh or en", arg);
}

void cli_min_delta(struct options *opt, const char *arg, struct argp_state *state)
{
	if (parse_size(arg, &opt->min_delta))
		argp_error(state, "--min-delta %s: not a size (64K, 1.5M)", arg);
}

/* The condition, and below it a caret where it is wrong. */
static void point_at(const char *text, size_t at)
{
	char *before = out_clean(text, at);

	log_error("  %s", text);
	log_error("  %*s^", before ? out_width(before) : 0, "");
	free(before);
}

void cli_fail_if(struct options *opt, const char *arg, struct argp_state *state)
{
	struct condition_error err;
	struct condition *c = NULL;
	int ret = condition__parse(arg, opt->command == CMD_DIFF, &c, &err);

	if (ret == -EINVAL) {
		log_error("--fail-if: at character %zu: %s", err.at + 1, err.why);
		point_at(arg, err.at);
		argp_error(state, "--fail-if takes a condition, as 'LABEL>+100M' or 'rss(ROLE)>4G'");
	}
	if (!ret)
		ret = cli_append(&opt->conditions, &opt->n_conditions, sizeof(c), &c);
	if (ret) {
		condition__free(c);
		argp_failure(state, EXIT_TOOL_FAILED, -ret, "--fail-if");
	}
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
	return cli_append(&opt->exports, &opt->n_exports, sizeof(export), &export) ? ENOMEM : 0;
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

static void parse_schema(struct options *opt, const char *arg, struct argp_state *state)
{
	opt->command = CMD_SCHEMA;
	if (!arg || !strcmp(arg, "rows"))
		opt->schema = SCHEMA_ROWS;
	else if (!strcmp(arg, "summary"))
		opt->schema = SCHEMA_SUMMARY;
	else if (!strcmp(arg, "diff"))
		opt->schema = SCHEMA_DIFF;
	else
		argp_error(state, "--json-schema=%s: it takes rows, summary or diff", arg);
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
		cli_lang(opt, arg, state);
		return 0;
	case KEY_OUTPUT:
		opt->output = arg;
		return 0;
	case KEY_MIN_DELTA:
		cli_min_delta(opt, arg, state);
		return 0;
	case KEY_FAIL_IF:
		cli_fail_if(opt, arg, state);
		return 0;
	case KEY_RECORD:
		opt->record = arg;
		return 0;
	case KEY_REPLAY:
		opt->command = CMD_REPLAY;
		return cli_append(&opt->tapes, &opt->n_tapes, sizeof(char *), &arg) ? ENOMEM : 0;
	case KEY_RUN_ID:
		opt->run_id = arg;
		if (!*arg)
			argp_error(state, "--run-id: it is empty");
		return 0;
	case KEY_SCHEMA:
		parse_schema(opt, arg, state);
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
		return cli_append(&opt->specs, &opt->n_specs, sizeof(char *), &arg) ? ENOMEM : 0;
	case KEY_PROFILE:
		opt->profile = arg;
		return 0;
	case KEY_LIST:
		opt->command = CMD_LIST;
		return 0;
	case ARGP_KEY_ARG: /* options may follow a tape; what follows a command is the command's */
		if (opt->command != CMD_REPLAY)
			return ARGP_ERR_UNKNOWN;
		return cli_append(&opt->tapes, &opt->n_tapes, sizeof(char *), &arg) ? ENOMEM : 0;
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
	if (opt->n_tapes > 1 && (opt->n_exports || opt->n_conditions) && opt->format &&
		opt->format->skip_extra)
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
	if (opt->command == CMD_LIST && opt->n_conditions)
		return "--fail-if is for a run, and --list makes none";
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

	for (size_t i = 0; i < opt->n_conditions; i++) {
		/* a point that comes by itself takes some of what a label is judged by */
		if (opt->conditions[i]->what == COND_LABEL && !opt->step_set)
			opt->step = 0;
		samples |= condition__is_level(opt->conditions[i]);
		if (opt->command != CMD_REPLAY)
			opt->growth |= condition__needs_growth(opt->conditions[i]);
	}
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

int options__parse(int argc, char **argv, struct options *opt)
{
	struct argp argp = {.parser = parse_option,
		.args_doc = "--pid PID\n-- COMMAND [ARGS...]\n--replay TAPE...\n"
			    "diff A.tape B.tape (see diff --help)",
		.doc = "Which component took how much RAM, in which process, in which order: exact, "
		       "labelled RSS checkpoints of a running process tree, from outside.\v"
		       "Exit status: 0 traced; 1 the tool failed; 2 usage; of a COMMAND that failed its "
		       "own; else 3 where a condition of --fail-if holds or can never hold.\n"
		       "The log is delayed by 50 ms, so that rows of all processes are in order."};
	struct argp_option *table;
	char why[MAX_WHY];
	const char *wrong;
	int err;

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
	if (argc > 1 && !strcmp(argv[1], "diff"))
		return cli_diff(argc, argv, opt);
	argp.options = table = cli_make_table();
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
	for (size_t i = 0; i < opt->n_conditions; i++)
		condition__free(opt->conditions[i]);
	free(opt->conditions);
}
