# SPDX-License-Identifier: GPL-2.0-or-later
"""Which functions of vLLM the labels bracket: "before" is the entry, "after" the return. A function
that a version does not have has no checkpoint in it."""

from collections import namedtuple

Row = namedtuple("Row", "module qualname before after group caller other nth from_c", defaults=[None] * 5 + [False])
# before, after: the labels, or None.
# group:  of the active functions of one group, on one thread, only the outermost counts.
# caller: the qualname of the function that must have called it ...
# other:  ... or else these labels are taken; without them it is not counted.
# nth:    (module, name, [(before, after), ...]): the first calls of that builtin inside it.
# from_c: the interpreter enters it from C also when it is not measured: by type(), or f(*args).


def pair(text, where="{}"):
    return where.format(text + "之前"), where.format(text + "之后")


V1 = "vllm.v1."
ENGINE = V1 + "engine.core"
EXECUTOR = V1 + "executor.abstract"
WORKER = V1 + "worker."
RUNNERS = [  # (module, class)
    (WORKER + "gpu_model_runner", "GPUModelRunner"),
    (WORKER + "gpu.model_runner", "GPUModelRunner"),
    (WORKER + "cpu_model_runner", "CPUModelRunner"),
]
KV = "_initialize_kv_caches:{}"

ROWS = [
    Row(ENGINE, "EngineCore.__init__", "EngineCore初始化开始", None),
    Row(EXECUTOR, "Executor.__init__", *pair("创建ModelExecutor"), from_c=True),
    Row(ENGINE, "EngineCore._initialize_kv_caches", *pair("初始化KV Cache")),
    Row(ENGINE, "EngineCore.collective_rpc", *pair("调用initialize_cache"), caller="EngineCore.__init__"),
    Row(V1 + "structured_output", "StructuredOutputManager.__init__", *pair("创建StructuredOutputManager"), from_c=True),
    Row(V1 + "core.sched.scheduler", "Scheduler.__init__", *pair("创建Scheduler"), "scheduler", from_c=True),
    Row(V1 + "core.sched.async_scheduler", "AsyncScheduler.__init__", *pair("创建Scheduler"), "scheduler", from_c=True),
    Row(WORKER + "gpu_worker", "Worker.initialize_cache", *pair("Worker.initialize_cache"), from_c=True),
    Row(WORKER + "workspace", "init_workspace_manager", *pair("初始化workspace_manager")),
    Row(WORKER + "gpu_worker", "Worker.load_model", *pair("Worker.load_model"), "worker load"),
    Row(WORKER + "cpu_worker", "CPUWorker.load_model", *pair("Worker.load_model"), "worker load"),
    Row(
        WORKER + "gpu_input_batch",
        "InputBatch.__init__",
        *pair("GPUModelRunner:创建InputBatch"),
        caller="GPUModelRunner.__init__",
        other=pair("GPUModelRunner:创建InputBatch", "{}(重建)"),
        nth=(
            "torch",
            "zeros",
            [pair("InputBatch:创建token_ids_cpu_tensor"), pair("InputBatch:创建is_token_ids_tensor")],
        ),
        from_c=True,
    ),
    Row(
        "vllm.model_executor.model_loader.base_loader",
        "BaseModelLoader.load_model",
        *pair("ModelRunner.load_model:调用model_loader.load_model"),
    ),
    Row(EXECUTOR, "Executor.get_kv_cache_specs", *pair("获取kv_cache_specs", KV)),
    Row(EXECUTOR, "Executor.determine_available_memory", *pair("调用determine_available_memory", KV)),
    Row(V1 + "core.kv_cache_utils", "get_kv_cache_configs", *pair("调用get_kv_cache_configs", KV)),
    Row(EXECUTOR, "Executor.initialize_from_config", *pair("调用initialize_from_config", KV)),
    Row(
        WORKER + "worker_base",
        "WorkerWrapperBase.initialize_from_config",
        *pair("WorkerWrapper.initialize_from_config"),
        from_c=True,
    ),
    Row(WORKER + "worker_base", "WorkerWrapperBase.init_device", *pair("WorkerWrapper.init_device")),
]
for module, runner in RUNNERS:
    init, load = runner + ".__init__", runner + ".load_model"
    ROWS.append(Row(module, init, *pair("创建ModelRunner"), "runner", from_c=runner == "CPUModelRunner"))
    ROWS.append(Row(module, load, "ModelRunner.load_model:开始加载模型权重之前", None, "runner load"))
    if runner == "GPUModelRunner":
        ROWS.append(Row(module, init, "GPUModelRunner.__init__开始", None))
