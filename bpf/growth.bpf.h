/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Full attribution: where each page that a thread brings or takes belongs.
 *
 * A place is a node of a call tree: {caller's node, function, instruction}, by a hash of the three,
 * so that it is found without a table and is the same whenever the stack is. The frames of the
 * thread's record (pyframe.bpf.h) keep theirs, and only those that have moved since get new ones.
 * A node that was never seen is told once. What a thread does while its stack stands still costs
 * nothing but a comparison: its pages are counted anyway (own_pages), and what has come since the
 * last place is put down when the place changes.
 *
 *	pages    grown so far       |-----------------------|
 *	charged  put down to places |---------------|
 *	                                            `- ts->node's
 */
#ifndef GROWTH_BPF_H
#define GROWTH_BPF_H

#include "mapping.bpf.h"

/* Nodes that were told. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u8);
} growth_nodes SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 262144);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rt_cell_key);
	__type(value, struct rt_cell);
} growth_cells SEC(".maps");

struct node_place {
	u64 node, parent;
	u32 func;
	s32 instr;
};

static __noinline int node_tell(struct task_struct *task, const struct node_place *at)
{
	u64 node = at->node;
	struct rt_node *ev;
	u8 yes = 1;

	if (bpf_map_update_elem(&growth_nodes, &node, &yes, BPF_NOEXIST)) {
		if (!bpf_map_lookup_elem(&growth_nodes, &node))
			count_loss(RT_LOSS_NODE);
		return 0;
	}
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev) {
		bpf_map_delete_elem(&growth_nodes, &node); /* another time */
		count_loss(RT_LOSS_NODE);
		return 0;
	}
	event_header(&ev->h, RT_EV_NODE, sizeof(*ev), NULL);
	ev->h.pid = BPF_CORE_READ(task, tgid);
	ev->h.tid = BPF_CORE_READ(task, pid);
	ev->h.start_ns = BPF_CORE_READ(task, group_leader, start_time);
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->node = node;
	ev->parent = at->parent;
	ev->func = at->func;
	ev->instr = at->instr;
	ev->line = ev->pad = 0;
	__builtin_memset(ev->comm, 0, sizeof(ev->comm));
	if (at->func == RT_NO_FUNC && !at->parent)
		BPF_CORE_READ_INTO(&ev->comm, task, comm);
	bpf_ringbuf_submit(ev, ring_flags());
	return 0;
}

static __always_inline u64 node_number(u64 h)
{
	return h > RT_NODE_UNKNOWN ? h : h + 2;
}

/* The place of a thread that runs no Python. */
static __noinline u64 node_of_thread(struct task_struct *task)
{
	struct node_place at = {.func = RT_NO_FUNC};
	u64 comm[RT_COMM_LEN / 8] = {};

	bpf_probe_read_kernel(comm, sizeof(comm), &task->comm);
	at.node = node_number(py_mix(py_mix(0x636f6d6dULL, comm[0]), comm[1]));
	if (!bpf_map_lookup_elem(&growth_nodes, &at.node))
		node_tell(task, &at);
	return at.node;
}

struct node_walk {
	struct py_thread *pt;
	struct rt_py *py;
	u32 from;
};

/* bpf_loop callback: the node of one frame, from the outermost that has moved inwards. */
static long node_step(u32 i, struct node_walk *w)
{
	struct py_thread *pt = w->pt;
	u32 depth = w->from + i;
	struct node_place at = {};
	struct py_frame *f;
	s64 instr;

	if (depth > pt->depth)
		return 1;
	f = py_record(pt, depth);
	if (!f->name)
		f->name = py_name_of(pt, w->py, f->code);
	at.parent = depth - 1 > pt->floor ? py_record(pt, depth - 1)->node : RT_NODE_NONE;
	instr = f->instr & PY_ADDRESS;
	if (!(w->py->flags & RT_PY_LASTI))
		instr -= f->code & PY_ADDRESS;
	at.func = f->name;
	at.instr = instr;
	at.node = node_number(py_mix(py_mix(py_mix(at.parent, f->name), instr), w->py->space));
	if (!bpf_map_lookup_elem(&growth_nodes, &at.node))
		node_tell(bpf_get_current_task_btf(), &at);
	f->node = at.node;
	return 0;
}

/* The node of the current thread's innermost frame; RT_NODE_NONE: it runs no Python. */
static __noinline u64 node_of_stack(struct py_thread *pt, struct rt_py *py)
{
	struct node_walk w = {.pt = pt, .py = py, .from = pt->stale};

	if (pt->depth <= pt->floor)
		return RT_NODE_NONE;
	if (py_is_partial(pt))
		return RT_NODE_UNKNOWN;
	if (w.from && w.from <= pt->floor)
		w.from = pt->floor + 1;
	if (w.from)
		bpf_loop(PY_RECORD, node_step, &w, 0);
	pt->stale = 0;
	return py_record(pt, pt->depth)->node;
}

/* Puts down what has come since the last time. `task`: whose thread that is. */
static __noinline int growth_settle(struct thread_state *ts, struct task_struct *task, u64 serial)
{
	struct rt_cell_key key = {.node = ts->node, .serial = serial, .tid = ts->tid,
		.map = ts->node_map};
	struct own_pages now = ts->pages;
	struct rt_cell fresh = {}, *cell;
	u32 any = 0;

	for (int i = 0; i < MM_KINDS; i++) {
		fresh.grown[i] = now.grown[i] - ts->charged.grown[i];
		fresh.returned[i] = now.returned[i] - ts->charged.returned[i];
		any |= fresh.grown[i] | fresh.returned[i];
	}
	if (!any)
		return 0;
	ts->charged = now;
	if (key.node == RT_NODE_NONE)
		key.node = node_of_thread(task);
	if (!bpf_map_update_elem(&growth_cells, &key, &fresh, BPF_NOEXIST))
		return 0;
	cell = bpf_map_lookup_elem(&growth_cells, &key);
	if (!cell) {
		count_loss(RT_LOSS_CELL);
		return 0;
	}
	for (int i = 0; i < MM_KINDS; i++) {
		__sync_fetch_and_add(&cell->grown[i], fresh.grown[i]);
		__sync_fetch_and_add(&cell->returned[i], fresh.returned[i]);
	}
	return 0;
}

/* The thread ends, or its program. */
static void growth_end(struct thread_state *ts, struct task_struct *task, u64 serial)
{
	if (!growth_on)
		return;
	growth_settle(ts, task, serial);
	ts->node = RT_NODE_NONE;
}

static __always_inline void growth_go_to(struct thread_state *ts, struct task_struct *task, u64 serial,
	u64 node, u32 map)
{
	if (node == ts->node && map == ts->node_map)
		return;
	growth_settle(ts, task, serial);
	ts->node = node;
	ts->node_map = map;
}

/* Where the current thread is, after a look at its stack. */
static __always_inline u64 node_of_look(struct look *lk, struct task_struct *task)
{
	struct thread_state *ts = lk->ts;
	struct py_thread *pt;
	struct rt_py *py;

	if (ts->busy || (lk->walked && !ts->moved))
		return ts->node;
	if (!lk->st->py || (!lk->walked && ts->py.foreign))
		return RT_NODE_NONE;
	py = bpf_map_lookup_elem(&pys, &ts->tgid);
	pt = bpf_task_storage_get(&py_threads, task, 0, 0);
	if (!py || !pt || !ts->moved)
		return RT_NODE_UNKNOWN;
	ts->moved = 0;
	return node_of_stack(pt, py);
}

/* Before a change of the current thread's own is counted, after the look at its stack. */
static __noinline int growth_at_change(struct look *lk, struct mm_struct *mm, s64 delta)
{
	struct task_struct *task = bpf_get_current_task_btf();
	u64 node = node_of_look(lk, task);

	growth_go_to(lk->ts, task, lk->st->serial, node, map_of_change(lk->ts, mm, delta));
	return 0;
}

#endif
