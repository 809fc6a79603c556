# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py: one start of a real vLLM server, from nothing to one answered request to its end by SIGINT.

It may be started under something (--prefix), be given a companion (--attach), or measure itself from
inside (--truth). Exit status: 0 if it came up, answered and ended well; 1 if not. Whatever was
started is ended, by its pid, also on failure."""

import argparse
import ctypes
import http.client
import json
import os
import pathlib
import shlex
import signal
import socket
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
LIMIT = 900  # seconds, for all of it
PR_SET_CHILD_SUBREAPER = 36

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "DO_NOT_TRACK": "1",
    "VLLM_TARGET_DEVICE": "cpu",
    "VLLM_CPU_KVCACHE_SPACE": "1",  # GiB a worker
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "1",
}

start = time.monotonic()


class Failure(Exception):
    pass


def say(text):
    print(f"run: [{time.monotonic() - start:6.1f}s] {text}", flush=True)


def cmdline(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1]
    except OSError:
        return []


def children():
    """parent -> children, of all processes."""
    tree = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                stat = pathlib.Path(f"/proc/{name}/stat").read_text(errors="replace")
            except OSError:
                continue
            tree.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(name))
    return tree


def descendants():
    """Ours, parents first."""
    tree, found = children(), [os.getpid()]
    for pid in found:
        found += tree.get(pid, [])
    return found[1:]


def end_all():
    """Orphans are ours too, since we are their subreaper."""
    for sig, seconds in (signal.SIGTERM, 5), (signal.SIGKILL, 10):
        until = time.monotonic() + seconds
        told = set()
        while time.monotonic() < until:
            reap()
            left = descendants()
            if not left:
                return
            for pid in left:
                if pid not in told:
                    told.add(pid)
                    say(f"{sig.name} to {pid}: {b' '.join(cmdline(pid)).decode(errors='replace')[:60]}")
                    try:
                        os.kill(pid, sig)
                    except ProcessLookupError:
                        pass
            time.sleep(0.1)


def reap():
    """Orphans only: to be called when those that Popen waits for have been waited for."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def command(args, port):
    argv = [
        str(args.venv / "bin/python"), str(args.venv / "bin/vllm"), "serve", str(args.model),
        "--load-format", args.load_format,
        "--enforce-eager",
        "--dtype", "bfloat16",
        "--max-model-len", "40960",
        "--max-num-seqs", "256",
        "--tensor-parallel-size", str(args.tp),
        "--gpu-memory-utilization", "0.3",
        "--host", "127.0.0.1",
        "--port", str(port),
    ]  # fmt: skip
    if args.safetensors_load_strategy:
        argv += ["--safetensors-load-strategy", args.safetensors_load_strategy]
    return argv


def environment(args):
    env = {**os.environ, **ENVIRONMENT}
    env["PATH"] = f"{args.venv / 'bin'}:{env['PATH']}"
    if args.truth:
        args.truth.mkdir(parents=True, exist_ok=True)
        env["RAMTRACE_TRUTH_DIR"] = str(args.truth.resolve())
        env["RAMTRACE_TRUTH_SLOW"] = str(args.slow)
        env["PYTHONPATH"] = ":".join(filter(None, [str(HERE / "truth"), env.get("PYTHONPATH")]))
    return env


def wait_for(what, process, seconds=LIMIT):
    """Polls until what() is true, which it returns; fails when the process ends before."""
    until = min(start + LIMIT, time.monotonic() + seconds)
    while time.monotonic() < until:
        ended = process.poll() is not None
        got = what()
        if got:
            return got
        if ended:
            raise Failure(f"{what.__doc__}: ended with status {process.returncode} before")
        time.sleep(0.1)
    raise Failure(f"{what.__doc__}: not within {seconds} s")


def request(port, method, path, body=None):
    """The answer's body, or None while there is no server."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    try:
        connection.request(method, path, body and json.dumps(body), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        if answer.status == 200:
            return text or "ok"
        if body:
            raise Failure(f"{path} answers {answer.status}: {text}")
    except OSError:
        if body:
            raise
    finally:
        connection.close()


def complete(args, port):
    body = {"model": str(args.model), "prompt": "w1 w2 w3", "max_tokens": 4, "temperature": 0}
    return json.loads(request(port, "POST", "/v1/completions", body))


def answer_many(args, port):
    """How long that many requests took, one after the other: at once, and after a while."""
    took = []
    for wait in (0, args.settle) if args.requests else ():
        time.sleep(wait)
        began = time.monotonic()
        for _ in range(args.requests):
            complete(args, port)
        took.append(time.monotonic() - began)
        say(f"{args.requests} requests in {took[-1]:.2f} s")
    return took


def serve(args, log):
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    argv = command(args, port)
    wanted = [os.fsencode(a) for a in argv]
    process = subprocess.Popen(
        shlex.split(args.prefix) + argv, env=environment(args), stdin=subprocess.DEVNULL, stdout=log, stderr=log
    )
    companion = None

    def server():
        "the server's process"
        return next((pid for pid in descendants() if cmdline(pid) == wanted), None)

    def healthy():
        "/health"
        return request(port, "GET", "/health")

    def ended():
        "the end after SIGINT"
        return process.returncode is not None

    pid = wait_for(server, process)
    say(f"server is pid {pid}, port {port}")
    if args.attach:
        companion = subprocess.Popen(shlex.split(args.attach.replace("{pid}", str(pid))), stdin=subprocess.DEVNULL)
        say(f"companion is pid {companion.pid}")
    wait_for(healthy, process)
    result = {"healthy_s": time.monotonic() - start}
    say("healthy")
    for p in descendants():
        say(f"  {p} {b' '.join(cmdline(p)).decode(errors='replace')[:70]}")
    answer = complete(args, port)
    result["answer"] = {"choices": answer["choices"], "usage": answer["usage"]}
    say(f"answered {answer['usage']['completion_tokens']} tokens")
    result["requests_s"] = answer_many(args, port)
    time.sleep(args.linger)
    os.kill(pid, signal.SIGINT)
    wait_for(ended, process, 120)
    say(f"ended with status {process.returncode}")
    result["status"] = process.returncode
    if args.result:
        args.result.write_text(json.dumps(result, ensure_ascii=False))
    if companion:
        try:
            companion.wait(60)
        except subprocess.TimeoutExpired:
            companion.send_signal(signal.SIGINT)
            companion.wait(60)
        say(f"companion ended with status {companion.returncode}")
    until = time.monotonic() + 30  # what notices the end of the server by itself
    while left := descendants():
        if time.monotonic() > until:
            raise Failure(f"left running: {left}")
        reap()
        time.sleep(0.02)
    if process.returncode:
        raise Failure("that is no success")
    if companion and companion.returncode:
        raise Failure("the companion failed")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--venv", type=pathlib.Path, default="build/vllm-0.28.0", help="made by setup.sh")
    p.add_argument("--model", type=pathlib.Path, default="build/vllm-model", help="made by model.py")
    p.add_argument("--tp", type=int, default=1, help="tensor parallel size: so many workers")
    p.add_argument("--load-format", choices=["dummy", "safetensors"], default="dummy")
    p.add_argument("--safetensors-load-strategy", choices=["lazy", "eager"])
    p.add_argument("--truth", type=pathlib.Path, metavar="DIR", help="measure from inside, into DIR")
    p.add_argument("--slow", type=float, default=0, help="with --truth: seconds that loading takes longer")
    p.add_argument("--prefix", default="", metavar="CMD", help="what to put in front of the command")
    p.add_argument("--attach", metavar="CMD", help="run as soon as the server's process exists, {pid}")
    p.add_argument("--linger", type=float, default=0, help="seconds between the answer and SIGINT")
    p.add_argument("--requests", type=int, default=0, metavar="N", help="N more requests, and N again")
    p.add_argument("--settle", type=float, default=0, help="seconds before they come again")
    p.add_argument("--result", type=pathlib.Path, metavar="FILE", help="the answer, the times and the status, as JSON")
    p.add_argument("--log", type=pathlib.Path, help="where the output goes (default: build/vllm.log)", default="build/vllm.log")
    args = p.parse_args()
    args.venv, args.model = args.venv.absolute(), args.model.absolute()
    # A shell's background job ignores SIGINT, and what is ignored stays so in children.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    args.log.parent.mkdir(parents=True, exist_ok=True)
    try:
        with open(args.log, "wb") as log:
            serve(args, log)
        return 0
    except Failure as e:
        say(f"FAILED: {e}")
        print(args.log.read_text(errors="replace")[-4000:], file=sys.stderr)
        return 1
    finally:
        end_all()


sys.exit(main())
