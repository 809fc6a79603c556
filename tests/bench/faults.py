# SPDX-License-Identifier: GPL-2.0-or-later
"""Page faults from C under Python, and a loop that computes: the processor time of the program
itself, user's and kernel's, with and without somebody who looks on.
"""
import os
import subprocess

from rounds import Absent, Case, Process, last_words, number_in, run

PYTHON = "/usr/bin/python3"
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pygrow.py")
BARE, GROWTH, SPAN = "bare", "this tool, --growth", "this tool, one Python span"
COUNT = "tracepoint:kmem:rss_stat { @[pid] = count(); }"
STACKS = "tracepoint:kmem:rss_stat { @[ustack(16)] = sum(args->size); }"


class Faults:
    def __init__(self, paths, mode, depth):
        self.paths, self.program = paths, [PROGRAM, mode, str(depth)]
        self.scratch = os.path.join(paths.scratch, "faults.out")

    def under(self, *prefix):
        try:
            return number_in(run([*prefix, PYTHON, *self.program]))
        finally:
            for name in (self.scratch, self.scratch + ".old"):
                if os.path.exists(name):
                    os.unlink(name)

    def tool(self, *options):
        return self.under(self.paths.tool, "-q", "-o", "/dev/null", *options, "--")

    def bpftrace(self, script):
        return number_in(run(["bpftrace", "-e", script, "-c", " ".join([PYTHON, *self.program])]))

    def perf(self, *event):
        return self.under("perf", "record", "-q", *event, "-g", "-o", self.scratch)

    def memray(self, *options):
        if not os.path.exists(self.paths.memray):
            raise Absent("pip could not install memray")
        try:
            return number_in(run([self.paths.memray, "run", "-q", "-f", *options, "-o",
                                  self.scratch, *self.program]))
        finally:
            if os.path.exists(self.scratch):
                os.unlink(self.scratch)

    def memleak(self):
        with Process([PYTHON, *self.program, "wait"]) as program:
            program.line()
            argv = ["memleak-bpfcc", "-p", str(program.pid), "30", "1"]
            with Process(argv, stderr=subprocess.STDOUT) as peer:
                peer.await_text(peer.p.stdout, "Attaching to pid")
                try:  # it has said that it will attach; now it is silent, or fails
                    peer.p.wait(8)
                except subprocess.TimeoutExpired:
                    return float(program.poke())
                raise Absent(f"it ended at once: {last_words(peer.p.stdout.read().decode())}")

    def variants(self):
        span = "py:pygrow.py:" + self.program[1]
        return {
            BARE: lambda: self.under(),
            GROWTH: lambda: self.tool("--growth"),
            SPAN: lambda: self.tool("-f", span),
            "bpftrace, rss_stat counted by pid": lambda: self.bpftrace(COUNT),
            "bpftrace, rss_stat summed by user stack": lambda: self.bpftrace(STACKS),
            "perf record -e page-faults -c 1 -g": lambda: self.perf("-e", "page-faults", "-c", "1"),
            "perf record -e kmem:rss_stat -g": lambda: self.perf("-e", "kmem:rss_stat"),
            "memray run": lambda: self.memray(),
            "memray run --trace-python-allocators":
                lambda: self.memray("--trace-python-allocators"),
            "memleak of bcc, attached": self.memleak,
        }


def page_faults(paths, rounds, depth):
    case = Case(Faults(paths, "grow", depth).variants()).run(rounds)
    limits = {GROWTH: 1.25, SPAN: 1.20}
    return {"title": f"One page fault from C, {depth} Python frames deep", "base": BARE,
            "rows": [case.row(name, BARE, limit=limits.get(name)) for name in case.variants]}


def compute(paths, rounds):
    case = Case(Faults(paths, "compute", 40).variants()).run(rounds)
    limits = {GROWTH: 1.02, SPAN: 1.02}
    return {"title": "One turn of a Python loop that computes", "base": BARE,
            "rows": [case.row(name, BARE, limit=limits.get(name)) for name in case.variants]}
