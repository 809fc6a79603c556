/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pyinstall.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pydirs.h"
#include "pysource.h"

enum {
	MAX_FILES = 2000, /* that a glob is compared with: of more, nothing is claimed */
	MAX_DEPTH = 16,
	MAX_SEEN = 64,
	PLACES = 2,
};

/* In the order in which each outweighs those before it: only what is certain of all that may be
 * imported is told. */
enum verdict {
	NO_PACKAGE,
	NO_FILE,
	NO_FUNCTION,
	UNCLEAR,
	POSSIBLE,
};

struct finding {
	enum verdict verdict; /* the best of all that was looked at */
	char *why, *file, *package;
};

struct pyinstall {
	const struct checkpoint_spec *const *specs;
	size_t n;
	struct finding *found;
	char **seen; /* the directories of each look: most processes of a tree have the same */
	size_t n_seen;
};

/* A source that was read; src NULL: it cannot be. */
struct source {
	char *path;
	struct pysource *src;
};

/* One look: at the directories of one Python. */
struct look {
	struct pydirs dirs;
	struct source *sources;
	size_t n_sources;
};

struct pyinstall *pyinstall__new(const struct checkpoint_spec *const *specs, size_t n)
{
	struct pyinstall *in = calloc(1, sizeof(*in));

	if (!in)
		return NULL;
	in->specs = specs;
	in->n = n;
	in->found = calloc(n + 1, sizeof(*in->found));
	if (in->found)
		return in;
	free(in);
	return NULL;
}

static void finding__clear(struct finding *f)
{
	free(f->why);
	free(f->file);
	free(f->package);
	*f = (struct finding){0};
}

void pyinstall__free(struct pyinstall *in)
{
	if (!in)
		return;
	for (size_t i = 0; i < in->n; i++)
		finding__clear(&in->found[i]);
	for (size_t i = 0; i < in->n_seen; i++)
		free(in->seen[i]);
	free(in->seen);
	free(in->found);
	free(in);
}

/* --- files ------------------------------------------------------------------------------------ */

/* NULL: it is not there, or cannot be read (*there tells). Read once a look. */
static struct pysource *source_at(struct look *lk, const char *path, bool *there)
{
	struct source *list;
	struct source s = {0};
	int fd;

	*there = true;
	for (size_t i = 0; i < lk->n_sources; i++)
		if (!strcmp(lk->sources[i].path, path))
			return lk->sources[i].src;
	fd = pydirs__open(&lk->dirs, path, O_RDONLY);
	*there = fd >= 0 || (fd != -ENOENT && fd != -ENOTDIR);
	if (fd < 0)
		return NULL;
	if (pysource__read_fd(fd, &s.src))
		s.src = NULL;
	close(fd);
	s.path = strdup(path);
	list = s.path ? realloc(lk->sources, (lk->n_sources + 1) * sizeof(*list)) : NULL;
	if (!list) {
		free(s.path);
		pysource__free(s.src);
		return NULL;
	}
	lk->sources = list;
	lk->sources[lk->n_sources++] = s;
	return s.src;
}

static void look__clear(struct look *lk)
{
	for (size_t i = 0; i < lk->n_sources; i++) {
		free(lk->sources[i].path);
		pysource__free(lk->sources[i].src);
	}
	free(lk->sources);
	pydirs__clear(&lk->dirs);
}

static DIR *open_dir(const struct look *lk, const char *path)
{
	int fd = pydirs__open(&lk->dirs, path, O_RDONLY | O_DIRECTORY);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);

	if (!dir && fd >= 0)
		close(fd);
	return dir;
}

/* Is there, in place of a/b.py, what was made of it: a/b.cpython-311-x86_64-linux-gnu.so, a/b.pyc? */
static bool is_compiled(const struct look *lk, const char *path)
{
	const char *base = strrchr(path, '/') + 1;
	size_t len = strlen(base) - 2; /* with the dot */
	char dir[PATH_MAX];
	struct dirent *de;
	bool found = false;
	DIR *list;

	snprintf(dir, sizeof(dir), "%.*s", (int)(base - path), path);
	list = open_dir(lk, dir);
	while (list && !found && (de = readdir(list))) {
		size_t n = strlen(de->d_name);

		found = n > len + 1 && !strncmp(de->d_name, base, len) &&
			(!strcmp(de->d_name + n - 3, ".so") || !strcmp(de->d_name + n - 4, ".pyc"));
	}
	if (list)
		closedir(list);
	return found;
}

/* --- packages --------------------------------------------------------------------------------- */

/* Names of distributions are compared without case, and with '-' for '_' and '.'. */
static bool is_same_name(const char *a, size_t len, const char *b)
{
	size_t i;

	for (i = 0; i < len && b[i]; i++)
		if (tolower((unsigned char)a[i]) != tolower((unsigned char)b[i]) &&
			!(strchr("-_.", a[i]) && strchr("-_.", b[i])))
			return false;
	return i == len && !b[i];
}

/* The version from "vllm-0.28.0.dist-info" or "foo-1.0-py3.11.egg-info". */
static char *version_in(const struct look *lk, const char *dir, const char *top)
{
	DIR *list = open_dir(lk, dir);
	struct dirent *de;
	char *text = NULL;

	while (list && !text && (de = readdir(list))) {
		const char *name = de->d_name, *dash = strchr(name, '-'), *end = strrchr(name, '.');

		if (!dash || !end || end < dash || !is_same_name(name, dash - name, top) ||
			(strcmp(end, ".dist-info") && strcmp(end, ".egg-info")))
			continue;
		end = memchr(dash + 1, '-', end - dash - 1) ?: end;
		if (asprintf(&text, "%s %.*s", top, (int)(end - dash - 1), dash + 1) < 0)
			text = NULL;
	}
	if (list)
		closedir(list);
	return text;
}

/* "vllm 0.28.0", to be freed; NULL: not known. */
static char *package_of(const struct look *lk, const char *top)
{
	char *text = NULL;

	for (size_t i = 0; i < lk->dirs.n && !text; i++)
		text = version_in(lk, lk->dirs.dirs[i], top);
	return text;
}

/* --- one spec --------------------------------------------------------------------------------- */

static bool is_glob(const char *s)
{
	return strpbrk(s, "*?[\\");
}

/* Where the file lies below a directory that is imported from. How many such places. */
static size_t places_of(const struct checkpoint_spec *spec, char out[PLACES][PATH_MAX])
{
	static const char *const ends[PLACES] = {".py", "/__init__.py"};
	size_t len = strlen(spec->binary);

	if (len > PATH_MAX / 2)
		return 0;
	if (!spec->module) {
		strcpy(out[0], spec->binary);
		return len > 3 && !strcmp(spec->binary + len - 3, ".py");
	}
	for (size_t i = 0; i < PLACES; i++) {
		snprintf(out[i], PATH_MAX, "%s%s", spec->binary, ends[i]);
		for (char *at = out[i]; at < out[i] + len; at++)
			if (*at == '.')
				*at = '/';
	}
	return PLACES;
}

struct wanted {
	const struct checkpoint_spec *spec;
	const char *path;
};

static int on_def(void *ctx, const struct pysource_def *def)
{
	const struct wanted *w = ctx;

	return spec__means_python(w->spec, w->path, NULL, def->qualname);
}

/* Names that no definition gives ("<module>", "f.<locals>.<lambda>") are not looked for. */
static bool is_anonymous(const char *symbol)
{
	for (; (symbol = strchr(symbol, '<')); symbol++)
		if (strncmp(symbol, "<locals>", 8))
			return true;
	return false;
}

static enum verdict judge_file(struct look *lk, const struct checkpoint_spec *spec, const char *path)
{
	struct wanted w = {.spec = spec, .path = path};
	struct pysource *src;
	bool there;

	src = source_at(lk, path, &there);
	if (!there)
		return is_compiled(lk, path) ? UNCLEAR : NO_FILE;
	if (!src)
		return UNCLEAR;
	return is_anonymous(spec->symbol) || pysource__each(src, on_def, &w) ? POSSIBLE : NO_FUNCTION;
}

/* The files below a directory that a glob means. */
struct search {
	struct look *lk;
	const struct checkpoint_spec *spec;
	const char *glob; /* with the directory in front */
	size_t files;
	unsigned int depth;
	char *file; /* where it was found */
};

static enum verdict search_dir(struct search *s, const char *dir);

static enum verdict search_entry(struct search *s, const char *path, bool is_link)
{
	const char *dot = strchr(strrchr(path, '/'), '.');

	if (!dot) /* a directory; links may lead in circles */
		return is_link ? UNCLEAR : search_dir(s, path);
	dot = strrchr(dot, '.');
	if (!strcmp(dot, ".so"))
		return UNCLEAR;
	if (strcmp(dot, ".py") || fnmatch(s->glob, path, 0))
		return NO_FILE;
	return judge_file(s->lk, s->spec, path);
}

static enum verdict search_dir(struct search *s, const char *dir)
{
	DIR *list = s->depth < MAX_DEPTH ? open_dir(s->lk, dir) : NULL;
	enum verdict all = NO_FILE, one;
	char path[PATH_MAX];
	struct dirent *de;

	s->depth++;
	while (list && all != POSSIBLE && (de = readdir(list))) {
		if (de->d_name[0] == '.' || ++s->files > MAX_FILES)
			continue;
		if (snprintf(path, sizeof(path), "%s/%s", dir, de->d_name) >= (int)sizeof(path))
			continue;
		one = search_entry(s, path, de->d_type == DT_LNK);
		if (one == POSSIBLE && !s->file)
			s->file = strdup(path);
		all = one > all ? one : all;
	}
	s->depth--;
	if (list)
		closedir(list);
	return all;
}

static enum verdict judge_glob(struct look *lk, const struct checkpoint_spec *spec, const char *glob,
	char **file)
{
	struct search s = {.lk = lk, .spec = spec, .glob = glob};
	char dir[PATH_MAX];
	enum verdict v;

	snprintf(dir, sizeof(dir), "%.*s", (int)strcspn(glob, "*?[\\"), glob);
	*strrchr(dir, '/') = '\0';
	v = search_dir(&s, dir);
	*file = s.file;
	return v != POSSIBLE && s.files > MAX_FILES ? UNCLEAR : v;
}

/* The package that a place is in, if it is one that has an __init__.py: others may be spread over
 * several directories. */
static bool package_name(const char *place, char *top, size_t len)
{
	size_t n = strcspn(place, "/");

	if (!n || !place[n] || n >= len)
		return false;
	memcpy(top, place, n);
	top[n] = '\0';
	return !is_glob(top) && *top != '<';
}

static enum verdict judge_place(struct look *lk, const struct checkpoint_spec *spec, const char *dir,
	const char *place, char **file)
{
	char path[PATH_MAX], top[NAME_MAX + 1];
	enum verdict v;

	*file = NULL;
	if (!package_name(place, top, sizeof(top)) ||
		snprintf(path, sizeof(path), "%s/%s/__init__.py", dir, top) >= (int)sizeof(path) ||
		!pydirs__has(&lk->dirs, path))
		return NO_PACKAGE;
	if (snprintf(path, sizeof(path), "%s/%s", dir, place) >= (int)sizeof(path))
		return UNCLEAR;
	if (is_glob(place))
		return judge_glob(lk, spec, path, file);
	v = judge_file(lk, spec, path);
	if (v == POSSIBLE)
		*file = strdup(path);
	return v;
}

static char *why_not(const struct checkpoint_spec *spec, enum verdict v, const char *package)
{
	char *why = NULL;
	int n = 0;

	if (!package)
		package = "the installed version";
	if (v == NO_FILE)
		n = asprintf(&why, "%s has no %s", package, spec->binary);
	else if (v == NO_FUNCTION)
		n = asprintf(&why, "%s of %s has no %s", spec->binary, package, spec->symbol);
	return n < 0 ? NULL : why;
}

static void judge(struct look *lk, const struct checkpoint_spec *spec, struct finding *f)
{
	char places[PLACES][PATH_MAX], top[NAME_MAX + 1], *file;
	size_t n = places_of(spec, places);
	struct finding new = {0};

	for (size_t i = 0; i < lk->dirs.n && new.verdict != POSSIBLE; i++) {
		for (size_t k = 0; k < n && new.verdict != POSSIBLE; k++) {
			enum verdict v = judge_place(lk, spec, lk->dirs.dirs[i], places[k], &file);

			new.verdict = v > new.verdict ? v : new.verdict;
			new.file = file;
		}
	}
	if (new.verdict <= f->verdict) {
		finding__clear(&new);
		return;
	}
	if (package_name(places[0], top, sizeof(top)))
		new.package = package_of(lk, top);
	new.why = why_not(spec, new.verdict, new.package);
	finding__clear(f);
	*f = new;
}

/* --- what was asked --------------------------------------------------------------------------- */

/* Were these directories looked at before? They are remembered. */
static bool is_seen(struct pyinstall *in, const struct pydirs *d)
{
	char *text = NULL, **list;
	struct stat st = {0};
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return false;
	fstat(d->root, &st);
	fprintf(out, "%llx:%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	for (size_t i = 0; i < d->n; i++)
		fprintf(out, ":%s", d->dirs[i]);
	if (fclose(out))
		goto no;
	for (size_t i = 0; i < in->n_seen; i++) {
		if (strcmp(in->seen[i], text))
			continue;
		free(text);
		return true;
	}
	list = in->n_seen < MAX_SEEN ? realloc(in->seen, (in->n_seen + 1) * sizeof(*list)) : NULL;
	if (!list)
		goto no;
	in->seen = list;
	in->seen[in->n_seen++] = text;
	return false;
no:
	free(text);
	return false;
}

static void judge_all(struct pyinstall *in, struct look *lk)
{
	bool again = !lk->dirs.n || is_seen(in, &lk->dirs);

	for (size_t i = 0; i < in->n && !again; i++)
		if (in->specs[i]->type == SPEC_PYTHON)
			judge(lk, in->specs[i], &in->found[i]);
	look__clear(lk);
}

static bool is_needed(const struct pyinstall *in)
{
	for (size_t i = 0; i < in->n; i++)
		if (in->specs[i]->type == SPEC_PYTHON)
			return true;
	return false;
}

void pyinstall__process(struct pyinstall *in, pid_t pid)
{
	struct look lk = {0};

	if (!is_needed(in))
		return;
	pydirs__of_process(&lk.dirs, pid);
	judge_all(in, &lk);
}

void pyinstall__command(struct pyinstall *in, char *const *argv)
{
	struct look lk = {0};

	if (!is_needed(in))
		return;
	pydirs__of_command(&lk.dirs, argv);
	judge_all(in, &lk);
}

/* The spec whose finding tells of this one: its own, or that of what it is to be inside of. */
static const struct finding *finding_of(const struct pyinstall *in, size_t i)
{
	unsigned int inside;

	if (in->found[i].why)
		return &in->found[i];
	inside = spec__inside_id(in->specs, in->n, in->specs[i]);
	return inside ? &in->found[inside - 1] : &in->found[i];
}

const char *pyinstall__why(const struct pyinstall *in, size_t i)
{
	return finding_of(in, i)->why;
}

const char *pyinstall__file(const struct pyinstall *in, size_t i)
{
	return in->found[i].file;
}

const char *pyinstall__package(const struct pyinstall *in, size_t i)
{
	return finding_of(in, i)->package;
}
