/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What needs no rights: how it is said that they are missing. */
#include "session.h"

#include <criterion/criterion.h>
#include <errno.h>

#include "log.h"
#include "offspring.h"
#include "said.h"

TestSuite(session, .timeout = 60);

static void open_one(void *unused)
{
	const struct session_config config = { .ring_bytes = 1 << 20, .max_funcs = 16 };
	struct session *s = (void *)&config;
	char err[512] = "";

	said__begin(2);
	cr_assert_eq(session__open(&config, &s, err, sizeof(err)), -EPERM, "%s", err);
	cr_assert(strstr(err, "cannot load the BPF programs: Operation not permitted"), "%s", err);
	cr_assert(strstr(err, "it takes root, or CAP_BPF and CAP_PERFMON"), "%s", err);
	cr_assert_eq((const void *)s, &config, "nothing was opened");
	cr_assert_str_empty(said(2), "libbpf keeps its words to itself");
	log_set_level(LOG_DEBUG);
	cr_assert_eq(session__open(&config, &s, err, sizeof(err)), -EPERM);
	cr_assert_said(2, "libbpf");
}

Test(session, without_rights_the_reason_is_told_in_one_sentence)
{
	as_nobody(open_one, NULL);
}

Test(session, what_was_never_opened_can_be_closed)
{
	session__close(NULL);
}
