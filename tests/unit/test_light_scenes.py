"""The scenes that the head of lights learns from besides photographs: what they cover and what they leave."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("scipy", reason="the engine's packages are not here; would check the made scenes")

from sync_engine.radiance import head
from sync_engine.radiance.directions import LUMINANCE
from training import light_scenes

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
    assert all(
        np.array_equal(a, b) and np.isfinite(a).all() and a.min() >= 0
        for a, b in zip(made, again, strict=True)
    )


def test_what_was_never_seen_is_doubted() -> None:
    """The same prediction gives less light where a picture is unlike all that the head has seen."""
    support = np.zeros((2, 3))
    support[1] = 0.1
    weights = {
        "mean": np.zeros(3),
        "deviation": np.ones(3),
        "support": support,
        "coefficients": np.zeros(2),
        "bias": np.array([1.0]),
    }
    near, far = np.zeros(3), np.full(3, 3.0)
    assert np.isclose(head.unlike(near[None], weights)[0], 0)
    assert head.unlike(far[None], weights)[0] > 0.7
    assert head.strength(far, weights) < 0.7 * head.strength(near, weights)
    assert np.isclose(np.log(head.strength(near, weights)), 1.0 - head.CAUTION)
