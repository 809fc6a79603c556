/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The live run before its loop: rooms are opened, targets taken in, probes placed. */
#include "trace_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "absent.h"
#include "foresee.h"
#include "gauge.h"
#include "launch.h"
#include "log.h"
#include "meter.h"
#include "native.h"
#include "output.h"
#include "preflight.h"
#include "probes.h"
#include "pyinstall.h"
#include "pytrace.h"
#include "role.h"
#include "selection.h"
#include "session.h"
#include "tally.h"
#include "watch.h"

/* No function to look for. What a command will run is not known. */
static bool has_nothing_else(const struct tracer *t)
{
	return !t->sel.n || (!t->opt->argv && foresee_nothing(t->opt, &t->sel));
}

static int open_session(struct tracer *t)
{
	struct session_config config = {.ring_bytes = t->opt->ring_bytes,
		.max_funcs = MAX_MISSED,
		.follow_children = t->opt->follow_children,
		.uretprobes = t->opt->returns == RETURN_URETPROBE,
		.markers = t->opt->markers,
		.limits = t->opt->limits};
	char err[1024] = "";
	int ret;

	t->growth = t->opt->growth || (!t->opt->step_set && has_nothing_else(t));
	config.growth = t->growth;
	config.python = t->growth || selection__has_python(&t->sel);
	ret = session__open(&config, &t->session, err, sizeof(err));

	if (ret)
		log_error("%s", err);
	return ret;
}

static int want_targets(struct tracer *t)
{
	char err[512] = "";
	int ret = 0;

	for (size_t i = 0; !ret && i < t->opt->n_pids; i++)
		ret = session__want(t->session, t->opt->pids[i], false);
	if (!ret && t->opt->argv) {
		ret = launch__start(t->opt->argv, t->opt->user, &t->launch, err, sizeof(err));
		if (ret) {
			log_error("%s", err);
			return ret;
		}
		ret = session__want(t->session, launch__pid(t->launch), true);
	}
	if (!ret)
		ret = session__adopt(t->session);
	if (ret < 0)
		log_error("cannot take in the processes: %s", strerror(-ret));
	return ret < 0 ? ret : 0;
}

static int open_probes(struct tracer *t)
{
	struct probes_config config = {.specs = t->sel.specs,
		.n_specs = t->sel.n,
		.returns = t->opt->returns,
		.multi = session__has_multi(t->session),
		.force = t->opt->force,
		.markers = t->opt->markers,
		.session = t->session,
		.emit = trace_emit,
		.ctx = t};
	struct pytrace_config python = {.specs = t->sel.specs,
		.n_specs = t->sel.n,
		.growth = t->growth,
		.session = t->session,
		.emit = trace_emit,
		.ctx = t};
	char err[512] = "";
	int ret;

	t->install = pyinstall__new(t->sel.specs, t->sel.n);
	if (!t->install)
		return -ENOMEM;
	config.install = python.install = t->install;
	t->probes = probes__new(&config);
	t->python = pytrace__new(&python);
	t->native = t->growth ? native__new() : NULL;
	if (!t->probes || !t->python || (t->growth && !t->native))
		return -ENOMEM;
	ret = pytrace__begin(t->python, err, sizeof(err));
	if (ret)
		log_error("%s", err);
	return ret;
}

static int open_meters(struct tracer *t)
{
	struct gauge_config config = {.opt = t->opt, .growth = t->growth, .session = t->session,
		.on_event = trace_on_event, .emit = trace_emit, .ctx = t};

	t->gauge = gauge__new(&config);
	t->meter = meter__new(t->session, t->opt->max_overhead, t->growth);
	return t->gauge && t->meter ? 0 : -ENOMEM;
}

static bool is_root(const struct tracer *t, pid_t pid)
{
	for (size_t i = 0; i < t->opt->n_pids; i++)
		if (t->opt->pids[i] == pid)
			return true;
	return t->launch && launch__pid(t->launch) == pid;
}

/* The ring holds what comes in some 50 ms. On a busy machine others would have the processor for longer, so
 * what reads it goes first; it sleeps nearly all the time. All other work is done like anybody's. */
void trace_read_first(const struct tracer *t, bool first)
{
	setpriority(PRIO_PROCESS, 0, first ? READER_NICE : t->nice);
}

static bool wants_scans(const struct tracer *t)
{
	return t->sel.n || t->opt->markers || t->growth;
}

int trace_scan_due(struct tracer *t)
{
	uint64_t began;
	char err[1024];
	pid_t pid;
	int ret;

	while (wants_scans(t) && (pid = watch__next_to_scan(t->watch, began = trace_clock(CLOCK_MONOTONIC)))) {
		err[0] = '\0';
		trace_read_first(t, false);
		ret = probes__scan(t->probes, pid, is_root(t, pid), err, sizeof(err));
		if (ret == -ENOMEM)
			return ret;
		if (!ret)
			ret = pytrace__scan(t->python, pid, t->start_ns);
		if (ret == -ENOMEM)
			return ret;
		if (ret && ret != -ESRCH) /* one bad file is no reason to end the run */
			log_warn("%s", *err ? err : strerror(-ret));
		trace_read_first(t, t->running);
		watch__scanned(t->watch, pid, began, trace_clock(CLOCK_MONOTONIC));
	}
	return 0;
}

void trace_say_absent(struct tracer *t)
{
	t->absent = absent_say(&t->sel, t->probes, t->install, t->opt->lang,
		log_level() >= LOG_DEBUG, t->absent);
}

static int attach_all(struct tracer *t)
{
	char err[1024] = "";
	int ret = 0;

	for (size_t i = 0; i < t->opt->n_pids; i++)
		pyinstall__process(t->install, t->opt->pids[i]);
	if (t->opt->argv)
		pyinstall__command(t->install, t->opt->argv);
	for (size_t i = 0; !ret && wants_scans(t) && i < t->opt->n_pids; i++) {
		ret = probes__scan(t->probes, t->opt->pids[i], true, err, sizeof(err));
		if (ret == -ESRCH)
			snprintf(err, sizeof(err), "process %d went away while it was looked at",
				t->opt->pids[i]);
	}
	if (!ret)
		ret = probes__find_files(t->probes, t->opt->argv ? t->opt->argv[0] : NULL, err,
			sizeof(err));
	if (ret)
		log_error("%s", *err ? err : strerror(-ret));
	return ret;
}

/* Before the first event come the host and the specs, then what every process has now. */
static int begin(struct tracer *t)
{
	int err;

	t->start_ns = trace_clock(CLOCK_MONOTONIC);
	err = attach_all(t);
	if (!err)
		err = absent_judge(&t->sel, t->probes);
	if (err)
		return err;
	trace_say_absent(t);
	trace_decide_points(t);
	err = trace_emit_host(t); /* it says whether there are points */
	if (!err)
		err = probes__tell(t->probes);
	t->attaching = true;
	if (!err)
		err = session__report(t->session, trace_on_event, t);
	if (!err)
		err = session__poll(t->session, trace_on_event, t, EVENTS_PER_POLL);
	t->attaching = false;
	if (err < 0)
		return err;
	t->now_ns = trace_clock(CLOCK_MONOTONIC);
	err = meter__begin(t->meter, probes__functions(t->probes), t->now_ns);
	/* what runs is looked at before it is said that it is traced; a command has nothing yet */
	if (!err)
		err = trace_scan_due(t);
	return err || !t->opt->n_pids ? err : gauge__read(t->gauge, READING_START);
}

int trace_set_up(struct tracer *t)
{
	char err[512] = "";
	int ret;

	t->nice = getpriority(PRIO_PROCESS, 0);
	ret = preflight_namespace();
	for (size_t i = 0; !ret && i < t->opt->n_pids; i++)
		ret = preflight_pid(t->opt->pids[i]);
	if (!ret && t->opt->argv)
		ret = preflight_command(t->opt->argv[0]);
	if (!ret)
		ret = preflight_host();
	if (!ret)
		ret = selection__make(&t->sel, t->opt);
	if (ret)
		return ret;
	ret = role_rules__load(&t->roles, err, sizeof(err));
	if (ret) {
		log_error("%s", err);
		return ret;
	}
	t->watch = watch__new(t->sel.profile ? profile__roles(t->sel.profile) : NULL, t->roles, trace_emit, t);
	t->tally = tally__new();
	if (!t->watch || !t->tally)
		return -ENOMEM;
	ret = output__open(t->opt, &t->output); /* a FIFO may wait for its reader: still interruptible */
	if (ret)
		return ret;
	output__on_stuck(t->output, trace_on_stuck, t);
	ret = trace_block_signals(t);
	if (!ret)
		ret = open_session(t);
	if (!ret)
		ret = want_targets(t);
	if (!ret)
		ret = open_probes(t);
	if (!ret)
		ret = open_meters(t);
	return ret ? ret : begin(t);
}
