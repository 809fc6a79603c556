# SPDX-License-Identifier: GPL-2.0-or-later
"""One checkpoint: a call of a function that is probed at its `push`, and the ways in which a
program can ask for its own RSS.
"""
import json
import os
import shutil
import signal
import subprocess
import time

from rounds import Absent, Case, Process, number_in, run

HITS = 100000
HERE = os.path.dirname(os.path.abspath(__file__))
BARE, EMPTY, ENTRY = "not probed", "empty uprobe", "entry checkpoint"
GC_PSUTIL = "gc.collect(), then psutil.Process().memory_info().rss"


class Hitter(Process):
    """The program `hit`, which says how long a call takes."""

    def __init__(self, paths, hits=HITS, spin=0):
        super().__init__([paths.bench("hit"), str(hits), str(spin)], cpu=1)
        self.line()

    def ns(self):
        return float(self.poke())

    def probed_ns(self):
        """Once whoever is attaching has done so: calls have become dear."""
        for _ in range(100):
            if self.ns() > 100:
                return self.ns()
        raise Absent("its probe was never hit")


class Checkpoint:
    def __init__(self, paths, hitter):
        self.paths, self.hitter, self.reads = paths, hitter, {}
        self.hit = paths.bench("hit")

    def helper(self, *args):
        argv = [self.paths.bench("probe"), *args]
        with Process(argv, cpu=0, stop=signal.SIGTERM, stderr=subprocess.STDOUT) as helper:
            said = helper.line().strip()
            if said != "ready":
                raise Absent(said)
            self.hitter.ns()
            return self.hitter.ns()

    def tool(self, *options):
        argv = [self.paths.tool, "--pid", str(self.hitter.pid), *options, "-o", "/dev/null"]
        with Process(argv, cpu=0, stop=signal.SIGINT, stderr=subprocess.PIPE) as tool:
            tool.await_text(tool.p.stderr, "Ctrl-C ends it")
            return self.hitter.probed_ns()

    def bpftrace(self, action):
        argv = ["bpftrace", "-p", str(self.hitter.pid), "-e",
                f"BEGIN {{ printf(\"ready\\n\"); }} uprobe:{self.hit}:hit {{ {action} }}", "-o",
                "/dev/null"]
        with Process(argv, cpu=0, stop=signal.SIGINT, stdout=subprocess.DEVNULL) as peer:
            for _ in range(200):
                if peer.p.poll() is not None:
                    raise Absent(f"it ended at once, exit {peer.p.returncode}")
                if self.hitter.ns() > 100:
                    return self.hitter.ns()
                time.sleep(0.05)
            raise Absent("its probe was never hit")

    def uftrace(self):
        where = os.path.join(self.paths.scratch, "uftrace")
        try:
            return number_in(run(["uftrace", "record", "-d", where, "-F", "hit", "-T",
                                  "hit@read=proc/statm", self.paths.bench("hit-pg"), "20000"],
                                 input="x"))
        finally:
            shutil.rmtree(where, ignore_errors=True)

    def read_all(self):
        out = run(["/usr/bin/python3", os.path.join(HERE, "selfread.py")])
        self.reads = json.loads(out)
        return self.read("pread")

    def read(self, way):
        if way not in self.reads:
            raise Absent(self.reads.get("why", "no python3-psutil"))
        return self.reads[way]

    def variants(self):
        spec = f"hit={self.hit}:hit"
        return {
            BARE: self.hitter.ns,
            EMPTY: lambda: self.helper("empty", self.hit, "hit"),
            ENTRY: lambda: self.tool("--profile", self.paths.bench("hit.yaml")),
            "entry and return, the return noticed at the next call":
                lambda: self.tool("-f", spec, "--returns", "noticed"),
            "entry and return, a probe on the ret (single-stepped)":
                lambda: self.tool("-f", spec),
            "bpftrace, count()": lambda: self.bpftrace("@ = count();"),
            "bpftrace, printf()": lambda: self.bpftrace("printf(\"%d %d\\n\", pid, nsecs);"),
            "os.pread of an open /proc/self/statm, in Python": self.read_all,
            "psutil, a Process that is kept": lambda: self.read("kept"),
            "psutil.Process().memory_info().rss": lambda: self.read("psutil"),
            GC_PSUTIL: lambda: self.read("gc"),
            "uftrace, hit@read=proc/statm (entry and return)": self.uftrace,
        }


def checkpoint(paths, rounds):
    with Hitter(paths) as hitter:
        case = Case(Checkpoint(paths, hitter).variants()).run(rounds)
    names = list(case.variants)
    split = names.index("os.pread of an open /proc/self/statm, in Python")
    return [
        {"title": "One call of a probed function", "base": EMPTY,
         "rows": [case.row(name, EMPTY, limit={ENTRY: 1.25}.get(name)) for name in names[:split]]},
        {"title": "One reading of a program's own RSS", "base": ENTRY,
         "rows": [case.row(name, ENTRY, least={GC_PSUTIL: 500}.get(name))
                  for name in [ENTRY, *names[split:]]]},
    ]


def many_cpus(paths, rounds):
    """The entry checkpoint with so many possible CPUs; those that are not there read as those that
    are."""
    with Hitter(paths) as hitter:
        c = Checkpoint(paths, hitter)
        case = Case({EMPTY: lambda: c.helper("empty", c.hit, "hit")} | {
            str(n): lambda n=n: c.helper("snapshot", c.hit, "hit", str(n), str(hitter.pid))
            for n in (2, 8, 64, 256, 1024)}).run(rounds)
    rows = [case.row(n, EMPTY, f"entry checkpoint, {n} possible CPUs") for n in case.variants
            if n != EMPTY]
    for row in rows:
        if "256 " in row["what"] and "median" in row:
            row |= {"target": "<= 4000 ns", "met": row["median"] <= 4000}
    return {"title": "A snapshot on a large machine", "base": EMPTY,
            "rows": [case.row(EMPTY, EMPTY), *rows]}
