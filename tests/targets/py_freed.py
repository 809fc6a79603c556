# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions whose code is freed, so that the next one lies in its place."""
import gc
import os
import sys
import time

import told

# trace: py:<made>:made_*
TEXT = """def made_{i}():
    with told.span("made_{i}"):
        told.pages({pages})
made_{i}()
"""

addresses = set()
for i in range(60):
    # until probes tell of entries: before, the next looks like the one before it
    while i == 1 and len(sys.argv) > 1 and not os.path.exists(sys.argv[1]):
        time.sleep(0.01)
    names = {"told": told}
    exec(compile(TEXT.format(i=i, pages=32 + i), "<made>", "exec"), names)
    addresses.add(id(names.pop("made_%d" % i).__code__))
    del names
    gc.collect()
print("reused", len(addresses) < 60)
