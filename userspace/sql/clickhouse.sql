-- SPDX-License-Identifier: GPL-2.0-or-later
-- Logs of many hosts (--format jsonl, also .gz and .zst) as tables, where they lie; for ClickHouse: those of the
-- working directory of clickhouse-local, or of user_files of a server. See duckdb.sql for what is in them.
-- For many questions, keep what they say, once the views are there:
--
--     CREATE TABLE kept ENGINE = Memory AS SELECT * FROM lines; CREATE OR REPLACE VIEW lines AS SELECT * FROM kept;

CREATE OR REPLACE VIEW lines AS
SELECT *, _path AS log FROM file('*.jsonl*', 'JSONEachRow', '
	type Nullable(String), host Nullable(String), run Nullable(Int64), pid Nullable(Int64), start_ns Nullable(Int64),
	role Nullable(String), time_ns Nullable(Int64),

	run_id Nullable(String), boot_id Nullable(String), kernel Nullable(String), version Nullable(String),
	cpus Nullable(Int64), realtime_offset_ns Nullable(Int64),
	clock Tuple(synchronised Nullable(Bool), estimate_ns Nullable(Int64), most_ns Nullable(Int64), read_ns Nullable(Int64)),
	runs Array(Tuple(run Nullable(Int64), host Nullable(String), run_id Nullable(String), boot_id Nullable(String),
		kernel Nullable(String), version Nullable(String), cpus Nullable(Int64), start_ns Nullable(Int64),
		realtime_offset_ns Nullable(Int64))),

	seq Nullable(Int64), late_ns Nullable(Int64), tid Nullable(Int64), label Nullable(String), function Nullable(String),
	spec Nullable(Int64), when Nullable(String), rss Nullable(Int64), anon Nullable(Int64), file Nullable(Int64),
	shmem Nullable(Int64), swap Nullable(Int64), delta Nullable(Int64), total Nullable(Int64), exact Nullable(Bool),
	extra Nullable(Bool), inherited Nullable(Bool), unwound Nullable(Bool), open Nullable(Bool), gc Nullable(Int64),

	since_ns Nullable(Int64), count Nullable(Int64),

	ppid Nullable(Int64), born_ns Nullable(Int64), end_ns Nullable(Int64), comm Nullable(String), cmdline Nullable(String),
	state Nullable(String), oom Nullable(Bool), attached Nullable(Bool), borrowed Nullable(Bool), rows Nullable(Int64),
	baseline Nullable(String), lost Nullable(Int64),
	first Tuple(rss Nullable(Int64)),
	last Tuple(rss Nullable(Int64), anon Nullable(Int64), file Nullable(Int64), shmem Nullable(Int64), swap Nullable(Int64)),
	peak Tuple(rss Nullable(Int64), anon Nullable(Int64), file Nullable(Int64), shmem Nullable(Int64), swap Nullable(Int64),
		time_ns Nullable(Int64)),

	rows_inexact Nullable(Int64), processes Nullable(Int64), loss Map(String, Int64),
	clocks Tuple(runs Array(Tuple(run Nullable(Int64), state Nullable(String), estimate_ns Nullable(Int64),
		most_ns Nullable(Int64), moved_ns Nullable(Int64)))),
	end Tuple(time_ns Nullable(Int64), reason Nullable(String), realtime_offset_ns Nullable(Int64),
		clock Tuple(synchronised Nullable(Bool), estimate_ns Nullable(Int64), most_ns Nullable(Int64), read_ns Nullable(Int64)))
')
SETTINGS input_format_allow_errors_num = 1000000, input_format_allow_errors_ratio = 1;

-- Of each log, what its lines need.
CREATE OR REPLACE VIEW headers AS
SELECT log, any(CASE WHEN type = 'header' THEN host END) AS host, any(CASE WHEN type = 'header' THEN run_id END) AS run_id,
	any(CASE WHEN type = 'header' THEN realtime_offset_ns END) AS offset_ns,
	any(CASE WHEN type = 'summary' THEN end.time_ns END) AS over_ns
FROM lines WHERE type = 'header' OR type = 'summary' GROUP BY log;

CREATE OR REPLACE VIEW summary AS
SELECT l.log AS log, coalesce(h.host, l.log) AS host, h.run_id AS run_id, l.rows AS rows, l.rows_inexact AS rows_inexact,
	l.processes AS processes, l.end.reason AS ended, l.end.time_ns AS end_ns,
	fromUnixTimestamp64Nano(l.end.time_ns + h.offset_ns) AS end_at, l.loss AS loss, l.clocks.runs AS clocks,
	l.end.realtime_offset_ns AS end_offset_ns, l.end.clock AS end_clock
FROM lines AS l LEFT JOIN headers AS h ON l.log = h.log WHERE l.type = 'summary';

CREATE OR REPLACE VIEW hosts AS
SELECT log, run, host, run_id, boot_id, kernel, version, cpus, start_ns,
	fromUnixTimestamp64Nano(start_ns + realtime_offset_ns) AS started, ended,
	multiIf(run > 0, coalesce(m.state, 'unknown'),
		c.read_ns IS NULL, 'unknown',
		abs(moved) > c.read_ns + e.read_ns, 'set',
		c.synchronised AND coalesce(e.synchronised, true), 'synchronised',
		'unsynchronised') AS clock,
	if(run > 0, m.estimate_ns, greatest(coalesce(c.estimate_ns + c.read_ns, e.estimate_ns + e.read_ns),
		coalesce(e.estimate_ns + e.read_ns, c.estimate_ns + c.read_ns))) AS clock_estimate_ns,
	if(run > 0, m.most_ns, greatest(coalesce(c.most_ns + c.read_ns, e.most_ns + e.read_ns),
		coalesce(e.most_ns + e.read_ns, c.most_ns + c.read_ns))) AS clock_most_ns,
	multiIf(run > 0, m.moved_ns, abs(moved) > c.read_ns + e.read_ns, moved, 0) AS clock_moved_ns
FROM (
	SELECT t.log AS log, t.r.run AS run, t.r.host AS host, t.r.run_id AS run_id, t.r.boot_id AS boot_id,
		t.r.kernel AS kernel, t.r.version AS version, t.r.cpus AS cpus, t.r.start_ns AS start_ns,
		t.r.realtime_offset_ns AS realtime_offset_ns, s.ended AS ended,
		s.end_offset_ns - t.r.realtime_offset_ns AS moved, t.clock AS c, s.end_clock AS e,
		arrayFilter(x -> x.run = t.r.run, s.clocks)[1] AS m
	FROM (
		SELECT log, clock, arrayJoin(if(empty(runs), [tuple(0, host, run_id, boot_id, kernel, version, cpus, start_ns,
			realtime_offset_ns)::Tuple(run Nullable(Int64), host Nullable(String), run_id Nullable(String),
			boot_id Nullable(String), kernel Nullable(String), version Nullable(String), cpus Nullable(Int64),
			start_ns Nullable(Int64), realtime_offset_ns Nullable(Int64))], runs)) AS r
		FROM lines WHERE type = 'header'
	) AS t LEFT JOIN summary AS s ON t.log = s.log
) AS joined;

CREATE OR REPLACE VIEW rows AS
SELECT l.log AS log, coalesce(l.run, 0) AS run, coalesce(l.host, h.host, l.log) AS host, h.run_id AS run_id, l.seq AS seq,
	l.time_ns + h.offset_ns AS real_ns, fromUnixTimestamp64Nano(l.time_ns + h.offset_ns) AS at, l.time_ns AS time_ns,
	l.late_ns AS late_ns, l.pid AS pid, l.start_ns AS start_ns, l.tid AS tid, l.role AS role,
	replaceRegexpAll(l.role, '[0-9]+', '*') AS kind, l.label AS label, l.function AS function, l.spec AS spec,
	l.when AS edge, l.rss AS rss, l.anon AS anon, l.file AS file, l.shmem AS shmem, l.swap AS swap, l.delta AS delta,
	l.total AS total, l.exact AS exact, l.baseline = 'true' AS baseline, l.extra AS extra, l.inherited AS inherited,
	l.unwound AS unwound, l.borrowed AS borrowed, l.open AS open, l.gc AS gc
FROM lines AS l LEFT JOIN headers AS h ON l.log = h.log WHERE l.type = 'checkpoint';

CREATE OR REPLACE VIEW processes AS
SELECT l.log AS log, coalesce(l.run, 0) AS run, coalesce(l.host, h.host, l.log) AS host, h.run_id AS run_id, l.pid AS pid,
	l.ppid AS ppid, l.start_ns AS start_ns, l.born_ns + h.offset_ns AS born_real_ns,
	fromUnixTimestamp64Nano(l.born_ns + h.offset_ns) AS born, coalesce(l.end_ns, h.over_ns) + h.offset_ns AS until_real_ns,
	fromUnixTimestamp64Nano(l.end_ns + h.offset_ns) AS ended, l.role AS role,
	replaceRegexpAll(l.role, '[0-9]+', '*') AS kind, l.comm AS comm, l.cmdline AS cmdline, l.state AS state, l.oom AS oom,
	l.attached AS attached, l.borrowed AS borrowed, l.rows AS rows, toInt64OrNull(l.baseline) AS baseline, l.lost AS lost,
	l.first.rss AS first_rss, l.last.rss AS last_rss, l.last.anon AS last_anon, l.last.file AS last_file,
	l.last.shmem AS last_shmem, l.last.swap AS last_swap, l.peak.rss AS peak_rss, l.peak.anon AS peak_anon,
	l.peak.file AS peak_file, l.peak.shmem AS peak_shmem, l.peak.time_ns + h.offset_ns AS peak_real_ns
FROM lines AS l LEFT JOIN headers AS h ON l.log = h.log WHERE l.type = 'process';

CREATE OR REPLACE VIEW losses AS
SELECT log, host, run_id, entry.1 AS reason, entry.2 AS lost
FROM (SELECT log, host, run_id, arrayJoin(CAST(loss, 'Array(Tuple(String, Int64))')) AS entry FROM summary) AS s
WHERE entry.2 > 0;

CREATE OR REPLACE VIEW gaps AS
SELECT l.log AS log, coalesce(l.run, 0) AS run, coalesce(l.host, h.host, l.log) AS host, h.run_id AS run_id, l.pid AS pid,
	l.start_ns AS start_ns, l.role AS role, l.since_ns AS since_ns, l.time_ns + h.offset_ns AS real_ns,
	fromUnixTimestamp64Nano(l.time_ns + h.offset_ns) AS at, l.count AS lost
FROM lines AS l LEFT JOIN headers AS h ON l.log = h.log WHERE l.type = 'loss';
