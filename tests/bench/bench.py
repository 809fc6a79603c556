# SPDX-License-Identifier: GPL-2.0-or-later
"""What tracing costs, and what others cost, side by side in one run: a table in Markdown on stdout
and in BUILD/bench.md, all figures in BUILD/bench.json, a picture in BUILD/bench.svg. Wants root and
a quiet machine.
"""
import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile

import checkpoint
import faults
import render
import wholepath


class Paths:
    def __init__(self, build, scratch):
        self.build, self.scratch = os.path.abspath(build), scratch
        self.tool = os.path.join(self.build, "ramtrace-bpf")
        self.memray = os.path.join(self.build, "bench-venv", "bin", "memray")

    def bench(self, name):
        return os.path.join(self.build, "bench", name)


# name: function of (paths, rounds) that gives a table or several; most rounds that fit
CASES = {
    "faults10": (lambda paths, n: faults.page_faults(paths, n, 10), 7),
    "faults40": (lambda paths, n: faults.page_faults(paths, n, 40), 7),
    "compute": (faults.compute, 5),
    "checkpoint": (checkpoint.checkpoint, 7),
    "cpus": (checkpoint.many_cpus, 5),
    "flood": (wholepath.flood, 3),
    "summary": (wholepath.summarise, 5),
    "itself": (wholepath.itself, 5),
}


@contextlib.contextmanager
def tracefs():
    """Where peers find tracepoints. perf mounts it when it needs it, bpftrace says that there are none."""
    mine = not os.path.exists("/sys/kernel/tracing/events") and not subprocess.run(
        ["mount", "-t", "tracefs", "nodev", "/sys/kernel/tracing"], check=False).returncode
    try:
        yield
    finally:
        if mine:
            subprocess.run(["umount", "/sys/kernel/tracing"], check=False)


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"^model name\s*: (.*)", f.read(), re.M)
    return {"kernel": platform.release(), "cpus": os.cpu_count(),
            "model": model[1] if model else platform.machine(), "python": platform.python_version(),
            "date": str(datetime.datetime.now(datetime.timezone.utc).date())}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build")
    parser.add_argument("--rounds", type=int, default=7, help="at most so many")
    parser.add_argument("--only", default=",".join(CASES), help="of " + ",".join(CASES))
    return parser.parse_args()


def main():
    args = arguments()
    tool = os.path.join(args.build, "ramtrace-bpf")
    version = subprocess.check_output([tool, "-V"], text=True).splitlines()[0]
    more = f" BENCH_ARGS='{' '.join(sys.argv[2:])}'" if sys.argv[2:] else ""
    results = {"command": "make bench" + more, "version": version,
               "machine": machine(), "rounds": args.rounds, "tables": []}
    scratch = tempfile.mkdtemp(prefix="scratch-", dir=args.build)
    try:
        for name in args.only.split(","):
            case, most = CASES[name]
            print(f"{name}:", file=sys.stderr)
            with tracefs():
                tables = case(Paths(args.build, os.path.abspath(scratch)), min(args.rounds, most))
            results["tables"] += tables if isinstance(tables, list) else [tables]
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    text = render.markdown(results)
    drawn = render.plot(results, os.path.join(args.build, "bench.svg"))
    text += "" if drawn is True else f"No picture: {drawn}.\n"
    with open(os.path.join(args.build, "bench.json"), "w") as f:
        json.dump(results, f, indent=1)
    with open(os.path.join(args.build, "bench.md"), "w") as f:
        f.write(text)
    print(text)


if __name__ == "__main__":
    main()
