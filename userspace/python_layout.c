/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where CPython keeps its threads and frames, by version.
 *
 * Up to 3.12 nothing in the process tells, so there is a table. It was made by compiling a program
 * with offsetof() against the internal headers (Include/internal, Include/cpython) of 3.8.18,
 * 3.9.18, 3.10.13, 3.11.2, 3.11.7 and 3.12.1; within a minor version the layout is part of what its
 * maintainers keep stable. From 3.13 on _PyRuntime begins with a description of itself, `struct
 * _Py_DebugOffsets`: Include/internal/pycore_runtime.h in 3.13, pycore_debug_offsets.h later. It is
 * initialised data, so the file has it before the interpreter runs. Where in that description a
 * field lies depends on the version again, hence the second table (compiled against 3.13.0,
 * 3.13.18, 3.14.10 and 3.15.2).
 *
 * Not in the description: f_globals (behind the executable and f_funcobj or f_builtins, 24 in all
 * of them), sizeof(PyCompactUnicodeObject) (PyASCIIObject and two words), and the tag that 3.14 and
 * later keep in the low bits of f_executable (Include/internal/pycore_stackref.h).
 */
#include <errno.h>
#include <string.h>

#include "python_internal.h"

#define NONE RT_PY_NONE

/* The owners of frames: enum _frameowner of Include/internal/pycore_frame.h, in 3.14 and later of
 * pycore_interpframe_structs.h. 3 is FRAME_OWNED_BY_CSTACK in 3.12 and 3.13, INTERPRETER later. */
#define FIRST_SHIM 3

enum {
	GENERATIONS = 3,       /* NUM_GENERATIONS */
	GENERATION_STATS = 24, /* sizeof(struct gc_generation_stats), up to 3.14 */
	MAX_THREAD = 184,      /* what pyframe.bpf.h reads of each, see struct rt_py */
	MAX_CODE = 136,
};

#define UP_TO_3_10                                                                             \
	.interpreters = 32, .interp_next = 0, .interp_threads = 8,                             \
	.thread_next = 8, .thread_id = 176, .thread_frame = 24, .cframe_frame = NONE,          \
	.frame_code = 32, .frame_back = 24, .frame_globals = 48, .frame_owner = NONE,          \
	.shim_owner = NONE, .code_firstlineno = 40, .code_filename = 104, .code_name = 112,    \
	.code_qualname = NONE, .ascii_size = 48, .compact_size = 72, .code_linetable = 120,    \
	.gc_stride = GENERATION_STATS, .gc_generations = GENERATIONS

static const struct rt_py known[] = {
	{
		UP_TO_3_10,
		.version = PYTHON_VERSION(3, 8),
		.flags = RT_PY_LASTI | RT_PY_GC_IN_RUNTIME,
		.frame_instr = 104,
		.gc_stats = 472 - 32, /* _PyRuntime.gc */
	},
	{
		UP_TO_3_10,
		.version = PYTHON_VERSION(3, 9),
		.flags = RT_PY_LASTI,
		.frame_instr = 104,
		.gc_stats = 744, /* PyInterpreterState.gc */
	},
	{
		UP_TO_3_10,
		.version = PYTHON_VERSION(3, 10),
		.flags = RT_PY_LASTI,
		.frame_instr = 96,
		.gc_stats = 744,
	},
	{
		.version = PYTHON_VERSION(3, 11),
		.interpreters = 40,
		.interp_next = 0,
		.interp_threads = 16,
		.thread_next = 8,
		.thread_id = 152,
		.thread_frame = 56, /* cframe */
		.cframe_frame = 8,
		.frame_code = 32,
		.frame_back = 48,
		.frame_globals = 8,
		.frame_instr = 56,
		.frame_owner = 69,
		.shim_owner = NONE,
		.code_firstlineno = 72,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.ascii_size = 48,
		.compact_size = 72,
		.gc_stats = 776,
		.gc_stride = GENERATION_STATS,
		.gc_generations = GENERATIONS,
		.code_linetable = 136,
		.code_start = 184,
	},
	{
		.version = PYTHON_VERSION(3, 12),
		.interpreters = 40,
		.interp_next = 0,
		.interp_threads = 72,
		.thread_next = 8,
		.thread_id = 136,
		.thread_frame = 56, /* cframe */
		.cframe_frame = 0,
		.frame_code = 0,
		.frame_back = 8,
		.frame_globals = 24,
		.frame_instr = 56,
		.frame_owner = 70,
		.shim_owner = FIRST_SHIM,
		.code_firstlineno = 68,
		.code_filename = 112,
		.code_name = 120,
		.code_qualname = 128,
		.ascii_size = 40,
		.compact_size = 56,
		.gc_stats = 240,
		.gc_stride = GENERATION_STATS,
		.gc_generations = GENERATIONS,
		.code_linetable = 136,
		.code_start = 192,
	},
};

/* The same for all: the fields before those that differ by version. */
enum {
	DBG_COOKIE = 0,
	DBG_VERSION = 8,
	DBG_FREE_THREADED = 16,
	DBG_INTERPRETERS = 40,
};

/* Byte positions of 64-bit numbers in struct _Py_DebugOffsets. */
struct published {
	uint32_t version;
	uint16_t interp_next, interp_threads, interp_gc;
	uint16_t thread_next, thread_frame, thread_id;
	uint16_t frame_back, frame_code, frame_instr, frame_owner;
	uint16_t code_filename, code_name, code_qualname, code_firstlineno;
	uint16_t ascii_size, gc_collecting;
};

static const struct published published[] = {
	{
		.version = PYTHON_VERSION(3, 13),
		.interp_next = 64,
		.interp_threads = 72,
		.interp_gc = 80,
		.thread_next = 168,
		.thread_frame = 184,
		.thread_id = 192,
		.frame_back = 232,
		.frame_code = 240,
		.frame_instr = 248,
		.frame_owner = 264,
		.code_filename = 280,
		.code_name = 288,
		.code_qualname = 296,
		.code_firstlineno = 312,
		.ascii_size = 560,
		.gc_collecting = 576,
	},
	{
		.version = PYTHON_VERSION(3, 14),
		.interp_next = 64,
		.interp_threads = 72,
		.interp_gc = 88,
		.thread_next = 192,
		.thread_frame = 208,
		.thread_id = 216,
		.frame_back = 256,
		.frame_code = 264,
		.frame_instr = 272,
		.frame_owner = 288,
		.code_filename = 320,
		.code_name = 328,
		.code_qualname = 336,
		.code_firstlineno = 352,
		.ascii_size = 640,
		.gc_collecting = 656,
	},
	{
		/* GC statistics are a ring behind a pointer here (struct gc_stats of
		 * pycore_interp_structs.h): no count at a fixed place. */
		.version = PYTHON_VERSION(3, 15),
		.interp_next = 64,
		.interp_threads = 72,
		.thread_next = 192,
		.thread_frame = 208,
		.thread_id = 240,
		.frame_back = 320,
		.frame_code = 328,
		.frame_instr = 336,
		.frame_owner = 352,
		.code_filename = 384,
		.code_name = 392,
		.code_qualname = 400,
		.code_firstlineno = 416,
		.ascii_size = 736,
	},
};

#define COUNT(a) (sizeof(a) / sizeof(*(a)))

/* Sets frame_bytes. False: a field lies beyond what a walk reads. */
static bool complete(struct rt_py *py)
{
	unsigned int end = py->frame_code + 8, i;
	const unsigned int ends[] = { py->frame_back + 8, py->frame_globals + 8,
		py->frame_instr + (py->flags & RT_PY_LASTI ? 4 : 8),
		py->frame_owner == NONE ? 0 : py->frame_owner + 1 };

	for (i = 0; i < COUNT(ends); i++)
		if (end < ends[i])
			end = ends[i];
	end = (end + 7) & ~7U;
	py->frame_bytes = end;
	return end <= RT_PY_FRAME_LEN;
}

int python_layout__known(uint32_t version, struct rt_py *out)
{
	for (size_t i = 0; i < COUNT(known); i++) {
		if (known[i].version != version)
			continue;
		*out = known[i];
		return complete(out) ? 0 : -ENOTSUP;
	}
	return -ENOTSUP;
}

static uint64_t number(const void *runtime, uint16_t at)
{
	uint64_t n;

	memcpy(&n, (const char *)runtime + at, sizeof(n));
	return n;
}

struct wanted {
	uint16_t *field;
	uint16_t at;	/* in the description */
	uint32_t limit; /* a larger value is nonsense */
};

static bool take(const void *runtime, const struct wanted *w, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		uint64_t value = number(runtime, w[i].at);

		if (value > w[i].limit)
			return false;
		*w[i].field = value;
	}
	return true;
}

static bool fill(const void *runtime, const struct published *p, struct rt_py *py)
{
	const uint32_t any = NONE - 1, frame = RT_PY_FRAME_LEN - 8;
	const struct wanted wanted[] = {
		{ &py->interp_next, p->interp_next, any },
		{ &py->interp_threads, p->interp_threads, any },
		{ &py->thread_next, p->thread_next, MAX_THREAD - 8 },
		{ &py->thread_id, p->thread_id, MAX_THREAD - 8 },
		{ &py->thread_frame, p->thread_frame, MAX_THREAD - 8 },
		{ &py->frame_back, p->frame_back, frame },
		{ &py->frame_code, p->frame_code, frame },
		{ &py->frame_instr, p->frame_instr, frame },
		{ &py->frame_owner, p->frame_owner, frame },
		{ &py->code_filename, p->code_filename, MAX_CODE - 8 },
		{ &py->code_name, p->code_name, MAX_CODE - 8 },
		{ &py->code_qualname, p->code_qualname, MAX_CODE - 8 },
		{ &py->code_firstlineno, p->code_firstlineno, MAX_CODE - 4 },
		{ &py->ascii_size, p->ascii_size, 128 },
	};

	*py = (struct rt_py){
		.cframe_frame = NONE,
		.frame_globals = 24,
		.shim_owner = FIRST_SHIM,
	};
	if (!take(runtime, wanted, COUNT(wanted)))
		return false;
	py->interpreters = number(runtime, DBG_INTERPRETERS);
	py->compact_size = py->ascii_size + 16;
	/* Fields that a layout cannot share; all zero is a description that nobody filled. */
	return py->interpreters < 1 << 20 && py->thread_next != py->thread_frame &&
	       py->frame_back != py->frame_code && py->code_filename != py->code_qualname &&
	       py->ascii_size && complete(py);
}

/* generation_stats lies right before `collecting` (struct _gc_runtime_state, 3.13 and 3.14, also in
 * the first releases of 3.14, whose generations were others). */
static void fill_gc(const void *runtime, const struct published *p, struct rt_py *py)
{
	const uint64_t stats = GENERATIONS * GENERATION_STATS;
	uint64_t at;

	if (!p->interp_gc)
		return;
	at = number(runtime, p->interp_gc) + number(runtime, p->gc_collecting);
	if (at < stats || at > INT32_MAX)
		return;
	py->gc_stats = at - stats;
	py->gc_stride = GENERATION_STATS;
	py->gc_generations = GENERATIONS;
}

/* Between co_qualname and co_firstlineno; and the fifth from there (struct _code_object of 3.13 to
 * 3.15). Without them lines are not known, and that is all. */
static void fill_lines(const void *runtime, const struct published *p, struct rt_py *py)
{
	uint64_t linetable = number(runtime, p->code_qualname + 8);
	uint64_t start = number(runtime, p->code_firstlineno + 32);

	if (linetable > MAX_CODE || start < linetable || start > 4096)
		return;
	py->code_linetable = linetable;
	py->code_start = start;
}

int python_layout__published(const void *runtime, struct rt_py *out, bool *unsure,
	const char **why)
{
	const struct published *p = published;
	uint32_t hex, version;

	*unsure = false;
	if (memcmp((const char *)runtime + DBG_COOKIE, "xdebugpy", 8))
		return -ENODATA;
	hex = number(runtime, DBG_VERSION);
	version = hex >> 16;
	if (number(runtime, DBG_FREE_THREADED)) {
		*why = "a free-threaded build (no global interpreter lock)";
		return -ENOTSUP;
	}
	while (p + 1 < published + COUNT(published) && p->version < version)
		p++;
	*why = "its version is not known, and what it says of itself makes no sense";
	if (version < published[0].version || !fill(runtime, p, out))
		return -ENOTSUP;
	fill_gc(runtime, p, out);
	fill_lines(runtime, p, out);
	out->version = version;
	out->flags = version >= PYTHON_VERSION(3, 14) ? RT_PY_TAGGED : 0;
	/* Newer than any that was tried, or an alpha, beta or candidate of one. */
	*unsure = version != p->version || (hex & 0xf0) != 0xf0;
	return 0;
}
