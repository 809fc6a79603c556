/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What one file is: whether it defines CPython's state, and of which version.
 *
 * Which version it is:
 *	Py_Version, a constant that 3.11 and later export (Python/getversion.c)
 *	what 3.13 and later say of themselves (see python_layout.c)
 *	its soname or name: libpython3.9.so.1.0, python3.9
 *	"lib/python3.9" among its strings (Modules/getpath.c up to 3.10 is compiled with it)
 *	the name of an extension: _x.cpython-39-x86_64-linux-gnu.so
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "python_internal.h"

enum {
	MAX_RODATA = 32 << 20,
	OLDEST = PYTHON_VERSION(3, 8),
};

const char *python_base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

uint32_t python_name_version(const char *path, bool *threaded)
{
	static const char ext[] = ".cpython-3";
	const char *name = python_base_name(path), *at;
	unsigned long major, minor;
	char *end;

	*threaded = false;
	at = strstr(name, ext);
	if (at) {
		minor = strtoul(at + sizeof(ext) - 1, &end, 10);
		*threaded = *end == 't';
		return minor && minor < 256 ? PYTHON_VERSION(3, minor) : 0;
	}
	at = strstr(name, "python");
	if (!at || !isdigit((unsigned char)at[6]))
		return 0;
	major = strtoul(at + 6, &end, 10);
	if (*end != '.' || !isdigit((unsigned char)end[1]) || major > 255)
		return 0;
	minor = strtoul(end + 1, &end, 10);
	*threaded = *end == 't';
	return minor < 256 ? PYTHON_VERSION(major, minor) : 0;
}

static void version_text(uint32_t version, char *buf, size_t len)
{
	snprintf(buf, len, "Python %u.%u", version >> 8, version & 0xff);
}

static int refuse(struct python_file *f, const char *what, const char *why)
{
	f->what = PYTHON_REFUSED;
	snprintf(f->why, sizeof(f->why), "%s: %s", what, why);
	return 0;
}

bool python_is_pypy(const char *path)
{
	const char *name = python_base_name(path);

	return !strncmp(name, "pypy", 4) || !strncmp(name, "libpypy", 7);
}

/* The first digits behind "lib/python3." among the file's constants. */
static uint32_t version_in_strings(const struct elf_file *elf)
{
	static const char sign[] = "lib/python3.";
	uint64_t addr, size;
	uint32_t version = 0;
	char *data, *at;
	ssize_t n;

	if (elf__section(elf, ".rodata", &addr, &size) || size > MAX_RODATA)
		return 0;
	data = malloc(size + 1);
	n = data ? elf__code(elf, addr, data, size) : 0;
	at = n > 0 ? memmem(data, n, sign, sizeof(sign) - 1) : NULL;
	if (at) {
		data[n] = '\0';
		at += sizeof(sign) - 1;
		if (isdigit((unsigned char)*at) && strtoul(at, NULL, 10) < 256)
			version = PYTHON_VERSION(3, strtoul(at, NULL, 10));
	}
	free(data);
	return version;
}

static uint32_t version_of(const struct elf_file *elf, const char *path, bool *threaded)
{
	uint64_t addr, size;
	uint32_t hex, version = 0;

	*threaded = false;
	if (elf__soname(elf))
		version = python_name_version(elf__soname(elf), threaded);
	if (!version)
		version = python_name_version(path, threaded);
	if (!elf__variable(elf, "Py_Version", false, &addr, &size) &&
		elf__code(elf, addr, &hex, sizeof(hex)) == sizeof(hex))
		version = hex >> 16;
	return version ? version : version_in_strings(elf);
}

/* PyASCIIObject lost its wstr, and PyCompactUnicodeObject wstr_length, in 3.12 (PEP 623). */
int python_file__strings(const struct elf_file *elf, const char *path, struct python_strings *out)
{
	bool threaded;
	uint32_t version = version_of(elf, path, &threaded);

	if (threaded || version < OLDEST)
		return -ENOENT;
	out->ascii_size = version < PYTHON_VERSION(3, 12) ? 48 : 40;
	out->compact_size = version < PYTHON_VERSION(3, 12) ? 72 : 56;
	return 0;
}

int python_file__fill(struct python_file *f, const void *runtime)
{
	const char *why = NULL;
	char name[32];
	int err = -ENODATA;

	if (runtime)
		err = python_layout__published(runtime, &f->py, &f->unsure, &why);
	if (!err || err == -ENOTSUP) {
		version_text(err ? f->version : f->py.version, name, sizeof(name));
		f->version = err ? f->version : f->py.version;
	} else if (f->version && f->version < PYTHON_VERSION(3, 13)) {
		version_text(f->version, name, sizeof(name));
		err = python_layout__known(f->version, &f->py);
		why = "only 3.8 and later are known";
	} else {
		return 0; /* the process may say more */
	}
	if (err)
		return refuse(f, f->version ? name : "Python", why);
	f->py.interpreters += f->runtime;
	return 0;
}

static void copy_texts(struct python_file *f, const struct elf_file *elf)
{
	for (size_t i = 0; i < elf->n_segs && f->n_texts < PYTHON_TEXTS; i++)
		if (elf->seg[i].exec)
			f->text[f->n_texts++] = elf->seg[i];
}

static int examine_elf(struct python_file *f, const struct elf_file *elf, const char *path,
	bool likely)
{
	char runtime[PYTHON_OFFSETS_LEN];
	bool threaded;
	uint64_t size;

	if (elf__variable(elf, "_PyRuntime", likely, &f->runtime, &size) &&
		elf__section(elf, ".PyRuntime", &f->runtime, &size))
		return 0;
	f->what = PYTHON_USABLE;
	copy_texts(f, elf);
	f->version = version_of(elf, path, &threaded);
	if (threaded)
		return refuse(f, "Python", "a free-threaded build (no global interpreter lock)");
	if (elf__code(elf, f->runtime, runtime, sizeof(runtime)) != (ssize_t)sizeof(runtime))
		return python_file__fill(f, NULL);
	return python_file__fill(f, runtime);
}

/* "python2.7", "libpython3.6m.so.1.0": without _PyRuntime, but nothing else either. */
static int refuse_by_name(struct python_file *f, const char *path)
{
	const char *name = python_base_name(path);
	uint32_t version;
	char text[32];
	bool threaded;

	if (python_is_pypy(path))
		return refuse(f, "PyPy", "its frames are not those of CPython");
	if (strncmp(name, "python", 6) && strncmp(name, "libpython", 9))
		return 0;
	version = python_name_version(path, &threaded);
	if (!version || version >= OLDEST)
		return 0;
	version_text(version, text, sizeof(text));
	return refuse(f, text, "only 3.8 and later are known");
}

int python_file__examine(struct python_file *f, const char *path, const char *name, bool likely)
{
	struct elf_file *elf;
	const char *why;
	int err;

	err = elf__open(path, "", &elf, &why);
	if (!err) {
		err = examine_elf(f, elf, name, likely);
		elf__close(elf);
	} else if (err == -ENOTSUP && likely) {
		return refuse(f, "Python", why);
	} else if (err == -ENOEXEC || err == -ENOTSUP) {
		return 0;
	}
	if (!err && f->what == PYTHON_NONE)
		err = refuse_by_name(f, name);
	return err;
}

bool python_file__bias(const struct python_file *f, uint64_t start, uint64_t offset,
	uint64_t *bias)
{
	for (size_t i = 0; i < f->n_texts; i++) {
		const struct elf_segment *s = &f->text[i];
		uint64_t page = s->offset & ~0xfffULL;

		if (offset < page || offset >= s->offset + s->filesz)
			continue;
		*bias = start - (offset - s->offset + s->vaddr);
		return true;
	}
	return false;
}
