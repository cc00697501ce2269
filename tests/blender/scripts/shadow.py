# SPDX-License-Identifier: GPL-3.0-or-later
"""A ground under a roof in the light of a World: how dark the sun's shadow is, in Cycles and in EEVEE.

Imported by scripts in the bpy module and in a real window: it installs nothing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import bpy
import numpy as np

SIDE, WIDE = 64, 14.0
"""Pixels to each side of the picture, and what of the ground they show."""
HEIGHT = 3.0
PATCH = 3
"""Half of the square of pixels that is looked at, in the shadow and in the light."""
EEVEE = "BLENDER_EEVEE_NEXT" if bpy.app.version < (5, 0, 0) else "BLENDER_EEVEE"


class Ground:
    """A white ground with a small roof above its middle, seen from straight above."""

    def __init__(self, file: Path) -> None:
        scene = self.scene = bpy.context.scene
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        _quad(20.0, 0.0)
        _quad(1.0, HEIGHT)
        camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        camera.location.z = 20.0
        camera.data.type, camera.data.ortho_scale = "ORTHO", WIDE
        scene.collection.objects.link(camera)
        scene.camera = camera
        self.file = file
        scene.render.resolution_x = scene.render.resolution_y = SIDE
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_depth = "32"
        scene.render.filepath = str(file)

    def render(self, engine: str, samples: int) -> np.ndarray:
        """Return the luminance of the picture, ``(SIDE, SIDE)``, the top row first: +Y is up, +X right."""
        scene = self.scene
        scene.render.engine = engine
        if engine == "CYCLES":
            scene.cycles.samples, scene.cycles.seed = samples, 2
            scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
        else:
            scene.eevee.taa_render_samples = samples
        bpy.ops.render.render(write_still=True)
        picture = bpy.data.images.load(str(self.file), check_existing=False)
        values = np.array(picture.pixels[:]).reshape(SIDE, SIDE, 4)[::-1, :, :3]
        bpy.data.images.remove(picture)
        return values @ np.array([0.2126, 0.7152, 0.0722])


def looked_at(picture: np.ndarray, sun: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the pixels in the middle of the roof's shadow, and those on the other side of the roof."""
    x, y, z = sun
    return _patch(picture, -HEIGHT * x / z, -HEIGHT * y / z), _patch(picture, HEIGHT * x / z, HEIGHT * y / z)


def darkness(picture: np.ndarray, sun: Sequence[float]) -> float:
    """Return the light in the roof's shadow over that on the other side."""
    shadow, lit = looked_at(picture, sun)
    return float(shadow.mean() / lit.mean())


def sunlit(picture: np.ndarray, sun: Sequence[float]) -> float:
    """Return the light beside the roof, in most of the pixels (the median)."""
    return float(np.median(looked_at(picture, sun)[1]))


def _patch(picture: np.ndarray, x: float, y: float) -> np.ndarray:
    column, row = math.floor((0.5 + x / WIDE) * SIDE), math.floor((0.5 - y / WIDE) * SIDE)
    return picture[row - PATCH : row + PATCH, column - PATCH : column + PATCH]


def _quad(half: float, z: float) -> None:
    mesh = bpy.data.meshes.new("Quad")
    corners = [(-half, -half, z), (half, -half, z), (half, half, z), (-half, half, z)]
    mesh.from_pydata(corners, [], [(0, 1, 2, 3)])
    bpy.context.scene.collection.objects.link(bpy.data.objects.new("Quad", mesh))
