/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tape.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <zlib.h>
#include "prng.h"
#include "scratch.h"

enum {
	FILE_HEAD = 16,
	BLOCK_HEAD = 16,
};

/* The i-th record of a series: any kind, any length up to `max`, bytes that follow from i. */
static struct record record_of(uint32_t i, uint32_t max, unsigned char *data)
{
	struct prng rng = { i + 1 };
	struct record rec = { .kind = (enum record_kind)(1 + prng__below(&rng, 9)), .data = data };

	prng__next(&rng);
	rec.len = (uint32_t)prng__below(&rng, max + 1);
	for (uint32_t k = 0; k < rec.len; k++)
		data[k] = (unsigned char)prng__next(&rng);
	return rec;
}

static int put(struct tape_writer *w, uint32_t i, uint32_t max)
{
	unsigned char *data = malloc(max + 1);
	struct record rec = record_of(i, max, data);
	int err = tape_writer__put(w, &rec);

	free(data);
	return err;
}

/* Records 0 .. n - 1, a flush after every `flush`, the end mark unless it was `killed`. */
static void write_tape(const char *path, uint32_t n, uint32_t max, uint32_t flush)
{
	struct tape_writer *w;

	cr_assert_eq(tape_writer__open(path, &w), 0);
	for (uint32_t i = 0; i < n; i++) {
		cr_assert_eq(put(w, i, max), 0);
		if (flush && i % flush == flush - 1)
			cr_assert_eq(tape_writer__flush(w), 0);
	}
	cr_assert_eq(tape_writer__close(w), 0);
}

/* How many records came out; each must be the one that went in at its place. */
static uint32_t read_tape(const char *path, uint32_t max, enum tape_state *state, uint64_t *offset)
{
	unsigned char *data = malloc(max + 1);
	struct tape_reader *r;
	struct record rec, expected;
	uint32_t n = 0;
	int ret;

	cr_assert_eq(tape_reader__open(path, &r), 0);
	cr_assert_eq(tape_reader__state(r), TAPE_OK);
	while ((ret = tape_reader__next(r, &rec)) == 1) {
		expected = record_of(n++, max, data);
		cr_assert_eq(rec.kind, expected.kind);
		cr_assert_eq(rec.len, expected.len);
		cr_assert_eq(memcmp(rec.data, expected.data, rec.len), 0);
		cr_assert_eq((uintptr_t)rec.data % 8, 0);
	}
	cr_assert_eq(ret, 0);
	cr_assert_eq(tape_reader__next(r, &rec), 0, "the end stays the end");
	*state = tape_reader__state(r);
	*offset = tape_reader__offset(r);
	tape_reader__close(r);
	free(data);
	return n;
}

static void assert_tape(const char *path, uint32_t n, uint32_t max, enum tape_state state)
{
	enum tape_state got;
	uint64_t offset;
	struct stat st;

	cr_assert_eq(read_tape(path, max, &got, &offset), n);
	cr_assert_eq(got, state);
	cr_assert_eq(stat(path, &st), 0);
	if (state == TAPE_FINISHED)
		cr_assert_eq(offset, (uint64_t)st.st_size);
}

Test(tape, what_goes_in_comes_out)
{
	static const struct {
		uint32_t n, max, flush;
	} cases[] = { { 0, 0, 0 }, { 1, 0, 0 }, { 1, 1, 0 }, { 20000, 100, 0 }, { 3000, 100, 1 },
		{ 30000, 8, 700 }, { 300, 70000, 0 }, { 50, TAPE_MAX_RECORD, 0 } };
	struct scratch s = scratch__new();

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		write_tape(s.file, cases[i].n, cases[i].max, cases[i].flush);
		assert_tape(s.file, cases[i].n, cases[i].max, TAPE_FINISHED);
	}
	scratch__free(&s);
}

Test(tape, the_longest_record_fits_and_a_longer_one_alone_is_left_out)
{
	struct scratch s = scratch__new();
	unsigned char *data = calloc(1, TAPE_MAX_RECORD + 1);
	struct record longest = { REC_HOST, TAPE_MAX_RECORD, data }, rec;
	struct record longer = { REC_HOST, TAPE_MAX_RECORD + 1, data };
	struct record absurd = { REC_HOST, UINT32_MAX, data };
	struct tape_writer *w;
	struct tape_reader *r;

	cr_assert_eq(tape_writer__open(s.file, &w), 0);
	cr_assert_eq(tape_writer__put(w, &longest), 0);
	cr_assert_eq(tape_writer__put(w, &longer), -EMSGSIZE);
	cr_assert_eq(tape_writer__put(w, &absurd), -EMSGSIZE);
	cr_assert_eq(tape_writer__put(w, &longest), 0);
	cr_assert_eq(tape_writer__close(w), 0);
	cr_assert_eq(tape_reader__open(s.file, &r), 0);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(tape_reader__next(r, &rec), 1);
		cr_assert_eq(rec.len, TAPE_MAX_RECORD);
	}
	cr_assert_eq(tape_reader__next(r, &rec), 0);
	cr_assert_eq(tape_reader__state(r), TAPE_FINISHED);
	tape_reader__close(r);
	free(data);
	scratch__free(&s);
}

Test(tape, the_layout_is_the_published_one)
{
	static const unsigned char layout[] = {
		'R', 'A', 'M', 'T', 'A', 'P', 'E', '\n', 1, 0, 0, 0, 1, 0, 0, 0,
		'R', 'B', 'L', 'K', 32, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0,
		9, 0, 0, 0, 2, 0, 0, 0, '{', '}', 0, 0, 0, 0, 0, 0,
		2, 0, 0, 0, 8, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8,
		'R', 'E', 'N', 'D', 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
	};
	struct record end = { REC_END, 2, "{}" }, release = { REC_RELEASE, 8, "\1\2\3\4\5\6\7\10" };
	struct scratch s = scratch__new();
	struct tape_writer *w;
	size_t len;
	char *got;

	cr_assert_eq(tape_writer__open(s.file, &w), 0);
	tape_writer__put(w, &end);
	tape_writer__put(w, &release);
	cr_assert_eq(tape_writer__close(w), 0);
	got = scratch_read(s.file, &len);
	cr_assert_eq(len, sizeof(layout));
	cr_assert(got[24] || got[25] || got[26] || got[27], "the checksum");
	memset(got + 24, 0, 4);
	cr_assert_eq(memcmp(got, layout, len), 0);
	free(got);
	scratch__free(&s);
}

Test(tape, a_flush_makes_a_running_tape_readable)
{
	struct scratch s = scratch__new();
	struct tape_writer *w;

	cr_assert_eq(tape_writer__open(s.file, &w), 0);
	assert_tape(s.file, 0, 100, TAPE_TRUNCATED);
	for (uint32_t i = 0; i < 50; i++)
		put(w, i, 100);
	assert_tape(s.file, 0, 100, TAPE_TRUNCATED);
	cr_assert_eq(tape_writer__flush(w), 0);
	assert_tape(s.file, 50, 100, TAPE_TRUNCATED);
	cr_assert_eq(tape_writer__flush(w), 0);
	assert_tape(s.file, 50, 100, TAPE_TRUNCATED);
	cr_assert_eq(tape_writer__close(w), 0);
	assert_tape(s.file, 50, 100, TAPE_FINISHED);
	scratch__free(&s);
}

Test(tape, cut_at_any_byte_it_gives_the_blocks_before_the_cut)
{
	struct scratch s = scratch__new();
	uint32_t n, last = 0;
	struct tape_reader *r;
	enum tape_state state;
	uint64_t offset;
	size_t len;
	char *whole;

	write_tape(s.file, 12, 40, 3);
	whole = scratch_read(s.file, &len);
	cr_assert(len > 300 && len < 1000);
	for (size_t cut = 0; cut < len; cut++) {
		scratch_write(s.file, whole, cut);
		if (cut < FILE_HEAD) {
			cr_assert_eq(tape_reader__open(s.file, &r), -EBADMSG);
			continue;
		}
		n = read_tape(s.file, 40, &state, &offset);
		cr_assert_eq(state, TAPE_TRUNCATED);
		cr_assert_leq(offset, cut);
		cr_assert(n >= last && n % 3 == 0 && n <= 12);
		last = n;
	}
	cr_assert_eq(last, 12);
	free(whole);
	scratch__free(&s);
}

Test(tape, with_any_byte_changed_it_gives_what_came_before_and_says_so)
{
	struct scratch s = scratch__new();
	unsigned int corrupt = 0, truncated = 0;
	struct tape_reader *r;
	enum tape_state state;
	uint64_t offset;
	size_t len;
	char *whole;
	int err;

	write_tape(s.file, 9, 40, 3);
	whole = scratch_read(s.file, &len);
	for (size_t at = 0; at < len; at++)
		for (int flip = 1; flip < 256; flip = flip < 128 ? 2 * flip : flip + 127) {
			whole[at] ^= (char)flip;
			scratch_write(s.file, whole, len);
			whole[at] ^= (char)flip;
			err = tape_reader__open(s.file, &r);
			if (at < 8)
				cr_assert_eq(err, -EBADMSG);
			else if (at < 12)
				cr_assert(err == -EPROTONOSUPPORT || err == -EBADMSG);
			else
				cr_assert_eq(err, 0);
			if (err)
				continue;
			tape_reader__close(r);
			cr_assert_leq(read_tape(s.file, 40, &state, &offset), 9);
			cr_assert((state == TAPE_FINISHED) == (at < FILE_HEAD), "byte %zu", at);
			cr_assert(state == TAPE_FINISHED || offset <= at);
			corrupt += state == TAPE_CORRUPT;
			truncated += state == TAPE_TRUNCATED;
		}
	cr_assert_gt(corrupt, 8 * truncated);
	free(whole);
	scratch__free(&s);
}

/* A block whose checksum is right and whose inside is not: made, not damaged. */
static void write_forged(const char *path, const uint32_t *payload, uint32_t bytes,
	uint32_t records)
{
	uint32_t file[4 + 4 + 6 + 4] = { 0, 0, 1, 0, 0x4b4c4252, bytes, 0, records };

	memcpy(file, "RAMTAPE\n", 8);
	memcpy(file + 8, payload, bytes);
	file[6] = (uint32_t)crc32(0, (const void *)payload, bytes);
	memcpy((char *)(file + 8) + bytes, "REND", 4);
	scratch_write(path, file, FILE_HEAD + BLOCK_HEAD + bytes + BLOCK_HEAD);
}

Test(tape, lengths_and_counts_that_do_not_fit_a_block_are_corruption)
{
	static const struct {
		uint32_t payload[6], bytes, records, n;
		enum tape_state state;
	} cases[] = {
		{ { 1, 8, 5, 6 }, 16, 1, 1, TAPE_FINISHED },
		{ { 1, 8, 5, 6 }, 16, 0, 0, TAPE_CORRUPT },
		{ { 1, 8, 5, 6 }, 16, 2, 0, TAPE_CORRUPT },
		{ { 1, 0, 5, 0 }, 16, 2, 2, TAPE_FINISHED },
		{ { 1, 0, 5, 0 }, 16, 1, 0, TAPE_CORRUPT },
		{ { 1, 9, 5, 6 }, 16, 1, 0, TAPE_CORRUPT },
		{ { 1, 16, 5, 6 }, 16, 1, 0, TAPE_CORRUPT },
		{ { 1, UINT32_MAX, 5, 6 }, 16, 1, 0, TAPE_CORRUPT },
		{ { 1, UINT32_MAX - 7, 5, 6 }, 16, 1, 0, TAPE_CORRUPT },
		{ { 1, 8, 5, 6, 2, 1 }, 24, 2, 0, TAPE_CORRUPT },
		{ { 1, 8, 5, 6, 2, 0 }, 24, 2, 2, TAPE_FINISHED },
		{ { 1, 3, 5, 6, 2, 0 }, 24, 2, 2, TAPE_FINISHED },
	};
	struct scratch s = scratch__new();
	struct tape_reader *r;
	struct record rec;
	uint32_t n;

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		write_forged(s.file, cases[i].payload, cases[i].bytes, cases[i].records);
		cr_assert_eq(tape_reader__open(s.file, &r), 0);
		for (n = 0; tape_reader__next(r, &rec) == 1; n++)
			;
		cr_assert_eq(n, cases[i].n, "case %zu: %u", i, n);
		cr_assert_eq(tape_reader__state(r), cases[i].state, "case %zu", i);
		tape_reader__close(r);
	}
	scratch__free(&s);
}

#ifndef __has_feature /* how clang tells */
#define __has_feature(feature) 0
#endif

Test(tape, a_block_that_claims_to_be_huge_is_corrupt_and_takes_no_memory)
{
	static const uint32_t claims[] = { 0, 4, 12, TAPE_MAX_BLOCK + 8, 1u << 31, UINT32_MAX - 7 };
	struct rlimit limit = { 256 << 20, 256 << 20 };
	struct scratch s = scratch__new();
	uint32_t file[2 + 2 + 4 + 1000] = { 0, 0, 1, 0, 0x4b4c4252, 0, 0, 1 };

#if !defined(__SANITIZE_ADDRESS__) && !__has_feature(address_sanitizer)
	cr_assert_eq(setrlimit(RLIMIT_DATA, &limit), 0);
#endif
	(void)limit;
	memcpy(file, "RAMTAPE\n", 8);
	for (size_t i = 0; i < sizeof(claims) / sizeof(*claims); i++) {
		file[5] = claims[i];
		scratch_write(s.file, file, sizeof(file));
		assert_tape(s.file, 0, 8, TAPE_CORRUPT);
	}
	scratch__free(&s);
}

Test(tape, noise_behind_the_head_is_corrupt)
{
	struct prng rng = { 3 };
	struct scratch s = scratch__new();
	unsigned char file[4096] = "RAMTAPE\n\1";
	enum tape_state state;
	uint64_t offset;

	for (int i = 0; i < 500; i++) {
		for (size_t k = FILE_HEAD; k < sizeof(file); k++)
			file[k] = (unsigned char)prng__next(&rng);
		scratch_write(s.file, file, FILE_HEAD + BLOCK_HEAD + prng__below(&rng, 4000));
		cr_assert_eq(read_tape(s.file, 8, &state, &offset), 0);
		cr_assert_eq(state, TAPE_CORRUPT);
		cr_assert_eq(offset, FILE_HEAD);
	}
	scratch__free(&s);
}

Test(tape, what_is_not_a_tape_or_from_a_newer_version_is_told_apart)
{
	struct scratch s = scratch__new();
	char file[20] = "RAMTAPE\n\2\0\0\0\0\0\0\0";
	struct tape_reader *r;

	scratch_write(s.file, "", 0);
	cr_assert_eq(tape_reader__open(s.file, &r), -EBADMSG);
	scratch_write(s.file, "RAMTAPE", 7);
	cr_assert_eq(tape_reader__open(s.file, &r), -EBADMSG);
	cr_assert_eq(tape_reader__open("/proc/self/exe", &r), -EBADMSG);
	cr_assert_eq(tape_reader__open("/dev/null", &r), -EBADMSG);
	cr_assert_eq(tape_reader__open(s.dir, &r), -EISDIR);
	scratch_write(s.file, file, 16);
	cr_assert_eq(tape_reader__open(s.file, &r), -EPROTONOSUPPORT);
	file[8] = 0; /* there was no version 0 */
	scratch_write(s.file, file, 16);
	cr_assert_eq(tape_reader__open(s.file, &r), -EBADMSG);
	unlink(s.file);
	cr_assert_eq(tape_reader__open(s.file, &r), -ENOENT);
	tape_reader__close(NULL);
	scratch__free(&s);
}

Test(tape, it_is_private_and_not_written_through_a_symlink)
{
	struct scratch s = scratch__new();
	struct tape_writer *w;
	char link[320], *got;
	struct stat st;
	size_t len;

	umask(0);
	write_tape(s.file, 1000, 100, 0);
	write_tape(s.file, 3, 100, 0); /* over it */
	assert_tape(s.file, 3, 100, TAPE_FINISHED);
	cr_assert_eq(stat(s.file, &st), 0);
	cr_assert_eq(st.st_mode & 07777, 0600);

	scratch_write(s.file, "precious", 8);
	snprintf(link, sizeof(link), "%s/link", s.dir);
	cr_assert_eq(symlink(s.file, link), 0);
	cr_assert_eq(tape_writer__open(link, &w), -ELOOP);
	got = scratch_read(s.file, &len);
	cr_assert_str_eq(got, "precious");
	free(got);
	scratch__free(&s);
}

/* Linux has no small disk for everybody, but a limit on a file's size tears a block as well. */
Test(tape, a_disk_that_fills_leaves_whole_blocks)
{
	struct rlimit limit = { 150000, 150000 };
	struct scratch s = scratch__new();
	enum tape_state state;
	struct tape_writer *w;
	uint64_t offset;
	struct stat st;
	uint32_t i = 0, n;
	int err = 0;

	signal(SIGXFSZ, SIG_IGN);
	cr_assert_eq(tape_writer__open(s.file, &w), 0);
	cr_assert_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	while (!err && i < 100000)
		err = put(w, i++, 100);
	cr_assert_eq(err, -EFBIG);
	cr_assert_eq(put(w, i, 100), -EFBIG);
	cr_assert_eq(tape_writer__flush(w), -EFBIG);
	cr_assert_eq(tape_writer__close(w), -EFBIG);
	cr_assert_eq(stat(s.file, &st), 0);
	cr_assert(st.st_size > 2 * 60000 && st.st_size < 150000);
	n = read_tape(s.file, 100, &state, &offset);
	cr_assert(n > 1500 && n < i);
	cr_assert_eq(state, TAPE_TRUNCATED);
	cr_assert_eq(offset, (uint64_t)st.st_size, "no torn block");
	scratch__free(&s);
}

Test(tape, a_device_may_be_written_and_a_full_one_is_an_error)
{
	struct tape_writer *w = NULL;

	cr_assert_eq(tape_writer__open("/dev/full", &w), -ENOSPC);
	cr_assert_null(w);
	cr_assert_eq(tape_writer__open("/dev/null", &w), 0);
	for (uint32_t i = 0; i < 5000; i++)
		cr_assert_eq(put(w, i, 100), 0);
	cr_assert_eq(tape_writer__close(w), 0);
	cr_assert_eq(tape_writer__close(NULL), 0);
}

Test(tape, through_a_fifo_it_is_finished_too)
{
	struct scratch s = scratch__new();
	enum tape_state state;
	uint64_t offset;
	int status;
	pid_t pid;

	cr_assert_eq(mkfifo(s.file, 0600), 0);
	pid = fork();
	if (!pid) {
		write_tape(s.file, 5000, 200, 0);
		_exit(0);
	}
	cr_assert_eq(read_tape(s.file, 200, &state, &offset), 5000);
	cr_assert_eq(state, TAPE_FINISHED);
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	scratch__free(&s);
}

Test(tape, a_reader_that_goes_away_ends_the_recording)
{
	struct scratch s = scratch__new();
	struct tape_writer *w;
	int fd, err = 0;

	signal(SIGPIPE, SIG_IGN);
	cr_assert_eq(mkfifo(s.file, 0600), 0);
	fd = open(s.file, O_RDONLY | O_NONBLOCK);
	cr_assert_eq(tape_writer__open(s.file, &w), 0);
	close(fd);
	for (uint32_t i = 0; i < 5000 && !err; i++)
		err = put(w, i, 100);
	cr_assert_eq(err, -EPIPE);
	cr_assert_eq(tape_writer__close(w), -EPIPE);
	scratch__free(&s);
}
