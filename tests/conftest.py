# SPDX-License-Identifier: GPL-3.0-or-later
"""One thread for torch, since the models are tiny and busy machines punish more; marks by folder."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

HERE = Path(__file__).parent
FOLDERS = {"blender": pytest.mark.blender, "ui": pytest.mark.window}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of Blender and of its window by the folder that they stand in."""
    for item in items:
        folder = item.path.relative_to(HERE).parts[0]
        if folder in FOLDERS:
            item.add_marker(FOLDERS[folder])
