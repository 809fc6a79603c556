/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What jsonl says of readings of /proc: only where there were any. */
#include "sink_jsonl.h"

#include "holdings.h"

/* The members of sums, without braces. */
static void put_sums(struct jsonl *j, const struct smaps_sums *s)
{
	put_u64(j, "\"rss\":", s->rss);
	put_u64(j, ",\"pss\":", s->pss);
	put_u64(j, ",\"private_dirty\":", s->private_dirty);
	put_u64(j, ",\"private_clean\":", s->private_clean);
	put_u64(j, ",\"shared_dirty\":", s->shared_dirty);
	put_u64(j, ",\"shared_clean\":", s->shared_clean);
	put_u64(j, ",\"anonymous\":", s->anonymous);
	put_u64(j, ",\"anon_huge\":", s->anon_huge);
	put_u64(j, ",\"swap\":", s->swap);
	put_u64(j, ",\"swap_pss\":", s->swap_pss);
	put_u64(j, ",\"hugetlb\":", s->hugetlb);
}

static void put_counters(struct jsonl *j, bool counted, bool steady, const struct rt_snapshot *c)
{
	if (counted)
		put_snapshot(j, ",\"counters\":", c);
	else
		put_null(j, ",\"counters\":");
	put_bool(j, ",\"steady\":", steady);
}

int jsonl__reading(void *ctx, const struct reading *reading)
{
	const struct fact_reading *f = reading->fact;
	struct jsonl *j = ctx;

	put_u64(j, "{\"type\":\"pss\",\"time_ns\":", reading->time_ns);
	put_u64(j, ",\"reading\":", f->number);
	put_str(j, ",\"when\":", reading_when_name(f->when));
	put_u64(j, ",\"pid\":", reading->proc->pid);
	put_u64(j, ",\"start_ns\":", reading->proc->start_ns);
	put_str(j, ",\"role\":", reading->proc->role);
	put_str(j, ",\"failed\":", f->failed);
	if (f->failed) {
		put_null(j, ",\"sums\":");
	} else {
		put_text(j, ",\"sums\":{");
		put_sums(j, &f->sums);
		put_text(j, "}");
	}
	put_counters(j, f->counted, f->steady, &f->counters);
	put_run(j, reading->proc);
	return end_line(j);
}

static void put_check(struct jsonl *j, const struct held_check *c)
{
	put_u64(j, ",\"check\":{\"compared\":", c->compared);
	put_u64(j, ",\"moved\":", c->moved);
	put_i64(j, ",\"worst\":", c->worst);
	put_i64(j, ",\"worst_anon\":", c->worst_anon);
	put_u64(j, ",\"rows\":", c->rows);
	put_i64(j, ",\"worst_row\":", c->worst_row);
	put_text(j, "}");
}

static void put_held(struct jsonl *j, const char *key, const struct held *h)
{
	put_u64(j, key, h->time_ns);
	put_u64(j, ",\"reading\":", h->number);
	put_str(j, ",\"when\":", reading_when_name(h->when));
	put_text(j, ",\"sums\":{");
	put_sums(j, &h->sums);
	put_text(j, "}");
	put_counters(j, h->counted, h->steady, &h->counters);
	put_text(j, "}");
}

static void put_maps(struct jsonl *j, const char *key, const struct held_maps *m)
{
	put_u64(j, key, m->time_ns);
	put_u64(j, ",\"reading\":", m->number);
	put_bool(j, ",\"partial\":", m->partial);
	put_u64(j, ",\"mappings\":", m->mappings);
	put_u64(j, ",\"upto\":", m->upto);
	put_u64(j, ",\"rollup_rss\":", m->rss);
	put_text(j, ",\"sums\":{");
	put_sums(j, &m->sums);
	put_text(j, "}}");
}

static void put_side(struct jsonl *j, const char *key, uint64_t mappings, const struct smaps_sums *s)
{
	put_u64(j, key, mappings);
	put_u64(j, ",\"size\":", s->size);
	put_text(j, ",");
	put_sums(j, s);
	put_text(j, "}");
}

static void put_group(struct jsonl *j, const struct held_group *g, bool first)
{
	put_str(j, first ? "{\"kind\":" : ",{\"kind\":", smaps_kind_name(g->kind));
	put_str(j, ",\"name\":", g->name);
	put_i64(j, ",\"grown\":", (int64_t)(g->sums[1].rss - g->sums[0].rss));
	put_side(j, ",\"first\":{\"mappings\":", g->mappings[0], &g->sums[0]);
	put_side(j, ",\"last\":{\"mappings\":", g->mappings[1], &g->sums[1]);
	put_text(j, "}");
}

void jsonl_put_memory(struct jsonl *j, const struct holdings *h)
{
	put_u64(j, ",\"memory\":{\"readings\":", h->readings);
	put_u64(j, ",\"failed\":", h->failed);
	if (h->readings > h->failed) {
		put_held(j, ",\"first\":{\"time_ns\":", &h->first);
		put_held(j, ",\"last\":{\"time_ns\":", &h->last);
	} else {
		put_text(j, ",\"first\":null,\"last\":null");
	}
	put_u64(j, ",\"most_private_dirty\":", h->most_private);
	put_check(j, &h->check);
	if (!h->maps) {
		put_text(j, ",\"maps\":null}");
		return;
	}
	put_maps(j, ",\"maps\":{\"first\":{\"time_ns\":", &h->map_first);
	put_maps(j, ",\"last\":{\"time_ns\":", &h->map_last);
	put_text(j, ",\"groups\":[");
	for (size_t i = 0; i < h->n_groups; i++)
		put_group(j, &h->groups[i], i == 0);
	put_text(j, "]}}");
}

static void put_tree(struct jsonl *j, const char *key, const struct tree_reading *t)
{
	put_u64(j, key, t->time_ns);
	put_u64(j, ",\"reading\":", t->number);
	put_str(j, ",\"when\":", reading_when_name(t->when));
	put_u64(j, ",\"processes\":", t->processes);
	put_u64(j, ",\"failed\":", t->failed);
	put_text(j, ",\"sums\":{");
	put_sums(j, &t->sums);
	put_text(j, "}");
	if (t->run)
		put_u64(j, ",\"run\":", t->run);
	put_text(j, "}");
}

void jsonl_put_readings(struct jsonl *j, const struct run_summary *sum)
{
	put_text(j, ",\"pss\":[");
	for (size_t i = 0; i < sum->n_readings; i++)
		put_tree(j, i ? ",{\"time_ns\":" : "{\"time_ns\":", &sum->readings[i]);
	put_text(j, "]");
	if (sum->most)
		put_tree(j, ",\"pss_peak\":{\"time_ns\":", sum->most);
	else
		put_null(j, ",\"pss_peak\":");
	put_check(j, &sum->check);
}
