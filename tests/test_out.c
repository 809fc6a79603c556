/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "out.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <locale.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <wchar.h>
#include "prng.h"
#include "scratch.h"

/* --- numbers ---------------------------------------------------------------------------------- */

/* A file that is read back in rounds, so that millions of numbers can be compared. */
struct check {
	struct scratch s;
	struct out *o;
	char *expected;
	size_t len;
};

enum { CHECK_SIZE = 1 << 20 };

static void check__open(struct check *c)
{
	c->s = scratch__new();
	c->expected = malloc(CHECK_SIZE);
	c->len = 0;
	cr_assert_eq(out__open(c->s.file, &c->o), 0);
}

static void check__compare(struct check *c)
{
	size_t len;
	char *got;

	cr_assert_eq(out__close(c->o), 0);
	got = scratch_read(c->s.file, &len);
	if (len != c->len || memcmp(got, c->expected, len)) {
		char *a = strtok(got, "\n"), *b;
		char *save = c->expected;

		c->expected[c->len] = '\0';
		for (; a; a = strtok(NULL, "\n")) {
			b = strsep(&save, "\n");
			cr_assert_str_eq(a, b);
		}
	}
	cr_assert_eq(len, c->len);
	free(got);
	c->len = 0;
}

static void check__close(struct check *c)
{
	check__compare(c);
	scratch__free(&c->s);
	free(c->expected);
}

__attribute__((format(printf, 2, 3))) static void expect(struct check *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	c->len += (size_t)vsnprintf(c->expected + c->len, CHECK_SIZE - c->len, fmt, ap);
	va_end(ap);
	out__bytes(c->o, "\n", 1);
	if (c->len > CHECK_SIZE - 100) {
		check__compare(c);
		cr_assert_eq(out__open(c->s.file, &c->o), 0);
	}
}

static void compare_mib(struct check *c, int64_t bytes)
{
	double mib = (double)bytes / 1048576.0;

	out__mib(c->o, bytes, 0);
	expect(c, "%.2f\n", mib);
	out__mib(c->o, bytes, 1);
	expect(c, "%+.2f\n", mib);
}

Test(out, mib_is_what_printf_makes_of_it_for_every_tie)
{
	struct check c;

	/* half of a hundredth is 5242.88 bytes: it is met exactly at odd multiples of 1/8 MiB */
	check__open(&c);
	for (int64_t eighth = -200000; eighth <= 200000; eighth++)
		for (int64_t off = -1; off <= 1; off++)
			compare_mib(&c, eighth * (1 << 17) + off);
	check__close(&c);
}

Test(out, mib_is_what_printf_makes_of_it_for_every_page_and_every_byte_near_zero)
{
	struct check c;

	check__open(&c);
	for (int64_t b = -30000; b <= 30000; b++) {
		compare_mib(&c, b);
		compare_mib(&c, b * 4096);
	}
	check__close(&c);
}

Test(out, mib_is_what_printf_makes_of_it_for_two_million_numbers_of_any_size)
{
	struct prng rng = { 20 };
	struct check c;

	check__open(&c);
	for (int i = 0; i < 2000000; i++) {
		int64_t bytes = (int64_t)(prng__next(&rng) >> prng__below(&rng, 64));
		double mib;

		if (i & 1)
			bytes = (int64_t)(0 - (uint64_t)bytes);
		mib = (double)bytes / 1048576.0;
		out__mib(c.o, bytes, i & 2);
		expect(&c, i & 2 ? "%+.2f\n" : "%.2f\n", mib);
	}
	check__close(&c);
}

Test(out, mib_is_what_printf_makes_of_it_at_the_ends)
{
	static const int shifts[] = { 16, 17, 19, 20, 31, 32, 52, 53, 54, 55, 60, 62 };
	struct check c;

	check__open(&c);
	compare_mib(&c, INT64_MAX);
	compare_mib(&c, INT64_MIN);
	for (size_t i = 0; i < sizeof(shifts) / sizeof(*shifts); i++)
		for (int64_t off = -600; off <= 600; off++) {
			compare_mib(&c, ((int64_t)1 << shifts[i]) + off);
			compare_mib(&c, -((int64_t)1 << shifts[i]) + off);
			compare_mib(&c, INT64_MAX - 600 + (off < 0 ? -off : off));
		}
	check__close(&c);
}

Test(out, mib_has_a_sign_before_what_rounds_to_nothing)
{
	size_t len;
	struct scratch s = scratch__new();
	struct out *o;
	char *got;

	cr_assert_eq(out__open(s.file, &o), 0);
	out__mib(o, -1, 0);
	out__str(o, " ");
	out__mib(o, 0, 0);
	out__str(o, " ");
	out__mib(o, 0, 1);
	out__str(o, " ");
	out__mib(o, 1536 << 10, 1);
	out__close(o);
	got = scratch_read(s.file, &len);
	cr_assert_str_eq(got, "-0.00 0.00 +0.00 +1.50");
	free(got);
	scratch__free(&s);
}

Test(out, integers_are_what_printf_makes_of_them)
{
	struct prng rng = { 5 };
	struct check c;
	uint64_t v;

	check__open(&c);
	for (int i = 0; i < 300000; i++) {
		v = prng__next(&rng) >> prng__below(&rng, 64);
		if (i < 64)
			v = (uint64_t)1 << i;
		if (i >= 64 && i < 128)
			v = ((uint64_t)1 << (i - 64)) - 1;
		out__u64(c.o, v);
		expect(&c, "%" PRIu64 "\n", v);
		out__i64(c.o, (int64_t)v);
		expect(&c, "%" PRId64 "\n", (int64_t)v);
		out__i64(c.o, (int64_t)(0 - v));
		expect(&c, "%" PRId64 "\n", (int64_t)(0 - v));
		out__text_u64(c.o, ",\"pid\":", 7, v);
		expect(&c, ",\"pid\":%" PRIu64 "\n", v);
		out__text_i64(c.o, "delta", 5, (int64_t)(i % 2 ? v : 0 - v));
		expect(&c, "delta%" PRId64 "\n", (int64_t)(i % 2 ? v : 0 - v));
	}
	for (v = 1; v < UINT64_MAX / 10; v *= 10)
		for (uint64_t off = 0; off < 3; off++) {
			out__u64(c.o, v + off - 1);
			expect(&c, "%" PRIu64 "\n", v + off - 1);
			out__text_u64(c.o, "", 0, v + off - 1);
			expect(&c, "%" PRIu64 "\n", v + off - 1);
		}
	check__close(&c);
}

/* --- the buffer ------------------------------------------------------------------------------- */

Test(out, pieces_of_any_size_arrive_whole_and_in_order)
{
	struct scratch s = scratch__new();
	struct prng rng = { 6 };
	size_t total = 3 << 20, at = 0, n, len;
	char *data = malloc(total), *got;
	struct out *o;

	for (size_t i = 0; i < total; i++)
		data[i] = (char)('a' + prng__below(&rng, 26));
	cr_assert_eq(out__open(s.file, &o), 0);
	while (at < total) {
		n = prng__below(&rng, prng__below(&rng, 4) ? 300 : 200000);
		n = n < total - at ? n : total - at;
		if (prng__below(&rng, 2))
			out__bytes(o, data + at, n);
		else
			out__fmt(o, "%.*s", (int)n, data + at);
		at += n;
	}
	cr_assert_eq(out__close(o), 0);
	got = scratch_read(s.file, &len);
	cr_assert_eq(len, total);
	cr_assert_eq(memcmp(got, data, len), 0);
	free(got);
	free(data);
	scratch__free(&s);
}

Test(out, a_full_disk_is_an_error_that_sticks)
{
	char block[70000] = "";
	struct out *o;

	cr_assert_eq(out__open("/dev/full", &o), 0);
	out__str(o, "hello");
	cr_assert_eq(out__error(o), 0);
	cr_assert_eq(out__flush(o), -ENOSPC);
	for (int i = 0; i < 3; i++) {
		out__bytes(o, block, sizeof(block));
		out__fmt(o, "%d", i);
		out__mib(o, i, 0);
		cr_assert_eq(out__error(o), -ENOSPC);
	}
	cr_assert_eq(out__close(o), -ENOSPC);
}

Test(out, what_was_left_in_the_buffer_can_fail_at_close)
{
	struct out *o;

	cr_assert_eq(out__open("/dev/full", &o), 0);
	out__str(o, "hello");
	cr_assert_eq(out__close(o), -ENOSPC);
	cr_assert_eq(out__open("/dev/null", &o), 0);
	out__str(o, "hello");
	cr_assert_eq(out__close(o), 0);
	cr_assert_eq(out__close(NULL), 0);
}

Test(out, a_reader_that_has_gone_is_an_error)
{
	struct out *o;
	int fds[2];

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(pipe(fds), 0);
	close(fds[0]);
	o = out__new(fds[1]);
	out__str(o, "hello");
	cr_assert_eq(out__close(o), -EPIPE);
}

static void on_alarm(int sig)
{
}

/* A slow reader, a pipe that would block and says so, and a signal now and then. */
static void through_a_pipe(int flags)
{
	struct itimerval often = { { 0, 700 }, { 0, 700 } }, never = { 0 };
	struct sigaction act = { .sa_handler = on_alarm }; /* no SA_RESTART */
	uint32_t sum = 0, got = 0;
	unsigned char buf[3000];
	int fds[2], back[2], status;
	struct out *o;
	ssize_t n;
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	cr_assert_eq(pipe(back), 0);
	pid = fork();
	if (!pid) {
		close(fds[1]);
		while ((n = read(fds[0], buf, sizeof(buf))) > 0) {
			for (ssize_t i = 0; i < n; i++)
				sum = sum * 31 + buf[i];
			usleep(20);
		}
		_exit(write(back[1], &sum, sizeof(sum)) != sizeof(sum));
	}
	close(fds[0]);
	cr_assert_eq(fcntl(fds[1], F_SETFL, flags), 0);
	cr_assert_eq(sigaction(SIGALRM, &act, NULL), 0);
	setitimer(ITIMER_REAL, &often, NULL);
	o = out__new(fds[1]);
	for (uint32_t i = 0; i < 300000; i++) {
		unsigned char four[4] = { (unsigned char)i, (unsigned char)(i >> 8), 7, 9 };

		out__bytes(o, four, 4);
		for (int k = 0; k < 4; k++)
			sum = sum * 31 + four[k];
	}
	cr_assert_eq(out__close(o), 0);
	setitimer(ITIMER_REAL, &never, NULL);
	cr_assert_eq(read(back[0], &got, sizeof(got)), (ssize_t)sizeof(got));
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(got, sum);
}

Test(out, a_pipe_that_would_block_gets_everything_in_spite_of_signals)
{
	through_a_pipe(O_NONBLOCK);
	through_a_pipe(0);
}

Test(out, standard_streams_stay_open)
{
	struct out *o;
	int fds[2];

	cr_assert_eq(out__close(out__new(STDOUT_FILENO)), 0);
	cr_assert_geq(fcntl(STDOUT_FILENO, F_GETFD), 0);
	cr_assert_eq(pipe(fds), 0);
	o = out__new(fds[1]);
	cr_assert_eq(out__close(o), 0);
	cr_assert_eq(fcntl(fds[1], F_GETFD), -1);
}

Test(out, a_file_is_private_and_emptied_and_a_symlink_is_refused)
{
	struct scratch s = scratch__new();
	char link[320];
	struct stat st;
	struct out *o;
	size_t len;
	char *got;

	umask(0);
	cr_assert_eq(out__open(s.file, &o), 0);
	out__str(o, "a long line");
	cr_assert_eq(out__close(o), 0);
	cr_assert_eq(stat(s.file, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);
	cr_assert_eq(out__open(s.file, &o), 0);
	out__str(o, "short");
	cr_assert_eq(out__close(o), 0);
	got = scratch_read(s.file, &len);
	cr_assert_str_eq(got, "short");
	free(got);

	snprintf(link, sizeof(link), "%s/link", s.dir);
	cr_assert_eq(symlink(s.file, link), 0);
	cr_assert_eq(out__open(link, &o), -ELOOP);
	got = scratch_read(s.file, &len);
	cr_assert_str_eq(got, "short", "and what it points to is as it was");
	free(got);
	cr_assert_eq(out__open(s.dir, &o), -EISDIR);
	scratch__free(&s);
}

/* --- text ------------------------------------------------------------------------------------- */

static void assert_clean(const char *s, size_t len, const char *expected)
{
	char *clean = out_clean(s, len);

	cr_assert_str_eq(clean, expected);
	free(clean);
}

#define CLEAN(s, expected) assert_clean(s, sizeof(s) - 1, expected)

Test(out, clean_text_stays_as_it_is)
{
	CLEAN("", "");
	CLEAN("model_loader.load_model \\ \"~\"", "model_loader.load_model \\ \"~\"");
	CLEAN("EngineCore初始化开始 é 😀", "EngineCore初始化开始 é 😀");
	CLEAN("\\x1b", "\\x1b");
}

Test(out, what_could_steer_a_terminal_or_reorder_a_line_is_spelled_out)
{
	CLEAN("a\x1b[31mb\n\t\r", "a\\x1b[31mb\\x0a\\x09\\x0d");
	CLEAN("a\0b", "a\\x00b");
	CLEAN("\x7f", "\\x7f");
	CLEAN("\xc2\x80\xc2\x9b\xc2\x9f\xc2\xa0", "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\xc2\xa0");
	CLEAN("\xe2\x80\xa7\xe2\x80\xa8\xe2\x80\xa9", "\xe2\x80\xa7\\xe2\\x80\\xa8\\xe2\\x80\\xa9");
	CLEAN("\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf", "\\xe2\\x80\\xaa\\xe2\\x80\\xae\xe2\x80\xaf");
	CLEAN("\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa",
		"\xe2\x81\xa5\\xe2\\x81\\xa6\\xe2\\x81\\xa9\xe2\x81\xaa");
}

Test(out, what_is_not_utf8_is_spelled_out)
{
	CLEAN("\xff\xfe", "\\xff\\xfe");
	CLEAN("a\x80z", "a\\x80z");
	CLEAN("\xc3", "\\xc3");
	CLEAN("\xe5\x88", "\\xe5\\x88");
	CLEAN("\xc0\xaf", "\\xc0\\xaf");	      /* overlong */
	CLEAN("\xe0\x80\xaf", "\\xe0\\x80\\xaf");
	CLEAN("\xed\xa0\x80", "\\xed\\xa0\\x80");     /* a surrogate */
	CLEAN("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* past the end */
	CLEAN("\xf8\x88\x80\x80\x80", "\\xf8\\x88\\x80\\x80\\x80");
	CLEAN("\xe5\x88\xc3\xa9", "\\xe5\\x88\xc3\xa9"); /* and it finds its feet again */
}

static size_t encode(uint32_t c, char *p)
{
	if (c < 0x80) {
		p[0] = (char)c;
		return 1;
	}
	if (c < 0x800) {
		p[0] = (char)(0xc0 | c >> 6);
		p[1] = (char)(0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000) {
		p[0] = (char)(0xe0 | c >> 12);
		p[1] = (char)(0x80 | (c >> 6 & 0x3f));
		p[2] = (char)(0x80 | (c & 0x3f));
		return 3;
	}
	p[0] = (char)(0xf0 | c >> 18);
	p[1] = (char)(0x80 | (c >> 12 & 0x3f));
	p[2] = (char)(0x80 | (c >> 6 & 0x3f));
	p[3] = (char)(0x80 | (c & 0x3f));
	return 4;
}

Test(out, of_all_characters_only_controls_and_surrogates_are_touched)
{
	unsigned int touched = 0;

	for (uint32_t c = 0; c <= 0x10ffff; c++) {
		char s[5] = "", *clean;
		size_t len = encode(c, s);

		clean = out_clean(s, len);
		if (strlen(clean) != len || memcmp(clean, s, len)) {
			cr_assert_eq(strlen(clean), 4 * len);
			touched++;
		}
		free(clean);
	}
	cr_assert_eq(touched, 32 + 33 + 7 + 4 + 2048);
}

/* What out_clean spelled out, back to bytes. */
static size_t spell_back(const char *clean, char *out)
{
	unsigned int byte;
	size_t n = 0;

	while (*clean) {
		if (clean[0] == '\\' && sscanf(clean, "\\x%2x", &byte) == 1) {
			out[n++] = (char)byte;
			clean += 4;
		} else {
			out[n++] = *clean++;
		}
	}
	return n;
}

Test(out, any_bytes_come_back_from_what_was_spelled_out)
{
	struct prng rng = { 12 };

	for (int i = 0; i < 200000; i++) {
		char s[40], back[40], *clean, *again;
		size_t len = 0, n = prng__below(&rng, 32);
		json_t *judge;

		while (len < n) {
			if (prng__below(&rng, 3))
				len += encode((uint32_t)prng__below(&rng, i % 2 ? 0x3000 : 1 << 20),
					s + len);
			else
				s[len++] = (char)prng__next(&rng);
		}
		for (size_t k = 0; k < len; k++)
			s[k] = s[k] == '\\' ? '/' : s[k];
		clean = out_clean(s, len);
		cr_assert_eq(spell_back(clean, back), len);
		cr_assert_eq(memcmp(back, s, len), 0);
		again = out_clean(clean, strlen(clean));
		cr_assert_str_eq(again, clean);
		judge = json_string(clean); /* takes valid UTF-8 only, by a reader of its own */
		cr_assert(judge);
		json_decref(judge);
		judge = json_stringn(s, len); /* and what it does not take was not left alone */
		cr_assert(judge || strlen(clean) > len);
		json_decref(judge);
		free(clean);
		free(again);
	}
}

Test(out, width_counts_columns)
{
	cr_assert_eq(out_width(""), 0);
	cr_assert_eq(out_width("EngineCore"), 10);
	cr_assert_eq(out_width("é"), 1);
	cr_assert_eq(out_width("e\xcc\x81"), 1);
	cr_assert_eq(out_width("占用 RAM内存"), 12);
	cr_assert_eq(out_width("累计:"), 5);
	cr_assert_eq(out_width("（，）"), 6);
	cr_assert_eq(out_width("😀"), 2);
	cr_assert_eq(out_width("\xff\xe5"), 2, "what is not UTF-8 is a column for each byte");
}

/* Wide since Unicode 15 and 16: a C library from before glibc 2.41 calls some of them narrow. */
static bool is_lately_wide(uint32_t c)
{
	return (c >= 0x2630 && c <= 0x2637) || (c >= 0x268a && c <= 0x268f) ||
		(c >= 0x1d300 && c <= 0x1d356) || (c >= 0x1d360 && c <= 0x1d376) ||
		(c >= 0x1faf7 && c <= 0x1faf8);
}

Test(out, width_of_each_character_is_that_of_the_c_library)
{
	unsigned int compared = 0, wide = 0, differ = 0;

	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		cr_skip_test("no locale C.UTF-8");
	for (uint32_t c = 0x20; c < 0x110000; c++) {
		int theirs = wcwidth((wchar_t)c), ours;
		char s[5] = "";

		if (theirs <= 0 || (c >= 0xd800 && c <= 0xdfff))
			continue;
		encode(c, s);
		ours = out_width(s);
		if (is_lately_wide(c))
			cr_assert_eq(ours, 2, "U+%04x: %d", c, ours);
		else if (ours != theirs) {
			differ++;
			fprintf(stderr, "U+%04x: %d, not %d\n", c, ours, theirs);
		}
		compared++;
		wide += theirs == 2;
	}
	cr_assert(compared > 200000 && wide > 80000, "%u %u", compared, wide);
	cr_assert_eq(differ, 0);
}
