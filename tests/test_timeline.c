/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "timeline.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "prng.h"

/* An event of any length: its id, and bytes that follow from it. */
struct event {
	struct rt_hdr h; /* pid: the id */
	unsigned char body[4000];
};

static struct event event_of(uint32_t id, uint64_t time_ns, size_t body)
{
	struct event ev;

	ev.h = (struct rt_hdr){ .kind = RT_EV_OOM, .pid = id, .time_ns = time_ns,
		.len = (uint16_t)(sizeof(ev.h) + body) };
	memset(ev.body, (int)(id % 251), body);
	return ev;
}

static void assert_body(const struct rt_hdr *h)
{
	const unsigned char *body = (const unsigned char *)(h + 1);

	for (size_t i = 0; i < h->len - sizeof(*h); i++)
		cr_assert_eq(body[i], h->pid % 251);
}

struct result {
	uint32_t id;
	uint64_t time_ns, moved_ns;
};

struct results {
	struct result *r;
	size_t n, size;
	int fail_at; /* the call that returns -EIO; 0: none */
};

static int collect(void *ctx, const struct rt_hdr *ev, uint64_t time_ns, uint64_t moved_ns)
{
	struct results *res = ctx;

	assert_body(ev);
	cr_assert_eq(ev->time_ns + moved_ns, time_ns);
	if (res->n == res->size) {
		res->size = res->size ? 2 * res->size : 1024;
		res->r = realloc(res->r, res->size * sizeof(*res->r));
	}
	res->r[res->n++] = (struct result){ ev->pid, time_ns, moved_ns };
	return (int)res->n == res->fail_at ? -EIO : 0;
}

static void push(struct timeline *tl, uint32_t id, uint64_t time_ns)
{
	struct event ev = event_of(id, time_ns, id % 50);

	cr_assert_eq(timeline__push(tl, &ev.h), 0);
}

static void assert_ids(const struct results *res, const uint32_t *ids, size_t n)
{
	cr_assert_eq(res->n, n, "%zu came out", res->n);
	for (size_t i = 0; i < n; i++)
		cr_assert_eq(res->r[i].id, ids[i], "place %zu has %u", i, res->r[i].id);
}

#define IDS(...) (const uint32_t[]){ __VA_ARGS__ }, sizeof((uint32_t[]){ __VA_ARGS__ }) / 4

Test(timeline, events_go_out_in_order_up_to_and_including_the_release)
{
	struct results res = { 0 };
	struct timeline *tl = timeline__new(100, collect, &res);

	push(tl, 1, 10);
	push(tl, 2, 30);
	push(tl, 3, 20);
	push(tl, 4, 31);
	cr_assert_eq(timeline__pending(tl), 4);
	cr_assert_eq(timeline__release(tl, 9), 0);
	cr_assert_eq(res.n, 0);
	cr_assert_eq(timeline__release(tl, 30), 0);
	assert_ids(&res, IDS(1, 3, 2));
	cr_assert_eq(timeline__pending(tl), 1);
	timeline__free(tl);
	cr_assert_eq(res.n, 3, "what is freed is not handed on");
	free(res.r);
}

Test(timeline, equal_times_keep_their_order)
{
	struct results res = { 0 };
	struct timeline *tl = timeline__new(10000, collect, &res);

	/* enough at the later time that some of the earlier go to the heap, some to the queue */
	for (uint32_t i = 0; i < 2000; i++)
		push(tl, i, i % 100 == 50 ? 8 : i % 3 ? 9 : 7);
	timeline__release(tl, 9);
	cr_assert_eq(res.n, 2000);
	for (size_t i = 1; i < res.n; i++)
		cr_assert(res.r[i - 1].time_ns < res.r[i].time_ns ||
			  res.r[i - 1].id < res.r[i].id);
	timeline__free(tl);
	free(res.r);
}

Test(timeline, one_that_comes_too_late_is_placed_at_the_last_time_and_says_by_how_much)
{
	struct results res = { 0 };
	struct timeline *tl = timeline__new(100, collect, &res);

	push(tl, 1, 100);
	timeline__release(tl, 100);
	push(tl, 2, 60);
	push(tl, 3, 100);
	push(tl, 4, 101);
	timeline__release(tl, 1000);
	assert_ids(&res, IDS(1, 2, 3, 4));
	cr_assert_eq(res.r[1].time_ns, 100);
	cr_assert_eq(res.r[1].moved_ns, 40);
	cr_assert_eq(res.r[2].moved_ns, 0);
	cr_assert_eq(res.r[3].time_ns, 101);
	cr_assert_eq(res.r[3].moved_ns, 0);
	timeline__free(tl);
	free(res.r);
}

Test(timeline, the_earliest_makes_room_when_it_is_full)
{
	struct results res = { 0 };
	struct timeline *tl = timeline__new(2, collect, &res);

	push(tl, 1, 30);
	push(tl, 2, 20);
	cr_assert_eq(res.n, 0);
	push(tl, 3, 10); /* is the earliest itself */
	push(tl, 4, 40);
	cr_assert_eq(timeline__pending(tl), 2);
	push(tl, 5, 5);
	assert_ids(&res, IDS(3, 2, 5));
	cr_assert_eq(res.r[2].time_ns, 20);
	cr_assert_eq(res.r[2].moved_ns, 15);
	timeline__free(tl);
	free(res.r);
}

Test(timeline, without_room_for_any_event_each_goes_on_at_once)
{
	struct results res = { 0 };
	struct timeline *tl = timeline__new(0, collect, &res);

	push(tl, 1, 5);
	push(tl, 2, 3);
	assert_ids(&res, IDS(1, 2));
	cr_assert_eq(timeline__pending(tl), 0);
	timeline__free(tl);
	free(res.r);
}

Test(timeline, an_error_of_the_receiver_is_passed_up_and_the_rest_stays)
{
	struct results res = { .fail_at = 2 };
	struct timeline *tl = timeline__new(3, collect, &res);
	struct event ev = event_of(9, 90, 8);

	push(tl, 1, 10);
	push(tl, 2, 20);
	push(tl, 3, 30);
	cr_assert_eq(timeline__release(tl, 30), -EIO);
	cr_assert_eq(timeline__pending(tl), 1);
	cr_assert_eq(timeline__release(tl, 30), 0);
	assert_ids(&res, IDS(1, 2, 3));
	res.fail_at = 4;
	push(tl, 4, 40);
	push(tl, 5, 50);
	push(tl, 6, 60);
	cr_assert_eq(timeline__push(tl, &ev.h), -EIO);
	cr_assert_eq(timeline__pending(tl), 3);
	timeline__free(tl);
	free(res.r);
}

Test(timeline, freeing_nothing_is_fine)
{
	timeline__free(NULL);
}

Test(timeline, the_ends_of_time_are_times)
{
	struct results res = { 0 };
	struct timeline *tl = timeline__new(10, collect, &res);

	push(tl, 1, UINT64_MAX);
	push(tl, 2, 0);
	timeline__release(tl, 0);
	assert_ids(&res, IDS(2));
	timeline__release(tl, UINT64_MAX);
	push(tl, 3, 0);
	timeline__release(tl, 0);
	assert_ids(&res, IDS(2, 1, 3));
	cr_assert_eq(res.r[2].moved_ns, UINT64_MAX);
	timeline__free(tl);
	free(res.r);
}

/* --- against a model -------------------------------------------------------------------------- */

/* The same contract, as plainly as it can be written. */
struct model {
	struct pending {
		uint64_t time_ns;
		uint32_t id;
	} held[4096];
	size_t n, max;
	uint64_t last_ns;
	struct results out;
};

static void model__first_out(struct model *m)
{
	size_t first = 0;
	struct rt_hdr h;

	for (size_t i = 1; i < m->n; i++)
		if (m->held[i].time_ns < m->held[first].time_ns)
			first = i;
	h = (struct rt_hdr){ .pid = m->held[first].id, .len = sizeof(h),
		.time_ns = m->held[first].time_ns };
	memmove(m->held + first, m->held + first + 1, (m->n - first - 1) * sizeof(*m->held));
	m->n--;
	if (h.time_ns > m->last_ns)
		m->last_ns = h.time_ns;
	collect(&m->out, &h, m->last_ns, m->last_ns - h.time_ns);
}

static void model__push(struct model *m, uint32_t id, uint64_t time_ns)
{
	m->held[m->n++] = (struct pending){ time_ns, id };
	if (m->n > m->max)
		model__first_out(m);
}

static bool model__due(const struct model *m, uint64_t until_ns)
{
	for (size_t i = 0; i < m->n; i++)
		if (m->held[i].time_ns <= until_ns)
			return true;
	return false;
}

static void against_model(uint64_t seed, size_t max, uint64_t spread, uint64_t window,
	uint64_t step)
{
	struct prng rng = { seed };
	struct model *m = calloc(1, sizeof(*m));
	struct results res = { 0 };
	struct timeline *tl = timeline__new(max, collect, &res);
	uint64_t now = spread;

	m->max = max;
	for (uint32_t id = 0; id < 6000; id++) {
		uint64_t time_ns = now - prng__below(&rng, spread);
		size_t body = prng__below(&rng, 8) ? 48 : prng__below(&rng, 4000);
		struct event ev = event_of(id, time_ns, body);

		now += prng__below(&rng, step);
		cr_assert_eq(timeline__push(tl, &ev.h), 0);
		model__push(m, id, time_ns);
		if (!prng__below(&rng, 10)) {
			uint64_t until_ns = now > window ? now - window : 0;

			cr_assert_eq(timeline__release(tl, until_ns), 0);
			while (model__due(m, until_ns))
				model__first_out(m);
		}
		cr_assert_eq(timeline__pending(tl), m->n);
	}
	timeline__release(tl, UINT64_MAX);
	while (m->n)
		model__first_out(m);
	cr_assert_eq(res.n, 6000);
	cr_assert_eq(res.n, m->out.n);
	for (size_t i = 0; i < res.n; i++) {
		cr_assert_eq(res.r[i].id, m->out.r[i].id, "seed %lu, place %zu",
			(unsigned long)seed, i);
		cr_assert_eq(res.r[i].time_ns, m->out.r[i].time_ns);
		cr_assert_eq(res.r[i].moved_ns, m->out.r[i].moved_ns);
		cr_assert(!i || res.r[i].time_ns >= res.r[i - 1].time_ns);
		/* whatever is less than the window late was not moved */
		cr_assert(res.r[i].moved_ns == 0 || spread > window || max < 4000);
	}
	timeline__free(tl);
	free(res.r);
	free(m->out.r);
	free(m);
}

Test(timeline, disorder_within_the_window_comes_out_sorted_and_unmoved)
{
	against_model(1, 4000, 50, 1000, 10);
	against_model(2, 4000, 1000, 1000, 10);
	against_model(3, 4000, 3, 10, 2); /* mostly equal times */
}

Test(timeline, disorder_beyond_the_window_loses_nothing_and_never_goes_down)
{
	against_model(4, 4000, 1000, 100, 10);
	against_model(5, 4000, 100000, 10, 10);
	against_model(6, 4000, 1000000, 0, 2);
}

Test(timeline, disorder_with_little_room_loses_nothing_and_never_goes_down)
{
	against_model(7, 100, 1000, 1000, 10);
	against_model(8, 1, 1000, 1000, 10);
	against_model(9, 64, 100000, 100000, 3);
	against_model(10, 700, 100000, 100000, 3);
}

/* --- memory ----------------------------------------------------------------------------------- */

static int count(void *ctx, const struct rt_hdr *ev, uint64_t time_ns, uint64_t moved_ns)
{
	assert_body(ev);
	++*(size_t *)ctx;
	return 0;
}

static size_t resident(void)
{
	size_t size, pages;
	FILE *f = fopen("/proc/self/statm", "r");

	cr_assert(f);
	cr_assert_eq(fscanf(f, "%zu %zu", &size, &pages), 2);
	fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

Test(timeline, memory_is_given_back_after_a_flood)
{
	size_t n = 0, before = resident(), peak;
	struct timeline *tl = timeline__new(SIZE_MAX, count, &n);

	for (uint32_t i = 0; i < 100000; i++) {
		struct event ev = event_of(i, i, 600);

		timeline__push(tl, &ev.h);
	}
	peak = resident();
	cr_assert(peak - before > 60 << 20, "%zu", peak - before);
	cr_assert(peak - before < 100 << 20, "%zu", peak - before);
	timeline__release(tl, UINT64_MAX);
	cr_assert_eq(n, 100000);
	cr_assert(resident() < before + (20 << 20), "%zu", resident() - before);
	timeline__free(tl);
}

Test(timeline, a_few_that_stay_do_not_hold_the_memory_of_those_that_went)
{
	size_t n = 0, before = resident();
	struct timeline *tl = timeline__new(SIZE_MAX, count, &n);

	for (uint32_t i = 0; i < 400000; i++) {
		struct event ev = event_of(i, i % 1000 ? i : UINT64_MAX - i, 300);

		timeline__push(tl, &ev.h);
		timeline__release(tl, i);
	}
	cr_assert_eq(n, 400000 - 400);
	cr_assert(resident() < before + (24 << 20), "%zu", resident() - before);
	timeline__release(tl, UINT64_MAX); /* and they are what they were */
	cr_assert_eq(n, 400000);
	timeline__free(tl);
}
