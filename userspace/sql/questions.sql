-- SPDX-License-Identifier: GPL-2.0-or-later
-- Questions to the logs of many hosts, each a view, in SQL that DuckDB and ClickHouse both have; read duckdb.sql
-- or clickhouse.sql before. Of n values in order, p50 is the first with half of them not above it, p95
-- likewise; so both are values that were measured, and the same by either engine.

-- Which rank grew most?
--     SELECT * FROM ranks ORDER BY grew DESC LIMIT 5
CREATE OR REPLACE VIEW ranks AS
SELECT host, role, pid, last_rss - first_rss AS grew, first_rss, last_rss, peak_rss, state, log, run
FROM processes
WHERE NOT borrowed AND state <> 'exec' AND first_rss IS NOT NULL;

-- How much does each label take, over all hosts? A first row of a process has nothing to be compared with.
--     SELECT * FROM labels ORDER BY p50 DESC LIMIT 5
CREATE OR REPLACE VIEW labels AS
SELECT label, max(n) AS times, count(DISTINCT host) AS hosts, min(delta) AS least,
	min(CASE WHEN place * 2 >= n THEN delta END) AS p50, min(CASE WHEN place * 100 >= n * 95 THEN delta END) AS p95,
	max(delta) AS most, max(CASE WHEN place = n THEN host END) AS most_on
FROM (
	SELECT label, host, delta, row_number() OVER (PARTITION BY label ORDER BY delta, host) AS place,
		count(*) OVER (PARTITION BY label) AS n
	FROM rows WHERE NOT baseline
) AS placed
GROUP BY label;

-- Which hosts are unlike the others? What a label took in all processes of a kind, in sum over the host, against
-- the host in the middle (usual): farther from it than 1 MiB and five times what half of the hosts are (spread).
--     SELECT * FROM deviations ORDER BY abs(grew - usual) DESC LIMIT 5
CREATE OR REPLACE VIEW deviations AS
SELECT label, kind, host, times, grew, usual, spread, n AS hosts
FROM (
	SELECT label, kind, host, times, grew, usual, n,
		min(CASE WHEN nearness * 2 >= n THEN abs(grew - usual) END) OVER (PARTITION BY label, kind) AS spread
	FROM (
		SELECT label, kind, host, times, grew, usual, n,
			row_number() OVER (PARTITION BY label, kind ORDER BY abs(grew - usual)) AS nearness
		FROM (
			SELECT label, kind, host, times, grew, n,
				min(CASE WHEN place * 2 >= n THEN grew END) OVER (PARTITION BY label, kind) AS usual
			FROM (
				SELECT label, kind, host, times, grew,
					row_number() OVER (PARTITION BY label, kind ORDER BY grew) AS place,
					count(*) OVER (PARTITION BY label, kind) AS n
				FROM (
					SELECT label, kind, host, sum(delta) AS grew, count(*) AS times
					FROM rows WHERE NOT baseline GROUP BY label, kind, host
				) AS sums
			) AS placed
		) AS middles
	) AS near
) AS spreads
WHERE abs(grew - usual) > 5 * spread AND abs(grew - usual) > 1048576;

-- How high does each role get? Numbers in a role are ranks: Worker_TP0 and Worker_TP1 are of the kind Worker_TP*.
--     SELECT * FROM roles ORDER BY most DESC
CREATE OR REPLACE VIEW roles AS
SELECT kind, max(n) AS programs, count(DISTINCT host) AS hosts,
	min(CASE WHEN place * 2 >= n THEN peak_rss END) AS p50, min(CASE WHEN place * 100 >= n * 95 THEN peak_rss END) AS p95,
	max(peak_rss) AS most, max(CASE WHEN place = n THEN host END) AS most_on
FROM (
	SELECT kind, host, peak_rss, row_number() OVER (PARTITION BY kind ORDER BY peak_rss, host) AS place,
		count(*) OVER (PARTITION BY kind) AS n
	FROM processes WHERE NOT borrowed AND peak_rss IS NOT NULL
) AS placed
GROUP BY kind;

-- What did all hosts have together, second by second (of the Unix clock, those in which something was seen)? A process has
-- what its row before said (--step gives more of these), and at its start, its peak and its end what was measured then.
--     SELECT * FROM timeline ORDER BY second
CREATE OR REPLACE VIEW points AS
SELECT log, run, pid, start_ns, real_ns, 0 AS place, rss FROM rows WHERE NOT borrowed AND real_ns IS NOT NULL
UNION ALL
SELECT log, run, pid, start_ns,
	CASE WHEN which.place = 1 THEN peak_real_ns WHEN which.place = 2 THEN born_real_ns ELSE until_real_ns END AS real_ns,
	which.place AS place,
	CASE WHEN which.place = 1 THEN peak_rss WHEN which.place = 2 THEN first_rss ELSE 0 END AS rss
FROM processes CROSS JOIN (SELECT 1 AS place UNION ALL SELECT 2 AS place UNION ALL SELECT 3 AS place) AS which
WHERE NOT borrowed AND first_rss IS NOT NULL AND until_real_ns > born_real_ns
	AND (which.place < 3 OR state <> 'exec');

CREATE OR REPLACE VIEW timeline AS
SELECT second, max(total) AS most, max(CASE WHEN place = n THEN total END) AS at_end
FROM (
	SELECT second, total, row_number() OVER (PARTITION BY second ORDER BY real_ns) AS place,
		count(*) OVER (PARTITION BY second) AS n
	FROM (
		SELECT real_ns, CAST((real_ns - real_ns % 1000000000) / 1000000000 AS BIGINT) AS second,
			sum(step) OVER (ORDER BY real_ns ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS total
		FROM (
			SELECT real_ns, sum(step) AS step
			FROM (
				SELECT real_ns, rss - coalesce(max(rss) OVER (PARTITION BY log, run, pid, start_ns
					ORDER BY real_ns, place ROWS BETWEEN 1 PRECEDING AND 1 PRECEDING), 0) AS step
				FROM points
			) AS steps
			GROUP BY real_ns
		) AS moments
	) AS running
) AS placed
GROUP BY second;

-- What was lost, and which hosts have no end?
--     SELECT * FROM losses ORDER BY lost DESC
--     SELECT host, log FROM hosts WHERE ended IS NULL
