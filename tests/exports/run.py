# SPDX-License-Identifier: GPL-2.0-or-later
"""run.py FILE: runs the unittest cases of one file, and says how many as tests/run.sh reads it."""

import importlib.util
import pathlib
import sys
import traceback
import unittest


class Result(unittest.TestResult):
    """A line for each test that did not pass, right when it ended."""

    def say(self, what, test, text):
        print("".join(f"[----] {line}\n" for line in text.rstrip().splitlines()), end="")
        print(f"[{what}] {test.id()}", flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.say("FAIL", test, "".join(traceback.format_exception(*err)))

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("FAIL", test, "".join(traceback.format_exception(*err)))

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("SKIP", test, reason)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err:
            self.say("FAIL", subtest, "".join(traceback.format_exception(*err)))


def main():
    path = pathlib.Path(sys.argv[1]).resolve()
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = Result()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    # of one test, several sub-tests may fail; one that ran no further than its set-up is a failure, too
    failed = len({test.id() for test, _ in result.failures + result.errors})
    passed = max(0, result.testsRun - failed - len(result.skipped))
    print(f"[====] Synthesis: Tested: {passed + failed} | Passing: {passed} | Failing: {failed} | Crashing: 0")
    return 1 if failed or not result.testsRun else 0


if __name__ == "__main__":
    sys.exit(main())
