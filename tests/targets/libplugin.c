/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Loaded late by `loads`, and into Python with greenlets. */
#include "unharmed.h"

PROBED int p_plugin(int n)
{
	grow(1);
	return n * 2;
}

/* Anything may happen in between: another greenlet, or an exception. */
PROBED int p_calls_back(int (*fn)(int), int n)
{
	grow(1);
	n = fn(n);
	grow(1);
	return n;
}

int plugin_begin(const char *path, const char *mode)
{
	char *argv[] = {"plugin", (char *)path, (char *)mode, NULL};

	unharmed_begin(3, argv);
	return 0;
}

int plugin_calls_back(int (*fn)(int), int n)
{
	tell("p_calls_back", "entry", "-");
	n = p_calls_back(fn, n);
	tell("p_calls_back", "return", "-");
	return n;
}

int plugin_end(void)
{
	return unharmed_end(0);
}

int plugin_call(int n)
{
	tell("p_plugin", "entry", "-");
	n = p_plugin(n);
	tell("p_plugin", "return", "-");
	return n;
}
