/* SPDX-License-Identifier: GPL-2.0-or-later */
/* --replay: the records of tapes through the same stages as live. */
#include "trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "log.h"
#include "output.h"
#include "tapes.h"

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

/* OUTPUT_FAILS: all was rendered, and a condition of --fail-if holds. */
static int replay_tapes(const struct options *opt, struct merge_tape *tapes)
{
	struct output *output = NULL;
	int err = 0, bad = 0, gated;

	for (size_t i = 0; i < opt->n_tapes && !err; i++)
		err = tapes_open(opt->tapes[i], TAPE_REPLAY, &tapes[i].reader);
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
		bad |= tapes_judge(opt->tapes[i], TAPE_REPLAY, &tapes[i]);
	gated = output__close(output);
	return gated < 0 || err || bad ? -EIO : gated;
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
	return err < 0 ? EXIT_TOOL_FAILED : err ? EXIT_FAILS_IF : 0;
}
