/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "log.h"

#include <criterion/criterion.h>

#include "said.h"

static void set_up(void)
{
	said__begin(2);
}

TestSuite(log, .init = set_up);

Test(log, a_message_says_who_speaks_and_how_bad_it_is)
{
	log_error("no %s", "luck");
	cr_assert_str_eq(said(2), "ramtrace-bpf: error: no luck\n");
	log_warn("%d left", 3);
	cr_assert_str_eq(said(2), "ramtrace-bpf: warning: 3 left\n");
	log_info("ready");
	cr_assert_str_eq(said(2), "ramtrace-bpf: ready\n");
}

Test(log, the_level_decides_what_is_said)
{
	cr_assert_eq(log_level(), LOG_INFO);
	log_debug("detail");
	cr_assert_str_empty(said(2));
	log_set_level(LOG_DEBUG);
	log_debug("detail");
	cr_assert_str_eq(said(2), "ramtrace-bpf: debug: detail\n");
	log_set_level(LOG_ERROR);
	log_warn("x");
	log_info("x");
	log_debug("x");
	cr_assert_str_empty(said(2));
	log_error("y");
	cr_assert_str_eq(said(2), "ramtrace-bpf: error: y\n");
}

Test(log, names_of_others_do_not_talk_to_the_terminal)
{
	log_warn("odd: %s", "a\033]0;title\a\nb\xfe");
	cr_assert_str_eq(said(2), "ramtrace-bpf: warning: odd: a\\x1b]0;title\\x07\\x0ab\\xfe\n");
	log_info("%s", "内存");
	cr_assert_str_eq(said(2), "ramtrace-bpf: 内存\n");
}
