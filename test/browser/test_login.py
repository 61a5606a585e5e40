# SPDX-License-Identifier: Apache-2.0
"""The page of a broker that lets nobody in without a password."""
import json
import subprocess

import pytest

import brokers
from test_browser import HERE, pytestmark  # noqa: F401

USER, PASSWORD = "alice", "wonder land, späť"
TESTS = ["asks-who-one-is", "says-that-a-password-is-wrong", "shows-events-to-who-is-in",
         "knows-one-after-a-reload", "forgets-who-signs-out"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One tab for all tests, which follow each other: what it printed, by test."""
    users = tmp_path_factory.mktemp("login") / "users"
    subprocess.run([brokers.program(brokers.default_build(), "plexus"), "passwd", str(users), USER,
                    "--iterations", "4096"], input=PASSWORD, text=True, check=True, timeout=30,
                   env=brokers.CLIENT_ENV)
    started = brokers.Brokers()
    try:
        broker = started.start("guarded", args=["--set", f"security.password_file={users}"])
        done = subprocess.run(["node", str(HERE / "login.mjs"), broker.web_url, USER, PASSWORD,
                               str(broker.mqtt_port)],
                              capture_output=True, text=True, timeout=300)
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        yield {result["test"]: result for result in said}, done.stderr
    finally:
        started.stop()


@pytest.mark.parametrize("test", TESTS)
def test_the_page_signs_in(results, test):
    by_name, errors = results
    assert test in by_name, f"did not run: {errors[-3000:]}"
    assert by_name[test]["ok"], by_name[test]["why"]
