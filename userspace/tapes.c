/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tapes.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "log.h"

static const char *const verbs[] = {[TAPE_REPLAY] = "replay", [TAPE_COMPARE] = "compare"};
static const char *const done[] = {[TAPE_REPLAY] = "replayed", [TAPE_COMPARE] = "compared"};

int tapes_open(const char *path, enum tape_use use, struct tape_reader **reader)
{
	int err = tape_reader__open(path, reader);

	if (err == -EBADMSG)
		log_error("cannot %s %s: it is not a tape of ramtrace-bpf (--record makes one)",
			verbs[use], path);
	else if (err == -EPROTONOSUPPORT)
		log_error("cannot %s %s: it was made by a newer version of ramtrace-bpf. Use "
			  "that one",
			verbs[use], path);
	else if (err)
		log_error("cannot %s %s: %s", verbs[use], path, strerror(-err));
	return err;
}

/* What ended the tape. A damaged one has been used as far as it goes; that is still a failure,
 * since something is missing. */
static int judge_end(const char *path, enum tape_use use, const struct tape_reader *reader)
{
	switch (tape_reader__state(reader)) {
	case TAPE_TRUNCATED:
		log_warn("%s breaks off after %" PRIu64
			 " bytes: the run was killed, or its disk was "
			 "full. All up to there was %s",
			path, tape_reader__offset(reader), done[use]);
		return -ENODATA;
	case TAPE_CORRUPT:
		log_warn("%s is damaged after %" PRIu64 " bytes. All up to there was %s", path,
			tape_reader__offset(reader), done[use]);
		return -EBADMSG;
	default:
		return 0;
	}
}

int tapes_judge(const char *path, enum tape_use use, const struct merge_tape *tape)
{
	int err = tape->err;

	if (err)
		log_error("cannot read %s: %s", path, strerror(-err));
	else
		err = judge_end(path, use, tape->reader);
	if (!tape->undecoded)
		return err;
	log_warn("%s: records that do not decode, left out: %" PRIu64, path, tape->undecoded);
	return err ? err : -EBADMSG;
}
