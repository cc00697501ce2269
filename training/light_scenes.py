# SPDX-License-Identifier: GPL-3.0-or-later
"""More scenes to learn the strength of lights from: real panoramas with a part covered or its lights put out.

What is white in a photograph is mostly what shines. Under a roof, or where the lamp is hidden, it may be a
wall in the sun. Too few photographs of such places are here, so some are made: the radiance stays real, only
a dark cap, or the surroundings in place of the lights, is put over it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from scipy import ndimage

from sync_engine.radiance.directions import LUMINANCE

EDGE = 2.0
"""Degrees over which a cover ends."""
DARKEST, BRIGHTEST = 0.02, 0.5
"""A cover's luminance over the median of the panorama."""
HIDDEN = (0.995, 0.99, 0.98, 0.95)
"""Luminance percentiles above which lights are put out."""


def scenes(radiance: np.ndarray, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield the scenes made of one panorama ``(H, W, 3)``: as many of each kind as ``KINDS`` says."""
    for change, count in KINDS:
        for _ in range(count):
            yield change(radiance, random).astype(np.float32)


def under_a_roof(radiance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cover what is above a circle around the zenith, 45 to 90° wide."""
    return _cover(radiance, random, lowest=80.0, radius=(45.0, 90.0))


def beside_a_wall(radiance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Cover a circle of 50 to 110° around any direction from 20° up."""
    return _cover(radiance, random, lowest=20.0, radius=(50.0, 110.0))


def without_its_lights(radiance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Put what surrounds them in the place of the brightest parts."""
    luminance = radiance @ LUMINANCE
    bright = luminance > np.quantile(luminance, random.choice(HIDDEN))
    rest = (~ndimage.binary_dilation(bright, iterations=3))[..., None].astype(np.float32)
    blurred = [ndimage.gaussian_filter(layer, (12, 12, 0), mode="wrap") for layer in (radiance * rest, rest)]
    return np.where(rest > 0, radiance, blurred[0] / np.maximum(blurred[1], 1e-4))


def dim_under_a_roof(radiance: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Put the lights out, then cover a wide circle from 60° up."""
    return _cover(without_its_lights(radiance, random), random, lowest=60.0, radius=(45.0, 90.0))


Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]
KINDS: tuple[tuple[Change, int], ...] = (
    (under_a_roof, 16),
    (beside_a_wall, 16),
    (without_its_lights, 16),
    (dim_under_a_roof, 8),
)


def _cover(
    radiance: np.ndarray, random: np.random.Generator, lowest: float, radius: tuple[float, float]
) -> np.ndarray:
    axis = _direction(random.uniform(lowest, 90.0), random)
    apart = _degrees_from(axis, *radiance.shape[:2])
    return _covered(radiance, _inside(apart, random.uniform(*radius)), random)


def _covered(radiance: np.ndarray, mask: np.ndarray, random: np.random.Generator) -> np.ndarray:
    level = np.quantile(radiance @ LUMINANCE, 0.5) * np.exp(
        random.uniform(np.log(DARKEST), np.log(BRIGHTEST))
    )
    texture = np.exp(1.5 * ndimage.gaussian_filter(random.standard_normal(mask.shape), 2))
    tint = np.array([1.0, random.uniform(0.85, 1.0), random.uniform(0.7, 1.0)])
    return radiance * (1 - mask[..., None]) + level * (texture * mask)[..., None] * tint


def _inside(apart: np.ndarray, radius: float) -> np.ndarray:
    return np.clip((radius - apart) / EDGE + 0.5, 0, 1)


def _direction(elevation: float, random: np.random.Generator) -> np.ndarray:
    up, around = np.radians(elevation), random.uniform(0, 2 * np.pi)
    return np.array([np.cos(up) * np.cos(around), np.cos(up) * np.sin(around), np.sin(up)])


def _degrees_from(axis: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return ``(H, W)`` degrees between each pixel's direction and an axis; any column may be the first."""
    up = np.radians(90 - (np.arange(height) + 0.5) / height * 180)[:, None]
    around = ((np.arange(width) + 0.5) / width * 2 * np.pi)[None]
    cosine = np.cos(up) * (axis[0] * np.cos(around) + axis[1] * np.sin(around)) + np.sin(up) * axis[2]
    return np.degrees(np.arccos(np.clip(cosine, -1, 1)))
