/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Full attribution: where each page that a thread brings or takes belongs.
 *
 * A node of the call tree is {caller's node, function}, by a hash of the two, so that it is found
 * without a table and is the same whenever the stack is. The frames of the thread's record
 * (pyframe.bpf.h) keep theirs, and only those that have moved since get new ones. A node that was
 * never seen is told once. A place is a node and the instruction of its function; that of its callers
 * is not looked at, or there would be more places than a table can hold.
 *
 * What a thread does while it stays at one place costs nothing but a comparison: its pages are counted
 * anyway (own_pages), and what has come since the last place is put down when the place changes. So it
 * is with mappings.
 *
 * Whatever there is no room for is counted all the same, and told of as such. A function without a node is
 * known by itself, but not by whom it was called: NODE_INSIDE. What finds no cell goes to the program's
 * own cell of the rest, of which there are few.
 *
 *	pages    grown so far       |-----------------------|
 *	charged  put down to places |---------------|
 *	                                            `- ts->place's
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

/* One for each kind and program: what cannot be told apart. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct rt_cell_key);
	__type(value, struct rt_cell);
} growth_rests SEC(".maps");

/* In a node that is not told: it is that of a caller, further out. */
#define NODE_INSIDE (1ULL << 63)

static __always_inline u32 node_flags(u64 node)
{
	return node & NODE_INSIDE ? RT_CELL_INSIDE : 0;
}

struct node_told {
	u64 node, parent;
	u32 func;
	bool thread; /* of one that runs no Python */
};

/* True: the node is known, now or already. */
static __noinline bool node_tell(struct task_struct *task, const struct node_told *n)
{
	u64 node = n->node;
	struct rt_node *ev;
	u8 yes = 1;

	if (bpf_map_lookup_elem(&growth_nodes, &node))
		return true;
	if (bpf_map_update_elem(&growth_nodes, &node, &yes, BPF_NOEXIST)) {
		if (bpf_map_lookup_elem(&growth_nodes, &node))
			return true;
		count_loss(RT_LOSS_NODE);
		return false;
	}
	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev) {
		bpf_map_delete_elem(&growth_nodes, &node); /* another time */
		count_loss(RT_LOSS_NODE);
		return false;
	}
	event_header(&ev->h, RT_EV_NODE, sizeof(*ev), NULL);
	ev->h.pid = BPF_CORE_READ(task, tgid);
	ev->h.tid = BPF_CORE_READ(task, pid);
	ev->h.start_ns = BPF_CORE_READ(task, group_leader, start_time);
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->node = node;
	ev->parent = n->parent;
	ev->func = n->func;
	ev->line = 0;
	__builtin_memset(ev->comm, 0, sizeof(ev->comm));
	if (n->thread)
		BPF_CORE_READ_INTO(&ev->comm, task, comm);
	bpf_ringbuf_submit(ev, ring_flags());
	return true;
}

static __always_inline u64 node_number(u64 h)
{
	h &= ~NODE_INSIDE;
	return h < RT_NODE_FIRST ? h + RT_NODE_FIRST : h;
}

/* The place of a thread that runs no Python. */
static __noinline u64 node_of_thread(struct task_struct *task)
{
	struct node_told n = {.func = RT_NO_FUNC, .thread = true};
	u64 comm[RT_COMM_LEN / 8] = {};

	bpf_probe_read_kernel(comm, sizeof(comm), &task->comm);
	n.node = node_number(py_mix(py_mix(0x636f6d6dULL, comm[0]), comm[1]));
	return node_tell(task, &n) ? n.node : RT_NODE_REST;
}

struct node_walk {
	struct py_thread *pt;
	struct rt_py *py;
	u32 from;
};

/* The node of the function that called the one at this depth. */
static __always_inline u64 node_of_caller(struct py_thread *pt, u32 depth)
{
	if (depth - 1 > pt->floor)
		return py_record(pt, depth - 1)->node;
	return depth > 1 ? RT_NODE_UNKNOWN : RT_NODE_NONE;
}

/* bpf_loop callback: the node of one frame, from the outermost that has moved inwards. */
static long node_step(u32 i, struct node_walk *w)
{
	struct py_thread *pt = w->pt;
	u32 depth = w->from + i;
	struct node_told n = {};
	struct py_frame *f;
	u64 caller;

	if (depth > pt->depth)
		return 1;
	f = py_record(pt, depth);
	if (!f->name)
		f->name = py_name_of(pt, w->py, f->code);
	caller = node_of_caller(pt, depth);
	n.func = f->name;
	n.parent = caller & ~NODE_INSIDE;
	n.node = node_number(py_mix(py_mix(n.parent, n.func), w->py->space));
	if (!(caller & NODE_INSIDE) && node_tell(bpf_get_current_task_btf(), &n))
		f->node = n.node;
	else
		f->node = NODE_INSIDE | (n.parent < RT_NODE_FIRST ? RT_NODE_REST : n.parent);
	return 0;
}

/* Where the current thread's innermost frame is. */
static __noinline int place_of_stack(struct py_thread *pt, struct rt_py *py, struct place_state *at)
{
	struct node_walk w = {.pt = pt, .py = py, .from = pt->stale};
	struct py_frame *f;

	if (pt->depth <= pt->floor)
		return 0; /* it runs no Python */
	at->node = RT_NODE_UNKNOWN;
	if (py_is_partial(pt))
		return 0;
	if (w.from && w.from <= pt->floor)
		w.from = pt->floor + 1;
	if (w.from)
		bpf_loop(PY_RECORD, node_step, &w, 0);
	pt->stale = 0;
	f = py_record(pt, pt->depth);
	at->node = f->node;
	at->func = f->name;
	at->instr = f->instr & PY_ADDRESS;
	if (!(py->flags & RT_PY_LASTI))
		at->instr = (f->instr - f->code) & PY_ADDRESS;
	return 0;
}

static __always_inline void cell_more(struct rt_cell *cell, const struct rt_cell *more)
{
	for (int i = 0; i < MM_KINDS; i++) {
		__sync_fetch_and_add(&cell->grown[i], more->grown[i]);
		__sync_fetch_and_add(&cell->returned[i], more->returned[i]);
	}
}

/* Where there is no room for a cell of its own; there may be none even here. */
static __noinline int cell_add_rest(struct rt_cell_key *key, struct rt_cell *fresh)
{
	struct rt_cell *cell;

	key->at = key->kind == RT_CELL_THREAD ? 0 : RT_NODE_REST;
	key->func = key->instr = key->flags = 0;
	if (!bpf_map_update_elem(&growth_rests, key, fresh, BPF_NOEXIST))
		return 0;
	cell = bpf_map_lookup_elem(&growth_rests, key);
	if (cell)
		cell_more(cell, fresh);
	else
		count_loss(RT_LOSS_CELL);
	return 0;
}

/* Adds what has come since the last time to a cell. */
static __noinline int cell_add(const struct own_pages *now, struct own_pages *charged, struct rt_cell_key *key)
{
	struct rt_cell fresh = {}, *cell;
	u32 any = 0;

	for (int i = 0; i < MM_KINDS; i++) {
		fresh.grown[i] = (u32)(now->grown[i] - charged->grown[i]);
		fresh.returned[i] = (u32)(now->returned[i] - charged->returned[i]);
		any |= fresh.grown[i] | fresh.returned[i];
	}
	if (!any)
		return 0;
	*charged = *now;
	if (key->kind == RT_CELL_STACK)
		return cell_add_rest(key, &fresh);
	if (!bpf_map_update_elem(&growth_cells, key, &fresh, BPF_NOEXIST))
		return 0;
	cell = bpf_map_lookup_elem(&growth_cells, key);
	if (cell) {
		cell_more(cell, &fresh);
		return 0;
	}
	count_loss(RT_LOSS_CELL);
	return cell_add_rest(key, &fresh);
}

static __always_inline void place_settle(struct thread_state *ts, struct task_struct *task, u64 serial)
{
	struct rt_cell_key key = {.serial = serial, .kind = RT_CELL_PLACE,
		.at = ts->place.node & ~NODE_INSIDE, .func = ts->place.func, .instr = ts->place.instr,
		.flags = node_flags(ts->place.node)};
	struct own_pages now = ts->pages;

	if (key.at == RT_NODE_NONE) {
		key.at = node_of_thread(task);
		key.func = RT_NO_FUNC;
	}
	cell_add(&now, &ts->place.charged, &key);
}

static __always_inline void map_settle(struct thread_state *ts, u64 serial)
{
	struct rt_cell_key key = {.serial = serial, .kind = RT_CELL_MAPPING, .at = ts->map_id};
	struct own_pages now = ts->pages;

	cell_add(&now, &ts->map_charged, &key);
}

/* What no sample of the thread's stack stands for. */
static __always_inline void sample_settle(struct thread_state *ts, u64 serial)
{
	struct rt_cell_key key = {.serial = serial, .kind = RT_CELL_STACK};
	struct own_pages now = ts->pages;

	cell_add(&now, &ts->sampled, &key);
}

static __noinline int growth_settle(struct thread_state *ts, struct task_struct *task, u64 serial)
{
	struct rt_cell_key key = {.serial = serial, .kind = RT_CELL_THREAD, .at = ts->tid};
	struct own_pages now = ts->pages;

	place_settle(ts, task, serial);
	map_settle(ts, serial);
	cell_add(&now, &ts->thread_charged, &key);
	sample_settle(ts, serial);
	return 0;
}

/* The current thread, which has its old name still, gets another, perhaps at exec: what came up to here is
 * not of that. */
static __noinline int growth_at_rename(struct task_struct *task)
{
	struct thread_state *ts = bpf_task_storage_get(&threads, task, 0, 0);
	struct mm_state *st;
	u64 key;

	if (!ts || !ts->mm)
		return 0;
	key = ts->mm;
	st = bpf_map_lookup_elem(&mms, &key);
	if (st)
		place_settle(ts, task, st->serial);
	return 0;
}

/* The thread ends, or its program. */
static void growth_end(struct thread_state *ts, struct task_struct *task, u64 serial)
{
	if (!growth_on)
		return;
	growth_settle(ts, task, serial);
	__builtin_memset(&ts->place, 0, sizeof(ts->place));
	ts->place.charged = ts->pages;
	ts->map_id = 0;
}

/* Where the current thread is, after a look at its stack. */
static __always_inline void place_of_look(struct thread_state *ts, struct task_struct *task, u32 py_state,
	bool walked, struct place_state *at)
{
	struct py_thread *pt;
	struct rt_py *py;

	if (!py_state || (!walked && ts->py.foreign))
		return;
	at->node = RT_NODE_UNKNOWN;
	py = bpf_map_lookup_elem(&pys, &ts->tgid);
	pt = bpf_task_storage_get(&py_threads, task, 0, 0);
	if (!py || !pt || !ts->moved)
		return;
	at->node = RT_NODE_NONE;
	ts->moved = 0;
	place_of_stack(pt, py, at);
}

static __always_inline void place_at_change(struct thread_state *ts, struct task_struct *task,
	const struct mm_state *st, bool walked)
{
	struct place_state at = {};

	if (ts->busy || (walked && !ts->moved))
		return;
	place_of_look(ts, task, st->py, walked, &at);
	if (at.node == ts->place.node && at.instr == ts->place.instr && at.func == ts->place.func)
		return;
	place_settle(ts, task, st->serial);
	ts->place.node = at.node;
	ts->place.func = at.func;
	ts->place.instr = at.instr;
}

/* Before a change of the current thread's own is counted, after the look at its stack; `walked`: that
 * told what the stack is. (Not static: see py_look_up.) */
__noinline int growth_at_change(struct thread_state *ts, struct mm_state *st, s64 delta, u32 walked)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct mm_struct *mm = task->mm;
	u32 map;

	if (!ts || !st || !mm)
		return 0;
	place_at_change(ts, task, st, walked);
	map = map_of_change(ts, mm, delta);
	if (map != ts->map_id) {
		map_settle(ts, st->serial);
		ts->map_id = map;
	}
	return 0;
}

#endif
