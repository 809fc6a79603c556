/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What passes between the process that wants names and the one that looks for them. */
#ifndef SYMBOLIZE_INTERNAL_H
#define SYMBOLIZE_INTERNAL_H

#include <stdint.h>
#include <sys/types.h>

struct place;

enum {
	ANSWER_PLACES = 32, /* functions inlined into each other, and the one that holds them */
	ANSWER_TEXT = 1024, /* bytes of a name */
	NO_TEXT = 0xffff,
};

/* One for each place, in their order; followed by n_places of the next, and each of these by its
 * two texts. */
struct answer {
	uint64_t into;
	uint16_t n_places;
	uint16_t name_len; /* NO_TEXT: none */
};

struct answer_place {
	uint32_t line;
	uint16_t name_len, file_len;
};

/* Writes the answers for all n and ends the process. */
_Noreturn void symbolize_child(struct place **places, size_t n, int fd);

#endif
