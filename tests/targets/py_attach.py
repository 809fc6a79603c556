# SPDX-License-Identifier: GPL-2.0-or-later
"""Amid a deep call when tracing begins: one thread sleeps, one computes. They go on at SIGUSR1."""
import signal
import sys
import threading
import time

import told
from told import span

go = False


def on_signal(*_):
    global go
    go = True


signal.signal(signal.SIGUSR1, on_signal)


# trace: outermost
# trace: middle
# trace: innermost
def innermost():
    with span("innermost"):
        told.touch(1)
        spinning.wait()
        print("ready", file=sys.stderr, flush=True)
        while not go:
            time.sleep(0.02)
        told.touch(3)


def deeper(n):
    return deeper(n - 1) if n else innermost()


def middle():
    with span("middle"):
        told.touch(1)
        deeper(40)
        told.touch(2)


def outermost():
    with span("outermost"):
        told.touch(1)
        deeper2(20)
        told.touch(1)


def deeper2(n):
    return deeper2(n - 1) if n else middle()


# trace: busy
# trace: spin
def spin():
    with span("spin"):
        n = 0
        spinning.set()
        while not go:
            n += 1
        while main_thread.is_alive() and not done.is_set():
            n += 1
        told.touch(2)


def busy():
    with span("busy"):
        spin()
        told.touch(1)


main_thread = threading.current_thread()
spinning = threading.Event()
done = threading.Event()
thread = threading.Thread(target=busy)
thread.start()
outermost()
done.set()
thread.join()
outermost()
sys.exit(9)
