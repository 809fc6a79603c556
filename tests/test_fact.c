/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "fact.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "prng.h"
#include "tape.h"

/* What was emitted last, and how many there were. */
struct wire {
	struct record rec;
	char *data;
	size_t n;
};

static int keep(void *ctx, const struct record *rec)
{
	struct wire *w = ctx;

	cr_assert_leq(rec->len, TAPE_MAX_RECORD);
	free(w->data);
	w->data = malloc(rec->len + 1);
	memcpy(w->data, rec->data, rec->len);
	w->data[rec->len] = '\0';
	w->rec = (struct record){ rec->kind, rec->len, w->data };
	w->n++;
	return 0;
}

/* Through the wire and back. The caller clears. */
static struct fact travel(const struct fact *fact)
{
	struct wire w = { 0 };
	struct fact back;

	cr_assert_eq(fact__emit(fact, keep, &w), 0);
	cr_assert_eq(w.n, 1);
	cr_assert_eq(w.rec.kind, fact->kind);
	cr_assert_eq(fact__decode(&w.rec, &back), 0);
	cr_assert_eq(back.kind, fact->kind);
	free(w.data);
	return back;
}

static int decode(enum record_kind kind, const char *json, struct fact *fact)
{
	struct record rec = { kind, (uint32_t)strlen(json), json };

	return fact__decode(&rec, fact);
}

static void assert_refused(enum record_kind kind, const char *json)
{
	struct fact fact;

	cr_assert_eq(decode(kind, json, &fact), -EBADMSG, "%s", json);
	cr_assert_eq(fact.kind, REC_EVENT, "nothing to clear");
	fact__clear(&fact);
}

static void assert_same_clock(const struct fact_clock *a, const struct fact_clock *b)
{
	cr_assert_eq(a->read_ns, b->read_ns);
	cr_assert_eq(a->synced, b->synced);
	cr_assert_eq(a->estimate_ns, b->estimate_ns);
	cr_assert_eq(a->most_ns, b->most_ns);
	cr_assert_eq(a->tai_s, b->tai_s);
}

Test(fact, host_comes_back)
{
	struct fact f = { REC_HOST, .host = { .host = "node-7", .kernel = "6.1.0-18-amd64",
		.version = "v1", .boot_id = "b", .start_ns = INT64_MAX, .realtime_offset_ns = INT64_MIN,
		.clock = { .read_ns = 85, .synced = true, .estimate_ns = 1200, .most_ns = 1300,
		.tai_s = -37 },
		.window_ns = 20000000, .step = 1 << 20, .cpus = UINT32_MAX } };
	struct fact back = travel(&f);

	cr_assert_str_eq(back.host.host, "node-7");
	cr_assert_str_eq(back.host.kernel, "6.1.0-18-amd64");
	cr_assert_str_eq(back.host.version, "v1");
	cr_assert_eq(back.host.start_ns, INT64_MAX);
	cr_assert_str_eq(back.host.boot_id, "b");
	cr_assert_eq(back.host.realtime_offset_ns, INT64_MIN);
	assert_same_clock(&back.host.clock, &f.host.clock);
	cr_assert_eq(back.host.window_ns, 20000000);
	cr_assert_eq(back.host.step, 1 << 20);
	cr_assert_eq(back.host.cpus, UINT32_MAX);
	fact__clear(&back);
}

Test(fact, spec_comes_back_with_and_without_its_optional_strings)
{
	struct fact f = { REC_SPEC, .spec = { .id = 3, .text = "postgres:tuplesort_*",
		.profile = "postgresql", .entry = { "排序开始", "sort begins" },
		.leave = { "排序结束", "sort ends" }, .extra = true, .unmatched = "no symbol" } };
	struct fact back = travel(&f);

	cr_assert_eq(back.spec.id, 3);
	cr_assert_str_eq(back.spec.text, "postgres:tuplesort_*");
	cr_assert_str_eq(back.spec.profile, "postgresql");
	cr_assert_str_eq(back.spec.entry[0], "排序开始");
	cr_assert_str_eq(back.spec.entry[1], "sort begins");
	cr_assert_str_eq(back.spec.leave[0], "排序结束");
	cr_assert_str_eq(back.spec.leave[1], "sort ends");
	cr_assert_str_eq(back.spec.unmatched, "no symbol");
	cr_assert(back.spec.extra);
	fact__clear(&back);

	f = (struct fact){ REC_SPEC, .spec = { .id = 4, .text = "malloc" } };
	back = travel(&f);
	cr_assert_null(back.spec.profile);
	cr_assert_null(back.spec.entry[0]);
	cr_assert_null(back.spec.entry[1]);
	cr_assert_null(back.spec.leave[0]);
	cr_assert_null(back.spec.leave[1]);
	cr_assert_null(back.spec.unmatched);
	cr_assert_not(back.spec.extra);
	cr_assert_null(back.spec.caller);
	cr_assert_not(back.spec.inside || back.spec.outermost || back.spec.nth || back.spec.absent);
	fact__clear(&back);
}

Test(fact, conditions_of_a_spec_come_back_and_old_tapes_have_none)
{
	static const char old[] = "{\"id\":1,\"text\":\"b:f\"}";
	struct record rec = { .kind = REC_SPEC, .len = sizeof(old) - 1, .data = old };
	struct fact f = { REC_SPEC, .spec = { .id = 3, .text = "py:a.py:f", .inside = 8,
		.caller = "A.<locals>.*", .outermost = true, .nth = 2, .unmatched = "no a.py",
		.absent = true } };
	struct fact back = travel(&f);

	cr_assert_eq(back.spec.inside, 8);
	cr_assert_str_eq(back.spec.caller, "A.<locals>.*");
	cr_assert(back.spec.outermost && back.spec.absent);
	cr_assert_eq(back.spec.nth, 2);
	fact__clear(&back);
	cr_assert_eq(fact__decode(&rec, &back), 0);
	cr_assert_null(back.spec.caller);
	cr_assert_not(back.spec.inside || back.spec.outermost || back.spec.nth || back.spec.absent);
	fact__clear(&back);
}

Test(fact, func_comes_back_with_its_specs)
{
	unsigned int specs[] = { 7, 0, UINT32_MAX };
	struct fact f = { REC_FUNC, .func = { .id = 9, .name = "std::vector<int>::push_back(int&&)",
		.file = "/usr/lib/libx.so", .offset = 0x7fffffffffffffff, .cost = "nop",
		.returns = "ret", .specs = specs, .n_specs = 3 } };
	struct fact back = travel(&f);

	cr_assert_eq(back.func.id, 9);
	cr_assert_str_eq(back.func.name, f.func.name);
	cr_assert_str_eq(back.func.file, f.func.file);
	cr_assert_eq(back.func.offset, 0x7fffffffffffffff);
	cr_assert_str_eq(back.func.cost, "nop");
	cr_assert_str_eq(back.func.returns, "ret");
	cr_assert_eq(back.func.n_specs, 3);
	cr_assert_eq(memcmp(back.func.specs, specs, sizeof(specs)), 0);
	fact__clear(&back);

	f.func.n_specs = 0;
	back = travel(&f);
	cr_assert_eq(back.func.n_specs, 0);
	fact__clear(&back);
}

Test(fact, proc_comes_back_known_or_not)
{
	struct fact f = { REC_PROC, .proc = { .pid = 4188, .start_ns = 123, .role = "Worker_TP0",
		.cmdline = "python -m \"x\" \\", .comm = "python" } };
	struct fact back = travel(&f);

	cr_assert_eq(back.proc.pid, 4188);
	cr_assert_eq(back.proc.start_ns, 123);
	cr_assert_str_eq(back.proc.role, "Worker_TP0");
	cr_assert_str_eq(back.proc.cmdline, "python -m \"x\" \\");
	cr_assert_str_eq(back.proc.comm, "python");
	fact__clear(&back);

	f = (struct fact){ REC_PROC, .proc = { .pid = 1 } };
	back = travel(&f);
	cr_assert_null(back.proc.role);
	cr_assert_null(back.proc.cmdline);
	cr_assert_null(back.proc.comm);
	fact__clear(&back);
}

Test(fact, end_comes_back)
{
	struct fact f = { REC_END, .end = { .time_ns = 99, .reason = "interrupt",
		.realtime_offset_ns = -5, .clock = { .read_ns = 7, .most_ns = 9 } } };
	struct fact back = travel(&f);

	cr_assert_eq(back.end.time_ns, 99);
	cr_assert_str_eq(back.end.reason, "interrupt");
	cr_assert_eq(back.end.realtime_offset_ns, -5);
	assert_same_clock(&back.end.clock, &f.end.clock);
	fact__clear(&back);
}

Test(fact, python_comes_back)
{
	struct fact f = { REC_PYTHON, .python = { .pid = 7, .watched = true } };
	struct fact back = travel(&f);

	cr_assert_eq(back.python.pid, 7);
	cr_assert(back.python.watched);
	fact__clear(&back);
}

Test(fact, reading_comes_back)
{
	struct smaps_group groups[] = {
		{ SMAPS_SHMEM, "memfd:a\x1b", 3, { .size = 1, .hugetlb = INT64_MAX } },
		{ SMAPS_HUGETLB, "", UINT32_MAX, { .rss = 7 } },
	};
	struct fact f = { REC_READING, .reading = { .pid = 4, .start_ns = 5, .time_ns = 6,
		.number = 7, .when = READING_ASKED, .sums = { .size = 1, .rss = 2, .hugetlb = 12 },
		.counted = true, .steady = true, .counters = { 1, 2, 3, 4 }, .still_ns = 8, .mapped = true,
		.partial = true, .mappings = 9, .upto = 0x7fffffffffff,
		.mapped_sums = { .pss = 3, .swap_pss = 11 }, .groups = groups, .n_groups = 2 } };
	struct fact back = travel(&f);
	struct fact_reading *r = &back.reading;

	cr_assert_eq(r->still_ns, 8);
	cr_assert(r->pid == 4 && r->start_ns == 5 && r->time_ns == 6 && r->number == 7);
	cr_assert_eq(r->when, READING_ASKED);
	cr_assert_null(r->failed);
	cr_assert_eq(memcmp(&r->sums, &f.reading.sums, sizeof(r->sums)), 0);
	cr_assert_eq(memcmp(&r->mapped_sums, &f.reading.mapped_sums, sizeof(r->sums)), 0);
	cr_assert_eq(memcmp(&r->counters, &f.reading.counters, sizeof(r->counters)), 0);
	cr_assert(r->counted && r->steady && r->mapped && r->partial);
	cr_assert(r->mappings == 9 && r->upto == 0x7fffffffffff && r->n_groups == 2);
	cr_assert_eq(r->groups[0].kind, SMAPS_SHMEM);
	cr_assert_str_eq(r->groups[0].name, "memfd:a\\x1b");
	cr_assert_eq(memcmp(&r->groups[0].sums, &groups[0].sums, sizeof(groups[0].sums)), 0);
	cr_assert_eq(r->groups[1].mappings, UINT32_MAX);
	cr_assert_str_eq(r->groups[1].name, "");
	fact__clear(&back);

	f = (struct fact){ REC_READING, .reading = { .pid = 4, .failed = "too large" } };
	back = travel(&f);
	cr_assert_str_eq(back.reading.failed, "too large");
	cr_assert_eq(back.reading.when, READING_START);
	cr_assert_not(back.reading.mapped || back.reading.counted || back.reading.n_groups);
	fact__clear(&back);
}

Test(fact, a_reading_of_another_version_is_understood_as_far_as_it_goes)
{
	static const char head[] = "\"pid\":1,\"start_ns\":2,\"time_ns\":3,\"number\":4";
	static const char *const wrong[] = { "", ",\"when\":3", ",\"when\":\"end\",\"sums\":{}",
		",\"when\":\"end\",\"sums\":[1,-2]", ",\"when\":\"end\",\"groups\":[{}]",
		",\"when\":\"end\",\"groups\":[{\"kind\":\"heap\",\"name\":\"a\",\"n\":1},7]",
		",\"when\":\"end\",\"groups\":[{\"kind\":\"heap\",\"n\":1}]",
		",\"when\":\"end\",\"mapped_sums\":[1,\"2\"]" };
	char text[1000];
	struct fact f;

	snprintf(text, sizeof(text), "{%s,\"when\":\"at noon\",\"sums\":[1,2,3],\"mapped\":true,"
		"\"mapped_sums\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14],\"groups\":[{\"kind\":\"gpu\","
		"\"name\":\"x\",\"n\":1,\"sums\":[]}]}", head);
	cr_assert_eq(decode(REC_READING, text, &f), 0);
	cr_assert_eq(f.reading.when, READING_TIMER);
	cr_assert(f.reading.sums.pss == 3 && !f.reading.sums.hugetlb);
	cr_assert_eq(f.reading.mapped_sums.hugetlb, 12);
	cr_assert_eq(f.reading.groups[0].kind, SMAPS_SPECIAL);
	fact__clear(&f);
	for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
		snprintf(text, sizeof(text), "{%s%s}", head, wrong[i]);
		assert_refused(REC_READING, text);
	}
}

/* Collects what several records say. */
struct sum {
	size_t records, items;
	uint64_t total;
};

static int add_up(void *ctx, const struct record *rec)
{
	struct sum *sum = ctx;
	struct fact f;

	cr_assert_leq(rec->len, TAPE_MAX_RECORD);
	cr_assert_eq(fact__decode(rec, &f), 0);
	sum->records++;
	if (f.kind == REC_MAPS) {
		cr_assert_eq(f.maps.pid, 5);
		cr_assert_eq(f.maps.start_ns, 6);
		for (size_t i = 0; i < f.maps.n_files; i++)
			cr_assert_eq((size_t)atoi(f.maps.files[i]), sum->items++);
	} else {
		for (int i = 0; i < 16; i++)
			cr_assert_eq(f.counters.loss[i], (uint64_t)i * i);
		for (size_t i = 0; i < f.counters.n_hits; i++) {
			cr_assert_eq(f.counters.hits[i].func, sum->items++);
			sum->total += f.counters.hits[i].entries - f.counters.hits[i].returns;
		}
	}
	fact__clear(&f);
	return 0;
}

Test(fact, maps_come_back_however_many_and_long)
{
	static const size_t counts[] = { 0, 1, 500, 65530 };
	char **files = calloc(65530, sizeof(*files));

	for (size_t i = 0; i < 65530; i++) {
		files[i] = malloc(400);
		snprintf(files[i], 400, "%zu %0*d", i, (int)(i % 380), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		struct fact f = { REC_MAPS, .maps = { 5, 6, files, counts[i] } };
		struct sum sum = { 0 };

		cr_assert_eq(fact__emit(&f, add_up, &sum), 0);
		cr_assert_eq(sum.items, counts[i]);
		cr_assert(sum.records == (i < 3 ? 1 : sum.records) && sum.records < 200);
	}
	for (size_t i = 0; i < 65530; i++)
		free(files[i]);
	free(files);
}

Test(fact, counters_come_back_however_many)
{
	static const size_t counts[] = { 0, 1, 4096, 4097, 100000 };
	static const size_t records[] = { 1, 1, 1, 2, 25 };
	struct fact_hits *hits = calloc(100000, sizeof(*hits));

	for (unsigned int i = 0; i < 100000; i++)
		hits[i] = (struct fact_hits){ i, INT64_MAX, INT64_MAX - 2 };
	for (size_t i = 0; i < 5; i++) {
		struct fact f = { REC_COUNTERS, .counters = { .hits = hits, .n_hits = counts[i] } };
		struct sum sum = { 0 };

		for (uint64_t k = 0; k < 16; k++)
			f.counters.loss[k] = k * k;
		cr_assert_eq(fact__emit(&f, add_up, &sum), 0);
		cr_assert_eq(sum.items, counts[i]);
		cr_assert_eq(sum.records, records[i]);
		cr_assert_eq(sum.total, 2 * counts[i]);
	}
	free(hits);
}

Test(fact, what_programs_and_traps_took_is_kept)
{
	struct fact f = { REC_COUNTERS, .counters = { .costs = { { 640, 10, 2500, 64, 2, 90 }, { 0 }, { .runs = 64, .sampled = 1, .ns = 90 } },
				  .trap_ns = { 300, 700, 9000, 0 }, .cpu_ns = 123456789,
				  .limit = { 30000, 4, 50000, 6 } } };
	struct wire w = { 0 };
	struct fact back;

	cr_assert_eq(fact__emit(&f, keep, &w), 0);
	cr_assert_eq(fact__decode(&w.rec, &back), 0);
	cr_assert_arr_eq(back.counters.costs, f.counters.costs, sizeof(f.counters.costs));
	cr_assert_arr_eq(back.counters.trap_ns, f.counters.trap_ns, sizeof(f.counters.trap_ns));
	cr_assert_eq(back.counters.cpu_ns, f.counters.cpu_ns);
	cr_assert_arr_eq(&back.counters.limit, &f.counters.limit, sizeof(f.counters.limit));
	fact__clear(&back);
	free(w.data);
}

Test(fact, what_programs_took_is_read_from_older_tapes)
{
	static const char text[] = "{\"loss\":[],\"costs\":[[640,10,2500]],\"hits\":[]}";
	struct record rec = { .kind = REC_COUNTERS, .len = strlen(text), .data = text };
	struct fact back;

	cr_assert_eq(fact__decode(&rec, &back), 0);
	cr_assert_eq(back.counters.costs[0].runs, 640);
	cr_assert_eq(back.counters.costs[0].others, 0);
	cr_assert_eq(back.counters.cpu_ns, 0);
	fact__clear(&back);
	assert_refused(REC_COUNTERS, "{\"costs\":[[640,10]],\"hits\":[]}");
	assert_refused(REC_COUNTERS, "{\"costs\":[640],\"hits\":[]}");
}

Test(fact, a_number_of_64_bits_is_not_sent)
{
	struct fact host = { REC_HOST, .host = { .start_ns = (uint64_t)INT64_MAX + 1 } };
	struct fact func = { REC_FUNC, .func = { .offset = UINT64_MAX } };
	struct fact_hits hit = { 0, 0, (uint64_t)INT64_MAX + 1 };
	struct fact hits = { REC_COUNTERS, .counters = { .hits = &hit, .n_hits = 1 } };
	struct fact loss = { REC_COUNTERS, .counters = { .loss = { [15] = UINT64_MAX } } };
	struct wire w = { 0 };

	cr_assert_eq(fact__emit(&host, keep, &w), -EOVERFLOW);
	cr_assert_eq(fact__emit(&func, keep, &w), -EOVERFLOW);
	cr_assert_eq(fact__emit(&hits, keep, &w), -EOVERFLOW);
	cr_assert_eq(fact__emit(&loss, keep, &w), -EOVERFLOW);
	cr_assert_eq(w.n, 0);
}

static int refuse(void *ctx, const struct record *rec)
{
	return -ENOSPC;
}

Test(fact, what_the_receiver_returns_is_passed_up)
{
	struct fact f = { REC_END, .end = { .reason = "exit" } };

	cr_assert_eq(fact__emit(&f, refuse, NULL), -ENOSPC);
	f.kind = REC_EVENT;
	cr_assert_eq(fact__emit(&f, keep, NULL), -EINVAL);
	f.kind = (enum record_kind)77;
	cr_assert_eq(fact__emit(&f, keep, NULL), -EINVAL);
}

Test(fact, what_a_target_wrote_is_clean_on_the_wire_and_behind_it)
{
	struct fact f = { REC_PROC, .proc = { .pid = 1, .role = "a\x1b[2Jb", .comm = "\xff\xfe" } };
	struct wire w = { 0 };
	struct fact back;

	cr_assert_eq(fact__emit(&f, keep, &w), 0);
	cr_assert(strstr(w.data, "a\\\\x1b[2Jb"), "%s", w.data);
	cr_assert_eq(fact__decode(&w.rec, &back), 0);
	cr_assert_str_eq(back.proc.role, "a\\x1b[2Jb");
	cr_assert_str_eq(back.proc.comm, "\\xff\\xfe");
	fact__clear(&back);
	free(w.data);
	cr_assert_eq(decode(REC_PROC, "{\"pid\":1,\"start_ns\":2,\"role\":\"\\u001b\\u202e\"}",
			     &back), 0);
	cr_assert_str_eq(back.proc.role, "\\x1b\\xe2\\x80\\xae");
	fact__clear(&back);
}

Test(fact, an_endless_string_is_cut_between_characters)
{
	enum { LEN = 3 << 20 };
	char *s = malloc(LEN + 1);

	for (int shift = 0; shift < 4; shift++) {
		struct fact f = { REC_PROC, .proc = { .pid = 1, .cmdline = s } }, back;
		size_t len;

		memset(s, 'x', 4);
		for (int i = shift; i + 4 <= LEN; i += 4)
			memcpy(s + i, "😀", 4);
		s[LEN - 4] = '\0';
		back = travel(&f);
		len = strlen(back.proc.cmdline);
		cr_assert(len > 16380 && len <= 16384, "%zu", len);
		cr_assert_eq(memcmp(back.proc.cmdline, s, len), 0);
		fact__clear(&back);
	}
	free(s);
}

Test(fact, the_worst_strings_still_fit_a_tape)
{
	struct wire w = { 0 };
	char *s = malloc(20001);
	struct fact f = { REC_SPEC, .spec = { .text = s, .profile = s, .entry = { s, s },
		.leave = { s, s }, .unmatched = s } };

	memset(s, 1, 20000);
	s[20000] = '\0';
	cr_assert_eq(fact__emit(&f, keep, &w), 0); /* keep looks at the length */
	cr_assert_gt(w.rec.len, 7 * 16384 * 4);
	free(w.data);
	free(s);
}

Test(fact, fields_of_a_newer_version_are_ignored_and_optional_ones_may_be_missing)
{
	struct fact f;

	cr_assert_eq(decode(REC_HOST, "{\"host\":\"h\",\"kernel\":\"k\",\"version\":\"v\","
		"\"start_ns\":1,\"realtime_offset_ns\":-2,\"mood\":{\"a\":[1,2.5,null]}}", &f), 0);
	cr_assert_eq(f.host.realtime_offset_ns, -2);
	cr_assert_eq(f.host.window_ns, 0);
	cr_assert_eq(f.host.step, 0);
	cr_assert_eq(f.host.cpus, 0);
	cr_assert_null(f.host.boot_id);
	assert_same_clock(&f.host.clock, &(struct fact_clock){ 0 });
	fact__clear(&f);
	cr_assert_eq(decode(REC_END, "{\"time_ns\":1,\"reason\":\"exit\"}", &f), 0);
	assert_same_clock(&f.end.clock, &(struct fact_clock){ 0 });
	fact__clear(&f);
	cr_assert_eq(decode(REC_COUNTERS, "{}", &f), 0);
	cr_assert_eq(f.counters.n_hits, 0);
	fact__clear(&f);
	cr_assert_eq(decode(REC_COUNTERS,
		"{\"loss\":[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18]}", &f), 0);
	cr_assert_eq(f.counters.loss[15], 16);
	cr_assert_eq(f.counters.n_hits, 0);
	fact__clear(&f);
	cr_assert_eq(decode(REC_MAPS, "{\"pid\":1,\"start_ns\":2}", &f), 0);
	cr_assert_eq(f.maps.n_files, 0);
	fact__clear(&f);
}

Test(fact, what_is_no_json_object_is_refused)
{
	static const char *const texts[] = { "", " ", "{", "[]", "null", "7", "\"x\"", "{}x",
		"{\"time_ns\":1,\"reason\":\"\xff\"}", "{\"time_ns\":1,\"reason\":\"a\\u0000b\"}" };
	char deep[10000];
	struct fact f;

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		assert_refused(REC_END, texts[i]);
	memset(deep, '[', sizeof(deep));
	memcpy(deep, "{\"a\":", 5);
	deep[sizeof(deep) - 1] = '\0';
	assert_refused(REC_END, deep);
	assert_refused(REC_EVENT, "{}");
	assert_refused((enum record_kind)0, "{}");
	assert_refused((enum record_kind)77, "{}");
	cr_assert_eq(fact__decode(&(struct record){ REC_END, 0, NULL }, &f), -EBADMSG);
}

Test(fact, missing_fields_and_wrong_types_are_refused)
{
	assert_refused(REC_END, "{\"time_ns\":1}");
	assert_refused(REC_END, "{\"reason\":\"x\"}");
	assert_refused(REC_END, "{\"time_ns\":\"1\",\"reason\":\"x\"}");
	assert_refused(REC_END, "{\"time_ns\":1.0,\"reason\":\"x\"}");
	assert_refused(REC_END, "{\"time_ns\":-1,\"reason\":\"x\"}");
	assert_refused(REC_END, "{\"time_ns\":9223372036854775808,\"reason\":\"x\"}");
	assert_refused(REC_END, "{\"time_ns\":1,\"reason\":7}");
	assert_refused(REC_PROC, "{\"pid\":4294967296,\"start_ns\":1}");
	assert_refused(REC_PROC, "{\"pid\":1,\"start_ns\":1,\"role\":null}");
	assert_refused(REC_SPEC, "{\"id\":1,\"text\":\"x\",\"extra\":1}");
	assert_refused(REC_FUNC, "{\"id\":1,\"name\":\"n\",\"file\":\"f\",\"cost\":\"c\","
		"\"returns\":\"r\",\"specs\":[1,-1]}");
	assert_refused(REC_FUNC, "{\"id\":1,\"name\":\"n\",\"file\":\"f\",\"cost\":\"c\","
		"\"returns\":\"r\",\"specs\":{}}");
	assert_refused(REC_MAPS, "{\"pid\":1,\"start_ns\":1,\"files\":[\"a\",\"b\",3,\"d\"]}");
	assert_refused(REC_COUNTERS, "{\"loss\":{}}");
	assert_refused(REC_COUNTERS, "{\"loss\":[1,\"2\"]}");
	assert_refused(REC_COUNTERS, "{\"hits\":[{\"func\":1,\"entries\":1,\"returns\":1},{}]}");
	assert_refused(REC_COUNTERS, "{\"hits\":[7]}");
}

/* Under the address sanitizer: no text leaks or is read past its end. */
Test(fact, damaged_records_are_refused_or_understood_but_never_harm)
{
	static const char *const texts[] = {
		"{\"pid\":1,\"start_ns\":1,\"files\":[\"a\",\"b\",\"c\",\"d\"]}",
		("{\"id\":1,\"name\":\"n\",\"file\":\"f\",\"cost\":\"c\","
		 "\"returns\":\"r\",\"specs\":[1,2]}"),
		"{\"loss\":[1,2,3],\"hits\":[{\"func\":1,\"entries\":1,\"returns\":1}]}",
		("{\"pid\":1,\"start_ns\":1,\"time_ns\":1,\"number\":1,\"when\":\"end\",\"groups\":["
		 "{\"kind\":\"heap\",\"name\":\"a\",\"n\":1,\"sums\":[1,2]},"
		 "{\"kind\":\"anon\",\"name\":\"b\",\"n\":1,\"sums\":[1,2]}]}"),
	};
	static const enum record_kind kinds[] = { REC_MAPS, REC_FUNC, REC_COUNTERS, REC_READING };
	unsigned int taken = 0, refused = 0;
	struct prng rng = { 8 };

	for (int i = 0; i < 30000; i++) {
		size_t which = prng__below(&rng, 4), len = strlen(texts[which]);
		char *copy = malloc(len);
		struct record rec = { kinds[which], (uint32_t)len, copy };
		struct fact f;

		memcpy(copy, texts[which], len);
		for (uint64_t n = prng__below(&rng, 3); n; n--)
			copy[prng__below(&rng, len)] = (char)prng__next(&rng);
		if (!prng__below(&rng, 4))
			rec.len = (uint32_t)prng__below(&rng, len);
		if (fact__decode(&rec, &f))
			refused++;
		else
			taken++;
		fact__clear(&f);
		free(copy);
	}
	cr_assert(taken > 5000 && refused > 5000, "%u %u", taken, refused);
}
