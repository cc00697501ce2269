# SPDX-License-Identifier: GPL-3.0-or-later
"""A change of the code's structure changes no picture: small jobs of every family against kept pixels.

    python -m tests.engine.test_same_pixels

writes the kept pixels anew; only a change that is meant to change pictures does that.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sync_engine.common.progress import Reporter
from sync_engine.interface.spec import EnvironmentSpec
from sync_engine.runtime.job import Engine
from tests.engine import pixel_jobs

KEPT = Path(__file__).with_name("same_pixels.npz")
EVERY = 8
"""One pixel of so many along each side is kept, a hundredth of the picture."""
TOLERANCE = {"plate": 2.0, "world": 0.02}
"""Another processor rounds otherwise: levels of 255 of a plate, a share of a world's radiance."""
NAMES = [name for name in pixel_jobs.jobs(Path()) if name.startswith("small")]


@pytest.fixture(scope="module")
def specs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    """The specs of the jobs, with their random models."""
    folder = tmp_path_factory.mktemp("models")
    pixel_jobs.build(folder)
    return pixel_jobs.jobs(folder)


def some_pixels(spec: dict[str, Any], out: Path) -> np.ndarray:
    made = EnvironmentSpec.from_dict(spec)
    Engine().run(made, out, Reporter("same pixels", lambda event: None, wants_preview=False))
    return pixel_jobs.read(out, made.kind)[EVERY // 2 :: EVERY, EVERY // 2 :: EVERY]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_picture_is_the_kept_one(name: str, specs, tmp_path: Path) -> None:
    kind = specs[name]["kind"]
    found = some_pixels(specs[name], tmp_path / "out")
    with np.load(KEPT) as kept:
        expected = kept[name].astype(np.float32)
    assert expected.std() > 10 * TOLERANCE[kind] * (1 if kind == "plate" else expected.mean()) / 10
    scale = 1.0 if kind == "plate" else np.maximum(expected, 0.05)
    assert float((np.abs(found - expected) / scale).max()) <= TOLERANCE[kind]


@pytest.mark.slow
def test_the_tolerance_would_notice_another_picture(specs, tmp_path: Path) -> None:
    """Another seed, and one step of solver less."""
    spec = specs["small-sd"]
    with np.load(KEPT) as kept:
        expected = kept["small-sd"].astype(np.float32)
    for number, change in enumerate(({"seed": 4}, {"steps": 3})):
        found = some_pixels({**spec, **change}, tmp_path / str(number))
        assert float(np.abs(found - expected).max()) > 2 * TOLERANCE["plate"]


def main() -> None:
    """Write the kept pixels."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pixel_jobs.build(folder)
        specs, found = pixel_jobs.jobs(folder), {}
        for job in NAMES:
            pixels = some_pixels(specs[job], folder / "out" / job)
            found[job] = pixels.astype(np.uint8 if specs[job]["kind"] == "plate" else np.float16)
        np.savez_compressed(KEPT, **found)


if __name__ == "__main__":
    main()
