# SPDX-License-Identifier: Apache-2.0
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "system"))

from fixtures import line, mesh, one, standing_line, topic  # noqa: E402, F401


def pytest_collection_modifyitems(items):
    """The containers first: they wait for builds more than they work, beside the others."""
    items.sort(key=lambda item: item.path.name != "test_containers.py")
