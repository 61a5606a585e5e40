# SPDX-License-Identifier: Apache-2.0
"""Does ./dev test count right, above all when something did not run to its end?"""
import json
import pathlib
import subprocess

TALLY = pathlib.Path(__file__).parents[2] / "dev.d" / "tally.py"
JUNIT = """<testsuites><testsuite>
<testcase classname="a" name="good"/>
<testcase classname="a" name="bad"><failure message="x">y</failure></testcase>
<testcase classname="a" name="worse"><error message="x">y</error></testcase>
<testcase classname="a" name="left"><skipped message="no podman"/></testcase>
</testsuite></testsuites>"""


def tally(*paths):
    done = subprocess.run(["/usr/bin/python3", "-B", str(TALLY), *map(str, paths)],
                          capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines()


def write_log(tmp_path, *tests):
    path = tmp_path / "testlog.json"
    path.write_text("".join(json.dumps({"name": f"t{i}", "result": result, "stdout": stdout}) + "\n"
                            for i, (result, stdout) in enumerate(tests)))
    return path


def test_checks_are_counted_one_by_one(tmp_path):
    log = write_log(tmp_path, ("OK", "100%: Checks: 12, Failures: 0, Errors: 0\n"),
                  ("FAIL", "Running\n66%: Checks: 3, Failures: 1, Errors: 0\n"), ("OK", ""))
    assert tally(log) == (1, ["failed: t1", "15 passed, 1 failed"])


def test_all_good_is_nought_and_the_line_is_last(tmp_path):
    assert tally(write_log(tmp_path, ("OK", None))) == (0, ["1 passed, 0 failed"])


def test_a_program_that_crashed_or_hung_is_a_failure(tmp_path):
    code, lines = tally(write_log(tmp_path, ("FAIL", ""), ("TIMEOUT", ""), ("ERROR", "")))
    assert (code, lines[-1]) == (1, "0 passed, 3 failed")


def test_a_crash_after_good_checks_is_a_failure_too(tmp_path):
    log = write_log(tmp_path, ("FAIL", "100%: Checks: 4, Failures: 0, Errors: 0\n"))
    assert tally(log)[1][-1] == "4 passed, 1 failed"


def test_skips_are_told_before_the_last_line(tmp_path):
    path = tmp_path / "pytest.xml"
    path.write_text(JUNIT)
    assert tally(path, write_log(tmp_path, ("SKIP", ""))) == (1, [
        "failed: a::bad", "failed: a::worse", "2 skipped: no podman; t0 skipped itself",
        "1 passed, 2 failed"])


def test_a_report_that_is_missing_broken_or_empty_is_a_failure(tmp_path):
    broken = tmp_path / "broken.xml"
    broken.write_text("<testsuites>")
    code, lines = tally(tmp_path / "none.json", broken, write_log(tmp_path))
    assert (code, lines[-1]) == (1, "0 passed, 3 failed")


def test_a_failure_known_before_is_counted(tmp_path):
    assert tally(write_log(tmp_path, ("OK", "")), "failed:setup-of-browser") == (
        1, ["failed: setup-of-browser", "1 passed, 1 failed"])
