# SPDX-License-Identifier: GPL-2.0-or-later
"""Which calls have rows depends on what is open, who called, and how often. Tells by label."""
import ctypes
import os
import sys
import time

import told
from told import span

qsort = ctypes.CDLL(None).qsort
kind = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)
numbers = (ctypes.c_int * 2)(2, 1)


class labels:
    def __init__(self, names):
        self.names = names

    def __enter__(self):
        for name in self.names:
            told.tell("entry", name)

    def __exit__(self, *what):
        for name in self.names:
            told.tell("return", name)


# trace: in_a=py:py_when.py:step inside py:py_when.py:A.run
# trace: by_b=py:py_when.py:step caller B.run
# trace: third=py:py_when.py:step nth 3
# trace: second_in_b=py:py_when.py:step inside py:py_when.py:B.run nth 2
steps = 0


def step(*names):
    global steps
    steps += 1
    with labels(names + (("third",) if steps == 3 else ())):
        told.touch(1)


# trace: top=py:py_when.py:down outermost
def down(n, *names):
    with labels(names):
        told.pages(8)
        if n:
            down(n - 1)


# trace: sorts=libc.so.6:qsort inside py:py_when.py:A.run
# trace: compares=py:py_when.py:compare inside libc.so.6:qsort
@kind
def callback(a, b):
    return compare("compares")


def compare(*names):
    with labels(names):
        told.touch(1)
    return 0


def sort(*names):
    with labels(names):
        qsort(numbers, 2, 4, callback)


class A:
    def run(self):
        told.touch(1)
        step("in_a")
        self.deeper()
        sort("sorts")

    def deeper(self):
        step("in_a")


class B:
    def run(self):
        told.touch(1)
        step("by_b")
        step("by_b", "second_in_b")
        self.deeper()
        compare()

    def deeper(self):
        step()


step()
# until probes tell of entries: before, a call from C looks like the one before it
while len(sys.argv) > 1 and not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
A().run()
B().run()
sort()
step()
compare()
down(5, "top")
told.touch(1)
down(3, "top")
B().run()
A().run()
print(steps)
