# SPDX-License-Identifier: GPL-2.0-or-later
"""What it costs a Python program to read its own RSS, in ns a reading: one object of JSON."""
import gc
import json
import os
import time

try:
    import psutil
except ImportError:
    psutil = None


def cost(read, times):
    read()
    start = time.perf_counter()
    for _ in range(times):
        read()
    return (time.perf_counter() - start) / times * 1e9


def main():
    statm = os.open("/proc/self/statm", os.O_RDONLY)
    found = {"pread": cost(lambda: int(os.pread(statm, 99, 0).split()[1]), 100000)}
    if psutil:
        kept = psutil.Process()
        found["kept"] = cost(lambda: kept.memory_info().rss, 10000)
        found["psutil"] = cost(lambda: psutil.Process().memory_info().rss, 10000)
        found["gc"] = cost(lambda: (gc.collect(), psutil.Process().memory_info().rss), 200)
    print(json.dumps(found))


main()
