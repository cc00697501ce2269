# SPDX-License-Identifier: GPL-3.0-or-later
"""Directions, solid angles and irradiance of an equirectangular picture.

Blender's convention: the picture's centre faces +X, azimuth grows to the left, +Z is up. A picture of
``(H, W)`` pixels has its samples at pixel centres.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
"""Weights of Rec.709's primaries in luminance."""


def elevations(height: int) -> np.ndarray:
    """Return the elevation of each row in radians, ``(H,)``, from near +π/2 down."""
    return (0.5 - (np.arange(height) + 0.5) / height) * np.pi


def azimuths(width: int) -> np.ndarray:
    """Return the azimuth of each column in radians, ``(W,)``, from near +π down."""
    return (0.5 - (np.arange(width) + 0.5) / width) * 2 * np.pi


def solid_angles(height: int, width: int) -> np.ndarray:
    """Return the exact solid angle of a pixel in each row in steradians, ``(H, 1)``."""
    edges = np.sin(np.linspace(np.pi / 2, -np.pi / 2, height + 1))
    return ((edges[:-1] - edges[1:]) * 2 * np.pi / width)[:, None]


@lru_cache(maxsize=4)
def pixel_directions(height: int, width: int) -> np.ndarray:
    """Return the unit vector through each pixel's centre, ``(H, W, 3)``."""
    elevation, azimuth = elevations(height)[:, None], azimuths(width)[None]
    return np.stack(
        [
            np.cos(elevation) * np.cos(azimuth),
            np.cos(elevation) * np.sin(azimuth),
            np.broadcast_to(np.sin(elevation), (height, width)),
        ],
        axis=-1,
    ).astype(np.float32)


def pixel_of(direction: np.ndarray, height: int, width: int) -> tuple[float, float]:
    """Return row and column, in pixels from the first pixel's centre, of a unit vector."""
    azimuth, elevation = np.arctan2(direction[1], direction[0]), np.arcsin(np.clip(direction[2], -1, 1))
    return (0.5 - elevation / np.pi) * height - 0.5, (0.5 - azimuth / (2 * np.pi)) * width - 0.5


def normals(count: int = 256) -> np.ndarray:
    """Return ``(count, 3)`` unit vectors spread evenly over the sphere (a Fibonacci lattice)."""
    index = np.arange(count) + 0.5
    z = 1 - 2 * index / count
    angle = np.pi * (1 + 5**0.5) * index
    radius = np.sqrt(1 - z * z)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), z], axis=-1)


def irradiance(radiance: np.ndarray, surface_normals: np.ndarray) -> np.ndarray:
    """Return the diffuse irradiance on surfaces: ∫ L max(0, n·d) dω.

    Args:
        radiance: ``(H, W)`` or ``(H, W, C)``; reduce large pictures first.
        surface_normals: ``(N, 3)`` unit vectors.

    Returns:
        ``(N,)`` or ``(N, C)`` in the radiance's unit times steradian.
    """
    height, width = radiance.shape[:2]
    directions = pixel_directions(height, width).reshape(-1, 3)
    weighted = radiance * (
        solid_angles(height, width) if radiance.ndim == 2 else solid_angles(height, width)[..., None]
    )
    flat = weighted.reshape(height * width, -1)
    result = np.stack([np.maximum(directions @ n, 0) @ flat for n in surface_normals.astype(np.float32)])
    return result[:, 0] if radiance.ndim == 2 else result


def light_vector(luminance: np.ndarray) -> np.ndarray:
    """Return ∫ L d dω of ``(H, W)`` luminance: where the light comes from, times how strongly."""
    height, width = luminance.shape
    return np.einsum("hw,hwc->c", luminance * solid_angles(height, width), pixel_directions(height, width))


def reduced(picture: np.ndarray, width: int) -> np.ndarray:
    """Return the mean over whole blocks so that the picture is about ``width`` wide, or it as it is."""
    factor = picture.shape[1] // width
    if factor < 2:
        return picture
    height, columns = picture.shape[0] // factor, picture.shape[1] // factor
    cut = picture[: height * factor, : columns * factor]
    return cut.reshape(height, factor, columns, factor, *picture.shape[2:]).mean(axis=(1, 3))
