# SPDX-License-Identifier: GPL-2.0-or-later
"""The logs of 1,000 nodes in a directory, asked in SQL where they lie: DuckDB and ClickHouse (the latter as a library)
against what Python finds in the same files line by line."""

import json
import os
import pathlib
import tempfile
import time
import unittest

import chdb.session
import duckdb

import cluster
from tool import ROOT

SQL = ROOT / "userspace" / "sql"
NODES = 1000

# What each is asked for, in the order of Truth's tuples.
QUESTIONS = {
    "hosts": "log, run, host, run_id, ended, clock, clock_most_ns, clock_moved_ns FROM hosts",
    "ranks": "host, role, pid, grew, peak_rss FROM ranks",
    "labels": "label, times, hosts, least, p50, p95, most, most_on FROM labels",
    "deviations": "label, kind, host, grew, usual, spread, hosts FROM deviations",
    "roles": "kind, programs, hosts, p50, p95, most, most_on FROM roles",
    "timeline": "second, most, at_end FROM timeline",
    "losses": "log, host, reason, lost FROM losses",
    "gaps": "host, pid, since_ns, real_ns, lost FROM gaps",
}


class DuckDB:
    KEEP = "CREATE TABLE kept AS FROM lines; CREATE OR REPLACE VIEW lines AS FROM kept"

    def __init__(self, directory):
        self.db = duckdb.connect()
        self.db.execute(f"SET VARIABLE logs = '{directory}/*.jsonl*'")
        for name in ("duckdb.sql", "questions.sql"):
            self.db.execute((SQL / name).read_text())

    def keep(self):
        self.db.execute(self.KEEP)

    def ask(self, what):
        return self.db.execute(f"SELECT {what}").fetchall()

    def close(self):
        self.db.close()


class ClickHouse:
    """It reads what lies in the working directory."""

    KEEP = ("CREATE TABLE kept ENGINE = Memory AS SELECT * FROM lines; "
            "CREATE OR REPLACE VIEW lines AS SELECT * FROM kept")

    def __init__(self, directory):
        self.before = os.getcwd()
        os.chdir(directory)
        self.db = chdb.session.Session()
        for name in ("clickhouse.sql", "questions.sql"):
            self.db.query((SQL / name).read_text())

    def keep(self):
        self.db.query(self.KEEP)

    def ask(self, what):
        said = self.db.query(f"SELECT {what} SETTINGS output_format_json_quote_64bit_integers = 0",
                             "JSONCompactEachRow")
        return [tuple(json.loads(line)) for line in str(said).splitlines()]

    def close(self):
        self.db.close()
        os.chdir(self.before)


def in_order(rows):
    rows = [tuple(pathlib.Path(v).name if isinstance(v, str) and v.startswith("/") else v for v in row) for row in rows]
    return sorted(rows, key=lambda row: [(v is None, v if v is not None else 0) for v in row])


class Nodes(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.place = tempfile.TemporaryDirectory(prefix="ramtrace-")
        cls.directory = pathlib.Path(cls.place.name)
        cluster.make(cls.directory, NODES)
        cls.truth = cluster.Truth(cls.directory)

    @classmethod
    def tearDownClass(cls):
        cls.place.cleanup()

    def answer(self, engine, name):
        """Compares it, and says how long it took."""
        began = time.monotonic()
        rows = engine.ask(QUESTIONS[name])
        took = time.monotonic() - began
        with self.subTest(name):
            expected = in_order(getattr(self.truth, name)())
            self.assertGreater(len(expected), 0)
            self.assertEqual(in_order(rows), expected)
        return f"{name} {took:.2f} s"

    def all_answers(self, engine):
        size = sum(path.stat().st_size for path in self.directory.iterdir())
        lying = [self.answer(engine, name) for name in ("ranks", "labels", "timeline")]
        began = time.monotonic()
        engine.keep()
        kept = f"kept in {time.monotonic() - began:.2f} s"
        then = [self.answer(engine, name) for name in QUESTIONS]
        print(f"[----] {type(engine).__name__}, {NODES} hosts, {size >> 20} MiB: where they lie {', '.join(lying)}; "
              f"{kept}, then {', '.join(then)}")

    def by_engine(self, make):
        engine = make(self.directory)
        self.addCleanup(engine.close)
        return engine

    def test_duckdb_says_what_is_in_the_files(self):
        self.all_answers(self.by_engine(DuckDB))

    def test_clickhouse_says_the_same(self):
        self.all_answers(self.by_engine(ClickHouse))

    def test_the_rank_that_grew_most_is_the_one_that_leaks(self):
        rows = self.by_engine(DuckDB).ask("host, role, grew FROM ranks ORDER BY grew DESC LIMIT 2")
        self.assertEqual(rows[0][:2], (cluster.name_of(cluster.LEAK), "Worker_TP1"))
        self.assertGreater(rows[0][2], rows[1][2] + cluster.LEAK_BYTES // 2)

    def test_hosts_that_are_unlike_the_others_are_found_and_no_others_for_that_label(self):
        rows = self.by_engine(DuckDB).ask("host, grew - usual FROM deviations WHERE label = $$" +
                                          cluster.ODD_LABEL + "$$ AND kind = 'Worker'")
        self.assertEqual({host for host, _ in rows}, {cluster.name_of(i) for i in cluster.ODD_NODES})


if __name__ == "__main__":
    unittest.main()
