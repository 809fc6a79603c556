/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "verdict.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"

struct verdicts *verdicts__new(struct condition *const *conditions, size_t n)
{
	struct verdicts *v = calloc(1, sizeof(*v));

	if (!v)
		return NULL;
	v->list = calloc(n + 1, sizeof(*v->list));
	if (!v->list) {
		free(v);
		return NULL;
	}
	v->n = n;
	for (size_t i = 0; i < n; i++)
		v->list[i].condition = conditions[i];
	return v;
}

void verdicts__free(struct verdicts *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < v->n; i++) {
		for (size_t k = 0; k < v->list[i].n_lines; k++)
			free(v->list[i].lines[k]);
		free(v->list[i].blind);
	}
	free(v->list);
	free(v);
}

void verdict__count(struct verdict *v)
{
	v->named = true;
	v->hits++;
}

void verdict__show(struct verdict *v, const char *fmt, ...)
{
	va_list ap;
	char *line;

	if (v->n_lines == VERDICT_LINES)
		return;
	va_start(ap, fmt);
	if (vasprintf(&line, fmt, ap) >= 0)
		v->lines[v->n_lines++] = line;
	va_end(ap);
}

void verdict__blind(struct verdict *v, const char *fmt, ...)
{
	va_list ap;

	if (v->blind)
		return;
	va_start(ap, fmt);
	if (vasprintf(&v->blind, fmt, ap) < 0)
		v->blind = NULL;
	va_end(ap);
	v->named = true;
}

/* What there is none of. */
static const char *thing(const struct condition *c)
{
	if (c->what == COND_LABEL || c->what == COND_TOTAL)
		return "row has a label";
	return c->what == COND_GROWTH ? "function grew" : "process has a role, or else a name,";
}

static void say_hits(const struct verdict *v)
{
	log_error("--fail-if '%s' holds (%" PRIu64 "):", v->condition->text, v->hits);
	for (size_t i = 0; i < v->n_lines; i++)
		log_error("  %s", v->lines[i]);
	if (v->hits > v->n_lines)
		log_error("  ... and %" PRIu64 " more", v->hits - v->n_lines);
}

static bool report_one(const struct verdict *v, const char *where)
{
	const struct condition *c = v->condition;

	if (v->hits) {
		say_hits(v);
	} else if (v->blind) {
		log_error("--fail-if '%s' could not be judged: %s. So it fails", c->text, v->blind);
	} else if (!v->named && v->asleep) {
		log_warn("--fail-if '%s' was not put to the test: %s did not get to that label",
			c->text, where);
		return false;
	} else if (!v->named) {
		log_error("--fail-if '%s' can never hold: in %s no %s that matches \"%s\". So it "
			  "fails",
			c->text, where, thing(c), c->glob);
	}
	return v->hits || v->blind || !v->named;
}

bool verdicts__report(const struct verdicts *v, const char *where)
{
	bool failed = false;

	for (size_t i = 0; i < v->n; i++)
		failed |= report_one(&v->list[i], where);
	return failed;
}
