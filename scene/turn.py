# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn a World around the vertical: towards the camera, or until its sun stands behind the viewer.

Azimuths are radians, counterclockwise from +X as seen from above. Blender shows the picture's point of
azimuth ``a`` (its centre is 0, its left edge +180°) in the direction ``a - rotation``.
"""

from __future__ import annotations

import math

import bpy
import numpy as np
from mathutils import Matrix, Vector

from .sun import LOOK_WIDTH, LUMINANCE, pixels, reduced
from .world import Controls

CELLS = 64
"""The sun is looked for in cells of 5.6° (so many around) first: one lone pixel is none."""
POLE_ELEVATION = math.pi / 2 - 1e-3
"""Radians. A viewer who looks further up or down than this faces nowhere."""


def facing(matrix: Matrix) -> float | None:
    """Return the azimuth that a camera or view with this world matrix looks at; None if up or down."""
    ahead = matrix.to_3x3() @ Vector((0.0, 0.0, -1.0))
    if abs(math.atan2(ahead.z, math.hypot(ahead.x, ahead.y))) > POLE_ELEVATION:
        return None
    return math.atan2(ahead.y, ahead.x)


def show_at(controls: Controls, picture_azimuth: float, azimuth: float) -> None:
    """Turn the World so that the picture's point of one azimuth stands in the direction of another."""
    turned = math.remainder(picture_azimuth - azimuth, 2 * math.pi)
    controls.rotation.default_value[2] = turned


def sun_azimuth(image: bpy.types.Image) -> float | None:
    """Return the azimuth of the brightest place above the horizon of a picture; None for a dark one.

    Raises SceneProblem if the picture's file cannot be read.
    """
    light = reduced(pixels(image), LOOK_WIDTH) @ LUMINANCE
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
