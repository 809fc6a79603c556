/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "linkers.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "elf.h"

static int on_linker_func(void *ctx, const struct elf_func *sym)
{
	*(uint64_t *)ctx = sym->offset;
	return 0;
}

static bool is_new(struct linkers *l, const struct file_id *id)
{
	const char *base = strrchr(id->path, '/');
	uint64_t *bigger;

	base = base ? base + 1 : id->path;
	/* ld-linux-x86-64.so.2, ld-musl-x86_64.so.1, and before glibc 2.34 ld-2.31.so */
	if (strncmp(base, "ld-", 3) || !strstr(base, ".so"))
		return false;
	for (size_t i = 0; i < l->n; i++)
		if (l->inodes[i] == id->inode)
			return false;
	bigger = realloc(l->inodes, (l->n + 1) * sizeof(*bigger));
	if (!bigger)
		return false;
	l->inodes = bigger;
	l->inodes[l->n++] = id->inode;
	return true;
}

void linkers__watch(struct linkers *l, struct session *session, const struct file_id *id)
{
	struct uprobe_site site = {0};
	struct elf_file *elf;
	size_t refused, n;
	const char *why;

	if (!is_new(l, id))
		return;
	if (elf__open(id->open_path, id->debug_root, &elf, &why))
		return;
	if (elf__functions(elf, "_dl_debug_state", on_linker_func, &site.offset) > 0)
		session__attach(session, SESSION_MAPPED, id->open_path, &site, 1, &refused, &n);
	elf__close(elf);
}

void linkers__watch_host(struct linkers *l, struct session *session)
{
	static const char *const paths[] = {"/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1",
		"/lib/ld-musl-x86_64.so.1", "/lib/ld-musl-aarch64.so.1"};
	struct stat st;

	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
		struct file_id id = {.open_path = paths[i], .path = paths[i], .debug_root = ""};

		if (stat(paths[i], &st))
			continue;
		id.inode = st.st_ino;
		linkers__watch(l, session, &id);
	}
}

void linkers__clear(struct linkers *l)
{
	free(l->inodes);
	*l = (struct linkers){0};
}
