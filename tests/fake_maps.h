/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Maps, and a ring buffer for one event at a time, for a .bpf.h that is compiled into a test. */
#ifndef FAKE_MAPS_H
#define FAKE_MAPS_H

#include <linux/bpf.h>
#include "fake_memory.h"

#define SEC(name)
#define __uint(name, value) int (*name)[value]
#define __type(name, value) typeof(value) *name

enum {
	FAKE_MAPS = 8,
	FAKE_ENTRIES = 256,
	FAKE_KEY = 8,
	FAKE_VALUE = 16,
};

struct fake_entry {
	_Alignas(8) u8 key[FAKE_KEY];
	_Alignas(8) u8 value[FAKE_VALUE];
	bool used;
};

static struct fake_map {
	const void *map;
	struct fake_entry entries[FAKE_ENTRIES];
} fake_maps[FAKE_MAPS];

static inline struct fake_map *fake_map(const void *map)
{
	size_t i = 0;

	while (i + 1 < FAKE_MAPS && fake_maps[i].map && fake_maps[i].map != map)
		i++;
	fake_maps[i].map = map;
	return &fake_maps[i];
}

static inline struct fake_entry *fake_entry(const void *map, const void *key, size_t len)
{
	struct fake_map *m = fake_map(map);

	for (size_t i = 0; i < FAKE_ENTRIES; i++)
		if (m->entries[i].used && !memcmp(m->entries[i].key, key, len))
			return &m->entries[i];
	return NULL;
}

static inline void *fake_lookup(const void *map, const void *key, size_t len)
{
	struct fake_entry *e = fake_entry(map, key, len);

	return e ? e->value : NULL;
}

static inline long fake_update(const void *map, const void *key, size_t len, const void *value,
	size_t value_len, u64 flags)
{
	struct fake_entry *e = fake_entry(map, key, len);
	struct fake_map *m = fake_map(map);

	if (e && flags == BPF_NOEXIST)
		return -17;
	for (size_t i = 0; !e && i < FAKE_ENTRIES; i++)
		if (!m->entries[i].used)
			e = &m->entries[i];
	if (!e)
		return -7;
	e->used = true;
	memcpy(e->key, key, len);
	memcpy(e->value, value, value_len);
	return 0;
}

static inline long fake_delete(const void *map, const void *key, size_t len)
{
	struct fake_entry *e = fake_entry(map, key, len);

	if (!e)
		return -2;
	e->used = false;
	return 0;
}

#define bpf_map_lookup_elem(m, k) ((typeof((m)->value))fake_lookup(m, k, sizeof(*(m)->key)))
#define bpf_map_update_elem(m, k, v, flags) \
	fake_update(m, k, sizeof(*(m)->key), v, sizeof(*(m)->value), flags)
#define bpf_map_delete_elem(m, k) fake_delete(m, k, sizeof(*(m)->key))

/* What ring.bpf.h has. */
#define RING_BPF_H

static struct fake_ring {
	u8 event[2048];
	u32 sent;
	bool full;
} ring;

static u64 fake_losses[RT_LOSS_MAX];

struct mm_state;

static inline void count_loss(u32 which)
{
	fake_losses[which]++;
}

static inline void event_header(struct rt_hdr *h, u16 kind, u16 len, struct mm_state *st)
{
	*h = (struct rt_hdr){.kind = kind, .len = len};
}

#define bpf_ringbuf_reserve(map, len, flags) ((void *)((map)->full ? NULL : (map)->event))
#define bpf_ringbuf_submit(ev, flags)	     ((void)(ev), ring.sent++)
#define bpf_get_current_pid_tgid()	     (42ULL << 32 | 43)
#define bpf_ktime_get_ns()		     1000ULL
#define BPF_CORE_READ(...)		     77ULL

#endif
