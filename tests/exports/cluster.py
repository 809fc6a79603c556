# SPDX-License-Identifier: GPL-2.0-or-later
"""Logs of a thousand nodes, made of the log of one real run: each with memory of its own, by a generator whose
seed is known, and with a few nodes that are unlike the others in a known way. The answers to be expected
are worked out from the files that come of it, line by line.
"""

import collections
import gzip
import json
import random
import subprocess

from tool import TAPES, tool

RUN_ID = "作业-7 \"q\""
LEAK = 617  # the node of which a worker takes so much more
LEAK_BYTES = 700 << 20
ODD_NODES = {42: 96 << 20, 43: -(150 << 20), 871: 40 << 20}  # and what others take more or less
ODD_LABEL = "InputBatch:创建token_ids_cpu_tensor之后"
LEAK_LABEL = "WorkerWrapper.initialize_from_config之后"
CUT = (13, 500)  # nodes that were killed while they wrote their last line
OLD = (21, 350)  # and those that were traced by an older version
STRANGE = 77     # the node with labels that take escaping
STRANGE_LABEL = "it's \"quoted\"\n\\ </script> 内存 \x1b[2J \U0001f600"
SECOND = 1000000000


def name_of(i):
    return f"node{i:04}"


class Node:
    """One node's lines: those of the base, with the rows and programs that have rows made anew."""

    def __init__(self, base, i):
        self.base, self.i, self.rng = base, i, random.Random(7000 + i)
        self.drift = collections.Counter()  # bytes that a process has beyond the base's, and the highest of it
        self.highest = collections.Counter()
        self.last = {}

    def more(self, row):
        more = int(row["delta"] * self.rng.gauss(0, 0.02)) & ~4095
        if row["label"] == LEAK_LABEL and row["role"] == "Worker_TP1" and self.i == LEAK:
            more += LEAK_BYTES
        if row["label"] == ODD_LABEL:
            more += ODD_NODES.get(self.i, 0)
        return more

    def row(self, row):
        key, row = (row["pid"], row["start_ns"]), dict(row)
        if not row["baseline"]:
            self.drift[key] += self.more(row)
        drift = self.drift[key]
        self.highest[key] = max(self.highest[key], drift)
        row["rss"] += drift
        row["anon"] += drift
        row["total"] += drift
        row["delta"] = 0 if row["baseline"] else row["rss"] - self.last[key]
        self.last[key] = row["rss"]
        if self.i == STRANGE and row["label"] == ODD_LABEL:
            row["label"] = STRANGE_LABEL
        return row

    def program(self, program):
        key = (program["pid"], program["start_ns"])
        program = json.loads(json.dumps(program))
        for kind in ("rss", "anon"):
            program["last"][kind] += self.drift[key]
            program["peak"][kind] += self.highest[key]
        return program

    def header(self, header):
        header = dict(header, host=name_of(self.i), run_id=RUN_ID)
        header["realtime_offset_ns"] += self.rng.randrange(-2 * SECOND, 2 * SECOND)
        if self.i in OLD:
            del header["clock"], header["boot_id"]
        else:
            header["boot_id"] = f"boot-{self.i}"
            header["clock"] = self.clock(self.i % 50 != 9)
        self.offset_ns = header["realtime_offset_ns"]
        return header

    def clock(self, synchronised):
        most = self.rng.randrange(100000, 5000000) if synchronised else None
        return {"synchronised": synchronised, "estimate_ns": most and most // 3, "most_ns": most,
                "read_ns": self.rng.randrange(40, 400), "tai_s": 37}

    def summary(self, summary):
        summary = json.loads(json.dumps(summary))
        if self.i % 97 == 5:
            summary["loss"] |= {"ring": 1000 + self.i, "unmatched": 3}
        if self.i not in OLD:
            moved = 3 * SECOND if self.i % 211 == 7 else self.rng.randrange(-30, 30)
            summary["end"] |= {"realtime_offset_ns": self.offset_ns + moved,
                               "clock": self.clock(self.i % 50 != 9 and self.i % 301 != 12)}
        return summary

    def loss(self):
        row = next(line for _, line in self.base if line["type"] == "checkpoint")
        return {"type": "loss", "time_ns": row["time_ns"], "since_ns": 0, "pid": row["pid"],
                "start_ns": row["start_ns"], "role": row["role"], "count": 1000 + self.i}

    def lines(self):
        for text, line in self.base:
            if line["type"] == "checkpoint":
                yield json.dumps(self.row(line), ensure_ascii=self.i % 2 == 0)
            elif line["type"] == "process" and line["rows"]:
                yield json.dumps(self.program(line))
            elif line["type"] == "header":
                yield json.dumps(self.header(line))
                if self.i % 97 == 5:
                    yield json.dumps(self.loss())
            elif line["type"] == "summary":
                yield json.dumps(self.summary(line))
            else:
                yield text


def write(path, text, i):
    if i % 10 == 3:
        with gzip.open(f"{path}.gz", "wt", encoding="utf-8", compresslevel=1) as f:
            f.write(text)
    elif i % 10 == 7:
        subprocess.run(["zstd", "-q", "-1", "-o", f"{path}.zst"], input=text.encode(), check=True)
    else:
        path.write_text(text, encoding="utf-8")


def make(directory, nodes=1000):
    """A file of each node, and one that is the log of two recordings."""
    said = tool("--replay", TAPES / "vllm.tape", "--format", "jsonl", "--lang", "zh").stdout
    base = [(text, json.loads(text)) for text in said.splitlines()]
    for i in range(nodes):
        text = "".join(line + "\n" for line in Node(base, i).lines())
        write(directory / f"{name_of(i)}.jsonl", text[:-200] if i in CUT else text, i)
    tool("--replay", TAPES / "redis.tape", TAPES / "demo.tape", "--format", "jsonl", "--lang", "zh",
         "-o", directory / "merged.jsonl")


# --- what they say, line by line ----------------------------------------------------------------------


def read(path):
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8") as f:
            return f.read()
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dcq", str(path)], capture_output=True, check=True).stdout.decode()
    return path.read_text(encoding="utf-8")


class Log:
    def __init__(self, path):
        self.name = path.name
        self.lines = collections.defaultdict(list)
        for text in read(path).split("\n")[:-1] if path.suffix else []:
            line = json.loads(text)
            self.lines[line["type"]].append(line)
        self.header = self.lines["header"][0]
        self.offset_ns = self.header["realtime_offset_ns"]
        self.summary = self.lines["summary"][0] if self.lines["summary"] else None

    def host(self, line):
        return line.get("host") or self.header["host"]


def logs(directory):
    return [Log(path) for path in sorted(directory.iterdir())]


def rank(values, percent):
    """The first of them, in order, with so many not above it."""
    values = sorted(values)
    return values[-(-len(values) * percent // 100) - 1]


class Truth:
    def __init__(self, directory):
        self.logs = logs(directory)

    def of(self, kind):
        for log in self.logs:
            for line in log.lines[kind]:
                yield log, line

    def clock(self, log):
        start, end = log.header.get("clock"), (log.summary or {}).get("end") or {}
        if not start:
            return ("unknown", None, None)
        end_clock = end.get("clock")
        if end_clock and abs(end["realtime_offset_ns"] - log.offset_ns) > start["read_ns"] + end_clock["read_ns"]:
            state = "set"
        else:
            both = [c["synchronised"] for c in (start, end_clock) if c]
            state = "synchronised" if all(both) else "unsynchronised"
        errors = [c["most_ns"] + c["read_ns"] for c in (start, end_clock) if c and c["synchronised"]]
        return (state, max(errors, default=None),
                end["realtime_offset_ns"] - log.offset_ns if state == "set" else 0)

    def hosts(self):
        for log in self.logs:
            ended = log.summary and log.summary["end"]["reason"]
            if "runs" in log.header:
                states = {c["run"]: c for c in log.summary["clocks"]["runs"]}
                for run in log.header["runs"]:
                    yield (log.name, run["run"], run["host"], run["run_id"], ended, states[run["run"]]["state"],
                           states[run["run"]]["most_ns"], states[run["run"]]["moved_ns"])
            else:
                state, most, moved = self.clock(log)
                yield (log.name, 0, log.header["host"], log.header["run_id"], ended, state, most,
                       0 if moved is None else moved)

    def ranks(self):
        for log, p in self.of("process"):
            if not p["borrowed"] and p["state"] != "exec" and p["first"]:
                yield (log.host(p), p["role"], p["pid"], p["last"]["rss"] - p["first"]["rss"], p["peak"]["rss"])

    def labels(self):
        values = collections.defaultdict(list)
        for log, r in self.of("checkpoint"):
            if not r["baseline"]:
                values[r["label"]].append((r["delta"], log.host(r)))
        for label, pairs in values.items():
            deltas = [d for d, _ in pairs]
            yield (label, len(pairs), len({h for _, h in pairs}), min(deltas), rank(deltas, 50), rank(deltas, 95),
                   *max(pairs))

    def deviations(self):
        sums = collections.defaultdict(collections.Counter)
        for log, r in self.of("checkpoint"):
            if not r["baseline"]:
                sums[r["label"], kind_of(r["role"])][log.host(r)] += r["delta"]
        for (label, kind), grew in sums.items():
            usual = rank(grew.values(), 50)
            spread = rank([abs(g - usual) for g in grew.values()], 50)
            for host, g in grew.items():
                if abs(g - usual) > max(5 * spread, 1 << 20):
                    yield (label, kind, host, g, usual, spread, len(grew))

    def roles(self):
        peaks = collections.defaultdict(list)
        for log, p in self.of("process"):
            if not p["borrowed"] and p["peak"]:
                peaks[kind_of(p["role"])].append((p["peak"]["rss"], log.host(p)))
        for kind, pairs in peaks.items():
            values = [v for v, _ in pairs]
            yield (kind, len(pairs), len({h for _, h in pairs}), rank(values, 50), rank(values, 95), *max(pairs))

    def moments(self):
        """(when, rank among what is at the same time, process, what it has from then on)."""
        for log, r in self.of("checkpoint"):
            if not r["borrowed"]:
                yield (r["time_ns"] + log.offset_ns, 0, self.key(log, r), r["rss"])
        for log, p in self.of("process"):
            until = p["end_ns"] or (log.summary and log.summary["end"]["time_ns"])
            if p["borrowed"] or not p["first"] or not until or until <= p["born_ns"]:
                continue
            yield (p["peak"]["time_ns"] + log.offset_ns, 1, self.key(log, p), p["peak"]["rss"])
            yield (p["born_ns"] + log.offset_ns, 2, self.key(log, p), p["first"]["rss"])
            if p["state"] != "exec":
                yield (until + log.offset_ns, 3, self.key(log, p), 0)

    @staticmethod
    def key(log, line):
        return (log.name, line.get("run", 0), line["pid"], line["start_ns"])

    def timeline(self):
        has, total, seconds = collections.Counter(), 0, {}
        moments = sorted(self.moments())
        for i, (at, _, key, rss) in enumerate(moments):
            total += rss - has[key]
            has[key] = rss
            if i + 1 == len(moments) or moments[i + 1][0] != at:
                most = seconds.get(at // SECOND, (total, 0))[0]
                seconds[at // SECOND] = (max(most, total), total)
        for second, (most, at_end) in seconds.items():
            yield (second, most, at_end)

    def losses(self):
        for log in self.logs:
            for reason, n in (log.summary or {"loss": {}})["loss"].items():
                if n:
                    yield (log.name, log.header["host"], reason, n)

    def gaps(self):
        for log, line in self.of("loss"):
            yield (log.host(line), line["pid"], line["since_ns"], line["time_ns"] + log.offset_ns, line["count"])


def kind_of(role):
    kind = ""
    for c in role:
        if not c.isdigit():
            kind += c
        elif not kind.endswith("*"):
            kind += "*"
    return kind
