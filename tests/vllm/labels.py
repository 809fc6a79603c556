# SPDX-License-Identifier: GPL-2.0-or-later
"""labels.py DIR VERSION TP [--write]: what the truth in DIR says, process by process, and whether the
checkpoints are those that labels.json has for this version and tensor parallel size, each process
with exactly these in this order. --write makes it so. Exit status: 0 if they are, 1 if not."""

import argparse
import json
import pathlib
import sys

KNOWN = pathlib.Path(__file__).with_name("labels.json")
MIB = 1 << 20

# What must have grown between two checkpoints, by the sizes that model.py and run.py chose, in MiB:
# 256 requests of 40960 tokens, 4 bytes and 1 byte each; 1 GiB of KV cache.
GROWN = {
    "InputBatch:创建token_ids_cpu_tensor之后": 40,
    "InputBatch:创建is_token_ids_tensor之后": 10,
    "WorkerWrapper.initialize_from_config之后": 1024,
}
SLACK = 1  # MiB: the interpreter's own


def load(directory):
    """The rows of each process, in the order of the processes' first rows."""
    logs = [[json.loads(line) for line in open(f)] for f in pathlib.Path(directory).glob("*.jsonl")]
    return sorted((rows for rows in logs if rows), key=lambda rows: rows[0]["time_ns"])


def kind(rows):
    """Where one process is both, as with one worker in old versions, it is the engine's."""
    return "EngineCore" if any(r["label"].startswith("EngineCore初始化") for r in rows) else "Worker"


def show(processes):
    for rows in processes:
        first = previous = rows[0]
        print(f"{kind(rows)} {first['pid']}: {first['rss'] / MIB:.2f} M")
        for r in rows:
            grown, total = ((r["rss"] - old["rss"]) / MIB for old in (previous, first))
            print(f"  {r['when']:6} {grown:+9.2f} {total:9.2f}  {r['label']} ({r['function']})")
            previous = r


def wrong_growth(processes):
    for rows in processes:
        for before, after in zip(rows, rows[1:]):
            wanted = GROWN.get(after["label"])
            if wanted:
                grown = (after["rss"] - before["rss"]) / MIB
                if not wanted <= grown <= wanted + SLACK:
                    yield f"{after['label']} of {after['pid']}: grew by {grown:.2f} M, not {wanted}"


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("dir")
    p.add_argument("version")
    p.add_argument("tp")
    p.add_argument("--write", action="store_true")
    args = p.parse_args()
    processes = load(args.dir)
    show(processes)
    seen = sorted([kind(rows), [r["label"] for r in rows]] for rows in processes)
    known = json.loads(KNOWN.read_text()) if KNOWN.exists() else {}
    wrong = list(wrong_growth(processes))
    if args.write:
        known.setdefault(args.version, {})[args.tp] = seen
        KNOWN.write_text(json.dumps(known, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
    elif known.get(args.version, {}).get(args.tp) != seen:
        wrong.append(f"not the checkpoints of labels.json for {args.version} with {args.tp} workers")
    for line in wrong:
        print("WRONG: " + line)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
