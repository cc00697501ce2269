# SPDX-License-Identifier: GPL-3.0-or-later
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


COUNT_WEATHERS = """
import collections, json, numpy as np
from training.generator import family_common
family_common.Sky = lambda rng, when, weather: (when, weather)
def shares():
    rng = np.random.default_rng(0)
    drawn = [family_common.make_sky(rng, weather={"foggy": 0.15}) for _ in range(4000)]
    by_day = [weather for when, weather in drawn if when != "night"]
    return {name: count / len(by_day) for name, count in collections.Counter(by_day).items()}
usual = shares()
with family_common.even_weather():
    even = shares()
print(json.dumps([usual, even, shares()]))
"""


def in_generator(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the generator's Python from the project's folder, without the settings of this one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    return subprocess.run(
        [str(generator_python()), *arguments],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )


def test_even_weather_draws_every_weather_of_the_day_alike() -> None:
    done = in_generator("-c", COUNT_WEATHERS)
    assert done.returncode == 0, done.stderr
    usual, even, after = json.loads(done.stdout.splitlines()[-1])
    assert usual["foggy"] < 0.03
    assert len(even) == 9
    assert all(abs(share - 1 / 9) < 0.03 for share in even.values()), even
    assert after == usual


def test_the_generator_renders_a_panorama_by_its_number(tmp_path: Path) -> None:
    only = ["--start", str(FLOWERY_MEADOW), "--count", str(FLOWERY_MEADOW + 1)]
    done = in_generator("-m", "training.generator.render_panoramas", "--out", str(tmp_path), *only)
    assert done.returncode == 0, done.stderr
    (record,) = map(json.loads, (tmp_path / "index.jsonl").read_text(encoding="utf-8").splitlines())
    assert (record["id"], record["scene"]) == (f"{FLOWERY_MEADOW}", "meadow"), done.stderr
    with Image.open(tmp_path / "ldr" / f"{FLOWERY_MEADOW}.webp") as picture:
        assert picture.size == (1024, 512)
        lowest, highest = picture.convert("L").getextrema()
    assert highest - lowest > 50
    assert len(record["captions"]) == 5
