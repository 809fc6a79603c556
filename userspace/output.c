/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "correlate.h"
#include "log.h"
#include "out.h"
#include "sink.h"
#include "tape.h"

struct output {
	const struct options *opt;
	struct tape_writer *tape;
	struct out *file;
	void *sink;
	struct run *run;
	int tape_err, log_err;
};

static struct sink_config sink_config(const struct options *opt, struct out *file)
{
	return (struct sink_config){.out = file, .lang = opt->lang, .quiet = opt->quiet};
}

int output__open(const struct options *opt, struct output **out)
{
	struct correlate_options how = {.lang = opt->format->chinese ? LANG_ZH : opt->lang,
		.skip_extra = opt->format->skip_extra,
		.min_delta = opt->min_delta};
	struct output *o = calloc(1, sizeof(*o));
	struct sink_config config;
	int err = -ENOMEM;

	if (!o)
		return err;
	o->opt = opt;
	if (opt->record) {
		err = tape_writer__open(opt->record, &o->tape);
		if (err) {
			log_error("cannot create the tape %s: %s", opt->record, strerror(-err));
			goto out;
		}
	}
	if (opt->output) {
		err = out__open(opt->output, &o->file);
		if (err) {
			log_error("cannot create the log %s: %s", opt->output, strerror(-err));
			goto out;
		}
	} else {
		o->file = out__new(STDOUT_FILENO);
	}
	config = sink_config(opt, o->file);
	o->sink = o->file ? opt->format->open(&config) : NULL;
	o->run = o->sink ? run__new(&how, &opt->format->ops, o->sink) : NULL;
	err = o->run ? 0 : -ENOMEM;
out:
	if (err)
		output__close(o);
	else
		*out = o;
	return err;
}

static void log_failed(struct output *o, int err)
{
	if (!err || o->log_err)
		return;
	o->log_err = err;
	if (err == -EPIPE)
		log_warn("whoever read the log has gone");
	else
		log_error("cannot write the log %s: %s", o->opt->output ? o->opt->output : "to stdout",
			strerror(-err));
}

static void tape_failed(struct output *o, int err)
{
	if (!err || o->tape_err)
		return;
	o->tape_err = err;
	log_error("cannot write the tape %s: %s; what was written so far can be replayed",
		o->opt->record, strerror(-err));
}

/* An error ends the run only when nobody is left to be served. */
static int still_served(const struct output *o)
{
	if (!o->log_err || (o->tape && !o->tape_err))
		return 0;
	return o->log_err;
}

int output__put(void *output, const struct record *rec)
{
	struct output *o = output;

	if (o->tape && !o->tape_err)
		tape_failed(o, tape_writer__put(o->tape, rec));
	if (!o->log_err)
		log_failed(o, run__feed(o->run, rec));
	return still_served(o);
}

int output__flush(struct output *o)
{
	if (o->tape && !o->tape_err)
		tape_failed(o, tape_writer__flush(o->tape));
	if (!o->log_err)
		log_failed(o, out__flush(o->file));
	return still_served(o);
}

int output__close(struct output *o)
{
	int err = 0;

	if (!o)
		return 0;
	if (o->run && !o->log_err)
		log_failed(o, run__finish(o->run));
	run__free(o->run);
	if (o->sink && o->opt->format->close)
		o->opt->format->close(o->sink);
	if (o->file)
		log_failed(o, out__close(o->file));
	if (o->tape)
		tape_failed(o, tape_writer__close(o->tape));
	err = o->tape_err ? o->tape_err : o->log_err;
	free(o);
	return err;
}
