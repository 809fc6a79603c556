/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "elf.h"

#include <errno.h>
#include <elfutils/libdwelf.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "elf_internal.h"

#if defined(__x86_64__)
#define NATIVE_MACHINE EM_X86_64
#elif defined(__aarch64__)
#define NATIVE_MACHINE EM_AARCH64
#else
#error "uprobes are placed on x86-64 and AArch64 only"
#endif

#define SONAME_LIMIT 256

/*
 * The file is read, not mapped: a file that shrinks while it is mapped kills whoever looks at it,
 * and a mapping of a large library counts as resident memory of this tool.
 */
static int open_regular(int dir, const char *path, uint64_t *size)
{
	struct stat st;
	int fd, err;

	/* O_NONBLOCK: the name may lead to a fifo. */
	fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st)) {
		err = -errno;
		close(fd);
		return err;
	}
	if (!S_ISREG(st.st_mode)) {
		close(fd);
		return -ENOEXEC;
	}
	*size = st.st_size;
	return fd;
}

int elf__open_below(const char *root, const char *path)
{
	struct open_how how = {
		.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int dir, fd, err;

	dir = open(*root ? root : "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return -errno;
	fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	err = fd < 0 ? -errno : 0;
	if (err == -ENOSYS && !*root) {
		fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
		err = fd < 0 ? -errno : 0;
	}
	close(dir);
	return err ? err : fd;
}

int elf_image__init(struct elf_image *img, int fd, char *mem, uint64_t size, const char **why)
{
	GElf_Ehdr eh;
	size_t n;

	*img = (struct elf_image){ .fd = fd, .mem = mem, .size = size };
	*why = "not an ELF file";
	if (elf_version(EV_CURRENT) == EV_NONE)
		return -ENOTSUP;
	img->elf = mem ? elf_memory(mem, size) : elf_begin(fd, ELF_C_READ, NULL);
	if (!img->elf || elf_kind(img->elf) != ELF_K_ELF)
		return -ENOEXEC;
	if (!gelf_getehdr(img->elf, &eh)) {
		*why = "its ELF header is damaged";
		return -ENOEXEC;
	}
	/* The same byte order too: x86-64 and AArch64 with BPF are little-endian, as are we. */
	if (eh.e_ident[EI_CLASS] != ELFCLASS64 || eh.e_ident[EI_DATA] != ELFDATA2LSB ||
		eh.e_machine != NATIVE_MACHINE) {
		*why = "made for another machine";
		return -ENOTSUP;
	}
	if (elf_getshdrnum(img->elf, &n) || n > ELF_MAX_SECTIONS) {
		*why = "its section headers are damaged";
		return -ENOEXEC;
	}
	return 0;
}

void elf_image__close(struct elf_image *img)
{
	elf_end(img->elf);
	free(img->mem);
	if (img->fd >= 0)
		close(img->fd);
	*img = (struct elf_image){ .fd = -1 };
}

int elf_image__read(const struct elf_image *img, uint64_t off, void *buf, size_t len)
{
	char *to = buf;
	ssize_t n;

	if (off > img->size || len > img->size - off)
		return -ENOEXEC;
	if (img->mem) {
		memcpy(buf, img->mem + off, len);
		return 0;
	}
	while (len) {
		n = pread(img->fd, to, len, off);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (!n)
			return -ENOEXEC; /* it has been cut since it was opened */
		to += n;
		off += n;
		len -= n;
	}
	return 0;
}

/* Compares in place, so that no table of names is loaded only for this. */
static bool section_is_named(const struct elf_image *img, const GElf_Shdr *shdr, const char *name)
{
	size_t strndx, len = strlen(name) + 1;
	GElf_Shdr str;
	char buf[64];

	if (len > sizeof(buf) || elf_getshdrstrndx(img->elf, &strndx) ||
		!gelf_getshdr(elf_getscn(img->elf, strndx), &str) || str.sh_type != SHT_STRTAB)
		return false;
	if (shdr->sh_name > str.sh_size || len > str.sh_size - shdr->sh_name ||
		str.sh_offset > UINT64_MAX - shdr->sh_name ||
		elf_image__read(img, str.sh_offset + shdr->sh_name, buf, len))
		return false;
	return !memcmp(buf, name, len);
}

Elf_Scn *elf_image__section(const struct elf_image *img, Elf_Scn *after, uint32_t type,
	const char *name, GElf_Shdr *shdr)
{
	Elf_Scn *scn = after;

	while ((scn = elf_nextscn(img->elf, scn))) {
		if (!gelf_getshdr(scn, shdr))
			return NULL;
		if (type && shdr->sh_type != type)
			continue;
		if (!name || section_is_named(img, shdr, name))
			return scn;
	}
	return NULL;
}

/* libdwelf reads whole notes into memory: refuse absurd ones before it does. */
static bool notes_are_sane(const struct elf_image *img)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh;
	GElf_Phdr ph;
	size_t n, i;

	while ((scn = elf_image__section(img, scn, SHT_NOTE, NULL, &sh)))
		if (sh.sh_size > ELF_MAX_NOTES)
			return false;
	if (elf_getphdrnum(img->elf, &n))
		return false;
	for (i = 0; i < n && gelf_getphdr(img->elf, i, &ph); i++)
		if (ph.p_type == PT_NOTE && ph.p_filesz > ELF_MAX_NOTES)
			return false;
	return true;
}

char *elf_image__build_id(const struct elf_image *img)
{
	const void *bytes;
	ssize_t n, i;
	char *hex;

	if (!notes_are_sane(img))
		return NULL;
	n = dwelf_elf_gnu_build_id(img->elf, &bytes);
	if (n <= 0 || n > 64)
		return NULL;
	hex = malloc(2 * n + 1);
	if (!hex)
		return NULL;
	for (i = 0; i < n; i++)
		sprintf(hex + 2 * i, "%02x", ((const uint8_t *)bytes)[i]);
	return hex;
}

static int read_segments(struct elf_file *elf, const char **why)
{
	const struct elf_image *img = &elf->image;
	struct elf_segment *s;
	GElf_Phdr ph;
	size_t n, i;

	*why = "its program headers are damaged";
	if (elf_getphdrnum(img->elf, &n) || n > UINT16_MAX)
		return -ENOEXEC;
	for (i = 0; i < n; i++) {
		if (!gelf_getphdr(img->elf, i, &ph))
			return -ENOEXEC;
		if (ph.p_type == PT_GNU_EH_FRAME)
			elf->eh_frame_hdr = ph.p_vaddr;
		if (ph.p_type != PT_LOAD || !ph.p_filesz)
			continue;
		if (ph.p_offset > img->size || ph.p_filesz > img->size - ph.p_offset ||
			ph.p_vaddr > UINT64_MAX - ph.p_filesz || elf->n_segs == ELF_MAX_SEGMENTS)
			return -ENOEXEC;
		s = &elf->seg[elf->n_segs++];
		*s = (struct elf_segment){
			.vaddr = ph.p_vaddr,
			.offset = ph.p_offset,
			.filesz = ph.p_filesz,
			.exec = ph.p_flags & PF_X,
		};
	}
	if (!elf->n_segs) {
		*why = "it has no loadable segment";
		return -ENOEXEC;
	}
	return 0;
}

/* Once: each call of a function that is followed asks whether it leads there. */
static void find_stubs(struct elf_file *elf)
{
	static const char *const names[ELF_PLTS] = { ".plt", ".plt.sec", ".plt.got" };
	GElf_Shdr sh;

	for (int i = 0; i < ELF_PLTS; i++)
		if (elf_image__section(&elf->image, NULL, SHT_PROGBITS, names[i], &sh))
			elf->plt[i] = (struct elf_stubs){ sh.sh_addr, sh.sh_size };
}

/* NULL where there is none, and where .dynamic is damaged: the name is only shown. */
static char *read_soname(const struct elf_image *img)
{
	char name[SONAME_LIMIT] = "";
	GElf_Shdr dyn, str;
	uint64_t i, off;
	Elf64_Dyn d;
	size_t len;

	if (!elf_image__section(img, NULL, SHT_DYNAMIC, NULL, &dyn) ||
		!gelf_getshdr(elf_getscn(img->elf, dyn.sh_link), &str))
		return NULL;
	if (dyn.sh_size > ELF_MAX_NOTES || dyn.sh_offset > img->size)
		return NULL;
	for (i = 0; i + sizeof(d) <= dyn.sh_size; i += sizeof(d)) {
		if (elf_image__read(img, dyn.sh_offset + i, &d, sizeof(d)) || d.d_tag == DT_NULL)
			return NULL;
		if (d.d_tag == DT_SONAME)
			break;
	}
	if (i + sizeof(d) > dyn.sh_size || d.d_un.d_val >= str.sh_size ||
		str.sh_offset > img->size)
		return NULL;
	off = str.sh_offset + d.d_un.d_val;
	len = str.sh_size - d.d_un.d_val;
	if (len > sizeof(name))
		len = sizeof(name);
	if (elf_image__read(img, off, name, len) || !*name || !memchr(name, 0, len))
		return NULL;
	return strdup(name);
}

int elf__open(const char *path, const char *debug_root, struct elf_file **out, const char **why)
{
	struct elf_file *elf;
	uint64_t size = 0;
	GElf_Ehdr eh;
	int err;

	*out = NULL;
	*why = "out of memory";
	elf = calloc(1, sizeof(*elf));
	if (!elf)
		return -ENOMEM;
	elf->image.fd = -1;
	elf->debug_root = strdup(debug_root ? debug_root : "");
	if (!elf->debug_root) {
		err = -ENOMEM;
		goto out;
	}
	err = open_regular(AT_FDCWD, path, &size);
	if (err < 0) {
		*why = err == -ENOEXEC ? "not a regular file" : "it cannot be opened";
		goto out;
	}
	err = elf_image__init(&elf->image, err, NULL, size, why);
	if (err)
		goto out;
	if (!gelf_getehdr(elf->image.elf, &eh) || (eh.e_type != ET_EXEC && eh.e_type != ET_DYN)) {
		*why = "neither a program nor a shared library";
		err = -ENOEXEC;
		goto out;
	}
	err = read_segments(elf, why);
	if (err)
		goto out;
	find_stubs(elf);
	elf->build_id = elf_image__build_id(&elf->image);
	elf->soname = read_soname(&elf->image);
	*why = NULL;
	*out = elf;
	return 0;
out:
	elf__close(elf);
	return err;
}

void elf__close(struct elf_file *elf)
{
	if (!elf)
		return;
	elf_symbols__free(elf->symbols);
	elf_debug_frame__free(elf->debug_frame);
	elf_image__close(&elf->image);
	free(elf->build_id);
	free(elf->soname);
	free(elf->debug_root);
	free(elf);
}

const char *elf__build_id(const struct elf_file *elf)
{
	return elf->build_id;
}

const char *elf__soname(const struct elf_file *elf)
{
	return elf->soname;
}

const struct elf_segment *elf__segment(const struct elf_file *elf, uint64_t addr)
{
	for (size_t i = 0; i < elf->n_segs; i++)
		if (addr >= elf->seg[i].vaddr && addr - elf->seg[i].vaddr < elf->seg[i].filesz)
			return &elf->seg[i];
	return NULL;
}

bool elf__in_plt(const struct elf_file *elf, uint64_t addr)
{
	for (int i = 0; i < ELF_PLTS; i++)
		if (addr >= elf->plt[i].addr && addr - elf->plt[i].addr < elf->plt[i].size)
			return true;
	return false;
}

/* Where the symbol lies that a relocation puts into a slot. */
static uint64_t relocated(const struct elf_file *elf, uint64_t slot)
{
	Elf_Scn *scn = NULL;
	GElf_Shdr sh, dyn;
	GElf_Rela rela;
	GElf_Sym sym;

	while ((scn = elf_image__section(&elf->image, scn, SHT_RELA, NULL, &sh))) {
		Elf_Scn *syms = elf_getscn(elf->image.elf, sh.sh_link);
		Elf_Data *data = elf_getdata(scn, NULL), *table = elf_getdata(syms, NULL);
		int n = sh.sh_entsize ? sh.sh_size / sh.sh_entsize : 0;

		if (!data || !table || !gelf_getshdr(syms, &dyn) || dyn.sh_type != SHT_DYNSYM)
			continue;
		for (int i = 0; i < n && gelf_getrela(data, i, &rela); i++)
			if (rela.r_offset == slot &&
				gelf_getsym(table, GELF_R_SYM(rela.r_info), &sym))
				return sym.st_value;
	}
	return 0;
}

uint64_t elf__plt_target(const struct elf_file *elf, uint64_t addr)
{
	static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };
	uint8_t code[16] = { 0 };
	size_t at = 0;
	int32_t rel;

	if (!elf__in_plt(elf, addr) || elf__code(elf, addr, code, sizeof(code)) < 0)
		return 0;
	if (!memcmp(code, endbr64, sizeof(endbr64)))
		at = sizeof(endbr64);
	at += code[at] == 0xf2; /* bnd */
	if (code[at] != 0xff || code[at + 1] != 0x25)
		return 0;
	memcpy(&rel, code + at + 2, sizeof(rel));
	return relocated(elf, addr + at + 6 + rel);
}

int64_t elf__offset(const struct elf_file *elf, uint64_t addr)
{
	const struct elf_segment *s = elf__segment(elf, addr);

	return s ? (int64_t)(addr - s->vaddr + s->offset) : -ENOENT;
}

ssize_t elf__code(const struct elf_file *elf, uint64_t addr, void *buf, size_t len)
{
	const struct elf_segment *s = elf__segment(elf, addr);
	uint64_t left;
	int err;

	if (!s)
		return -ENOENT;
	left = s->filesz - (addr - s->vaddr);
	if (len > left)
		len = left;
	err = elf_image__read(&elf->image, addr - s->vaddr + s->offset, buf, len);
	return err ? err : (ssize_t)len;
}
