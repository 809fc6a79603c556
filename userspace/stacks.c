/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "stacks.h"

#include <stdlib.h>
#include <string.h>
#include "hash.h"

struct stack {
	uint32_t number;
	UT_hash_handle hh;
	size_t n;
	uint32_t key[]; /* how it ends; then the frames */
};

struct stacks {
	struct stack *all, **by_number;
	size_t n, room, bytes, max;
	uint64_t refused;
	uint32_t *key; /* of the one that is looked for */
	size_t key_room;
};

struct stacks *stacks__new(size_t max_bytes)
{
	struct stacks *stacks = calloc(1, sizeof(*stacks));

	if (stacks)
		stacks->max = max_bytes;
	return stacks;
}

void stacks__free(struct stacks *stacks)
{
	struct stack *s, *tmp;

	if (!stacks)
		return;
	HASH_ITER(hh, stacks->all, s, tmp) {
		HASH_DEL(stacks->all, s);
		free(s);
	}
	free(stacks->by_number);
	free(stacks->key);
	free(stacks);
}

/* In words. */
static size_t key_len(size_t n)
{
	return 1 + n * sizeof(struct stacks_frame) / sizeof(uint32_t);
}

/* Where in generated or unknown code it was is of no interest: pc is left out. */
static bool make_key(struct stacks *stacks, const struct unwind_frame *frames, size_t n,
	enum unwind_end end)
{
	size_t room = key_len(n);
	uint32_t *key;

	if (room > stacks->key_room) {
		key = realloc(stacks->key, room * sizeof(*key));
		if (!key)
			return false;
		stacks->key = key;
		stacks->key_room = room;
	}
	key = stacks->key;
	*key++ = end;
	for (size_t i = 0; i < n; i++) {
		*key++ = frames[i].id;
		*key++ = frames[i].flags;
	}
	return true;
}

static bool make_room(struct stacks *stacks)
{
	size_t room = stacks->room ? stacks->room * 2 : 64;
	struct stack **v;

	if (stacks->n < stacks->room)
		return true;
	v = realloc(stacks->by_number, room * sizeof(*v));
	if (!v)
		return false;
	stacks->by_number = v;
	stacks->room = room;
	return true;
}

uint32_t stacks__add(struct stacks *stacks, const struct unwind_frame *frames, size_t n,
	enum unwind_end end)
{
	size_t len = key_len(n) * sizeof(uint32_t), size = sizeof(struct stack) + len;
	struct stack *s;

	if (!make_key(stacks, frames, n, end))
		goto refuse;
	HASH_FIND(hh, stacks->all, stacks->key, len, s);
	if (s)
		return s->number;
	if (size > stacks->max - stacks->bytes || !make_room(stacks))
		goto refuse;
	s = calloc(1, size);
	if (!s)
		goto refuse;
	memcpy(s->key, stacks->key, len);
	s->n = n;
	s->number = STACKS_FIRST + stacks->n;
	HASH_ADD_KEYPTR(hh, stacks->all, s->key, len, s);
	if (hash_added(s)) {
		stacks->by_number[stacks->n++] = s;
		stacks->bytes += size;
		return s->number;
	}
	free(s);
refuse:
	stacks->refused++;
	return STACKS_OTHER;
}

size_t stacks__get(const struct stacks *stacks, uint32_t stack, const struct stacks_frame **frames,
	enum unwind_end *end)
{
	const struct stack *s;

	*frames = NULL;
	*end = UNWIND_LOST;
	if (stack < STACKS_FIRST || stack - STACKS_FIRST >= stacks->n)
		return 0;
	s = stacks->by_number[stack - STACKS_FIRST];
	*frames = (const struct stacks_frame *)(s->key + 1);
	*end = s->key[0];
	return s->n;
}

size_t stacks__count(const struct stacks *stacks)
{
	return stacks->n;
}

uint64_t stacks__refused(const struct stacks *stacks)
{
	return stacks->refused;
}
