/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which functions a Python source file defines, by its text alone. For code objects without
 * co_qualname (3.8 to 3.10), and to say before anything runs which functions a version has.
 */
#ifndef PYSOURCE_H
#define PYSOURCE_H

#include <stdbool.h>
#include <stddef.h>

struct pysource;

/* Reads the whole file. 0 or -errno; -EFBIG: larger than a source can be. Text that is no Python
 * gives fewer definitions, not an error. */
int pysource__read(const char *path, struct pysource **out);
int pysource__read_fd(int fd, struct pysource **out);
int pysource__parse(const char *text, size_t len, struct pysource **out);
void pysource__free(struct pysource *src); /* NULL is fine */

/*
 * The qualified name ("A.f", "f.<locals>.g") of the code object that begins at a line (that of its
 * first decorator, as co_firstlineno) and has this co_name. Lambdas, comprehensions and generator
 * expressions get the name of the function or class they stand in, without lambdas in between.
 * NULL: there is none. Lives as long as src.
 */
const char *pysource__qualname(struct pysource *src, unsigned int firstlineno, const char *name);

/* Is a function of this qualified name defined, under whatever condition? */
bool pysource__has(const struct pysource *src, const char *qualname);

struct pysource_def {
	const char *qualname;
	unsigned int firstlineno; /* of the first decorator */
	unsigned int line;	  /* of `def` or `class` */
	bool is_class;
};

/* Calls fn for each function and class, in the order of the text. Stops when it returns non-zero and
 * returns that. */
typedef int pysource_def_fn(void *ctx, const struct pysource_def *def);
int pysource__each(const struct pysource *src, pysource_def_fn *fn, void *ctx);

#endif
