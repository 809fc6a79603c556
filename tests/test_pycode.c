/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bpf/pycode.bpf.h over fake memory: strings, their hashes, and whose a code object is. */
#include <criterion/criterion.h>
#include "../bpf/ramtrace.h"
#include "fake_maps.h"
#include "fake_python.h"
#include "pytext.h"
#include "../bpf/pycode.bpf.h"

#define GLOBALS 0x7f5500000000ULL

/* Where a string's state has its fields: `interned` takes 2 bits, 8 without the GIL, 16 later. */
static const u32 interned_bits[] = {2, 8, 16};

static struct py_thread pt;

struct text {
	const char *utf8;
	u64 hash;
	u32 interned_bits, interned;
};

static u64 fake_str(const struct rt_py *py, const struct text *text)
{
	u8 raw[1024];
	size_t bytes;
	int kind = pytext_raw(text->utf8, raw, sizeof(raw), &bytes);
	bool ascii = kind == 1 && bytes == strlen(text->utf8);
	u32 state = kind | 1 << 3 | ascii << 4; /* kind: 3 bits, compact, ascii */
	u64 at, head = ascii ? py->ascii_size : py->compact_size;

	cr_assert_gt(kind, 0);
	at = fake_alloc(head + bytes + 4);
	fake_put64(at + PY_STR_LENGTH, bytes / kind);
	fake_put64(at + PY_STR_HASH, text->hash);
	fake_put32(at + PY_STR_STATE, state << text->interned_bits | text->interned);
	fake_put(at + head, raw, bytes);
	return at;
}

static u64 plain_str(const struct rt_py *py, const char *utf8)
{
	/* CPython's hash is another, but as little the same for two strings */
	struct text text = {.utf8 = utf8, .hash = py_name_hash(0, utf8), .interned_bits = 2};

	return fake_str(py, &text);
}

struct code {
	const char *file, *name, *qualname;
	u32 line;
};

static void write_code(const struct rt_py *py, u64 at, const struct code *code)
{
	fake_put64(at + py->code_filename, plain_str(py, code->file));
	fake_put64(at + py->code_name, plain_str(py, code->name));
	if (py->code_qualname != RT_PY_NONE)
		fake_put64(at + py->code_qualname, plain_str(py, code->qualname));
	fake_put32(at + py->code_firstlineno, code->line);
}

static u64 fake_code(const struct rt_py *py, const struct code *code)
{
	u64 at = fake_alloc(256);

	write_code(py, at, code);
	return at;
}

static const struct code model = {"/app/model.py", "load", "Model.load", 12};

static void want(const struct rt_py *py, enum rt_py_name kind, const char *name, u32 what)
{
	u64 hash = py_name_hash(kind, name);

	cr_assert_eq(bpf_map_update_elem(&py_names, &hash, &what, BPF_ANY), 0);
}

static void begin(struct rt_py *py, size_t layout)
{
	fake_python(py, layout);
	memset(fake_maps, 0, sizeof(fake_maps));
	memset(&ring, 0, sizeof(ring));
	memset(fake_losses, 0, sizeof(fake_losses));
	py->space = 99;
	py_want_all = py_by_name = 0;
}

static u64 ident(const struct rt_py *py, u64 code)
{
	struct py_code c = {0};

	cr_assert_eq(py_read_code(py, code, &c), 0);
	return c.ident;
}

static const struct rt_pycode *told(void)
{
	return (const struct rt_pycode *)ring.event;
}

/* --- strings --------------------------------------------------------------------------------- */

#define TEN(s) s s s s s s s s s s

static void check_hash(size_t layout, const struct text *text)
{
	u64 hash = py_name_hash(RT_PY_NAME, text->utf8), str;
	struct rt_py py;

	begin(&py, layout);
	str = fake_str(&py, text);
	cr_assert_eq(py_hash_str(&pt, &py, str, RT_PY_NAME), hash, "%s, %u bits, %u", text->utf8,
		text->interned_bits, text->interned);
	cr_assert_neq(py_hash_str(&pt, &py, str, RT_PY_QUALNAME), hash);
}

Test(pycode, a_string_has_the_hash_that_the_loader_looks_for)
{
	/* the last ones are longer than what is hashed */
	static const char *const names[] = {"load", "größe", "名前", "f😀", "", "名😀",
		"Wagen.größe.<locals>.x", TEN("a_plain_name_"), TEN("größe ist alles"),
		TEN("名前名前名前名前"), TEN("名😀名😀")};
	struct text text = {0};

	for (size_t i = 0; i < COUNT(names) * COUNT(interned_bits) * 3; i++) {
		text.utf8 = names[i % COUNT(names)];
		text.interned_bits = interned_bits[i / COUNT(names) % COUNT(interned_bits)];
		text.interned = i / COUNT(names) / COUNT(interned_bits);
		for (size_t layout = 0; layout < N_LAYOUTS; layout++)
			check_hash(layout, &text);
	}
}

Test(pycode, what_is_no_string_has_no_hash)
{
	struct rt_py py;
	u64 str, chars;

	begin(&py, 0);
	str = plain_str(&py, "load");
	chars = str + py.ascii_size;
	fake_fault(chars + 3, 1);
	cr_assert_eq(py_hash_str(&pt, &py, str, RT_PY_NAME), 0);
	fake_heal();
	fake_fault(str + PY_STR_STATE, 1);
	cr_assert_eq(py_hash_str(&pt, &py, str, RT_PY_NAME), 0);
	fake_heal();
	fake_put32(str + PY_STR_STATE, 3 << 2);
	cr_assert_eq(py_hash_str(&pt, &py, str, RT_PY_NAME), 0);
	fake_put32(str + PY_STR_STATE, 0);
	cr_assert_eq(py_hash_str(&pt, &py, str, RT_PY_NAME), 0);
	cr_assert_eq(py_hash_str(&pt, &py, 0, RT_PY_NAME), 0);
	/* a length that no string has leads nowhere */
	str = plain_str(&py, "load");
	fake_put64(str + PY_STR_LENGTH, -1ULL);
	py_hash_str(&pt, &py, str, RT_PY_NAME);
}

/* --- whose a code object is ------------------------------------------------------------------ */

Test(pycode, another_function_at_the_same_address_has_another_identity)
{
	static const struct code others[] = {
		{"/app/other.py", "load", "Model.load", 12},
		{"/app/model.py", "save", "Model.save", 12},
		{"/app/model.py", "load", "Model.load", 13},
	};

	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		struct rt_py py, other_program;
		u64 code, first;

		begin(&py, layout);
		code = fake_code(&py, &model);
		first = ident(&py, code);
		cr_assert_eq(ident(&py, code), first);
		cr_assert_neq(ident(&py, fake_code(&py, &model)), first);
		other_program = py;
		other_program.space++;
		cr_assert_neq(ident(&other_program, code), first);
		for (size_t i = 0; i < COUNT(others); i++) {
			write_code(&py, code, &others[i]);
			cr_assert_neq(ident(&py, code), first, "%x: %zu", py.version, i);
		}
		fake_fault(code + py.code_filename, 8);
		cr_assert_eq(py_func_of(&pt, &py, code, GLOBALS), 0);
	}
}

Test(pycode, a_function_that_is_wanted_is_told_once_and_keeps_its_id)
{
	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		struct rt_py py;
		u64 code;
		u32 func;

		begin(&py, layout);
		code = fake_code(&py, &model);
		if (py.code_qualname == RT_PY_NONE)
			want(&py, RT_PY_NAME, "load", RT_PY_WANTED | RT_PY_CALLER);
		else
			want(&py, RT_PY_QUALNAME, "Model.load", RT_PY_WANTED | RT_PY_CALLER);
		func = py_func_of(&pt, &py, code, GLOBALS);
		cr_assert(func & PY_FN_CALLER);
		cr_assert(py.flags & RT_PY_ARMED);
		func &= PY_FN_ID;
		cr_assert(func >= RT_PY_FUNC_BASE && func < RT_PY_FUNC_END);
		cr_assert_eq(ring.sent, 1);
		cr_assert_eq(told()->h.kind, RT_EV_PYCODE);
		cr_assert_eq(told()->ident, ident(&py, code));
		cr_assert_eq(told()->func, func);
		cr_assert_eq(told()->firstlineno, 12);
		cr_assert_eq(told()->globals, GLOBALS);
		cr_assert_str_eq(told()->name,
			py.code_qualname == RT_PY_NONE ? "load" : "Model.load");
		cr_assert_str_eq(told()->file, "/app/model.py");
		cr_assert_eq(py_func_of(&pt, &py, code, GLOBALS) & PY_FN_ID, func);
		cr_assert_eq(py_name_of(&pt, &py, code), func);
		cr_assert_eq(ring.sent, 1);
	}
}

Test(pycode, a_walk_says_which_frames_are_wanted)
{
	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		struct fake_frame outer = {.globals = GLOBALS}, inner;
		struct rt_py py;
		struct py_walk w = {.pt = &pt, .py = &py, .self = 4096};
		u64 tstate;

		begin(&py, layout);
		memset(&pt, 0, sizeof(pt));
		want(&py, RT_PY_NAME, "load", RT_PY_WANTED);
		want(&py, RT_PY_QUALNAME, "Model.load", RT_PY_WANTED);
		tstate = fake_thread(&py, fake_get64(py.interpreters), w.self);
		inner = outer;
		inner.at = fake_alloc(RT_PY_FRAME_LEN);
		outer.at = fake_alloc(RT_PY_FRAME_LEN);
		inner.code = fake_code(&py, &model);
		outer.code = fake_code(&py, &(struct code){"/app/model.py", "f", "f", 1});
		fake_frame(&py, &outer, 0, 0);
		fake_frame(&py, &inner, outer.at, 0);
		fake_put64(fake_innermost(&py, tstate), inner.at);
		cr_assert_eq(py_walk(w.pt, w.py, w.self, 1, 1), 0);
		cr_assert_eq(py_fresh_count(&pt), 2);
		cr_assert_eq(pt.wanted, 1);
		cr_assert_eq(py_fresh(&pt, 0)->func, 0);
		cr_assert_eq(py_fresh(&pt, 1)->func, told()->func);
	}
}

Test(pycode, what_nobody_wants_is_judged_once)
{
	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		struct rt_py py;
		u64 code, reads;
		u32 func;

		begin(&py, layout);
		want(&py, RT_PY_NAME, "save", RT_PY_WANTED);
		want(&py, RT_PY_QUALNAME, "Model.save", RT_PY_WANTED);
		want(&py, RT_PY_ANY_NAME, "load", RT_PY_WANTED); /* which py_by_name forbids */
		code = fake_code(&py, &model);
		cr_assert_eq(py_func_of(&pt, &py, code, GLOBALS), 0);
		reads = memory.reads;
		cr_assert_eq(py_func_of(&pt, &py, code, GLOBALS), 0);
		cr_assert_eq(memory.reads - reads, 2); /* the code, and the hash of its name */
		cr_assert_eq(ring.sent, 0);
		/* only its name */
		func = py_name_of(&pt, &py, code);
		cr_assert_neq(func, RT_NO_FUNC);
		cr_assert_eq(told()->want, RT_PY_NAMED);
		cr_assert_eq(py_func_of(&pt, &py, code, GLOBALS), 0);
		cr_assert_eq(py_name_of(&pt, &py, code), func);
		cr_assert_eq(ring.sent, 1);
		cr_assert_not(py.flags & RT_PY_ARMED);
	}
}

Test(pycode, a_plain_name_is_enough_where_it_is_asked_for)
{
	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		struct rt_py py;

		begin(&py, layout);
		py_by_name = 1;
		want(&py, RT_PY_ANY_NAME, "load", RT_PY_SIGN);
		cr_assert_eq(py_func_of(&pt, &py, fake_code(&py, &model), GLOBALS), 0);
		cr_assert(py.flags & RT_PY_ARMED); /* a sign opens no span */
		py_want_all = RT_PY_WANTED;
		cr_assert_neq(py_func_of(&pt, &py, fake_code(&py, &model), GLOBALS), 0);
	}
}

Test(pycode, a_function_that_could_not_be_told_is_told_later)
{
	struct rt_py py;
	u64 code;

	begin(&py, 0);
	code = fake_code(&py, &model);
	want(&py, RT_PY_NAME, "load", RT_PY_WANTED);
	ring.full = true;
	cr_assert_eq(py_func_of(&pt, &py, code, GLOBALS), 0);
	cr_assert_eq(fake_losses[RT_LOSS_RING], 1);
	ring.full = false;
	cr_assert_neq(py_func_of(&pt, &py, code, GLOBALS), 0);
	cr_assert_eq(ring.sent, 1);
}

Test(pycode, two_identities_never_share_an_id)
{
	struct rt_py py;
	u64 a = 7ULL << 32 | 1, b = 7ULL << 32 | 2, c = RT_PY_FUNC_END - 1ULL;
	u32 id[3];

	begin(&py, 0);
	c <<= 32;
	id[0] = py_make_id(a);
	id[1] = py_make_id(b);
	id[2] = py_make_id(c);
	cr_assert_eq(py_make_id(a), id[0]);
	cr_assert_eq(py_make_id(b), id[1]);
	cr_assert_neq(id[0], id[1]);
	for (int i = 0; i < 3; i++)
		cr_assert(id[i] >= RT_PY_FUNC_BASE && id[i] < RT_PY_FUNC_END);
	for (u64 i = 3; i < 3 + PY_ID_TRIES; i++)
		py_make_id(7ULL << 32 | i);
	cr_assert_eq(py_make_id(7ULL << 32 | 99), 0);
	cr_assert_gt(fake_losses[RT_LOSS_PY_CODE], 0);
}

Test(pycode, long_names_are_cut_where_they_tell_least)
{
	static char file[600], name[600];
	struct code code = {file, name, name, 1};
	struct rt_py py;

	memset(file, 'd', sizeof(file) - 1);
	memset(name, 'n', sizeof(name) - 1);
	memcpy(file + sizeof(file) - 8, "/end.py", 8);
	memcpy(name, "begin", 5);
	for (size_t layout = 0; layout < N_LAYOUTS; layout++) {
		begin(&py, layout);
		py_want_all = RT_PY_WANTED;
		cr_assert_neq(py_func_of(&pt, &py, fake_code(&py, &code), GLOBALS), 0);
		cr_assert_eq(told()->name_str.chars, 599);
		cr_assert_leq(told()->name_str.bytes, RT_PY_NAME_LEN);
		cr_assert_geq(told()->name_str.bytes, RT_PY_NAME_LEN - 4);
		cr_assert_eq(memcmp(told()->name, "beginnn", 7), 0);
		cr_assert_eq(told()->file_str.chars, 599);
		cr_assert_geq(told()->file_str.bytes, RT_PY_FILE_LEN - 4);
		cr_assert_eq(memcmp(told()->file + told()->file_str.bytes - 7, "/end.py", 7), 0);
	}
}
