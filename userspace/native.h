/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Native stacks of growth: what the kernel's side samples is unwound here, added up, and in the end
 * told as nodes of the call tree (below the node of the Python function that called into C, where there
 * is one) and as growth at them. Names are looked up at the end, when they hold up nobody.
 */
#ifndef NATIVE_H
#define NATIVE_H

#include "../bpf/ramtrace.h"
#include "record.h"

struct native;

struct native *native__new(void); /* NULL: no memory */
void native__free(struct native *n);

/* What mappings of code a process has may have changed; that it is another program, or gone. */
void native__event(struct native *n, const struct rt_hdr *ev);
/* One sample. 0 or -ENOMEM; a stack that cannot be unwound counts as one of a single frame. */
int native__sample(struct native *n, const struct rt_stack *ev);
/* All that was sampled. Once. -ENOMEM, or what emit returned. */
int native__emit(struct native *n, record_fn *emit, void *ctx);

#endif
