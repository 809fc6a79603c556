/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <signal.h>
#include <stdio.h>

#include "cli.h"
#include "sink.h"
#include "trace.h"

static int print_schema(void)
{
	return fputs(sink_jsonl_schema(), stdout) == EOF || fflush(stdout) ? EXIT_TOOL_FAILED : 0;
}

static int run(const struct options *opt)
{
	switch (opt->command) {
	case CMD_TRACE:
		return trace_run(opt);
	case CMD_LIST:
		return list_run(opt);
	case CMD_REPLAY:
		return replay_run(opt);
	case CMD_SCHEMA:
		return print_schema();
	}
	return EXIT_USAGE;
}

int main(int argc, char **argv)
{
	struct options opt;
	int status;

	/* A reader that goes away is an error of write(2), handled where it happens. */
	signal(SIGPIPE, SIG_IGN);
	status = options__parse(argc, argv, &opt);
	if (status < 0)
		status = run(&opt);
	options__clear(&opt);
	return status;
}
