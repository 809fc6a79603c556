/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who a process is, from what it says of itself. One table of rules for all programs
 * (profiles/roles.yaml), first match wins; a profile may bring rules of its own, which are asked
 * first. Titles lie: comm is cut at 15 bytes, a forked child carries its parent's title until it
 * sets its own, and setproctitle overwrites the environment; the rules get all there is and the
 * one who asks decides when to ask again.
 */
#ifndef ROLE_H
#define ROLE_H

#include <stdbool.h>
#include <stddef.h>

struct role_rules;

struct role_subject {
	const char *cmdline;	    /* arguments joined by spaces */
	const char *comm;
	const char *exe;	    /* base name of the executable, "" when unknown */
	const char *const *environ; /* NULL-terminated NAME=value, or NULL */
	const char *parent_cmdline; /* NULL when unknown */
	bool forked;		    /* born by fork and has not called exec since */
};

/* The built-in table. 0; -errno with a message. */
int role_rules__load(struct role_rules **out, char *err, size_t err_len);
void role_rules__free(struct role_rules *r);

/*
 * The role into buf ("Worker_TP0", "postgres: checkpointer"), its length; 0: no rule matched, or
 * the subject was forked and its title is still its parent's (some rules say that this is as it
 * should be: programs whose processes all keep one title). Falls back to nothing: the caller shows
 * comm. What does not fit is cut before a whole UTF-8 character. Only the first 1023 bytes of a
 * title are looked at, and blanks at its end are not.
 */
size_t role_rules__apply(const struct role_rules *r, const struct role_subject *s, char *buf,
	size_t len);

#endif
