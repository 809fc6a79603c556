# SPDX-License-Identifier: GPL-2.0-or-later
"""check.py --tool FILE --venv DIR --version V [...]: what the tool says of a real, unmodified vLLM,
started under it or attached to while it starts, held against what the processes themselves read at
the same points (truth/), against labels.json and against the same run without it.

One line a check; exit status 1 if one fails. What the runs left is in --out. Run it by the venv's
Python, which has jsonschema."""

import argparse
import collections
import filecmp
import json
import pathlib
import shlex
import subprocess
import sys

import labels
import logs
from logs import KINDS, MIB

HERE = pathlib.Path(__file__).resolve().parent
NEAR = 64 << 10  # bytes that a reading from inside and one from outside may be apart
ROUNDED = 0.0051  # M: a number in text is at most so far from the true one

BEFORE_LOADING = "ModelRunner.load_model:调用model_loader.load_model之前"
AFTER_LOADING = "ModelRunner.load_model:调用model_loader.load_model之后"

# Labels whose functions a version has not. Of others only the call that counts is not there (the
# function, EngineCore.collective_rpc, has other callers), or it is only on a GPU.
ABSENT = {"0.13.0": [], "0.28.0": ["Worker.initialize_cache之前", "Worker.initialize_cache之后"]}
NO_CALL = {"0.13.0": [], "0.28.0": ["调用initialize_cache之前", "调用initialize_cache之后"]}
NOT_ON_CPU = ["初始化workspace_manager之前", "初始化workspace_manager之后"]

Case = collections.namedtuple("Case", "name tp how truth live strategy venv slow", defaults=[None, None, 0])
# how:      "--", "pid", or None for the server alone
# live:     the format of the log that is written while it runs; replays make the others
# strategy: how weights are loaded, else there are none
# slow:     so many seconds does EngineCore wait for its worker, as for a model of real size


class Checks:
    def __init__(self):
        self.failed = []
        self.done = 0

    def __call__(self, case, what, good, figures=""):
        self.done += 1
        if not good:
            self.failed.append(f"{case}: {what}")
        print(f"{'ok  ' if good else 'FAIL'} {case}: {what}{': ' if figures else ''}{figures}", flush=True)
        return good


check = Checks()


def first_of(problems):
    """Figures for a check that is good when there are no problems."""
    problems = list(problems)
    more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
    return not problems, "; ".join(map(str, problems[:3])) + more


# --- running ---------------------------------------------------------------------------------------


def tool(args, *rest, into=None):
    with open(into or "/dev/null", "wb") as out:
        return subprocess.run([args.tool, *rest], stdout=out).returncode


def run(args, case):
    """Runs it, and makes the logs in the other formats; the folder with all of it, or None."""
    out = args.out / case.name
    out.mkdir(parents=True)
    argv = [sys.executable, HERE / "run.py", "--venv", case.venv or args.venv, "--tp", str(case.tp)]
    argv += ["--log", out / "vllm.log", "--result", out / "result.json"]
    argv += ["--model", args.weights if case.strategy else args.model]
    if case.strategy:
        argv += ["--load-format", "safetensors", "--safetensors-load-strategy", case.strategy]
    if case.truth:
        argv += ["--truth", out / "truth", "--slow", str(case.slow)]
    command = [args.tool, "--format", case.live, "--lang", "zh", "--record", out / "tape", "--output", out / "live"]
    command = shlex.join(map(str, command)) if case.how else ""
    if case.how == "--":
        argv += [f"--prefix={command} --"]
    elif case.how:
        argv += [f"--attach={command} --pid {{pid}}"]
    with open(out / "run.log", "wb") as log:
        status = subprocess.run(argv, stdout=log, stderr=log).returncode
    if not check(case.name, "comes up, answers, ends well", status == 0, "" if status == 0 else out / "run.log"):
        return None
    for form in ("jsonl", "text", "seed") if case.how else ():
        tool(args, "--replay", out / "tape", "--format", form, "--lang", "zh", into=out / form)
    return out


def server_of(out):
    return json.loads((out / "result.json").read_text())


# --- labels and values -----------------------------------------------------------------------------


def known_labels(args, tp):
    return json.loads(labels.KNOWN.read_text())[args.version][str(tp)]


def check_labels(args, case, log):
    seen = sorted([labels.kind(rows), [r["label"] for r in rows]] for rows in log.plain.values())
    known = known_labels(args, case.tp)
    good = check(case.name, "labels of each process", seen == known, f"{sum(len(k[1]) for k in seen)} in {len(seen)}")
    for (kind, have), (_, want) in zip(seen, known) if not good else ():
        lost = collections.Counter(want) - collections.Counter(have)
        more = collections.Counter(have) - collections.Counter(want)
        print(f"     {kind}: missing {sorted(lost.elements())}, too many {sorted(more.elements())}, or their order")


def wanted_roles(args, tp):
    workers = [k for k, _ in known_labels(args, tp)].count("Worker")
    return ["EngineCore"] + (["Worker"] if workers == 1 else [f"Worker_TP{i}" for i in range(workers)])


def check_roles(args, case, log):
    """A title is set late and in steps: a row may have less of the role, never another one."""
    last = log.roles()
    ends = sorted(last.get(pid, "") for pid in log.plain)
    problems = [] if ends == wanted_roles(args, case.tp) else [f"in the end {ends}"]
    for pid, rows in log.by_pid.items():
        roles = [r["role"] for r in rows]
        if any(not last[pid].startswith(r) for r in roles) or roles != sorted(roles, key=len):
            problems.append(f"{last[pid]} {pid} had {sorted(set(roles))}")
        elif labels.kind(rows) != last[pid].split("_")[0]:
            problems.append(f"{pid} is no {last[pid]}")
    good, figures = first_of(problems)
    check(case.name, "roles and ranks", good, figures or ", ".join(ends))


def check_truth(case, log, truth):
    """Row by row: the same labels in the same order, and the same memory, by kind."""
    problems, worst, rows = [], dict.fromkeys(KINDS, 0), 0
    if set(truth) != set(log.plain):
        problems.append(f"processes {sorted(log.plain)}, in truth {sorted(truth)}")
    for pid, mine in log.plain.items():
        true = truth.get(pid, [])
        if [r["label"] for r in mine] != [r["label"] for r in true]:
            problems.append(f"{pid}: not the labels of truth in its order")
            continue
        for have, want in zip(mine, true):
            rows += 1
            for kind in KINDS:
                off = have[kind] - want[kind]
                worst[kind] = max(worst[kind], off, -off)
                if abs(off) > NEAR:
                    problems.append(f"{pid} {have['label']}: {kind} {off >> 10:+} KiB")
    good, figures = first_of(problems)
    spread = ", ".join(f"{k} {v >> 10}" for k, v in worst.items())
    check(case.name, "values agree with truth", good and rows, figures or f"{rows} rows, at most KiB apart: {spread}")


def check_told(case, log, what, wanted, states):
    """Is each of these labels listed, in one of these states? Absence takes a reason."""
    told = {line["label"]: line for line in log.summary.get("labels", [])}
    problems = []
    for label in wanted:
        s = told.get(label, {"state": "not listed", "why": None})
        if s["state"] not in states or (s["state"] == "not in this version" and not s["why"]):
            problems.append(f"{label}: {s['state']}, {s['why']}")
    good, figures = first_of(problems)
    check(case.name, what, good, figures or ", ".join(sorted({told[label]["state"] for label in wanted})))


def check_absent(args, case, log):
    uncalled = "not called", "not seen"
    if ABSENT[args.version]:
        what = "labels that this version has not are told, with the reason"
        check_told(case, log, what, ABSENT[args.version], ["not in this version"])
        what = "labels that this version does not come to are told"
        check_told(case, log, what, NO_CALL[args.version], ["not in this version", *uncalled])
    check_told(case, log, "labels that only a GPU's worker has are told", NOT_ON_CPU, uncalled)


# --- formats ---------------------------------------------------------------------------------------


def check_sums(case, log):
    problems = []
    for pid, rows in log.by_pid.items():
        sum_ = 0
        for i, r in enumerate(rows):
            sum_ += r["delta"]
            if r["total"] != sum_ or r["total"] != r["rss"] - rows[0]["rss"] or r["baseline"] != (i == 0):
                problems.append(f"{pid} {r['label']}: {sum_} is not {r['total']}")
            if r["rss"] != r["anon"] + r["file"] + r["shmem"]:
                problems.append(f"{pid} {r['label']}: kinds are not the sum")
    check(case.name, "jsonl: deltas add up to totals, kinds to rss, to the byte", *first_of(problems))


def check_text(case, log, path):
    lines = [line for line in path.read_text().splitlines() if line.startswith("INFO: ")]
    read = [logs.read_text(line) for line in lines if "内存跟踪基线" not in line]
    problems = [] if len(read) == len(log.rows) and all(read) else ["not the rows of jsonl"]
    sums = collections.Counter()
    for i, (text, row) in enumerate(zip(read, log.rows) if not problems else ()):
        sums[row["pid"]] += text["delta"]
        same = all(text[k] == row[k] for k in ("pid", "label", "role"))
        near = all(abs(text[k] - row[k] / MIB) < ROUNDED for k in ("delta", "total", *KINDS))
        added = abs(sums[row["pid"]] - text["total"]) < ROUNDED * (i + 2)
        if not (same and near and added and text["word"] == ("释放" if row["delta"] < 0 else "占用")):
            problems.append(lines[i])
    check(case.name, "text: the rows of jsonl; deltas add up", *first_of(problems))


def check_seed(args, case, log, path):
    lines = path.read_text().splitlines()
    rows = [r for r in log.rows if not r["extra"]]
    known = collections.Counter(label for _, ls in known_labels(args, case.tp) for label in ls)
    problems = [line for line in lines if not logs.SEED_LINE.match(line)]
    read = [logs.read_seed(line) for line in lines]
    if not all(map(logs.read_seed, logs.SEED_SAMPLE)) or not all(read):
        problems.append("a reader of vLLM's own log does not read it")
    elif collections.Counter(label for label, _, _ in read) != known or not set(known) <= set(logs.SEED_LABELS):
        problems.append("not its labels")
    elif [label for label, _, _ in read] != [r["label"] for r in rows]:
        problems.append("not the order of jsonl")
    else:
        totals = {}
        for (label, delta, total), row in zip(read, rows):
            # without the extra rows: against the last one that is printed
            true = row["total"] - totals.get(row["pid"], 0)
            totals[row["pid"]] = row["total"]
            if abs(total - row["total"] / MIB) > ROUNDED or abs(delta - true / MIB) > ROUNDED:
                problems.append(f"{label}: {delta} {total}, in jsonl {true / MIB:.4f} {row['total'] / MIB:.4f}")
    good, figures = first_of(problems)
    check(case.name, "seed: its lines, labels and numbers", good, figures or f"{len(lines)} lines")


def check_schema(args, case, log):
    try:
        import jsonschema
    except ImportError:
        print(f"     {case.name}: not held against the schema: no jsonschema")
        return
    text = subprocess.run([args.tool, "--json-schema"], stdout=subprocess.PIPE).stdout
    valid = jsonschema.Draft202012Validator(json.loads(text))
    problems = [f"line {i}: {e.message[:200]}" for i, line in enumerate(log.lines, 1) for e in valid.iter_errors(line)]
    check(case.name, "jsonl: valid by the schema", *first_of(problems))


def check_loss(case, log):
    loss = log.summary.get("loss", {"no summary": 1})
    walks = loss.get("py_walk", 0)
    bad = {k: n for k, n in loss.items() if n and k != "py_walk"}
    rows, inexact = len(log.rows), log.summary.get("rows_inexact")
    figures = f"{rows} rows, {inexact} inexact, {walks} stacks not read" + (f", {bad}" if bad else "")
    check(case.name, "nothing lost", not bad and not log.summary.get("orphans"), figures)


# --- weights ---------------------------------------------------------------------------------------


def moved_text(change, sign):
    return ", ".join(f"{k} {sign}{change[k] / MIB:.2f}" for k in KINDS[1:])


def check_weights(args, case, log):
    """Lazily, the weights' pages come and go as file; eagerly they are read into anonymous memory."""
    size = (args.weights / "model.safetensors").stat().st_size
    for rows in log.plain.values():
        found = {r["label"]: r for r in rows if r["label"] in (BEFORE_LOADING, AFTER_LOADING)}
        if not found:
            continue
        before, after = found[BEFORE_LOADING], found[AFTER_LOADING]
        for r in before, after:
            print(f"     {case.name}: {r['label']}: " + ", ".join(f"{k} {r[k] / MIB:.2f}" for k in KINDS) + " M")
        moved = moved_text(after["grown"], "+"), moved_text(after["returned"], "-")
        print(f"     {case.name}: between them {', '.join(moved)} M; the weights have {size / MIB:.2f} M")
        share, kept = after["grown"]["file"] / size, (after["file"] - before["file"]) / size
        good = 0.8 <= share <= 1.2 if case.strategy == "lazy" else 0 <= share <= 0.2
        check(case.name, "weights as file pages", good, f"{share:.2f} of the file came, {kept:+.2f} stayed")
        share = after["grown"]["anon"] / size
        # the parameters, and what else loading takes; eagerly also the file as read, and its tensors
        good = 1 <= share <= 2.5 if case.strategy == "lazy" else 3 <= share <= 4.5
        check(case.name, "weights as anonymous pages", good, f"{share:.2f} of the file")
        for kind in KINDS[1:]:
            moved = after[kind] - before[kind]
            near = abs(after["grown"][kind] - after["returned"][kind] - moved) <= NEAR
            check(case.name, f"grown - returned is the difference of the rows: {kind}", near, f"{moved / MIB:.2f} M")


# --- all of it -------------------------------------------------------------------------------------


def check_case(args, case, alone):
    out = run(args, case)
    if not out:
        return
    check(case.name, f"replay is what was live, {case.live}", filecmp.cmp(out / "live", out / case.live, shallow=False))
    log = logs.Log(out / "jsonl")
    check_labels(args, case, log)
    check_roles(args, case, log)
    if case.truth:
        check_truth(case, log, logs.read_truth(out / "truth"))
    check_absent(args, case, log)
    check_sums(case, log)
    check_text(case, log, out / "text")
    check_seed(args, case, log, out / "seed")
    check_schema(args, case, log)
    check_loss(case, log)
    if case.strategy:
        check_weights(args, case, log)
    mine = server_of(out)
    if alone:
        same = all(mine[k] == alone[k] for k in ("answer", "status"))
        check(case.name, "answer and exit status as untraced", same, repr(mine["answer"]["choices"][0]["text"]))


def cases_of(args):
    if args.version != "0.28.0":
        yield Case("tp1-untraced", 1, None, False, None)
        yield Case("tp1-truth", 1, "--", True, "jsonl")
        return
    for tp in 2, 1:
        texts = ("text", "seed") if tp == 2 else ("seed", "text")
        yield Case(f"tp{tp}-untraced", tp, None, False, None)
        yield Case(f"tp{tp}-truth", tp, "--", True, "jsonl")
        yield Case(f"tp{tp}-pid-truth", tp, "pid", True, "jsonl")
        yield Case(f"tp{tp}-bare", tp, "--", False, texts[0])
        yield Case(f"tp{tp}-pid-bare", tp, "pid", False, texts[1])
    yield Case("tp1-slow", 1, "--", True, "jsonl", slow=45)
    for strategy in "lazy", "eager":
        yield Case(f"weights-{strategy}", 1, "--", True, "jsonl", strategy)
    if args.debian_venv:
        yield Case("debian-tp1", 1, "--", True, "jsonl", None, args.debian_venv)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--tool", type=pathlib.Path, default="build/ramtrace-bpf")
    p.add_argument("--venv", type=pathlib.Path, default="build/vllm-0.28.0", help="made by setup.sh")
    p.add_argument("--version", choices=sorted(ABSENT), default="0.28.0", help="of vLLM in it")
    p.add_argument("--debian-venv", type=pathlib.Path, help="one of Debian's stripped Python, for a run more")
    p.add_argument("--model", type=pathlib.Path, default="build/vllm-model", help="made by model.py")
    p.add_argument("--weights", type=pathlib.Path, default="build/vllm-model-w", help="made by model.py --weights")
    p.add_argument("--out", type=pathlib.Path, default="build/vllm-check", help="for logs; what is there is removed")
    p.add_argument("--only", action="append", metavar="CASE", help="of the cases, these")
    args = p.parse_args()
    args.tool = args.tool.resolve()
    untraced = {}
    for case in cases_of(args):
        if args.only and case.name not in args.only:
            continue
        subprocess.run(["rm", "-rf", args.out / case.name], check=True)
        if case.how:
            check_case(args, case, None if case.strategy else untraced.get(case.tp))
            continue
        out = run(args, case)
        untraced[case.tp] = out and server_of(out)
    print(f"{check.done} checks, {len(check.failed)} failed" + "".join(f"\n  {f}" for f in check.failed))
    return 1 if check.failed or not check.done else 0


if __name__ == "__main__":
    sys.exit(main())
