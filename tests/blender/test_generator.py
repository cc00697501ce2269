"""The generator of the training set renders panoramas, in the Blender that it was made for."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.blender.conftest import PYTHONS, ROOT

FLOWERY_MEADOW = 1196


def generator_python() -> Path:
    """Return the Python with Blender 4.5 and numba."""
    for python in PYTHONS:
        packages = (python.parent.parent / "lib").glob("python3*/site-packages/numba")
        if "bpy-4.5" in str(python) and any(packages):
            return python
    pytest.skip(
        "no Blender 4.5 with numba: make .build/bpy-4.5.15/.done. "
        "Not checked: that the generator renders a panorama of the training set"
    )


def test_the_generator_renders_a_panorama_by_its_number(tmp_path: Path) -> None:
    command = [str(generator_python()), "-m", "training.generator.render_panoramas", "--out", str(tmp_path)]
    only = ["--start", str(FLOWERY_MEADOW), "--count", str(FLOWERY_MEADOW + 1)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(
        command + only,
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (record,) = map(json.loads, (tmp_path / "index.jsonl").read_text(encoding="utf-8").splitlines())
    assert (record["id"], record["scene"]) == (f"{FLOWERY_MEADOW}", "meadow"), done.stderr
    with Image.open(tmp_path / "ldr" / f"{FLOWERY_MEADOW}.webp") as picture:
        assert picture.size == (1024, 512)
        lowest, highest = picture.convert("L").getextrema()
    assert highest - lowest > 50
    assert len(record["captions"]) == 5
