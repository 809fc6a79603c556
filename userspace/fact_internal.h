/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Between fact.c and the kinds of facts that have a file of their own. */
#ifndef FACT_INTERNAL_H
#define FACT_INTERNAL_H

#include <jansson.h>
#include <stddef.h>
#include "fact.h"

enum type {
	TEXT,	  /* char *, "" for NULL */
	TEXT_OPT, /* char *, left out for NULL */
	U32,
	U64,
	I64,
	BOOL,
};

struct field {
	const char *name;
	size_t offset;
	enum type type;
	bool optional; /* 0 where a tape does not have it */
};

#define F(member, key, ...) \
	{ .name = key, .offset = offsetof(struct fact, member), .type = __VA_ARGS__ }
#define END { .name = NULL }

enum { FACT_MAX_LIST = 128 << 10 }; /* bytes of a list after which another record is begun */

json_t *fact_json_text(const char *s); /* clean, and cut where a fact's strings are */
int fact_json_u64(uint64_t v, json_t **out);
int fact_take_text(const json_t *value, char **out);
int fact_take_u64(const json_t *value, uint64_t *out);
int fact_take_u32(const json_t *value, uint32_t *out);
/* Puts a new, empty list into the object, which owns it. NULL: no memory. */
json_t *fact_add_list(json_t *obj, const char *name);
/* The list, of *n members, and memory for as many; *n is 0 where there is no such list. */
int fact_open_list(const json_t *obj, const char *name, size_t member, size_t *n, void **out);

/* --- counters: fact_counters.c ---------------------------------------------------------------- */

/* All losses; from hit *next on, as many as one record should have. */
int fact_counters__encode(json_t *obj, const struct fact_counters *counters, size_t *next);
int fact_counters__decode(const json_t *obj, struct fact_counters *counters);

/* --- readings: fact_reading.c ----------------------------------------------------------------- */

extern const struct field fact_reading_fields[];
/* The sums, and the groups from *next on, as many as one record should have. */
int fact_reading__encode(json_t *obj, const struct fact_reading *r, size_t *next);
int fact_reading__decode(const json_t *obj, struct fact_reading *r);
void fact_reading__clear(struct fact_reading *r);

#endif
