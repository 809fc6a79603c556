/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What belongs together in several runs. Processes do by their role, which has the rank in it;
 * several of one role in the order of their birth. Within a process, labels do by their text,
 * functions by name and file, mappings by path. A new version may lie elsewhere, so what has no
 * partner of the same path gets the one whose path has the most in common with it, counted in parts
 * from the end:
 *
 *	/srv/app-1.2/lib/load.py	/srv/app-1.3/lib/load.py	lib/load.py: two parts
 */
#include "diff.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- processes and entries -------------------------------------------------------------------- */

static struct diff_entry *new_entry(struct diff *d, enum seen_kind kind, const char *name,
	const char *file, const struct diff_process *p)
{
	struct diff_list *all = &d->entries[kind];
	struct diff_entry **more, *e;

	if (!(all->n & (all->n - 1))) { /* as often as it doubles */
		more = reallocarray(all->list, all->n ? 2 * all->n : 1, sizeof(*more));
		if (!more)
			return NULL;
		all->list = more;
	}
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	e->of = calloc(d->n, sizeof(*e->of));
	if (!e->of) {
		free(e);
		return NULL;
	}
	e->kind = kind;
	e->name = name;
	e->file = file;
	e->process = p;
	return all->list[all->n++] = e;
}

/* With an entry of its own. */
static struct diff_process *new_process(struct diff *d, char *key, size_t len, unsigned int nth)
{
	struct diff_process *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->name = p->key = key;
	p->nth = nth;
	p->of = calloc(d->n, sizeof(*p->of));
	if (p->of)
		HASH_ADD_KEYPTR(hh, d->processes, key, len, p);
	if (p->of && hash_added(p))
		return p;
	free(p->of);
	free(p);
	return NULL;
}

static struct diff_process *find_process(const struct diff *d, const char *key, size_t len)
{
	struct diff_process *p;

	HASH_FIND(hh, d->processes, key, len, p);
	return p;
}

/* "name", NUL, its number. */
static char *process_key(const char *name, unsigned int nth, size_t *len)
{
	size_t n = strlen(name) + 1;
	char *key = malloc(n + sizeof(nth));

	if (!key)
		return NULL;
	memcpy(key, name, n);
	memcpy(key + n, &nth, sizeof(nth));
	*len = n + sizeof(nth);
	return key;
}

static struct diff_process *get_process(struct diff *d, const struct seen_program *program)
{
	struct diff_process *p;
	size_t len;
	char *key = process_key(program->name, program->nth, &len);

	if (!key)
		return NULL;
	p = find_process(d, key, len);
	if (!p) {
		p = new_process(d, key, len, program->nth);
		if (!p)
			free(key);
		return p;
	}
	free(key);
	return p;
}

static struct diff_entry *find_entry(const struct diff_process *p, const struct seen *s)
{
	struct diff_entry *e;

	HASH_FIND(hh, p->entries, s->hh.key, s->hh.keylen, e);
	return e;
}

static int add_entry(struct diff *d, struct diff_process *p, size_t run, const struct seen *s)
{
	struct diff_entry *e = new_entry(d, s->kind, s->name, s->file, p);

	if (!e)
		return -ENOMEM;
	e->of[run] = s;
	HASH_ADD_KEYPTR(hh, p->entries, s->hh.key, s->hh.keylen, e);
	return hash_added(e) ? 0 : -ENOMEM; /* it is freed by the list of all */
}

/* --- paths ------------------------------------------------------------------------------------ */

static const char *path_of(enum seen_kind kind, const char *name, const char *file)
{
	const char *path = kind == SEEN_MAPPING ? name : file;

	return strchr(path, '/') ? path : NULL;
}

/* How many parts they have in common, from the end. */
static size_t shared_parts(const char *a, const char *b)
{
	size_t i = strlen(a), j = strlen(b), parts = 0;

	while (i && j && a[i - 1] == b[j - 1]) {
		parts += a[--i] == '/';
		j--;
	}
	if ((!i || a[i - 1] == '/') && (!j || b[j - 1] == '/') && a[i] != '/')
		parts++;
	return parts;
}

/* Every package has its __init__.py: that alone says nothing. */
static bool says_enough(const char *path, size_t parts)
{
	return parts > 1 || (parts && strncmp(strrchr(path, '/') + 1, "__", 2));
}

/* Of those that this run has not: the one that shares most of the path, if no other shares as
 * much. */
static struct diff_entry *nearest(const struct diff_process *p, size_t run, const struct seen *s)
{
	const char *path = path_of(s->kind, s->name, s->file), *other;
	struct diff_entry *best = NULL;
	size_t most = 0, parts;

	for (struct diff_entry *e = path ? p->entries : NULL; e; e = e->hh.next) {
		if (e->kind != s->kind || e->of[run])
			continue;
		other = path_of(e->kind, e->name, e->file);
		if (!other || (s->kind != SEEN_MAPPING && strcmp(e->name, s->name)))
			continue;
		parts = shared_parts(path, other);
		if (parts < most || !says_enough(path, parts))
			continue;
		best = parts > most ? e : NULL;
		most = parts;
	}
	return best;
}

/* --- runs ------------------------------------------------------------------------------------- */

static int fold_labels(struct diff *d, struct diff_process *p, size_t run)
{
	struct diff_entry *e;
	int err = 0;

	for (const struct seen *s = p->of[run]->labels; s && !err; s = s->hh.next) {
		e = find_entry(p, s);
		if (e)
			e->of[run] = s;
		else
			err = add_entry(d, p, run, s);
	}
	return err;
}

/* First all that have a partner of the same path, so that nobody else takes it. */
static int fold_places(struct diff *d, struct diff_process *p, size_t run)
{
	const struct seen *places = p->of[run]->places;
	const struct seen **rest = calloc(HASH_COUNT(places) + 1, sizeof(*rest));
	struct diff_entry *e;
	size_t n = 0;
	int err = 0;

	if (!rest)
		return -ENOMEM;
	for (const struct seen *s = places; s; s = s->hh.next) {
		e = find_entry(p, s);
		if (e)
			e->of[run] = s;
		else
			rest[n++] = s;
	}
	for (size_t i = 0; i < n && !err; i++) {
		e = run ? nearest(p, run, rest[i]) : NULL;
		if (e)
			e->of[run] = rest[i];
		else
			err = add_entry(d, p, run, rest[i]);
	}
	free(rest);
	return err;
}

static int fold_program(struct diff *d, size_t run, const struct seen_program *program)
{
	struct diff_process *p = get_process(d, program);
	struct diff_entry *e;
	int err;

	if (!p)
		return -ENOMEM;
	p->of[run] = program;
	err = fold_labels(d, p, run);
	if (!err && d->growth)
		err = fold_places(d, p, run);
	if (err)
		return err;
	e = p->own;
	if (!e)
		e = p->own = new_entry(d, SEEN_PROCESS, p->name, "", p);
	if (!e)
		return -ENOMEM;
	e->of[run] = &program->self;
	return 0;
}

static int fold_run(struct diff *d, size_t run, struct diff_entry *tree)
{
	const struct seen_run *r = &d->runs[run];
	int err = 0;

	if (r->tree.n)
		tree->of[run] = &r->tree;
	for (size_t i = 0; i < r->n_programs && !err; i++)
		err = fold_program(d, run, r->programs[i]);
	return err;
}

/* --- what both sides say of themselves -------------------------------------------------------- */

/* The distinct ones of a string that every run has. */
static char *join(const struct diff *d, size_t from, size_t to, size_t member)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);
	const char *sep = "";

	if (!f)
		return NULL;
	for (size_t i = from; i < to; i++) {
		const char *s = *(char *const *)((const char *)&d->runs[i] + member);
		bool seen = false;

		for (size_t k = from; k < i && !seen; k++)
			seen = !strcmp(s, *(char *const *)((const char *)&d->runs[k] + member));
		if (seen)
			continue;
		fprintf(f, "%s%s", sep, s);
		sep = ", ";
	}
	if (fclose(f)) {
		free(text);
		return NULL;
	}
	return text;
}

static int find_facts(struct diff *d)
{
	static const struct {
		const char *what;
		size_t member;
	} said[] = {{"host", offsetof(struct seen_run, host)},
		{"kernel", offsetof(struct seen_run, kernel)},
		{"version", offsetof(struct seen_run, version)},
		{"command", offsetof(struct seen_run, command)}};

	_Static_assert(sizeof(said) / sizeof(*said) == sizeof(d->facts) / sizeof(*d->facts),
		"one for each");
	for (size_t i = 0; i < sizeof(said) / sizeof(*said); i++) {
		struct diff_fact *f = &d->facts[d->n_facts];

		f->what = said[i].what;
		f->a = join(d, 0, d->n_a, said[i].member);
		f->b = join(d, d->n_a, d->n, said[i].member);
		d->n_facts++;
		if (!f->a || !f->b)
			return -ENOMEM;
		if (strcmp(f->a, f->b))
			continue;
		free(f->a);
		free(f->b);
		*f = (struct diff_fact){0};
		d->n_facts--;
	}
	return 0;
}

struct text {
	bool on[2];
	UT_hash_handle hh;
};

static int add_text(struct text **all, const char *text, bool b)
{
	struct text *t;

	HASH_FIND_STR(*all, text, t);
	if (!t) {
		t = calloc(1, sizeof(*t));
		if (!t)
			return -ENOMEM;
		HASH_ADD_KEYPTR(hh, *all, text, strlen(text), t);
		if (!hash_added(t)) {
			free(t);
			return -ENOMEM;
		}
	}
	t->on[b] = true;
	return 0;
}

/* How many labels only the specs of one side have. */
static int count_labels(struct diff *d)
{
	struct text *all = NULL, *t, *tmp;
	int err = 0;

	for (size_t i = 0; i < d->n; i++)
		for (size_t k = 0; k < d->runs[i].n_labels && !err; k++)
			if (*d->runs[i].labels[k].text)
				err = add_text(&all, d->runs[i].labels[k].text, i >= d->n_a);
	HASH_ITER(hh, all, t, tmp)
	{
		d->labels_a += !t->on[1];
		d->labels_b += !t->on[0];
		HASH_DELETE(hh, all, t);
		free(t);
	}
	return err;
}

/* Several of one name are told apart by a number. */
static int find_crowds(struct diff *d)
{
	for (struct diff_process *p = d->processes, *first; p; p = p->hh.next) {
		size_t len;
		char *key;

		if (p->nth == 1)
			continue;
		p->crowd = true;
		key = process_key(p->name, 1, &len);
		if (!key)
			return -ENOMEM;
		first = find_process(d, key, len);
		if (first)
			first->crowd = true;
		free(key);
	}
	return 0;
}

static bool on_both_sides(const struct diff *d, const struct diff_process *p)
{
	bool a = false, b = false;

	for (size_t i = 0; i < d->n; i++) {
		a |= i < d->n_a && p->of[i];
		b |= i >= d->n_a && p->of[i];
	}
	return a && b;
}

int diff__align(struct diff *d)
{
	struct diff_entry *tree = new_entry(d, SEEN_TREE, "", "", NULL);
	int err = tree ? 0 : -ENOMEM;

	d->growth = true;
	for (size_t i = 0; i < d->n; i++)
		d->growth &= d->runs[i].growth;
	for (size_t i = 0; i < d->n && !err; i++)
		err = fold_run(d, i, tree);
	if (!err)
		err = find_crowds(d);
	for (struct diff_process *p = d->processes; p && !d->common; p = p->hh.next)
		d->common = on_both_sides(d, p);
	if (!err)
		err = find_facts(d);
	return err ? err : count_labels(d);
}
