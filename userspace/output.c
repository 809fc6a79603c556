/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "output.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "correlate.h"
#include "fan.h"
#include "gate.h"
#include "log.h"
#include "out.h"
#include "place.h"
#include "sink.h"
#include "tape.h"

/* One sink and where it writes. */
struct lane {
	const struct sink *sink;
	const char *where; /* NULL: stdout */
	struct out *file;  /* NULL: the sink opens `where` itself */
	void *ctx;
	bool open;
	int err; /* its first, which has been told */
};

/* Sinks that are given the same rows. Seed's are its own. */
struct view {
	struct run *run; /* NULL: of several tapes, which have their own */
	struct fan fan;
	struct lane **lanes; /* of its legs */
};

struct output {
	const struct options *opt;
	struct tape_writer *tape;
	struct gate *gate;  /* NULL: no condition was given */
	struct lane *lanes; /* the log, if there is one, is the first; the gate's is the last */
	size_t n_lanes;
	struct view views[2];
	size_t n_views;
	uint64_t undecoded;
	bool begun; /* there is something to report */
	int tape_err;
};

static struct lane *log_lane(const struct output *o)
{
	return o->opt->format && o->n_lanes ? &o->lanes[0] : NULL;
}

static const char *noun(const struct lane *l)
{
	return l->sink->noun ? l->sink->noun : "log";
}

static struct correlate_options correlate_options(const struct options *opt, const struct sink *sink)
{
	return (struct correlate_options){.lang = sink->chinese ? LANG_ZH : opt->lang,
		.skip_extra = sink->skip_extra,
		.min_delta = opt->min_delta};
}

/* Another output, or what it is made from, that it would overwrite. NULL: it would not. */
static const char *overwrites(const struct output *o, const struct lane *l)
{
	if (place_same(l->where, o->opt->record))
		return "tape";
	for (size_t i = 0; i < o->opt->n_tapes; i++)
		if (place_same(l->where, o->opt->tapes[i]))
			return "tape";
	for (const struct lane *other = o->lanes; other < l; other++)
		if (other->file && place_same(l->where, other->where))
			return noun(other);
	return NULL;
}

static int create(struct output *o, struct lane *l)
{
	const char *other;
	int err;

	if (!l->where) {
		l->file = out__new(STDOUT_FILENO);
		return l->file ? 0 : -ENOMEM;
	}
	other = overwrites(o, l);
	if (other) {
		log_error("cannot create the %s %s: it is the %s; give the %s a file of its own", noun(l),
			l->where, other, noun(l));
		return -EEXIST;
	}
	err = out__open(l->where, &l->file);
	if (err)
		log_error("cannot create the %s %s: %s", noun(l), l->where, place_why_not(err));
	return err;
}

/* Before anything is traced: what can only be said at the end is not to be lost then. */
static int lane__open(struct output *o, const struct sink *sink, const char *where)
{
	struct lane *l = &o->lanes[o->n_lanes++];
	struct sink_config config = {.lang = o->opt->lang, .quiet = o->opt->quiet};
	int err;

	l->sink = sink;
	l->where = where;
	err = sink->opens ? 0 : create(o, l);
	if (err)
		return err;
	config.out = l->file;
	config.where = sink->arg ? where : NULL;
	err = sink->open(&config, &l->ctx);
	l->open = !err;
	return err;
}

static int add_gate(struct output *o)
{
	const struct options *opt = o->opt;

	if (!opt->n_conditions)
		return 0;
	o->gate = gate__new(opt->conditions, opt->n_conditions, opt->command == CMD_TRACE);
	if (!o->gate)
		return -ENOMEM;
	o->lanes[o->n_lanes++] = (struct lane){.sink = &sink_gate, .ctx = o->gate};
	return 0;
}

static int open_lanes(struct output *o)
{
	const struct options *opt = o->opt;
	int err = 0;

	o->lanes = calloc(opt->n_exports + 2, sizeof(*o->lanes));
	if (!o->lanes)
		return -ENOMEM;
	if (opt->format)
		err = lane__open(o, opt->format, opt->output);
	for (size_t i = 0; i < opt->n_exports && !err; i++)
		err = lane__open(o, opt->exports[i].sink, opt->exports[i].where);
	return err ? err : add_gate(o);
}

/* --- who is given which rows --------------------------------------------------------------------- */

static bool same_rows(const struct sink *a, const struct sink *b)
{
	return a->skip_extra == b->skip_extra && a->chinese == b->chinese;
}

static struct view *get_view(struct output *o, const struct sink *sink)
{
	struct view *v = o->views;

	while (v < o->views + o->n_views && !same_rows(v->lanes[0]->sink, sink))
		v++;
	o->n_views += v == o->views + o->n_views;
	return v;
}

static int view__add(struct view *v, struct lane *l, size_t most)
{
	if (!v->lanes)
		v->lanes = calloc(most, sizeof(*v->lanes));
	if (!v->fan.legs)
		v->fan.legs = calloc(most, sizeof(*v->fan.legs));
	if (!v->lanes || !v->fan.legs)
		return -ENOMEM;
	v->lanes[v->fan.n] = l;
	v->fan.legs[v->fan.n++] = (struct fan_leg){.ops = &l->sink->ops, .ctx = l->ctx};
	return 0;
}

static int make_views(struct output *o)
{
	int err = 0;

	for (size_t i = 0; i < o->n_lanes && !err; i++)
		err = view__add(get_view(o, o->lanes[i].sink), &o->lanes[i], o->n_lanes);
	for (struct view *v = o->views; v < o->views + o->n_views && !err && o->opt->n_tapes < 2; v++) {
		struct correlate_options how = correlate_options(o->opt, v->lanes[0]->sink);

		v->run = run__new(&how, &fan_ops, &v->fan);
		err = v->run ? 0 : -ENOMEM;
	}
	return err;
}

int output__open(const struct options *opt, struct output **out)
{
	struct output *o = calloc(1, sizeof(*o));
	int err = 0;

	if (!o)
		return -ENOMEM;
	o->opt = opt;
	if (opt->record) {
		err = tape_writer__open(opt->record, &o->tape);
		if (err)
			log_error("cannot create the tape %s: %s", opt->record, place_why_not(err));
	}
	if (!err)
		err = open_lanes(o);
	if (!err)
		err = make_views(o);
	if (err)
		output__close(o);
	else
		*out = o;
	return err;
}

void output__on_stuck(struct output *o, io_stuck_fn *stuck, void *ctx)
{
	struct lane *l = log_lane(o);
	struct stat st;

	if (l && !fstat(out__fd(l->file), &st) && !S_ISREG(st.st_mode))
		out__on_stuck(l->file, stuck, ctx);
}

/* stderr may go to where nobody reads, too. */
static bool can_be_told(void)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT);
}

/* Its first error ends it. */
static void lane__failed(struct output *o, struct lane *l, int err)
{
	bool is_log = l == log_lane(o);

	if (!err || l->err)
		return;
	l->err = err;
	if (is_log && err == -EPIPE)
		log_warn("whoever read the log has gone");
	else if (is_log && err == -ECANCELED && can_be_told())
		log_warn("the log ends here: nobody reads it, and a second signal came%s",
			o->tape && !o->tape_err ? "; the tape has all" : "");
	else if (err != -ECANCELED)
		log_error("cannot write the %s %s: %s%s%s", noun(l), l->where ? l->where : "to stdout",
			strerror(-err), is_log && l->where ? ". What was written so far stays" : "",
			o->tape && !o->tape_err ? "; the tape goes on" : "");
}

static void tape_failed(struct output *o, int err)
{
	if (!err || o->tape_err)
		return;
	o->tape_err = err;
	log_error("cannot write the tape %s: %s. What was written so far can be replayed%s",
		o->opt->record, strerror(-err), log_lane(o) && !log_lane(o)->err ? "; the log goes on" : "");
}

/* An error ends the run only when nobody is left to be served. */
static int still_served(const struct output *o)
{
	if (o->tape && !o->tape_err)
		return 0;
	for (size_t i = 0; i < o->n_lanes; i++)
		if (!o->lanes[i].err && o->lanes[i].sink != &sink_gate)
			return 0;
	return o->lanes[0].err;
}

/* After the view was given something, which ended with that error. */
static void view__judge(struct output *o, struct view *v, int err)
{
	bool all = err;

	for (size_t i = 0; i < v->fan.n; i++) {
		all &= !v->fan.legs[i].err;
		lane__failed(o, v->lanes[i], v->fan.legs[i].err);
	}
	for (size_t i = 0; i < v->fan.n && all; i++) /* none of them, but what they are all given */
		lane__failed(o, v->lanes[i], v->fan.legs[i].err = err);
}

static bool view__goes_on(const struct view *v)
{
	for (size_t i = 0; i < v->fan.n; i++)
		if (!v->lanes[i]->err)
			return true;
	return false;
}

int output__put(void *output, const struct record *rec)
{
	struct output *o = output;
	bool decodes = true;
	int err;

	o->begun = true;
	if (o->tape && !o->tape_err)
		tape_failed(o, tape_writer__put(o->tape, rec));
	for (struct view *v = o->views; v < o->views + o->n_views; v++) {
		if (!view__goes_on(v))
			continue;
		err = run__feed(v->run, rec);
		if (err == -EBADMSG)
			decodes = false;
		else
			view__judge(o, v, err);
	}
	o->undecoded += !decodes;
	return still_served(o);
}

int output__merge(struct output *o, struct merge_tape *tapes, size_t n)
{
	struct view *v = &o->views[0];
	struct correlate_options how = correlate_options(o->opt, v->lanes[0]->sink);

	view__judge(o, v, merge_tapes(tapes, n, &how, &fan_ops, &v->fan));
	return still_served(o);
}

uint64_t output__undecoded(const struct output *o)
{
	return o->undecoded;
}

int output__flush(struct output *o)
{
	struct lane *l = log_lane(o);

	if (o->tape && !o->tape_err)
		tape_failed(o, tape_writer__flush(o->tape));
	if (l && !l->err)
		lane__failed(o, l, out__flush(l->file));
	return still_served(o);
}

int output__fd(const struct output *o)
{
	const struct lane *l = log_lane(o);

	return !l || l->err ? -1 : out__fd(l->file);
}

int output__reader_gone(struct output *o)
{
	lane__failed(o, log_lane(o), -EPIPE);
	return still_served(o);
}

bool output__failed(const struct output *o)
{
	if (!o)
		return false;
	for (size_t i = 0; i < o->n_lanes; i++)
		if (o->lanes[i].err)
			return true;
	return o->tape_err;
}

void output__abandon(struct output *o)
{
	if (o)
		o->begun = false;
}

static void lane__close(struct output *o, struct lane *l)
{
	if (l->open && l->sink->close)
		lane__failed(o, l, l->sink->close(l->ctx));
	if (l->file)
		lane__failed(o, l, out__close(l->file));
}

static void view__close(struct output *o, struct view *v)
{
	if (v->run && view__goes_on(v) && (o->begun || o->opt->n_tapes))
		view__judge(o, v, run__finish(v->run));
	run__free(v->run);
	free(v->fan.legs);
	free(v->lanes);
}

int output__close(struct output *o)
{
	bool fails;
	int err = 0;

	if (!o)
		return 0;
	for (struct view *v = o->views; v < o->views + o->n_views; v++)
		view__close(o, v);
	fails = o->gate && gate__report(o->gate);
	if (o->undecoded && !o->opt->n_tapes)
		log_warn("records of this run that do not decode, left out of the log: %" PRIu64,
			o->undecoded);
	for (size_t i = 0; i < o->n_lanes; i++) {
		lane__close(o, &o->lanes[i]);
		err = err ? err : o->lanes[i].err;
	}
	if (o->tape)
		tape_failed(o, tape_writer__close(o->tape));
	err = o->tape_err ? o->tape_err : err;
	gate__free(o->gate);
	free(o->lanes);
	free(o);
	return err ? err : fails ? OUTPUT_FAILS : 0;
}
