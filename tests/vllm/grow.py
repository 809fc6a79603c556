# SPDX-License-Identifier: GPL-2.0-or-later
"""grow.py --tool FILE --venv DIR --model DIR: who grew, in a real vLLM, a torch.load and the workers of
a DataLoader, held against smaps at the same moments. One line a check; exit status 1 if one fails.
What the runs left is in --out."""

import argparse
import json
import pathlib
import shlex
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).resolve().parent
NEAR = 0.01  # of a figure is what it may be off
TENSOR = 192 << 20
failed = []


def check(what, good, figures=""):
    if not good:
        failed.append(what)
    print(f"{'ok  ' if good else 'FAIL'} {what}{': ' if figures else ''}{figures}", flush=True)


def near(what, told, truth):
    check(what, truth and abs(told - truth) <= NEAR * truth, f"{told / 2**20:.2f} of {truth / 2**20:.2f} M")


def rss(change):
    return change["anon"] + change["file"] + change["shmem"]


def pythons(path):
    """The summary's processes, those that moved most first."""
    processes = json.loads(path.read_text())["processes"]
    return sorted(processes, key=lambda p: -p["peak"]["rss"])


def function(process, name, file):
    """The inclusive growth of that function."""
    of_it = [f for f in process["functions"] if f["name"] == name and f["file"].endswith(file)]
    return sum(rss(f["inclusive"]) for f in of_it)


# --- programs of their own ---------------------------------------------------------------------------

ROLLUP = """
import json, sys, time
def now():
    sums = {}
    for line in open("/proc/self/smaps_rollup").readlines()[1:]:
        name, size = line.split()[:2]
        sums[name[:-1]] = int(size) * 1024
    return {"ns": time.monotonic_ns(), "rss": sums["Rss"],
        "private": sums["Private_Clean"] + sums["Private_Dirty"]}
"""

LOAD = ROLLUP + """
import torch
torch.load(sys.argv[2])  # what the first one needs besides the tensor
before = now()
tensor = torch.load(sys.argv[1])
print(json.dumps({"grown": now()["rss"] - before["rss"]}))
"""

LOADER = ROLLUP + """
import torch.utils.data
class Names(torch.utils.data.Dataset):
    def __init__(self, n):
        self.names = [str(i) * 9 for i in range(n)]
    def __len__(self):
        return len(self.names)
    def __getitem__(self, i):
        if not hasattr(self, "file"):  # in the worker, at its first
            self.file = open(sys.argv[1] + "/%d" % torch.utils.data.get_worker_info().id, "w")
            self.tell(1.5)
        n = len(self.names[i])
        if i >= len(self.names) - 2:
            self.tell(1.5)
        return n
    def tell(self, pause):
        import os
        time.sleep(pause)
        print(json.dumps({"pid": os.getpid(), **now()}), file=self.file, flush=True)
        time.sleep(pause)
names = Names(1200000)
for batch in torch.utils.data.DataLoader(names, batch_size=1000, num_workers=2, prefetch_factor=2):
    pass
"""


def trace(args, name, *argv):
    """Runs a program of the venv to its end under the tool: its folder, its output."""
    out = args.out / name
    out.mkdir(parents=True, exist_ok=True)
    tool = [args.tool, "--growth", "--pss-every", "300ms", "--format", "jsonl", "-o", out / "rows.jsonl"]
    tool += ["--summary-json", out / "who.json", "--", args.venv / "bin/python", *argv]
    run = subprocess.run(list(map(str, tool)), stdout=subprocess.PIPE, text=True, timeout=600, check=False)
    check(f"{name}: the program ends well", run.returncode == 0, f"status {run.returncode}")
    return out, run.stdout


def check_load(args):
    args.out.mkdir(parents=True, exist_ok=True)
    files = args.out / "tensor.pt", args.out / "small.pt"
    make = f"import torch, sys; torch.save(torch.rand({TENSOR // 4}), sys.argv[1]); torch.save(torch.rand(9), sys.argv[2])"
    subprocess.run([args.venv / "bin/python", "-c", make, *files], check=True)
    out, said = trace(args, "load", "-c", LOAD, *files)
    grown = json.loads(said.splitlines()[-1])["grown"]
    process = pythons(out / "who.json")[0]
    check("load: the tensor is there", TENSOR <= grown <= TENSOR * 1.05, f"{grown / 2**20:.2f} M")
    near("load: torch.load as a function", function(process, "load", "torch/serialization.py"), grown)
    lines = [f for f in process["lines"] if f["file"].endswith("torch/serialization.py")]
    top = max(lines, key=lambda line: rss(line["self"]))
    near(f"load: its line {top['name']}:{top['line']}", rss(top["self"]), grown)
    through = [s for s in process["stacks"] if any(
        f["name"] == "load" and f["file"].endswith("torch/serialization.py") for f in s["frames"])]
    native = [s for s in through if any("libtorch" in f["file"] for f in s["frames"])]
    near("load: its native stacks", sum(rss(s) for s in native), grown)


def check_loader(args):
    out = args.out / "loader"
    out.mkdir(parents=True, exist_ok=True)
    trace(args, "loader", "-c", LOADER, out)
    rows = [json.loads(line) for line in open(out / "rows.jsonl")]
    for worker in 0, 1:
        first, last = [json.loads(line) for line in open(out / str(worker))][:2]
        readings = [r for r in rows if r["type"] == "pss" and r["pid"] == first["pid"] and r["sums"]]
        told = []
        for then in first, last:
            r = min(readings, key=lambda r: abs(r["time_ns"] - then["ns"]))
            told.append({"rss": r["sums"]["rss"], "private": r["sums"]["private_clean"] + r["sums"]["private_dirty"]})
        near(f"loader: what worker {worker} has of its own", told[1]["private"], last["private"])
        grown = last["private"] - first["private"]
        near(f"loader: by how much that has grown", told[1]["private"] - told[0]["private"], grown)
        moved = abs(told[1]["rss"] - told[0]["rss"])
        check(f"loader: while its RSS stays flat", grown > 40 << 20 and moved < grown / 10,
              f"{moved / 2**20:.2f} of {grown / 2**20:.2f} M")


# --- vLLM --------------------------------------------------------------------------------------------


def large_mappings(pid, least):
    """RSS of each anonymous mapping of that size and more."""
    found, size, anonymous = [], 0, False
    for line in pathlib.Path(f"/proc/{pid}/smaps").read_text().splitlines():
        words = line.split()
        if "-" in words[0] and not words[0].endswith(":"):
            anonymous = len(words) == 5
        elif words[0] == "Size:":
            size = int(words[1]) << 10
        elif words[0] == "Rss:" and anonymous and size >= least:
            found.append(int(words[1]) << 10)
    return found


def cache_when_healthy(run, cache):
    """Reads the log of run.py until it says that it is healthy, and then smaps of all that it names."""
    healthy = False
    for line in run.stdout:
        words = line.split()
        healthy |= words[-1:] == ["healthy"]
        if healthy and len(words) > 3 and words[-1].startswith("VLLM::") or "VLLM::Worker" in line:
            pid = next((int(w) for w in words if w.isdigit()), None)
            try:
                cache.extend(large_mappings(pid, 900 << 20))
            except (OSError, TypeError):
                pass


def check_cache(args):
    out = args.out / "cache"
    out.mkdir(parents=True, exist_ok=True)
    tool = [args.tool.resolve(), "--growth", "-o", out / "rows", "--summary-json", out / "who.json", "--"]
    argv = [sys.executable, HERE / "run.py", "--venv", args.venv, "--model", args.model, "--tp", "1"]
    argv += ["--log", out / "vllm.log", "--linger", "8", "--prefix", shlex.join(map(str, tool))]
    cache = []
    with subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, text=True) as run:
        reader = threading.Thread(target=cache_when_healthy, args=(run, cache))
        reader.start()
        status = run.wait(900)
        reader.join()
    check("cache: vLLM comes up, answers and ends", status == 0, f"status {status}")
    check("cache: smaps has a mapping of about that size", len(cache) == 1, str(cache))
    lines = [line for p in pythons(out / "who.json") for line in p["lines"]]
    top = max(lines, key=lambda line: rss(line["self"]))
    near(f"cache: the line {top['name']} {top['file'][-40:]}:{top['line']}", rss(top["self"]), max(cache, default=0))
    check("cache: it is the one that makes the KV cache", "kv_cache" in top["name"], top["name"])


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", type=pathlib.Path, default="build/ramtrace-bpf")
    p.add_argument("--venv", type=pathlib.Path, default="build/vllm-0.28.0", help="made by setup.sh")
    p.add_argument("--model", type=pathlib.Path, default="build/vllm-model", help="made by model.py")
    p.add_argument("--out", type=pathlib.Path, default="build/vllm-grow", help="for logs")
    args = p.parse_args()
    args.tool, args.out = args.tool.resolve(), args.out.resolve()
    for part in check_load, check_loader, check_cache:
        part(args)
    print(f"{len(failed)} failed{': ' if failed else ''}{'; '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
