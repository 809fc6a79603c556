# SPDX-License-Identifier: GPL-2.0-or-later
"""More of everything than there is room for. usage: py_limits.py GO many|deep N PAGES. many: N functions, f_0,
f_1, ..., each of which brings PAGES pages, once there is a file GO. deep: one that calls itself N times, waits
there until there is the file, and then brings them."""
import mmap
import os
import sys
import time

PAGE = mmap.PAGESIZE
go, what, n, pages = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
memory = mmap.mmap(-1, (n if what == "many" else 1) * pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def wait():
    while not os.path.exists(go):
        time.sleep(0.01)


def bring():
    for at in range(0, pages * PAGE, PAGE):
        memory[at] = 1


def deep(frames):
    if frames:
        deep(frames - 1)
    else:
        print("waits", flush=True)
        wait()
        bring()


def many():
    text = "def f_{0}():\n    for at in range({0} * PAGES, ({0} + 1) * PAGES, PAGE):\n        memory[at] = 1\n"
    names = {"memory": memory, "PAGES": pages * PAGE, "PAGE": PAGE}
    exec("".join(text.format(i) for i in range(n)), names)
    for i in range(n):
        names["f_%d" % i]()


sys.setrecursionlimit(n + 1000)
if what == "many":
    wait()
    many()
else:
    deep(n)
os._exit(0)  # what it gives back to end is of no interest
