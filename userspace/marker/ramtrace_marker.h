/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Rows of your own in the log of ramtrace-bpf, from C and C++:
 *
 *	#include "ramtrace_marker.h"
 *
 *	RAMTRACE_MARK("index loaded");
 *
 * The label is any const char *, UTF-8. Untraced it costs a nop and reading one byte; nothing has to
 * be linked, and nothing switched on or off. Traced, it is a row with the process's memory at that
 * very instant.
 *
 * It is a USDT probe, ramtrace:mark, by the macros of SystemTap's <sys/sdt.h>, which takes a package
 * to build with and none to run: systemtap-sdt-dev (Debian, Ubuntu), systemtap-sdt-devel (Fedora,
 * RHEL, openSUSE), systemtap (Arch). Without it RAMTRACE_MARK compiles to nothing, with a warning.
 */
#ifndef RAMTRACE_MARKER_H
#define RAMTRACE_MARKER_H

#if defined(__has_include)
#if __has_include(<sys/sdt.h>)
#define RAMTRACE_HAVE_SDT 1
#endif
#endif

#ifdef RAMTRACE_HAVE_SDT

#include <sys/sdt.h>

/*
 * The first asm keeps the pointer in a register: a variable could lie where the tracer does not look.
 * The second reads a byte, so that a literal of a page that was not used yet is there to be read.
 */
#define RAMTRACE_MARK(label)                                                                       \
	do {                                                                                       \
		const char *ramtrace_label = (label);                                              \
		__asm__ volatile("" : "+r"(ramtrace_label));                                       \
		if (ramtrace_label)                                                                \
			__asm__ volatile("" : : "r"(*ramtrace_label) : "memory");                  \
		STAP_PROBE1(ramtrace, mark, ramtrace_label);                                       \
	} while (0)

#else

#warning "RAMTRACE_MARK does nothing: <sys/sdt.h> is missing; install systemtap-sdt-dev"
#define RAMTRACE_MARK(label) ((void)(label))

#endif

#endif
