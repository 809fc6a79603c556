# SPDX-License-Identifier: GPL-2.0-or-later
"""Four threads that grow at the same time, mostly without the GIL; then threads by the hundred."""
import sys
import threading

import told
from told import span


# trace: load
# trace: part
def part(k, mib):
    with span("part"):
        told.fill(mib)
        told.read(k + 1)


def load(k):
    with span("load"):
        told.fill(5 + 3 * k)
        part(k, 4 + k)
        told.touch(1 + k)
        part(k, 9 - k)


# trace: short
def short(pages):
    with span("short"):
        told.free(told.pages(pages))


def run(target, items):
    threads = [threading.Thread(target=target, args=(k,)) for k in items]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


run(load, range(4))
for _ in range(30):
    run(short, [64, 96, 128, 160, 192, 224, 256])
print("done")
sys.exit(3)
