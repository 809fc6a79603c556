/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/pyframe.bpf.h over fake CPythons: the thread, its frames, and what is kept of them. */
#include "fake_stack.h"
#include "prng.h"

/* --- the thread ------------------------------------------------------------------------------ */

Test(pyframe, a_thread_is_found_in_any_interpreter)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 3);
		for (int i = 0; i < 3; i++) {
			u64 interp = i ? fake_interpreter(&l->py) : l->interp;

			for (u64 j = 1; j < 4; j++)
				fake_thread(&l->py, interp, SELF + i * 4096 + j * 64);
		}
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->tstate, l->tstate);
		cr_assert_eq(l->pt->interp, l->interp);
		memory.reads = 0; /* it is known now */
		cr_assert_eq(look(l), 0);
		cr_assert_leq(memory.reads, 4);
		l->w.self = SELF + 4096 + 128;
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->depth, 0);
		cr_assert_neq(l->pt->tstate, 0);
		cr_assert_neq(l->pt->interp, l->interp);
	}
}

Test(pyframe, a_thread_to_be_with_its_parents_id_is_passed_over)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 3);
		fake_thread(&l->py, l->interp, SELF);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->tstate, l->tstate);
	}
}

Test(pyframe, a_thread_without_frames_has_an_empty_stack)
{
	FOR_EACH_LAYOUT(l)
	{
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->top_still, 1);
		push_many(l, 5);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		while (l->n)
			pop(l);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->top_still, 0);
		fake_put64(l->py.interpreters, 0); /* not initialised, or not any more */
		l->pt->tstate = 0;
		cr_assert_eq(look(l), 0);
		assert_kept(l);
	}
}

Test(pyframe, what_is_not_there_is_not_sought_all_the_time)
{
	FOR_EACH_LAYOUT(l)
	{
		u64 tstate;

		for (u64 i = 1; i <= 20; i++)
			fake_thread(&l->py, l->interp, SELF + i * 64);
		l->w.self = SELF + 4096;
		for (int i = 0; i < PY_VAIN_TRIES; i++) {
			memory.reads = 0;
			cr_assert_eq(look(l), 0);
			cr_assert_geq(memory.reads, 20);
		}
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_eq(memory.reads, 2);
		l->now += PY_VAIN_NS;
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_geq(memory.reads, 20);
		cr_assert_eq(l->pt->tstate, 0);
		tstate = fake_thread(&l->py, l->interp, l->w.self); /* another head */
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->tstate, tstate);
	}
}

Test(pyframe, a_thread_that_attaches_anew_is_found_anew)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 2);
		cr_assert_eq(look(l), 0);
		/* freed, with its thread's id still there */
		pop(l);
		pop(l);
		fake_thread_ends(&l->py, l->interp, l->tstate);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		l->tstate = fake_thread(&l->py, l->interp, SELF);
		push_many(l, 4);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		/* freed, and now another thread's */
		fake_thread_ends(&l->py, l->interp, l->tstate);
		fake_put64(l->tstate + l->py.thread_id, SELF + 64);
		l->n = 0;
		l->tstate = fake_thread(&l->py, l->interp, SELF);
		push_many(l, 3);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
	}
}

Test(pyframe, a_thread_without_frames_does_not_search_all_the_time)
{
	FOR_EACH_LAYOUT(l)
	{
		for (u64 i = 1; i <= 20; i++)
			fake_thread(&l->py, l->interp, SELF + i * 64);
		for (int i = 0; i < PY_VAIN_TRIES; i++)
			cr_assert_eq(look(l), 0);
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_leq(memory.reads, 6);
		push_many(l, 3); /* and is seen at once when it has some */
		cr_assert_eq(look(l), 0);
		assert_kept(l);
	}
}

Test(pyframe, an_unreadable_list_is_no_empty_stack)
{
	FOR_EACH_LAYOUT(l)
	{
		u64 other, places[] = {l->py.interpreters, l->interp + l->py.interp_threads,
			l->interp + l->py.interp_next, 0, l->tstate + l->py.thread_id};

		push_many(l, 3);
		places[3] = other = fake_thread(&l->py, l->interp, SELF + 64);
		cr_assert_eq(look(l), 0);
		for (size_t i = 0; i < COUNT(places); i++) {
			l->pt->tstate = 0;
			l->w.self = i == 2 ? SELF + 4096 : SELF;
			fake_fault(places[i], 8);
			cr_assert_eq(look(l), -1, "%x: %zu", l->py.version, i);
			fake_heal();
			cr_assert_eq(l->pt->depth, 3);
		}
		l->w.self = SELF;
		fake_fault(l->tstate, 8); /* the one that is known */
		cr_assert_eq(look(l), -1);
		fake_heal();
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		l->pt->tstate = 0;
		l->w.self = SELF + 4096;
		fake_put64(l->tstate + l->py.thread_next, other); /* it never ends */
		cr_assert_eq(look(l), -1);
	}
}

/* --- the frames ------------------------------------------------------------------------------ */

Test(pyframe, a_stack_is_taken_from_scratch)
{
	FOR_EACH_LAYOUT(l)
	{
		for (u32 n = 1; n <= PY_FRESH; n += 9) {
			struct py_thread none = {0};

			while (l->n)
				pop(l);
			push_many(l, n - 1);
			push(l, CODE(WANTED));
			*l->pt = none;
			cr_assert_eq(look(l), 0);
			assert_kept(l);
			cr_assert_eq(l->pt->wanted, 1);
			cr_assert_eq(l->pt->n_fresh, n);
		}
	}
}

Test(pyframe, frames_of_the_interpreter_itself_are_none)
{
	FOR_EACH_LAYOUT(l)
	{
		struct fake_frame shim = {.at = l->shims, .code = CODE(5)};
		u64 innermost = fake_innermost(&l->py, l->tstate);

		if (l->py.shim_owner == RT_PY_NONE)
			continue;
		push_many(l, 4);
		/* below the outermost, between two, and above the innermost */
		fake_frame(&l->py, &shim, 0, 3);
		fake_frame(&l->py, &l->frames[0], shim.at, 0);
		shim.at += FRAME;
		fake_frame(&l->py, &shim, l->frames[1].at, 3);
		fake_frame(&l->py, &l->frames[2], shim.at, 1);
		shim.at += FRAME;
		fake_frame(&l->py, &shim, l->frames[3].at, 4);
		fake_put64(innermost, shim.at);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(look_at_all(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->n_fresh, 0);
		cr_assert_eq(l->pt->changed, 0);
	}
}

Test(pyframe, a_walk_ends_at_the_second_frame_that_did_not_move)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 100);
		cr_assert_eq(look_at_all(l), 0);
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->top_still, 1);
		cr_assert_leq(memory.reads, 4);
		move_to(l, new_instr(l));
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->top_still, 0);
		cr_assert_leq(memory.reads, 5);
		cr_assert_eq(l->pt->n_fresh, 0);
		move_to(l, new_instr(l));
		push_many(l, 3);
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_leq(memory.reads, 8);
		cr_assert_eq(l->pt->n_fresh, 3);
		cr_assert_eq(l->pt->known, 100);
		assert_kept(l);
		for (int i = 0; i < 40; i++)
			pop(l);
		move_to(l, new_instr(l));
		memory.reads = 0;
		cr_assert_eq(look(l), 0);
		cr_assert_leq(memory.reads, 5);
		assert_kept(l);
	}
}

Test(pyframe, all_is_compared_when_that_is_asked_for)
{
	FOR_EACH_LAYOUT(l)
	{
		int full = 0;

		push_many(l, 100);
		cr_assert_eq(look_at_all(l), 0);
		for (int i = 0; i < 4 * FULL_EVERY; i++) {
			memory.reads = 0;
			cr_assert_eq(look(l), 0);
			full += memory.reads >= 100;
			cr_assert_eq(l->pt->changed, 0, "%x", l->py.version);
		}
		cr_assert_eq(full, 4);
	}
}

/* main, A, f, g become main, B, f, g: same places, same instructions of f and g. */
Test(pyframe, another_caller_of_the_same_frames_is_found_at_the_next_full_walk)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 10);
		cr_assert_eq(look_at_all(l), 0);
		l->pt->sure_ns = l->now;
		replace(l, 5, CODE(9));
		for (int i = 1; i < FULL_EVERY; i++) {
			cr_assert_eq(look(l), 0);
			cr_assert_eq(l->pt->unsure, 0);
		}
		cr_assert_eq(first_wrong(l, 0), 6);
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->unsure, 1);
		assert_kept(l);
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->unsure, 0);
	}
}

Test(pyframe, another_caller_is_found_at_once_where_it_or_its_frame_is_wanted)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 5);
		push(l, CODE(WANTED));
		push_many(l, 4);
		cr_assert_eq(look_at_all(l), 0);
		l->pt->refs[0].depth = 6;
		l->pt->n_refs = 1;
		replace(l, 5, CODE(WANTED + 1));
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		/* the instruction alone says that it has been run */
		replace(l, 4, CODE(9));
		replace(l, 5, CODE(WANTED + 1));
		cr_assert_eq(look(l), 0);
		assert_kept(l);
	}
}

Test(pyframe, doubt_ends_with_the_walk_that_had_it)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 10);
		cr_assert_eq(look_at_all(l), 0);
		l->pt->sure_ns = l->now;
		replace(l, 5, CODE(9));
		cr_assert_eq(look_at_all(l), 0);
		cr_assert_eq(l->pt->unsure, 1);
		while (l->n)
			pop(l);
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->unsure, 0);
	}
}

Test(pyframe, frames_of_generators_lie_anywhere)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 20);
		cr_assert_eq(look_at_all(l), 0);
		for (u32 i = 0; i < 200; i++) {
			/* resumed by one, then by another; each calls something plain */
			push_at(l, l->heap + i % 3 * FRAME, CODE(WANTED + i % 3), new_instr(l));
			if (i & 4)
				push(l, CODE(3));
			cr_assert_eq(look(l), 0);
			assert_kept(l);
			if (i & 4)
				pop(l);
			pop(l);
			if (i % 5 == 0)
				move_to(l, new_instr(l));
			if (i & 1)
				cr_assert_eq(look(l), 0);
		}
	}
}

Test(pyframe, a_deep_stack_is_taken_bit_by_bit)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 900);
		for (u32 depth = PY_FRESH; depth < 900; depth += PY_FRESH) {
			cr_assert_eq(look(l), 0);
			cr_assert_eq(l->pt->depth, depth);
			cr_assert_eq(first_wrong(l, 0), 0);
		}
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->floor, 900 - PY_RECORD);
		cr_assert_eq(look_at_all(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->changed, 0);
	}
}

/* Deeper than a walk goes at once: it can be followed, not begun. */
Test(pyframe, the_ring_of_what_is_kept_wraps_and_unwinds)
{
	FOR_EACH_LAYOUT(l)
	{
		while (l->n < 1500) {
			push_many(l, 100);
			cr_assert_eq(look(l), 0);
			assert_kept(l);
		}
		cr_assert_eq(look_at_all(l), 0);
		assert_kept(l);
		while (l->n > 1260) {
			pop(l);
			move_to(l, new_instr(l));
			cr_assert_eq(look(l), 0);
			assert_kept(l);
		}
		cr_assert_eq(l->pt->floor, 1500 - PY_RECORD);
		push_many(l, 100);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		while (l->n > 1200) /* all that was kept is gone, and what is left is too deep */
			pop(l);
		cr_assert_eq(look(l), -1);
		while (l->n > 900)
			pop(l);
		for (u32 i = 0; i < 900 / PY_FRESH + 1; i++)
			cr_assert_eq(look(l), 0);
		assert_kept(l);
		while (l->n > 60)
			pop(l);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		cr_assert_eq(l->pt->floor, 0);
	}
}

Test(pyframe, a_frame_that_cannot_be_read_leaves_what_is_known_beyond)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 50);
		cr_assert_eq(look_at_all(l), 0);
		/* two new ones, and the third that is known is swapped out */
		push_many(l, 2);
		replace(l, 49, CODE(1)); /* at 49 % 7 is 0: replaced by another */
		fake_fault(l->frames[47].at, 8);
		cr_assert_eq(look(l), 0);
		cr_assert_eq(l->pt->known, 49);
		assert_kept(l);
		fake_heal();
		/* the innermost, which is known */
		fake_fault(l->frames[51].at, 8);
		cr_assert_eq(look_at_all(l), 0);
		assert_kept(l);
		fake_heal();
		/* a new one, with all that is known beyond it: nothing can be said */
		push_many(l, 2);
		fake_fault(l->frames[52].at, 8);
		cr_assert_eq(look(l), -1);
		cr_assert_eq(l->pt->depth, 52);
		fake_heal();
		cr_assert_eq(look(l), 0);
		assert_kept(l);
	}
}

Test(pyframe, what_was_found_changed_but_could_not_be_read_is_looked_at_again)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 20);
		cr_assert_eq(look_at_all(l), 0);
		for (u32 i = 12; i < 20; i++)
			replace(l, i, l->frames[i].code);
		l->frames[10].at = l->heap;
		write_frame(l, 10);
		replace(l, 11, CODE(9));
		fake_fault(l->heap, 8);
		cr_assert_eq(look(l), -1);
		fake_heal();
		cr_assert_eq(look(l), 0); /* though nothing has moved since */
		assert_kept(l);
	}
}

Test(pyframe, a_cycle_ends)
{
	FOR_EACH_LAYOUT(l)
	{
		push_many(l, 30);
		fake_frame(&l->py, &l->frames[0], l->frames[20].at, 0);
		cr_assert_eq(look(l), -1);
		write_frame(l, 0);
		cr_assert_eq(look(l), 0);
		assert_kept(l);
		for (u32 to = 0; to < 30; to += 5) {
			for (u32 from = to; from < 30; from += 4) {
				fake_frame(&l->py, &l->frames[to], l->frames[from].at, 0);
				look_at_all(l); /* whatever it says */
				write_frame(l, to);
				look_at_all(l);
				cr_assert_eq(look_at_all(l), 0);
				assert_kept(l);
			}
		}
	}
}

/* Slots of the index are shared: a frame may not be found by its address. */
Test(pyframe, a_full_walk_finds_nothing_changed_where_nothing_has)
{
	struct prng r = {.state = 4};

	FOR_EACH_LAYOUT(l)
	{
		for (u32 n = 100; n <= PY_RECORD; n += 52) {
			while (l->n < n)
				push_at(l, l->stack + l->n * FRAME + prng__below(&r, SHIFT / 8) * 8,
					CODE(1), new_instr(l));
			for (int i = 0; i < 4; i++)
				cr_assert_eq(look(l), 0);
			cr_assert_eq(look_at_all(l), 0);
			cr_assert_eq(l->pt->changed, 0, "%x: %u frames", l->py.version, n);
			cr_assert_eq(l->pt->n_fresh, 0);
			assert_kept(l);
		}
	}
}
