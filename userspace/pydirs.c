/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "pydirs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "launch.h"
#include "procfs.h"

enum {
	MAX_DIRS = 256,
	MAX_ARGS = 64,	   /* of a command line: what matters is in front */
	MAX_TEXT = 32 << 10,
	MAX_SHEBANGS = 4, /* scripts that are the interpreters of scripts */
};

/* A Python and how it was called. */
struct python {
	const char *path;   /* by which it was started, with its links: a venv's tells the venv */
	char real[PATH_MAX];
	char *argv[MAX_ARGS + 1];
	const char *cwd;
	char *const *env; /* NAME=value, NULL-terminated; may be NULL */
};

/* --- below the root --------------------------------------------------------------------------- */

int pydirs__open(const struct pydirs *d, const char *path, int flags)
{
	/* never waits for the writer of a FIFO; absolute links lead to where the process would go */
	struct open_how how = {.flags = flags | O_CLOEXEC | (flags & O_PATH ? 0 : O_NONBLOCK),
		.resolve = RESOLVE_IN_ROOT};
	int fd = (int)syscall(SYS_openat2, d->root, path, &how, sizeof(how));

	return fd < 0 ? -errno : fd;
}

bool pydirs__has(const struct pydirs *d, const char *path)
{
	int fd = pydirs__open(d, path, O_PATH);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The beginning of a file, NUL-terminated; bytes, or -1. Closes it. */
static ssize_t read_fd(int fd, char *buf, size_t len)
{
	ssize_t n;

	if (fd < 0)
		return -1;
	n = read(fd, buf, len - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n;
}

static ssize_t read_text(const struct pydirs *d, const char *path, char *buf, size_t len)
{
	return read_fd(pydirs__open(d, path, O_RDONLY), buf, len);
}

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* "/a/b/c", 2 -> "/a": false where there are not so many. */
static bool parent_of(const char *path, unsigned int up, char *out)
{
	char *slash;

	if (*path != '/' || strlen(path) >= PATH_MAX)
		return false;
	strcpy(out, path);
	while (up--) {
		slash = strrchr(out, '/');
		if (!slash)
			return false;
		*slash = '\0';
	}
	return true;
}

static void join(char *out, const char *dir, const char *path)
{
	size_t n = *path == '/' ? 0 : strnlen(dir, PATH_MAX - 1);

	memcpy(out, dir, n);
	snprintf(out + n, PATH_MAX - n, "%s%s", n ? "/" : "", path);
}

/* --- directories ------------------------------------------------------------------------------ */

static void add(struct pydirs *d, const char *dir)
{
	char **list, *copy;

	if (*dir != '/' || d->n >= MAX_DIRS)
		return;
	for (size_t i = 0; i < d->n; i++)
		if (!strcmp(d->dirs[i], dir))
			return;
	copy = strdup(dir);
	list = copy ? realloc(d->dirs, (d->n + 1) * sizeof(*list)) : NULL;
	if (!list) {
		free(copy);
		return;
	}
	d->dirs = list;
	d->dirs[d->n++] = copy;
}

/* A .pth file names directories, one a line, among lines of code: so are projects installed that
 * stay where they are. */
static void add_pth(struct pydirs *d, const char *dir, const char *name)
{
	char path[PATH_MAX], text[4096], *line, *save;

	join(path, dir, name);
	if (read_text(d, path, text, sizeof(text)) <= 0)
		return;
	for (line = strtok_r(text, "\r\n", &save); line; line = strtok_r(NULL, "\r\n", &save)) {
		if (*line == '#' || !strncmp(line, "import ", 7) || !strncmp(line, "import\t", 7))
			continue;
		join(path, dir, line);
		add(d, path);
	}
}

static void add_site(struct pydirs *d, const char *dir)
{
	int fd = pydirs__open(d, dir, O_RDONLY | O_DIRECTORY);
	DIR *list = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *de;
	size_t len;

	if (!list) {
		if (fd >= 0)
			close(fd);
		return;
	}
	add(d, dir);
	while ((de = readdir(list))) {
		len = strlen(de->d_name);
		if (len > 4 && !strcmp(de->d_name + len - 4, ".pth"))
			add_pth(d, dir, de->d_name);
	}
	closedir(list);
}

/* PREFIX/lib/python3.N of the version that runs, or, where its name does not tell it, of all. */
static void add_prefix(struct pydirs *d, const char *prefix, const char *real)
{
	static const char *const libs[] = {"lib", "lib64"};
	const char *version = base_of(real);
	char lib[PATH_MAX], path[PATH_MAX];
	struct dirent *de;
	DIR *list;
	int fd;

	if (strncmp(version, "python3.", 8))
		version = NULL;
	for (size_t i = 0; i < sizeof(libs) / sizeof(*libs); i++) {
		join(lib, prefix, libs[i]);
		fd = pydirs__open(d, lib, O_RDONLY | O_DIRECTORY);
		list = fd < 0 ? NULL : fdopendir(fd);
		while (list && (de = readdir(list))) {
			if (strncmp(de->d_name, "python3", 7) ||
				(version && strcmp(de->d_name, version) && strcmp(de->d_name, "python3")))
				continue;
			join(path, lib, de->d_name);
			add(d, path);
			if (strlen(path) > PATH_MAX - 20)
				continue;
			strcat(path, "/site-packages");
			add_site(d, path);
			strcpy(strrchr(path, '/'), "/dist-packages"); /* Debian */
			add_site(d, path);
		}
		if (list)
			closedir(list);
		else if (fd >= 0)
			close(fd);
	}
}

/* --- the parts of sys.path -------------------------------------------------------------------- */

static const char *env_get(const struct python *py, const char *name)
{
	size_t len = strlen(name);

	for (char *const *e = py->env; e && *e; e++)
		if (!strncmp(*e, name, len) && (*e)[len] == '=')
			return *e + len + 1;
	return NULL;
}

/* "key = value" of a pyvenv.cfg. */
static bool cfg_get(const char *text, const char *key, char *out, size_t len)
{
	size_t n = strlen(key);

	for (; text && *text; text = strchr(text, '\n'), text += text != NULL) {
		const char *at = text + n;

		if (strncasecmp(text, key, n))
			continue;
		at += strspn(at, " \t");
		if (*at != '=')
			continue;
		at += 1 + strspn(at + 1, " \t");
		return snprintf(out, len, "%.*s", (int)strcspn(at, "\r\n"), at) < (int)len;
	}
	return false;
}

/* The virtual environment that it was started from; false: none. */
static bool add_venv(struct pydirs *d, const struct python *py)
{
	char dir[PATH_MAX], path[PATH_MAX + 16], text[4096], value[PATH_MAX];

	for (unsigned int up = 1; up <= 2; up++) {
		if (!parent_of(py->path, up, dir))
			return false;
		snprintf(path, sizeof(path), "%s/pyvenv.cfg", dir);
		if (read_text(d, path, text, sizeof(text)) < 0)
			continue;
		add_prefix(d, dir, py->real);
		/* what lies below does not matter where it is hidden */
		if (!cfg_get(text, "include-system-site-packages", value, sizeof(value)) ||
			strcasecmp(value, "true"))
			return true;
		if (cfg_get(text, "home", value, sizeof(value)) && parent_of(value, 1, dir))
			add_prefix(d, dir, py->real);
		return true;
	}
	return false;
}

static void add_installed(struct pydirs *d, const struct python *py)
{
	const char *home = env_get(py, "HOME");
	char dir[PATH_MAX], path[PATH_MAX];

	if (add_venv(d, py))
		return;
	if (home && *home == '/' && strlen(home) < PATH_MAX - 16) {
		join(dir, home, ".local");
		add_prefix(d, dir, py->real);
	}
	if (!parent_of(py->real, 2, path))
		return;
	if (!strcmp(path, "/usr")) /* Debian puts there what pip installs */
		add_prefix(d, "/usr/local", py->real);
	add_prefix(d, path, py->real);
}

static void add_pythonpath(struct pydirs *d, const struct python *py)
{
	const char *list = env_get(py, "PYTHONPATH");
	char part[PATH_MAX], path[PATH_MAX];
	size_t n;

	for (; list && *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		if (n >= sizeof(part))
			return;
		memcpy(part, list, n);
		part[n] = '\0';
		join(path, py->cwd, part);
		add(d, n ? path : py->cwd);
	}
}

/* What stands first in sys.path: the script's directory, or the current one. */
static void add_first(struct pydirs *d, const struct python *py)
{
	char *const *arg = py->argv;
	char path[PATH_MAX];

	for (arg += *arg != NULL; *arg && (*arg)[0] == '-' && (*arg)[1]; arg++) {
		if (strchr("mc", (*arg)[1]))
			break;
		if (strchr("XW", (*arg)[1]) && !(*arg)[2] && arg[1])
			arg++; /* its value */
		else if (!strcmp(*arg, "--check-hash-based-pycs") && arg[1])
			arg++;
	}
	if (!*arg || **arg == '-') {
		add(d, py->cwd);
		return;
	}
	join(path, py->cwd, *arg);
	if (strrchr(path, '/') != path)
		*strrchr(path, '/') = '\0';
	add(d, path);
}

static void add_python(struct pydirs *d, const struct python *py)
{
	add_first(d, py);
	add_pythonpath(d, py);
	add_installed(d, py);
}

static bool is_python(const char *path)
{
	return !strncmp(base_of(path), "python", 6);
}

/* --- a process -------------------------------------------------------------------------------- */

/* Where packages are of which something is mapped, whatever else is known of the process. */
static int on_map(void *ctx, const struct procfs_map *map)
{
	static const char *const places[] = {"/site-packages/", "/dist-packages/"};
	char dir[PATH_MAX];

	for (size_t i = 0; map->inode && i < sizeof(places) / sizeof(*places); i++) {
		const char *at = strstr(map->path, places[i]);
		size_t n = at ? at - map->path + strlen(places[i]) - 1 : 0;

		if (!n || n >= sizeof(dir))
			continue;
		memcpy(dir, map->path, n);
		dir[n] = '\0';
		add_site(ctx, dir);
	}
	return 0;
}

static void split_args(char *text, size_t len, char **argv)
{
	size_t n = 0;

	for (char *at = text; at < text + len && n < MAX_ARGS; at += strlen(at) + 1)
		argv[n++] = at;
	argv[n] = NULL;
}

/* The file that the process was started by, as it named it. */
static bool started_by(const struct pydirs *d, const struct python *py, char *out)
{
	const char *name = py->argv[0], *list = env_get(py, "PATH");
	char dir[PATH_MAX];
	size_t n;

	if (!name || !is_python(name)) /* it has a title of its own */
		return false;
	if (strchr(name, '/')) {
		join(out, py->cwd, name);
		return true;
	}
	for (; list && *list; list += n + (list[n] == ':')) {
		n = strcspn(list, ":");
		snprintf(dir, sizeof(dir), "%.*s", (int)n, list);
		join(out, n ? dir : py->cwd, name);
		if (n < sizeof(dir) - strlen(name) - 2 && pydirs__has(d, out))
			return true;
	}
	return false;
}

void pydirs__of_process(struct pydirs *d, pid_t pid)
{
	char proc[64], cwd[PATH_MAX] = "", path[PATH_MAX] = "", *text = calloc(1, MAX_TEXT);
	struct python py = {.path = path, .cwd = cwd};
	char **env = procfs_environ(pid);
	ssize_t n = -1;

	*d = (struct pydirs){.root = -1};
	snprintf(proc, sizeof(proc), "/proc/%d/root", pid);
	d->root = open(proc, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(proc, sizeof(proc), "/proc/%d/cwd", pid);
	if (readlink(proc, cwd, sizeof(cwd) - 1) < 0)
		*cwd = '\0';
	snprintf(proc, sizeof(proc), "/proc/%d/cmdline", pid);
	if (text)
		n = read_fd(open(proc, O_RDONLY | O_CLOEXEC), text, MAX_TEXT);
	if (n > 0)
		split_args(text, n, py.argv);
	py.env = env;
	if (d->root >= 0) {
		procfs_maps(pid, on_map, d);
		if (procfs_exe(pid, py.real, sizeof(py.real)) > 0 && is_python(py.real) &&
			started_by(d, &py, path))
			add_python(d, &py);
	}
	free(env);
	free(text);
}

/* --- a command -------------------------------------------------------------------------------- */

/* "#!/usr/bin/env -S NAME ARG" is NAME ARG; pip writes a line of shell where a path is too long. */
static char *interpreter_of(char *text)
{
	static const char by_shell[] = "#!/bin/sh\n'''exec' ";
	char *end, *at = text + 2;

	if (!strncmp(text, by_shell, sizeof(by_shell) - 1)) {
		at = text + sizeof(by_shell) - 1;
		at += *at == '"';
		at[strcspn(at, "\" \n")] = '\0';
		return at;
	}
	at[strcspn(at, "\r\n")] = '\0';
	at += strspn(at, " \t");
	end = at + strcspn(at, " \t");
	if (!strncmp(base_of(at), "env", 3) && base_of(at) + 3 == end) {
		at = end + strspn(end, " \t");
		if (!strncmp(at, "-S", 2))
			at += 2 + strspn(at + 2, " \t");
		end = at + strcspn(at, " \t");
	}
	*end = '\0';
	return at;
}

/* The Python that runs argv in the end, with the script that it is given. false: none. */
static bool find_python(const struct pydirs *d, struct python *py, char *const *argv, char *path,
	char *script)
{
	char text[4096], *interpreter;
	size_t n = 0;

	if (launch_find(argv[0], path, PATH_MAX))
		return false;
	for (; argv[n] && n < MAX_ARGS; n++)
		py->argv[n] = argv[n];
	for (int i = 0; i < MAX_SHEBANGS && !is_python(path); i++) {
		if (read_text(d, path, text, sizeof(text)) < 2 || strncmp(text, "#!", 2))
			return false;
		/* Python finds its packages by where a script is, not by links that lead to it */
		if (!realpath(path, script))
			return false;
		interpreter = interpreter_of(text);
		if (!*interpreter || launch_find(interpreter, path, PATH_MAX))
			return false;
		py->argv[1] = script;
		py->argv[2] = NULL;
	}
	return is_python(path);
}

void pydirs__of_command(struct pydirs *d, char *const *argv)
{
	char cwd[PATH_MAX], found[PATH_MAX], path[PATH_MAX], script[PATH_MAX];
	struct python py = {.path = path, .cwd = cwd, .env = environ};

	*d = (struct pydirs){.root = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
	if (d->root < 0 || !getcwd(cwd, sizeof(cwd)) || !find_python(d, &py, argv, found, script))
		return;
	join(path, cwd, found);
	if (realpath(found, py.real))
		add_python(d, &py);
}

void pydirs__clear(struct pydirs *d)
{
	for (size_t i = 0; i < d->n; i++)
		free(d->dirs[i]);
	free(d->dirs);
	if (d->root >= 0)
		close(d->root);
	*d = (struct pydirs){.root = -1};
}
