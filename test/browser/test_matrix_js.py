# SPDX-License-Identifier: Apache-2.0
"""MQTT.js over every transport, at every QoS, retained, in 3.1.1 and 5: on Node, and in
Chromium over those that a browser has."""
import json
import subprocess

import pytest

import brokers
from test_browser import HERE, pytestmark  # noqa: F401
from transports import TRANSPORTS, Stage

TESTS = [f"{where}-{name}-{version}" for name, (_, way) in TRANSPORTS.items() for version in (4, 5)
         for where in ("node", "chromium") if where == "node" or way in ("ws", "wss")]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """One Node and one browser for all tests: what they printed, by test."""
    started = brokers.Brokers()
    try:
        stage = Stage(started, tmp_path_factory.mktemp("matrix"))
        told = {"ca": stage.ca, "cert": stage.authority.path("alice.pem"),
                "key": stage.authority.path("alice.key"), "path": stage.path, "transports": {
                    name: {"way": way, "host": stage.host(name),
                           "port": 0 if way == "unix" else stage.port(name)}
                    for name, (_, way) in TRANSPORTS.items()}}
        done = subprocess.run(["node", str(HERE / "matrix.mjs"), json.dumps(told)],
                              capture_output=True, text=True, timeout=300)
        said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
        yield {result["test"]: result for result in said}, done.stderr
    finally:
        started.stop()


@pytest.mark.parametrize("test", TESTS)
def test_mqtt_js_publishes_and_subscribes(results, test):
    by_name, errors = results
    assert test in by_name, f"did not run: {errors[-3000:]}"
    assert by_name[test]["ok"], by_name[test]["why"]
