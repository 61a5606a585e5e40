# SPDX-License-Identifier: Apache-2.0
"""A browser at cloud sees what a standard client published at edge, two hops away."""
import json
import os
import pathlib
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
TESTS = [f"mqttjs-v{version}-qos{qos}" for version in (4, 5) for qos in (0, 1, 2)] + ["own-page"]

pytestmark = [
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not os.path.exists(CHROMIUM), reason="no chromium"),
    pytest.mark.skipif(not shutil.which("node"), reason="no node"),
    pytest.mark.skipif(not (HERE / "node_modules").is_dir(), reason="no npm modules"),
]


@pytest.fixture(scope="module")
def results(standing_line):
    """One browser for all tests: what it printed, by test."""
    edge, _, cloud = standing_line
    done = subprocess.run(["node", str(HERE / "run.mjs"), str(edge.mqtt_port), cloud.web_url],
                          capture_output=True, text=True, timeout=300)
    said = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    return {result["test"]: result for result in said}, done.stderr


@pytest.mark.parametrize("test", TESTS)
def test_chromium_receives_what_was_published_two_hops_away(results, test, line):
    by_name, errors = results
    assert test in by_name, f"did not run: {errors[-3000:]}"
    assert by_name[test]["ok"], by_name[test]["why"]
