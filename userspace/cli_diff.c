/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command line of diff: two tapes, or several a side with "vs" in between. */
#include "cli_internal.h"

#include <errno.h>
#include <string.h>

#include "log.h"

#define BETWEEN "vs"

static const struct argp_option table[] = {
	{"format", KEY_FORMAT, "text|jsonl", 0, "for people, or one JSON object a line; text", 1},
	{"html", KEY_HTML, "FILE", 0, "make a page of it, which needs no network", 1},
	{"output", KEY_OUTPUT, "FILE", 0, "write text or jsonl there instead of to stdout", 1},
	{"lang", KEY_LANG, "zh|en", 0, "of labels and words; from the locale", 1},
	{"min-delta", KEY_MIN_DELTA, "SIZE", 0, "leave out differences of less; 64K, in jsonl 0",
		1},
	{"fail-if", KEY_FAIL_IF, "CONDITION", 0,
		"exit with status 3 if it holds, and show what for. With a sign the value is what "
		"B has more, or less, than A: 'LABEL>+100M', 'peak(Worker_*)>+5%', "
		"'growth(load_*)>+1M'; without one it is what B has: 'tree()>8G'. rss, anon, file, "
		"shmem and swap are those at the end. The rest as for a run: see ramtrace-bpf "
		"--help. May be repeated",
		1},
	{"json-schema", KEY_SCHEMA, NULL, 0, "print the schema of --format jsonl", 1},
	{"quiet", KEY_QUIET, NULL, 0, "nothing but what was asked for, errors and warnings", 1},
	{0},
};

static void take_format(struct options *opt, const char *arg, struct argp_state *state)
{
	opt->format_set = true;
	opt->diff.jsonl = !strcmp(arg, "jsonl");
	if (!opt->diff.jsonl && strcmp(arg, "text"))
		argp_error(state, "--format %s: it takes text or jsonl", arg);
}

static error_t take_tape(struct options *opt, char *arg, struct argp_state *state)
{
	if (strcmp(arg, BETWEEN))
		return cli_append(&opt->tapes, &opt->n_tapes, sizeof(char *), &arg) ? ENOMEM : 0;
	if (opt->diff.n_a || !opt->n_tapes)
		argp_error(state,
			"\"" BETWEEN
			"\" stands once, between the tapes of A and those of B (a tape of that "
			"name is ./" BETWEEN ")");
	opt->diff.n_a = opt->n_tapes;
	return 0;
}

static void end_of_tapes(struct options *opt, struct argp_state *state)
{
	if (opt->command == CMD_SCHEMA)
		return;
	if (!opt->diff.n_a && opt->n_tapes > 2)
		argp_error(state,
			"which of these %zu tapes are A, and which B? Put \"" BETWEEN
			"\" between them",
			opt->n_tapes);
	if (!opt->diff.n_a)
		opt->diff.n_a = 1;
	if (opt->n_tapes <= opt->diff.n_a)
		argp_error(state, "two tapes, or more, are compared: diff A.tape B.tape");
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct options *opt = state->input;

	switch (key) {
	case KEY_FORMAT:
		take_format(opt, arg, state);
		return 0;
	case KEY_HTML:
		opt->diff.html = arg;
		return 0;
	case KEY_OUTPUT:
		opt->output = arg;
		return 0;
	case KEY_LANG:
		cli_lang(opt, arg, state);
		return 0;
	case KEY_MIN_DELTA:
		cli_min_delta(opt, arg, state);
		opt->diff.min_delta_set = true;
		return 0;
	case KEY_FAIL_IF:
		cli_fail_if(opt, arg, state);
		return 0;
	case KEY_SCHEMA:
		opt->command = CMD_SCHEMA;
		opt->schema = SCHEMA_DIFF;
		return 0;
	case KEY_QUIET:
		log_set_level(LOG_WARN);
		return 0;
	case ARGP_KEY_ARG:
		return take_tape(opt, arg, state);
	case ARGP_KEY_END:
		end_of_tapes(opt, state);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

int cli_diff(int argc, char **argv, struct options *opt)
{
	const struct argp argp = {.options = table,
		.parser = parse,
		.args_doc = "A.tape B.tape\nA1.tape A2.tape... " BETWEEN " B1.tape B2.tape...",
		.doc = "What differs between two recorded runs, or two versions of a program: "
		       "label by label, process by process, and, of runs that were recorded with "
		       "--growth, function by function and mapping by mapping. Of several runs a "
		       "side the noise is known: then a difference is one only where the ranges of "
		       "both sides do not overlap.\v"
		       "Processes are compared by role and rank, several of one role in the order "
		       "of their birth; rows of one label in the order in which they came.\n"
		       "Exit status: 0 compared; 1 the tool failed, a tape was damaged or broke "
		       "off, or the tapes have nothing in common; 2 usage; 3 a condition of "
		       "--fail-if holds or can never hold."};
	int err;

	opt->command = CMD_DIFF;
	argv[1] = (char *)"ramtrace-bpf diff"; /* what messages call it */
	err = argp_parse(&argp, argc - 1, argv + 1, 0, NULL, opt);
	if (err) {
		log_error("command line: %s", strerror(err));
		return EXIT_USAGE;
	}
	/* who makes a page of it did not ask for the rest */
	opt->diff.log = !opt->diff.html || opt->format_set || opt->output;
	return -1;
}
