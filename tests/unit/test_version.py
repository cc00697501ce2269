# SPDX-License-Identifier: GPL-3.0-or-later
"""One version: the manifest's, which the project file and the engine repeat."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from sync_engine import VERSION

ROOT = Path(__file__).parents[2]


def test_the_version_is_the_same_everywhere() -> None:
    manifest = tomllib.loads((ROOT / "blender_manifest.toml").read_text(encoding="utf-8"))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["version"] == manifest["version"] == VERSION


def test_the_changelog_has_a_section_of_it() -> None:
    sections = re.findall(r"^## (\S+?),? ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sections[0] == VERSION
