/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Markers: checkpoints whose label the program gives itself. Python does it by
 * ascii("ramtrace:LABEL"), which comes to PyObject_ASCII with the str object as its argument in
 * every version; native code by a USDT probe with the address of a C string. The attach cookie
 * says which it is and where to look (enum rt_mark_at). Nothing that the program hands over is
 * believed: what is no str of that form makes no row, and a C string that cannot be read makes one
 * without a label.
 */
#ifndef MARK_BPF_H
#define MARK_BPF_H

#include "site.bpf.h"

/* Where a label is. */
struct mark_text {
	u64 data;
	u64 bytes; /* to take; of a C string as many as there may be */
	struct rt_pystr str;
	u32 origin;
};

/* Does a string of that many bytes a character begin with "ramtrace:"? */
static __always_inline bool mark_has_prefix(u64 data, u32 kind)
{
	const char prefix[] = RT_MARK_PREFIX;
	union {
		u8 one[RT_MARK_PREFIX_LEN];
		u16 two[RT_MARK_PREFIX_LEN];
		u32 four[RT_MARK_PREFIX_LEN];
	} have = {};
	u32 n = kind * RT_MARK_PREFIX_LEN;

	barrier_var(n);
	n &= 63;
	if (n > sizeof(have) || bpf_probe_read_user(&have, n, (void *)data))
		return false;
	for (int i = 0; i < RT_MARK_PREFIX_LEN; i++) {
		u32 c = kind == 1 ? have.one[i] : kind == 2 ? have.two[i] : have.four[i];

		if (c != prefix[i])
			return false;
	}
	return true;
}

static __always_inline bool mark_find_str(u64 str, u64 sizes, struct mark_text *text)
{
	struct py_text t;

	if (py_read_str_of(sizes & 0xff, sizes >> 8 & 0xff, str, &t) || t.chars < RT_MARK_PREFIX_LEN ||
		!mark_has_prefix(t.data, t.kind))
		return false;
	text->data = t.data + t.kind * RT_MARK_PREFIX_LEN;
	text->str.chars = t.chars - RT_MARK_PREFIX_LEN;
	text->str.kind = t.kind;
	text->bytes = (text->str.chars < RT_MARK_CHARS ? text->str.chars : RT_MARK_CHARS) * t.kind;
	text->origin = RT_MARK_ASCII;
	return true;
}

static __always_inline bool mark_find_c(struct pt_regs *ctx, u64 cookie, struct mark_text *text)
{
	u32 at = cookie & RT_MARK_AT, reg = cookie >> 8 & 0xff;
	s64 value = (s64)cookie >> 16;
	u64 base = 0;

	if (at != RT_MARK_AT_VALUE && bpf_probe_read_kernel(&base, sizeof(base), (void *)ctx + reg * 8))
		return false;
	text->data = base + value;
	if (at == RT_MARK_AT_MEMORY &&
		bpf_probe_read_user(&text->data, sizeof(text->data), (void *)text->data))
		return false;
	text->bytes = RT_MARK_LEN;
	text->origin = RT_MARK_USDT;
	return true;
}

#define MARK_PAGE 4096

/* What is not in memory cannot be fetched here: of a string that goes on in such a page, what lies
 * in the page that it begins in. */
static __always_inline u32 mark_read_c(struct rt_mark *ev, u64 data, u32 room)
{
	u32 n = MARK_PAGE - (data & (MARK_PAGE - 1));
	long len = bpf_probe_read_user_str(ev->label, room, (void *)data);

	if (len > 0) {
		ev->str.chars = len == room ? len : len - 1;
		return len - 1;
	}
	barrier_var(n);
	n &= 2 * RT_MARK_LEN - 1;
	if (!n || n > room || bpf_probe_read_user(ev->label, n, (void *)data))
		return 0;
	ev->str.chars = n + 1;
	return n;
}

static __always_inline void mark_read(struct rt_mark *ev, const struct mark_text *text, u32 room)
{
	u32 n = text->bytes < room ? text->bytes : room;

	ev->str = text->str;
	ev->str.bytes = 0;
	if (text->origin == RT_MARK_USDT) {
		ev->str.kind = 1;
		ev->str.bytes = mark_read_c(ev, text->data, room);
		return;
	}
	barrier_var(n);
	n &= 2 * RT_MARK_LEN - 1; /* for the verifier: it is no more than room anyway */
	if (n <= room && !bpf_probe_read_user(ev->label, n, (void *)text->data))
		ev->str.bytes = n;
}

static __always_inline void mark_fill(struct rt_mark *ev, const struct look *lk,
	const struct mark_text *text, u32 room)
{
	u32 len = offsetof(struct rt_mark, label) + room;

	event_header(&ev->h, RT_EV_MARK, len, lk->st);
	ev->h.pid = lk->ts->tgid;
	ev->h.tid = lk->ts->tid;
	ev->h.start_ns = lk->ts->start_ns;
	ev->h.time_ns = lk->now;
	ev->rss = lk->rss;
	ev->flags = lk->flags | (lk->ts->borrowed ? RT_F_BORROWED : 0);
	ev->origin = text->origin;
	ev->pad = 0;
	mark_read(ev, text, room);
}

/* Most labels are short, and how long a C string is shows only once it has been read. */
static __noinline int mark_send(const struct look *lk, const struct mark_text *text)
{
	struct rt_mark *ev;
	bool is_short = text->bytes <= RT_MARK_SHORT;
	u64 wake;

	if (!ring_has_room(lk->ts, &wake)) {
		event_lost(lk->st);
		return 0;
	}
	if (is_short) {
		ev = event_reserve(offsetof(struct rt_mark, label) + RT_MARK_SHORT, lk->st);
		if (!ev)
			return 0;
		mark_fill(ev, lk, text, RT_MARK_SHORT);
	} else {
		ev = event_reserve(sizeof(*ev), lk->st);
		if (!ev)
			return 0;
		mark_fill(ev, lk, text, RT_MARK_LEN);
	}
	bpf_ringbuf_submit(ev, wake);
	return 0;
}

static __always_inline bool mark_find(struct pt_regs *ctx, u64 cookie, struct mark_text *text)
{
	if ((cookie & RT_MARK_AT) == RT_MARK_AT_STR)
		return mark_find_str(PT_REGS_PARM1(ctx), cookie >> 16, text);
	return mark_find_c(ctx, cookie, text);
}

/* A look like that at any probed instruction, so that what has ended before comes before it. Is the
 * process traced? */
static __always_inline bool on_marker(struct pt_regs *ctx, u64 cookie)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	struct look lk = {.sp = PT_REGS_SP(ctx), .func = RT_NO_FUNC};
	struct mark_text text = {};
	struct rt_py *py;
	s64 pages[MM_KINDS];

	lk.st = mm_of(mm);
	if (!lk.st)
		return false;
	if (!mark_find(ctx, cookie, &text))
		return true;
	lk.ts = thread_get(task, mm);
	if (!lk.ts)
		return false;
	lk.now = bpf_ktime_get_ns();
	if (!look_snapshot(&lk, mm, task, pages))
		return true;
	lk.ts->busy = 1;
	lk.flags = forget_value(lk.flags);
	py = look_python(&lk, task, false);
	if (py || lk.ts->depth)
		report_spans(&lk, task, py);
	if (cookie & RT_MARK_STEPPED)
		add_step_page(&lk, mm, pages);
	mark_send(&lk, &text);
	if (step_yields)
		step_pages = 0;
	lk.st->row_total = rss_total(pages);
	if (py)
		look_settle(&lk, task, py, 0);
	look_done(&lk, 0);
	lk.ts->busy = 0;
	return true;
}

#endif
