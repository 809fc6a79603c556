/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --replay: the records of tapes through the same stages as live. */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "tape.h"

static int open_tape(const char *path, struct tape_reader **reader)
{
	int err = tape_reader__open(path, reader);

	if (err == -EBADMSG)
		log_error("cannot replay %s: it is not a tape of ramtrace-bpf (--record makes one)", path);
	else if (err == -EPROTONOSUPPORT)
		log_error("cannot replay %s: it was made by a newer version of ramtrace-bpf. Use "
			  "that one", path);
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

/* What was missing from a tape that has been replayed. */
static int judge(const char *path, const struct merge_tape *tape)
{
	int err = tape->err;

	if (err)
		log_error("cannot read %s: %s", path, strerror(-err));
	else
		err = judge_end(path, tape->reader);
	if (!tape->undecoded)
		return err;
	log_warn("%s: records that do not decode, left out: %" PRIu64, path, tape->undecoded);
	return err ? err : -EBADMSG;
}

/* Tapes of one run have its id; those of old versions have none, and may be of any. */
static void judge_run_ids(const struct options *opt, const struct merge_tape *tapes)
{
	size_t first = 0;

	while (first < opt->n_tapes && !tapes[first].run_id)
		first++;
	for (size_t i = first; i < opt->n_tapes; i++) {
		if (!tapes[i].run_id || !strcmp(tapes[i].run_id, tapes[first].run_id))
			continue;
		log_warn("%s is of run %s, but %s of run %s: these are different runs in one log. If they "
			 "belong together, trace all machines with the same --run-id",
			opt->tapes[first], tapes[first].run_id, opt->tapes[i], tapes[i].run_id);
		return;
	}
}

static int replay_one(struct output *output, struct merge_tape *tape)
{
	struct record rec;
	int err = 0, n = 0;

	while (!err && (n = tape_reader__next(tape->reader, &rec)) > 0)
		err = output__put(output, &rec);
	if (!err)
		tape->err = n;
	tape->undecoded = output__undecoded(output);
	return err;
}

static int replay_tapes(const struct options *opt, struct merge_tape *tapes)
{
	struct output *output = NULL;
	int err = 0, bad = 0;

	for (size_t i = 0; i < opt->n_tapes && !err; i++)
		err = open_tape(opt->tapes[i], &tapes[i].reader);
	if (!err)
		err = output__open(opt, &output);
	if (err)
		return err;
	if (opt->n_tapes == 1)
		err = replay_one(output, &tapes[0]);
	else
		err = output__merge(output, tapes, opt->n_tapes);
	judge_run_ids(opt, tapes);
	for (size_t i = 0; i < opt->n_tapes && !err; i++)
		bad |= judge(opt->tapes[i], &tapes[i]);
	return output__close(output) || err || bad ? -EIO : 0;
}

int replay_run(const struct options *opt)
{
	struct merge_tape *tapes = calloc(opt->n_tapes, sizeof(*tapes));
	int err = tapes ? replay_tapes(opt, tapes) : -ENOMEM;

	for (size_t i = 0; tapes && i < opt->n_tapes; i++) {
		tape_reader__close(tapes[i].reader);
		free(tapes[i].run_id);
	}
	free(tapes);
	return err ? EXIT_TOOL_FAILED : 0;
}
