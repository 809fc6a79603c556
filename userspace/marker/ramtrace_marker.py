# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of your own in the log of ramtrace-bpf:

    from ramtrace_marker import log_ram_memory

    log_ram_memory("tokenizer loaded")

Copy this file next to your own ones, or only the function: it is all there is. Untraced, a call
costs a fraction of a microsecond and does nothing; nothing has to be switched on or off. Traced, it
is a row with the process's memory at that very instant. CPython 3.8 and later.
"""


def log_ram_memory(label):
    # PyObject_ASCII, which this calls, is a C function that every CPython exports and hardly
    # anything else uses. The tracer waits there for a str that begins so.
    ascii(f"ramtrace:{label}")
