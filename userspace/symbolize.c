/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "symbolize.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "modules.h"
#include "symbolize_internal.h"

enum {
	PATIENCE_MS = 20000, /* for one answer: the first of a file may need all its tables */
	MAX_FAILURES = 16,
};

struct asked {
	pid_t pid;
	int fd;
	struct names *names;
};

static int read_all(int fd, void *buf, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	char *to = buf;
	ssize_t n;

	while (len) {
		n = poll(&pfd, 1, PATIENCE_MS);
		if (n == 0)
			return -ETIMEDOUT;
		n = n > 0 ? read(fd, to, len) : -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EPIPE;
		to += n;
		len -= n;
	}
	return 0;
}

/* What comes from there is trusted no more than the files it was made of. */
static int read_text(struct asked *a, uint16_t len, const char **out)
{
	char text[ANSWER_TEXT];
	int err;

	*out = NULL;
	if (len == NO_TEXT)
		return 0;
	if (len > sizeof(text))
		return -EPROTO;
	err = read_all(a->fd, text, len);
	if (!err)
		*out = names__keep(a->names, text, strnlen(text, len));
	return err;
}

static int read_places(struct asked *a, size_t n, struct unwind_place *places)
{
	struct answer_place place;
	int err = 0;

	for (size_t i = 0; !err && i < n; i++) {
		err = read_all(a->fd, &place, sizeof(place));
		if (!err)
			err = read_text(a, place.name_len, &places[i].name);
		if (!err)
			err = read_text(a, place.file_len, &places[i].file);
		places[i].line = place.line;
	}
	return err;
}

static int read_answer(struct asked *a, struct place *p)
{
	struct unwind_symbol *s = &p->symbol;
	struct unwind_place *places = NULL;
	struct answer answer;
	const char *name;
	int err;

	err = read_all(a->fd, &answer, sizeof(answer));
	if (err)
		return err;
	if (answer.n_places > ANSWER_PLACES)
		return -EPROTO;
	err = read_text(a, answer.name_len, &name);
	if (!err && answer.n_places) {
		places = calloc(answer.n_places, sizeof(*places));
		err = places ? read_places(a, answer.n_places, places) : -ENOMEM;
	}
	if (err) {
		free(places);
		return err;
	}
	s->name = name;
	s->into = answer.into;
	s->places = places;
	s->n_places = answer.n_places;
	p->has_names = true;
	return 0;
}

static int ask(struct asked *a, struct place **places, size_t n)
{
	int fds[2], err;

	if (pipe2(fds, O_CLOEXEC))
		return -errno;
	a->pid = fork();
	if (a->pid == 0)
		symbolize_child(places, n, fds[1]);
	err = a->pid < 0 ? -errno : 0;
	close(fds[1]);
	a->fd = fds[0];
	if (err)
		close(a->fd);
	return err;
}

/* It may be at work for a long time yet, at something that nobody waits for any more. */
static void dismiss(struct asked *a)
{
	close(a->fd);
	kill(a->pid, SIGKILL);
	while (waitpid(a->pid, NULL, 0) < 0 && errno == EINTR)
		;
}

/* How many were answered. */
static size_t one_round(struct place **places, size_t n, struct names *names)
{
	struct asked a = { .names = names };
	size_t i = 0;

	if (ask(&a, places, n))
		return 0;
	while (i < n && !read_answer(&a, places[i]))
		i++;
	dismiss(&a);
	return i;
}

static int by_module(const void *va, const void *vb)
{
	const struct place *a = *(struct place *const *)va, *b = *(struct place *const *)vb;

	if (a->module != b->module)
		return a->module < b->module ? -1 : 1;
	return a->addr < b->addr ? -1 : a->addr > b->addr;
}

/* Those that have a file, file by file. */
static struct place **select_places(struct place **places, size_t *n)
{
	struct place **out = malloc((*n + 1) * sizeof(*out));
	size_t kept = 0;

	for (size_t i = 0; out && i < *n; i++)
		if (!places[i]->has_names && places[i]->module->elf)
			out[kept++] = places[i];
	*n = kept;
	if (out)
		qsort(out, kept, sizeof(*out), by_module);
	return out;
}

void symbolize(struct place **places, size_t n, struct names *names)
{
	struct place **todo = select_places(places, &n);
	size_t done = 0, failures = 0;
	struct module *m;

	while (todo && done < n && failures < MAX_FAILURES) {
		done += one_round(todo + done, n - done, names);
		if (done == n)
			break;
		failures++;
		m = todo[done]->module;
		if (!m->no_lines) {
			m->no_lines = true;
			continue;
		}
		m->no_names = true;
		while (done < n && todo[done]->module == m)
			done++;
	}
	free(todo);
}
