/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The facts that count: losses, hits, what tracing took. */
#include "fact_internal.h"

#include <errno.h>
#include "disasm.h"

enum {
	MAX_HITS = 4096, /* of one record */
	MAX_TRAPS = sizeof(((struct fact_counters *)0)->trap_ns) / sizeof(uint64_t),
	MAX_COSTS = sizeof(((struct fact_counters *)0)->costs) / sizeof(struct rt_cost),
	MAX_LOSS = sizeof(((struct fact_counters *)0)->loss) / sizeof(uint64_t),
};

static int encode_hit(json_t *list, const struct fact_hits *hit)
{
	json_t *obj;

	if (hit->entries > INT64_MAX || hit->returns > INT64_MAX)
		return -EOVERFLOW;
	obj = json_pack("{s:I, s:I, s:I}", "func", (json_int_t)hit->func,
		"entries", (json_int_t)hit->entries, "returns", (json_int_t)hit->returns);
	return json_array_append_new(list, obj) ? -ENOMEM : 0;
}

/* As they are in struct rt_cost. */
static int encode_cost(json_t *list, const struct rt_cost *c)
{
	const uint64_t numbers[] = {c->runs, c->sampled, c->ns, c->others, c->others_sampled, c->others_ns};
	json_t *one = json_array(), *value;
	int err = 0;

	for (size_t i = 0; one && !err && i < sizeof(numbers) / sizeof(*numbers); i++) {
		err = fact_json_u64(numbers[i], &value);
		if (!err && json_array_append_new(one, value))
			err = -ENOMEM;
	}
	if (err) {
		json_decref(one);
		return err;
	}
	return json_array_append_new(list, one) ? -ENOMEM : 0;
}

/* One array of numbers for each class; nothing where nothing ran. */
static int encode_costs(json_t *obj, const struct fact_counters *counters)
{
	size_t n = MAX_COSTS;
	json_t *list = NULL, *value;
	int err;

	while (n && !counters->costs[n - 1].runs)
		n--;
	if (n)
		list = fact_add_list(obj, "costs");
	for (size_t i = 0; i < n; i++) {
		err = list ? encode_cost(list, &counters->costs[i]) : -ENOMEM;
		if (err)
			return err;
	}
	list = counters->trap_ns[COST_EMULATED] ? fact_add_list(obj, "trap_ns") : NULL;
	for (size_t i = 0; list && i < MAX_TRAPS; i++) {
		err = fact_json_u64(counters->trap_ns[i], &value);
		if (err || json_array_append_new(list, value))
			return err ? err : -ENOMEM;
	}
	return 0;
}

int fact_counters__encode(json_t *obj, const struct fact_counters *counters, size_t *next)
{
	json_t *list = fact_add_list(obj, "loss"), *value = NULL;
	int err;

	for (size_t i = 0; i < MAX_LOSS; i++) {
		err = fact_json_u64(counters->loss[i], &value);
		if (!err && json_array_append_new(list, value))
			err = -ENOMEM;
		if (err)
			return err;
	}
	err = encode_costs(obj, counters);
	if (err)
		return err;
	list = fact_add_list(obj, "hits");
	if (!list)
		return -ENOMEM;
	for (size_t n = 0; n < MAX_HITS && *next < counters->n_hits; n++, ++*next) {
		err = encode_hit(list, &counters->hits[*next]);
		if (err)
			return err;
	}
	return 0;
}

static int decode_hit(const json_t *obj, struct fact_hits *hit)
{
	int err = fact_take_u32(json_object_get(obj, "func"), &hit->func);

	if (!err)
		err = fact_take_u64(json_object_get(obj, "entries"), &hit->entries);
	if (!err)
		err = fact_take_u64(json_object_get(obj, "returns"), &hit->returns);
	return err;
}

/* Tapes of before have only the first three. */
static int decode_cost(const json_t *list, struct rt_cost *c)
{
	uint64_t *const numbers[] = {(uint64_t *)&c->runs, (uint64_t *)&c->sampled, (uint64_t *)&c->ns,
		(uint64_t *)&c->others, (uint64_t *)&c->others_sampled, (uint64_t *)&c->others_ns};
	int err = json_array_size(list) < 3 ? -EBADMSG : 0;

	for (size_t i = 0; !err && i < json_array_size(list) && i < sizeof(numbers) / sizeof(*numbers); i++)
		err = fact_take_u64(json_array_get(list, i), numbers[i]);
	return err;
}

/* Tapes of before have none. */
static int decode_costs(const json_t *obj, struct fact_counters *counters)
{
	const json_t *list = json_object_get(obj, "costs");
	int err = 0;

	if (list && !json_is_array(list))
		return -EBADMSG;
	for (size_t i = 0; !err && i < json_array_size(list) && i < MAX_COSTS; i++) {
		err = decode_cost(json_array_get(list, i), &counters->costs[i]);
	}
	list = json_object_get(obj, "trap_ns");
	for (size_t i = 0; !err && i < json_array_size(list) && i < MAX_TRAPS; i++)
		err = fact_take_u64(json_array_get(list, i), &counters->trap_ns[i]);
	return err;
}

int fact_counters__decode(const json_t *obj, struct fact_counters *counters)
{
	const json_t *list = json_object_get(obj, "loss");
	void *hits = NULL;
	int err = 0;

	if (list && !json_is_array(list))
		return -EBADMSG;
	for (size_t i = 0; !err && i < json_array_size(list) && i < MAX_LOSS; i++)
		err = fact_take_u64(json_array_get(list, i), &counters->loss[i]);
	if (!err)
		err = decode_costs(obj, counters);
	if (err)
		return err;
	err = fact_open_list(obj, "hits", sizeof(*counters->hits), &counters->n_hits, &hits);
	counters->hits = hits;
	list = json_object_get(obj, "hits");
	for (size_t i = 0; !err && i < counters->n_hits; i++)
		err = decode_hit(json_array_get(list, i), &counters->hits[i]);
	return err;
}
