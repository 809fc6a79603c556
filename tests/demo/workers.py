#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""A small model server, of which the demo shows who takes how much memory: an engine that starts
workers, which map the weights that they share, build tables of their own, warm up and answer."""

import array
import mmap
import multiprocessing
import multiprocessing.shared_memory
import os
import sys
import tempfile

MIB = 1 << 20
WORKERS = 2


class Worker:
    def __init__(self, rank, weights, cache):
        self.rank = rank
        self.load_weights(weights)
        self.build_tables()
        self.cache = multiprocessing.shared_memory.SharedMemory(cache)
        self.warm_up()

    def load_weights(self, path):
        with open(path, "rb") as f:
            self.weights = mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ)
        self.checksum = sum(self.weights[at] for at in range(0, len(self.weights), mmap.PAGESIZE))

    def build_tables(self):
        self.words = {f"w{i}": i for i in range(60000)}
        self.rows = [array.array("d", [rank]) * (MIB // 8) for rank in range(16 + 8 * self.rank)]

    def warm_up(self):
        scratch = bytearray(os.urandom(4096)) * (64 * MIB // 4096)
        return len(scratch)

    def serve(self, requests, answers):
        part = self.cache.size // WORKERS
        for request in iter(requests.get, None):
            end = (self.rank + 1) * part if request == "all" else self.rank * part + MIB
            for at in range(self.rank * part, end, mmap.PAGESIZE):
                self.cache.buf[at] = 1
            answers.put(self.words.get(request, self.checksum))

    def close(self):
        self.rows = self.words = None
        self.weights.close()
        self.cache.close()


def worker_main(rank, weights, cache, requests, answers):
    worker = Worker(rank, weights, cache)
    answers.put("ready")
    worker.serve(requests, answers)
    worker.close()


class Engine:
    def __init__(self, directory):
        self.weights = self.make_weights(os.path.join(directory, "weights"))
        self.cache = multiprocessing.shared_memory.SharedMemory(create=True, size=32 * MIB)
        self.start_workers()

    def make_weights(self, path):
        block = bytearray(48 * MIB)
        for at in range(0, len(block), 512):
            block[at] = at >> 9 & 0xFF
        with open(path, "wb") as f:
            f.write(block)
        return path

    def start_workers(self):
        context = multiprocessing.get_context("spawn")
        self.answers = context.Queue()
        self.queues = [context.Queue() for _ in range(WORKERS)]
        self.workers = [
            context.Process(target=worker_main, args=(i, self.weights, self.cache.name, queue, self.answers))
            for i, queue in enumerate(self.queues)
        ]
        for rank, worker in enumerate(self.workers):
            os.environ["WORKER"] = f"Worker_{rank}"
            worker.start()
        for _ in self.workers:
            self.answers.get()

    def ask(self, request):
        for queue in self.queues:
            queue.put(request)
        return [self.answers.get() for _ in self.queues]

    def shut_down(self):
        for queue in self.queues:
            queue.put(None)
        for worker in self.workers:
            worker.join()
        self.cache.close()
        self.cache.unlink()


def main():
    with tempfile.TemporaryDirectory() as directory:
        engine = Engine(directory)
        engine.ask("w17")
        engine.ask("all")
        engine.shut_down()


if __name__ == "__main__":
    sys.exit(main())
