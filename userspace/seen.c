/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "seen.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "gate.h"

/* A program that has not ended: found by the address that rows have of it. */
struct seen_live {
	const struct proc *proc;
	struct seen_program *p;
	int64_t total; /* of its last row */
	UT_hash_handle hh;
};

unsigned int seen_width(enum seen_kind kind)
{
	static const unsigned int widths[SEEN_KINDS] = {[SEEN_TREE] = 1,
		[SEEN_PROCESS] = 3,
		[SEEN_LABEL] = 2,
		[SEEN_FUNCTION] = 2,
		[SEEN_NATIVE] = 2,
		[SEEN_MAPPING] = 1};

	return widths[kind];
}

/* --- figures ---------------------------------------------------------------------------------- */

/* Rows come by the million, and have a name that needs no copy to be looked for. */
static size_t key_len(enum seen_kind kind, size_t name, size_t file)
{
	return kind == SEEN_LABEL ? name : name + file + 3;
}

struct seen *seen__get(struct seen **table, enum seen_kind kind, const char *name, const char *file)
{
	size_t n = strlen(name), m = strlen(file), len = key_len(kind, n, m);
	struct seen *s = NULL;
	char *key;

	if (kind == SEEN_LABEL)
		HASH_FIND(hh, *table, name, len, s);
	if (s)
		return s;
	key = malloc(n + m + 3);
	if (!key)
		return NULL;
	memcpy(key, name, n + 1);
	memcpy(key + n + 1, file, m + 1);
	key[n + m + 2] = (char)kind;
	if (kind != SEEN_LABEL)
		HASH_FIND(hh, *table, key, len, s);
	if (!s) {
		s = calloc(1, sizeof(*s));
		if (!s)
			goto drop;
		s->kind = kind;
		s->name = key;
		s->file = key + n + 1;
		HASH_ADD_KEYPTR(hh, *table, key, len, s);
		if (hash_added(s))
			return s;
		free(s);
		s = NULL;
	}
drop:
	free(key);
	return s;
}

int seen__add(struct seen *s, const int64_t *figures)
{
	unsigned int width = seen_width(s->kind);
	size_t room = s->room ? s->room * 2 : 1;
	int64_t *more;

	if (s->n == s->room) {
		more = reallocarray(s->figures, room, width * sizeof(*more));
		if (!more)
			return -ENOMEM;
		s->figures = more;
		s->room = room;
	}
	memcpy(s->figures + s->n++ * width, figures, width * sizeof(*figures));
	return 0;
}

static void clear_table(struct seen **table)
{
	struct seen *s, *tmp;

	HASH_ITER(hh, *table, s, tmp)
	{
		HASH_DELETE(hh, *table, s);
		free(s->name);
		free(s->figures);
		free(s);
	}
}

static void program__free(struct seen_program *p)
{
	if (!p)
		return;
	clear_table(&p->labels);
	clear_table(&p->places);
	free(p->self.figures);
	free(p->name);
	free(p->cmdline);
	free(p);
}

/* --- rows ------------------------------------------------------------------------------------- */

static struct seen_live *get_live(struct seen_run *run, const struct proc *proc)
{
	struct seen_live *l = run->recent;

	if (l && l->proc == proc)
		return l;
	HASH_FIND_PTR(run->live, &proc, l);
	if (l)
		return run->recent = l;
	l = calloc(1, sizeof(*l));
	if (!l)
		return NULL;
	l->proc = proc;
	l->p = calloc(1, sizeof(*l->p));
	if (l->p)
		HASH_ADD_PTR(run->live, proc, l);
	if (l->p && hash_added(l))
		return run->recent = l;
	free(l->p);
	free(l);
	return NULL;
}

static void live__free(struct seen_run *run, struct seen_live *l)
{
	HASH_DELETE(hh, run->live, l);
	run->recent = NULL;
	program__free(l->p);
	free(l);
}

/* What it is called in the other language. */
static const char *other_label(const struct row *row, enum lang lang)
{
	char *const *labels = !row->spec              ? NULL
			      : row->when == RT_ENTRY ? row->spec->entry
						      : row->spec->leave;
	const char *other = labels ? labels[lang == LANG_ZH ? LANG_EN : LANG_ZH] : NULL;

	return other ? other : "";
}

/* Points by --step come when they come. What they moved is the next row's. */
static bool is_point(const struct row *row)
{
	return row->when == RT_POINT && !*row->function;
}

static int on_row(void *ctx, const struct row *row)
{
	struct seen_run *run = ctx;
	struct seen_live *l = get_live(run, row->proc);
	struct seen *s;
	int64_t delta;

	if (!l)
		return -ENOMEM;
	if (is_point(row))
		return 0;
	delta = (int64_t)((uint64_t)row->total - (uint64_t)l->total);
	l->total = row->total;
	s = seen__get(&l->p->labels, SEEN_LABEL, row->label, other_label(row, run->lang));
	return s ? seen__add(s, (const int64_t[]){delta, row->total}) : -ENOMEM;
}

/* --- programs that have ended ----------------------------------------------------------------- */

/* How many digits there are that name a process or a port: those of a rank are few, and stay. */
static size_t passing_number(const char *name, const char *at)
{
	size_t n = strspn(at, "0123456789");

	if (n && n < 4 && (at - name < 4 || strncasecmp(at - 4, "pid", 3)))
		n = 0;
	return n;
}

/* "parallel worker for PID 4188" is one of the "parallel worker for PID *". */
static char *name_for_life(const char *name)
{
	char *copy = strdup(name), *to = copy;
	const char *at = name;
	size_t n;

	while (copy && *at) {
		n = passing_number(name, at);
		if (n) {
			*to++ = '*';
			at += n;
			continue;
		}
		/* the rest of a number that stays has to stay, too */
		n = strspn(at, "0123456789");
		n = n ? n : 1;
		memcpy(to, at, n);
		to += n;
		at += n;
	}
	if (copy)
		*to = '\0';
	return copy;
}

static int take_program(struct seen_program *p, const struct proc *proc)
{
	const struct rt_totals *t = &proc->totals;
	uint64_t first = proc->rows ? proc->baseline : rt_rss(&t->first);
	char comm[RT_COMM_LEN + 1] = "";

	memcpy(comm, proc->comm, RT_COMM_LEN);
	p->pid = proc->pid;
	p->start_ns = proc->start_ns;
	p->born_ns = proc->born_ns;
	p->borrowed = proc->borrowed;
	p->last = t->last;
	p->name = name_for_life(proc->role[0] ? proc->role : comm);
	p->cmdline = strdup(proc->cmdline);
	p->self.kind = SEEN_PROCESS;
	if (!p->name || !p->cmdline)
		return -ENOMEM;
	p->self.name = p->name;
	p->self.file = "";
	/* what a borrowed memory holds is its owner's */
	if (!proc->have_rss || proc->borrowed)
		return 0;
	return seen__add(&p->self, (const int64_t[]){(int64_t)first, (int64_t)rt_rss(&t->last),
					   (int64_t)rt_rss(&t->peak)});
}

static int on_process(void *ctx, const struct proc *proc)
{
	struct seen_run *run = ctx;
	struct seen_live *l = get_live(run, proc);
	struct seen_program **more;
	int err;

	if (!l)
		return -ENOMEM;
	if (proc->borrowed && !proc->rows) {
		live__free(run, l);
		return 0;
	}
	more = reallocarray(run->programs, run->n_programs + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	run->programs = more;
	err = take_program(l->p, proc);
	if (!err) {
		run->programs[run->n_programs++] = l->p;
		l->p = NULL;
	}
	live__free(run, l);
	return err;
}

/* --- the end ---------------------------------------------------------------------------------- */

static int by_birth(const void *a, const void *b)
{
	const struct seen_program *x = *(struct seen_program *const *)a,
				  *y = *(struct seen_program *const *)b;

	if (x->born_ns != y->born_ns)
		return x->born_ns < y->born_ns ? -1 : 1;
	return (x->pid > y->pid) - (x->pid < y->pid);
}

struct seen_program *seen_run__program(
	const struct seen_run *run, uint32_t pid, uint64_t start_ns, uint64_t born_ns)
{
	struct seen_program key = {.pid = pid, .born_ns = born_ns}, *wanted = &key, **found;

	found = run->n_programs
			? bsearch(&wanted, run->programs, run->n_programs, sizeof(wanted), by_birth)
			: NULL;
	return found && (*found)->start_ns == start_ns ? *found : NULL;
}

/* How many there are of one name. */
struct count {
	unsigned int n;
	UT_hash_handle hh;
};

static void free_counts(struct count *counts)
{
	struct count *c, *tmp;

	HASH_ITER(hh, counts, c, tmp)
	{
		HASH_DELETE(hh, counts, c);
		free(c);
	}
}

static int number_programs(struct seen_run *run)
{
	struct count *counts = NULL, *c;
	int err = 0;

	if (run->n_programs)
		qsort(run->programs, run->n_programs, sizeof(*run->programs), by_birth);
	for (size_t i = 0; i < run->n_programs && !err; i++) {
		const char *name = run->programs[i]->name;

		HASH_FIND_STR(counts, name, c);
		if (!c) {
			c = calloc(1, sizeof(*c));
			if (c)
				HASH_ADD_KEYPTR(hh, counts, name, strlen(name), c);
			if (!c || !hash_added(c)) {
				free(c);
				err = -ENOMEM;
				break;
			}
		}
		run->programs[i]->nth = ++c->n;
	}
	free_counts(counts);
	return err;
}

static char *copy(const char *s)
{
	return strdup(s ? s : "");
}

static int add_label(struct seen_run *run, const struct fact_spec *spec, char *const labels[2])
{
	const char *text = labels[run->lang],
		   *other = labels[run->lang == LANG_ZH ? LANG_EN : LANG_ZH];
	struct seen_label *l = &run->labels[run->n_labels];

	if (!text && !other)
		return 0;
	run->n_labels++;
	l->text = copy(text);
	l->other = copy(other);
	l->unmatched = spec->unmatched ? copy(spec->unmatched) : NULL;
	return l->text && l->other && (l->unmatched || !spec->unmatched) ? 0 : -ENOMEM;
}

static int take_labels(struct seen_run *run, const struct run_summary *sum)
{
	int err = 0;

	run->labels = calloc(2 * sum->n_specs + 1, sizeof(*run->labels));
	if (!run->labels)
		return -ENOMEM;
	for (size_t i = 0; i < sum->n_specs && !err; i++) {
		err = add_label(run, sum->specs[i].spec, sum->specs[i].spec->entry);
		if (!err)
			err = add_label(run, sum->specs[i].spec, sum->specs[i].spec->leave);
	}
	return err;
}

static const char *first_command(const struct seen_run *run)
{
	for (size_t i = 0; i < run->n_programs; i++)
		if (!run->programs[i]->borrowed)
			return run->programs[i]->cmdline;
	return "";
}

static int on_summary(void *ctx, const struct run_summary *sum)
{
	struct seen_run *run = ctx;
	int err = number_programs(run);

	run->command = first_command(run);
	run->host = copy(sum->host->host);
	run->kernel = copy(sum->host->kernel);
	run->version = copy(sum->host->version);
	if (!run->host || !run->kernel || !run->version)
		return -ENOMEM;
	run->lost = gate_lost(sum->loss);
	run->tree = (struct seen){.kind = SEEN_TREE, .name = "", .file = ""};
	if (!err && sum->tree_peak_ns)
		err = seen__add(&run->tree, (const int64_t[]){(int64_t)rt_rss(&sum->tree_peak)});
	if (!err)
		err = take_labels(run, sum);
	return err ? err : seen_growth(run, sum);
}

const struct row_ops seen_ops = {
	.row = on_row,
	.process = on_process,
	.summary = on_summary,
};

int seen_run__read(struct seen_run *run, struct merge_tape *tape)
{
	struct correlate_options how = {.lang = run->lang};
	struct run *r = run__new(&how, &seen_ops, run);
	struct record rec;
	int err = r ? 0 : -ENOMEM, n = 0;

	while (!err && (n = tape_reader__next(tape->reader, &rec)) > 0) {
		err = run__feed(r, &rec);
		if (err != -EBADMSG)
			continue;
		tape->undecoded++;
		err = 0;
	}
	tape->err = err ? 0 : n;
	if (!err)
		err = run__finish(r);
	run__free(r);
	return err;
}

void seen_run__clear(struct seen_run *run)
{
	struct seen_live *l, *tmp;

	HASH_ITER(hh, run->live, l, tmp)
	live__free(run, l);
	for (size_t i = 0; i < run->n_programs; i++)
		program__free(run->programs[i]);
	for (size_t i = 0; i < run->n_labels; i++) {
		free(run->labels[i].text);
		free(run->labels[i].other);
		free(run->labels[i].unmatched);
	}
	free(run->programs);
	free(run->labels);
	free(run->tree.figures);
	free(run->host);
	free(run->kernel);
	free(run->version);
}
