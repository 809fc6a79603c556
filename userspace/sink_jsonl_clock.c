/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What jsonl says of clocks: how far off they may be, and how far those of several runs differ. */
#include "sink_jsonl.h"

static void put_errors(struct jsonl *j, bool known, uint64_t estimate_ns, uint64_t most_ns)
{
	if (known) {
		put_u64(j, ",\"estimate_ns\":", estimate_ns);
		put_u64(j, ",\"most_ns\":", most_ns);
	} else {
		put_text(j, ",\"estimate_ns\":null,\"most_ns\":null");
	}
}

void jsonl_put_clock(struct jsonl *j, const struct fact_clock *c)
{
	if (!c->read_ns) {
		put_null(j, ",\"clock\":");
		return;
	}
	put_text(j, ",\"clock\":{");
	put_bool(j, "\"synchronised\":", c->synced);
	put_errors(j, c->synced, c->estimate_ns, c->most_ns);
	put_u64(j, ",\"read_ns\":", c->read_ns);
	put_i64(j, ",\"tai_s\":", c->tai_s);
	put_text(j, "}");
}

void jsonl_put_clocks(struct jsonl *j, const struct run_clocks *c)
{
	put_u64(j, ",\"clocks\":{\"distinct\":", c->clocks);
	put_u64(j, ",\"synchronised\":", c->synced);
	put_errors(j, c->synced > 1, c->estimate_ns, c->most_ns);
	put_u64(j, ",\"close_rows\":", c->close);
	put_text(j, ",\"runs\":[");
	for (size_t i = 0; i < c->n; i++) {
		const struct run_clock *r = &c->runs[i];

		put_u64(j, i ? ",{\"run\":" : "{\"run\":", i + 1);
		put_str(j, ",\"state\":", clock_state_name(r->state));
		put_u64(j, ",\"same_as\":", r->same_as + 1);
		put_errors(j, r->state == CLOCK_SYNCED, r->estimate_ns, r->most_ns);
		put_i64(j, ",\"moved_ns\":", r->moved_ns);
		put_text(j, "}");
	}
	put_text(j, "]}");
}
