# SPDX-License-Identifier: GPL-3.0-or-later
"""The exposure of the engine's Worlds, where it counts: on a white ball in a render."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from .conftest import Blender

expanding = pytest.importorskip("sync_engine.radiance.expand", reason="needs the engine's packages")
from sync_engine.runtime.output import write_exr  # noqa: E402
from tests.small_models.pictures import sky  # noqa: E402

MIDDLE = (0.4, 0.75)


def flat(sky: float, ground: float) -> np.ndarray:
    """Return an sRGB panorama ``(256, 512, 3)`` of an even sky over an even ground."""
    picture = np.full((256, 512, 3), sky, dtype=np.float32)
    picture[128:] = ground
    return picture


def days() -> dict[str, np.ndarray]:
    """Return clear days with a sun at several heights, over snow too, and an overcast one."""
    snow = sky()
    snow[128:] = 0.95
    return {
        "noon": sky((0.3, 0.2, 0.93)),
        "afternoon": sky(),
        "evening": sky((0.8, 0.5, 0.15)),
        "snow": snow,
        "overcast": flat(0.85, 0.5),
    }


def test_a_white_ball_has_middle_values_by_day(blender: Blender, tmp_path: Path, record_property) -> None:
    """Not burnt out and not black, as artists see it: with the view transform of a new file."""
    worlds, suns = {}, {}
    for name, picture in (days() | {"night": flat(0.1, 0.05)}).items():
        made = expanding.expand(picture)
        worlds[name] = str(tmp_path / f"{name}.exr")
        suns[name] = [light["kind"] for light in made.report["lights"]]
        write_exr(Path(worlds[name]), made.radiance, {"syncscape_light": json.dumps(made.report)})
    assert all("sun" in suns[name] for name in ("noon", "afternoon", "evening", "snow")), suns
    assert "sun" not in suns["overcast"] + suns["night"]
    told = blender.run("white_ball", worlds=worlds)
    for name, values in told.items():
        record_property(name, values)
        if name == "night":
            assert values["mean"] < 0.25, f"a night stays dark: {values}"
            continue
        assert MIDDLE[0] <= values["mean"] <= MIDDLE[1], f"{name}: {values}"
        assert values["brightest"] < 0.97, f"{name} burns out: {values}"
