# SPDX-License-Identifier: GPL-3.0-or-later
"""Render three balls under panoramas with Cycles; run by ``benchmarks.relighting`` in a Python that has bpy.

    python balls_in_blender.py FOLDER SIZE SAMPLES

``FOLDER/azimuths.json`` names the panoramas ``FOLDER/NAME.npy``, ``(H, W, 3)`` linear RGB, and from which
azimuth (radians) each is looked at. Written: ``NAME.front.npy`` and ``NAME.back.npy``, the renders from there
and from the other side, ``(SIZE, 3 SIZE, 3)`` linear: a diffuse, a glossy and a mirror ball.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

import bpy
import numpy as np

ALBEDO = 0.8
ROUGHNESS = {"glossy": 0.3, "mirror": 0.0}
DISTANCE = 10.0


class Studio:
    """A diffuse, a glossy and a mirror ball that neither see nor shade each other, before a camera."""

    def __init__(self, folder: Path, size: int, samples: int) -> None:
        bpy.ops.wm.read_factory_settings(use_empty=True)
        scene = self.scene = bpy.context.scene
        self.size, self.file = size, folder / "render.exr"
        self.balls = [_ball(_material(name)) for name in ("diffuse", *ROUGHNESS)]
        self.camera = bpy.data.objects.new("Camera", bpy.data.cameras.new("Camera"))
        self.camera.data.type, self.camera.data.ortho_scale = "ORTHO", 6.0
        scene.collection.objects.link(self.camera)
        scene.camera = self.camera
        scene.render.engine = "CYCLES"
        scene.cycles.samples, scene.cycles.seed = samples, 1
        scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
        scene.cycles.sample_clamp_direct = scene.cycles.sample_clamp_indirect = 0.0
        scene.render.film_transparent = True
        scene.render.resolution_x, scene.render.resolution_y = 3 * size, size
        scene.render.image_settings.file_format = "OPEN_EXR"
        scene.render.image_settings.color_depth = "32"
        scene.render.filepath = str(self.file)
        world = scene.world = bpy.data.worlds.new("World")
        if bpy.app.version < (5, 0, 0):  # later ones always have nodes
            world.use_nodes = True
        tree = world.node_tree
        tree.nodes.clear()
        self.texture = tree.nodes.new("ShaderNodeTexEnvironment")
        background = tree.nodes.new("ShaderNodeBackground")
        tree.links.new(self.texture.outputs["Color"], background.inputs["Color"])
        tree.links.new(
            background.outputs["Background"], tree.nodes.new("ShaderNodeOutputWorld").inputs["Surface"]
        )

    def light(self, radiance: np.ndarray) -> None:
        """Let a panorama ``(H, W, 3)`` light the balls."""
        height, width = radiance.shape[:2]
        if self.texture.image is not None:
            bpy.data.images.remove(self.texture.image)
        image = bpy.data.images.new("Panorama", width, height, float_buffer=True)
        image.colorspace_settings.name = "Linear Rec.709"
        pixels = np.ones((height, width, 4), dtype=np.float32)
        pixels[..., :3] = radiance[::-1]
        image.pixels.foreach_set(pixels.ravel())
        image.update()
        image.pack()
        self.texture.image = image

    def render(self, azimuth: float) -> np.ndarray:
        """Return the balls ``(size, 3 size, 3)`` as seen level from an azimuth, black around them."""
        for place, ball in zip((-2.0, 0.0, 2.0), self.balls, strict=True):
            ball.location = (-place * math.sin(azimuth), place * math.cos(azimuth), 0.0)
        self.camera.location = (DISTANCE * math.cos(azimuth), DISTANCE * math.sin(azimuth), 0.0)
        self.camera.rotation_euler = (math.pi / 2, 0.0, azimuth + math.pi / 2)
        bpy.ops.render.render(write_still=True)
        picture = bpy.data.images.load(str(self.file), check_existing=False)
        values = np.empty(self.size * 3 * self.size * 4, dtype=np.float32)
        picture.pixels.foreach_get(values)
        bpy.data.images.remove(picture)
        return values.reshape(self.size, 3 * self.size, 4)[::-1, :, :3]


def _ball(material: bpy.types.Material) -> bpy.types.Object:
    bpy.ops.mesh.primitive_uv_sphere_add(segments=128, ring_count=64, radius=1.0)
    bpy.ops.object.shade_smooth()
    ball = bpy.context.object
    ball.data.materials.append(material)
    ball.visible_diffuse = ball.visible_glossy = ball.visible_shadow = False
    return ball


def _material(name: str) -> bpy.types.Material:
    material = bpy.data.materials.new(name)
    if bpy.app.version < (5, 0, 0):
        material.use_nodes = True
    tree = material.node_tree
    tree.nodes.clear()
    metal = name in ROUGHNESS
    shader = tree.nodes.new("ShaderNodeBsdfPrincipled" if metal else "ShaderNodeBsdfDiffuse")
    if metal:
        shader.inputs["Base Color"].default_value = (1.0, 1.0, 1.0, 1.0)
        shader.inputs["Metallic"].default_value = 1.0
        shader.inputs["Roughness"].default_value = ROUGHNESS[name]
    else:
        shader.inputs["Color"].default_value = (ALBEDO, ALBEDO, ALBEDO, 1.0)
    tree.links.new(shader.outputs["BSDF"], tree.nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
    return material


def main() -> None:
    """Render every panorama of the folder."""
    folder, size, samples = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    studio = Studio(folder, size, samples)
    for name, azimuth in json.loads((folder / "azimuths.json").read_text()).items():
        studio.light(np.load(folder / f"{name}.npy"))
        np.save(folder / f"{name}.front.npy", studio.render(azimuth))
        np.save(folder / f"{name}.back.npy", studio.render(azimuth + math.pi))


if __name__ == "__main__":
    main()
