# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain days to learn the strength of a sun from: an even sky with a glow around a sun over an even ground.

Photographs are full of texture; what a model paints, and many a drawn panorama, is smooth. The suns are as
strong as those of the training set's panoramas (``training/sun_strength.py``), give or take 30 %.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from sync_engine.prompting.sun_in_prompt import strength_at
from sync_engine.radiance.directions import LUMINANCE, pixel_directions, solid_angles

HEIGHT = 256
PERCENTILES = (0.999, 0.995, 0.99, 0.98, 0.95)
"""Luminance percentiles at which such pictures are white."""
SPREAD = 0.3
"""Deviation of the log of a sun's strength."""
DISC, SOFT = 0.6, 0.4
"""Degrees of the sun's radius, and of its edge: a pixel has 0.7."""


def day(random: np.random.Generator) -> np.ndarray:
    """Return the radiance ``(256, 512, 3)`` of a plain day, in any unit."""
    directions, angles = pixel_directions(HEIGHT, 2 * HEIGHT), solid_angles(HEIGHT, 2 * HEIGHT)
    elevation = np.degrees(np.arcsin(random.uniform(0, 1))) * random.uniform(0.2, 1) + 1
    azimuth = random.uniform(0, 2 * np.pi)
    flat = np.cos(np.radians(elevation))
    sun = np.array([flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(np.radians(elevation))])
    from_sun = np.degrees(np.arccos(np.clip(directions @ sun, -1, 1)))[..., None]
    warmth = np.clip(1 - elevation / 25, 0, 1) * random.uniform(0.3, 1)
    tint = 1 - warmth * np.array([0, 0.3, 0.6])

    sky = _sky(directions[..., 2:], from_sun, warmth, tint, random)
    above = directions[..., 2] >= _horizon(random)
    luminance = sky @ LUMINANCE * angles * above
    from_above = float((luminance * np.clip(directions[..., 2], 0, 1)).sum())
    facing = float((luminance * np.clip(directions @ sun, 0, 1)).sum())
    strength = strength_at(elevation) * np.exp(random.normal(0, SPREAD)) * max(facing, from_above)

    light = from_above + strength * sun[2]
    albedo = np.exp(random.uniform(np.log(0.05), np.log(0.8)))
    colour = albedo * np.array([1, random.uniform(0.75, 1), random.uniform(0.5, 1)])
    rough = np.exp(random.uniform(0, 0.4) * _noise(random, random.uniform(1, 6), 2))[..., None]
    radiance = np.where(above[..., None], sky, colour * light / np.pi * rough)
    disc = np.clip((DISC - from_sun) / SOFT + 0.5, 0, 1) * above[..., None]
    size = float((disc[..., 0] * angles).sum())
    if size > 0:  # not behind the hills
        radiance = radiance + disc * tint / (tint @ LUMINANCE) * strength / size
    return radiance.astype(np.float32)


def _sky(
    up: np.ndarray, from_sun: np.ndarray, warmth: float, tint: np.ndarray, random: np.random.Generator
) -> np.ndarray:
    zenith = np.array([random.uniform(0.25, 0.6), random.uniform(0.5, 0.8), 1.0]) * random.uniform(0.5, 1.2)
    horizon = (1 - warmth * np.array([0, 0.45, 0.75])) * random.uniform(0.8, 2.0)
    sky = zenith + (horizon - zenith) * np.exp(-np.clip(up, 0, 1) / random.uniform(0.1, 0.5))
    glow, width = random.uniform(0.5, 8) * horizon.mean(), random.uniform(1.5, 9)
    far = random.uniform(0, 0.6)
    sky = sky + glow * (np.exp(-from_sun / width) + far * np.exp(-from_sun / (4 * width))) * tint
    if random.uniform() < 0.5:
        veil = _noise(random, random.uniform(3, 14), 4)[..., None]
        sky = sky * np.exp(random.uniform(0.02, 0.25) * veil)
    return sky


def _horizon(random: np.random.Generator) -> np.ndarray:
    """Return the sine of the land's elevation in each column: none, or low hills."""
    if random.uniform() < 0.4:
        return np.zeros((1, 2 * HEIGHT))
    line = ndimage.gaussian_filter1d(random.standard_normal(2 * HEIGHT), random.uniform(4, 30), mode="wrap")
    height = line / line.std() * random.uniform(0.005, 0.05) + random.uniform(-0.02, 0.06)
    return np.maximum(height, 0)[None]


def _noise(random: np.random.Generator, size: float, stretch: float) -> np.ndarray:
    """Return smooth noise ``(256, 512)`` of deviation 1, ``stretch`` times as wide as high."""
    white = random.standard_normal((HEIGHT, 2 * HEIGHT))
    noise = ndimage.gaussian_filter(white, (size, size * stretch), mode=("nearest", "wrap"))
    return noise / noise.std()
