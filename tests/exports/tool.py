# SPDX-License-Identifier: GPL-2.0-or-later
"""The tool as tests of exports run it."""

import contextlib
import os
import pathlib
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("RAMTRACE_BUILD", ROOT / "build"))
TOOL = BUILD / "ramtrace-bpf"
TAPES = ROOT / "tests" / "data"


@contextlib.contextmanager
def scratch():
    with tempfile.TemporaryDirectory(prefix="ramtrace-") as d:
        yield pathlib.Path(d)


def tool(*args, status=0, timeout=300, env=None):
    """Runs it to its end; any other exit status than that is an error, with what it said."""
    run = subprocess.run(
        [str(a) for a in (TOOL, *args)], capture_output=True, text=True, errors="surrogateescape", timeout=timeout,
        env={**os.environ, "LC_ALL": "C.UTF-8", **(env or {})}, check=False,
    )
    if run.returncode != status:
        raise AssertionError(f"exit {run.returncode}, not {status}: {run.stderr}\n{run.stdout[-2000:]}")
    return run
