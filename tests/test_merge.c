/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Tapes made here, merged, and told as lines of text: what each is worth alone is the model. */
#include "merge.h"
#include "labels.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include "feed.h"
#include "prng.h"
#include "tapes.h"

#define MIB (1ull << 20)

/* --- what is seen of them --------------------------------------------------------------------- */

struct seen {
	FILE *f;
	char *text;
	size_t len;
	int64_t add_ns; /* to times: shifts one run as a merge should */
	unsigned int run;
	const char *host;
	uint64_t seq, last_ns;
	size_t headers, runs;
	struct fact_host header; /* strings are gone */
	struct spec_stat specs[8];
	struct func_stat funcs[8];
	size_t n_header_specs;
	char names[128];
	struct run_summary sum;
	struct fact_end end;
	struct tree_reading most;
	bool ended;
	int fail_at; /* row whose writing fails */
};

static uint64_t at(const struct seen *s, uint64_t time_ns)
{
	return time_ns + (uint64_t)s->add_ns;
}

static unsigned int run_of(const struct seen *s, const struct proc *p)
{
	cr_assert_eq(p->host != NULL, p->run != 0);
	return p->run ? p->run : s->run;
}

static const char *host_of(const struct seen *s, const struct proc *p)
{
	return p->host ? p->host : s->host;
}

static void seen__free(struct seen *s)
{
	fclose(s->f);
	free(s->text);
}

static int see_runs(void *ctx, const struct fact_host *const *hosts, size_t n)
{
	struct seen *s = ctx;

	cr_assert_eq(s->headers, 0);
	s->runs = n;
	for (size_t i = 0; i < n; i++)
		snprintf(s->names + strlen(s->names), sizeof(s->names) - strlen(s->names), "%s;",
			hosts[i]->host);
	return 0;
}

static int see_header(void *ctx, const struct fact_host *host, const struct spec_stat *specs,
	size_t n_specs)
{
	struct seen *s = ctx;

	cr_assert_eq(s->headers++, 0);
	cr_assert_eq(s->seq, 0);
	s->header = *host;
	s->n_header_specs = n_specs;
	snprintf(s->names + strlen(s->names), sizeof(s->names) - strlen(s->names), "%s",
		host->host);
	return 0;
}

static int see_row(void *ctx, const struct row *row)
{
	struct seen *s = ctx;

	cr_assert_eq(s->headers, 1);
	cr_assert_eq(row->seq, ++s->seq);
	cr_assert_geq(row->time_ns, s->last_ns);
	s->last_ns = row->time_ns;
	fprintf(s->f, "%u %s row %lu late %lu pid %u start %lu %s spec %d delta %+ld total %ld\n",
		run_of(s, row->proc), host_of(s, row->proc), (unsigned long)at(s, row->time_ns),
		(unsigned long)row->late_ns, row->pid, (unsigned long)row->start_ns, row->label,
		row->spec ? (int)row->spec->id : -1, (long)row->delta, (long)row->total);
	return s->fail_at && (int)s->seq == s->fail_at ? -EPIPE : 0;
}

static int see_loss(void *ctx, const struct loss *loss)
{
	struct seen *s = ctx;

	cr_assert_geq(loss->time_ns, s->last_ns);
	s->last_ns = loss->time_ns;
	fprintf(s->f, "%u %s loss %lu since %lu pid %u: %lu\n", run_of(s, loss->proc),
		host_of(s, loss->proc), (unsigned long)at(s, loss->time_ns),
		(unsigned long)(loss->since_ns ? at(s, loss->since_ns) : 0), loss->proc->pid,
		(unsigned long)loss->count);
	return 0;
}

static int see_reading(void *ctx, const struct reading *r)
{
	struct seen *s = ctx;

	cr_assert_geq(r->time_ns, s->last_ns);
	s->last_ns = r->time_ns;
	fprintf(s->f, "%u %s reading %u %lu pid %u\n", run_of(s, r->proc), host_of(s, r->proc),
		r->fact->number, (unsigned long)at(s, r->time_ns), r->proc->pid);
	return 0;
}

static int see_process(void *ctx, const struct proc *p)
{
	struct seen *s = ctx;

	fprintf(s->f, "%u %s process %u born %lu end %lu rows %lu\n", run_of(s, p), host_of(s, p),
		p->pid, (unsigned long)at(s, p->born_ns),
		(unsigned long)(p->ended ? at(s, p->end_ns) : 0), (unsigned long)p->rows);
	return 0;
}

static void see_label(struct seen *s, const struct label_stat *l)
{
	fprintf(s->f, "0 label %s rows %lu %s in ", l->label, (unsigned long)l->rows,
		label_state_name(l->state));
	for (size_t i = 0; i < l->n_pids; i++)
		fprintf(s->f, "%s%u", i ? "," : "", l->pids[i]);
	fprintf(s->f, "%s%s\n", l->why ? " why " : "", l->why ? l->why : "");
}

static int see_summary(void *ctx, const struct run_summary *sum)
{
	struct seen *s = ctx;

	s->sum = *sum;
	cr_assert_leq(sum->n_specs, 8);
	cr_assert_leq(sum->n_funcs, 8);
	memcpy(s->specs, sum->specs, sum->n_specs * sizeof(s->specs[0]));
	memcpy(s->funcs, sum->funcs, sum->n_funcs * sizeof(s->funcs[0]));
	s->ended = sum->end;
	if (sum->end)
		s->end = *sum->end;
	if (sum->most)
		s->most = *sum->most;
	for (size_t i = 0; i < sum->n_specs; i++)
		fprintf(s->f, "0 spec %u %s rows %lu%s%s\n", s->specs[i].spec->id,
			s->specs[i].spec->text, (unsigned long)s->specs[i].rows,
			s->specs[i].spec->unmatched ? " unmatched: " : "",
			s->specs[i].spec->unmatched ? s->specs[i].spec->unmatched : "");
	for (size_t i = 0; i < sum->n_funcs; i++)
		fprintf(s->f, "0 func %u %s %lu %lu\n", s->funcs[i].func->id,
			s->funcs[i].func->name, (unsigned long)s->funcs[i].entries,
			(unsigned long)s->funcs[i].returns);
	for (size_t i = 0; i < sum->n_labels; i++)
		see_label(s, &sum->labels[i]);
	return 0;
}

static const struct row_ops see = {
	.runs = see_runs,
	.header = see_header,
	.row = see_row,
	.loss = see_loss,
	.reading = see_reading,
	.process = see_process,
	.summary = see_summary,
};

static struct seen merged(struct tapes *t)
{
	struct merge_tape in[MAX_TAPES] = { 0 };
	struct seen s = { .run = 0 };

	close_writers(t);
	s.f = open_memstream(&s.text, &s.len);
	cr_assert_eq(merge_into(t, in, &see, &s), 0);
	for (size_t i = 0; i < t->n; i++)
		cr_assert_eq(in[i].err, 0);
	fclose(s.f);
	return s;
}

/* One tape by itself, told as if it were the run of that number. */
static char *alone(const struct tapes *t, unsigned int number, const char *host, int64_t add_ns)
{
	struct seen s = { .run = number, .host = host, .add_ns = add_ns };
	struct tape_reader *r;
	struct record rec;
	struct run *run = run__new(&english, &see, &s);

	s.f = open_memstream(&s.text, &s.len);
	cr_assert_eq(tape_reader__open(t->path[number - 1], &r), 0);
	while (tape_reader__next(r, &rec) > 0)
		cr_assert_eq(run__feed(run, &rec), 0);
	cr_assert_eq(run__finish(run), 0);
	run__free(run);
	tape_reader__close(r);
	fclose(s.f);
	return s.text;
}

/* The lines that begin with that number. */
static char *lines_of(const char *text, unsigned int number)
{
	char *kept, prefix[16];
	size_t len, n = (size_t)snprintf(prefix, sizeof(prefix), "%u ", number);
	FILE *f = open_memstream(&kept, &len);

	for (const char *end; *text; text = end + 1) {
		end = strchr(text, '\n');
		cr_assert(end);
		if (!strncmp(text, prefix, n))
			fwrite(text, 1, (size_t)(end + 1 - text), f);
	}
	fclose(f);
	return kept;
}

static void assert_each_is_as_alone(const struct tapes *t, const struct seen *s,
	const char *const *hosts, const int64_t *shifts)
{
	for (unsigned int i = 1; i <= t->n; i++) {
		char *want_all = alone(t, i, hosts[i - 1], shifts[i - 1]);
		char *want = lines_of(want_all, i), *have = lines_of(s->text, i);

		cr_assert_gt(strlen(want), 0);
		cr_assert(!strcmp(have, want), "run %u", i);
		free(want_all);
		free(want);
		free(have);
	}
}

/* --- tests ------------------------------------------------------------------------------------ */

Test(merge, rows_of_two_hosts_are_in_the_order_of_realtime)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = usual_tape(&t, "hosta", 100, BOOT);
	struct tape_writer *b = usual_tape(&t, "hostb", 10, BOOT + 1000);
	struct seen s;

	put_event(a, cp, .pid = 5, .time_ns = 1100, .func = 7, .when = RT_ENTRY, .anon = MIB);
	put_event(a, cp, .pid = 5, .time_ns = 1300, .func = 7, .when = RT_ENTRY, .anon = 3 * MIB);
	put_end(a, 2000, "exit");
	put_event(b, cp, .pid = 6, .time_ns = 50, .func = 7, .when = RT_ENTRY, .anon = MIB);
	put_event(b, cp, .pid = 6, .time_ns = 200, .late_ns = 9, .lost = 2, .func = 7,
		.when = RT_ENTRY, .anon = 2 * MIB);
	put_event(b, exit, .pid = 6, .time_ns = 1500);
	put_end(b, 3000, "interrupt");
	s = merged(&t);
	cr_expect_str_eq(s.text,
		"2 hostb row 1050 late 0 pid 6 start 6 x spec 0 delta +0 total 0\n"
		"1 hosta row 1100 late 0 pid 5 start 5 x spec 0 delta +0 total 0\n"
		"2 hostb loss 1200 since 1050 pid 6: 2\n"
		"2 hostb row 1200 late 9 pid 6 start 6 x spec 0 delta +1048576 total 1048576\n"
		"1 hosta row 1300 late 0 pid 5 start 5 x spec 0 delta +2097152 total 2097152\n"
		"2 hostb process 6 born 1050 end 2500 rows 2\n"
		"1 hosta process 5 born 1100 end 0 rows 2\n"
		"0 spec 0 bin:x rows 4\n"
		"0 func 0 x 4 0\n"
		"0 label x rows 4 seen in 5,6\n");
	cr_expect_str_eq(s.names, "hosta;hostb;hosta, hostb");
	cr_expect_eq(s.runs, 2);
	cr_expect_eq(s.header.start_ns, 100, "the first to begin");
	cr_expect_eq(s.header.realtime_offset_ns, BOOT, "whose clock it is");
	cr_expect_eq(s.sum.rows, 4);
	cr_expect_eq(s.sum.processes, 2);
	cr_expect(s.ended);
	cr_expect_eq(s.end.time_ns, 4000, "the last to end");
	free(s.text);
	tapes__free(&t);
}

static void put_reading(struct tape_writer *w, uint32_t number, uint64_t time_ns, uint64_t pss)
{
	put_fact(w, REC_READING, reading, .pid = 5, .start_ns = 5, .time_ns = time_ns,
		.number = number, .when = READING_END, .sums.pss = pss, .sums.rss = 4096, .counted = true,
		.steady = true);
}

Test(merge, readings_lie_among_the_rows_of_all_hosts)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = usual_tape(&t, "hosta", 100, BOOT);
	struct tape_writer *b = usual_tape(&t, "hostb", 10, BOOT + 1000);
	struct seen s;

	put_event(a, cp, .pid = 5, .time_ns = 1100, .func = 7, .when = RT_ENTRY);
	put_reading(a, 1, 1150, 7);
	put_event(a, cp, .pid = 5, .time_ns = 1300, .func = 7, .when = RT_ENTRY);
	put_end(a, 2000, "exit");
	put_event(b, cp, .pid = 5, .time_ns = 120, .func = 7, .when = RT_ENTRY);
	put_reading(b, 1, 160, 9);
	put_reading(b, 2, 250, 8);
	put_end(b, 3000, "interrupt");
	s = merged(&t);
	cr_expect(strstr(s.text, "2 hostb row 1120 late 0 pid 5 start 5 x spec 0 delta +0 total 0\n"
		"1 hosta reading 1 1150 pid 5\n2 hostb reading 1 1160 pid 5\n"
		"2 hostb reading 2 1250 pid 5\n1 hosta row 1300 late 0"), "%s", s.text);
	cr_expect_eq(s.sum.n_readings, 3);
	cr_expect_eq(s.sum.check.compared, 3);
	cr_expect_eq(s.sum.check.worst, 4096);
	cr_expect(s.sum.most != NULL);
	cr_expect_eq(s.most.run, 2);
	cr_expect_eq(s.most.time_ns, 1160);
	free(s.text);
	tapes__free(&t);
}

Test(merge, equal_pids_of_two_tapes_are_two_processes)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *w[] = { usual_tape(&t, "box", 1, BOOT),
		usual_tape(&t, "box", 1, BOOT) };
	struct seen s;

	for (uint64_t i = 0; i < 2; i++) {
		put_event(w[i], cp, .pid = 5, .start_ns = 3, .time_ns = 10 + i, .func = 7,
			.when = RT_ENTRY, .anon = (1 + 9 * i) * MIB);
		put_event(w[i], cp, .pid = 5, .start_ns = 3, .time_ns = 20 + i, .func = 7,
			.when = RT_ENTRY, .anon = (2 + 9 * i) * MIB);
		put_end(w[i], 30, "exit");
	}
	s = merged(&t);
	cr_expect_str_eq(s.text,
		"1 box row 10 late 0 pid 5 start 3 x spec 0 delta +0 total 0\n"
		"2 box row 11 late 0 pid 5 start 3 x spec 0 delta +0 total 0\n"
		"1 box row 20 late 0 pid 5 start 3 x spec 0 delta +1048576 total 1048576\n"
		"2 box row 21 late 0 pid 5 start 3 x spec 0 delta +1048576 total 1048576\n"
		"1 box process 5 born 10 end 0 rows 2\n"
		"2 box process 5 born 11 end 0 rows 2\n"
		"0 spec 0 bin:x rows 4\n"
		"0 func 0 x 4 0\n"
		"0 label x rows 4 seen in 5,5\n");
	cr_expect_str_eq(s.names, "box;box;box", "a host is named once");
	free(s.text);
	tapes__free(&t);
}

Test(merge, specs_in_the_same_words_are_one)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = add_tape(&t), *b = add_tape(&t);
	struct seen s;

	put_host(a, "a", 1, BOOT);
	put_spec(a, 0, "bin:x", "x", NULL);
	put_spec(a, 1, "bin:y", "y", "no y in a");
	put_spec(a, 2, "bin:z", "z", "no z in a");
	put_func(a, 7, "x", 0);
	put_host(b, "b", 1, BOOT);
	put_spec(b, 0, "bin:z", "z", "no z in b");
	put_spec(b, 1, "bin:x", "x", NULL);
	put_spec(b, 2, "bin:x", "another label", NULL);
	put_spec(b, 3, "bin:y", "y", "not yet");
	put_func(b, 3, "x", 1);
	put_func(b, 4, "y", 3);
	put_event(a, cp, .pid = 5, .time_ns = 10, .func = 7, .when = RT_ENTRY);
	put_event(b, cp, .pid = 5, .time_ns = 20, .func = 3, .when = RT_ENTRY);
	put_release(b, 20);
	put_spec(b, 3, "bin:y", "y", NULL);
	put_event(b, cp, .pid = 5, .time_ns = 30, .func = 4, .when = RT_ENTRY);
	s = merged(&t);
	cr_expect_eq(s.n_header_specs, 4);
	cr_expect(strstr(s.text, "1 a row 10 late 0 pid 5 start 5 x spec 0 "), "%s", s.text);
	cr_expect(strstr(s.text, "2 b row 20 late 0 pid 5 start 5 x spec 0 "), "%s", s.text);
	cr_expect(strstr(s.text, "2 b row 30 late 0 pid 5 start 5 y spec 1 "), "%s", s.text);
	cr_expect(strstr(s.text,
			  "0 spec 0 bin:x rows 2\n"
			  "0 spec 1 bin:y rows 1\n"
			  "0 spec 2 bin:z rows 0 unmatched: no z in a\n"
			  "0 spec 3 bin:x rows 0\n"
			  "0 func 0 x 2 0\n"
			  "0 func 1 y 1 0\n"),
		"%s", s.text);
	cr_expect_not(s.ended, "neither has an end");
	free(s.text);
	tapes__free(&t);
}

/* A tape whose specs have ids from `id` on: an inner one that is to be inside of a hidden one. */
static void conditional_tape(struct tapes *t, char *name, unsigned int id, char *why)
{
	struct tape_writer *w = add_tape(t);

	put_host(w, name, 1, BOOT);
	if (id)
		put_spec(w, 0, "bin:other", "other", why);
	put_fact(w, REC_SPEC, spec, .id = id, .text = "bin:g inside py:a.py:f", .inside = id + 2,
		.nth = 2, .entry = { "g", "g" }, .leave = { "g end", "g end" });
	put_fact(w, REC_SPEC, spec, .id = id + 1, .text = "py:a.py:f");
	put_fact(w, REC_SPEC, spec, .id = id + 2, .text = "py:a.py:h", .caller = "A.*",
		.entry = { "h", "h" }, .unmatched = why, .absent = why);
	put_func(w, 3, "g", id);
	put_func(w, RT_PY_FUNC_BASE + id, "a.py:f", id + 1);
	put_func(w, RT_PY_FUNC_BASE + 9, "a.py:h", id + 2);
	put_func(w, RT_PY_FUNC_BASE + 10 + id, "a.py:A.m", 99);
	put_event(w, cp, .pid = 5, .time_ns = 10 + id, .func = RT_PY_FUNC_BASE + id,
		.when = RT_ENTRY, .span = 1);
	for (unsigned int span = 2; span < 5; span++) {
		put_event(w, cp, .pid = 5, .time_ns = 10 * span + id, .func = 3, .when = RT_ENTRY,
			.span = span);
		put_event(w, cp, .pid = 5, .time_ns = 10 * span + id + 5, .func = 3,
			.when = RT_RETURN, .span = span);
	}
	if (!why)
		put_event(w, cp, .pid = 5, .time_ns = 70, .func = RT_PY_FUNC_BASE + 9,
			.when = RT_ENTRY, .span = 6, .caller = RT_PY_FUNC_BASE + 10 + id);
	put_end(w, 100, "exit");
}

Test(merge, conditions_are_judged_by_the_ids_of_each_run)
{
	struct tapes t = { .dir = scratch__new() };
	struct seen s;

	conditional_tape(&t, "a", 0, "no h in a");
	conditional_tape(&t, "b", 1, NULL);
	s = merged(&t);
	cr_expect_eq(s.n_header_specs, 4, "%s", s.text);
	cr_expect(strstr(s.text, "1 a row 30 late 0 pid 5 start 5 g spec 1 "), "%s", s.text);
	cr_expect(strstr(s.text, "1 a row 35 late 0 pid 5 start 5 g end spec 1 "), "%s", s.text);
	cr_expect(strstr(s.text, "2 b row 31 late 0 pid 5 start 5 g spec 1 "), "%s", s.text);
	cr_expect(strstr(s.text, "2 b row 36 late 0 pid 5 start 5 g end spec 1 "), "%s", s.text);
	cr_expect(strstr(s.text, "2 b row 70 late 0 pid 5 start 5 h spec 2 "), "%s", s.text);
	cr_expect_eq(s.seq, 5);
	cr_expect(strstr(s.text,
			  "0 spec 0 py:a.py:f rows 0\n"
			  "0 spec 1 bin:g inside py:a.py:f rows 4\n"
			  "0 spec 2 py:a.py:h rows 1\n"
			  "0 spec 3 bin:other rows 0\n"),
		"%s", s.text);
	cr_expect(strstr(s.text,
			  "0 label g rows 2 seen in 5,5\n"
			  "0 label g end rows 2 seen in 5,5\n"
			  "0 label h rows 1 seen in 5\n"
			  "0 label other rows 0 not seen in \n"),
		"%s", s.text);
	free(s.text);
	tapes__free(&t);
}

Test(merge, a_label_is_absent_only_where_no_run_has_it)
{
	struct tapes t = { .dir = scratch__new() };
	struct seen s;

	conditional_tape(&t, "a", 0, "no h in a");
	conditional_tape(&t, "b", 0, "no h in b");
	s = merged(&t);
	cr_expect(strstr(s.text,
			  "0 label h rows 0 not in this version in  why no h in a; no h in b\n"),
		"%s", s.text);
	free(s.text);
	tapes__free(&t);
}

Test(merge, specs_around_each_other_or_around_nothing_do_no_harm)
{
	struct tapes t = { .dir = scratch__new() };
	struct seen s;

	for (int i = 0; i < 2; i++) {
		struct tape_writer *w = add_tape(&t);

		put_host(w, "box", 1, BOOT);
		put_fact(w, REC_SPEC, spec, .id = 0, .text = "a", .inside = 2);
		put_fact(w, REC_SPEC, spec, .id = 1, .text = "b", .inside = 1);
		put_fact(w, REC_SPEC, spec, .id = 2, .text = "c", .inside = 3);
		put_fact(w, REC_SPEC, spec, .id = 3, .text = "d", .inside = UINT32_MAX);
		put_end(w, 10, "exit");
	}
	s = merged(&t);
	cr_expect_leq(s.n_header_specs, 8);
	free(s.text);
	tapes__free(&t);
}

Test(merge, the_clock_is_the_first_hosts_unless_it_was_not_up_yet)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *today = usual_tape(&t, "box", 50, BOOT + 100000);
	struct tape_writer *before = usual_tape(&t, "box", 9000, BOOT);
	struct seen s;

	put_event(today, cp, .pid = 5, .time_ns = 60, .func = 7, .when = RT_ENTRY);
	put_end(today, 70, "exit");
	put_event(before, cp, .pid = 5, .time_ns = 9100, .func = 7, .when = RT_ENTRY);
	put_end(before, 9200, "exit");
	s = merged(&t);
	cr_expect_eq(s.header.realtime_offset_ns, BOOT);
	cr_expect_eq(s.header.start_ns, 9000);
	cr_expect(strstr(s.text, "2 box row 9100 "), "%s", s.text);
	cr_expect(strstr(s.text, "1 box row 100060 "), "%s", s.text);
	cr_expect_eq(s.end.time_ns, 100070);
	free(s.text);
	tapes__free(&t);
}

Test(merge, offsets_that_no_clock_has_do_no_harm)
{
	static const int64_t offsets[] = { INT64_MIN, INT64_MAX, 0, -1, BOOT };

	for (size_t i = 0; i < 25; i++) {
		struct tapes t = { .dir = scratch__new() };
		struct seen s;

		for (int k = 0; k < 2; k++) {
			struct tape_writer *w = usual_tape(&t, "box", INT64_MAX - 1,
				offsets[k ? i / 5 : i % 5]);

			put_event(w, cp, .pid = 5, .time_ns = 60, .func = 7, .when = RT_ENTRY);
			put_event(w, cp, .pid = 5, .time_ns = INT64_MAX, .func = 7,
				.when = RT_ENTRY);
			put_end(w, 70, "exit");
		}
		s = merged(&t);
		cr_expect_eq(s.seq, 4);
		free(s.text);
		tapes__free(&t);
	}
}

Test(merge, a_tape_without_a_host_keeps_its_times)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = add_tape(&t), *b = usual_tape(&t, "b", 5, BOOT);
	struct seen s;

	put_event(a, totals, .pid = 5, .time_ns = 9);
	put_event(b, cp, .pid = 5, .time_ns = 10, .func = 7, .when = RT_ENTRY);
	put_event(a, cp, .pid = 5, .time_ns = 20, .func = RT_NO_FUNC, .when = RT_POINT);
	s = merged(&t);
	cr_expect_str_eq(s.names, ";b;b");
	cr_expect(strstr(s.text, "1  row 20 "), "%s", s.text);
	cr_expect(strstr(s.text, "2 b row 10 "), "%s", s.text);
	free(s.text);
	tapes__free(&t);
}

/* Random events, most in order, some late, of a few processes; releases as a live run has them. */
static void put_random(struct tape_writer *w, struct prng *rng, int n, int release_every)
{
	uint64_t now = 1000, late;

	for (int i = 0; i < n; i++) {
		now += prng__below(rng, 20);
		late = prng__below(rng, 8) ? prng__below(rng, 30) : prng__below(rng, 300);
		switch (prng__below(rng, 12)) {
		case 0:
			put_event(w, fork, .pid = 10 + (uint32_t)prng__below(rng, 4), .ppid = 9,
				.start_ns = now, .time_ns = now - late);
			break;
		case 1:
			put_event(w, exit, .pid = 10 + (uint32_t)prng__below(rng, 4),
				.time_ns = now - late);
			break;
		default:
			put_event(w, cp, .pid = 10 + (uint32_t)prng__below(rng, 4),
				.time_ns = now - late, .func = 7, .when = RT_ENTRY,
				.lost = prng__below(rng, 20) ? 0 : 2,
				.anon = prng__below(rng, 100) * MIB);
		}
		if (!prng__below(rng, (uint64_t)release_every))
			put_release(w, now - 100);
	}
}

Test(merge, every_run_has_the_rows_that_it_has_alone)
{
	static const char *const hosts[] = { "a", "b", "a" };
	static const int64_t shifts[] = { 0, 700, -400 };
	struct prng rng = { 42 };

	for (int round = 0; round < 20; round++) {
		struct tapes t = { .dir = scratch__new() };
		struct seen s;

		for (int i = 0; i < 3; i++) {
			struct tape_writer *w = usual_tape(&t, (char *)hosts[i], 1000,
				BOOT + shifts[i]);

			put_random(w, &rng, 300, 1 + 10 * (round % 4));
			if (round % 3)
				put_end(w, 50000, "exit");
		}
		s = merged(&t);
		assert_each_is_as_alone(&t, &s, hosts, shifts);
		free(s.text);
		tapes__free(&t);
	}
}

Test(merge, a_flood_that_is_never_released_stays_in_order)
{
	static const char *const hosts[] = { "a", "b" };
	static const int64_t shifts[] = { 0, 5 };
	struct tapes t = { .dir = scratch__new() };
	struct seen s;

	for (int i = 0; i < 2; i++) { /* more than a run holds back */
		struct tape_writer *w = usual_tape(&t, (char *)hosts[i], 1, BOOT + shifts[i]);

		for (uint64_t k = 0; k < 140000; k++)
			put_event(w, cp, .pid = 5,
				.time_ns = k % 20000 == 19999 ? 1 : 1000 + (k ^ 3) * (1 + i),
				.func = 7, .when = RT_ENTRY, .anon = k);
	}
	s = merged(&t);
	cr_assert_eq(s.seq, 280000);
	assert_each_is_as_alone(&t, &s, hosts, shifts);
	free(s.text);
	tapes__free(&t);
}

Test(merge, one_tape_that_breaks_off_does_not_end_the_others)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = usual_tape(&t, "a", 1, BOOT), *b = usual_tape(&t, "b", 1, BOOT);
	struct merge_tape in[MAX_TAPES] = { 0 };
	struct seen s = { .run = 0 };
	struct stat st;

	for (uint64_t i = 0; i < 3000; i++) { /* several blocks */
		put_event(a, cp, .pid = 5, .time_ns = 10 + i, .func = 7, .when = RT_ENTRY);
		put_event(b, cp, .pid = 5, .time_ns = 10 + i, .func = 7, .when = RT_ENTRY);
	}
	put_end(a, 9000, "exit");
	put_end(b, 9000, "exit");
	close_writers(&t);
	cr_assert_eq(stat(t.path[0], &st), 0);
	cr_assert_eq(truncate(t.path[0], st.st_size / 2), 0);
	s.f = open_memstream(&s.text, &s.len);
	for (int i = 0; i < 2; i++)
		cr_assert_eq(tape_reader__open(t.path[i], &in[i].reader), 0);
	cr_assert_eq(merge_tapes(in, 2, &english, &see, &s), 0);
	cr_expect_eq(tape_reader__state(in[0].reader), TAPE_TRUNCATED);
	cr_expect_eq(tape_reader__state(in[1].reader), TAPE_FINISHED);
	for (int i = 0; i < 2; i++)
		tape_reader__close(in[i].reader);
	cr_expect_gt(s.seq, 3500);
	cr_expect_lt(s.seq, 6000);
	cr_expect_not(s.ended);
	seen__free(&s);
	tapes__free(&t);
}

Test(merge, a_record_that_does_not_decode_is_left_out_and_counted)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = usual_tape(&t, "a", 1, BOOT), *b = usual_tape(&t, "b", 1, BOOT);
	struct merge_tape in[MAX_TAPES] = { 0 };
	struct seen s = { .run = 0 };

	put_event(a, cp, .pid = 5, .time_ns = 10, .func = 7, .when = RT_ENTRY);
	put_event(a, cp, .pid = 5, .time_ns = 11, .func = 7, .when = 77);
	put(a, REC_PROC, "{", 1);
	put(a, REC_RELEASE, "1234", 4);
	put(a, (enum record_kind)99, "new", 3); /* of a newer version: no fault */
	put_event(a, cp, .pid = 5, .time_ns = 12, .func = 7, .when = RT_ENTRY);
	put_event(b, cp, .pid = 5, .time_ns = 12, .func = 7, .when = RT_ENTRY);
	close_writers(&t);
	s.f = open_memstream(&s.text, &s.len);
	cr_assert_eq(merge_into(&t, in, &see, &s), 0);
	cr_expect_eq(in[0].undecoded, 3);
	cr_expect_eq(in[1].undecoded, 0);
	cr_expect_eq(s.seq, 3);
	seen__free(&s);
	tapes__free(&t);
}

Test(merge, a_sink_that_fails_ends_it)
{
	struct tapes t = { .dir = scratch__new() };
	struct merge_tape in[MAX_TAPES] = { 0 };
	struct seen s = { .fail_at = 3 };

	for (int i = 0; i < 2; i++) {
		struct tape_writer *w = usual_tape(&t, "a", 1, BOOT);

		for (uint64_t k = 0; k < 10; k++)
			put_event(w, cp, .pid = 5, .time_ns = 10 + k, .func = 7, .when = RT_ENTRY);
	}
	close_writers(&t);
	s.f = open_memstream(&s.text, &s.len);
	cr_assert_eq(merge_into(&t, in, &see, &s), -EPIPE);
	cr_expect_eq(s.seq, 3);
	seen__free(&s);
	tapes__free(&t);
}

/* --- formats ---------------------------------------------------------------------------------- */

Test(merge, text_and_jsonl_name_the_host_and_seed_does_not)
{
	struct tapes t = { .dir = scratch__new() };
	struct tape_writer *a = usual_tape(&t, "hosta", 0, BOOT);
	struct tape_writer *b = usual_tape(&t, "hostb", 0, BOOT);
	char *text;

	put_event(a, cp, .pid = 5, .time_ns = SEC, .func = 7, .when = RT_ENTRY, .anon = MIB);
	put_end(a, 3 * SEC, "exit");
	put_fact(b, REC_PROC, proc, .pid = 4188, .start_ns = 4188, .role = "Worker_TP0",
		.cmdline = "", .comm = "");
	put_event(b, cp, .pid = 4188, .time_ns = 2 * SEC, .func = 7, .when = RT_ENTRY,
		.anon = 2 * MIB);
	put_event(b, cp, .pid = 4188, .time_ns = 3 * SEC, .lost = 4, .func = 7, .when = RT_ENTRY,
		.anon = MIB);
	put_end(b, 3 * SEC, "exit");
	close_writers(&t);
	text = in_format(&t, "text", LANG_EN);
	cr_expect(strstr(text, "INFO: [    1.000s] (hosta pid=5) x used +0.00 M RAM"), "%s", text);
	cr_expect(strstr(text, "INFO: [    3.000s] (hostb Worker_TP0 pid=4188) x released -1.00 M"),
		"%s", text);
	cr_expect(strstr(text, "WARNING: [    3.000s] (hostb Worker_TP0 pid=4188) events lost: 4"),
		"%s", text);
	cr_expect(strstr(text, "\n  hostb Worker_TP0 pid=4188 "), "%s", text);
	free(text);
	text = in_format(&t, "seed", LANG_EN);
	cr_expect_str_eq(text, "INFO: x 占用 0.00 M RAM内存 (累计: 0.00 M)\n"
			       "INFO: x 占用 0.00 M RAM内存 (累计: 0.00 M)\n"
			       "INFO: x 占用 -1.00 M RAM内存 (累计: -1.00 M)\n");
	free(text);
	text = in_format(&t, "jsonl", LANG_EN);
	cr_expect(strstr(text, ",\"gc\":null,\"host\":\"hosta\",\"run\":1}\n"), "%s", text);
	cr_expect(strstr(text, ",\"count\":4,\"host\":\"hostb\",\"run\":2}\n"), "%s", text);
	cr_expect(strstr(text, "\"runs\":[{\"run\":1,\"host\":\"hosta\","), "%s", text);
	free(text);
	tapes__free(&t);
}
