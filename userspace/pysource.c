/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A scanner for what matters of Python's grammar here: indentation, and the first words of each
 * logical line ("Lexical analysis" of the language reference). `def` and `class` cannot stand
 * anywhere else. What lies between is skipped, which takes care for strings, comments, brackets
 * and backslashes:
 *
 *	@decorate(             <- firstlineno of f
 *	    "not a ) bracket")
 *	def f(a, b="""def g(): ..."""):
 *	    if a:
 *	        def h(): ...   <- f.<locals>.h: the nearest definition that is indented less
 *
 * An f-string is a string with code in it, which may hold strings with the same quotes (from 3.12
 * on); behind a colon in its braces a quote is only a character: f"{a["b"]:'>3}".
 *
 * Names come by the rules of compiler_set_qualname (Python/compile.c): below a function
 * ".<locals>." is put between, and a name that its function declares `global` begins anew.
 */
#include "pysource.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io.h"

enum {
	MAX_TEXT = 64 << 20,
	MAX_DEPTH = 100, /* of indentation: MAXINDENT of Parser/tokenizer.h */
	MAX_NESTED = 16, /* strings in f-strings in f-strings */
	MAX_NAME = 4096, /* of a qualified name */
	MAX_GLOBALS = 64,
	TAB = 8,
};

struct def {
	struct pysource_def d;
	char *name; /* the last component, in d.qualname */
	unsigned int first_inside, last; /* lines of its body */
};

struct pysource {
	struct def *v;
	size_t n, room;
	char *answer; /* of the last pysource__qualname that had to make one up */
};

struct word {
	const char *at;
	size_t len;
};

struct scope {
	size_t def; /* index */
	int column;
	struct word globals[MAX_GLOBALS];
	size_t n_globals;
};

struct scanner {
	const char *at, *end;
	unsigned int line;
	struct pysource *src;
	struct scope scopes[MAX_DEPTH + 1];
	size_t depth;
	unsigned int decorated; /* line of the first decorator of what comes next; 0: none */
	int nested;
	int err;
};

static bool is_name(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '_' || (unsigned char)c >= 0x80;
}

static char peek(const struct scanner *s, size_t ahead)
{
	return (size_t)(s->end - s->at) > ahead ? s->at[ahead] : '\0';
}

/* Passes one character; "\r\n" is one, and a lone "\r" ends a line too. */
static void advance(struct scanner *s)
{
	if (s->at == s->end)
		return;
	if (*s->at == '\n' || (*s->at == '\r' && peek(s, 1) != '\n'))
		s->line++;
	s->at++;
}

static bool at_newline(const struct scanner *s)
{
	return s->at < s->end && (*s->at == '\n' || *s->at == '\r');
}

static void skip_newline(struct scanner *s)
{
	bool pair = peek(s, 0) == '\r' && peek(s, 1) == '\n';

	advance(s);
	if (pair)
		advance(s);
}

static void skip_comment(struct scanner *s)
{
	while (s->at < s->end && !at_newline(s))
		s->at++;
}

static void skip_backslash(struct scanner *s)
{
	advance(s);
	if (at_newline(s))
		skip_newline(s);
	else
		advance(s);
}

/* 1: opens one, -1: closes one. */
static int bracket(char c)
{
	if (c == '(' || c == '[' || c == '{')
		return 1;
	return c == ')' || c == ']' || c == '}' ? -1 : 0;
}

static bool skip_strings(struct scanner *s);

/* From behind "{" to behind the "}" that belongs to it. */
static void skip_field(struct scanner *s, bool one_line)
{
	int brackets = 0;
	bool format = false;
	char c;

	while (s->at < s->end && !(one_line && at_newline(s) && !brackets && format)) {
		c = *s->at;
		if (!format && skip_strings(s))
			continue;
		advance(s);
		if (format && c == '{' && s->nested < MAX_NESTED) {
			s->nested++;
			skip_field(s, one_line);
			s->nested--;
		} else if (c == '}' && (format || !brackets)) {
			return;
		} else if (!format) {
			brackets += bracket(c);
			format = !brackets && c == ':';
			if (c == '#')
				skip_comment(s);
		}
	}
}

/* From the first quote to behind the last one. A string that its line does not end goes no further
 * than the line. */
static void skip_string(struct scanner *s, bool formatted, bool raw)
{
	char quote = *s->at;
	bool triple = peek(s, 1) == quote && peek(s, 2) == quote;

	if (!triple && peek(s, 1) == quote) {
		s->at += 2;
		return;
	}
	s->at += triple ? 3 : 1;
	while (s->at < s->end && (triple || !at_newline(s))) {
		if (*s->at == quote && (!triple || (peek(s, 1) == quote && peek(s, 2) == quote))) {
			s->at += triple ? 3 : 1;
			return;
		}
		if (*s->at == '\\' && formatted && (peek(s, 1) == '{' || peek(s, 1) == '}')) {
			advance(s);
		} else if (*s->at == '\\' && formatted && !raw && peek(s, 1) == 'N' &&
			   peek(s, 2) == '{') {
			s->at += 3; /* "\N{BULLET}" */
		} else if (*s->at == '\\') {
			skip_backslash(s);
		} else if (formatted && *s->at == '{' && peek(s, 1) == '{') {
			s->at += 2;
		} else if (formatted && *s->at == '{' && s->nested < MAX_NESTED) {
			advance(s);
			s->nested++;
			skip_field(s, !triple);
			s->nested--;
		} else {
			advance(s);
		}
	}
}

/* A name, or a string with its prefix. False: neither begins here. */
static bool skip_strings(struct scanner *s)
{
	const char *start = s->at;
	bool formatted = false, raw = false, prefix = true;

	while (s->at < s->end && is_name(*s->at)) {
		formatted |= strchr("fFtT", *s->at) != NULL;
		raw |= *s->at == 'r' || *s->at == 'R';
		prefix &= strchr("rRbBuUfFtT", *s->at) != NULL;
		s->at++;
	}
	if (peek(s, 0) != '\'' && peek(s, 0) != '"')
		return s->at != start;
	prefix &= s->at - start <= 2;
	skip_string(s, formatted && prefix, raw && prefix);
	return true;
}

/* To the beginning of the next logical line. */
static void skip_logical(struct scanner *s)
{
	int brackets = 0;

	while (s->at < s->end) {
		if (skip_strings(s))
			continue;
		if (at_newline(s)) {
			skip_newline(s);
			if (!brackets)
				return;
		} else if (*s->at == '#') {
			skip_comment(s);
		} else if (*s->at == '\\') {
			skip_backslash(s);
		} else {
			brackets += bracket(*s->at);
			if (brackets < 0)
				brackets = 0;
			advance(s);
		}
	}
}

static void skip_blanks(struct scanner *s)
{
	for (;;) {
		if (peek(s, 0) == ' ' || peek(s, 0) == '\t' || peek(s, 0) == '\f')
			s->at++;
		else if (peek(s, 0) == '\\' && (peek(s, 1) == '\n' || peek(s, 1) == '\r'))
			skip_backslash(s);
		else
			return;
	}
}

static struct word next_word(struct scanner *s)
{
	struct word w;

	skip_blanks(s);
	w.at = s->at;
	while (s->at < s->end && is_name(*s->at))
		s->at++;
	w.len = s->at - w.at;
	return w;
}

static bool is(struct word w, const char *text)
{
	return w.len == strlen(text) && !memcmp(w.at, text, w.len);
}

/* The column where the next logical line begins, or -1 at the end of the text. */
static int next_line(struct scanner *s)
{
	int column = 0;

	while (s->at < s->end) {
		switch (*s->at) {
		case ' ':
			column++;
			s->at++;
			break;
		case '\t':
			column = (column / TAB + 1) * TAB;
			s->at++;
			break;
		case '\f':
			column = 0;
			s->at++;
			break;
		case '#':
			skip_comment(s);
			break;
		case '\r':
		case '\n':
			skip_newline(s);
			column = 0;
			break;
		case '\\':
			skip_backslash(s);
			break;
		default:
			return column;
		}
	}
	return -1;
}

static void close_scopes(struct scanner *s, int column, unsigned int last)
{
	struct def *def;

	while (s->depth && s->scopes[s->depth - 1].column >= column) {
		def = &s->src->v[s->scopes[--s->depth].def];
		def->last = last;
		if (last < def->first_inside) /* "def f(): pass" */
			def->first_inside = def->d.line;
	}
}

static bool is_global(const struct scope *scope, struct word name)
{
	for (size_t i = 0; i < scope->n_globals; i++)
		if (scope->globals[i].len == name.len &&
			!memcmp(scope->globals[i].at, name.at, name.len))
			return true;
	return false;
}

static char *join(const char *base, const char *between, const char *name, size_t len)
{
	size_t before = strlen(base) + strlen(between);
	char *all = before + len < MAX_NAME ? malloc(before + len + 1) : NULL;

	if (!all)
		return NULL;
	strcpy(all, base);
	strcat(all, between);
	memcpy(all + before, name, len);
	all[before + len] = '\0';
	return all;
}

static char *qualify(const struct def *parent, const char *name, size_t len)
{
	if (!parent)
		return join("", "", name, len);
	return join(parent->d.qualname, parent->d.is_class ? "." : ".<locals>.", name, len);
}

static struct def *add_def(struct pysource *src)
{
	size_t room = src->room ? src->room * 2 : 64;
	struct def *v;

	if (src->n == src->room) {
		v = realloc(src->v, room * sizeof(*v));
		if (!v)
			return NULL;
		src->v = v;
		src->room = room;
	}
	src->v[src->n] = (struct def){ 0 };
	return &src->v[src->n++];
}

static void define(struct scanner *s, int column, unsigned int line, bool is_class)
{
	struct scope *top = s->depth ? &s->scopes[s->depth - 1] : NULL;
	const struct def *parent = NULL;
	struct word name = next_word(s);
	struct def *def;
	char *qualname;

	if (!name.len || s->depth > MAX_DEPTH)
		return;
	def = add_def(s->src);
	if (top && !is_global(top, name))
		parent = &s->src->v[top->def];
	qualname = def ? qualify(parent, name.at, name.len) : NULL;
	if (!qualname) {
		s->src->n -= def != NULL;
		s->err = def && name.len < MAX_NAME / 2 ? -ENOMEM : s->err;
		return;
	}
	*def = (struct def){
		.d = { qualname, s->decorated ? s->decorated : line, line, is_class },
		.name = qualname + strlen(qualname) - name.len,
	};
	s->decorated = 0;
	s->scopes[s->depth].def = s->src->n - 1;
	s->scopes[s->depth].column = column;
	s->scopes[s->depth++].n_globals = 0;
	skip_logical(s);
	def->first_inside = s->line;
}

static void declare_global(struct scanner *s)
{
	struct scope *top = s->depth ? &s->scopes[s->depth - 1] : NULL;
	struct word name;

	do {
		name = next_word(s);
		if (top && name.len && top->n_globals < MAX_GLOBALS)
			top->globals[top->n_globals++] = name;
		skip_blanks(s);
	} while (peek(s, 0) == ',' && s->at++);
}

static void scan_line(struct scanner *s, int column)
{
	unsigned int line = s->line;
	struct word first;

	if (*s->at == '@') {
		if (!s->decorated)
			s->decorated = line;
		skip_logical(s);
		return;
	}
	first = next_word(s);
	if (is(first, "async"))
		first = next_word(s);
	if (is(first, "def") || is(first, "class")) {
		define(s, column, line, is(first, "class"));
		return;
	}
	if (is(first, "global"))
		declare_global(s);
	else
		s->at = first.at; /* it may be the prefix of a string */
	s->decorated = 0;
	skip_logical(s);
}

int pysource__parse(const char *text, size_t len, struct pysource **out)
{
	struct scanner *s = calloc(1, sizeof(*s));
	unsigned int last = 0;
	int column, err;

	*out = NULL;
	if (len > MAX_TEXT || !s || !(s->src = calloc(1, sizeof(*s->src)))) {
		free(s);
		return len > MAX_TEXT ? -EFBIG : -ENOMEM;
	}
	s->at = text;
	s->end = text + len;
	s->line = 1;
	if (len >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
		s->at += 3;
	while ((column = next_line(s)) >= 0 && !s->err) {
		close_scopes(s, column, last);
		scan_line(s, column);
		last = s->line - (s->at[-1] == '\n' || s->at[-1] == '\r');
	}
	close_scopes(s, 0, last);
	err = s->err;
	*out = s->src;
	free(s);
	if (err) {
		pysource__free(*out);
		*out = NULL;
	}
	return err;
}

int pysource__read_fd(int fd, struct pysource **out)
{
	struct stat st;
	ssize_t n;
	char *text;
	int err;

	*out = NULL;
	if (fstat(fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (st.st_size > MAX_TEXT)
		return -EFBIG;
	text = malloc(st.st_size + 1);
	if (!text)
		return -ENOMEM;
	n = io_read(fd, text, st.st_size);
	err = n < 0 ? n : pysource__parse(text, n, out);
	free(text);
	return err;
}

int pysource__read(const char *path, struct pysource **out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), err;

	*out = NULL;
	if (fd < 0)
		return -errno;
	err = pysource__read_fd(fd, out);
	close(fd);
	return err;
}

void pysource__free(struct pysource *src)
{
	if (!src)
		return;
	for (size_t i = 0; i < src->n; i++)
		free((char *)src->v[i].d.qualname);
	free(src->v);
	free(src->answer);
	free(src);
}

/* The innermost definition whose body has this line: the last of those that begin before it. */
static const struct def *around(const struct pysource *src, unsigned int line)
{
	const struct def *found = NULL;

	for (size_t i = 0; i < src->n && src->v[i].d.line <= line; i++)
		if (line >= src->v[i].first_inside && line <= src->v[i].last)
			found = &src->v[i];
	return found;
}

const char *pysource__qualname(struct pysource *src, unsigned int firstlineno, const char *name)
{
	if (!strcmp(name, "<module>"))
		return "<module>";
	for (size_t i = 0; i < src->n; i++)
		if (src->v[i].d.firstlineno == firstlineno && !strcmp(src->v[i].name, name))
			return src->v[i].d.qualname;
	if (*name != '<')
		return NULL;
	free(src->answer);
	src->answer = qualify(around(src, firstlineno), name, strlen(name));
	return src->answer;
}

bool pysource__has(const struct pysource *src, const char *qualname)
{
	for (size_t i = 0; i < src->n; i++)
		if (!src->v[i].d.is_class && !strcmp(src->v[i].d.qualname, qualname))
			return true;
	return false;
}

int pysource__each(const struct pysource *src, pysource_def_fn *fn, void *ctx)
{
	int err = 0;

	for (size_t i = 0; i < src->n && !err; i++)
		err = fn(ctx, &src->v[i].d);
	return err;
}
