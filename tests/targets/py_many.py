# SPDX-License-Identifier: GPL-2.0-or-later
"""Functions by the thousand, with names of any length, and a stack of 900 frames."""
import sys

import told

n = int(sys.argv[1])
long_name = "x" * 10000
text = ["def f_%d(): told.pages(1)\n" % i for i in range(n)]
text.append("def %s(): told.touch(1)\n" % long_name)
names = {"told": told}
exec(compile("".join(text), "many.py", "exec"), names)
for i in range(n):
    names["f_%d" % i]()
    told.free()
names[long_name]()


# trace: bottom
def bottom():
    with told.span("bottom"):
        told.touch(1)


def deep(n):
    if n:
        deep(n - 1)
    else:
        bottom()


# trace: top
def top():
    with told.span("top"):
        told.touch(1)
        deep(900)
        told.touch(1)


sys.setrecursionlimit(2000)
top()
print("ran", n)
