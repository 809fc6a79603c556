# SPDX-License-Identifier: GPL-2.0-or-later
"""What a traced Python program says of itself: one line for each beginning and end of a function,
with what smaps_rollup has at that instant and what the thread has touched and freed so far.

	PID TID WHEN RSS TOUCHED FREED NAME		(bytes; NAME to the end of the line)

The memory that it needs for that is there from the start."""
import ctypes
import mmap
import os
import sys
from _thread import _local, get_native_id

MIB = 1 << 20
PAGE = mmap.PAGESIZE
path = os.environ["TOLD"]
out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
text = bytearray(4096)
kept = []  # what was touched stays until free() or the end


class Account(_local):
    touched = 0
    freed = 0


account = Account()


def reopen():
    global rollup
    os.close(rollup)
    rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)


os.register_at_fork(after_in_child=reopen)


def tell(when, name):
    os.preadv(rollup, [text], 0)
    at = text.index(b"Rss:")
    rss = int(text[at + 4 : text.index(b"kB", at)]) << 10
    line = "%d %d %s %d %d %d %s\n"
    line %= (os.getpid(), get_native_id(), when, rss, account.touched, account.freed, name)
    os.write(out, line.encode())


class span:
    """with span("A.f"): the body of the function, as far as it is told of."""

    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __enter__(self):
        tell("entry", self.name)

    def __exit__(self, *what):
        tell("return", self.name)


def fresh(size):
    m = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    kept.append(m)
    return m


def pages(n):
    """Byte by byte, in the interpreter."""
    m = fresh(n * PAGE)
    for at in range(0, n * PAGE, PAGE):
        m[at] = 1
    account.touched += n * PAGE
    return m


def touch(mib):
    return pages(mib * MIB // PAGE)


def fill(mib):
    """All at once, in C, without the GIL."""
    m = fresh(mib * MIB)
    ctypes.memset(ctypes.addressof(ctypes.c_char.from_buffer(m)), 1, mib * MIB)
    account.touched += mib * MIB


def block(mib):
    """By the allocator."""
    kept.append(bytearray(mib * MIB))
    account.touched += mib * MIB


def read(mib):
    """By the kernel, without the GIL."""
    m = fresh(mib * MIB)
    with open(path + ".data", "rb", buffering=0) as f:
        f.readinto(m)
    account.touched += mib * MIB
    return m


def free(m=None):
    """What pages() or read() has returned, or what was touched last."""
    if m:
        kept.remove(m)
    else:
        m = kept.pop()
    account.freed += len(m)
    m.close()


with open(path + ".data", "wb") as f:
    f.truncate(64 * MIB)
# what the first use of each needs is there when the first function is told of
pages(1)
free()
fill(1)
kept.pop()
read(1)
free()
tell("point", "begin")
account.touched = account.freed = 0
