/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "account.h"
#include "correlate.h"
#include "log.h"
#include "out.h"
#include "sink.h"
#include "tape.h"

struct output {
	const struct options *opt;
	struct tape_writer *tape;
	struct out *file;
	struct out *summary; /* NULL: none is wanted */
	void *sink;
	struct run *run; /* NULL: of several tapes, which have their own */
	uint64_t undecoded;
	bool begun; /* there is something to report */
	int tape_err, log_err, summary_err;
};

static struct sink_config sink_config(const struct options *opt, struct out *file)
{
	return (struct sink_config){.out = file, .lang = opt->lang, .quiet = opt->quiet};
}

static struct correlate_options correlate_options(const struct options *opt)
{
	return (struct correlate_options){.lang = opt->format->chinese ? LANG_ZH : opt->lang,
		.skip_extra = opt->format->skip_extra,
		.min_delta = opt->min_delta};
}

static bool is_same_file(const char *a, const char *b)
{
	struct stat x, y;

	return a && b && !stat(a, &x) && !stat(b, &y) && S_ISREG(x.st_mode) &&
	       x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* What was wrong with the place for a new file, and what to do. */
static const char *why_not_created(int err)
{
	switch (-err) {
	case ELOOP:
		return "it is a symbolic link, which is not followed. Name the file itself";
	case EISDIR:
		return "it is a directory. Name a file in it";
	case ENOENT:
	case ENOTDIR:
		return "its directory does not exist. Make it first, or name another";
	case EACCES:
	case EPERM:
	case EROFS:
		return "files may not be written there. Name a place where they may";
	case ENOSPC:
	case EDQUOT:
		return "the disk is full. Make room, or name another place";
	default:
		return strerror(-err);
	}
}

/* The log, or the summary, would overwrite what it is made from. */
static bool is_a_tape(const struct options *opt, const char *path)
{
	if (is_same_file(path, opt->record))
		return true;
	for (size_t i = 0; i < opt->n_tapes; i++)
		if (is_same_file(path, opt->tapes[i]))
			return true;
	return false;
}

static int open_log(struct output *o)
{
	const char *path = o->opt->output;
	int err;

	if (!path) {
		o->file = out__new(STDOUT_FILENO);
		return o->file ? 0 : -ENOMEM;
	}
	if (is_a_tape(o->opt, path)) {
		log_error("cannot create the log %s: it is the tape; give the log a file of its "
			  "own", path);
		return -EEXIST;
	}
	err = out__open(path, &o->file);
	if (err)
		log_error("cannot create the log %s: %s", path, why_not_created(err));
	return err;
}

/* Before anything is traced: what can only be said at the end is not to be lost then. */
static int open_summary(struct output *o)
{
	const char *path = o->opt->summary;
	int err;

	if (!path)
		return 0;
	if (is_same_file(path, o->opt->output) || is_a_tape(o->opt, path)) {
		log_error("cannot create the summary %s: it is the log or the tape; give it a file of its own", path);
		return -EEXIST;
	}
	err = out__open(path, &o->summary);
	if (err)
		log_error("cannot create the summary %s: %s", path, why_not_created(err));
	return err;
}

int output__open(const struct options *opt, struct output **out)
{
	struct correlate_options how = correlate_options(opt);
	struct output *o = calloc(1, sizeof(*o));
	struct sink_config config;
	int err = -ENOMEM;

	if (!o)
		return err;
	o->opt = opt;
	if (opt->record) {
		err = tape_writer__open(opt->record, &o->tape);
		if (err) {
			log_error("cannot create the tape %s: %s", opt->record, why_not_created(err));
			goto out;
		}
	}
	err = open_log(o);
	if (!err)
		err = open_summary(o);
	if (err)
		goto out;
	config = sink_config(opt, o->file);
	o->sink = opt->format->open(&config);
	if (o->sink && opt->n_tapes < 2)
		o->run = run__new(&how, &opt->format->ops, o->sink);
	if (!o->sink || (!o->run && opt->n_tapes < 2))
		err = -ENOMEM;
out:
	if (err)
		output__close(o);
	else
		*out = o;
	return err;
}

void output__on_stuck(struct output *o, io_stuck_fn *stuck, void *ctx)
{
	struct stat st;

	if (!fstat(out__fd(o->file), &st) && !S_ISREG(st.st_mode))
		out__on_stuck(o->file, stuck, ctx);
}

/* stderr may go to where nobody reads, too. */
static bool can_be_told(void)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT);
}

static void log_failed(struct output *o, int err)
{
	if (!err || o->log_err)
		return;
	o->log_err = err;
	if (err == -EPIPE)
		log_warn("whoever read the log has gone");
	else if (err == -ECANCELED && can_be_told())
		log_warn("the log ends here: nobody reads it, and a second signal came%s",
			o->tape && !o->tape_err ? "; the tape has all" : "");
	else if (err != -ECANCELED)
		log_error("cannot write the log %s: %s%s%s", o->opt->output ? o->opt->output : "to stdout",
			strerror(-err), o->opt->output ? ". What was written so far stays" : "",
			o->tape && !o->tape_err ? "; the tape goes on" : "");
}

static void tape_failed(struct output *o, int err)
{
	if (!err || o->tape_err)
		return;
	o->tape_err = err;
	log_error("cannot write the tape %s: %s. What was written so far can be replayed%s",
		o->opt->record, strerror(-err), o->log_err ? "" : "; the log goes on");
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
	int err;

	o->begun = true;
	if (o->tape && !o->tape_err)
		tape_failed(o, tape_writer__put(o->tape, rec));
	if (!o->log_err) {
		err = run__feed(o->run, rec);
		if (err == -EBADMSG)
			o->undecoded++;
		else
			log_failed(o, err);
	}
	return still_served(o);
}

int output__merge(struct output *o, struct merge_tape *tapes, size_t n)
{
	struct correlate_options how = correlate_options(o->opt);

	log_failed(o, merge_tapes(tapes, n, &how, &o->opt->format->ops, o->sink));
	return still_served(o);
}

uint64_t output__undecoded(const struct output *o)
{
	return o->undecoded;
}

int output__flush(struct output *o)
{
	if (o->tape && !o->tape_err)
		tape_failed(o, tape_writer__flush(o->tape));
	if (!o->log_err)
		log_failed(o, out__flush(o->file));
	return still_served(o);
}

int output__fd(const struct output *o)
{
	return o->log_err ? -1 : out__fd(o->file);
}

int output__reader_gone(struct output *o)
{
	log_failed(o, -EPIPE);
	return still_served(o);
}

bool output__failed(const struct output *o)
{
	return o && (o->log_err || o->tape_err);
}

void output__abandon(struct output *o)
{
	if (o)
		o->begun = false;
}

static void write_summary(struct output *o)
{
	int err = summary_json(run__result(o->run), o->summary), ret = out__close(o->summary);

	o->summary = NULL;
	o->summary_err = err ? err : ret;
	if (o->summary_err)
		log_error("cannot write the summary %s: %s", o->opt->summary, strerror(-o->summary_err));
}

int output__close(struct output *o)
{
	int err = 0;

	if (!o)
		return 0;
	if (o->run && !o->log_err && (o->begun || o->opt->n_tapes))
		log_failed(o, run__finish(o->run));
	if (o->run && o->summary && !o->log_err && (o->begun || o->opt->n_tapes))
		write_summary(o);
	out__close(o->summary);
	if (o->undecoded && !o->opt->n_tapes)
		log_warn("records of this run that do not decode, left out of the log: %" PRIu64,
			o->undecoded);
	run__free(o->run);
	if (o->sink && o->opt->format->close)
		o->opt->format->close(o->sink);
	if (o->file)
		log_failed(o, out__close(o->file));
	if (o->tape)
		tape_failed(o, tape_writer__close(o->tape));
	err = o->tape_err ? o->tape_err : o->log_err ? o->log_err : o->summary_err;
	free(o);
	return err;
}
