# SPDX-License-Identifier: GPL-2.0-or-later
"""What a log must be, whatever it tells of. For tests.

usage: check_log.py SCHEMA LOG.jsonl [LOG.seed LOG.text ...]

The jsonl validates against its schema; rows are counted from 1 and never go back in time; each
program's deltas add up to its totals. A seed or text log of the same run has the same numbers.
Prints what the jsonl has of each type; exits with 1 and a sentence where something is wrong.
"""
import json
import re
import sys
from collections import Counter

import jsonschema

SEED = re.compile(r"INFO: .+ 占用 (-?\d+\.\d\d) M RAM内存 \(累计: (-?\d+\.\d\d) M\)")
TEXT = re.compile(
    r"INFO: \[ *-?\d+\.\d{3}s\] \((?P<who>.*)pid=(?P<pid>\d+)\) (?P<label>.*) "
    r"(?:占用|释放|used|released) (?P<delta>[+-]\d+\.\d\d) M (?:RAM内存|RAM) "
    r"\((?:累计|total): (?P<total>-?\d+\.\d\d) M\) rss (?P<rss>\d+\.\d\d) = .*"
)
BASELINE = re.compile(r"INFO: .*pid=(\d+)\) (?:内存跟踪基线|baseline): ")


def must(true, *what):
    if not true:
        sys.exit("check_log: " + " ".join(str(w) for w in what))


def mib(size):
    return "%.2f" % (size / 1048576)


def validator(path):
    """One for each type: "none of five matches" says nothing about the one that is meant."""
    schema = json.load(open(path, encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return {
        name: jsonschema.Draft202012Validator({**schema, "oneOf": [{"$ref": "#/$defs/" + name}]})
        for name in ("header", "checkpoint", "loss", "pss", "process", "summary")
    }


def check_sums(rows):
    totals = {}
    for row in rows:
        who = (row.get("run"), row["pid"], row["start_ns"])
        if row["baseline"]:
            must(row["delta"] == 0 and row["total"] == 0, "a baseline moved:", row)
            totals[who] = 0
        must(who in totals, "a row before the baseline:", row)
        totals[who] += row["delta"]
        must(totals[who] == row["total"], "deltas do not add up to", row)
        must(row["rss"] == row["anon"] + row["file"] + row["shmem"], "kinds:", row)


def check_jsonl(schema, path):
    kinds = validator(schema)
    lines = [json.loads(line) for line in open(path, encoding="utf-8")]
    for line in lines:
        must(line.get("type") in kinds, "no such type:", line)
        for error in kinds[line["type"]].iter_errors(line):
            sys.exit("check_log: %s: %s" % (error.message, line))
    rows = [line for line in lines if line["type"] == "checkpoint"]
    must(lines[0]["type"] == "header" and lines[-1]["type"] == "summary", "first and last line")
    must([r["seq"] for r in rows] == list(range(1, len(rows) + 1)), "seq has gaps")
    times = [r["time_ns"] for r in lines if r["type"] in ("checkpoint", "loss", "pss")]
    must(times == sorted(times), "time goes down")
    must(lines[-1]["rows"] == len(rows), "the summary counts", lines[-1]["rows"], "of", len(rows))
    check_sums(rows)
    return lines, rows


def check_seed(path, rows):
    lines = open(path, encoding="utf-8").read().splitlines()
    rows = [r for r in rows if not r["extra"]]
    must(len(lines) == len(rows), path, "has", len(lines), "lines for", len(rows), "rows")
    for line, row in zip(lines, rows):
        m = SEED.fullmatch(line)
        must(m, "not a line of the seed's:", line)
        must(m.groups() == (mib(row["delta"]), mib(row["total"])), line, "is not", row)


def check_text(path, rows):
    sums, n = {}, 0
    for line in open(path, encoding="utf-8"):
        m = BASELINE.match(line)
        if m:
            sums[m.group(1)] = (0.0, 0)
            continue
        m = TEXT.match(line)
        if not m:
            must(not line.startswith("INFO"), "not a row:", line)
            continue
        row, pid = rows[n], m["pid"]
        n += 1
        must(float(m["delta"]) == float(mib(row["delta"])), line, "is not", row)
        must(m["total"] == mib(row["total"]) and m["rss"] == mib(row["rss"]), line, "is not", row)
        must(pid == str(row["pid"]), line, "is not", row)
        must(pid in sums, "a row before its baseline:", line)
        if row.get("run"):
            continue
        total, count = sums[pid][0] + float(m["delta"]), sums[pid][1] + 1
        sums[pid] = total, count
        must(abs(total - float(m["total"])) <= 0.005 * (count + 1) + 1e-6, "sum at", line)
    must(n == len(rows), path, "has", n, "rows of", len(rows))


def main():
    lines, rows = check_jsonl(sys.argv[1], sys.argv[2])
    for path in sys.argv[3:]:
        (check_seed if path.endswith(".seed") else check_text)(path, rows)
    print(" ".join("%s=%d" % item for item in sorted(Counter(x["type"] for x in lines).items())))


main()
