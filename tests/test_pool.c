/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pool.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

static struct pool *pool;

static void set_up(void)
{
	pool = pool__new();
	cr_assert(pool);
}

static void tear_down(void)
{
	pool__free(pool);
	pool__free(NULL);
}

TestSuite(pool, .init = set_up, .fini = tear_down);

static struct fact_spec spec_of(unsigned int id, char *text)
{
	return (struct fact_spec){ .id = id, .text = text, .entry = { text, text } };
}

static struct spec_stat *spec(unsigned int run, unsigned int id, char *text)
{
	struct fact_spec s = spec_of(id, text);

	return pool__spec(pool, run, &s);
}

static struct func_stat *func(unsigned int run, unsigned int id, char *name, char *file)
{
	unsigned int specs[] = { id };
	struct fact_func f = { .id = id, .name = name, .file = file, .cost = "nop5", .returns = "noticed",
		.specs = specs, .n_specs = 1 };

	return pool__func(pool, run, &f);
}

static int judge(unsigned int run, const struct fact_spec *s)
{
	struct spec_stat stat = { .spec = s };

	return pool__judge(pool, run, &stat, 1);
}

Test(pool, what_two_runs_say_in_the_same_words_is_one)
{
	struct spec_stat *a = spec(0, 0, "x:f");

	cr_assert(a);
	cr_assert_str_eq(a->spec->text, "x:f");
	cr_assert_eq(spec(1, 7, "x:f"), a);
	cr_assert_neq(spec(1, 0, "x:g"), a);
	cr_assert_eq(spec(0, 0, "x:f"), a);
	cr_assert_eq(func(0, 3, "f", "/a"), func(1, 9, "f", "/a"));
	cr_assert_neq(func(0, 4, "f", "/b"), func(0, 3, "f", "/a"));
}

Test(pool, ids_are_in_the_order_in_which_things_were_first_seen)
{
	const struct spec_stat *specs;
	const struct func_stat *funcs;
	size_t n;

	spec(0, 5, "x:f")->rows = 10;
	spec(1, 0, "x:g")->rows = 20;
	spec(2, 1, "x:f")->rows += 1;
	func(1, 2, "b", "/a")->entries = 3;
	func(0, 0, "a", "/a")->entries = 4;
	cr_assert_eq(pool__spec_stats(pool, &specs, &n), 0);
	cr_assert_eq(n, 2);
	for (unsigned int i = 0; i < 2; i++)
		cr_assert_eq(specs[i].spec->id, i);
	cr_assert_str_eq(specs[0].spec->text, "x:f");
	cr_assert_eq(specs[0].rows, 11);
	cr_assert_eq(specs[1].rows, 20);
	cr_assert_eq(pool__func_stats(pool, &funcs, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(funcs[0].func->name, "b");
	cr_assert_eq(funcs[1].entries, 4);
	cr_assert_eq(funcs[1].func->id, 1);
}

Test(pool, the_first_fact_of_an_id_decides)
{
	struct spec_stat *a = spec(0, 0, "x:f");

	cr_assert_eq(spec(0, 0, "x:other"), a);
	cr_assert_str_eq(a->spec->text, "x:f");
}

Test(pool, a_spec_is_unmatched_only_if_it_is_so_in_every_run)
{
	struct fact_spec s = spec_of(0, "x:f");
	struct spec_stat *a = spec(0, 0, "x:f");

	s.unmatched = "not there";
	cr_assert_eq(judge(0, &s), 0);
	cr_assert_str_eq(a->spec->unmatched, "not there");
	s.unmatched = "neither here";
	cr_assert_eq(judge(1, &s), 0);
	cr_assert_str_eq(a->spec->unmatched, "not there");
	s.unmatched = NULL;
	cr_assert_eq(judge(2, &s), 0);
	cr_assert_null(a->spec->unmatched);
	s.unmatched = "not there";
	cr_assert_eq(judge(3, &s), 0);
	cr_assert_null(a->spec->unmatched, "it was matched once");
}

Test(pool, what_a_spec_is_inside_of_may_come_later_in_the_list)
{
	struct fact_spec in = spec_of(0, "x:g"), around = spec_of(1, "x:f");
	struct spec_stat list[] = { { .spec = &in }, { .spec = &around } };
	const struct spec_stat *specs;
	size_t n;

	in.inside = 1 + around.id;
	in.unmatched = "not there";
	cr_assert_eq(pool__judge(pool, 0, list, 2), 0);
	cr_assert_eq(pool__spec_stats(pool, &specs, &n), 0);
	cr_assert_eq(n, 2);
	cr_assert_str_eq(specs[0].spec->text, "x:f");
	cr_assert_null(specs[0].spec->unmatched);
	cr_assert_str_eq(specs[1].spec->text, "x:g");
	cr_assert_eq(specs[1].spec->inside, 1 + specs[0].spec->id);
	cr_assert_str_eq(specs[1].spec->unmatched, "not there");
}

Test(pool, many_stay_apart)
{
	const struct func_stat *funcs;
	char name[16];
	size_t n;

	for (unsigned int i = 0; i < 5000; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		func(i % 3, i, name, "/a")->entries = i;
	}
	cr_assert_eq(pool__func_stats(pool, &funcs, &n), 0);
	cr_assert_eq(n, 5000);
	for (unsigned int i = 0; i < 5000; i++)
		cr_assert_eq(funcs[i].entries, i);
}
