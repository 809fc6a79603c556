/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tape.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include "io.h"

static const char file_magic[] = "RAMTAPE\n";

enum {
	BLOCK_MAGIC = 0x4b4c4252, /* "RBLK" */
	END_MAGIC = 0x444e4552,	  /* "REND" */
	FILE_FINISHED = 1 << 0,
	USUAL_BLOCK = 64 << 10, /* bytes of payload after which a block is written */
};

/* All little-endian. */
struct file_head {
	char magic[8];
	uint32_t version;
	uint32_t flags;
};

struct block_head {
	uint32_t magic;
	uint32_t bytes;
	uint32_t crc32;
	uint32_t records;
};

struct record_head {
	uint32_t kind;
	uint32_t len;
};

static size_t padded(size_t len)
{
	return (len + 7) & ~(size_t)7;
}

static uint32_t checksum(const void *payload, size_t len)
{
	return (uint32_t)crc32(0, payload, (uInt)len);
}

/* --- writing ---------------------------------------------------------------------------------- */

/* The buffer has the next block as it will be in the file: head, payload. */
struct tape_writer {
	int fd;
	int err;
	bool regular;
	off_t good; /* bytes of the file up to the last whole block */
	uint32_t records;
	size_t len, size;
	unsigned char *buf;
};

/* Bytes that stay: all of them, or the file is as it was before. */
static int tape_writer__append(struct tape_writer *w, const void *data, size_t len)
{
	w->err = io_write(w->fd, data, len);
	if (!w->err) {
		w->good += (off_t)len;
		return 0;
	}
	if (w->regular && ftruncate(w->fd, w->good))
		return w->err; /* a reader will find the torn block by itself */
	return w->err;
}

int tape_writer__open(const char *path, struct tape_writer **out)
{
	struct file_head head = { .version = htole32(TAPE_VERSION) };
	struct tape_writer *w = calloc(1, sizeof(*w));
	struct stat st;
	int err = -ENOMEM;

	if (!w)
		return err;
	w->fd = -1;
	w->len = sizeof(struct block_head);
	w->size = sizeof(struct block_head) + USUAL_BLOCK;
	w->buf = malloc(w->size);
	if (!w->buf)
		goto out;
	err = w->fd = io_create(path);
	if (err < 0)
		goto out;
	w->regular = !fstat(w->fd, &st) && S_ISREG(st.st_mode);
	memcpy(head.magic, file_magic, sizeof(head.magic));
	err = tape_writer__append(w, &head, sizeof(head));
out:
	if (err < 0) {
		if (w->fd >= 0)
			close(w->fd);
		free(w->buf);
		free(w);
		return err;
	}
	*out = w;
	return 0;
}

int tape_writer__flush(struct tape_writer *w)
{
	size_t bytes = w->len - sizeof(struct block_head);
	unsigned char *payload = w->buf + sizeof(struct block_head);
	struct block_head head = {
		.magic = htole32(BLOCK_MAGIC),
		.bytes = htole32((uint32_t)bytes),
		.records = htole32(w->records),
	};
	int err;

	if (w->err || !w->records)
		return w->err;
	head.crc32 = htole32(checksum(payload, bytes));
	memcpy(w->buf, &head, sizeof(head));
	err = tape_writer__append(w, w->buf, w->len);
	w->len = sizeof(head);
	w->records = 0;
	return err;
}

static int tape_writer__make_room(struct tape_writer *w, size_t len)
{
	unsigned char *buf;
	int err = tape_writer__flush(w);

	if (err || len <= w->size - w->len)
		return err;
	buf = realloc(w->buf, w->len + len);
	if (!buf)
		return -ENOMEM;
	w->buf = buf;
	w->size = w->len + len;
	return 0;
}

int tape_writer__put(void *writer, const struct record *rec)
{
	struct tape_writer *w = writer;
	struct record_head head = { .kind = htole32(rec->kind), .len = htole32(rec->len) };
	size_t room = sizeof(struct block_head) + USUAL_BLOCK;
	size_t len = sizeof(head) + padded(rec->len);
	unsigned char *p;
	int err;

	if (w->err)
		return w->err;
	if (rec->len > TAPE_MAX_RECORD)
		return -EMSGSIZE;
	if (w->len + len > room) { /* what one long record needed once is not used for more */
		err = tape_writer__make_room(w, len);
		if (err)
			return err;
	}
	p = w->buf + w->len;
	memset(p + len - 8, 0, 8); /* the padding, which the data may overwrite */
	memcpy(p, &head, sizeof(head));
	if (rec->len)
		memcpy(p + sizeof(head), rec->data, rec->len);
	w->len += len;
	w->records++;
	return 0;
}

static int tape_writer__finish(struct tape_writer *w)
{
	struct block_head end = { .magic = htole32(END_MAGIC) };
	uint32_t flags = htole32(FILE_FINISHED);
	int err = tape_writer__flush(w);

	if (!err)
		err = tape_writer__append(w, &end, sizeof(end));
	if (!err && w->regular &&
	    pwrite(w->fd, &flags, sizeof(flags), offsetof(struct file_head, flags)) < 0)
		err = -errno;
	return err;
}

int tape_writer__close(struct tape_writer *w)
{
	int err;

	if (!w)
		return 0;
	err = tape_writer__finish(w);
	if (close(w->fd) && !err && errno != EINTR)
		err = -errno;
	free(w->buf);
	free(w);
	return err;
}

/* --- reading ---------------------------------------------------------------------------------- */

struct tape_reader {
	int fd;
	enum tape_state state;
	uint64_t offset;
	size_t at, len; /* in the payload of the present block, which has been checked */
	size_t size;
	unsigned char *payload;
};

int tape_reader__open(const char *path, struct tape_reader **out)
{
	struct file_head head;
	struct tape_reader *r = calloc(1, sizeof(*r));
	ssize_t n;
	int err;

	if (!r)
		return -ENOMEM;
	r->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (r->fd < 0) {
		err = -errno;
		goto out;
	}
	n = io_read(r->fd, &head, sizeof(head));
	if (n < 0)
		err = (int)n;
	else if ((size_t)n < sizeof(head) || memcmp(head.magic, file_magic, sizeof(head.magic)) ||
		 !head.version)
		err = -EBADMSG;
	else if (le32toh(head.version) > TAPE_VERSION)
		err = -EPROTONOSUPPORT;
	else
		err = 0;
out:
	if (err) {
		tape_reader__close(r);
		return err;
	}
	r->offset = sizeof(head);
	*out = r;
	return 0;
}

void tape_reader__close(struct tape_reader *r)
{
	if (!r)
		return;
	if (r->fd >= 0)
		close(r->fd);
	free(r->payload);
	free(r);
}

static int tape_reader__reserve(struct tape_reader *r, size_t size)
{
	unsigned char *payload;

	if (size <= r->size)
		return 0;
	payload = realloc(r->payload, size);
	if (!payload) {
		r->state = TAPE_TRUNCATED;
		return -ENOMEM;
	}
	r->payload = payload;
	r->size = size;
	return 0;
}

/* The records fill the payload exactly, and there are as many as the head says. */
static bool is_whole(const unsigned char *payload, size_t bytes, uint32_t records)
{
	struct record_head head;
	size_t at = 0;

	while (bytes - at >= sizeof(head)) {
		memcpy(&head, payload + at, sizeof(head));
		at += sizeof(head);
		if (le32toh(head.len) > bytes - at)
			return false;
		at += padded(le32toh(head.len)); /* stays within: bytes is a multiple of 8 */
		if (!records--)
			return false;
	}
	return at == bytes && !records;
}

/* Reads `len` bytes. 0: the state says why not. */
static int tape_reader__read(struct tape_reader *r, void *data, size_t len)
{
	ssize_t n = io_read(r->fd, data, len);

	if (n == (ssize_t)len)
		return 1;
	r->state = TAPE_TRUNCATED; /* for us, where a read failed too: the place is lost */
	return n < 0 ? (int)n : 0;
}

/* 1: the payload of the next block is there. 0: the state says why not. */
static int tape_reader__block(struct tape_reader *r)
{
	struct block_head head;
	uint32_t bytes, magic;
	int ret = tape_reader__read(r, &head, sizeof(head));

	if (ret <= 0)
		return ret;
	magic = le32toh(head.magic);
	bytes = le32toh(head.bytes);
	if (magic == END_MAGIC && !bytes && !head.crc32 && !head.records) {
		r->state = TAPE_FINISHED;
		r->offset += sizeof(head);
		return 0;
	}
	if (magic != BLOCK_MAGIC || !bytes || bytes % 8 || bytes > TAPE_MAX_BLOCK) {
		r->state = TAPE_CORRUPT;
		return 0;
	}
	ret = tape_reader__reserve(r, bytes);
	if (!ret)
		ret = tape_reader__read(r, r->payload, bytes);
	if (ret <= 0)
		return ret;
	if (checksum(r->payload, bytes) != le32toh(head.crc32) ||
	    !is_whole(r->payload, bytes, le32toh(head.records))) {
		r->state = TAPE_CORRUPT;
		return 0;
	}
	r->offset += sizeof(head) + bytes;
	r->at = 0;
	r->len = bytes;
	return 1;
}

int tape_reader__next(struct tape_reader *r, struct record *rec)
{
	struct record_head head;
	int ret;

	if (r->at == r->len) {
		if (r->state != TAPE_OK)
			return 0;
		ret = tape_reader__block(r);
		if (ret <= 0)
			return ret;
	}
	memcpy(&head, r->payload + r->at, sizeof(head));
	rec->kind = (enum record_kind)le32toh(head.kind);
	rec->len = le32toh(head.len);
	rec->data = r->payload + r->at + sizeof(head);
	r->at += sizeof(head) + padded(rec->len);
	return 1;
}

enum tape_state tape_reader__state(const struct tape_reader *r)
{
	return r->state;
}

uint64_t tape_reader__offset(const struct tape_reader *r)
{
	return r->offset;
}
