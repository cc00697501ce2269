# SPDX-License-Identifier: GPL-3.0-or-later
"""The render check of the light: the balls of ``benchmarks.relighting`` under skies of known light."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from .conftest import PYTHONS, WHY_NONE

balls = pytest.importorskip("benchmarks.relighting", reason="needs the engine's packages")
from sync_engine.radiance.directions import irradiance, reduced  # noqa: E402
from sync_engine.radiance.expand import expand  # noqa: E402
from sync_engine.radiance.srgb import to_linear  # noqa: E402
from tests.small_models.pictures import sky  # noqa: E402

ALBEDO, SIZE, SAMPLES = 0.8, 48, 32
AZIMUTH = 1.2


def normals(azimuth: float) -> np.ndarray:
    """Return the normals ``(N, 3)`` of the ball's blocks as the camera at an azimuth sees them."""
    count = SIZE // balls.BLOCK
    middles = (np.arange(SIZE) + 0.5) / SIZE * 2 - 1
    right, down = np.meshgrid(middles, middles)
    ahead = np.sqrt(np.maximum(1 - right**2 - down**2, 0))
    axes = np.array(
        [
            (-np.sin(azimuth), np.cos(azimuth), 0),
            (0, 0, -1),
            (np.cos(azimuth), np.sin(azimuth), 0),
        ]
    )
    directions = np.stack([right, down, ahead], axis=-1) @ axes
    blocks = (count, balls.BLOCK, count, balls.BLOCK)
    whole = (np.hypot(right, down) < 0.96).reshape(blocks).all(axis=(1, 3))
    means = directions.reshape(*blocks, 3).mean(axis=(1, 3))[whole]
    return means / np.linalg.norm(means, axis=-1, keepdims=True)


def test_the_balls_are_lit_as_calculated(tmp_path: Path) -> None:
    """The diffuse ball is the irradiance that was calculated; the error is less where light is given back."""
    if not PYTHONS:
        pytest.skip(f"{WHY_NONE}. Not checked: that rendered balls have the light that was calculated")
    picture = sky()
    true = expand(picture, sun_stops=1.0, exposure=0.0).radiance
    weaker = expand(picture, sun_stops=0.5, exposure=0.0).radiance
    given = {"true": true, "weaker": weaker, "plain": to_linear(picture)}
    for name, light in given.items():
        np.save(tmp_path / f"{name}.npy", light)
    balls.render(PYTHONS[0], tmp_path, dict.fromkeys(given, AZIMUTH), SIZE, SAMPLES)
    around = np.concatenate([normals(AZIMUTH), normals(AZIMUTH + np.pi)])
    for name, light in given.items():
        wanted = ALBEDO / np.pi * irradiance(reduced(light, 256), around)
        seen = balls.diffuse(tmp_path, name)
        assert np.sqrt(np.mean((seen - wanted) ** 2)) < 0.04 * wanted.mean(), name
    truth = balls.diffuse(tmp_path, "true")
    errors = {name: balls.error(balls.diffuse(tmp_path, name), truth) for name in given}
    assert errors["true"] == 0.0
    assert 0.02 < errors["weaker"] < 0.5 * errors["plain"], errors
    mirror = np.load(tmp_path / "plain.front.npy")[:, 2 * SIZE :]
    middle = mirror[SIZE // 2 - 2 : SIZE // 2 + 2, SIZE // 2 - 2 : SIZE // 2 + 2].mean(axis=(0, 1))
    row, column = len(picture) // 2, round((0.5 - AZIMUTH / (2 * np.pi)) * picture.shape[1])
    horizon = to_linear(picture)[row - 8 : row + 8, column - 8 : column + 8].mean(axis=(0, 1))
    assert np.allclose(middle, horizon, rtol=0.2), "the mirror's middle shows what lies behind the camera"
