/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A checkpoint spec: a label and where it fires. From -f on the command line or from a profile. */
#ifndef SPEC_H
#define SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum spec_type {
	SPEC_FUNCTION, /* BINARY:SYMBOL */
	SPEC_USDT,     /* usdt:BINARY:PROVIDER:NAME */
	SPEC_ADDRESS,  /* addr:BINARY:0x... */
};

struct checkpoint_spec {
	enum spec_type type;
	char *text;	/* as written, without the label */
	char *binary;	/* path, soname or name to look for in the maps; "" : the main program */
	char *symbol;	/* glob; NAME of a USDT probe */
	char *provider; /* USDT only */
	uint64_t addr;	/* SPEC_ADDRESS only: virtual address in the file */
	char *entry[2]; /* label at entry, by enum lang; NULL: no row */
	char *leave[2]; /* label at return; NULL: no row */
	bool extra;	/* a profile's label that the seed's format leaves out */
	const char *profile; /* name of the profile, owned by it; NULL: from -f */
};

/*
 * Parses "[LABEL=]BINARY:SYMBOL", "[LABEL=]usdt:BINARY:PROVIDER:NAME", "[LABEL=]addr:BINARY:0xN".
 * SYMBOL may hold "::" and anything else after the first ':' that ends BINARY. Without LABEL the
 * symbol as written is the label. Labels of both ends come from spec_set_label. 0, -ENOMEM, or
 * -EINVAL with a message in err that quotes the text and says what was expected.
 */
int spec__parse(const char *text, struct checkpoint_spec *out, char *err, size_t err_len);
/* Sets entry[] and leave[] from one label: "L之前"/"L之后", "before L"/"after L". */
int spec__set_label(struct checkpoint_spec *spec, const char *zh, const char *en);
void spec__clear(struct checkpoint_spec *spec);

#endif
