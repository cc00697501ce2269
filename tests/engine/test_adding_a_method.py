# SPDX-License-Identifier: GPL-3.0-or-later
"""A new method is one new file: the toy of ``docs/dev/adding-a-method.md`` is offered and paints."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.engine.pixel_jobs import read

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "dev" / "adding-a-method.md"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the engine and of what the panel offers, with the page's file and no other change."""
    found = re.search(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert found
    copy = tmp_path_factory.mktemp("house")
    for file in [*(ROOT / "sync_engine").rglob("*"), ROOT / "settings" / "choices.py"]:
        if file.is_file() and "__pycache__" not in file.parts:
            link = copy / file.relative_to(ROOT)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file)
    for package in (copy, copy / "settings"):
        (package / "__init__.py").touch()
    (copy / "sync_engine" / "sync" / "methods" / "mean_colour.py").write_text(found[1], encoding="utf-8")
    return copy


def python(house: Path, *arguments: str, path: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(path or house), "COLUMNS": "1000"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=house.parent, env=environment, capture_output=True, text=True
    )


def test_the_page_is_short() -> None:
    assert len(PAGE.read_text(encoding="utf-8").splitlines()) <= 60


def test_the_toy_is_offered_by_spec_command_line_and_panel(house: Path) -> None:
    code = (
        f"import {house.name}.settings.choices as panel, json; "
        f"from {house.name}.sync_engine.interface.spec import EnvironmentSpec as Spec, SpecError\n"
        "import sys; assert 'torch' not in sys.modules\n"
        "Spec('a', method='mean-colour', kind='plate').validated()\n"
        "try: Spec('a', method='mean-colour').validated()\n"
        "except SpecError as error: print(json.dumps([panel.METHOD_ITEMS[-1], str(error)]))"
    )
    told = python(house, "-c", code, path=house.parent)
    assert told.returncode == 0, told.stderr
    item, refusal = json.loads(told.stdout)
    assert item == ["mean-colour", "Mean Colour", "Windows agree in their mean colour only"]
    assert "mean-colour cannot paint it" in refusal
    help_text = " ".join(python(house, "-m", "sync_engine", "generate", "--help").stdout.split())
    assert "mean-colour: Windows agree in their mean colour only." in help_text
    assert "0.5 for mean-colour" in help_text


@pytest.mark.slow
def test_the_toy_paints(house: Path, tiny_folder: Path, tmp_path: Path) -> None:
    pictures = []
    for strength in ("0", "1"):
        out = tmp_path / strength
        command = ["-m", "sync_engine", "generate", "--prompt", "a calm sea", "--model", str(tiny_folder)]
        command += ["--kind", "plate", "--width", "256", "--height", "128", "--steps", "2", "--seed", "1"]
        command += ["--method", "mean-colour", "--sync-strength", strength, "--device", "cpu"]
        done = python(house, *command, "--out", str(out))
        assert done.returncode == 0, done.stderr
        pictures.append(read(out, "plate"))
    assert np.abs(pictures[0] - pictures[1]).max() > 0, "its sync is called"
