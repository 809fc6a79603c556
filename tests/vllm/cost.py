# SPDX-License-Identifier: GPL-2.0-or-later
"""cost.py --tool FILE --venv DIR --model DIR [--pairs N]: what tracing costs a real vLLM. Rounds of
starts, one untraced, one under the tool, one with full attribution, each first in turn: the time until it is
healthy, and how long small completions take, one after the other, right then and once its start is
long over. What counts is the median of the ratios: the machine's other work moves both of a round."""

import argparse
import json
import pathlib
import shlex
import statistics
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent


def run(args, name, prefix):
    """Seconds: until it is healthy, for the requests at once, for those later."""
    out = args.out / f"{name}.json"
    argv = [sys.executable, HERE / "run.py", "--venv", args.venv, "--model", args.model, "--tp", str(args.tp)]
    argv += ["--requests", str(args.requests), "--settle", str(args.settle), f"--prefix={prefix}"]
    argv += ["--log", args.out / f"{name}.log", "--result", out]
    with open(args.out / f"{name}.run", "wb") as log:
        if subprocess.run(argv, stdout=log, stderr=log).returncode:
            sys.exit(f"cost: a start failed: see {log.name}")
    result = json.loads(out.read_text())
    return result["healthy_s"], *result["requests_s"]


def show(what, untraced, traced):
    ratios = [t / u for u, t in zip(untraced, traced)]
    print(
        f"| {what} | {statistics.median(untraced):.2f} s | {statistics.median(traced):.2f} s "
        f"| {statistics.median(ratios):.3f} | {min(ratios):.3f} to {max(ratios):.3f} |"
    )


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", type=pathlib.Path, default="build/ramtrace-bpf")
    p.add_argument("--venv", type=pathlib.Path, default="build/vllm-0.28.0", help="made by setup.sh")
    p.add_argument("--model", type=pathlib.Path, default="build/vllm-model", help="made by model.py")
    p.add_argument("--out", type=pathlib.Path, default="build/vllm-cost", help="for logs")
    p.add_argument("--tp", type=int, default=2)
    p.add_argument("--pairs", type=int, default=5)
    p.add_argument("--requests", type=int, default=100, metavar="N", help="in each of the two rounds")
    p.add_argument("--settle", type=float, default=45, help="seconds between the rounds")
    args = p.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    tool = [str(args.tool.resolve()), "--lang", "zh", "--output", str(args.out.resolve() / "rows")]
    ways = {"untraced": [], "traced": [*tool, "--"], "growth": [*tool, "--growth", "--"]}
    times = {way: [] for way in ways}
    run(args, "warm-up", "")  # the page cache
    for i in range(args.pairs):
        for k in range(len(ways)):
            way = list(ways)[(i + k) % len(ways)]
            took = run(args, f"{i + 1}-{way}", shlex.join(ways[way]))
            times[way].append(took)
            print(f"round {i + 1}, {way}: " + ", ".join(f"{t:.2f} s" for t in took), flush=True)
    print(f"| vLLM with {args.tp} workers, {args.pairs} rounds | untraced | traced | ratio | spread |")
    print("|---|---|---|---|---|")
    requests = f"{args.requests} completions"
    for way, name in (("traced", ""), ("growth", ", --growth")):
        for k, what in enumerate(("from its start to healthy", f"{requests}, at once", f"{requests}, later")):
            show(what + name, [t[k] for t in times["untraced"]], [t[k] for t in times[way]])


if __name__ == "__main__":
    main()
