/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The live run. One loop: take what the ring has, learn what can be learned of it (titles, new
 * files), hand it on, and release what is older than the window.
 */
#include "trace.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "absent.h"
#include "clock.h"
#include "event.h"
#include "fact.h"
#include "gauge.h"
#include "launch.h"
#include "log.h"
#include "mapping.h"
#include "meter.h"
#include "native.h"
#include "output.h"
#include "probes.h"
#include "pyinstall.h"
#include "pytrace.h"
#include "selection.h"
#include "session.h"
#include "tally.h"
#include "trace_internal.h"
#include "version.h"
#include "watch.h"

#define UUID_LEN 36

uint64_t trace_clock(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

/* --- records -------------------------------------------------------------------------------------- */

int trace_emit(void *ctx, const struct record *rec)
{
	struct tracer *t = ctx;

	return output__put(t->output, rec);
}

static int emit_event(struct tracer *t, const void *data, size_t len)
{
	struct record rec = {.kind = REC_EVENT, .len = len, .data = data};

	return trace_emit(t, &rec);
}

static int emit_mapping(struct tracer *t, const struct rt_mapping *ev)
{
	struct rt_mapping mapping = *ev;

	mapping_complete(&mapping);
	return emit_event(t, &mapping, sizeof(mapping));
}

/* Without functions the log would begin with the first growth. This row says what is there now. */
static int emit_attach_point(struct tracer *t, const struct rt_hdr *h, const struct rt_snapshot *rss)
{
	struct rt_checkpoint ev = {.h = *h, .rss = *rss, .func = RT_NO_FUNC, .when = RT_POINT};

	ev.h.kind = RT_EV_CHECKPOINT;
	ev.h.len = RT_POINT_LEN;
	ev.h.lost = 0;
	ev.flags = RT_F_ATTACH;
	return emit_event(t, &ev, RT_POINT_LEN);
}

/* Points are for programs of which nothing else is known, unless they were asked for. */
void trace_decide_points(struct tracer *t)
{
	t->points = t->opt->step &&
		    (t->opt->step_set ||
			    !(t->marked || probes__matched(t->probes) + pytrace__processes(t->python)));
	session__set_step(t->session, t->points ? t->opt->step : 0, !t->opt->step_set);
}

static int after_event(struct tracer *t, const struct rt_hdr *ev)
{
	const struct rt_totals_event *totals = (const void *)ev;
	const struct rt_exec *exec = (const void *)ev;

	if (ev->kind == RT_EV_MARK && !t->marked) {
		t->marked = true;
		trace_decide_points(t);
	}
	if (!t->points)
		return 0;
	if (ev->kind == RT_EV_TOTALS && t->attaching && !(totals->flags & RT_P_BORROWED))
		return emit_attach_point(t, ev, &totals->totals.last);
	/* what a new command is to be watched for may still be loaded: then the log begins with that */
	if (ev->kind == RT_EV_EXEC && !t->sel.n && t->launch &&
		ev->pid == (uint32_t)launch__pid(t->launch))
		return emit_attach_point(t, ev, &exec->rss);
	return 0;
}

int trace_on_event(void *ctx, const void *data, size_t len)
{
	struct tracer *t = ctx;
	const char *why;
	const struct rt_hdr *ev = event_check(data, len, &why);
	int err;

	if (!ev) {
		log_warn("dropped an event of the kernel's side: %s", why);
		return 0;
	}
	if (ev->kind == RT_EV_NODE)
		return emit_event(t, data, len);
	if (ev->kind == RT_EV_MAPPING)
		return emit_mapping(t, (const void *)ev);
	if (ev->kind == RT_EV_STACK)
		return t->native ? native__sample(t->native, (const void *)ev) : 0;
	if (t->native)
		native__event(t->native, ev);
	if (gauge__takes(t->gauge, ev))
		return 0;
	/* first the event: what the watch learns by it is about the program that it begins */
	err = emit_event(t, data, len);
	if (!err)
		err = watch__event(t->watch, ev);
	if (!err)
		err = pytrace__event(t->python, ev);
	if (!err && ev->kind == RT_EV_CHECKPOINT)
		return tally__count(t->tally, (const void *)ev);
	return err ? err : after_event(t, ev);
}

/* It is of no process, so nobody else has anything to learn of it. The line is known on this side only. */
static int on_sum(void *ctx, const void *data, size_t len)
{
	struct tracer *t = ctx;
	struct rt_growth ev;

	memcpy(&ev, data, sizeof(ev));
	if (ev.key.kind == RT_CELL_PLACE)
		ev.line = pytrace__line(t->python, &ev.key);
	return emit_event(t, &ev, sizeof(ev));
}

/* A random one, unless the user has named one. */
static void get_run_id(const struct options *opt, char id[RUN_ID_MAX])
{
	FILE *f = opt->run_id ? NULL : fopen("/proc/sys/kernel/random/uuid", "re");

	if (opt->run_id)
		snprintf(id, RUN_ID_MAX, "%s", opt->run_id);
	else if (!f || fscanf(f, "%36s", id) != 1)
		snprintf(id, RUN_ID_MAX, "%" PRIx64 "-%x", trace_clock(CLOCK_REALTIME), getpid());
	if (f)
		fclose(f);
}

static void get_boot_id(char id[UUID_LEN + 1])
{
	FILE *f = fopen("/proc/sys/kernel/random/boot_id", "re");

	if (!f || fscanf(f, "%36s", id) != 1)
		id[0] = '\0';
	if (f)
		fclose(f);
}

/* Who names a run has several machines in mind, and afterwards it is too late. */
static void warn_of_clock(const struct tracer *t, const struct fact_clock *clock)
{
	if (t->opt->run_id && !clock->synced)
		log_warn("nothing synchronises the clock of this machine, as far as its kernel knows: the order "
			 "of its rows against those of other machines will not be known. Let chrony, ntpd or "
			 "systemd-timesyncd run");
}

int trace_emit_host(struct tracer *t)
{
	char host[256] = "", run_id[RUN_ID_MAX], boot_id[UUID_LEN + 1];
	struct utsname uts;
	struct fact fact = {.kind = REC_HOST};

	gethostname(host, sizeof(host) - 1);
	uname(&uts);
	fact.host.host = host;
	fact.host.kernel = uts.release;
	fact.host.version = RAMTRACE_VERSION;
	get_run_id(t->opt, run_id);
	fact.host.run_id = run_id;
	fact.host.start_ns = t->start_ns;
	get_boot_id(boot_id);
	fact.host.boot_id = boot_id[0] ? boot_id : NULL;
	clock_read(&fact.host.realtime_offset_ns, &fact.host.clock);
	warn_of_clock(t, &fact.host.clock);
	fact.host.window_ns = WINDOW_NS;
	fact.host.step = t->points ? t->opt->step : 0;
	fact.host.growth = t->growth;
	fact.host.cpus = session__cpus(t->session);
	return fact__emit(&fact, trace_emit, t);
}

static int emit_release(struct tracer *t, uint64_t until_ns)
{
	struct record rec = {.kind = REC_RELEASE, .len = sizeof(until_ns), .data = &until_ns};

	return trace_emit(t, &rec);
}

static int emit_end(struct tracer *t)
{
	struct fact fact = {.kind = REC_END};

	fact.end.time_ns = trace_clock(CLOCK_MONOTONIC);
	fact.end.reason = (char *)t->reason;
	clock_read(&fact.end.realtime_offset_ns, &fact.end.clock);
	return fact__emit(&fact, trace_emit, t);
}

/* --- signals -------------------------------------------------------------------------------------- */

int trace_block_signals(struct tracer *t)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGCHLD);
	sigaddset(&set, SIGUSR1);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	t->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return t->signals < 0 ? -errno : 0;
}

static void finish_for(struct tracer *t, const char *reason)
{
	t->stop = true;
	t->reason = reason;
}

/* A terminal sends Ctrl-C to the command too: only what was sent to this process is passed on. */
static void take_signal(struct tracer *t, const struct signalfd_siginfo *si)
{
	int status;

	if (si->ssi_signo == SIGCHLD)
		return;
	if (si->ssi_signo == SIGUSR1) {
		if (t->gauge)
			gauge__ask(t->gauge);
		return;
	}
	t->insisted = t->interrupted;
	if (!t->launch || launch__ended(t->launch, &status) || t->interrupted) {
		t->interrupted = si->ssi_signo;
		finish_for(t, "interrupt");
		return;
	}
	t->interrupted = si->ssi_signo;
	if (si->ssi_code != SI_KERNEL)
		kill(launch__pid(t->launch), si->ssi_signo);
}

static void take_signals(struct tracer *t)
{
	struct signalfd_siginfo si;

	while (read(t->signals, &si, sizeof(si)) == sizeof(si))
		take_signal(t, &si);
}

/* The log cannot be written at present. After the first signal its reader may still want the rest;
 * who sends a second one does not wait for that. */
int trace_on_stuck(void *ctx)
{
	struct tracer *t = ctx;

	take_signals(t);
	return t->insisted ? -ECANCELED : 0;
}

/* --- the loop ---------------------------------------------------------------------------------------- */

static void check_end(struct tracer *t)
{
	int status;
	bool ended = t->launch && launch__ended(t->launch, &status);

	if (ended && t->interrupted)
		finish_for(t, "interrupt");
	else if (!watch__alive(t->watch) && (!t->launch || ended))
		finish_for(t, "exit");
	else if (t->opt->duration_ns && t->now_ns - t->start_ns >= t->opt->duration_ns)
		finish_for(t, "duration");
}

/* Libraries that no linker told of (static programs, other libcs) are found by looking. */
static void rescan(struct tracer *t)
{
	if (!probes__waiting(t->probes) || t->now_ns < t->rescan_ns)
		return;
	t->rescan_ns = t->now_ns + RESCAN_NS;
	watch__scan_all(t->watch);
}

static int learn(struct tracer *t)
{
	size_t before = probes__matched(t->probes) + pytrace__processes(t->python);
	int err;

	rescan(t);
	err = trace_scan_due(t);
	if (!err)
		err = pytrace__tick(t->python, t->now_ns);
	if (!err && probes__matched(t->probes) + pytrace__processes(t->python) != before) {
		trace_decide_points(t);
		trace_say_absent(t);
		err = probes__tell(t->probes);
	}
	return err ? err : watch__tick(t->watch, t->now_ns);
}

/* What each process has, for pictures and metrics: as at the end. */
static int take_sample(struct tracer *t)
{
	if (!t->opt->sample_every_ns || t->now_ns < t->sample_ns)
		return 0;
	t->sample_ns = t->now_ns + t->opt->sample_every_ns;
	return session__report(t->session, trace_on_event, t);
}

static int turn(struct tracer *t)
{
	struct pollfd fds[] = {{.fd = session__fd(t->session), .events = POLLIN},
		{.fd = t->signals, .events = POLLIN}, {.fd = output__fd(t->output)}};
	int n, err;

	t->now_ns = trace_clock(CLOCK_MONOTONIC);
	n = session__poll(t->session, trace_on_event, t, EVENTS_PER_POLL);
	if (n < 0)
		return n;
	err = learn(t);
	/* while there is more in the ring, it may be older than what would be released */
	if (!err && n < EVENTS_PER_POLL)
		err = emit_release(t, t->now_ns - WINDOW_NS);
	if (!err)
		err = output__flush(t->output);
	take_signals(t);
	if (!err)
		err = take_sample(t);
	if (!err)
		err = gauge__tick(t->gauge, t->now_ns);
	if (!err)
		err = meter__tick(t->meter, t->now_ns);
	check_end(t);
	if (err || t->stop || n >= EVENTS_PER_POLL)
		return err;
	poll(fds, 3, n ? BUSY_POLL_MS : IDLE_POLL_MS);
	return fds[2].revents & (POLLERR | POLLHUP) ? output__reader_gone(t->output) : 0;
}

static int loop(struct tracer *t)
{
	char why[512] = "";
	int err = 0;

	if (t->launch) {
		err = launch__go(t->launch, why, sizeof(why));
		if (err) {
			log_error("%s", why);
			return err;
		}
	} else if (!t->opt->quiet) {
		log_info("tracing %zu processes with %zu probes; Ctrl-C ends it", watch__alive(t->watch),
			session__sites(t->session));
	}
	t->running = true;
	trace_read_first(t, true);
	while (!err && !t->stop)
		err = turn(t);
	if (err && !output__failed(t->output))
		log_error("tracing breaks off: %s", strerror(-err));
	return err;
}

/* Nobody takes what is traced any more, but the command is not to suffer: whoever waits for this
 * process waits for it. */
static void outlive(struct tracer *t)
{
	struct pollfd fd = {.fd = t->signals, .events = POLLIN};
	int status;

	session__close(t->session);
	t->session = NULL;
	if (launch__ended(t->launch, &status))
		return;
	log_warn("%s goes on untraced, and this process waits for it", t->opt->argv[0]);
	while (!t->stop && !launch__ended(t->launch, &status)) {
		poll(&fd, 1, -1);
		take_signals(t);
	}
}

/* The last word: probes off first, whose pages are footprint, then what every process has. The reading
 * takes a while, so it comes before the account ends. */
static int wind_up(struct tracer *t)
{
	struct fact_counters costs = {0};
	int err, n;

	trace_read_first(t, false);
	session__detach(t->session);
	err = gauge__read(t->gauge, READING_END);
	meter__tell(t->meter, trace_clock(CLOCK_MONOTONIC), &costs);
	if (!err)
		err = session__stop(t->session);
	if (!err)
		err = session__report(t->session, trace_on_event, t);
	do
		n = session__poll(t->session, trace_on_event, t, EVENTS_PER_POLL);
	while (n >= EVENTS_PER_POLL);
	if (!err && n < 0)
		err = n;
	if (!err && t->growth)
		err = session__growth(t->session, on_sum, t);
	if (!err && t->native)
		err = native__emit(t->native, trace_emit, t);
	if (!err)
		err = emit_release(t, UINT64_MAX);
	if (!err)
		err = tally__emit(t->tally, t->session, &costs, probes__functions(t->probes), trace_emit, t);
	return err ? err : emit_end(t);
}

static int close_all(struct tracer *t, int err)
{
	int status = 0, ret;
	bool ended = t->launch && launch__ended(t->launch, &status);

	tally__free(t->tally);
	gauge__free(t->gauge);
	meter__free(t->meter);
	probes__free(t->probes);
	pytrace__free(t->python);
	native__free(t->native);
	pyinstall__free(t->install);
	session__close(t->session);
	watch__free(t->watch);
	role_rules__free(t->roles);
	launch__free(t->launch);
	selection__clear(&t->sel);
	if (!t->running)
		output__abandon(t->output);
	ret = output__close(t->output);
	if (t->signals >= 0)
		close(t->signals);
	if (err || ret < 0)
		return EXIT_TOOL_FAILED;
	if (t->launch && !ended && t->interrupted) /* it goes on, and nobody knows how it will end */
		return 128 + t->interrupted;
	if (ended && launch_exit_status(status))
		return launch_exit_status(status);
	return ret == OUTPUT_FAILS ? EXIT_FAILS_IF : 0;
}

int trace_run(const struct options *opt)
{
	struct tracer t = {.opt = opt, .signals = -1, .reason = "error"};
	int err = trace_set_up(&t);

	if (!err)
		err = loop(&t);
	if (t.running && t.stop)
		err = wind_up(&t);
	else if (t.running && t.launch)
		outlive(&t);
	return close_all(&t, err);
}
