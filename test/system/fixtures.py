# SPDX-License-Identifier: Apache-2.0
"""What the tests against real brokers start from."""
import itertools

import pytest

import brokers

NUMBERS = itertools.count(1)


@pytest.fixture
def mesh():
    """Brokers of this test's own: mesh.start(), mesh.line()."""
    started = brokers.Brokers()
    yield started
    started.stop()


@pytest.fixture(scope="session")
def standing_line():
    started = brokers.Brokers()
    try:
        yield started.line("edge", "hub", "cloud")
    finally:
        started.stop()


@pytest.fixture
def line(standing_line):
    """edge - hub - cloud, standing for all tests of this process that leave them whole."""
    yield standing_line
    for broker in standing_line:
        assert broker.alive(), f"{broker.name} died:\n{broker.log()[-4000:]}"
        broker.check_clean()


@pytest.fixture
def one(line):
    """A broker of the standing line."""
    return line[0]


@pytest.fixture
def topic():
    """A topic that no other test uses."""
    return f"test/{next(NUMBERS)}"
