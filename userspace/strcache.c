/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "strcache.h"

#include <errno.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "hash.h"

/* Titles can be of any number: beyond this all are forgotten and made anew. */
#define MAX_STRINGS 4096

/* Rows name the same few strings over and over, mostly at the same addresses. */
#define RECENT 64

struct string {
	char *form;
	size_t len;
	UT_hash_handle hh;
	char raw[];
};

struct strcache {
	struct string *strings;
	struct string *recent[RECENT]; /* by the address that it was at; NULL: none */
	char *(*render)(const char *s);
};

struct strcache *strcache__new(char *(*render)(const char *s))
{
	struct strcache *c = calloc(1, sizeof(*c));

	if (c)
		c->render = render;
	return c;
}

static void forget_all(struct strcache *c)
{
	struct string *s, *tmp;

	memset(c->recent, 0, sizeof(c->recent));
	HASH_ITER(hh, c->strings, s, tmp) {
		HASH_DELETE(hh, c->strings, s);
		free(s->form);
		free(s);
	}
}

void strcache__free(struct strcache *c)
{
	if (!c)
		return;
	forget_all(c);
	free(c);
}

static struct string *make(struct strcache *c, const char *raw, size_t len)
{
	struct string *s;

	if (HASH_COUNT(c->strings) >= MAX_STRINGS)
		forget_all(c);
	s = calloc(1, sizeof(*s) + len + 1);
	if (!s)
		return NULL;
	memcpy(s->raw, raw, len);
	s->form = c->render(raw);
	if (!s->form)
		goto fail;
	s->len = strlen(s->form);
	HASH_ADD_KEYPTR(hh, c->strings, s->raw, len, s);
	if (!hash_added(s))
		goto fail;
	return s;
fail:
	free(s->form);
	free(s);
	return NULL;
}

int strcache__print(struct strcache *c, struct out *o, const char *raw)
{
	size_t at = (uintptr_t)raw / 16 % RECENT, len;
	struct string *s = c->recent[at];

	if (!s || strcmp(s->raw, raw)) {
		len = strlen(raw);
		HASH_FIND(hh, c->strings, raw, len, s);
		if (!s)
			s = make(c, raw, len);
		if (!s)
			return -ENOMEM;
		c->recent[at] = s;
	}
	out__bytes(o, s->form, s->len);
	return 0;
}

char *render_line(const char *s)
{
	return out_clean(s, strlen(s));
}

char *render_json(const char *s)
{
	json_t *str = json_string(s);
	char *clean = NULL, *form = NULL;

	if (!str) { /* not UTF-8: show the bytes as everywhere else */
		clean = out_clean(s, strlen(s));
		str = clean ? json_string(clean) : NULL;
	}
	if (str)
		form = json_dumps(str, JSON_ENCODE_ANY);
	json_decref(str);
	free(clean);
	return form;
}
