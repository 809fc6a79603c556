# SPDX-License-Identifier: GPL-2.0-or-later
"""A server with two workers that make.py records: they share what is loaded before the fork, build tables of
their own, and warm up, which takes a little more or less each time. It imports nothing, so that recordings of
it are small."""

import os
import sys

MIB = 1 << 20
TABLES = 16


class Worker:
    def __init__(self, rank):
        with open("/proc/self/comm", "w") as comm:
            comm.write(f"Worker_{rank}")
        self.rank = rank
        self.build_tables()
        self.warm_up()
        self.answer(1)
        self.answer(2)

    def build_tables(self):
        self.tables = []
        for _ in range(TABLES + 8 * self.rank):
            self.tables.append(b"t" * MIB)

    def warm_up(self):
        self.scratch = b"w" * (8 * MIB + os.urandom(1)[0] * 8192)

    def answer(self, mib):
        self.reply = b"r" * (mib * MIB)


def load_weights():
    return b"x" * (24 * MIB)


def main():
    weights = load_weights()
    workers = []
    for rank in range(2):
        pid = os.fork()
        if not pid:
            Worker(rank)
            os._exit(0)
        workers.append(pid)
    for pid in workers:
        os.waitpid(pid, 0)
    return len(weights) == 0


sys.exit(main())
