"""The zip: valid for Blender, with what it needs and nothing else."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from .conftest import PYTHONS, ROOT, WHY_NONE, extension_tool

ALLOWED = {
    "blender_manifest.toml",
    "LICENSE",
    "README.md",
    "__init__.py",
    "api.py",
    "engine_link.py",
    "preferences.py",
    "operators",
    "panels",
    "presets",
    "scene",
    "sync_engine",
    "translations",
}


@pytest.mark.skipif(not PYTHONS, reason=WHY_NONE)
def test_manifest_is_valid() -> None:
    """Blender's own validator, of every version at hand, finds nothing."""
    for python in PYTHONS:
        command = [str(python), str(extension_tool(python)), "validate", str(ROOT)]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_zip_holds_what_is_needed_only(extension_zip: Path) -> None:
    """No tests, no training, no caches."""
    with zipfile.ZipFile(extension_zip) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names} <= ALLOWED
    assert not [name for name in names if "__pycache__" in name or name.endswith((".pyc", ".pt", ".log"))]
    for needed in ("__init__.py", "api.py", "sync_engine/__main__.py", "sync_engine/interface/client.py"):
        assert needed in names


def test_root_module_needs_no_blender() -> None:
    """The extension's own __init__ imports nothing, so that tools can import the repository."""
    lines = (ROOT / "__init__.py").read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if line.startswith(("import ", "from "))]
