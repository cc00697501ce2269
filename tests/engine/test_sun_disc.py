# SPDX-License-Identifier: GPL-3.0-or-later
"""The sun in a World: its energy at every size and place, its aureole's share, no edge around it."""

from __future__ import annotations

import numpy as np
import pytest

from sync_engine.radiance.directions import pixel_directions, solid_angles
from sync_engine.radiance.sun_disc import AUREOLE_RADIUS, AUREOLE_SHARE, SUN_RADIUS, add_sun

ENERGY = np.array([3.0, 2.0, 1.0])


def sun(height: int, direction: np.ndarray) -> np.ndarray:
    """A black panorama with the sun."""
    picture = np.zeros((height, 2 * height, 3), dtype=np.float32)
    add_sun(picture, direction, ENERGY)
    return picture


def unit(*vector: float) -> np.ndarray:
    """The unit vector along a vector."""
    return np.array(vector) / np.linalg.norm(vector)


@pytest.mark.parametrize("height", [32, 128, 512, 1024])
@pytest.mark.parametrize(
    "direction", [unit(1, 0, 0.6), unit(-1, 0.002, 0.5), unit(0.03, 0.02, 1), unit(0, 0, 1)]
)
def test_all_energy_is_counted_at_every_size_and_place(height: int, direction: np.ndarray) -> None:
    picture = sun(height, direction)
    weighted = picture.astype(np.float64) * solid_angles(height, 2 * height)[..., None]
    assert np.allclose(weighted.sum(axis=(0, 1)), ENERGY, rtol=1e-4)
    vector = np.einsum("hwc,hwd->d", weighted, pixel_directions(height, 2 * height))
    apart = np.degrees(np.arccos(min(1.0, float(vector @ direction / np.linalg.norm(vector)))))
    assert apart < 90 / height, "within half a pixel"


def test_the_aureole_has_its_share_and_ends_where_the_sun_lamp_looks_for_the_sun() -> None:
    height, direction = 1024, unit(1, 0.2, 0.3)
    picture = sun(height, direction)[..., 1]
    angle = np.arccos(np.clip(pixel_directions(height, 2 * height).astype(np.float64) @ direction, -1, 1))
    light = picture * solid_angles(height, 2 * height)
    pixel = np.pi / height
    outside = light[angle > SUN_RADIUS + pixel].sum() / light.sum()
    assert 0.2 * AUREOLE_SHARE < outside < AUREOLE_SHARE
    assert picture[angle > AUREOLE_RADIUS + pixel].max() == 0


def test_the_aureole_falls_without_an_edge() -> None:
    """From one ring to the next it falls by less than the factor of a disc's edge, and it never rises."""
    height, direction = 1024, unit(1, 0, 0.3)
    picture = sun(height, direction)[..., 1]
    angle = np.arccos(np.clip(pixel_directions(height, 2 * height).astype(np.float64) @ direction, -1, 1))
    rings = np.arange(2.5 * SUN_RADIUS, 0.85 * AUREOLE_RADIUS, np.pi / height)
    means = np.array([picture[(angle >= a) & (angle < a + np.pi / height)].mean() for a in rings])
    falls = means[:-1] / means[1:]
    assert (falls > 1).all()
    assert falls.max() < 2
    assert means[-1] < 1e-3 * picture.max()
