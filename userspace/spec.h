/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A checkpoint spec: a label and where it fires. From -f on the command line or from a profile. */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spec_type {
	SPEC_FUNCTION, /* BINARY:SYMBOL */
	SPEC_USDT,     /* usdt:BINARY:PROVIDER:NAME */
	SPEC_ADDRESS,  /* addr:BINARY:0x... */
	SPEC_PYTHON,   /* py:FILE-TAIL:QUALNAME, py:MODULE:QUALNAME */
};

/*
 * When a spec's function makes rows. All that are given must hold at the entry; the return of an
 * activation whose entry held belongs to it.
 */
struct spec_condition {
	char *inside;	  /* target of another spec ("py:a.py:A.f"), open on the same thread; NULL: none */
	char *caller;	  /* Python: qualname (glob) of the function that called it; NULL: any */
	bool outermost;	  /* no other activation of the same spec is open on the thread, nor of one
			   * that is its alternative: of the same profile, with the same labels */
	unsigned int nth; /* the n-th time, from 1: in its program, or since the activation of `inside`
			   * began; 0: every time */
};

struct checkpoint_spec {
	enum spec_type type;
	char *text;	/* as written, without the label */
	char *target;	/* the same without its conditions: what `inside` of others may name */
	char *binary;	/* path, soname or name to look for in the maps; "" : the main program.
			 * SPEC_PYTHON: end of the file's path ("engine/core.py") or a module */
	char *symbol;	/* glob; NAME of a USDT probe; qualified name of a Python function */
	bool module;	/* SPEC_PYTHON: binary is a module ("vllm.v1.engine.core") */
	bool sign;	/* SPEC_PYTHON, of a profile: makes no row, tells that from here on the process
			 * is worth a closer look */
	struct spec_condition when;
	char *provider; /* USDT only */
	uint64_t addr;	/* SPEC_ADDRESS only: virtual address in the file */
	char *entry[2]; /* label at entry, by enum lang; NULL: no row */
	char *leave[2]; /* label at return; NULL: no row */
	bool extra;	/* a profile's label that the seed's format leaves out */
	const char *profile; /* name of the profile, owned by it; NULL: from -f */
};

/*
 * Parses "[LABEL=]BINARY:SYMBOL", "[LABEL=]usdt:BINARY:PROVIDER:NAME", "[LABEL=]addr:BINARY:0xN",
 * "[LABEL=]py:FILE-TAIL:QUALNAME", "[LABEL=]py:MODULE:QUALNAME", and conditions behind it.
 *
 * LABEL ends at the first '=' if that comes before the first ':'. A label that holds '=' or ':' is
 * put in double quotes: "Runner:load"=libx.so:load. So "a:b=c:d" has no label, and is refused,
 * since no symbol holds such a '='; and "/opt/a=b/bin:f" is refused, since it may be either.
 * BINARY ends at the first ':' and may be empty, which means the main program; every other part
 * must not be. SYMBOL is all that follows: "::", operators, templates, spaces, globs.
 * Without LABEL the symbol as written is the label ("PROVIDER:NAME", "BINARY:0xN" for the others).
 *
 * What stands between "py:" and the next ':' is the end of a file's path if it holds '/', ends in
 * ".py", begins with '<' ("<string>") or is "*", and else a module.
 *
 * Conditions: "inside TARGET", "caller QUALNAME", "outermost", "nth N", each with a blank before it,
 * in any order. Since symbols hold blanks too, they are looked for from the end, by these four words
 * only, where these are not within brackets: "b:f(int, caller const*)" has none.
 *
 * 0, -ENOMEM, or -EINVAL with a message in err that quotes the text and says what was expected.
 */
int spec__parse(const char *text, struct checkpoint_spec *out, char *err, size_t err_len);
/* The same without a label in front: all of text is the target and its conditions. */
int spec__parse_target(const char *text, struct checkpoint_spec *out, char *err, size_t err_len);
/* One condition more, by its word ("nth") and what would follow it ("2", "" for none); it becomes
 * part of the text. -EINVAL with a message, -ENOMEM. */
int spec__add_condition(struct checkpoint_spec *spec, const char *word, const char *value,
	char *err, size_t err_len);
/* Sets entry[] and leave[] from one label: "L之前"/"L之后", "before L"/"after L"; a USDT probe or
 * an address has no return, its one row is L. -EINVAL: blank, not UTF-8, or control characters. */
int spec__set_label(struct checkpoint_spec *spec, const char *zh, const char *en);
/* Sets each end by itself, by enum lang; NULL: no row there. -EINVAL as above. */
int spec__set_ends(struct checkpoint_spec *spec, const char *const entry[2],
	const char *const leave[2]);
void spec__clear(struct checkpoint_spec *spec);

bool spec__is_conditional(const struct checkpoint_spec *spec);
/* Is the end of its activations to be seen? Also where no row is made of it. */
bool spec__wants_return(const struct checkpoint_spec *spec);
/* As fact_spec.inside: 1 + the place of the spec that `spec` must be inside of; 0: none. It is one
 * without conditions, so every activation of that target counts, and one of which the return is
 * wanted; struct selection has seen to it that there is one. */
unsigned int spec__inside_id(const struct checkpoint_spec *const *specs, size_t n,
	const struct checkpoint_spec *spec);

/*
 * Does a Python spec mean this function? `file` as co_filename has it, or as much of its end as is
 * known; `module` NULL: not known.
 *
 * A FILE-TAIL is compared with whole components at the end of the path: "engine/core.py" means
 * "/x/vllm/v1/engine/core.py" and not "/x/xengine/core.py"; one that begins with '/' with all of it.
 * A MODULE a.b means ".../a/b.py" and ".../a/b/__init__.py", or the module of that name. Globs are
 * those of fnmatch(3) without flags: '*' matches across '/' and '.'.
 */
bool spec__means_python(const struct checkpoint_spec *spec, const char *file, const char *module,
	const char *qualname);

#endif
