# SPDX-License-Identifier: GPL-3.0-or-later
"""The sun as it stands in a World: an even disc, and the aureole that air and lens put around it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sync_engine.radiance.directions import pixel_of, solid_angles

SUN_RADIUS = np.radians(0.266)
AUREOLE_RADIUS = np.radians(2.5)
"""Where the aureole has ended: what *Sun Lamp from World* takes for the sun's own light, too."""
AUREOLE_SHARE = 0.05
"""Part of the sun's energy that comes from its aureole: the circumsolar ratio of a clear day."""
AUREOLE_SLOPE = 2.2 * np.log(0.52 * AUREOLE_SHARE) * AUREOLE_SHARE**0.43 - 0.1
"""Exponent of radiance over the angle outside the disc, of that ratio (Buie, Monger and Dey 2003): -2.3."""
EDGE_SAMPLES = 8
"""Samples a pixel has to each side where the disc's edge is drawn."""


def add_sun(linear: np.ndarray, direction: np.ndarray, energy: np.ndarray) -> None:
    """Add a sun to a panorama ``(H, W, 3)`` in place.

    Its radiance times solid angle is ``energy`` ``(3,)`` at every size: disc and aureole together.

    Args:
        linear: linear RGB.
        direction: unit vector ``(3,)`` to the sun's middle.
        energy: irradiance on a surface that faces it, in the panorama's unit times steradian.
    """
    pixel = np.pi / len(linear)
    coarse = int(np.clip(np.ceil(EDGE_SAMPLES * pixel / SUN_RADIUS / 2), 1, EDGE_SAMPLES))
    _add(linear, direction, energy * (1 - AUREOLE_SHARE), SUN_RADIUS, _disc, EDGE_SAMPLES)
    _add(linear, direction, energy * AUREOLE_SHARE, AUREOLE_RADIUS, _aureole, coarse)


def _disc(angle: np.ndarray) -> np.ndarray:
    return (angle <= SUN_RADIUS).astype(np.float64)


def _aureole(angle: np.ndarray) -> np.ndarray:
    """Radiance over the angle from the middle, up to a factor; it fades to nothing at its end."""
    fading = np.clip(1 - (angle / AUREOLE_RADIUS) ** 2, 0, 1)
    return np.maximum(angle / SUN_RADIUS, 1) ** AUREOLE_SLOPE * fading


def _add(
    linear: np.ndarray,
    direction: np.ndarray,
    energy: np.ndarray,
    radius: float,
    shape: Callable[[np.ndarray], np.ndarray],
    samples: int,
) -> None:
    """Add what has a ``shape`` over the angle and ends at ``radius``, brought to its exact energy."""
    height, width = linear.shape[:2]
    row, column = pixel_of(direction, height, width)
    reach = int(np.ceil(radius / np.pi * height)) + 2
    rows = np.arange(max(0, round(row) - reach), min(height, round(row) + reach + 1))
    lowest = np.abs(np.sin((0.5 - (rows + 0.5) / height) * np.pi)).max()
    wide = min(width // 2, int(np.ceil(reach / max(np.sqrt(1 - lowest**2), 1e-3))))
    columns = np.arange(round(column) - wide, round(column) + wide)
    fine = (np.arange(samples) + 0.5) / samples - 0.5
    elevation = (0.5 - ((rows[:, None] + fine).ravel() + 0.5) / height) * np.pi
    azimuth = (0.5 - ((columns[:, None] + fine).ravel() + 0.5) / width) * 2 * np.pi
    flat = direction[0] * np.cos(azimuth) + direction[1] * np.sin(azimuth)
    cosine = np.cos(elevation)[:, None] * flat[None] + np.sin(elevation)[:, None] * direction[2]
    radiance = shape(np.arccos(np.clip(cosine, -1, 1)))
    cover = radiance.reshape(len(rows), samples, len(columns), samples).mean(axis=(1, 3))
    if not cover.any():  # a pixel far larger than the disc
        cover[np.abs(rows - row).argmin(), np.abs(columns - column).argmin()] = 1.0
    total = (cover * solid_angles(height, width)[rows]).sum()
    linear[np.ix_(rows, columns % width)] += (cover[..., None] * (energy / total)).astype(np.float32)
