# SPDX-License-Identifier: GPL-2.0-or-later
"""The truth from inside, for tests alone: with this folder on PYTHONPATH and RAMTRACE_TRUTH_DIR set,
a Python process that imports the functions of truth_table wraps them, and at each entry and return
appends what the kernel says of its memory to a file of its own in that folder.

The wrapped function runs as before, as a frame of its own under its own name, entered the way it
would be without the wrapper, so that a tracer outside sees the same."""

import functools
import importlib
import importlib.machinery
import importlib.util
import os
import sys
import threading
import time
import types

HERE = os.path.dirname(os.path.abspath(__file__))
DIR = os.environ.get("RAMTRACE_TRUTH_DIR")
SLOW = float(os.environ.get("RAMTRACE_TRUTH_SLOW") or 0)  # seconds that loading takes longer


def chain():
    """There is only one sitecustomize: run also the one that this one hides."""
    path = [p for p in sys.path if os.path.abspath(p or ".") != HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", path)
    if spec:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


class Log:
    """The files are opened beforehand and read into one buffer, so that a reading moves little."""

    def __init__(self):
        self.pid = None
        self.lock = threading.Lock()
        self.buffer = bytearray(8192)

    def open(self):
        """Again after a fork: an open /proc file goes on to tell of the process that opened it."""
        self.pid = os.getpid()
        self.rollup = os.open("/proc/self/smaps_rollup", os.O_RDONLY)
        self.status = os.open("/proc/self/status", os.O_RDONLY)
        with open("/proc/self/stat", "rb") as f:
            ticks = int(f.read().rpartition(b")")[2].split()[19])
        start = ticks * (1000000000 // os.sysconf("SC_CLK_TCK"))
        self.out = os.open(f"{DIR}/{self.pid}.{ticks}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        self.form = (
            '{"pid":%d,"start_ns":%d,"label":"%%s","function":"%%s","when":"%%s","time_ns":%%d,'
            '"rss":%%d,"anon":%%d,"file":%%d,"shmem":%%d}\n' % (self.pid, start)
        )
        self.line("", "", "", *self.reading())  # whatever the first use costs, it costs here

    def line(self, *fields):
        return (self.form % fields).encode()

    def field(self, name):
        at = self.buffer.index(name) + len(name)
        return int(self.buffer[at : self.buffer.index(b"kB", at)]) * 1024

    def reading(self):
        now = time.monotonic_ns()
        os.preadv(self.rollup, [self.buffer], 0)
        rss = self.field(b"Rss:")
        os.preadv(self.status, [self.buffer], 0)
        return now, rss, self.field(b"RssAnon:"), self.field(b"RssFile:"), self.field(b"RssShmem:")

    def add(self, when, function, *labels):
        with self.lock:
            if self.pid != os.getpid():
                self.open()
            reading = self.reading()
            for label in labels:
                os.write(self.out, self.line(label, function, when, *reading))
        if SLOW and "Worker.load_model之前" in labels:
            time.sleep(SLOW)


log = Log()
active = threading.local()  # .groups: the groups that have an active function on this thread


def labels_of(rows, caller):
    """What this call is: the rows that count, as a list of (before, after)."""
    found = []
    for row in rows:
        if row.group and row.group in active.groups:
            continue
        if not row.caller or row.caller == caller:
            found.append((row.before, row.after))
        elif row.other:
            found.append(row.other)
    return found


def call(add, before, after, function, name):
    """function, with its entry and return noted; a builtin, so it is always entered from C."""

    def truth_wrapper(*args, **kwargs):
        add("entry", name, before)
        result = function(*args, **kwargs)
        add("return", name, after)
        return result

    return truth_wrapper


class FirstCalls:
    """While it is active, the first calls of a builtin are noted. Another thread's would be too: at
    the start of vLLM there is none."""

    def __init__(self, module, name, pairs):
        self.module, self.name, self.pairs = importlib.import_module(module), name, list(pairs)

    def __enter__(self):
        self.function = getattr(self.module, self.name)
        self.next()

    def next(self):
        setattr(self.module, self.name, self.function)
        if self.pairs:
            noted = call(log.add, *self.pairs.pop(0), self.function, f"{self.module.__name__}.{self.name}")

            def truth_wrapper(*args, **kwargs):
                try:
                    return noted(*args, **kwargs)
                finally:
                    self.next()

            setattr(self.module, self.name, functools.wraps(self.function)(truth_wrapper))

    def __exit__(self, *_):
        setattr(self.module, self.name, self.function)


class Nothing:
    def __enter__(self):
        pass

    def __exit__(self, *_):
        pass


def wrap(function, rows, from_c):
    name = function.__code__.co_qualname
    groups = {row.group for row in rows if row.group}
    nth = next((row.nth for row in rows if row.nth), None)

    @functools.wraps(function)
    def truth_wrapper(*args, **kwargs):
        if not hasattr(active, "groups"):
            active.groups = set()
        labels = labels_of(rows, sys._getframe(1).f_code.co_qualname)
        mine = groups - active.groups
        active.groups |= mine
        try:
            with FirstCalls(*nth) if nth and labels else Nothing():
                before = [b for b, _ in labels if b]
                after = [a for _, a in reversed(labels) if a]
                if before:
                    log.add("entry", name, *before)
                # A call with plain arguments does not go through C, one with stars does.
                match () if from_c or kwargs else args:
                    case (a,):
                        result = function(a)
                    case (a, b):
                        result = function(a, b)
                    case (a, b, c):
                        result = function(a, b, c)
                    case (a, b, c, d):
                        result = function(a, b, c, d)
                    case (a, b, c, d, e):
                        result = function(a, b, c, d, e)
                    case (a, b, c, d, e, f):
                        result = function(a, b, c, d, e, f)
                    case _:
                        result = function(*args, **kwargs)
                if after:
                    log.add("return", name, *after)
        finally:
            active.groups -= mine
        return result

    # Closures share their code, and with it how warm its calls are: each gets a copy.
    truth_wrapper.__code__ = truth_wrapper.__code__.replace()
    return truth_wrapper


def cell_of(function, qualname):
    """The cell of a decorator's wrapper that holds the function of that name, however deep."""
    for cell in function.__closure__ or ():
        try:
            inside = cell.cell_contents
        except ValueError:  # empty
            continue
        if isinstance(inside, types.FunctionType):
            if inside.__code__.co_qualname == qualname:
                return cell
            found = cell_of(inside, qualname)
            if found:
                return found


def patch(module, rows):
    """Wraps in place the functions of the module that it has; decorators stay around the wrapper."""
    for qualname in {row.qualname for row in rows}:
        mine = [row for row in rows if row.qualname == qualname]
        *path, name = qualname.split(".")
        owner = module
        for part in path:
            owner = vars(owner).get(part) if owner else None
        function = owner and vars(owner).get(name)
        if not isinstance(function, types.FunctionType):
            continue
        if function.__code__.co_qualname == qualname:
            setattr(owner, name, wrap(function, mine, mine[0].from_c))
        else:
            cell = cell_of(function, qualname)
            if cell:
                cell.cell_contents = wrap(cell.cell_contents, mine, True)  # decorators pass stars on


class Finder:
    """Finds nothing itself: has the modules of the table patched as soon as they are made."""

    def __init__(self, rows):
        self.rows = {}
        for row in rows:
            self.rows.setdefault(row.module, []).append(row)

    def find_spec(self, name, path, target=None):
        if name not in self.rows:
            return None
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec(name, path, target)
            if spec:
                break
        else:
            return None
        make = spec.loader.exec_module

        def exec_module(module):
            make(module)
            patch(module, self.rows[name])

        spec.loader.exec_module = exec_module
        return spec


chain()
if DIR:
    from truth_table import ROWS

    sys.meta_path.insert(0, Finder(ROWS))
