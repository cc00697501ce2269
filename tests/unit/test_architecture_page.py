# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/dev/architecture.md is true: the walk's files and functions exist, the map has every folder."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "dev" / "architecture.md").read_text(encoding="utf-8")
WALK = re.findall(r"^\d+\. `([\w/.]+)` `([\w.]+)`", PAGE, re.MULTILINE)
PER_PAGE = {
    "README.md": 80,
    "docs/user/guide.md": 150,
    "docs/user/models.md": 80,
    "docs/dev/architecture.md": 80,
    "docs/dev/testing.md": 40,
    "docs/dev/adding-a-canvas.md": 60,
    "docs/dev/adding-a-method.md": 60,
    "docs/dev/adding-a-model.md": 60,
    "docs/science/sync.md": 120,
    "docs/science/sphere.md": 80,
    "docs/science/light.md": 80,
    "docs/results.md": 100,
}
"""How many lines a page may have: who needs more splits it."""


def names_in(file: Path) -> set[str]:
    """Return the functions and classes of a file, methods with their class before a dot."""
    found = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {f"{node.name}.{item.name}" for item in node.body if isinstance(item, ast.FunctionDef)}
    return found


def test_the_walk_is_long_enough_to_tell_and_short_enough_to_read() -> None:
    assert 15 <= len(WALK) <= 25


@pytest.mark.parametrize(("file", "function"), WALK, ids=lambda part: part)
def test_a_step_of_the_walk_is_there(file: str, function: str) -> None:
    assert function in names_in(ROOT / file)


def test_the_map_has_every_folder() -> None:
    """Those at the root that hold files of git, and every room of the engine."""
    outside = {"__pycache__", "out", "dist", "node_modules"}
    here = {f"{folder.name}/" for folder in ROOT.iterdir() if folder.is_dir() and any(folder.iterdir())}
    here = {name for name in here if not name.startswith(".") and name[:-1] not in outside} - {"sync_engine/"}
    rooms = {f"sync_engine/{folder.name}/" for folder in (ROOT / "sync_engine").iterdir() if folder.is_dir()}
    rooms = {name for name in rooms if "__pycache__" not in name}
    missing = {name for name in here | rooms if f"`{name}`" not in PAGE}
    assert not missing


@pytest.mark.parametrize(("page", "most"), PER_PAGE.items(), ids=lambda part: str(part))
def test_a_page_is_short(page: str, most: int) -> None:
    assert len((ROOT / page).read_text(encoding="utf-8").splitlines()) <= most
