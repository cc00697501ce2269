# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the sun in the picture of a World: where it stands, how wide it is, how much light it gives.

Directions are those of the picture itself: its centre is +X, its left half +Y, its upper edge +Z.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import bpy
import numpy as np

from .problems import SceneProblem, Trouble
from .whole import ensure_image_whole, ensure_memory

LUMINANCE = np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
LOOK_WIDTH = 1024
"""Pictures are reduced to this width before the sun is looked for."""
CONE, RING = math.radians(2.5), math.radians(4.0)
"""Within the first of its middle lie the sun and its closest glow, within the second the sky around it."""
CONE_PIXELS = 4
"""In a coarse picture the cone is at least so many pixels wide to each side."""
AROUND_PERCENTILE = 90.0
"""The sky around the sun counts as so bright: what is above it in the cone is the sun's."""
LEAST_CONTRAST = 20.0
"""A sun is so many times brighter than the sky around it …"""
LEAST_SHARE = 0.5
"""… has this much of all light that is far brighter than the rest of the sky (lamps come in numbers) …"""
LEAST_STRENGTH = 0.05
"""… and gives a surface that faces it at least this part of what everything else gives."""
BRIGHT = 10.0
"""Far brighter: so many times the sky's median."""
SUN_DIAMETER = math.radians(0.533)
"""The real sun's, seen from the Earth."""
LARGEST_HALF = 65504.0
"""Pictures kept in half floats write infinity for what is more."""


@dataclass(frozen=True)
class Sun:
    """The sun of one picture.

    Attributes:
        direction: unit vector ``(3,)`` towards it.
        diameter: angular, in radians; the real sun's if the picture is too coarse to tell.
        irradiance: ``(3,)`` light on a surface that faces it, above the sky around it, linear RGB.
        around: ``(3,)`` radiance of the sky around it: what is left when the sun is taken away.
        cone: angle from its middle in radians within which its light lies.
    """

    direction: np.ndarray
    diameter: float
    irradiance: np.ndarray
    around: np.ndarray
    cone: float


def find_sun(radiance: np.ndarray) -> Sun | None:
    """Return the sun of an equirectangular picture; None if no small, strong light is in its sky.

    Args:
        radiance: ``(H, W, 3)`` linear RGB, the top row first.
    """
    height = len(radiance)
    small = reduced(radiance, LOOK_WIDTH) @ LUMINANCE
    sky = small[: len(small) // 2]
    row, column = np.unravel_index(int(np.argmax(sky)), sky.shape)
    axis = _direction((row + 0.5) / small.shape[0], (column + 0.5) / small.shape[1])
    cone = max(CONE, CONE_PIXELS * math.pi / height)
    ring = cone * RING / CONE
    around = light = energy = areas = np.zeros(0)
    for _ in range(2):  # the second time around its middle
        colours, directions, areas = _near(radiance, axis, ring)
        angle = np.arccos(np.clip(directions @ axis, -1.0, 1.0))
        around = np.percentile(colours[angle > cone], AROUND_PERCENTILE, axis=0)
        light = np.where((angle <= cone)[:, None], np.maximum(colours - around, 0.0), 0.0) * areas[:, None]
        energy = light @ LUMINANCE
        if not energy.sum() > 0.0:
            return None
        axis = energy @ directions
        axis /= np.linalg.norm(axis)
    total, peak = float(energy.sum()), float((energy / areas).max())  # pyright: ignore[reportOperatorIssue]
    rows, columns = small.shape
    solid = np.broadcast_to(_areas(rows, columns)[:, None], small.shape)
    far_brighter = np.maximum(small - BRIGHT * np.median(sky), 0.0)
    if (
        peak < LEAST_CONTRAST * float(around @ LUMINANCE)
        or total < LEAST_SHARE * float((far_brighter * solid).sum())
        or total < LEAST_STRENGTH * (_irradiance(small, solid, axis) - total)
    ):
        return None
    # The solid angle of an even disc with this sum and this sum of squares.
    wide = 2.0 * math.sqrt(total**2 / float((energy**2 / areas).sum()) / math.pi)
    diameter = wide if wide > SUN_DIAMETER + math.pi / height else SUN_DIAMETER
    return Sun(axis, diameter, light.sum(axis=0), around, cone)


def pixels(image: bpy.types.Image) -> np.ndarray:
    """Return a picture as linear RGB ``(H, W, 3)``, the top row first, without what is no number.

    Raises SceneProblem if the picture's file cannot be read, or not with the memory that is free.
    """
    ensure_image_whole(image)
    ensure_memory(image)
    width, height = image.size
    if not width:
        raise SceneProblem(Trouble.UNREADABLE_PICTURE, image.filepath)
    values = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(values)
    colours = values.reshape(height, width, 4)[::-1, :, :3]
    if not image.is_float and image.colorspace_settings.name == "sRGB":
        colours = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    return np.nan_to_num(colours, copy=True, nan=0.0, posinf=LARGEST_HALF, neginf=0.0)


def reduced(radiance: np.ndarray, width: int) -> np.ndarray:
    """Return the mean of whole blocks, so that the picture is about ``width`` pixels wide."""
    block = max(1, radiance.shape[1] // width)
    rows, columns = radiance.shape[0] // block, radiance.shape[1] // block
    cut = radiance[: rows * block, : columns * block]
    return cut.reshape(rows, block, columns, block, -1).mean(axis=(1, 3))


def _near(radiance: np.ndarray, axis: np.ndarray, angle: float) -> tuple[np.ndarray, ...]:
    """Return colours, directions and solid angles of the pixels within an angle of a direction."""
    height, width = radiance.shape[:2]
    middle = math.acos(min(1.0, max(-1.0, float(axis[2])))) / math.pi * height
    reach = math.ceil(angle / math.pi * height) + 1
    rows = np.arange(max(0, int(middle) - reach), min(height, int(middle) + reach + 1))
    v, u = (rows + 0.5) / height, (np.arange(width) + 0.5) / width
    directions = _direction(v[:, None], u[None])
    row, column = np.nonzero(directions @ axis >= math.cos(angle))
    areas = _areas(height, width)[rows[row]]
    return radiance[rows[row], column].astype(np.float64), directions[row, column], areas


def _direction(v, u) -> np.ndarray:
    """Return the unit vectors of places in the picture, ``v`` from the top and ``u`` from the left."""
    elevation, azimuth = (0.5 - v) * np.pi, (0.5 - u) * 2.0 * np.pi
    flat = np.cos(elevation)
    parts = (flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation) + 0.0 * azimuth)
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def _areas(height: int, width: int) -> np.ndarray:
    """Return the solid angle of a pixel of each row, ``(H,)`` in steradians."""
    edges = np.cos(np.linspace(0.0, np.pi, height + 1))
    return (edges[:-1] - edges[1:]) * 2.0 * np.pi / width


def _irradiance(luminance: np.ndarray, solid: np.ndarray, axis: np.ndarray) -> float:
    height, width = luminance.shape
    v, u = (np.arange(height) + 0.5) / height, (np.arange(width) + 0.5) / width
    cosine = np.maximum(_direction(v[:, None], u[None]) @ axis, 0.0)
    return float((luminance * cosine * solid).sum())
