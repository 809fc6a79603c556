# SPDX-License-Identifier: GPL-2.0-or-later
"""Readers of what the tool prints, of the truth, and the 41 labels that the tool is for."""

import json
import pathlib
import re

MIB = 1 << 20
KINDS = ("rss", "anon", "file", "shmem")

# As vLLM's own memory log has them, one by one, so that nothing that makes labels is trusted here.
SEED_LABELS = """
EngineCore初始化开始
创建ModelExecutor之前
创建ModelExecutor之后
初始化KV Cache之前
初始化KV Cache之后
调用initialize_cache之前
调用initialize_cache之后
创建StructuredOutputManager之前
创建StructuredOutputManager之后
创建Scheduler之前
创建Scheduler之后
Worker.initialize_cache之前
Worker.initialize_cache之后
初始化workspace_manager之前
初始化workspace_manager之后
创建ModelRunner之前
创建ModelRunner之后
Worker.load_model之前
Worker.load_model之后
GPUModelRunner.__init__开始
GPUModelRunner:创建InputBatch之前
GPUModelRunner:创建InputBatch之后
ModelRunner.load_model:开始加载模型权重之前
ModelRunner.load_model:调用model_loader.load_model之前
ModelRunner.load_model:调用model_loader.load_model之后
InputBatch:创建token_ids_cpu_tensor之前
InputBatch:创建token_ids_cpu_tensor之后
InputBatch:创建is_token_ids_tensor之前
InputBatch:创建is_token_ids_tensor之后
_initialize_kv_caches:获取kv_cache_specs之前
_initialize_kv_caches:获取kv_cache_specs之后
_initialize_kv_caches:调用determine_available_memory之前
_initialize_kv_caches:调用determine_available_memory之后
_initialize_kv_caches:调用get_kv_cache_configs之前
_initialize_kv_caches:调用get_kv_cache_configs之后
_initialize_kv_caches:调用initialize_from_config之前
_initialize_kv_caches:调用initialize_from_config之后
WorkerWrapper.initialize_from_config之前
WorkerWrapper.initialize_from_config之后
WorkerWrapper.init_device之前
WorkerWrapper.init_device之后
""".strip().split("\n")

# What the log built into vLLM printed, as its description shows it.
SEED_SAMPLE = """
INFO: EngineCore初始化开始 占用 0.00 M RAM内存 (累计: 0.00 M)
INFO: 创建ModelExecutor之前 占用 15.23 M RAM内存 (累计: 15.23 M)
INFO: 创建ModelExecutor之后 占用 8.45 M RAM内存 (累计: 23.68 M)
INFO: 初始化KV Cache之前 占用 2.11 M RAM内存 (累计: 25.79 M)
INFO: GPUModelRunner.__init__开始 占用 5.32 M RAM内存 (累计: 31.11 M)
INFO: GPUModelRunner:创建InputBatch之前 占用 1.89 M RAM内存 (累计: 33.00 M)
INFO: InputBatch:创建token_ids_cpu_tensor之前 占用 0.45 M RAM内存 (累计: 33.45 M)
INFO: InputBatch:创建token_ids_cpu_tensor之后 占用 12.34 M RAM内存 (累计: 45.79 M)
INFO: InputBatch:创建is_token_ids_tensor之前 占用 0.12 M RAM内存 (累计: 45.91 M)
INFO: InputBatch:创建is_token_ids_tensor之后 占用 3.08 M RAM内存 (累计: 48.99 M)
INFO: GPUModelRunner:创建InputBatch之后 占用 0.05 M RAM内存 (累计: 49.04 M)
INFO: Worker.load_model之前 占用 2.15 M RAM内存 (累计: 51.19 M)
INFO: ModelRunner.load_model:开始加载模型权重之前 占用 1.23 M RAM内存 (累计: 52.42 M)
INFO: ModelRunner.load_model:调用model_loader.load_model之前 占用 0.67 M RAM内存 (累计: 53.09 M)
INFO: ModelRunner.load_model:调用model_loader.load_model之后 占用 1234.56 M RAM内存 (累计: 1287.65 M)
""".strip().split("\n")

# The reader that a script for that log would have, and the form a line must have exactly.
SEED_READER = re.compile(r"INFO: (.*?) 占用 (\S+) M RAM内存 \(累计: (\S+) M\)")
SEED_LINE = re.compile(r"^INFO: .+ 占用 -?\d+\.\d\d M RAM内存 \(累计: -?\d+\.\d\d M\)$")

_M = r"(-?\d+\.\d\d)"
TEXT_LINE = re.compile(
    rf"^INFO: \[ *\d+\.\d\d\ds\] \((?:(\S+) )?pid=(\d+)\) (.+) (占用|释放) ([+-]\d+\.\d\d) M RAM内存"
    rf" \(累计: {_M} M\) rss {_M} = anon {_M} \+ file {_M} \+ shmem {_M}"
)


def read_seed(line):
    """Label, delta and total, or None."""
    found = SEED_READER.match(line)
    return found and (found[1], float(found[2]), float(found[3]))


def read_text(line):
    found = TEXT_LINE.match(line)
    if not found:
        return None
    role, pid, label, word, *numbers = found.groups()
    names = ("delta", "total", "rss", "anon", "file", "shmem")
    return {"role": role or "", "pid": int(pid), "label": label, "word": word, **dict(zip(names, map(float, numbers)))}


def by_process(rows):
    """pid -> its rows; processes in the order of their first."""
    found = {}
    for row in rows:
        found.setdefault(row["pid"], []).append(row)
    return found


def read_truth(directory):
    """pid -> the rows that it wrote of itself, in their order."""
    logs = (map(json.loads, path.read_text().splitlines()) for path in pathlib.Path(directory).glob("*.jsonl"))
    return by_process(row for rows in logs for row in rows)


class Log:
    """A log in jsonl."""

    def __init__(self, path):
        self.lines = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]
        self.rows = [line for line in self.lines if line["type"] == "checkpoint"]
        self.by_pid = by_process(self.rows)
        self.plain = {pid: [r for r in rows if not r["extra"]] for pid, rows in self.by_pid.items()}
        self.summary = self.lines[-1] if self.lines and self.lines[-1]["type"] == "summary" else {}

    def roles(self):
        """pid -> the role that it had in the end."""
        ended = (line for line in self.lines if line["type"] == "process" and line["state"] != "exec")
        return {line["pid"]: line["role"] for line in ended}
