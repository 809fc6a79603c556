/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/pyframe.bpf.h over stacks that change at random: what is kept is what is there. */
#include "fake_stack.h"
#include "prng.h"

/* `repeats`: calls from the same place, which look alike, are many; else there are none. */
static u64 some_instr(struct live *l, struct prng *r, bool repeats)
{
	return repeats ? 2 * (1 + prng__below(r, 2)) : new_instr(l);
}

static bool in_use(const struct live *l, u64 at)
{
	for (u32 i = 0; i < l->n; i++)
		if (l->frames[i].at == at)
			return true;
	return false;
}

static void call_something(struct live *l, struct prng *r, bool repeats)
{
	u64 at = l->stack + l->n * FRAME + prng__below(r, SHIFT / 8) / 3 * 8;
	u64 code = CODE(prng__below(r, 4));

	if (prng__below(r, 8) == 0)
		code = CODE(WANTED + prng__below(r, 3));
	if (prng__below(r, 8) == 0)
		at = l->heap + prng__below(r, HEAP) * FRAME;
	if (in_use(l, at))
		at = l->stack + l->n * FRAME;
	push_at(l, at, code, some_instr(l, r, repeats));
	l->frames[l->n - 1].globals += prng__below(r, 2) * 64;
	write_frame(l, l->n - 1);
}

/* Runs on for a while: only the innermost frame moves, and calls or returns. */
static void run_on(struct live *l, struct prng *r, bool repeats, u32 max)
{
	u32 turns = prng__below(r, 6);

	for (u32 i = 0; i < turns; i++) {
		u32 down = prng__below(r, 10) ? prng__below(r, 4) : prng__below(r, max);
		u32 up = prng__below(r, 12) ? prng__below(r, 5) : prng__below(r, PY_FRESH / 8);

		for (; down && l->n > 1; down--)
			pop(l);
		if (l->n && (!repeats || prng__below(r, 2)))
			move_to(l, some_instr(l, r, repeats));
		for (; up && l->n < max; up--)
			call_something(l, r, repeats);
	}
	if (!l->n)
		call_something(l, r, repeats);
}

/* What pyspan.bpf.h keeps: where the wanted frames lie. */
static void note_refs(struct live *l)
{
	struct py_thread *pt = l->pt;

	pt->n_refs = 0;
	for (u32 d = pt->floor + 1; d <= pt->depth && pt->n_refs < PY_SPANS; d++)
		if (py_record(pt, d)->func)
			pt->refs[pt->n_refs++].depth = d;
}

static void compare(struct live *l, bool repeats, u32 *behind)
{
	struct py_thread *pt = l->pt;
	u32 from = 0, wrong, wanted = pt->n_refs ? pt->refs[pt->n_refs - 1].depth : 0;

	if (pt->n_fresh <= PY_FRESH) {
		cr_assert_eq(pt->depth, l->n, "%u of %u", pt->depth, l->n);
	} else {
		cr_assert_lt(pt->depth, l->n);
	}
	if (repeats && !compared_all(l))
		from = pt->match - 1; /* the last frame that was looked at */
	wrong = first_wrong(l, from);
	cr_assert_eq(wrong, 0, "%x: depth %u of %u, %u fresh, known %u, floor %u", l->py.version,
		wrong, l->n, pt->n_fresh, pt->known, pt->floor);
	/* an open span's frame that has moved is found at once, from there inwards not later than this */
	*behind = first_wrong(l, wanted ? wanted - 1 : 0) ? *behind + 1 : 0;
	cr_assert_lt(*behind, FULL_EVERY);
}

static void differ(size_t layout, u64 seed, bool repeats, u32 max)
{
	struct live *l = live_new(layout);
	struct prng r = {.state = seed};
	u32 behind = 0;

	for (int i = 0; i < 1500; i++) {
		run_on(l, &r, repeats, max);
		l->now += prng__below(&r, 20) ? 0 : PY_VAIN_NS;
		cr_assert_eq(look(l), 0);
		compare(l, repeats, &behind);
		note_refs(l);
	}
	live_free(l);
}

Test(pywalks, any_stack_is_followed)
{
	static const u32 depths[] = {3, 20, 100, 250, 600};

	for (size_t layout = 0; layout < N_LAYOUTS; layout++)
		for (size_t i = 0; i < COUNT(depths); i++) {
			differ(layout, 7001 + layout * 64 + i, false, depths[i]);
			differ(layout, 9001 + layout * 64 + i, true, depths[i]);
		}
}

/* What was read lies as it was read, whatever is beyond it. */
static bool fresh_are_real(struct live *l)
{
	for (u32 i = 0; i < l->pt->n_fresh; i++)
		if (py_record(l->pt, l->pt->depth - i)->frame != l->frames[l->n - 1 - i].at)
			return false;
	return true;
}

/* Faults at random, too: what a walk says is either nothing, or what can be known. */
Test(pywalks, faults_never_make_up_frames)
{
	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		struct live *l = live_new(layout);
		struct prng r = {.state = 31 + layout};
		u32 before;

		for (int i = 0; i < 3000; i++) {
			run_on(l, &r, false, 120);
			for (u64 n = prng__below(&r, 4); n; n--)
				fake_fault(l->frames[prng__below(&r, l->n)].at, 64);
			before = l->pt->depth;
			if (look(l))
				cr_assert_eq(l->pt->depth, before);
			else
				cr_assert(fresh_are_real(l));
			fake_heal();
			if (i % 3)
				continue;
			cr_assert_eq(look_at_all(l), 0);
			assert_kept(l);
		}
		live_free(l);
	}
}
