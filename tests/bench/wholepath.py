# SPDX-License-Identifier: GPL-2.0-or-later
"""The whole path, from a probe to a file and from a tape to a report; and the tool itself."""
import json
import os
import signal
import subprocess
import time

from checkpoint import Hitter
from rounds import Absent, Case, Process, run

FLOOD = 5000000
TAPE = 1000000
HERD = 200


def traced(paths, hits, options, spin=0):
    """Million checkpoints a second of one thread under the tool, which ends in peace."""
    with Hitter(paths, hits, spin) as hitter:
        argv = [paths.tool, "--pid", str(hitter.pid), "--profile", paths.bench("hit.yaml"),
                *options]
        with Process(argv, cpu=0, stop=signal.SIGINT, stderr=subprocess.PIPE,
                     stdout=subprocess.DEVNULL) as tool:
            tool.await_text(tool.p.stderr, "Ctrl-C ends it")
            ns = hitter.ns()
            time.sleep(0.5)
    return 1e3 / ns


def summary_of(path):
    """The last line of a jsonl log."""
    with open(path, "rb") as f:
        f.seek(max(0, os.path.getsize(path) - (1 << 20)))
        return json.loads(f.read().splitlines()[-1])


def account_of(path):
    """Events that were lost. A snapshot that could not be made stable is not: its row is there, and says so."""
    return sum(n for what, n in summary_of(path)["loss"].items() if what != "unstable")


class Flood:
    def __init__(self, paths):
        self.paths, self.lost = paths, {}
        self.log = os.path.join(paths.scratch, "flood.log")
        self.tape = os.path.join(paths.scratch, "flood.tape")

    def clean(self):
        for path in (self.log, self.tape):
            if os.path.exists(path):
                os.unlink(path)

    def file(self, form):
        try:
            rate = traced(self.paths, FLOOD, ["--lang", "en", "--format", form, "-o", self.log])
            with open(self.log, "rb") as f:
                f.seek(max(0, os.path.getsize(self.log) - 4096))
                whole = b"Lost: nothing" in f.read()
            lost = account_of(self.log) if form == "jsonl" else 0 if whole else 1
            self.note(form, lost)
            return rate
        finally:
            self.clean()

    def to_tape(self):
        try:
            rate = traced(self.paths, FLOOD, ["-o", "/dev/null", "--record", self.tape])
            run([self.paths.tool, "--replay", self.tape, "--format", "jsonl", "-o", self.log])
            self.note("tape", account_of(self.log))
            return rate
        finally:
            self.clean()

    def note(self, form, lost):
        self.lost[form] = self.lost.get(form, 0) + lost


def flood(paths, rounds):
    f = Flood(paths)
    case = Case({"text": lambda: f.file("text"), "jsonl": lambda: f.file("jsonl"),
                 "tape": f.to_tape}).run(rounds)
    rows = []
    for form in case.variants:
        row = case.row(form, what=f"to {form}", unit="M/s")
        lost = f.lost.get(form, 0)
        row["what"] += f", {lost} lost" if form != "text" or not lost else ", some lost"
        row["lost"] = lost
        if form == "tape" and "median" in row:
            row |= {"target": ">= 1, 0 lost", "met": row["median"] >= 1 and not lost}
        rows.append(row)
    return {"title": f"{FLOOD:,} checkpoints of one thread, as fast as it can", "rows": rows}


def spent(argv):
    """Seconds, and the peak of RSS in MiB."""
    begun = time.monotonic()
    p = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(p.pid, 0)
    p.returncode = os.waitstatus_to_exitcode(status)
    if p.returncode:
        raise Absent(f"exit {p.returncode}")
    return time.monotonic() - begun, usage.ru_maxrss / 1024


def summarise(paths, rounds):
    tape, out = (os.path.join(paths.scratch, name) for name in ("million.tape", "million.json"))
    peak, variants = {}, {}
    ways = {"--summary-json": ["--summary-json", out], "report in text": ["--lang", "en"],
            "jsonl": ["--format", "jsonl"]}

    def replay(way):
        seconds, peak[way] = spent([paths.tool, "--replay", tape, "-o", "/dev/null", *ways[way]])
        return seconds

    for way in ways:
        variants["time, " + way] = lambda way=way: replay(way)
        variants["peak RSS, " + way] = lambda way=way: peak[way]
    try:
        traced(paths, TAPE, ["--growth", "--ring-size", "64M", "-o", "/dev/null", "--record", tape],
               spin=2300)  # so that none is lost
        run([paths.tool, "--replay", tape, "--format", "jsonl", "-o", out])
        rows = summary_of(out)["rows"]
        case = Case(variants).run(rounds)
    finally:
        for path in (tape, out):
            if os.path.exists(path):
                os.unlink(path)
    return {"title": f"A tape of {rows:,} checkpoints, rendered",
            "rows": [case.row(name, limit=3 if name.startswith("time") else 300,
                              unit="s" if name.startswith("time") else "MiB") for name in variants]}


def high_water(pid):
    with open(f"/proc/{pid}/status") as f:
        return next(int(line.split()[1]) / 1024 for line in f if line.startswith("VmHWM:"))


def herd(paths):
    path = paths.bench("herd")
    with Process([path, str(HERD), "500"], cpu=1) as processes:
        processes.line()
        argv = [paths.tool, "--pid", str(processes.pid), "-f", f"work={path}:work", "--returns",
                "noticed", "--format", "jsonl", "-o", "/dev/null"]
        with Process(argv, cpu=0, stop=signal.SIGINT, stderr=subprocess.PIPE) as tool:
            tool.await_text(tool.p.stderr, "Ctrl-C ends it")
            processes.poke()
            time.sleep(0.5)
            return high_water(tool.pid)


def itself(paths, rounds):
    took = {}

    def attach():
        out = run([paths.bench("probe"), "functions", paths.bench("many")]).split()
        took["attach"], took["detach"] = float(out[0]), float(out[1])
        return took["attach"]

    names = {"attach 1,000 functions": (attach, "ms", 50),
             "detach them": (lambda: took["detach"], "ms", 200),
             f"highest RSS, {HERD} processes, 200,000 checkpoints, ring included":
                 (lambda: herd(paths), "MiB", 40)}
    case = Case({name: v[0] for name, v in names.items()}).run(rounds)
    return {"title": "The tool itself",
            "rows": [case.row(name, unit=v[1], limit=v[2]) for name, v in names.items()]}
