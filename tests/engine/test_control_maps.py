# SPDX-License-Identifier: GPL-3.0-or-later
"""Maps of control guides: depth becomes that of each view, one near for all, and words for bad maps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sync_engine.canvas.plane import PlaneCanvas
from sync_engine.canvas.sphere import SphereCanvas
from sync_engine.canvas.views import equirectangular_rays
from sync_engine.common.errors import EngineError
from sync_engine.guiding.control_maps import FAINTEST, OCTAVES, maps_of
from sync_engine.interface.guides import Control
from sync_engine.interface.spec import EnvironmentSpec
from tests.engine.picture_files import write_exr

HEIGHT = 128


def distances(path: Path, pixels: np.ndarray, channel: str = "Z") -> str:
    """Write a depth pass."""
    write_exr(path, {channel: np.ascontiguousarray(pixels, dtype=np.float32)})
    return str(path)


def plane_at(distance: float) -> np.ndarray:
    """Return the distances of a wall that is square to +X and so far away; below something is at 1."""
    rays = equirectangular_rays(HEIGHT, torch.arange(HEIGHT), torch.arange(2 * HEIGHT))
    x, _, z = (part.reshape(HEIGHT, -1).numpy() for part in rays.unbind(dim=1))
    wall = np.where(x > 0.02, distance / np.maximum(x, 0.02), 0.0)
    return np.where(z < -0.9, 1.0, wall)


def spec(file: str, kind: str = "depth", **fields: object) -> EnvironmentSpec:
    return EnvironmentSpec(
        "a hill", guides=(Control(kind=kind, file=file),), **{"width": 256, **fields}
    ).validated()  # type: ignore[arg-type]


def test_a_wall_has_one_depth_in_the_view_that_faces_it(tmp_path: Path) -> None:
    """Along its rays it has many distances: z = d · cos θ makes them one."""
    (read,) = maps_of(spec(distances(tmp_path / "d.exr", plane_at(4.0)), width=512))
    level = next(view for view in SphereCanvas(8).views if view.elevation == 0)
    canvas = SphereCanvas(8, turn=-level.azimuth)
    facing = next(n for n, v in enumerate(canvas.views) if (v.azimuth, v.elevation) == (0, 0))
    seen = read.windows(canvas, 8)[facing]
    assert seen.shape == (3, 64, 64)
    torch.testing.assert_close(seen[0, 4:-4, 4:-4], torch.full((56, 56), 0.25), rtol=0.02, atol=0)
    behind = max(range(len(canvas.views)), key=lambda n: -float(canvas.views[n].axes()[0, 0]))
    assert canvas.views[behind].elevation == 0
    assert float(read.windows(canvas, 8)[behind].max()) == 0.0, "nothing is there"


def test_neighbours_agree_on_what_both_see(tmp_path: Path) -> None:
    """A sphere around the viewpoint is equally far everywhere: every view says z = cos θ of its rays."""
    file = distances(tmp_path / "d.exr", np.full((HEIGHT, 2 * HEIGHT), 5.0), "ViewLayer.Depth.V")
    (read,) = maps_of(spec(file))
    canvas = SphereCanvas(8)
    for number, shown in enumerate(read.windows(canvas, 8)):
        cosines = canvas.views[number].rays(64) @ canvas.views[number].axes()[0]
        expected = (1 / cosines).reshape(64, 64).clamp(max=1)
        torch.testing.assert_close(shown[0].double(), expected, atol=2e-3, rtol=0)


@pytest.mark.parametrize("nothing", [0.0, math.inf, 1e10])
def test_logarithmic_depth_keeps_the_far_apart_from_the_sky(tmp_path: Path, nothing: float) -> None:
    pixels = np.full((64, 128), nothing)
    pixels[32:], pixels[48:] = 2000.0, 2.0
    (read,) = maps_of(spec(distances(tmp_path / "d.exr", pixels), kind="depth", projection="equirectangular"))
    canvas = PlaneCanvas(16, 32, 16, 8, wrap=True)
    linear, told = (read.windows(canvas, 8, logarithmic=way)[0, 0] for way in (False, True))
    assert float(linear[:60].max()) == float(told[:60].max()) == 0.0
    assert float(linear[72:92].max()) == pytest.approx(0.001)
    wanted = 1 - (1 - FAINTEST) * math.log2(1000) / OCTAVES
    assert float(told[80].mean()) == pytest.approx(wanted, abs=0.01)
    assert float(told[-1].min()) == pytest.approx(1.0)


def test_an_8_bit_picture_is_taken_as_it_is(tmp_path: Path) -> None:
    grey = np.zeros((64, 128), dtype=np.uint8)
    grey[32:] = 128
    Image.fromarray(grey).save(tmp_path / "d.png")
    plate = {"kind": "plate", "width": 256, "height": 128}
    guide = Control(file=str(tmp_path / "d.png"))
    for kind in ("depth", "canny"):
        made = EnvironmentSpec("a hill", guides=(Control(kind=kind, file=guide.file),), **plate)  # type: ignore[arg-type]
        (read,) = maps_of(made)
        windows = read.windows(PlaneCanvas(16, 32, 16, 8), 8)
        assert windows.shape == (3, 3, 128, 128)
        assert float(windows[:, :, 70:].mean()) == pytest.approx(128 / 255, abs=1e-3)
        assert float(windows[:, :, :60].max()) == 0.0


@pytest.mark.parametrize(
    ("name", "pixels", "words"),
    [
        ("shape.exr", np.ones((64, 64)), "another shape"),
        ("nan.exr", np.where(np.eye(64, 128) > 0, np.nan, 1.0), "no numbers"),
        ("below.exr", np.full((64, 128), -1.0), "below 0"),
        ("sky.exr", np.full((64, 128), np.inf), "shows nothing"),
        ("gone.exr", None, "cannot be read"),
        ("cut.exr", np.ones((64, 128)), "damaged|cannot be read"),
    ],
)
def test_what_is_no_map_is_refused_in_words(tmp_path: Path, name: str, pixels: object, words: str) -> None:
    if pixels is not None:
        distances(tmp_path / name, np.asarray(pixels))
    if name == "cut.exr":
        (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-50])
    with pytest.raises(EngineError, match=words) as raised:
        maps_of(spec(str(tmp_path / name)))
    assert raised.value.hint
