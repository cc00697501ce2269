# SPDX-License-Identifier: GPL-3.0-or-later
"""A flat picture of what one sees in a panorama: the still of a view of the 360° viewer.

Azimuths are those of the picture: 0 is its middle, positive to the left, as in ``scene/turn.py``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import bpy
import numpy as np

LEAST_FOV, MOST_FOV = 10.0, 130.0
ROWS = 128
"""So many rows of a still are computed at a time."""


@dataclass(frozen=True)
class Gaze:
    """Where the viewer looks.

    Attributes:
        azimuth, elevation: of the middle, in degrees.
        fov: field of view over the width, in degrees.
        exposure: EV.
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    fov: float = 90.0
    exposure: float = 0.0

    def axes(self) -> np.ndarray:
        """Return the unit vectors forward, right and up as rows ``(3, 3)``."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        forward = (math.cos(e) * math.cos(a), math.cos(e) * math.sin(a), math.sin(e))
        right = (math.sin(a), -math.cos(a), 0.0)
        up = (-math.sin(e) * math.cos(a), -math.sin(e) * math.sin(a), math.cos(e))
        return np.array([forward, right, up])

    @property
    def reach(self) -> float:
        """The tangent of half the field of view."""
        return math.tan(math.radians(self.fov) / 2)


def still(radiance: np.ndarray, gaze: Gaze, width: int, height: int) -> np.ndarray:
    """Return what one sees of a panorama, linear ``(height, width, 3)``, with its exposure.

    Args:
        radiance: ``(H, 2·H, 3)`` linear light, the top row first.
        gaze: where one looks.
        width, height: pixels of the still.
    """
    rows, columns = radiance.shape[:2]
    axes = gaze.axes()
    across = ((np.arange(width) + 0.5) / width * 2 - 1) * gaze.reach
    found = np.empty((height, width, 3), dtype=np.float32)
    for top in range(0, height, ROWS):
        down = (
            (1 - (np.arange(top, min(top + ROWS, height)) + 0.5) / height * 2) * gaze.reach * height / width
        )
        rays = axes[0] + across[None, :, None] * axes[1] + down[:, None, None] * axes[2]
        rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
        column = (0.5 - np.arctan2(rays[..., 1], rays[..., 0]) / (2 * np.pi)) * columns - 0.5
        row = (0.5 - np.arcsin(rays[..., 2].clip(-1, 1)) / np.pi) * rows - 0.5
        found[top : top + len(down)] = _bilinear(radiance, row, column)
    return found * np.float32(2.0**gaze.exposure)


def _bilinear(picture: np.ndarray, row: np.ndarray, column: np.ndarray) -> np.ndarray:
    rows, columns = picture.shape[:2]
    y, x = np.floor(row).astype(int), np.floor(column).astype(int)
    dy, dx = (row - y)[..., None], (column - x)[..., None]
    above, below = y.clip(0, rows - 1), (y + 1).clip(0, rows - 1)
    left, right = x % columns, (x + 1) % columns
    upper = picture[above, left] * (1 - dx) + picture[above, right] * dx
    lower = picture[below, left] * (1 - dx) + picture[below, right] * dx
    return upper * (1 - dy) + lower * dy


def to_srgb(light: np.ndarray) -> np.ndarray:
    """Return sRGB in [0, 1] of linear light, clipped as a display clips it."""
    light = light.clip(0, 1)
    return np.where(
        light <= 0.0031308, light * 12.92, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    )


def write_png(path: Path, srgb: np.ndarray) -> None:
    """Write sRGB ``(H, W, 3)`` in [0, 1] as a PNG; RuntimeError or OSError if it cannot be written."""
    height, width = srgb.shape[:2]
    image = bpy.data.images.new(path.stem, width, height)
    try:
        values = np.ones((height, width, 4), dtype=np.float32)
        values[..., :3] = srgb[::-1]
        image.pixels.foreach_set(values.ravel())
        image.file_format = "PNG"
        image.save(filepath=str(path))
    finally:
        bpy.data.images.remove(image)
