"""Runs the client tests: `run.py [NAME…]`, where a name is a module, or a part of a test's name. Without a name: all but those
that are parts of `./test` themselves.

The last line is `clients: N passed, M failed`.
"""

import sys

# The source folder stays as it was.
sys.dont_write_bytecode = True

import time
import unittest
from pathlib import Path

SLOW_SECONDS = 5
OWN_PARTS = ("test_ad.", "test_gssapi.", "test_nodes.")


class Told(unittest.TextTestResult):
    """Says each test on one line, with its time when it was slow."""

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def stopTest(self, test):
        super().stopTest(test)
        took = time.monotonic() - self.began
        if took > SLOW_SECONDS:
            self.stream.writeln(f"    ({took:.0f} s)")

    def getDescription(self, test):
        return test.id().removeprefix("test_").replace("_", " ").replace(".", ": ")


def tests_of(suite):
    for part in suite:
        yield from tests_of(part) if isinstance(part, unittest.TestSuite) else [part]


def is_chosen(test, names):
    return any(name in test for name in names) if names else not test.startswith(OWN_PARTS)


def main(names):
    folder = Path(__file__).parent
    found = list(tests_of(unittest.defaultTestLoader.discover(str(folder), top_level_dir=str(folder))))
    chosen = [test for test in found if is_chosen(test.id(), names)]
    if not chosen:
        sys.exit(f"no test is called {names}")
    # One suite a class keeps setUpClass working.
    result = unittest.TextTestRunner(resultclass=Told, verbosity=2).run(unittest.TestSuite(chosen))
    failed = len(result.failures) + len(result.errors)
    for test, reason in result.skipped:
        print(f"skipped: {test.id()}: {reason}")
    print(f"clients: {result.testsRun - failed - len(result.skipped)} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main(sys.argv[1:])
