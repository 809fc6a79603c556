# SPDX-License-Identifier: GPL-2.0-or-later
"""Workers of multiprocessing that read what their parent made, as those of a DataLoader do.

Reading an object writes its count of references: the pages become the worker's own, while its RSS
stays as it is. A step begins when the file of its name is there, in the directory that is the
argument: "go" to read half of it, "end" to end.
"""
import multiprocessing
import os
import sys
import time


def wait_for(name):
    while not os.path.exists(os.path.join(sys.argv[1], name)):
        time.sleep(0.005)


def worker(number):
    print("worker", os.getpid(), flush=True)
    wait_for("go")
    for item in DATA[: len(DATA) // 2]:
        len(item)
    del item
    print("read", os.getpid(), flush=True)
    wait_for("end")


DATA = [str(i) * 8 for i in range(1000000, 1400000)]

if __name__ == "__main__":
    multiprocessing.set_start_method("fork")
    workers = [multiprocessing.Process(target=worker, args=(i,)) for i in range(2)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
