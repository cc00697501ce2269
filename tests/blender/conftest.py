# SPDX-License-Identifier: GPL-3.0-or-later
"""Real Blender for the tests: finds ``bpy`` interpreters and runs scripts in them, isolated.

``SYNCSCAPE_BPY_PYTHONS`` names the interpreters (separated as in PATH); without it every
``.build/bpy-*/bin/python`` is used. ``SYNCSCAPE_ENGINE_PYTHON`` names the engine's Python, by default
the one that runs the tests.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.small_engine import SmallEngine
from tools.build_extension import build, this_platform

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = "RESULT "
TIMEOUT_S = 300


def _pythons() -> list[Path]:
    named = os.environ.get("SYNCSCAPE_BPY_PYTHONS")
    if named is not None:
        return [Path(item) for item in named.split(os.pathsep) if item]
    return sorted(ROOT.glob(".build/bpy-*/bin/python"), reverse=True)


def _works(python: Path) -> bool:
    """Tell whether ``bpy`` is installed (a virtual environment may be half made)."""
    return any((python.parent.parent / "lib").glob("python3*/site-packages/bpy/__init__.*"))


PYTHONS = [python for python in _pythons() if _works(python)]
WHY_NONE = "no Python with bpy: make bpy, or name one in SYNCSCAPE_BPY_PYTHONS; these tests drive Blender"


@dataclass(frozen=True)
class Blender:
    """One Blender with a user folder of its own.

    Attributes:
        python: the interpreter that has bpy.
        zip: the extension.
        home: a folder of this test; ``home/user`` is Blender's user folder.
    """

    python: Path
    zip: Path
    home: Path

    @property
    def version(self) -> str:
        """The version of its Python, such as ``3.11``."""
        found = next((self.python.parent.parent / "lib").glob("python3.*/site-packages/bpy"))
        return found.parents[1].name.removeprefix("python")

    def run(self, script: str, engine: Path | str = "", status: int = 0, **values: Any) -> dict[str, Any]:
        """Run ``scripts/NAME.py`` and return what it told; fail on another status and on deprecated API."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        environment |= {
            "BLENDER_USER_RESOURCES": str(self.home / "user"),
            "HOME": str(self.home),  # where results lie by default
            "SYNCSCAPE_TEST": json.dumps(
                {"zip": str(self.zip), "engine": str(engine), "home": str(self.home), **values}
            ),
        }
        done = subprocess.run(
            [str(self.python), str(HERE / "scripts" / f"{script}.py")],
            env=environment,
            cwd=self.home,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
        )
        assert done.returncode == status, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        words = done.stdout + done.stderr  # Blender writes its own to either
        assert "deprecat" not in words.lower(), words
        told = [line.removeprefix(MARK) for line in done.stdout.splitlines() if line.startswith(MARK)]
        return json.loads(told[-1]) if told else {}


@pytest.fixture(scope="session")
def extension_zip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension, built from the working tree with Blender's own tool."""
    if not PYTHONS:
        pytest.skip(WHY_NONE)
    out = tmp_path_factory.mktemp("zip")
    return build(PYTHONS[0], out, [this_platform()])[0]


@pytest.fixture(params=PYTHONS or [None], ids=lambda path: path.parents[1].name if path else "no-bpy")
def blender(request: pytest.FixtureRequest, tmp_path: Path, extension_zip: Path) -> Blender:
    """Each Blender in turn."""
    if request.param is None:
        pytest.skip(WHY_NONE)
    (tmp_path / "user").mkdir()
    return Blender(request.param, extension_zip, tmp_path)


@pytest.fixture
def small_engine(blender: Blender, tmp_path: Path) -> SmallEngine:
    """An engine that is quick to set up, with a lock file for that Blender's Python."""
    return SmallEngine(tmp_path, Path(), python=blender.version)


@pytest.fixture
def engine_wheels(blender: Blender) -> Path:
    """Every wheel of the engine, for one Blender: the wheels are for Python 3.11, and it takes minutes."""
    folder = ROOT / ".build" / "engine-wheels"
    if not (folder / ".done").exists():
        pytest.skip(
            "no folder of wheels: make .build/engine-wheels/.done. "
            "Not checked: from the zip to the first World"
        )
    if "bpy-5.0" not in str(blender.python):
        pytest.skip("done once, in Blender 5.0, whose Python the wheels are for")
    return folder


def _wrapper(path: Path, *command: str) -> Path:
    """Write a program that can stand in for the engine's Python."""
    words = " ".join(f"'{word}'" for word in command)
    path.write_text(f'#!/bin/sh\nexec {words} "$@"\n', encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def fake_engine(tmp_path: Path) -> Path:
    """An engine's Python that runs ``fake_engine.py`` instead: quick, and without a model."""
    if os.name != "posix":
        pytest.skip("the fake engine is a shell script; the draft engine is tested all the same")
    return _wrapper(tmp_path / "fake_python", sys.executable, str(HERE / "fake_engine.py"))


@pytest.fixture
def bare_python(tmp_path: Path) -> Path:
    """A Python without torch."""
    if os.name != "posix":
        pytest.skip("needs a shell script that takes the packages away")
    return _wrapper(tmp_path / "bare_python", sys.executable, "-S")


@pytest.fixture
def draft_engine() -> Path:
    """The real engine with the bundled draft model."""
    if not (ROOT / "sync_engine" / "draft" / "model_index.json").is_file():
        pytest.skip("the draft model's weights are not here yet")
    python = os.environ.get("SYNCSCAPE_ENGINE_PYTHON") or sys.executable
    found = subprocess.run([python, "-c", "import torch, diffusers"], capture_output=True)
    if found.returncode != 0:
        pytest.skip(f"{python} has no torch and diffusers; name one in SYNCSCAPE_ENGINE_PYTHON")
    return Path(shutil.which(python) or python)
