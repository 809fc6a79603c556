/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include "cli.h"
#include "embed.h"
#include "trace.h"

static int print_schema(const char *name)
{
	const struct embedded *schema = embedded_find(name);

	return !schema || fputs(schema->data, stdout) == EOF || fflush(stdout) ? EXIT_TOOL_FAILED : 0;
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
		return print_schema(opt->schema);
	case CMD_DIFF:
		return diff_run(opt);
	}
	return EXIT_USAGE;
}

/* Whoever closed one of them did not mean the next file that is opened. What is put in its place
 * can be neither read nor written, as before. */
static void hold_standard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++)
		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			(void)!open("/dev/null", fd ? O_RDONLY : O_WRONLY);
}

int main(int argc, char **argv)
{
	struct options opt;
	int status;

	/* A reader that goes away is an error of write(2), handled where it happens. */
	signal(SIGPIPE, SIG_IGN);
	hold_standard_descriptors();
	status = options__parse(argc, argv, &opt);
	if (status < 0)
		status = run(&opt);
	options__clear(&opt);
	return status;
}
