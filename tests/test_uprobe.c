/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What needs no program in the kernel: how its refusals are taken. */
#include "uprobe.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "offspring.h"

#define N 5

static const struct uprobe_site sites[N] = { { 1, 1, 0 }, { 2, 2, 0 }, { 3, 3, 8 },
	{ 4, 4, 0 }, { 5, 5, 0 } };

TestSuite(uprobe, .timeout = 30);

Test(uprobe, nothing_to_attach_is_no_error)
{
	struct uprobe_links *l = uprobe_links__new();
	size_t refused[N], n = 9;

	cr_assert_eq(uprobe_attach(l, NULL, true, UPROBE_PLAIN, 0, "/bin/true", sites, 0, refused, &n), 0);
	cr_assert_eq(n, 0);
	cr_assert_eq(uprobe_links__count(l), 0);
	uprobe_links__free(l);
	uprobe_links__free(NULL);
}

/* No program, so the kernel refuses all: each is tried, and each is named once. */
static void assert_all_refused(bool multi)
{
	struct uprobe_links *l = uprobe_links__new();
	size_t refused[N], n = 0, seen[N] = { 0 };
	int err = uprobe_attach(l, NULL, multi, UPROBE_PLAIN, 0, "/bin/true", sites, N, refused, &n);

	cr_assert_lt(err, 0);
	cr_assert_eq(uprobe_links__count(l), 0);
	/* rights are missing for all of them alike: then none is tried a second time */
	if (n) {
		cr_assert_eq(n, N);
		for (size_t i = 0; i < N; i++)
			seen[refused[i]]++;
		for (size_t i = 0; i < N; i++)
			cr_assert_eq(seen[i], 1);
	} else {
		cr_assert(multi && (err == -EPERM || err == -EACCES), "%d", err);
	}
	uprobe_links__free(l);
}

Test(uprobe, what_the_kernel_refuses_is_named_site_by_site)
{
	assert_all_refused(true);
}

static void without_rights(void *unused)
{
	struct uprobe_links *l = uprobe_links__new();

	cr_assert(!uprobe_has_multi(), "nobody can try it");
	assert_all_refused(true);
	cr_assert_lt(uprobe_attach_fd(l, -1, "/bin/true", sites, N), 0);
	cr_assert_eq(uprobe_links__count(l), 0);
	uprobe_links__free(l);
}

Test(uprobe, without_rights_nothing_is_attached)
{
	as_nobody(without_rights, NULL);
}
