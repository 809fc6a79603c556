/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <string.h>

#include "python_internal.h"

int python_entry__find(struct elf_file *elf, uint32_t version, uint64_t *offset, const char **name,
	const char **why)
{
	*why = "not yet";
	return -ENOENT;
}
