/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stacks.h"

#include <criterion/criterion.h>

Test(stacks, equal_stacks_are_one_and_others_are_not)
{
	struct unwind_frame a[] = { { 7, 0, 0x1000 }, { 9, 0, 0x2000 } };
	struct unwind_frame b[] = { { 7, 0, 0x5000 }, { 9, 0, 0x6000 } };
	struct stacks *s = stacks__new(1 << 16);
	const struct stacks_frame *frames;
	enum unwind_end end;
	uint32_t first, cut, guessed, longer;

	first = stacks__add(s, a, 1, UNWIND_COMPLETE);
	cr_assert_geq(first, STACKS_FIRST);
	cr_assert_eq(stacks__add(s, b, 1, UNWIND_COMPLETE), first, "in another process");
	cut = stacks__add(s, a, 1, UNWIND_TRUNCATED);
	cr_assert_neq(cut, first);
	longer = stacks__add(s, a, 2, UNWIND_COMPLETE);
	cr_assert_neq(longer, first);
	b[1].flags = UNWIND_GUESSED;
	guessed = stacks__add(s, b, 2, UNWIND_COMPLETE);
	cr_assert_neq(guessed, longer);
	cr_assert_eq(stacks__count(s), 4);
	cr_assert_eq(stacks__get(s, guessed, &frames, &end), 2);
	cr_assert_eq(end, UNWIND_COMPLETE);
	cr_assert_eq(frames[0].id, 7);
	cr_assert_eq(frames[1].id, 9);
	cr_assert_eq(frames[1].flags, UNWIND_GUESSED);
	cr_assert_eq(stacks__get(s, cut, &frames, &end), 1);
	cr_assert_eq(end, UNWIND_TRUNCATED);
	cr_assert_eq(stacks__get(s, STACKS_OTHER, &frames, &end), 0);
	cr_assert_eq(stacks__get(s, 5000, &frames, &end), 0);
	stacks__free(s);
}

Test(stacks, what_has_no_room_is_counted)
{
	struct stacks *s = stacks__new(20000);
	struct unwind_frame f = { 0 };
	uint32_t last = 0, n;

	for (f.id = 0; f.id < 1000; f.id++) {
		n = stacks__add(s, &f, 1, UNWIND_COMPLETE);
		cr_assert(n == STACKS_OTHER || n == last + 1);
		last = n ? n : last;
	}
	cr_assert_geq(stacks__count(s), 100);
	cr_assert_leq(stacks__count(s), 400);
	cr_assert_eq(stacks__count(s) + stacks__refused(s), 1000);
	f.id = 0;
	cr_assert_eq(stacks__add(s, &f, 1, UNWIND_COMPLETE), STACKS_FIRST, "what is there stays");
	stacks__free(s);
}
