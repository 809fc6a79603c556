/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * USDT probes, as SystemTap's sys/sdt.h leaves them in notes of the name "stapsdt", type 3:
 *
 *	u64 address of the nop | u64 address of .stapsdt.base at link time | u64 semaphore or 0
 *	"provider\0" "name\0" "arguments\0"
 *
 * prelink and some linkers move a file's sections without touching notes. How far they moved is
 * what .stapsdt.base differs from its recorded address; all three addresses move together.
 */
#include "elf.h"

#include <errno.h>
#include <fnmatch.h>
#include <string.h>

#include "elf_internal.h"

#define NT_STAPSDT 3

struct question {
	const char *provider, *name;
	elf_usdt_fn *fn;
	void *ctx;
	bool has_base;
	uint64_t base;
	int count;
};

static int on_note(const struct elf_file *elf, struct question *q, const char *desc, size_t len)
{
	const char *provider, *name, *args, *end = desc + len;
	struct elf_usdt usdt = { 0 };
	uint64_t v[3], moved = 0;
	int64_t offset;
	int err;

	if (len < sizeof(v))
		return 0;
	memcpy(v, desc, sizeof(v));
	provider = desc + sizeof(v);
	name = memchr(provider, '\0', end - provider);
	if (!name++)
		return 0;
	args = memchr(name, '\0', end - name);
	if (!args++)
		return 0;
	if (fnmatch(q->provider, provider, 0) || fnmatch(q->name, name, 0))
		return 0;
	if (q->has_base)
		moved = q->base - v[1];
	offset = elf__offset(elf, v[0] + moved);
	if (offset < 0 || !elf__segment(elf, v[0] + moved)->exec)
		return 0;
	usdt = (struct elf_usdt){
		.provider = provider,
		.name = name,
		.addr = v[0] + moved,
		.offset = offset,
		.args = memchr(args, '\0', end - args) ? args : "",
	};
	if (v[2]) {
		offset = elf__offset(elf, v[2] + moved);
		/* Without its counter the probe would never fire: the program looks at it. */
		if (offset <= 0)
			return 0;
		usdt.semaphore = offset;
	}
	err = q->fn(q->ctx, &usdt);
	if (err < 0)
		return err;
	q->count++;
	return 0;
}

static int each_note(const struct elf_file *elf, struct question *q, Elf_Scn *scn)
{
	size_t off = 0, name_off, desc_off;
	Elf_Data *data;
	GElf_Nhdr nh;
	int err;

	data = elf_getdata(scn, NULL);
	if (!data || !data->d_buf)
		return -ENOEXEC;
	while ((off = gelf_getnote(data, off, &nh, &name_off, &desc_off))) {
		if (nh.n_type != NT_STAPSDT || nh.n_namesz != sizeof("stapsdt") ||
			memcmp((char *)data->d_buf + name_off, "stapsdt", sizeof("stapsdt")))
			continue;
		err = on_note(elf, q, (char *)data->d_buf + desc_off, nh.n_descsz);
		if (err < 0)
			return err;
	}
	return 0;
}

int elf__usdts(struct elf_file *elf, const char *provider, const char *name, elf_usdt_fn *fn,
	void *ctx)
{
	struct question q = { .provider = provider, .name = name, .fn = fn, .ctx = ctx };
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	int err;

	if (elf_image__section(&elf->image, NULL, SHT_PROGBITS, ".stapsdt.base", &sh)) {
		q.has_base = true;
		q.base = sh.sh_addr;
	}
	while ((scn = elf_image__section(&elf->image, scn, SHT_NOTE, ".note.stapsdt", &sh))) {
		if (sh.sh_size > ELF_MAX_NOTES)
			return -ENOEXEC;
		if (!sh.sh_size)
			continue;
		err = each_note(elf, &q, scn);
		if (err < 0)
			return err;
	}
	return q.count;
}
