/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "yaml_text.h"

#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

/* Schemas are not deeper than this, and libcyaml stops where its schema does. */
enum { MAX_DEPTH = 8 };

/* What libcyaml told while it read. */
struct listener {
	size_t events;	   /* libyaml events that it took */
	char message[256]; /* the first error or warning, "" if it gave none */
};

static void listen(cyaml_log_t level, void *ctx, const char *fmt, va_list args)
{
	struct listener *l = ctx;
	size_t len;

	if (level == CYAML_LOG_DEBUG && !strncmp(fmt, "Load: Event:", 12))
		l->events++;
	/* the first is what is wrong; a backtrace, which is indented, follows it */
	if (level < CYAML_LOG_WARNING || l->message[0] || *fmt == ' ' ||
	    !strncmp(fmt, "Load: Backtrace", 15))
		return;
	if (!strncmp(fmt, "Load: ", 6))
		fmt += 6;
	vsnprintf(l->message, sizeof(l->message), fmt, args);
	len = strlen(l->message);
	if (len && l->message[len - 1] == '\n')
		l->message[len - 1] = '\0';
}

/* The line of what the parser met, and a better message: it knows where an open quote began. */
static size_t problem(const struct yaml_text *text, const yaml_parser_t *parser, char *message,
	size_t len)
{
	size_t line = 1;

	if (parser->context)
		snprintf(message, len, "%s %s that begins in line %zu",
			 parser->problem ? parser->problem : "error", parser->context,
			 parser->context_mark.line + 1);
	if (parser->error != YAML_READER_ERROR)
		return parser->problem_mark.line + 1;
	/* the reader of bytes knows the offset only */
	for (size_t i = 0; i < parser->problem_offset && i < text->len; i++)
		line += text->data[i] == '\n';
	return line;
}

static bool opens(const yaml_event_t *ev)
{
	return ev->type == YAML_MAPPING_START_EVENT || ev->type == YAML_SEQUENCE_START_EVENT;
}

static bool closes(const yaml_event_t *ev)
{
	return ev->type == YAML_MAPPING_END_EVENT || ev->type == YAML_SEQUENCE_END_EVENT;
}

/* The line of the n-th event; where it ends something (and so misses something), of its start.
 * Where libyaml cannot get so far, the line of that, with the message replaced. */
static size_t event_line(const struct yaml_text *text, size_t n, char *message, size_t len)
{
	size_t starts[MAX_DEPTH] = { 0 }, depth = 0, line = 1;
	yaml_parser_t parser;
	yaml_event_t ev;

	if (!yaml_parser_initialize(&parser))
		return 1;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->data, text->len);
	for (size_t i = 0; i < n; i++) {
		if (!yaml_parser_parse(&parser, &ev)) {
			line = problem(text, &parser, message, len);
			break;
		}
		line = ev.start_mark.line + 1;
		if (opens(&ev)) {
			if (depth < MAX_DEPTH)
				starts[depth] = line;
			depth++;
		} else if (closes(&ev) && depth) {
			depth--;
			if (depth < MAX_DEPTH)
				line = starts[depth];
		}
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	return line;
}

/* libcyaml asks for room entry by entry; growing by halves keeps long lists from being copied
 * each time. */
static void *resize(void *ctx, void *ptr, size_t size)
{
	if (!size) {
		free(ptr);
		return NULL;
	}
	if (ptr && size <= malloc_usable_size(ptr))
		return ptr;
	return realloc(ptr, ptr ? size + size / 2 : size);
}

/* For errors of which libcyaml logs nothing. */
static const char *reason(cyaml_err_t code)
{
	if (code == CYAML_ERR_ALIAS)
		return "aliases are not allowed";
	if (code == CYAML_ERR_INTERNAL_ERROR)
		return "a plain name was expected here";
	return cyaml_strerror(code);
}

int yaml_text__load(const struct yaml_text *text, const cyaml_schema_value_t *schema, void **out,
	char *err, size_t err_len)
{
	struct listener listener = { .events = 0 };
	const cyaml_config_t config = {
		.log_fn = listen,
		.log_ctx = &listener,
		.log_level = CYAML_LOG_DEBUG,
		.mem_fn = resize,
		.flags = CYAML_CFG_NO_ALIAS,
	};
	cyaml_err_t code;
	size_t line;

	*out = NULL;
	code = cyaml_load_data((const uint8_t *)text->data, text->len, &config, schema, out, NULL);
	if (code == CYAML_ERR_OOM)
		return -ENOMEM;
	if (code == CYAML_OK && !*out)
		return yaml_text__error(text, 1, err, err_len, "the file is empty");
	if (code == CYAML_OK && !listener.message[0])
		return 0;
	/* a warning tells of something that would be left out, such as a second document */
	yaml_text__free(schema, *out);
	*out = NULL;
	if (!listener.message[0])
		snprintf(listener.message, sizeof(listener.message), "%s", reason(code));
	/* these two are met before the event counts as taken */
	if (code == CYAML_ERR_LIBYAML_PARSER || code == CYAML_ERR_ALIAS)
		listener.events++;
	line = event_line(text, listener.events, listener.message, sizeof(listener.message));
	return yaml_text__error(text, line, err, err_len, "%s", listener.message);
}

void yaml_text__free(const cyaml_schema_value_t *schema, void *data)
{
	const cyaml_config_t config = { .mem_fn = resize };

	if (data)
		cyaml_free(&config, schema, data, 0);
}

/* Where the look for a key stands: how deep, and what the mapping or list at each depth waits
 * for. Depth 1 is the top-level mapping, 2 the list, 3 one of its entries. */
struct place {
	size_t depth, index, line;
	bool map[MAX_DEPTH], value[MAX_DEPTH];
	bool in_list;
};

/* One scalar, list or mapping at the current depth. */
static void meet(struct place *p, const yaml_event_t *ev, const char *list, size_t index,
	const char *key)
{
	const char *name = ev->type == YAML_SCALAR_EVENT ?
				   (const char *)ev->data.scalar.value : "";
	size_t line = ev->start_mark.line + 1, d = p->depth;

	if (!d || d >= MAX_DEPTH)
		return;
	if (d == 2 && p->in_list && !p->map[d] && p->index++ == index)
		p->line = line;
	if (!p->map[d])
		return;
	p->value[d] = !p->value[d];
	if (!p->value[d])
		return; /* it was the value */
	if (d == 1) {
		p->in_list = !strcmp(name, list);
		p->index = 0;
		if (p->in_list)
			p->line = line;
	} else if (d == 3 && p->in_list && p->index == index + 1 && key && !strcmp(name, key)) {
		p->line = line;
	}
}

size_t yaml_text__line(const struct yaml_text *text, const char *list, size_t index,
	const char *key)
{
	struct place p = { .line = 1 };
	yaml_parser_t parser;
	yaml_event_t ev;
	bool more = true;

	if (!yaml_parser_initialize(&parser))
		return 1;
	yaml_parser_set_input_string(&parser, (const unsigned char *)text->data, text->len);
	while (more && yaml_parser_parse(&parser, &ev)) {
		if (ev.type == YAML_SCALAR_EVENT || opens(&ev))
			meet(&p, &ev, list, index, key);
		if (opens(&ev) && ++p.depth < MAX_DEPTH) {
			p.map[p.depth] = ev.type == YAML_MAPPING_START_EVENT;
			p.value[p.depth] = false;
		} else if (closes(&ev)) {
			p.depth--;
		}
		more = ev.type != YAML_STREAM_END_EVENT && ev.type != YAML_DOCUMENT_END_EVENT;
		yaml_event_delete(&ev);
	}
	yaml_parser_delete(&parser);
	return p.line;
}

int yaml_text__error(const struct yaml_text *text, size_t line, char *err, size_t err_len,
	const char *fmt, ...)
{
	va_list ap;
	int len;

	if (!err_len)
		return -EINVAL;
	len = snprintf(err, err_len, "%s:%zu: ", text->name, line);
	if (len >= 0 && (size_t)len < err_len) {
		va_start(ap, fmt);
		vsnprintf(err + len, err_len - len, fmt, ap);
		va_end(ap);
	}
	/* a quoted value may hold anything that an escape in YAML can make */
	for (char *c = err; *c; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	return -EINVAL;
}
