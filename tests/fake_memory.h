/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The memory of a process that is not there, and what a .bpf.h needs to read it when it is compiled
 * into a test. Addresses are not those of the test: whoever forgets bpf_probe_read_user crashes.
 */
#ifndef FAKE_MEMORY_H
#define FAKE_MEMORY_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <linux/types.h>

typedef __u8 u8;
typedef __u16 u16;
typedef __u32 u32;
typedef __u64 u64;
typedef __s32 s32;
typedef __s64 s64;

#undef __always_inline
#define __always_inline	  inline __attribute__((always_inline))
#define __noinline	  __attribute__((noinline))
#define barrier_var(var)  __asm__ volatile("" : "+r"(var))
#define FAKE_BASE	  0x7f4200000000ULL
#define FAKE_BYTES	  (4UL << 20)
#define FAKE_FAULTS	  8

/* A page that is swapped out: any read that touches it fails. */
struct fake_fault {
	u64 at;
	u64 len;
};

static struct fake_memory {
	u8 bytes[FAKE_BYTES];
	u64 used;
	u64 reads;
	struct fake_fault faults[FAKE_FAULTS];
	size_t n_faults;
} memory;

static inline u8 *fake_at(u64 addr, u64 len)
{
	u64 at = addr - FAKE_BASE;

	if (addr < FAKE_BASE || at > FAKE_BYTES || len > FAKE_BYTES - at)
		return NULL;
	return memory.bytes + at;
}

static inline u64 fake_alloc(u64 len)
{
	u64 addr = FAKE_BASE + memory.used;

	memory.used += (len + 15) & ~15ULL;
	if (memory.used > FAKE_BYTES)
		abort();
	return addr;
}

static inline void fake_put(u64 addr, const void *data, u64 len)
{
	u8 *to = fake_at(addr, len);

	if (!to)
		abort();
	memcpy(to, data, len);
}

static inline void fake_put64(u64 addr, u64 value)
{
	fake_put(addr, &value, sizeof(value));
}

static inline void fake_put32(u64 addr, u32 value)
{
	fake_put(addr, &value, sizeof(value));
}

static inline u64 fake_get64(u64 addr)
{
	u64 value;

	memcpy(&value, fake_at(addr, sizeof(value)), sizeof(value));
	return value;
}

static inline void fake_fault(u64 addr, u64 len)
{
	memory.faults[memory.n_faults++] = (struct fake_fault){.at = addr, .len = len};
}

static inline void fake_heal(void)
{
	memory.n_faults = 0;
}

static inline long fake_read(void *to, u32 len, u64 addr)
{
	const u8 *from = fake_at(addr, len);

	memory.reads++;
	for (size_t i = 0; i < memory.n_faults; i++) {
		const struct fake_fault *f = &memory.faults[i];

		if (addr < f->at + f->len && f->at < addr + len)
			from = NULL;
	}
	if (!from) {
		memset(to, 0, len); /* as the helper does */
		return -14;
	}
	memcpy(to, from, len);
	return 0;
}

#define bpf_probe_read_user(to, len, from) fake_read(to, len, (u64)(from))

/* The callbacks take a pointer to whatever they work on: the helper gives it as it gets it. */
#define bpf_loop(n, step, ctx, flags)                            \
	({                                                       \
		u32 turn = 0;                                    \
		while (turn < (u32)(n) && !step(turn++, ctx))    \
			;                                        \
		(long)turn;                                      \
	})

#endif
