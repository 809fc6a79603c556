/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "names.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"

struct name {
	UT_hash_handle hh;
	char text[];
};

struct names {
	struct name *all;
	size_t bytes, max;
	uint64_t refused;
};

struct names *names__new(size_t max_bytes)
{
	struct names *names = calloc(1, sizeof(*names));

	if (names)
		names->max = max_bytes;
	return names;
}

void names__free(struct names *names)
{
	struct name *n, *tmp;

	if (!names)
		return;
	HASH_ITER(hh, names->all, n, tmp) {
		HASH_DEL(names->all, n);
		free(n);
	}
	free(names);
}

const char *names__keep(struct names *names, const char *s, size_t len)
{
	size_t size = sizeof(struct name) + len + 1;
	struct name *n;

	HASH_FIND(hh, names->all, s, len, n);
	if (n)
		return n->text;
	if (size > names->max - names->bytes)
		goto refuse;
	n = calloc(1, size);
	if (!n)
		goto refuse;
	memcpy(n->text, s, len);
	HASH_ADD_KEYPTR(hh, names->all, n->text, len, n);
	if (hash_added(n)) {
		names->bytes += size;
		return n->text;
	}
	free(n);
refuse:
	names->refused++;
	return "?";
}

uint64_t names__refused(const struct names *names)
{
	return names->refused;
}
