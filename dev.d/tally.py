# SPDX-License-Identifier: Apache-2.0
"""Count what the test reports named on the command line say, and end with one line.

A report is meson's testlog.json or a JUnit file of pytest. Check's programs count by
their individual checks. A program that crashed, or a report that was never written,
counts as a failure. An argument failed:NAME is a failure known before.
"""
import collections
import json
import re
import sys
import xml.etree.ElementTree as ElementTree

CHECKS = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)", re.M)
GOOD = {"OK", "EXPECTEDFAIL"}


class Tally:
    def __init__(self):
        self.passed = 0
        self.failures = []
        self.skips = collections.Counter()

    def meson_test(self, test):
        lines = CHECKS.findall(test.get("stdout") or "")
        checks = sum(int(c) for c, _, _ in lines)
        failed = sum(int(f) + int(e) for _, f, e in lines)
        if test["result"] == "SKIP":
            self.skips[f"{test['name']} skipped itself"] += 1
            return
        if not lines and test["result"] in GOOD:
            checks = 1
        self.passed += checks - failed
        self.failures += [test["name"]] * failed
        if not failed and test["result"] not in GOOD:
            self.failures.append(f"{test['name']} ({test['result'].lower()})")

    def junit_case(self, case):
        name = f"{case.get('classname', '')}::{case.get('name', '')}"
        skipped = case.find("skipped")
        if case.find("failure") is not None or case.find("error") is not None:
            self.failures.append(name)
        elif skipped is not None:
            self.skips[skipped.get("message") or "no reason given"] += 1
        else:
            self.passed += 1

    def report(self, path):
        before = self.passed + len(self.failures) + sum(self.skips.values())
        try:
            if path.endswith(".xml"):
                for case in ElementTree.parse(path).getroot().iter("testcase"):
                    self.junit_case(case)
            else:
                with open(path, encoding="utf-8") as lines:
                    for line in lines:
                        self.meson_test(json.loads(line))
        except (OSError, ValueError, ElementTree.ParseError) as error:
            self.failures.append(f"{path}: {error}")
            return
        if before == self.passed + len(self.failures) + sum(self.skips.values()):
            self.failures.append(f"{path}: no test in it")


def main(paths):
    tally = Tally()
    for path in paths:
        if path.startswith("failed:"):
            tally.failures.append(path.removeprefix("failed:"))
        else:
            tally.report(path)
    for name in dict.fromkeys(tally.failures):
        print(f"failed: {name}")
    if tally.skips:
        reasons = "; ".join(f"{n} x {why}" if n > 1 else why for why, n in tally.skips.items())
        print(f"{sum(tally.skips.values())} skipped: {reasons}")
    print(f"{tally.passed} passed, {len(tally.failures)} failed")
    return 1 if tally.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
