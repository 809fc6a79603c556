# SPDX-License-Identifier: GPL-2.0-or-later
"""Prints, for tests/pylines_golden.h, tables of lines that the Python that runs this has made, and what
it says of them itself:

    for p in ~/.pyenv/versions/3.*/bin/python3; do $p tests/data/pylines.py; done > tests/pylines_golden.h
"""
import dis
import sys

SOURCE = """\
def plain(a):
    b = a + 1

    c = [
        b,
        a, a, a,
        a, a, a,
        a, a, a,
        a, a, a,
    ]
    return max(
        c,
        key=lambda x: x,
    )
def wide(a):
    x = [a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a,\
 a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a,\
 a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a, a + a]
%s    y = x
%s    return (y,
%s        x, (
        a))
def guarded(a):
    with a as b:
        for i in b:
            try:
                yield i
            except (KeyError,
                    ValueError) as e:
                raise RuntimeError(
                    e)
            finally:
                a()
        else:
            return
    while True:
        if a:
            continue
        break
""" % ("\n" * 100, "\n" * 130, "\n" * 300)


def lines(code):
    if hasattr(code, "co_lines"):
        merged = []
        for start, end, line in code.co_lines():
            if merged and merged[-1][2] == (line or 0):
                start = merged.pop()[0]
            if end > start:
                merged.append((start, end, line or 0))
        return merged
    starts = list(dis.findlinestarts(code))
    ends = [s for s, _ in starts[1:]] + [len(code.co_code)]
    return [(start, end, line) for (start, line), end in zip(starts, ends)]


def main():
    space = {}
    exec(compile(SOURCE, "golden", "exec"), space)
    for name in "plain", "wide", "guarded":
        code = space[name].__code__
        table = code.co_linetable if sys.version_info >= (3, 10) else code.co_lnotab
        text = "".join("\\x%02x" % b for b in table)
        print("{0x%04x, \"%s\", %d, %d," % (sys.version_info[0] << 8 | sys.version_info[1], name,
                                           code.co_firstlineno, len(table)))
        for at in range(0, len(text), 88):
            print('\t"%s"' % text[at : at + 88])
        ranges = ["{%d, %d, %d}" % r for r in lines(code)]
        print("\t, %d, {" % len(ranges))
        for at in range(0, len(ranges), 6):
            print("\t\t%s," % ", ".join(ranges[at : at + 6]))
        print("\t}},")


main()
