/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which function a code object is of, and whether somebody wants it.
 *
 * The address of a code object is no identity: code of undone imports, class bodies and exec() is
 * freed, and its address used again, and so are those of its names. The hash that CPython keeps in
 * each string (of its characters, seeded once a process) tells such names apart, so an identity is
 * made of {program, code, first line, file name, hash of the name}. Names are read and hashed once
 * for each, and looked up among those that are wanted. One that is gets an id, and is told to the
 * loader with its names, which knows the patterns and may take it back.
 */
#ifndef PYCODE_BPF_H
#define PYCODE_BPF_H

#include "ring.bpf.h"
#include "pyframe.bpf.h"

#define PY_CODE_BYTES 80 /* of a code object that are read, from the first line's number on */
#define PY_STR_BYTES  40  /* of a string: length, hash, state */
#define PY_STR_LENGTH 16  /* PyASCIIObject: Include/cpython/unicodeobject.h, 3.8 to 3.15 */
#define PY_STR_HASH   24
#define PY_STR_STATE  32
#define PY_ID_TRIES   4

struct py_func {
	u32 func; /* its id */
	u32 want; /* enum rt_py_want */
};

/* Processes that run CPython, by tgid: filled by the loader, handed on by fork. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, struct rt_py);
} pys SEC(".maps");

/* Names that are wanted, by their hash: filled by the loader. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 16384);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, u32); /* enum rt_py_want */
} py_names SEC(".maps");

/* Functions that have an id, by identity. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u64);
	__type(value, struct py_func);
} py_funcs SEC(".maps");

/* Whose each id is: two identities may want the same. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, u32);
	__type(value, u64);
} py_ids SEC(".maps");

/* Identities that nobody wants. One that falls out is judged again. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 65536);
	__type(key, u64);
	__type(value, u8);
} py_unwanted SEC(".maps");

/* What is wanted of every function; and whether some of py_names are RT_PY_ANY_NAMEs. */
__u32 py_want_all;
__u32 py_by_name;
/* Somebody wants Python functions: an exec is news that cannot wait. */
__u32 py_wanted;

static __always_inline u64 py_mix(u64 h, u64 v)
{
	h = (h ^ v) * 0x9e3779b97f4a7c15ULL;
	return h ^ (h >> 29);
}

struct py_code {
	u64 addr, file, name; /* addresses of the object and its strings */
	u64 ident;
	u32 firstlineno;
};

static __always_inline int py_read_code(const struct rt_py *py, u64 code, struct py_code *c)
{
	u32 from = py->code_firstlineno & ~7U; /* the first of those that are wanted */
	u32 name = py->code_qualname == RT_PY_NONE ? py->code_name : py->code_qualname;
	u64 words[16] = {}, hash = 0;

	if (bpf_probe_read_user(words, PY_CODE_BYTES, (void *)(code + from)))
		return -1;
	c->addr = code;
	c->file = words[((py->code_filename - from) >> 3) & 15];
	c->name = words[((name - from) >> 3) & 15];
	c->firstlineno = words[0] >> (py->code_firstlineno & 4 ? 32 : 0);
	if (bpf_probe_read_user(&hash, sizeof(hash), (void *)(c->name + PY_STR_HASH)))
		return -1;
	c->ident = py_mix(py_mix(py_mix(py_mix(py->space, code), c->file), hash), c->firstlineno);
	return 0;
}

/* --- strings --------------------------------------------------------------------------------------- */

struct py_text {
	u64 data; /* address of the characters */
	u32 chars;
	u32 kind; /* bytes each */
};

static __always_inline int py_read_str(const struct rt_py *py, u64 str, struct py_text *t)
{
	u64 head[PY_STR_BYTES / 8];
	u32 state;

	if (bpf_probe_read_user(head, sizeof(head), (void *)str))
		return -1;
	state = (u32)head[PY_STR_STATE / 8];
	/* `interned` has 2 bits; 8 in free-threaded builds, 16 in newer ones */
	if (!(state & 0xfc))
		state >>= state & 0xff00 ? 6 : 14;
	t->chars = head[PY_STR_LENGTH / 8];
	t->kind = state >> 2 & 7;
	if (t->kind != 1 && t->kind != 2 && t->kind != 4)
		return -1;
	t->data = str + (state & 1 << 6 ? py->ascii_size : py->compact_size);
	return 0;
}

struct py_hash {
	struct py_thread *pt;
	u64 h;
	u32 n;
};

static long py_hash_step(u32 i, struct py_hash *x)
{
	if (i >= x->n)
		return 1;
	x->h = (x->h ^ ((const u8 *)x->pt->words)[i & (RT_PY_HASH_LEN - 1)]) * RT_FNV_PRIME;
	return 0;
}

/* FNV-1a of the string's bytes as they lie in memory; 0: unreadable. */
static __noinline u64 py_hash_str(struct py_thread *pt, const struct rt_py *py, u64 str, u32 seed)
{
	struct py_hash x = {.pt = pt, .h = RT_FNV_OFFSET ^ seed};
	struct py_text t;
	u64 bytes;
	u32 n;

	if (py_read_str(py, str, &t))
		return 0;
	bytes = (u64)t.chars * t.kind;
	n = bytes < RT_PY_HASH_LEN ? bytes : RT_PY_HASH_LEN;
	barrier_var(n);
	n &= 2 * RT_PY_HASH_LEN - 1; /* for the verifier: it is no more than that anyway */
	if (bpf_probe_read_user(pt->words, n, (void *)t.data))
		return 0;
	x.n = n;
	bpf_loop(RT_PY_HASH_LEN, py_hash_step, &x, 0);
	return x.h;
}

/* --- ids ------------------------------------------------------------------------------------------- */

/* An id for this identity, the same each time; 0: none is to be had (counted). */
static __always_inline u32 py_make_id(u64 ident)
{
	u32 id = (u32)(ident >> 32);

	for (int i = 0; i < PY_ID_TRIES; i++, id++) {
		u32 func = id & (RT_PY_FUNC_END - 1);
		u64 *whose;

		if (func < RT_PY_FUNC_BASE)
			func |= RT_PY_FUNC_BASE;
		if (!bpf_map_update_elem(&py_ids, &func, &ident, BPF_NOEXIST))
			return func;
		whose = bpf_map_lookup_elem(&py_ids, &func);
		if (whose && *whose == ident)
			return func;
	}
	count_loss(RT_LOSS_PY_CODE);
	return 0;
}

static __always_inline void py_tell_str(struct rt_pystr *out, char *bytes, u32 room, const struct rt_py *py,
	u64 str, bool end)
{
	struct py_text t;
	u64 len, skip = 0;
	u32 n;

	out->chars = out->kind = out->bytes = 0;
	if (py_read_str(py, str, &t))
		return;
	len = (u64)t.chars * t.kind;
	if (end && len >= room)
		skip = len - (room - 4);
	n = len - skip < room ? len - skip : room - 4;
	barrier_var(n);
	n &= 511;
	if (n > room || bpf_probe_read_user(bytes, n, (void *)(t.data + skip)))
		return;
	out->chars = t.chars;
	out->kind = t.kind;
	out->bytes = n;
}

static __noinline int py_tell(struct py_thread *pt, const struct rt_py *py, struct py_code *c, u64 globals,
	u32 func, u32 want)
{
	u64 id = bpf_get_current_pid_tgid();
	struct rt_pycode *ev;

	ev = bpf_ringbuf_reserve(&ring, sizeof(*ev), 0);
	if (!ev) {
		count_loss(RT_LOSS_RING);
		return -1;
	}
	event_header(&ev->h, RT_EV_PYCODE, sizeof(*ev), NULL);
	ev->h.pid = id >> 32;
	ev->h.tid = (u32)id;
	ev->h.start_ns = BPF_CORE_READ(bpf_get_current_task_btf(), group_leader, start_time);
	ev->h.time_ns = bpf_ktime_get_ns();
	ev->ident = c->ident;
	ev->code = c->addr;
	ev->globals = globals;
	ev->func = func;
	ev->firstlineno = c->firstlineno;
	ev->version = py->version;
	ev->want = want;
	__builtin_memset(ev->name, 0, sizeof(ev->name));
	__builtin_memset(ev->file, 0, sizeof(ev->file));
	py_tell_str(&ev->name_str, ev->name, RT_PY_NAME_LEN, py, c->name, false);
	py_tell_str(&ev->file_str, ev->file, RT_PY_FILE_LEN, py, c->file, true);
	/* there are few, and the loader may have to act on them */
	bpf_ringbuf_submit(ev, BPF_RB_FORCE_WAKEUP);
	return 0;
}

/* Gives an id to a function and tells of it. NULL: no room, or it cannot be told now. */
static __always_inline struct py_func *py_register(struct py_thread *pt, const struct rt_py *py, struct py_code *c,
	u64 globals, u32 want)
{
	struct py_func f = {.func = py_make_id(c->ident), .want = want};

	if (!f.func)
		return NULL;
	if (bpf_map_update_elem(&py_funcs, &c->ident, &f, BPF_NOEXIST)) {
		struct py_func *there = bpf_map_lookup_elem(&py_funcs, &c->ident);

		if (!there)
			count_loss(RT_LOSS_PY_CODE);
		return there;
	}
	if (py_tell(pt, py, c, globals, f.func, want)) {
		bpf_map_delete_elem(&py_funcs, &c->ident);
		return NULL;
	}
	return bpf_map_lookup_elem(&py_funcs, &c->ident);
}

static __always_inline u32 py_want(struct py_thread *pt, const struct rt_py *py, u64 str, u32 kind)
{
	u64 key = py_hash_str(pt, py, str, kind);
	u32 *want = bpf_map_lookup_elem(&py_names, &key);

	return want ? *want : 0;
}

/* What is wanted of a function that was not seen before: by its names. */
static __always_inline u32 py_judge(struct py_thread *pt, const struct rt_py *py, const struct py_code *c)
{
	bool qualified = py->code_qualname != RT_PY_NONE;
	u32 want = py_want_all | py_want(pt, py, c->name, qualified ? RT_PY_QUALNAME : RT_PY_NAME);
	u64 name = 0;

	if (py_by_name) {
		bpf_probe_read_user(&name, sizeof(name), (void *)(c->addr + py->code_name));
		want |= py_want(pt, py, name, RT_PY_ANY_NAME);
	}
	return want;
}

/* Not static, so that the verifier goes through it once and not for each of those who call it. Returns
 * the function's id with its enum rt_py_want above it; 0: nobody wants it, nor its name. */
__noinline u64 py_look_up(struct py_thread *pt, struct rt_py *py, u64 code, u64 globals, u32 naming)
{
	struct py_code c = {};
	struct py_func *f;
	u8 yes = 1;
	u32 want;

	if (!pt || !py || py_read_code(py, code, &c))
		return 0;
	f = bpf_map_lookup_elem(&py_funcs, &c.ident);
	if (f)
		return (u64)f->want << 32 | f->func;
	if (!naming && bpf_map_lookup_elem(&py_unwanted, &c.ident))
		return 0;
	want = py_judge(pt, py, &c) | naming;
	if (want) {
		f = py_register(pt, py, &c, globals, want);
		return f ? (u64)f->want << 32 | f->func : 0;
	}
	bpf_map_update_elem(&py_unwanted, &c.ident, &yes, BPF_ANY);
	return 0;
}

static __always_inline u32 py_func_of(struct py_thread *pt, struct rt_py *py, u64 code, u64 globals)
{
	u64 f = py_look_up(pt, py, code, globals, 0);
	u32 want = f >> 32;

	if (want & (RT_PY_WANTED | RT_PY_SIGN))
		py->flags |= RT_PY_ARMED;
	if (!(want & RT_PY_WANTED))
		return 0;
	return (u32)f | (want & RT_PY_CALLER ? PY_FN_CALLER : 0);
}

/* The id of a function of which only the name is wanted. */
static __always_inline u32 py_name_of(struct py_thread *pt, struct rt_py *py, u64 code)
{
	u64 f = py_look_up(pt, py, code, 0, RT_PY_NAMED);

	return f ? (u32)f : RT_NO_FUNC;
}

#endif
