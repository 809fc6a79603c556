/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command: tapes are read, compared, and what came of it is written. */
#include "diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "place.h"
#include "tapes.h"
#include "trace.h"

enum {
	MAX_NAMES = 5,
	WORTH_SAYING = 65536, /* to people, unless they say otherwise */
};

typedef int write_fn(const struct diff *d, struct out *o);

/* --- in --------------------------------------------------------------------------------------- */

static int open_tapes(const struct options *opt, struct merge_tape *tapes)
{
	int err = 0;

	for (size_t i = 0; i < opt->n_tapes && !err; i++)
		err = tapes_open(opt->tapes[i], TAPE_COMPARE, &tapes[i].reader);
	return err;
}

/* *bad: something is missing from one of them, which has been told. */
static int read_tapes(
	struct diff *d, const struct options *opt, struct merge_tape *tapes, bool *bad)
{
	int err = 0;

	for (size_t i = 0; i < d->n && !err; i++) {
		d->runs[i].path = opt->tapes[i];
		d->runs[i].lang = d->lang;
		err = seen_run__read(&d->runs[i], &tapes[i]);
		if (!err)
			*bad |= tapes_judge(opt->tapes[i], TAPE_COMPARE, &tapes[i]) != 0;
	}
	return err;
}

/* The first processes of a side, for a message. NULL: no memory. */
static char *name_processes(const struct diff *d, bool b)
{
	char *text = NULL;
	size_t len, n = 0;
	FILE *f = open_memstream(&text, &len);

	if (!f)
		return NULL;
	for (const struct diff_process *p = d->processes; p; p = p->hh.next) {
		bool there = false;

		for (size_t i = b ? d->n_a : 0; i < (b ? d->n : d->n_a) && !there; i++)
			there = p->of[i];
		if (there && n++ < MAX_NAMES)
			fprintf(f, "%s%s", n > 1 ? ", " : "", p->name);
	}
	fputs(n > MAX_NAMES ? ", ..." : n ? "" : "none", f);
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static void say_nothing_in_common(const struct diff *d)
{
	char *a = name_processes(d, false), *b = name_processes(d, true);

	log_error("cannot compare: the sides have no process in common. A has %s; B has %s. Are "
		  "these runs of one program?",
		a ? a : "?", b ? b : "?");
	free(a);
	free(b);
}

/* --- out -------------------------------------------------------------------------------------- */

static int create(const struct options *opt, const char *what, const char *where, struct out **out)
{
	int err;

	for (size_t i = 0; i < opt->n_tapes; i++) {
		if (!place_same(where, opt->tapes[i]))
			continue;
		log_error("cannot create the %s %s: it is one of the tapes; give it a file of its "
			  "own",
			what, where);
		return -EEXIST;
	}
	if (!where) {
		*out = out__new(STDOUT_FILENO);
		return *out ? 0 : -ENOMEM;
	}
	err = out__open(where, out);
	if (err)
		log_error("cannot create the %s %s: %s", what, where, place_why_not(err));
	return err;
}

static int write_one(
	const struct diff *d, write_fn *fn, struct out *o, const char *what, const char *where)
{
	int err = fn(d, o), ret = out__close(o);

	err = err ? err : ret;
	if (err == -EPIPE && !where)
		log_warn("whoever read the comparison has gone");
	else if (err)
		log_error("cannot write the %s %s: %s", what, where ? where : "to stdout",
			strerror(-err));
	return err;
}

static int write_all(struct diff *d, const struct options *opt)
{
	uint64_t least = opt->diff.min_delta_set ? opt->min_delta : WORTH_SAYING;
	struct out *log = NULL, *page = NULL;
	int err = 0, ret = 0;

	if (opt->diff.html && place_same(opt->output, opt->diff.html)) {
		log_error("%s cannot be both the comparison and its page", opt->output);
		return -EEXIST;
	}
	if (opt->diff.log)
		err = create(opt, "comparison", opt->output, &log);
	if (!err && opt->diff.html)
		err = create(opt, "page", opt->diff.html, &page);
	if (err) {
		out__close(log);
		return err;
	}
	d->min_delta = opt->diff.jsonl ? opt->min_delta : least;
	if (log)
		err = write_one(d, opt->diff.jsonl ? diff_jsonl : diff_text, log, "comparison",
			opt->output);
	d->min_delta = least;
	if (page)
		ret = write_one(d, diff_html, page, "page", opt->diff.html);
	return err ? err : ret;
}

/* --- the command ------------------------------------------------------------------------------ */

static int compare(struct diff *d, const struct options *opt, struct merge_tape *tapes, bool *bad)
{
	int err = read_tapes(d, opt, tapes, bad);

	if (!err)
		err = diff__align(d);
	if (!err)
		err = diff__compare(d);
	if (err) {
		log_error("cannot compare: %s", strerror(-err));
		return err;
	}
	if (d->common)
		return 0;
	say_nothing_in_common(d);
	return -ENODATA;
}

int diff_run(const struct options *opt)
{
	struct diff d = {.n_a = opt->diff.n_a, .lang = opt->lang};
	struct merge_tape *tapes = calloc(opt->n_tapes, sizeof(*tapes));
	bool bad = false;
	int err, fails = 0;

	d.runs = calloc(opt->n_tapes, sizeof(*d.runs));
	d.n = d.runs ? opt->n_tapes : 0;
	err = tapes && d.runs ? open_tapes(opt, tapes) : -ENOMEM;
	if (!err)
		err = compare(&d, opt, tapes, &bad);
	if (!err)
		err = write_all(&d, opt);
	if (!err && opt->n_conditions)
		fails = diff_gate(&d, opt->conditions, opt->n_conditions);
	for (size_t i = 0; tapes && i < opt->n_tapes; i++)
		tape_reader__close(tapes[i].reader);
	free(tapes);
	diff__clear(&d);
	if (err || fails < 0 || bad)
		return EXIT_TOOL_FAILED;
	return fails ? EXIT_FAILS_IF : 0;
}
