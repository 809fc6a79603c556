# SPDX-License-Identifier: GPL-2.0-or-later
"""What every export has in common: one replay makes them all, and each is a file of its own."""

import json
import pathlib
import unittest

from tool import TAPES, scratch, tool


class Together(unittest.TestCase):
    def test_a_picture_of_a_tape_comes_without_its_log(self):
        with scratch() as d:
            run = tool("--replay", TAPES / "demo.tape", "--summary-json", d / "who.json")
            self.assertEqual(run.stdout, "")
            self.assertEqual(json.loads((d / "who.json").read_text())["version"], 1)

    def test_the_log_is_there_too_where_it_is_asked_for(self):
        with scratch() as d:
            both = tool("--replay", TAPES / "demo.tape", "--format", "jsonl", "--summary-json", d / "who.json")
            alone = tool("--replay", TAPES / "demo.tape", "--format", "jsonl")
            self.assertEqual(both.stdout, alone.stdout)

    def test_seed_and_a_picture_each_get_rows_of_their_own(self):
        with scratch() as d:
            both = tool("--replay", TAPES / "redis.tape", "--format", "seed", "--summary-json", d / "who.json")
            self.assertEqual(both.stdout, (TAPES / "redis.seed").read_text())
            self.assertTrue((d / "who.json").read_text().startswith("{"))

    def test_one_that_cannot_be_created_is_told_before_anything_is_made(self):
        with scratch() as d:
            log = d / "log"
            run = tool("--replay", TAPES / "demo.tape", "-o", log, "--summary-json", d / "none" / "x", status=1)
            self.assertIn(f"cannot create the summary {d}/none/x: its directory does not exist", run.stderr)

    def test_two_in_one_file_are_refused(self):
        with scratch() as d:
            run = tool("--replay", TAPES / "demo.tape", "-o", d / "x", "--summary-json", d / "x", status=1)
            self.assertIn("it is the log; give the summary a file of its own", run.stderr)

    def test_the_tape_is_not_overwritten(self):
        with scratch() as d:
            tape = d / "copy.tape"
            tape.write_bytes((TAPES / "demo.tape").read_bytes())
            run = tool("--replay", tape, "--summary-json", tape, status=1)
            self.assertIn("it is the tape", run.stderr)
            self.assertEqual(tape.read_bytes(), (TAPES / "demo.tape").read_bytes())

    def test_a_full_disk_is_the_affair_of_one_alone(self):
        with scratch() as d:
            run = tool("--replay", TAPES / "demo.tape", "-o", d / "log", "--summary-json", "/dev/full", status=1)
            self.assertIn("cannot write the summary /dev/full", run.stderr)
            alone = tool("--replay", TAPES / "demo.tape")
            self.assertEqual((d / "log").read_text(), alone.stdout)


if __name__ == "__main__":
    unittest.main()
