# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs a Python program to have its functions looked at, as ratios of processor time of runs
that take turns. Prints a table in Markdown.

usage: python.py TOOL
"""
import os
import statistics
import subprocess
import sys

ROUNDS = 7
DEPTH = "40"
PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pygrow.py")
CASES = (("grow", "one page fault, 40 frames deep, in a span", 1.20),
         ("compute", "one turn of a loop that computes", 1.02))


def run(python, mode, prefix):
    out = subprocess.run(prefix + [python, PROGRAM, mode, DEPTH], check=True, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    return float(out.splitlines()[-1])


def measure(tool, python, mode):
    traced = [tool, "-q", "-o", "/dev/null", "-f", "py:pygrow.py:" + mode, "--"]
    pairs = [(run(python, mode, []), run(python, mode, traced)) for _ in range(ROUNDS)]
    ratios = sorted(b / a for a, b in pairs)
    return statistics.median(a for a, _ in pairs), ratios


def main():
    python = "/usr/bin/python3"
    version = subprocess.check_output([python, "-V"], text=True).split()[1]
    print(f"| CPython {version} | untraced | ratio | spread | target |\n|---|---|---|---|---|")
    for mode, what, target in CASES:
        bare, ratios = measure(sys.argv[1], python, mode)
        middle = statistics.median(ratios)
        print(f"| {what} | {bare:.0f} ns | {middle:.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f} | "
              f"<= {target:.2f} {'met' if middle <= target else '**not met**'} |", flush=True)
    print()


main()
