# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that know how many pages they touch and give back. Writes {"functions": {NAME: {"self": N,
"inclusive": N, "returned": N}}, "lines": {"LINE": N}} in pages, of anonymous memory, to the first
argument. It begins when there is a file of the name of the second. With a third argument four threads
do it at the same time."""
import ctypes
import json
import mmap
import os
import sys
import threading
import time

PAGE = mmap.PAGESIZE
account = {}
lines = {}
lock = threading.Lock()
kept = threading.local()
stack = threading.local()


def charge(what, pages):
    """To the function that does it, and, of what it touches, to all that are open in this thread."""
    with lock:
        for name in set(stack.names):
            entry = account.setdefault(name, {"self": 0, "inclusive": 0, "returned": 0})
            if what == "self":
                entry["inclusive"] += pages
        account[stack.names[-1]][what] += pages


class known:
    def __init__(self, name):
        self.name = name

    def __enter__(self):
        stack.names.append(self.name)

    def __exit__(self, *what):
        stack.names.pop()


def fresh(pages):
    memory = mmap.mmap(-1, pages * PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    kept.maps.append(memory)
    return memory


def touch(pages):
    with known("touch"):
        memory = fresh(pages)
        charge("self", pages)
        for at in range(0, pages * PAGE, PAGE):
            memory[at] = 1  # LINE touch


def fill(pages):
    with known("fill"):
        memory = fresh(pages)
        charge("self", pages)
        ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(memory)), 1, pages * PAGE)  # LINE fill


def release():
    with known("release"):
        memory = kept.maps.pop()
        charge("returned", len(memory) // PAGE)
        memory.close()


def one(pages):
    with known("one"):
        touch(pages)


def other(pages):
    with known("other"):
        touch(pages)


def deep(n, pages):
    with known("deep"):
        if n:
            deep(n - 1, pages)
        else:
            touch(pages)


def some(n, pages):
    for _ in range(n):
        stack.names.append("some")
        touch(pages)
        stack.names.pop()
        yield pages


class Engine:
    def __init__(self, pages):
        with known("Engine.__init__"):
            fill(pages)

    def load(self, pages):
        with known("Engine.load"):
            touch(pages)
            self.part(pages)

    def part(self, pages):
        with known("Engine.part"):
            fill(2 * pages)


def work(scale):
    with known("work"):
        Engine(100 * scale).load(50 * scale)
        for i in range(20):
            one(3)
            other(4 + i % 2)
        deep(40, 30 * scale)
        for _ in some(5, 7):
            pass
        touch(200 * scale)
        release()


def begin(scale):
    kept.maps, stack.names = [], []
    work(scale)
    return kept.maps


while not os.path.exists(sys.argv[2]):
    time.sleep(0.01)
# what the interpreter needs for itself is there when it counts
begin(1)
begin(1)
account.clear()
if len(sys.argv) > 3:
    threads = [threading.Thread(target=begin, args=(k,)) for k in (3, 5, 7, 9)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
else:
    all_of_it = begin(4)
for number, text in enumerate(open(__file__), 1):
    if "# LINE " in text and "text" not in text:
        lines[text.split("# LINE ")[1].strip()] = number
with open(sys.argv[1], "w") as f:
    json.dump({"functions": account, "lines": lines}, f)
