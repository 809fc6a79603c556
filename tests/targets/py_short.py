# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions that grow nothing and do not wait: over between any two changes that could show them."""
import os
import sys
import time

import told
from told import span


# trace: first
def first():
    with span("first"):
        told.touch(1)


# trace: tiny
def tiny(x):
    return x


# trace: pair
def pair(x):
    return tiny(x)


# trace: plain
def plain():
    return 0


first()
while len(sys.argv) > 1 and not os.path.exists(sys.argv[1]):
    time.sleep(0.01)
tiny(1)
tiny(2)
pair(3)
tiny(4)
list(map(tiny, (5, 6, 7)))
# a second call from within pair() need not pass a probe: from 3.12 on it is specialised by then
sorted([3, 1, 2], key=tiny)
for _ in range(3):
    exec(plain.__code__)  # comes from C in another way than functions do
first()
