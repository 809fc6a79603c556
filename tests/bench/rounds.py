# SPDX-License-Identifier: GPL-2.0-or-later
"""Measuring in rounds: in each, all variants of a case take turns, so that a machine that changes
its speed changes all of them. What is compared is neighbours in time: ratios are those of one
round.
"""
import os
import re
import select
import signal
import statistics
import subprocess
import sys
import time

PATIENCE = 90  # seconds that one run of a peer may take


class Absent(Exception):
    """A peer that is not here, or does not run here; the text says why."""


def last_words(text):
    """The last line that says something: of those that call themselves an error, if there are any."""
    lines = [line.strip() for line in text.splitlines() if re.search(r"\w", line)]
    cause = [line for line in lines if "kernel headers" in line]  # bcc, before its traceback
    errors = [line for line in lines if re.search(r"\berror\b", line, re.I)]  # bpftrace, before what it underlines
    return (cause or errors or lines or ["it said nothing"])[-1].split(". ")[0][:160]


def run(argv, **more):
    """Its standard output. Absent if it is not there, fails, or takes too long."""
    try:
        done = subprocess.run(argv, text=True, capture_output=True, timeout=PATIENCE,
                              errors="replace", **more)
    except FileNotFoundError:
        raise Absent(f"{argv[0]} is not installed") from None
    except subprocess.TimeoutExpired:
        raise Absent(f"not ready after {PATIENCE} s") from None
    if done.returncode:
        raise Absent(f"exit {done.returncode}: {last_words(done.stderr or done.stdout)}")
    return done.stdout


def number_in(text):
    """The last line that is a number and nothing else, whatever a tool has written around it."""
    found = re.findall(r"^(\d+\.\d+)\s*$", text, re.M)
    if not found:
        raise Absent(f"its program printed no figure; it said: {last_words(text)}")
    return float(found[-1])


class Process:
    """One that is started for a measurement, on one CPU, and ends with it (a context manager)."""

    def __init__(self, argv, cpu=None, stop=signal.SIGKILL, **pipes):
        cpus = {cpu % os.cpu_count()} if cpu is not None else os.sched_getaffinity(0)
        try:
            self.p = subprocess.Popen(argv, stdin=subprocess.PIPE, bufsize=0,
                                      preexec_fn=lambda: os.sched_setaffinity(0, cpus),
                                      **{"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL,
                                         **pipes})
        except FileNotFoundError:
            raise Absent(f"{argv[0]} is not installed") from None
        self.pid, self.stop = self.p.pid, stop

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end(self.stop)

    def end(self, sig):
        if self.p.poll() is None:
            self.p.send_signal(sig)
        try:
            self.p.wait(20)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        for pipe in (self.p.stdin, self.p.stdout, self.p.stderr):
            if pipe:
                pipe.close()

    def await_text(self, pipe, text):
        said, until = b"", time.monotonic() + PATIENCE
        while text.encode() not in said:
            ready = select.select([pipe], [], [], max(0, until - time.monotonic()))[0]
            more = os.read(pipe.fileno(), 4096) if ready else b""
            if not more:
                raise Absent(f"it did not start: {last_words(said.decode(errors='replace'))}")
            said += more

    def line(self):
        if not select.select([self.p.stdout], [], [], PATIENCE)[0]:
            raise Absent("it hangs")
        return self.p.stdout.readline().decode()

    def poke(self):
        """One byte to its stdin, one line from its stdout."""
        self.p.stdin.write(b"x")
        return self.line()


class Case:
    """Variants by name, each a function that measures once; run() lets them take turns."""

    def __init__(self, variants):
        self.variants, self.samples, self.absent = variants, {}, {}

    def run(self, rounds):
        for i in range(rounds):
            for name, measure in self.variants.items():
                if name in self.absent:
                    continue
                try:
                    self.samples.setdefault(name, []).append(measure())
                except (Absent, OSError, ValueError) as why:
                    self.absent[name] = str(why)
                    self.samples.pop(name, None)
                print(f"  round {i + 1}: {name}: {self.said(name)}", file=sys.stderr, flush=True)
        return self

    def said(self, name):
        if name in self.absent:
            return f"absent: {self.absent[name]}"
        return f"{self.samples[name][-1]:.6g}"

    def row(self, name, base=None, what=None, limit=None, least=None, unit="ns"):
        """One row of a table: its median, and, with a base, its ratio to that round by round."""
        row = {"what": what or name, "unit": unit}
        if name in self.absent:
            row |= {"absent": self.absent[name]}
            value = float("nan")  # meets nothing
        else:
            row |= {"median": statistics.median(self.samples[name]), "samples": self.samples[name]}
            if base in self.samples:
                ratios = [a / b for a, b in zip(self.samples[name], self.samples[base])]
                row |= {"ratio": statistics.median(ratios), "low": min(ratios), "high": max(ratios)}
            value = row.get("ratio", row["median"])
        if limit is not None or least is not None:
            row |= {"target": f"<= {limit:g}" if limit is not None else f">= {least:g}",
                    "met": value <= limit if limit is not None else value >= least}
        return row
