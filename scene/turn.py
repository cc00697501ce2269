"""Turn a World around the vertical: towards the camera, or until its sun stands behind the viewer.

Azimuths are radians, counterclockwise from +X as seen from above. Blender shows the picture's point of
azimuth ``a`` (its centre is 0, its left edge +180°) in the direction ``a - rotation``.
"""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .world import Controls

LOOK_WIDTH = 1024
"""Pictures are reduced to this width before the sun is looked for."""
CELLS = 64
"""The sun is looked for in cells of 5.6° (so many around) first: one lone pixel is none."""
STRAIGHT = 1e-3
"""A viewer who looks straight up or down faces nowhere."""


def facing(matrix: Matrix) -> float | None:
    """Return the azimuth that a camera or view with this world matrix looks at; None if up or down."""
    ahead = matrix.to_3x3() @ Vector((0.0, 0.0, -1.0))
    if math.hypot(ahead.x, ahead.y) < STRAIGHT * ahead.length:
        return None
    return math.atan2(ahead.y, ahead.x)


def show_at(controls: Controls, picture_azimuth: float, azimuth: float) -> None:
    """Turn the World so that the picture's point of one azimuth stands in the direction of another."""
    turned = math.remainder(picture_azimuth - azimuth, 2 * math.pi)
    controls.rotation.default_value[2] = turned


def sun_azimuth(image: bpy.types.Image) -> float | None:
    """Return the azimuth of the brightest place above the horizon of a picture; None for a dark one.

    Raises RuntimeError if the picture's file cannot be read.
    """
    light = _luminance(image)
    light = light[: len(light) // 2]  # the sky
    width = light.shape[1]
    cell = max(1, width // CELLS)
    rows, columns = light.shape[0] // cell, width // cell
    cells = light[: rows * cell, : columns * cell].reshape(rows, cell, columns, cell).mean(axis=(1, 3))
    if not cells.max() > 0.0:
        return None
    row, column = np.unravel_index(np.argmax(cells), cells.shape)
    # The centre of light of the cell and its neighbours, across the seam too.
    near = np.arange((column - 1) * cell, (column + 2) * cell)
    window = light[max(0, row - 1) * cell : (row + 2) * cell, near % width]
    weight = np.maximum(window - np.median(light), 0.0).sum(axis=0)
    if not weight.sum() > 0.0:
        return None  # as bright everywhere
    u = float((weight * (near + 0.5)).sum() / weight.sum()) / width
    return math.remainder((0.5 - u) * 2 * math.pi, 2 * math.pi)


def _luminance(image: bpy.types.Image) -> np.ndarray:
    """Return the picture's luminance, the top row first, reduced to about LOOK_WIDTH pixels of width."""
    width, height = image.size
    if not width:
        raise RuntimeError(f"{image.filepath}: the picture cannot be read.")
    pixels = np.empty(width * height * 4, dtype=np.float32)
    image.pixels.foreach_get(pixels)
    block = max(1, width // LOOK_WIDTH)
    rows, columns = height // block, width // block
    rgba = pixels.reshape(height, width, 4)[: rows * block, : columns * block]
    rgb = rgba.reshape(rows, block, columns, block, 4).mean(axis=(1, 3))[::-1, :, :3]
    return np.nan_to_num(rgb) @ np.array([0.2126, 0.7152, 0.0722], dtype=np.float32)
