#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Records the pairs of runs that tests of diff compare, beside this file (root, BPF, PostgreSQL):

    old1..3, new1..3   server.py, and a copy of it that keeps 50 MiB more in Worker.build_tables
    sort4, sort64      PostgreSQL sorts the same rows with work_mem of 4 and of 64 MB

usage: unshare --uts sh -c "hostname demo; python3 make.py TOOL"
"""

import glob
import os
import pathlib
import pwd
import signal
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
PYTHON = "/usr/bin/python3"
SORT = "select count(*) from (select md5(g::text) as m from generate_series(1, 300000) g order by 1 offset 1) s"


def record(tool, name, *args):
    subprocess.run([tool, "-q", "-o", "/dev/null", "--record", str(HERE / f"{name}.tape"), *args], check=True)


def versions(tool, where):
    """Two versions of one program, each in a directory of its own."""
    source = (HERE / "server.py").read_text()
    assert "TABLES = 16\n" in source
    for version, text in ("old", source), ("new", source.replace("TABLES = 16\n", "TABLES = 66\n")):
        (where / version).mkdir()
        (where / version / "server.py").write_text(text)
        for run in range(1, 4):
            record(tool, f"{version}{run}", "--growth", "--no-smaps", "--step", "0", "--max-overhead", "0",
                   "--profile", HERE / "server.yaml", "--", PYTHON, "-I", "-S", where / version / "server.py")


class Postgres:
    """A server of its own on a unix socket, as a user that it takes."""

    def __init__(self, where):
        self.bin = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))[-1]).parent
        self.dir = where / "pg"
        self.dir.mkdir()
        user = pwd.getpwnam("postgres")
        os.chown(self.dir, user.pw_uid, user.pw_gid)
        self.user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
        subprocess.run([self.bin / "initdb", "-D", self.dir / "data", "-U", "dba", "-A", "trust", "-N"], check=True,
                       stdout=subprocess.DEVNULL, **self.user)
        with open(self.dir / "data" / "postgresql.conf", "a") as conf:
            conf.write(f"listen_addresses = ''\nunix_socket_directories = '{self.dir}'\nfsync = off\njit = off\n"
                       "max_parallel_workers_per_gather = 0\nautovacuum = off\nshared_buffers = 16MB\n")
        self.server = subprocess.Popen([self.bin / "postgres", "-D", self.dir / "data"], stderr=subprocess.DEVNULL,
                                       **self.user)
        while self.psql("select 1", check=False).returncode:
            time.sleep(0.1)

    def psql(self, *statements, check=True):
        commands = [part for s in statements for part in ("-c", s)]
        return subprocess.run([self.bin / "psql", "-h", self.dir, "-U", "dba", "-d", "postgres", "-XAtq", *commands],
                              check=check, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def stop(self):
        self.server.send_signal(signal.SIGINT)
        self.server.wait(60)


def sort(tool, where):
    server = Postgres(where)
    try:
        for mib in 4, 64:
            tracer = subprocess.Popen([tool, "-o", "/dev/null", "--growth", "--no-smaps", "--record",
                                       HERE / f"sort{mib}.tape", "--pid", str(server.server.pid)],
                                      stderr=subprocess.PIPE, text=True)
            while "Ctrl-C ends it" not in tracer.stderr.readline():
                assert tracer.poll() is None
            server.psql(f"set work_mem = '{mib}MB'", SORT)
            time.sleep(0.5)
            tracer.send_signal(signal.SIGINT)
            tracer.communicate(timeout=60)
            assert tracer.returncode == 0
    finally:
        server.stop()


def main():
    tool = str(pathlib.Path(sys.argv[1]).resolve())
    with tempfile.TemporaryDirectory(prefix="ramtrace-") as d:
        where = pathlib.Path(d)
        where.chmod(0o755)
        versions(tool, where)
        sort(tool, where)


if __name__ == "__main__":
    main()
