/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "event.h"

#include <criterion/criterion.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "prng.h"

static const struct {
	unsigned int kind;
	size_t size;
	const char *name;
} kinds[] = {
	{ RT_EV_CHECKPOINT, RT_POINT_LEN, "checkpoint" },
	{ RT_EV_FORK, sizeof(struct rt_fork), "fork" },
	{ RT_EV_EXEC, offsetof(struct rt_exec, ppid), "exec" }, /* as in the first version */
	{ RT_EV_EXIT, offsetof(struct rt_exit, serial), "exit" },
	{ RT_EV_RENAME, sizeof(struct rt_rename), "rename" },
	{ RT_EV_OOM, sizeof(struct rt_oom), "oom" },
	{ RT_EV_TOTALS, offsetof(struct rt_totals_event, serial), "totals" },
	{ RT_EV_MAPPED, sizeof(struct rt_mapped), "mapped" },
	{ RT_EV_PYCODE, sizeof(struct rt_pycode), "pycode" },
	{ RT_EV_MARK, offsetof(struct rt_mark, label), "mark" },
	{ RT_EV_NODE, sizeof(struct rt_node), "node" },
	{ RT_EV_GROWTH, sizeof(struct rt_growth), "growth" },
	{ RT_EV_MAPPING, sizeof(struct rt_mapping), "mapping" },
	{ RT_EV_STACK, sizeof(struct rt_stack), "stack" },
};

enum { N_KINDS = sizeof(kinds) / sizeof(*kinds) };

union any {
	struct rt_hdr h;
	struct rt_checkpoint checkpoint;
	struct rt_exec exec;
	struct rt_exit exit;
	struct rt_rename rename;
	struct rt_totals_event totals;
	struct rt_mark mark;
	unsigned char bytes[sizeof(struct rt_stack) + 64];
};

static union any event_of(unsigned int kind, size_t len)
{
	union any ev = { .h = { .kind = (uint16_t)kind, .len = (uint16_t)len, .time_ns = 7 } };

	if (kind == RT_EV_CHECKPOINT)
		ev.checkpoint.when = RT_POINT;
	return ev;
}

static void assert_refused(const union any *ev, size_t len)
{
	const char *why = NULL;

	cr_assert_null(event_check(ev, len, &why));
	cr_assert(why && *why);
}

static void assert_taken(const union any *ev, size_t len)
{
	const char *why = "untouched";

	cr_assert_eq(event_check(ev, len, &why), &ev->h);
	cr_assert_null(why);
}

Test(event, every_kind_is_taken_at_its_size_and_refused_below_it)
{
	for (int i = 0; i < N_KINDS; i++) {
		union any ev = event_of(kinds[i].kind, kinds[i].size);

		assert_taken(&ev, kinds[i].size);
		for (size_t len = 0; len < kinds[i].size; len++)
			assert_refused(&ev, len);
		for (size_t len = 0; len < kinds[i].size; len++) {
			ev.h.len = (uint16_t)len;
			assert_refused(&ev, kinds[i].size);
		}
	}
}

Test(event, one_with_fields_of_a_newer_sender_is_taken)
{
	for (int i = 0; i < N_KINDS; i++) {
		union any ev = event_of(kinds[i].kind, kinds[i].size + 16);

		assert_taken(&ev, kinds[i].size + 16);
		assert_refused(&ev, kinds[i].size + 15);
	}
}

Test(event, unknown_kinds_are_refused_and_named_so)
{
	static const unsigned int unknown[] = { 0, RT_EV_STACK + 1, 255, 65535 };

	for (int i = 0; i < 4; i++) {
		union any ev = event_of(unknown[i], sizeof(ev));

		assert_refused(&ev, sizeof(ev));
		cr_assert_str_eq(event_kind_name(unknown[i]), "unknown");
	}
	cr_assert_str_eq(event_kind_name(UINT32_MAX), "unknown");
}

Test(event, kinds_have_names)
{
	for (int i = 0; i < N_KINDS; i++)
		cr_assert_str_eq(event_kind_name(kinds[i].kind), kinds[i].name);
}

Test(event, a_checkpoint_is_an_entry_a_return_or_a_point)
{
	for (unsigned int when = 0; when <= UINT16_MAX; when++) {
		union any ev = event_of(RT_EV_CHECKPOINT, sizeof(ev.checkpoint));

		ev.checkpoint.when = (uint16_t)when;
		if (when >= RT_ENTRY && when <= RT_POINT)
			assert_taken(&ev, sizeof(ev.checkpoint));
		else
			assert_refused(&ev, sizeof(ev.checkpoint));
	}
}

Test(event, flags_of_a_newer_sender_are_taken)
{
	union any ev = event_of(RT_EV_CHECKPOINT, sizeof(ev.checkpoint));

	ev.checkpoint.flags = UINT16_MAX;
	assert_taken(&ev, sizeof(ev.checkpoint));
}

Test(event, strings_must_end)
{
	union any exec = event_of(RT_EV_EXEC, sizeof(exec.exec));
	union any exit = event_of(RT_EV_EXIT, sizeof(exit.exit));
	union any rename = event_of(RT_EV_RENAME, sizeof(rename.rename));
	union any totals = event_of(RT_EV_TOTALS, sizeof(totals.totals));

	memset(exec.exec.title, 'x', RT_TITLE_LEN - 1);
	assert_taken(&exec, sizeof(exec.exec));
	exec.exec.title[RT_TITLE_LEN - 1] = 'x';
	assert_refused(&exec, sizeof(exec.exec));

	memset(exit.exit.title, 'x', RT_TITLE_LEN);
	assert_refused(&exit, sizeof(exit.exit));

	memset(rename.rename.comm, 'x', RT_COMM_LEN - 1);
	assert_taken(&rename, sizeof(rename.rename));
	rename.rename.comm[RT_COMM_LEN - 1] = 'x';
	assert_refused(&rename, sizeof(rename.rename));

	memset(totals.totals.comm, 'x', RT_COMM_LEN);
	assert_refused(&totals, sizeof(totals.totals));
}

Test(event, a_label_lies_within_its_event)
{
	union any ev = event_of(RT_EV_MARK, offsetof(struct rt_mark, label) + 10);

	ev.mark.str.bytes = 10;
	assert_taken(&ev, ev.h.len);
	ev.mark.str.bytes = 11;
	assert_refused(&ev, ev.h.len);
	assert_refused(&ev, sizeof(ev));
	ev = event_of(RT_EV_MARK, sizeof(ev));
	ev.mark.str.bytes = RT_MARK_LEN;
	assert_taken(&ev, sizeof(ev));
	ev.mark.str.bytes = RT_MARK_LEN + 1;
	assert_refused(&ev, sizeof(ev));
}

Test(event, times_fit_in_63_bits)
{
	union any ev = event_of(RT_EV_OOM, sizeof(struct rt_oom));

	ev.h.time_ns = ev.h.start_ns = INT64_MAX;
	assert_taken(&ev, sizeof(struct rt_oom));
	ev.h.time_ns++;
	assert_refused(&ev, sizeof(struct rt_oom));
	ev.h.time_ns = 0;
	ev.h.start_ns++;
	assert_refused(&ev, sizeof(struct rt_oom));
}

Test(event, what_is_not_there_or_not_aligned_is_refused)
{
	union any ev = event_of(RT_EV_OOM, sizeof(struct rt_oom)), shifted;
	const char *why;

	memcpy(shifted.bytes + 1, &ev, sizeof(struct rt_oom));
	cr_assert_null(event_check(shifted.bytes + 1, sizeof(struct rt_oom), &why));
	cr_assert_null(event_check(NULL, 0, &why));
	cr_assert_null(event_check(NULL, 100, &why));
}

/* Under the address sanitizer: nothing beyond `len` is looked at. */
Test(event, noise_is_judged_by_its_own_bytes_alone)
{
	struct prng rng = { 4121 };
	unsigned int taken = 0;

	for (int i = 0; i < 200000; i++) {
		size_t len = prng__below(&rng, 500);
		uint64_t *heap = malloc(len + !len);
		struct rt_hdr *h = (struct rt_hdr *)heap;
		const char *why;

		memset(heap, (int)prng__below(&rng, 4), len);
		if (len >= sizeof(*h)) {
			h->kind = (uint16_t)prng__below(&rng, RT_EV_MARK + 1);
			h->len = (uint16_t)prng__below(&rng, 500);
			if (event_check(heap, len, &why)) {
				cr_assert_leq(h->len, len);
				taken++;
			}
		} else {
			cr_assert_null(event_check(heap, len, &why));
		}
		free(heap);
	}
	cr_assert(taken > 1000 && taken < 150000, "%u", taken);
}
