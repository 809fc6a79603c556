/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --replay: the records of a tape through the same stages as live. */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "tape.h"

static int open_tape(const char *path, struct tape_reader **reader)
{
	int err = tape_reader__open(path, reader);

	if (err == -EBADMSG)
		log_error("cannot replay %s: it is not a tape of ramtrace-bpf", path);
	else if (err == -EPROTONOSUPPORT)
		log_error("cannot replay %s: it was made by a newer version; use that one", path);
	else if (err)
		log_error("cannot replay %s: %s", path, strerror(-err));
	return err;
}

/* What ended the tape. A damaged one has been replayed as far as it goes; that is still a failure,
 * since something is missing. */
static int judge_end(const char *path, const struct tape_reader *reader)
{
	switch (tape_reader__state(reader)) {
	case TAPE_TRUNCATED:
		log_warn("%s breaks off after %" PRIu64 " bytes: the run was killed, or its disk was "
			 "full. All up to there was replayed",
			path, tape_reader__offset(reader));
		return -ENODATA;
	case TAPE_CORRUPT:
		log_warn("%s is damaged after %" PRIu64 " bytes. All up to there was replayed", path,
			tape_reader__offset(reader));
		return -EBADMSG;
	default:
		return 0;
	}
}

int replay_run(const struct options *opt)
{
	struct tape_reader *reader = NULL;
	struct output *output = NULL;
	struct record rec;
	int err, closed, n = 0;

	err = open_tape(opt->tapes[0], &reader);
	if (!err)
		err = output__open(opt, &output);
	while (!err && (n = tape_reader__next(reader, &rec)) > 0)
		err = output__put(output, &rec);
	if (!err && n < 0) {
		err = n;
		log_error("cannot read %s: %s", opt->tapes[0], strerror(-n));
	}
	if (!err)
		err = judge_end(opt->tapes[0], reader);
	closed = output__close(output);
	tape_reader__close(reader);
	return err || closed ? EXIT_TOOL_FAILED : 0;
}
