# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenes that the head of lights learns from besides photographs: what they cover and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the engine's packages are not here; would check the made scenes")

from sync_engine.radiance.directions import LUMINANCE
from training import light_scenes, plain_days

SUN = (slice(10, 14), slice(30, 34))


@pytest.fixture
def day() -> np.ndarray:
    """A grey world 64 × 128, a little brighter on one side, with a small bright sun at 57° of elevation."""
    radiance = np.tile((1 + 0.05 * np.cos(np.arange(128) * np.pi / 64))[None, :, None], (64, 1, 3))
    radiance[SUN] = 500.0
    return radiance.astype(np.float32)


def test_a_roof_hides_the_sky_and_leaves_the_ground(day: np.ndarray) -> None:
    for seed in range(5):
        scene = light_scenes.under_a_roof(day, np.random.default_rng(seed))
        assert (scene[:8] @ LUMINANCE).max() < 4 * light_scenes.BRIGHTEST, "covered, texture and all"
        assert np.array_equal(scene[40:], day[40:]), "the radiance that stays is real"


def test_a_wall_covers_one_side(day: np.ndarray) -> None:
    scene = light_scenes.beside_a_wall(day, np.random.default_rng(1))
    covered = (scene != day).any(axis=2)
    assert 0.1 < covered.mean() < 0.9


def test_lights_are_put_out(day: np.ndarray) -> None:
    scene = light_scenes.without_its_lights(day, np.random.default_rng(0))
    assert 0.7 < scene[SUN].mean() < 1.3, "as bright as what surrounds it"
    changed = (scene != day).any(axis=2).mean()
    assert changed < 0.6, "and most of the rest stays as it is"


def test_as_many_scenes_as_told_and_the_same_again(day: np.ndarray) -> None:
    made = list(light_scenes.scenes(day, np.random.default_rng(3)))
    again = list(light_scenes.scenes(day, np.random.default_rng(3)))
    assert len(made) == sum(count for _, count in light_scenes.KINDS)
    for scene, same in zip(made, again, strict=True):
        assert np.array_equal(scene, same)
        assert np.isfinite(scene).all()
        assert scene.min() >= 0


def test_a_plain_day_has_one_sun_that_outshines_its_sky() -> None:
    """Most are lit by a small bright disc above the horizon; hills may hide one that stands low."""
    random, shares = np.random.default_rng(0), []
    for _ in range(20):
        radiance = plain_days.day(random)
        assert radiance.shape == (plain_days.HEIGHT, 2 * plain_days.HEIGHT, 3)
        assert np.isfinite(radiance).all()
        assert radiance.min() >= 0
        luminance = radiance @ LUMINANCE
        bright = luminance > 20 * np.median(luminance)
        assert not bright[plain_days.HEIGHT // 2 :].any(), "the ground does not shine"
        shares.append(float(bright.mean()))
    assert np.mean([0 < share < 0.01 for share in shares]) > 0.8, shares
