-- SPDX-License-Identifier: GPL-2.0-or-later
-- Logs of many hosts (--format jsonl, also .gz and .zst) as tables, where they lie; for DuckDB. Those of
-- the working directory, unless told before:
--
--     SET VARIABLE logs = '/shared/run-7/*.jsonl*';
--
-- Each question reads all of them. For many questions, keep what they say, once the views are there:
--
--     CREATE TABLE kept AS FROM lines; CREATE OR REPLACE VIEW lines AS FROM kept;
--
-- The views are those of clickhouse.sql, and questions.sql is for both. Bytes and nanoseconds are
-- signed, so that differences can be taken. `log` is the file that a line is from: with `run` (0
-- but in logs that were merged) it tells hosts of one name apart. A process is (log, run, pid,
-- start_ns); between two execs it is one program, and each of these has a line in `processes`. A line that
-- is not JSON, the last of a run that was killed, is passed over; then `ended` of its host is NULL.

CREATE OR REPLACE VIEW lines AS
SELECT * FROM read_json(coalesce(getvariable('logs'), '*.jsonl*'), format = 'newline_delimited', filename = 'log',
	ignore_errors = true, columns = {
	type: 'VARCHAR', host: 'VARCHAR', run: 'BIGINT', pid: 'BIGINT', start_ns: 'BIGINT', role: 'VARCHAR',
	time_ns: 'BIGINT',
	-- header
	run_id: 'VARCHAR', boot_id: 'VARCHAR', kernel: 'VARCHAR', version: 'VARCHAR', cpus: 'BIGINT',
	realtime_offset_ns: 'BIGINT',
	clock: 'STRUCT(synchronised BOOLEAN, estimate_ns BIGINT, most_ns BIGINT, read_ns BIGINT)',
	runs: 'STRUCT(run BIGINT, host VARCHAR, run_id VARCHAR, boot_id VARCHAR, kernel VARCHAR,
		version VARCHAR, cpus BIGINT, start_ns BIGINT, realtime_offset_ns BIGINT)[]',
	-- checkpoint
	seq: 'BIGINT', late_ns: 'BIGINT', tid: 'BIGINT', label: 'VARCHAR', function: 'VARCHAR', spec: 'BIGINT',
	"when": 'VARCHAR', rss: 'BIGINT', anon: 'BIGINT', file: 'BIGINT', shmem: 'BIGINT', swap: 'BIGINT',
	delta: 'BIGINT', total: 'BIGINT', exact: 'BOOLEAN', extra: 'BOOLEAN', inherited: 'BOOLEAN',
	unwound: 'BOOLEAN', open: 'BOOLEAN', gc: 'BIGINT',
	-- loss
	since_ns: 'BIGINT', count: 'BIGINT',
	-- process; baseline is a flag of a checkpoint too
	ppid: 'BIGINT', born_ns: 'BIGINT', end_ns: 'BIGINT', comm: 'VARCHAR', cmdline: 'VARCHAR', state: 'VARCHAR',
	oom: 'BOOLEAN', attached: 'BOOLEAN', borrowed: 'BOOLEAN', rows: 'BIGINT', baseline: 'VARCHAR', lost: 'BIGINT',
	first: 'STRUCT(rss BIGINT)',
	last: 'STRUCT(rss BIGINT, anon BIGINT, file BIGINT, shmem BIGINT, swap BIGINT)',
	peak: 'STRUCT(rss BIGINT, anon BIGINT, file BIGINT, shmem BIGINT, swap BIGINT, time_ns BIGINT)',
	-- summary
	rows_inexact: 'BIGINT', processes: 'BIGINT', loss: 'MAP(VARCHAR, BIGINT)',
	clocks: 'STRUCT(runs STRUCT(run BIGINT, state VARCHAR, estimate_ns BIGINT, most_ns BIGINT, moved_ns BIGINT)[])',
	"end": 'STRUCT(time_ns BIGINT, reason VARCHAR, realtime_offset_ns BIGINT,
		clock STRUCT(synchronised BOOLEAN, estimate_ns BIGINT, most_ns BIGINT, read_ns BIGINT))'
});

-- Of each log, what its lines need.
CREATE OR REPLACE VIEW headers AS
SELECT log, any_value(CASE WHEN type = 'header' THEN host END) AS host, any_value(CASE WHEN type = 'header' THEN run_id END) AS run_id,
	any_value(CASE WHEN type = 'header' THEN realtime_offset_ns END) AS offset_ns,
	any_value(CASE WHEN type = 'summary' THEN "end".time_ns END) AS over_ns
FROM lines WHERE type = 'header' OR type = 'summary' GROUP BY log;

CREATE OR REPLACE VIEW summary AS
SELECT l.log, coalesce(h.host, l.log) AS host, h.run_id, l.rows, l.rows_inexact, l.processes,
	l."end".reason AS ended, l."end".time_ns AS end_ns, make_timestamp_ns(l."end".time_ns + h.offset_ns) AS end_at,
	l.loss, l.clocks.runs AS clocks, l."end".realtime_offset_ns AS end_offset_ns, l."end".clock AS end_clock
FROM lines l LEFT JOIN headers h ON l.log = h.log WHERE l.type = 'summary';

-- One line for each host; of a log that was merged, for each of its recordings. `clock`: whether its times
-- can be compared with those of others, within clock_most_ns.
CREATE OR REPLACE VIEW hosts AS
WITH recorded AS (
	SELECT log, clock, unnest(coalesce(runs, [{'run': 0, 'host': host, 'run_id': run_id, 'boot_id': boot_id,
		'kernel': kernel, 'version': version, 'cpus': cpus, 'start_ns': start_ns,
		'realtime_offset_ns': realtime_offset_ns}])) AS r
	FROM lines WHERE type = 'header'
), joined AS (
	SELECT r.*, recorded.log, s.ended, s.rows, s.processes, s.end_offset_ns - r.realtime_offset_ns AS moved,
		clock AS c, s.end_clock AS e, list_filter(s.clocks, lambda x: x.run = r.run)[1] AS m
	FROM recorded LEFT JOIN summary s ON recorded.log = s.log
)
SELECT log, run, host, run_id, boot_id, kernel, version, cpus, start_ns,
	make_timestamp_ns(start_ns + realtime_offset_ns) AS started, ended,
	CASE WHEN run > 0 THEN coalesce(m.state, 'unknown')
		WHEN c IS NULL THEN 'unknown'
		WHEN abs(moved) > c.read_ns + e.read_ns THEN 'set'
		WHEN c.synchronised AND coalesce(e.synchronised, true) THEN 'synchronised'
		ELSE 'unsynchronised' END AS clock,
	CASE WHEN run > 0 THEN m.estimate_ns
		ELSE greatest(c.estimate_ns + c.read_ns, e.estimate_ns + e.read_ns) END AS clock_estimate_ns,
	CASE WHEN run > 0 THEN m.most_ns ELSE greatest(c.most_ns + c.read_ns, e.most_ns + e.read_ns) END AS clock_most_ns,
	CASE WHEN run > 0 THEN m.moved_ns WHEN abs(moved) > c.read_ns + e.read_ns THEN moved ELSE 0 END AS clock_moved_ns
FROM joined;

CREATE OR REPLACE VIEW rows AS
SELECT l.log, coalesce(l.run, 0) AS run, coalesce(l.host, h.host, l.log) AS host, h.run_id, l.seq,
	l.time_ns + h.offset_ns AS real_ns, make_timestamp_ns(l.time_ns + h.offset_ns) AS at, l.time_ns, l.late_ns,
	l.pid, l.start_ns, l.tid, l.role, regexp_replace(l.role, '[0-9]+', '*', 'g') AS kind, l.label, l.function,
	l.spec, l."when" AS edge, l.rss, l.anon, l.file, l.shmem, l.swap, l.delta, l.total, l.exact,
	l.baseline = 'true' AS baseline, l.extra, l.inherited, l.unwound, l.borrowed, l.open, l.gc
FROM lines l LEFT JOIN headers h ON l.log = h.log WHERE l.type = 'checkpoint';

-- until_ns: when it was last seen, which is the end of the log where it went on.
CREATE OR REPLACE VIEW processes AS
SELECT l.log, coalesce(l.run, 0) AS run, coalesce(l.host, h.host, l.log) AS host, h.run_id, l.pid, l.ppid, l.start_ns,
	l.born_ns + h.offset_ns AS born_real_ns, make_timestamp_ns(l.born_ns + h.offset_ns) AS born,
	coalesce(l.end_ns, h.over_ns) + h.offset_ns AS until_real_ns, make_timestamp_ns(l.end_ns + h.offset_ns) AS ended,
	l.role, regexp_replace(l.role, '[0-9]+', '*', 'g') AS kind, l.comm, l.cmdline, l.state, l.oom, l.attached,
	l.borrowed, l.rows, CAST(l.baseline AS BIGINT) AS baseline, l.lost, l.first.rss AS first_rss,
	l.last.rss AS last_rss, l.last.anon AS last_anon, l.last.file AS last_file, l.last.shmem AS last_shmem,
	l.last.swap AS last_swap, l.peak.rss AS peak_rss, l.peak.anon AS peak_anon, l.peak.file AS peak_file,
	l.peak.shmem AS peak_shmem, l.peak.time_ns + h.offset_ns AS peak_real_ns
FROM lines l LEFT JOIN headers h ON l.log = h.log WHERE l.type = 'process';

-- What was missed in each log, by reason.
CREATE OR REPLACE VIEW losses AS
SELECT log, host, run_id, entry.key AS reason, entry.value AS lost
FROM (SELECT log, host, run_id, unnest(map_entries(loss)) AS entry FROM summary) AS s WHERE entry.value > 0;

-- And where: events of a process between two of its rows.
CREATE OR REPLACE VIEW gaps AS
SELECT l.log, coalesce(l.run, 0) AS run, coalesce(l.host, h.host, l.log) AS host, h.run_id, l.pid, l.start_ns, l.role,
	l.since_ns, l.time_ns + h.offset_ns AS real_ns, make_timestamp_ns(l.time_ns + h.offset_ns) AS at, l.count AS lost
FROM lines l LEFT JOIN headers h ON l.log = h.log WHERE l.type = 'loss';
