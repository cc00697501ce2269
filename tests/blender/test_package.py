# SPDX-License-Identifier: GPL-3.0-or-later
"""The zip: valid for Blender, with what it needs and nothing else."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools import check_extension
from tools.build_extension import extension_tool

from .conftest import PYTHONS, ROOT, WHY_NONE


@pytest.mark.skipif(not PYTHONS, reason=WHY_NONE)
def test_manifest_is_valid() -> None:
    """Blender's own validator, of every version at hand, finds nothing."""
    for python in PYTHONS:
        command = [str(python), str(extension_tool(python)), "validate", str(ROOT)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_zip_holds_what_is_needed_only(extension_zip: Path) -> None:
    """No tests, no training, no caches; the platform's wheels; not too heavy."""
    assert check_extension.problems(extension_zip) == []


def test_the_check_notices_what_does_not_belong_there(extension_zip: Path, tmp_path: Path) -> None:
    """A test, training data, a missing file, a damaged one."""
    path = tmp_path / extension_zip.name
    with zipfile.ZipFile(extension_zip) as whole, zipfile.ZipFile(path, "w") as changed:
        for name in whole.namelist():
            if name != "api.py" and not name.endswith(".whl"):
                changed.writestr(name, whole.read(name))
        for name in ("tests/test_it.py", "sync_engine/training/data.npz", "notes.txt"):
            changed.writestr(name, "")
    found = " ".join(check_extension.problems(path))
    expected = (
        "api.py is missing",
        "test_it.py does not",
        "data.npz does not",
        "notes.txt does not",
        "its wheels are []",
    )
    for words in expected:
        assert words in found


def test_root_module_needs_no_blender() -> None:
    """The extension's own __init__ imports nothing, so that tools can import the repository."""
    lines = (ROOT / "__init__.py").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line.startswith(("import ", "from "))]
