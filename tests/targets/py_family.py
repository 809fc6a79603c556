# SPDX-License-Identifier: GPL-2.0-or-later
"""Processes that are born within functions: fork, pools of each kind, subprocesses."""
import multiprocessing
import os
import subprocess
import sys
import time

import told
from told import span


# trace: parent
# trace: child
# trace: grandchild
def grandchild():
    with span("grandchild"):
        told.touch(2)


def child():
    with span("child"):
        told.touch(3)
        pid = os.fork()
        if not pid:
            grandchild()
            # what it has of its parents is still open when it ends
            told.tell("inherit", "child")
            told.tell("inherit", "parent")
            os._exit(0)
        os.waitpid(pid, 0)


def parent():
    with span("parent"):
        told.touch(1)
        pid = os.fork()
        if pid:
            os.waitpid(pid, 0)
        else:
            child()
        told.touch(1)
        if not pid:
            # this one goes on in the function, and returns from it
            told.tell("inherit", "parent")
    return pid


# trace: work
def work(mib):
    with span("work"):
        told.touch(mib)
        told.free()
    return mib * 2


# Calls by map() from one place that follow each other with nothing seen in between are one span.
def task(mib):
    time.sleep(0.05)
    return work(mib)


# trace: in_pool
def in_pool(how):
    with span("in_pool"):
        told.touch(1)
        with multiprocessing.get_context(how).Pool(2) as pool:
            print(how, pool.map(task, [1, 2, 3, 4], chunksize=1))
            pool.close()
            pool.join()


# trace: with_programs
def with_programs():
    with span("with_programs"):
        told.touch(1)
        print(subprocess.run(["/bin/echo", "spawned"], stdout=subprocess.PIPE).stdout)
        told.touch(1)
        subprocess.run(["/bin/true"], close_fds=False)
        told.touch(1)
        subprocess.run(["/bin/true"], cwd="/", preexec_fn=int)
        told.touch(1)


def main(how):
    if how == "fork":
        if not parent():
            told.touch(1)
            sys.stdout.flush()
            os._exit(5)
    elif how == "programs":
        with_programs()
    else:
        in_pool(how[5:])
    print("done", how)
    sys.exit(4)


if __name__ == "__main__":
    main(sys.argv[1])
