# SPDX-License-Identifier: GPL-2.0-or-later
# -*- coding: utf-8 -*-
"""Each kind of Python function once, with known megabytes in it. What is traced: lines "# trace: "."""
import asyncio
import functools
import gc
import importlib.util
import os
import sys

import told
from told import span

gc.disable()


# trace: Engine.__init__
# trace: Engine.load
class Engine:
    def __init__(self, mib):
        with span("Engine.__init__"):
            self.worker = Worker(mib)
            told.touch(4)

    def load(self):
        with span("Engine.load"):
            told.fill(6)
            self.worker.shards()


# trace: Worker.__init__
# trace: Worker.shards
# trace: Worker.make
# trace: Worker.plain
class Worker:
    def __init__(self, mib):
        with span("Worker.__init__"):
            told.touch(mib)

    def shards(self):
        with span("Worker.shards"):
            told.touch(1)
            for i in range(3):
                self.shard(i)

    def shard(self, i):
        Worker.plain(i)

    @classmethod
    def make(cls):
        with span("Worker.make"):
            told.block(2)
            return cls(1)

    @staticmethod
    def plain(i):
        with span("Worker.plain"):
            told.touch(i + 1)


# trace: outer
# trace: outer.<locals>.inner
# trace: outer.<locals>.Local.method
def outer():
    def inner():
        with span("outer.<locals>.inner"):
            told.touch(3)

    class Local:
        def method(self):
            with span("outer.<locals>.Local.method"):
                told.block(1)
                inner()

    with span("outer"):
        inner()
        Local().method()
        told.touch(1)


# trace: recurse
def recurse(n):
    with span("recurse"):
        told.pages(16)
        if n > 1:
            recurse(n - 1)
        told.pages(16)


def sink(n):
    if n:
        sink(n - 1)
    else:
        bottom()


# trace: bottom
def bottom():
    with span("bottom"):
        told.touch(1)


# trace: top
def top():
    with span("top"):
        told.touch(1)
        sink(300)
        told.touch(1)
        sink(300)


# trace: generate
# trace: consume
def generate(n):
    for i in range(n):
        with span("generate"):
            told.touch(i + 1)
        yield i
    with span("generate"):
        told.touch(1)


def consume():
    with span("consume"):
        for _ in generate(3):
            told.touch(1)


# trace: coroutine
async def coroutine(n):
    with span("coroutine"):
        told.touch(n)
    await asyncio.sleep(0)
    with span("coroutine"):
        told.touch(n)


async def gather():
    await asyncio.gather(coroutine(1), coroutine(2))


# trace: decorate.<locals>.wrapper
# trace: decorated
def decorate(fn):
    @functools.wraps(fn)
    def wrapper(*args):
        with span("decorate.<locals>.wrapper"):
            told.touch(1)
            return fn(*args)

    return wrapper


@decorate
def decorated(mib):
    with span("decorated"):
        told.touch(mib)


# trace: sort_key
def sort_key(x):
    with span("sort_key"):
        told.touch(1)
    return -x


# trace: borrow
# trace: give_back
def borrow():
    with span("borrow"):
        told.touch(8)
        told.read(4)


def give_back():
    with span("give_back"):
        told.free()
        told.free()
        told.touch(1)


# trace: up_and_down
def up_and_down():
    with span("up_and_down"):
        for _ in range(5):
            told.touch(4)
            told.free()
        told.pages(1)


# trace: without_gil
def without_gil():
    with span("without_gil"):
        told.fill(5)
        told.read(7)
        told.fill(1)


# trace: raises
# trace: raises_deep
# trace: catches
def raises_deep():
    with span("raises_deep"):
        told.touch(2)
        raise ValueError


def raises():
    with span("raises"):
        told.touch(1)
        raises_deep()


def catches():
    with span("catches"):
        try:
            raises()
        except ValueError:
            told.touch(3)


# trace: größe
# trace: 名前
# trace: Класс.метод
def größe():
    with span("größe"):
        told.touch(1)


def 名前():
    with span("名前"):
        told.touch(2)


class Класс:
    def метод(self):
        with span("Класс.метод"):
            told.touch(1)


# trace: längst_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_one
def längst_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_one():
    with span(
        "längst_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_one"
    ):
        told.touch(1)


# nobody asks for this one
def längst_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_two():
    told.touch(1)


# trace: main.<locals>.<lambda>
def in_lambda():
    with span("main.<locals>.<lambda>"):
        told.touch(2)


# trace: again
def again(n):
    with span("again"):
        told.pages(n)


def far_away():
    """A module with a name of its own."""
    name = os.path.join(os.path.dirname(told.path), "größe_名.py")
    with open(name, "w", encoding="utf-8") as f:
        f.write('import told\ndef fern():\n    with told.span("fern"):\n        told.touch(2)\n')
    spec = importlib.util.spec_from_file_location("far", name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.fern()


def main():
    Engine(7).load()
    Worker.make()
    outer()
    recurse(50)
    top()
    consume()
    loop = asyncio.new_event_loop()
    loop.run_until_complete(gather())
    loop.close()
    decorated(2)
    sorted([3, 1, 2], key=sort_key)
    borrow()
    give_back()
    up_and_down()
    without_gil()
    catches()
    größe()
    名前()
    Класс().метод()
    längst_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_one()
    längst_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_0123456789_two()
    (lambda: in_lambda())()
    far_away()
    again(1)
    again(2)
    again(40)


main()
print("done", len(told.kept))
sys.exit(7)
