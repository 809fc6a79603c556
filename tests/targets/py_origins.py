# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions of Python by which memory comes and goes, and that know how many pages: by the kernel's
hands, in huge pages, in a native thread, and in a worker that inherits it. usage: DIR LIBPREFETCH. When
DIR/go is there it begins. It writes DIR/told: {"functions": {NAME: [GROWN, RETURNED]}, "lines": {NAME:
LINE}, "mappings": {GROUP: [GROWN, RETURNED]}, "worker": the same of the worker}."""
import ctypes
import json
import mmap
import multiprocessing
import os
import sys
import time

PAGE = mmap.PAGESIZE
HUGE = 512 * PAGE
ANON = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS
POPULATE = 0x8000
LARGE = "[anonymous 16M to 256M]"
VAST = "[anonymous 256M to 4G]"
directory = sys.argv[1]
lib = ctypes.CDLL(sys.argv[2])


def wait_for(name):
    while not os.path.exists(os.path.join(directory, name)):
        time.sleep(0.002)


def address(m):
    return ctypes.addressof(ctypes.c_char.from_buffer(m))


def madvise(m, offset, size, advice):
    if libc.madvise(ctypes.c_void_p(address(m) + offset), ctypes.c_size_t(size), advice):
        raise OSError("madvise")


def present(m, size):
    """Pages that are there."""
    with open("/proc/self/pagemap", "rb") as f:
        f.seek(address(m) // PAGE * 8)
        entries = f.read(size // PAGE * 8)
    return sum(1 for e in entries[7::8] if e & 0x80)


def keep_apart(m):
    """Small pages, where nothing else is said; and what the interpreter maps beside it does not become one
    with it."""
    madvise(m, 0, len(m), 15)


def populate(size):
    return mmap.mmap(-1, size, ANON | POPULATE)  # LINE populate


def read_into(f, m, size):
    f.readinto(memoryview(m)[:size])  # LINE read_into


def touch_huge(m, n):
    for i in range(n):
        m[first + i * HUGE] = 1  # LINE touch_huge


def drop(m, offset, size):
    madvise(m, offset, size, 4)


def prefetch(m, offset, pages):
    lib.prefetch(ctypes.c_void_p(address(m) + offset), ctypes.c_long(pages))


def read_items(m, pages):
    """Reading an object writes to its count of references."""
    for at in range(0, pages * PAGE, PAGE):
        m[at] = 2


def make_batch(m, pages):
    for at in range(0, pages * PAGE, PAGE):
        m[at] = 1  # LINE make_batch


def worker(inherited, own):
    read_items(own, 1)
    print("worker %d" % os.getpid(), flush=True)
    wait_for("worker")
    read_items(inherited, 3000)
    make_batch(own, 400)
    print("worker is done", flush=True)
    wait_for("end")


libc = ctypes.CDLL(None)
large, small = mmap.mmap(-1, 16384 * PAGE, ANON), mmap.mmap(-1, 8192 * PAGE, ANON)
vast = mmap.mmap(-1, 80000 * PAGE, ANON)
inherited = mmap.mmap(-1, 5000 * PAGE, ANON)
for m in (large, small, vast, inherited):
    keep_apart(m)
first = -address(vast) % HUGE
path = os.path.join(directory, "origins.data")
with open(path, "wb") as f:
    f.write(os.urandom(700 * PAGE))
data = open(path, "rb", buffering=0)
make_batch(inherited, 4000)
# what each needs for itself is there when it counts
populate(PAGE).close()
read_into(data, small, PAGE)
prefetch(small, PAGE, 1)
drop(small, PAGE, PAGE)
touch_huge(inherited, 1)
present(vast, PAGE)
madvise(vast, 0, len(vast), 14)
data.seek(0)
print("ready", flush=True)
wait_for("go")

mapped = populate(6000 * PAGE)
keep_apart(mapped)
read_into(data, memoryview(large)[PAGE:], 600 * PAGE)
touch_huge(vast, 6)
libc.prctl(41, 1, 0, 0, 0)  # or the kernel fills up again, in its own time, what has parts missing
vast_pages = present(vast, first + 8 * HUGE)
drop(vast, first + HUGE, HUGE)
drop(mapped, 0, 700 * PAGE)
prefetch(large, 2000 * PAGE, 900)
process = multiprocessing.get_context("fork").Process(target=worker, args=(inherited, small))
process.start()
lines = {}
for number, text in enumerate(open(__file__), 1):
    if "# LINE " in text and "text" not in text:
        lines[text.split("# LINE ")[1].strip()] = number
told = {
    "functions": {
        "populate": [6000, 0],
        "read_into": [600, 0],
        "touch_huge": [vast_pages, 0],
        "madvise": [0, 512 + 700],
        "prefetch": [0, 0],
        "[native thread prefetch]": [900, 0],
    },
    "lines": lines,
    "mappings": {LARGE: [6000 + 600 + 900, 700], VAST: [0, 512], VAST + " (huge pages)": [vast_pages, 0]},
    "worker": {"functions": {"read_items": [0, 0], "make_batch": [399, 0]}, "mappings": {LARGE: [399, 0]}},
}
with open(os.path.join(directory, "told"), "w") as f:
    json.dump(told, f)
print("done", flush=True)
process.join()
