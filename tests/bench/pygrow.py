# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints the processor time of one page fault, or of one turn of a loop, in ns.

usage: pygrow.py grow|compute DEPTH [wait: print a line, and begin at a byte on stdin]
"""
import ctypes
import mmap
import sys
import time

SIZE = 32 << 20
TIMES = 24
TURNS = 3000000


def fill():
    memory = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    view = ctypes.c_char.from_buffer(memory)
    start = time.process_time()
    ctypes.memset(ctypes.addressof(view), 1, SIZE)
    spent = time.process_time() - start
    del view
    memory.close()
    return spent


def grow():
    return sum(fill() for _ in range(TIMES)) / (TIMES * SIZE / mmap.PAGESIZE)


def compute():
    total = 0
    start = time.process_time()
    for i in range(TURNS):
        total += i * i & 7
    return (time.process_time() - start) / TURNS


def deep(depth, work):
    return deep(depth - 1, work) if depth else work()


if len(sys.argv) > 3:
    print("ready", flush=True)
    sys.stdin.read(1)
print(deep(int(sys.argv[2]), {"grow": grow, "compute": compute}[sys.argv[1]]) * 1e9, flush=True)
