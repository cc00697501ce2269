# SPDX-License-Identifier: GPL-3.0-or-later
"""Skies of known light, and a stage of grey things that they light, for tests of the light."""

from __future__ import annotations

import math
from pathlib import Path

import bpy
import numpy as np
from mathutils import Vector

SUN_RADIUS = math.radians(0.2665)
FINE = 8
"""The sun's disc is drawn with so many samples a pixel to each side."""
SIDE, BLOCK = 64, 8


def directions(v: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Return the unit vectors of rows (from the top) and columns: the middle is +X, the left half +Y."""
    elevation, azimuth = (0.5 - v[:, None]) * math.pi, (0.5 - u[None]) * math.tau
    parts = (np.cos(elevation) * np.cos(azimuth), np.cos(elevation) * np.sin(azimuth), np.sin(elevation))
    return np.stack(np.broadcast_arrays(*parts), axis=-1)


def solid_angles(height: int, width: int) -> np.ndarray:
    """Return the solid angle of each row's pixels, ``(H,)``."""
    edges = np.cos(np.linspace(0.0, math.pi, height + 1))
    return (edges[:-1] - edges[1:]) * math.tau / width


def blue_sky(width: int) -> np.ndarray:
    """Return a clear sky over a brown ground, without a sun, ``(W/2, W, 3)``, at most 1."""
    v = (np.arange(width // 2) + 0.5) / (width // 2)
    height = np.clip((0.5 - v) * 2, 0, 1)[:, None, None]
    sky = (1 - height) * np.array([0.75, 0.8, 0.85]) + height * np.array([0.15, 0.3, 0.6])
    ground = np.array([0.2, 0.17, 0.12])
    rows = np.where(v[:, None, None] < 0.5, sky, ground)
    return np.broadcast_to(rows, (width // 2, width, 3)).astype(np.float32).copy()


def add_disc(picture: np.ndarray, direction: Vector, irradiance: np.ndarray) -> None:
    """Add a sun that gives so much light ``(3,)`` to a surface that faces it."""
    height, width = picture.shape[:2]
    offset = (np.arange(FINE) + 0.5) / FINE
    v = ((np.arange(height)[:, None] + offset) / height).ravel()
    u = ((np.arange(width)[:, None] + offset) / width).ravel()
    middle = math.acos(direction.z) / math.pi * height * FINE
    rows = slice(max(0, int(middle / FINE) - 8), int(middle / FINE) + 8)
    fine = slice(rows.start * FINE, rows.stop * FINE)
    inside = directions(v[fine], u) @ np.array(direction) >= math.cos(SUN_RADIUS)
    cover = inside.reshape(-1, FINE, width, FINE).mean(axis=(1, 3))
    total = (cover * solid_angles(height, width)[rows, None]).sum()
    picture[rows] += (cover[..., None] * irradiance / total).astype(np.float32)


def world_of(world_module, name: str, picture: np.ndarray, strength: float = 1.0, turn: float = 0.0):
    """Make a World of a picture ``(H, W, 3)`` and light the current scene with it."""
    height, width = picture.shape[:2]
    image = bpy.data.images.new(name, width, height, float_buffer=True)
    image.colorspace_settings.name = "Linear Rec.709"
    pixels = np.ones((height, width, 4), dtype=np.float32)
    pixels[..., :3] = picture[::-1]
    image.pixels.foreach_set(pixels.ravel())
    image.update()
    image.pack()
    bpy.context.scene.world = world_module.new_world(name, image, strength, turn)
    return bpy.context.scene.world


class Stage:
    """A ground and two balls of grey, seen from above at a slant, rendered small with Cycles."""

    def __init__(self, folder: Path, albedo: float = 0.5, samples: int = 96) -> None:
        scene = bpy.context.scene
        for item in list(bpy.data.objects):
            bpy.data.objects.remove(item)
        self.grey = bpy.data.materials.new("Grey")
        self.grey.use_nodes = True
        tree = self.grey.node_tree
        tree.nodes.clear()
        diffuse = tree.nodes.new("ShaderNodeBsdfDiffuse")
        diffuse.inputs["Color"].default_value = (albedo, albedo, albedo, 1.0)
        output = tree.nodes.new("ShaderNodeOutputMaterial")
        tree.links.new(diffuse.outputs["BSDF"], output.inputs["Surface"])
        bpy.ops.mesh.primitive_plane_add(size=40.0)
        self.ground = bpy.context.object
        for x in (-1.2, 1.2):
            bpy.ops.mesh.primitive_uv_sphere_add(segments=48, ring_count=24, radius=1.0, location=(x, 0, 1))
            bpy.ops.object.shade_smooth()
        for item in bpy.data.objects:
            item.data.materials.append(self.grey)
        self.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        scene.collection.objects.link(self.camera)
        self.camera.location = (0.0, -9.0, 7.0)
        self.camera.rotation_euler = (math.radians(55), 0.0, 0.0)
        self.camera.data.angle = math.radians(40)
        scene.camera = self.camera
        scene.render.engine = "CYCLES"
        scene.cycles.samples = samples
        scene.cycles.seed = 3
        scene.cycles.use_denoising = False
        scene.cycles.use_adaptive_sampling = False
        scene.cycles.sample_clamp_indirect = 0.0
        scene.render.film_transparent = True
        scene.render.resolution_x = scene.render.resolution_y = SIDE
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_depth = "32"
        scene.render.filepath = str(folder / "stage.exr")
        self.picture_file = folder / "stage.exr"

    def render(self) -> np.ndarray:
        """Return the means of blocks of the picture, ``(8, 8, 3)``, linear."""
        bpy.ops.render.render(write_still=True)
        picture = bpy.data.images.load(bpy.context.scene.render.filepath, check_existing=False)
        values = np.array(picture.pixels[:]).reshape(SIDE, SIDE, 4)[..., :3]
        bpy.data.images.remove(picture)
        return values.reshape(SIDE // BLOCK, BLOCK, SIDE // BLOCK, BLOCK, 3).mean(axis=(1, 3))
