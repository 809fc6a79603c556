/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the python*.c files share behind python.h. */
#ifndef PYTHON_INTERNAL_H
#define PYTHON_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "elf.h"
#include "elf_internal.h"
#include "hash.h"
#include "python.h"

enum {
	PYTHON_TEXTS = 4, /* executable segments of a file */
	PYTHON_OFFSETS_LEN = 1024, /* of _PyRuntime that python_layout__published looks at */
};

/* PY_VERSION_HEX >> 16 */
#define PYTHON_VERSION(major, minor) ((uint32_t)(major) << 8 | (minor))

/*
 * Layouts. `out->interpreters` becomes the offset of interpreters.head in _PyRuntime: whoever knows
 * where that lies adds it.
 */
/* 3.8 to 3.12, from a table. -ENOTSUP: not one of them. */
int python_layout__known(uint32_t version, struct rt_py *out);
/*
 * 3.13 and later, from the first PYTHON_OFFSETS_LEN bytes of _PyRuntime. *unsure: by a version that
 * was not tried, so that it must be checked against a running one. -ENODATA: nothing is published
 * there; -ENOTSUP: with *why, a constant string.
 */
int python_layout__published(const void *runtime, struct rt_py *out, bool *unsure,
	const char **why);

struct python_file_id {
	uint32_t major, minor;
	uint64_t inode;
};

enum python_what {
	PYTHON_NONE,
	PYTHON_USABLE,
	PYTHON_REFUSED, /* one that cannot be walked, for `why` */
};

struct python_file {
	struct python_file_id id;
	int64_t size, changed_ns; /* where it was seen to be likely; else 0 */
	enum python_what what;
	bool unsure;		    /* must be checked against a running one */
	uint32_t version;	    /* 0: the file does not say */
	uint64_t runtime;	    /* address of _PyRuntime in the file */
	struct rt_py py;	    /* .version is 0 until it is filled; addresses as in the file */
	struct elf_segment text[PYTHON_TEXTS];
	size_t n_texts;
	bool sites_sought;
	const char *sites_why;	    /* a constant string, where there are none: */
	struct python_sites *sites; /* owned; only n, offset and symbol are set */
	char why[96];
	UT_hash_handle hh; /* of struct python_files */
};

/* Looks at the file that `path` opens and the process calls `name`; `likely`: by its name it may
 * well be one, so that .symtab is read too. 0 and f->what, or -errno, then nothing is known of it. */
int python_file__examine(struct python_file *f, const char *path, const char *name, bool likely);
/* Sets f->py, if what is known is enough. `runtime`: the beginning of _PyRuntime, or NULL. */
int python_file__fill(struct python_file *f, const void *runtime);
/* How strings lie in the CPython that the file holds, by its version alone. 0; -ENOENT: that is not
 * known, or it is a free-threaded build, whose objects are larger. */
struct python_strings {
	uint32_t ascii_size, compact_size; /* as in struct rt_py */
};
int python_file__strings(const struct elf_file *elf, const char *path, struct python_strings *out);
/* What must be added to the file's addresses where a mapping of its code at `offset` begins at
 * `start`. */
bool python_file__bias(const struct python_file *f, uint64_t start, uint64_t offset,
	uint64_t *bias);

const char *python_base_name(const char *path);
bool python_is_pypy(const char *path);
/* What the names of files say: "libpython3.11.so.1.0", "python3.9", "x.cpython-310-x86_64-….so".
 * 0: nothing. `threaded`: a 't' behind the number (the free-threaded build). */
uint32_t python_name_version(const char *path, bool *threaded);

/* All of len or -errno, from another process's memory. */
int python_read(pid_t pid, uint64_t addr, void *buf, size_t len);

/* The threads of a process, to find the one that a PyThreadState belongs to. */
struct python_tasks;
struct python_tasks *python_tasks__read(pid_t pid, bool stacks);
void python_tasks__free(struct python_tasks *t);
/* By the number that the process has for it in its own pid namespace. 0: none. */
pid_t python_tasks__by_native(const struct python_tasks *t, uint64_t native);
/* By pthread_self(), where `stacks` was asked for and the thread blocked then. 0: none. */
pid_t python_tasks__by_ident(const struct python_tasks *t, uint64_t ident);

/* Where in the file entries of Python functions are seen: fills n, offset and symbol. -ENOENT with
 * *why, a constant string. */
int python_entry__find(struct elf_file *elf, uint32_t version, struct python_sites *out,
	const char **why);

#endif
